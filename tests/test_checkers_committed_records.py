"""What is committed, what a loss is, and what excuses one: each rule and excuse once with and once without effect."""

import pytest
from replica_story import FAIL, INFO, KEY, OK, TOPIC, TOPIC_ID, Story


def committed(**header: object) -> Story:
    """Leader 1 of epoch 0 commits r0 and r1 with everybody, and acknowledges them."""
    story = Story(**header)
    story.leads(1, 0, (1, 2, 3))
    story.everyone_writes(0, "r0", "r1")
    story.reaches(1, 0, 2, (1, 2, 3))
    story.answers(1, 0, 0, "r0", "r1")
    return story


def fail_over(story: Story, leader: int, isr: tuple[int, ...], **change: object) -> None:
    """Broker 1 dies and the quorum elects another leader, in epoch 1."""
    story.dies(1)
    story.commit(story.unfence(1, fenced=True), story.change(isr, leader, **change))
    story.leads(leader, 1, isr)


# --- LeaderCompleteness -----------------------------------------------------------------------------------------------


def test_a_leader_that_lacks_a_committed_record_is_incomplete() -> None:
    story = committed()
    story.cuts(2, 1, 0)
    fail_over(story, 2, (2, 3))
    rules = story.rules()
    assert rules["LeaderCompleteness"] == 1
    assert rules["NoAckedRecordLost"] == 1
    assert "NoCommittedRecordLostGlobally" not in rules
    assert "broker 2 began to lead orders-0 in epoch 1" in story.words("LeaderCompleteness")
    assert "r1 at offset 1 of epoch 0" in story.words("LeaderCompleteness")


def test_a_leader_that_holds_everything_is_complete() -> None:
    story = committed()
    fail_over(story, 2, (2, 3))
    assert story.rules() == {}
    assert story.reasons() == []


def test_records_that_are_not_committed_are_owed_nothing() -> None:
    story = committed()
    story.writes(1, 0, "r2", role="leader")
    fail_over(story, 2, (2, 3))
    assert story.rules() == {}


def test_a_high_watermark_of_a_too_small_isr_commits_nothing() -> None:
    story = Story()
    story.commit(story.change((1,)))
    story.leads(1, 0, (1,), partition_epoch=1)
    story.writes(1, 0, "r0")
    story.reaches(1, 0, 1, (1,))
    story.commit(story.change((1, 2)))
    story.dies(1)
    story.commit(story.change((2,), 2))
    story.leads(2, 1, (2,), partition_epoch=3)
    assert "LeaderCompleteness" not in story.rules()


def test_a_record_that_a_deposed_leader_acknowledges_is_owed_by_the_new_one() -> None:
    story = committed()
    story.writes(1, 0, "r2", role="leader")
    story.writes(2, 0, "r2")
    story.commit(story.change((2, 3), 3))
    story.leads(3, 1, (2, 3))
    story.answers(1, 0, 2, "r2")
    assert story.rules() == {"LeaderCompleteness": 1, "NoAckedRecordLost": 1}


def test_a_record_that_a_deposed_leader_acknowledges_is_fine_where_the_new_one_began_with_it() -> None:
    story = committed()
    story.everyone_writes(0, "r2")
    story.commit(story.change((2, 3), 3))
    story.leads(3, 1, (2, 3))
    story.answers(1, 0, 2, "r2")
    assert story.rules() == {}


def test_the_judgement_waits_for_the_quorums_report_of_the_election() -> None:
    story = committed()
    story.asks("elect-leader", KEY, {"election_type": "unclean"})
    story.cuts(3, 0, 0)
    assert "LeaderCandidateCompleteness" in story.rules()
    story = committed()
    story.commit(story.change((1, 2)))
    story.sees_isr(1, 0, 1, (1, 2))
    story.cuts(3, 0, 0)
    story.asks("elect-leader", KEY, {"election_type": "unclean"}, INFO)
    story.dies(1)
    story.leads(3, 1, (3,), partition_epoch=2)
    story.commit(story.change((3,), 3))
    assert story.rules() == {}
    assert story.reasons() == ["unclean-election-asked-for"]


# --- NoCommittedRecordLostGlobally ------------------------------------------------------------------------------------


def test_a_committed_record_that_nobody_holds_is_lost_globally() -> None:
    story = committed()
    for node in (1, 2, 3):
        story.cuts(node, 1, 0)
    fail_over(story, 2, (2, 3))
    assert story.rules()["NoCommittedRecordLostGlobally"] == 1


# --- NoAckedRecordLost ------------------------------------------------------------------------------------------------


