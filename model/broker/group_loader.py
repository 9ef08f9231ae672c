"""Which partitions of __consumer_offsets a broker coordinates: elections, resignations, loading, appending
(GroupMetadataManager, CoordinatorRuntime).

A broker that becomes the leader of a partition reads it from its log start to its log end, which is looked up anew at
each step, and serves its groups only when it has reached the end; a load that stops early leaves the partition unserved
(KAFKA-16030; 3.9 serves what it has got). Elections and resignations are handled by a pool of background threads of
which some are busy, so they may be overtaken by later ones: an older epoch never undoes a newer one (KAFKA-10614).

An election in the epoch after the one that is served leaves the cache alone: nobody else has led in between. After a
gap it is loaded anew, because the resignation in between may have been overtaken. Kafka, whose threads keep the order
of one partition, leaves the cache alone in both cases.

Appends are made in the coordinator's epoch. One that the log has taken stays pending until the high watermark passes
it, it times out, or the partition is unloaded; what it changed is in the log and is not taken back.
"""

from collections.abc import Callable
from typing import Any

from fencepost.model import errors
from fencepost.model.broker.coordinator_log import CoordinatorLog
from fencepost.model.broker.group_partition import GroupPartition, KeyValue, Write
from fencepost.model.broker.group_records import OFFSETS_TOPIC, group_partition
from fencepost.model.config import BYTES_PER_RECORD, KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import cancel
from fencepost.model.metadata.image import MetadataImage

#: How often a background thread is busy with something else, one in so many, and for how long at most.
BUSY_ONE_IN = 4
BUSY_US = 1_000_000

#: What the log's errors are to a group's client; all others are COORDINATOR_NOT_AVAILABLE.
_NOT_COORDINATOR = (errors.NOT_LEADER_OR_FOLLOWER, errors.KAFKA_STORAGE_ERROR)
#: The role was lost after the append: the fate of the record is no longer this log's to tell.
_ROLE_LOST = (errors.NOT_LEADER_OR_FOLLOWER, errors.UNKNOWN_TOPIC_OR_PARTITION)


