"""What the voters of the metadata quorum hold, and what is committed, as far as a history shows it.

`VoterLog` follows one voter's log through appends, truncations, power cuts and snapshots. Batches are compared by their
identity (base offset, epoch): the rule LogMatching sees to it that an identity stands for one content and one past, so
that a log which holds the last committed batch holds them all.
"""

from bisect import bisect_left, bisect_right
from typing import Any, NamedTuple

from fencepost.histories.event import Event

METADATA_LOG = "__cluster_metadata-0"
QUORUM_STATE = "quorum-state"


class Batch(NamedTuple):
    """A batch of the metadata log; `end` is exclusive, `event` the index of the event by which it was written."""

    base: int
    end: int
    epoch: int
    digest: str
    event: int


class VoterLog:
    """One voter's log of the metadata.

    start: the first offset that the log itself holds; below it a snapshot stands for the log.
    snapshot_end: everything below is in a durable snapshot, should the log lose it.
    batches: ascending, without gaps from `start` (or from a batch that holds `start`) to `end`.
    """

    __slots__ = ("_ends", "batches", "end", "snapshot_end", "start")

    def __init__(self) -> None:
        self.start = 0
        self.end = 0
        self.snapshot_end = 0
        self.batches: list[Batch] = []
        self._ends: list[int] = []

    def append(self, batch: Batch) -> Batch | None:
        """Write a batch; returns the one before it, or None where the log begins.

        A base below the end cuts the log there, one above it means that a snapshot took the place of what is missing.
        """
        if batch.base < self.end:
            self.truncate(batch.base)
        if batch.base > self.end:
            self.restart(batch.base)
        before = self.batches[-1] if self.batches else None
        self.batches.append(batch)
        self._ends.append(batch.end)
        self.end = batch.end
        return before

    def truncate(self, end: int) -> list[Batch]:
        """Drop what lies at or above `end`, torn batches as a whole; returns what was dropped."""
        keep = bisect_right(self._ends, end)
        dropped = self.batches[keep:]
        del self.batches[keep:]
        del self._ends[keep:]
        if self._ends:
            self.end = self._ends[-1]
        else:
            self.start = self.end = min(self.start, end)
        return dropped

    def delete_before(self, start: int) -> None:
        """A snapshot stands for everything below `start`; a log that ends below it begins anew there."""
        if start > self.end:
            self.restart(start)
            return
        gone = bisect_right(self._ends, start)
        del self.batches[:gone]
        del self._ends[:gone]
        self.start = max(self.start, start)

    def restart(self, start: int) -> None:
        """The log is empty and goes on at `start`."""
        self.batches.clear()
        self._ends.clear()
        self.start = self.end = start

    @property
    def reach(self) -> int:
        """The end of what the log or a snapshot holds."""
        return max(self.end, self.snapshot_end)

    def ending_at_or_after(self, end: int) -> Batch | None:
        """The batch that holds the record before `end`, or None where the log does not hold it."""
        position = bisect_left(self._ends, end)
        if position == len(self._ends):
            return None
        batch = self.batches[position]
        return batch if batch.base < end else None

    def after(self, offset: int) -> list[Batch]:
        """The batches that end above `offset`."""
        return self.batches[bisect_right(self._ends, offset):]

    def holds(self, batch: Batch) -> bool:
        """Whether the log, or the snapshot below it, holds this batch."""
        if batch.end <= self.start or batch.end <= self.snapshot_end:
            return True
        found = self.ending_at_or_after(batch.end)
        return found is not None and found.base == batch.base and found.epoch == batch.epoch


class Commit(NamedTuple):
    """A leader's report that everything below `end` is committed; `last` is its last committed batch."""

    end: int
    epoch: int
    last: Batch | None
    event: int
    node: int


class Loss(NamedTuple):
    """A voter lost [from_offset, end): in a fault of its disk that took synced data too (`wiped`), or otherwise."""

    node: int
    from_offset: int
    end: int
    wiped: bool
    event: int


class QuorumLedger:
    """Which voters hold a committed batch, and whether the loss of it is excused.

    Metadata is excused only if fewer voters than n - majority + 1 still held it durably: then a majority that knows
    nothing of it can be found. A tail that had not been synced is no excuse, for nothing unsynced may be counted.
    """

    def __init__(self, header: dict[str, Any]) -> None:
        self.voters: tuple[int, ...] = tuple(header.get("voters") or header.get("controllers") or ())
        self.majority = len(self.voters) // 2 + 1
        self.logs: dict[int, VoterLog] = {voter: VoterLog() for voter in self.voters}
        self.losses: list[Loss] = []

    def log(self, node: int) -> VoterLog:
        """The log of a voter."""
        log = self.logs.get(node)
        if log is None:
            log = self.logs[node] = VoterLog()
        return log

    def holders(self, batch: Batch) -> list[int]:
        """The voters that hold the batch, ascending."""
        return [voter for voter in sorted(self.logs) if self.logs[voter].holds(batch)]

    def note_loss(self, node: int, from_offset: int, end: int, wiped: bool, event: Event) -> None:
        """Remember that a voter lost what may be committed."""
        self.losses.append(Loss(node, from_offset, end, wiped, event.index))

    def excusing_losses(self, batch: Batch) -> list[Loss]:
        """The wiped disks that excuse the loss of a committed batch, or nothing."""
        holders = self.holders(batch)
        concerned = [
            loss for loss in self.losses
            if loss.from_offset < batch.end and batch.base < loss.end and loss.node not in holders]
        wiped = [loss for loss in concerned if loss.wiped]
        wiped_nodes = {loss.node for loss in wiped}
        owing = {loss.node for loss in concerned} - wiped_nodes
        still_held = len(holders) + len(owing)
        return wiped if wiped and still_held < len(self.voters) - self.majority + 1 else []
