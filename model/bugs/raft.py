"""Known bugs of the Raft quorum, each over the guard that mends it in `fencepost.model.raft`."""

from fencepost.model.bugs.registry import KnownBug
from fencepost.model.raft.core import LEADER, ElectionState, Role
from fencepost.model.raft.replica import RaftReplica


class ForgetsItsLeadership(RaftReplica):
    """A restarted leader does not know any more that it led its epoch."""

    def is_former_leader(self, election: ElectionState) -> bool:
        """Never, so that it starts as Unattached without a vote."""
        return False


class ResumesItsLeadership(RaftReplica):
    """A restarted leader goes on in its epoch, whatever its log has lost."""

    def initial_role(self) -> Role:
        """Leader again, if that is what the quorum-state file says."""
        election: ElectionState = self._election_file.value
        if election.leader_id == self.node_id and election.leader_epoch >= self.log.last_epoch:
            return Role(LEADER, election.leader_epoch, self.node_id, None)
        return super().initial_role()


class FetchesPastItsSyncedEnd(RaftReplica):
    """A voter acknowledges, by its next fetch, what it has not synced."""

    def must_sync_before_fetching_on(self) -> bool:
        """Never: the page cache writes it back some time."""
        return False


class VotesWithoutSync(RaftReplica):
    """A vote is answered before it is durable."""

    def must_sync_vote(self) -> bool:
        """Never: "some time later" would leave a window too short to be met."""
        return False


class CommitsAtEpochStart(RaftReplica):
    """The high watermark may stop short of the leader's own first record."""

    def is_committed_by_own_epoch(self, end_offset: int, epoch_start_offset: int) -> bool:
        """Off by one: a majority that holds everything before the epoch commits it."""
        return end_offset >= epoch_start_offset


class NeverChecksQuorum(RaftReplica):
    """A leader from which nobody fetches stays the leader."""

    def must_resign_without_quorum(self) -> bool:
        """Never."""
        return False


class NeverAsksForPreVotes(RaftReplica):
    """A voter that hears nothing raises its epoch again and again, and deposes the leader when it comes back."""

    def must_ask_for_pre_votes(self) -> bool:
        """Never (as before 4.0)."""
        return False


BUGS: tuple[KnownBug, ...] = (
    KnownBug(
        "KAFKA-10661", "kraft",
        "A restarted leader re-enters its epoch as Unattached without a vote and votes there for another candidate: "
        "two leaders in one epoch.",
        "commit f49c6c203f6; QuorumState.initialize",
        ("ElectionSafety", "SingleLeader"), (ForgetsItsLeadership,), ("VoteOncePerEpoch", "NoIllegalState"),
    ),
    KnownBug(
        "KAFKA-10527", "kraft",
        "A restarted leader resumes the leadership of its epoch after it has lost records that were not synced: an "
        "offset and epoch no longer name one record.",
        "commit 05f9803d72b", ("LogMatching", "ConsistentCommittedData"), (ResumesItsLeadership,),
    ),
    KnownBug(
        "KAFKA-10533", "kraft",
        "A voter fetches past the end of what it has synced, which counts as an acknowledgement: a power cut loses "
        "records that the leader has committed.",
        "commit a72f0c1eac6; RaftFsync.tla",
        ("LeaderCompleteness", "LogMatching"), (FetchesPastItsSyncedEnd,),
        ("ConsistentCommittedData", "MajorityReachedHighWatermark"),
    ),
    KnownBug(
        "VOTE-NOT-FSYNCED", "kraft",
        "A vote is answered before it is durable: a voter that loses power votes again, for another candidate of the "
        "same epoch.",
        "QuorumState.durableTransitionTo; FileQuorumStateStore.writeElectionStateToFile; KIP-595",
        ("VoteOncePerEpoch", "ElectionSafety", "MonotonicEpoch"), (VotesWithoutSync,),
    ),
    KnownBug(
        "KAFKA-12619", "kraft",
        "The high watermark is exposed as soon as a majority reaches the start of the leader's epoch: records of "
        "earlier epochs count as committed and can still be replaced (Raft, figure 8).",
        "commit d2c06c9c3c3", ("ConsistentCommittedData", "LeaderCompleteness", "MonotonicHighWatermark"),
        (CommitsAtEpochStart,),
    ),
    KnownBug(
        "KAFKA-15489", "kraft",
        "A leader that can send but not receive stays the leader: brokers that reach it see a controller that can do "
        "nothing.",
        "commit 37416e1aeba; LeaderState.CHECK_QUORUM_TIMEOUT_FACTOR", ("StaleLeaderBoundedTime",),
        (NeverChecksQuorum,),
    ),
    KnownBug(
        "KIP-996", "kraft",
        "Without PreVote an isolated voter keeps raising its epoch and deposes a healthy leader when it reconnects.",
        "KIP-996; KAFKA-16164", ("LeaderStability",), (NeverAsksForPreVotes,),
    ),
)
