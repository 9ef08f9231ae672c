"""A ZooKeeper of one tree without an ensemble: for tests of who uses it, with sessions in the test's hands."""

from typing import Any

from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Simulation
from fencepost.model.protocol import zookeeper as zk

#: One way between a client and the tree.
LATENCY_US = 200


class FakeZooKeeper:
    """The tree: path -> (data, czxid, mzxid, version, owner); every write is a transaction at once."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.zxid = 0
        self.last_session_id = 1000
        self.nodes: dict[str, tuple[Any, int, int, int, int]] = {"/": (None, 0, 0, 0, 0)}
        self.sequences: dict[str, int] = {}
        self.sessions: dict[int, FakeSession] = {}
        self.writes: list[tuple[int, zk.Operation]] = []
        self.reads = 0

    def session(self, node: Node, listener: Any) -> "FakeSession":
        """A new, unconnected session for a node."""
        return FakeSession(self, node, listener)

    def data(self, path: str) -> Any:
        """The data of a znode; KeyError without one."""
        return self.nodes[path][0]

    def exists(self, path: str) -> bool:
        return path in self.nodes

    def children(self, path: str) -> tuple[str, ...]:
        prefix = path.rstrip("/") + "/"
        return tuple(sorted(
            each[len(prefix):] for each in self.nodes
            if each.startswith(prefix) and each != "/" and "/" not in each[len(prefix):]))

    def operate(self, operation: zk.Operation) -> zk.ZkResult:
        """Somebody else does this, now."""
        return self.apply(operation, None)

    def close(self, session_id: int) -> None:
        """The session ends; its ephemerals go."""
        session = self.sessions.pop(session_id)
        session.over = True
        for path in [path for path, node in self.nodes.items() if node[4] == session_id]:
            self.apply(zk.DeleteOp(path), None)

    def expire(self, session_id: int, told: bool = True) -> None:
        """The session is over; its client learns it when it has reconnected, or from `tell_of_expiry`."""
        session = self.sessions[session_id]
        self.close(session_id)
        session.tell("disconnected")
        if told:
            session.tell("expired")

    # --- operations -----------------------------------------------------------------------------------------------

    def apply(self, operation: zk.Operation, session: "FakeSession | None") -> zk.ZkResult:
        if isinstance(operation, zk.MultiOp):
            return self._multi(operation, session)
        if isinstance(operation, zk.GetDataOp | zk.ExistsOp | zk.GetChildrenOp):
            self.reads += 1
            return self._read(operation, session)
        self.zxid += 1
        result = self._write(operation, session)
        if result.error is None:
            self.writes.append((0 if session is None else session.node.node_id, operation))
        return result

    def _multi(self, multi: zk.MultiOp, session: "FakeSession | None") -> zk.ZkResult:
        before, self.zxid = (dict(self.nodes), dict(self.sequences)), self.zxid + 1
        results: list[zk.ZkResult] = []
        fired: list[tuple[str, str]] = []
        for operation in multi.operations:
            result = self._write(operation, session, fired)
            results.append(result)
            if result.error is not None:
                self.nodes, self.sequences = before
                rest = len(multi.operations) - len(results)
                results += [zk.ZkResult(zk.RUNTIMEINCONSISTENCY)] * rest
                return zk.ZkResult(result.error, results=tuple(results))
        for event in fired:
            self._fire(*event)
        self.writes.append((0 if session is None else session.node.node_id, multi))
        return zk.ZkResult(results=tuple(results))

    def _write(
        self, operation: Any, session: "FakeSession | None", fired: list[tuple[str, str]] | None = None,
    ) -> zk.ZkResult:
        path = operation.path
        node = self.nodes.get(path)
        parent = path.rpartition("/")[0] or "/"
        events: list[tuple[str, str]] = []
        if isinstance(operation, zk.CreateOp):
            if parent not in self.nodes:
                return zk.ZkResult(zk.NONODE)
            if operation.sequential:
                path = f"{path}{self.sequences.get(parent, 0):010d}"
            elif node is not None:
                return zk.ZkResult(zk.NODEEXISTS)
            self.sequences[parent] = self.sequences.get(parent, 0) + 1
            owner = session.session_id if operation.ephemeral and session is not None else 0
            self.nodes[path] = (operation.data, self.zxid, self.zxid, 0, owner)
            events = [(zk.CREATED, path), (zk.CHILD, parent)]
        elif node is None:
            return zk.ZkResult(zk.NONODE)
        elif operation.version not in (-1, node[3]):
            return zk.ZkResult(zk.BADVERSION)
        elif isinstance(operation, zk.DeleteOp):
            if self.children(path):
                return zk.ZkResult(zk.NOTEMPTY)
            del self.nodes[path]
            events = [(zk.DELETED, path), (zk.CHILD, parent)]
        elif isinstance(operation, zk.SetDataOp):
            self.nodes[path] = (operation.data, node[1], self.zxid, node[3] + 1, node[4])
            events = [(zk.CHANGED, path)]
        for event in events if fired is None else ():
            self._fire(*event)
        if fired is not None:
            fired += events
        return zk.ZkResult(stat=self._stat(path) if path in self.nodes else None, path=path)

    def _read(self, operation: Any, session: "FakeSession | None") -> zk.ZkResult:
        path, node = operation.path, self.nodes.get(operation.path)
        is_children = isinstance(operation, zk.GetChildrenOp)
        if operation.watch and session is not None and (node is not None or isinstance(operation, zk.ExistsOp)):
            (session.child_watches if is_children else session.data_watches)[path] = None
        if node is None:
            return zk.ZkResult(zk.NONODE)
        value = self.children(path) if is_children else node[0] if isinstance(operation, zk.GetDataOp) else None
        return zk.ZkResult(value=value, stat=self._stat(path))

    def _stat(self, path: str) -> zk.Stat:
        data, czxid, mzxid, version, owner = self.nodes[path]
        length = 0 if data is None else len(data)
        return zk.Stat(czxid, mzxid, mzxid, version, 0, 0, owner, length, len(self.children(path)))

    def _fire(self, kind: str, path: str) -> None:
        for session in self.sessions.values():
            watches = session.child_watches if kind == zk.CHILD else session.data_watches
            if path in watches:
                del watches[path]
                session.deliver(session.listener.on_watch, zk.WatchEvent(kind, path))


class FakeSession:
    """One client: requests reach the tree after LATENCY_US, and their answers the node as much later.

    connected: the way to the tree; without it requests are answered CONNECTIONLOSS.
    losing_answers: True, or a path: the next write (there) is done, and its answer lost with the connection.
    """

    def __init__(self, tree: FakeZooKeeper, node: Node, listener: Any) -> None:
        self.tree = tree
        self.node = node
        self.incarnation = node.incarnation
        self.listener = listener
        self.session_id = 0
        self.over = False
        self.connected = True
        self.losing_answers: bool | str = False
        self.data_watches: dict[str, None] = {}
        self.child_watches: dict[str, None] = {}

    def connect(self) -> None:
        self.tree.last_session_id += 1
        self.session_id = self.tree.last_session_id
        self.tree.sessions[self.session_id] = self
        self.tell("connected")

    def close(self) -> None:
        if self.session_id in self.tree.sessions:
            self.tree.close(self.session_id)

    def tell(self, state: str) -> None:
        """Let the node learn of a state."""
        self.deliver(self.listener.on_session_state, state)

    def deliver(self, callback: Any, *args: Any) -> None:
        if self.node.incarnation == self.incarnation:
            self.node.schedule(LATENCY_US, callback, *args)

    # --- operations -----------------------------------------------------------------------------------------------

    def create(
        self, path: str, data: Any, callback: Any, *context: Any, ephemeral: bool = False, sequential: bool = False,
        acl: zk.Acls = zk.OPEN_ACL,
    ) -> None:
        self._send(zk.CreateOp(path, data, ephemeral, sequential, acl), callback, context)

    def delete(self, path: str, version: int, callback: Any, *context: Any) -> None:
        self._send(zk.DeleteOp(path, version), callback, context)

    def set_data(self, path: str, data: Any, version: int, callback: Any, *context: Any) -> None:
        self._send(zk.SetDataOp(path, data, version), callback, context)

    def get_data(self, path: str, callback: Any, *context: Any, watch: bool = False) -> None:
        self._send(zk.GetDataOp(path, watch), callback, context)

    def exists(self, path: str, callback: Any, *context: Any, watch: bool = False) -> None:
        self._send(zk.ExistsOp(path, watch), callback, context)

    def get_children(self, path: str, callback: Any, *context: Any, watch: bool = False) -> None:
        self._send(zk.GetChildrenOp(path, watch), callback, context)

    def multi(self, operations: tuple[zk.MultiPart, ...], callback: Any, *context: Any) -> None:
        self._send(zk.MultiOp(operations), callback, context)

    def _send(self, operation: zk.Operation, callback: Any, context: tuple[Any, ...]) -> None:
        self.tree.simulation.scheduler.schedule(LATENCY_US, self._arrive, operation, callback, context)

    def _arrive(self, operation: zk.Operation, callback: Any, context: tuple[Any, ...]) -> None:
        if self.over or not self.connected:
            self.deliver(callback, zk.ZkResult(zk.CONNECTIONLOSS), *context)
            return
        result = self.tree.apply(operation, self)
        is_read = isinstance(operation, zk.GetDataOp | zk.ExistsOp | zk.GetChildrenOp)
        if not is_read and self.losing_answers in (True, getattr(operation, "path", None)):
            self.losing_answers = False
            self.deliver(callback, zk.ZkResult(zk.CONNECTIONLOSS), *context)
            self.tell("disconnected")
            self.tell("connected")
        else:
            self.deliver(callback, result, *context)
