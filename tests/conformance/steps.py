"""What is asked of a controller, in terms that mean the same to the model and to a real one.

Brokers are numbers, incarnations letters, topics names. Epochs are told relative to what the side itself holds: 0 is
the current one, -1 one behind, 1 one ahead, `NONE` Kafka's -1 for "not known".
"""

from typing import NamedTuple

NONE = 99


class Register(NamedTuple):
    """BrokerRegistration of an incarnation."""

    broker: int
    incarnation: str


class Heartbeat(NamedTuple):
    """BrokerHeartbeat; `caught_up` says whether it reports the log's end as its metadata offset, or 0."""

    broker: int
    epoch: int = 0
    caught_up: bool = True
    want_fence: bool = False
    want_shut_down: bool = False


class CreateTopic(NamedTuple):
    """CreateTopics with assignments by hand: one tuple of brokers a partition."""

    topic: str
    assignments: tuple[tuple[int, ...], ...]
    configs: tuple[tuple[str, str], ...] = ()


class DeleteTopic(NamedTuple):
    """DeleteTopics by name."""

    topic: str


class AddPartition(NamedTuple):
    """CreatePartitions to `count` partitions; the one that is added has these replicas."""

    topic: str
    count: int
    replicas: tuple[int, ...]


class AlterPartition(NamedTuple):
    """AlterPartition of partition 0 by `broker`. isr: (broker, epoch) of each member."""

    broker: int
    topic: str
    isr: tuple[tuple[int, int], ...]
    broker_epoch: int = 0
    leader_epoch: int = 0
    partition_epoch: int = 0
    recovering: bool = False


class Reassign(NamedTuple):
    """AlterPartitionReassignments of partition 0; None cancels."""

    topic: str
    replicas: tuple[int, ...] | None


class Elect(NamedTuple):
    """ElectLeaders of partition 0, preferred or unclean."""

    topic: str
    unclean: bool


class SetConfig(NamedTuple):
    """IncrementalAlterConfigs of a topic; None deletes."""

    topic: str
    name: str
    value: str | None


class AllocateProducerIds(NamedTuple):
    """AllocateProducerIds."""

    broker: int
    epoch: int = 0


class AddAcl(NamedTuple):
    """CreateAcls of one entry, in the model's words."""

    principal: str
    operation: str
    permission: str
    resource_type: str
    resource_name: str


class RemoveAcl(NamedTuple):
    """DeleteAcls of the entry that is exactly so."""

    principal: str
    operation: str
    permission: str
    resource_type: str
    resource_name: str


Step = (Register | Heartbeat | CreateTopic | DeleteTopic | AddPartition | AlterPartition | Reassign | Elect | SetConfig
        | AllocateProducerIds | AddAcl | RemoveAcl)


class Answer(NamedTuple):
    """What came back, and what was written. error: Kafka's name, or None. facts: what else the response says.

    records: the metadata records written, as (name, fields) without what differs from cluster to cluster.
    """

    error: str | None
    facts: tuple[tuple[str, object], ...] = ()
    records: tuple[tuple[object, ...], ...] = ()


def without_producer_ids(records: tuple[tuple[object, ...], ...]) -> tuple[tuple[object, ...], ...]:
    """The records but those of blocks of producer ids, which a broker asks for when its last block is used up."""
    return tuple(record for record in records if record[0] != "ProducerIds")
