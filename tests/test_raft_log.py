"""The metadata log: epochs, divergence, recovery and snapshots on disk."""

import pytest

from fencepost.model.kernel.disk import Disk
from fencepost.model.kernel.randomness import Stream
from fencepost.model.kernel.scheduler import Scheduler
from fencepost.model.protocol.raft import SnapshotId
from fencepost.model.raft.metadata_log import LOG_FILE, MetadataLog, make_batch
from fencepost.model.raft.snapshots import Snapshot


def new_disk():
    return Disk(Scheduler(), Stream(1, "disk"), 1_000, 30_000_000)


def filled(*batches, disk=None):
    """A log with batches given as (epoch, number of records)."""
    log = MetadataLog(disk or new_disk())
    for epoch, records in batches:
        log.append(0, make_batch(log.end_offset, epoch, tuple(range(records))))
    return log


def add_snapshot(log, end_offset, epoch):
    snapshot = Snapshot(SnapshotId(end_offset, epoch), ("entry",))
    log.snapshots.write(snapshot)
    log.snapshots.add(snapshot)
    return snapshot.snapshot_id


def test_an_empty_log_ends_at_epoch_0():
    log = filled()
    assert (log.end_offset, log.last_epoch, log.end_offset_for_epoch(0)) == (0, 0, (0, 0))


def test_end_offset_for_epoch():
    log = filled((1, 2), (3, 1), (3, 2), (7, 1))
    assert log.end_offset_for_epoch(0) == (0, 0)
    assert log.end_offset_for_epoch(1) == (1, 2)
    assert log.end_offset_for_epoch(2) == (1, 2)
    assert log.end_offset_for_epoch(3) == (3, 5)
    assert log.end_offset_for_epoch(7) == (7, 6)
    assert log.end_offset_for_epoch(9) == (7, 6)


def test_a_batch_must_follow_the_last():
    log = filled((2, 2))
    with pytest.raises(ValueError, match="log end 2"):
        log.append(0, make_batch(3, 2, ("gap",)))
    with pytest.raises(ValueError, match="epoch 1"):
        log.append(0, make_batch(2, 1, ("older epoch",)))


def test_reads_whole_batches_up_to_an_end():
    log = filled((1, 2), (1, 3), (2, 1))
    assert [batch.base_offset for batch in log.read(0, 6, 64)] == [0, 2, 5]
    assert [batch.base_offset for batch in log.read(0, 6, 1)] == [0]
    assert [batch.base_offset for batch in log.read(0, 5, 64)] == [0, 2]
    assert log.read(6, 6, 64) == ()


@pytest.mark.parametrize(("offset", "epoch", "answer"), [
    (0, 0, (None, None)), (2, 1, (None, None)), (5, 3, (None, None)), (4, 3, (None, None)),
    (6, 3, ((3, 5), None)), (3, 1, ((1, 2), None)), (3, 2, ((1, 2), None)), (5, 4, ((3, 5), None)),
])
def test_validates_a_followers_end(offset, epoch, answer):
    assert filled((1, 2), (3, 3)).validate(offset, epoch) == answer


@pytest.mark.parametrize(("offset", "epoch", "snapshot"), [
    (0, 0, True), (1, 1, True), (2, 2, True), (2, 1, False), (3, 0, True), (5, 3, False),
])
def test_sends_who_is_behind_the_log_start_to_the_snapshot(offset, epoch, snapshot):
    log = filled((1, 2), (3, 3))
    earliest = add_snapshot(log, 2, 1)
    latest = add_snapshot(log, 5, 3)
    assert log.delete_before(earliest)
    assert (log.start_offset, log.snapshots.earliest_id) == (2, earliest)
    assert log.validate(offset, epoch)[1] == (latest if snapshot else None)


def test_deletes_only_up_to_a_snapshot_that_exists():
    log = filled((1, 4))
    assert not log.delete_before(SnapshotId(2, 1))
    assert log.start_offset == 0


def test_truncation_offset_follows_both_logs():
    follower = filled((1, 3), (2, 4))
    assert follower.truncation_offset((1, 2)) == 2  # the leader's epoch 1 is shorter
    assert follower.truncation_offset((1, 9)) == 3  # the own epoch 1 is shorter
    assert follower.truncation_offset((0, 0)) == 0
    follower.truncate_to(3)
    assert (follower.end_offset, follower.last_epoch) == (3, 1)


def test_truncation_takes_whole_batches():
    log = filled((1, 2), (1, 3))
    log.truncate_to(4)
    assert log.end_offset == 2


def test_recovery_drops_a_torn_batch():
    disk = new_disk()
    filled((1, 2), (2, 3), disk=disk)
    disk.log(LOG_FILE).truncate_to(4)
    log = MetadataLog(disk)
    assert (log.torn_from, log.end_offset, log.last_epoch) == (4, 2, 1)
    assert MetadataLog(disk).torn_from is None


def test_recovery_starts_at_a_snapshot_beyond_the_log():
    disk = new_disk()
    log = filled((1, 2), disk=disk)
    add_snapshot(log, 10, 4)
    again = MetadataLog(disk)
    assert (again.start_offset, again.end_offset, again.last_epoch) == (10, 10, 4)


def test_recovery_forgets_a_snapshot_that_was_not_durable():
    disk = new_disk()
    log = filled((1, 2), disk=disk)
    kept = add_snapshot(log, 1, 1)
    log.snapshots.write(Snapshot(SnapshotId(2, 1), ()))
    again = MetadataLog(disk)
    assert again.snapshots.latest_id == kept
    assert not [name for name in disk.files if name.endswith(".part")]


def test_reopening_finds_the_same_epochs():
    disk = new_disk()
    log = filled((1, 2), (3, 3), (4, 1), disk=disk)
    again = MetadataLog(disk)
    assert [again.end_offset_for_epoch(epoch) for epoch in range(6)] == [
        log.end_offset_for_epoch(epoch) for epoch in range(6)]
