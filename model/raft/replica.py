"""A replica of the Raft quorum on __cluster_metadata: a voter (controllers) or an observer (brokers).

Fault contract: messages may be late, lost or repeated, processes may stop at any point, and a power cut takes what was
not synced. Then at most one replica leads an epoch, and what lies below the high watermark stays.

A start first syncs what it finds on disk, so that nothing unsynced of an earlier process is acted on. Kafka's does not:
a voter that is killed between a write and its sync may acknowledge, once restarted, what only the page cache holds,
until its next append. The model leaves out that window, which needs a kill and a power cut of one host in quick turn.

Also left out: changes of the voter set (KIP-853), endpoints, cluster ids, mixed versions of Vote, and KIP-1166. The
behaviour is that of 4.0; `fencepost.raft.prevote` switches PreVote alone off. A listener gets the local snapshot at
the start, not only once the high watermark is known: what a snapshot holds is committed in any case.
"""

from collections.abc import Callable
from typing import Any

from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.protocol.raft import (
    BeginQuorumEpochRequest,
    EndQuorumEpochRequest,
    FetchSnapshotRequest,
    RaftFetchRequest,
    SnapshotId,
    VoteRequest,
)
from fencepost.model.raft.core import CANDIDATE, FOLLOWER, LEADER, RESIGNED
from fencepost.model.raft.follower import FollowerRole
from fencepost.model.raft.leader import LeaderRole, NotLeaderError
from fencepost.model.raft.snapshots import Snapshot
from fencepost.model.raft.thread import Deadline

__all__ = ["NotLeaderError", "RaftReplica"]


