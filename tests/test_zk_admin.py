"""Administration in ZooKeeper mode."""

from typing import Any

import pytest
from zk_brokers import ZkWorld

from fencepost.model.protocol.controller import AdminResponse
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.admin_manager import ZkAdminManager


class View:
    """A topic has leaders once broker 1 has been told of all its partitions."""

    def __init__(self, world: ZkWorld) -> None:
        self.world = world

    def has_leaders(self, topic: str, partitions: int) -> bool:
        told = [self.world[1].metadata(topic, partition) for partition in range(partitions)]
        return all(states and states[-1].leader >= 0 for states in told)


class Administrator:
    """Sends operations to one broker."""

    def __init__(self, broker_id: int = 1, count: int = 3) -> None:
        self.world = ZkWorld(count)
        node = self.world[broker_id]
        self.manager = ZkAdminManager(node, node.config, node.client, node.controller, View(self.world))

    def do(self, operation: str, wait_us: int = 1_000_000, /, **arguments: Any) -> AdminResponse | None:
        answers: list[AdminResponse] = []
        self.manager.execute(operation, arguments, answers.append)
        self.world.settle(wait_us)
        return answers[0] if answers else None

    def error(self, operation: str, /, **arguments: Any) -> str | None:
        answer = self.do(operation, **arguments)
        assert answer is not None
        return answer.error


def test_a_topic_is_created_with_leaders_and_its_configuration():
    admin = Administrator()
    answer = admin.do("create-topic", name="orders", partitions=4, replication_factor=2, configs={"retention.ms": "1"})
    assert answer is not None
    topic = admin.world.tree.data(znodes.topic_path("orders"))
    assert answer.result == {"topic_id": topic.topic_id}
    assert answer.offset > 0
    assert all(len(set(replicas)) == 2 for _, replicas in topic.replicas)
    assert len({replicas[0] for _, replicas in topic.replicas}) == 3
    assert admin.world.state(partition=3).leader == topic.replicas[3][1][0]
    assert admin.world.tree.data(znodes.config_path("topic", "orders")).entries == (("retention.ms", "1"),)


@pytest.mark.parametrize(("arguments", "error"), [
    ({"name": "."}, "INVALID_TOPIC_EXCEPTION"),
    ({"name": "a", "partitions": 0}, "INVALID_PARTITIONS"),
    ({"name": "a", "replication_factor": 4}, "INVALID_REPLICATION_FACTOR"),
    ({"name": "a", "assignments": [[1, 9]]}, "INVALID_REPLICA_ASSIGNMENT"),
    ({"name": "a", "configs": {"min.insync.replicas": "none"}}, "INVALID_CONFIG"),
])
def test_a_bad_topic_is_refused(arguments, error):
    admin = Administrator()
    assert admin.error("create-topic", **arguments) == error
    assert admin.world.tree.children(znodes.TOPICS) == ()


@pytest.mark.parametrize("path", [znodes.topic_path("orders"), znodes.config_path("topic", "orders")])
def test_a_topic_is_created_once_even_if_an_answer_gets_lost(path):
    admin = Administrator()
    admin.world[1].session.losing_answers = path
    assert admin.error("create-topic", name="orders", assignments=[[1, 2]]) is None
    assert admin.world[1].session.losing_answers is False
    assert admin.world.state().leader == 1
    assert admin.error("create-topic", name="orders") == "TOPIC_ALREADY_EXISTS"


def test_a_creation_that_gets_no_leader_times_out():
    admin = Administrator()
    admin.world[1].controller.slow_down(60_000_000)
    answer = admin.do("create-topic", 30_000_000, name="orders", assignments=[[1, 2]])
    assert answer is not None
    assert answer.error == "REQUEST_TIMED_OUT"


