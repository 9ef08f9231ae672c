"""Rules about the quorum's log: each fires on a history that breaks it, and on no similar innocent one."""

import pytest
from written_history import WrittenHistory


def committed_by_leader_1(voters: int = 3, holders: tuple[int, ...] = (1, 2)) -> WrittenHistory:
    """Voter 1 leads epoch 1; its batches at 0 and 1 are held by `holders` and committed."""
    history = WrittenHistory(voters)
    history.state(1, "leader", 1)
    for voter in holders:
        history.append(voter, 1, (0, 1, "a"), (1, 1, "b"))
    history.high_watermark(1, 2, 1, "leader")
    return history


def test_one_commit_of_a_sole_voter():
    history = WrittenHistory(voters=1)
    history.state(1, "leader", 1)
    history.append(1, 1, (0, 1, "a"))
    history.high_watermark(1, 1, 1, "leader", synced=1)
    assert history.rules() == []


# --- LogMatching ------------------------------------------------------------------------------------------------------


def test_two_batches_at_one_offset_and_epoch():
    history = WrittenHistory()
    history.append(1, 1, (0, 1, "a"))
    history.append(2, 1, (0, 1, "b"))
    (violation,) = history.violations("LogMatching")
    assert violation.events == (0, 1)
    assert "voter 2 wrote a metadata batch at offset 0 of epoch 1" in violation.message


def test_the_same_batch_after_different_ones():
    history = WrittenHistory()
    history.append(1, 2, (0, 1, "a"), (1, 2, "b"))
    history.append(2, 2, (0, 2, "c"), (1, 2, "b"))
    assert history.rules() == ["LogMatching"]


def test_an_epoch_that_falls_along_a_log():
    history = WrittenHistory()
    history.append(1, 2, (0, 2, "a"), (1, 1, "b"))
    assert history.rules() == ["LogMatching"]


def test_another_batch_of_a_later_epoch_and_a_log_that_begins_at_a_snapshot_are_no_offence():
    history = WrittenHistory()
    history.append(1, 1, (0, 1, "a"), (1, 1, "b"))
    history.append(2, 1, (0, 1, "a"))
    history.append(2, 2, (1, 2, "c"))
    history.append(3, 2, (1, 2, "c"))
    assert history.rules() == []


# --- MajorityReachedHighWatermark -------------------------------------------------------------------------------------


def test_a_high_watermark_without_a_majority():
    history = committed_by_leader_1(holders=(1,))
    (violation,) = history.violations("MajorityReachedHighWatermark")
    assert "is then held by voter 1, which is no majority of the 3 voters" in violation.message


def test_a_leader_that_counts_what_it_has_not_synced():
    history = WrittenHistory(voters=1)
    history.state(1, "leader", 1)
    history.append(1, 1, (0, 1, "a"))
    history.high_watermark(1, 1, 1, "leader", synced=0)
    assert history.rules() == ["MajorityReachedHighWatermark"]


def test_a_majority_without_the_leaders_own_disk_is_no_offence():
    history = WrittenHistory()
    history.state(1, "leader", 1)
    for voter in (1, 2, 3):
        history.append(voter, 1, (0, 1, "a"))
    history.high_watermark(1, 1, 1, "leader", synced=0)
    assert history.rules() == []


def test_a_high_watermark_beyond_the_leaders_own_log():
    history = committed_by_leader_1()
    history.high_watermark(1, 3, 1, "leader")
    assert history.rules() == ["MajorityReachedHighWatermark"]


def test_a_power_cut_that_takes_what_was_counted():
    history = committed_by_leader_1()
    history.lose_power(2, "__cluster_metadata-0", from_offset=1, end_offset=2)
    (violation,) = history.violations("MajorityReachedHighWatermark")
    assert violation.node == 2
    assert "lost power, and with it the unsynced offsets from 1" in violation.message


