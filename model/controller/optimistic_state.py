"""The controller's metadata: one image that may run ahead of what is committed, and the way back.

A standby's image holds what is committed. The active controller's holds its own appended batches as well, each with a
list of what to undo and with the image's digest after it: once the batch is committed that is the committed digest.
"""

from collections import deque
from typing import Any, NamedTuple

from fencepost.model.metadata.image import MetadataImage, Undo
from fencepost.model.protocol.raft import Batch, SnapshotId


class PendingBatch(NamedTuple):
    """A batch that was appended and applied but is not committed. `digest` is the image's after it."""

    base_offset: int
    end_offset: int
    undo: list[Undo]
    digest: str


class OptimisticState:
    """The image and how far it is committed.

    image: committed metadata plus what is pending.
    committed_end: the offset after the last committed batch.
    committed_digest: the digest of the committed image.
    """

    def __init__(self) -> None:
        self.image = MetadataImage()
        self.committed_end = 0
        self.committed_digest = self.image.digest
        self._committed_epoch = 0
        self._pending: deque[PendingBatch] = deque()

    @property
    def pending_batches(self) -> int:
        """How many batches are applied but not committed."""
        return len(self._pending)

    def apply_appended(self, records: tuple[Any, ...], base_offset: int, epoch: int) -> None:
        """The active controller appended the records: apply them ahead of their commitment."""
        undo: list[Undo] = []
        for offset, record in enumerate(records, base_offset):
            self.image.apply(record, offset, undo)
        self.image.epoch = epoch
        self._pending.append(PendingBatch(base_offset, base_offset + len(records), undo, self.image.digest))

    def commit_applied(self, batch: Batch) -> None:
        """A batch that the active controller has applied already is committed."""
        while self._pending and self._pending[0].end_offset <= batch.end_offset:
            self.committed_digest = self._pending.popleft().digest
        self._advance(batch.end_offset, batch.epoch)

    def replay(self, batch: Batch) -> None:
        """Apply a committed batch on a standby. Raises KeyError if a record does not fit the image."""
        for offset, record in enumerate(batch.records, batch.base_offset):
            self.image.apply(record, offset)
        self.image.epoch = batch.epoch
        self.committed_digest = self.image.digest
        self._advance(batch.end_offset, batch.epoch)

    def load(self, snapshot_id: SnapshotId, entries: tuple[Any, ...]) -> None:
        """Become what a snapshot holds."""
        self.image.load(entries, snapshot_id.end_offset, snapshot_id.epoch)
        self.committed_digest = self.image.digest
        self._advance(snapshot_id.end_offset, snapshot_id.epoch)

    def revert(self) -> None:
        """Take everything back that is not committed."""
        while self._pending:
            batch = self._pending.pop()
            self.image.revert(batch.undo, batch.base_offset)
        self.image.next_offset = self.committed_end
        self.image.epoch = self._committed_epoch

    def committed_entries(self) -> tuple[tuple[str, Any, Any], ...]:
        """The entries of the committed image, in the image's order."""
        if not self._pending:
            return self.image.entries()
        rows = {(table, key): value for table, key, value in self.image.entries()}
        for batch in reversed(self._pending):
            for table, key, before in reversed(batch.undo):
                if before is None:
                    rows.pop((table, key), None)
                else:
                    rows[(table, key)] = before
        order = {table: index for index, table in enumerate(MetadataImage.TABLES)}
        ordered = sorted(rows, key=lambda row: (order[row[0]], row[1]))
        return tuple((table, key, rows[(table, key)]) for table, key in ordered)

    def _advance(self, end_offset: int, epoch: int) -> None:
        self.committed_end = end_offset
        self._committed_epoch = epoch
