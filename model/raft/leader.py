"""The leader: appending, serving fetches, and what is committed.

A new leader writes its LeaderChange record first, and nothing is committed before that record is (Raft 5.4.2,
KAFKA-12619). What it appends is sent to waiting followers at once but counts for itself only once synced, for Kafka's
log is flushed on the same thread (RaftFsync.tla: LeaderFsyncBeforeIncludeInQuorum). A leader from which no majority
has fetched for 1.5 fetch time-outs resigns (CheckQuorum, KAFKA-15489).
"""

from typing import Any

from fencepost.model import errors
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.protocol.raft import (
    Batch,
    BeginQuorumEpochRequest,
    FetchSnapshotRequest,
    FetchSnapshotResponse,
    LeaderChange,
    RaftFetchRequest,
    RaftFetchResponse,
    SnapshotId,
)
from fencepost.model.raft.core import CHANNEL, LEADER, Role
from fencepost.model.raft.election import ElectionRole
from fencepost.model.raft.metadata_log import EpochEnd, make_batch
from fencepost.model.raft.thread import Deadline


class NotLeaderError(Exception):
    """The replica does not lead the quorum in the epoch in which it was asked to append."""


class ParkedFetch:
    """A fetch that waits for the log to grow. `high_watermark` is as it was on arrival."""

    __slots__ = ("high_watermark", "reply", "request", "timer")

    def __init__(self, request: RaftFetchRequest, reply: Reply, high_watermark: int | None) -> None:
        self.request = request
        self.reply = reply
        self.high_watermark = high_watermark
        self.timer: Timer | None = None


