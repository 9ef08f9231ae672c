"""The replica's log of __cluster_metadata with its epochs and snapshots (KafkaMetadataLog).

The log consists of batches; an offset is a record's, and an end offset is exclusive. Opening it is recovery: a batch
that a power cut tore goes as a whole, and a log that ends below the latest snapshot starts anew at the snapshot's end.

Left out: segments; the log's start is durable at once, where Kafka finds the first segment's base again after a
restart (possibly below the earliest snapshot, which is harmless). Retention by size and age is replaced by a rule:
a new snapshot lets everything below the snapshot before it go.
"""

import hashlib
from bisect import bisect_right
from typing import Any

from fencepost.model.kernel.disk import Disk, LogFile
from fencepost.model.protocol.raft import Batch, SnapshotId
from fencepost.model.raft.snapshots import SnapshotStore

LOG_FILE = "__cluster_metadata-0"

#: An epoch and the exclusive end of its records.
EpochEnd = tuple[int, int]


def make_batch(base_offset: int, epoch: int, records: tuple[Any, ...]) -> Batch:
    """A batch with its digest (records are plain data, so that their repr is stable)."""
    digest = hashlib.blake2b(f"{epoch}{records!r}".encode(), digest_size=8).hexdigest()
    return Batch(base_offset, epoch, records, digest)


