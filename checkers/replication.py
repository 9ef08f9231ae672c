"""Rules about the logs of a partition's replicas (the names are those of the published TLA+ specifications).

*WeakIsr.* Below a presumed leader's high watermark, its log and that of every member of its own ISR are alike. Example:
leader 1 says its high watermark is 10 and its ISR {1, 2}; replica 2's log ends at 9.

*StrongIsr.* The same against the quorum's ISR, where the leader's epoch is the quorum's.

*LeaderCandidateCompleteness.* Every member of the quorum's ISR (and every eligible leader replica) holds every
committed record, for it may be elected. Example: "p1-7" at offset 9 is committed by the ISR {1, 2}; the quorum has
added 3, whose log ends at 9, and nobody told the leader to count it.

*LogMatching.* Below the lower of two replicas' high watermarks, their logs are alike.

*MonotonicHighWatermark.* A leader's high watermark does not fall within its epoch, a follower's not after its first
successful fetch of an epoch (the first one sets it to the leader's, which may trail; a truncation may lower it before).

A replica that lost a tail in a fault of its disk is exempt until it has refetched what it lost, or has left the ISR
that listed it; a broker that registers anew leaves the quorum's, unless it is the last member. So is a replica whose
deletion was asked for, and in ZooKeeper mode a partition that is forked (`PartitionLedger`). Records whose loss has
been judged are owed by nobody. The logs are compared where a rule can break: when a high watermark or an ISR changes,
when a leader starts, and when a log shrinks. A leader that knows a newer ISR than the quorum's reports have shown
waits.
"""

from typing import Any

from fencepost.checkers.ledger import Ledger
from fencepost.checkers.partition_ledger import LeaderView, PartitionLedger
from fencepost.checkers.replica_logs import Entry, ReplicaLog, first_difference
from fencepost.checkers.verdict import Findings, seconds
from fencepost.histories.event import Event

WEAK = "WeakIsr"
STRONG = "StrongIsr"
CANDIDATES = "LeaderCandidateCompleteness"
MATCHING = "LogMatching"
MONOTONIC = "MonotonicHighWatermark"


class _HighWatermark:
    """The last high watermark of a replica in an epoch; `fetched`: 0 nothing seen, 1 wrote, 2 must not fall."""

    __slots__ = ("epoch", "event", "fetched", "value")

    def __init__(self, epoch: int, value: int, event: int, fetched: int) -> None:
        self.epoch = epoch
        self.value = value
        self.event = event
        self.fetched = fetched


