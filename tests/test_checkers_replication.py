"""The rules about replicas' logs and ISRs: each with a history that breaks it and an innocent twin."""

import pytest
from replica_story import KEY, Story


def led(**header: object) -> Story:
    """Leader 1 of epoch 0 has written r0 and r1 with everybody."""
    story = Story(**header)
    story.leads(1, 0, (1, 2, 3))
    story.everyone_writes(0, "r0", "r1")
    return story


# --- WeakIsr and StrongIsr --------------------------------------------------------------------------------------------


def test_a_high_watermark_above_a_members_log_breaks_both() -> None:
    story = led()
    story.writes(1, 0, "r2", role="leader")
    story.writes(2, 0, "r2")
    story.reaches(1, 0, 3, (1, 2, 3))
    assert story.rules() == {"WeakIsr": 1, "StrongIsr": 1, "LeaderCandidateCompleteness": 1}
    assert "lists replica 3, whose log ends at 2" in story.words("WeakIsr")


def test_a_high_watermark_that_every_member_holds_breaks_nothing() -> None:
    story = led()
    story.reaches(1, 0, 2, (1, 2, 3))
    story.hears(2, 0, 2)
    assert story.rules() == {}


def test_a_member_with_another_record_breaks_both() -> None:
    story = led()
    story.writes(1, 0, "r2", role="leader")
    story.writes(2, 0, "r2")
    story.writes(3, 0, "x")
    story.reaches(1, 0, 3, (1, 2, 3))
    assert "which holds x at offset 2 of epoch 0 there" in story.words("StrongIsr")


def test_only_the_quorums_isr_counts_for_strong_isr() -> None:
    """The leader does not count replica 3, which the quorum lists (ReplicationQuorumSuperset is broken as well)."""
    story = led()
    story.sees_isr(1, 0, 0, (1, 2))
    story.writes(1, 0, "r2", role="leader")
    story.writes(2, 0, "r2")
    story.reaches(1, 0, 3, (1, 2))
    assert story.rules() == {"StrongIsr": 1, "LeaderCandidateCompleteness": 1, "ReplicationQuorumSuperset": 1}


def test_a_leader_of_an_older_epoch_is_not_compared_with_the_quorums_isr() -> None:
    story = led()
    story.commit(story.change((2, 3), 2))
    story.sees_isr(1, 0, 0, (1, 2))
    story.cuts(3, 1, 1)
    story.reaches(1, 0, 2, (1, 2))
    assert story.rules() == {}


def test_a_leader_ahead_of_the_quorums_reports_waits_for_them() -> None:
    """The leader applied the removal of 3 before any controller reported it."""
    for reported in (True, False):
        story = led()
        story.sees_isr(1, 0, 1, (1, 2))
        story.writes(1, 0, "r2", role="leader")
        story.writes(2, 0, "r2")
        story.reaches(1, 0, 3, (1, 2))
        assert story.rules() == {}
        story.commit(story.change((1, 2) if reported else (1, 2, 3)))
        assert ("StrongIsr" in story.rules()) is not reported


def test_a_leader_that_has_shown_a_newer_isr_but_not_its_epoch_waits_too() -> None:
    story = led()
    story.writes(1, 0, "r2", role="leader")
    story.writes(2, 0, "r2")
    story.reaches(1, 0, 3, (1, 2))
    story.commit(story.change((1, 2)))
    story.sees_isr(1, 0, 1, (1, 2))
    assert story.rules() == {}


def test_a_member_that_cuts_below_the_high_watermark_breaks_them() -> None:
    story = led()
    story.reaches(1, 0, 2, (1, 2, 3))
    story.cuts(2, 1, 0)
    assert story.rules() == {"WeakIsr": 1, "StrongIsr": 1, "LeaderCandidateCompleteness": 1}


def test_a_member_that_cuts_above_the_high_watermark_breaks_nothing() -> None:
    story = led()
    story.reaches(1, 0, 1, (1, 2, 3))
    story.cuts(2, 1, 0)
    assert story.rules() == {}


def test_a_replica_that_was_given_up_is_not_compared() -> None:
    story = led()
    story.about("replica-stopped", 3, {"deleted": True}, leader_epoch=0)
    story.reaches(1, 0, 2, (1, 2, 3))
    assert story.rules() == {}


# --- the exemption after a disk fault ---------------------------------------------------------------------------------


