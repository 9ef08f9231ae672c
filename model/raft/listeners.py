"""How far each listener has been served with what is committed, and which leader it was told of last.

A listener's offset advances when a batch is handed over; listeners queue the work on threads of their own, in order, so
that what they are told next is handled after it.
"""

from fencepost.model.protocol.raft import SnapshotId
from fencepost.model.raft.listener import RaftListener
from fencepost.model.raft.metadata_log import MetadataLog

#: A leader's id, if known, and the epoch.
LeaderAndEpoch = tuple[int | None, int]


class ListenerProgress:
    """One listener. next_offset: the offset of the next record that it is to get."""

    __slots__ = ("_told", "listener", "next_offset")

    def __init__(self, listener: RaftListener) -> None:
        self.listener = listener
        self.next_offset = 0
        self._told: LeaderAndEpoch = (None, 0)

    def load(self, log: MetadataLog, snapshot_id: SnapshotId) -> None:
        """Hand over a snapshot of `log`."""
        snapshot = log.snapshots.get(snapshot_id)
        assert snapshot is not None
        self.next_offset = snapshot_id.end_offset
        self.listener.handle_load_snapshot(snapshot_id, snapshot.entries)

    def advance(self, log: MetadataLog, high_watermark: int, max_records: int) -> None:
        """Hand over everything below the high watermark, beginning with the snapshot if the log begins later."""
        latest = log.snapshots.latest_id
        if latest is not None and self.next_offset < log.start_offset:
            self.load(log, latest)
        while self.next_offset < high_watermark:
            batches = log.read(self.next_offset, high_watermark, max_records)
            if not batches:
                return
            self.next_offset = batches[-1].end_offset
            self.listener.handle_commit(batches)

    def tell_leader(self, leader_id: int | None, epoch: int) -> None:
        """Tell of a leader or epoch that is news to this listener."""
        told_leader, told_epoch = self._told
        if epoch > told_epoch or (epoch == told_epoch and told_leader is None and leader_id is not None):
            self._told = (leader_id, epoch)
            self.listener.handle_leader_change(leader_id, epoch)

    def may_be_told_of_own_leadership(self, epoch_start_offset: int) -> bool:
        """Only once the leader's own LeaderChange was handed over (KAFKA-15345)."""
        return self.next_offset > epoch_start_offset
