"""One partition on one broker: leader or follower, its ISR, its high watermark (Partition.scala, UnifiedLog.scala).

The ISR of a leader is committed or has one change pending. While an expansion is pending the maximal ISR already counts
the new member, while a shrink is pending it still counts the old ones (KIP-497): whatever the controller decides, every
record below the high watermark is on all members. Metadata that carries the partition epoch that the leader already
has leaves a pending change pending (3.9 wipes it out).

Left out: transactions (the last stable offset is the high watermark), the leader recovery state, log segments.
"""

from typing import Any, NamedTuple

from fencepost.model import errors
from fencepost.model.broker.producer_state import ProducerState
from fencepost.model.broker.replica_log import UNDEFINED, ReplicaLog
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.metadata.image import PartitionRegistration
from fencepost.model.protocol.controller import AlterPartitionRequest, AlterPartitionResponse
from fencepost.model.protocol.data import FetchRequest, FetchResponse, Record

LEADER = "leader"
FOLLOWER = "follower"

#: AlterPartition errors after which the change stays pending until metadata resolves it.
_WAIT_FOR_METADATA = (
    errors.FENCED_LEADER_EPOCH, errors.INVALID_UPDATE_VERSION, errors.UNKNOWN_TOPIC_OR_PARTITION,
    errors.UNKNOWN_TOPIC_ID, errors.INVALID_REQUEST, errors.NEW_LEADER_ELECTED,
)


class FollowerState:
    """What the leader knows of a follower; `end_offset` -1 until it has fetched in this epoch."""

    __slots__ = (
        "broker_epoch", "end_offset", "last_caught_up_us", "last_fetch_leader_end_offset", "last_fetch_us", "told",
    )

    def __init__(self, caught_up_us: int) -> None:
        self.end_offset = -1
        self.last_fetch_us = 0
        self.last_fetch_leader_end_offset = 0
        self.last_caught_up_us = caught_up_us
        self.broker_epoch = -1
        #: (connection, high watermark) of the last response: what the incremental fetch session has told it.
        self.told: tuple[Any, int] | None = None


class PendingIsr(NamedTuple):
    """A change of the ISR on its way to the controller."""

    isr: tuple[int, ...]
    maximal: tuple[int, ...]
    partition_epoch: int


class Waiting(NamedTuple):
    """A produce with acks=all that waits for the high watermark."""

    required_offset: int
    leader_epoch: int
    answer: Any
    context: tuple[Any, ...]
    deadline_us: int
    records: tuple[Record, ...]


