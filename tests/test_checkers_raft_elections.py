"""Rules about the quorum's elections: each fires on a history that breaks it, and on no similar innocent one."""

import pytest
from written_history import WrittenHistory


def test_two_leaders_of_one_epoch():
    history = WrittenHistory()
    history.state(1, "leader", 5)
    history.state(3, "leader", 5)
    (violation,) = history.violations("ElectionSafety")
    assert violation.node == 3
    assert violation.events == (0, 1)
    assert "voter 3 became leader of epoch 5, which voter 1 leads already" in violation.message


def test_two_leaders_of_two_epochs_are_no_offence():
    history = WrittenHistory()
    history.state(1, "leader", 5)
    history.state(3, "leader", 6)
    history.state(1, "follower", 6, leader=3)
    assert history.rules() == []


def test_replicas_that_name_two_leaders_of_one_epoch():
    history = WrittenHistory()
    history.state(1, "follower", 5, leader=2)
    history.state(3, "follower", 5, leader=1)
    assert history.rules() == ["SingleLeader"]


def test_a_replica_that_does_not_know_the_leader_yet_is_no_offence():
    history = WrittenHistory()
    history.state(1, "follower", 5, leader=2)
    history.state(3, "unattached", 5)
    history.state(3, "follower", 5, leader=2)
    history.state(2, "resigned", 5, leader=2)
    assert history.rules() == []


def test_a_second_vote_in_an_epoch_after_a_power_cut():
    history = WrittenHistory()
    history.vote(2, 1, 5)
    history.lose_power(2, "quorum-state", lost="1 in 5", kept="nobody in 5")
    history.vote(2, 3, 5)
    (violation,) = history.violations("VoteOncePerEpoch")
    assert violation.events == (0, 4)
    assert "granted candidate 3 its vote of epoch 5, which it had given to candidate 1" in violation.message


def test_the_same_vote_twice_and_one_in_the_next_epoch_are_no_offence():
    history = WrittenHistory()
    history.vote(2, 1, 5)
    history.vote(2, 1, 5)
    history.vote(2, 3, 6)
    history.vote(3, 3, 5)
    assert history.rules() == []


def test_an_epoch_that_falls_over_a_restart():
    history = WrittenHistory()
    history.state(2, "candidate", 5)
    history.lose_power(2, "quorum-state", lost="5", kept="4")
    history.state(2, "unattached", 4)
    assert history.rules() == ["MonotonicEpoch"]


def test_an_epoch_that_stays_over_a_restart_is_no_offence():
    history = WrittenHistory()
    history.state(2, "candidate", 5)
    history.start(2)
    history.state(2, "candidate", 5)
    assert history.rules() == []


@pytest.mark.parametrize("fatal", ["raft-fatal", "controller-fatal"])
def test_a_replica_or_controller_that_meets_what_cannot_be(fatal):
    history = WrittenHistory()
    history.observe(fatal, 2, {"reason": "the log would be cut"}, leader_epoch=5)
    assert history.rules() == ["NoIllegalState"]


# --- wiped disks ------------------------------------------------------------------------------------------------------


def _two_leaders_after_wiping(*wiped: int) -> WrittenHistory:
    """Voters 1 and 2 elect 1; the wiped ones forget it and elect 3 in the same epoch."""
    history = WrittenHistory()
    for voter in (1, 2):
        history.state(voter, "unattached", 5)
        history.vote(voter, 1, 5)
    history.state(1, "leader", 5)
    for voter in wiped:
        history.lose_power(voter, "quorum-state", lost="5", kept="0", wiped=True)
    for voter in (2, 3):
        history.vote(voter, 3, 5)
    history.state(3, "leader", 5)
    return history


def test_a_vote_that_a_wiped_disk_forgot_is_excused():
    history = _two_leaders_after_wiping(2)
    assert history.rules() == []
    assert history.excuses() == ["wiped-disk"]


def test_a_wiped_disk_does_not_excuse_the_votes_of_others():
    assert _two_leaders_after_wiping(3).rules() == ["ElectionSafety", "SingleLeader", "VoteOncePerEpoch"]


def test_enough_voters_that_remember_leave_no_excuse_for_a_second_leader():
    history = WrittenHistory(voters=5)
    for voter in (1, 2, 4, 5):
        history.state(voter, "unattached", 5)
        history.vote(voter, 1, 5)
    history.state(1, "leader", 5)
    history.lose_power(2, "quorum-state", lost="5", kept="0", wiped=True)
    history.vote(2, 3, 5)
    history.state(3, "leader", 5)
    # Three of five still know that they voted for 1, so that 3 cannot have won fairly.
    assert history.rules() == ["ElectionSafety", "SingleLeader"]
    assert history.excuses() == ["wiped-disk"]


def test_a_wiped_replica_may_begin_again_at_an_earlier_epoch():
    history = WrittenHistory()
    history.state(2, "follower", 5, leader=1)
    history.lose_power(2, "quorum-state", lost="5", kept="0", wiped=True)
    history.state(2, "unattached", 0)
    assert history.rules() == []
