"""StaleLeaderBoundedTime and LeaderStability: each fires on a history that breaks it, and on no innocent one."""

import pytest
from written_history import FETCH_TIMEOUT_US, WrittenHistory

MS = 1_000
RULE = "StaleLeaderBoundedTime"


def fetch(history: WrittenHistory, leader: int, replica: int, at_us: int, epoch: int = 5) -> None:
    history.observe("raft-fetch", leader, {"replica": replica}, at_us=at_us, leader_epoch=epoch)


def led_alone_for(duration_us: int, voters: int = 3, **header: object) -> WrittenHistory:
    """Voter 1 leads epoch 5 from 0 on, is fetched from at once, then by nobody, and gives up in the end."""
    history = WrittenHistory(voters, **header)
    history.state(1, "leader", 5, at_us=0)
    for replica in range(2, voters // 2 + 2):
        fetch(history, 1, replica, 0)
    history.state(1, "resigned", 5, leader=1, at_us=duration_us)
    return history


def test_a_leader_without_fetches():
    (violation,) = led_alone_for(500 * MS).violations(RULE)
    assert violation.node == 1
    assert "has led epoch 5 of the metadata quorum without a majority since 0.000000 s" in violation.message


def test_a_leader_that_resigns_in_time_is_no_offence():
    assert led_alone_for(400 * MS).rules() == []


def test_a_leader_that_leads_on_to_the_end():
    history = WrittenHistory()
    history.state(1, "leader", 5, at_us=0)
    history.fault("heal", {"quiet_us": 0}, at_us=500 * MS)
    assert history.rules() == [RULE]


def test_four_voters_have_two_windows():
    assert led_alone_for(700 * MS, voters=4).rules() == []
    assert led_alone_for(800 * MS, voters=4).rules() == [RULE]


def test_a_sole_voter_owes_nothing():
    assert led_alone_for(10_000 * MS, voters=1).rules() == []


def test_half_of_the_others_is_a_majority_with_the_leader():
    history = WrittenHistory(voters=5)
    history.state(1, "leader", 5, at_us=0)
    for time_us in range(0, 2_000 * MS, 100 * MS):
        fetch(history, 1, 2, time_us)
        fetch(history, 1, 3, time_us)
    assert history.rules() == []


def test_fetches_of_too_few_voters_do_not_help():
    history = WrittenHistory(voters=5)
    history.state(1, "leader", 5, at_us=0)
    for time_us in range(0, 2_000 * MS, 100 * MS):
        fetch(history, 1, 2, time_us)
    assert history.rules() == [RULE]


def test_fetches_of_an_earlier_leadership_do_not_help():
    history = WrittenHistory()
    history.state(1, "leader", 5, at_us=0)
    for time_us in range(0, 600 * MS, 100 * MS):
        fetch(history, 1, 2, time_us, epoch=4)
    assert history.rules() == [RULE]


def test_a_pause_begins_the_time_anew():
    history = WrittenHistory()
    history.state(1, "leader", 5, at_us=0)
    history.observe("node-paused", 1, at_us=100 * MS)
    history.observe("node-resumed", 1, at_us=5_000 * MS)
    history.state(1, "resigned", 5, leader=1, at_us=5_400 * MS)
    assert history.rules() == []


def test_after_a_pause_the_leader_owes_again():
    history = WrittenHistory()
    history.state(1, "leader", 5, at_us=0)
    history.observe("node-paused", 1, at_us=100 * MS)
    history.observe("node-resumed", 1, at_us=5_000 * MS)
    history.state(1, "resigned", 5, leader=1, at_us=5_500 * MS)
    assert history.rules() == [RULE]


@pytest.mark.parametrize(("resigned_ms", "rules"), [(2_400, []), (2_700, [RULE])])
def test_a_disk_stall_counts_as_a_pause(resigned_ms, rules):
    history = WrittenHistory()
    history.state(1, "leader", 5, at_us=0)
    history.fault("stalled-disk", {"nodes": [1], "duration_us": 2_000 * MS}, at_us=100 * MS)
    history.state(1, "resigned", 5, leader=1, at_us=resigned_ms * MS)
    assert history.rules() == rules


def test_a_node_whose_clock_was_moved_is_exempt():
    history = WrittenHistory()
    history.state(1, "leader", 5, at_us=0)
    history.fault("clock-jump", {"nodes": [1]}, at_us=100 * MS)
    history.state(1, "resigned", 5, leader=1, at_us=5_000 * MS)
    assert history.rules() == []


def test_a_clock_that_moved_elsewhere_exempts_nobody_else():
    history = WrittenHistory()
    history.state(1, "leader", 5, at_us=0)
    history.fault("clock-jump", {"nodes": [2]}, at_us=100 * MS)
    history.state(1, "resigned", 5, leader=1, at_us=5_000 * MS)
    assert history.rules() == [RULE]


def test_a_leader_that_stops_owes_nothing_afterwards():
    history = WrittenHistory()
    history.state(1, "leader", 5, at_us=0)
    history.observe("node-stopped", 1, {"how": "kill"}, at_us=100 * MS)
    history.observe("node-started", 1, at_us=5_000 * MS)
    history.state(1, "resigned", 5, leader=1, at_us=5_001 * MS)
    assert history.rules() == []


def test_the_fetch_timeout_is_the_headers():
    timing = {"controller_quorum_fetch_timeout_us": 10 * FETCH_TIMEOUT_US}
    assert led_alone_for(1_000 * MS, timing=timing).rules() == []


# --- LeaderStability --------------------------------------------------------------------------------------------------


def content_with_leader_1(**header: object) -> WrittenHistory:
    """Voter 1 leads epoch 4; voter 2 has fetched from it."""
    history = WrittenHistory(**header)
    history.state(1, "leader", 4)
    history.state(2, "follower", 4, leader=1)
    history.state(3, "follower", 4, leader=1)
    history.high_watermark(2, 1, 4, "follower")
    return history


def test_a_voter_that_raises_the_epoch_over_a_content_majority():
    history = content_with_leader_1()
    history.state(3, "candidate", 5)
    (violation,) = history.violations("LeaderStability")
    assert violation.node == 3
    assert "although voters 1, 2 had been content with their leader" in violation.message


def test_a_content_majority_that_encouraged_a_candidate():
    history = content_with_leader_1()
    history.state(3, "prospective", 4, leader=1)
    history.state(3, "candidate", 5)
    assert history.rules() == ["LeaderStability"]


def test_a_follower_that_was_not_yet_content_when_asked_may_encourage():
    history = WrittenHistory()
    history.state(1, "leader", 4)
    history.state(2, "follower", 4, leader=1)
    history.state(3, "prospective", 3)
    history.append(2, 4, (0, 4, "a"))
    history.state(3, "candidate", 5)
    assert history.rules() == []


def test_a_follower_that_lost_its_leader_or_restarted_may_encourage():
    for lose in ("state", "restart"):
        history = content_with_leader_1()
        if lose == "state":
            history.state(2, "prospective", 4, leader=1)
        else:
            history.start(2)
        history.state(3, "prospective", 4)
        history.state(3, "candidate", 5)
        assert history.rules() == []


def test_a_restarted_candidate_is_no_offence():
    history = WrittenHistory()
    history.state(3, "candidate", 5)
    history.state(1, "leader", 4)
    history.state(2, "follower", 4, leader=1)
    history.high_watermark(2, 1, 4, "follower")
    history.start(3)
    history.state(3, "candidate", 5)
    assert history.rules() == []


def test_without_prevote_nothing_is_promised():
    history = content_with_leader_1(properties={"fencepost.raft.prevote": "false"})
    history.state(3, "candidate", 5)
    assert history.rules() == []
