"""Committed offsets: who may commit, what a commit's answer means, what fetches see and when."""

import pytest
from group_broker import A_WHILE_US, CLICKS, CONFIG, ORDERS, Answer, GroupBroker, group_broker, loaded_broker

from fencepost.histories.event import Event
from fencepost.model import errors
from fencepost.model.broker.group_records import OffsetKey, OffsetValue
from fencepost.model.protocol.group import OffsetCommitRequest


def refusals(broker: GroupBroker) -> list[Event]:
    return broker.seen("offset-commit-refused")


def test_a_commit_is_answered_when_it_is_committed() -> None:
    broker = loaded_broker()
    members = broker.form_group("i1")
    answer = broker.commit_offset(5, members[0], 1, "i1")
    assert not answer.sent
    broker.log.commit()
    assert (answer.error, answer.only.record_offset, answer.only.coordinator_epoch) == (None, 1, 1)
    accepted = broker.seen("offset-commit-accepted")[0]
    assert accepted.value == {
        "member": members[0], "instance": "i1", "current_member_of_instance": members[0], "offsets": {"orders-0": 5},
        "record_offsets": {"orders-0": 1}, "partition": "__consumer_offsets-0"}
    assert accepted.epochs == {"generation": 1, "current_generation": 1, "coordinator_epoch": 1}
    assert broker.log.records[1].key == OffsetKey("g", ORDERS)


def test_consumers_outside_any_group_commit_to_an_empty_group_only() -> None:
    broker = loaded_broker()
    broker.log.commits_at_once = True
    assert broker.commit_offset(5).error is None
    broker.form_group(None)
    assert broker.commit_offset(6).error == errors.UNKNOWN_MEMBER_ID
    assert broker.committed() == 5


def test_a_group_that_nobody_knows_has_no_generation() -> None:
    broker = loaded_broker()
    assert broker.commit_offset(5, "m", 3).error == errors.ILLEGAL_GENERATION
    assert [(event.error, event.value, event.epochs) for event in refusals(broker)] == [(
        errors.ILLEGAL_GENERATION, {"member": "m", "instance": None},
        {"generation": 3, "current_generation": -1, "coordinator_epoch": 1})]


def test_commits_are_validated_by_instance_then_member_then_generation() -> None:
    broker = loaded_broker()
    members = broker.form_group("i1", None)
    assert broker.commit_offset(5, "zombie", 9, "i1").error == errors.FENCED_INSTANCE_ID
    assert broker.commit_offset(5, "zombie", 9, "i9").error == errors.UNKNOWN_MEMBER_ID
    assert broker.commit_offset(5, "zombie", 9).error == errors.UNKNOWN_MEMBER_ID
    assert broker.commit_offset(5, members[1], 9).error == errors.ILLEGAL_GENERATION
    assert broker.commit_offset(5, members[1], -1).error == errors.ILLEGAL_GENERATION
    assert broker.log.records[1:] == []
    assert [event.error for event in refusals(broker)] == [
        errors.FENCED_INSTANCE_ID, errors.UNKNOWN_MEMBER_ID, errors.UNKNOWN_MEMBER_ID, errors.ILLEGAL_GENERATION,
        errors.ILLEGAL_GENERATION]
    assert not broker.commit_offset(5, members[1], 1).sent, "the good one is on its way"


def test_the_ending_generation_may_commit_while_members_rejoin_and_the_next_only_once_it_is_assigned() -> None:
    broker = loaded_broker()
    members = broker.form_group(None, None)
    broker.log.commits_at_once = True
    broker.join(members[0])
    assert broker.commit_offset(5, members[1], 1).error is None
    broker.join(members[1])
    assert broker.commit_offset(6, members[1], 1).error == errors.ILLEGAL_GENERATION
    assert broker.commit_offset(7, members[1], 2).error == errors.REBALANCE_IN_PROGRESS
    broker.settle_generation(members, 2)
    assert broker.commit_offset(8, members[1], 2).error is None
    assert broker.committed() == 8


def test_a_member_of_an_emptied_group_cannot_commit_any_more() -> None:
    broker = loaded_broker()
    members = broker.form_group(None)
    broker.leave(members[0])
    assert broker.commit_offset(5, members[0], 1).error == errors.UNKNOWN_MEMBER_ID


def test_a_replaced_static_member_is_fenced() -> None:
    broker = loaded_broker()
    members = broker.form_group("i1")
    back = broker.join("", "i1")
    broker.log.commit()
    assert broker.commit_offset(5, members[0], 1, "i1").error == errors.FENCED_INSTANCE_ID
    assert broker.commit_offset(5, members[0], 1).error == errors.UNKNOWN_MEMBER_ID
    assert not broker.commit_offset(5, back.only.member_id, 1, "i1").sent


def test_a_commit_keeps_its_member_alive() -> None:
    broker = loaded_broker()
    members = broker.form_group(None)
    broker.log.commits_at_once = True
    for offset in range(5):
        broker.run(8_000_000)
        assert broker.commit_offset(offset, members[0], 1).error is None


def test_topics_that_the_broker_does_not_know_are_refused() -> None:
    broker = loaded_broker()
    assert broker.commit_offset(5, partition=("nothing", 0)).error == errors.UNKNOWN_TOPIC_OR_PARTITION
    assert broker.log.records == []


