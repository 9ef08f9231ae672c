"""A ZooKeeper server as a process."""

from typing import Any

from fencepost.model.composition import Composer
from fencepost.model.config import ZooKeeperConfig
from fencepost.model.kernel.network import Connection, Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Simulation
from fencepost.model.zookeeper.peer import QuorumPeer


class ZooKeeperServer(Node):
    """One of 1 to 7 servers of an ensemble; `peer` is None while it is stopped. Everything volatile is in `peer`."""

    def __init__(
        self, node_id: int, simulation: Simulation, network: Network, config: ZooKeeperConfig, composer: Composer,
        ensemble: tuple[int, ...],
    ) -> None:
        super().__init__(node_id, f"zookeeper {node_id}", simulation, network)
        self.config = config
        self.composer = composer
        self.ensemble = tuple(sorted(ensemble))
        self.peer: QuorumPeer | None = None

    def on_start(self) -> None:
        """Recover from disk and look for a leader."""
        self.peer = self.composer(QuorumPeer)(self, self.config, self.ensemble, self.composer)
        self.peer.look_for_leader()

    def on_stop(self, how: str) -> None:
        """Drop everything volatile; a process that ends on its own has flushed its files."""
        if how == "shutdown":
            for file in self.disk.files.values():
                file.synced(file.written())
        self.peer = None

    def on_stream_end(self, connection: Connection) -> None:
        """A client's or a learner's connection is gone."""
        if self.peer is not None:
            self.peer.on_stream_end(connection)

    @property
    def is_leading(self) -> bool:
        """Whether this server believes that it leads an established epoch."""
        peer = self.peer
        return peer is not None and peer.leader is not None and peer.service.upstream is peer.leader

    def describe(self) -> dict[str, Any]:
        """The server's state as plain data."""
        state: dict[str, Any] = {"name": self.name, "running": self.running, "paused": self.paused}
        if self.peer is not None:
            state["zookeeper"] = self.peer.describe()
        return state
