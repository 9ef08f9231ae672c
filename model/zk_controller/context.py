"""What the active controller knows (ControllerContext.scala): all of it read from ZooKeeper at fail-over, none of it
kept when the controller resigns."""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from fencepost.model.metadata.records import NO_LEADER
from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller.znodes import PartitionStateZnode

RECOVERED = "RECOVERED"
RECOVERING = "RECOVERING"

# States of partitions (PartitionState) and of replicas (ReplicaState).
NON_EXISTENT_PARTITION, NEW_PARTITION = "NonExistentPartition", "NewPartition"
ONLINE_PARTITION, OFFLINE_PARTITION = "OnlinePartition", "OfflinePartition"
NEW_REPLICA, ONLINE_REPLICA, OFFLINE_REPLICA = "NewReplica", "OnlineReplica", "OfflineReplica"
DELETION_STARTED, DELETION_SUCCESSFUL = "ReplicaDeletionStarted", "ReplicaDeletionSuccessful"
DELETION_INELIGIBLE, NON_EXISTENT_REPLICA = "ReplicaDeletionIneligible", "NonExistentReplica"

#: (topic-partition, broker id)
Replica = tuple[TopicPartition, int]


class LeaderAndIsr(NamedTuple):
    """A partition's state znode with its version, the partition epoch (-1 before it is written)."""

    leader: int
    leader_epoch: int
    isr: tuple[int, ...]
    leader_recovery_state: str
    partition_epoch: int
    controller_epoch: int

    @classmethod
    def of(cls, znode: PartitionStateZnode, version: int) -> "LeaderAndIsr":
        """What a read of the znode says."""
        return cls(
            znode.leader, znode.leader_epoch, znode.isr, znode.leader_recovery_state, version, znode.controller_epoch)

    def znode(self, controller_epoch: int) -> PartitionStateZnode:
        """The data to write under a controller epoch."""
        return PartitionStateZnode(
            self.leader, self.leader_epoch, controller_epoch, self.isr, self.leader_recovery_state)

    def with_leader(
        self, leader: int, isr: tuple[int, ...], leader_recovery_state: str | None = None
    ) -> "LeaderAndIsr":
        """Another leader or ISR by the controller's decision: the leader epoch rises, whoever leads."""
        return self._replace(
            leader=leader, isr=isr, leader_epoch=self.leader_epoch + 1,
            leader_recovery_state=leader_recovery_state or self.leader_recovery_state)


class ReplicaAssignment(NamedTuple):
    """A partition's replicas, those being added and those being removed included (KIP-455)."""

    replicas: tuple[int, ...]
    adding: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()

    @property
    def origin(self) -> tuple[int, ...]:
        """The replicas before the reassignment."""
        return tuple(replica for replica in self.replicas if replica not in self.adding)

    @property
    def target(self) -> tuple[int, ...]:
        """The replicas after it."""
        return tuple(replica for replica in self.replicas if replica not in self.removing)

    def reassign_to(self, target: tuple[int, ...]) -> "ReplicaAssignment":
        """The assignment on the way from where the partition stands to `target`."""
        origin = self.origin
        return ReplicaAssignment(
            target + tuple(replica for replica in origin if replica not in target),
            tuple(replica for replica in target if replica not in origin),
            tuple(replica for replica in origin if replica not in target))


