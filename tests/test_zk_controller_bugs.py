"""Each known bug of the ZooKeeper-mode controller: its trigger harms with the bug on, and does not without it."""

import pytest
from zk_brokers import ZkWorld

from fencepost.model.bugs.zk_controller import BUGS
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.zk_controller import znodes

PATCHES = {bug.bug_id: bug.patches for bug in BUGS}


def world_with(bug_id: str, on: bool, count: int = 3) -> ZkWorld:
    return ZkWorld(count, patches=PATCHES[bug_id] if on else ())


def touch(world: ZkWorld, broker_id: int) -> None:
    """The broker's znode changes, which the controller tells to everybody without writing anything."""
    path = znodes.broker_path(broker_id)
    world.tree.operate(zk.SetDataOp(path, world.tree.data(path)))


@pytest.mark.parametrize("on", [False, True])
def test_a_deposed_controllers_requests_pass_for_its_successors(on):
    world = world_with("KAFKA-1096", on)
    world.create_topic((1, 2, 3))
    world[1].controller.slow_down(200_000)
    touch(world, 2)
    world.tree.operate(zk.DeleteOp(znodes.CONTROLLER))
    world.settle(5_000_000)
    senders = {event.node for event in world.observed("control-request") if event.epochs["controller_epoch"] == 2}
    assert len(senders) == (2 if on else 1)


@pytest.mark.parametrize("on", [False, True])
def test_a_deposed_controllers_writes_succeed(on):
    world = world_with("KAFKA-6082", on)
    world.create_topic((2, 3, 1))
    world[1].controller.slow_down(200_000)
    session_id = world[2].session.session_id
    world[2].kill()
    world.tree.close(session_id)
    world[3].pause()
    # broker 3 takes office only after the slow controller has handled the death, and wins meanwhile by hand
    epoch = znodes.CONTROLLER_EPOCH
    world.tree.operate(zk.DeleteOp(znodes.CONTROLLER))
    world.tree.operate(zk.CreateOp(znodes.CONTROLLER, znodes.ControllerZnode(3)))
    world.tree.operate(zk.SetDataOp(epoch, str(int(world.tree.data(epoch)) + 1)))
    world.settle(5_000_000)
    assert (world.state().leader == 3) == on
    assert world.state().controller_epoch == 1
    assert world.active == []


@pytest.mark.parametrize("on", [False, True])
def test_a_request_for_an_earlier_incarnation_is_obeyed(on):
    world = world_with("KIP-380-A", on)
    world.create_topic((2, 3, 1))
    world[1].controller.slow_down(500_000)
    world.network.links.cut(1, 2)
    world.tree.operate(zk.CreateOp(znodes.topic_path("late"), znodes.TopicZnode("late@1", ((0, (2, 3)),))))
    world.settle(3_000_000)
    session_id = world[2].session.session_id
    world[2].kill()
    world.tree.close(session_id)
    world[2].start()
    world.network.heal()
    world.settle(300_000)
    assert bool(world[2].roles("late")) == on
    assert bool(world[2].refused) != on


@pytest.mark.parametrize("on", [False, True])
def test_a_bounce_goes_unseen(on):
    world = world_with("KIP-380-B", on)
    world.create_topic((2, 3, 1))
    world[1].controller.slow_down(500_000)
    session_id = world[2].session.session_id
    world[2].kill()
    world.tree.close(session_id)
    world[2].start()
    world.settle(5_000_000)
    assert (world.state().leader == 2) == on
    assert (world[2].roles() == []) == on


@pytest.mark.parametrize("on", [False, True])
def test_a_broker_vanishes_with_its_old_session(on):
    world = world_with("KAFKA-7165", on)
    session_id = world[2].session.session_id
    world[2].kill()
    world[2].start()
    world.settle()
    world.tree.close(session_id)
    world.settle()
    assert world[2].running == on
    assert not world.tree.exists(znodes.broker_path(2))
    if on:
        registered = world.observed("broker-registered", 2)[-1]
        assert registered.value["owner"] != registered.value["session"]


@pytest.mark.parametrize("on", [False, True])
def test_a_leader_is_not_told_of_its_isrs_new_version(on):
    world = world_with("KAFKA-2729", on)
    world.create_topic((2, 3, 1))
    before = world[2].roles()[-1]
    world.crash(3)
    assert world.state().isr == (2, 1)
    told = world[2].roles()[-1]
    assert (told.leader_epoch > before.leader_epoch) != on


@pytest.mark.parametrize("on", [False, True])
def test_a_controller_elected_again_misses_new_topics(on):
    world = world_with("KAFKA-928", on, count=1)
    world.expire(1)
    world.settle()
    assert world.active == [1]
    world.create_topic((1,))
    assert world.tree.exists(znodes.state_path("orders", 0)) != on


@pytest.mark.parametrize("on", [False, True])
def test_a_lost_answer_leaves_an_isr_change_pending(on):
    world = world_with("ZK-LOST-ALTER-PARTITION", on)
    world.create_topic((2, 3))
    world[1].session.losing_answers = True
    assert world.alter_partition(2).error == ("INVALID_UPDATE_VERSION" if on else None)
    assert world.state().isr == (2,)


@pytest.mark.parametrize("on", [False, True])
def test_a_lost_answer_leaves_a_new_partition_without_leader(on):
    world = world_with("ZK-LOST-NEW-PARTITION", on, count=2)
    world.tree.operate(zk.CreateOp(znodes.topic_path("orders"), znodes.TopicZnode("orders@1", ((0, (1, 2)),))))
    while not world.tree.exists(znodes.partition_path("orders", 0)):
        world.settle(50)
    world.settle(250)
    world[1].session.losing_answers = True
    world.settle()
    assert world.tree.exists(znodes.state_path("orders", 0))
    assert (world[1].roles() == []) == on


def test_every_bug_of_the_file_has_a_test_here():
    assert sorted(PATCHES) == [
        "KAFKA-1096", "KAFKA-2729", "KAFKA-6082", "KAFKA-7165", "KAFKA-928", "KIP-380-A", "KIP-380-B",
        "ZK-LOST-ALTER-PARTITION", "ZK-LOST-NEW-PARTITION"]
