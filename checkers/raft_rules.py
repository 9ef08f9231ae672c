"""The rules of the metadata quorum (KIP-595, KIP-630); each file states its own.

| file | rules |
| --- | --- |
| `raft_elections` | ElectionSafety, SingleLeader, VoteOncePerEpoch, MonotonicEpoch, NoIllegalState |
| `raft_log_rules` | LogMatching, LeaderCompleteness, ConsistentCommittedData, MonotonicHighWatermark, |
| | MajorityReachedHighWatermark, NoTruncationBelowHighWatermark |
| `raft_snapshots` | SnapshotAtLogStart, LeaderNeverLoadSnapshot, SnapshotEquivalence |
| `raft_stale_leader` | StaleLeaderBoundedTime |
| `raft_stability` | LeaderStability |
"""

from typing import Any

from fencepost.checkers.raft_elections import RaftElections
from fencepost.checkers.raft_log_rules import RaftLogRules
from fencepost.checkers.raft_snapshots import RaftSnapshots
from fencepost.checkers.raft_stability import LeaderStability
from fencepost.checkers.raft_stale_leader import StaleLeader
from fencepost.checkers.verdict import Checker


def build(header: dict[str, Any]) -> list[Checker]:
    """The checkers of the quorum for a history with this header."""
    kinds = (RaftElections, RaftLogRules, RaftSnapshots, StaleLeader, LeaderStability)
    return [kind(header) for kind in kinds]