class Partition:
    """The partition's replica on this broker. `manager` sends its requests and wakes its waiters."""

    def __init__(
        self, node: Node, config: KafkaConfig, manager: Any, topic: str, topic_id: str, index: int, log: ReplicaLog
    ) -> None:
        self._node = node
        self._config = config
        self._manager = manager
        self.topic = topic
        self.topic_id = topic_id
        self.index = index
        self.name = f"{topic}-{index}"
        self.log = log
        self.role: str | None = None
        self.leader_id = -1
        self.leader_epoch = -1
        self.partition_epoch = -1
        self.epoch_start_offset = 0
        self.replicas: tuple[int, ...] = ()
        self.isr: tuple[int, ...] = ()
        self.pending: PendingIsr | None = None
        self.followers: dict[int, FollowerState] = {}
        self.high_watermark = 0
        self.waiting: list[Waiting] = []
        self.producers = ProducerState()
        self.fetching_stopped = False

    # --- roles ----------------------------------------------------------------------------------------------------

    def become_leader(self, state: PartitionRegistration) -> None:
        """Lead, or take over what metadata says of the own ISR."""
        new_epoch = state.leader_epoch > self.leader_epoch
        if not new_epoch and state.partition_epoch < self.partition_epoch:
            return
        if not new_epoch and not self.metadata_replaces_isr(state.partition_epoch):
            return
        self._adopt(state, LEADER)
        self.isr, self.pending = state.isr, None
        if new_epoch:
            self._begin_epoch()
        else:
            self.followers = {
                replica: self.followers.get(replica) or FollowerState(0)
                for replica in self.replicas if replica != self._node.node_id
            }
            self.observe_isr("metadata")
        self.maybe_advance_high_watermark()

    def metadata_replaces_isr(self, partition_epoch: int) -> bool:
        """Whether metadata of the epoch already led in says anything new: an equal partition epoch does not, and
        leaves a pending change pending."""
        return partition_epoch > self.partition_epoch

    def _begin_epoch(self) -> None:
        self.epoch_start_offset = self.log.end_offset
        self.log.assign_epoch(self.leader_epoch, self.log.end_offset)
        self.producers.rebuild(self.log.records())
        now_us = self._node.wall_us
        self.followers = {
            replica: FollowerState(now_us if replica in self.isr else 0)
            for replica in self.replicas if replica != self._node.node_id
        }
        value = {
            "topic_id": self.topic_id, "isr": list(self.isr), "replicas": list(self.replicas),
            "epoch_start_offset": self.epoch_start_offset, "high_watermark": self.high_watermark,
            "end_offset": self.log.end_offset, "min_isr": self.effective_min_isr(),
        }
        self._observe("leader-start", value, leader_epoch=self.leader_epoch, partition_epoch=self.partition_epoch)
        self._node.at_point("broker.became-leader")

    def become_follower(self, state: PartitionRegistration) -> bool:
        """Follow; True if the fetcher must start anew (a new leader epoch, even if the leader's id is the same)."""
        if state.leader_epoch < self.leader_epoch or state.partition_epoch < self.partition_epoch:
            return False
        new_epoch = state.leader_epoch > self.leader_epoch
        self._adopt(state, FOLLOWER)
        self.isr, self.pending = (), None
        self.followers = {}
        if not new_epoch:
            return False
        self.fetching_stopped = False
        cut_to = self.truncation_before_asking()
        if cut_to is not None:
            self.truncate_to(cut_to)
        self.fail_waiting(errors.NOT_LEADER_OR_FOLLOWER)
        value = {
            "topic_id": self.topic_id, "leader": self.leader_id, "end_offset": self.log.end_offset,
            "high_watermark": self.high_watermark,
        }
        self._observe("follower-start", value, leader_epoch=self.leader_epoch, partition_epoch=self.partition_epoch)
        self._node.at_point("broker.became-follower")
        return True

    def truncation_before_asking(self) -> int | None:
        """Where a new follower cuts its log before its first fetch: nowhere, the leader's epochs decide (KIP-101)."""
        return None

    def _adopt(self, state: PartitionRegistration, role: str) -> None:
        self.role = role
        self.leader_id = state.leader
        self.leader_epoch = state.leader_epoch
        self.partition_epoch = state.partition_epoch
        self.replicas = state.replicas

    def effective_min_isr(self) -> int:
        """min.insync.replicas of the topic or broker, at most the number of replicas."""
        configured = self._manager.image.config("topic", self.topic, "min.insync.replicas")
        wanted = self._config.min_insync_replicas if configured is None else int(configured)
        return min(wanted, max(1, len(self.replicas)))

    # --- the ISR --------------------------------------------------------------------------------------------------

    @property
    def maximal_isr(self) -> tuple[int, ...]:
        """The committed ISR and every member that a pending change may add or may fail to remove."""
        return self.isr if self.pending is None else self.pending.maximal

    def is_eligible(self, replica: int) -> bool:
        """Whether the replica's broker may be in an ISR: registered, neither fenced nor shutting down (KIP-841), and
        fetching as its current incarnation (KIP-903)."""
        broker = self._manager.image.brokers.get(replica)
        if broker is None or not broker.active:
            return False
        stored = self.followers[replica].broker_epoch
        return stored in (-1, broker.broker_epoch)

    def is_in_sync(self, follower: FollowerState) -> bool:
        """Whether a follower has everything that may be committed: up to the high watermark, and past the beginning of
        this leader's epoch, below which the high watermark may be stale (KAFKA-7128)."""
        return follower.end_offset >= self.high_watermark and follower.end_offset >= self.epoch_start_offset

    def maybe_expand_isr(self, replica: int) -> None:
        """Ask for the replica to join, if it may."""
        follower = self.followers[replica]
        if replica in self.isr or self.pending is not None:
            return
        if self.is_in_sync(follower) and self.is_eligible(replica):
            isr = tuple(member for member in self.replicas if member in self.isr or member == replica)
            self._propose(isr, isr)

    def maybe_shrink_isr(self) -> None:
        """Ask for every member to leave that has not caught up for replica.lag.time.max.ms (wall clock)."""
        if self.role != LEADER or self.pending is not None:
            return
        late = [
            member for member in self.isr
            if member != self._node.node_id and member in self.followers and self._is_late(self.followers[member])]
        if late:
            self._propose(tuple(member for member in self.isr if member not in late), self.isr)

    def _is_late(self, follower: FollowerState) -> bool:
        if follower.end_offset == self.log.end_offset:
            return False
        return self._node.wall_us - follower.last_caught_up_us > self._config.replica_lag_time_max_us

    def _propose(self, isr: tuple[int, ...], maximal: tuple[int, ...]) -> None:
        self.pending = PendingIsr(isr, maximal, self.partition_epoch)
        epochs = tuple((member, self._member_epoch(member)) for member in isr)
        value = {
            "topic_id": self.topic_id, "isr": list(isr), "maximal_isr": list(maximal),
            "broker_epochs": [epoch for _, epoch in epochs],
        }
        self._observe("isr-proposed", value, leader_epoch=self.leader_epoch, partition_epoch=self.partition_epoch)
        self._send_alter_partition(self.pending, epochs)
        self._node.at_point("broker.isr-proposed")

    def _member_epoch(self, member: int) -> int:
        if member == self._node.node_id:
            return int(self._manager.broker_epoch)
        return self.followers[member].broker_epoch

    def _send_alter_partition(self, pending: PendingIsr, epochs: tuple[tuple[int, int], ...]) -> None:
        request = AlterPartitionRequest(
            self._node.node_id, self._manager.broker_epoch, self.topic_id, self.index, self.leader_epoch,
            pending.partition_epoch, epochs)
        self._manager.controller_channel.send(
            request, self._on_alter_partition, pending, self.leader_epoch, epochs)

    def _on_alter_partition(
        self, response: AlterPartitionResponse | None, pending: PendingIsr, leader_epoch: int,
        epochs: tuple[tuple[int, int], ...],
    ) -> None:
        """The controller answered, or the request is lost. What no longer concerns the pending change is ignored."""
        if self.pending is not pending or self.leader_epoch != leader_epoch or self.role != LEADER:
            return
        if response is not None and response.error is None:
            self._take_answer(response)
        elif response is not None and response.error == errors.INELIGIBLE_REPLICA:
            self.pending = None
            self.observe_isr("reverted")
            self.maybe_advance_high_watermark()
        elif response is None or response.error not in _WAIT_FOR_METADATA:
            backoff_us = self._config.controller_channel_retry_backoff_us
            self._node.schedule(backoff_us, self._retry_alter_partition, pending, leader_epoch, epochs)

    def _retry_alter_partition(
        self, pending: PendingIsr, leader_epoch: int, epochs: tuple[tuple[int, int], ...]
    ) -> None:
        if self.pending is pending and self.leader_epoch == leader_epoch and self.role == LEADER:
            self._send_alter_partition(pending, epochs)

    def _take_answer(self, response: AlterPartitionResponse) -> None:
        if response.leader_epoch != self.leader_epoch or response.partition_epoch < self.partition_epoch:
            return
        self.pending = None
        self.isr = response.isr
        self.partition_epoch = response.partition_epoch
        self.observe_isr("answer")
        self._node.at_point("broker.isr-committed")
        self.maybe_advance_high_watermark()

    def observe_isr(self, why: str) -> None:
        """Leave evidence of the ISR as this leader sees it."""
        value = {
            "topic_id": self.topic_id, "isr": list(self.isr), "maximal_isr": list(self.maximal_isr), "why": why}
        self._observe("isr-changed", value, leader_epoch=self.leader_epoch, partition_epoch=self.partition_epoch)

    # --- the high watermark ---------------------------------------------------------------------------------------

    def counts_for_high_watermark(self, replica: int) -> bool:
        """Whether the high watermark waits for a follower: one in the maximal ISR, or caught up and eligible."""
        if replica in self.maximal_isr:
            return True
        follower = self.followers[replica]
        caught_up = self._node.wall_us - follower.last_caught_up_us <= self._config.replica_lag_time_max_us
        return caught_up and follower.end_offset >= 0 and self.is_eligible(replica)

    def has_enough_replicas(self) -> bool:
        """Whether the committed ISR suffices for the high watermark to move and for acks=all (KAFKA-15583)."""
        return len(self.isr) >= self.effective_min_isr()

    def maybe_advance_high_watermark(self) -> None:
        """Move it to what every counted replica has."""
        candidate = self.log.end_offset
        if self.high_watermark >= candidate or self.role != LEADER or not self.has_enough_replicas():
            return
        for replica, follower in self.followers.items():
            if follower.end_offset < candidate and self.counts_for_high_watermark(replica):
                candidate = follower.end_offset
        if candidate > self.high_watermark:
            self.high_watermark = candidate
            value = {
                "topic_id": self.topic_id, "high_watermark": candidate, "role": LEADER, "isr": list(self.isr),
                "maximal_isr": list(self.maximal_isr), "min_isr": self.effective_min_isr(),
            }
            self._observe("high-watermark", value, leader_epoch=self.leader_epoch)
            self._node.at_point("broker.high-watermark")
            self.complete_waiting()
            self._manager.on_high_watermark(self)

    def set_follower_high_watermark(self, leader_high_watermark: int) -> None:
        """A follower's is the leader's, within its own log: it is set, not raised."""
        high_watermark = max(self.log.start_offset, min(leader_high_watermark, self.log.end_offset))
        if high_watermark != self.high_watermark:
            self.high_watermark = high_watermark
            value = {"topic_id": self.topic_id, "high_watermark": high_watermark, "role": FOLLOWER}
            self._observe("high-watermark", value, leader_epoch=self.leader_epoch)

    # --- appending ------------------------------------------------------------------------------------------------

    def append_as_leader(
        self, values: tuple[object, ...], keys: tuple[object, ...] | None, producer_id: int = -1,
        producer_epoch: int = -1, base_sequence: int = -1,
    ) -> tuple[Record, ...]:
        """Write records in this leader's epoch; the high watermark may move at once (a lone replica)."""
        base_offset = self.log.end_offset
        records = tuple(
            Record(
                base_offset + place, self.leader_epoch, None if keys is None else keys[place], value, producer_id,
                producer_epoch, base_sequence + place if producer_id >= 0 else -1, self._node.wall_us)
            for place, value in enumerate(values))
        for record in records:
            self.log.append(record)
            self.producers.learn(record)
        self._observe_append(records, LEADER)
        self._node.at_point("broker.appended")
        self.maybe_advance_high_watermark()
        self._manager.on_append(self)
        return records

    def append_as_follower(self, records: tuple[Record, ...]) -> None:
        """Write what the leader sent; it must follow the log's end."""
        assert not records or records[0].offset == self.log.end_offset, f"{self.name}: a gap"
        begin = 0
        for place, record in enumerate(records):
            self.log.append(record)
            if record.leader_epoch != records[begin].leader_epoch:
                self._observe_append(records[begin:place], FOLLOWER)
                begin = place
        if records:
            self._observe_append(records[begin:], FOLLOWER)
            self._node.at_point("broker.follower-appended")

    def truncate_to(self, end_offset: int) -> None:
        """Cut the log, and with it the high watermark."""
        old_end_offset = self.log.end_offset
        self.log.truncate_to(end_offset)
        if end_offset >= old_end_offset:
            return
        value = {
            "topic_id": self.topic_id, "end_offset": self.log.end_offset, "old_end_offset": old_end_offset,
            "high_watermark": self.high_watermark,
        }
        self._observe("log-truncate", value, leader_epoch=self.leader_epoch)
        self._node.at_point("broker.truncated")
        if self.high_watermark > end_offset:
            self.set_follower_high_watermark(end_offset)

    def wait_for_commit(
        self, records: tuple[Record, ...], required_offset: int, timeout_us: int, answer: Any, *context: Any
    ) -> None:
        """`answer(error or None, *context)` once everything below `required_offset` is committed, or it failed."""
        self.waiting.append(Waiting(
            required_offset, self.leader_epoch, answer, context, self._node.now_us + timeout_us, records))
        self._node.schedule(timeout_us, self._expire_waiting)
        self.complete_waiting()

    def complete_waiting(self) -> None:
        """Answer every produce that the high watermark has passed."""
        if not self.waiting:
            return
        done = [entry for entry in self.waiting if self.high_watermark >= entry.required_offset]
        if not done:
            return
        self.waiting = [entry for entry in self.waiting if self.high_watermark < entry.required_offset]
        enough = self.has_enough_replicas()
        for entry in done:
            if enough and entry.records:
                value = {
                    "topic_id": self.topic_id, "base_offset": entry.records[0].offset, "acks": -1,
                    "end_offset": entry.required_offset, "records": [record_id(record) for record in entry.records],
                }
                self._observe("produce-answered", value, leader_epoch=self.leader_epoch)
            entry.answer(None if enough else errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND, *entry.context)

    def fail_waiting(self, error: str) -> None:
        """Answer every waiting produce with an error."""
        waiting, self.waiting = self.waiting, []
        for entry in waiting:
            entry.answer(error, *entry.context)

    def _expire_waiting(self) -> None:
        now_us = self._node.now_us
        expired = [entry for entry in self.waiting if entry.deadline_us <= now_us]
        if expired:
            self.waiting = [entry for entry in self.waiting if entry.deadline_us > now_us]
            for entry in expired:
                entry.answer(errors.REQUEST_TIMED_OUT, *entry.context)

    def _observe_append(self, records: tuple[Record, ...], role: str) -> None:
        value = {
            "topic_id": self.topic_id, "base_offset": records[0].offset,
            "records": [record_id(record) for record in records], "role": role,
        }
        self._observe("log-append", value, leader_epoch=records[0].leader_epoch)

    def _observe(self, f: str, value: dict[str, Any], **epochs: int) -> None:
        recorder = self._node.simulation.recorder
        recorder.observe(self._node.now_us, f, self._node.node_id, self.name, value, None, epochs)

    # --- being fetched from ---------------------------------------------------------------------------------------

    def epoch_error(self, current_leader_epoch: int) -> str | None:
        """FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH for a request of another epoch; -1 asks for no check."""
        if current_leader_epoch == -1 or current_leader_epoch == self.leader_epoch:
            return None
        if current_leader_epoch < self.leader_epoch:
            return errors.FENCED_LEADER_EPOCH
        return errors.UNKNOWN_LEADER_EPOCH

    def is_stale_incarnation(self, replica: int, replica_epoch: int) -> bool:
        """Whether a follower's fetch comes from an incarnation that metadata has already replaced (KIP-903)."""
        broker = self._manager.image.brokers.get(replica)
        return broker is not None and replica_epoch != -1 and replica_epoch < broker.broker_epoch

    def fetch_error(self, request: FetchRequest) -> str | None:
        """Why a fetch cannot be served: the epoch is looked at before the leadership."""
        error = self.epoch_error(request.current_leader_epoch)
        if error is None and request.topic_id is not None and request.topic_id != self.topic_id:
            error = errors.INCONSISTENT_TOPIC_ID
        if error is None and self.role != LEADER:
            error = errors.NOT_LEADER_OR_FOLLOWER
        if error is None and request.replica_id >= 0 and (
            request.replica_id not in self.followers
            or self.is_stale_incarnation(request.replica_id, request.replica_epoch)
        ):
            error = errors.NOT_LEADER_OR_FOLLOWER
        return error

    def is_idle(self, request: FetchRequest) -> bool:
        """Whether a follower's fetch is right, finds nothing and can commit nothing. Most are such: it is found out
        first, and nothing is built."""
        log = self.log
        return (
            request.fetch_offset == log.end_offset == self.high_watermark
            and request.current_leader_epoch == self.leader_epoch and self.role == LEADER
            and request.last_fetched_epoch == log.latest_epoch
            and request.topic_id == self.topic_id and request.replica_id in self.followers
            and not self.is_stale_incarnation(request.replica_id, request.replica_epoch))

    def fetch(self, request: FetchRequest, count: bool = True) -> FetchResponse:
        """Serve a fetch: divergence, or records; a follower's position is noted if `count`.

        With OFFSET_OUT_OF_RANGE the end offset is told too, for which Kafka's follower asks in a second request.
        """
        error = self.fetch_error(request)
        if error is not None:
            return FetchResponse(error, self.high_watermark, self.log.start_offset, leader_epoch=self.leader_epoch)
        if request.current_leader_epoch not in (-1, self.leader_epoch):
            self._observe("request-accepted", {
                "topic_id": self.topic_id, "request": "Fetch", "from": request.replica_id,
                "local_leader_epoch": self.leader_epoch}, leader_epoch=request.current_leader_epoch)
        diverging = self.divergence(request)
        if (
            request.fetch_offset < self.log.start_offset or diverging == UNDEFINED
            or (diverging is None and request.fetch_offset > self.log.end_offset)
        ):
            return FetchResponse(
                errors.OFFSET_OUT_OF_RANGE, self.high_watermark, self.log.start_offset, (), (-1, self.log.end_offset))
        if count and self.may_count_fetch(diverging):
            self.note_fetch(request)
        if diverging is not None:
            return FetchResponse(
                None, self.high_watermark, self.log.start_offset, (), diverging, leader_epoch=self.leader_epoch)
        end_offset = self.log.end_offset if request.replica_id >= 0 else self.high_watermark
        records = self.log.read(request.fetch_offset, request.max_records, end_offset)
        return FetchResponse(
            None, self.high_watermark, self.log.start_offset, records, leader_epoch=self.leader_epoch)

    def divergence(self, request: FetchRequest) -> tuple[int, int] | None:
        """(epoch, end offset) where the asker's log leaves this one, `UNDEFINED` for an unknown epoch, or None."""
        if request.last_fetched_epoch < 0:
            return None
        epoch, end_offset = self.log.end_offset_for_epoch(request.last_fetched_epoch)
        if (epoch, end_offset) == UNDEFINED:
            return UNDEFINED
        if epoch < request.last_fetched_epoch or end_offset < request.fetch_offset:
            return epoch, end_offset
        return None

    def may_count_fetch(self, diverging: tuple[int, int] | None) -> bool:
        """Whether a fetch's offset says what the follower has: not if its log diverges (KAFKA-13141)."""
        return diverging is None

    def note_fetch(self, request: FetchRequest) -> None:
        """A fetch says what the follower has; that may let it join the ISR, and records be committed."""
        replica, end_offset = request.replica_id, self.log.end_offset
        follower = self.followers.get(replica)
        if follower is None:
            return
        now_us = self._node.wall_us
        if request.fetch_offset >= end_offset:
            follower.last_caught_up_us = max(follower.last_caught_up_us, now_us)
        elif request.fetch_offset >= follower.last_fetch_leader_end_offset and follower.last_fetch_us:
            follower.last_caught_up_us = max(follower.last_caught_up_us, follower.last_fetch_us)
        follower.end_offset = request.fetch_offset
        follower.broker_epoch = request.replica_epoch
        follower.last_fetch_us = now_us
        follower.last_fetch_leader_end_offset = end_offset
        if replica not in self.isr:
            self.maybe_expand_isr(replica)
        if self.high_watermark < end_offset:
            self.maybe_advance_high_watermark()


def record_id(record: Record) -> str:
    """A record's name in the history: the client's value, or key and value for internal topics."""
    if record.key is None:
        return str(record.value)
    return f"{record.key}={record.value}"
