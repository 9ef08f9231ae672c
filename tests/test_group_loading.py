"""Which partitions a coordinator serves: elections, resignations, loading, in and out of order."""

import pytest
from group_broker import A_WHILE_US, CLICKS, ORDERS, Answer, GroupBroker, group_broker, loaded_broker

from fencepost.model import errors
from fencepost.model.broker.group_records import (
    OFFSETS_TOPIC,
    GroupKey,
    GroupValue,
    MemberValue,
    OffsetKey,
    OffsetValue,
    group_partition,
    java_hash,
)
from fencepost.model.metadata.records import PartitionRecord, TopicRecord
from fencepost.model.protocol.group import FindCoordinatorRequest, TopicPartition


def offset_record(offset: int | None, partition: TopicPartition = ORDERS) -> tuple[OffsetKey, OffsetValue | None]:
    return OffsetKey("g", partition), None if offset is None else OffsetValue(offset, -1, "", -1, 0)


def is_served(broker: GroupBroker) -> bool:
    return broker.fetch_offset(stable=False).error is None


@pytest.mark.parametrize(("group", "expected"), [
    ("", 0), ("a", 97), ("hello", 99162322), ("billing", -109829509), ("polygenelubricants", -2147483648),
    ("\N{GRINNING FACE}", 0xD83D * 31 + 0xDE00)])
def test_a_groups_partition_is_javas_hash_of_its_id(group: str, expected: int) -> None:
    assert java_hash(group) == expected
    assert group_partition(group, 50) == (expected & 0x7FFFFFFF) % 50


def test_records_print_as_short_words() -> None:
    value = GroupValue(3, "m1", (MemberValue("m1", None, 1, 1, (), (("orders", 0), ("orders", 1))),))
    assert f"{GroupKey('g')}={value}" == "g=g3[m1:orders-0+orders-1]"
    assert f"{OffsetKey('g', ORDERS)}={OffsetValue(7, -1, 'm1', 3, 12)}" == "g/orders-0=7(m1 g3 at 12)"


def test_a_broker_that_leads_nothing_is_no_coordinator() -> None:
    broker = group_broker()
    assert broker.fetch_offset().error == errors.NOT_COORDINATOR
    assert broker.commit_offset(5).error == errors.NOT_COORDINATOR
    assert broker.join().error == errors.NOT_COORDINATOR
    assert broker.heartbeat("m", 1).error == errors.NOT_COORDINATOR


def test_everything_up_to_the_log_end_is_loaded_before_groups_are_served() -> None:
    broker = group_broker()
    broker.log.write(*[offset_record(offset) for offset in range(7)])
    broker.log.lead(1)
    asked = []
    while not broker.seen("coordinator-loaded"):
        broker.run(500)
        if broker.seen("coordinator-loading") and not broker.seen("coordinator-loaded"):
            asked.append(broker.fetch_offset().error)
    assert set(asked) == {errors.COORDINATOR_LOAD_IN_PROGRESS}
    assert broker.seen("coordinator-loaded")[0].value == {"loaded_to": 7, "log_end_offset": 7}
    broker.log.commit()
    assert broker.committed() == 6


def test_records_that_arrive_while_loading_are_loaded_too() -> None:
    broker = group_broker()
    broker.log.write(*[offset_record(offset) for offset in range(3)])
    broker.log.lead(1)
    while not broker.seen("coordinator-loading"):
        broker.run(100)
    broker.log.write(offset_record(9))
    broker.run(A_WHILE_US)
    broker.log.commit()
    assert broker.committed() == 9


def test_while_loading_heartbeats_pass_and_members_are_sent_back_to_joining() -> None:
    broker = group_broker()
    broker.log.write(*[offset_record(1)] * 20)
    broker.log.lead(1)
    while not broker.seen("coordinator-loading"):
        broker.run(100)
    assert broker.heartbeat("m", 1).error is None
    assert broker.sync("m", 1).error == errors.REBALANCE_IN_PROGRESS
    assert broker.join().error == errors.COORDINATOR_LOAD_IN_PROGRESS
    assert broker.leave("m").error == errors.COORDINATOR_LOAD_IN_PROGRESS


def test_a_tombstone_removes_what_was_committed_before() -> None:
    broker = group_broker()
    broker.log.write(offset_record(5), offset_record(6, CLICKS), offset_record(None))
    broker.serve()
    broker.log.commit()
    assert (broker.committed(), broker.committed(CLICKS)) == (-1, 6)


def test_a_loaded_group_is_stable_with_its_generation_and_assignment() -> None:
    broker = group_broker()
    member = MemberValue("m1", "i1", 5_000_000, 30_000_000, ("orders",), (ORDERS,))
    broker.log.write((GroupKey("g"), GroupValue(4, "m1", (member,))))
    broker.serve()
    assert broker.heartbeat("m1", 4, "i1").error is None
    assert broker.sync("m1", 4, instance="i1").only.assignment == (ORDERS,)
    broker.run(6_000_000)
    assert broker.heartbeat("m1", 4, "i1").error == errors.UNKNOWN_MEMBER_ID, "its session began when it was loaded"


def test_a_load_that_loses_the_leadership_leaves_the_partition_unserved() -> None:
    broker = group_broker()
    broker.log.write(*[offset_record(offset) for offset in range(9)])
    broker.log.lead(1)
    while not broker.seen("coordinator-loading"):
        broker.run(100)
    broker.log.leader_epoch = None
    broker.run(A_WHILE_US)
    assert broker.fetch_offset().error == errors.NOT_COORDINATOR
    assert not broker.seen("coordinator-loaded")
    broker.log.lead(3)
    broker.run(A_WHILE_US)
    broker.log.commit()
    assert broker.committed() == 8, "the next election loads from the beginning"


