"""Brokers: registration, heartbeats, fencing, controlled shutdown (ClusterControlManager, ReplicationControlManager).

Registration: another incarnation is refused while the registered one has a valid session. The same incarnation keeps
its broker epoch and its state. A new incarnation begins fenced, with the first offset of its batch as broker epoch, and
leaves every ISR in the same batch: as a fenced broker would, or, with eligible leader replicas and unless it names the
epoch that ended cleanly, the ELRs too (KAFKA-18106, KAFKA-18635).

Heartbeats: a fenced broker is unfenced once it has applied its own registration and no longer wants to be fenced. One
that wants to shut down is taken out of the ISRs, and may go when it leads nothing and every active broker has applied
what took it out. Fencing writes the ISR changes first, so that no fenced broker is ever in an ISR but as its last
member.

Left out: cluster ids, features and listeners of brokers, and log directories.
"""

from typing import Any

from fencepost.model import errors
from fencepost.model.config import KafkaConfig
from fencepost.model.controller.configuration_control import ConfigurationControl
from fencepost.model.controller.heartbeat_manager import NO_ACTIVE_BROKER, HeartbeatManager
from fencepost.model.controller.replication_control import ReplicationControl
from fencepost.model.controller.result import ApiError, Evidence, Result, refused
from fencepost.model.metadata.image import BrokerRegistration, MetadataImage
from fencepost.model.metadata.records import (
    BrokerRegistrationChangeRecord,
    ProducerIdsRecord,
    RegisterBrokerRecord,
    UnregisterBrokerRecord,
)
from fencepost.model.protocol.controller import (
    AdminResponse,
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
    BrokerHeartbeatRequest,
    BrokerHeartbeatResponse,
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
)

FENCED = "FENCED"
UNFENCED = "UNFENCED"
CONTROLLED_SHUTDOWN = "CONTROLLED_SHUTDOWN"
SHUTDOWN_NOW = "SHUTDOWN_NOW"

#: How many producer ids a broker gets at once (ProducerIdsBlock).
PRODUCER_ID_BLOCK_SIZE = 1000


