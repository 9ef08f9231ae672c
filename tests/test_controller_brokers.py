"""Registration, heartbeats, fencing, controlled shutdown, producer ids."""

from dataclasses import replace

import pytest
from controller_node import CONFIG, ControllerWorld

from fencepost.model import errors
from fencepost.model.bugs.controller import KeepsNewIncarnationInIsr, RaisesEpochOfSameIncarnation
from fencepost.model.metadata.records import NO_LEADER, BrokerRegistrationChangeRecord
from fencepost.model.protocol.controller import AllocateProducerIdsRequest, BrokerHeartbeatRequest

SESSION_US = CONFIG.broker_session_timeout_us


def epoch_of(world: ControllerWorld, broker_id: int) -> int:
    return world.controller.image.brokers[broker_id].broker_epoch


# --- registration -----------------------------------------------------------------------------------------------------


def test_the_broker_epoch_is_the_offset_of_the_registration_and_it_begins_fenced() -> None:
    world = ControllerWorld()
    offset = world.raft.next_offset
    assert world.register(1).broker_epoch == offset
    registration = world.controller.image.brokers[1]
    assert registration.fenced
    assert registration.registration_offset == offset


def test_another_incarnation_is_refused_while_the_session_is_valid() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    assert world.register(1, "b").error == errors.DUPLICATE_BROKER_REGISTRATION
    refused = world.observed("broker-registration")[-1]
    assert refused.error == errors.DUPLICATE_BROKER_REGISTRATION
    assert refused.value["previous_incarnation_id"] == "1-a"
    assert refused.value["previous_fenced"] is False
    world.pass_time(SESSION_US + SESSION_US // 4)
    assert world.register(1, "b").error is None


def test_a_fenced_broker_with_a_valid_session_is_not_replaced_either() -> None:
    world = ControllerWorld()
    world.register(1)
    world.heartbeat(1, fence=True)
    assert world.controller.image.brokers[1].fenced
    assert world.register(1, "b").error == errors.DUPLICATE_BROKER_REGISTRATION


def test_a_new_controller_gives_every_broker_a_fresh_session() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    world.pass_time(SESSION_US - 100_000)
    world.raft.elect(101, 2)
    world.settle()
    world.pass_time(SESSION_US - 100_000)
    assert world.register(1, "b").error == errors.DUPLICATE_BROKER_REGISTRATION
    world.pass_time(SESSION_US // 4)
    assert world.controller.image.brokers[1].fenced


def test_the_same_incarnation_keeps_its_epoch_and_state() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    epoch = epoch_of(world, 1)
    assert world.register(1).broker_epoch == epoch
    assert not world.controller.image.brokers[1].fenced
    assert world.heartbeat(1).error is None


def test_known_bug_16952_a_repeated_registration_raises_the_epoch() -> None:
    world = ControllerWorld(patches=(RaisesEpochOfSameIncarnation,))
    world.start_brokers(1)
    epoch = epoch_of(world, 1)
    assert world.register(1).broker_epoch > epoch
    assert world.heartbeat(1, epoch=epoch).error == errors.STALE_BROKER_EPOCH


def reregister_before_fencing(world: ControllerWorld, broker_id: int) -> None:
    """The session runs out between two checks, and the new incarnation comes in that window."""
    world.heartbeat(broker_id)
    contact_us = world.simulation.scheduler.now_us
    for other in (1, 2, 3):
        if other != broker_id:
            world.pass_time(SESSION_US // 2)
            world.heartbeat(other)
    world.pass_time(contact_us + SESSION_US + 10_000 - world.simulation.scheduler.now_us)
    assert not world.controller.image.brokers[broker_id].fenced
    assert world.register(broker_id, "b").error is None


def test_a_new_incarnation_leaves_the_isr_with_its_registration() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2, 3)
    world.create_topic(1, 2, 3)
    reregister_before_fencing(world, 1)
    partition = world.partition()
    assert partition.isr == (2, 3)
    assert (partition.leader, partition.leader_epoch, partition.partition_epoch) == (2, 1, 1)
    registration = world.controller.image.brokers[1]
    assert registration.fenced
    assert registration.registration_offset == registration.broker_epoch + 1


def test_known_bug_18106_a_new_incarnation_stays_in_the_isr() -> None:
    world = ControllerWorld(patches=(KeepsNewIncarnationInIsr,))
    world.start_brokers(1, 2, 3)
    world.create_topic(1, 2, 3)
    reregister_before_fencing(world, 1)
    assert world.controller.image.brokers[1].fenced
    assert world.partition().isr == (1, 2, 3)
    assert world.partition().leader == 1


def test_a_new_incarnation_stays_as_the_last_isr_member_without_leading() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2)
    world.create_topic(1, 2)
    world.lose_session_of(2)
    world.pass_time(SESSION_US + 10_000)
    assert world.register(1, "b").error is None
    assert world.partition().isr == (1,)
    assert world.partition().leader == NO_LEADER
    assert world.heartbeat(1).is_fenced is False
    assert world.partition().leader == 1


def test_with_eligible_leader_replicas_an_unclean_incarnation_leaves_isr_and_elr() -> None:
    world = ControllerWorld(replace(CONFIG, eligible_leader_replicas_enable=True))
    world.start_brokers(1, 2, 3)
    world.create_topic(1, 2, 3)
    world.lose_session_of(2, 3)
    partition = world.partition()
    assert partition.isr == (1,)
    assert partition.eligible_leader_replicas in ((3,), (2,))
    survivor = partition.eligible_leader_replicas[0]
    world.register(survivor, "b")
    assert world.partition().eligible_leader_replicas == ()


def test_with_eligible_leader_replicas_a_clean_incarnation_stays_eligible() -> None:
    world = ControllerWorld(replace(CONFIG, eligible_leader_replicas_enable=True))
    world.start_brokers(1, 2, 3)
    world.create_topic(1, 2, 3)
    world.lose_session_of(2, 3)
    survivor = world.partition().eligible_leader_replicas[0]
    world.register(survivor, "b", previous_epoch=epoch_of(world, survivor))
    assert world.partition().eligible_leader_replicas == (survivor,)


# --- heartbeats -------------------------------------------------------------------------------------------------------


def test_a_broker_is_unfenced_once_it_has_its_registration_and_wants_to() -> None:
    world = ControllerWorld()
    offset = world.register(1).broker_epoch
    early = world.heartbeat(1, offset - 1)
    assert (early.is_caught_up, early.is_fenced) == (False, True)
    reluctant = world.heartbeat(1, offset, fence=True)
    assert (reluctant.is_caught_up, reluctant.is_fenced) == (True, True)
    assert not world.heartbeat(1, offset).is_fenced


@pytest.mark.parametrize(("broker_id", "epoch"), [(1, 999), (9, -1)])
def test_a_heartbeat_of_another_epoch_or_broker_is_stale(broker_id: int, epoch: int) -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    response = world.ask(BrokerHeartbeatRequest(broker_id, epoch, 100, False, False))
    assert response.error == errors.STALE_BROKER_EPOCH


def test_refused_heartbeats_leave_evidence_and_current_ones_do_not() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    assert world.observed("broker-heartbeat") == []
    world.heartbeat(1, epoch=999)
    refused = world.observed("broker-heartbeat")[-1]
    assert refused.error == errors.STALE_BROKER_EPOCH
    assert refused.epochs == {"broker_epoch": 999, "current_broker_epoch": epoch_of(world, 1)}


def test_unfencing_elects_where_there_is_no_leader() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    world.create_topic(1)
    world.lose_session_of(1)
    assert (world.partition().leader, world.partition().isr) == (NO_LEADER, (1,))
    world.heartbeat(1)
    assert world.partition().leader == 1


# --- fencing ----------------------------------------------------------------------------------------------------------


def test_a_silent_broker_is_fenced_leaves_the_isrs_and_leads_no_more() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2, 3)
    world.create_topic(1, 2, 3)
    world.lose_session_of(1)
    assert world.controller.image.brokers[1].fenced
    assert not world.controller.image.brokers[2].fenced
    assert world.partition().isr == (2, 3)
    assert (world.partition().leader, world.partition().leader_epoch) == (2, 1)