def final_read(story: Story, *records: str, topic_id: str = TOPIC_ID) -> None:
    story.asks("final-read", KEY, None, OK, {
        "records": [[offset, record] for offset, record in enumerate(records)], "log_start_offset": 0,
        "topic_id": topic_id})


def test_a_final_read_that_shows_another_record_is_a_loss() -> None:
    story = committed()
    story.writes(1, 0, "r2")
    final_read(story, "r0", "r2")
    rules = story.rules()
    assert rules["NoAckedRecordLost"] == 1
    assert "r1, acknowledged with acks=all at offset 1 of orders-0" in story.words("NoAckedRecordLost")


def test_a_final_read_that_stops_short_proves_nothing() -> None:
    story = committed()
    final_read(story, "r0")
    assert story.rules() == {}


def test_a_final_read_of_another_incarnation_of_the_topic_proves_nothing() -> None:
    story = committed()
    story.observe("log-append", 1, KEY, {
        "topic_id": "orders@2f", "base_offset": 0, "records": ["x", "y"], "role": "leader"}, leader_epoch=0)
    final_read(story, "x", "y", topic_id="orders@2f")
    assert story.rules() == {}


def test_an_acknowledgement_of_what_the_leader_does_not_hold_is_a_loss() -> None:
    story = committed()
    story.answers(1, 0, 2, "r2")
    assert story.rules() == {"NoAckedRecordLost": 1}


def test_a_clients_own_ok_counts_where_no_leader_was_seen_to_answer() -> None:
    story = Story()
    story.leads(1, 0, (1, 2, 3))
    story.writes(1, 0, "r0", role="leader")
    story.asks("produce", KEY, {"records": ["r0"], "acks": -1, "idempotent": False}, OK, {"base_offset": 0},
               leader_epoch=0)
    fail_over(story, 2, (2, 3))
    assert story.rules()["NoAckedRecordLost"] == 1


@pytest.mark.parametrize(("acks", "answer"), [(1, OK), (0, OK), (-1, INFO), (-1, FAIL)])
def test_weaker_acks_and_other_answers_promise_nothing(acks: int, answer: str) -> None:
    story = Story()
    story.leads(1, 0, (1, 2, 3))
    story.writes(1, 0, "r0", role="leader")
    story.asks("produce", KEY, {"records": ["r0"], "acks": acks, "idempotent": False}, answer, {"base_offset": 0})
    fail_over(story, 2, (2, 3))
    assert story.rules() == {}


# --- excuse: an unclean election that somebody asked for -------------------------------------------------------------


def unclean(answer: str | None, *, setting: bool = False, asked_first: bool = True, **header: object) -> Story:
    """The ISR is {1, 2}, replica 3 lags behind, and becomes leader."""
    properties = {"unclean.leader.election.enable": "true"} if setting else {}
    story = Story(properties=properties, **header)
    story.leads(1, 0, (1, 2, 3))
    story.writes(3, 0, "r0")
    story.commit(story.change((1, 2)))
    story.sees_isr(1, 0, 1, (1, 2))
    story.everyone_writes(0, "r0", "r1", nodes=(1, 2))
    story.reaches(1, 0, 2, (1, 2))
    story.answers(1, 0, 0, "r0", "r1")
    story.dies(1)
    story.dies(2)
    if answer is not None and asked_first:
        story.add("invoke", "elect-leader", process=7, key=KEY, value={"election_type": "unclean"})
        if answer == FAIL:
            story.completes("elect-leader", KEY, FAIL, process=7)
    story.commit(story.change((3,), 3, leader_recovery_state="RECOVERING"))
    if answer is not None and not asked_first:
        story.add("invoke", "elect-leader", process=7, key=KEY, value={"election_type": "unclean"})
    if answer in (OK, INFO):
        story.completes("elect-leader", KEY, answer, process=7)
    story.leads(3, 1, (3,), partition_epoch=2)
    return story


@pytest.mark.parametrize("answer", [OK, INFO])
def test_an_unclean_election_that_an_administrator_asked_for_excuses(answer: str) -> None:
    story = unclean(answer)
    assert story.rules() == {}
    assert story.reasons() == ["unclean-election-asked-for"]


def test_an_unclean_election_excuses_what_a_zombie_acknowledges_afterwards() -> None:
    story = unclean(OK)
    story.events = [event for event in story.events if event.f not in ("produce-answered", "node-stopped")]
    story.events = [event._replace(index=index) for index, event in enumerate(story.events)]
    story.answers(1, 0, 0, "r0", "r1")
    story.asks("poll", None, {"group": None}, OK, {"records": {KEY: [[1, "r1"]]}})
    assert story.rules() == {}
    assert set(story.reasons()) == {"unclean-election-asked-for"}