class Replication(Findings):
    """Checks the rules above. Comparing two logs takes one step, so an event costs the number of replicas."""

    name = "replication"
    needs = frozenset({"log-append", "log-truncate", "leader-start", "high-watermark", "metadata-applied"})
    consumes = frozenset({
        "high-watermark", "leader-start", "follower-start", "isr-changed", "log-append", "log-truncate", "log-opened",
        "disk-lost", "replica-stopped", "metadata-applied",
    })

    def __init__(self, header: dict[str, Any], ledger: Ledger) -> None:
        super().__init__(header)
        self._ledger = ledger
        self._high_watermarks: dict[tuple[str, int], _HighWatermark] = {}
        self._reported: dict[tuple[str, str, int, int, int], None] = {}
        self._handlers = {
            "high-watermark": self._high_watermark, "leader-start": self._leader_start,
            "follower-start": self._follower_start, "isr-changed": self._isr_changed, "log-append": self._log_append,
            "log-truncate": self._shrunk, "log-opened": self._shrunk, "disk-lost": self._disk_lost,
            "replica-stopped": self._forget, "metadata-applied": self._metadata_applied,
        }

    def feed(self, event: Event) -> None:
        """Take the next event of the history."""
        self._ledger.take(event)
        handler = self._handlers.get(event.f)
        if handler is not None and event.node is not None:
            handler(event, event.node)

    # --- events ---------------------------------------------------------------------------------------------------

    def _high_watermark(self, event: Event, node: int) -> None:
        partition = self._ledger.of(event)
        self._monotonic(partition, event, node)
        self._matching(partition, partition.replica(node), event)
        leader = partition.leaders.get(node)
        if event.value.get("role") == "leader" and leader is not None:
            self._check_leader(partition, leader, event)
            self._check_candidates(partition, event)

    def _leader_start(self, event: Event, node: int) -> None:
        partition = self._ledger.of(event)
        leader = partition.leaders[node]
        if partition.starts[-1].resumed:
            # Its high watermark is its checkpoint's, and its followers take that over in the same epoch.
            for replica in partition.replicas:
                self._high_watermarks.pop((partition.name, replica), None)
        self._high_watermarks[(partition.name, node)] = _HighWatermark(
            leader.epoch, leader.high_watermark, event.index, 2)
        self._check_leader(partition, leader, event)
        self._check_candidates(partition, event)

    def _follower_start(self, event: Event, node: int) -> None:
        self._high_watermarks.pop((self._ledger.of(event).name, node), None)

    def _isr_changed(self, event: Event, node: int) -> None:
        partition = self._ledger.of(event)
        leader = partition.leaders.get(node)
        if leader is not None:
            self._check_leader(partition, leader, event)
            self._check_candidates(partition, event)

    def _log_append(self, event: Event, node: int) -> None:
        last = self._high_watermarks.get((self._ledger.of(event).name, node))
        if last is not None and last.fetched == 0:
            last.fetched = 1

    def _shrunk(self, event: Event, node: int) -> None:
        partition = self._ledger.of(event)
        self._forget(event, node)
        for leader in partition.leaders.values():
            if leader.running and leader.node != node:
                self._check_member(WEAK, partition, leader, node, event)
        self._check_strong(partition, event)
        self._check_candidates(partition, event)

    def _disk_lost(self, event: Event, node: int) -> None:
        self._high_watermarks.pop((event.key or "", node), None)

    def _forget(self, event: Event, node: int) -> None:
        self._high_watermarks.pop((self._ledger.of(event).name, node), None)

    def _metadata_applied(self, event: Event, node: int) -> None:
        changes = self._ledger.changes
        if changes is None:
            return
        names = dict.fromkeys(change.partition for change in changes.partitions)
        for name in names:
            partition = self._ledger.partitions.get(name)
            if partition is not None:
                self._check_strong(partition, event)
                self._check_candidates(partition, event)

    # --- high watermarks ------------------------------------------------------------------------------------------

    def _monotonic(self, partition: PartitionLedger, event: Event, node: int) -> None:
        value, epoch = event.value["high_watermark"], (event.epochs or {}).get("leader_epoch", -1)
        leads = event.value.get("role") == "leader"
        key = (partition.name, node)
        last = self._high_watermarks.get(key)
        if last is None or last.epoch != epoch:
            self._high_watermarks[key] = _HighWatermark(epoch, value, event.index, 2 if leads else 0)
            return
        if last.fetched == 2 and value < last.value and not partition.forked:
            role = "leader" if leads else "follower"
            self.violate(
                MONOTONIC, f"the high watermark of broker {node}, {role} of {partition.key} in epoch {epoch}, fell "
                f"from {last.value} to {value} at {seconds(event.time_us)}", event, (last.event,), node, partition.key)
        if last.fetched == 1:
            last.fetched = 2
        last.value, last.event = value, event.index

    def _matching(self, partition: PartitionLedger, log: ReplicaLog, event: Event) -> None:
        for other in partition.replicas.values():
            if other is log or other.high_watermark is None or log.high_watermark is None or partition.forked:
                continue
            end = min(log.high_watermark, other.high_watermark, log.end, other.end)
            if end <= 0 or log.entries[end - 1] is other.entries[end - 1]:
                continue
            offset = first_difference(log.entries, other.entries)
            mine, theirs = log.entries[offset], other.entries[offset]
            if self._is_settled(partition, (mine, theirs), event):
                continue
            if self._is_new(MATCHING, partition, log.node, other.node, mine.epoch):
                self.violate(
                    MATCHING, f"below the high watermarks of both ({log.high_watermark} and {other.high_watermark}), "
                    f"replica {log.node} of {partition.key} holds {mine}, and replica {other.node} holds {theirs}",
                    event, (), log.node, partition.key)

    # --- in-sync replicas -----------------------------------------------------------------------------------------

    def _check_leader(self, partition: PartitionLedger, leader: LeaderView, event: Event) -> None:
        for member in leader.isr:
            self._check_member(WEAK, partition, leader, member, event)
        self._check_strong(partition, event)

    def _check_strong(self, partition: PartitionLedger, event: Event) -> None:
        """Against the quorum's ISR, each leader of the quorum's epoch."""
        state = self._ledger.view.partitions.get(partition.name)
        if state is None:
            return
        for leader in partition.leaders.values():
            if not leader.running or leader.epoch != state.leader_epoch:
                continue
            if leader.partition_epoch is None or leader.partition_epoch > state.partition_epoch:
                continue
            for member in state.isr:
                self._check_member(STRONG, partition, leader, member, event)

    def _check_member(
        self, rule: str, partition: PartitionLedger, leader: LeaderView, member: int, event: Event
    ) -> None:
        """Whether a member's log is the leader's, below the leader's high watermark."""
        if member == leader.node or (rule == WEAK and member not in leader.isr):
            return
        if self._ledger.is_exempt(partition, partition.replica(member)):
            return
        ours, theirs = partition.replica(leader.node), partition.replica(member)
        end = min(leader.high_watermark, ours.end)
        if end <= 0 or theirs.holds(ours.entries[end - 1]) or not theirs.hosted:
            return
        if self._is_exempt(rule, leader, theirs):
            return
        offset = first_difference(ours.entries, theirs.entries)
        entry = ours.entries[offset]
        held = theirs.entries[offset] if offset < theirs.end else None
        if self._is_settled(partition, (entry,) if held is None else (entry, held), event):
            return
        if not self._is_new(rule, partition, leader.node, member, leader.epoch):
            return
        whose = "its own ISR" if rule == WEAK else "the quorum's ISR"
        what = f"whose log ends at {theirs.end}" if held is None else f"which holds {held} there"
        self.violate(
            rule, f"broker {leader.node} leads {partition.key} in epoch {leader.epoch}, and {entry} is below its high "
            f"watermark {leader.high_watermark}, but {whose} lists replica {member}, {what} (at "
            f"{seconds(event.time_us)})", event, (leader.event,), leader.node, partition.key)

    def _is_exempt(self, rule: str, leader: LeaderView, member: ReplicaLog) -> bool:
        if not member.outstanding:
            return False
        if rule == WEAK:
            return member.node in leader.shielded
        return member.is_shielded_in_quorum()

    def _check_candidates(self, partition: PartitionLedger, event: Event) -> None:
        """Whoever may be elected holds all that is committed."""
        state = self._ledger.view.partitions.get(partition.name)
        if state is None or not (partition.committed or partition.loose):
            return
        members = (*state.isr, *state.eligible_leader_replicas)
        incomplete = [node for node in members if self._lacks(partition, node)]
        if not incomplete or self._ledger.is_unsettled(partition):
            return
        for node in incomplete:
            missing = [
                entry for entry in partition.missing(partition.replica(node))
                if self._ledger.is_owed(partition, entry, event)]
            if missing and self._is_new(CANDIDATES, partition, node, -1, missing[0].offset):
                self._report_candidate(partition, node, missing, event)

    def _report_candidate(self, partition: PartitionLedger, node: int, missing: list[Entry], event: Event) -> None:
        log, entry = partition.replica(node), missing[0]
        committed = partition.committed_by(entry)
        self.violate(
            CANDIDATES, f"{entry} of {partition.key} is committed, but replica {node}, which the quorum's ISR (or its "
            f"eligible leader replicas) lists and which may be elected, does not hold it: its log ends at {log.end} "
            f"({len(missing)} committed records are missing at {seconds(event.time_us)})", event,
            () if committed is None else (committed,), node, partition.key)

    def _lacks(self, partition: PartitionLedger, node: int) -> bool:
        log = partition.replica(node)
        return (log.hosted and bool(partition.missing(log)) and not log.is_shielded_in_quorum()
                and not self._ledger.is_exempt(partition, log))

    # --- what is reported -----------------------------------------------------------------------------------------

    def _is_settled(self, partition: PartitionLedger, entries: tuple[Entry, ...], event: Event) -> bool:
        """Whether the loss of one of the differing entries has been judged, or is excused."""
        return any(not self._ledger.is_owed(partition, entry, event) for entry in entries)

    def _is_new(self, rule: str, partition: PartitionLedger, node: int, other: int, epoch: int) -> bool:
        """Whether the finding has not been reported yet."""
        key = (rule, partition.name, node, other, epoch)
        if key in self._reported:
            return False
        self._reported[key] = None
        return True
