"""What a checker knows of one incarnation of a partition: logs, leaders, what is committed and what was lost.

`committed` is the path of entries below the high watermark of the newest elected leader (while its ISR was large
enough); `loose` are records that an older leader acknowledged and that are not on that path (yet). A `Forgiveness` is a
loss that has been judged: nothing that it covers is owed any more, so one loss is reported once.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from fencepost.checkers.replica_logs import Entry, ReplicaLog
from fencepost.histories.event import Event


class LeaderView:
    """A broker's belief that it leads.

    partition_epoch: of its view; None when it has shown a newer ISR whose epoch it has not told yet.
    isr, maximal: the committed ISR and that with pending changes counted in.
    running: the process lives and has not been told otherwise.
    shielded: members that a disk fault exempts as long as this ISR lists them.
    """

    __slots__ = (
        "epoch", "event", "high_watermark", "isr", "maximal", "min_isr", "node", "partition_epoch", "running",
        "shielded",
    )

    def __init__(self, node: int, epoch: int, event: Event) -> None:
        self.node = node
        self.epoch = epoch
        self.event = event.index
        self.partition_epoch: int | None = None
        self.isr: tuple[int, ...] = ()
        self.maximal: tuple[int, ...] = ()
        self.min_isr = 1
        self.high_watermark = 0
        self.running = True
        self.shielded: dict[int, None] = {}

    def lists(self, node: int) -> bool:
        """Whether the node is in one of its ISRs."""
        return node in self.isr or node in self.maximal

    def set_isr(self, isr: Sequence[int], maximal: Sequence[int]) -> None:
        """Take over a newer view; who left both ISRs is no longer exempt."""
        self.isr, self.maximal = tuple(isr), tuple(maximal)
        for node in [node for node in self.shielded if not self.lists(node)]:
            del self.shielded[node]


class LeaderStart(NamedTuple):
    """A leader at the beginning of its epoch, with the log that it had then.

    resumed: the epoch had begun before. With ZooKeeper a leader that is back before a controller has noticed its
    absence leads on in its epoch. left: the records of this very epoch that some replica held then and the leader did
    not; there are such only if it has resumed its epoch.
    """

    node: int
    epoch: int
    entries: tuple[Entry, ...]
    event: Event
    resumed: bool = False
    left: frozenset[Entry] = frozenset()

    def follows(self, entry: Entry) -> bool:
        """Whether the leader began after the entry was written: then it must have it, if it is committed."""
        return entry.epoch < self.epoch or entry in self.left

    def holds(self, entry: Entry) -> bool:
        """Whether the leader began with this entry."""
        return entry.offset < len(self.entries) and self.entries[entry.offset] is entry


class Forgiveness(NamedTuple):
    """A judged loss: what `start`'s leader did not hold of earlier epochs (all of it, or only certain entries).

    excused: the contracts excuse it; otherwise it was reported as a violation with `words`.
    """

    start: LeaderStart
    only: frozenset[Entry] | None
    excused: bool
    words: str

    def covers(self, entry: Entry) -> bool:
        """Whether this loss is the loss of the entry."""
        return (self.start.follows(entry) and not self.start.holds(entry)
                and (self.only is None or entry in self.only))


class Acknowledgement(NamedTuple):
    """A record of an answered produce with acks=all; `entry` is None where no log was known to hold it."""

    offset: int
    record: str
    epoch: int
    entry: Entry | None
    event: Event


class CommitMark(NamedTuple):
    """Everything below `end` was committed by the event at the latest, by the leader of `epoch`."""

    end: int
    event: int
    epoch: int


class PartitionLedger:
    """One incarnation of a partition. name: "orders-0/<topic id>"; key: "orders-0".

    forked: a leader that had lost its tail leads on in its epoch, and no controller could have known: followers hold
    other records at the same offsets of the same epoch, and nobody finds out.
    """

    __slots__ = (
        "acknowledged", "committed", "forgiven", "forked", "key", "leaders", "loose", "marks", "min_isr", "name",
        "newest", "pending", "replicas", "root", "starts", "topic_id",
    )

    def __init__(self, key: str, topic_id: str, name: str) -> None:
        self.key = key
        self.topic_id = topic_id
        self.name = name
        self.root = Entry(-1, -1, "")
        self.replicas: dict[int, ReplicaLog] = {}
        self.leaders: dict[int, LeaderView] = {}
        self.starts: list[LeaderStart] = []
        self.newest: LeaderStart | None = None
        self.committed: list[Entry] = []
        self.marks: list[CommitMark] = []
        self.loose: list[Entry] = []
        self.acknowledged: dict[tuple[int, str], Acknowledgement] = {}
        self.forgiven: list[Forgiveness] = []
        self.pending: list[LeaderStart] = []
        self.forked = False
        #: The effective min.insync.replicas, as a leader last had it.
        self.min_isr = 1

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self.key.rpartition("-")[0]

    def replica(self, node: int) -> ReplicaLog:
        """The replica on that node."""
        log = self.replicas.get(node)
        if log is None:
            log = self.replicas[node] = ReplicaLog(node)
        return log

    def is_committed(self, entry: Entry) -> bool:
        """Whether the entry is on the committed path."""
        return entry.offset < len(self.committed) and self.committed[entry.offset] is entry

    def owed(self, epoch: int) -> list[Entry]:
        """What leaders of earlier epochs committed.

        A record of an earlier epoch that only a later leader committed is not owed by the one in between, which may
        have been elected, and deposed, before.
        """
        return self.committed[:self._end_committed_before(epoch)] + [
            entry for entry in self.loose if self._acknowledged_in(entry) < epoch and not self.is_committed(entry)]

    def _end_committed_before(self, epoch: int) -> int:
        """The end of what leaders of epochs before `epoch` committed (epochs do not decrease along the marks)."""
        return next((mark.end for mark in reversed(self.marks) if mark.epoch < epoch), 0)

    def _acknowledged_in(self, entry: Entry) -> int:
        """The epoch of the leader that acknowledged the entry."""
        acknowledgement = self.acknowledged.get((entry.offset, entry.record))
        return entry.epoch if acknowledgement is None else acknowledgement.epoch

    def missing(self, log: ReplicaLog) -> list[Entry]:
        """The committed records that a log does not hold; costs one step where there are none."""
        committed = self.committed
        lost: list[Entry] = []
        if committed and not log.holds(committed[-1]):
            lost = [entry for entry in committed if not log.holds(entry)]
        if not self.loose:
            return lost
        return lost + [entry for entry in self.loose if not self.is_committed(entry) and not log.holds(entry)]

    def missing_at_start(self, start: LeaderStart) -> list[Entry]:
        """The committed records of earlier epochs that a leader began without."""
        bound = start.epoch + 1 if start.resumed else start.epoch
        end = self._end_committed_before(bound)
        if not self.loose and (end == 0 or start.holds(self.committed[end - 1])):
            return []
        return [entry for entry in self.owed(bound) if start.follows(entry) and not start.holds(entry)]

    def committed_by(self, entry: Entry) -> int | None:
        """The index of the event that showed the entry to be committed."""
        if self.is_committed(entry):
            position = bisect_right(self.marks, entry.offset, key=_end)
            if position < len(self.marks):
                return self.marks[position].event
        acknowledgement = self.acknowledged.get((entry.offset, entry.record))
        return None if acknowledgement is None else acknowledgement.event.index

    def forgiveness(self, entry: Entry) -> Forgiveness | None:
        """The loss that covers the entry, one that is not judged yet included; None if the entry is still owed."""
        for loss in self.forgiven:
            if loss.covers(entry):
                return loss
        for start in self.pending:
            loss = Forgiveness(start, None, False, "")
            if loss.covers(entry):
                return loss
        return None

    def is_owed(self, entry: Entry) -> bool:
        """Whether no judged loss covers the entry."""
        if not self.forgiven and not self.pending:
            return True
        return self.forgiveness(entry) is None

    def write_off(self, entries: Sequence[Entry]) -> None:
        """Take judged losses out of what is committed."""
        gone = frozenset(entries)
        end = min((entry.offset for entry in entries if self.is_committed(entry)), default=None)
        if end is not None:
            del self.committed[end:]
            while self.marks and self.marks[-1].end > end:
                last = self.marks.pop()
                if not self.marks or self.marks[-1].end < end:
                    self.marks.append(CommitMark(end, last.event, last.epoch))
                    break
        self.loose = [entry for entry in self.loose if entry not in gone]

    def holders(self, entry: Entry) -> list[int]:
        """The replicas that hold the entry, ascending."""
        return [node for node in sorted(self.replicas) if self.replicas[node].holds(entry)]


def _end(mark: CommitMark) -> int:
    return mark.end