def test_a_member_that_lost_its_tail_in_a_disk_fault_is_exempt() -> None:
    story = led()
    story.dies(3, lost_from=1)
    story.reaches(1, 0, 2, (1, 2, 3))
    assert story.rules() == {}


def test_a_member_that_lost_its_tail_in_no_disk_fault_is_not_exempt() -> None:
    story = led()
    story.dies(3)
    story.opened(3, 1)
    story.reaches(1, 0, 2, (1, 2, 3))
    assert story.rules() == {"WeakIsr": 1, "StrongIsr": 1, "LeaderCandidateCompleteness": 1}


def test_the_exemption_ends_when_the_tail_has_been_refetched() -> None:
    story = led()
    story.dies(3, lost_from=1)
    story.opened(3, 1)
    story.writes(3, 0, "r1")
    story.everyone_writes(0, "r2", nodes=(1, 2))
    story.reaches(1, 0, 3, (1, 2, 3))
    assert story.rules() == {"WeakIsr": 1, "StrongIsr": 1, "LeaderCandidateCompleteness": 1}


def test_the_exemption_ends_when_the_replica_left_the_isr() -> None:
    story = led()
    story.dies(3, lost_from=1)
    story.commit(story.change((1, 2)))
    story.sees_isr(1, 0, 1, (1, 2))
    story.reaches(1, 0, 2, (1, 2))
    assert story.rules() == {}
    story.commit(story.change((1, 2, 3)))
    story.sees_isr(1, 0, 2, (1, 2, 3))
    rules = story.rules()
    assert {"WeakIsr", "StrongIsr", "LeaderCandidateCompleteness"} <= rules.keys()


def test_a_replica_outside_the_isr_is_not_exempt_once_it_is_let_in() -> None:
    """KIP-903: it lost its tail outside the ISR."""
    story = led()
    story.commit(story.change((1, 2)))
    story.sees_isr(1, 0, 1, (1, 2))
    story.reaches(1, 0, 2, (1, 2))
    story.dies(3, lost_from=1)
    story.commit(story.change((1, 2, 3)))
    assert story.rules() == {"StrongIsr": 1, "LeaderCandidateCompleteness": 1, "UncleanReplicaExcluded": 1,
                             "ReplicationQuorumSuperset": 1}


def test_a_replica_that_was_about_to_be_let_in_is_exempt() -> None:
    """The proposal was on its way when the disk failed, and the controller commits it before the broker is back."""
    story = led()
    story.commit(story.change((1, 2)))
    story.sees_isr(1, 0, 1, (1, 2))
    story.reaches(1, 0, 2, (1, 2))
    story.proposes(1, 0, 1, (1, 2, 3), (0, 1, 2))
    story.dies(3, lost_from=1)
    story.commit(story.change((1, 2, 3)))
    assert story.rules() == {}


def test_a_new_leader_begins_with_an_exempt_member() -> None:
    story = led()
    story.reaches(1, 0, 2, (1, 2, 3))
    story.dies(3, lost_from=1)
    story.dies(1)
    story.commit(story.unfence(1, fenced=True), story.change((2, 3), 2))
    story.leads(2, 1, (2, 3), high_watermark=2)
    assert story.rules() == {}


# --- LeaderCandidateCompleteness --------------------------------------------------------------------------------------


def test_a_member_that_is_let_in_without_a_committed_record_is_no_candidate() -> None:
    story = Story(isr=(1, 2))
    story.leads(1, 0, (1, 2))
    story.everyone_writes(0, "r0", "r1", nodes=(1, 2))
    story.writes(3, 0, "r0")
    story.reaches(1, 0, 2, (1, 2))
    story.sees_isr(1, 0, 0, (1, 2), (1, 2, 3))
    story.commit(story.change((1, 2, 3)))
    assert story.rules() == {"LeaderCandidateCompleteness": 1, "StrongIsr": 1}
    assert "replica 3" in story.words("LeaderCandidateCompleteness")


def test_a_member_that_is_let_in_with_everything_is_a_candidate() -> None:
    story = Story(isr=(1, 2))
    story.leads(1, 0, (1, 2))
    story.everyone_writes(0, "r0", "r1")
    story.reaches(1, 0, 2, (1, 2))
    story.sees_isr(1, 0, 0, (1, 2), (1, 2, 3))
    story.commit(story.change((1, 2, 3)))
    assert story.rules() == {}


