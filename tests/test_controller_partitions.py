"""AlterPartition's checks in their order, elections, reassignment, eligible leader replicas."""

from dataclasses import replace

import pytest
from controller_node import CONFIG, ControllerWorld

from fencepost.model import errors
from fencepost.model.bugs.controller import AcceptsFencedMembers, FencesWhoIsAhead, IgnoresBrokerEpochsInIsr
from fencepost.model.metadata.records import NO_LEADER


def world_with_topic(*patches: type, **configs: str) -> ControllerWorld:
    """orders-0 on brokers 1, 2 and 3, led by 1; broker 4 holds nothing."""
    world = ControllerWorld(patches=patches)
    world.start_brokers(1, 2, 3, 4)
    world.create_topic(1, 2, 3, **configs)
    return world


# --- AlterPartition ---------------------------------------------------------------------------------------------------


def test_a_shrink_is_accepted_and_raises_the_partition_epoch_only() -> None:
    world = world_with_topic()
    response = world.alter_partition(1, 2)
    assert response.error is None
    assert (response.isr, response.leader_id, response.leader_epoch, response.partition_epoch) == ((1, 2), 1, 0, 1)
    assert world.partition().isr == (1, 2)


def test_an_expansion_is_accepted() -> None:
    world = world_with_topic()
    world.alter_partition(1, 2)
    assert world.alter_partition(1, 2, 3).error is None
    assert world.partition().isr == (1, 2, 3)


def test_no_change_is_a_success_without_a_record() -> None:
    world = world_with_topic()
    end = world.raft.next_offset
    response = world.alter_partition(1, 2, 3)
    assert (response.error, response.partition_epoch) == (None, 0)
    assert world.raft.next_offset == end


def test_a_retry_after_a_lost_answer_gets_invalid_update_version() -> None:
    world = world_with_topic()
    request = world.alter_partition_request(1, 2)
    assert world.ask(request).error is None
    assert world.ask(request).error == errors.INVALID_UPDATE_VERSION


#: Each request is wrong in this and in everything that is checked later.
REFUSALS = [
    (errors.STALE_BROKER_EPOCH, {"broker_epoch": 999, "topic_id": "nowhere"}),
    (errors.UNKNOWN_TOPIC_ID, {"topic_id": "nowhere", "leader_epoch": 9}),
    (errors.UNKNOWN_TOPIC_OR_PARTITION, {"partition": 7, "leader_epoch": 9}),
    (errors.NOT_CONTROLLER, {"leader_epoch": 9, "partition_epoch": 0, "broker_id": 2}),
    (errors.NOT_CONTROLLER, {"partition_epoch": 9, "leader_epoch": 0}),
    (errors.FENCED_LEADER_EPOCH, {"leader_epoch": 0, "broker_id": 1, "partition_epoch": 0}),
    (errors.INVALID_REQUEST, {"broker_id": 3, "partition_epoch": 0}),
    (errors.INVALID_UPDATE_VERSION, {"partition_epoch": 1, "new_isr": ((4, -1),)}),
    (errors.INVALID_REQUEST, {"new_isr": ((2, -1), (4, -1))}),
    (errors.INVALID_REQUEST, {"new_isr": ((3, -1),)}),
    (errors.INVALID_REQUEST, {"new_isr": ((2, -1), (2, -1))}),
    (errors.INVALID_REQUEST, {"leader_recovery_state": "RECOVERING", "new_isr": ((2, 0), (1, 0))}),
    (errors.INELIGIBLE_REPLICA, {"new_isr": ((1, -1), (2, -1))}),
    (errors.INELIGIBLE_REPLICA, {"new_isr": ((2, -1), (3, 999))}),
]


@pytest.mark.parametrize(("error", "changes"), REFUSALS)
def test_the_checks_come_in_kafkas_order(error: str, changes: dict[str, object]) -> None:
    world = world_with_topic()
    world.lose_session_of(1)
    world.alter_partition(2)
    assert (world.partition().leader, world.partition().leader_epoch, world.partition().partition_epoch) == (2, 1, 2)
    before = world.partition()
    response = world.alter_partition(2, 3, **changes)
    assert response.error == error
    assert world.partition() == before
    refused = world.observed("alter-partition")[-1]
    assert refused.error == error
    assert refused.epochs is not None
    is_known = "topic_id" not in changes and "partition" not in changes
    assert refused.epochs["current_leader_epoch"] == (1 if is_known else -1)


