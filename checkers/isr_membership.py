"""Rules about who is in an ISR, and who leads.

*AtMostOneLeaderPerLeaderEpoch.* One broker at most leads a partition in a leader epoch.

*LeaderInIsr.* The leader that the quorum has elected is in the quorum's ISR.

*NoFencedBrokerInIsr.* A broker that the quorum has fenced (or that is shutting down, or that it has forgotten) is in no
ISR of several members; the last member is kept, for eligible leader replicas are off. Example: broker 3 registers with
a new incarnation, fenced, and the ISR of orders-0 stays {1, 2, 3} (KAFKA-18106).

*UncleanReplicaExcluded.* A replica comes back into the ISR only with what it lost, and by a proposal that meant its
present incarnation. Example: leader 1 proposes to add broker 3 of broker epoch 20, the proposal is delayed, 3 loses its
disk and registers again with epoch 31, and the quorum commits the proposal (KIP-903). Another: 3 loses committed
records with its disk, is not the last member, and is in the ISR after its new incarnation registered.

*ReplicationQuorumSuperset.* A leader whose epoch is the quorum's counts at least the quorum's ISR: its maximal ISR
holds every member, so that nothing is committed without one that may be elected.

What one batch of records does is judged after the batch.

With ZooKeeper a broker leaves its ISRs when a controller gets to it, a while after its registration is gone, and broker
epochs of members are dropped: *NoFencedBrokerInIsr* and *UncleanReplicaExcluded* are rules of KRaft mode.
"""

from typing import Any

from fencepost.checkers.ledger import Ledger
from fencepost.checkers.metadata_view import Changes, PartitionChange
from fencepost.checkers.partition_ledger import PartitionLedger
from fencepost.checkers.verdict import Findings, seconds
from fencepost.histories.event import Event

ONE_LEADER = "AtMostOneLeaderPerLeaderEpoch"
LEADER_IN_ISR = "LeaderInIsr"
FENCED = "NoFencedBrokerInIsr"
UNCLEAN = "UncleanReplicaExcluded"
SUPERSET = "ReplicationQuorumSuperset"


