"""Leaders and ISRs of partitions (ReplicationControlManager): fencing's consequences, AlterPartition, elections,
reassignment.

AlterPartition's checks come in Kafka's order: broker epoch, topic and partition, epochs ahead, leader epoch, sender,
partition epoch, the ISR itself, leader recovery, eligibility of the members. There is no idempotent success: a retry
after a lost answer gets INVALID_UPDATE_VERSION. A change that completes a reassignment may replace the sender as
leader, which it is told by NEW_LEADER_ELECTED although the record is written.

Left out: the limit on elections in one periodic round (1,000), and log directories. Where a reassignment replaces one
in progress, the replicas being added are worked out afresh, so that none is forgotten.
"""

from typing import Any

from fencepost.model import errors
from fencepost.model.controller.configuration_control import ConfigurationControl
from fencepost.model.controller.partition_change import (
    ONLINE,
    PREFERRED,
    RECOVERED,
    RECOVERING,
    UNCLEAN,
    PartitionChangeBuilder,
)
from fencepost.model.controller.result import ApiError, Evidence, Result, refused
from fencepost.model.metadata.image import BrokerRegistration, MetadataImage, PartitionRegistration
from fencepost.model.metadata.records import NO_LEADER, NO_LEADER_CHANGE
from fencepost.model.protocol.controller import AdminResponse, AlterPartitionRequest, AlterPartitionResponse

NOBODY = -1

PartitionKey = tuple[str, int]


