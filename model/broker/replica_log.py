"""One replica's log: records by offset, each with its leader epoch, and the leader epoch cache over them.

The log lies in the page cache: appends are not synced (durability is replication), so a power cut costs the unsynced
tail and a process death nothing. The epoch cache is checkpointed, and cut to the log's end when it is opened.
"""


from fencepost.model.kernel.node import Node
from fencepost.model.protocol.data import Record

UNDEFINED = (-1, -1)


class ReplicaLog:
    """A log and its epoch cache [(epoch, start offset)], ascending in both."""

    __slots__ = ("_checkpoint", "_checkpoint_name", "_file", "_node", "epochs", "name")

    def __init__(self, node: Node, name: str) -> None:
        self._node = node
        self.name = name
        self._file = node.disk.log(name)
        self._checkpoint_name = f"leader-epoch-checkpoint/{name}"
        self._checkpoint = node.disk.cell(self._checkpoint_name, ())
        self.epochs: list[tuple[int, int]] = []
        for epoch, start in self._checkpoint.value:
            if start < self.end_offset or (start == self.end_offset == 0):
                self.epochs.append((epoch, start))
        for offset, record in enumerate(self._file.entries, start=self._file.start_offset):
            if not self.epochs or record.leader_epoch > self.epochs[-1][0]:
                self.epochs.append((record.leader_epoch, offset))
        if tuple(self.epochs) != self._checkpoint.value:
            # What was cut off must not come back once the log is longer (LogLoader, truncateFromEndAsyncFlush).
            self._write_checkpoint()

    @property
    def start_offset(self) -> int:
        """The log start offset."""
        return self._file.start_offset

    @property
    def end_offset(self) -> int:
        """The log end offset (LEO), exclusive."""
        file = self._file
        return file.start_offset + len(file.entries)

    @property
    def latest_epoch(self) -> int:
        """The newest epoch in the cache, -1 for an empty one."""
        return self.epochs[-1][0] if self.epochs else -1

    @property
    def start_epoch(self) -> int:
        """The epoch at the log's start, -1 if the cache does not reach back to it."""
        return self.epochs[0][0] if self.epochs and self.epochs[0][1] <= self.start_offset else -1

    # --- writing --------------------------------------------------------------------------------------------------

    def write_fails(self) -> bool:
        """Whether the disk takes nothing more; then the broker is about to halt, its only log directory being gone
        (LogManager.handleLogDirFailure)."""
        return self._node.disk.write_fails(self.name)

    def append(self, record: Record) -> None:
        """Write one record at the log's end, and note its epoch if it is another one."""
        if record.leader_epoch != self.latest_epoch:
            self.assign_epoch(record.leader_epoch, self.end_offset)
        self._file.append(self._node.now_us, record)

    def assign_epoch(self, epoch: int, start_offset: int) -> None:
        """Note that `epoch` begins at `start_offset`, even if nothing is written in it (KAFKA-7415).

        The cache stays ascending: whatever says otherwise gives way (LeaderEpochFileCache.assign,
        maybeTruncateNonMonotonicEntries). That is an epoch without a record of its own, or, where a leader lost its
        tail unseen and followers' epochs go back, more.
        """
        if epoch != self.latest_epoch or start_offset < self.epochs[-1][1]:
            while self.epochs and (self.epochs[-1][1] >= start_offset or self.epochs[-1][0] >= epoch):
                self.epochs.pop()
            self.epochs.append((epoch, start_offset))
            self._write_checkpoint()

    def truncate_to(self, end_offset: int) -> None:
        """Drop everything from `end_offset` on, and every epoch that began there.

        Where the log is shorter already, an epoch without a record at its end still goes: a leader of another epoch
        would find a divergence in it for ever.
        """
        end_offset = min(end_offset, self.end_offset)
        self._file.truncate_to(end_offset)
        while self.epochs and self.epochs[-1][1] >= end_offset:
            self.epochs.pop()
        self._write_checkpoint()

    def reset(self, start_offset: int) -> None:
        """Begin anew, empty, at `start_offset`."""
        self._file.reset(start_offset)
        self.epochs.clear()
        self._write_checkpoint()

    def delete(self) -> None:
        """Remove the log from the disk."""
        self._node.disk.delete(self.name)
        self._node.disk.delete(self._checkpoint_name)

    def _write_checkpoint(self) -> None:
        """The checkpoint file is synced as it is written."""
        self._checkpoint.write(tuple(self.epochs))
        self._checkpoint.synced(self._checkpoint.written())

    # --- reading --------------------------------------------------------------------------------------------------

    def read(self, from_offset: int, limit: int, end_offset: int) -> tuple[Record, ...]:
        """At most `limit` records from `from_offset` on, below `end_offset`."""
        begin = from_offset - self._file.start_offset
        end = min(end_offset - self._file.start_offset, begin + limit)
        return tuple(self._file.entries[begin:end]) if end > begin else ()

    def sound_end(self, from_offset: int, end_offset: int) -> int:
        """How far a reader from `from_offset` gets that looks at checksums; `end_offset` where nothing is damaged."""
        damaged = self._file.damaged_from
        return end_offset if damaged is None or from_offset > damaged else min(end_offset, damaged)

    def records(self) -> list[Record]:
        """Everything in the log."""
        return self._file.entries

    def end_offset_for_epoch(self, epoch: int) -> tuple[int, int]:
        """The largest known epoch not above `epoch` and its exclusive end offset (LeaderEpochFileCache.endOffsetFor).

        Undefined (-1, -1) for an epoch later than the latest; for one earlier than the earliest, the requested epoch
        and the first known start.
        """
        if epoch < 0 or not self.epochs:
            return UNDEFINED
        if epoch == self.epochs[-1][0]:
            return epoch, self.end_offset
        if epoch > self.epochs[-1][0]:
            return UNDEFINED
        if epoch < self.epochs[0][0]:
            return epoch, self.epochs[0][1]
        found = max(place for place, entry in enumerate(self.epochs) if entry[0] <= epoch)
        return self.epochs[found][0], self.epochs[found + 1][1]
