"""Standing topics in KRaft mode: a snapshot of the metadata on every node's disk, at which the log begins."""

from functools import lru_cache

from fencepost.model.controller.quorum_controller import METADATA_VERSION_LEVEL
from fencepost.model.kernel.disk import Disk
from fencepost.model.kraft_cluster import KRaftCluster
from fencepost.model.metadata.image import ImageEntries, MetadataImage
from fencepost.model.metadata.records import FeatureLevelRecord, PartitionRecord, TopicRecord
from fencepost.model.protocol.raft import SnapshotId
from fencepost.model.raft.snapshots import Snapshot, file_name
from fencepost.model.standing.topics import LEADER_EPOCH, StandingTopic, plant_logs

_EPOCH = 1


def plant_in_quorum(cluster: KRaftCluster, topics: tuple[StandingTopic, ...]) -> None:
    """Put the topics on the disks of a cluster that has not started: controllers' and brokers' alike.

    No broker is registered: each registers when it starts, as ever, and leaves no ISR by that.
    """
    snapshot = _snapshot(topics)
    for node_id, node in cluster.nodes.items():
        plant_snapshot(node.disk, snapshot)
        if node.is_broker:
            plant_logs(node.disk, node_id, topics)


def plant_snapshot(disk: Disk, snapshot: Snapshot) -> None:
    """Put a snapshot of the metadata on an empty disk, durable."""
    disk.cell(file_name(snapshot.snapshot_id), snapshot)


@lru_cache(maxsize=1)
def _snapshot(topics: tuple[StandingTopic, ...]) -> Snapshot:
    """The metadata as the records that create the topics leave it."""
    image = MetadataImage()
    image.apply(FeatureLevelRecord("metadata.version", METADATA_VERSION_LEVEL), image.next_offset)
    for topic in topics:
        image.apply(TopicRecord(topic.name, topic.topic_id), image.next_offset)
        for index, replicas in enumerate(topic.replicas):
            record = PartitionRecord(
                topic.topic_id, index, replicas, replicas, (), (), replicas[0], LEADER_EPOCH, 0)
            image.apply(record, image.next_offset)
    entries: ImageEntries = image.entries()
    return Snapshot(SnapshotId(image.next_offset, _EPOCH), entries)