class ControllerContext:
    """The tables. Dictionaries with None as value are sets in the order of insertion.

    epoch, epoch_zk_version: the controller epoch that this controller won, and the version of /controller_epoch then;
        0 and -1 before it has won one.
    live_brokers: broker id -> broker epoch, of brokers in /brokers/ids; those that shut down included.
    shutting_down: brokers that asked for a controlled shutdown.
    topics: topic -> topic id; assignments: topic -> partition -> replicas.
    leadership: topic-partition -> the last state that this controller has read or written.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.epoch_zk_version = -1
        self.reset()

    def reset(self) -> None:
        """Forget everything (resetContext)."""
        self.epoch, self.epoch_zk_version = 0, -1
        self.live_brokers: dict[int, int] = {}
        self.shutting_down: dict[int, None] = {}
        self.topics: dict[str, str] = {}
        self.assignments: dict[str, dict[int, ReplicaAssignment]] = {}
        self.leadership: dict[TopicPartition, LeaderAndIsr] = {}
        self.partition_states: dict[TopicPartition, str] = {}
        self.replica_states: dict[Replica, str] = {}
        self.being_reassigned: dict[TopicPartition, None] = {}
        self.topics_to_be_deleted: dict[str, None] = {}
        self.topics_with_deletion_started: dict[str, None] = {}
        self.topics_ineligible_for_deletion: dict[str, None] = {}

    # --- brokers -----------------------------------------------------------------------------------------------------

    def is_live(self, broker_id: int) -> bool:
        """The broker is registered and does not shut down."""
        return broker_id in self.live_brokers and broker_id not in self.shutting_down

    def live_broker_ids(self) -> list[int]:
        """Registered brokers that do not shut down, sorted."""
        return [broker_id for broker_id in sorted(self.live_brokers) if broker_id not in self.shutting_down]

    def live_or_shutting_down(self) -> list[int]:
        """Every registered broker, sorted."""
        return sorted(self.live_brokers)

    # --- partitions and replicas -------------------------------------------------------------------------------------

    def partitions(self) -> Iterator[TopicPartition]:
        """Every partition."""
        for topic, assignments in self.assignments.items():
            for partition in assignments:
                yield topic, partition

    def partitions_of(self, topics: Iterable[str]) -> list[TopicPartition]:
        """The partitions of some topics."""
        return [(topic, partition) for topic in topics for partition in self.assignments.get(topic, ())]

    def assignment(self, partition: TopicPartition) -> ReplicaAssignment:
        """The partition's replicas; none for an unknown partition."""
        return self.assignments.get(partition[0], {}).get(partition[1]) or ReplicaAssignment(())

    def assign(self, partition: TopicPartition, assignment: ReplicaAssignment) -> None:
        """Set the partition's replicas."""
        self.assignments.setdefault(partition[0], {})[partition[1]] = assignment

    def replicas_of(self, partitions: Iterable[TopicPartition]) -> list[Replica]:
        """All replicas of some partitions."""
        return [(partition, broker) for partition in partitions for broker in self.assignment(partition).replicas]

    def replicas_on(self, broker_ids: Collection[int]) -> list[Replica]:
        """All replicas on some brokers."""
        return [
            (partition, broker) for broker in sorted(broker_ids) for partition in self.partitions()
            if broker in self.assignment(partition).replicas
        ]

    def partitions_on(self, broker_id: int) -> list[TopicPartition]:
        """The partitions with a replica on the broker."""
        return [partition for partition in self.partitions() if broker_id in self.assignment(partition).replicas]

    def has_offline_leader(self, partition: TopicPartition) -> bool:
        """The partition's leader, if it has one, is not alive, and the topic is not being deleted."""
        state = self.leadership.get(partition)
        return state is not None and not self.is_live(state.leader) and partition[0] not in self.topics_to_be_deleted

    def remove_topic(self, topic: str) -> None:
        """Forget a topic that is gone."""
        for partition in self.partitions_of((topic,)):
            for broker in self.assignment(partition).replicas:
                self.replica_states.pop((partition, broker), None)
            self.partition_states.pop(partition, None)
            self.leadership.pop(partition, None)
            self.being_reassigned.pop(partition, None)
        self.topics.pop(topic, None)
        self.assignments.pop(topic, None)
        self.topics_to_be_deleted.pop(topic, None)
        self.topics_with_deletion_started.pop(topic, None)
        self.topics_ineligible_for_deletion.pop(topic, None)

    def replicas_of_topic_in(self, topic: str, state: str) -> list[Replica]:
        """The topic's replicas that are in that state."""
        replicas = self.replicas_of(self.partitions_of((topic,)))
        return [replica for replica in replicas if self.replica_states.get(replica) == state]

    def leads_nothing(self, state: LeaderAndIsr | None) -> bool:
        """Nobody leads, or somebody who is not alive."""
        return state is None or state.leader == NO_LEADER or not self.is_live(state.leader)
