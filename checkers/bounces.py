"""ZooKeeper mode: which of a broker's disk faults the controllers have noticed, and what they left of its ISRs.

Nobody tells a controller of a lost tail. It only sees, when it reads /brokers/ids (`broker-list`), that a broker is
gone, or is there under a later broker epoch (it bounced); then it takes the broker out of every ISR that has another
live member.

- *handled*: a list after the fault showed the broker gone or bounced, or back after one without it. From then on the
  ISR is watched until the broker has left it, or is alone in it: the last replica standing.
- *unseen*: the first list that shows the later epoch is the first one that its controller ever read (an earlier one may
  have seen the broker gone, and gone itself before it did anything). It has nothing to compare with, and the broker
  stays in its ISRs (3.9 does no better). Or the broker was let in again by a proposal made before the fault, for broker
  epochs of members are dropped.

A controller that reads a list with a later epoch and lets it pass, although it had read the earlier one, has a bug,
which nothing here excuses (KIP-380).
"""

from typing import Any

from fencepost.checkers.metadata_view import MetadataView, PartitionChange
from fencepost.checkers.partition_ledger import PartitionLedger
from fencepost.checkers.replica_logs import DiskFault
from fencepost.histories.event import Event


class Bounces:
    """Follows the controllers' lists of brokers. `hosted` gives the partitions of a broker, by name."""

    def __init__(self, view: MetadataView, hosted: dict[int, dict[str, PartitionLedger]]) -> None:
        self._view = view
        self._hosted = hosted
        #: controller epoch -> broker -> broker epoch, of its last list
        self._lists: dict[int, dict[int, int]] = {}
        #: broker -> its last registered epoch; fault -> that at the fault
        self._epochs: dict[int, int] = {}
        self._at_fault: dict[DiskFault, int] = {}
        #: handled faults of members that are still in an ISR with others
        self._watched: dict[DiskFault, PartitionLedger] = {}
        #: (partition, leader epoch, partition epoch before) -> the proposals
        self._proposals: dict[tuple[str, int, int], list[Event]] = {}

    def note_registration(self, broker: int, broker_epoch: int) -> None:
        """The broker has registered."""
        self._epochs[broker] = broker_epoch

    def note_fault(self, fault: DiskFault) -> None:
        """A disk fault struck a replica."""
        self._at_fault[fault] = self._epochs.get(fault.node, -1)

    def note_proposal(self, partition: PartitionLedger, event: Event) -> None:
        """A leader proposed an ISR."""
        epochs = event.epochs or {}
        key = (partition.name, epochs.get("leader_epoch", -1), epochs.get("partition_epoch", -1))
        self._proposals.setdefault(key, []).append(event)

    def take_list(self, event: Event) -> None:
        """A controller has read which brokers there are."""
        value: dict[str, Any] = event.value
        epoch = (event.epochs or {})["controller_epoch"]
        before, now = self._lists.get(epoch), {int(broker): czxid for broker, czxid in value["brokers"]}
        self._lists[epoch] = now
        for fault in list(self._at_fault):
            seen = now.get(fault.node)
            if seen == self._at_fault[fault]:
                continue
            if seen is None or fault.node in value["bounced"] or (before is not None and fault.node not in before):
                self._handle(fault)
            else:
                if before is None:
                    fault.unseen = (
                        "the first controller to see the broker's next registration had never seen the last one")
                self._settle(fault)

    def _handle(self, fault: DiskFault) -> None:
        for partition in self._hosted.get(fault.node, {}).values():
            if fault in partition.replica(fault.node).faults:
                self._watched[fault] = partition
                self._look(fault, partition)

    def _look(self, fault: DiskFault, partition: PartitionLedger) -> None:
        state = self._view.partitions.get(partition.name)
        isr = () if state is None else state.isr
        fault.isr_at_registration = isr
        if fault.node not in isr or isr == (fault.node,):
            self._settle(fault)

    def _settle(self, fault: DiskFault) -> None:
        """It is known what becomes of the fault."""
        self._watched.pop(fault, None)
        self._at_fault.pop(fault, None)

    def take_change(self, change: PartitionChange, partition: PartitionLedger) -> None:
        """A partition has changed."""
        for fault in [fault for fault, place in self._watched.items() if place is partition]:
            self._look(fault, partition)
        before, after = change.before, change.after
        if before is None or after is None:
            return
        key = (change.partition, before.leader_epoch, before.partition_epoch)
        for node in after.isr:
            for fault in partition.replica(node).outstanding if node not in before.isr else ():
                if any(proposal.index < fault.event for proposal in self._proposals.get(key, ())):
                    fault.unseen = "it was let into the ISR again by a proposal made before the fault"
                    fault.shields_in_quorum = True