def test_an_eligible_leader_replica_is_a_candidate() -> None:
    for complete in (True, False):
        story = Story(isr=(1, 2))
        story.leads(1, 0, (1, 2))
        story.everyone_writes(0, "r0", nodes=(1, 2, 3) if complete else (1, 2))
        story.reaches(1, 0, 1, (1, 2))
        story.commit(story.change(None, eligible_leader_replicas=[3]))
        assert story.rules() == ({} if complete else {"LeaderCandidateCompleteness": 1})


# --- LogMatching ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("high_watermark", "broken"), [(2, False), (3, True)])
def test_logs_are_alike_below_both_high_watermarks(high_watermark: int, broken: bool) -> None:
    story = led()
    story.commit(story.change((1, 2)))
    story.sees_isr(1, 0, 1, (1, 2))
    story.everyone_writes(0, "r2", nodes=(1, 2))
    story.reaches(1, 0, 3, (1, 2))
    story.writes(3, 1, "x")
    story.hears(3, 1, high_watermark)
    assert ("LogMatching" in story.rules()) is broken


def test_the_high_watermark_of_a_dead_replica_is_not_compared() -> None:
    story = led()
    story.commit(story.change((1, 2)))
    story.sees_isr(1, 0, 1, (1, 2))
    story.hears(3, 0, 2)
    story.dies(3)
    story.everyone_writes(0, "r2", nodes=(1, 2))
    story.reaches(1, 0, 3, (1, 2))
    assert story.rules() == {}


# --- MonotonicHighWatermark -------------------------------------------------------------------------------------------


def test_a_leaders_high_watermark_does_not_fall() -> None:
    story = led()
    story.reaches(1, 0, 2, (1, 2, 3))
    story.reaches(1, 0, 1, (1, 2, 3))
    assert story.rules() == {"MonotonicHighWatermark": 1}


def test_a_new_leaders_high_watermark_may_trail() -> None:
    story = led()
    story.reaches(1, 0, 2, (1, 2, 3))
    story.commit(story.change(None, 2))
    story.leads(2, 1, (1, 2, 3), high_watermark=0)
    story.reaches(2, 1, 1, (1, 2, 3))
    assert story.rules() == {}


@pytest.mark.parametrize("settled", [True, False])
def test_a_followers_high_watermark_may_fall_with_its_first_fetch_only(settled: bool) -> None:
    story = led()
    story.commit(story.change(None, 2))
    story.follows(3, 2, 1, high_watermark=2)
    story.hears(3, 1, 2)
    story.writes(3, 1, "s0")
    story.hears(3, 1, 1)
    if settled:
        story.hears(3, 1, 0)
    assert story.rules() == ({"MonotonicHighWatermark": 1} if settled else {})


def test_a_followers_high_watermark_may_fall_when_its_log_is_cut() -> None:
    story = led()
    story.hears(3, 0, 2)
    story.cuts(3, 1, 0)
    story.hears(3, 0, 1)
    assert story.rules() == {}


# --- who leads, and who is in an ISR ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("node", "broken"), [(1, False), (2, True)])
def test_one_leader_leads_in_an_epoch(node: int, broken: bool) -> None:
    story = led()
    story.leads(node, 0, (1, 2, 3))
    assert ("AtMostOneLeaderPerLeaderEpoch" in story.rules()) is broken


@pytest.mark.parametrize(("leader", "broken"), [(2, False), (1, True), (-1, False)])
def test_the_leader_is_in_the_isr(leader: int, broken: bool) -> None:
    story = led()
    story.commit(story.change((2, 3), leader))
    assert story.rules() == ({"LeaderInIsr": 1} if broken else {})


@pytest.mark.parametrize(("isr", "broken"), [((1, 2), False), ((1, 2, 3), True), ((3,), False)])
def test_a_fenced_broker_is_in_no_isr_but_as_the_last_member(isr: tuple[int, ...], broken: bool) -> None:
    story = led()
    story.commit(story.unfence(3, fenced=True), story.change(isr, isr[0]))
    assert ("NoFencedBrokerInIsr" in story.rules()) is broken


def test_with_eligible_leader_replicas_the_last_member_leaves_too() -> None:
    story = led(properties={"eligible.leader.replicas.enable": "true"})
    story.commit(story.unfence(3, fenced=True), story.change((3,), 3))
    assert "NoFencedBrokerInIsr" in story.rules()


