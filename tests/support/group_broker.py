"""A group coordinator on a log in the test's hands: it commits, loses leadership and is cut when it is told to."""

from collections.abc import Callable
from typing import Any

from fencepost.histories.event import Event
from fencepost.histories.recorder import Recorder
from fencepost.model import errors
from fencepost.model.broker.group_coordinator import GroupCoordinator
from fencepost.model.broker.group_partition import KeyValue
from fencepost.model.broker.group_records import OFFSETS_TOPIC
from fencepost.model.composition import Composer
from fencepost.model.config import BYTES_PER_RECORD, KafkaConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics, Simulation
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.metadata.records import TopicRecord
from fencepost.model.protocol.data import Record
from fencepost.model.protocol.group import (
    GroupHeartbeatRequest,
    JoinGroupRequest,
    LeaveGroupRequest,
    OffsetCommitRequest,
    OffsetFetchRequest,
    SyncGroupRequest,
    TopicPartition,
)

#: One partition of __consumer_offsets; two records a step of loading.
CONFIG = KafkaConfig(
    offsets_topic_num_partitions=1, offsets_load_buffer_size=2 * BYTES_PER_RECORD, group_min_session_timeout_us=1_000,
    group_initial_rebalance_delay_us=3_000_000, offsets_commit_timeout_us=5_000_000)

#: Longer than any background thread is busy and any load takes, shorter than every time-out.
A_WHILE_US = 2_000_000
SESSION_US = 10_000_000
REBALANCE_US = 30_000_000
ORDERS: TopicPartition = ("orders", 0)
CLICKS: TopicPartition = ("clicks", 1)


class Answer(Reply):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, response: Any) -> None:
        self.sent.append(response)

    @property
    def only(self) -> Any:
        assert len(self.sent) == 1, self.sent
        return self.sent[0]

    @property
    def error(self) -> str | None:
        error = self.only.error
        assert error is None or isinstance(error, str)
        return error