class ClusterControl:
    """Decides from the optimistic image; keeps the soft state of heartbeats while its controller is active."""

    def __init__(
        self, config: KafkaConfig, image: MetadataImage, configuration: ConfigurationControl,
        replication: ReplicationControl,
    ) -> None:
        self._session_us = config.broker_session_timeout_us
        self._image = image
        self._configuration = configuration
        self._replication = replication
        self.heartbeats = HeartbeatManager(self._session_us)

    def activate(self, now_us: int) -> None:
        """Begin with fresh soft state: every registered broker's session starts now."""
        self.heartbeats = HeartbeatManager(self._session_us)
        for broker_id in sorted(self._image.brokers):
            self.heartbeats.contact(broker_id, self._image.brokers[broker_id].broker_epoch, now_us)

    # --- registration ---------------------------------------------------------------------------------------------

    def register_broker(self, request: BrokerRegistrationRequest, next_offset: int, now_us: int) -> Result:
        """Handle BrokerRegistration. Raises ApiError DUPLICATE_BROKER_REGISTRATION."""
        existing = self._image.brokers.get(request.broker_id)
        evidence = _registration_evidence(request, existing)
        if existing is not None and self.is_duplicate_registration(request, existing, now_us):
            error = errors.DUPLICATE_BROKER_REGISTRATION
            raise ApiError(error, evidence._replace(error=error))
        records: list[Any] = []
        broker_epoch, fenced, in_controlled_shutdown = next_offset, True, False
        if existing is not None and request.incarnation_id == existing.incarnation_id:
            fenced, in_controlled_shutdown = existing.fenced, existing.in_controlled_shutdown
            if self.keeps_broker_epoch(request, existing):
                broker_epoch = existing.broker_epoch
        else:
            self.heartbeats.forget(request.broker_id)
            if existing is not None and self.must_leave_isrs(request, existing):
                records += self._changes_for_new_incarnation(request, existing)
        records.append(RegisterBrokerRecord(
            request.broker_id, request.incarnation_id, broker_epoch, fenced, in_controlled_shutdown))
        evidence.epochs["broker_epoch"] = broker_epoch
        points = ("controller.registered-broker",)
        return Result(records, BrokerRegistrationResponse(None, broker_epoch), (evidence,), points)

    def is_duplicate_registration(
        self, request: BrokerRegistrationRequest, existing: BrokerRegistration, now_us: int,
    ) -> bool:
        """Another incarnation of the broker is alive as far as is known."""
        alive = self.heartbeats.has_valid_session(request.broker_id, existing.broker_epoch, now_us)
        return alive and request.incarnation_id != existing.incarnation_id

    def keeps_broker_epoch(self, request: BrokerRegistrationRequest, existing: BrokerRegistration) -> bool:
        """The same incarnation registers again and must not be fenced by its own retry (KAFKA-16952)."""
        return request.incarnation_id == existing.incarnation_id

    def must_leave_isrs(self, request: BrokerRegistrationRequest, existing: BrokerRegistration) -> bool:
        """A new incarnation may have lost its logs' tails, so it leaves the ISRs that list it (KAFKA-18106)."""
        return request.incarnation_id != existing.incarnation_id

    def _changes_for_new_incarnation(
        self, request: BrokerRegistrationRequest, existing: BrokerRegistration,
    ) -> list[Any]:
        clean = request.previous_broker_epoch == existing.broker_epoch
        if self._configuration.is_elr_enabled() and not clean:
            return self._replication.changes_for_unclean_shutdown(request.broker_id)
        return self._replication.changes_for_lost_broker(request.broker_id)

    def unregister_broker(self, arguments: dict[str, Any]) -> Result:
        """Forget a broker, whether it runs or not: it leaves the ISRs (all but those that it is alone in), leads
        nothing, and must register anew, in a new process. Refused with BROKER_ID_NOT_REGISTERED
        (ReplicationControlManager.unregisterBroker)."""
        registration = self._image.brokers.get(arguments["broker"])
        if registration is None:
            return refused(errors.BROKER_ID_NOT_REGISTERED)
        broker_id = registration.broker_id
        self.heartbeats.forget(broker_id)
        record = UnregisterBrokerRecord(broker_id, registration.broker_epoch)
        return Result([*self._replication.changes_for_lost_broker(broker_id), record], AdminResponse(None, {}))

    # --- heartbeats -----------------------------------------------------------------------------------------------

    def process_heartbeat(self, request: BrokerHeartbeatRequest, now_us: int) -> Result:
        """Handle BrokerHeartbeat. Raises ApiError STALE_BROKER_EPOCH, also for a broker that is not registered."""
        broker_id = request.broker_id
        registration = self._image.brokers.get(broker_id)
        evidence = _heartbeat_evidence(request, registration)
        if registration is None or self.is_stale_heartbeat(request, registration):
            error = errors.STALE_BROKER_EPOCH
            raise ApiError(error, *(entry._replace(error=error) for entry in evidence))
        self.heartbeats.contact(broker_id, registration.broker_epoch, now_us)
        current = self._current_state(registration)
        following = self.next_state(request, registration, current)
        records: list[Any] = []
        points: tuple[str, ...] = ()
        if following != current:
            records, points = self._transition(registration, following)
        state = self.heartbeats.state(broker_id)
        state.metadata_offset = request.current_metadata_offset
        result = Result(records, None, evidence, points)
        if following in (FENCED, SHUTDOWN_NOW):
            state.controlled_shutdown_offset = -1
        elif following == CONTROLLED_SHUTDOWN:
            result.after_append = (self._note_controlled_shutdown, (broker_id,))
        result.response = BrokerHeartbeatResponse(
            None, self._has_applied_registration(request, registration), following in (FENCED, SHUTDOWN_NOW),
            following == SHUTDOWN_NOW)
        return result

    def is_stale_heartbeat(self, request: BrokerHeartbeatRequest, registration: BrokerRegistration) -> bool:
        """The sender is not the registered incarnation."""
        return request.broker_epoch != registration.broker_epoch

    def next_state(self, request: BrokerHeartbeatRequest, registration: BrokerRegistration, current: str) -> str:
        """What becomes of the broker (BrokerHeartbeatManager.calculateNextBrokerState)."""
        broker_id = request.broker_id
        if current == FENCED:
            if request.want_shut_down:
                return SHUTDOWN_NOW
            may_unfence = not request.want_fence and self._has_applied_registration(request, registration)
            return UNFENCED if may_unfence else FENCED
        if current == UNFENCED:
            if request.want_fence:
                return SHUTDOWN_NOW if request.want_shut_down else FENCED
            if request.want_shut_down:
                return CONTROLLED_SHUTDOWN if self._replication.has_leaderships(broker_id) else SHUTDOWN_NOW
            return UNFENCED
        if self._replication.has_leaderships(broker_id):
            return CONTROLLED_SHUTDOWN
        done = self.heartbeats.state(broker_id).controlled_shutdown_offset <= self._lowest_active_offset()
        return SHUTDOWN_NOW if done else CONTROLLED_SHUTDOWN

    def _current_state(self, registration: BrokerRegistration) -> str:
        if self.heartbeats.state(registration.broker_id).shutting_down:
            return CONTROLLED_SHUTDOWN
        return FENCED if registration.fenced else UNFENCED

    def _has_applied_registration(self, request: BrokerHeartbeatRequest, registration: BrokerRegistration) -> bool:
        return request.current_metadata_offset >= registration.registration_offset

    def _lowest_active_offset(self) -> int:
        """The lowest metadata offset that an active broker reported."""
        offsets = [
            self.heartbeats.state(broker_id).metadata_offset for broker_id, broker in self._image.brokers.items()
            if not broker.fenced and not self.heartbeats.state(broker_id).shutting_down
        ]
        return min(offsets, default=NO_ACTIVE_BROKER)

    def _note_controlled_shutdown(self, broker_id: int, offset: int) -> None:
        """Every active broker must have applied `offset` before this one may go; only the first offset counts."""
        state = self.heartbeats.state(broker_id)
        if not state.shutting_down:
            state.controlled_shutdown_offset = offset

    # --- transitions ------------------------------------------------------------------------------------------------

    def _transition(self, registration: BrokerRegistration, following: str) -> tuple[list[Any], tuple[str, ...]]:
        broker_id, broker_epoch = registration.broker_id, registration.broker_epoch
        if following == UNFENCED:
            change = BrokerRegistrationChangeRecord(broker_id, broker_epoch, fenced=False)
            return [change, *self._replication.changes_for_unfenced_broker(broker_id)], ()
        if following == CONTROLLED_SHUTDOWN:
            change = BrokerRegistrationChangeRecord(broker_id, broker_epoch, in_controlled_shutdown=True)
            announced = [] if registration.in_controlled_shutdown else [change]
            return announced + self._replication.changes_for_lost_broker(broker_id), ()
        # Whoever is told to shut down is fenced, and noted as fenced again if it was fenced already.
        return self._fence(registration), ("controller.fenced-broker",)

    def _fence(self, registration: BrokerRegistration) -> list[Any]:
        change = BrokerRegistrationChangeRecord(registration.broker_id, registration.broker_epoch, fenced=True)
        return [*self._replication.changes_for_lost_broker(registration.broker_id), change]

    def fence_one_stale_broker(self, now_us: int) -> Result:
        """Periodic: fence one broker whose session has run out; the response says whether to look again soon."""
        session = self.heartbeats.take_expired(now_us)
        if session is None:
            return Result(response=False)
        broker_id, broker_epoch = session
        registration = self._image.brokers.get(broker_id)
        if registration is None or registration.broker_epoch != broker_epoch or registration.fenced:
            return Result(response=True)
        self.heartbeats.state(broker_id).controlled_shutdown_offset = -1
        return Result(self._fence(registration), True, (), ("controller.fenced-broker",))

    # --- producer ids -----------------------------------------------------------------------------------------------

    def allocate_producer_ids(self, request: AllocateProducerIdsRequest) -> Result:
        """Hand a registered broker the next block (KIP-730). Raises ApiError STALE_BROKER_EPOCH."""
        if self._replication.is_stale_broker_epoch(request.broker_id, request.broker_epoch):
            raise ApiError(errors.STALE_BROKER_EPOCH)
        first = self._image.scalars.get("next_producer_id", 0)
        record = ProducerIdsRecord(request.broker_id, request.broker_epoch, first + PRODUCER_ID_BLOCK_SIZE)
        return Result([record], AllocateProducerIdsResponse(None, first, PRODUCER_ID_BLOCK_SIZE))


def _registration_evidence(request: BrokerRegistrationRequest, existing: BrokerRegistration | None) -> Evidence:
    value = {
        "broker": request.broker_id, "incarnation_id": request.incarnation_id,
        "previous_incarnation_id": None if existing is None else existing.incarnation_id,
        "previous_fenced": None if existing is None else existing.fenced,
    }
    previous_epoch = -1 if existing is None else existing.broker_epoch
    epochs = {"broker_epoch": -1, "previous_broker_epoch": previous_epoch}
    return Evidence("broker-registration", None, value, None, epochs)


def _heartbeat_evidence(
    request: BrokerHeartbeatRequest, registration: BrokerRegistration | None,
) -> tuple[Evidence, ...]:
    """Nothing for a heartbeat in the current epoch: those are too many to be news."""
    current = -1 if registration is None else registration.broker_epoch
    if request.broker_epoch == current:
        return ()
    epochs = {"broker_epoch": request.broker_epoch, "current_broker_epoch": current}
    return (Evidence("broker-heartbeat", None, {"broker": request.broker_id}, None, epochs),)