def test_topics_are_the_controllers_brokers_business_and_settings_everybodys():
    admin = Administrator(broker_id=2)
    assert admin.error("create-topic", name="orders") == "NOT_CONTROLLER"
    assert admin.error("delete-topic", name="orders") == "NOT_CONTROLLER"
    admin.world.create_topic((1, 2))
    assert admin.error(
        "alter-config", resource_type="topic", resource_name="orders", key="retention.ms", value="5") is None
    [name] = admin.world.tree.children(znodes.CONFIG_CHANGES)
    assert admin.world.tree.data(f"{znodes.CONFIG_CHANGES}/{name}") == znodes.ConfigChangeZnode("topics/orders")


def test_a_deletion_is_answered_when_the_topic_is_gone():
    admin = Administrator()
    assert admin.error("delete-topic", name="orders") == "UNKNOWN_TOPIC_OR_PARTITION"
    assert admin.error("create-topic", name="orders", partitions=2, replication_factor=2) is None
    assert admin.error("delete-topic", name="orders") is None
    assert not admin.world.tree.exists(znodes.topic_path("orders"))
    assert admin.error("create-topic", name="orders", partitions=1, replication_factor=3) is None


def test_partitions_are_added_never_removed():
    admin = Administrator()
    assert admin.error("create-partitions", name="orders", count=2) == "UNKNOWN_TOPIC_OR_PARTITION"
    assert admin.error("create-topic", name="orders", partitions=2, replication_factor=2) is None
    assert admin.error("create-partitions", name="orders", count=2) == "INVALID_PARTITIONS"
    assert admin.error("create-partitions", name="orders", count=3) is None
    assert len(admin.world.state(partition=2).isr) == 2


def test_settings_are_set_and_deleted_and_checked():
    admin = Administrator()
    setting = {"resource_type": "broker", "resource_name": "", "key": "min.insync.replicas"}
    assert admin.error("alter-config", **setting, value="0") == "INVALID_CONFIG"
    assert admin.error("alter-config", **setting, value="2") is None
    path = znodes.config_path("broker", "")
    assert admin.world.tree.data(path).entries == (("min.insync.replicas", "2"),)
    assert admin.error("alter-config", **setting, value=None) is None
    assert admin.world.tree.data(path).entries == ()
    unknown = {**setting, "resource_name": "9"}
    assert admin.error("alter-config", **unknown, value="2") == "BROKER_ID_NOT_REGISTERED"
    unknown = {**setting, "resource_type": "topic", "resource_name": "ghost"}
    assert admin.error("alter-config", **unknown, value="2") == "UNKNOWN_TOPIC_OR_PARTITION"


def test_acls_come_and_go_and_are_notified():
    admin = Administrator()
    acl = {"principal": "User:a", "operation": "READ", "permission": "DENY", "resource_type": "topic",
           "resource_name": "orders"}
    path = znodes.acl_path("topic", "orders")
    assert admin.error("delete-acl", **acl) is None
    assert not admin.world.tree.exists(path)
    assert admin.error("create-acl", **acl) is None
    assert admin.error("create-acl", **{**acl, "operation": "WRITE"}) is None
    assert admin.world.tree.data(path).entries == (("User:a", "READ", "DENY"), ("User:a", "WRITE", "DENY"))
    assert admin.error("delete-acl", **acl) is None
    assert admin.error("delete-acl", **{**acl, "operation": "WRITE"}) is None
    assert not admin.world.tree.exists(path)
    assert len(admin.world.tree.children(znodes.ACL_CHANGES)) == 5


def test_elections_and_reassignments_are_handed_to_the_controller():
    admin = Administrator()
    admin.world.create_topic((1, 2))
    wanted = {"topic": "orders", "partition": 0}
    assert admin.error("elect-leader", **wanted, election_type="preferred") == "ELECTION_NOT_NEEDED"
    assert admin.error("reassign", **wanted, replicas=[9]) == "INVALID_REPLICA_ASSIGNMENT"
    assert admin.error("paint-it-blue") == "INVALID_REQUEST"
