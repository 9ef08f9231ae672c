"""What the faults that remain after the heal explain: the nodes that they hold are outside of the core, and what only
these nodes could do is not demanded of the others. Whatever is excused so is told.
"""

import sys
from collections.abc import Iterable

from fencepost.checkers.metadata_view import MetadataView, PartitionState
from fencepost.histories.event import INFO, OK, Event

#: The reason that excuses give.
OUTSIDE = "outside-the-core"
_OFFSETS = "__consumer_offsets"


class Outside:
    """The nodes outside, and what is out of reach with them. nodes: none before the heal, or when all ended there."""

    def __init__(self) -> None:
        self.nodes: frozenset[int] = frozenset()
        #: group -> the partition of `__consumer_offsets` that has its offsets
        self._partitions: dict[str, str] = {}
        #: topic -> when it was asked for last to be deleted
        self._deleted_us: dict[str, int] = {}

    def note_heal(self, event: Event) -> None:
        """Take the `heal`."""
        self.nodes = frozenset((event.value or {}).get("outside", ()))

    def note_append(self, event: Event) -> None:
        """Take a `produce-answered`: which groups have their offsets where."""
        if event.key is not None and event.key.startswith(_OFFSETS):
            for record in event.value["records"]:
                self._partitions.setdefault(record.partition("=")[0].partition("/")[0], event.key)

    def note_deletion(self, event: Event) -> None:
        """Take the end of a client's `delete-topic`: who got no answer may have been obeyed at any time."""
        if event.key is not None and event.type in (OK, INFO):
            self._deleted_us[event.key] = event.time_us if event.type == OK else sys.maxsize

    def within(self, nodes: Iterable[int]) -> list[int]:
        """Those of the core."""
        return [node for node in nodes if node not in self.nodes]

    def partition_of(self, group: str) -> str | None:
        """Where a group's offsets are; None if it never wrote any."""
        return self._partitions.get(group)

    def why_without_leader(self, partition: PartitionState) -> str | None:
        """Why nobody of the core can lead a partition, or None."""
        if any(map(partition.may_elect, self.within(partition.replicas))) or not self.nodes:
            return None
        return f"whoever may lead it (ISR {list(partition.isr)}) is outside of the core"

    def why_too_few(self, partition: PartitionState, topic: str, view: MetadataView) -> str | None:
        """Why the ISR is too small for the high watermark to move, or None."""
        wanted = int(view.setting(topic, "min.insync.replicas", "1"))
        if len(partition.isr) >= wanted or not self.nodes.intersection(partition.replicas):
            return None
        return (f"its ISR {list(partition.isr)} has no min.insync.replicas={wanted} members, for of the replicas "
                f"{list(partition.replicas)} some are outside of the core")

    def why_not_deleted(self, replicas: Iterable[int], topic: str, created_us: int) -> str | None:
        """Why a topic that was to be deleted is still there, for ZooKeeper's controller deletes the replicas of all its
        partitions first; or None."""
        lost = sorted(self.nodes.intersection(replicas))
        if not lost or self._deleted_us.get(topic, -1) < created_us:
            return None
        return f"the topic is being deleted, which waits for its replicas on {lost}, outside of the core"
