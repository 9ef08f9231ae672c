"""What a server does for its own clients: connections, reads, watches, and the order of answers.

Reads are served from this server's tree, whatever it is behind by. Writes go to the leader; within one connection every
answer waits for the ones before it, so that a read behind a write sees it (CommitProcessor, FinalRequestProcessor).
"""

from collections import deque
from typing import Any, Protocol

from fencepost.model.config import ZooKeeperConfig
from fencepost.model.kernel.connection import Connection, Reply
from fencepost.model.kernel.labour import Labour
from fencepost.model.kernel.node import Node
from fencepost.model.protocol.zookeeper import (
    CHANGED,
    CHILD,
    CREATED,
    DELETED,
    NOAUTH,
    NONODE,
    READ,
    SESSIONMOVED,
    ClientPing,
    ClientReply,
    ClientRequest,
    CloseSessionOp,
    ConnectRequest,
    ConnectResponse,
    CreateSessionOp,
    ExistsOp,
    GetAclOp,
    GetChildrenOp,
    GetDataOp,
    Identity,
    Operation,
    SetWatchesOp,
    SyncOp,
    WatchEvent,
    ZkResult,
)
from fencepost.model.zookeeper.access import is_allowed, visible_acls
from fencepost.model.zookeeper.data_tree import Applied, DataTree
from fencepost.model.zookeeper.transactions import CloseSessionTxn, CreateSessionTxn, Transaction
from fencepost.model.zookeeper.watches import Watches

_READS = (GetDataOp, ExistsOp, GetChildrenOp, GetAclOp, SetWatchesOp)


class Upstream(Protocol):
    """The way to the leader: the leader itself, or a learner."""

    def submit(self, session_id: int, cxid: int, operation: Operation, identities: tuple[Identity, ...]) -> None:
        """Have a write proposed, or a sync answered."""

    def revalidate(self, session_id: int, timeout_us: int) -> None:
        """Ask whether a session lives and belongs here from now on; `ClientService.on_revalidated` follows."""

    def touch(self, session_id: int, timeout_us: int) -> None:
        """A session's client has been heard of."""

    def read_error(self, session_id: int) -> str | None:
        """Why a read of this session is refused; only the leader can tell."""

    @property
    def answers_sync_itself(self) -> bool:
        """Whether a sync needs nothing but its turn: the leader is up to date by definition."""


class ClientConnection:
    """One client's connection. `waiting` holds its requests in order, each with its answer once there is one."""

    __slots__ = ("identities", "reply", "session_id", "timeout_us", "waiting")

    def __init__(self, reply: Reply, timeout_us: int, identities: tuple[Identity, ...]) -> None:
        self.reply = reply
        self.session_id = 0
        self.timeout_us = timeout_us
        self.identities = identities
        self.waiting: deque[ClientRequest] = deque()


