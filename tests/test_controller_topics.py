"""Topics, configurations and access control entries."""

from dataclasses import replace
from typing import Any

import pytest
from controller_node import CONFIG, ControllerWorld

from fencepost.model import errors


def world_with_brokers(*broker_ids: int) -> ControllerWorld:
    world = ControllerWorld()
    world.start_brokers(*broker_ids)
    return world


# --- topics -----------------------------------------------------------------------------------------------------------


def test_replicas_are_striped_and_all_active_ones_are_in_sync() -> None:
    world = world_with_brokers(1, 2, 3)
    response = world.admin("create-topic", name="orders", partitions=3, replication_factor=2)
    topic_id = response.result["topic_id"]
    assert topic_id.startswith("orders@")
    partitions = world.controller.image.topic_partitions(topic_id)
    assert sorted(partition.leader for partition in partitions) == [1, 2, 3]
    for partition in partitions:
        assert partition.isr == partition.replicas
        assert len(set(partition.replicas)) == 2
        assert (partition.leader, partition.leader_epoch, partition.partition_epoch) == (partition.replicas[0], 0, 0)


def test_the_answer_names_the_offset_of_the_change() -> None:
    world = world_with_brokers(1)
    response = world.admin("create-topic", name="orders", partitions=1, replication_factor=1)
    assert response.offset == world.raft.next_offset - 1


def test_defaults_fill_in_for_minus_one() -> None:
    world = ControllerWorld(replace(CONFIG, num_partitions=4, default_replication_factor=2))
    world.start_brokers(1, 2)
    topic_id = world.admin("create-topic", name="orders", partitions=-1).result["topic_id"]
    partitions = world.controller.image.topic_partitions(topic_id)
    assert [len(partition.replicas) for partition in partitions] == [2, 2, 2, 2]


def test_fenced_brokers_are_used_last_and_are_not_in_sync() -> None:
    world = world_with_brokers(1, 2)
    world.register(3)
    topic_id = world.admin("create-topic", name="orders", partitions=2, replication_factor=3).result["topic_id"]
    for partition in world.controller.image.topic_partitions(topic_id):
        assert partition.replicas[2] == 3
        assert sorted(partition.isr) == [1, 2]


@pytest.mark.parametrize(("arguments", "error"), [
    ({"name": "orders"}, errors.TOPIC_ALREADY_EXISTS),
    ({"name": "or ders"}, errors.INVALID_TOPIC_EXCEPTION),
    ({"name": ".."}, errors.INVALID_TOPIC_EXCEPTION),
    ({"name": "a" * 250}, errors.INVALID_TOPIC_EXCEPTION),
    ({"name": "b", "partitions": 0}, errors.INVALID_PARTITIONS),
    ({"name": "b", "replication_factor": 0}, errors.INVALID_REPLICATION_FACTOR),
    ({"name": "b", "replication_factor": 3}, errors.INVALID_REPLICATION_FACTOR),
    ({"name": "b", "assignments": [[1, 1]]}, errors.INVALID_REPLICA_ASSIGNMENT),
    ({"name": "b", "assignments": [[9]]}, errors.INVALID_REPLICA_ASSIGNMENT),
    ({"name": "b", "assignments": [[3]]}, errors.INVALID_REPLICA_ASSIGNMENT),
    ({"name": "b", "configs": {"min.insync.replicas": "0"}}, errors.INVALID_CONFIG),
    ({"name": "b", "configs": {"no.such.config": "1"}}, errors.INVALID_CONFIG),
])
def test_bad_creations_are_refused(arguments: dict[str, Any], error: str) -> None:
    world = world_with_brokers(1)
    world.create_topic(1)
    world.register(3)
    end = world.raft.next_offset
    assert world.admin("create-topic", **{"partitions": 1, "replication_factor": 1, **arguments}).error == error
    assert world.raft.next_offset == end


def test_without_an_unfenced_broker_there_is_no_topic() -> None:
    world = ControllerWorld()
    world.register(1)
    refused = world.admin("create-topic", name="orders", partitions=1, replication_factor=1)
    assert refused.error == errors.INVALID_REPLICATION_FACTOR


def test_the_configuration_comes_before_the_partitions() -> None:
    world = world_with_brokers(1)
    world.create_topic(1, min_insync_replicas="1")
    names = [name for name, _ in world.observed("metadata-write")[-1].value["records"]]
    assert names == ["TopicRecord", "ConfigRecord", "PartitionRecord"]
    assert world.controller.configuration.min_insync_replicas("orders") == 1


