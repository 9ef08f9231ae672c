"""The named points of the model, at which faults may strike (`at_point`): one table for drawing, checks and pages.

A point is passed by one node, in the middle of what it does; the fault strikes right after that, before anything else
happens.
"""

from dataclasses import dataclass

#: How often a point is passed: a count of passings is drawn wider where it happens all the time.
SELDOM, OFTEN = "now and then", "all the time"


@dataclass(frozen=True, slots=True)
class Point:
    """A moment of the protocol.

    meaning: what the node that passes it has just done. often: `SELDOM` or `OFTEN`. modes: where it can be passed.
    """

    name: str
    meaning: str
    often: str = SELDOM
    modes: tuple[str, ...] = ("kraft", "zk")


_KRAFT, _ZK = ("kraft",), ("zk",)

_TABLE = (
    Point("raft.became-candidate", "a controller has raised the epoch and voted for itself, durably", SELDOM, _KRAFT),
    Point("raft.vote-granted", "a controller has given its vote to another one, durably", SELDOM, _KRAFT),
    Point("raft.became-leader", "a controller has won an election of the quorum", SELDOM, _KRAFT),
    Point("raft.appended", "a follower of the quorum has written what it fetched, not yet synced", OFTEN, _KRAFT),
    Point("raft.leader-appended", "the quorum's leader has written to its log, not yet synced", OFTEN, _KRAFT),
    Point("raft.high-watermark", "the quorum's leader has committed more", OFTEN, _KRAFT),
    Point("raft.snapshot-created", "a node has a new snapshot of the metadata on its disk", SELDOM, _KRAFT),
    Point("controller.claimed", "a controller has become the active one"),
    Point("controller.ready", "the new active controller has read everything and told the brokers", SELDOM, _ZK),
    Point("controller.appended", "the active controller has written metadata: to its log (KRaft mode), or to znodes",
          OFTEN),
    Point("controller.registered-broker", "the controller has registered a broker", SELDOM, _KRAFT),
    Point("controller.fenced-broker", "the controller has fenced a broker", SELDOM, _KRAFT),
    Point("controller.alter-partition", "the controller has taken a leader's proposal of an ISR"),
    Point("controller.topic-deletion", "the controller has begun to delete a topic and told the brokers", SELDOM, _ZK),
    Point("zookeeper.leading", "a ZooKeeper server leads, and a quorum follows it", SELDOM, _ZK),
    Point("zookeeper.following", "a ZooKeeper server follows a leader that a quorum follows", SELDOM, _ZK),
    Point("zookeeper.new-leader-acknowledged", "a ZooKeeper server has told a new leader that it holds its history",
          SELDOM, _ZK),
    Point("zookeeper.proposed", "the ensemble's leader has proposed a transaction, not yet synced", OFTEN, _ZK),
    Point("zookeeper.proposal-acknowledged", "a follower of the ensemble has synced a proposal and says so", OFTEN,
          _ZK),
    Point("zookeeper.committed", "the ensemble's leader has committed a transaction", OFTEN, _ZK),
    Point("broker.registered", "a broker has registered in ZooKeeper", SELDOM, _ZK),
    Point("broker.became-leader", "a broker has begun to lead a partition"),
    Point("broker.became-follower", "a broker has begun to follow a partition's leader, or another one"),
    Point("broker.isr-proposed", "a partition's leader has asked the controller for another ISR"),
    Point("broker.isr-committed", "a partition's leader has heard that its ISR is the one that it asked for"),
    Point("broker.appended", "a partition's leader has written records, not yet synced", OFTEN),
    Point("broker.follower-appended", "a partition's follower has written what it fetched, not yet synced", OFTEN),
    Point("broker.truncated", "a partition's follower has cut records from its log"),
    Point("broker.high-watermark", "a partition's leader has moved its high watermark on", OFTEN),
    Point("coordinator.loading", "a group coordinator begins to load a partition of __consumer_offsets"),
    Point("coordinator.loaded", "a group coordinator has loaded a partition of __consumer_offsets"),
    Point("coordinator.commit-appended", "a group coordinator has written committed offsets, not yet replicated",
          OFTEN),
    Point("coordinator.rebalanced", "a group has a new generation"),
    Point("consumer.commit-answered", "a consumer with dual commit has had the broker's answer, and ZooKeeper is next",
          OFTEN, _ZK),
)

#: Every point by its name.
POINTS: dict[str, Point] = {point.name: point for point in _TABLE}

#: Points at which a drawn episode may start, by plane, in the order in which they are drawn: it must stay.
QUORUM_POINTS = (
    "raft.became-candidate", "raft.vote-granted", "raft.became-leader", "raft.appended", "raft.leader-appended",
    "raft.high-watermark", "raft.snapshot-created", "controller.claimed", "controller.appended",
)
ZK_QUORUM_POINTS = (
    "zookeeper.leading", "zookeeper.following", "zookeeper.proposed", "zookeeper.committed", "controller.claimed",
    "controller.ready", "controller.appended", "broker.registered",
)
#: Drawn in both modes; in ZooKeeper mode nobody passes the first two, and a fault that waits for one never strikes.
PARTITION_POINTS = (
    "controller.registered-broker", "controller.fenced-broker", "controller.alter-partition", "broker.became-leader",
    "broker.became-follower", "broker.isr-proposed", "broker.isr-committed", "broker.appended",
    "broker.follower-appended",
    "broker.truncated", "broker.high-watermark", "coordinator.loading", "coordinator.loaded",
    "coordinator.commit-appended", "coordinator.rebalanced",
)


def points_of(mode: str) -> tuple[str, ...]:
    """The names of the points that a schedule for this mode may wait for: those that can be passed, and those drawn."""
    return tuple(name for name, point in POINTS.items() if mode in point.modes or name in PARTITION_POINTS)