def test_a_power_cut_that_takes_what_a_majority_holds_elsewhere_is_no_offence():
    history = committed_by_leader_1(holders=(1, 2, 3))
    history.lose_power(3, "__cluster_metadata-0", from_offset=1, end_offset=2)
    assert history.rules() == []


def test_a_snapshot_stands_for_a_tail_that_was_lost():
    history = committed_by_leader_1()
    history.high_watermark(2, 2, 1, "follower")
    history.observe("raft-snapshot-created", 2, {"end_offset": 2, "epoch": 1, "digest": "x", "log_start_offset": 0})
    history.lose_power(2, "__cluster_metadata-0", from_offset=1, end_offset=2)
    assert history.rules() == []


# --- LeaderCompleteness -----------------------------------------------------------------------------------------------


def test_a_leader_without_what_was_committed():
    history = committed_by_leader_1()
    history.append(3, 1, (0, 1, "a"))
    history.state(3, "leader", 2)
    (violation,) = history.violations("LeaderCompleteness")
    assert violation.node == 3
    assert "ends at offset 1 and lacks the batch at offset 1 of epoch 1, which leader 1" in violation.message


def test_a_leader_with_another_batch_in_place_of_the_committed_one():
    history = committed_by_leader_1()
    history.append(3, 2, (0, 1, "a"), (1, 2, "c"))
    history.state(3, "leader", 3)
    assert history.rules() == ["LeaderCompleteness"]


def test_a_leader_that_holds_it_in_its_log_or_below_a_snapshot_is_no_offence():
    history = committed_by_leader_1()
    history.state(2, "leader", 2)
    history.observe("raft-log-start", 3, {"log_start_offset": 2, "earliest_snapshot_end_offset": 2})
    history.state(3, "leader", 3)
    assert history.rules() == []


def test_a_leader_need_not_hold_what_only_a_later_epoch_committed():
    history = WrittenHistory()
    history.state(2, "leader", 2)
    for voter in (2, 3):
        history.append(voter, 2, (0, 2, "b"))
    history.high_watermark(2, 1, 2, "leader")
    history.state(1, "leader", 1)  # its votes of epoch 1 came late
    assert history.rules() == []


def test_a_deposed_leader_that_goes_on_committing():
    history = WrittenHistory()
    history.state(1, "leader", 1)
    history.state(3, "leader", 2)
    for voter in (1, 2):
        history.append(voter, 1, (0, 1, "a"))
    history.high_watermark(1, 1, 1, "leader")
    (violation,) = history.violations("LeaderCompleteness")
    assert violation.node == 3


def test_a_deposed_leader_that_counts_late_what_its_successor_has_is_no_offence():
    history = WrittenHistory()
    history.state(1, "leader", 1)
    for voter in (1, 2):
        history.append(voter, 1, (0, 1, "a"))
    history.state(2, "leader", 2)
    history.high_watermark(1, 1, 1, "leader")
    assert history.rules() == []


# --- ConsistentCommittedData, MonotonicHighWatermark, NoTruncationBelowHighWatermark ----------------------------------


def test_two_batches_committed_at_one_offset():
    history = WrittenHistory()
    history.append(1, 1, (0, 1, "a"))
    history.append(2, 2, (0, 2, "c"))
    history.high_watermark(1, 1, 2, "follower")
    history.high_watermark(2, 1, 2, "follower")
    assert history.rules() == ["ConsistentCommittedData"]


def test_the_same_batches_committed_at_different_times_are_no_offence():
    history = WrittenHistory()
    for voter in (1, 2):
        history.append(voter, 1, (0, 1, "a"), (1, 1, "b"))
    history.append(1, 1, (2, 1, "not committed"))
    history.high_watermark(1, 2, 1, "follower")
    history.high_watermark(2, 1, 1, "follower")
    history.append(2, 2, (2, 2, "something else"))
    history.high_watermark(2, 2, 1, "follower")
    assert history.rules() == []


