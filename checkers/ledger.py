"""The ledger: who holds what, what is committed, and which losses there were. One for all rules about partitions.

*Who holds what* follows from what replicas said of their own logs: opened, appended, cut, lost with the disk, given up.

*Committed* is a record of a produce with acks=all that was answered ok, and everything below the high watermark of the
newest elected leader of its partition while that leader's ISR had min.insync.replicas members. Example: leader 1 of
epoch 3, ISR {1, 2}, says its high watermark is 10: offsets 0 to 9 of its log are owed from now on, by every later
leader.

*A loss* is established when a leader begins a new epoch without a committed record of an earlier one, or when an older
leader still acknowledges a record that a newer leader began without. Each is judged once, by `excuses`, and written
off. A judgement waits until the quorum's own report of the election has been seen.

Several checkers share one ledger: each hands it every event that it is fed, and the ledger takes each event once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from fencepost.checkers.excuses import BROKEN, EXCUSED, LAST_REPLICA, Ruling
from fencepost.checkers.holdings import ContradictoryHistoryError, Holdings, epoch_of
from fencepost.checkers.metadata_view import Changes
from fencepost.checkers.partition_ledger import (
    Acknowledgement,
    CommitMark,
    Forgiveness,
    LeaderStart,
    LeaderView,
    PartitionLedger,
)
from fencepost.checkers.replica_logs import Entry, ReplicaLog
from fencepost.histories.event import INVOKE, OBSERVE, OK, Event

#: The acks of a produce that asks for every in-sync replica.
ACKS_ALL = -1


class Loss(NamedTuple):
    """Committed entries without which a leader began; nowhere: those of them that no replica holds any more."""

    partition: PartitionLedger
    start: LeaderStart
    entries: tuple[Entry, ...]
    nowhere: tuple[Entry, ...]
    ruling: Ruling
    committed_by: tuple[int, ...]
    event: Event


class Ledger(Holdings):
    """Takes events in their order. `changes` is what the last event changed in the metadata, or None.

    losses: judged since the last `drain`.
    """

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self.changes: Changes | None = None
        self.losses: list[Loss] = []
        self._produces: dict[int, Event] = {}
        self._taken = -1
        self._broken = False
        self._handlers: dict[str, Callable[[Event], None]] = {
            "node-stopped": self._node_stopped, "disk-lost": self._disk_lost, "broker-state": self._broker_state,
            "log-opened": self._log_opened, "log-append": self._log_append, "log-truncate": self._log_truncate,
            "replica-stopped": self._replica_stopped, "leader-start": self._leader_start,
            "follower-start": self._follower_start, "high-watermark": self._high_watermark,
            "isr-proposed": self._isr_proposed, "isr-changed": self._isr_changed,
            "produce-answered": self._produce_answered, "metadata-applied": self._metadata_applied,
        }
        if self.bounces is not None:
            self._handlers["broker-list"] = self.bounces.take_list

    #: Every event that the ledger learns from; the first of those who share it must consume them all.
    CONSUMES = frozenset({
        "node-stopped", "disk-lost", "broker-state", "log-opened", "log-append", "log-truncate", "replica-stopped",
        "leader-start", "follower-start", "high-watermark", "isr-proposed", "isr-changed", "produce-answered",
        "metadata-applied", "broker-list", "produce", "elect-leader", "delete-topic",
    })

    def take(self, event: Event) -> None:
        """Learn from an event, unless it was taken before."""
        if self._broken:
            raise ContradictoryHistoryError("the ledger of replicas failed at an earlier event")
        if event.index <= self._taken:
            return
        self._taken = event.index
        self.changes = None
        if event.type == OBSERVE:
            handler = self._handlers.get(event.f)
            if handler is not None:
                self._broken = True
                handler(event)
                self._broken = False
        elif event.f == "produce":
            self._produce(event)
        elif event.f in ("elect-leader", "delete-topic"):
            self.requests.take(event)

    def drain(self) -> list[Loss]:
        """The losses judged since the last call."""
        losses, self.losses = self.losses, []
        return losses

    # --- questions ------------------------------------------------------------------------------------------------

    def is_unsettled(self, partition: PartitionLedger) -> bool:
        """Whether it is too early to compare the quorum's ISR with what is committed.

        A running leader knows more of the ISR than the quorum's own reports have shown, or the winner of an unclean
        election has yet to begin (what it lacks is judged then).
        """
        state = self.view.partitions.get(partition.name)
        if state is None:
            return True
        begun = -1 if partition.newest is None else partition.newest.epoch
        if self.excuses.unclean_election(partition, begun, state.leader_epoch) is not None:
            return True
        return any(
            leader.running and leader.epoch >= state.leader_epoch
            and (leader.partition_epoch is None or leader.partition_epoch > state.partition_epoch)
            for leader in partition.leaders.values())

    def is_owed(self, partition: PartitionLedger, entry: Entry, event: Event) -> bool:
        """Whether an entry that a replica showed below its high watermark is still owed.

        It is not if its loss was judged, or if a later leader began without it for a reason that excuses it (or by a
        setting that permits it, which is then reported).
        """
        if not partition.is_owed(entry):
            return False
        state = self.view.partitions.get(partition.name)
        for start in partition.starts:
            if not start.follows(entry) or start.holds(entry):
                continue
            if state is not None and start.epoch > state.leader_epoch:
                return False
            if self.excuses.judge(partition, start, entry).kind != BROKEN:
                self._judge(partition, start, [entry], event)
                return False
        return True

    def is_exempt(self, partition: PartitionLedger, log: ReplicaLog) -> bool:
        """Whether nothing is asked of a replica's log: its topic is being deleted and its broker has begun with that
        (in ZooKeeper mode an interrupted deletion may host it again, empty), or the partition is forked."""
        if partition.forked:
            return True
        created = self.view.created.get(partition.topic_id, 0)
        return log.deleted and self.requests.is_deletion_asked(partition.topic, partition.topic_id, created)

    def is_excused(self, partition: PartitionLedger, entry: Entry, event: Event) -> bool:
        """Whether the loss of an entry, which need not have been judged before, is excused."""
        return not self.is_owed(partition, entry, event) and bool(
            (loss := partition.forgiveness(entry)) is None or loss.excused)

    # --- leaders --------------------------------------------------------------------------------------------------

    def _leader_start(self, event: Event) -> None:
        partition, log, value = self.of(event), self._log(event), event.value
        leader = LeaderView(log.node, epoch_of(event), event)
        leader.partition_epoch = (event.epochs or {}).get("partition_epoch")
        leader.set_isr(value["isr"], value["isr"])
        leader.high_watermark = log.high_watermark = value["high_watermark"]
        leader.min_isr = value.get("min_isr", 1)
        partition.leaders[log.node] = leader
        partition.min_isr = leader.min_isr
        self._shield_members(partition, leader)
        resumed = any(start.epoch == leader.epoch for start in partition.starts)
        left = _left(partition, log, leader.epoch) if resumed else frozenset()
        start = LeaderStart(log.node, leader.epoch, tuple(log.entries), event, resumed, left)
        partition.starts.append(start)
        if resumed and any(fault.unseen is not None for fault in log.outstanding):
            partition.forked = True
        if partition.newest is None or start.epoch >= partition.newest.epoch:
            partition.newest = start
        if partition.missing_at_start(start):
            partition.pending.append(start)
            self._settle(partition, event)
        self._commit(partition, leader, log, event)

    def _high_watermark(self, event: Event) -> None:
        partition, log, value = self.of(event), self._log(event), event.value
        log.high_watermark = value["high_watermark"]
        leader = partition.leaders.get(log.node)
        if value.get("role") != "leader" or leader is None or leader.epoch != epoch_of(event):
            return
        leader.high_watermark = value["high_watermark"]
        leader.min_isr = partition.min_isr = value.get("min_isr", leader.min_isr)
        isr, maximal = value.get("isr", leader.isr), value.get("maximal_isr", leader.maximal)
        if sorted(isr) != sorted(leader.isr):
            leader.partition_epoch = None
        leader.set_isr(isr, maximal)
        self._commit(partition, leader, log, event)

    def _commit(self, partition: PartitionLedger, leader: LeaderView, log: ReplicaLog, event: Event) -> None:
        """What lies below the newest elected leader's high watermark is committed if its ISR is large enough."""
        state = self.view.partitions.get(partition.name)
        if len(leader.isr) < leader.min_isr or (state is not None and leader.epoch < state.leader_epoch):
            return
        if partition.newest is not None and leader.epoch < partition.newest.epoch:
            return
        committed = partition.committed
        end = min(leader.high_watermark, log.end)
        if end <= len(committed) or (committed and not log.holds(committed[-1])):
            return
        committed.extend(log.entries[len(committed):end])
        partition.marks.append(CommitMark(end, event.index, leader.epoch))
        if partition.loose:
            partition.loose = [entry for entry in partition.loose if not partition.is_committed(entry)]

    # --- acknowledgements -----------------------------------------------------------------------------------------

    def _produce_answered(self, event: Event) -> None:
        if event.error is not None or event.value.get("acks", ACKS_ALL) != ACKS_ALL:
            return
        self._acknowledge(self.of(event), event.value["base_offset"], event.value["records"], epoch_of(event), event)

    def _produce(self, event: Event) -> None:
        """A client's own operation: its ok counts where no leader was seen to answer."""
        if event.process is None:
            return
        if event.type == INVOKE:
            self._produces[event.process] = event
            return
        invocation = self._produces.pop(event.process, None)
        if event.type != OK or invocation is None or invocation.value.get("acks") != ACKS_ALL:
            return
        records, base = invocation.value["records"], (event.value or {}).get("base_offset")
        places = self.written(event.key or "", records[0]) if records else []
        if base is None or not places:
            return
        # A batch that was sent again after its topic had been created anew lies in both: a leader's answer tells them
        # apart, else the later one counts.
        there = [found for found, entry in places if entry.offset == base] or [places[-1][0]]
        partition = next((found for found in there if (base, records[0]) in found.acknowledged), there[-1])
        self._acknowledge(partition, base, records, (event.epochs or {}).get("leader_epoch", 0), event)

    def _acknowledge(
        self, partition: PartitionLedger, base: int, records: list[str], epoch: int, event: Event
    ) -> None:
        added = []
        for offset, record in enumerate(records, base):
            if (offset, record) in partition.acknowledged:
                continue
            entry = self._find(partition, offset, record, event.node, epoch)
            partition.acknowledged[(offset, record)] = Acknowledgement(offset, record, epoch, entry, event)
            if entry is not None and not partition.is_committed(entry):
                added.append(entry)
        partition.loose.extend(added)
        if added and partition.newest is not None and partition.newest.epoch > epoch:
            self._judge_late(partition, added, epoch, event)

    def _find(
        self, partition: PartitionLedger, offset: int, record: str, node: int | None, epoch: int
    ) -> Entry | None:
        """The entry of that record: in the answering leader's log, else wherever it was written last.

        An idempotent producer's retry may have written it in another epoch at the same offset too, on a leader that
        never acknowledged it: what counts is the answering leader's.
        """
        answering = node
        if answering is None:
            answering = next((start.node for start in partition.starts if start.epoch == epoch), None)
        entries = [] if answering is None else partition.replica(answering).entries
        if offset < len(entries) and entries[offset].record == record:
            return entries[offset]
        if node is not None:
            return None
        places = [entry for found, entry in self.written(partition.key, record)
                  if found is partition and entry.offset == offset]
        return places[-1] if places else None

    # --- metadata -------------------------------------------------------------------------------------------------

    def _metadata_applied(self, event: Event) -> None:
        self.changes = changes = self.view.apply(event)
        if changes is None:
            return
        for broker in changes.brokers:
            if self.bounces is not None:
                if broker.after is not None:
                    self.bounces.note_registration(broker.broker, broker.after.broker_epoch)
            elif broker.is_new_incarnation and broker.after is not None:
                self._registered(broker.broker, broker.after.incarnation)
        for change in changes.partitions:
            partition = self.partitions.get(change.partition)
            if partition is None:
                continue
            before, after = change.before, change.after
            for node in () if before is None else (*before.isr, *before.eligible_leader_replicas):
                if after is None or not after.may_elect(node):
                    _unshield(partition, node)
            if self.bounces is not None:
                self.bounces.take_change(change, partition)
            if partition.pending:
                self._settle(partition, event)

    def _registered(self, broker: int, incarnation: str) -> None:
        for partition in self._hosted.get(broker, {}).values():
            state = self.view.partitions.get(partition.name)
            isr = () if state is None else state.isr
            for fault in partition.replica(broker).faults:
                if fault.isr_at_registration is None and fault.incarnation != incarnation:
                    fault.isr_at_registration = isr
                    fault.shields_in_quorum = fault.shields_in_quorum and isr == (broker,)

    # --- losses ---------------------------------------------------------------------------------------------------

    def _settle(self, partition: PartitionLedger, event: Event) -> None:
        """Judge the leaders that began without committed records, as far as their elections are known."""
        state = self.view.partitions.get(partition.name)
        waiting = []
        for start in partition.pending:
            if state is not None and start.epoch > state.leader_epoch:
                waiting.append(start)
                continue
            missing = partition.missing_at_start(start)
            self._judge(partition, start, missing, event)
        partition.pending = waiting

    def settle_all(self, event: Event) -> None:
        """Judge what still waits for the quorum's report, at a history's end."""
        for partition in self.partitions.values():
            for start in partition.pending:
                self._judge(partition, start, partition.missing_at_start(start), event)
            partition.pending = []

    def _judge_late(self, partition: PartitionLedger, entries: list[Entry], epoch: int, event: Event) -> None:
        """A deposed leader acknowledged records: newer leaders must have begun with them."""
        for start in partition.starts:
            missing = [entry for entry in entries if epoch < start.epoch and not start.holds(entry)]
            if missing and start not in partition.pending:
                entries = [entry for entry in entries if entry not in missing]
                self._judge(partition, start, missing, event)

    def _judge(self, partition: PartitionLedger, start: LeaderStart, missing: list[Entry], event: Event) -> None:
        groups: dict[Ruling, list[Entry]] = {}
        for entry in missing:
            groups.setdefault(self.excuses.judge(partition, start, entry), []).append(entry)
        for ruling, entries in groups.items():
            self.losses.append(Loss(
                partition, start, tuple(entries),
                tuple(entry for entry in entries if not partition.holders(entry)), ruling,
                tuple(index for index in map(partition.committed_by, entries[:1]) if index is not None), event))
        _forgive(partition, start, groups)
        if start.epoch >= _newest_epoch(partition):
            partition.write_off(missing)


