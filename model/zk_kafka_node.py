"""A Kafka process in ZooKeeper mode: a broker with its controller, under a supervisor that starts it again when it ends
by itself because its own last session still holds its registration."""

from typing import Any

from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig, ZooKeeperConfig
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Simulation
from fencepost.model.zk_broker.server import ZkBrokerServer
from fencepost.model.zk_controller.controller import ZkController

#: The supervisor waits so long, as a part of the session time-out (of the defaults' 18 s a second and a half).
RESTART_DIVISOR = 12


class ZkKafkaNode(Node):
    """One process. broker, controller: its components; None while it is stopped."""

    def __init__(
        self, node_id: int, simulation: Simulation, network: Network, config: KafkaConfig, zookeeper: ZooKeeperConfig,
        composer: Composer, servers: tuple[int, ...],
    ) -> None:
        super().__init__(node_id, f"broker {node_id}", simulation, network)
        self.config = config
        self.zookeeper = zookeeper
        self.composer = composer
        self.servers = servers
        self.broker: ZkBrokerServer | None = None

    @property
    def controller(self) -> ZkController | None:
        """The process's controller, active or not."""
        return None if self.broker is None else self.broker.controller

    def on_start(self) -> None:
        """Build the components from disk and start them."""
        self.broker = self.composer(ZkBrokerServer)(self, self.config, self.zookeeper, self.composer, self.servers)
        self.broker.start()

    def on_stop(self, how: str) -> None:
        """Drop the components; a process that ends on its own has flushed its logs."""
        if how == "shutdown":
            for file in self.disk.files.values():
                file.synced(file.written())
        self.broker = None

    def shut_down(self) -> None:
        """End; if nobody has asked for it, the supervisor starts the process again."""
        wanted = self.broker is None or self.broker.lifecycle.is_ending
        super().shut_down()
        if not wanted:
            delay_us = self.config.zookeeper_session_timeout_us // RESTART_DIVISOR
            self.scheduler.schedule(delay_us, self._restart, self.incarnation)

    def _restart(self, incarnation: int) -> None:
        if self.incarnation == incarnation and self.powered:
            self.start()

    def begin_controlled_shutdown(self) -> None:
        """What SIGTERM does."""
        if self.running and not self.paused and self.broker is not None:
            self.broker.lifecycle.begin_controlled_shutdown()

    def describe(self) -> dict[str, Any]:
        """The node's state as plain data."""
        state: dict[str, Any] = {
            "name": self.name, "running": self.running, "paused": self.paused, "roles": ["broker"]}
        if self.broker is not None:
            state["broker"] = self.broker.describe()
            state["controller"] = self.broker.controller.describe()
        return state