def test_what_replaces_a_committed_batch_is_compared_again():
    history = WrittenHistory()
    history.append(1, 1, (0, 1, "a"), (1, 1, "b"))
    history.high_watermark(1, 2, 1, "follower")
    history.start(1)
    history.observe("raft-truncate", 1, {"end_offset": 1, "old_end_offset": 2, "high_watermark": None}, leader_epoch=2)
    history.append(1, 2, (1, 2, "c"))
    history.high_watermark(1, 2, 2, "follower")
    assert history.rules() == ["ConsistentCommittedData"]


def test_a_high_watermark_that_falls():
    history = committed_by_leader_1()
    history.high_watermark(2, 2, 1, "follower")
    history.high_watermark(2, 1, 1, "follower")
    assert history.rules() == ["MonotonicHighWatermark"]


def test_a_high_watermark_is_forgotten_at_a_restart():
    history = committed_by_leader_1()
    history.high_watermark(2, 2, 1, "follower")
    history.start(2)
    history.high_watermark(2, 1, 1, "follower")
    assert history.rules() == []


def test_a_later_leader_that_has_committed_less():
    history = committed_by_leader_1()
    history.high_watermark(2, 1, 2, "leader")
    (violation,) = history.violations("MonotonicHighWatermark")
    assert "leader 2 of epoch 2 has a high watermark of 1" in violation.message


def test_a_later_leader_that_has_committed_more_is_no_offence():
    history = committed_by_leader_1()
    history.state(2, "leader", 2)
    history.append(2, 2, (2, 2, "c"))
    history.append(3, 2, (0, 1, "a"), (1, 1, "b"), (2, 2, "c"))
    history.high_watermark(2, 3, 2, "leader")
    assert history.rules() == []


@pytest.mark.parametrize(("high_watermark", "rules"), [(2, ["NoTruncationBelowHighWatermark"]), (1, []), (None, [])])
def test_cutting_below_the_high_watermark(high_watermark, rules):
    history = WrittenHistory()
    history.append(2, 1, (0, 1, "a"), (1, 1, "b"))
    value = {"end_offset": 1, "old_end_offset": 2, "high_watermark": high_watermark}
    history.observe("raft-truncate", 2, value, leader_epoch=2)
    assert history.rules() == rules


# --- excuses ----------------------------------------------------------------------------------------------------------


def test_a_loss_is_excused_when_too_few_voters_still_held_it():
    history = committed_by_leader_1()
    history.lose_power(2, "__cluster_metadata-0", from_offset=0, end_offset=2, wiped=True)
    history.state(3, "leader", 2)
    assert history.rules() == []
    assert history.excuses() == ["quorum-lost-its-disks"]


def test_a_loss_is_not_excused_while_enough_voters_held_it():
    history = committed_by_leader_1(voters=5, holders=(1, 2, 4, 5))
    history.lose_power(2, "__cluster_metadata-0", from_offset=0, end_offset=2, wiped=True)
    history.state(3, "leader", 2)
    assert history.rules() == ["LeaderCompleteness"]


def test_a_wiped_disk_does_not_excuse_what_another_voter_lost_unsynced():
    history = committed_by_leader_1(voters=5, holders=(1, 2, 4, 5))
    history.lose_power(2, "__cluster_metadata-0", from_offset=0, end_offset=2, wiped=True)
    history.lose_power(4, "__cluster_metadata-0", from_offset=1, end_offset=2)
    history.state(3, "leader", 2)
    # Had voter 4 synced what it acknowledged, three of five would still hold it.
    assert history.rules() == ["LeaderCompleteness", "MajorityReachedHighWatermark"]


def test_an_unsynced_loss_alone_excuses_nothing():
    history = committed_by_leader_1()
    history.lose_power(2, "__cluster_metadata-0", from_offset=0, end_offset=2)
    history.state(3, "leader", 2)
    assert "LeaderCompleteness" in history.rules()
