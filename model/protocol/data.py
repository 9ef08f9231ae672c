"""Messages of the data plane: produce, fetch, offsets by epoch, metadata. One partition a message: batching several
partitions into one request would change nothing that a checked property depends on."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Record(NamedTuple):
    """A record of a partition's log, with its leader epoch.

    value: the record's unique id ("p3-118") for clients' records, or data for __consumer_offsets.
    sequence: of the idempotent producer, for this record; -1 without one.
    append_us: the leader's wall clock at the append.
    """

    offset: int
    leader_epoch: int
    key: object
    value: object
    producer_id: int = -1
    producer_epoch: int = -1
    sequence: int = -1
    append_us: int = 0


@dataclass(slots=True)
class ProduceRequest:
    """Produce (0): the values of one batch for one partition; carries no leader epoch (KIP-359 was never built).

    acks: 0, 1 or -1 (all).
    base_sequence: of the first value, with `producer_id` >= 0.
    """

    topic: str
    partition: int
    values: tuple[object, ...]
    acks: int
    timeout_us: int
    principal: str = "User:admin"
    producer_id: int = -1
    producer_epoch: int = -1
    base_sequence: int = -1
    keys: tuple[object, ...] | None = None


@dataclass(slots=True)
class ProduceResponse:
    """`base_offset` of the batch; `leader_epoch` under which it was appended, for explanation only."""

    error: str | None
    base_offset: int = -1
    leader_epoch: int = -1


@dataclass(slots=True)
class FetchRequest:
    """Fetch (1) of one partition, by a follower (`replica_id` >= 0) or a consumer (-1).

    replica_epoch: the follower's broker epoch, -1 if unknown.
    current_leader_epoch: -1 for no check.
    last_fetched_epoch: -1 when the log is empty or the sender does not say (before 2.7).
    name: the topic-partition's.
    """

    topic: str
    partition: int
    topic_id: str | None
    replica_id: int
    replica_epoch: int
    current_leader_epoch: int
    fetch_offset: int
    last_fetched_epoch: int
    log_start_offset: int
    max_wait_us: int
    max_records: int
    principal: str = "User:admin"
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = f"{self.topic}-{self.partition}"


@dataclass(slots=True)
class FetchResponse:
    """Records, or a diverging (epoch, exclusive end offset), with the leader's high watermark and log start."""

    error: str | None
    high_watermark: int = -1
    log_start_offset: int = 0
    records: tuple[Record, ...] = ()
    diverging: tuple[int, int] | None = None
    leader_id: int = -1
    leader_epoch: int = -1


@dataclass(slots=True)
class FollowerFetchRequest:
    """All partitions that a follower fetches from one leader, in one request, as ReplicaFetcherThread does.

    partitions: one `FetchRequest` each; its `max_wait_us` is the whole request's.
    """

    replica_id: int
    replica_epoch: int
    max_wait_us: int
    partitions: tuple[FetchRequest, ...]


@dataclass(slots=True)
class FollowerFetchResponse:
    """One `FetchResponse` for each partition that has news (incremental fetch sessions, KIP-227): (request,
    response)."""

    partitions: tuple[tuple[FetchRequest, FetchResponse], ...]


@dataclass(slots=True)
class OffsetsForLeaderEpochRequest:
    """OffsetForLeaderEpoch (23), for one partition."""

    topic: str
    partition: int
    replica_id: int
    current_leader_epoch: int
    leader_epoch: int


@dataclass(slots=True)
class OffsetsForLeaderEpochResponse:
    """The largest epoch not above the requested one and its exclusive end; -1, -1 when undefined."""

    error: str | None
    leader_epoch: int = -1
    end_offset: int = -1


@dataclass(slots=True)
class ListOffsetsRequest:
    """ListOffsets (2): `timestamp` is -1 for LATEST, -2 for EARLIEST."""

    topic: str
    partition: int
    timestamp: int
    current_leader_epoch: int = -1
    principal: str = "User:admin"


@dataclass(slots=True)
class ListOffsetsResponse:
    """The offset asked for."""

    error: str | None
    offset: int = -1
    leader_epoch: int = -1


@dataclass(slots=True)
class InitProducerIdRequest:
    """InitProducerId (22) without a transactional id."""

    principal: str = "User:admin"


@dataclass(slots=True)
class InitProducerIdResponse:
    """A producer id of its own and epoch 0."""

    error: str | None
    producer_id: int = -1
    producer_epoch: int = -1


@dataclass(slots=True)
class MetadataRequest:
    """Metadata (3); `topics` None for all."""

    topics: tuple[str, ...] | None = None


class PartitionMetadata(NamedTuple):
    """One partition as the answering broker's applied image has it; leader -1 for none."""

    leader: int
    leader_epoch: int
    isr: tuple[int, ...]


@dataclass(slots=True)
class MetadataResponse:
    """The cluster as one broker's applied image has it.

    brokers: unfenced broker ids.
    topics: name -> (topic id, partitions by index).
    offset: the image's last applied metadata offset.
    """

    error: str | None
    brokers: tuple[int, ...]
    controller_id: int
    topics: dict[str, tuple[str, tuple[PartitionMetadata, ...]]]
    offset: int


@dataclass(slots=True)
class DescribeRequest:
    """DescribeConfigs and DescribeAcls, answered from the broker's applied image.

    what: "config" with arguments resource_type and resource_name, or "acls" with resource_type and resource_name.
    """

    what: str
    resource_type: str
    resource_name: str
    principal: str = "User:admin"


@dataclass(slots=True)
class DescribeResponse:
    """`entries` are the explicit entries at metadata offset `offset` (last applied)."""

    error: str | None
    entries: tuple[tuple[str, str], ...] = ()
    offset: int = -1