def test_a_resignation_unloads_and_answers_whoever_waits() -> None:
    broker = loaded_broker()
    joining = broker.join()
    committing = broker.commit_offset(5, group="other")
    fetching = broker.fetch_offset(group="other")
    broker.log.follow(2)
    assert not joining.sent
    broker.run(A_WHILE_US)
    assert [joining.error, committing.error, fetching.error] == [errors.NOT_COORDINATOR] * 3
    assert broker.fetch_offset().error == errors.NOT_COORDINATOR
    assert [event.epochs for event in broker.seen("coordinator-unloaded")] == [{"coordinator_epoch": 1}]


def test_a_lost_replica_resigns_in_the_epoch_that_was_told_last() -> None:
    broker = loaded_broker(epoch=4)
    broker.log.follow(None)
    broker.run(A_WHILE_US)
    assert not is_served(broker)


def test_a_resignation_that_is_overtaken_does_not_undo_the_newer_election() -> None:
    broker = group_broker()
    broker.serve(3)
    broker.coordinator._resigned(0, 2)
    assert is_served(broker)
    broker.coordinator._resigned(0, 3)
    assert not is_served(broker), "an equal epoch passes"


def test_an_election_that_is_overtaken_does_not_bring_an_old_epoch_back() -> None:
    broker = group_broker()
    broker.coordinator._resigned(0, 2)
    broker.coordinator._elected(0, 1)
    broker.run(A_WHILE_US)
    assert not broker.seen("coordinator-loading")


def test_an_election_after_a_gap_loads_anew_though_the_resignation_is_still_on_its_way() -> None:
    broker = loaded_broker(epoch=1)
    broker.log.commits_at_once = True
    broker.commit_offset(5)
    broker.log.write(offset_record(8))
    broker.log.leader_epoch = 3
    broker.coordinator._elected(0, 3)
    broker.run(A_WHILE_US)
    broker.log.commit()
    assert broker.committed() == 8
    assert [event.f for event in broker.simulation.recorder.events if event.f.startswith("coordinator-")] == [
        "coordinator-loading", "coordinator-loaded", "coordinator-unloaded", "coordinator-loading",
        "coordinator-loaded"]


def test_an_election_in_the_next_epoch_keeps_groups_and_writes() -> None:
    broker = loaded_broker(epoch=1)
    members = broker.form_group(None)
    commit = broker.commit_offset(5, members[0], 1)
    broker.log.lead(2)
    broker.run(A_WHILE_US)
    broker.log.commit()
    assert commit.only.coordinator_epoch == 1
    assert commit.error is None
    assert broker.heartbeat(members[0], 1).error is None
    assert broker.fetch_offset().only.coordinator_epoch == 2
    assert len(broker.seen("coordinator-loading")) == 1


def test_a_coordinator_of_an_older_epoch_cannot_append() -> None:
    broker = loaded_broker(epoch=1)
    broker.log.leader_epoch = 3
    assert broker.commit_offset(5).error == errors.NOT_COORDINATOR
    assert not broker.seen("offset-commit-accepted")
    assert broker.fetch_offset().only.offsets == ((ORDERS, -1),)


@pytest.mark.parametrize("seed", range(20))
def test_a_flapping_leadership_ends_served_in_its_last_epoch(seed: int) -> None:
    broker = group_broker(seed=seed)
    for epoch in range(1, 12, 2):
        broker.log.write(offset_record(epoch))
        broker.log.lead(epoch)
        broker.run(epoch * 40_000)
        if epoch < 11:
            broker.log.follow(epoch + 1)
            broker.run(1_000)
    broker.run(A_WHILE_US)
    broker.log.commit()
    answer = broker.fetch_offset().only
    assert (answer.offsets, answer.coordinator_epoch) == (((ORDERS, 11),), 11)


def test_elections_of_other_topics_concern_nobody() -> None:
    broker = group_broker()
    broker.coordinator.on_become_leader("orders", 0, 1)
    broker.coordinator.on_high_watermark("orders", 0, 1, 5)
    broker.coordinator.on_resign("orders", 0, 2)
    broker.run(A_WHILE_US)
    assert not broker.seen("coordinator-loading")


def test_the_coordinator_is_found_in_the_image() -> None:
    broker = group_broker()
    answer = Answer()
    broker.coordinator.handle_find_coordinator(FindCoordinatorRequest("g"), answer)
    assert answer.error == errors.COORDINATOR_NOT_AVAILABLE
    broker.image.apply(TopicRecord(OFFSETS_TOPIC, "offsets@1"), 1)
    for partition, leader in ((0, 7), (1, -1)):
        broker.image.apply(PartitionRecord(
            "offsets@1", partition, (7,), (7,), (), (), leader, 0, 0, "RECOVERED", (), ()), 2)
    group_of = {group_partition(name, 2): name for name in ("a", "b", "c")}
    for partition, expected in ((0, (None, 7)), (1, (errors.COORDINATOR_NOT_AVAILABLE, -1))):
        answer = Answer()
        broker.coordinator.handle_find_coordinator(FindCoordinatorRequest(group_of[partition]), answer)
        assert (answer.error, answer.only.coordinator_id) == expected