def test_a_commit_that_the_log_refuses_leaves_no_trace() -> None:
    broker = loaded_broker()
    broker.log.refuses = errors.NOT_ENOUGH_REPLICAS
    assert broker.commit_offset(5).error == errors.COORDINATOR_NOT_AVAILABLE
    broker.log.refuses = None
    assert broker.committed() == -1
    assert not broker.seen("offset-commit-accepted")


def test_a_commit_that_times_out_may_still_happen() -> None:
    broker = loaded_broker()
    answer = broker.commit_offset(5)
    broker.run(CONFIG.offsets_commit_timeout_us)
    assert answer.error == errors.COORDINATOR_NOT_AVAILABLE
    assert broker.fetch_offset(stable=False).only.offsets == ((ORDERS, -1),)
    broker.log.commit()
    assert broker.committed() == 5
    assert len(answer.sent) == 1


def test_fetches_with_require_stable_wait_for_what_they_saw_and_others_read_what_is_committed() -> None:
    broker = loaded_broker()
    broker.log.commits_at_once = True
    broker.commit_offset(5)
    broker.log.commits_at_once = False
    broker.commit_offset(6)
    assert broker.fetch_offset(stable=False).only.offsets == ((ORDERS, 5),)
    waiting = broker.fetch_offset()
    assert not waiting.sent
    broker.commit_offset(7)
    broker.log.commit()
    assert waiting.only.offsets == ((ORDERS, 6),), "not what came after it"
    assert broker.fetch_offset(stable=False).only.offsets == ((ORDERS, 7),)


def test_a_fetch_that_cannot_become_stable_times_out() -> None:
    broker = loaded_broker()
    broker.commit_offset(6)
    waiting = broker.fetch_offset()
    broker.run(CONFIG.offsets_commit_timeout_us)
    assert waiting.error == errors.COORDINATOR_NOT_AVAILABLE
    broker.log.commit()
    assert len(waiting.sent) == 1


def test_after_a_fail_over_what_was_loaded_is_stable_once_the_high_watermark_covers_it() -> None:
    broker = group_broker()
    for offset in (5, 6):
        broker.log.write((OffsetKey("g", ORDERS), OffsetValue(offset, -1, "", -1, 0)))
    broker.log.high_watermark = 1
    broker.serve()
    assert broker.fetch_offset(stable=False).only.offsets == ((ORDERS, 5),)
    waiting = broker.fetch_offset()
    assert not waiting.sent
    broker.log.commit()
    assert waiting.only.offsets == ((ORDERS, 6),)


def test_a_high_watermark_of_another_epoch_completes_nothing() -> None:
    broker = loaded_broker(epoch=1)
    committing, fetching = broker.commit_offset(5), broker.fetch_offset()
    broker.log.follow(2)
    broker.log.commit(epoch=2)
    assert not committing.sent
    assert not fetching.sent
    broker.run(A_WHILE_US)
    assert (committing.error, fetching.error) == (errors.NOT_COORDINATOR, errors.NOT_COORDINATOR)


def test_partitions_and_groups_have_offsets_of_their_own() -> None:
    broker = loaded_broker()
    broker.log.commits_at_once = True
    broker.commit_offset(5)
    broker.commit_offset(6, partition=CLICKS)
    broker.commit_offset(7, group="h")
    assert (broker.committed(), broker.committed(CLICKS)) == (5, 6)
    assert broker.fetch_offset(group="h").only.offsets == ((ORDERS, 7),)
    assert broker.fetch_offset(group="nobody").only.offsets == ((ORDERS, -1),)


@pytest.mark.parametrize("commits_at_once", [False, True])
def test_the_deletion_of_a_topic_removes_its_offsets(commits_at_once: bool) -> None:
    broker = loaded_broker()
    broker.commit_offset(5)
    broker.commit_offset(6, partition=CLICKS)
    broker.log.commit()
    broker.log.commits_at_once = commits_at_once
    broker.coordinator.on_topic_deleted("orders")
    broker.log.commit()
    assert (broker.committed(), broker.committed(CLICKS)) == (-1, 6)
    assert broker.fetch_offset(stable=False).only.offsets == ((ORDERS, -1),)
    broker.log.follow(2)
    broker.run(A_WHILE_US)
    broker.serve(3)
    assert (broker.committed(), broker.committed(CLICKS)) == (-1, 6)


def test_tombstones_that_the_log_refuses_leave_the_offsets() -> None:
    broker = loaded_broker()
    broker.log.commits_at_once = True
    broker.commit_offset(5)
    broker.log.refuses = errors.NOT_ENOUGH_REPLICAS
    broker.coordinator.on_topic_deleted("orders")
    assert broker.committed() == 5


def test_several_offsets_in_one_commit_share_an_answer() -> None:
    broker = loaded_broker()
    answer = Answer()
    broker.coordinator.handle_offset_commit(
        OffsetCommitRequest("g", -1, "", None, ((ORDERS, 5, 0), (CLICKS, 6, 0))), answer)
    broker.log.commit()
    assert answer.only.record_offset == 1
    assert broker.seen("offset-commit-accepted")[0].value["record_offsets"] == {"orders-0": 0, "clicks-1": 1}
