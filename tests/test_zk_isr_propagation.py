"""ISRs changed by compare and set, and the notifications that follow (inter.broker.protocol.version up to 2.6)."""

from dataclasses import replace

import pytest
from zk_brokers import CONFIG, ZkWorld

from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.controller import AlterPartitionResponse
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.controller import uses_alter_partition
from fencepost.model.zk_controller.isr_propagation import ZkIsrManager

OLD = replace(CONFIG, inter_broker_protocol_version="2.6")


class Leader:
    """Broker 2 leads orders-0."""

    def __init__(self) -> None:
        self.world = ZkWorld(config=OLD)
        self.world.create_topic((2, 3, 1))
        node = self.world[2]
        self.isrs = ZkIsrManager(node, node.config, node.client)
        self.isrs.start()

    def change(self, *isr: int, wait_us: int = 100_000, **changes: int) -> AlterPartitionResponse:
        answers: list[AlterPartitionResponse] = []
        self.isrs.send(self.world.alter_partition_request(*isr, **changes), answers.append)
        self.world.settle(wait_us)
        return answers[0]


@pytest.mark.parametrize(("version", "uses"), [
    ("3.9", True), ("2.7", True), ("2.7-IV2", True), ("2.7-IV1", False), ("2.6", False), ("0.10.2-IV0", False)])
def test_which_versions_ask_the_controller(version, uses):
    assert uses_alter_partition(replace(CONFIG, inter_broker_protocol_version=version)) == uses


def test_a_leader_writes_its_isr_under_the_version_that_it_knows():
    leader = Leader()
    answer = leader.change(2, 3)
    assert (answer.error, answer.isr, answer.partition_epoch) == (None, (2, 3), 1)
    assert (leader.world.state().isr, leader.world.version()) == ((2, 3), 1)
    assert leader.change(2, partition_epoch=0).error == "INVALID_UPDATE_VERSION"
    assert leader.world.state().isr == (2, 3)


def test_an_answer_that_got_lost_is_recognised():
    leader = Leader()
    leader.world[2].session.losing_answers = True
    assert leader.change(2, 3).partition_epoch == 1


def test_the_controller_is_told_after_a_while_of_all_changes_at_once():
    leader = Leader()
    leader.change(2, 3)
    leader.world.settle(OLD.isr_change_linger_us // 2)
    assert leader.world[1].metadata()[-1].isr == (2, 3, 1)
    leader.change(2)
    leader.world.settle(OLD.isr_change_linger_us + 2 * OLD.isr_change_check_interval_us)
    notifications = [
        operation for node, operation in leader.world.tree.writes
        if node == 2 and isinstance(operation, zk.CreateOp) and operation.path.startswith(znodes.ISR_CHANGES)]
    assert leader.world[1].metadata()[-1].isr == (2,)
    assert len(notifications) == 1
    assert leader.world.tree.children(znodes.ISR_CHANGES) == ()


def test_a_reassignment_ends_on_the_changed_state_itself():
    leader = Leader()
    world = leader.world
    assert leader.change(2, 3).error is None
    assert world.admin("reassign", topic="orders", partition=0, replicas=[2, 1]).error is None
    assert leader.change(2, 3, 1).error is None
    world.settle()
    assert world.tree.data(znodes.topic_path("orders")) == znodes.TopicZnode("orders@1", ((0, (2, 1)),))