class RaftReplica(LeaderRole, FollowerRole):
    """The replica as its node and its listeners see it; one process's, built anew at each start."""

    def __init__(self, node: Node, config: KafkaConfig, voters: tuple[int, ...]) -> None:
        super().__init__(node, config, voters)
        self._check_quorum = Deadline(self.thread, self._on_check_quorum)
        self._begin_epoch = Deadline(self.thread, self._send_begin_quorum_epoch)
        self._parked = {}
        self._on_shut_down: tuple[Callable[..., None], tuple[Any, ...]] | None = None
        node.handlers[VoteRequest] = self._handle_vote
        node.handlers[BeginQuorumEpochRequest] = self._handle_begin_quorum_epoch
        node.handlers[EndQuorumEpochRequest] = self._handle_end_quorum_epoch
        node.handlers[RaftFetchRequest] = self._handle_fetch
        node.handlers[FetchSnapshotRequest] = self._handle_fetch_snapshot

    # --- what others may know -------------------------------------------------------------------------------------

    @property
    def log_start_offset(self) -> int:
        """The first offset of the log."""
        return self.log.start_offset

    @property
    def log_end_offset(self) -> int:
        """The offset of the next record in the log; what lingers unwritten is not in it (see `next_offset`)."""
        return self.log.end_offset

    @property
    def latest_snapshot_id(self) -> SnapshotId | None:
        """The latest durable snapshot."""
        return self.log.snapshots.latest_id

    def describe(self) -> dict[str, Any]:
        """The replica in plain data."""
        latest = self.latest_snapshot_id
        return {
            "state": self.state, "epoch": self.epoch, "leader": self.leader_id, "voted": self.voted_id,
            "voter": self.is_voter, "high_watermark": self.high_watermark, "log_start_offset": self.log.start_offset,
            "log_end_offset": self.log.end_offset, "synced_end_offset": self.log.synced_end_offset,
            "latest_snapshot": None if latest is None else list(latest),
        }

    # --- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Recover and join the quorum; `epoch` is right from the start, the rest once the disk has been synced."""
        self.thread.sync(self._election_file, self._sync_log)

    def _sync_log(self) -> None:
        self.thread.sync(self.log.file, self._begin)

    def _begin(self) -> None:
        if self.log.torn_from is not None:
            self._observe_truncation(self.log.torn_from)
        latest = self.latest_snapshot_id
        if latest is not None:
            for progress in self._listeners:
                progress.load(self.log, latest)
        role = self.initial_role()
        if role.state == FOLLOWER:
            self._enter(role, self._became_follower, (self._nothing, ()))
        elif role.state == CANDIDATE:
            self._enter(role, self._ask_for_votes, (1,))
        elif role.state == RESIGNED:
            self._enter(role, self._became_resigned, ((),))
        elif role.state == LEADER:
            self._enter(role, self._became_leader, (self.voters,))
        else:
            self._enter(role, self._became_unattached, (None, self._elect_sole_voter, ()))

    def _elect_sole_voter(self) -> None:
        """A sole voter need not wait."""
        if self.voters == (self.node_id,):
            self._become_candidate()

    def _poll(self) -> None:
        self._fetch()
        if self._on_shut_down is not None and self._may_stop():
            callback, args = self._on_shut_down
            self._on_shut_down = None
            callback(*args)

    # --- giving up the leadership ---------------------------------------------------------------------------------

    def resign(self, epoch: int) -> None:
        """Give up the leadership of that epoch; harmless when it is over. May be called from any thread."""
        self.thread.schedule(0, self._resign_from, epoch)

    def _resign_from(self, epoch: int) -> None:
        if self.state == LEADER and epoch == self.epoch:
            self._resign()

    def shut_down(self, callback: Callable[..., None] | None = None, *args: Any) -> None:
        """Leave gracefully: a leader resigns in favour of its most advanced follower, and this replica stands no more.

        `callback(*args)` follows once the process may stop: at once, or when another voter leads.
        """
        if callback is not None:
            self._on_shut_down = (callback, args)
        self.thread.schedule(0, self._begin_shut_down)

    def _begin_shut_down(self) -> None:
        self._shutting_down = True
        if self.state == LEADER:
            self._resign()

    def _may_stop(self) -> bool:
        if not self._shutting_down:
            return False
        alone = not self.is_voter or not self.other_voters
        return alone or (self.leader_id is not None and self.leader_id != self.node_id)

    # --- snapshots of the state machine ---------------------------------------------------------------------------

    def freeze_snapshot(self, snapshot_id: SnapshotId, entries: tuple[Any, ...], digest: str) -> bool:
        """Write a snapshot of the committed state up to `snapshot_id`; False when it is not needed any more.

        It is written on the caller's thread; once it is durable, the log before the previous snapshot is deleted. A
        snapshot of what is not committed, or not in the log, cannot be, and ends the process.
        """
        if snapshot_id in self.log.snapshots or snapshot_id.end_offset < self.log.start_offset:
            return False
        if not self.is_valid_snapshot(snapshot_id):
            self._fail(f"{snapshot_id} is not in the log, or beyond the high watermark {self.high_watermark}")
            return False
        snapshot = Snapshot(snapshot_id, entries)
        cell = self.log.snapshots.write(snapshot)
        self.node.disk.fsync(
            cell, self.node.schedule, self.thread.run, self._on_snapshot_durable, snapshot, digest
        )
        return True

    def is_valid_snapshot(self, snapshot_id: SnapshotId) -> bool:
        """Whether the log holds the id's epoch up to its end, and a majority does."""
        committed = self.high_watermark is not None and snapshot_id.end_offset <= self.high_watermark
        return committed and self.log.validate(snapshot_id.end_offset, snapshot_id.epoch) == (None, None)

    def _on_snapshot_durable(self, snapshot: Snapshot, digest: str) -> None:
        snapshot_id = snapshot.snapshot_id
        if snapshot_id in self.log.snapshots or snapshot_id.end_offset < self.log.start_offset:
            self.log.snapshots.discard(snapshot)
            return
        self.log.snapshots.add(snapshot)
        value = {
            "end_offset": snapshot_id.end_offset, "epoch": snapshot_id.epoch, "digest": digest,
            "log_start_offset": self.log.start_offset,
        }
        self.node.observe("raft-snapshot-created", value=value)
        self.node.at_point("raft.snapshot-created")
        previous = self.log.snapshots.previous_id(snapshot_id)
        if previous is not None and self.log.delete_before(previous):
            self._observe_log_start()

    # --- requests about the quorum's epochs -----------------------------------------------------------------------

    def _handle_begin_quorum_epoch(self, request: BeginQuorumEpochRequest, reply: Reply) -> None:
        self.thread.run(
            self._take_quorum_request, request.leader_id, request.leader_epoch, reply, self._begin_quorum_epoch,
            request.voter_id, reply,
        )

    def _handle_end_quorum_epoch(self, request: EndQuorumEpochRequest, reply: Reply) -> None:
        self.thread.run(
            self._take_quorum_request, request.leader_id, request.leader_epoch, reply, self._end_quorum_epoch,
            request, reply,
        )
