"""All replicas of one broker: which there are, and what metadata makes of them (ReplicaManager.scala).

The manager has the partitions that the broker hosts, gives them their logs and takes these away, turns metadata into
roles, runs the fetchers of those that follow, and tells listeners of leaderships. What is asked of the partitions has a
place of its own for each kind of asker: `follower_fetches`, `consumer_requests`, `produce_requests` and, for the
broker's own coordinators, `coordinator_log`.
"""

from typing import Any, Protocol

from fencepost.model import errors
from fencepost.model.broker.consumer_requests import ConsumerRequests
from fencepost.model.broker.controller_channel import RequestChannel
from fencepost.model.broker.coordinator_log import CoordinatorLog
from fencepost.model.broker.fetcher import ReplicaFetcher
from fencepost.model.broker.follower_fetches import FollowerFetches
from fencepost.model.broker.high_watermark_checkpoint import HighWatermarkCheckpoint
from fencepost.model.broker.log_directory import LogDirectory
from fencepost.model.broker.partition import Partition
from fencepost.model.broker.partition_core import LEADER
from fencepost.model.broker.produce_requests import ProduceRequests
from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.metadata.image import MetadataImage, PartitionRegistration


class PartitionListener(Protocol):
    """Learns of leaderships, after the partition has taken its role."""

    def on_become_leader(self, topic: str, partition: int, leader_epoch: int) -> None:
        """This broker leads the partition in a new epoch."""

    def on_resign(self, topic: str, partition: int, leader_epoch: int | None) -> None:
        """This broker follows in that epoch, or (None) no longer hosts the partition."""

    def on_high_watermark(self, topic: str, partition: int, leader_epoch: int, high_watermark: int) -> None:
        """The replica's high watermark changed, as leader or as follower in that epoch."""