def test_a_broker_that_is_shutting_down_or_forgotten_is_in_no_isr() -> None:
    story = led()
    story.commit(("BrokerRegistrationChangeRecord", {
        "broker_id": 3, "broker_epoch": 2, "fenced": None, "in_controlled_shutdown": True}))
    assert "is shutting down" in story.words("NoFencedBrokerInIsr")
    story = led()
    story.commit(("UnregisterBrokerRecord", {"broker_id": 3, "broker_epoch": 2}))
    assert "is not registered" in story.words("NoFencedBrokerInIsr")


@pytest.mark.parametrize("stale", [True, False])
def test_a_proposal_that_meant_an_earlier_incarnation_is_not_committed(stale: bool) -> None:
    story = Story(isr=(1, 2))
    story.leads(1, 0, (1, 2))
    old = story.offset
    story.register(3, fenced=False)
    if stale:
        story.proposes(1, 0, 0, (1, 2, 3), (0, 1, old - 1))
    else:
        story.proposes(1, 0, 0, (1, 2, 3), (0, 1, old))
    story.commit(story.change((1, 2, 3)))
    assert story.rules() == ({"UncleanReplicaExcluded": 1} if stale else {})


def test_a_stale_proposal_that_is_not_committed_breaks_nothing() -> None:
    story = Story(isr=(1, 2))
    story.leads(1, 0, (1, 2))
    story.proposes(1, 0, 0, (1, 2, 3), (0, 1, 2))
    story.register(3, fenced=False)
    assert story.rules() == {}


def test_a_replica_that_is_back_in_the_isr_with_what_it_lost_is_clean() -> None:
    story = led()
    story.reaches(1, 0, 2, (1, 2, 3))
    story.dies(3, lost_from=1)
    story.register(3, True, story.change((1, 2)))
    story.opened(3, 1)
    story.writes(3, 0, "r1")
    story.sees_isr(1, 0, 1, (1, 2), (1, 2, 3))
    story.commit(story.unfence(3), story.change((1, 2, 3)))
    assert story.rules() == {}


@pytest.mark.parametrize(("maximal", "broken"), [((1, 2, 3), False), ((1, 2), True)])
def test_a_leader_counts_the_quorums_isr(maximal: tuple[int, ...], broken: bool) -> None:
    story = Story(isr=(1, 2))
    story.leads(1, 0, (1, 2))
    story.sees_isr(1, 0, 0, (1, 2), maximal)
    story.commit(story.change((1, 2, 3)))
    assert story.rules() == ({"ReplicationQuorumSuperset": 1} if broken else {})


def test_a_leader_that_was_deposed_or_died_counts_nothing() -> None:
    for dead in (True, False):
        story = Story(isr=(1, 2))
        story.leads(1, 0, (1, 2))
        if dead:
            story.dies(1)
        story.commit(story.change((1, 2, 3)) if dead else story.change((2, 3), 2))
        assert story.rules() == {}


# --- the ledger itself ------------------------------------------------------------------------------------------------


def test_a_history_that_contradicts_itself_is_unknown() -> None:
    story = led()
    story.about("log-append", 2, {"base_offset": 9, "records": ["r9"], "role": "follower"}, leader_epoch=0)
    story.reaches(1, 0, 2, (1, 2, 3))
    verdicts = {result.checker: result.verdict for result in story.results()}
    assert verdicts["committed-records"] == verdicts["replication"] == "unknown"


def test_without_observations_nothing_applies() -> None:
    story = led(observations=[])
    assert {result.verdict for result in story.results()} == {"not-applicable"}


def test_partitions_are_told_apart_by_topic_id() -> None:
    story = led()
    story.reaches(1, 0, 2, (1, 2, 3))
    story.observe("log-opened", 1, KEY, {"topic_id": "orders@2f", "end_offset": 0, "high_watermark": 0})
    story.observe("leader-start", 1, KEY, {
        "topic_id": "orders@2f", "isr": [1], "replicas": [1], "epoch_start_offset": 0, "high_watermark": 0,
        "end_offset": 0, "min_isr": 1}, leader_epoch=5, partition_epoch=0)
    assert story.rules() == {}


def test_a_broker_of_which_the_records_never_told_is_not_judged() -> None:
    story = Story(isr=(1, 2, 7), replicas=(1, 2, 7))
    story.commit(story.change((1, 2, 7)))
    assert story.rules() == {}