def test_the_isr_change_comes_before_the_fencing_in_one_batch() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2)
    world.create_topic(1, 2)
    world.lose_session_of(1)
    names = [name for name, _ in world.observed("metadata-write")[-1].value["records"]]
    assert names == ["PartitionChangeRecord", "BrokerRegistrationChangeRecord"]


def test_one_broker_is_fenced_per_check() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2, 3)
    writes = len(world.observed("metadata-write"))
    world.pass_time(SESSION_US + SESSION_US // 4)
    world.settle()
    fencings = world.observed("metadata-write")[writes:]
    assert [len(event.value["records"]) for event in fencings] == [1, 1, 1]
    assert len({event.time_us for event in fencings}) == 3


# --- controlled shutdown ----------------------------------------------------------------------------------------------


def test_a_leader_shuts_down_once_others_have_applied_what_replaced_it() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2, 3)
    world.create_topic(1, 2, 3)
    for broker_id in (2, 3):
        world.heartbeat(broker_id)
    first = world.heartbeat(1, shut_down=True)
    assert (first.is_fenced, first.should_shut_down) == (False, False)
    assert world.controller.image.brokers[1].in_controlled_shutdown
    assert (world.partition().leader, world.partition().isr) == (2, (2, 3))
    assert not world.heartbeat(1, shut_down=True).should_shut_down
    world.heartbeat(2)
    assert not world.heartbeat(1, shut_down=True).should_shut_down
    world.heartbeat(3)
    last = world.heartbeat(1, shut_down=True)
    assert (last.is_fenced, last.should_shut_down) == (True, True)
    assert world.controller.image.brokers[1].fenced