class MetadataLog:
    """Batches over a `LogFile`, whose entry at each offset is the batch that holds the offset.

    file: what is on disk, to be synced after appends.
    snapshots: the durable snapshots.
    torn_from: the end offset before recovery cut a torn batch away, or None.
    """

    __slots__ = ("_epochs", "_starts", "file", "snapshots", "torn_from")

    def __init__(self, disk: Disk) -> None:
        self.file: LogFile[Batch] = disk.log(LOG_FILE)
        self.snapshots = SnapshotStore(disk)
        self._epochs: list[int] = []
        self._starts: list[int] = []
        self.torn_from = self._drop_torn_batch()
        self._load_epochs()
        latest = self.snapshots.latest_id
        if latest is not None and self._is_behind(latest):
            self.start_at_snapshot(latest)

    @property
    def start_offset(self) -> int:
        """The first offset held."""
        return self.file.start_offset

    @property
    def end_offset(self) -> int:
        """The offset of the next record (LEO)."""
        return self.file.start_offset + len(self.file.entries)

    @property
    def synced_end_offset(self) -> int:
        """Everything below is durable."""
        return self.file.synced_end_offset

    @property
    def last_epoch(self) -> int:
        """The epoch of the last batch, else that of the latest snapshot, else 0."""
        if self._epochs:
            return self._epochs[-1]
        latest = self.snapshots.latest_id
        return 0 if latest is None else latest.epoch

    # --- reading --------------------------------------------------------------------------------------------------

    def read(self, from_offset: int, end_offset: int, max_records: int) -> tuple[Batch, ...]:
        """Whole batches in [from_offset, end_offset): at least one, if there is any, and about `max_records`."""
        entries, start_offset = self.file.entries, self.file.start_offset
        batches: list[Batch] = []
        limit = min(end_offset, from_offset + max_records)
        while from_offset < limit:
            batch = entries[from_offset - start_offset]
            if batch.end_offset > end_offset:
                break
            batches.append(batch)
            from_offset = batch.end_offset
        return tuple(batches)

    def end_offset_for_epoch(self, epoch: int) -> EpochEnd:
        """The largest epoch not above the given one, and where its records end."""
        epochs, starts = self._epochs, self._starts
        if not epochs or epoch > epochs[-1]:
            return self.last_epoch, self.end_offset
        position = bisect_right(epochs, epoch)
        end_offset = self.end_offset if position == len(epochs) else starts[position]
        earliest = self.snapshots.earliest_id
        found = epoch if position == 0 else epochs[position - 1]
        if earliest is not None and found == epoch and end_offset == earliest.end_offset:
            return earliest.epoch, earliest.end_offset
        return found, end_offset

    def validate(self, offset: int, epoch: int) -> tuple[EpochEnd | None, SnapshotId | None]:
        """Whether a log that ends at `offset` with a record of `epoch` is a prefix of this one.

        (None, None) if so; else the diverging epoch and its end here, or the snapshot with which to begin.
        """
        if offset == 0 and self.start_offset == 0:
            return None, None
        earliest = self.snapshots.earliest_id
        if earliest is not None and (
            offset < self.start_offset
            or (offset == self.start_offset and epoch != earliest.epoch)
            or epoch < earliest.epoch
        ):
            return None, self.snapshots.latest_id
        found, end_offset = self.end_offset_for_epoch(epoch)
        if found != epoch or end_offset < offset:
            return (found, end_offset), None
        return None, None

    # --- writing --------------------------------------------------------------------------------------------------

    def append(self, now_us: int, batch: Batch) -> None:
        """Write a batch to the page cache. Raises ValueError unless it follows the last one."""
        if batch.base_offset != self.end_offset or batch.epoch < self.last_epoch:
            raise ValueError(f"batch {batch.base_offset} of epoch {batch.epoch} at the log end {self.end_offset}")
        if not self._epochs or batch.epoch > self._epochs[-1]:
            self._epochs.append(batch.epoch)
            self._starts.append(batch.base_offset)
        for _ in batch.records:
            self.file.append(now_us, batch)

    def truncation_offset(self, diverging: EpochEnd) -> int:
        """Where to cut, given the leader's answer that the logs diverge (ReplicatedLog.truncateToEndOffset)."""
        epoch, end_offset = diverging
        if epoch == 0:
            return min(end_offset, self.end_offset)
        own_epoch, own_end_offset = self.end_offset_for_epoch(epoch)
        return min(own_end_offset, end_offset) if own_epoch == epoch else own_end_offset

    def truncate_to(self, end_offset: int) -> None:
        """Drop every batch that reaches beyond `end_offset`; an end below the log's start means the start."""
        end_offset = max(end_offset, self.start_offset)
        if end_offset < self.end_offset:
            end_offset = max(self.file.entries[end_offset - self.start_offset].base_offset, self.start_offset)
            self.file.truncate_to(end_offset)
        while self._starts and self._starts[-1] >= end_offset:
            self._starts.pop()
            self._epochs.pop()

    def start_at_snapshot(self, snapshot_id: SnapshotId) -> None:
        """Drop the whole log, and the snapshots before this one, and go on at its end."""
        self.snapshots.delete_before(snapshot_id)
        self.file.reset(snapshot_id.end_offset)
        self._epochs.clear()
        self._starts.clear()

    def delete_before(self, snapshot_id: SnapshotId) -> bool:
        """Delete what an existing snapshot covers; False when there is nothing to delete."""
        if snapshot_id not in self.snapshots or self.start_offset >= snapshot_id.end_offset:
            return False
        self.snapshots.delete_before(snapshot_id)
        self.file.delete_before(snapshot_id.end_offset)
        start_offset = self.start_offset
        while len(self._starts) > 1 and self._starts[1] <= start_offset:
            del self._starts[0], self._epochs[0]
        if self._starts:
            self._starts[0] = max(self._starts[0], start_offset)
            if not self.file.entries:
                self._starts.clear()
                self._epochs.clear()
        return True

    # --- recovery -------------------------------------------------------------------------------------------------

    def _drop_torn_batch(self) -> int | None:
        entries = self.file.entries
        end_offset = self.file.end_offset
        if entries and entries[-1].end_offset > end_offset:
            self.file.truncate_to(entries[-1].base_offset)
            return end_offset
        return None

    def _load_epochs(self) -> None:
        offset = self.start_offset
        while offset < self.end_offset:
            batch = self.file.entries[offset - self.start_offset]
            if not self._epochs or batch.epoch > self._epochs[-1]:
                self._epochs.append(batch.epoch)
                self._starts.append(offset)
            offset = batch.end_offset

    def _is_behind(self, snapshot_id: SnapshotId) -> bool:
        return (self.last_epoch, self.end_offset) < (snapshot_id.epoch, snapshot_id.end_offset)
