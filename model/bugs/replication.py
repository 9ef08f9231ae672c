"""Known bugs of replication: what Kafka's data plane did, or would do without one of its guards."""

from fencepost.model.broker.fetcher import ReplicaFetcher
from fencepost.model.broker.partition import Partition
from fencepost.model.broker.partition_core import FollowerState
from fencepost.model.bugs.registry import KnownBug


class NoFetchEpochFencing(Partition):
    """Requests of any leader epoch are served."""

    def epoch_error(self, current_leader_epoch: int) -> str | None:
        """Never."""
        return None


class TruncateToHighWatermark(Partition):
    """A new follower cuts its log to its own high watermark, which may trail."""

    def truncation_before_asking(self) -> int | None:
        """Its high watermark."""
        return self.high_watermark


class NoLastFetchedEpoch(ReplicaFetcher):
    """Fetches do not say the last epoch (before 2.7), so that a divergence is not found at fetch time."""

    def last_fetched_epoch(self, partition: Partition) -> int:
        """Unknown."""
        return -1


class CountDivergingFetch(Partition):
    """A fetch counts for the high watermark though its log diverges."""

    def may_count_fetch(self, diverging: tuple[int, int] | None) -> bool:
        """Always."""
        return True


class EqualEpochClearsPending(Partition):
    """Metadata of the partition epoch that the leader already has wipes out a pending change."""

    def metadata_replaces_isr(self, partition_epoch: int) -> bool:
        """An equal epoch does too."""
        return partition_epoch >= self.partition_epoch


class ForgetsLeavingReplicas(Partition):
    """Who is no replica any more counts no longer, be it in the ISR or not."""

    def followed_by(self) -> tuple[int, ...]:
        """The other replicas only, as in 3.9."""
        return tuple(replica for replica in self.replicas if replica != self._node.node_id)


class JoinAtHighWatermark(Partition):
    """A follower joins the ISR as soon as it has reached the leader's, possibly stale, high watermark."""

    def is_in_sync(self, follower: FollowerState) -> bool:
        """Without the beginning of the epoch."""
        return follower.end_offset >= self.high_watermark


class CommittedIsrOnly(Partition):
    """The high watermark waits for the committed ISR only, not for what a pending change may make of it."""

    def counts_for_high_watermark(self, replica: int) -> bool:
        """Members of the committed ISR."""
        return replica in self.isr


BUGS: tuple[KnownBug, ...] = (
    KnownBug(
        "KAFKA-7395", "any",
        "Fetches are not fenced by leader epoch: a zombie leader advances its high watermark with followers of another "
        "epoch, and followers truncate against a stale leader.",
        "KIP-320; commit ed3bd79633a",
        ("StrongIsr", "NoAckedRecordLost", "ConsistentRead"), (NoFetchEpochFencing,), ("EpochFencing",)),
    KnownBug(
        "KAFKA-1211", "any",
        "A follower truncates to its own high watermark when it begins to follow; elected soon after, it has lost "
        "committed records.",
        "KIP-101; commit 0baea2ac135", ("NoAckedRecordLost", "StrongIsr", "LogMatching"),
        (TruncateToHighWatermark, NoLastFetchedEpoch)),
    KnownBug(
        "KAFKA-13141", "any",
        "The leader takes a follower's fetch offset for its log end even when it answers with a diverging epoch, so "
        "the high watermark passes records that the follower does not have.",
        "commit fe0fe686e92", ("StrongIsr", "NoAckedRecordLost"), (CountDivergingFetch,)),
    KnownBug(
        "ISR-EQUAL-EPOCH", "any",
        "Metadata of the partition epoch that the leader already has wipes out its pending ISR change; the answer is "
        "then ignored.",
        "Partition.makeLeader in branch 3.9, by reading",
        ("ReplicationQuorumSuperset", "LeaderCandidateCompleteness", "NoAckedRecordLost"), (EqualEpochClearsPending,)),
    KnownBug(
        "KAFKA-7128", "any",
        "A new leader lets a follower into the ISR once it has reached the stale high watermark, not the beginning of "
        "the leader's epoch.",
        "commit 70c51633f2f", ("LeaderCandidateCompleteness", "NoAckedRecordLost"), (JoinAtHighWatermark,)),
    KnownBug(
        "KIP-497", "any",
        "The high watermark is computed over the committed ISR alone while a change is pending.",
        "KIP-497; commit 57de67db22e",
        ("ReplicationQuorumSuperset", "LeaderCandidateCompleteness", "NoAckedRecordLost"), (CommittedIsrOnly,)),
    KnownBug(
        "ZK-REASSIGNMENT-END", "zk",
        "A leader that is told its new replicas at the end of a reassignment forgets the old ones that are still in "
        "the ISR, and commits without them; a controller that takes over just then may elect one.",
        "KafkaController.onPartitionReassignment (B3 to B6) and Partition.maybeIncrementLeaderHW of 3.9, by reading",
        ("LeaderCandidateCompleteness", "StrongIsr", "WeakIsr"), (ForgetsLeavingReplicas,)),
)
