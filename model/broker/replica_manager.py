"""All replicas of one broker: metadata turned into roles, requests dispatched, waiting fetches completed
(ReplicaManager.scala)."""

from typing import Any, Protocol

from fencepost.model import errors
from fencepost.model.broker.controller_channel import RequestChannel
from fencepost.model.broker.fetcher import ReplicaFetcher
from fencepost.model.broker.log_directory import LogDirectory
from fencepost.model.broker.partition import Partition
from fencepost.model.broker.partition_core import LEADER
from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.metadata.image import MetadataImage, PartitionRegistration
from fencepost.model.protocol.data import (
    FetchRequest,
    FetchResponse,
    FollowerFetchRequest,
    FollowerFetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    OffsetsForLeaderEpochRequest,
    OffsetsForLeaderEpochResponse,
    ProduceRequest,
    ProduceResponse,
    Record,
)

#: What a follower is told: its request's parts and their answers; parts without news are left out (KIP-227).
Answers = list[tuple[FetchRequest, FetchResponse]]

CHECKPOINT = "replication-offset-checkpoint"
LATEST = -1


class PartitionListener(Protocol):
    """Learns of leaderships, after the partition has taken its role."""

    def on_become_leader(self, topic: str, partition: int, leader_epoch: int) -> None:
        """This broker leads the partition in a new epoch."""

    def on_resign(self, topic: str, partition: int, leader_epoch: int | None) -> None:
        """This broker follows in that epoch, or (None) no longer hosts the partition."""

    def on_high_watermark(self, topic: str, partition: int, leader_epoch: int, high_watermark: int) -> None:
        """The replica's high watermark changed, as leader or as follower in that epoch."""