class IsrMembership(Findings):
    """Checks the rules above, at each change of an ISR; a change of a broker costs the partitions that list it."""

    name = "isr-membership"
    needs = frozenset({"metadata-applied"})
    consumes = frozenset({"metadata-applied", "leader-start", "isr-proposed", "isr-changed"})

    def __init__(self, header: dict[str, Any], ledger: Ledger) -> None:
        super().__init__(header)
        self._ledger = ledger
        self._with_zookeeper = header.get("mode") == "zk"
        if self._with_zookeeper:
            self.notes.append(f"{FENCED} and {UNCLEAN} are rules of KRaft mode: not judged")
        self._leaders: dict[tuple[str, int], Event] = {}
        #: (partition, leader epoch, partition epoch before) -> the proposals
        self._proposals: dict[tuple[str, int, int], list[Event]] = {}
        self._reported: dict[tuple[str, str, int, int], None] = {}

    def feed(self, event: Event) -> None:
        """Take the next event of the history."""
        self._ledger.take(event)
        if event.f == "metadata-applied":
            if self._ledger.changes is not None:
                self._metadata(self._ledger.changes, event)
            return
        partition = self._ledger.of(event)
        if event.f == "leader-start":
            self._one_leader(partition, event)
        elif event.f == "isr-proposed":
            epochs = event.epochs or {}
            key = (partition.name, epochs.get("leader_epoch", -1), epochs.get("partition_epoch", -1))
            self._proposals.setdefault(key, []).append(event)
        self._superset(partition, event)

    # --- leaders --------------------------------------------------------------------------------------------------

    def _one_leader(self, partition: PartitionLedger, event: Event) -> None:
        epoch = (event.epochs or {}).get("leader_epoch", -1)
        first = self._leaders.setdefault((partition.name, epoch), event)
        if first.node != event.node:
            self.violate(
                ONE_LEADER, f"broker {event.node} began to lead {partition.key} in epoch {epoch} at "
                f"{seconds(event.time_us)}, in which broker {first.node} has led since {seconds(first.time_us)}", event,
                (first.index,))

    def _superset(self, partition: PartitionLedger, event: Event) -> None:
        state = self._ledger.view.partitions.get(partition.name)
        if state is None:
            return
        for leader in partition.leaders.values():
            if not leader.running or leader.epoch != state.leader_epoch:
                continue
            if leader.partition_epoch is None or leader.partition_epoch > state.partition_epoch:
                continue
            uncounted = [node for node in state.isr if node not in leader.maximal]
            if uncounted and self._is_new(SUPERSET, partition.name, leader.node, state.partition_epoch):
                self.violate(
                    SUPERSET, f"the quorum's ISR of {partition.key} is {list(state.isr)} (partition epoch "
                    f"{state.partition_epoch}), but its leader, broker {leader.node} in epoch {leader.epoch}, counts "
                    f"only {list(leader.maximal)} at {seconds(event.time_us)}: it commits records without {uncounted}",
                    event, (leader.event,), leader.node, partition.key)

    # --- the quorum's ISR -----------------------------------------------------------------------------------------

    def _metadata(self, changes: Changes, event: Event) -> None:
        names = dict.fromkeys(change.partition for change in changes.partitions)
        brokers = dict.fromkeys(change.broker for change in changes.brokers)
        for broker in brokers:
            names.update(dict.fromkeys(self._ledger.view.in_isr_of(broker)))
        for name in names:
            self._leader_in_isr(name, event)
            partition = self._ledger.partitions.get(name)
            if not self._with_zookeeper:
                self._fenced(name, event)
            if partition is not None:
                if not self._with_zookeeper:
                    self._unclean_members(partition, event)
                self._superset(partition, event)
        for change in changes.partitions if not self._with_zookeeper else ():
            self._stale_proposal(change, event)

    def _leader_in_isr(self, name: str, event: Event) -> None:
        state = self._ledger.view.partitions.get(name)
        if state is None or state.leader < 0 or state.leader in state.isr:
            return
        if self._is_new(LEADER_IN_ISR, name, state.leader, state.partition_epoch):
            key = name.partition("/")[0]
            self.violate(
                LEADER_IN_ISR, f"the quorum has broker {state.leader} lead {key} in epoch {state.leader_epoch}, but "
                f"its ISR is {list(state.isr)} (partition epoch {state.partition_epoch}, at {seconds(event.time_us)})",
                event, (), state.leader, key)

    def _fenced(self, name: str, event: Event) -> None:
        view = self._ledger.view
        state = view.partitions.get(name)
        topic = name.partition("/")[0].rpartition("-")[0]
        kept = 0 if view.is_on(topic, "eligible.leader.replicas.enable") else 1
        if state is None or len(state.isr) <= kept:
            return
        for node in state.isr:
            broker = view.brokers.get(node)
            if not view.was_registered(node) or (broker is not None and broker.eligible):
                continue
            epoch = -1 if broker is None else broker.broker_epoch
            if self._is_new(FENCED, name, node, epoch):
                why = "is not registered" if broker is None else "is fenced" if broker.fenced else "is shutting down"
                key = name.partition("/")[0]
                self.violate(
                    FENCED, f"broker {node} {why} (broker epoch {epoch}), but the quorum's ISR of {key} is "
                    f"{list(state.isr)} (partition epoch {state.partition_epoch}, at {seconds(event.time_us)})",
                    event, (), node, key)

    def _unclean_members(self, partition: PartitionLedger, event: Event) -> None:
        """A member that lost committed records and whose new incarnation did not register as the last member."""
        state = self._ledger.view.partitions.get(partition.name)
        if state is None or self._ledger.is_unsettled(partition):
            return
        for node in state.isr:
            log = partition.replica(node)
            for fault in log.outstanding:
                returned = fault.isr_at_registration is not None or not fault.legitimate
                if not returned or fault.was_last_replica or fault.shields_in_quorum:
                    continue
                lost = [entry for entry in fault.still_lost if partition.is_committed(entry) and not log.holds(entry)]
                if lost and self._is_new(UNCLEAN, partition.name, node, fault.event):
                    self.violate(
                        UNCLEAN, f"broker {node} lost {lost[0]} of {partition.key} in the disk fault at "
                        f"{seconds(fault.time_us)} and has not refetched it, but the quorum's ISR is {list(state.isr)} "
                        f"at {seconds(event.time_us)}", event, (fault.event,), node, partition.key)

    def _stale_proposal(self, change: PartitionChange, event: Event) -> None:
        """Who was added must have been proposed with the broker epoch that it is registered with."""
        before, after = change.before, change.after
        if before is None or after is None or after.leader_epoch != before.leader_epoch:
            return
        added = [node for node in after.isr if node not in before.isr]
        proposals = self._proposals.get((change.partition, before.leader_epoch, before.partition_epoch), ())
        for node in added:
            broker = self._ledger.view.brokers.get(node)
            meant = [(_proposed_epoch(proposal, node), proposal) for proposal in proposals]
            meant = [(epoch, proposal) for epoch, proposal in meant if epoch is not None and epoch >= 0]
            if broker is None or not meant or broker.offset > change.offset:
                continue
            if all(epoch is not None and epoch < broker.broker_epoch for epoch, proposal in meant):
                epoch, proposal = meant[-1]
                key = change.partition.partition("/")[0]
                self.violate(
                    UNCLEAN, f"the quorum's ISR of {key} became {list(after.isr)} at {seconds(event.time_us)}: broker "
                    f"{proposal.node} had proposed broker {node} of broker epoch {epoch} at "
                    f"{seconds(proposal.time_us)}, but {node} has registered again since, with broker epoch "
                    f"{broker.broker_epoch}", event, (proposal.index,), node, key)

    def _is_new(self, rule: str, name: str, node: int, number: int) -> bool:
        """Whether the finding has not been reported yet."""
        key = (rule, name, node, number)
        if key in self._reported:
            return False
        self._reported[key] = None
        return True


def _proposed_epoch(proposal: Event, node: int) -> int | None:
    """The broker epoch with which a proposal named the node: `broker_epochs` by id, or in the order of `isr`."""
    epochs = proposal.value.get("broker_epochs")
    if isinstance(epochs, dict):
        found = epochs.get(str(node))
        return None if found is None else int(found)
    isr = proposal.value["isr"]
    if epochs is None or node not in isr:
        return None
    return int(epochs[isr.index(node)])
