"""Rules about snapshots: each fires on a history that breaks it, and on no similar innocent one."""

import pytest
from written_history import WrittenHistory


def created(history: WrittenHistory, node: int, end: int, digest: str, epoch: int = 1) -> None:
    value = {"end_offset": end, "epoch": epoch, "digest": digest, "log_start_offset": 0}
    history.observe("raft-snapshot-created", node, value)


def loaded(history: WrittenHistory, node: int, end: int, digest: str, state: str = "follower") -> None:
    value = {"end_offset": end, "epoch": 1, "digest": digest, "state": state}
    history.observe("raft-snapshot-loaded", node, value, leader_epoch=1)


def wrote(history: WrittenHistory, base: int, end: int) -> None:
    value = {"base_offset": base, "end_offset": end, "records": []}
    history.observe("metadata-write", 1, value, controller_epoch=1)


def committed(end: int = 10) -> WrittenHistory:
    """Voters 1 and 2 hold one batch up to `end`, which is committed and known to be."""
    history = WrittenHistory()
    for voter in (1, 2):
        history.append(voter, 1, *((offset, 1, f"batch {offset}") for offset in range(end)))
        history.high_watermark(voter, end, 1, "follower")
    history.high_watermark(1, end, 1, "leader")
    return history


# --- SnapshotAtLogStart -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "earliest", "rules"),
    [
        (90, 80, ["SnapshotAtLogStart"]), (90, None, ["SnapshotAtLogStart"]),
        (90, 90, []), (80, 90, []), (0, None, []),
    ],
)
def test_a_log_begins_where_a_snapshot_reaches(start, earliest, rules):
    history = WrittenHistory()
    history.observe("raft-log-start", 1, {"log_start_offset": start, "earliest_snapshot_end_offset": earliest})
    assert history.rules() == rules


@pytest.mark.parametrize(("end", "rules"), [(10, []), (11, ["SnapshotAtLogStart"])])
def test_a_snapshot_holds_only_what_is_committed(end, rules):
    history = committed(10)
    created(history, 2, end, "image")
    assert history.rules() == rules


def test_a_snapshot_of_a_process_that_knows_nothing_committed():
    history = committed(10)
    history.start(2)
    created(history, 2, 5, "image")
    assert history.rules() == ["SnapshotAtLogStart"]


@pytest.mark.parametrize(("epoch", "rules"), [(1, []), (2, ["SnapshotAtLogStart"])])
def test_a_snapshot_has_the_epoch_of_the_record_before_its_end(epoch, rules):
    history = committed(10)
    created(history, 2, 10, "image", epoch)
    assert history.rules() == rules


# --- LeaderNeverLoadSnapshot ------------------------------------------------------------------------------------------


def claimed(history: WrittenHistory, node: int) -> None:
    history.state(node, "leader", 1)
    history.observe("controller-claimed", node, {"next_offset": 10, "epoch_start_offset": 9}, controller_epoch=1)


def test_an_active_controller_that_loads_a_snapshot():
    history = WrittenHistory()
    claimed(history, 1)
    loaded(history, 1, 10, "image", "leader")
    assert history.rules() == ["LeaderNeverLoadSnapshot"]


def test_loading_before_the_claim_or_after_renouncing_is_no_offence():
    history = WrittenHistory()
    loaded(history, 1, 10, "image", "leader")
    claimed(history, 1)
    history.observe("controller-renounced", 1, {"reverted_to": 10}, controller_epoch=1)
    loaded(history, 1, 10, "image")
    assert history.rules() == []


def test_the_broker_of_the_same_process_may_load_late_what_its_controller_loaded():
    history = WrittenHistory()
    history.start(1)
    loaded(history, 1, 10, "image")
    claimed(history, 1)
    loaded(history, 1, 10, "image", "leader")
    assert history.rules() == []


# --- SnapshotEquivalence ----------------------------------------------------------------------------------------------


def test_two_images_in_snapshots_of_one_offset():
    history = committed(10)
    created(history, 1, 10, "image")
    loaded(history, 2, 10, "another")
    (violation,) = history.violations("SnapshotEquivalence")
    assert violation.node == 2


def test_equal_snapshots_are_no_offence():
    history = committed(10)
    created(history, 1, 10, "image")
    loaded(history, 2, 10, "image")
    created(history, 2, 9, "other offset")
    assert history.rules() == []


@pytest.mark.parametrize(("digest", "rules"), [("ten", []), ("eleven", ["SnapshotEquivalence"])])
def test_a_snapshot_against_the_image_at_its_offset(digest, rules):
    history = committed(12)
    history.applied(1, 10, "ten")
    history.applied(1, 11, "eleven")
    created(history, 2, 10, digest)
    assert history.rules() == rules


@pytest.mark.parametrize(("digest", "rules"), [("ten", []), ("eleven", ["SnapshotEquivalence"])])
def test_a_snapshot_at_an_offset_where_only_empty_records_lie(digest, rules):
    history = committed(14)
    wrote(history, 9, 10)
    wrote(history, 13, 14)
    history.applied(1, 10, "ten")
    created(history, 2, 13, digest)
    history.applied(1, 14, "fourteen")
    assert history.rules() == rules


def test_records_in_between_that_nobody_was_seen_to_apply_prove_nothing():
    history = committed(14)
    history.applied(1, 10, "ten")
    wrote(history, 11, 12)
    created(history, 2, 13, "twelve")
    assert history.rules() == []
