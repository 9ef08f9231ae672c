"""What is asked of broker 1, in terms that mean the same to the model and to a real one.

Epochs and offsets are told relative to what the side itself holds, as in `steps`: 0 is the current one, `NONE` Kafka's
-1 for "not known". Producers are letters; their ids differ.
"""

from typing import NamedTuple

from steps import NONE


class Produce(NamedTuple):
    """Produce of `count` records.

    producer: None for one that is not idempotent. epoch: the producer's, as it is. sequence: relative to the one that
    follows what was last taken from this producer; None for 0.
    """

    count: int = 1
    acks: int = 1
    producer: str | None = None
    epoch: int = 0
    sequence: int | None = 0
    topic: str = "orders"


class Fetch(NamedTuple):
    """Fetch by a consumer (replica -1) or a follower.

    offset: relative to the log's end; a follower's is where the batch begins that holds it, as followers' are (Kafka
        counts one in a batch's middle as it is up to 3.9, and as the batch's beginning from 4.0 on).
    last_epoch: of the last record fetched, relative to the leader's.
    topic_id: "right", "unknown", or "none" for a version that has only names.
    """

    offset: int = 0
    replica: int = -1
    leader_epoch: int = 0
    last_epoch: int = NONE
    broker_epoch: int = 0
    topic_id: str = "right"
    topic: str = "orders"


class ListOffsets(NamedTuple):
    """ListOffsets for the latest (-1) or the earliest (-2) offset."""

    timestamp: int
    leader_epoch: int = 0
    topic: str = "orders"


class EpochEnd(NamedTuple):
    """OffsetForLeaderEpoch: where an epoch ends; both epochs are relative to the leader's."""

    epoch: int
    leader_epoch: int = 0
    topic: str = "orders"


class Describe(NamedTuple):
    """Metadata of a topic."""

    topic: str


class NewProducer(NamedTuple):
    """InitProducerId: the letter stands for the new id from now on."""

    producer: str


#: Steps that broker 1 answers; the controller answers the others.
DataStep = Produce | Fetch | ListOffsets | EpochEnd | Describe | NewProducer
