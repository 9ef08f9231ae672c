"""A data tree with its preparation, driven as a leader drives it; and a server that answers by a script."""

from typing import Any

from fencepost.histories.recorder import Recorder
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics, Simulation
from fencepost.model.protocol.zookeeper import (
    CLIENT_CHANNEL,
    ClientPing,
    ClientReply,
    ClientRequest,
    ConnectRequest,
    ConnectResponse,
    Identity,
    WatchEvent,
    WriteOp,
    ZkResult,
)
from fencepost.model.zookeeper.client import ClientTimeouts, ZooKeeperClient
from fencepost.model.zookeeper.data_tree import Applied, DataTree
from fencepost.model.zookeeper.preparation import Preparation
from fencepost.model.zookeeper.transactions import Transaction, transaction, zxid_of

SESSION = 7


class Leader:
    """Prepares and applies; zxids are those of epoch 1."""

    def __init__(self) -> None:
        self.tree = DataTree()
        self.preparation = Preparation(self.tree)
        self.counter = 0
        self.applied: list[Applied] = []

    def prepare(
        self, operation: WriteOp, session_id: int = SESSION, identities: tuple[Identity, ...] = (),
        session_error: str | None = None,
    ) -> Transaction:
        """Make a transaction of a write and leave it outstanding."""
        self.counter += 1
        zxid = zxid_of(1, self.counter)
        body = self.preparation.prepare(zxid, session_id, operation, identities, session_error)
        return transaction(zxid, session_id, self.counter, body)

    def apply(self, outstanding: Transaction) -> ZkResult:
        """Apply a transaction."""
        self.applied.append(self.tree.apply(outstanding))
        self.preparation.applied(outstanding.zxid)
        return self.applied[-1].result

    def write(self, operation: WriteOp, session_id: int = SESSION, identities: tuple[Identity, ...] = ()) -> ZkResult:
        """Prepare and apply."""
        return self.apply(self.prepare(operation, session_id, identities))

    @property
    def events(self) -> list[tuple[str, str]]:
        """The events of the last transaction."""
        return [tuple(event) for event in self.applied[-1].events]


class ScriptedServer(Node):
    """Accepts sessions and keeps what it is asked; the test answers."""

    def on_start(self) -> None:
        self.connects: list[ConnectRequest] = []
        self.requests: list[ClientRequest] = []
        self.reply: Reply | None = None
        self.session_id = 70
        self.ended = 0
        self.handlers[ConnectRequest] = self._on_connect
        self.handlers[ClientRequest] = self._on_request
        self.handlers[ClientPing] = self._on_ping

    def _on_connect(self, request: ConnectRequest, reply: Reply) -> None:
        self.connects.append(request)
        self.reply = reply
        reply.push(ConnectResponse(self.session_id, request.timeout_us))

    def _on_request(self, request: ClientRequest, reply: Reply) -> None:
        self.requests.append(request)

    def _on_ping(self, ping: ClientPing, reply: Reply) -> None:
        reply.push(ping)

    def on_stream_end(self, connection: Any) -> None:
        self.ended += 1

    def answer(self, zxid: int, result: ZkResult) -> None:
        """Answer the oldest request."""
        assert self.reply is not None
        self.reply.push(ClientReply(self.requests.pop(0).xid, zxid, result))

    def tell(self, kind: str, path: str) -> None:
        """Send a watch event."""
        assert self.reply is not None
        self.reply.push(WatchEvent(kind, path))


class ClientHost(Node):
    """A process with one client; `seen` is everything it is told, in order."""

    def on_start(self) -> None:
        self.seen: list[Any] = []

    def begin(
        self, servers: tuple[int, ...], chroot: str = "", session_timeout_us: int = 600_000,
        channel: str = CLIENT_CHANNEL,
    ) -> ZooKeeperClient:
        self.client = ZooKeeperClient(
            self, ClientTimeouts(session_timeout_us, 100_000), servers, chroot, self, channel=channel)
        self.client.connect()
        return self.client

    def on_session_state(self, state: str) -> None:
        self.seen.append(state)

    def on_watch(self, event: WatchEvent) -> None:
        self.seen.append(tuple(event))

    def on_result(self, result: ZkResult, name: str) -> None:
        self.seen.append((name, result.error))


def scripted(servers: int = 1) -> tuple[Simulation, list[ScriptedServer], ClientHost]:
    """Scripted servers 1..n and a host of a client, all started."""
    simulation = Simulation(1, Physics(), Recorder())
    network = Network(simulation)
    nodes = [ScriptedServer(node_id, f"server {node_id}", simulation, network) for node_id in range(1, servers + 1)]
    host = ClientHost(100, "host", simulation, network)
    for node in (*nodes, host):
        node.start()
    return simulation, nodes, host
