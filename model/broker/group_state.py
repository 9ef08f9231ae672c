"""A consumer group as its coordinator keeps it in memory (GroupMetadata, the classic protocol)."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fencepost.model.kernel.network import Reply
from fencepost.model.kernel.scheduler import Timer
from fencepost.model.protocol.group import TopicPartition

EMPTY = "Empty"
PREPARING_REBALANCE = "PreparingRebalance"
COMPLETING_REBALANCE = "CompletingRebalance"
STABLE = "Stable"
DEAD = "Dead"


class CommittedOffset(NamedTuple):
    """A committed offset and the offset of its record in __consumer_offsets."""

    offset: int
    record_offset: int


@dataclass(slots=True)
class Member:
    """One member. `joining` and `syncing` hold the answer that it waits for."""

    member_id: str
    instance_id: str | None
    topics: tuple[str, ...]
    session_timeout_us: int
    rebalance_timeout_us: int
    heard_us: int
    joining: Reply | None = None
    syncing: Reply | None = None


@dataclass(slots=True)
class Group:
    """One group; `assignment` is of the current generation, member id -> partitions."""

    group_id: str
    partition: int
    state: str = EMPTY
    generation: int = 0
    leader_id: str = ""
    members: dict[str, Member] = field(default_factory=dict)
    assignment: dict[str, tuple[TopicPartition, ...]] = field(default_factory=dict)
    rebalance_timer: Timer | None = None

    def member_of_instance(self, instance_id: str) -> str | None:
        """The member that holds a static instance id now."""
        for member in self.members.values():
            if member.instance_id == instance_id:
                return member.member_id
        return None


@dataclass(slots=True)
class GroupPartition:
    """A partition of __consumer_offsets that this broker coordinates, or is loading.

    epoch: the coordinator epoch, which is the partition's leader epoch.
    pending: commits that were appended and are not yet committed, counted by (group, topic-partition).
    """

    index: int
    epoch: int
    loaded: bool = False
    position: int = 0
    groups: dict[str, Group] = field(default_factory=dict)
    offsets: dict[tuple[str, TopicPartition], CommittedOffset] = field(default_factory=dict)
    pending: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)


def partition_name(topic_partition: TopicPartition) -> str:
    """`orders-0`."""
    return f"{topic_partition[0]}-{topic_partition[1]}"


def java_hash(text: str) -> int:
    """String.hashCode of Java, as a signed 32-bit integer."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def group_partition(group_id: str, partitions: int) -> int:
    """The partition of __consumer_offsets that holds a group (Utils.abs of the hash, modulo)."""
    return (java_hash(group_id) & 0x7FFFFFFF) % partitions


def records_of(group: Group) -> tuple[Any, Any]:
    """The group's metadata record: (key, value)."""
    members = tuple(
        (member.member_id, member.instance_id, member.topics, member.session_timeout_us, member.rebalance_timeout_us,
         group.assignment.get(member.member_id, ()))
        for member in group.members.values())
    return ("group", group.group_id), (group.generation, group.leader_id, members)


def restored(group_id: str, partition: int, value: Any, now_us: int) -> Group:
    """A group as its metadata record says; its members are given a fresh session."""
    generation, leader_id, members = value
    group = Group(group_id, partition, STABLE if members else EMPTY, generation, leader_id)
    for member_id, instance_id, topics, session_us, rebalance_us, assignment in members:
        group.members[member_id] = Member(member_id, instance_id, topics, session_us, rebalance_us, now_us)
        group.assignment[member_id] = assignment
    return group
