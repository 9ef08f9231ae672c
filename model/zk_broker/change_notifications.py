"""Configurations and ACLs: read from ZooKeeper at the start, and again whenever a notification says that one has
changed (ZkNodeChangeNotificationListener, ZkConfigManager, AclAuthorizer).

Notifications are sequential znodes; each process remembers the last that it has dealt with. A new session reads their
list again, for its predecessor's watch is gone. What is read is what the znode holds by then, so that a change may be
seen before its own notification is dealt with, never after the next one of the same entity.
"""

from collections.abc import Callable
from typing import Any

from fencepost.model.protocol import zookeeper as zk
from fencepost.model.zk_broker.metadata_cache import MetadataCache
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome

#: A topic's name or "" -> unclean elections have been allowed there.
OnUnclean = Callable[[str | None], None]
_UNCLEAN = "unclean.leader.election.enable"
#: resource types that have ACLs
_RESOURCE_TYPES = ("topic", "group", "cluster")


class ChangeNotifications:
    """Keeps the cache's configurations and ACLs up to date; begin with `load`."""

    def __init__(self, client: KafkaZkClient, cache: MetadataCache, on_unclean: OnUnclean) -> None:
        self._client = client
        self._cache = cache
        self._on_unclean = on_unclean
        #: the parent of the notifications -> the number of the last that was dealt with
        self._seen = {znodes.CONFIG_CHANGES: -1, znodes.ACL_CHANGES: -1}
        #: what could not be read before the session ended
        self._unread: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        client.session_listeners.append(self)

    def load(self, callback: Callable[..., None], *context: Any) -> None:
        """Read everything once, then `callback(*context)`; notifications count from before that."""
        for parent in self._seen:
            self._client.child_handlers[parent] = self._on_children
        listings = [zk.GetChildrenOp(parent) for parent in self._seen]
        listings += [zk.GetChildrenOp(znodes.TOPIC_CONFIGS), zk.GetChildrenOp(znodes.BROKER_CONFIGS)]
        listings += [zk.GetChildrenOp(f"{znodes.ACLS}/{kind}") for kind in _RESOURCE_TYPES]
        self._client.request_all(listings, self._read_all, callback, context)

    def _read_all(self, outcomes: list[Outcome], callback: Callable[..., None], context: tuple[Any, ...]) -> None:
        if any(outcome.result.error == zk.SESSIONEXPIRED for outcome in outcomes):
            self._unread.append((self.load, (callback, *context)))
            return
        for parent, outcome in zip(self._seen, outcomes, strict=False):
            numbers = [_number(name) for name in outcome.result.value or ()]
            self._seen[parent] = max([self._seen[parent], *numbers])
        paths = [
            f"{outcome.operation.path}/{name}" for outcome in outcomes[len(self._seen):]
            if isinstance(outcome.operation, zk.GetChildrenOp) for name in outcome.result.value or ()]
        self._read(paths, callback, *context)

    def read_topics(self, topics: list[str], callback: Callable[..., None], *context: Any) -> None:
        """Read these topics' configurations, then `callback(*context)`."""
        self._read([znodes.config_path("topic", topic) for topic in topics], callback, *context)

    # --- notifications ------------------------------------------------------------------------------------------------

    def before_initializing_session(self, proceed: Callable[[], None]) -> None:
        """See `SessionListener`."""
        proceed()

    def after_initializing_session(self) -> None:
        """See `SessionListener`: nobody told of what was written meanwhile, and what was asked is asked again."""
        unread, self._unread = self._unread, []
        for read, arguments in unread:
            read(*arguments)
        for parent in self._seen:
            if parent in self._client.child_handlers:
                self._list(parent)

    def _on_children(self, event: zk.WatchEvent) -> None:
        if event.type == zk.CHILD:
            self._list(event.path)

    def _list(self, parent: str) -> None:
        self._client.request_all([zk.GetChildrenOp(parent)], self._read_new, parent)

    def _read_new(self, outcomes: list[Outcome], parent: str) -> None:
        new = [name for name in sorted(outcomes[0].result.value or ()) if _number(name) > self._seen[parent]]
        if new:
            self._client.request_all(
                [zk.GetDataOp(f"{parent}/{name}") for name in new], self._read_changed, parent, _number(new[-1]))

    def _read_changed(self, outcomes: list[Outcome], parent: str, number: int) -> None:
        if any(outcome.result.error == zk.SESSIONEXPIRED for outcome in outcomes):
            return  # the new session lists them again
        self._seen[parent] = max(self._seen[parent], number)
        found = [outcome.result.value for outcome in outcomes if outcome.result.value is not None]
        self._read(list(dict.fromkeys(_path_of(data) for data in found)), _nothing)

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read(self, paths: list[str], callback: Callable[..., None], *context: Any) -> None:
        if paths:
            self._client.request_all([zk.GetDataOp(path) for path in paths], self._take, paths, callback, context)
        else:
            callback(*context)

    def _take(
        self, outcomes: list[Outcome], paths: list[str], callback: Callable[..., None], context: tuple[Any, ...]
    ) -> None:
        again = []
        for path, outcome in zip(paths, outcomes, strict=True):
            if outcome.result.error == zk.SESSIONEXPIRED:
                again.append(path)
            else:
                self._keep(path, outcome.result)
        if again:
            self._unread.append((self._read, (again, callback, *context)))
        else:
            callback(*context)

    def _keep(self, path: str, result: zk.ZkResult) -> None:
        kind, name = path.split("/")[-2:]
        if path.startswith(f"{znodes.ACLS}/"):
            self._cache.set_acls(kind, name, result.value, -1 if result.stat is None else result.stat.mzxid)
            return
        resource_type, resource_name = kind.removesuffix("s"), "" if name == znodes.DEFAULT_ENTITY else name
        before = self._cache.config(resource_type, resource_name, _UNCLEAN)
        self._cache.set_config(resource_type, resource_name, result.value)
        if before != "true" and self._cache.config(resource_type, resource_name, _UNCLEAN) == "true":
            self._on_unclean(resource_name if resource_type == "topic" else None)


def _number(name: str) -> int:
    """A sequential znode's number."""
    return int(name.rpartition("_")[2])


def _path_of(data: Any) -> str:
    """The znode that a notification is about."""
    if isinstance(data, znodes.AclChangeZnode):
        return znodes.acl_path(data.resource_type, data.resource_name)
    return f"{znodes.CONFIG}/{data.entity_path}"


def _nothing() -> None:
    """The cache is all that had to change."""
