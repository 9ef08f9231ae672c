"""What an answer means: every error of every request, and what a client that has no answer writes down."""

import pytest

from fencepost.model import errors
from fencepost.model.client.classification import (
    ADMINISTRATION,
    COMMIT,
    DEFINITE,
    JOIN,
    PRODUCE,
    READS,
    is_definite,
    outcome,
    outcome_without_answer,
)

#: contracts.md: these may come after an append, a write or a join, so nobody knows.
NEVER_CERTAIN = (
    errors.REQUEST_TIMED_OUT, errors.DISCONNECTED, errors.TIMED_OUT, errors.KAFKA_STORAGE_ERROR,
    errors.UNKNOWN_SERVER_ERROR, errors.NOT_LEADER_OR_FOLLOWER, errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    errors.NOT_CONTROLLER, errors.NOT_COORDINATOR, errors.COORDINATOR_NOT_AVAILABLE,
)


@pytest.mark.parametrize(("request_", "error", "in_doubt", "expected"), [
    (PRODUCE, None, False, "ok"),
    (PRODUCE, None, True, "ok"),
    (PRODUCE, errors.NOT_ENOUGH_REPLICAS, False, "fail"),
    (PRODUCE, errors.NOT_ENOUGH_REPLICAS, True, "info"),
    (PRODUCE, errors.TOPIC_AUTHORIZATION_FAILED, False, "fail"),
    (PRODUCE, errors.INVALID_PRODUCER_EPOCH, False, "fail"),
    (PRODUCE, errors.OUT_OF_ORDER_SEQUENCE_NUMBER, True, "info"),
    # A delayed produce answers this when the topic goes.
    (PRODUCE, errors.UNKNOWN_TOPIC_OR_PARTITION, False, "info"),
    (COMMIT, errors.ILLEGAL_GENERATION, False, "fail"),
    (COMMIT, errors.UNKNOWN_MEMBER_ID, False, "fail"),
    (COMMIT, errors.FENCED_INSTANCE_ID, False, "fail"),
    (COMMIT, errors.REBALANCE_IN_PROGRESS, False, "fail"),
    (COMMIT, errors.COORDINATOR_LOAD_IN_PROGRESS, False, "fail"),
    (COMMIT, errors.GROUP_AUTHORIZATION_FAILED, False, "fail"),
    (COMMIT, errors.UNKNOWN_TOPIC_OR_PARTITION, False, "info"),
    # SyncGroup: the assignment may have been written.
    (JOIN, errors.REBALANCE_IN_PROGRESS, False, "info"),
    (JOIN, errors.GROUP_AUTHORIZATION_FAILED, False, "fail"),
    (ADMINISTRATION, errors.TOPIC_ALREADY_EXISTS, False, "fail"),
    (ADMINISTRATION, errors.TOPIC_ALREADY_EXISTS, True, "info"),
    (ADMINISTRATION, errors.UNKNOWN_TOPIC_OR_PARTITION, False, "fail"),
    (ADMINISTRATION, errors.CLUSTER_AUTHORIZATION_FAILED, False, "fail"),
])
def test_what_an_answer_means(request_: str, error: str | None, in_doubt: bool, expected: str) -> None:
    assert outcome(request_, error, in_doubt) == expected


@pytest.mark.parametrize("request_", sorted(DEFINITE))
@pytest.mark.parametrize("error", NEVER_CERTAIN)
def test_what_may_follow_an_append_is_never_a_failure(request_: str, error: str) -> None:
    assert not is_definite(request_, error)
    assert outcome(request_, error, False) == "info"


@pytest.mark.parametrize(("f", "in_doubt", "expected"), [
    ("produce", True, "info"), ("produce", False, "fail"), ("commit-offsets", True, "info"),
    ("create-topic", True, "info"), ("subscribe", True, "info"), *((f, True, "fail") for f in READS),
])
def test_without_an_answer_only_a_read_or_what_was_never_sent_has_failed(f: str, in_doubt: bool, expected: str) -> None:
    assert outcome_without_answer(f, in_doubt) == expected
