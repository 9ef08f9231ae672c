"""What an answer means: `ok`, `fail` or `info`, in one place for all clients.

`fail` stands only for errors that are decided before anything was appended or written, and for operations of which
nothing was ever sent. Everything that may come after an append, every disconnect and every time-out is `info`: nobody
knows. An operation with several attempts is `info` if any of them is in doubt, unless a later one succeeded.

The lists are by request, for the same code means different things: a delayed produce is answered
UNKNOWN_TOPIC_OR_PARTITION after its append when the topic goes, a controller answers it before it writes anything.
TOPIC_ALREADY_EXISTS and UNKNOWN_TOPIC_OR_PARTITION of an administration request are certain because nobody resends it:
not this client, and not the broker that forwards it (`fencepost.model.broker.controller_channel`).
"""

from fencepost.histories.event import FAIL, INFO, OK
from fencepost.model import errors

#: The requests that change something.
PRODUCE, COMMIT, JOIN, ADMINISTRATION = "produce", "commit-offsets", "subscribe", "administration"

#: The reads that close a run.
FINAL_READS = ("final-read", "final-offsets")
#: Operations that change nothing that a history tells of: without an answer they have simply failed.
READS = ("poll", "fetch-offsets", "describe-config", "describe-topics", *FINAL_READS)

#: request -> the errors that no append or write can have preceded.
DEFINITE: dict[str, tuple[str, ...]] = {
    PRODUCE: (
        errors.TOPIC_AUTHORIZATION_FAILED, errors.CLUSTER_AUTHORIZATION_FAILED, errors.INVALID_REQUEST,
        errors.INVALID_TOPIC_EXCEPTION, errors.UNSUPPORTED_VERSION, errors.NOT_ENOUGH_REPLICAS,
        errors.INVALID_PRODUCER_EPOCH, errors.OUT_OF_ORDER_SEQUENCE_NUMBER, errors.UNKNOWN_PRODUCER_ID,
    ),
    COMMIT: (
        errors.GROUP_AUTHORIZATION_FAILED, errors.TOPIC_AUTHORIZATION_FAILED, errors.INVALID_REQUEST,
        errors.UNSUPPORTED_VERSION, errors.INVALID_GROUP_ID, errors.GROUP_ID_NOT_FOUND, errors.ILLEGAL_GENERATION,
        errors.UNKNOWN_MEMBER_ID, errors.FENCED_INSTANCE_ID, errors.REBALANCE_IN_PROGRESS,
        errors.COORDINATOR_LOAD_IN_PROGRESS,
    ),
    JOIN: (
        errors.GROUP_AUTHORIZATION_FAILED, errors.INVALID_REQUEST, errors.UNSUPPORTED_VERSION, errors.INVALID_GROUP_ID,
        errors.INVALID_SESSION_TIMEOUT, errors.INCONSISTENT_GROUP_PROTOCOL, errors.FENCED_INSTANCE_ID,
    ),
    ADMINISTRATION: (
        errors.TOPIC_AUTHORIZATION_FAILED, errors.GROUP_AUTHORIZATION_FAILED, errors.CLUSTER_AUTHORIZATION_FAILED,
        errors.INVALID_REQUEST, errors.UNSUPPORTED_VERSION, errors.TOPIC_ALREADY_EXISTS,
        errors.UNKNOWN_TOPIC_OR_PARTITION, errors.UNKNOWN_TOPIC_ID, errors.INVALID_REPLICATION_FACTOR,
        errors.INVALID_PARTITIONS, errors.INVALID_REPLICA_ASSIGNMENT, errors.INVALID_CONFIG,
        errors.INVALID_TOPIC_EXCEPTION, errors.NO_REASSIGNMENT_IN_PROGRESS, errors.ELECTION_NOT_NEEDED,
        errors.PREFERRED_LEADER_NOT_AVAILABLE, errors.ELIGIBLE_LEADERS_NOT_AVAILABLE, errors.BROKER_ID_NOT_REGISTERED,
    ),
}


def is_definite(request: str, error: str) -> bool:
    """Whether the error says for certain that this attempt wrote nothing. request: a key of `DEFINITE`."""
    return error in DEFINITE[request]


def outcome(request: str, error: str | None, in_doubt: bool) -> str:
    """The type of the completion; `in_doubt` if another attempt of the same operation may have taken effect."""
    if error is None:
        return OK
    return FAIL if is_definite(request, error) and not in_doubt else INFO


def outcome_without_answer(f: str, in_doubt: bool) -> str:
    """The completion's type when an operation `f` is given up; `in_doubt` if an attempt may have taken effect."""
    return INFO if in_doubt and f not in READS else FAIL
