"""The znodes of a consumer group (ZKGroupDirs and ZKGroupTopicDirs of Kafka 0.8.2). Paths are relative to the chroot.

/consumers/<group>/ids/<consumer>, ephemeral, holds the topics that the consumer subscribes to;
/consumers/<group>/owners/<topic>/<partition>, ephemeral, the consumer that owns the partition;
/consumers/<group>/offsets/<topic>/<partition> the committed offset, as a decimal number.
"""

from fencepost.model.protocol.group import TopicPartition
from fencepost.model.zk_controller.znodes import CONSUMERS

IDS, OWNERS, OFFSETS = "ids", "owners", "offsets"


def group_path(group: str, kind: str) -> str:
    """/consumers/<group>/<ids, owners or offsets>."""
    return f"{CONSUMERS}/{group}/{kind}"


def consumer_path(group: str, consumer_id: str) -> str:
    """/consumers/<group>/ids/<consumer>."""
    return f"{group_path(group, IDS)}/{consumer_id}"


def partition_path(group: str, kind: str, place: TopicPartition) -> str:
    """/consumers/<group>/<owners or offsets>/<topic>/<partition>."""
    return f"{group_path(group, kind)}/{place[0]}/{place[1]}"


def parents_of(path: str) -> tuple[str, ...]:
    """The paths between /consumers and a znode of a group, parents first."""
    names = path.split("/")
    return tuple("/".join(names[:depth]) for depth in range(3, len(names)))


def place_of(path: str, kind: str) -> tuple[str, TopicPartition] | None:
    """(group, topic-partition) of an owner's or an offset's znode, None for any other path."""
    names = path.split("/")
    if len(names) != 6 or f"/{names[1]}" != CONSUMERS or names[3] != kind:
        return None
    return names[2], (names[4], int(names[5]))