def test_a_topic_that_is_created_again_has_another_id_and_none_of_its_configuration() -> None:
    world = world_with_brokers(1)
    first = world.create_topic(1, min_insync_replicas="1")
    assert world.admin("delete-topic", name="orders").result == {"topic_id": first}
    assert world.create_topic(1) != first
    assert world.controller.image.configs == {}
    assert len(world.controller.image.partitions) == 1


def test_an_unknown_topic_cannot_be_deleted() -> None:
    assert world_with_brokers(1).admin("delete-topic", name="x").error == errors.UNKNOWN_TOPIC_OR_PARTITION


def test_partitions_can_be_added_but_not_taken_away() -> None:
    world = world_with_brokers(1, 2)
    topic_id = world.create_topic(1, 2)
    assert world.admin("create-partitions", name="orders", count=3).error is None
    partitions = world.controller.image.topic_partitions(topic_id)
    assert [len(partition.replicas) for partition in partitions] == [2, 2, 2]
    assert world.admin("create-partitions", name="orders", count=3).error == errors.INVALID_PARTITIONS
    assert world.admin("create-partitions", name="x", count=3).error == errors.UNKNOWN_TOPIC_OR_PARTITION


# --- configurations ---------------------------------------------------------------------------------------------------


def alter(world: ControllerWorld, key: str, value: str | None, kind: str = "topic", name: str = "orders") -> str | None:
    return world.admin("alter-config", resource_type=kind, resource_name=name, key=key, value=value).error


def test_a_topics_value_wins_over_the_dynamic_default_and_that_over_the_properties() -> None:
    world = world_with_brokers(1)
    world.create_topic(1)
    configuration = world.controller.configuration
    assert configuration.min_insync_replicas("orders") == 2
    assert alter(world, "min.insync.replicas", "3", "broker", "") is None
    assert configuration.min_insync_replicas("orders") == 3
    assert alter(world, "min.insync.replicas", "1") is None
    assert configuration.min_insync_replicas("orders") == 1
    assert alter(world, "min.insync.replicas", None) is None
    assert configuration.min_insync_replicas("orders") == 3


def test_the_same_value_again_writes_nothing() -> None:
    world = world_with_brokers(1)
    world.create_topic(1)
    alter(world, "retention.ms", "1000")
    end = world.raft.next_offset
    assert alter(world, "retention.ms", "1000") is None
    assert world.raft.next_offset == end


@pytest.mark.parametrize(("key", "value", "kind", "name", "error"), [
    ("min.insync.replicas", "0", "topic", "orders", errors.INVALID_CONFIG),
    ("min.insync.replicas", "many", "topic", "orders", errors.INVALID_CONFIG),
    ("unclean.leader.election.enable", "perhaps", "topic", "orders", errors.INVALID_CONFIG),
    ("no.such.config", "1", "topic", "orders", errors.INVALID_CONFIG),
    ("retention.ms", "1", "topic", "x", errors.UNKNOWN_TOPIC_OR_PARTITION),
    ("retention.ms", "1", "broker", "9", errors.BROKER_ID_NOT_REGISTERED),
    ("retention.ms", "1", "group", "g", errors.INVALID_REQUEST),
])
def test_bad_configurations_are_refused(key: str, value: str, kind: str, name: str, error: str) -> None:
    world = world_with_brokers(1)
    world.create_topic(1)
    assert alter(world, key, value, kind, name) == error


# --- access control ---------------------------------------------------------------------------------------------------

ENTRY = {
    "principal": "User:a", "operation": "READ", "permission": "DENY", "resource_type": "topic",
    "resource_name": "orders",
}


def test_entries_are_added_and_removed_once() -> None:
    world = world_with_brokers(1)
    assert world.admin("create-acl", **ENTRY).result == {"created": True}
    assert list(world.controller.image.acls) == [("User:a", "READ", "DENY", "topic", "orders")]
    assert world.admin("create-acl", **ENTRY).result == {"created": False}
    assert world.admin("delete-acl", **ENTRY).result == {"deleted": True}
    assert world.controller.image.acls == {}
    assert world.admin("delete-acl", **ENTRY).result == {"deleted": False}
