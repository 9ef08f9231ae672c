"""How groups are joined, synchronised, kept alive and left; dynamic and static members."""

import pytest
from group_broker import CONFIG, REBALANCE_US, SESSION_US, loaded_broker

from fencepost.model import errors
from fencepost.model.broker.group_records import GroupKey, GroupValue

DELAY_US = CONFIG.group_initial_rebalance_delay_us


def test_members_that_join_together_share_the_first_generation() -> None:
    broker = loaded_broker()
    first, second = broker.join(), broker.join()
    broker.run(2 * DELAY_US - 1)
    assert not first.sent, "the second one has prolonged the wait"
    broker.run(1)
    assert first.only.generation == second.only.generation == 1
    assert first.only.leader_id == second.only.leader_id == first.only.member_id
    assert first.only.members == ((first.only.member_id, ("orders",)), (second.only.member_id, ("orders",)))
    assert second.only.members == ()
    generation = broker.seen("group-generation")[0]
    assert generation.value == {
        "members": {first.only.member_id: None, second.only.member_id: None}, "leader": first.only.member_id,
        "replaced": []}
    assert generation.epochs == {"generation": 1, "coordinator_epoch": 1}


def test_the_first_wait_is_not_prolonged_when_nobody_else_arrives() -> None:
    broker = loaded_broker()
    alone = broker.join()
    broker.run(DELAY_US)
    assert alone.only.generation == 1


def test_an_emptied_group_waits_again_for_its_first_members() -> None:
    broker = loaded_broker()
    members = broker.form_group(None)
    assert broker.leave(members[0]).error is None
    again = broker.join()
    broker.run(DELAY_US - 1)
    assert not again.sent
    broker.run(1)
    assert again.only.generation == 3, "1 was the first, 2 the empty one"


def test_the_assignment_is_handed_out_when_it_is_committed() -> None:
    broker = loaded_broker()
    first, second = broker.join(), broker.join()
    broker.run(2 * DELAY_US)
    members = [first.only.member_id, second.only.member_id]
    waiting = broker.sync(members[1], 1)
    leading = broker.sync(members[0], 1, ((members[0], (("orders", 0),)), (members[1], (("orders", 1),))))
    assert not waiting.sent
    assert not leading.sent
    assert not broker.seen("group-assignment")
    broker.log.commit()
    assert leading.only.assignment == (("orders", 0),)
    assert waiting.only.assignment == (("orders", 1),)
    assert broker.seen("group-assignment")[0].value == {
        "assignment": {members[0]: ["orders-0"], members[1]: ["orders-1"]}}
    written = broker.log.records[-1]
    assert written.key == GroupKey("g")
    assert isinstance(written.value, GroupValue)
    assert [member.assignment for member in written.value.members] == [(("orders", 0),), (("orders", 1),)]


def test_a_generation_is_written_only_with_its_assignment() -> None:
    broker = loaded_broker()
    broker.join()
    broker.run(2 * DELAY_US)
    assert broker.log.records == []


def test_an_assignment_that_the_log_refuses_begins_a_new_rebalance() -> None:
    broker = loaded_broker()
    joining = broker.join()
    broker.run(2 * DELAY_US)
    broker.log.refuses = errors.NOT_ENOUGH_REPLICAS
    member = joining.only.member_id
    assert broker.sync(member, 1, ((member, (("orders", 0),)),)).error == errors.COORDINATOR_NOT_AVAILABLE
    assert broker.heartbeat(member, 1).error == errors.REBALANCE_IN_PROGRESS
    assert not broker.seen("group-assignment")


def test_an_assignment_that_times_out_begins_a_new_rebalance() -> None:
    broker = loaded_broker()
    joining = broker.join()
    broker.run(2 * DELAY_US)
    member = joining.only.member_id
    syncing = broker.sync(member, 1, ((member, (("orders", 0),)),))
    broker.run(CONFIG.offsets_commit_timeout_us)
    assert syncing.error == errors.COORDINATOR_NOT_AVAILABLE
    assert broker.heartbeat(member, 1).error == errors.REBALANCE_IN_PROGRESS


def test_a_new_member_makes_the_others_rejoin() -> None:
    broker = loaded_broker()
    members = broker.form_group(None, None)
    late = broker.join()
    assert broker.heartbeat(members[0], 1).error == errors.REBALANCE_IN_PROGRESS
    assert broker.sync(members[0], 1).error == errors.REBALANCE_IN_PROGRESS
    rejoining = [broker.join(member) for member in members]
    assert [answer.only.generation for answer in [late, *rejoining]] == [2, 2, 2]
    assert late.only.leader_id == members[0], "the leader stays"