class GroupLoader:
    """The partitions that one broker coordinates; a listener of the replica manager."""

    def __init__(
        self, node: Node, config: KafkaConfig, log: CoordinatorLog, image: MetadataImage
    ) -> None:
        self._node = node
        self._config = config
        self._log = log
        self._image = image
        self._homes: dict[int, GroupPartition] = {}
        #: The newest coordinator epoch that was handled, and that was told, for each partition.
        self._epochs: dict[int, int] = {}
        self._told: dict[int, int] = {}
        self._stream = node.simulation.streams(f"group threads {node.node_id}")
        self._load_records = max(1, config.offsets_load_buffer_size // BYTES_PER_RECORD)

    # --- what the replica manager tells ---------------------------------------------------------------------------

    def on_become_leader(self, topic: str, partition: int, leader_epoch: int) -> None:
        """See `PartitionListener`."""
        if topic == OFFSETS_TOPIC:
            self._told[partition] = leader_epoch
            self._on_background_thread(self._elected, partition, leader_epoch)

    def on_resign(self, topic: str, partition: int, leader_epoch: int | None) -> None:
        """See `PartitionListener`. Without an epoch, the replica is gone: in the last epoch that was told."""
        if topic == OFFSETS_TOPIC:
            epoch = self._told.get(partition, -1) if leader_epoch is None else leader_epoch
            self._told[partition] = epoch
            self._on_background_thread(self._resigned, partition, epoch)

    def on_high_watermark(self, topic: str, partition: int, leader_epoch: int, high_watermark: int) -> None:
        """See `PartitionListener`."""
        if topic == OFFSETS_TOPIC:
            home = self._homes.get(partition)
            if home is not None and home.loaded and not self.is_another_epochs(home, leader_epoch):
                self._settle(home, high_watermark)

    def _on_background_thread(self, work: Callable[..., None], *args: Any) -> None:
        physics = self._node.simulation.physics
        delay_us = physics.drawn_us(physics.queue_latency_us, self._stream)
        if self._stream.chance(1, BUSY_ONE_IN):
            delay_us += self._stream.below(BUSY_US)
        self._node.schedule(delay_us, work, *args)

    # --- the guards -----------------------------------------------------------------------------------------------

    def is_overtaken(self, partition: int, epoch: int) -> bool:
        """Whether a newer election or resignation was handled before this one (KAFKA-10614)."""
        return epoch < self._epochs.get(partition, -1)

    def is_cache_current(self, home: GroupPartition, epoch: int) -> bool:
        """Whether what is loaded, or is being loaded, still stands in a newly won epoch."""
        return home.epoch <= epoch <= home.epoch + 1

    def is_loaded(self, position: int, end_offset: int, error: str | None) -> bool:
        """Whether everything was read: up to the log end as it is now, and without an error (KAFKA-16030)."""
        return error is None and position >= end_offset

    def is_another_epochs(self, home: GroupPartition, leader_epoch: int) -> bool:
        """Whether a high watermark is of another epoch's log than the one that was written to (KAFKA-20634)."""
        return home.epoch != leader_epoch

    # --- elections and resignations -------------------------------------------------------------------------------

    def _elected(self, partition: int, epoch: int) -> None:
        if self.is_overtaken(partition, epoch):
            return
        self._epochs[partition] = epoch
        home = self._homes.get(partition)
        if home is not None and not self.is_cache_current(home, epoch):
            self._unload(home)
            home = None
        if home is None:
            home = self._homes[partition] = GroupPartition(partition, epoch)
            self._observe("coordinator-loading", home)
            self._node.at_point("coordinator.loading")
            self._load_later(home)
        elif home.epoch != epoch:
            home.epoch = epoch
            if home.loaded:
                self._observe("coordinator-loaded", home, self._extent(home))
                self._settle(home, self._high_watermark(home))

    def _resigned(self, partition: int, epoch: int) -> None:
        if self.is_overtaken(partition, epoch):
            return
        self._epochs[partition] = epoch
        home = self._homes.get(partition)
        if home is not None:
            self._unload(home)

    def _unload(self, home: GroupPartition) -> None:
        """Forget everything; whoever waits is told to look for the coordinator."""
        del self._homes[home.index]
        self.on_unloaded(home)
        writes, home.writes = home.writes, []
        for write in writes:
            write.settle(errors.NOT_COORDINATOR)
        self._observe("coordinator-unloaded", home)

    # --- loading --------------------------------------------------------------------------------------------------

    def _load_later(self, home: GroupPartition) -> None:
        """The next step, after a read of the disk."""
        physics = self._node.simulation.physics
        self._node.schedule(physics.drawn_us(physics.fsync_latency_us, self._stream), self._load, home)

    def _load(self, home: GroupPartition) -> None:
        if self._homes.get(home.index) is not home:
            return
        error, records, end_offset = self._log.read_log(
            OFFSETS_TOPIC, home.index, home.end_offset, self._load_records, required_leader_epoch=home.epoch)
        for record in records:
            home.replay(record.offset, record.key, record.value)
        if error is None and not records:
            home.end_offset = end_offset
        if self.is_loaded(home.end_offset, end_offset, error):
            self._serve(home, end_offset)
        elif error is not None:
            self._unload(home)
        else:
            self._load_later(home)

    def _serve(self, home: GroupPartition, log_end_offset: int) -> None:
        home.loaded = True
        value = {"loaded_to": home.end_offset, "log_end_offset": log_end_offset}
        self._observe("coordinator-loaded", home, value)
        self._settle(home, self._high_watermark(home))
        self.on_loaded(home)
        self._node.at_point("coordinator.loaded")

    def _high_watermark(self, home: GroupPartition) -> int:
        return self._log.read_log(OFFSETS_TOPIC, home.index, home.end_offset, 0, "high_watermark")[2]

    @staticmethod
    def _extent(home: GroupPartition) -> dict[str, int]:
        return {"loaded_to": home.end_offset, "log_end_offset": home.end_offset}

    def on_loaded(self, home: GroupPartition) -> None:
        """The partition is served from now on."""

    def on_unloaded(self, home: GroupPartition) -> None:
        """The partition is not served any more."""

    # --- appending ------------------------------------------------------------------------------------------------

    def append(self, home: GroupPartition, records: list[KeyValue]) -> Write:
        """Append with acks=all in the coordinator's epoch; offsets take effect at once."""
        write = Write()
        write.base_offset = self._log.append_records(
            OFFSETS_TOPIC, home.index, records, home.epoch, self._config.offsets_commit_timeout_us, self._on_appended,
            home, write)
        if not write.refused:
            write.end_offset = home.end_offset = write.base_offset + len(records)
            if not write.settled:
                home.writes.append(write)
        return write

    def _on_appended(self, error: str | None, base_offset: int, home: GroupPartition, write: Write) -> None:
        if base_offset < 0 or error not in _ROLE_LOST:
            if error is None:
                # Acknowledged, perhaps by a newer epoch of this same leader of which the coordinator does not know yet.
                home.settle(max(home.high_watermark, write.end_offset))
            self._settle_write(home, write, error)

    @staticmethod
    def _settle_write(home: GroupPartition, write: Write, error: str | None) -> None:
        if write in home.writes:
            home.writes.remove(write)
        if error is None:
            write.settle(None)
        else:
            write.settle(errors.NOT_COORDINATOR if error in _NOT_COORDINATOR else errors.COORDINATOR_NOT_AVAILABLE)

    def _settle(self, home: GroupPartition, high_watermark: int) -> None:
        """The high watermark has moved: what lies below it is committed."""
        home.settle(high_watermark)
        for write in [write for write in home.writes if write.end_offset <= high_watermark]:
            self._settle_write(home, write, None)
        for fetch in [fetch for fetch in home.fetches if fetch.end_offset <= high_watermark]:
            home.fetches.remove(fetch)
            cancel(fetch.timer)
            fetch.reply.send(fetch.response)

    # --- which group lives where ----------------------------------------------------------------------------------

    def partition_of(self, group_id: str) -> int:
        """The partition of __consumer_offsets that a group belongs to."""
        topic_id = self._image.topics.get(OFFSETS_TOPIC, "")
        count = self._image.partition_counts.get(topic_id, 0) or self._config.offsets_topic_num_partitions
        return group_partition(group_id, count)

    def home_of(self, group_id: str) -> tuple[GroupPartition | None, str | None]:
        """The group's partition if it is served here, else the error to answer."""
        home = self._homes.get(self.partition_of(group_id))
        if home is None:
            return None, errors.NOT_COORDINATOR
        return (home, None) if home.loaded else (None, errors.COORDINATOR_LOAD_IN_PROGRESS)

    def _observe(self, f: str, home: GroupPartition, value: dict[str, int] | None = None) -> None:
        self._node.observe(f, key=f"{OFFSETS_TOPIC}-{home.index}", value=value, coordinator_epoch=home.epoch)