@pytest.mark.parametrize(("answer", "first"), [(None, True), (FAIL, True), (OK, False)])
def test_an_unclean_election_that_nobody_asked_for_is_a_violation(answer: str | None, first: bool) -> None:
    story = unclean(answer, asked_first=first)
    assert story.rules()["LeaderCompleteness"] == 1
    assert "nobody asked" in story.words("LeaderCompleteness")
    assert story.reasons() == []


def test_a_setting_that_allows_an_unclean_election_is_the_finding() -> None:
    story = unclean(None, setting=True)
    assert story.rules()["LeaderCompleteness"] == 1
    assert "The setting unclean.leader.election.enable=true permits this loss" in story.words("LeaderCompleteness")
    assert "unclean.leader.election.enable=true" in story.words("NoAckedRecordLost")


def test_an_unclean_election_does_not_excuse_a_record_in_whose_place_a_later_one_stands() -> None:
    story = Story()
    story.leads(1, 0, (1, 2, 3))
    story.everyone_writes(0, "r0", nodes=(1, 2))
    story.reaches(1, 0, 1, (1, 2))
    story.commit(story.change((1, 2), 1))
    story.writes(3, 2, "x")
    story.asks("elect-leader", KEY, {"election_type": "unclean"}, INFO)
    story.dies(1)
    story.commit(story.change((3,), 3))
    story.leads(3, 3, (3,), partition_epoch=2)
    story.commit(story.change((3,), 3))
    assert "LeaderCompleteness" in story.rules()


# --- excuse: the last replica standing -------------------------------------------------------------------------------


def last_replica(
    isr_at_loss: tuple[int, ...] = (1, 2), isr_at_registration: tuple[int, ...] = (2,), **header: object
) -> Story:
    """Replica 2 loses a committed record with its disk, registers again, and is elected."""
    story = committed(**header)
    story.dies(3)
    story.commit(story.unfence(3, fenced=True), story.change((1, 2)))
    story.sees_isr(1, 0, 1, (1, 2))
    if isr_at_loss != (1, 2):
        story.commit(story.change(isr_at_loss))
        story.sees_isr(1, 0, 2, isr_at_loss)
    story.dies(2, lost_from=1)
    story.dies(1)
    if isr_at_registration == (2,):
        story.commit(story.unfence(1, fenced=True), story.change((2,), -1))
    story.register(2)
    story.opened(2, 1)
    if isr_at_registration != (2,):
        story.commit(story.unfence(1, fenced=True), story.change((2,), -1))
    story.commit(story.unfence(2), story.change(None, 2))
    epoch = sum(1 for event in story.events if event.f == "metadata-applied" and event.node == 101
                for record in event.value["records"]
                if record[1] == "PartitionChangeRecord" and record[2]["leader"] != -2)
    story.leads(2, epoch, (2,), partition_epoch=9)
    return story


def test_the_last_replica_standing_excuses() -> None:
    story = last_replica()
    assert story.rules() == {}
    assert story.reasons() == ["last-replica-standing"]


def test_the_excuse_is_a_violation_where_excuses_are_switched_off() -> None:
    story = last_replica(excuses=False)
    assert story.rules()["LeaderCompleteness"] == 1
    assert "last member of the ISR" in story.words("LeaderCompleteness")


def test_a_replica_beside_others_in_the_isr_is_not_the_last_one() -> None:
    """KAFKA-18106: the broker registers again while its ISR holds others, and is kept in it."""
    story = last_replica(isr_at_registration=(1, 2))
    rules = story.rules()
    assert rules["LeaderCompleteness"] == 1
    assert rules["NoAckedRecordLost"] == 1
    assert rules["NoFencedBrokerInIsr"] == 1
    assert rules["UncleanReplicaExcluded"] == 1
    assert rules["LeaderCandidateCompleteness"] >= 1
    assert story.reasons() == []


def test_a_replica_outside_the_isr_is_no_last_replica() -> None:
    """KIP-903: the record was lost outside the ISR, and the replica was let in without it."""
    story = last_replica(isr_at_loss=(1, 3))
    assert story.rules()["LeaderCompleteness"] == 1
    assert "while it was outside the ISR" in story.words("LeaderCompleteness")


def test_a_minimum_of_one_in_sync_replica_is_the_finding() -> None:
    story = last_replica(properties={"min.insync.replicas": "1"})
    assert "The setting min.insync.replicas=1 permits this loss" in story.words("LeaderCompleteness")


