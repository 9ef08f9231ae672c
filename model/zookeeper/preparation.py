"""Preparation: the leader turns each write into a transaction, against the tree as it will be (PrepRequestProcessor).

Writes are proposed before earlier ones are applied, so that checks look at the changes that are outstanding first. The
order of the checks is ZooKeeper's own and decides which error a client gets; each is a method that says what it guards.
"""

from collections import deque
from typing import Any, NamedTuple

from fencepost.model.protocol.zookeeper import (
    ADMIN,
    BADARGUMENTS,
    BADVERSION,
    CREATE,
    DELETE,
    INVALIDACL,
    NOAUTH,
    NOCHILDRENFOREPHEMERALS,
    NODEEXISTS,
    NONODE,
    NOTEMPTY,
    READ,
    RUNTIMEINCONSISTENCY,
    WRITE,
    Acls,
    CheckOp,
    CloseSessionOp,
    CreateOp,
    CreateSessionOp,
    DeleteOp,
    Identity,
    MultiOp,
    SetAclOp,
    SetDataOp,
    WriteOp,
)
from fencepost.model.zookeeper.access import fix_up_acls, is_allowed
from fencepost.model.zookeeper.data_tree import DataTree
from fencepost.model.zookeeper.paths import SPECIAL_PATHS, is_valid_path, parent_of
from fencepost.model.zookeeper.transactions import (
    Body,
    CheckTxn,
    CloseSessionTxn,
    CreateSessionTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetAclTxn,
    SetDataTxn,
)

Identities = tuple[Identity, ...]


