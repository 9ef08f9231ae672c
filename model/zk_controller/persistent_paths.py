"""The znodes that every broker makes sure of before it registers (KafkaZkClient.createTopLevelPaths)."""

from collections.abc import Callable
from typing import Any

from fencepost.model.protocol import zookeeper as zk
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome
from fencepost.model.zk_controller.znodes import PERSISTENT_PATHS


def create_persistent_paths(client: KafkaZkClient, callback: Callable[..., None], *context: Any) -> None:
    """Create what is missing, then `callback(error or None, *context)`."""
    _create(client, PERSISTENT_PATHS, callback, context)


def create_chroot(client: KafkaZkClient, chroot: str, callback: Callable[..., None], *context: Any) -> None:
    """Create the path under which the cluster's znodes are, by a client that has no chroot itself."""
    names = chroot.strip("/").split("/")
    paths = tuple("/" + "/".join(names[:depth]) for depth in range(1, len(names) + 1))
    _create(client, paths, callback, context)


def _create(
    client: KafkaZkClient, paths: tuple[str, ...], callback: Callable[..., None], context: tuple[Any, ...]
) -> None:
    client.request_all([zk.CreateOp(path, None) for path in paths], _on_created, client, paths, callback, context)


def _on_created(
    outcomes: list[Outcome], client: KafkaZkClient, paths: tuple[str, ...], callback: Callable[..., None],
    context: tuple[Any, ...],
) -> None:
    """A parent that was created again after a lost answer leaves its children without one: they are tried again."""
    found = [outcome.result.error for outcome in outcomes if outcome.result.error not in (None, zk.NODEEXISTS)]
    if zk.NONODE in found:
        _create(client, paths, callback, context)
    else:
        callback(found[0] if found else None, *context)
