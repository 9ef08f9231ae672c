"""The data tree: znodes and sessions, changed by transactions and by nothing else.

Applying the same transactions gives the same tree with the same digest on every server (DataTree.processTxn). All
checks were made before: see `preparation`. A node's `cversion` counts the children ever created under it; what clients
see is twice that less the children there are (DataNode.copyStat).
"""

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

from fencepost.model.protocol.zookeeper import (
    CHANGED,
    CHILD,
    CREATED,
    DELETED,
    OPEN_ACL,
    READ_ACL,
    Acls,
    Stat,
    WatchEvent,
    ZkResult,
)
from fencepost.model.zookeeper.paths import SPECIAL_PATHS, name_of, parent_of
from fencepost.model.zookeeper.transactions import (
    CloseSessionTxn,
    CreateSessionTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetAclTxn,
    SetDataTxn,
    Transaction,
)

_DIGEST_MODULUS = 1 << 64


class Znode(NamedTuple):
    """One znode, never changed in place. `owner` is the session of an ephemeral, else 0; `digest` is of all the rest
    and the path."""

    data: Any
    acl: Acls
    czxid: int
    mzxid: int
    pzxid: int
    version: int
    cversion: int
    aversion: int
    owner: int
    digest: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole tree at one zxid; nobody changes what it holds."""

    zxid: int
    nodes: dict[str, Znode]
    children: dict[str, dict[str, None]]
    ephemerals: dict[int, dict[str, None]]
    sessions: dict[int, int]
    digest: int


class Applied(NamedTuple):
    """What applying a transaction gave: the answer to its request, and the events in order."""

    result: ZkResult
    events: tuple[WatchEvent, ...]


class DataTree:
    """The tree of one server.

    last_zxid: of the last transaction applied, or the start of the epoch for a leader that has applied none yet.
    sessions: id -> negotiated time-out in microseconds.
    """

    __slots__ = ("_children", "_digest", "_ephemerals", "_nodes", "last_zxid", "sessions")

    def __init__(self) -> None:
        self.last_zxid = 0
        self.sessions: dict[int, int] = {}
        self._nodes: dict[str, Znode] = {}
        self._children: dict[str, dict[str, None]] = {}
        self._ephemerals: dict[int, dict[str, None]] = {}
        self._digest = 0
        for path in SPECIAL_PATHS:
            acl = READ_ACL if path == "/zookeeper/config" else OPEN_ACL
            self._put(path, "", acl, 0, 0, 0, 0, 0, 0, 0)
            if path != "/":
                self._children.setdefault(parent_of(path), {})[name_of(path)] = None

    # --- reading ------------------------------------------------------------------------------------------------------

    def get(self, path: str) -> Znode | None:
        """The znode at a path."""
        return self._nodes.get(path)

    def children(self, path: str) -> tuple[str, ...]:
        """The sorted names of the children."""
        return tuple(sorted(self._children.get(path, ())))

    def child_count(self, path: str) -> int:
        """How many children there are."""
        return len(self._children.get(path, ()))

    def ephemerals(self, session_id: int) -> tuple[str, ...]:
        """The sorted paths of a session's ephemerals."""
        return tuple(sorted(self._ephemerals.get(session_id, ())))

    def stat(self, path: str, node: Znode) -> Stat:
        """What clients see of a znode."""
        count = len(self._children.get(path, ()))
        length = 0 if node.data is None else len(node.data) if isinstance(node.data, str) else len(repr(node.data))
        return Stat(
            node.czxid, node.mzxid, node.pzxid, node.version, 2 * node.cversion - count, node.aversion, node.owner,
            length, count)

    @property
    def size(self) -> int:
        """How many znodes there are."""
        return len(self._nodes)

    @property
    def digest(self) -> str:
        """Equal for equal trees; it costs nothing, for every change keeps it up to date."""
        return f"{self._digest:016x}"

    def describe(self) -> dict[str, Any]:
        """The size of the tree as plain data."""
        return {"zxid": self.last_zxid, "znodes": self.size, "sessions": len(self.sessions)}

    # --- snapshots ----------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """A copy of the whole tree, as of `last_zxid`."""
        return Snapshot(
            self.last_zxid, dict(self._nodes), _copy(self._children), _copy(self._ephemerals), dict(self.sessions),
            self._digest)

    def restore(self, snapshot: Snapshot) -> None:
        """Become what the snapshot holds."""
        self.last_zxid = snapshot.zxid
        self._nodes = dict(snapshot.nodes)
        self._children = _copy(snapshot.children)
        self._ephemerals = _copy(snapshot.ephemerals)
        self.sessions = dict(snapshot.sessions)
        self._digest = snapshot.digest

    # --- changing -----------------------------------------------------------------------------------------------------

    def apply(self, transaction: Transaction) -> Applied:
        """Apply a transaction; its zxid must be above `last_zxid`."""
        assert transaction.zxid > self.last_zxid, "transactions are applied once, in the order of their zxids"
        events: list[WatchEvent] = []
        result = self._apply(transaction.zxid, transaction.session_id, transaction.body, events)
        self.last_zxid = transaction.zxid
        return Applied(result, tuple(events))

    def _apply(self, zxid: int, session_id: int, body: Any, events: list[WatchEvent]) -> ZkResult:
        if isinstance(body, SetDataTxn):
            return self._set_data(zxid, body, events)
        if isinstance(body, CreateTxn):
            return self._create(zxid, session_id, body, events)
        if isinstance(body, DeleteTxn):
            self._delete(zxid, body.path, events)
        elif isinstance(body, MultiTxn):
            return self._multi(zxid, session_id, body, events)
        elif isinstance(body, ErrorTxn):
            return ZkResult(body.error)
        elif isinstance(body, SetAclTxn):
            return self._set_acl(body)
        elif isinstance(body, CreateSessionTxn):
            self.sessions[session_id] = body.timeout_us
        elif isinstance(body, CloseSessionTxn):
            for path in body.paths:
                self._delete(zxid, path, events)
            self.sessions.pop(session_id, None)
        return ZkResult()

    def _create(self, zxid: int, session_id: int, body: CreateTxn, events: list[WatchEvent]) -> ZkResult:
        path, parent_path = body.path, parent_of(body.path)
        owner = session_id if body.ephemeral else 0
        parent = self._nodes[parent_path]
        self._replace(parent_path, parent, parent._replace(cversion=body.parent_cversion, pzxid=zxid))
        self._children.setdefault(parent_path, {})[name_of(path)] = None
        node = self._put(path, body.data, body.acl, zxid, zxid, zxid, 0, 0, 0, owner)
        if owner:
            self._ephemerals.setdefault(owner, {})[path] = None
        events += (WatchEvent(CREATED, path), WatchEvent(CHILD, parent_path))
        return ZkResult(path=path, stat=self.stat(path, node))

    def _delete(self, zxid: int, path: str, events: list[WatchEvent]) -> None:
        node = self._nodes.pop(path)
        self._digest = (self._digest - node.digest) % _DIGEST_MODULUS
        parent_path = parent_of(path)
        siblings = self._children[parent_path]
        del siblings[name_of(path)]
        if not siblings:
            del self._children[parent_path]
        parent = self._nodes[parent_path]
        self._replace(parent_path, parent, parent._replace(pzxid=zxid))
        if node.owner:
            owned = self._ephemerals[node.owner]
            del owned[path]
            if not owned:
                del self._ephemerals[node.owner]
        events += (WatchEvent(DELETED, path), WatchEvent(CHILD, parent_path))

    def _set_data(self, zxid: int, body: SetDataTxn, events: list[WatchEvent]) -> ZkResult:
        node = self._nodes[body.path]
        node = self._replace(body.path, node, node._replace(data=body.data, version=body.version, mzxid=zxid))
        events.append(WatchEvent(CHANGED, body.path))
        return ZkResult(stat=self.stat(body.path, node))

    def _set_acl(self, body: SetAclTxn) -> ZkResult:
        node = self._nodes[body.path]
        node = self._replace(body.path, node, node._replace(acl=body.acl, aversion=body.version))
        return ZkResult(stat=self.stat(body.path, node))

    def _multi(self, zxid: int, session_id: int, body: MultiTxn, events: list[WatchEvent]) -> ZkResult:
        results = tuple(self._apply(zxid, session_id, part, events) for part in body.parts)
        error = next((result.error for result in results if result.error is not None), None)
        return ZkResult(error, results=results)

    def _put(self, path: str, *content: Any) -> Znode:
        node = Znode._make((*content, _digest_of(path, content)))
        self._nodes[path] = node
        self._digest = (self._digest + node.digest) % _DIGEST_MODULUS
        return node

    def _replace(self, path: str, old: Znode, new: Znode) -> Znode:
        self._digest = (self._digest - old.digest) % _DIGEST_MODULUS
        return self._put(path, *new[:-1])


def _digest_of(path: str, content: tuple[Any, ...]) -> int:
    return int.from_bytes(hashlib.blake2b(repr((path, content)).encode(), digest_size=8).digest(), "big")


def _copy(index: dict[Any, dict[str, None]]) -> dict[Any, dict[str, None]]:
    return {key: dict(names) for key, names in index.items()}
