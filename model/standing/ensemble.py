"""Standing topics in ZooKeeper mode: Kafka's znodes in the snapshot with which every server starts.

The controller that left them is gone, but its session has yet to run out: whoever starts meanwhile registers, and the
race for the office begins when all are there.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from fencepost.model.standing.topics import LEADER_EPOCH, StandingTopic, plant_logs
from fencepost.model.zk_cluster import ZkCluster
from fencepost.model.zk_controller import znodes
from fencepost.model.zookeeper.data_tree import Snapshot
from fencepost.model.zookeeper.synthesis import plant, synthesise

#: Who was controller before; no broker has this id.
_FORMER_CONTROLLER = 0
_FORMER_EPOCH = 1


def plant_in_ensemble(cluster: ZkCluster, topics: tuple[StandingTopic, ...]) -> None:
    """Put the topics on the disks of a cluster that has not started: servers' and brokers'."""
    snapshot = _snapshot(topics, cluster.config.zookeeper_session_timeout_us)
    for server in cluster.ensemble.values():
        plant(server.disk, snapshot)
    for broker_id, node in cluster.nodes.items():
        plant_logs(node.disk, broker_id, topics)


@lru_cache(maxsize=1)
def _snapshot(topics: tuple[StandingTopic, ...], session_timeout_us: int) -> Snapshot:
    controller = (znodes.CONTROLLER, znodes.ControllerZnode(_FORMER_CONTROLLER))
    return synthesise(_persistent(topics), (controller,), session_timeout_us)


def _persistent(topics: tuple[StandingTopic, ...]) -> Iterator[tuple[str, Any]]:
    """(path, data), parents first, as the creation of each topic leaves them."""
    for path in znodes.PERSISTENT_PATHS:
        yield path, None
    yield znodes.FEATURE, znodes.FeatureZnode()
    yield znodes.CONTROLLER_EPOCH, str(_FORMER_EPOCH)
    for topic in topics:
        yield znodes.config_path("topic", topic.name), znodes.ConfigZnode(())
        yield znodes.topic_path(topic.name), znodes.TopicZnode(topic.topic_id, tuple(enumerate(topic.replicas)))
        yield znodes.partitions_path(topic.name), None
        for index, replicas in enumerate(topic.replicas):
            yield znodes.partition_path(topic.name, index), None
            yield znodes.state_path(topic.name, index), znodes.PartitionStateZnode(
                replicas[0], LEADER_EPOCH, _FORMER_EPOCH, replicas)