class FakeCoordinatorLog:
    """Partition 0 of __consumer_offsets: a `CoordinatorLog` that the test commands."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.listener: GroupCoordinator
        self.records: list[Record] = []
        self.leader_epoch: int | None = None
        self.high_watermark = 0
        self.commits_at_once = False
        self.refuses: str | None = None
        #: (end offset, base offset, callback, context)
        self.waiting: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []

    def append_records(
        self, topic: str, partition: int, records: list[KeyValue], required_leader_epoch: int | None, timeout_us: int,
        callback: Callable[..., None], *context: Any,
    ) -> int:
        refusal = self.refuses
        if self.leader_epoch is None or required_leader_epoch not in (None, self.leader_epoch):
            refusal = errors.NOT_LEADER_OR_FOLLOWER
        if refusal is not None:
            callback(refusal, -1, *context)
            return -1
        base_offset = len(self.records)
        self.write(*records)
        if self.commits_at_once:
            self.commit()
            callback(None, base_offset, *context)
        else:
            entry = (len(self.records), base_offset, callback, context)
            self.waiting.append(entry)
            self._node.schedule(timeout_us, self._expire, entry)
        return base_offset

    def read_log(
        self, topic: str, partition: int, from_offset: int, max_records: int, isolation: str = "log_end",
        required_leader_epoch: int | None = None,
    ) -> tuple[str | None, tuple[Record, ...], int]:
        if self.leader_epoch is None or required_leader_epoch not in (None, self.leader_epoch):
            return errors.NOT_LEADER_OR_FOLLOWER, (), -1
        end_offset = len(self.records) if isolation == "log_end" else self.high_watermark
        return None, tuple(self.records[from_offset:end_offset][:max_records]), end_offset

    def _expire(self, entry: Any) -> None:
        if entry in self.waiting:
            self.waiting.remove(entry)
            entry[2](errors.REQUEST_TIMED_OUT, entry[1], *entry[3])

    # --- the test's hands -------------------------------------------------------------------------------------------

    def write(self, *records: KeyValue) -> None:
        """Records get into the log, without the coordinator."""
        for key, value in records:
            self.records.append(Record(len(self.records), self.leader_epoch or 0, key, value))

    def lead(self, epoch: int) -> None:
        self.leader_epoch = epoch
        self.listener.on_become_leader(OFFSETS_TOPIC, 0, epoch)

    def follow(self, epoch: int | None) -> None:
        """Lose the leadership; None: the replica is gone."""
        self.leader_epoch = None
        waiting, self.waiting = self.waiting, []
        for _, base_offset, callback, context in waiting:
            callback(errors.NOT_LEADER_OR_FOLLOWER, base_offset, *context)
        self.listener.on_resign(OFFSETS_TOPIC, 0, epoch)

    def commit(self, epoch: int | None = None) -> None:
        """The high watermark reaches the log's end, in this epoch or a later leader's."""
        self.high_watermark = len(self.records)
        waiting, self.waiting = self.waiting, []
        for _, base_offset, callback, context in waiting:
            callback(None, base_offset, *context)
        told = self.leader_epoch if epoch is None else epoch
        assert told is not None
        self.listener.on_high_watermark(OFFSETS_TOPIC, 0, told, self.high_watermark)


class GroupBroker(Node):
    """A node that holds a coordinator and its log, and asks it as clients would."""

    def on_start(self) -> None:
        self.log = FakeCoordinatorLog(self)
        self.image = MetadataImage()
        for topic in ("orders", "clicks"):
            self.image.apply(TopicRecord(topic, f"{topic}@1"), 0)
        made: Any = self.composer(GroupCoordinator)
        self.coordinator: GroupCoordinator = made(self, self.config, self.log, self.image)
        self.log.listener = self.coordinator

    composer: Composer
    config: KafkaConfig

    def run(self, duration_us: int) -> None:
        self.scheduler.run_until(self.now_us + duration_us)

    def seen(self, f: str) -> list[Event]:
        return [event for event in self.simulation.recorder.events if event.f == f]

    def serve(self, epoch: int = 1) -> None:
        """Win an election and finish loading."""
        self.log.lead(epoch)
        self.run(A_WHILE_US)

    def join(
        self, member_id: str = "", instance: str | None = None, topics: tuple[str, ...] = ("orders",),
        session_us: int = SESSION_US, group: str = "g",
    ) -> Answer:
        answer = Answer()
        request = JoinGroupRequest(group, member_id, instance, session_us, REBALANCE_US, topics)
        self.coordinator.handle_join_group(request, answer)
        return answer

    def sync(
        self, member_id: str, generation: int, assignments: Any = (), instance: str | None = None, group: str = "g",
    ) -> Answer:
        answer = Answer()
        request = SyncGroupRequest(group, member_id, instance, generation, assignments)
        self.coordinator.handle_sync_group(request, answer)
        return answer

    def heartbeat(self, member_id: str, generation: int, instance: str | None = None) -> Answer:
        answer = Answer()
        self.coordinator.handle_heartbeat(GroupHeartbeatRequest("g", member_id, instance, generation), answer)
        return answer

    def leave(self, member_id: str, instance: str | None = None) -> Answer:
        answer = Answer()
        self.coordinator.handle_leave_group(LeaveGroupRequest("g", member_id, instance), answer)
        return answer

    def commit_offset(
        self, offset: int, member_id: str = "", generation: int = -1, instance: str | None = None,
        partition: TopicPartition = ORDERS, group: str = "g",
    ) -> Answer:
        answer = Answer()
        request = OffsetCommitRequest(group, generation, member_id, instance, ((partition, offset, -1),))
        self.coordinator.handle_offset_commit(request, answer)
        return answer

    def fetch_offset(self, stable: bool = True, partition: TopicPartition = ORDERS, group: str = "g") -> Answer:
        answer = Answer()
        self.coordinator.handle_offset_fetch(OffsetFetchRequest(group, (partition,), stable), answer)
        return answer

    def committed(self, partition: TopicPartition = ORDERS) -> int:
        """What a fetch returns now, everything being committed."""
        offset = self.fetch_offset(partition=partition).only.offsets[0][1]
        assert isinstance(offset, int)
        return offset

    def form_group(self, *instances: str | None) -> list[str]:
        """A stable group with a member for each of the instance ids (None: dynamic), its records committed.

        The first leads, and each one is assigned partition (orders, its place).
        """
        answers = [self.join(instance=instance) for instance in instances]
        self.run(2 * self.config.group_initial_rebalance_delay_us)
        members = [str(answer.only.member_id) for answer in answers]
        generation = answers[0].only.generation
        self.settle_generation(members, generation, instances)
        return members

    def settle_generation(self, members: list[str], generation: int, instances: Any = None) -> list[Answer]:
        """Every member synchronises, the leader (the first) last."""
        holders = list(instances or [None] * len(members))
        assignments = tuple((member, (("orders", place),)) for place, member in enumerate(members))
        answers = [
            self.sync(member, generation, (), holder) for member, holder in zip(members[1:], holders[1:], strict=True)]
        answers.insert(0, self.sync(members[0], generation, assignments, holders[0]))
        self.log.commit()
        return answers


def group_broker(config: KafkaConfig = CONFIG, patches: tuple[type, ...] = (), seed: int = 1) -> GroupBroker:
    """A started broker whose log is empty and that leads nothing."""
    simulation = Simulation(seed, Physics(), Recorder())
    broker = GroupBroker(1, "broker 1", simulation, Network(simulation))
    broker.composer, broker.config = Composer(patches), config
    broker.start()
    return broker


def loaded_broker(config: KafkaConfig = CONFIG, patches: tuple[type, ...] = (), epoch: int = 1) -> GroupBroker:
    """One that serves its partition in that epoch."""
    broker = group_broker(config, patches)
    broker.serve(epoch)
    return broker
