"""One partition of __consumer_offsets on its coordinator: the groups and offsets that its log adds up to.

Offsets are kept twice. `latest` is the log up to its end: a commit shows there as soon as it is appended, and is never
taken back, because its record stays in the log whatever its writer is told. `stable` is the log up to the high
watermark, which just after a fail-over trails behind what was loaded (4.0's CoordinatorRuntime and its snapshots).
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from fencepost.model.broker.group_records import GroupKey, GroupValue, OffsetKey, OffsetValue
from fencepost.model.broker.group_state import Group
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.scheduler import Timer
from fencepost.model.protocol.group import OffsetFetchResponse, TopicPartition

#: (record key, record value)
KeyValue = tuple[object, object]
Offsets = dict[tuple[str, TopicPartition], int]


class Write:
    """An append under way. base_offset: -1 if it was refused before anything was written.

    settled: its outcome is known: `error`, or None when it is committed. `callback(error, *context)` then follows once.
    """

    __slots__ = ("base_offset", "callback", "context", "end_offset", "error", "settled")

    def __init__(self) -> None:
        self.base_offset = -1
        self.end_offset = -1
        self.settled = False
        self.error: str | None = None
        self.callback: Callable[..., None] | None = None
        self.context: tuple[Any, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether nothing was written."""
        return self.base_offset < 0

    def settle(self, error: str | None) -> None:
        """The outcome is known; a second one is ignored."""
        if not self.settled:
            self.settled, self.error = True, error
            if self.callback is not None:
                self.callback(error, *self.context)

    def then(self, callback: Callable[..., None], *context: Any) -> None:
        """Call back once the outcome is known, at once if it is."""
        if self.settled:
            callback(self.error, *context)
        else:
            self.callback, self.context = callback, context


class WaitingFetch(NamedTuple):
    """A fetch with requireStable, answered with what it saw once the high watermark reaches `end_offset`."""

    end_offset: int
    reply: Reply
    response: OffsetFetchResponse
    timer: Timer


class GroupPartition:
    """What a coordinator holds of one partition, while it loads and while it serves it.

    epoch: the coordinator epoch, which is the leader epoch of the partition.
    end_offset: of the log, as far as it was read or written here; `high_watermark` as far as it was heard of.
    """

    __slots__ = (
        "end_offset", "epoch", "fetches", "groups", "high_watermark", "index", "latest", "loaded", "stable",
        "unsettled", "writes",
    )

    def __init__(self, index: int, epoch: int) -> None:
        self.index = index
        self.epoch = epoch
        self.loaded = False
        self.end_offset = 0
        self.high_watermark = 0
        self.groups: dict[str, Group] = {}
        self.latest: Offsets = {}
        self.stable: Offsets = {}
        #: What is in `latest` and not yet in `stable`: (record offset, key, offset or None), in the log's order.
        self.unsettled: deque[tuple[int, tuple[str, TopicPartition], int | None]] = deque()
        self.writes: list[Write] = []
        self.fetches: list[WaitingFetch] = []

    def group(self, group_id: str) -> Group:
        """The group, made if it is new."""
        group = self.groups.get(group_id)
        if group is None:
            group = self.groups[group_id] = Group(group_id)
        return group

    def replay(self, record_offset: int, key: Any, value: Any) -> None:
        """Take a record that was read from the log."""
        if isinstance(key, OffsetKey):
            self.take_offset(record_offset, key, value)
        elif isinstance(key, GroupKey):
            if isinstance(value, GroupValue):
                self.group(key.group).restore(value)
            else:
                self.groups.pop(key.group, None)
        self.end_offset = record_offset + 1

    def take_offset(self, record_offset: int, key: OffsetKey, value: OffsetValue | None) -> None:
        """Let a commit, or a tombstone (None), take effect."""
        place = (key.group, key.partition)
        if value is None:
            self.latest.pop(place, None)
        else:
            self.group(key.group)
            self.latest[place] = value.offset
        self.unsettled.append((record_offset, place, None if value is None else value.offset))

    def settle(self, high_watermark: int) -> None:
        """Everything below the high watermark is committed: let it be seen, answer who waited for it."""
        self.high_watermark = max(self.high_watermark, high_watermark)
        while self.unsettled and self.unsettled[0][0] < self.high_watermark:
            _, place, offset = self.unsettled.popleft()
            if offset is None:
                self.stable.pop(place, None)
            else:
                self.stable[place] = offset
