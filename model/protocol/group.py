"""Messages of consumer groups (the classic protocol). A topic-partition is (topic, partition index)."""

from dataclasses import dataclass

TopicPartition = tuple[str, int]


def partition_name(topic_partition: TopicPartition) -> str:
    """`orders-0`, as histories name it."""
    return f"{topic_partition[0]}-{topic_partition[1]}"


@dataclass(slots=True)
class FindCoordinatorRequest:
    """FindCoordinator (10) for a group."""

    group: str
    principal: str = "User:admin"


@dataclass(slots=True)
class FindCoordinatorResponse:
    """The broker that leads the group's partition of __consumer_offsets, by the answering broker's image."""

    error: str | None
    coordinator_id: int = -1


@dataclass(slots=True)
class JoinGroupRequest:
    """JoinGroup (11); `member_id` is "" at first."""

    group: str
    member_id: str
    instance_id: str | None
    session_timeout_us: int
    rebalance_timeout_us: int
    topics: tuple[str, ...]
    principal: str = "User:admin"


@dataclass(slots=True)
class JoinGroupResponse:
    """The leader gets every member's topics: ((member id, topics), ...)."""

    error: str | None
    generation: int = -1
    member_id: str = ""
    leader_id: str = ""
    members: tuple[tuple[str, tuple[str, ...]], ...] = ()
    coordinator_epoch: int = -1


@dataclass(slots=True)
class SyncGroupRequest:
    """SyncGroup (14); the leader sends the assignment: ((member id, partitions), ...)."""

    group: str
    member_id: str
    instance_id: str | None
    generation: int
    assignments: tuple[tuple[str, tuple[TopicPartition, ...]], ...] = ()


@dataclass(slots=True)
class SyncGroupResponse:
    """The member's own partitions."""

    error: str | None
    assignment: tuple[TopicPartition, ...] = ()


@dataclass(slots=True)
class GroupHeartbeatRequest:
    """Heartbeat (12)."""

    group: str
    member_id: str
    instance_id: str | None
    generation: int


@dataclass(slots=True)
class LeaveGroupRequest:
    """LeaveGroup (13)."""

    group: str
    member_id: str
    instance_id: str | None = None


@dataclass(slots=True)
class GroupResponse:
    """The answer to Heartbeat and LeaveGroup."""

    error: str | None


@dataclass(slots=True)
class OffsetCommitRequest:
    """OffsetCommit (8). generation -1 and member "" come from a consumer outside any group.

    offsets: ((topic, partition), offset, leader epoch or -1).
    """

    group: str
    generation: int
    member_id: str
    instance_id: str | None
    offsets: tuple[tuple[TopicPartition, int, int], ...]
    principal: str = "User:admin"


@dataclass(slots=True)
class OffsetCommitResponse:
    """coordinator_epoch, record_offset (of the last commit record) and partition (where that lies,
    "__consumer_offsets-k") are for explanation and checking."""

    error: str | None
    coordinator_epoch: int = -1
    record_offset: int = -1
    partition: str | None = None


@dataclass(slots=True)
class OffsetFetchRequest:
    """OffsetFetch (9)."""

    group: str
    partitions: tuple[TopicPartition, ...]
    require_stable: bool = True
    principal: str = "User:admin"


@dataclass(slots=True)
class OffsetFetchResponse:
    """offsets: ((topic, partition), offset or -1)."""

    error: str | None
    offsets: tuple[tuple[TopicPartition, int], ...] = ()
    coordinator_epoch: int = -1
