"""Administration, the final reads, what a client knows of the cluster, and a client's own life."""

from typing import Any

import pytest
from scripted_brokers import REFUSED, Scene

from fencepost.model import errors
from fencepost.model.client.metadata import UNKNOWN, Metadata
from fencepost.model.protocol.controller import AdminRequest, AdminResponse
from fencepost.model.protocol.data import (
    DescribeRequest,
    DescribeResponse,
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    MetadataResponse,
    PartitionMetadata,
    ProduceRequest,
    Record,
)

SECOND = 1_000_000
CREATE = {"f": "create-topic", "key": "new", "partitions": 2, "replication_factor": 3, "configs": {}}
PRODUCE = {"f": "produce", "topic": "orders", "partition": 0, "count": 1, "acks": -1, "idempotent": False}
FINAL_READ = {"f": "final-read", "topic": "orders", "partition": 0}


def outcomes(scene: Scene, end_us: int = 2 * SECOND) -> list[tuple[str, str | None]]:
    return [(event.type, event.error) for event in scene.run_until(end_us) if event.type != "invoke"]


# --- administration ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("operation", "arguments"), [
    (CREATE, {"name": "new", "partitions": 2, "replication_factor": 3, "configs": {}}),
    ({"f": "delete-topic", "key": "new"}, {"name": "new"}),
    ({"f": "alter-config", "key": "orders", "name": "retention.ms", "value": "5"},
     {"resource_type": "topic", "resource_name": "orders", "key": "retention.ms", "value": "5"}),
    ({"f": "create-acl", "key": "topic:clicks", "principal": "User:client1", "operation": "READ", "permission": "DENY"},
     {"resource_type": "topic", "resource_name": "clicks", "principal": "User:client1", "operation": "READ",
      "permission": "DENY"}),
    ({"f": "elect-leader", "key": "orders-1", "election_type": "preferred"},
     {"topic": "orders", "partition": 1, "election_type": "preferred"}),
    ({"f": "reassign", "key": "orders-0", "replicas": [2, 1]}, {"topic": "orders", "partition": 0, "replicas": [2, 1]}),
])
def test_what_is_asked_for_is_what_is_sent(operation: dict[str, Any], arguments: dict[str, Any]) -> None:
    scene = Scene([operation])
    assert outcomes(scene) == [("ok", None)]
    assert [(r.operation, r.arguments) for r in scene.broker.of(AdminRequest)] == [(operation["f"], arguments)]


@pytest.mark.parametrize(("answer", "expected"), [
    (AdminResponse(errors.NOT_CONTROLLER), ("info", errors.NOT_CONTROLLER)),
    (AdminResponse(errors.REQUEST_TIMED_OUT), ("info", errors.REQUEST_TIMED_OUT)),
    (REFUSED, ("info", errors.DISCONNECTED)),
    (AdminResponse(errors.TOPIC_ALREADY_EXISTS), ("fail", errors.TOPIC_ALREADY_EXISTS)),
])
def test_a_write_is_sent_once(answer: Any, expected: tuple[str, str]) -> None:
    scene = Scene([CREATE])
    scene.broker.answers[AdminRequest] = [answer]
    assert outcomes(scene) == [expected]
    assert len(scene.broker.of(AdminRequest)) == 1


def test_a_write_with_retry_goes_on_until_it_is_certain() -> None:
    scene = Scene([{**CREATE, "retry": True}])
    scene.broker.answers[AdminRequest] = [
        AdminResponse(errors.INVALID_REPLICATION_FACTOR), AdminResponse(errors.NOT_CONTROLLER), REFUSED]
    assert outcomes(scene) == [("ok", None)]
    again = Scene([{**CREATE, "retry": True}])
    again.broker.answers[AdminRequest] = [REFUSED, AdminResponse(errors.TOPIC_ALREADY_EXISTS)]
    assert outcomes(again) == [("info", errors.TOPIC_ALREADY_EXISTS)], "perhaps by its own first attempt"


def test_what_a_broker_says_of_the_metadata_is_written_down_with_its_offset() -> None:
    scene = Scene([{"f": "describe-topics"}, {"f": "describe-config", "key": "orders"}])
    topics, config = [event for event in scene.run_until(SECOND) if event.type == "ok"]
    assert topics.value == {"topics": {"orders": "orders@1", "clicks": "clicks@1"}, "node": 1, "offset": 10}
    assert config.value == {"entries": {"retention.ms": "5"}, "node": 1, "offset": 10}


def test_a_read_without_an_answer_has_failed_and_keeps_the_process() -> None:
    scene = Scene([{"f": "describe-config", "key": "orders"}, {"f": "describe-config", "key": "orders"}])
    scene.broker.answers[DescribeRequest] = [REFUSED, DescribeResponse(errors.TOPIC_AUTHORIZATION_FAILED)]
    assert outcomes(scene) == [("fail", errors.DISCONNECTED), ("fail", errors.TOPIC_AUTHORIZATION_FAILED)]
    assert scene.client.process == 2


# --- final reads ------------------------------------------------------------------------------------------------------