class RefusedError(Exception):
    """A check failed; `error` is ZooKeeper's code."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Record(NamedTuple):
    """What the checks need of a znode (ChangeRecord)."""

    version: int
    cversion: int
    aversion: int
    owner: int
    child_count: int
    acl: Acls


class Preparation:
    """The outstanding changes over one tree. Every change is forgotten once its transaction has been applied."""

    def __init__(self, tree: DataTree) -> None:
        self._tree = tree
        #: (zxid, path) in order, and path -> (zxid of its last change, record or None where it was deleted)
        self._changes: deque[tuple[int, str]] = deque()
        self._changed: dict[str, tuple[int, Record | None]] = {}

    def prepare(
        self, zxid: int, session_id: int, operation: WriteOp, identities: Identities, session_error: str | None,
    ) -> Body:
        """The transaction that the operation becomes. `session_error`: why its session may not write, if so."""
        if isinstance(operation, CreateSessionOp):
            return CreateSessionTxn(operation.timeout_us)
        if isinstance(operation, CloseSessionOp):
            return self._close_session(zxid, session_id)
        if isinstance(operation, MultiOp):
            return self._multi(zxid, session_id, operation, identities, session_error)
        try:
            if session_error is not None:
                raise RefusedError(session_error)
            body: Body = self._single(zxid, session_id, operation, identities)
            return body
        except RefusedError as refused:
            return ErrorTxn(refused.error)

    def applied(self, zxid: int) -> None:
        """Forget the changes of transactions up to `zxid`: the tree has them."""
        changes = self._changes
        while changes and changes[0][0] <= zxid:
            change_zxid, path = changes.popleft()
            changed = self._changed.get(path)
            if changed is not None and changed[0] == change_zxid:
                del self._changed[path]

    # --- single operations --------------------------------------------------------------------------------------------

    def _single(self, zxid: int, session_id: int, operation: Any, identities: Identities) -> Any:
        if isinstance(operation, CreateOp):
            return self._create(zxid, session_id, operation, identities)
        if isinstance(operation, DeleteOp):
            return self._delete(zxid, operation, identities)
        if isinstance(operation, SetDataOp):
            return self._set_data(zxid, operation, identities)
        if isinstance(operation, SetAclOp):
            return self._set_acl(zxid, operation, identities)
        assert isinstance(operation, CheckOp)
        return self._check(operation, identities)

    def _create(self, zxid: int, session_id: int, operation: CreateOp, identities: Identities) -> CreateTxn:
        path = operation.path
        if "/" not in path or "\0" in path:
            raise RefusedError(BADARGUMENTS)
        acl = self._fixed_acl(operation.acl, identities)
        parent_path = parent_of(path)
        parent = self._existing(parent_path)
        self._check_permission(parent.acl, CREATE, identities)
        if operation.sequential:
            path = f"{path}{parent.cversion:010d}"
        self._check_path(path)
        if self._record(path) is not None:
            raise RefusedError(NODEEXISTS)
        if parent.owner:
            raise RefusedError(NOCHILDRENFOREPHEMERALS)
        cversion = parent.cversion + 1
        self._change(zxid, parent_path, parent._replace(cversion=cversion, child_count=parent.child_count + 1))
        self._change(zxid, path, Record(0, 0, 0, session_id if operation.ephemeral else 0, 0, acl))
        return CreateTxn(path, operation.data, acl, operation.ephemeral, cversion)

    def _delete(self, zxid: int, operation: DeleteOp, identities: Identities) -> DeleteTxn:
        path = operation.path
        if "/" not in path or "\0" in path or path in SPECIAL_PATHS:
            raise RefusedError(BADARGUMENTS)
        parent = self._existing(parent_of(path))
        self._check_permission(parent.acl, DELETE, identities)
        node = self._existing(path)
        self._next_version(node.version, operation.version)
        if node.child_count:
            raise RefusedError(NOTEMPTY)
        self._remove(zxid, path)
        return DeleteTxn(path)

    def _set_data(self, zxid: int, operation: SetDataOp, identities: Identities) -> SetDataTxn:
        self._check_path(operation.path)
        node = self._existing(operation.path)
        self._check_permission(node.acl, WRITE, identities)
        version = self._next_version(node.version, operation.version)
        self._change(zxid, operation.path, node._replace(version=version))
        return SetDataTxn(operation.path, operation.data, version)

    def _set_acl(self, zxid: int, operation: SetAclOp, identities: Identities) -> SetAclTxn:
        self._check_path(operation.path)
        acl = self._fixed_acl(operation.acl, identities)
        node = self._existing(operation.path)
        self._check_permission(node.acl, ADMIN, identities)
        version = self._next_version(node.aversion, operation.version)
        self._change(zxid, operation.path, node._replace(aversion=version, acl=acl))
        return SetAclTxn(operation.path, acl, version)

    def _check(self, operation: CheckOp, identities: Identities) -> CheckTxn:
        self._check_path(operation.path)
        node = self._existing(operation.path)
        self._check_permission(node.acl, READ, identities)
        self._next_version(node.version, operation.version)
        return CheckTxn(operation.path)

    # --- several at once ----------------------------------------------------------------------------------------------

    def _multi(
        self, zxid: int, session_id: int, operation: MultiOp, identities: Identities, session_error: str | None,
    ) -> MultiTxn:
        before = dict(self._changed)
        changes = len(self._changes)
        parts: list[Any] = []
        for part in operation.operations:
            try:
                if session_error is not None:
                    raise RefusedError(session_error)
                parts.append(self._single(zxid, session_id, part, identities))
            except RefusedError as refused:
                self._roll_back(before, changes)
                left = len(operation.operations) - len(parts) - 1
                return MultiTxn((
                    *(ErrorTxn(None) for _ in parts), ErrorTxn(refused.error),
                    *(ErrorTxn(RUNTIMEINCONSISTENCY) for _ in range(left))))
        return MultiTxn(tuple(parts))

    def _roll_back(self, before: dict[str, tuple[int, Record | None]], changes: int) -> None:
        self._changed = before
        while len(self._changes) > changes:
            self._changes.pop()

    def _close_session(self, zxid: int, session_id: int) -> CloseSessionTxn:
        paths = dict.fromkeys(self._tree.ephemerals(session_id))
        for path, (_, record) in self._changed.items():
            if record is None:
                paths.pop(path, None)
            elif record.owner == session_id:
                paths[path] = None
        ordered = tuple(sorted(paths))
        for path in ordered:
            self._remove(zxid, path)
        return CloseSessionTxn(ordered)

    # --- the checks ---------------------------------------------------------------------------------------------------

    def _check_path(self, path: str) -> None:
        if not is_valid_path(path):
            raise RefusedError(BADARGUMENTS)

    def _fixed_acl(self, acls: Acls, identities: Identities) -> Acls:
        fixed = fix_up_acls(acls, identities)
        if fixed is None:
            raise RefusedError(INVALIDACL)
        return fixed

    def _check_permission(self, acls: Acls, permission: int, identities: Identities) -> None:
        if not is_allowed(acls, permission, identities):
            raise RefusedError(NOAUTH)

    def _next_version(self, current: int, expected: int) -> int:
        """The version after this change. -1 expects nothing."""
        if expected not in (-1, current):
            raise RefusedError(BADVERSION)
        return current + 1

    # --- the tree as it will be ---------------------------------------------------------------------------------------

    def _existing(self, path: str) -> Record:
        record = self._record(path)
        if record is None:
            raise RefusedError(NONODE)
        return record

    def _record(self, path: str) -> Record | None:
        changed = self._changed.get(path)
        if changed is not None:
            return changed[1]
        node = self._tree.get(path)
        if node is None:
            return None
        return Record(
            node.version, node.cversion, node.aversion, node.owner, self._tree.child_count(path), node.acl)

    def _change(self, zxid: int, path: str, record: Record | None) -> None:
        self._changes.append((zxid, path))
        self._changed[path] = (zxid, record)

    def _remove(self, zxid: int, path: str) -> None:
        parent_path = parent_of(path)
        parent = self._existing(parent_path)
        self._change(zxid, parent_path, parent._replace(child_count=parent.child_count - 1))
        self._change(zxid, path, None)
