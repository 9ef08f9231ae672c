"""Who learns what the quorum decides: the controller, and on brokers the metadata loader."""

from typing import Any, Protocol

from fencepost.model.protocol.raft import Batch, SnapshotId


class RaftListener(Protocol):
    """Called on the Raft thread, in offset order; implementations queue the work on their own thread."""

    def handle_commit(self, batches: tuple[Batch, ...]) -> None:
        """These batches lie below the high watermark now; control batches (LeaderChange) are among them."""

    def handle_load_snapshot(self, snapshot_id: SnapshotId, entries: tuple[Any, ...]) -> None:
        """Become what the snapshot holds; called instead of the commits that it covers."""

    def handle_leader_change(self, leader_id: int | None, epoch: int) -> None:
        """The leader or the epoch changed. The leader itself is told only once this listener's next offset is greater
        than the epoch's start offset (KAFKA-15345)."""
