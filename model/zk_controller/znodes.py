"""Kafka's znodes: where they are and what they hold (ZkData.scala).

What Kafka writes as JSON is a named tuple here; `None` stands for no data. Paths are relative to the chroot.

Left out: endpoints, racks and features of brokers, delegation tokens, quotas of users and clients, /migration.
"""

from typing import NamedTuple

CONTROLLER = "/controller"
CONTROLLER_EPOCH = "/controller_epoch"
BROKERS = "/brokers"
BROKER_IDS = "/brokers/ids"
BROKER_SEQUENCE = "/brokers/seqid"
TOPICS = "/brokers/topics"
ISR_CHANGES = "/isr_change_notification"
LOG_DIR_EVENTS = "/log_dir_event_notification"
DELETE_TOPICS = "/admin/delete_topics"
REASSIGN_PARTITIONS = "/admin/reassign_partitions"
PREFERRED_ELECTION = "/admin/preferred_replica_election"
CONFIG = "/config"
TOPIC_CONFIGS = "/config/topics"
BROKER_CONFIGS = "/config/brokers"
CONFIG_CHANGES = "/config/changes"
ACLS = "/kafka-acl"
ACL_CHANGES = "/kafka-acl-changes"
PRODUCER_ID_BLOCK = "/latest_producer_id_block"
FEATURE = "/feature"
CLUSTER_ID = "/cluster/id"
CONSUMERS = "/consumers"

#: What every broker makes sure of when it starts (ZkData.PersistentZkPaths), parents first, and the authorizer's paths.
PERSISTENT_PATHS = (
    CONSUMERS, BROKERS, BROKER_IDS, TOPICS, CONFIG, CONFIG_CHANGES, "/admin", DELETE_TOPICS, BROKER_SEQUENCE,
    ISR_CHANGES, PRODUCER_ID_BLOCK, LOG_DIR_EVENTS, TOPIC_CONFIGS, BROKER_CONFIGS, "/config/clients", "/config/users",
    "/config/ips", ACLS, f"{ACLS}/topic", f"{ACLS}/group", f"{ACLS}/cluster", ACL_CHANGES,
)

#: The entity under /config/brokers that stands for all brokers' dynamic default.
DEFAULT_ENTITY = "<default>"
#: What /controller_epoch, a decimal number, holds before the first election.
INITIAL_CONTROLLER_EPOCH = "0"


class ControllerZnode(NamedTuple):
    """/controller, ephemeral while ZooKeeper mode lasts."""

    broker_id: int
    kraft_controller_epoch: int = -1


class BrokerZnode(NamedTuple):
    """/brokers/ids/<id>, ephemeral. `incarnation_id` is drawn by each process (Kafka's holds its start time)."""

    broker_id: int
    incarnation_id: str


class TopicZnode(NamedTuple):
    """/brokers/topics/<topic>: replicas by partition, ((partition, (replica, ...)), ...), and reassignments' parts."""

    topic_id: str
    replicas: tuple[tuple[int, tuple[int, ...]], ...]
    adding: tuple[tuple[int, tuple[int, ...]], ...] = ()
    removing: tuple[tuple[int, tuple[int, ...]], ...] = ()


class PartitionStateZnode(NamedTuple):
    """/brokers/topics/<topic>/partitions/<partition>/state; its version is the partition epoch."""

    leader: int
    leader_epoch: int
    controller_epoch: int
    isr: tuple[int, ...]
    leader_recovery_state: str = "RECOVERED"


class ConfigZnode(NamedTuple):
    """/config/topics/<topic> and /config/brokers/<id>: ((name, value), ...), sorted."""

    entries: tuple[tuple[str, str], ...]


class ConfigChangeZnode(NamedTuple):
    """/config/changes/config_change_<n>: "topics/orders", "brokers/1"."""

    entity_path: str


class IsrChangeZnode(NamedTuple):
    """/isr_change_notification/isr_change_<n>: the (topic, partition) pairs whose ISR a leader has changed."""

    partitions: tuple[tuple[str, int], ...]


class ReassignPartitionsZnode(NamedTuple):
    """/admin/reassign_partitions: ((topic, partition, (replica, ...)), ...)."""

    partitions: tuple[tuple[str, int, tuple[int, ...]], ...]


class PreferredElectionZnode(NamedTuple):
    """/admin/preferred_replica_election: (topic, partition) pairs."""

    partitions: tuple[tuple[str, int], ...]


class AclZnode(NamedTuple):
    """/kafka-acl/<resource type>/<name>: ((principal, operation, permission), ...), sorted."""

    entries: tuple[tuple[str, str, str], ...]


class AclChangeZnode(NamedTuple):
    """/kafka-acl-changes/acl_changes_<n>."""

    resource_type: str
    resource_name: str


class ProducerIdBlockZnode(NamedTuple):
    """/latest_producer_id_block: the block handed out last."""

    broker_id: int
    first_producer_id: int
    block_size: int


class FeatureZnode(NamedTuple):
    """/feature: enabled, and no finalised features."""

    status: int = 1


def broker_path(broker_id: int) -> str:
    """/brokers/ids/<id>."""
    return f"{BROKER_IDS}/{broker_id}"


def topic_path(topic: str) -> str:
    """/brokers/topics/<topic>."""
    return f"{TOPICS}/{topic}"


def partitions_path(topic: str) -> str:
    """/brokers/topics/<topic>/partitions."""
    return f"{TOPICS}/{topic}/partitions"


def partition_path(topic: str, partition: int) -> str:
    """/brokers/topics/<topic>/partitions/<partition>."""
    return f"{TOPICS}/{topic}/partitions/{partition}"


def state_path(topic: str, partition: int) -> str:
    """/brokers/topics/<topic>/partitions/<partition>/state."""
    return f"{TOPICS}/{topic}/partitions/{partition}/state"


def delete_topic_path(topic: str) -> str:
    """/admin/delete_topics/<topic>."""
    return f"{DELETE_TOPICS}/{topic}"


def config_path(resource_type: str, resource_name: str) -> str:
    """/config/<topics or brokers>/<name>; the empty name of "broker" is the default of all brokers."""
    return f"{CONFIG}/{resource_type}s/{resource_name or DEFAULT_ENTITY}"


def acl_path(resource_type: str, resource_name: str) -> str:
    """/kafka-acl/<resource type>/<name>."""
    return f"{ACLS}/{resource_type}/{resource_name}"