class ReplicaManager:
    """The replicas of one broker. `broker_epoch` is set by the broker's life cycle."""

    def __init__(
        self, node: Node, config: KafkaConfig, composer: Composer, image: MetadataImage,
        controller_channel: RequestChannel,
    ) -> None:
        self._node = node
        self._config = config
        self._composer = composer
        self.image = image
        self.controller_channel = controller_channel
        self.broker_epoch = -1
        self.partition_listeners: list[PartitionListener] = []
        self.partitions: dict[str, Partition] = {}
        #: (topic id, partition) -> name, of what is hosted
        self._hosted: dict[tuple[str, int], str] = {}
        self._logs = LogDirectory(node)
        self._fetchers: dict[int, ReplicaFetcher] = {}
        self._checkpoint = HighWatermarkCheckpoint(node)
        self.follower_fetches = FollowerFetches(node, self)
        self.consumer_requests = ConsumerRequests(node, self)
        self.produce_requests = ProduceRequests(self)
        self.coordinator_log = CoordinatorLog(self)

    def delete_stray_logs(self) -> None:
        """Delete the logs of partitions that the metadata loaded so far does not place here."""
        hosted = frozenset(partition.log.name for partition in self.partitions.values())
        for name in self._logs.names():
            if name not in hosted:
                self._logs.delete(name)

    def start(self) -> None:
        """Begin the periodic work."""
        self._node.schedule(self._config.replica_lag_time_max_us // 2, self._shrink_isrs)
        self._node.schedule(self._config.replica_high_watermark_checkpoint_interval_us, self._write_checkpoint)

    def describe(self) -> dict[str, Any]:
        """The replicas' states as plain data."""
        return {
            name: {
                "topic_id": partition.topic_id, "role": partition.role, "leader": partition.leader_id,
                "leader_epoch": partition.leader_epoch, "partition_epoch": partition.partition_epoch,
                "isr": list(partition.isr), "maximal_isr": list(partition.maximal_isr),
                "high_watermark": partition.high_watermark, "log_end_offset": partition.log.end_offset,
                "log_start_offset": partition.log.start_offset,
            }
            for name, partition in sorted(self.partitions.items())
        }

    def is_leader(self, name: str) -> bool:
        """Whether this broker believes to lead the topic-partition."""
        partition = self.partitions.get(name)
        return partition is not None and partition.role == LEADER

    def missing_error(self, topic: str, partition: int, topic_id: str | None = None) -> str:
        """The answer for a topic-partition that this broker does not host: by metadata, others do or nobody does."""
        if topic_id is not None and topic_id not in self.image.topic_names:
            return errors.UNKNOWN_TOPIC_ID
        known = (self.image.topics.get(topic, ""), partition) in self.image.partitions
        return errors.NOT_LEADER_OR_FOLLOWER if known else errors.UNKNOWN_TOPIC_OR_PARTITION

    # --- metadata -------------------------------------------------------------------------------------------------

    def apply_delta(self, changed: list[tuple[str, int]], image: MetadataImage) -> None:
        """Take the roles that the image gives for the changed (topic id, partition) pairs."""
        for topic_id, index in changed:
            state = image.partitions.get((topic_id, index))
            if state is None or self._node.node_id not in state.replicas:
                self.stop(topic_id, index)
            else:
                self.take_role(image.topic_names[topic_id], topic_id, index, state)

    def take_role(self, topic: str, topic_id: str, index: int, state: PartitionRegistration) -> None:
        """Lead or follow as the state says; what is older than the partition's own epochs changes nothing."""
        self.follower_fetches.changes += 1
        partition = self._host(topic, topic_id, index)
        old_epoch, old_leader = partition.leader_epoch, partition.leader_id
        if state.leader == self._node.node_id:
            partition.become_leader(state)
            if partition.leader_epoch > old_epoch:
                self._forget_fetching(partition, old_leader)
                self._drop_waiting_fetches(partition)
                for listener in self.partition_listeners:
                    listener.on_become_leader(partition.topic, index, partition.leader_epoch)
        elif partition.become_follower(state):
            self._forget_fetching(partition, old_leader)
            self._drop_waiting_fetches(partition)
            for listener in self.partition_listeners:
                listener.on_resign(partition.topic, index, partition.leader_epoch)
            if state.leader >= 0:
                self._fetcher(state.leader).add(partition)

    def _host(self, topic: str, topic_id: str, index: int) -> Partition:
        name = f"{topic}-{index}"
        partition = self.partitions.get(name)
        if partition is not None and partition.topic_id != topic_id:
            self.stop(partition.topic_id, index)
            partition = None
        if partition is None:
            log = self._logs.open(name, topic_id)
            partition = self._composer(Partition)(self._node, self._config, self, topic, topic_id, index, log)
            partition.high_watermark = self._checkpoint.high_watermark(log)
            self.partitions[name] = partition
            self._hosted[(topic_id, index)] = name
            value = {
                "topic_id": topic_id, "log_start_offset": log.start_offset, "end_offset": log.end_offset,
                "high_watermark": partition.high_watermark,
            }
            self._node.observe("log-opened", key=name, value=value)
        return partition

    def stop(self, topic_id: str, index: int) -> None:
        """Host the replica no longer, and delete its log."""
        name = self._hosted.pop((topic_id, index), None)
        if name is None:
            return
        self.follower_fetches.changes += 1
        partition = self.partitions.pop(name)
        self._forget_fetching(partition, partition.leader_id)
        partition.role = None
        partition.fail_waiting(self.missing_error(partition.topic, index))
        self._drop_waiting_fetches(partition)
        self._logs.delete(partition.log.name)
        value = {"topic_id": topic_id, "deleted": True}
        self._node.observe("replica-stopped", key=name, value=value, leader_epoch=partition.leader_epoch)
        for listener in self.partition_listeners:
            listener.on_resign(partition.topic, index, None)

    def logged_topic_id(self, topic: str, index: int) -> str | None:
        """The topic id of the topic-partition's log, hosted or left on disk; None without one."""
        partition = self.partitions.get(f"{topic}-{index}")
        return self._logs.topic_id(f"{topic}-{index}") if partition is None else partition.topic_id

    def delete_log(self, topic: str, topic_id: str, index: int, leader_epoch: int) -> None:
        """Delete a log that is on disk and not hosted (any more, or not yet since the process started)."""
        name = f"{topic}-{index}"
        self._logs.delete(f"{name}/{topic_id}")
        value = {"topic_id": topic_id, "deleted": True}
        self._node.observe("replica-stopped", key=name, value=value, leader_epoch=leader_epoch)

    def _fetcher(self, leader_id: int) -> ReplicaFetcher:
        fetcher = self._fetchers.get(leader_id)
        if fetcher is None:
            fetcher = self._composer(ReplicaFetcher)(self._node, self._config, self, leader_id)
            self._fetchers[leader_id] = fetcher
        return fetcher

    def _forget_fetching(self, partition: Partition, leader_id: int) -> None:
        fetcher = self._fetchers.get(leader_id)
        if fetcher is not None:
            fetcher.remove(partition)

    # --- what others are told -------------------------------------------------------------------------------------

    def _drop_waiting_fetches(self, partition: Partition) -> None:
        """The role changed: everybody who waits learns it now."""
        self.follower_fetches.wake(partition)
        self.consumer_requests.complete(partition, everyone=True)

    def on_high_watermark(self, partition: Partition) -> None:
        """The high watermark moved: consumers may read on."""
        self.follower_fetches.changes += 1
        self.consumer_requests.complete(partition, everyone=False)
        self.tell_high_watermark(partition)

    def tell_high_watermark(self, partition: Partition) -> None:
        """Let the listeners know, leader or follower."""
        for listener in self.partition_listeners:
            listener.on_high_watermark(
                partition.topic, partition.index, partition.leader_epoch, partition.high_watermark)

    # --- periodic work --------------------------------------------------------------------------------------------

    def _shrink_isrs(self) -> None:
        for partition in list(self.partitions.values()):
            partition.maybe_shrink_isr()
        self._node.schedule(self._config.replica_lag_time_max_us // 2, self._shrink_isrs)

    def _write_checkpoint(self) -> None:
        if self._checkpoint.write(self.partitions.values()):
            self._node.schedule(self._config.replica_high_watermark_checkpoint_interval_us, self._write_checkpoint)
