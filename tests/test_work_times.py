"""Work that takes time: threads do one thing after the other, and each kind of work is paid where it is done."""

import pytest
from kernel_nodes import EchoNode, two_nodes
from live_cluster import MS, LiveCluster
from live_zk_cluster import LiveZkCluster
from zookeeper_ensemble import Ensemble

from fencepost.model.kernel.labour import Labour
from fencepost.model.protocol.controller import AdminRequest

METADATA = {"fencepost_work_partition_metadata_us": "20000"}
ROLE = {"fencepost_work_replica_role_us": "20000"}
ZNODE = {"fencepost_work_controller_znode_us": "20000"}
TOPIC = {"name": "orders", "partitions": 8, "replication_factor": 3, "configs": {}}


def timer_times(node: EchoNode) -> list[tuple[int, int]]:
    return [(number, at_us) for kind, number, at_us in node.seen if kind == "timer"]


def test_a_thread_does_one_thing_after_the_other() -> None:
    simulation, _, node, _ = two_nodes()
    labour = Labour(node)
    labour.spend(0, node.on_timer, 0)
    assert timer_times(node) == [(0, 0)], "what takes no time is done at once"
    labour.spend(100, node.on_timer, 1)
    labour.spend(0, node.on_timer, 2)
    labour.spend(50, node.on_timer, 3)
    simulation.scheduler.run_until(120)
    labour.spend(10, node.on_timer, 4)
    simulation.scheduler.run_until(1000)
    assert timer_times(node) == [(0, 0), (1, 100), (2, 100), (3, 150), (4, 160)]


def test_work_that_is_due_in_this_very_moment_comes_before_what_takes_no_time() -> None:
    simulation, _, node, _ = two_nodes()
    labour = Labour(node)
    simulation.scheduler.schedule(100, labour.spend, 0, node.on_timer, 2)
    labour.spend(100, node.on_timer, 1)
    simulation.scheduler.run_until(1000)
    assert timer_times(node) == [(1, 100), (2, 100)]


def creation_us(live: LiveCluster | LiveZkCluster) -> int:
    """How long it takes until a topic is created and every replica has its role."""
    begun_us = live.cluster.now_us
    assert live.ask(1, AdminRequest("create-topic", TOPIC)).error is None
    while sum(len(broker.replica_manager.partitions) for broker in live.cluster.running_brokers().values()) < 24:
        live.run(MS)
    return live.cluster.now_us - begun_us


@pytest.mark.parametrize(("properties", "least_us"), [(METADATA, 2 * 9 * 20 * MS), (ROLE, 8 * 20 * MS)])
def test_in_kraft_mode_controllers_and_brokers_work_for_each_record_and_brokers_for_each_role(
    properties: dict[str, str], least_us: int,
) -> None:
    added_us = creation_us(LiveCluster(**properties)) - creation_us(LiveCluster())
    assert 0.8 * least_us <= added_us < 2 * least_us


@pytest.mark.parametrize(("properties", "least_us"), [
    (METADATA, 8 * 20 * MS), (ROLE, 8 * 20 * MS), (ZNODE, 2 * 8 * 20 * MS)])
def test_with_zookeeper_brokers_work_for_each_partition_and_role_and_the_controller_for_each_znode(
    properties: dict[str, str], least_us: int,
) -> None:
    added_us = creation_us(LiveZkCluster(**properties)) - creation_us(LiveZkCluster())
    assert 0.8 * least_us <= added_us < 3 * least_us


def ten_answers_us(operation: str, **work: int) -> int:
    """How long ten pipelined operations of one client take."""
    ensemble = Ensemble(3, **work)
    ensemble.settle()
    host = ensemble.client()
    assert ensemble.ask(host, "create", "/a", "").error is None
    begun_us, answers = ensemble.now_us, []
    for _ in range(10):
        if operation == "get_data":
            host.client.get_data("/a", answers.append)
        else:
            host.client.set_data("/a", "", -1, answers.append)
    ensemble.run_until(lambda: len(answers) == 10)
    return ensemble.now_us - begun_us


def test_a_list_of_children_takes_a_server_longer_the_more_there_are() -> None:
    def listing_us(**work: int) -> int:
        ensemble = Ensemble(1, **work)
        host = ensemble.client()
        for name in "abc":
            assert ensemble.ask(host, "create", f"/{name}", "").error is None
        begun_us = ensemble.now_us
        assert len(ensemble.ask(host, "get_children", "/").value) == 4, "/zookeeper is one of them"
        return ensemble.now_us - begun_us

    assert listing_us(child_work_us=20 * MS) - listing_us() == pytest.approx(4 * 20 * MS, abs=5 * MS)


@pytest.mark.parametrize(("operation", "setting", "other"), [
    ("get_data", "read_work_us", "write_work_us"), ("set_data", "write_work_us", "read_work_us")])
def test_servers_work_for_each_read_and_the_leader_for_each_write(operation: str, setting: str, other: str) -> None:
    free_us = ten_answers_us(operation)
    assert 9 * 20 * MS < ten_answers_us(operation, **{setting: 20 * MS}) - free_us < 11 * 20 * MS
    assert ten_answers_us(operation, **{other: 20 * MS}) == pytest.approx(free_us, abs=5 * MS)
