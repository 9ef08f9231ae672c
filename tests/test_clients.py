"""Clients: what they send, and above all what they write down about it."""

from typing import Any

import pytest
from scripted_brokers import client_and_broker

from fencepost.model import errors
from fencepost.model.client.classification import outcome
from fencepost.model.protocol.data import ProduceResponse

SECOND = 1_000_000


def produce(at_us: int = 0, **fields: Any) -> dict[str, Any]:
    return {"at_us": at_us, "client": 2, "f": "produce", "topic": "orders", "partition": 0, "count": 1, "acks": -1,
            "idempotent": False, **fields}


@pytest.mark.parametrize(("request_", "error", "indeterminate", "expected"), [
    ("produce", None, False, "ok"),
    ("produce", None, True, "ok"),
    ("produce", errors.NOT_ENOUGH_REPLICAS, False, "fail"),
    ("produce", errors.NOT_ENOUGH_REPLICAS, True, "info"),
    ("produce", errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND, False, "info"),
    ("produce", errors.NOT_LEADER_OR_FOLLOWER, False, "info"),
    ("produce", errors.UNKNOWN_TOPIC_OR_PARTITION, False, "info"),
    ("produce", errors.REQUEST_TIMED_OUT, False, "info"),
    ("produce", errors.DISCONNECTED, False, "info"),
    ("produce", errors.TOPIC_AUTHORIZATION_FAILED, False, "fail"),
    ("commit-offsets", errors.ILLEGAL_GENERATION, False, "fail"),
    ("commit-offsets", errors.REBALANCE_IN_PROGRESS, False, "fail"),
    ("commit-offsets", errors.NOT_COORDINATOR, False, "info"),
    ("commit-offsets", errors.COORDINATOR_NOT_AVAILABLE, False, "info"),
    ("administration", errors.TOPIC_ALREADY_EXISTS, False, "fail"),
    ("administration", errors.NOT_CONTROLLER, False, "info"),
    ("administration", errors.UNKNOWN_TOPIC_OR_PARTITION, False, "fail"),
    ("administration", errors.UNKNOWN_SERVER_ERROR, False, "info"),
])
def test_what_an_answer_means(request_: str, error: str | None, indeterminate: bool, expected: str) -> None:
    assert outcome(request_, error, indeterminate) == expected


def test_an_acknowledged_produce_names_its_offset_and_epoch() -> None:
    client, broker, run_until = client_and_broker([produce(count=2)])
    invoke, ok = run_until(SECOND)
    assert (invoke.type, ok.type, ok.key, ok.process) == ("invoke", "ok", "orders-0", 2)
    assert ok.value["records"] == ["p2-0", "p2-1"] == list(broker.produces[0].values)
    assert (ok.value["base_offset"], ok.epochs) == (7, {"leader_epoch": 3})
    assert client.idle


def test_nobody_knows_what_became_of_a_plain_produce_and_it_is_not_sent_again() -> None:
    _, broker, run_until = client_and_broker([produce(), produce(SECOND)])
    broker.answers = [ProduceResponse(errors.NOT_LEADER_OR_FOLLOWER)]
    events = run_until(3 * SECOND)
    assert [event.type for event in events] == ["invoke", "info", "invoke", "ok"]
    assert [event.process for event in events] == [2, 2, 8, 8], "an info retires the process"
    assert [request.values for request in broker.produces] == [("p2-0",), ("p8-1",)]


def test_an_idempotent_produce_sends_the_same_sequence_until_it_knows() -> None:
    _, broker, run_until = client_and_broker([produce(idempotent=True), produce(SECOND, idempotent=True)])
    broker.answers = [ProduceResponse(errors.NOT_LEADER_OR_FOLLOWER), ProduceResponse(errors.NOT_ENOUGH_REPLICAS)]
    events = run_until(3 * SECOND)
    assert [event.type for event in events] == ["invoke", "ok", "invoke", "ok"]
    assert [(r.producer_id, r.base_sequence) for r in broker.produces] == [(1001, 0)] * 3 + [(1001, 1)]


def test_a_refusal_after_an_open_attempt_leaves_it_open_and_ends_the_producer_id() -> None:
    _, broker, run_until = client_and_broker([produce(idempotent=True), produce(SECOND, idempotent=True)])
    broker.answers = [ProduceResponse(errors.NOT_LEADER_OR_FOLLOWER), ProduceResponse(errors.INVALID_PRODUCER_EPOCH)]
    events = run_until(3 * SECOND)
    assert [(event.type, event.error) for event in events[:2]] == [
        ("invoke", None), ("info", errors.INVALID_PRODUCER_EPOCH)]
    assert broker.produces[-1].producer_id == 1002


def test_a_definite_refusal_fails_and_keeps_the_process() -> None:
    _, broker, run_until = client_and_broker([produce()])
    broker.answers = [ProduceResponse(errors.TOPIC_AUTHORIZATION_FAILED)]
    assert [(event.type, event.process) for event in run_until(SECOND)] == [("invoke", 2), ("fail", 2)]


def test_acks_zero_is_ok_without_an_answer() -> None:
    _, broker, run_until = client_and_broker([produce(acks=0)])
    events = run_until(SECOND)
    assert [event.type for event in events] == ["invoke", "ok"]
    assert events[1].value["base_offset"] is None
    assert broker.produces[0].acks == 0


def test_every_operation_completes_within_the_api_time_out() -> None:
    client, broker, run_until = client_and_broker([produce(idempotent=True)])
    broker.answers = [None] * 50
    limit_us = client.config.default_api_timeout_us
    assert [event.type for event in run_until(limit_us - 1)] == ["invoke"]
    assert [event.type for event in run_until(limit_us)] == ["invoke", "info"]


def test_a_paused_client_goes_on_where_it_was() -> None:
    client, _, run_until = client_and_broker([produce(SECOND)])
    client.pause()
    assert run_until(5 * SECOND) == []
    client.resume()
    assert [event.time_us >= 5 * SECOND for event in run_until(6 * SECOND)] == [True, True]


def test_a_commit_with_nothing_to_commit_is_never_invoked() -> None:
    client, _, run_until = client_and_broker([
        {"at_us": 0, "client": 2, "f": "commit-offsets", "group": "billing", "topics": ["orders"], "instance": None}])
    assert run_until(SECOND) == []
    assert client.idle
