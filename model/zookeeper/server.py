"""A ZooKeeper server as a process."""

from collections.abc import Callable
from typing import Any

from fencepost.model.composition import Composer
from fencepost.model.config import ZooKeeperConfig
from fencepost.model.kernel.connection import Connection
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Simulation
from fencepost.model.protocol.zookeeper import DeleteOp
from fencepost.model.zookeeper.peer import QuorumPeer
from fencepost.model.zookeeper.transactions import Transaction


class ZooKeeperServer(Node):
    """One of 1 to 7 servers of an ensemble; `peer` is None while it is stopped. Everything volatile is in `peer`.

    on_committed: told of committed transactions, each at least once by somebody.
    """

    def __init__(
        self, node_id: int, simulation: Simulation, network: Network, config: ZooKeeperConfig, composer: Composer,
        ensemble: tuple[int, ...],
    ) -> None:
        super().__init__(node_id, f"zookeeper {node_id}", simulation, network)
        self.config = config
        self.composer = composer
        self.ensemble = tuple(sorted(ensemble))
        self.peer: QuorumPeer | None = None
        self.on_committed: Callable[[Node, Transaction], None] | None = None

    def on_start(self) -> None:
        """Recover from disk and look for a leader."""
        self.peer = self.composer(QuorumPeer)(self, self.config, self.ensemble, self.composer)
        self.peer.on_committed = self.on_committed
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

    @property
    def established_epoch(self) -> int | None:
        """The epoch in which it serves clients as leader or follower; None while it does not."""
        peer = self.peer
        if peer is None or peer.service.upstream is None:
            return None
        return peer.storage.current_epoch

    def begin_controlled_shutdown(self) -> None:
        """What SIGTERM does: a server just ends."""
        if self.running and not self.paused:
            self.shut_down()

    def expire_session(self, session_id: int) -> bool:
        """End a session now (a fault); only the leader can, and only a live session."""
        leader = None if self.peer is None or self.paused else self.peer.leader
        return self.is_leading and leader is not None and leader.sessions is not None and leader.sessions.close_now(
            session_id)

    def delete(self, path: str) -> bool:
        """Delete a znode for an operator whose shell is connected here (a fault); only at the leader, and only what
        is there."""
        peer = None if self.paused else self.peer
        if peer is None or peer.leader is None or not self.is_leading or peer.tree.get(path) is None:
            return False
        peer.leader.write_once(peer.service.new_session_id(), DeleteOp(path))
        return True

    def describe(self) -> dict[str, Any]:
        """The server's state as plain data."""
        state: dict[str, Any] = {"name": self.name, "running": self.running, "paused": self.paused}
        if self.peer is not None:
            state["zookeeper"] = self.peer.describe()
        return state
