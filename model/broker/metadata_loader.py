"""The broker's metadata loader (MetadataLoader, BrokerMetadataPublisher): committed batches in, published deltas out.

Batches are applied in offset order on the loader's own thread. Nothing is published to the broker's components until
the controller has said that the broker caught up with its own registration: the first delta then covers everything.
"""

from collections.abc import Callable
from typing import Any, Protocol

from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.metadata.records import NO_LEADER_CHANGE, NoOpRecord, PartitionChangeRecord, PartitionRecord
from fencepost.model.protocol.raft import Batch, LeaderChange, SnapshotId
from fencepost.model.raft.replica import RaftReplica


class MetadataPublisher(Protocol):
    """Learns what changed, after the image has changed."""

    def publish(self, changes: list[tuple[str, Any]]) -> None:
        """`changes` are the (table, key) pairs of `MetadataImage` that differ since the last call."""


class MetadataLoader:
    """A `RaftListener` that keeps the broker's image."""

    def __init__(
        self, node: Node, config: KafkaConfig, raft: RaftReplica, image: MetadataImage, publisher: MetadataPublisher,
    ) -> None:
        self._node = node
        self._metadata_work_us = config.partition_metadata_work_us
        self._role_work_us = config.replica_role_work_us
        self._raft = raft
        self._publisher = publisher
        self._publishing = self._busy = False
        self._queue: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._stream = node.simulation.streams(f"queue {node.node_id}")
        self.image = image
        raft.register(self)

    def start_publishing(self) -> None:
        """Publish everything loaded so far, and every change from now on."""
        self._publishing = True
        self._publish()

    # --- on the Raft thread ---------------------------------------------------------------------------------------

    def handle_commit(self, batches: tuple[Batch, ...]) -> None:
        """See `RaftListener`."""
        self._enqueue(self._apply_all, batches)

    def handle_load_snapshot(self, snapshot_id: SnapshotId, entries: tuple[Any, ...]) -> None:
        """See `RaftListener`."""
        self._enqueue(self._load_snapshot, snapshot_id, entries)

    def handle_leader_change(self, leader_id: int | None, epoch: int) -> None:
        """Brokers ask their Raft replica for the leader when they need it."""

    def _enqueue(self, work: Callable[..., None], *args: Any) -> None:
        self._queue.append((work, args))
        if len(self._queue) == 1 and not self._busy:
            self._wake()

    def _wake(self) -> None:
        physics = self._node.simulation.physics
        self._node.schedule(physics.drawn_us(physics.queue_latency_us, self._stream), self._run)

    # --- on the loader's thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        """Do what is queued, once the time that it takes has passed."""
        queue, self._queue = self._queue, []
        work_us = sum(self._work_us(args) for _, args in queue) if self._metadata_work_us or self._role_work_us else 0
        if work_us:
            self._busy = True
            self._node.schedule(work_us, self._do_late, queue)
        else:
            self._do(queue)

    def _work_us(self, args: tuple[Any, ...]) -> int:
        """A snapshot's load takes nothing: it is of the start alone."""
        batches = args[0] if len(args) == 1 else ()
        records = [record for batch in batches for record in batch.records]
        return self._metadata_work_us * len(records) + self._role_work_us * sum(map(self._is_new_role, records))

    def _is_new_role(self, record: Any) -> bool:
        """Whether a replica here begins to lead or to follow by the record, judged by its replicas so far."""
        if isinstance(record, PartitionRecord):
            return self._node.node_id in record.replicas
        if not isinstance(record, PartitionChangeRecord) or record.leader == NO_LEADER_CHANGE:
            return False
        known = self.image.partitions.get((record.topic_id, record.partition))
        return known is not None and self._node.node_id in known.replicas

    def _do_late(self, queue: list[tuple[Callable[..., None], tuple[Any, ...]]]) -> None:
        self._busy = False
        if self._queue:
            self._wake()
        self._do(queue)

    def _do(self, queue: list[tuple[Callable[..., None], tuple[Any, ...]]]) -> None:
        for work, args in queue:
            work(*args)
        if self._publishing:
            self._publish()

    def _apply_all(self, batches: tuple[Batch, ...]) -> None:
        for batch in batches:
            self._apply(batch)

    def _apply(self, batch: Batch) -> None:
        image = self.image
        offset = batch.base_offset
        real = False
        for record in batch.records:
            image.apply(record, offset)
            offset += 1
            real = real or not isinstance(record, (NoOpRecord, LeaderChange))
        image.epoch = batch.epoch
        if real:
            value = {"end_offset": offset, "digest": image.digest, "role": "broker"}
            self._node.observe("metadata-applied", value=value, leader_epoch=batch.epoch)

    def _load_snapshot(self, snapshot_id: SnapshotId, entries: tuple[Any, ...]) -> None:
        self.image.load(entries, snapshot_id.end_offset, snapshot_id.epoch)
        value = {"end_offset": snapshot_id.end_offset, "epoch": snapshot_id.epoch, "digest": self.image.digest,
                 "state": self._raft.state}
        self._node.observe("raft-snapshot-loaded", value=value, leader_epoch=self._raft.epoch)

    def _publish(self) -> None:
        changes = self.image.drain_changes()
        if changes:
            self._publisher.publish(changes)