def test_a_final_read_reads_from_the_log_start_to_the_end() -> None:
    scene = Scene([FINAL_READ])
    scene.broker.logs[("orders", 0)] = tuple(Record(offset, 3, None, f"p1-{offset}") for offset in range(4, 8))
    scene.broker.answers[FetchRequest] = [FetchResponse(None, 8, 4, scene.broker.logs[("orders", 0)][:3])]
    ok = scene.run_until(SECOND)[-1]
    assert (ok.type, ok.key) == ("ok", "orders-0")
    assert ok.value == {
        "records": [[4, "p1-4"], [5, "p1-5"], [6, "p1-6"], [7, "p1-7"]], "log_start_offset": 4, "topic_id": "orders@1"}
    assert [request.principal for request in scene.broker.of(FetchRequest)] == ["User:admin"] * 2


def test_a_final_read_begins_again_wherever_it_is_broken_off() -> None:
    scene = Scene([FINAL_READ])
    scene.broker.answers[ListOffsetsRequest] = [
        ListOffsetsResponse(None, 0), ListOffsetsResponse(errors.OFFSET_NOT_AVAILABLE), REFUSED]
    scene.broker.answers[FetchRequest] = [FetchResponse(errors.NOT_LEADER_OR_FOLLOWER), FetchResponse(None)]
    ok = scene.run_until(SECOND)[-1]
    assert ok.value["records"] == [[0, "p1-0"], [1, "p1-1"]]


def test_a_final_read_of_what_is_not_there_fails_soon() -> None:
    scene = Scene([{**FINAL_READ, "topic": "gone"}, {**FINAL_READ, "partition": 7}])
    assert outcomes(scene, 10 * SECOND) == [("fail", errors.UNKNOWN_TOPIC_OR_PARTITION)] * 2


# --- the cluster as the client knows it -------------------------------------------------------------------------------


def told(topic_id: str, leader: int, epoch: int) -> MetadataResponse:
    return MetadataResponse(None, (1, 2), 101, {"orders": (topic_id, (PartitionMetadata(leader, epoch, ()),))}, 10)


def test_a_leader_of_an_older_epoch_is_not_believed() -> None:
    metadata = Metadata(10 * SECOND)
    metadata.update(told("orders@1", 1, 4), 0)
    metadata.update(told("orders@1", 2, 3), 0)
    assert metadata.leader_of("orders", 0, 0) == (1, 4)
    metadata.update(told("orders@1", 2, 5), 0)
    assert metadata.leader_of("orders", 0, 0) == (2, 5)


def test_a_topic_of_another_id_is_another_topic() -> None:
    metadata = Metadata(10 * SECOND)
    metadata.update(told("orders@1", 1, 4), 0)
    metadata.update(told("orders@2", 2, 0), 0)
    assert (metadata.leader_of("orders", 0, 0), metadata.topic_id("orders")) == ((2, 0), "orders@2")


def test_what_was_forgotten_is_not_learnt_again_from_an_older_epoch_nor_kept_for_ever() -> None:
    metadata = Metadata(10 * SECOND)
    metadata.update(told("orders@1", 1, 4), 0)
    metadata.forget_leader("orders", 0)
    metadata.update(told("orders@1", 2, 3), 0)
    assert metadata.leader_of("orders", 0, 0) == UNKNOWN
    metadata.update(told("orders@1", 1, 4), 0)
    assert metadata.leader_of("orders", 0, 10 * SECOND) == (1, 4)
    assert metadata.leader_of("orders", 0, 10 * SECOND + 1) == UNKNOWN
    assert metadata.leader_of("orders", 1, 0) == UNKNOWN
    assert metadata.partitions_of("clicks") is None


# --- a client's life --------------------------------------------------------------------------------------------------


def test_operations_are_invoked_at_their_times_one_after_the_other() -> None:
    scene = Scene([{**PRODUCE, "at_us": SECOND}, {**PRODUCE, "at_us": SECOND}, {**PRODUCE, "at_us": 3 * SECOND}])
    events = scene.run_until(4 * SECOND)
    assert [event.type for event in events] == ["invoke", "ok"] * 3, "a process has one open operation"
    assert events[0].time_us == SECOND
    assert events[2].time_us == events[1].time_us
    assert events[4].time_us == 3 * SECOND


def test_a_paused_client_goes_on_where_it_was() -> None:
    scene = Scene([{**PRODUCE, "at_us": SECOND}])
    scene.client.pause()
    assert scene.run_until(5 * SECOND) == []
    scene.client.resume()
    assert [event.time_us >= 5 * SECOND for event in scene.run_until(6 * SECOND)] == [True, True]


def test_a_killed_client_leaves_its_write_in_doubt_and_starts_as_another_process() -> None:
    scene = Scene([PRODUCE, {**PRODUCE, "at_us": 2 * SECOND}])
    scene.broker.answers[ProduceRequest] = [None]
    scene.run_until(SECOND)
    scene.client.kill()
    assert not scene.client.idle
    scene.client.start()
    events = scene.run_until(3 * SECOND)
    assert [(event.type, event.process) for event in events] == [
        ("invoke", 2), ("info", 2), ("invoke", 8), ("ok", 8)]
    assert scene.client.idle
