"""Topics that exist before a cluster's first start: their shape, and their replicas' logs on the brokers' disks.

Every partition is led by its first replica, in leader epoch 0 and partition epoch 0, with all replicas in the ISR. Each
replica's log holds the same one record, committed: an idle partition as one finds it in a cluster that has run before.
"""

from typing import NamedTuple

from fencepost.model.broker.high_watermark_checkpoint import CHECKPOINT
from fencepost.model.kernel.disk import Disk, LogFile
from fencepost.model.protocol.data import Record

LEADER_EPOCH = 0
_RECORD = Record(0, LEADER_EPOCH, None, "standing")


class StandingTopic(NamedTuple):
    """A topic. replicas: of each partition, the leader first."""

    name: str
    topic_id: str
    replicas: tuple[tuple[int, ...], ...]


def striped_topics(
    partitions: int, partitions_per_topic: int, broker_ids: tuple[int, ...], replication_factor: int,
) -> tuple[StandingTopic, ...]:
    """Topics with so many partitions in all, whose replicas go round the brokers, so that each leads and follows
    equally many (give or take one); the pairs of leader and follower are spread as well (as in AdminUtils)."""
    brokers = len(broker_ids)
    topics = []
    for number, first in enumerate(range(0, partitions, partitions_per_topic)):
        name = f"standing-{number}"
        replicas = tuple(
            _replicas(index, broker_ids, min(replication_factor, brokers))
            for index in range(first, min(first + partitions_per_topic, partitions)))
        topics.append(StandingTopic(name, f"{name}@{number:016x}", replicas))
    return tuple(topics)


def _replicas(index: int, broker_ids: tuple[int, ...], replication_factor: int) -> tuple[int, ...]:
    brokers = len(broker_ids)
    leader, shift = index % brokers, index // brokers
    others = [1 + (shift + place) % (brokers - 1) for place in range(replication_factor - 1)]
    return tuple(broker_ids[(leader + offset) % brokers] for offset in (0, *others))


def plant_logs(disk: Disk, broker_id: int, topics: tuple[StandingTopic, ...]) -> None:
    """Put the logs of the broker's replicas on its empty disk, durable, with what is checkpointed of them."""
    high_watermarks = {}
    for topic in topics:
        for index, replicas in enumerate(topic.replicas):
            if broker_id in replicas:
                name = f"{topic.name}-{index}/{topic.topic_id}"
                log: LogFile[Record] = disk.log(name)
                log.append(0, _RECORD)
                log.synced(log.written())
                disk.cell(f"leader-epoch-checkpoint/{name}", ((LEADER_EPOCH, 0),))
                high_watermarks[name] = log.end_offset
    disk.cell(CHECKPOINT, high_watermarks)
