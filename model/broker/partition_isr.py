"""The ISR of a leader and its high watermark.

The ISR is committed or has one change pending. While an expansion is pending the maximal ISR already counts the new
member, while a shrink is pending it still counts the old ones (KIP-497): whatever the controller decides, every record
below the high watermark is on all members.
"""

from fencepost.model import errors
from fencepost.model.broker.partition_core import FOLLOWER, LEADER, FollowerState, PartitionCore, PendingIsr
from fencepost.model.protocol.controller import AlterPartitionRequest, AlterPartitionResponse

#: AlterPartition errors after which the change stays pending until metadata resolves it.
_WAIT_FOR_METADATA = (
    errors.FENCED_LEADER_EPOCH, errors.INVALID_UPDATE_VERSION, errors.UNKNOWN_TOPIC_OR_PARTITION,
    errors.UNKNOWN_TOPIC_ID, errors.INVALID_REQUEST, errors.NEW_LEADER_ELECTED,
)


#: The broker epoch of a broker of which metadata only says that it is alive.
UNKNOWN_EPOCH = -1


class PartitionIsr(PartitionCore):
    """Proposing changes of the ISR, and moving the high watermark."""

    def complete_waiting(self) -> None:
        """Answer every produce that the high watermark has passed."""
        raise NotImplementedError

    # --- the ISR --------------------------------------------------------------------------------------------------

    def is_eligible(self, replica: int) -> bool:
        """Whether the replica's broker may be in an ISR: registered, neither fenced nor shutting down (KIP-841), and
        fetching as its current incarnation, where metadata tells it (KIP-903; it does not with ZooKeeper)."""
        broker = self._manager.image.brokers.get(replica)
        if broker is None or not broker.active:
            return False
        return self.followers[replica].broker_epoch in (-1, broker.broker_epoch) or broker.broker_epoch == UNKNOWN_EPOCH

    def is_in_sync(self, follower: FollowerState) -> bool:
        """Whether a follower has everything that may be committed: up to the high watermark, and past the beginning of
        this leader's epoch, below which the high watermark may be stale (KAFKA-7128)."""
        return follower.end_offset >= self.high_watermark and follower.end_offset >= self.epoch_start_offset

    def maybe_expand_isr(self, replica: int) -> None:
        """Ask for the replica to join, if it may."""
        follower = self.followers[replica]
        if replica in self.isr or self.pending is not None:
            return
        if self.is_in_sync(follower) and self.is_eligible(replica):
            isr = tuple(member for member in self.replicas_and_isr() if member in self.isr or member == replica)
            self._propose(isr, isr)

    def maybe_shrink_isr(self) -> None:
        """Ask for every member to leave that has not caught up for replica.lag.time.max.ms (wall clock)."""
        if self.role != LEADER or self.pending is not None:
            return
        late = [
            member for member in self.isr
            if member != self._node.node_id and member in self.followers and self._is_late(self.followers[member])]
        if late:
            self._propose(tuple(member for member in self.isr if member not in late), self.isr)

    def _is_late(self, follower: FollowerState) -> bool:
        if follower.end_offset == self.log.end_offset:
            return False
        return self._node.wall_us - follower.last_caught_up_us > self._config.replica_lag_time_max_us

    def _propose(self, isr: tuple[int, ...], maximal: tuple[int, ...]) -> None:
        self.pending = PendingIsr(isr, maximal, self.partition_epoch)
        epochs = tuple((member, self._member_epoch(member)) for member in isr)
        value = {
            "topic_id": self.topic_id, "isr": list(isr), "maximal_isr": list(maximal),
            "broker_epochs": [epoch for _, epoch in epochs],
        }
        self._observe("isr-proposed", value, leader_epoch=self.leader_epoch, partition_epoch=self.partition_epoch)
        self._send_alter_partition(self.pending, epochs)
        self._node.at_point("broker.isr-proposed")

    def _member_epoch(self, member: int) -> int:
        if member == self._node.node_id:
            return int(self._manager.broker_epoch)
        follower = self.followers.get(member)
        return -1 if follower is None else follower.broker_epoch

    def _send_alter_partition(self, pending: PendingIsr, epochs: tuple[tuple[int, int], ...]) -> None:
        request = AlterPartitionRequest(
            self._node.node_id, self._manager.broker_epoch, self.topic_id, self.index, self.leader_epoch,
            pending.partition_epoch, epochs)
        self._manager.controller_channel.send(
            request, self._on_alter_partition, pending, self.leader_epoch, epochs)

    def _on_alter_partition(
        self, response: AlterPartitionResponse | None, pending: PendingIsr, leader_epoch: int,
        epochs: tuple[tuple[int, int], ...],
    ) -> None:
        """The controller answered, or the request is lost. What no longer concerns the pending change is ignored."""
        if self.pending is not pending or self.leader_epoch != leader_epoch or self.role != LEADER:
            return
        if response is not None and response.error is None:
            self._take_answer(response)
        elif response is not None and response.error == errors.INELIGIBLE_REPLICA:
            self.pending = None
            self.observe_isr("reverted")
            self.maybe_advance_high_watermark()
        elif response is None or response.error not in _WAIT_FOR_METADATA:
            backoff_us = self._config.controller_channel_retry_backoff_us
            self._node.schedule(backoff_us, self._retry_alter_partition, pending, leader_epoch, epochs)

    def _retry_alter_partition(
        self, pending: PendingIsr, leader_epoch: int, epochs: tuple[tuple[int, int], ...]
    ) -> None:
        if self.pending is pending and self.leader_epoch == leader_epoch and self.role == LEADER:
            self._send_alter_partition(pending, epochs)

    def _take_answer(self, response: AlterPartitionResponse) -> None:
        if response.leader_epoch != self.leader_epoch or response.partition_epoch < self.partition_epoch:
            return
        self.pending = None
        self.isr = response.isr
        self.partition_epoch = response.partition_epoch
        self.observe_isr("answer")
        self._node.at_point("broker.isr-committed")
        self.maybe_advance_high_watermark()

    def observe_isr(self, why: str) -> None:
        """Leave evidence of the ISR as this leader sees it."""
        value = {
            "topic_id": self.topic_id, "isr": list(self.isr), "maximal_isr": list(self.maximal_isr), "why": why}
        self._observe("isr-changed", value, leader_epoch=self.leader_epoch, partition_epoch=self.partition_epoch)

    # --- the high watermark ---------------------------------------------------------------------------------------

    def counts_for_high_watermark(self, replica: int) -> bool:
        """Whether the high watermark waits for a follower: one in the maximal ISR, or caught up and eligible."""
        if replica in self.maximal_isr:
            return True
        follower = self.followers[replica]
        caught_up = self._node.wall_us - follower.last_caught_up_us <= self._config.replica_lag_time_max_us
        return caught_up and follower.end_offset >= 0 and self.is_eligible(replica)

    def has_enough_replicas(self) -> bool:
        """Whether the committed ISR suffices for the high watermark to move and for acks=all (KAFKA-15583)."""
        return len(self.isr) >= self.effective_min_isr()

    def maybe_advance_high_watermark(self) -> None:
        """Move it to what every counted replica has."""
        candidate = self.log.end_offset
        if self.high_watermark >= candidate or self.role != LEADER or not self.has_enough_replicas():
            return
        for replica, follower in self.followers.items():
            if follower.end_offset < candidate and self.counts_for_high_watermark(replica):
                candidate = follower.end_offset
        if candidate > self.high_watermark:
            self.high_watermark = candidate
            value = {
                "topic_id": self.topic_id, "high_watermark": candidate, "role": LEADER, "isr": list(self.isr),
                "maximal_isr": list(self.maximal_isr), "min_isr": self.effective_min_isr(),
            }
            self._observe("high-watermark", value, leader_epoch=self.leader_epoch)
            self._node.at_point("broker.high-watermark")
            self.complete_waiting()
            self._manager.on_high_watermark(self)

    def set_follower_high_watermark(self, leader_high_watermark: int) -> None:
        """A follower's is the leader's, within its own log: it is set, not raised."""
        high_watermark = max(self.log.start_offset, min(leader_high_watermark, self.log.end_offset))
        if high_watermark != self.high_watermark:
            self.high_watermark = high_watermark
            value = {"topic_id": self.topic_id, "high_watermark": high_watermark, "role": FOLLOWER}
            self._observe("high-watermark", value, leader_epoch=self.leader_epoch)
