"""Messages between the controller of ZooKeeper mode and the brokers (LeaderAndIsr 4, StopReplica 5, UpdateMetadata 6,
ControlledShutdown 7). AlterPartition and AllocateProducerIds are those of `fencepost.model.protocol.controller`.

The three requests of the controller carry its id, the controller epoch that it won, and the broker epoch (the czxid of
/brokers/ids/<id>) of the incarnation that they are meant for, so that the receiver can refuse what comes from a zombie
controller and what was meant for its own predecessor (KIP-380). Requests are shared: nobody changes one.

Left out: brokers' endpoints and racks, and request types of KRaft controllers in a migration.
"""

from dataclasses import dataclass
from typing import NamedTuple

#: StopReplica's leader epoch for a partition whose topic is being deleted, and where no leader epoch is known: both
#: bypass the receiver's check (LeaderAndIsr.EpochDuringDelete, NoEpoch).
EPOCH_DURING_DELETE = -2
NO_EPOCH = -1

#: A topic-partition: (topic, partition).
TopicPartition = tuple[str, int]


class PartitionState(NamedTuple):
    """A partition as a controller tells of it.

    controller_epoch: of the controller that wrote the state (not the sender's, if another wrote it).
    leader: -1 for none; in UpdateMetadata -2 while the topic is being deleted (LeaderDuringDelete).
    partition_epoch: the version of the partition's state znode ("zkVersion").
    is_new: the replica has never had the partition (LeaderAndIsr only).
    offline_replicas: replicas on brokers that are not alive (UpdateMetadata only).
    """

    topic: str
    topic_id: str
    partition: int
    controller_epoch: int
    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    partition_epoch: int
    replicas: tuple[int, ...]
    adding_replicas: tuple[int, ...] = ()
    removing_replicas: tuple[int, ...] = ()
    leader_recovery_state: str = "RECOVERED"
    is_new: bool = False
    offline_replicas: tuple[int, ...] = ()


class StopReplicaState(NamedTuple):
    """A replica to stop. There is no topic id: a deletion that comes late hits whoever bears the name by then."""

    topic: str
    partition: int
    leader_epoch: int
    delete_partition: bool


@dataclass(slots=True)
class LeaderAndIsrRequest:
    """LeaderAndIsr (4), of every partition that changes at this broker."""

    controller_id: int
    controller_epoch: int
    broker_epoch: int
    partitions: tuple[PartitionState, ...]
    live_leaders: tuple[int, ...] = ()


@dataclass(slots=True)
class LeaderAndIsrResponse:
    """`error` of the request as a whole; of each partition where it is not None."""

    error: str | None
    partition_errors: tuple[tuple[TopicPartition, str], ...] = ()


@dataclass(slots=True)
class UpdateMetadataRequest:
    """UpdateMetadata (6): what brokers answer to clients; all live brokers, and the partitions that changed."""

    controller_id: int
    controller_epoch: int
    broker_epoch: int
    partitions: tuple[PartitionState, ...]
    live_brokers: tuple[int, ...]


@dataclass(slots=True)
class UpdateMetadataResponse:
    """Whether the broker took it."""

    error: str | None


@dataclass(slots=True)
class StopReplicaRequest:
    """StopReplica (5)."""

    controller_id: int
    controller_epoch: int
    broker_epoch: int
    partitions: tuple[StopReplicaState, ...]


@dataclass(slots=True)
class StopReplicaResponse:
    """`error` of the request as a whole; of each partition where it is not None."""

    error: str | None
    partition_errors: tuple[tuple[TopicPartition, str], ...] = ()


@dataclass(slots=True)
class ControlledShutdownRequest:
    """ControlledShutdown (7): a broker asks the controller to move its leaderships away."""

    broker_id: int
    broker_epoch: int


@dataclass(slots=True)
class ControlledShutdownResponse:
    """`remaining` partitions are still led by the sender; it may end when there are none."""

    error: str | None
    remaining: tuple[TopicPartition, ...] = ()
