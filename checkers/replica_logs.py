"""What each replica of a partition holds, in a form in which whole logs are compared in one step.

Every record is an `Entry` of a tree: its parent is the record before it. Two logs that hold the same entry at an offset
are therefore the same up to there, and two different entries at one offset stand for different records or for
different pasts. Example: replicas 1 and 2 both hold "p1-7" of epoch 3 at offset 9; the two logs share the entry, so
offsets 0 to 9 are alike. Replica 3 holds "p2-4" there: another entry.

Logs begin at offset 0: deleting a log's beginning (retention, DeleteRecords) is not part of these histories.
"""

from collections.abc import Sequence


class Entry:
    """A record at an offset, after exactly the records before it. The root of the tree has offset -1."""

    __slots__ = ("children", "epoch", "offset", "record")

    def __init__(self, offset: int, epoch: int, record: str) -> None:
        self.offset = offset
        self.epoch = epoch
        self.record = record
        self.children: dict[tuple[int, str], Entry] = {}

    def child(self, epoch: int, record: str) -> "Entry":
        """The entry that follows this one with that record; always the same object for the same record."""
        found = self.children.get((epoch, record))
        if found is None:
            found = self.children[(epoch, record)] = Entry(self.offset + 1, epoch, record)
        return found

    def __repr__(self) -> str:
        return f"{self.record} at offset {self.offset} of epoch {self.epoch}"


class DiskFault:
    """A replica lost its log's tail in an observed fault of its disk.

    entries: what was lost; the log ends at `from_offset` since.
    incarnation: of the process that ran when the disk failed.
    legitimate: the replica was then in the quorum's ISR, or in its leader's (whose expansion may be committed).
    isr_at_registration: the quorum's ISR when the replica's next incarnation registered; None as long as it has not.
    With ZooKeeper: the ISR as the controller left it that handled the failure. unseen: with ZooKeeper: why no
    controller could know of the fault, in words; None where one could. shields_in_quorum: the replica need not hold
    what it lost although the quorum's ISR lists it.
    """

    __slots__ = (
        "_refetched", "entries", "event", "from_offset", "incarnation", "isr_at_registration", "legitimate", "node",
        "shields_in_quorum", "time_us", "unseen",
    )

    def __init__(
        self, node: int, from_offset: int, entries: Sequence[Entry], incarnation: str | None, legitimate: bool,
        event: int, time_us: int,
    ) -> None:
        self.node = node
        self.from_offset = from_offset
        self.entries = tuple(entries)
        self.incarnation = incarnation
        self.legitimate = legitimate
        self.isr_at_registration: tuple[int, ...] | None = None
        self.shields_in_quorum = legitimate
        self.unseen: str | None = None
        self.event = event
        self.time_us = time_us
        self._refetched = 0

    def note_refetched(self, entries: Sequence["Entry"]) -> None:
        """The log now holds these: what it has of the lost tail again, this fault no longer stands for."""
        while self._refetched < len(self.entries):
            offset = self.from_offset + self._refetched
            if offset >= len(entries) or entries[offset] is not self.entries[self._refetched]:
                break
            self._refetched += 1

    @property
    def still_lost(self) -> tuple["Entry", ...]:
        """What was lost and has never been refetched."""
        return self.entries[self._refetched:]

    @property
    def end(self) -> int:
        """The exclusive end of what was lost."""
        return self.from_offset + len(self.entries)

    @property
    def was_last_replica(self) -> bool:
        """It struck a legitimate ISR member that was the only one when its next incarnation registered."""
        return self.legitimate and self.isr_at_registration == (self.node,)

    def lost(self, entry: Entry) -> bool:
        """Whether this fault took the entry, and the replica never refetched it."""
        position = entry.offset - self.from_offset
        return self._refetched <= position < len(self.entries) and self.entries[position] is entry


class ReplicaLog:
    """One replica's log.

    high_watermark: as the replica last reported it; None while its process is down.
    hosted: the broker has not given the replica up. deleted: it has done so once.
    faults: all of its disk faults, the oldest first; `outstanding`: those whose range it has not refetched.
    """

    __slots__ = ("deleted", "entries", "faults", "high_watermark", "hosted", "node", "outstanding")

    def __init__(self, node: int) -> None:
        self.node = node
        self.entries: list[Entry] = []
        self.high_watermark: int | None = None
        self.hosted = True
        self.deleted = False
        self.faults: list[DiskFault] = []
        self.outstanding: list[DiskFault] = []

    @property
    def end(self) -> int:
        """The log end offset."""
        return len(self.entries)

    def holds(self, entry: Entry) -> bool:
        """Whether the log holds the entry, and so everything before it."""
        return entry.offset < len(self.entries) and self.entries[entry.offset] is entry

    def is_shielded_in_quorum(self) -> bool:
        """Whether a disk fault still exempts the replica from what the quorum's ISR members must hold."""
        return any(fault.shields_in_quorum for fault in self.outstanding)

    def cut(self, end: int) -> list[Entry]:
        """Drop everything at or above `end`; returns it."""
        dropped = self.entries[end:]
        del self.entries[end:]
        return dropped


def first_difference(one: Sequence[Entry], other: Sequence[Entry]) -> int:
    """The first offset at which two logs differ (at the latest the shorter one's end)."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high) // 2
        if one[middle] is other[middle]:
            low = middle + 1
        else:
            high = middle
    return low