def test_an_accepted_change_leaves_evidence_of_the_epochs_before_it() -> None:
    world = world_with_topic()
    request = world.alter_partition_request(1, 2)
    world.ask(request)
    accepted = world.observed("alter-partition")[-1]
    assert (accepted.key, accepted.error) == ("orders-0", None)
    assert accepted.value["isr"] == [1, 2]
    assert accepted.value["broker_epochs"] == [epoch for _, epoch in request.new_isr]
    assert accepted.epochs == {
        "leader_epoch": 0, "partition_epoch": 0, "broker_epoch": request.broker_epoch,
        "current_leader_epoch": 0, "current_partition_epoch": 0, "current_broker_epoch": request.broker_epoch,
    }


def test_a_fenced_leader_cannot_even_shrink() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2)
    world.create_topic(1, 2)
    world.lose_session_of(1)
    world.register(2)
    request = world.alter_partition_request(2, 1, broker_id=2)
    assert world.ask(request).error == errors.INELIGIBLE_REPLICA


def test_a_broker_in_controlled_shutdown_is_ineligible() -> None:
    world = world_with_topic()
    world.admin("create-topic", name="payments", assignments=[[3]])
    world.heartbeat(3, shut_down=True)
    assert world.controller.image.brokers[3].in_controlled_shutdown
    assert world.alter_partition(1, 2, 3).error == errors.INELIGIBLE_REPLICA


def test_known_bug_841_fenced_members_are_taken_in() -> None:
    world = world_with_topic(AcceptsFencedMembers)
    world.lose_session_of(3)
    assert world.partition().isr == (1, 2)
    assert world.alter_partition(1, 2, 3).error is None
    assert world.partition().isr == (1, 2, 3)


def test_known_bug_903_another_incarnation_is_taken_in() -> None:
    for patches, error in (((), errors.INELIGIBLE_REPLICA), ((IgnoresBrokerEpochsInIsr,), None)):
        world = world_with_topic(*patches)
        world.lose_session_of(3)
        delayed = world.alter_partition_request(1, 2, 3)
        world.register(3, "b")
        world.heartbeat(3)
        assert world.ask(delayed).error == error


def test_known_bug_14154_a_zombie_fences_who_is_ahead() -> None:
    world = world_with_topic(FencesWhoIsAhead)
    assert world.alter_partition(1, 2, leader_epoch=5).error == errors.FENCED_LEADER_EPOCH
    assert world.alter_partition(1, 2, partition_epoch=5).error == errors.INVALID_UPDATE_VERSION
    assert world.alter_partition(1, 2).error is None


# --- elections --------------------------------------------------------------------------------------------------------


def test_preferred_election_gives_the_lead_back() -> None:
    world = world_with_topic()
    world.lose_session_of(1)
    world.heartbeat(1)
    assert world.partition().leader == 2
    refused = world.admin("elect-leader", topic="orders", partition=0, election_type="preferred")
    assert refused.error == errors.PREFERRED_LEADER_NOT_AVAILABLE
    world.alter_partition(2, 3, 1)
    assert world.admin("elect-leader", topic="orders", partition=0, election_type="preferred").error is None
    assert (world.partition().leader, world.partition().leader_epoch) == (1, 2)
    again = world.admin("elect-leader", topic="orders", partition=0, election_type="preferred")
    assert again.error == errors.ELECTION_NOT_NEEDED


def test_the_balancing_task_elects_preferred_leaders() -> None:
    world = ControllerWorld(replace(
        CONFIG, auto_leader_rebalance_enable=True, leader_imbalance_check_interval_us=5_000_000))
    world.start_brokers(1, 2)
    world.create_topic(1, 2)
    world.lose_session_of(1)
    world.heartbeat(1)
    world.alter_partition(2, 1)
    assert world.partition().leader == 2
    for broker_id in (1, 2, 1, 2):
        world.heartbeat(broker_id)
        world.pass_time(1_500_000)
    world.settle()
    assert world.partition().leader == 1


def lose_the_last_isr_member(world: ControllerWorld) -> None:
    """orders-0 on 1 and 2: 2 leaves the ISR, comes back, and 1 is lost."""
    world.start_brokers(1, 2)
    world.create_topic(1, 2)
    world.lose_session_of(2)
    world.heartbeat(2)
    world.lose_session_of(1)
    assert not world.controller.image.brokers[2].fenced


def test_no_clean_candidate_means_no_leader() -> None:
    world = ControllerWorld()
    lose_the_last_isr_member(world)
    assert (world.partition().leader, world.partition().isr) == (NO_LEADER, (1,))