class LeaderState:
    """What a leader knows of its voters (org.apache.kafka.raft.LeaderState).

    end_offsets: voter -> its log's end by its last valid fetch, -1 unknown; the leader's own synced end.
    fetched: the other voters that fetched since CheckQuorum's window began.
    """

    __slots__ = ("end_offsets", "epoch_start_offset", "fetched", "high_watermark", "observed_us", "pending")

    def __init__(self, voters: tuple[int, ...], epoch_start_offset: int) -> None:
        self.epoch_start_offset = epoch_start_offset
        self.high_watermark: int | None = None
        self.end_offsets = dict.fromkeys(voters, -1)
        self.fetched: dict[int, bool] = {}
        self.observed_us: dict[int, int] = {}
        self.pending: list[Batch] = []

    def majority_end_offset(self) -> int:
        """The largest offset that a majority has reached, as far as the leader knows."""
        end_offsets = sorted(self.end_offsets.values(), reverse=True)
        return end_offsets[len(end_offsets) // 2]

    def successors(self, leader_id: int) -> tuple[int, ...]:
        """The other voters, the one with the longest log first."""
        others = [voter for voter in self.end_offsets if voter != leader_id]
        return tuple(sorted(others, key=lambda voter: (-self.end_offsets[voter], voter)))


class LeaderRole(ElectionRole):
    """Leading an epoch."""

    _leader: LeaderState
    _drain_timer: Timer | None = None
    _check_quorum: Deadline
    _begin_epoch: Deadline
    _parked: dict[ParkedFetch, None]

    @property
    def is_leader(self) -> bool:
        """Whether this replica leads its epoch, as far as it knows."""
        return self.state == LEADER

    @property
    def next_offset(self) -> int:
        """Where the next append will land; of use to the leader only."""
        if self.state == LEADER and self._leader.pending:
            return self._leader.pending[-1].end_offset
        return self.log.end_offset

    # --- becoming and ceasing to be the leader --------------------------------------------------------------------

    def _become_leader(self) -> None:
        role = Role(LEADER, self.epoch, self.node_id, None)
        self._enter_durably(role, self._became_leader, self._votes.granting)

    def _became_leader(self, granting_voters: tuple[int, ...]) -> None:
        """The epoch is won: its first record goes to the log at once."""
        self._leader = LeaderState(self.voters, self.log.end_offset)
        if self.other_voters:
            self._reset_check_quorum()
        self._begin_epoch.reset(0)
        change = LeaderChange(self.node_id, self.voters, granting_voters)
        self._leader.pending.append(make_batch(self.log.end_offset, self.epoch, (change,)))
        self.node.at_point("raft.became-leader")
        self._drain(self.epoch)

    def _leave_leadership(self) -> None:
        """What was not yet written is dropped; whoever waits is sent on."""
        self._check_quorum.clear()
        self._begin_epoch.clear()
        cancel(self._drain_timer)
        self._drain_timer = None
        self._leader.pending.clear()
        parked, self._parked = self._parked, {}
        for fetch in parked:
            cancel(fetch.timer)
            self._refuse_fetch(fetch.reply, errors.NOT_LEADER_OR_FOLLOWER)

    def _send_begin_quorum_epoch(self) -> None:
        """Tell every voter who leads, twice a fetch time-out."""
        if self.state != LEADER:
            return
        timeout_us = self.config.controller_quorum_request_timeout_us
        for voter in self.other_voters:
            request = BeginQuorumEpochRequest(self.node_id, self.epoch, voter)
            self.node.request(voter, CHANNEL, request, timeout_us, self._on_quorum_response)
        self._begin_epoch.reset(self.config.controller_quorum_fetch_timeout_us // 2)

    # --- CheckQuorum ----------------------------------------------------------------------------------------------

    def _reset_check_quorum(self) -> None:
        self._leader.fetched.clear()
        self._check_quorum.reset(self.config.controller_quorum_fetch_timeout_us * 3 // 2)

    def _note_fetching_voter(self, voter: int) -> None:
        """A voter fetched: with enough of them the window of CheckQuorum begins anew."""
        leader = self._leader
        if voter not in leader.end_offsets or voter == self.node_id:
            return
        leader.fetched[voter] = True
        if len(leader.fetched) >= len(self.voters) // 2:
            self._reset_check_quorum()
        now_us = self.node.now_us
        last_us = leader.observed_us.get(voter)
        if last_us is None or now_us - last_us >= self.config.controller_quorum_fetch_timeout_us // 2:
            leader.observed_us[voter] = now_us
            self.node.observe("raft-fetch", value={"replica": voter}, leader_epoch=self.epoch)

    def must_resign_without_quorum(self) -> bool:
        """Whether a leader that no majority fetches from gives up."""
        return True

    def _on_check_quorum(self) -> None:
        if self.state == LEADER:
            if self.must_resign_without_quorum():
                self._resign()
            else:
                self._reset_check_quorum()

    def _resign(self) -> None:
        self._become_resigned(self._leader.successors(self.node_id))

    # --- appending ------------------------------------------------------------------------------------------------

    def append(self, epoch: int, records: tuple[Any, ...]) -> int:
        """Append the records as one batch, after the linger; the offset that the first of them gets.

        May be called from any thread. Raises NotLeaderError, and ValueError when there is nothing to append.
        """
        if self.state != LEADER or epoch != self.epoch:
            raise NotLeaderError(f"replica {self.node_id} does not lead epoch {epoch}")
        if not records:
            raise ValueError("a batch needs a record")
        batch = make_batch(self.next_offset, epoch, records)
        self._leader.pending.append(batch)
        if self._drain_timer is None:
            linger_us = self.config.controller_quorum_append_linger_us
            self._drain_timer = self.thread.schedule(linger_us, self._drain, epoch)
        return batch.base_offset

    def _drain(self, epoch: int) -> None:
        """Write what has been appended, let waiting followers have it, and sync it."""
        if self.state != LEADER or epoch != self.epoch:
            return
        cancel(self._drain_timer)
        self._drain_timer = None
        pending, self._leader.pending = self._leader.pending, []
        if not pending:
            return
        entries: list[list[Any]] = []
        for batch in pending:
            self.log.append(self.node.now_us, batch)
            entries.append([batch.base_offset, batch.epoch, batch.digest, len(batch.records)])
        self._observe_append(pending[0].base_offset, entries)
        self.node.at_point("raft.leader-appended")
        self._complete_parked()
        self.thread.sync(self.log.file, self._on_leader_synced, epoch)

    def countable_own_end(self) -> int:
        """How far the leader's own log counts towards a majority: what is durable."""
        return self.log.synced_end_offset

    def _on_leader_synced(self, epoch: int) -> None:
        if self.state == LEADER and epoch == self.epoch:
            self._leader.end_offsets[self.node_id] = self.countable_own_end()
            self._advance_high_watermark()

    # --- what is committed ----------------------------------------------------------------------------------------

    def is_committed_by_own_epoch(self, end_offset: int, epoch_start_offset: int) -> bool:
        """Whether a majority up to `end_offset` commits it: only with a record of the leader's own epoch."""
        return end_offset > epoch_start_offset

    def _advance_high_watermark(self) -> None:
        leader = self._leader
        end_offset = leader.majority_end_offset()
        if not self.is_committed_by_own_epoch(end_offset, leader.epoch_start_offset):
            return
        if leader.high_watermark is None or end_offset > leader.high_watermark:
            leader.high_watermark = end_offset
            self._set_high_watermark(end_offset)
            for progress in self._listeners:
                if progress.may_be_told_of_own_leadership(leader.epoch_start_offset):
                    progress.tell_leader(self.node_id, self.epoch)
            self.node.at_point("raft.high-watermark")

    # --- serving fetches ------------------------------------------------------------------------------------------

    def _handle_fetch(self, request: RaftFetchRequest, reply: Reply) -> None:
        self.thread.run(self._take_fetch_request, request, reply)

    def _take_fetch_request(self, request: RaftFetchRequest, reply: Reply) -> None:
        error = self._fetch_error(request.current_leader_epoch)
        if request.last_fetched_epoch > request.current_leader_epoch:
            error = errors.INVALID_REQUEST
        if error is not None:
            self._refuse_fetch(reply, error)
            return
        diverging, snapshot_id = self._validate_fetch(request)
        if diverging is not None or snapshot_id is not None:
            self._answer_fetch(reply, (), self._leader.high_watermark, diverging, snapshot_id)
            return
        self._note_valid_fetch(request)
        batches = self._read(request)
        if batches or request.max_wait_us == 0:
            self._answer_fetch(reply, batches, self._leader.high_watermark)
        else:
            fetch = ParkedFetch(request, reply, self._leader.high_watermark)
            self._parked[fetch] = None
            fetch.timer = self.thread.schedule(request.max_wait_us, self._time_out_parked, fetch)

    def _fetch_error(self, current_leader_epoch: int) -> str | None:
        if self.is_stale_epoch(current_leader_epoch):
            return errors.FENCED_LEADER_EPOCH
        if current_leader_epoch > self.epoch:
            return errors.UNKNOWN_LEADER_EPOCH
        if self.state != LEADER:
            return errors.NOT_LEADER_OR_FOLLOWER
        return errors.BROKER_NOT_AVAILABLE if self._shutting_down else None

    def _validate_fetch(self, request: RaftFetchRequest) -> tuple[EpochEnd | None, SnapshotId | None]:
        latest = self.log.snapshots.latest_id
        if request.fetch_offset == 0 and latest is not None:
            return None, latest
        return self.log.validate(request.fetch_offset, request.last_fetched_epoch)

    def _note_valid_fetch(self, request: RaftFetchRequest) -> None:
        """The fetch offset says what the replica holds, and holds durably if it is a voter."""
        replica_id = request.replica_id
        if replica_id in self._leader.end_offsets and replica_id != self.node_id:
            self._note_fetching_voter(replica_id)
            self._leader.end_offsets[replica_id] = request.fetch_offset
            self._advance_high_watermark()

    def _read(self, request: RaftFetchRequest) -> tuple[Batch, ...]:
        return self.log.read(request.fetch_offset, self.log.end_offset, self.config.raft_max_fetch_records)

    def _complete_parked(self) -> None:
        """The log grew: answer every fetch that waited for it."""
        parked, self._parked = self._parked, {}
        for fetch in parked:
            cancel(fetch.timer)
            self._answer_fetch(fetch.reply, self._read(fetch.request), self._leader.high_watermark)

    def _time_out_parked(self, fetch: ParkedFetch) -> None:
        """Nothing came: the answer is as of the fetch's arrival, its high watermark too (until KIP-1166)."""
        if self._parked.pop(fetch, self) is None:
            self._answer_fetch(fetch.reply, (), fetch.high_watermark)

    def _answer_fetch(
        self, reply: Reply, batches: tuple[Batch, ...], high_watermark: int | None,
        diverging: EpochEnd | None = None, snapshot_id: SnapshotId | None = None,
    ) -> None:
        reply.send(RaftFetchResponse(
            None, self.leader_id, self.epoch, high_watermark, batches, diverging, snapshot_id
        ))

    def _refuse_fetch(self, reply: Reply, error: str) -> None:
        reply.send(RaftFetchResponse(error, self.leader_id, self.epoch))

    # --- serving snapshots ----------------------------------------------------------------------------------------

    def _handle_fetch_snapshot(self, request: FetchSnapshotRequest, reply: Reply) -> None:
        self.thread.run(self._take_snapshot_request, request, reply)

    def _take_snapshot_request(self, request: FetchSnapshotRequest, reply: Reply) -> None:
        error = self._fetch_error(request.current_leader_epoch)
        snapshot = self.log.snapshots.get(request.snapshot_id)
        if error is None and snapshot is None:
            error = errors.SNAPSHOT_NOT_FOUND
        if error is not None or snapshot is None:
            reply.send(FetchSnapshotResponse(error, self.leader_id, self.epoch))
            return
        size, position = len(snapshot.entries), request.position
        if position < 0 or position > size or (position == size and size > 0):
            reply.send(FetchSnapshotResponse(errors.POSITION_OUT_OF_RANGE, self.leader_id, self.epoch))
            return
        entries = snapshot.entries[position:position + request.max_entries]
        reply.send(FetchSnapshotResponse(
            None, self.leader_id, self.epoch, request.snapshot_id, position, size, entries
        ))
        self._note_fetching_voter(request.replica_id)