def _left(partition: PartitionLedger, log: ReplicaLog, epoch: int) -> frozenset[Entry]:
    """The records of an epoch that somebody held, or has lost in a fault of the disk, and this log does not hold."""
    held = [entry for replica in partition.replicas.values() for entry in replica.entries]
    lost = [entry for fault in log.outstanding for entry in fault.still_lost]
    return frozenset(entry for entry in (*held, *lost) if entry.epoch == epoch and not log.holds(entry))


def _forgive(partition: PartitionLedger, start: LeaderStart, groups: dict[Ruling, list[Entry]]) -> None:
    """Remember judged losses. An excuse never covers what the same start lost without one."""
    for ruling, entries in groups.items():
        only: frozenset[Entry] | None = None
        if ruling.reason == LAST_REPLICA and ruling.kind == EXCUSED:
            faults = partition.replica(start.node).faults
            only = frozenset(entry for fault in faults if fault.was_last_replica for entry in fault.still_lost)
        elif len(groups) > 1:
            only = frozenset(entries)
        partition.forgiven.append(Forgiveness(start, only, ruling.kind == EXCUSED, ruling.words))


def _unshield(partition: PartitionLedger, node: int) -> None:
    """The node may no longer be elected: it may come back only with all that is committed."""
    for fault in partition.replica(node).outstanding:
        fault.shields_in_quorum = False


def _newest_epoch(partition: PartitionLedger) -> int:
    return partition.newest.epoch if partition.newest is not None else -1