class ParkedFetch:
    """A fetch without news, waiting for some. `changes` is what the manager's count was when nothing at all was to be
    told, or -1 if the answer will carry something even if nothing happens."""

    __slots__ = ("_names", "changes", "reply", "request", "timer")

    def __init__(self, request: FollowerFetchRequest, reply: Reply, timer: Timer, changes: int) -> None:
        self.request = request
        self.reply = reply
        self.timer = timer
        self.changes = changes
        self._names: frozenset[str] | None = None

    def waits_for(self, name: str) -> bool:
        """Whether the topic-partition is one of those fetched."""
        if self._names is None:
            self._names = frozenset(part.name for part in self.request.partitions)
        return name in self._names


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
        self._parked: dict[int, ParkedFetch] = {}
        #: Counts what may matter to a fetch that waits: roles taken, records appended, high watermarks moved.
        self._changes = 0
        self._consumers: dict[str, list[tuple[FetchRequest, Reply, Timer]]] = {}
        self._checkpoint = node.disk.cell(CHECKPOINT, {})

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
        self._changes += 1
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
            known = self._checkpoint.value.get(log.name, 0)
            partition.high_watermark = max(log.start_offset, min(known, log.end_offset))
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
        self._changes += 1
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

    # --- producing ------------------------------------------------------------------------------------------------

    def handle_produce(self, request: ProduceRequest, reply: Reply) -> None:
        """Append and answer by the acks that were asked for. Produces carry no leader epoch."""
        partition = self.partitions.get(f"{request.topic}-{request.partition}")
        error = self._produce_error(partition, request)
        if error is not None or partition is None:
            self._answer_produce(error, reply, request, -1, -1)
            return
        base_offset = None
        if request.producer_id >= 0:
            base_offset = partition.producers.duplicate_of(request)
            error = None if base_offset is not None else partition.producers.refusal(request)
            if error is not None:
                self._answer_produce(error, reply, request, -1, -1)
                return
        if base_offset is None and partition.log.write_fails():
            self._answer_produce(errors.KAFKA_STORAGE_ERROR, reply, request, -1, -1)
            return
        records: tuple[Record, ...] = ()
        epoch = partition.leader_epoch
        if base_offset is None:
            records = partition.append_as_leader(
                request.values, request.keys, request.producer_id, request.producer_epoch, request.base_sequence)
            base_offset = records[0].offset
        if request.acks == -1:
            partition.wait_for_commit(
                records, base_offset + len(request.values), request.timeout_us, self._answer_produce, reply, request,
                base_offset, epoch)
        else:
            self._answer_produce(None, reply, request, base_offset, epoch)

    def _produce_error(self, partition: Partition | None, request: ProduceRequest) -> str | None:
        if partition is None:
            return self.missing_error(request.topic, request.partition)
        if partition.role != LEADER:
            return errors.NOT_LEADER_OR_FOLLOWER
        if request.acks == -1 and not partition.has_enough_replicas():
            return errors.NOT_ENOUGH_REPLICAS
        return None

    @staticmethod
    def _answer_produce(error: str | None, reply: Reply, request: ProduceRequest, base_offset: int, epoch: int) -> None:
        if request.acks != 0:
            reply.send(ProduceResponse(error, base_offset, epoch) if error is None else ProduceResponse(error))

    def append_records(
        self, topic: str, partition: int, records: list[tuple[object, object]], required_leader_epoch: int | None,
        timeout_us: int, callback: Any, *context: Any,
    ) -> int:
        """Append (key, value) pairs with acks=all for a coordinator; `callback(error or None, base offset,
        *context)`. Returns the base offset, -1 (as to the callback, which has then been called) if refused."""
        hosted = self.partitions.get(f"{topic}-{partition}")
        if hosted is None or hosted.role != LEADER or (
            required_leader_epoch is not None and hosted.leader_epoch != required_leader_epoch
        ):
            callback(errors.NOT_LEADER_OR_FOLLOWER, -1, *context)
            return -1
        if not hosted.has_enough_replicas():
            callback(errors.NOT_ENOUGH_REPLICAS, -1, *context)
            return -1
        if hosted.log.write_fails():
            callback(errors.KAFKA_STORAGE_ERROR, -1, *context)
            return -1
        written = hosted.append_as_leader(tuple(value for _, value in records), tuple(key for key, _ in records))
        hosted.wait_for_commit(written, written[-1].offset + 1, timeout_us, callback, written[0].offset, *context)
        return written[0].offset

    def read_log(
        self, topic: str, partition: int, from_offset: int, max_records: int, isolation: str = "log_end",
        required_leader_epoch: int | None = None,
    ) -> tuple[str | None, tuple[Record, ...], int]:
        """(error, records, end offset) of a partition that this broker leads, for a coordinator that loads."""
        hosted = self.partitions.get(f"{topic}-{partition}")
        if hosted is None or hosted.role != LEADER or required_leader_epoch not in (None, hosted.leader_epoch):
            return errors.NOT_LEADER_OR_FOLLOWER, (), -1
        end_offset = hosted.log.end_offset if isolation == "log_end" else hosted.high_watermark
        begin = max(from_offset, hosted.log.start_offset)
        return None, hosted.log.read(begin, max_records, end_offset), end_offset

    # --- being fetched from ---------------------------------------------------------------------------------------

    def handle_follower_fetch(self, request: FollowerFetchRequest, reply: Reply) -> None:
        """Answer with what is new, or wait for it up to the request's time."""
        parked = self._parked.pop(request.replica_id, None)
        if parked is not None:
            cancel(parked.timer)
        answers, urgent = self._look_for_news(request, reply, True)
        if urgent or request.max_wait_us <= 0:
            self._answer_follower(reply, answers)
        else:
            timer = self._node.schedule(request.max_wait_us, self._expire_parked, request.replica_id)
            self._parked[request.replica_id] = ParkedFetch(request, reply, timer, -1 if answers else self._changes)

    def _look_for_news(self, request: FollowerFetchRequest, reply: Reply, count: bool) -> tuple[Answers, bool]:
        """What a follower is to be told now, and whether it is worth an answer before the fetch's time is over."""
        answers: Answers = []
        urgent = False
        for part in request.partitions:
            partition = self.partitions.get(part.name)
            if partition is None:
                answers.append((part, FetchResponse(self.missing_error(part.topic, part.partition, part.topic_id))))
                urgent = True
                continue
            if partition.is_idle(part) and not self._is_news(partition, part, reply):
                if count:
                    partition.note_fetch(part)
                continue
            answer = partition.fetch(part, count)
            if answer.error is not None or answer.records or answer.diverging is not None:
                urgent = True
            elif not self._is_news(partition, part, reply):
                continue
            answers.append((part, answer))
        return answers, urgent

    def _answer_follower(self, reply: Reply, answers: Answers) -> None:
        for part, answer in answers:
            partition = self.partitions.get(part.name)
            if partition is not None and answer.error is None and part.replica_id in partition.followers:
                partition.followers[part.replica_id].told = (reply.connection, answer.high_watermark)
        reply.send(FollowerFetchResponse(tuple(answers)))

    @staticmethod
    def _is_news(partition: Partition, part: FetchRequest, reply: Reply) -> bool:
        """Whether the follower has not been told this high watermark over this connection."""
        follower = partition.followers.get(part.replica_id)
        return follower is None or follower.told is None or (
            follower.told[0] is not reply.connection or follower.told[1] != partition.high_watermark)

    def _expire_parked(self, replica_id: int) -> None:
        parked = self._parked.pop(replica_id, None)
        if parked is None:
            return
        request, reply = parked.request, parked.reply
        answers: Answers = []
        if parked.changes != self._changes:
            answers, _ = self._look_for_news(request, reply, False)
        self._answer_follower(reply, answers)

    def on_append(self, partition: Partition) -> None:
        """Records were appended: followers that wait for them get them."""
        self._changes += 1
        for replica_id in partition.followers:
            parked = self._parked.get(replica_id)
            if parked is None:
                continue
            answers, urgent = self._look_for_news(parked.request, parked.reply, False)
            if urgent:
                self._answer_follower(parked.reply, answers)
                cancel(parked.timer)
                del self._parked[replica_id]

    def _drop_waiting_fetches(self, partition: Partition) -> None:
        """The role changed: everybody who waits learns it now."""
        for replica_id in list(self._parked):
            parked = self._parked[replica_id]
            if parked.waits_for(partition.name):
                cancel(parked.timer)
                self._expire_parked(replica_id)
        self._complete_consumers(partition, everyone=True)

    def handle_fetch(self, request: FetchRequest, reply: Reply) -> None:
        """A consumer's fetch: below the high watermark, waiting when there is nothing yet."""
        name = request.name
        partition = self.partitions.get(name)
        if partition is None:
            reply.send(FetchResponse(self.missing_error(request.topic, request.partition, request.topic_id)))
            return
        answer = partition.fetch(request, False)
        if answer.error is not None or answer.records or answer.diverging is not None or request.max_wait_us <= 0:
            reply.send(answer)
        else:
            timer = self._node.schedule(request.max_wait_us, self._expire_consumer, name, reply)
            self._consumers.setdefault(name, []).append((request, reply, timer))

    def on_high_watermark(self, partition: Partition) -> None:
        """The high watermark moved: consumers may read on."""
        self._changes += 1
        self._complete_consumers(partition, everyone=False)
        self.tell_high_watermark(partition)

    def tell_high_watermark(self, partition: Partition) -> None:
        """Let the listeners know, leader or follower."""
        for listener in self.partition_listeners:
            listener.on_high_watermark(
                partition.topic, partition.index, partition.leader_epoch, partition.high_watermark)

    def _complete_consumers(self, partition: Partition, everyone: bool) -> None:
        still = []
        for request, reply, timer in self._consumers.pop(partition.name, ()):
            if everyone or partition.high_watermark > request.fetch_offset:
                cancel(timer)
                reply.send(partition.fetch(request, False))
            else:
                still.append((request, reply, timer))
        if still:
            self._consumers[partition.name] = still

    def _expire_consumer(self, name: str, reply: Reply) -> None:
        waiting = self._consumers.get(name, [])
        for place, (request, other, _) in enumerate(waiting):
            if other is reply:
                del waiting[place]
                partition = self.partitions.get(name)
                missing = self.missing_error(request.topic, request.partition, request.topic_id)
                reply.send(FetchResponse(missing) if partition is None else partition.fetch(request, False))
                return

    def handle_offsets_for_leader_epoch(self, request: OffsetsForLeaderEpochRequest, reply: Reply) -> None:
        """Where an epoch ends in the leader's log."""
        partition = self.partitions.get(f"{request.topic}-{request.partition}")
        if partition is None:
            reply.send(OffsetsForLeaderEpochResponse(self.missing_error(request.topic, request.partition)))
            return
        error = partition.epoch_error(request.current_leader_epoch)
        if error is None and partition.role != LEADER:
            error = errors.NOT_LEADER_OR_FOLLOWER
        if error is not None:
            reply.send(OffsetsForLeaderEpochResponse(error))
        else:
            reply.send(OffsetsForLeaderEpochResponse(None, *partition.log.end_offset_for_epoch(request.leader_epoch)))

    def handle_list_offsets(self, request: ListOffsetsRequest, reply: Reply) -> None:
        """The earliest offset, with its epoch; or the high watermark, with the leader's, once it has reached the
        beginning of that."""
        partition = self.partitions.get(f"{request.topic}-{request.partition}")
        if partition is None:
            reply.send(ListOffsetsResponse(self.missing_error(request.topic, request.partition)))
            return
        error = partition.epoch_error(request.current_leader_epoch)
        if error is None and partition.role != LEADER:
            error = errors.NOT_LEADER_OR_FOLLOWER
        if error is None and request.timestamp == LATEST and partition.high_watermark < partition.epoch_start_offset:
            error = errors.OFFSET_NOT_AVAILABLE
        if error is not None:
            reply.send(ListOffsetsResponse(error))
            return
        if request.timestamp == LATEST:
            reply.send(ListOffsetsResponse(None, partition.high_watermark, partition.leader_epoch))
        else:
            reply.send(ListOffsetsResponse(None, partition.log.start_offset, partition.log.start_epoch))

    # --- periodic work --------------------------------------------------------------------------------------------

    def _shrink_isrs(self) -> None:
        for partition in list(self.partitions.values()):
            partition.maybe_shrink_isr()
        self._node.schedule(self._config.replica_lag_time_max_us // 2, self._shrink_isrs)

    def _write_checkpoint(self) -> None:
        if self._node.disk.write_fails(CHECKPOINT):
            return
        self._checkpoint.write({
            partition.log.name: partition.high_watermark for partition in self.partitions.values()})
        self._checkpoint.synced(self._checkpoint.written())
        self._node.schedule(self._config.replica_high_watermark_checkpoint_interval_us, self._write_checkpoint)