def test_a_single_replica_is_the_finding() -> None:
    story = Story(isr=(1,), replicas=(1,))
    story.leads(1, 0, (1,))
    story.writes(1, 0, "r0", role="leader")
    story.reaches(1, 0, 1, (1,))
    story.dies(1, lost_from=0)
    story.register(1, True, story.change((1,), -1))
    story.opened(1, 0)
    story.commit(story.unfence(1), story.change(None, 1))
    story.leads(1, 2, (1,))
    assert "The setting a replication factor of 1 permits this loss" in story.words("LeaderCompleteness")


def test_eligible_leader_replicas_do_not_excuse_the_last_replica() -> None:
    story = last_replica(properties={"eligible.leader.replicas.enable": "true"})
    assert story.rules()["LeaderCompleteness"] == 1


@pytest.mark.parametrize(("eligible", "returning", "excused"), [((), (), True), ((3,), (3,), True), ((3,), (), False)])
def test_the_last_known_leader_excuses(eligible: tuple[int, ...], returning: tuple[int, ...], excused: bool) -> None:
    """Eligible leader replicas on: nobody is left but the last leader, which lost a record with its disk."""
    story = committed(properties={"eligible.leader.replicas.enable": "true"})
    story.dies(1, lost_from=1)
    story.commit(story.unfence(1, fenced=True), story.change(
        (), -1, eligible_leader_replicas=list(eligible), last_known_elr=[1]))
    story.register(1)
    story.opened(1, 1)
    story.commit(
        story.unfence(1), story.change((1,), 1, eligible_leader_replicas=[], last_known_elr=[]),
        *(story.registration(node) for node in returning))
    story.leads(1, 2, (1,), partition_epoch=2)
    assert story.rules() == ({} if excused else {"LeaderCompleteness": 1, "NoAckedRecordLost": 1})
    assert story.reasons() == (["last-known-leader"] if excused else [])
    story.header["excuses"] = False
    assert "LeaderCompleteness" in story.rules()


def test_an_observed_disk_fault_that_took_something_else_excuses_nothing() -> None:
    story = last_replica()
    story.events = [
        event._replace(value={"from_offset": 2, "end_offset": 2}) if event.f == "disk-lost" else event
        for event in story.events]
    assert story.rules()["LeaderCompleteness"] == 1
    assert story.reasons() == []


def test_a_record_that_was_refetched_after_the_fault_is_not_excused_by_it() -> None:
    story = committed()
    story.dies(3)
    story.commit(story.unfence(3, fenced=True), story.change((1, 2)))
    story.sees_isr(1, 0, 1, (1, 2))
    story.dies(1)
    story.dies(2, lost_from=1)
    story.commit(story.unfence(1, fenced=True), story.change((2,), -1))
    story.register(2)
    story.opened(2, 1)
    story.writes(2, 0, "r1")
    story.cuts(2, 1, 1)
    story.commit(story.unfence(2), story.change(None, 2))
    story.leads(2, 2, (2,), partition_epoch=9)
    assert story.rules()["LeaderCompleteness"] == 1
    assert story.reasons() == []


def test_a_leader_in_between_does_not_owe_what_only_a_later_one_committed() -> None:
    """r0 is of epoch 0, the leader of epoch 1 never had it, and the leader of epoch 2 brings it back and commits it."""
    story = Story()
    story.leads(1, 0, (1, 2, 3))
    story.writes(1, 0, "r0", role="leader")
    story.commit(story.change(None, 2))
    story.commit(story.change(None, 1))
    story.leads(1, 2, (1, 2, 3), partition_epoch=2)
    story.writes(2, 0, "r0")
    story.writes(3, 0, "r0")
    story.reaches(1, 2, 1, (1, 2, 3))
    story.cuts(2, 0, 0)
    story.leads(2, 1, (1, 2, 3), partition_epoch=1)
    assert "LeaderCompleteness" not in story.rules()


# --- excuse: deletion -------------------------------------------------------------------------------------------------


def removed(answer: str | None, result: object = None) -> Story:
    story = committed()
    if answer is not None:
        story.asks("delete-topic", TOPIC, None, answer, result)
    story.commit(("RemoveTopicRecord", {"topic_id": TOPIC_ID}))
    for node in (1, 2, 3):
        story.about("replica-stopped", node, {"deleted": True}, leader_epoch=0)
    return story


