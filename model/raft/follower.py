"""Followers and observers: fetching the log, and snapshots where the log no longer reaches back (KIP-595, KIP-630).

One fetch is under way at a time. A voter syncs what it fetched before anything can count it: before its next fetch,
whose offset is the acknowledgement. Observers (brokers) leave the syncing to the page cache. Who knows no leader, or
did not get through to it, asks a random voter, as of 4.0 (KAFKA-17030).

A fetch that brought no news about the leader is repeated after the retry back-off, which doubles up to half the long
poll's time; Kafka's does not grow, which changes nothing but the number of messages while there is no leader.
"""

from collections.abc import Callable
from typing import Any

from fencepost.model import errors
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.protocol.raft import (
    Batch,
    FetchSnapshotRequest,
    FetchSnapshotResponse,
    RaftFetchRequest,
    RaftFetchResponse,
    SnapshotId,
)
from fencepost.model.raft.core import CHANNEL, FOLLOWER, UNATTACHED, ReplicaCore
from fencepost.model.raft.snapshots import Snapshot

READY, IN_FLIGHT, BACKING_OFF = range(3)


class FollowerRole(ReplicaCore):
    """Fetching, truncating, appending and installing snapshots."""

    _fetching = READY
    _fetch_number = 0
    _fetch_failures = 0
    _fetch_timer: Timer | None = None
    _leader_unreachable = False
    _download: tuple[SnapshotId, list[Any]] | None = None

    # --- the loop -------------------------------------------------------------------------------------------------

    def _restart_fetching(self) -> None:
        self._fetch_number += 1
        self._fetch_failures = 0
        self._fetching = READY
        self._leader_unreachable = False
        self._download = None
        cancel(self._fetch_timer)

    def _fetch(self) -> None:
        """Send the next fetch if this state fetches and none is under way."""
        if self._fetching != READY or self.state not in (FOLLOWER, UNATTACHED):
            return
        destination = self._fetch_destination()
        if destination is None:
            return
        self._fetching = IN_FLIGHT
        config = self.config
        request: RaftFetchRequest | FetchSnapshotRequest
        callback: Callable[..., None]
        if self._download is not None:
            snapshot_id, entries = self._download
            callback = self._on_snapshot_response
            request = FetchSnapshotRequest(
                self.node_id, self.epoch, snapshot_id, len(entries), config.raft_max_fetch_records
            )
        else:
            callback = self._on_fetch_response
            request = RaftFetchRequest(
                self.node_id, self.epoch, self.log.end_offset, self.log.last_epoch, config.raft_max_fetch_wait_us
            )
        self.node.request(
            destination, CHANNEL, request, config.controller_quorum_request_timeout_us, callback, self._fetch_number,
            destination,
        )

    def _fetch_destination(self) -> int | None:
        if self.state == FOLLOWER and not self._leader_unreachable:
            return self.leader_id
        return self._random.choice(self.other_voters) if self.other_voters else None

    def _back_off_fetch(self) -> None:
        config = self.config
        self._fetching = BACKING_OFF
        backoff_us = config.controller_quorum_retry_backoff_us << min(self._fetch_failures, 16)
        self._fetch_failures += 1
        backoff_us = max(1, min(backoff_us, config.raft_max_fetch_wait_us >> 1))
        self._fetch_timer = self.thread.schedule(backoff_us, self._fetch_again, self._fetch_number)

    def _fetch_again(self, number: int) -> None:
        if number == self._fetch_number and self._fetching == BACKING_OFF:
            self._fetching = READY

    def _note_answer(self, number: int, destination: int, error: str | None, answered: bool) -> bool:
        """A fetch is over: whether it was the current one."""
        if number != self._fetch_number:
            return False
        self._leader_unreachable = self.state == FOLLOWER and not answered and destination == self.leader_id
        if answered and error is None:
            self._fetching = READY
            self._fetch_failures = 0
        else:
            self._back_off_fetch()
        return True

    # --- fetched: records, a divergence or a snapshot's name ------------------------------------------------------

    def _on_fetch_response(self, response: RaftFetchResponse | None, number: int, destination: int) -> None:
        self.thread.run(self._take_fetch_response, response, number, destination)

    def _take_fetch_response(self, response: RaftFetchResponse | None, number: int, destination: int) -> None:
        error = None if response is None else response.error
        current = self._note_answer(number, destination, error, response is not None)
        if response is not None:
            self._take_response(
                response.error, response.leader_id, response.leader_epoch, self._use_fetched, response, current
            )

    def _use_fetched(self, response: RaftFetchResponse, current: bool) -> None:
        """Take what the leader of this epoch answered; what a fetch of an earlier state brings is of no use."""
        if not current or self.state != FOLLOWER:
            return
        if response.diverging is not None:
            self._truncate(response.diverging)
        elif response.snapshot_id is not None:
            self._begin_download(response.snapshot_id)
        elif response.batches:
            self._append_fetched(response)
        else:
            self._finish_fetch(response.high_watermark)

    def is_truncation_of_committed(self, end_offset: int) -> bool:
        """Whether cutting here would drop what this process knows to be committed (KAFKA-12460)."""
        return self.high_watermark is not None and end_offset < self.high_watermark

    def _truncate(self, diverging: tuple[int, int]) -> None:
        end_offset = self.log.truncation_offset(diverging)
        if self.is_truncation_of_committed(end_offset):
            self._fail(f"the log would be cut to {end_offset}, below the high watermark {self.high_watermark}")
            return
        old_end_offset = self.log.end_offset
        self.log.truncate_to(end_offset)
        self._observe_truncation(old_end_offset)
        self._finish_fetch(None)

    def _append_fetched(self, response: RaftFetchResponse) -> None:
        base_offset = self.log.end_offset
        entries: list[list[Any]] = []
        for batch in response.batches:
            if not self._append(batch):
                return
            entries.append([batch.base_offset, batch.epoch, batch.digest, len(batch.records)])
        self._observe_append(base_offset, entries)
        self.node.at_point("raft.appended")
        if self.must_sync_before_fetching_on():
            self.thread.sync(self.log.file, self._finish_fetch, response.high_watermark)
        else:
            self._finish_fetch(response.high_watermark)

    def _append(self, batch: Batch) -> bool:
        try:
            self.log.append(self.node.now_us, batch)
        except ValueError as error:
            self._fail(str(error))
            return False
        return True

    def must_sync_before_fetching_on(self) -> bool:
        """Whether what was fetched must be durable before the next fetch acknowledges it (KAFKA-10533)."""
        return self.is_voter

    def _finish_fetch(self, leader_high_watermark: int | None) -> None:
        """A fetch succeeded, and what it brought is safe."""
        self._has_fetched = True
        if self.is_voter:
            self._timer.reset(self.config.controller_quorum_fetch_timeout_us)
        if leader_high_watermark is None:
            return
        high_watermark = min(self.log.end_offset, leader_high_watermark)
        if self.high_watermark is None or high_watermark > self.high_watermark:
            self._set_high_watermark(high_watermark)
        elif high_watermark < self.high_watermark:
            self._fail(f"the leader's high watermark is {high_watermark}, after {self.high_watermark}")

    # --- snapshots ------------------------------------------------------------------------------------------------

    def _begin_download(self, snapshot_id: SnapshotId) -> None:
        if snapshot_id not in self.log.snapshots:
            self._download = (snapshot_id, [])
        self._finish_fetch(None)

    def _on_snapshot_response(self, response: FetchSnapshotResponse | None, number: int, destination: int) -> None:
        self.thread.run(self._take_snapshot_response, response, number, destination)

    def _take_snapshot_response(
        self, response: FetchSnapshotResponse | None, number: int, destination: int
    ) -> None:
        error = None if response is None else response.error
        current = self._note_answer(number, destination, error, response is not None)
        if response is None:
            return
        if current and error in (errors.SNAPSHOT_NOT_FOUND, errors.POSITION_OUT_OF_RANGE):
            self._download = None
        self._take_response(error, response.leader_id, response.leader_epoch, self._use_chunk, response, current)

    def _use_chunk(self, response: FetchSnapshotResponse, current: bool) -> None:
        if not current or self.state != FOLLOWER or self._download is None:
            return
        snapshot_id, entries = self._download
        if response.snapshot_id != snapshot_id or response.position != len(entries):
            return
        entries.extend(response.entries)
        if len(entries) < response.size:
            self._finish_fetch(None)
            return
        snapshot = Snapshot(snapshot_id, tuple(entries))
        self._download = None
        self.thread.sync(self.log.snapshots.write(snapshot), self._install, snapshot)

    def _install(self, snapshot: Snapshot) -> None:
        """The snapshot is durable: it takes the place of the whole log."""
        log = self.log
        old_end_offset = log.end_offset
        log.snapshots.add(snapshot)
        log.start_at_snapshot(snapshot.snapshot_id)
        self._observe_log_start()
        if old_end_offset > log.end_offset:
            self._observe_truncation(old_end_offset)
        self._finish_fetch(None)
        if self.high_watermark is None or log.end_offset > self.high_watermark:
            self._set_high_watermark(log.end_offset)
