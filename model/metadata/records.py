"""The records of __cluster_metadata that matter here (metadata/src/main/resources/common/metadata of Kafka 3.9).

Every record is an immutable tuple of plain data, so that it can be digested, shown and shared between nodes.
"""

from typing import NamedTuple

NO_LEADER = -1
#: PartitionChangeRecord.leader: the leader stays and the leader epoch is not raised.
NO_LEADER_CHANGE = -2


class RegisterBrokerRecord(NamedTuple):
    """A broker's incarnation registers; `fenced` until it has caught up."""

    broker_id: int
    incarnation_id: str
    broker_epoch: int
    fenced: bool = True
    in_controlled_shutdown: bool = False


class BrokerRegistrationChangeRecord(NamedTuple):
    """A broker is fenced, unfenced or begins its controlled shutdown; None leaves a field as it is."""

    broker_id: int
    broker_epoch: int
    fenced: bool | None = None
    in_controlled_shutdown: bool | None = None


class UnregisterBrokerRecord(NamedTuple):
    """A broker id is forgotten."""

    broker_id: int
    broker_epoch: int


class TopicRecord(NamedTuple):
    """A topic is created."""

    name: str
    topic_id: str


class RemoveTopicRecord(NamedTuple):
    """A topic, its partitions and its configuration are removed."""

    topic_id: str


class PartitionRecord(NamedTuple):
    """A partition as a whole; written at its creation and in snapshots."""

    topic_id: str
    partition: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    adding_replicas: tuple[int, ...]
    removing_replicas: tuple[int, ...]
    leader: int
    leader_epoch: int
    partition_epoch: int
    leader_recovery_state: str = "RECOVERED"
    eligible_leader_replicas: tuple[int, ...] = ()
    last_known_elr: tuple[int, ...] = ()


class PartitionChangeRecord(NamedTuple):
    """A change of a partition; None (and NO_LEADER_CHANGE) leave a field as it is.

    Merging it raises the partition epoch by 1, and the leader epoch by 1 iff `leader` is not NO_LEADER_CHANGE.
    """

    topic_id: str
    partition: int
    isr: tuple[int, ...] | None = None
    leader: int = NO_LEADER_CHANGE
    replicas: tuple[int, ...] | None = None
    adding_replicas: tuple[int, ...] | None = None
    removing_replicas: tuple[int, ...] | None = None
    leader_recovery_state: str | None = None
    eligible_leader_replicas: tuple[int, ...] | None = None
    last_known_elr: tuple[int, ...] | None = None


class ConfigRecord(NamedTuple):
    """A dynamic configuration is set; value None deletes it. resource_type is "topic" or "broker"."""

    resource_type: str
    resource_name: str
    name: str
    value: str | None


#: The cluster's name as a resource of access control (Resource.CLUSTER_NAME).
CLUSTER_NAME = "kafka-cluster"


class AccessControlEntryRecord(NamedTuple):
    """An ACL is added. permission is "ALLOW" or "DENY"; operation "READ", "WRITE", "CREATE", "DELETE", "ALTER",
    "DESCRIBE" or "ALL"; resource_type "topic", "group" or "cluster"; resource_name may be "*"."""

    principal: str
    operation: str
    permission: str
    resource_type: str
    resource_name: str


class RemoveAccessControlEntryRecord(NamedTuple):
    """The ACL with exactly these fields is removed."""

    principal: str
    operation: str
    permission: str
    resource_type: str
    resource_name: str


class ProducerIdsRecord(NamedTuple):
    """A block of producer ids was handed to a broker; the next block begins at `next_producer_id`."""

    broker_id: int
    broker_epoch: int
    next_producer_id: int


class FeatureLevelRecord(NamedTuple):
    """A feature's level, such as metadata.version; written when the log is bootstrapped."""

    name: str
    level: int


class NoOpRecord(NamedTuple):
    """Written every metadata.max.idle.interval.ms, so that the high watermark moves (KIP-835)."""
