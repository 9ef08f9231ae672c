"""The controller of KRaft mode (KIP-500, KIP-631): an event queue over a state that runs ahead of what is committed.

Every request, commit and periodic task is an event of one queue, so operations never overlap. The active controller
appends an operation's records, applies them at once to its image (the optimistic state, with a list of what to undo),
and answers only once they are committed. An operation without records is a read that may show what is not committed:
its answer waits for everything pending, and with nothing pending is given at once, even by a controller that has been
deposed without knowing it. Standbys apply what is committed, so that taking over needs no reload.

A controller claims once its listener has consumed the epoch's own LeaderChange record (KAFKA-15345), with fresh soft
state. It renounces when Raft tells of another leader or epoch, or when an append is refused: then it resigns, answers
what is pending with NOT_CONTROLLER (it may commit all the same) and takes its state back to what is committed.

Left out: request deadlines in the queue, controller registrations, KIP-868 transactions (a result above the limit of a
batch is split, also where Kafka would refuse it), and metrics. A fatal fault, as in Kafka, ends the process: a snapshot
loaded while active, or a record that does not fit the image.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from fencepost.model import errors
from fencepost.model.composition import Composer
from fencepost.model.config import BYTES_PER_RECORD, KafkaConfig
from fencepost.model.controller.acl_control import AclControl
from fencepost.model.controller.admin_control import AdminControl
from fencepost.model.controller.cluster_control import ClusterControl
from fencepost.model.controller.configuration_control import ELR_FEATURE, ConfigurationControl
from fencepost.model.controller.optimistic_state import OptimisticState
from fencepost.model.controller.periodic_tasks import PeriodicTask, PeriodicTasks
from fencepost.model.controller.replication_control import ReplicationControl
from fencepost.model.controller.result import ApiError, Evidence, Result, described
from fencepost.model.controller.topic_control import TopicControl
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.metadata.records import FeatureLevelRecord, NoOpRecord
from fencepost.model.protocol.controller import (
    AdminRequest,
    AdminResponse,
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
    AlterPartitionRequest,
    AlterPartitionResponse,
    BrokerHeartbeatRequest,
    BrokerHeartbeatResponse,
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
    EnvelopeRequest,
)
from fencepost.model.protocol.raft import Batch, LeaderChange, SnapshotId
from fencepost.model.raft.leader import NotLeaderError
from fencepost.model.raft.listener import RaftListener

#: metadata.version 4.0-IV3.
METADATA_VERSION_LEVEL = 25
#: The claimed epoch of a controller that is not active.
NOT_ACTIVE = -1


class MetadataQuorum(Protocol):
    """What the controller needs of the Raft replica."""

    state: str
    epoch: int

    @property
    def high_watermark(self) -> int | None:
        """What is committed, as far as the replica knows."""

    @property
    def next_offset(self) -> int:
        """The offset that the next appended record gets."""

    def register(self, listener: RaftListener) -> None:
        """Tell `listener` of commits, snapshots and leaders."""

    def append(self, epoch: int, records: tuple[Any, ...]) -> int:
        """Append one batch; its first offset. Raises NotLeaderError."""

    def resign(self, epoch: int) -> None:
        """Give up the leadership of that epoch; harmless when it is over."""

    def freeze_snapshot(self, snapshot_id: SnapshotId, entries: tuple[Any, ...], digest: str) -> bool:
        """Write a snapshot of the committed state."""


class Deferred(NamedTuple):
    """An answer that waits until `offset` is committed; `reply` is None when nobody waits."""

    offset: int
    reply: Reply | None
    response: Any


class QuorumController:
    """One controller process; a `RaftListener`.

    image: the optimistic state while active, the committed one otherwise.
    controller_epoch: the claimed epoch, NOT_ACTIVE on standbys.
    next_write_offset: where this controller's next append goes, by its own count.
    """

    def __init__(self, node: Node, config: KafkaConfig, raft: MetadataQuorum, composer: Composer) -> None:
        self._node = node
        self._incarnation = node.incarnation
        self._config = config
        self._raft = raft
        self._state = OptimisticState()
        self.image = self._state.image
        self.configuration = ConfigurationControl(config, self.image)
        self.replication = composer(ReplicationControl)(self.image, self.configuration)
        self.cluster = composer(ClusterControl)(config, self.image, self.configuration, self.replication)
        topics = TopicControl(
            config, self.image, self.replication, node.simulation.streams(f"controller {node.node_id}"))
        self._admin = AdminControl(
            config, self.cluster, topics, self.replication, self.configuration,
            composer(AclControl)(self.image))
        self._tasks = PeriodicTasks(node, config, self.cluster, self.replication, self._task_is_due)
        self._queue: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._queue_stream = node.simulation.streams(f"controller queue {node.node_id}")
        self._deferred: deque[Deferred] = deque()
        self.controller_epoch = NOT_ACTIVE
        self.next_write_offset = -1
        self._leader_change = (NOT_ACTIVE, -1)
        self._working = False
        self._records_since_snapshot = 0
        self._last_snapshot_us = node.now_us
        self._snapshot_records = max(1, config.metadata_log_max_record_bytes_between_snapshots // BYTES_PER_RECORD)
        raft.register(self)
        node.handlers.update({
            BrokerRegistrationRequest: self.handle_broker_registration,
            BrokerHeartbeatRequest: self.handle_broker_heartbeat,
            AlterPartitionRequest: self.handle_alter_partition,
            AllocateProducerIdsRequest: self.handle_allocate_producer_ids,
            AdminRequest: self.handle_admin,
            EnvelopeRequest: self.handle_envelope,
        })

    def start(self) -> None:
        """Nothing to do before Raft has something to tell."""

    @property
    def is_active(self) -> bool:
        """Whether this controller believes itself to be the active one."""
        return self.controller_epoch != NOT_ACTIVE

    def describe(self) -> dict[str, Any]:
        """The controller's state as plain data; `metadata` is the committed part."""
        brokers = {
            str(broker.broker_id): {
                "broker_epoch": broker.broker_epoch, "fenced": broker.fenced,
                "in_controlled_shutdown": broker.in_controlled_shutdown,
            }
            for _, broker in sorted(self.image.brokers.items())
        }
        return {
            "active": self.is_active, "controller_epoch": self.controller_epoch,
            "metadata": {"offset": self._state.committed_end, "digest": self._state.committed_digest},
            "next_write_offset": self.next_write_offset if self.is_active else None,
            "pending_batches": self._state.pending_batches, "deferred": len(self._deferred), "brokers": brokers,
        }

    # --- requests -------------------------------------------------------------------------------------------------

    def handle_broker_registration(self, request: BrokerRegistrationRequest, reply: Reply) -> None:
        """BrokerRegistration."""
        self._enqueue(self._write, BrokerRegistrationResponse, reply, self._register_broker, request)

    def handle_broker_heartbeat(self, request: BrokerHeartbeatRequest, reply: Reply) -> None:
        """BrokerHeartbeat."""
        self._enqueue(self._write, BrokerHeartbeatResponse, reply, self._process_heartbeat, request)

    def handle_alter_partition(self, request: AlterPartitionRequest, reply: Reply) -> None:
        """AlterPartition."""
        self._enqueue(self._write, AlterPartitionResponse, reply, self.replication.alter_partition, request)

    def handle_allocate_producer_ids(self, request: AllocateProducerIdsRequest, reply: Reply) -> None:
        """AllocateProducerIds."""
        self._enqueue(self._write, AllocateProducerIdsResponse, reply, self.cluster.allocate_producer_ids, request)

    def handle_admin(self, request: AdminRequest, reply: Reply) -> None:
        """An administration request that came directly."""
        self._enqueue(self._write, AdminResponse, reply, self._admin.direct, request)

    def handle_envelope(self, request: EnvelopeRequest, reply: Reply) -> None:
        """An administration request that a broker authorised and forwards."""
        self._enqueue(self._write, AdminResponse, reply, self._admin.forwarded, request.request)

    def _register_broker(self, request: BrokerRegistrationRequest) -> Result:
        return self.cluster.register_broker(request, self.next_write_offset, self._node.now_us)

    def _process_heartbeat(self, request: BrokerHeartbeatRequest) -> Result:
        return self.cluster.process_heartbeat(request, self._node.now_us)

    def _task_is_due(self, task: PeriodicTask) -> None:
        self._enqueue(self._run_task, task, self.controller_epoch)

    # --- on the Raft thread -----------------------------------------------------------------------------------------

    def handle_commit(self, batches: tuple[Batch, ...]) -> None:
        """See `RaftListener`."""
        self._enqueue(self._on_commit, batches)

    def handle_load_snapshot(self, snapshot_id: SnapshotId, entries: tuple[Any, ...]) -> None:
        """See `RaftListener`."""
        self._enqueue(self._on_load_snapshot, snapshot_id, entries)

    def handle_leader_change(self, leader_id: int | None, epoch: int) -> None:
        """See `RaftListener`."""
        self._enqueue(self._on_leader_change, leader_id, epoch)

    # --- the event queue ----------------------------------------------------------------------------------------------

    def _enqueue(self, event: Callable[..., None], *args: Any) -> None:
        self._queue.append((event, args))
        if len(self._queue) == 1:
            physics = self._node.simulation.physics
            latency_us = physics.drawn_us(physics.queue_latency_us, self._queue_stream)
            self._node.schedule(latency_us, self._run_events)

    def _run_events(self) -> None:
        """Run what is queued, in order; an event leaves the queue once it has run."""
        queue = self._queue
        while queue:
            event, args = queue[0]
            event(*args)
            if self._node.incarnation != self._incarnation or self._working:
                return
            queue.popleft()

    def _work_for(self, records: int, step: Callable[..., None], *args: Any) -> None:
        """Go on with `step` when the thread has worked out so many records; it ends the event under way."""
        work_us = self._config.partition_metadata_work_us * records
        if work_us:
            self._working = True
            self._node.schedule(work_us, self._go_on, step, args)
        else:
            step(*args)

    def _go_on(self, step: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._working = False
        step(*args)
        if self._node.incarnation == self._incarnation:
            self._queue.popleft()
            self._run_events()

    # --- operations -----------------------------------------------------------------------------------------------

    def _write(
        self, response_type: type, reply: Reply | None, operation: Callable[..., Result], *args: Any,
    ) -> None:
        """Run an operation and answer when what it decided, or what it saw, is committed (ControllerWriteEvent)."""
        if not self.is_active:
            _answer(reply, response_type(errors.NOT_CONTROLLER))
            return
        try:
            result = operation(*args)
        except ApiError as refusal:
            self._observe_all(refusal.evidence)
            _answer(reply, response_type(refusal.error))
            return
        self._work_for(len(result.records), self._finish_write, result, reply, response_type)

    def _finish_write(self, result: Result, reply: Reply | None, response_type: type) -> None:
        try:
            self._complete(result, reply)
        except NotLeaderError:
            _answer(reply, response_type(errors.NOT_CONTROLLER))
            self._renounce()

    def _complete(self, result: Result, reply: Reply | None) -> None:
        """Append the records and defer the answer. Raises NotLeaderError."""
        response = result.response
        if result.records:
            self._append(result.records)
        offset = self.next_write_offset - 1
        if result.after_append is not None:
            callback, args = result.after_append
            callback(*args, offset)
        if isinstance(response, AdminResponse):
            response.offset = offset
        self._observe_all(result.evidence)
        if result.records or self.must_wait_for_pending():
            self._deferred.append(Deferred(offset, reply, response))
        else:
            _answer(reply, response)
        for point in result.points:
            self._node.at_point(point)

    def must_wait_for_pending(self) -> bool:
        """A read saw the optimistic state, so its answer waits until everything in that is committed (KAFKA-14457)."""
        return bool(self._deferred)

    def _append(self, records: list[Any]) -> None:
        """Append, then apply to the optimistic state. Raises NotLeaderError, before anything has changed."""
        limit = self._config.max_records_per_batch
        for start in range(0, len(records), limit):
            self._append_batch(tuple(records[start:start + limit]))

    def _append_batch(self, records: tuple[Any, ...]) -> None:
        base_offset = self._raft.append(self.controller_epoch, records)
        self._state.apply_appended(records, base_offset, self.controller_epoch)
        self.next_write_offset = end_offset = base_offset + len(records)
        real = [described(record) for record in records if not isinstance(record, NoOpRecord)]
        if real:
            value = {"base_offset": base_offset, "end_offset": end_offset, "records": real}
            self._node.observe("metadata-write", value=value, controller_epoch=self.controller_epoch)
            self._node.at_point("controller.appended")

    def _run_task(self, task: PeriodicTask, controller_epoch: int) -> None:
        if not self.is_active or controller_epoch != self.controller_epoch:
            return
        result = task.operation()
        self._work_for(len(result.records), self._finish_task, task, result)

    def _finish_task(self, task: PeriodicTask, result: Result) -> None:
        self._tasks.schedule(task, more_to_do=bool(result.response))
        if result.records:
            try:
                self._complete(result, None)
            except NotLeaderError:
                self._renounce()

    def _observe_all(self, evidence: tuple[Evidence, ...]) -> None:
        for entry in evidence:
            self._node.observe(entry.f, entry.key, entry.value, entry.error, **entry.epochs)

    # --- taking and leaving office ----------------------------------------------------------------------------------

    def _on_leader_change(self, leader_id: int | None, epoch: int) -> None:
        if self.is_active:
            self._renounce()
        if leader_id == self._node.node_id:
            self._claim(epoch)

    def _claim(self, epoch: int) -> None:
        self.controller_epoch = epoch
        self.next_write_offset = self._raft.next_offset
        self.cluster.activate(self._node.now_us)
        led_epoch, epoch_start_offset = self._leader_change
        value = {
            "next_offset": self.image.next_offset,
            "epoch_start_offset": epoch_start_offset if led_epoch == epoch else self.next_write_offset - 1,
        }
        self._node.observe("controller-claimed", value=value, controller_epoch=epoch)
        self._node.at_point("controller.claimed")
        self._tasks.activate()
        self._write(AdminResponse, None, self._complete_activation)

    def _complete_activation(self) -> Result:
        """The bootstrap records, if nobody has written them yet (ActivationRecordsGenerator)."""
        if "feature metadata.version" in self.image.scalars:
            return Result()
        records = [FeatureLevelRecord("metadata.version", METADATA_VERSION_LEVEL)]
        if self._config.eligible_leader_replicas_enable:
            records.append(FeatureLevelRecord(ELR_FEATURE, 1))
        return Result(records)

    def _renounce(self) -> None:
        """No longer active: resign, fail what is deferred, take back what is not committed."""
        epoch = self.controller_epoch
        self._raft.resign(epoch)
        self.controller_epoch = NOT_ACTIVE
        self._tasks.deactivate()
        deferred, self._deferred = self._deferred, deque()
        for entry in deferred:
            if entry.reply is not None:
                entry.reply.send(type(entry.response)(errors.NOT_CONTROLLER))
        self._state.revert()
        value = {"reverted_to": self._state.committed_end}
        self._node.observe("controller-renounced", value=value, controller_epoch=epoch)

    # --- what is committed ------------------------------------------------------------------------------------------

    def _on_commit(self, batches: tuple[Batch, ...]) -> None:
        for batch in batches:
            if isinstance(batch.records[0], LeaderChange):
                self._leader_change = (batch.epoch, batch.base_offset)
            if self.is_active:
                self._state.commit_applied(batch)
            elif not self._replay(batch):
                self._halt(f"a record of the batch at offset {batch.base_offset} does not fit what was applied before")
                return
            self._observe_applied(batch)
            self._records_since_snapshot += len(batch.records)
            if self._is_snapshot_due(batch):
                self._create_snapshot(batch)
        if self.is_active:
            self._answer_deferred()

    def _replay(self, batch: Batch) -> bool:
        """Apply a batch on a standby; False if a record does not fit the image."""
        try:
            self._state.replay(batch)
        except KeyError:
            return False
        return True

    def _observe_applied(self, batch: Batch) -> None:
        records = [
            [offset, *described(record)] for offset, record in enumerate(batch.records, batch.base_offset)
            if not isinstance(record, (NoOpRecord, LeaderChange))
        ]
        if records:
            value = {
                "end_offset": batch.end_offset, "digest": self._state.committed_digest, "role": "controller",
                "records": records,
            }
            self._node.observe("metadata-applied", value=value, leader_epoch=batch.epoch)

    def _answer_deferred(self) -> None:
        deferred = self._deferred
        while deferred and deferred[0].offset < self._state.committed_end:
            entry = deferred.popleft()
            _answer(entry.reply, entry.response)

    # --- snapshots ------------------------------------------------------------------------------------------------

    def _is_snapshot_due(self, batch: Batch) -> bool:
        """Enough records or time since the last one, and Raft still knows that the batch is committed."""
        waited_us = self._node.now_us - self._last_snapshot_us
        enough = (
            self._records_since_snapshot >= self._snapshot_records
            or waited_us >= self._config.metadata_log_max_snapshot_interval_us
        )
        high_watermark = self._raft.high_watermark
        return enough and high_watermark is not None and batch.end_offset <= high_watermark

    def _create_snapshot(self, batch: Batch) -> None:
        self._records_since_snapshot = 0
        self._last_snapshot_us = self._node.now_us
        snapshot_id = SnapshotId(batch.end_offset, batch.epoch)
        self._raft.freeze_snapshot(snapshot_id, self._state.committed_entries(), self._state.committed_digest)

    def _on_load_snapshot(self, snapshot_id: SnapshotId, entries: tuple[Any, ...]) -> None:
        self._state.load(snapshot_id, entries)
        self._records_since_snapshot = 0
        value = {
            "end_offset": snapshot_id.end_offset, "epoch": snapshot_id.epoch, "digest": self.image.digest,
            "state": self._raft.state,
        }
        self._node.observe("raft-snapshot-loaded", value=value, leader_epoch=self._raft.epoch)
        if self.is_active:
            self._halt(f"it is active and was given {snapshot_id} to load")

    def _halt(self, reason: str) -> None:
        """A fatal fault: Kafka's fault handler ends the process."""
        self._node.observe("controller-fatal", value={"reason": reason}, leader_epoch=self._raft.epoch)
        self._node.kill()


def _answer(reply: Reply | None, response: Any) -> None:
    if reply is not None:
        reply.send(response)
