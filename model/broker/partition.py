"""One partition on one broker: leader or follower, and what others fetch from it (Partition.scala, UnifiedLog.scala).

Metadata that carries the partition epoch that the leader already has leaves a pending change of the ISR pending (3.9
wipes it out). The other layers are in `partition_core`, `partition_isr` and `partition_log`.

A damaged batch is found by who fetches it, follower or consumer, for a leader sends what lies on its disk unlooked at;
here the leader says CORRUPT_MESSAGE for them, and both ask again until the leader has recovered its log or another one
leads (AbstractFetcherThread.processFetchRequest). A coordinator that loads looks at no checksums.

Left out: transactions (the last stable offset is the high watermark), the leader recovery state, log segments.
"""

from fencepost.model import errors
from fencepost.model.broker.partition_core import FOLLOWER, LEADER, FollowerState
from fencepost.model.broker.partition_log import PartitionLog
from fencepost.model.broker.replica_log import UNDEFINED
from fencepost.model.metadata.image import PartitionRegistration
from fencepost.model.protocol.data import FetchRequest, FetchResponse


class Partition(PartitionLog):
    """The partition's replica on this broker."""

    # --- roles ----------------------------------------------------------------------------------------------------

    def become_leader(self, state: PartitionRegistration) -> None:
        """Lead, or take over what metadata says of the own ISR."""
        new_epoch = state.leader_epoch > self.leader_epoch
        if not new_epoch and state.partition_epoch < self.partition_epoch:
            return
        if not new_epoch and not self.metadata_replaces_isr(state.partition_epoch):
            return
        was_leader = self.role == LEADER
        self._adopt(state, LEADER)
        self.isr, self.pending = state.isr, None
        if new_epoch:
            self._begin_epoch(was_leader)
        else:
            self.followers = {
                replica: self.followers.get(replica) or FollowerState(0) for replica in self.followed_by()
            }
            self.observe_isr("metadata")
        self.maybe_advance_high_watermark()

    def followed_by(self) -> tuple[int, ...]:
        """Whom a leader keeps account of: the other replicas, and others of the ISR, from which they may be elected."""
        return tuple(replica for replica in self.replicas_and_isr() if replica != self._node.node_id)

    def metadata_replaces_isr(self, partition_epoch: int) -> bool:
        """Whether metadata of the epoch already led in says anything new: an equal partition epoch does not, and
        leaves a pending change pending."""
        return partition_epoch > self.partition_epoch

    def follower_at_epoch_start(self, replica: int, caught_up_us: int, was_leader: bool) -> FollowerState:
        """What is known of a follower as an epoch begins: nothing of its log, before it fetches. A leader of Kafka's
        that led already keeps what it knew, even of an epoch before those that it missed; to forget is the safe side.
        """
        return FollowerState(caught_up_us)

    def _begin_epoch(self, was_leader: bool) -> None:
        self.epoch_start_offset = self.log.end_offset
        self.log.assign_epoch(self.leader_epoch, self.log.end_offset)
        self.producers.rebuild(self.log.records())
        now_us = self._node.wall_us
        self.followers = {
            replica: self.follower_at_epoch_start(replica, now_us if replica in self.isr else 0, was_leader)
            for replica in self.followed_by()
        }
        value = {
            "topic_id": self.topic_id, "isr": list(self.isr), "replicas": list(self.replicas),
            "epoch_start_offset": self.epoch_start_offset, "high_watermark": self.high_watermark,
            "end_offset": self.log.end_offset, "min_isr": self.effective_min_isr(),
        }
        self._observe("leader-start", value, leader_epoch=self.leader_epoch, partition_epoch=self.partition_epoch)
        self._node.at_point("broker.became-leader")

    def become_follower(self, state: PartitionRegistration) -> bool:
        """Follow; True if the fetcher must start anew (a new leader epoch, even if the leader's id is the same)."""
        if state.leader_epoch < self.leader_epoch or state.partition_epoch < self.partition_epoch:
            return False
        new_epoch = state.leader_epoch > self.leader_epoch
        self._adopt(state, FOLLOWER)
        self.isr, self.pending = (), None
        self.followers = {}
        if not new_epoch:
            return False
        self.fetching_stopped = False
        cut_to = self.truncation_before_asking()
        if cut_to is not None:
            self.truncate_to(cut_to)
        self.fail_waiting(errors.NOT_LEADER_OR_FOLLOWER)
        value = {
            "topic_id": self.topic_id, "leader": self.leader_id, "end_offset": self.log.end_offset,
            "high_watermark": self.high_watermark,
        }
        self._observe("follower-start", value, leader_epoch=self.leader_epoch, partition_epoch=self.partition_epoch)
        self._node.at_point("broker.became-follower")
        return True

    def truncation_before_asking(self) -> int | None:
        """Where a new follower cuts its log before its first fetch: nowhere, the leader's epochs decide (KIP-101)."""
        return None

    def _adopt(self, state: PartitionRegistration, role: str) -> None:
        self.role = role
        self.leader_id = state.leader
        self.leader_epoch = state.leader_epoch
        self.partition_epoch = state.partition_epoch
        self.replicas = state.replicas

    # --- being fetched from ---------------------------------------------------------------------------------------

    def epoch_error(self, current_leader_epoch: int) -> str | None:
        """FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH for a request of another epoch; -1 asks for no check."""
        if current_leader_epoch == -1 or current_leader_epoch == self.leader_epoch:
            return None
        if current_leader_epoch < self.leader_epoch:
            return errors.FENCED_LEADER_EPOCH
        return errors.UNKNOWN_LEADER_EPOCH

    def fetch_error(self, request: FetchRequest) -> str | None:
        """Why a fetch cannot be served: the topic id is looked at first, for an epoch of another topic says nothing;
        then the epoch, then the leadership (ReplicaManager.readFromLog, Partition.fetchRecords)."""
        if request.topic_id is not None and request.topic_id != self.topic_id:
            known = request.topic_id in self._manager.image.topic_names
            return errors.INCONSISTENT_TOPIC_ID if known else errors.UNKNOWN_TOPIC_ID
        error = self.epoch_error(request.current_leader_epoch)
        if error is None and self.role != LEADER:
            error = errors.NOT_LEADER_OR_FOLLOWER
        if error is None and request.replica_id >= 0 and request.replica_id not in self.followers:
            # The right epoch of somebody who is no replica: one of the two has metadata that the other has not yet.
            told = request.current_leader_epoch != -1
            error = errors.UNKNOWN_LEADER_EPOCH if told else errors.NOT_LEADER_OR_FOLLOWER
        return error

    def is_idle(self, request: FetchRequest) -> bool:
        """Whether a follower's fetch is right, finds nothing and can commit nothing. Most are such: it is found out
        first, and nothing is built."""
        log = self.log
        return (
            request.fetch_offset == log.end_offset == self.high_watermark
            and request.current_leader_epoch == self.leader_epoch and self.role == LEADER
            and request.last_fetched_epoch == log.latest_epoch
            and request.topic_id == self.topic_id and request.replica_id in self.followers
            and not self._manager.image.is_stale_incarnation(request.replica_id, request.replica_epoch))

    def fetch(self, request: FetchRequest, count: bool = True) -> FetchResponse:
        """Serve a fetch: divergence, or records; a follower's position is noted if `count`.

        With OFFSET_OUT_OF_RANGE the end offset is told too, for which Kafka's follower asks in a second request. The
        high watermark told is the one from before this fetch was noted, even if it moves it (Partition.readRecords).
        """
        error = self.fetch_error(request)
        if error is not None:
            return FetchResponse(error, self.high_watermark, self.log.start_offset, leader_epoch=self.leader_epoch)
        if request.current_leader_epoch not in (-1, self.leader_epoch):
            self._observe("request-accepted", {
                "topic_id": self.topic_id, "request": "Fetch", "from": request.replica_id,
                "local_leader_epoch": self.leader_epoch}, leader_epoch=request.current_leader_epoch)
        diverging = self.divergence(request)
        if (
            request.fetch_offset < self.log.start_offset or diverging == UNDEFINED
            or (diverging is None and request.fetch_offset > self.log.end_offset)
        ):
            return FetchResponse(
                errors.OFFSET_OUT_OF_RANGE, self.high_watermark, self.log.start_offset, (), (-1, self.log.end_offset))
        high_watermark = self.high_watermark
        if count and self.may_count_fetch(diverging):
            if self._manager.image.is_stale_incarnation(request.replica_id, request.replica_epoch):
                return FetchResponse(errors.NOT_LEADER_OR_FOLLOWER, high_watermark, self.log.start_offset)
            self.note_fetch(request)
        if diverging is not None:
            return FetchResponse(
                None, high_watermark, self.log.start_offset, (), diverging, leader_epoch=self.leader_epoch)
        end_offset = self.log.end_offset if request.replica_id >= 0 else high_watermark
        sound_end = self.log.sound_end(request.fetch_offset, end_offset)
        if sound_end == request.fetch_offset < end_offset:
            return FetchResponse(errors.CORRUPT_MESSAGE, high_watermark, self.log.start_offset)
        end_offset = sound_end
        records = self.log.read(request.fetch_offset, request.max_records, end_offset)
        return FetchResponse(
            None, high_watermark, self.log.start_offset, records, leader_epoch=self.leader_epoch)

    def divergence(self, request: FetchRequest) -> tuple[int, int] | None:
        """(epoch, end offset) where the asker's log leaves this one, `UNDEFINED` for an unknown epoch, or None."""
        if request.last_fetched_epoch < 0:
            return None
        epoch, end_offset = self.log.end_offset_for_epoch(request.last_fetched_epoch)
        if (epoch, end_offset) == UNDEFINED:
            return UNDEFINED
        if epoch < request.last_fetched_epoch or end_offset < request.fetch_offset:
            return epoch, end_offset
        return None

    def may_count_fetch(self, diverging: tuple[int, int] | None) -> bool:
        """Whether a fetch's offset says what the follower has: not if its log diverges (KAFKA-13141)."""
        return diverging is None

    def note_fetch(self, request: FetchRequest) -> None:
        """A fetch says what the follower has; that may let it join the ISR, and records be committed."""
        replica, end_offset = request.replica_id, self.log.end_offset
        follower = self.followers.get(replica)
        if follower is None:
            return
        now_us = self._node.wall_us
        if request.fetch_offset >= end_offset:
            follower.last_caught_up_us = max(follower.last_caught_up_us, now_us)
        elif request.fetch_offset >= follower.last_fetch_leader_end_offset and follower.last_fetch_us:
            follower.last_caught_up_us = max(follower.last_caught_up_us, follower.last_fetch_us)
        follower.end_offset = request.fetch_offset
        follower.broker_epoch = request.replica_epoch
        follower.last_fetch_us = now_us
        follower.last_fetch_leader_end_offset = end_offset
        if replica not in self.isr:
            self.maybe_expand_isr(replica)
        if self.high_watermark < end_offset:
            self.maybe_advance_high_watermark()
