"""A Kafka process in KRaft mode: a controller, a broker, or both in one (process.roles)."""

from typing import Any

from fencepost.model.broker.server import BrokerServer
from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig
from fencepost.model.controller.quorum_controller import QuorumController
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Simulation
from fencepost.model.raft.replica import RaftReplica

#: How long a process lives on after its last message, so that the message leaves the host.
GOODBYE_US = 2_000


class KafkaNode(Node):
    """One process. Combined nodes share one Raft replica between controller and broker, as Kafka does.

    raft, controller, broker: the components of the running process; None while it is stopped or without that role.
    """

    def __init__(
        self, node_id: int, simulation: Simulation, network: Network, config: KafkaConfig, composer: Composer,
        voters: tuple[int, ...], is_controller: bool, is_broker: bool,
    ) -> None:
        roles = [role for role, has in (("broker", is_broker), ("controller", is_controller)) if has]
        super().__init__(node_id, f"{'+'.join(roles)} {node_id}", simulation, network)
        self.config = config
        self.composer = composer
        self.voters = voters
        self.is_controller = is_controller
        self.is_broker = is_broker
        self.raft: RaftReplica | None = None
        self.controller: QuorumController | None = None
        self.broker: BrokerServer | None = None

    def on_start(self) -> None:
        """Build the components from disk and start them."""
        raft = self.raft = self.composer(RaftReplica)(self, self.config, self.voters)
        if self.is_controller:
            self.controller = self.composer(QuorumController)(self, self.config, raft, self.composer)
        if self.is_broker:
            self.broker = self.composer(BrokerServer)(self, self.config, self.composer, raft)
        raft.start()
        if self.controller is not None:
            self.controller.start()
        if self.broker is not None:
            self.broker.start()

    def on_stop(self, how: str) -> None:
        """Drop the components; a process that ends on its own has flushed its logs."""
        if how == "shutdown":
            for file in self.disk.files.values():
                file.synced(file.written())
        self.raft = self.controller = self.broker = None

    def begin_controlled_shutdown(self) -> None:
        """What SIGTERM does: brokers ask the controller first, a controller says goodbye to its quorum."""
        if not self.running or self.paused:
            return
        if self.broker is not None:
            self.broker.lifecycle.begin_controlled_shutdown()
        elif self.raft is not None:
            self.raft.shut_down(self._end_soon)

    def _end_soon(self) -> None:
        self.schedule(GOODBYE_US, self.shut_down)

    def describe(self) -> dict[str, Any]:
        """The node's state as plain data."""
        state: dict[str, Any] = {
            "name": self.name, "running": self.running, "paused": self.paused,
            "roles": [role for role, has in (("controller", self.is_controller), ("broker", self.is_broker)) if has],
        }
        for name in ("raft", "controller", "broker"):
            component = getattr(self, name)
            if component is not None:
                state[name] = component.describe()
        return state