def test_who_does_not_rejoin_in_time_is_removed() -> None:
    broker = loaded_broker()
    members = broker.form_group(None, None)
    late = broker.join()
    rejoining = broker.join(members[1])
    while not rejoining.sent:
        broker.heartbeat(members[0], 1)
        broker.run(1_000_000)
    assert broker.now_us >= REBALANCE_US
    assert late.only.generation == rejoining.only.generation == 2
    assert broker.seen("group-generation")[-1].value["replaced"] == [members[0]]
    assert rejoining.only.leader_id in (late.only.member_id, members[1])
    assert broker.heartbeat(members[0], 1).error == errors.UNKNOWN_MEMBER_ID
    assert not broker.seen("group-member-removed"), "the generation has said it"


def test_static_members_may_miss_a_rebalance() -> None:
    broker = loaded_broker()
    members = broker.form_group("i1", None)
    rejoining = broker.join(members[1], topics=("clicks",))
    while not rejoining.sent:
        broker.heartbeat(members[0], 1, "i1")
        broker.run(1_000_000)
    assert broker.seen("group-generation")[-1].value["members"] == {members[0]: "i1", members[1]: None}
    assert rejoining.only.leader_id == members[1], "the leader is one that has rejoined"


def test_a_rebalance_that_no_static_member_has_joined_waits_on() -> None:
    broker = loaded_broker()
    members = broker.form_group("i1", None)
    broker.leave(members[1])
    for _ in range(2 * REBALANCE_US // 1_000_000):
        assert broker.heartbeat(members[0], 1, "i1").error == errors.REBALANCE_IN_PROGRESS
        broker.run(1_000_000)
    assert len(broker.seen("group-generation")) == 1
    assert broker.join(members[0], "i1").only.generation == 2


def test_a_follower_that_joins_again_is_told_the_present_generation() -> None:
    broker = loaded_broker()
    members = broker.form_group(None, None)
    answer = broker.join(members[1])
    assert (answer.only.generation, answer.only.leader_id, answer.only.members) == (1, members[0], ())
    assert broker.heartbeat(members[0], 1).error is None


@pytest.mark.parametrize(("rejoins", "topics"), [(0, ("orders",)), (1, ("clicks",))])
def test_a_leader_or_new_topics_begin_a_rebalance(rejoins: int, topics: tuple[str, ...]) -> None:
    broker = loaded_broker()
    members = broker.form_group(None, None)
    answer = broker.join(members[rejoins], topics=topics)
    assert not answer.sent
    assert broker.heartbeat(members[1 - rejoins], 1).error == errors.REBALANCE_IN_PROGRESS


def test_a_lost_join_answer_is_given_again_before_the_assignment() -> None:
    broker = loaded_broker()
    joining = broker.join()
    broker.run(2 * DELAY_US)
    again = broker.join(joining.only.member_id)
    assert again.only == joining.only


def test_sessions_end_without_heartbeats_and_go_on_with_them() -> None:
    broker = loaded_broker()
    members = broker.form_group(None, None)
    for _ in range(5):
        broker.run(SESSION_US // 3)
        error = broker.heartbeat(members[0], 1).error
    assert error == errors.REBALANCE_IN_PROGRESS
    removed = broker.seen("group-member-removed")
    assert [event.value for event in removed] == [{"member": members[1], "instance": None, "why": "session-timeout"}]
    assert removed[0].epochs == {"generation": 1, "coordinator_epoch": 1}
    assert broker.heartbeat(members[1], 1).error == errors.UNKNOWN_MEMBER_ID


def test_who_waits_for_an_answer_is_alive() -> None:
    broker = loaded_broker()
    members = broker.form_group(None, None)
    joining = broker.join(members[0])
    for _ in range(3):
        broker.run(SESSION_US // 2)
        broker.heartbeat(members[1], 1)
    assert not joining.sent
    assert not broker.seen("group-member-removed")
    broker.join(members[1])
    assert joining.only.generation == 2
    broker.run(SESSION_US)
    assert len(broker.seen("group-member-removed")) == 2, "from the answer on its session runs again"


def test_the_last_member_that_goes_leaves_an_empty_group_in_the_log() -> None:
    broker = loaded_broker()
    members = broker.form_group(None)
    broker.run(SESSION_US)
    assert broker.log.records[-1].value == GroupValue(2, None, ())
    assert broker.heartbeat(members[0], 2).error == errors.UNKNOWN_MEMBER_ID


def test_a_member_that_leaves_is_not_waited_for() -> None:
    broker = loaded_broker()
    members = broker.form_group(None, None)
    rejoining = broker.join(members[0])
    assert broker.leave(members[1]).error is None
    assert rejoining.only.generation == 2
    assert [event.value["why"] for event in broker.seen("group-member-removed")] == ["left"]
    assert broker.leave(members[1]).error == errors.UNKNOWN_MEMBER_ID
    assert broker.leave("nobody").error == errors.UNKNOWN_MEMBER_ID


def test_requests_of_another_generation_are_refused() -> None:
    broker = loaded_broker()
    members = broker.form_group(None)
    assert broker.heartbeat(members[0], 2).error == errors.ILLEGAL_GENERATION
    assert broker.sync(members[0], 2).error == errors.ILLEGAL_GENERATION
    assert broker.heartbeat(members[0], 1).error is None


def test_requests_of_strangers_are_refused() -> None:
    broker = loaded_broker()
    broker.form_group("i1")
    assert broker.join("nobody", group="new").error == errors.UNKNOWN_MEMBER_ID
    assert broker.join("nobody").error == errors.UNKNOWN_MEMBER_ID
    assert broker.join("nobody", "i1").error == errors.FENCED_INSTANCE_ID
    assert broker.join("nobody", "i2").error == errors.UNKNOWN_MEMBER_ID
    assert broker.sync("nobody", 1, group="new").error == errors.UNKNOWN_MEMBER_ID
    assert broker.join(session_us=1).error == errors.INVALID_SESSION_TIMEOUT


def test_a_static_member_that_comes_back_takes_its_place_without_a_rebalance() -> None:
    broker = loaded_broker()
    members = broker.form_group("i1", "i2")
    back = broker.join("", "i1")
    assert broker.heartbeat(members[0], 1, "i1").error == errors.FENCED_INSTANCE_ID, "fenced before it is committed"
    assert not back.sent
    broker.log.commit()
    new = back.only.member_id
    assert (back.only.generation, back.only.leader_id, back.only.members) == (1, members[0], ())
    assert broker.sync(new, 1, instance="i1").only.assignment == (("orders", 0),)
    assert broker.heartbeat(members[1], 1, "i2").error is None
    assert [event.value for event in broker.seen("group-member-removed")] == [
        {"member": members[0], "instance": "i1", "why": "replaced"}]
    broker.log.follow(2)
    broker.run(2_000_000)
    broker.serve(3)
    assert broker.heartbeat(new, 1, "i1").error is None, "the next coordinator knows it"
    assert broker.heartbeat(members[0], 1, "i1").error == errors.FENCED_INSTANCE_ID
    assert len(broker.join(new, "i1").sent) == 0, "it leads, so it assigns anew"


def test_a_replacement_that_the_log_refuses_changes_nothing() -> None:
    broker = loaded_broker()
    members = broker.form_group("i1")
    broker.log.refuses = errors.NOT_ENOUGH_REPLICAS
    assert broker.join("", "i1").error == errors.COORDINATOR_NOT_AVAILABLE
    assert broker.heartbeat(members[0], 1, "i1").error is None
    assert not broker.seen("group-member-removed")


def test_a_replacement_whose_write_times_out_stands() -> None:
    broker = loaded_broker()
    members = broker.form_group("i1")
    back = broker.join("", "i1")
    broker.run(CONFIG.offsets_commit_timeout_us)
    assert back.error == errors.COORDINATOR_NOT_AVAILABLE
    assert broker.heartbeat(members[0], 1, "i1").error == errors.FENCED_INSTANCE_ID


@pytest.mark.parametrize("assigned", [False, True])
def test_a_static_member_replaced_in_a_rebalance_answers_the_old_one(assigned: bool) -> None:
    broker = loaded_broker()
    first, second = broker.join("", "i1"), broker.join("", "i2")
    broker.run(2 * DELAY_US)
    old = first.only.member_id
    if assigned:
        broker.settle_generation([old, second.only.member_id], 1, ["i1", "i2"])
    waiting = broker.join(old, "i1") if assigned else broker.sync(old, 1, (), "i1")
    back = broker.join("", "i1")
    assert waiting.error == errors.FENCED_INSTANCE_ID
    assert broker.join(second.only.member_id, "i2").only.generation == 2
    assert back.only.generation == 2
    assert back.only.leader_id == back.only.member_id


def test_an_instance_without_a_member_id_leaves_whoever_holds_it() -> None:
    broker = loaded_broker()
    broker.form_group("i", None)
    assert broker.leave("", "k").error == errors.UNKNOWN_MEMBER_ID
    assert broker.leave("").error == errors.UNKNOWN_MEMBER_ID
    assert broker.leave("", "i").error is None
    assert broker.leave("", "i").error == errors.UNKNOWN_MEMBER_ID


def test_a_fenced_static_member_cannot_leave_for_its_successor() -> None:
    broker = loaded_broker()
    members = broker.form_group("i1")
    broker.join("", "i1")
    broker.log.commit()
    assert broker.leave(members[0], "i1").error == errors.FENCED_INSTANCE_ID
    assert not [event for event in broker.seen("group-member-removed") if event.value["why"] == "left"]


def test_what_is_served_can_be_described() -> None:
    broker = loaded_broker()
    members = broker.form_group(None)
    broker.commit_offset(5, members[0], 1)
    assert broker.coordinator.describe() == {"g": {
        "state": "Stable", "generation": 1, "members": members, "coordinator_epoch": 1, "offsets": {"orders-0": 5}}}
