"""What the group coordinator writes to __consumer_offsets, and which of its partitions a group belongs to.

A record's key names an offset or a group; its value is the latest state, or None, a tombstone. Keys and values print as
short words, because a record's name in a history is `key=value`.

Left out: compaction. It would keep the last record of each key, which is all that loading looks at.
"""

from typing import NamedTuple

from fencepost.model.protocol.group import TopicPartition, partition_name

OFFSETS_TOPIC = "__consumer_offsets"


class OffsetKey(NamedTuple):
    """The committed offset of one group in one partition."""

    group: str
    partition: TopicPartition

    def __str__(self) -> str:
        return f"{self.group}/{partition_name(self.partition)}"


class OffsetValue(NamedTuple):
    """A committed offset, the leader epoch that the consumer read it in (-1 for unknown), and who committed it.

    commit_us: the coordinator's wall clock.
    """

    offset: int
    leader_epoch: int
    member_id: str
    generation: int
    commit_us: int

    def __str__(self) -> str:
        return f"{self.offset}({self.member_id or 'no member'} g{self.generation} at {self.commit_us})"


class GroupKey(NamedTuple):
    """The metadata of one group."""

    group: str

    def __str__(self) -> str:
        return f"{self.group}"


class MemberValue(NamedTuple):
    """A member as it is persisted."""

    member_id: str
    instance_id: str | None
    session_timeout_us: int
    rebalance_timeout_us: int
    topics: tuple[str, ...]
    assignment: tuple[TopicPartition, ...]


class GroupValue(NamedTuple):
    """A group as it is persisted: its generation, leader and members with their assignments."""

    generation: int
    leader_id: str | None
    members: tuple[MemberValue, ...]

    def __str__(self) -> str:
        members = ",".join(
            f"{member.member_id}:{'+'.join(partition_name(partition) for partition in member.assignment)}"
            for member in self.members)
        return f"g{self.generation}[{members}]"


def java_hash(text: str) -> int:
    """String.hashCode of Java: over UTF-16 code units, as a signed 32-bit integer."""
    value = 0
    encoded = text.encode("utf-16-be")
    for place in range(0, len(encoded), 2):
        value = (31 * value + (encoded[place] << 8 | encoded[place + 1])) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def group_partition(group_id: str, partitions: int) -> int:
    """The group's partition of __consumer_offsets: the hash of its id without the sign bit, modulo the count."""
    return (java_hash(group_id) & 0x7FFFFFFF) % partitions