@pytest.mark.parametrize(("answer", "result"), [(OK, {"topic_id": TOPIC_ID}), (INFO, None)])
def test_a_deletion_that_somebody_asked_for_excuses(answer: str, result: object) -> None:
    assert removed(answer, result).rules() == {}


@pytest.mark.parametrize(("answer", "result"), [(None, None), (FAIL, None), (OK, {"topic_id": "orders@0"})])
def test_a_deletion_that_nobody_asked_for_is_a_loss(answer: str | None, result: object) -> None:
    assert removed(answer, result).rules() == {"NoAckedRecordLost": 1}


def test_a_deletion_that_was_answered_before_the_topic_existed_excuses_nothing() -> None:
    story = removed(None)
    deletion = Story()
    deletion.events = []
    deletion.asks("delete-topic", TOPIC, None, OK)
    story.events = [*deletion.events, *(event._replace(index=event.index + 2) for event in story.events)]
    assert story.rules() == {"NoAckedRecordLost": 1}


# --- excuse: the quorum lost its disks -------------------------------------------------------------------------------


@pytest.mark.parametrize(("wiped", "excused"), [(1, False), (2, True)])
def test_a_quorum_that_lost_its_disks_excuses(wiped: int, excused: bool) -> None:
    story = committed()
    for voter in (101, 102, 103)[:wiped]:
        story.observe("disk-lost", voter, "__cluster_metadata-0", {
            "from_offset": 3, "end_offset": 9, "wiped": True})
    story.offset = 3
    story.commit(story.change((3,), 3))
    story.cuts(3, 0, 0)
    story.leads(3, 1, (3,))
    assert ("LeaderCompleteness" not in story.rules()) is excused
    assert (story.reasons() == ["quorum-lost-its-disks"]) is excused


# --- ConsistentRead ---------------------------------------------------------------------------------------------------


def polls(story: Story, *records: tuple[int, str]) -> None:
    story.asks("poll", None, {"group": "g"}, OK, {"records": {KEY: [list(record) for record in records]}})


def test_two_reads_of_one_offset_show_the_same_record() -> None:
    story = committed()
    polls(story, (0, "r0"), (1, "r1"))
    polls(story, (1, "r1"))
    polls(story)
    assert story.rules() == {}


def test_two_reads_of_one_offset_that_differ_are_inconsistent() -> None:
    story = committed()
    story.writes(1, 0, "r2", role="leader")
    story.writes(3, 0, "x")
    polls(story, (2, "r2"))
    polls(story, (2, "x"))
    assert story.rules() == {"ConsistentRead": 1}


def test_a_read_of_what_nobody_wrote_is_inconsistent() -> None:
    story = committed()
    polls(story, (1, "r9"))
    assert story.rules() == {"ConsistentRead": 1}


@pytest.mark.parametrize("read_first", [True, False])
def test_what_was_read_from_a_deposed_leader_is_held_by_the_next(read_first: bool) -> None:
    story = committed()
    story.writes(1, 0, "r2", role="leader")
    if read_first:
        polls(story, (2, "r2"))
    story.commit(story.change((2, 3), 2))
    story.leads(2, 1, (2, 3))
    if not read_first:
        polls(story, (2, "r2"))
    assert story.rules() == {"ConsistentRead": 1}


@pytest.mark.parametrize("answered", [True, False])
def test_a_batch_sent_again_to_a_topic_created_anew_is_acknowledged_there(answered: bool) -> None:
    story = Story()
    story.leads(1, 0, (1, 2, 3))
    story.commit(story.change((1, 2, 3), 1))
    story.leads(1, 1, (1, 2, 3))
    story.writes(1, 1, "r0", role="leader")
    anew = {"topic_id": "orders@2"}
    story.commit(
        ("TopicRecord", {"name": TOPIC, **anew}),
        ("PartitionRecord", {
            **anew, "partition": 0, "replicas": [1, 2, 3], "isr": [1, 2, 3], "adding_replicas": [],
            "removing_replicas": [], "leader": 1, "leader_epoch": 0, "partition_epoch": 0}))
    story.add("invoke", "produce", process=1, key=KEY, value={"records": ["r0"], "acks": -1})
    for node in (1, 2, 3):
        story.observe("log-append", node, KEY, {
            **anew, "base_offset": 0, "records": ["r0"], "role": "follower"}, leader_epoch=0)
    if answered:
        story.observe("produce-answered", 1, KEY, {
            **anew, "base_offset": 0, "end_offset": 1, "acks": -1, "records": ["r0"]}, leader_epoch=0)
    story.add(OK, "produce", process=1, key=KEY, value={"base_offset": 0}, leader_epoch=0)
    assert story.rules() == {}
