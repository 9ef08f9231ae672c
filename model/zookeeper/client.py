"""ZooKeeper's client library: one session over one connection at a time (ClientCnxn), inside any node.

Requests are pipelined and answered in order; watch events come in order with the answers, before the answer that shows
the new data. When the connection is lost, what was asked and not answered fails with CONNECTIONLOSS, and the client
tries the servers in turn with the same session. Only a server can tell it that the session has expired: until it has
reached one, it does not know. Afterwards the client is dead, and its owner makes a new one.

The last zxid that it has seen rises from answers only, not from watch events or pings, and a server that is behind it
refuses the connection.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from fencepost.model.kernel.connection import Connection
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.protocol.zookeeper import (
    CHANGED,
    CHILD,
    CLIENT_CHANNEL,
    CONNECTIONLOSS,
    CREATED,
    NONODE,
    OPEN_ACL,
    SESSIONEXPIRED,
    Acls,
    ClientPing,
    ClientReply,
    ClientRequest,
    CloseSessionOp,
    ConnectRequest,
    ConnectResponse,
    CreateOp,
    DeleteOp,
    ExistsOp,
    GetAclOp,
    GetChildrenOp,
    GetDataOp,
    Identity,
    MultiOp,
    MultiPart,
    Operation,
    SetAclOp,
    SetDataOp,
    SetWatchesOp,
    SyncOp,
    WatchEvent,
    ZkResult,
)
from fencepost.model.zookeeper.paths import in_chroot, out_of_chroot

# The states of a client, and what a listener is told of them.
CONNECTING, CONNECTED, EXPIRED, CLOSED = "connecting", "connected", "expired", "closed"
DISCONNECTED = "disconnected"

Callback = Callable[..., None]


class ClientTimeouts(NamedTuple):
    """session_timeout_us: what the client asks for (the server's limits apply). spin_delay_us: the pause after a round
    over all servers, and the bound of the random pause before any later attempt (1 s in ClientCnxn)."""

    session_timeout_us: int
    spin_delay_us: int = 1_000_000


class SessionListener(Protocol):
    """Who is told of the session and of what it watches."""

    def on_session_state(self, state: str) -> None:
        """`connected`, `disconnected` or `expired`."""

    def on_watch(self, event: WatchEvent) -> None:
        """Something watched has changed; the watch is spent."""


class _Packet(NamedTuple):
    """A request with whom to call back."""

    request: ClientRequest
    callback: Callback | None
    context: tuple[Any, ...]


class _Watches:
    """The watches that the client holds, by server path; to be armed again on each new connection."""

    __slots__ = ("child", "data", "exist")

    def __init__(self) -> None:
        self.data: dict[str, None] = {}
        self.exist: dict[str, None] = {}
        self.child: dict[str, None] = {}

    def answered(self, operation: Operation, error: str | None) -> None:
        """A read with a watch was answered: the server has armed it unless the read failed."""
        if isinstance(operation, ExistsOp) and operation.watch:
            if error is None:
                self.data[operation.path] = None
            elif error == NONODE:
                self.exist[operation.path] = None
        elif isinstance(operation, GetDataOp) and operation.watch and error is None:
            self.data[operation.path] = None
        elif isinstance(operation, GetChildrenOp) and operation.watch and error is None:
            self.child[operation.path] = None

    def spend(self, event: WatchEvent) -> bool:
        """Whether anybody here waits for the event (ZKWatchManager.materialize)."""
        if event.type == CHILD:
            kinds = [self.child]
        elif event.type in (CREATED, CHANGED):
            kinds = [self.data, self.exist]
        else:
            kinds = [self.data, self.exist, self.child]
        found = [kind for kind in kinds if event.path in kind]
        for kind in found:
            del kind[event.path]
        return bool(found)

    def rearm(self, relative_zxid: int) -> SetWatchesOp | None:
        """What arms them again on a new connection, if there are any."""
        if not (self.data or self.exist or self.child):
            return None
        return SetWatchesOp(relative_zxid, tuple(self.data), tuple(self.exist), tuple(self.child))


class ZooKeeperClient:
    """A session. Every operation calls back once, in order: `callback(result, *context)`.

    servers: node ids. chroot: "" or a path below which all this client's paths are; it must exist before use.
    identities: what the client authenticates as, such as ("sasl", "kafka").
    channel: of its connections; several clients in one process need different ones.
    state: connecting, connected, expired or closed. session_id: 0 before the first connection.
    """

    def __init__(
        self, node: Node, timeouts: ClientTimeouts, servers: tuple[int, ...], chroot: str, listener: SessionListener,
        identities: tuple[Identity, ...] = (), channel: str = CLIENT_CHANNEL,
    ) -> None:
        self.node = node
        self.chroot = chroot.rstrip("/")
        self.state = CONNECTING
        self.session_id = 0
        self._timeouts = timeouts
        self._listener = listener
        self._identities = identities
        self._channel = channel
        self._stream = node.simulation.streams(f"zookeeper client {node.node_id}")
        self._servers = self._stream.shuffled(servers)
        self._next_server = 0
        self._connection: Connection | None = None
        self._ever_connected = False
        self._session_timeout_us = timeouts.session_timeout_us
        self._last_zxid = 0
        self._xid = 0
        self._outgoing: deque[_Packet] = deque()
        self._pending: deque[_Packet] = deque()
        self._watches = _Watches()
        self._heard_us = self._sent_us = 0
        self._timer: Timer | None = None

    # --- operations ---------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Begin to look for a server."""
        self._attempt()

    def close(self) -> None:
        """End the session, and its ephemerals with it, if a server can be reached now; otherwise let it expire."""
        if self.state == CONNECTED:
            self._ask(CloseSessionOp(), self._on_session_closed, ())
        elif self.state == CONNECTING:
            self._end(CLOSED)

    def abandon(self) -> None:
        """Be gone without ending the session, as a process that crashes: it expires by and by."""
        if self.state not in (EXPIRED, CLOSED):
            self._end(CLOSED)

    @property
    def last_zxid(self) -> int:
        """The last zxid seen in an answer: the server had come so far when it gave it."""
        return self._last_zxid

    def create(
        self, path: str, data: Any, callback: Callback, *context: Any, ephemeral: bool = False,
        sequential: bool = False, acl: Acls = OPEN_ACL,
    ) -> None:
        """Create a znode; the result has its path and stat."""
        self._ask(CreateOp(self._path(path), data, ephemeral, sequential, acl), callback, context)

    def delete(self, path: str, version: int, callback: Callback, *context: Any) -> None:
        """Delete a znode without children. version -1: any."""
        self._ask(DeleteOp(self._path(path), version), callback, context)

    def set_data(self, path: str, data: Any, version: int, callback: Callback, *context: Any) -> None:
        """Replace a znode's data; the result has the new stat."""
        self._ask(SetDataOp(self._path(path), data, version), callback, context)

    def set_acl(self, path: str, acl: Acls, version: int, callback: Callback, *context: Any) -> None:
        """Replace a znode's access control list; the version is the list's."""
        self._ask(SetAclOp(self._path(path), acl, version), callback, context)

    def get_data(self, path: str, callback: Callback, *context: Any, watch: bool = False) -> None:
        """Read the data and the stat."""
        self._ask(GetDataOp(self._path(path), watch), callback, context)

    def exists(self, path: str, callback: Callback, *context: Any, watch: bool = False) -> None:
        """Read the stat; NONODE when there is none, and then the watch waits for its creation."""
        self._ask(ExistsOp(self._path(path), watch), callback, context)

    def get_children(self, path: str, callback: Callback, *context: Any, watch: bool = False) -> None:
        """Read the sorted names of the children, and the stat."""
        self._ask(GetChildrenOp(self._path(path), watch), callback, context)

    def get_acl(self, path: str, callback: Callback, *context: Any) -> None:
        """Read the access control list and the stat."""
        self._ask(GetAclOp(self._path(path)), callback, context)

    def multi(self, operations: tuple[MultiPart, ...], callback: Callback, *context: Any) -> None:
        """All of these or none."""
        parts = tuple(part._replace(path=self._path(part.path)) for part in operations)
        self._ask(MultiOp(parts), callback, context)

    def sync(self, path: str, callback: Callback, *context: Any) -> None:
        """Let the server catch up with the leader before it serves what comes next."""
        self._ask(SyncOp(self._path(path)), callback, context)

    def _path(self, path: str) -> str:
        return in_chroot(self.chroot, path)

    def _ask(self, operation: Operation, callback: Callback, context: tuple[Any, ...]) -> None:
        if self.state in (EXPIRED, CLOSED):
            self.node.schedule(0, callback, ZkResult(SESSIONEXPIRED), *context)
            return
        self._xid += 1
        packet = _Packet(ClientRequest(self._xid, operation), callback, context)
        if self.state == CONNECTED:
            self._send(packet)
        else:
            self._outgoing.append(packet)

    def _send(self, packet: _Packet) -> None:
        assert self._connection is not None
        self._pending.append(packet)
        self._sent_us = self.node.now_us
        self._connection.send(packet.request)

    # --- finding a server ---------------------------------------------------------------------------------------------

    def _attempt(self) -> None:
        """Try the next server (ClientCnxn.startConnect)."""
        if self.state != CONNECTING:
            return
        server = self._servers[self._next_server]
        self._next_server = (self._next_server + 1) % len(self._servers)
        node = self.node
        self._heard_us = self._sent_us = node.now_us
        self._connection = node.network.open(node, server, self._channel, self._on_message, self._on_end)
        self._connection.send(ConnectRequest(
            self.session_id, self._timeouts.session_timeout_us, self._last_zxid, self._identities))
        self._watch_the_clock()

    def _lose(self) -> None:
        """The connection is of no use any more: everything unanswered fails, and the next server is tried."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        was_connected = self.state == CONNECTED
        self.state = CONNECTING
        cancel(self._timer)
        self._fail_all(CONNECTIONLOSS)
        if self.state != CONNECTING:
            return  # it was closing
        if was_connected:
            self._listener.on_session_state(DISCONNECTED)
        delay_us = self._stream.below(self._timeouts.spin_delay_us) if self._ever_connected else 0
        if self._next_server == 0:
            delay_us += self._timeouts.spin_delay_us
        self.node.schedule(delay_us, self._attempt)

    def _on_end(self) -> None:
        self._connection = None
        if self.state not in (EXPIRED, CLOSED):
            self._lose()

    def _fail_all(self, error: str) -> None:
        failed = [*self._pending, *self._outgoing]
        self._pending.clear()
        self._outgoing.clear()
        for packet in failed:
            if packet.callback is not None:
                packet.callback(ZkResult(error), *packet.context)

    def _end(self, state: str) -> None:
        """The client is dead."""
        self.state = state
        cancel(self._timer)
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if state == EXPIRED:
            self._listener.on_session_state(EXPIRED)
        self._fail_all(SESSIONEXPIRED)

    def _on_session_closed(self, result: ZkResult) -> None:
        if self.state not in (EXPIRED, CLOSED):
            self._end(CLOSED)

    # --- time ---------------------------------------------------------------------------------------------------------

    def _connect_timeout_us(self) -> int:
        return max(1, self._timeouts.session_timeout_us // len(self._servers))

    def _read_timeout_us(self) -> int:
        return self._session_timeout_us * 2 // 3

    def _watch_the_clock(self) -> None:
        """Wake up when the server has been silent for too long or should hear of this client."""
        if self.state == CONNECTED:
            due_us = min(self._heard_us + self._read_timeout_us(), self._sent_us + self._read_timeout_us() // 2)
        else:
            due_us = self._heard_us + self._connect_timeout_us()
        cancel(self._timer)
        self._timer = self.node.schedule(max(0, due_us - self.node.now_us), self._on_time)

    def _on_time(self) -> None:
        limit_us = self._read_timeout_us() if self.state == CONNECTED else self._connect_timeout_us()
        if self.node.now_us - self._heard_us >= limit_us:
            self._lose()
            return
        if self.state == CONNECTED and self.node.now_us - self._sent_us >= self._read_timeout_us() // 2:
            assert self._connection is not None
            self._sent_us = self.node.now_us
            self._connection.send(ClientPing())
        self._watch_the_clock()

    # --- what the server says -----------------------------------------------------------------------------------------

    def _on_message(self, message: Any) -> None:
        self._heard_us = self.node.now_us
        if isinstance(message, ClientReply):
            self._on_reply(message)
        elif isinstance(message, WatchEvent):
            self._on_watch_event(message)
        elif isinstance(message, ConnectResponse):
            self._on_connected(message)

    def _on_connected(self, response: ConnectResponse) -> None:
        if response.session_id == 0:
            self._end(EXPIRED)
            return
        self.state = CONNECTED
        self._ever_connected = True
        self.session_id = response.session_id
        self._session_timeout_us = response.timeout_us
        rearm = self._watches.rearm(self._last_zxid)
        if rearm is not None:
            self._send(_Packet(ClientRequest(0, rearm), None, ()))
        waiting, self._outgoing = self._outgoing, deque()
        for packet in waiting:
            self._send(packet)
        self._watch_the_clock()
        self._listener.on_session_state(CONNECTED)

    def _on_reply(self, reply: ClientReply) -> None:
        packet = self._pending.popleft()
        assert packet.request.xid == reply.xid, "answers come in the order of the requests"
        self._last_zxid = max(self._last_zxid, reply.zxid)
        self._watches.answered(packet.request.operation, reply.result.error)
        if packet.callback is not None:
            self._observe_answer(packet.request, reply)
            packet.callback(self._localised(reply.result), *packet.context)

    def _on_watch_event(self, event: WatchEvent) -> None:
        if self._watches.spend(event):
            value = {"session": self.session_id, "type": event.type, "path": event.path}
            self.node.observe("zk-watch", value=value)
            self._listener.on_watch(event._replace(path=out_of_chroot(self.chroot, event.path)))

    def _observe_answer(self, request: ClientRequest, reply: ClientReply) -> None:
        operation, stat = request.operation, reply.result.stat
        value: dict[str, Any] = {
            "session": self.session_id, "xid": request.xid, "operation": type(operation).__name__[:-2],
            "path": reply.result.path or getattr(operation, "path", None), "zxid": reply.zxid}
        if getattr(operation, "watch", False):
            value["watch"] = True
        if stat is not None:
            value |= {"mzxid": stat.mzxid, "pzxid": stat.pzxid, "owner": stat.ephemeral_owner}
        self.node.observe("zk-answered", value=value, error=reply.result.error)

    def _localised(self, result: ZkResult) -> ZkResult:
        """The result with paths as this client knows them."""
        if not self.chroot:
            return result
        path = None if result.path is None else out_of_chroot(self.chroot, result.path)
        results = None if result.results is None else tuple(self._localised(part) for part in result.results)
        return result._replace(path=path, results=results)
