"""Who holds what: every replica's log and every leader's belief, from what the replicas said of themselves.

A log is what was opened, appended, cut, lost with the disk or given up. Example: replica 3 wrote offsets 0 to 9 of
orders-0, and its disk lost everything from offset 7 in a power cut: it holds 0 to 6, and the fault is remembered with
what it took, for it may excuse a loss and exempts the replica for a while.
"""

from typing import Any

from fencepost.checkers.bounces import Bounces
from fencepost.checkers.excuses import Excuses, Requests
from fencepost.checkers.metadata_view import MetadataView, identity
from fencepost.checkers.partition_ledger import LeaderView, PartitionLedger
from fencepost.checkers.replica_logs import DiskFault, Entry, ReplicaLog
from fencepost.histories.event import Event

METADATA_LOG = "__cluster_metadata-0"


class ContradictoryHistoryError(ValueError):
    """The history says of a log what cannot follow from what it said before."""


class Holdings:
    """The replicas' logs and the leaders, by partition.

    view: the quorum's. partitions: by name ("orders-0/<topic id>"); named: by key, the latest incarnation.
    bounces: what ZooKeeper mode's controllers noticed of disk faults; None in KRaft mode.
    """

    def __init__(self, header: dict[str, Any]) -> None:
        voters = len(header.get("voters") or header.get("controllers") or ())
        self.view = MetadataView(header)
        self.requests = Requests()
        self.excuses = Excuses(self.view, self.requests, voters, header.get("excuses", True))
        self.partitions: dict[str, PartitionLedger] = {}
        self.named: dict[str, PartitionLedger] = {}
        self._hosted: dict[int, dict[str, PartitionLedger]] = {}
        self._incarnations: dict[int, str] = {}
        self._written: dict[tuple[str, str], list[tuple[PartitionLedger, Entry]]] = {}
        self.bounces = Bounces(self.view, self._hosted) if header.get("mode") == "zk" else None

    def of(self, event: Event) -> PartitionLedger:
        """The partition that an observation is about."""
        return self._partition(event.key or "", event.value["topic_id"])

    def written(self, key: str, record: str) -> list[tuple[PartitionLedger, Entry]]:
        """Every place to which some replica of a partition of that name ever wrote the record."""
        return self._written.get((key, record), [])

    # --- processes and disks --------------------------------------------------------------------------------------

    def _broker_state(self, event: Event) -> None:
        incarnation = (event.value or {}).get("incarnation_id")
        if event.node is not None and incarnation is not None:
            self._incarnations[event.node] = incarnation

    def _node_stopped(self, event: Event) -> None:
        node = node_of(event)
        for partition in self._hosted.get(node, {}).values():
            partition.replica(node).high_watermark = None
            if node in partition.leaders:
                partition.leaders[node].running = False

    def _disk_lost(self, event: Event) -> None:
        node = node_of(event)
        if event.key == METADATA_LOG and event.value.get("wiped"):
            self.excuses.note_wiped_voter(node, event)
        partition = self.partitions.get(event.key or "")
        if partition is None:
            return
        log = partition.replica(node)
        listing = [leader for leader in partition.leaders.values() if leader.lists(node)]
        lost = log.cut(event.value.get("from_offset", 0))
        fault = DiskFault(node, log.end, lost, self._incarnations.get(node), self._is_member(partition, node),
                          event.index, event.time_us)
        log.faults.append(fault)
        log.outstanding.append(fault)
        if self.bounces is not None:
            self.bounces.note_fault(fault)
        for leader in listing:
            leader.shielded[node] = None

    def _is_member(self, partition: PartitionLedger, node: int) -> bool:
        """May be elected, or is in the ISR of a leader whose expansion may be committed at any moment."""
        state = self.view.partitions.get(partition.name)
        if state is not None and state.may_elect(node):
            return True
        epoch = -1 if state is None else state.leader_epoch
        return any(leader.epoch >= epoch and leader.lists(node) for leader in partition.leaders.values())

    # --- logs -----------------------------------------------------------------------------------------------------

    def _log_opened(self, event: Event) -> None:
        log = self._log(event)
        log.hosted = True
        end = event.value["end_offset"]
        if end > log.end:
            raise ContradictoryHistoryError(
                f"replica {event.node} of {event.key} opened a log up to {end}, but was seen to write up to {log.end}")
        log.cut(end)
        log.high_watermark = event.value.get("high_watermark")

    def _log_append(self, event: Event) -> None:
        partition, log = self.of(event), self._log(event)
        base, epoch = event.value["base_offset"], epoch_of(event)
        if base > log.end:
            raise ContradictoryHistoryError(
                f"replica {event.node} of {event.key} wrote at {base}, but its log ends at {log.end}")
        log.cut(base)
        last = log.entries[-1] if log.entries else partition.root
        for record in event.value["records"]:
            is_new = (epoch, record) not in last.children
            last = last.child(epoch, record)
            log.entries.append(last)
            if is_new:
                self._written.setdefault((partition.key, record), []).append((partition, last))
        for fault in log.outstanding:
            fault.note_refetched(log.entries)
        if log.outstanding:
            log.outstanding = [fault for fault in log.outstanding if log.end < fault.end]

    def _log_truncate(self, event: Event) -> None:
        self._log(event).cut(event.value["end_offset"])

    def _replica_stopped(self, event: Event) -> None:
        partition, log = self.of(event), self._log(event)
        leader = partition.leaders.get(log.node)
        if leader is not None:
            leader.running = False
        if event.value.get("deleted"):
            log.cut(0)
            log.hosted = False
            log.deleted = True
            log.high_watermark = None
            log.outstanding = []

    # --- leaders ------------------------------------------------------------------------------------------------------

    def _shield_members(self, partition: PartitionLedger, leader: LeaderView) -> None:
        """A leader may begin with an ISR whose members lost a tail before: as members, or after they had left it."""
        state = self.view.partitions.get(partition.name)
        trails = state is None or leader.partition_epoch is None or leader.partition_epoch < state.partition_epoch
        for node in leader.isr:
            if any(trails or fault.legitimate for fault in partition.replica(node).outstanding):
                leader.shielded[node] = None

    def _follower_start(self, event: Event) -> None:
        partition, log = self.of(event), self._log(event)
        partition.leaders.pop(log.node, None)
        log.high_watermark = event.value.get("high_watermark", log.high_watermark)

    def _isr_proposed(self, event: Event) -> None:
        partition = self.of(event)
        leader = partition.leaders.get(node_of(event))
        if self.bounces is not None:
            self.bounces.note_proposal(partition, event)
        if leader is not None and leader.epoch == epoch_of(event):
            leader.set_isr(leader.isr, event.value["maximal_isr"])

    def _isr_changed(self, event: Event) -> None:
        leader = self.of(event).leaders.get(node_of(event))
        if leader is not None and leader.epoch == epoch_of(event):
            leader.partition_epoch = (event.epochs or {}).get("partition_epoch")
            leader.set_isr(event.value["isr"], event.value["maximal_isr"])

    # --- where things are -----------------------------------------------------------------------------------------

    def _partition(self, key: str, topic_id: str) -> PartitionLedger:
        name = identity(key, topic_id)
        partition = self.partitions.get(name)
        if partition is None:
            partition = self.partitions[name] = self.named[key] = PartitionLedger(key, topic_id, name)
        return partition

    def _log(self, event: Event) -> ReplicaLog:
        partition, node = self.of(event), node_of(event)
        hosted = self._hosted.setdefault(node, {})
        if partition.name not in hosted:
            hosted[partition.name] = partition
        return partition.replica(node)


def node_of(event: Event) -> int:
    """The node that was observed."""
    assert event.node is not None
    return event.node


def epoch_of(event: Event) -> int:
    """The leader epoch of an observation. Raises ContradictoryHistoryError where it has none."""
    epoch = (event.epochs or {}).get("leader_epoch")
    if epoch is None:
        raise ContradictoryHistoryError(f"event {event.index} ({event.f}) has no leader_epoch")
    return int(epoch)
