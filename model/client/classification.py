"""What an answer means: `ok`, `fail` or `info`, in one place for all clients.

`fail` stands only for errors that are decided before anything was appended or written. Everything that may come after
an append, every disconnect and every time-out is `info`: nobody knows. A write on a real cluster is read by the same
rules.
"""

from fencepost.histories.event import FAIL, INFO, OK
from fencepost.model import errors

#: Errors that no append or write can have preceded.
DEFINITE = frozenset((
    errors.TOPIC_AUTHORIZATION_FAILED, errors.GROUP_AUTHORIZATION_FAILED, errors.CLUSTER_AUTHORIZATION_FAILED,
    errors.INVALID_REQUEST, errors.NOT_ENOUGH_REPLICAS, errors.INVALID_PRODUCER_EPOCH,
    errors.OUT_OF_ORDER_SEQUENCE_NUMBER, errors.ILLEGAL_GENERATION, errors.UNKNOWN_MEMBER_ID,
    errors.FENCED_INSTANCE_ID, errors.COORDINATOR_LOAD_IN_PROGRESS, errors.TOPIC_ALREADY_EXISTS,
    errors.INVALID_REPLICATION_FACTOR, errors.INVALID_PARTITIONS, errors.INVALID_REPLICA_ASSIGNMENT,
    errors.INVALID_CONFIG, errors.INVALID_TOPIC_EXCEPTION, errors.NO_REASSIGNMENT_IN_PROGRESS,
    errors.ELECTION_NOT_NEEDED, errors.PREFERRED_LEADER_NOT_AVAILABLE, errors.ELIGIBLE_LEADERS_NOT_AVAILABLE,
    errors.UNKNOWN_TOPIC_ID,
))
#: Decided before anything was written on the requests named, though not on a produce.
_DEFINITE_FOR = {
    "commit-offsets": frozenset((errors.REBALANCE_IN_PROGRESS,)),
    "administration": frozenset((errors.UNKNOWN_TOPIC_OR_PARTITION,)),
}


def is_definite(request: str, error: str) -> bool:
    """Whether the error says for certain that nothing was written. request: produce, commit-offsets, administration."""
    return error in DEFINITE or error in _DEFINITE_FOR.get(request, ())


def outcome(request: str, error: str | None, indeterminate: bool) -> str:
    """The type of the completion; `indeterminate` if an earlier attempt of the same operation may have taken effect."""
    if error is None:
        return OK
    return FAIL if is_definite(request, error) and not indeterminate else INFO