def test_an_administrator_may_ask_for_an_unclean_election() -> None:
    world = ControllerWorld()
    lose_the_last_isr_member(world)
    assert world.admin("elect-leader", topic="orders", partition=0, election_type="unclean").error is None
    partition = world.partition()
    assert (partition.leader, partition.isr, partition.leader_recovery_state) == (2, (2,), "RECOVERING")
    assert world.admin("elect-leader", topic="orders", partition=0, election_type="unclean").error == (
        errors.ELECTION_NOT_NEEDED)
    assert world.alter_partition(2).error is None
    assert world.partition().leader_recovery_state == "RECOVERED"


def test_an_unclean_election_needs_a_live_replica() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2)
    world.create_topic(1)
    world.lose_session_of(1)
    refused = world.admin("elect-leader", topic="orders", partition=0, election_type="unclean")
    assert refused.error == errors.ELIGIBLE_LEADERS_NOT_AVAILABLE


def test_a_setting_may_allow_unclean_elections() -> None:
    world = ControllerWorld(replace(CONFIG, unclean_leader_election_enable=True))
    lose_the_last_isr_member(world)
    assert (world.partition().leader, world.partition().isr) == (2, (2,))


def test_the_task_elects_uncleanly_once_the_topic_allows_it() -> None:
    world = ControllerWorld(replace(CONFIG, unclean_leader_election_interval_us=2_000_000))
    lose_the_last_isr_member(world)
    world.heartbeat(2)
    world.pass_time(4_000_000)
    assert world.partition().leader == NO_LEADER
    world.heartbeat(2)
    world.admin("alter-config", resource_type="topic", resource_name="orders",
                key="unclean.leader.election.enable", value="true")
    world.pass_time(2_100_000)
    assert world.partition().leader == 2


def test_electing_for_an_unknown_partition_is_refused() -> None:
    refused = ControllerWorld().admin("elect-leader", topic="orders", partition=0, election_type="preferred")
    assert refused.error == errors.UNKNOWN_TOPIC_OR_PARTITION


# --- reassignment -----------------------------------------------------------------------------------------------------


def test_a_reassignment_completes_when_the_new_replicas_are_in_the_isr() -> None:
    world = world_with_topic()
    assert world.admin("reassign", topic="orders", partition=0, replicas=[4, 2, 3]).error is None
    partition = world.partition()
    assert (partition.replicas, partition.adding_replicas, partition.removing_replicas) == ((4, 2, 3, 1), (4,), (1,))
    assert (partition.leader, partition.leader_epoch) == (1, 0)
    response = world.alter_partition(1, 2, 3, 4)
    assert response.error == errors.NEW_LEADER_ELECTED
    partition = world.partition()
    assert (partition.replicas, partition.isr) == ((4, 2, 3), (2, 3, 4))
    assert (partition.adding_replicas, partition.removing_replicas) == ((), ())
    assert (partition.leader, partition.leader_epoch) == (4, 1)


def test_removing_a_replica_raises_the_leader_epoch_of_the_same_leader() -> None:
    world = world_with_topic()
    assert world.admin("reassign", topic="orders", partition=0, replicas=[1, 2]).error is None
    partition = world.partition()
    assert (partition.replicas, partition.isr) == ((1, 2), (1, 2))
    assert (partition.leader, partition.leader_epoch, partition.partition_epoch) == (1, 1, 1)


def test_another_order_of_the_same_replicas_takes_effect_at_once() -> None:
    world = world_with_topic()
    world.admin("reassign", topic="orders", partition=0, replicas=[3, 1, 2])
    assert world.partition().replicas == (3, 1, 2)
    assert (world.partition().leader, world.partition().leader_epoch) == (1, 0)


def test_a_reassignment_can_be_taken_back() -> None:
    world = world_with_topic()
    world.admin("reassign", topic="orders", partition=0, replicas=[4, 2, 3])
    assert world.admin("reassign", topic="orders", partition=0, replicas=None).error is None
    assert world.partition().replicas == (2, 3, 1)
    assert world.partition().adding_replicas == ()
    nothing = world.admin("reassign", topic="orders", partition=0, replicas=None)
    assert nothing.error == errors.NO_REASSIGNMENT_IN_PROGRESS


def test_a_second_reassignment_does_not_forget_what_is_being_added() -> None:
    world = world_with_topic()
    world.admin("reassign", topic="orders", partition=0, replicas=[4, 2, 3])
    world.admin("reassign", topic="orders", partition=0, replicas=[4, 1])
    assert world.partition().adding_replicas == (4,)
    assert world.partition().removing_replicas == (2, 3)


