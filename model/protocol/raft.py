"""Messages of the Raft quorum on __cluster_metadata (KIP-595, KIP-630, KIP-996).

An `entry` of the metadata log is a `Batch`: Kafka replicates batches and so does the model, and an offset is a
record's.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Batch(NamedTuple):
    """Records that were appended together, in one epoch.

    base_offset: the first record's offset; records follow one another, so `end_offset` is exclusive.
    epoch: the leader epoch that wrote it.
    records: the metadata records, or one `LeaderChange`.
    digest: a stable digest of (epoch, records), by which logs are compared.
    """

    base_offset: int
    epoch: int
    records: tuple[Any, ...]
    digest: str

    @property
    def end_offset(self) -> int:
        """The offset after the last record."""
        return self.base_offset + len(self.records)


class LeaderChange(NamedTuple):
    """The control record that a new leader writes first (LeaderChangeMessage)."""

    leader_id: int
    voters: tuple[int, ...]
    granting_voters: tuple[int, ...]


class SnapshotId(NamedTuple):
    """A snapshot's name, `<offset>-<epoch>.checkpoint`; the offset is the exclusive end of what it holds."""

    end_offset: int
    epoch: int


@dataclass(slots=True)
class VoteRequest:
    """Vote (52), with PreVote of version 2."""

    candidate_epoch: int
    candidate_id: int
    voter_id: int
    last_epoch: int
    last_end_offset: int
    pre_vote: bool = False


@dataclass(slots=True)
class VoteResponse:
    """The answer to Vote; `leader_id` and `leader_epoch` are what the voter knows."""

    error: str | None
    leader_id: int | None
    leader_epoch: int
    vote_granted: bool


@dataclass(slots=True)
class BeginQuorumEpochRequest:
    """BeginQuorumEpoch (53)."""

    leader_id: int
    leader_epoch: int
    voter_id: int


@dataclass(slots=True)
class EndQuorumEpochRequest:
    """EndQuorumEpoch (54); successors are ordered by descending fetch offset."""

    leader_id: int
    leader_epoch: int
    preferred_successors: tuple[int, ...]


@dataclass(slots=True)
class QuorumEpochResponse:
    """The answer to Begin- and EndQuorumEpoch."""

    error: str | None
    leader_id: int | None
    leader_epoch: int


@dataclass(slots=True)
class RaftFetchRequest:
    """Fetch (1) of __cluster_metadata by a voter or observer."""

    replica_id: int
    current_leader_epoch: int
    fetch_offset: int
    last_fetched_epoch: int
    max_wait_us: int


@dataclass(slots=True)
class RaftFetchResponse:
    """The answer to a fetch of the metadata log: records, or a diverging epoch, or a snapshot to load first.

    diverging: (epoch, end offset), exclusive.
    """

    error: str | None
    leader_id: int | None
    leader_epoch: int
    high_watermark: int | None = None
    batches: tuple[Batch, ...] = ()
    diverging: tuple[int, int] | None = None
    snapshot_id: SnapshotId | None = None


@dataclass(slots=True)
class FetchSnapshotRequest:
    """FetchSnapshot (59); positions count the image's entries, not bytes."""

    replica_id: int
    current_leader_epoch: int
    snapshot_id: SnapshotId
    position: int
    max_entries: int


@dataclass(slots=True)
class FetchSnapshotResponse:
    """One chunk of a snapshot; `size` is the whole snapshot's number of entries."""

    error: str | None
    leader_id: int | None
    leader_epoch: int
    snapshot_id: SnapshotId | None = None
    position: int = 0
    size: int = 0
    entries: tuple[Any, ...] = field(default=())
