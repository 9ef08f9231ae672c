"""Rules of ZooKeeper mode: each fires on a guilty history, and on no innocent one; the model's own histories too."""

import pytest
from written_history import WrittenHistory
from zk_brokers import ZkWorld

from fencepost.checkers.single_controller import SingleController
from fencepost.checkers.zk_write_fencing import ZkWriteFencing
from fencepost.model.bugs.zk_controller import AdoptsWatchedEpoch, WritesWithoutEpochCheck
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.zk_controller import znodes


def zk_history() -> WrittenHistory:
    return WrittenHistory(mode="zk", observations=["controller-claimed", "metadata-write", "control-request"])


def claim(history: WrittenHistory, node: int, epoch: int, offset: int) -> None:
    value = {"next_offset": offset + 1, "epoch_start_offset": offset}
    history.observe("controller-claimed", node, value, controller_epoch=epoch)


def write(history: WrittenHistory, node: int, epoch: int, offset: int) -> None:
    value = {"base_offset": offset, "end_offset": offset + 1, "records": []}
    history.observe("metadata-write", node, value, controller_epoch=epoch)


@pytest.mark.parametrize(("offset", "guilty"), [(850, False), (905, True), (-1, False)])
@pytest.mark.parametrize("claimed_first", [True, False])
def test_a_write_after_the_next_election(offset, guilty, claimed_first):
    history = zk_history()
    claim(history, 1, 3, 800)
    steps = [lambda: claim(history, 2, 4, 900), lambda: write(history, 1, 3, offset)]
    for step in steps if claimed_first else reversed(steps):
        step()
    violations = history.violations("ZkWriteFencing")
    assert [violation.node for violation in violations] == ([1] if guilty else [])


def test_a_deposed_quorum_controllers_append_is_no_matter_of_zookeepers():
    history = WrittenHistory(mode="kraft")
    claim(history, 1, 3, 800)
    claim(history, 2, 4, 900)
    write(history, 1, 3, 905)
    assert history.violations("ZkWriteFencing") == []


@pytest.mark.parametrize("sender", [1, 2])
def test_requests_to_brokers_are_deeds_of_the_epochs_controller(sender):
    history = zk_history()
    claim(history, 1, 3, 800)
    history.observe("control-request", sender, {"request": "UpdateMetadata", "to": 3}, controller_epoch=3)
    violations = history.violations("SingleControllerPerEpoch")
    assert len(violations) == (1 if sender == 2 else 0)


def judged(world: ZkWorld, checker: SingleController | ZkWriteFencing) -> int:
    """How often the checker objects to the world's history."""
    for event in world.recorder.events:
        if event.f in checker.consumes:
            checker.feed(event)
    return len(checker.violations)


@pytest.mark.parametrize("on", [False, True])
def test_a_controller_that_adopts_its_successors_epoch_is_found(on):
    world = ZkWorld(patches=(AdoptsWatchedEpoch,) if on else ())
    world.create_topic((1, 2, 3))
    world[1].controller.slow_down(200_000)
    path = znodes.broker_path(2)
    world.tree.operate(zk.SetDataOp(path, world.tree.data(path)))
    world.tree.operate(zk.DeleteOp(znodes.CONTROLLER))
    world.settle(5_000_000)
    assert (judged(world, SingleController({"mode": "zk"})) > 0) == on


@pytest.mark.parametrize("on", [False, True])
def test_a_controller_that_writes_without_a_check_is_found(on):
    world = ZkWorld(patches=(WritesWithoutEpochCheck,) if on else ())
    world.create_topic((2, 3))
    world.crash(2)
    world[2].start()
    world.settle()
    assert world.alter_partition(3, 2).error is None
    world[1].controller.slow_down(500_000)
    election = {"topic": "orders", "partition": 0, "election_type": "preferred"}
    world[1].controller.elect_leader(election, lambda response: None)
    world.tree.operate(zk.DeleteOp(znodes.CONTROLLER))
    world.settle(5_000_000)
    assert world.active != [1]
    assert (world.state().leader == 2) == on
    assert (judged(world, ZkWriteFencing({"mode": "zk"})) > 0) == on


@pytest.mark.parametrize(("mode", "rules"), [("zk", []), ("kraft", ["BrokerEpochOnlyOnRestart"])])
def test_a_new_session_gives_the_same_process_a_new_broker_epoch(mode, rules):
    history = WrittenHistory(mode=mode)
    history.commit(100)
    for offset, epoch in ((1, 7), (2, 9)):
        fields = {"broker_id": 11, "incarnation_id": "a", "broker_epoch": epoch, "fenced": False}
        history.applied(1, offset + 1, f"image {offset}", (offset, "RegisterBrokerRecord", fields))
    assert history.rules() == rules
