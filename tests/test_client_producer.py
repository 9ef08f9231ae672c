"""Producing: what is sent, when it is sent again, and what is written down about it."""

from typing import Any

from scripted_brokers import REFUSED, Scene

from fencepost.model import errors
from fencepost.model.protocol.data import (
    InitProducerIdRequest,
    InitProducerIdResponse,
    MetadataRequest,
    ProduceRequest,
    ProduceResponse,
)

SECOND = 1_000_000


def produce(at_us: int = 0, **fields: Any) -> dict[str, Any]:
    return {"at_us": at_us, "f": "produce", "topic": "orders", "partition": 0, "count": 1, "acks": -1,
            "idempotent": False, **fields}


def refused(*names: str) -> list[ProduceResponse]:
    return [ProduceResponse(name) for name in names]


def test_an_acknowledged_produce_names_its_offset_and_epoch() -> None:
    scene = Scene([produce(count=2)])
    invoke, ok = scene.run_until(SECOND)
    assert (invoke.type, ok.type, ok.key, ok.process) == ("invoke", "ok", "orders-0", 2)
    assert invoke.value == {"records": ["p2-0", "p2-1"], "acks": -1, "idempotent": False}
    assert ok.value["records"] == list(scene.broker.of(ProduceRequest)[0].values)
    assert (ok.value["base_offset"], ok.epochs) == (7, {"leader_epoch": 3})
    assert scene.client.idle


def test_nobody_knows_what_became_of_a_plain_produce_and_it_is_not_sent_again() -> None:
    scene = Scene([produce(), produce(SECOND)])
    scene.broker.answers[ProduceRequest] = refused(errors.NOT_LEADER_OR_FOLLOWER)
    events = scene.run_until(3 * SECOND)
    assert [event.type for event in events] == ["invoke", "info", "invoke", "ok"]
    assert [event.process for event in events] == [2, 2, 8, 8], "an info retires the process"
    assert [request.values for request in scene.broker.of(ProduceRequest)] == [("p2-0",), ("p8-1",)]
    assert len(scene.broker.of(MetadataRequest)) == 2, "it asked again who leads"
    assert scene.client.idle


def test_a_connection_that_breaks_leaves_a_produce_in_doubt() -> None:
    scene = Scene([produce()])
    scene.broker.answers[ProduceRequest] = [REFUSED]
    assert [(event.type, event.error) for event in scene.run_until(SECOND)] == [
        ("invoke", None), ("info", errors.DISCONNECTED)]


def test_an_idempotent_produce_sends_the_same_sequence_until_it_knows() -> None:
    scene = Scene([produce(idempotent=True), produce(SECOND, idempotent=True)])
    scene.broker.answers[ProduceRequest] = refused(errors.NOT_LEADER_OR_FOLLOWER, errors.NOT_ENOUGH_REPLICAS)
    events = scene.run_until(3 * SECOND)
    assert [event.type for event in events] == ["invoke", "ok", "invoke", "ok"]
    requests = scene.broker.of(ProduceRequest)
    assert [(r.producer_id, r.base_sequence) for r in requests] == [(1001, 0)] * 3 + [(1001, 1)]
    assert [r.values for r in requests] == [("p2-0",)] * 3 + [("p2-1",)]


def test_each_partition_has_its_own_sequence_and_a_new_topic_of_the_name_goes_on_with_it() -> None:
    """Metadata may be old: a sequence that followed the topic id could go back for a topic that stays."""
    scene = Scene([
        produce(idempotent=True, count=2), produce(idempotent=True, partition=1), produce(idempotent=True),
        produce(2 * SECOND, idempotent=True)])
    scene.run_until(SECOND)
    scene.broker.leaders["orders"] = ("orders@2", [(1, 0), (1, 0)])
    scene.client.metadata.forget_leader("orders", 0)
    scene.run_until(3 * SECOND)
    assert [(r.partition, r.base_sequence) for r in scene.broker.of(ProduceRequest)] == [(0, 0), (1, 0), (0, 2), (0, 3)]


def test_a_refusal_after_an_open_attempt_leaves_it_open_and_ends_the_producer_id() -> None:
    scene = Scene([produce(idempotent=True), produce(SECOND, idempotent=True)])
    scene.broker.answers[ProduceRequest] = refused(errors.NOT_LEADER_OR_FOLLOWER, errors.INVALID_PRODUCER_EPOCH)
    events = scene.run_until(3 * SECOND)
    assert [(event.type, event.error) for event in events[:2]] == [
        ("invoke", None), ("info", errors.INVALID_PRODUCER_EPOCH)]
    last = scene.broker.of(ProduceRequest)[-1]
    assert (last.producer_id, last.base_sequence) == (1002, 0)


def test_a_definite_refusal_fails_and_keeps_the_process() -> None:
    scene = Scene([produce()])
    scene.broker.answers[ProduceRequest] = refused(errors.TOPIC_AUTHORIZATION_FAILED)
    assert [(event.type, event.process) for event in scene.run_until(SECOND)] == [("invoke", 2), ("fail", 2)]


def test_acks_zero_is_ok_without_an_answer() -> None:
    scene = Scene([produce(acks=0)])
    events = scene.run_until(SECOND)
    assert [event.type for event in events] == ["invoke", "ok"]
    assert events[1].value["base_offset"] is None
    assert scene.broker.of(ProduceRequest)[0].acks == 0


def test_a_produce_completes_within_the_delivery_time_out() -> None:
    scene = Scene([produce(idempotent=True)])
    scene.broker.answers[ProduceRequest] = [None] * 50
    limit_us = scene.client.config.delivery_timeout_us
    assert [event.type for event in scene.run_until(limit_us - 1)] == ["invoke"]
    assert [(event.type, event.error) for event in scene.run_until(limit_us)] == [
        ("invoke", None), ("info", errors.TIMED_OUT)]


def test_replicas_that_never_come_back_fail_a_produce_at_the_end_of_its_time() -> None:
    scene = Scene([produce(idempotent=True)])
    scene.broker.answers[ProduceRequest] = refused(errors.NOT_ENOUGH_REPLICAS) * 20_000
    completion = scene.run_until(scene.client.config.delivery_timeout_us)[-1]
    assert (completion.type, completion.error) == ("fail", errors.NOT_ENOUGH_REPLICAS)


def test_a_produce_that_was_never_sent_has_failed() -> None:
    scene = Scene([produce(topic="nowhere"), produce(idempotent=True)])
    scene.broker.answers[InitProducerIdRequest] = [
        InitProducerIdResponse(errors.COORDINATOR_LOAD_IN_PROGRESS)] * 20_000
    events = scene.run_until(scene.client.config.delivery_timeout_us + 5 * SECOND)
    assert [(event.type, event.error) for event in events] == [
        ("invoke", None), ("fail", errors.UNKNOWN_TOPIC_OR_PARTITION), ("invoke", None), ("fail", errors.NEVER_SENT)]
    assert events[1].time_us < 5 * SECOND, "brokers that do not know the topic are believed after a while"
    assert scene.broker.of(ProduceRequest) == []


def test_a_late_answer_to_a_completed_operation_changes_nothing() -> None:
    scene = Scene([produce(), produce(40 * SECOND, partition=1)])
    scene.broker.answers[ProduceRequest] = [None]
    events = scene.run_until(60 * SECOND)
    assert [(event.type, event.process) for event in events] == [
        ("invoke", 2), ("info", 2), ("invoke", 8), ("ok", 8)]
