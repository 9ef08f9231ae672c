"""Topics: creation, deletion, more partitions, and where replicas go (ReplicationControlManager, StripedReplicaPlacer).

Replicas are striped over the unfenced brokers from a drawn start, so that leaderships spread evenly; fenced brokers
that do not shut down are used last and never lead. The first ISR is the active brokers among the replicas.

Left out: racks, log directories, topic policies and the limit of 10,000 partitions a request.
"""

from typing import Any

from fencepost.model import errors
from fencepost.model.config import KafkaConfig
from fencepost.model.controller.configuration_control import is_legal_topic_name, is_valid_config
from fencepost.model.controller.heartbeat_manager import HeartbeatManager
from fencepost.model.controller.replication_control import ReplicationControl
from fencepost.model.controller.result import Result, refused
from fencepost.model.kernel.randomness import Stream
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.metadata.records import ConfigRecord, PartitionRecord, RemoveTopicRecord, TopicRecord
from fencepost.model.protocol.controller import AdminResponse

Assignments = list[tuple[int, ...]]


class TopicControl:
    """Decides from the optimistic image. `stream` draws topic ids and placements."""

    def __init__(
        self, config: KafkaConfig, image: MetadataImage, replication: ReplicationControl, stream: Stream,
    ) -> None:
        self._config = config
        self._image = image
        self._replication = replication
        self._stream = stream

    # --- operations -------------------------------------------------------------------------------------------------

    def create(self, arguments: dict[str, Any], heartbeats: HeartbeatManager) -> Result:
        """create-topic: the topic, its configuration, then its partitions."""
        name, configs = arguments["name"], arguments.get("configs") or {}
        if not is_legal_topic_name(name):
            return refused(errors.INVALID_TOPIC_EXCEPTION)
        if name in self._image.topics:
            return refused(errors.TOPIC_ALREADY_EXISTS)
        if not all(is_valid_config("topic", key, str(configs[key])) for key in configs):
            return refused(errors.INVALID_CONFIG)
        manual = arguments.get("assignments")
        chosen = self._check_manual(manual, len(manual[0])) if manual else self._place(arguments, heartbeats)
        if isinstance(chosen, str):
            return refused(chosen)
        topic_id = f"{name}@{self._stream.bits(64):016x}"
        partitions = self._partition_records(topic_id, 0, chosen)
        if partitions is None:
            return refused(errors.INVALID_REPLICA_ASSIGNMENT if manual else errors.INVALID_REPLICATION_FACTOR)
        settings = [ConfigRecord("topic", name, key, str(configs[key])) for key in sorted(configs)]
        records = [TopicRecord(name, topic_id), *settings, *partitions]
        return Result(records, AdminResponse(None, {"topic_id": topic_id}))

    def delete(self, arguments: dict[str, Any]) -> Result:
        """delete-topic; the record removes partitions and configuration with it."""
        topic_id = self._image.topics.get(arguments["name"])
        if topic_id is None:
            return refused(errors.UNKNOWN_TOPIC_OR_PARTITION)
        return Result([RemoveTopicRecord(topic_id)], AdminResponse(None, {"topic_id": topic_id}))

    def create_partitions(self, arguments: dict[str, Any], heartbeats: HeartbeatManager) -> Result:
        """create-partitions: raise the number of partitions to `count`, with the replication factor of partition 0.

        Assignments by hand are as many as partitions are added, each of that factor.
        """
        topic_id = self._image.topics.get(arguments["name"])
        if topic_id is None:
            return refused(errors.UNKNOWN_TOPIC_OR_PARTITION)
        present, count = self._image.partition_counts[topic_id], arguments["count"]
        if count <= present:
            return refused(errors.INVALID_PARTITIONS)
        factor = len(self._image.partitions[(topic_id, 0)].replicas)
        manual = arguments.get("assignments")
        added = count - present
        placed = self._check_manual(manual, factor) if manual else self._stripe(added, factor, heartbeats)
        if manual and len(manual) != added:
            placed = errors.INVALID_REPLICA_ASSIGNMENT
        if isinstance(placed, str):
            return refused(placed)
        partitions = self._partition_records(topic_id, present, placed)
        if partitions is None:
            return refused(errors.INVALID_REPLICA_ASSIGNMENT if manual else errors.INVALID_REPLICATION_FACTOR)
        return Result(list(partitions), AdminResponse(None, {"topic_id": topic_id}))

    # --- placement ------------------------------------------------------------------------------------------------

    def _check_manual(self, assignments: list[list[int]], factor: int) -> Assignments | str:
        """The assignments, or what is wrong with them; each has `factor` replicas."""
        chosen = [tuple(replicas) for replicas in assignments]
        for replicas in chosen:
            error = self._replication.assignment_error(replicas)
            if error is not None:
                return error
        return chosen if all(len(replicas) == factor for replicas in chosen) else errors.INVALID_REPLICA_ASSIGNMENT

    def _place(self, arguments: dict[str, Any], heartbeats: HeartbeatManager) -> Assignments | str:
        """The assignments, or why there are none; -1 and absence stand for the defaults."""
        partitions = arguments.get("partitions", -1)
        factor = arguments.get("replication_factor", -1)
        if factor < -1 or factor == 0:
            return errors.INVALID_REPLICATION_FACTOR
        if partitions < -1 or partitions == 0:
            return errors.INVALID_PARTITIONS
        return self._stripe(
            self._config.num_partitions if partitions == -1 else partitions,
            self._config.default_replication_factor if factor == -1 else factor, heartbeats)

    def _stripe(self, partitions: int, factor: int, heartbeats: HeartbeatManager) -> Assignments | str:
        brokers = self._image.brokers
        usable = [broker_id for broker_id in sorted(brokers) if not heartbeats.state(broker_id).shutting_down]
        unfenced = [broker_id for broker_id in usable if not brokers[broker_id].fenced]
        fenced = [broker_id for broker_id in usable if brokers[broker_id].fenced]
        if not unfenced or factor > len(usable):
            return errors.INVALID_REPLICATION_FACTOR
        start = self._stream.below(len(unfenced))
        return [
            tuple((*_rotated(unfenced, start + index), *_rotated(fenced, start + index))[:factor])
            for index in range(partitions)
        ]

    def _partition_records(self, topic_id: str, first: int, assignments: Assignments) -> list[PartitionRecord] | None:
        """New partitions, or None if one has no active replica."""
        records = []
        for index, replicas in enumerate(assignments, first):
            isr = tuple(replica for replica in replicas if self._image.brokers[replica].active)
            if not isr:
                return None
            records.append(PartitionRecord(topic_id, index, replicas, isr, (), (), isr[0], 0, 0))
        return records


def _rotated(broker_ids: list[int], by: int) -> list[int]:
    """The same ids in the same circle, beginning elsewhere."""
    shift = by % len(broker_ids) if broker_ids else 0
    return broker_ids[shift:] + broker_ids[:shift]
