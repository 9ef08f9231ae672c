"""What is known of one partition on one broker: its role and epochs, its ISR, its log, its followers.

The partition is built up in layers, one file each: this state; the ISR and the high watermark (`partition_isr`);
appending, truncating and waiting for commits (`partition_log`); roles and being fetched from (`partition`).
"""

from typing import Any, NamedTuple

from fencepost.model.broker.producer_state import ProducerState
from fencepost.model.broker.replica_log import ReplicaLog
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.protocol.data import Record

LEADER = "leader"
FOLLOWER = "follower"


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


class PartitionCore:
    """The fields of a partition. `manager` sends its requests and wakes its waiters."""

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

    def effective_min_isr(self) -> int:
        """min.insync.replicas of the topic or broker, at most the number of replicas."""
        configured = self._manager.image.config("topic", self.topic, "min.insync.replicas")
        wanted = self._config.min_insync_replicas if configured is None else int(configured)
        return min(wanted, max(1, len(self.replicas)))

    @property
    def maximal_isr(self) -> tuple[int, ...]:
        """The committed ISR and every member that a pending change may add or may fail to remove."""
        return self.isr if self.pending is None else self.pending.maximal

    def replicas_and_isr(self) -> tuple[int, ...]:
        """The replicas, and who is in the ISR and no replica any more: at the end of a reassignment ZooKeeper's
        controller tells the leader of its new replicas before it takes the old ones out of the ISR."""
        return (*self.replicas, *(member for member in self.isr if member not in self.replicas))

    def _observe(self, f: str, value: dict[str, Any], **epochs: int) -> None:
        recorder = self._node.simulation.recorder
        recorder.observe(self._node.now_us, f, self._node.node_id, self.name, value, None, epochs)


def record_id(record: Record) -> str:
    """A record's name in the history: the client's value, or key and value for internal topics."""
    if record.key is None:
        return str(record.value)
    return f"{record.key}={record.value}"
