"""What administration makes of a znode's data: pure functions for `ZnodeUpdate`, and where replicas go."""

from typing import Any

from fencepost.model import errors
from fencepost.model.kernel.randomness import Stream
from fencepost.model.zk_controller.znode_update import KEEP
from fencepost.model.zk_controller.znodes import AclZnode, ConfigZnode, TopicZnode

Entry = tuple[str, str, str]


def striped(broker_ids: list[int], partitions: int, factor: int, stream: Stream) -> list[tuple[int, ...]]:
    """Leaders go round from a drawn start, followers at a drawn distance that grows with each round (AdminUtils)."""
    count = len(broker_ids)
    start, shift = stream.below(count), stream.below(count)
    assignments = []
    for partition in range(partitions):
        if partition and (start + partition) % count == 0:
            shift += 1
        first = (start + partition) % count
        followers = [(first + 1 + (shift + place) % (count - 1)) % count for place in range(factor - 1)]
        assignments.append(tuple(broker_ids[place] for place in (first, *followers)))
    return assignments


def more_partitions(
    present: TopicZnode | None, count: int, broker_ids: list[int], stream: Stream, found: dict[str, str],
) -> Any:
    """The topic with `count` partitions; `found` is told its id, or why not."""
    if present is None:
        found["error"] = errors.UNKNOWN_TOPIC_OR_PARTITION
        return KEEP
    found.update(error="", topic_id=present.topic_id)
    missing = count - len(present.replicas)
    factor = len(dict(present.replicas)[0]) - len(dict(present.adding).get(0, ()))
    if missing <= 0:
        found["error"] = errors.INVALID_PARTITIONS
    elif factor > len(broker_ids):
        found["error"] = errors.INVALID_REPLICATION_FACTOR
    if found["error"]:
        return KEEP
    added = enumerate(striped(broker_ids, missing, factor, stream), len(present.replicas))
    return present._replace(replicas=(*present.replicas, *added))


def changed_setting(present: ConfigZnode | None, name: str, value: str | None) -> Any:
    """The configuration with a value set, or (None) deleted."""
    entries = {} if present is None else dict(present.entries)
    if value is None:
        entries.pop(name, None)
    else:
        entries[name] = str(value)
    return ConfigZnode(tuple(sorted(entries.items())))


def added_entry(present: AclZnode | None, entry: Entry) -> Any:
    """The list with the entry."""
    entries = () if present is None else present.entries
    return AclZnode(tuple(sorted({*entries, entry})))


def removed_entry(present: AclZnode | None, entry: Entry) -> Any:
    """The list without the entry; an empty list's znode goes."""
    if present is None or entry not in present.entries:
        return KEEP
    rest = tuple(each for each in present.entries if each != entry)
    return AclZnode(rest) if rest else None