def test_a_second_reassignment_that_is_fulfilled_ends_the_first() -> None:
    world = world_with_topic()
    world.admin("reassign", topic="orders", partition=0, replicas=[1, 2, 3, 4])
    world.admin("reassign", topic="orders", partition=0, replicas=[1, 2])
    partition = world.partition()
    assert (partition.replicas, partition.adding_replicas, partition.removing_replicas) == ((1, 2), (), ())


def test_a_replaced_reassignment_may_still_add_what_is_to_leave() -> None:
    world = world_with_topic()
    world.admin("reassign", topic="orders", partition=0, replicas=[1, 2, 3, 4])
    world.lose_session_of(2)
    world.admin("reassign", topic="orders", partition=0, replicas=[1, 2])
    partition = world.partition()
    assert (partition.replicas, partition.adding_replicas, partition.removing_replicas) == ((1, 2, 3, 4), (4,), (3, 4))


def test_taking_back_needs_an_isr_member_of_before() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2)
    world.create_topic(1)
    world.start_brokers(3, 4)
    world.admin("reassign", topic="orders", partition=0, replicas=[2, 3])
    world.alter_partition(1, 2)
    world.lose_session_of(1)
    assert world.partition().isr == (2,)
    refused = world.admin("reassign", topic="orders", partition=0, replicas=None)
    assert refused.error == errors.INVALID_REPLICA_ASSIGNMENT


@pytest.mark.parametrize("replicas", [[], [1, 1], [1, 9]])
def test_bad_assignments_are_refused(replicas: list[int]) -> None:
    world = world_with_topic()
    refused = world.admin("reassign", topic="orders", partition=0, replicas=replicas)
    assert refused.error == errors.INVALID_REPLICA_ASSIGNMENT


# --- eligible leader replicas -----------------------------------------------------------------------------------------


def elr_world() -> ControllerWorld:
    world = ControllerWorld(replace(CONFIG, eligible_leader_replicas_enable=True))
    world.start_brokers(1, 2, 3)
    world.create_topic(1, 2, 3)
    return world


def test_below_the_minimum_who_leaves_in_order_stays_eligible() -> None:
    world = elr_world()
    world.lose_session_of(3)
    assert (world.partition().isr, world.partition().eligible_leader_replicas) == ((1, 2), ())
    world.lose_session_of(2)
    assert (world.partition().isr, world.partition().eligible_leader_replicas) == ((1,), (2,))
    world.lose_session_of(1)
    partition = world.partition()
    assert (partition.isr, partition.leader, partition.last_known_elr) == ((), NO_LEADER, (1,))
    assert partition.eligible_leader_replicas == (2, 1)


def test_an_eligible_replica_is_elected_when_the_isr_is_empty() -> None:
    world = elr_world()
    world.lose_session_of(3)
    world.lose_session_of(2)
    world.lose_session_of(1)
    world.heartbeat(2)
    partition = world.partition()
    assert (partition.leader, partition.isr, partition.eligible_leader_replicas) == (2, (2,), (1,))
    assert partition.leader_recovery_state == "RECOVERED"
    assert partition.last_known_elr == ()


def test_at_the_minimum_nobody_is_merely_eligible() -> None:
    world = elr_world()
    world.lose_session_of(3)
    world.lose_session_of(2)
    world.heartbeat(2)
    world.alter_partition(1, 2)
    assert world.partition().eligible_leader_replicas == ()


def test_a_replica_that_is_not_eligible_is_not_elected() -> None:
    world = elr_world()
    world.lose_session_of(3)
    world.lose_session_of(2)
    world.lose_session_of(1)
    world.heartbeat(3)
    assert world.partition().leader == NO_LEADER


def test_with_nothing_left_the_last_known_leader_is_elected_uncleanly() -> None:
    world = elr_world()
    world.lose_session_of(1, 2, 3)
    for broker_id in (1, 2, 3):
        world.register(broker_id, "b")
    partition = world.partition()
    assert (partition.isr, partition.eligible_leader_replicas) == ((), ())
    last = partition.last_known_elr[0]
    world.heartbeat(last)
    assert (world.partition().leader, world.partition().leader_recovery_state) == (last, "RECOVERING")


def test_a_lower_minimum_clears_who_is_merely_eligible() -> None:
    world = elr_world()
    world.lose_session_of(3)
    world.lose_session_of(2)
    assert world.partition().eligible_leader_replicas == (2,)
    world.admin("alter-config", resource_type="topic", resource_name="orders", key="min.insync.replicas", value="1")
    assert world.partition().eligible_leader_replicas == ()
