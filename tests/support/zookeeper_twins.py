"""The model and a real ensemble under one interface, so that each can be asked the same and the answers compared.

An outcome is plain data: the error's name, what came back, and stats whose zxids count from the creation of the root
below which a test works. Owners of ephemerals are told by the index of their session.
"""

import queue
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import (
    BadArgumentsError,
    BadVersionError,
    InvalidACLError,
    KazooException,
    NoAuthError,
    NoChildrenForEphemeralsError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.protocol.states import Callback, WatchedEvent
from kazoo.security import ACL, Id, make_digest_acl_credential
from zookeeper_ensemble import MS, ClientHost, Ensemble

from fencepost.model.protocol.zookeeper import Acl, Acls, CheckOp, CreateOp, DeleteOp, SetDataOp, ZkResult

USERS = ("alice", "bob")
_ERRORS = {
    NoNodeError: "NONODE", NodeExistsError: "NODEEXISTS", BadVersionError: "BADVERSION", NotEmptyError: "NOTEMPTY",
    NoChildrenForEphemeralsError: "NOCHILDRENFOREPHEMERALS", NoAuthError: "NOAUTH", InvalidACLError: "INVALIDACL",
    BadArgumentsError: "BADARGUMENTS", RolledBackError: None, RuntimeInconsistency: "RUNTIMEINCONSISTENCY",
}
_EVENTS = {"CREATED": "created", "DELETED": "deleted", "CHANGED": "changed", "CHILD": "child"}

Outcome = tuple[Any, ...]


def identity(user: str) -> tuple[str, str]:
    """What a user is known as to both."""
    return ("digest", make_digest_acl_credential(user, "secret"))


class ModelTwin:
    """Two sessions on the model."""

    def __init__(self, root: str) -> None:
        self.ensemble = Ensemble(3, session_timeout_us=2_000 * MS)
        self.ensemble.settle()
        self.root = root
        self.sessions: list[ClientHost] = [self._open(user) for user in USERS]
        self._base = self.ensemble.ask(self.sessions[0], "create", root, "").stat.czxid

    def _open(self, user: str) -> ClientHost:
        return self.ensemble.client(identities=(identity(user),))

    def end_session(self, index: int) -> None:
        """End a session and begin another."""
        host = self.sessions[index]
        host.client.close()
        self.ensemble.run_until(lambda: host.client.state == "closed")
        self.sessions[index] = self._open(USERS[index])

    def events(self) -> list[list[tuple[str, str]]]:
        """What each session was told by watches since the last call, once all servers have caught up."""
        self.ensemble.run(10 * MS)
        told = [[each for each in host.seen if isinstance(each, tuple)] for host in self.sessions]
        for host in self.sessions:
            host.seen.clear()
        return told

    def do(self, index: int, name: str, *arguments: Any, **options: Any) -> Outcome:
        """One operation, after a sync."""
        host = self.sessions[index]
        assert self.ensemble.ask(host, "sync", self.root).error is None
        return self._outcome(self.ensemble.ask(host, name, *arguments, **options))

    def _outcome(self, result: ZkResult) -> Outcome:
        if result.results is not None:
            return tuple((part.error, part.path, self._stat(part.stat)) for part in result.results)
        return (result.error, result.path, result.value, self._stat(result.stat))

    def _stat(self, stat: Any) -> Any:
        if stat is None:
            return None
        owners = {host.client.session_id: index for index, host in enumerate(self.sessions)}
        return (*(zxid - self._base for zxid in stat[:3]), *stat[3:6], owners.get(stat.ephemeral_owner), *stat[7:])


class RealTwin:
    """Two sessions on a real ensemble, kept from example to example; each example has a root of its own."""

    def __init__(self, hosts: str) -> None:
        self._hosts = hosts
        self._told: list[list[tuple[str, str]]] = [[], []]
        # One for each session: kazoo calls a function that watches a znode twice only once.
        self._watchers = [self._watcher(index) for index in range(len(USERS))]
        self.sessions = [self._open(user) for user in USERS]
        self.root = ""
        self._base = 0

    def begin(self, root: str) -> None:
        """A new example."""
        self.root = root
        self._base = self.sessions[0].create(root, b"", include_data=True)[1].czxid
        self._told = [[], []]

    def _open(self, user: str) -> KazooClient:
        client = KazooClient(self._hosts, timeout=10, auth_data=[("digest", f"{user}:secret")])
        client.start(timeout=30)
        return client

    def close(self) -> None:
        """End both sessions."""
        for client in self.sessions:
            client.stop()
            client.close()

    def end_session(self, index: int) -> None:
        """End a session and begin another."""
        client = self.sessions[index]
        client.stop()
        client.close()
        self.sessions[index] = self._open(USERS[index])

    def events(self) -> list[list[tuple[str, str]]]:
        """What each session was told by watches since the last call, once its server has caught up."""
        for client in self.sessions:
            client.sync(self.root)
            reached: queue.Queue[None] = queue.Queue()
            client.handler.dispatch_callback(Callback("watch", reached.put, (None,)))
            reached.get(timeout=30)
        told, self._told = self._told, [[], []]
        return told

    def _watcher(self, index: int) -> Any:
        def tell(event: WatchedEvent) -> None:
            if event.path is None or not f"{event.path}/".startswith(f"{self.root}/"):
                return  # of an earlier example
            seen = (_EVENTS[event.type], event.path[len(self.root):])
            # kazoo tells of a deletion once for the data and once for the children.
            if seen[0] != "deleted" or seen not in self._told[index]:
                self._told[index].append(seen)

        return tell

    def do(self, index: int, name: str, *arguments: Any, **options: Any) -> Outcome:
        """One operation, after a sync."""
        self.sessions[index].sync(self.root)
        try:
            return getattr(self, f"_{name}")(index, *arguments, **options)
        except KazooException as error:
            return (_ERRORS[type(error)], None, None, None)

    def _create(
        self, index: int, path: str, data: str, ephemeral: bool, sequential: bool, acl: Acls
    ) -> Outcome:
        created, stat = self.sessions[index].create(
            path, data.encode(), _acls(acl), ephemeral=ephemeral, sequence=sequential, include_data=True)
        return (None, created, None, self._stat(stat))

    def _delete(self, index: int, path: str, version: int) -> Outcome:
        self.sessions[index].delete(path, version)
        return (None, None, None, None)

    def _set_data(self, index: int, path: str, data: str, version: int) -> Outcome:
        return (None, None, None, self._stat(self.sessions[index].set(path, data.encode(), version)))

    def _get_data(self, index: int, path: str, watch: bool) -> Outcome:
        data, stat = self.sessions[index].get(path, self._watchers[index] if watch else None)
        return (None, None, data.decode(), self._stat(stat))

    def _exists(self, index: int, path: str, watch: bool) -> Outcome:
        stat = self.sessions[index].exists(path, self._watchers[index] if watch else None)
        return ("NONODE" if stat is None else None, None, None, self._stat(stat))

    def _get_children(self, index: int, path: str, watch: bool) -> Outcome:
        watcher = self._watchers[index] if watch else None
        names, stat = self.sessions[index].get_children(path, watcher, include_data=True)
        return (None, None, tuple(sorted(names)), self._stat(stat))

    def _get_acl(self, index: int, path: str) -> Outcome:
        acls, stat = self.sessions[index].get_acls(path)
        return (None, None, tuple(Acl(acl.perms, acl.id.scheme, acl.id.id) for acl in acls), self._stat(stat))

    def _set_acl(self, index: int, path: str, acl: Acls, version: int) -> Outcome:
        return (None, None, None, self._stat(self.sessions[index].set_acls(path, _acls(acl), version)))

    def _multi(self, index: int, operations: tuple[Any, ...]) -> Outcome:
        transaction = self.sessions[index].transaction()
        for each in operations:
            if isinstance(each, CreateOp):
                transaction.create(
                    each.path, each.data.encode(), _acls(each.acl), ephemeral=each.ephemeral, sequence=each.sequential)
            elif isinstance(each, DeleteOp):
                transaction.delete(each.path, each.version)
            elif isinstance(each, SetDataOp):
                transaction.set_data(each.path, each.data.encode(), each.version)
            else:
                assert isinstance(each, CheckOp)
                transaction.check(each.path, each.version)
        return tuple(self._part(part) for part in transaction.commit())

    def _part(self, part: Any) -> Outcome:
        if isinstance(part, KazooException):
            return (_ERRORS[type(part)], None, None)
        if isinstance(part, str):
            return (None, part, None)
        return (None, None, None if part is True else self._stat(part))

    def _stat(self, stat: Any) -> Any:
        if stat is None:
            return None
        owners = {client.client_id[0]: index for index, client in enumerate(self.sessions)}
        zxids = (zxid - self._base for zxid in (stat.czxid, stat.mzxid, stat.pzxid))
        return (
            *zxids, stat.version, stat.cversion, stat.aversion, owners.get(stat.ephemeralOwner), stat.dataLength,
            stat.numChildren)


def _acls(acl: Acls) -> list[ACL]:
    return [ACL(each.permissions, Id(each.scheme, each.id)) for each in acl]