def test_a_broker_that_leads_nothing_may_go_at_once() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2)
    world.create_topic(1, 2)
    response = world.heartbeat(2, shut_down=True)
    assert response.should_shut_down
    assert world.partition().isr == (1,)


def test_a_fenced_broker_may_go_at_once_and_is_noted_as_fenced_again() -> None:
    world = ControllerWorld()
    epoch = world.register(1).broker_epoch
    assert world.heartbeat(1, shut_down=True).should_shut_down
    assert world.raft.batches[-1].records == (BrokerRegistrationChangeRecord(1, epoch, fenced=True),)


def test_a_fail_over_forgets_the_wait_of_a_controlled_shutdown() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2)
    world.create_topic(1, 2)
    world.heartbeat(2, 0)
    assert not world.heartbeat(1, shut_down=True).should_shut_down
    assert not world.heartbeat(1, shut_down=True).should_shut_down
    world.raft.elect(101, 2)
    world.settle()
    assert world.heartbeat(1, shut_down=True).should_shut_down


# --- producer ids -----------------------------------------------------------------------------------------------------


def test_each_block_of_producer_ids_is_handed_out_once() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    request = AllocateProducerIdsRequest(1, epoch_of(world, 1))
    first, second = world.ask(request), world.ask(request)
    assert second.producer_id_start == first.producer_id_start + first.producer_id_length


def test_producer_ids_are_refused_to_a_stale_epoch() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    assert world.ask(AllocateProducerIdsRequest(1, 0)).error == errors.STALE_BROKER_EPOCH


# --- unregistering ----------------------------------------------------------------------------------------------------


def test_an_unregistered_broker_leads_nothing_leaves_the_isrs_and_registers_anew() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2, 3)
    world.create_topic(1, 2, 3)
    old_epoch = epoch_of(world, 1)
    assert world.admin("unregister-broker", broker=1).error is None
    assert 1 not in world.controller.image.brokers
    assert (world.partition().isr, world.partition().leader) == ((2, 3), 2)
    assert world.partition().replicas == (1, 2, 3)
    beat = BrokerHeartbeatRequest(1, old_epoch, world.raft.next_offset, want_fence=False, want_shut_down=False)
    assert world.ask(beat).error == errors.STALE_BROKER_EPOCH
    assert world.admin("unregister-broker", broker=1).error == errors.BROKER_ID_NOT_REGISTERED
    assert world.register(1, "b").broker_epoch > old_epoch


def test_the_last_member_of_an_isr_stays_in_it_when_it_is_unregistered() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    world.create_topic(1)
    world.admin("unregister-broker", broker=1)
    assert (world.partition().isr, world.partition().leader) == ((1,), NO_LEADER)
