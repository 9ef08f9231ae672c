"""Dynamic configurations of topics and brokers, and what they come to (ConfigurationControlManager).

A topic's value is looked up in the topic's own configuration, then in the brokers' dynamic default (resource name ""),
then in this controller's properties. Names and values are checked as Kafka's validator does for those that the model
uses; other topic configurations are accepted if Kafka knows them and otherwise change nothing here.
"""

import re
from typing import Any

from fencepost.model import errors
from fencepost.model.config import KafkaConfig
from fencepost.model.controller.result import Result, refused
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.metadata.records import ConfigRecord
from fencepost.model.protocol.controller import AdminResponse

MIN_INSYNC_REPLICAS = "min.insync.replicas"
UNCLEAN_LEADER_ELECTION_ENABLE = "unclean.leader.election.enable"
ELR_FEATURE = "eligible.leader.replicas.version"

_LEGAL_TOPIC_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")

TOPIC_CONFIGS = (
    MIN_INSYNC_REPLICAS, UNCLEAN_LEADER_ELECTION_ENABLE, "cleanup.policy", "compression.type", "delete.retention.ms",
    "file.delete.delay.ms", "flush.messages", "flush.ms", "index.interval.bytes", "local.retention.bytes",
    "local.retention.ms", "max.compaction.lag.ms", "max.message.bytes", "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms", "message.timestamp.type", "min.cleanable.dirty.ratio", "min.compaction.lag.ms",
    "preallocate", "remote.storage.enable", "retention.bytes", "retention.ms", "segment.bytes", "segment.index.bytes",
    "segment.jitter.ms", "segment.ms",
)


class ConfigurationControl:
    """Reads and changes configurations in the image."""

    def __init__(self, config: KafkaConfig, image: MetadataImage) -> None:
        self._config = config
        self._image = image

    # --- what holds -----------------------------------------------------------------------------------------------

    def min_insync_replicas(self, topic: str) -> int:
        """min.insync.replicas of a topic, before it is limited by the number of replicas."""
        value = self._image.config("topic", topic, MIN_INSYNC_REPLICAS)
        return self.default_min_insync_replicas() if value is None else int(value)

    def default_min_insync_replicas(self) -> int:
        """min.insync.replicas of topics without one of their own."""
        value = self._image.config("broker", "", MIN_INSYNC_REPLICAS)
        return self._config.min_insync_replicas if value is None else int(value)

    def is_unclean_election_enabled(self, topic: str) -> bool:
        """Whether the topic's partitions may elect a leader from outside the ISR."""
        value = self._image.config("topic", topic, UNCLEAN_LEADER_ELECTION_ENABLE)
        if value is None:
            value = self._image.config("broker", "", UNCLEAN_LEADER_ELECTION_ENABLE)
        return self._config.unclean_leader_election_enable if value is None else value.lower() == "true"

    def is_elr_enabled(self) -> bool:
        """Whether the cluster has eligible leader replicas (KIP-966)."""
        return self._image.scalars.get(f"feature {ELR_FEATURE}", 0) > 0

    # --- changes --------------------------------------------------------------------------------------------------

    def alter(self, arguments: dict[str, Any]) -> Result:
        """alter-config: set a value, or delete it with None. Refuses unknown resources, names and values."""
        resource_type, resource_name = arguments["resource_type"], str(arguments["resource_name"])
        key, value = arguments["key"], arguments["value"]
        if resource_type == "topic" and not is_legal_topic_name(resource_name):
            return refused(errors.INVALID_TOPIC_EXCEPTION)
        if value is not None and not is_valid_config(resource_type, key, value):
            return refused(errors.INVALID_CONFIG)
        error = self._missing_resource(resource_type, resource_name)
        if error is not None:
            return refused(error)
        if self._image.config(resource_type, resource_name, key) == value:
            return Result(response=AdminResponse(None))
        return Result([ConfigRecord(resource_type, resource_name, key, value)], AdminResponse(None))

    def _missing_resource(self, resource_type: str, resource_name: str) -> str | None:
        image = self._image
        if resource_type == "topic":
            return None if resource_name in image.topics else errors.UNKNOWN_TOPIC_OR_PARTITION
        if resource_type != "broker":
            return errors.INVALID_REQUEST
        known = resource_name == "" or (resource_name.isdecimal() and int(resource_name) in image.brokers)
        return None if known else errors.BROKER_ID_NOT_REGISTERED


def is_legal_topic_name(name: str) -> bool:
    """Whether Kafka allows the name."""
    return name not in (".", "..") and _LEGAL_TOPIC_NAME.fullmatch(name) is not None


def is_valid_config(resource_type: str, name: str, value: str) -> bool:
    """Whether Kafka's validator would take the value."""
    if name == MIN_INSYNC_REPLICAS:
        return value.isdecimal() and int(value) >= 1
    if name == UNCLEAN_LEADER_ELECTION_ENABLE:
        return value.lower() in ("true", "false")
    return resource_type != "topic" or name in TOPIC_CONFIGS
