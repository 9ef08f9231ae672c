"""How one partition changes: ISR, leader, replicas (PartitionChangeBuilder, KIP-455, KIP-704, KIP-966).

Give it the partition and what is wanted, and `build` returns the PartitionChangeRecord, or None when nothing changes.
The order is Kafka's: complete a reassignment whose replicas are all in the ISR, work out the eligible leader
replicas, elect, and raise the leader epoch if a replica leaves. Without eligible leader replicas the ISR never becomes
empty: the last member stays, with no leader.

Left out: directories (KIP-858), and the leader epoch's rise on every ISR shrink (below metadata.version 3.6 only).
"""

from fencepost.model.metadata.image import PartitionRegistration
from fencepost.model.metadata.records import NO_LEADER, NO_LEADER_CHANGE, PartitionChangeRecord

PREFERRED = "preferred"
ONLINE = "online"
UNCLEAN = "unclean"

RECOVERED = "RECOVERED"
RECOVERING = "RECOVERING"


class PartitionChangeBuilder:
    """The wanted state of one partition; it starts as the present one.

    acceptable: the brokers that may lead; used for membership only.
    min_isr: the effective min.insync.replicas, for eligible leader replicas.
    election: PREFERRED, ONLINE or UNCLEAN.
    """

    def __init__(
        self, topic_id: str, index: int, partition: PartitionRegistration, acceptable: frozenset[int], min_isr: int,
        elr_enabled: bool, election: str = ONLINE,
    ) -> None:
        self._topic_id = topic_id
        self._index = index
        self._partition = partition
        self._acceptable = acceptable
        self._min_isr = min_isr
        self._elr_enabled = elr_enabled
        self.election = election
        self.target_isr = partition.isr
        self.target_replicas = partition.replicas
        self.target_adding = partition.adding_replicas
        self.target_removing = partition.removing_replicas
        self.target_recovery_state = partition.leader_recovery_state
        self.unclean_shutdown_replicas: tuple[int, ...] = ()
        self._target_elr = partition.eligible_leader_replicas

    def build(self) -> PartitionChangeRecord | None:
        """The record that brings the partition to the wanted state, or None."""
        before = self._partition
        self._complete_reassignment()
        self._work_out_eligible_leaders()
        leader, isr, recovery_state = self._elect()
        unclean = isr is not None
        if leader == NO_LEADER_CHANGE and not contains_all(self.target_replicas, before.replicas):
            leader = before.leader
        elr = self._target_elr if self._elr_enabled and not unclean else ()
        if isr is None and self.target_isr != before.isr and (self.target_isr or self._elr_enabled):
            isr = self.target_isr
        if self.target_recovery_state != before.leader_recovery_state:
            recovery_state = self.target_recovery_state
        record = PartitionChangeRecord(
            self._topic_id, self._index, isr, leader,
            _changed(self.target_replicas, before.replicas),
            _changed(self.target_adding, before.adding_replicas),
            _changed(self.target_removing, before.removing_replicas),
            recovery_state,
            _changed(elr, before.eligible_leader_replicas),
            self._last_known_leader(leader, isr),
        )
        return None if _is_no_op(record) else record

    # --- reassignment ---------------------------------------------------------------------------------------------

    def _complete_reassignment(self) -> None:
        """Drop the leaving replicas once all that are to stay are in the ISR."""
        if not self.target_adding and not self.target_removing:
            return
        isr = tuple(replica for replica in self.target_isr if replica not in self.target_removing)
        replicas = tuple(replica for replica in self.target_replicas if replica not in self.target_removing)
        if replicas and contains_all(isr, replicas):
            self.target_isr, self.target_replicas = isr, replicas
            self.target_adding = self.target_removing = ()

    # --- election -------------------------------------------------------------------------------------------------

    def _elect(self) -> tuple[int, tuple[int, ...] | None, str | None]:
        """(leader or NO_LEADER_CHANGE, the ISR if the election dictates it, leader recovery state or None)."""
        before = self._partition
        leader, unclean = self._elect_preferred() if self.election == PREFERRED else self._elect_any()
        if leader == before.leader:
            return NO_LEADER_CHANGE, None, None
        if unclean:
            return leader, (leader,), None if before.leader_recovery_state == RECOVERING else RECOVERING
        if leader in self._target_elr:
            self.target_isr = (leader,)
            self._target_elr = tuple(replica for replica in self._target_elr if replica != leader)
        return leader, None, None

    def _elect_preferred(self) -> tuple[int, bool]:
        candidates = (self.target_replicas[0], self._partition.leader, *self.target_replicas[1:])
        return self._first_clean(candidates) or self._last_known() or (NO_LEADER, False)

    def _elect_any(self) -> tuple[int, bool]:
        elected = self._first_clean((self._partition.leader, *self.target_replicas)) or self._last_known()
        if elected is None and self.election == UNCLEAN:
            for replica in self.target_replicas:
                if replica in self._acceptable:
                    return replica, True
        return elected or (NO_LEADER, False)

    def _first_clean(self, candidates: tuple[int, ...]) -> tuple[int, bool] | None:
        for replica in candidates:
            if self._is_valid_new_leader(replica):
                return replica, False
        return None

    def _is_valid_new_leader(self, replica: int) -> bool:
        eligible = replica in self.target_isr or (not self.target_isr and replica in self._target_elr)
        return eligible and replica in self._acceptable

    def _last_known(self) -> tuple[int, bool] | None:
        """With ISR and eligible leader replicas empty, the last known leader, uncleanly (KIP-966, balanced mode)."""
        if not self._elr_enabled or self.target_isr or self._target_elr or len(self._partition.last_known_elr) != 1:
            return None
        leader = self._partition.last_known_elr[0]
        return (leader, True) if leader in self._acceptable else None

    # --- eligible leader replicas -----------------------------------------------------------------------------------

    def _work_out_eligible_leaders(self) -> None:
        """Below the minimum, whoever leaves the ISR in order stays eligible; at it there are none (KIP-966)."""
        if not self._elr_enabled:
            return
        if len(self.target_isr) >= self._min_isr:
            self._target_elr = ()
            return
        candidates = dict.fromkeys((*self._target_elr, *self._partition.isr))
        self._target_elr = tuple(
            replica for replica in candidates
            if replica not in self.target_isr and replica not in self.unclean_shutdown_replicas
        )

    def _last_known_leader(self, leader: int, isr: tuple[int, ...] | None) -> tuple[int, ...] | None:
        """The new LastKnownElr or None: the leader when the ISR becomes empty, nobody once there is a leader again."""
        before = self._partition
        if not self._elr_enabled:
            return None
        if isr == () and before.last_known_elr != (before.leader,) and before.leader != NO_LEADER:
            return (before.leader,)
        leads = leader >= 0 or (leader == NO_LEADER_CHANGE and before.leader != NO_LEADER)
        return () if leads and before.last_known_elr else None


def contains_all(replicas: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Every one of `wanted` is in `replicas`."""
    return all(replica in replicas for replica in wanted)


def _changed(target: tuple[int, ...], before: tuple[int, ...]) -> tuple[int, ...] | None:
    return None if target == before else target


def _is_no_op(record: PartitionChangeRecord) -> bool:
    return record == PartitionChangeRecord(record.topic_id, record.partition)