class ClientService:
    """The clients of one server. `upstream` is None while the server has no leader, and then nobody is served."""

    def __init__(self, node: Node, config: ZooKeeperConfig, tree: DataTree) -> None:
        self.upstream: Upstream | None = None
        self._node = node
        self._tree = tree
        self._config = config
        self._read_work_us = config.read_work_us
        self._child_work_us = config.child_work_us
        self._labour = Labour(node)
        self._next_session_id = (node.node_id << 40) + node.now_us
        self._connections: dict[Connection, ClientConnection] = {}
        #: session -> its connection here, also while the session is being created or revalidated
        self._sessions: dict[int, ClientConnection] = {}
        self._watches: Watches[ClientConnection] = Watches(self._tell)
        node.handlers[ConnectRequest] = self.on_connect
        node.handlers[ClientRequest] = self.on_request
        node.handlers[ClientPing] = self.on_ping

    def serve(self, upstream: Upstream, tree: DataTree) -> None:
        """There is a leader: clients may come."""
        self.upstream = upstream
        self._tree = tree

    def stop(self) -> None:
        """There is no leader: every client has to go elsewhere."""
        self.upstream = None
        for connection in list(self._connections.values()):
            self._drop(connection)

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    # --- guards -------------------------------------------------------------------------------------------------------

    def is_behind_client(self, last_zxid_seen: int) -> bool:
        """Whether the client has seen what this server does not know yet: it must not go back in time."""
        return last_zxid_seen > self._tree.last_zxid

    def negotiated_timeout_us(self, asked_us: int) -> int:
        """The session time-out: what was asked, within the configured bounds."""
        return self._config.session_timeout_us(asked_us)

    def is_answered_here(self, operation: Operation) -> bool:
        """Whether a request needs nothing but its turn: a read, or a sync at the leader."""
        if isinstance(operation, SyncOp):
            return self.upstream is not None and self.upstream.answers_sync_itself
        return isinstance(operation, _READS)

    # --- connections --------------------------------------------------------------------------------------------------

    def on_connect(self, request: ConnectRequest, reply: Reply) -> None:
        """A client wants a new session, or to go on with one."""
        if self.upstream is None or self.is_behind_client(request.last_zxid_seen):
            reply.connection.refuse()
            return
        connection = ClientConnection(reply, self.negotiated_timeout_us(request.timeout_us), request.identities)
        self._connections[reply.connection] = connection
        if request.session_id == 0:
            self._attach(connection, self.new_session_id(), request)
            operation = CreateSessionOp(connection.timeout_us)
            self.upstream.submit(connection.session_id, 0, operation, connection.identities)
        else:
            former = self._sessions.get(request.session_id)
            if former is not None:
                self._drop(former)
            self._attach(connection, request.session_id, request)
            self.upstream.revalidate(connection.session_id, connection.timeout_us)

    def new_session_id(self) -> int:
        """An id that no server has given to another session."""
        self._next_session_id += 1
        return self._next_session_id

    def _attach(self, connection: ClientConnection, session_id: int, request: ConnectRequest) -> None:
        connection.session_id = session_id
        self._sessions[session_id] = connection
        value = {
            "session": session_id, "new": request.session_id == 0, "zxid": self._tree.last_zxid,
            "last_zxid_seen": request.last_zxid_seen}
        self._node.observe("zk-session-attached", value=value)

    def on_revalidated(self, session_id: int, valid: bool) -> None:
        """The leader has said whether the session lives."""
        connection = self._sessions.get(session_id)
        if connection is None:
            return
        if valid:
            connection.reply.push(ConnectResponse(session_id, connection.timeout_us))
        else:
            connection.reply.push(ConnectResponse(0, 0))
            self._drop(connection)

    def _drop(self, connection: ClientConnection) -> None:
        """Close a client's connection behind everything that was sent."""
        connection.reply.hang_up()
        self.on_end(connection.reply.connection)

    def on_end(self, stream: Connection) -> None:
        """A client's connection is gone; its session lives on."""
        connection = self._connections.pop(stream, None)
        if connection is None:
            return
        if self._sessions.get(connection.session_id) is connection:
            del self._sessions[connection.session_id]
        self._watches.forget(connection)

    # --- requests -----------------------------------------------------------------------------------------------------

    def on_ping(self, ping: ClientPing, reply: Reply) -> None:
        """A client's heartbeat."""
        connection = self._connection(reply)
        if connection is not None and self.upstream is not None:
            self.upstream.touch(connection.session_id, connection.timeout_us)
            reply.push(ping)

    def on_request(self, request: ClientRequest, reply: Reply) -> None:
        """Send a write on at once; answer a read when it is its turn."""
        connection = self._connection(reply)
        if connection is None or self.upstream is None:
            return
        self.upstream.touch(connection.session_id, connection.timeout_us)
        self._labour.spend(self._work_us(request.operation), self._take_request, connection, request)

    def _work_us(self, operation: Operation) -> int:
        """What a request takes this server; a write takes the leader its time."""
        if isinstance(operation, GetChildrenOp) and self._child_work_us:
            return self._read_work_us + self._child_work_us * self._tree.child_count(operation.path)
        return self._read_work_us if self.is_answered_here(operation) else 0

    def _take_request(self, connection: ClientConnection, request: ClientRequest) -> None:
        if connection.reply.connection not in self._connections or self.upstream is None:
            return
        connection.waiting.append(request)
        operation = request.operation
        if self.is_answered_here(operation):
            self._answer_what_can_be(connection)
        else:
            self.upstream.submit(connection.session_id, request.xid, operation, connection.identities)

    def _connection(self, reply: Reply) -> ClientConnection | None:
        connection = self._connections.get(reply.connection)
        if connection is None:
            reply.connection.refuse()
        return connection

    def _answer_what_can_be(self, connection: ClientConnection) -> None:
        waiting = connection.waiting
        while waiting and self.is_answered_here(waiting[0].operation):
            request = waiting[0]
            assert self.upstream is not None
            error = self.upstream.read_error(connection.session_id)
            if error == SESSIONMOVED:
                self._drop(connection)
                return
            waiting.popleft()
            result = ZkResult(error) if error is not None else self._read(connection, request.operation)
            self._reply(connection, request, self._tree.last_zxid, result)

    def _reply(self, connection: ClientConnection, request: ClientRequest, zxid: int, result: ZkResult) -> None:
        connection.reply.push(ClientReply(request.xid, zxid, result))

    # --- transactions -------------------------------------------------------------------------------------------------

    def on_applied(self, transaction: Transaction, applied: Applied) -> None:
        """A transaction is in the tree: tell the watches, then answer if it was a client's of this server."""
        self._watches.trigger(applied.events)
        connection = self._sessions.get(transaction.session_id)
        if connection is None:
            return
        if isinstance(transaction.body, CreateSessionTxn):
            connection.reply.push(ConnectResponse(connection.session_id, connection.timeout_us))
        elif self._is_own(connection, transaction):
            self._answer_write(connection, transaction, applied.result)
        elif isinstance(transaction.body, CloseSessionTxn):
            self._drop(connection)

    def _is_own(self, connection: ClientConnection, transaction: Transaction) -> bool:
        """Whether this connection has asked for the transaction, and not another server's or nobody."""
        return bool(connection.waiting) and connection.waiting[0].xid == transaction.cxid

    def _answer_write(self, connection: ClientConnection, transaction: Transaction, result: ZkResult) -> None:
        request = connection.waiting[0]
        if result.error == SESSIONMOVED:
            self._drop(connection)
            return
        connection.waiting.popleft()
        self._reply(connection, request, transaction.zxid, result)
        if isinstance(request.operation, CloseSessionOp):
            self._drop(connection)
        else:
            self._answer_what_can_be(connection)

    def on_synced(self, session_id: int, cxid: int) -> None:
        """This server has everything that was committed when the leader heard of the sync."""
        connection = self._sessions.get(session_id)
        if connection is not None and connection.waiting and connection.waiting[0].xid == cxid:
            request = connection.waiting.popleft()
            assert isinstance(request.operation, SyncOp)
            self._reply(connection, request, self._tree.last_zxid, ZkResult(path=request.operation.path))
            self._answer_what_can_be(connection)

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read(self, connection: ClientConnection, operation: Any) -> ZkResult:
        if isinstance(operation, SetWatchesOp):
            self._set_watches(connection, operation)
            return ZkResult()
        if isinstance(operation, SyncOp):
            return ZkResult(path=operation.path)
        path = operation.path
        node = self._tree.get(path)
        if isinstance(operation, ExistsOp) and operation.watch:
            self._watches.add_data(path, connection)
        if node is None:
            return ZkResult(NONODE)
        stat = self._tree.stat(path, node)
        if isinstance(operation, GetAclOp):
            acls = visible_acls(node.acl, connection.identities)
            return ZkResult(NOAUTH) if acls is None else ZkResult(value=acls, stat=stat)
        # As of 3.8.4 exists is refused too; its watch is armed all the same.
        if not is_allowed(node.acl, READ, connection.identities):
            return ZkResult(NOAUTH)
        if isinstance(operation, GetDataOp):
            if operation.watch:
                self._watches.add_data(path, connection)
            return ZkResult(value=node.data, stat=stat)
        if isinstance(operation, GetChildrenOp):
            if operation.watch:
                self._watches.add_child(path, connection)
            return ZkResult(value=self._tree.children(path), stat=stat)
        return ZkResult(stat=stat)

    def _set_watches(self, connection: ClientConnection, operation: SetWatchesOp) -> None:
        """Arm watches again, or tell at once what happened meanwhile (DataTree.setWatches)."""
        for path in operation.data:
            node = self._tree.get(path)
            if node is None:
                self._tell(connection, WatchEvent(DELETED, path))
            elif node.mzxid > operation.relative_zxid:
                self._tell(connection, WatchEvent(CHANGED, path))
            else:
                self._watches.add_data(path, connection)
        for path in operation.exist:
            if self._tree.get(path) is not None:
                self._tell(connection, WatchEvent(CREATED, path))
            else:
                self._watches.add_data(path, connection)
        for path in operation.child:
            node = self._tree.get(path)
            if node is None:
                self._tell(connection, WatchEvent(DELETED, path))
            elif node.pzxid > operation.relative_zxid:
                self._tell(connection, WatchEvent(CHILD, path))
            else:
                self._watches.add_child(path, connection)

    def _tell(self, connection: ClientConnection, event: WatchEvent) -> None:
        connection.reply.push(event)