class ReplicationControl:
    """Decides from the optimistic image; every method returns records or a `Result` and changes nothing."""

    def __init__(self, image: MetadataImage, configuration: ConfigurationControl) -> None:
        self._image = image
        self._configuration = configuration

    # --- which partitions -------------------------------------------------------------------------------------------

    def partitions_with_isr_member(self, broker_id: int) -> list[PartitionKey]:
        """Partitions whose ISR holds the broker, in a stable order."""
        return sorted(key for key, partition in self._image.partitions.items() if broker_id in partition.isr)

    def partitions_with_eligible_leader(self, broker_id: int) -> list[PartitionKey]:
        """Partitions whose eligible leader replicas hold the broker, in a stable order."""
        partitions = self._image.partitions
        return sorted(key for key, partition in partitions.items() if broker_id in partition.eligible_leader_replicas)

    def partitions_without_leader(self) -> list[PartitionKey]:
        """Partitions without a leader, in a stable order."""
        return sorted(key for key, partition in self._image.partitions.items() if partition.leader == NO_LEADER)

    def has_leaderships(self, broker_id: int) -> bool:
        """Whether the broker leads any partition."""
        return any(partition.leader == broker_id for partition in self._image.partitions.values())

    # --- changes that follow from a broker's ------------------------------------------------------------------------

    def changes_for_lost_broker(self, broker_id: int) -> list[Any]:
        """Take a broker that is fenced, shuts down or comes back as a new incarnation out of every ISR.

        Where it is the last member the ISR stays (without eligible leader replicas), and nobody leads.
        """
        keys = self.partitions_with_isr_member(broker_id)
        return self._leader_and_isr_updates(keys, remove=broker_id)

    def changes_for_unclean_shutdown(self, broker_id: int) -> list[Any]:
        """With eligible leader replicas: a broker that did not shut down cleanly leaves every ISR and ELR (KIP-966)."""
        keys = sorted({*self.partitions_with_isr_member(broker_id), *self.partitions_with_eligible_leader(broker_id)})
        return self._leader_and_isr_updates(keys, unclean=broker_id)

    def changes_for_unfenced_broker(self, broker_id: int) -> list[Any]:
        """Let a broker that is about to be unfenced lead where there is no leader."""
        return self._leader_and_isr_updates(self.partitions_without_leader(), add=broker_id)

    def _leader_and_isr_updates(
        self, keys: list[PartitionKey], remove: int = NOBODY, add: int = NOBODY, unclean: int = NOBODY,
    ) -> list[Any]:
        """Records for the partitions; `add` counts as active although the image has it fenced, the others as lost."""
        acceptable = (self._active_brokers() - {remove, unclean}) | ({add} if add != NOBODY else frozenset())
        records = []
        for key in keys:
            builder = self._builder(key, acceptable)
            builder.target_isr = tuple(
                replica for replica in builder.target_isr if replica not in (remove, unclean))
            if unclean != NOBODY:
                builder.unclean_shutdown_replicas = (unclean,)
            record = builder.build()
            if record is not None:
                records.append(record)
        return records

    # --- AlterPartition -----------------------------------------------------------------------------------------------

    def alter_partition(self, request: AlterPartitionRequest) -> Result:
        """Handle AlterPartition. Raises ApiError for a stale broker epoch; see the module for the order of checks."""
        evidence = self._alter_partition_evidence(request)
        if self.is_stale_broker_epoch(request.broker_id, request.broker_epoch):
            raise ApiError(errors.STALE_BROKER_EPOCH, evidence._replace(error=errors.STALE_BROKER_EPOCH))
        key = (request.topic_id, request.partition)
        error = self._alter_partition_error(request)
        if error is not None:
            return Result(response=AlterPartitionResponse(error), evidence=(evidence._replace(error=error),))
        partition = self._image.partitions[key]
        builder = self._builder(key, self._active_brokers())
        builder.target_isr = tuple(broker_id for broker_id, _ in request.new_isr)
        builder.target_recovery_state = request.leader_recovery_state
        record = builder.build()
        points = ("controller.alter-partition",)
        if record is None:
            return Result([], _current(partition), (evidence,), points)
        after = partition.merge(record)
        if record.leader not in (NO_LEADER_CHANGE, request.broker_id):
            error = errors.NEW_LEADER_ELECTED
            return Result([record], AlterPartitionResponse(error), (evidence._replace(error=error),), points)
        return Result([record], _current(after), (evidence,), points)

    def _alter_partition_error(self, request: AlterPartitionRequest) -> str | None:
        if request.topic_id not in self._image.topic_names:
            return errors.UNKNOWN_TOPIC_ID
        partition = self._image.partitions.get((request.topic_id, request.partition))
        if partition is None:
            return errors.UNKNOWN_TOPIC_OR_PARTITION
        error = self.error_for_epochs_ahead(request, partition)
        if error is not None:
            return error
        if self.is_stale_leader_epoch(request, partition):
            return errors.FENCED_LEADER_EPOCH
        if request.broker_id != partition.leader:
            return errors.INVALID_REQUEST
        if self.is_stale_partition_epoch(request, partition):
            return errors.INVALID_UPDATE_VERSION
        if not self.is_valid_isr(request, partition) or not self.is_valid_recovery_state(request, partition):
            return errors.INVALID_REQUEST
        if any(self.is_ineligible_member(broker_id, epoch) for broker_id, epoch in request.new_isr):
            return errors.INELIGIBLE_REPLICA
        return None

    def is_stale_broker_epoch(self, broker_id: int, broker_epoch: int) -> bool:
        """The sender is not registered, or not in this epoch (KIP-380, KIP-631)."""
        registration = self._image.brokers.get(broker_id)
        return registration is None or registration.broker_epoch != broker_epoch

    def error_for_epochs_ahead(self, request: AlterPartitionRequest, partition: PartitionRegistration) -> str | None:
        """A leader that knows newer epochs shows that this controller is probably deposed (KAFKA-14154)."""
        ahead = request.leader_epoch > partition.leader_epoch or request.partition_epoch > partition.partition_epoch
        return errors.NOT_CONTROLLER if ahead else None

    def is_stale_leader_epoch(self, request: AlterPartitionRequest, partition: PartitionRegistration) -> bool:
        """The sender leads in an older epoch."""
        return request.leader_epoch < partition.leader_epoch

    def is_stale_partition_epoch(self, request: AlterPartitionRequest, partition: PartitionRegistration) -> bool:
        """The sender decided from an older state of the partition (compare and set)."""
        return request.partition_epoch < partition.partition_epoch

    def is_valid_isr(self, request: AlterPartitionRequest, partition: PartitionRegistration) -> bool:
        """The new ISR consists of different replicas, the leader among them."""
        isr = [broker_id for broker_id, _ in request.new_isr]
        return len(isr) == len(set(isr)) and set(isr) <= set(partition.replicas) and partition.leader in isr

    def is_valid_recovery_state(self, request: AlterPartitionRequest, partition: PartitionRegistration) -> bool:
        """A recovering leader is alone in the ISR, and a recovered one does not recover again (KIP-704)."""
        if request.leader_recovery_state != RECOVERING:
            return True
        return len(request.new_isr) == 1 and partition.leader_recovery_state != RECOVERED

    def is_ineligible_member(self, broker_id: int, broker_epoch: int) -> bool:
        """The member may not be in an ISR; the leader itself is no exception."""
        registration = self._image.brokers.get(broker_id)
        return (
            registration is None
            or self.is_fenced_or_shutting_down(registration)
            or self.is_other_incarnation(broker_epoch, registration)
        )

    def is_fenced_or_shutting_down(self, registration: BrokerRegistration) -> bool:
        """The broker is not active (KIP-841)."""
        return not registration.active

    def is_other_incarnation(self, broker_epoch: int, registration: BrokerRegistration) -> bool:
        """The leader saw another incarnation of the broker than the registered one; -1 is not checked (KIP-903)."""
        return broker_epoch not in (-1, registration.broker_epoch)

    def _alter_partition_evidence(self, request: AlterPartitionRequest) -> Evidence:
        partition = self._image.partitions.get((request.topic_id, request.partition))
        registration = self._image.brokers.get(request.broker_id)
        topic = self._image.topic_names.get(request.topic_id, request.topic_id)
        value = {
            "topic_id": request.topic_id, "broker": request.broker_id,
            "isr": [broker_id for broker_id, _ in request.new_isr],
            "broker_epochs": [epoch for _, epoch in request.new_isr],
        }
        epochs = {
            "leader_epoch": request.leader_epoch, "partition_epoch": request.partition_epoch,
            "broker_epoch": request.broker_epoch,
            "current_leader_epoch": -1 if partition is None else partition.leader_epoch,
            "current_partition_epoch": -1 if partition is None else partition.partition_epoch,
            "current_broker_epoch": -1 if registration is None else registration.broker_epoch,
        }
        return Evidence("alter-partition", f"{topic}-{request.partition}", value, None, epochs)

    # --- elections ------------------------------------------------------------------------------------------------

    def elect_leader(self, arguments: dict[str, Any]) -> Result:
        """elect-leader (KIP-460): refuses what is not needed or not possible."""
        key = self._find(arguments)
        if key is None:
            return refused(errors.UNKNOWN_TOPIC_OR_PARTITION)
        partition = self._image.partitions[key]
        unclean = arguments["election_type"] == UNCLEAN
        needless = partition.leader != NO_LEADER if unclean else partition.leader == partition.replicas[0]
        if needless:
            return refused(errors.ELECTION_NOT_NEEDED)
        record = self._builder(key, self._active_brokers(), UNCLEAN if unclean else PREFERRED).build()
        if record is None:
            return refused(
                errors.ELIGIBLE_LEADERS_NOT_AVAILABLE if unclean else errors.PREFERRED_LEADER_NOT_AVAILABLE)
        return Result([record], AdminResponse(None, {"topic_id": key[0], "leader": record.leader}))

    def balance_leaders(self) -> Result:
        """Periodic: let preferred leaders lead again (auto.leader.rebalance.enable)."""
        partitions = self._image.partitions
        keys = sorted(key for key, partition in partitions.items() if partition.leader != partition.replicas[0])
        return Result(self._elect_each(keys, PREFERRED), response=False)

    def elect_unclean_leaders(self) -> Result:
        """Periodic: elect uncleanly where there is no leader and the configuration allows it."""
        keys = [key for key in self.partitions_without_leader() if self._may_elect_uncleanly(key)]
        return Result(self._elect_each(keys, UNCLEAN), response=False)

    def _elect_each(self, keys: list[PartitionKey], election: str) -> list[Any]:
        acceptable = self._active_brokers()
        built = [self._builder(key, acceptable, election).build() for key in keys]
        return [record for record in built if record is not None]

    # --- reassignment ---------------------------------------------------------------------------------------------

    def reassign(self, arguments: dict[str, Any]) -> Result:
        """reassign (KIP-455): to these replicas, or back with None."""
        key = self._find(arguments)
        if key is None:
            return refused(errors.UNKNOWN_TOPIC_OR_PARTITION)
        replicas = arguments["replicas"]
        builder = self._builder(key, self._active_brokers())
        if replicas is None:
            error = self._revert_reassignment(key, builder)
        else:
            error = self.assignment_error(tuple(replicas))
            builder.election = ONLINE
            _retarget(builder, self._image.partitions[key], tuple(replicas))
        if error is not None:
            return refused(error)
        record = builder.build()
        return Result([] if record is None else [record], AdminResponse(None, {"topic_id": key[0]}))

    def assignment_error(self, replicas: tuple[int, ...]) -> str | None:
        """Why these brokers cannot be a partition's replicas, if so."""
        valid = replicas and len(set(replicas)) == len(replicas) and all(r in self._image.brokers for r in replicas)
        return None if valid else errors.INVALID_REPLICA_ASSIGNMENT

    def _revert_reassignment(self, key: PartitionKey, builder: PartitionChangeBuilder) -> str | None:
        """Back to the replicas before; if no ISR member is among them, only with unclean elections allowed."""
        partition = self._image.partitions[key]
        if not partition.adding_replicas and not partition.removing_replicas:
            return errors.NO_REASSIGNMENT_IN_PROGRESS
        replicas = tuple(replica for replica in partition.replicas if replica not in partition.adding_replicas)
        isr = tuple(replica for replica in partition.isr if replica not in partition.adding_replicas)
        if not isr and not self._may_elect_uncleanly(key):
            return errors.INVALID_REPLICA_ASSIGNMENT
        builder.target_replicas = replicas
        builder.target_isr = isr or replicas[:1]
        builder.target_adding = builder.target_removing = ()
        return None

    # --- shared -----------------------------------------------------------------------------------------------------

    def minimum_isr_changes(self, topic: str, minimum: int) -> list[Any]:
        """With eligible leader replicas: what a new min.insync.replicas of the topic changes."""
        topic_id = self._image.topics.get(topic)
        if topic_id is None or not self._configuration.is_elr_enabled():
            return []
        acceptable, records = self._active_brokers(), []
        for index, partition in enumerate(self._image.topic_partitions(topic_id)):
            effective = min(minimum, len(partition.replicas))
            builder = PartitionChangeBuilder(topic_id, index, partition, acceptable, effective, True)
            record = builder.build() if partition.eligible_leader_replicas else None
            if record is not None:
                records.append(record)
        return records

    def _builder(
        self, key: PartitionKey, acceptable: frozenset[int], election: str | None = None,
    ) -> PartitionChangeBuilder:
        """A builder with the topic's settings; without `election`, unclean where the configuration allows it."""
        partition = self._image.partitions[key]
        topic = self._image.topic_names[key[0]]
        if election is None:
            election = UNCLEAN if self._may_elect_uncleanly(key) else ONLINE
        elr_enabled = self._configuration.is_elr_enabled()
        min_isr = min(self._configuration.min_insync_replicas(topic), len(partition.replicas))
        return PartitionChangeBuilder(key[0], key[1], partition, acceptable, min_isr, elr_enabled, election)

    def _active_brokers(self) -> frozenset[int]:
        return frozenset(broker_id for broker_id, broker in self._image.brokers.items() if broker.active)

    def _may_elect_uncleanly(self, key: PartitionKey) -> bool:
        return self._configuration.is_unclean_election_enabled(self._image.topic_names[key[0]])

    def _find(self, arguments: dict[str, Any]) -> PartitionKey | None:
        key = (self._image.topics.get(arguments["topic"], ""), arguments["partition"])
        return key if key in self._image.partitions else None


def _retarget(builder: PartitionChangeBuilder, partition: PartitionRegistration, wanted: tuple[int, ...]) -> None:
    """What a reassignment under way adds or removes stays as it is where the new one adds or removes nothing, even if
    its target says otherwise (ReplicationControlManager.changePartitionReassignment; PartitionReassignmentReplicas)."""
    leaving = tuple(sorted(replica for replica in partition.replicas if replica not in wanted))
    added = tuple(sorted(replica for replica in wanted if replica not in partition.replicas))
    builder.target_replicas = wanted + leaving
    builder.target_removing = leaving or builder.target_removing
    builder.target_adding = added or builder.target_adding


def _current(partition: PartitionRegistration) -> AlterPartitionResponse:
    return AlterPartitionResponse(
        None, partition.leader, partition.leader_epoch, partition.isr, partition.partition_epoch)


