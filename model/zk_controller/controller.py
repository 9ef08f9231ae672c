"""The controller of one broker process in ZooKeeper mode (KafkaController.scala): the race for /controller, fail-over,
resignation, and which event follows from what happens."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.properties import protocol_version
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.controller import (
    AdminResponse,
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
    AlterPartitionRequest,
    AlterPartitionResponse,
)
from fencepost.model.protocol.zk_controller import (
    ControlledShutdownRequest,
    ControlledShutdownResponse,
    StopReplicaRequest,
    StopReplicaResponse,
)
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.broker_events import BrokerEvents
from fencepost.model.zk_controller.controller_election import ControllerElection
from fencepost.model.zk_controller.election_events import AdminCallback, ElectionEvents
from fencepost.model.zk_controller.isr_events import IsrEvents
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome
from fencepost.model.zk_controller.parts import NOBODY, ControllerParts
from fencepost.model.zk_controller.registration import BrokerRegistrar
from fencepost.model.zk_controller.topic_events import TopicEvents

#: Znodes whose changes concern an active controller only.
_WATCHED_IN_OFFICE = (
    f"{znodes.BROKERS}/", znodes.PREFERRED_ELECTION, znodes.REASSIGN_PARTITIONS)
#: The first look at the balance comes so long after a fail-over (Kafka: 5 s of 300 s).
FIRST_BALANCE_CHECK_DIVISOR = 60


class ZkController:
    """One process's controller, active or not. See the package for what the process calls and provides.

    fail_overs: how often this process has taken office.
    """

    def __init__(
        self, node: Node, config: KafkaConfig, client: KafkaZkClient, registrar: BrokerRegistrar, composer: Composer,
    ) -> None:
        self._node = node
        self._config = config
        self._client = client
        self._registrar = registrar
        self.fail_overs = 0
        watch = None if uses_alter_partition(config) else self._on_reassigned_state
        self.parts = parts = ControllerParts(node, config, client, composer, self._on_answer, watch)
        self.brokers = composer(BrokerEvents)(parts)
        self.topics = composer(TopicEvents)(parts)
        self.elections = composer(ElectionEvents)(parts)
        self.isrs = composer(IsrEvents)(parts)
        self._election = composer(ControllerElection)(parts, self._fail_over, self._resign)
        parts.events.on_moved = self._election.maybe_resign
        client.session_listeners.append(self)
        node.handlers.update({
            AlterPartitionRequest: self.handle_alter_partition,
            AllocateProducerIdsRequest: self.handle_allocate_producer_ids,
            ControlledShutdownRequest: self.handle_controlled_shutdown,
        })

    def start(self) -> None:
        """Take part in the race; the broker is registered by now."""
        self.parts.events.put(self._on_startup)

    @property
    def is_active(self) -> bool:
        """Whether this process believes itself to be the active controller."""
        return self.parts.is_active

    @property
    def active_controller_id(self) -> int:
        """Who is in office as far as this process has read; -1 for nobody."""
        return self.parts.active_controller_id

    def describe(self) -> dict[str, Any]:
        """The controller's state as plain data."""
        context = self.parts.context
        return {
            "active": self.is_active, "active_controller_id": self.active_controller_id,
            "controller_epoch": context.epoch, "queue": self.parts.events.size,
            "brokers": {
                str(broker_id): {"broker_epoch": epoch, "in_controlled_shutdown": broker_id in context.shutting_down}
                for broker_id, epoch in sorted(context.live_brokers.items())},
            "offline_partitions": sum(context.leads_nothing(state) for state in context.leadership.values()),
            "topics_to_be_deleted": sorted(context.topics_to_be_deleted),
            "reassigning": sorted(f"{topic}-{partition}" for topic, partition in context.being_reassigned),
            "unanswered_requests": {
                str(broker_id): self.parts.channels.queued(broker_id) for broker_id in sorted(context.live_brokers)},
        }

    def slow_down(self, delay_us: int) -> None:
        """The thread takes so much longer for each event; 0 ends it (a fault)."""
        self.parts.events.delay_us = delay_us

    # --- requests -------------------------------------------------------------------------------------------------

    def handle_alter_partition(self, request: AlterPartitionRequest, reply: Reply) -> None:
        """AlterPartition of a leader."""
        failed = partial(_answer_error, reply.send, AlterPartitionResponse)
        self.parts.events.put(self.isrs.on_alter_partition, request, reply, failed=failed)

    def handle_allocate_producer_ids(self, request: AllocateProducerIdsRequest, reply: Reply) -> None:
        """AllocateProducerIds of a broker."""
        failed = partial(_answer_error, reply.send, AllocateProducerIdsResponse)
        self.parts.events.put(self.isrs.on_allocate_producer_ids, request, reply, failed=failed)

    def handle_controlled_shutdown(self, request: ControlledShutdownRequest, reply: Reply) -> None:
        """ControlledShutdown of a broker."""
        failed = partial(_answer_error, reply.send, ControlledShutdownResponse)
        self.parts.events.put(self.brokers.on_controlled_shutdown, request, reply, failed=failed)

    def elect_leader(self, arguments: dict[str, Any], done: AdminCallback) -> None:
        """The administration's elect-leader; `done(response)` follows once."""
        failed = partial(_answer_error, done, AdminResponse)
        self.parts.events.put(self.elections.on_elect_leader, arguments, done, failed=failed)

    def reassign(self, arguments: dict[str, Any], done: AdminCallback) -> None:
        """The administration's reassign; `done(response)` follows once."""
        failed = partial(_answer_error, done, AdminResponse)
        self.parts.events.put(self.elections.on_reassign, arguments, done, failed=failed)

    def on_unclean_election_enabled(self, topic: str | None) -> None:
        """The process has read that unclean elections are allowed now, for a topic or (None) for all."""
        self.parts.events.put(self.elections.on_unclean_election_enabled, topic)

    def _on_answer(self, broker_id: int, request: Any, response: Any) -> None:
        """Only deletions are waited for; the answers to the other requests change nothing (no log dir ever fails).

        A refusal of the whole request, such as STALE_BROKER_EPOCH, names no partitions and is ignored.
        """
        if not isinstance(request, StopReplicaRequest) or response.error is not None:
            return
        if any(each.delete_partition for each in request.partitions):
            self.parts.events.put(self._on_replicas_deleted, broker_id, request, response)

    def _on_replicas_deleted(
        self, broker_id: int, request: StopReplicaRequest, response: StopReplicaResponse,
    ) -> None:
        """Event TopicDeletionStopReplicaResponseReceived."""
        if not self.is_active:
            return
        refused = dict(response.partition_errors)
        asked = [(each.topic, each.partition) for each in request.partitions if each.delete_partition]
        failed = [partition for partition in asked if partition in refused]
        if failed:
            self.parts.deletion.fail_replicas([(partition, broker_id) for partition in failed])
        deleted = [(partition, broker_id) for partition in asked if partition not in failed]
        if deleted:
            self.parts.events.do(self.parts.deletion.complete_replicas, deleted)

    # --- the session -------------------------------------------------------------------------------------------------

    def before_initializing_session(self, proceed: Any) -> None:
        """See `SessionListener`: what waits is dropped; the new session waits until the event Expire begins."""
        self.parts.events.clear_and_put(self._on_expire, proceed)

    def after_initializing_session(self) -> None:
        """See `SessionListener`."""
        self.parts.events.put(self._on_register_broker_and_reelect)

    def _on_expire(self) -> None:
        """Event Expire: out of office, whoever is in it."""
        self.parts.active_controller_id = NOBODY
        self._resign()

    def _on_register_broker_and_reelect(self) -> None:
        """Event RegisterBrokerAndReelect: a new broker epoch, then the race."""
        self.parts.events.block()
        self._registrar.register(self._on_registered)

    def _on_registered(self, error: str | None) -> None:
        if error is None:
            self.parts.events.unblock(self._election.reelect)
        else:
            self.parts.events.unblock(_give_up)

    def _on_startup(self) -> None:
        """Event Startup."""
        self._election.start(self.on_controller_znode)

    def on_controller_znode(self, event: zk.WatchEvent) -> None:
        """/controller was created, changed or deleted: events ControllerChange and Reelect."""
        deleted = event.type == zk.DELETED
        self.parts.events.put(self._election.reelect if deleted else self._election.maybe_resign)

    # --- taking office -----------------------------------------------------------------------------------------------

    def _fail_over(self) -> None:
        """Plan: everything a new controller does, in order (onControllerFailover)."""
        store, events, parts = self.parts.zk, self.parts.events, self.parts
        self.fail_overs += 1
        store.ask([zk.GetDataOp(znodes.FEATURE)], self._ensure_feature)
        if self.must_register_handlers():
            events.do(self.register_handlers)
        for parent in (znodes.LOG_DIR_EVENTS, znodes.ISR_CHANGES):
            store.ask([zk.GetChildrenOp(parent)], self._delete_notifications, parent)
        self.brokers.read_brokers()
        self.topics.read_topics()
        events.do(self._read_states)
        events.do(self._open_channels)
        self.topics.read_deletions()
        events.do(self._tell_brokers)
        events.do(parts.replicas.start_up)
        events.do(parts.partitions.start_up)
        events.do(self._observe_ready)
        events.do(self.elections.on_reassignment_znode)
        events.do(self.elections.resume_reassignments)
        events.do(parts.deletion.resume_deletions)
        events.do(self.elections.on_preferred_election_znode)
        events.do(
            self.elections.schedule_balance,
            self._config.leader_imbalance_check_interval_us // FIRST_BALANCE_CHECK_DIVISOR)

    def _ensure_feature(self, outcomes: list[Outcome]) -> None:
        if outcomes[0].result.error == zk.NONODE:
            self.parts.zk.ask([zk.CreateOp(znodes.FEATURE, znodes.FeatureZnode())], _ignore)

    def must_register_handlers(self) -> bool:
        """A new session has no watches, and resigning has dropped the handlers: every fail-over starts anew."""
        return True

    def register_handlers(self) -> None:
        """Before anything is read, so that no change is missed (KAFKA-928); the reads arm the watches."""
        self._client.child_handlers.update({
            path: partial(self._put_event, event) for path, event in (
                (znodes.BROKER_IDS, self.brokers.on_broker_change), (znodes.TOPICS, self.topics.on_topic_change),
                (znodes.DELETE_TOPICS, self.topics.on_topic_deletion),
                (znodes.ISR_CHANGES, self.topics.on_isr_change_notification))
        })
        self._client.change_handlers.update({
            znodes.PREFERRED_ELECTION: partial(self._put_event, self.elections.on_preferred_election_znode),
            znodes.REASSIGN_PARTITIONS: partial(self._put_event, self.elections.on_reassignment_znode),
        })
        self.parts.zk.ask(
            [zk.ExistsOp(znodes.PREFERRED_ELECTION), zk.ExistsOp(znodes.REASSIGN_PARTITIONS)], _ignore)

    def _put_event(self, process: Any, event: zk.WatchEvent) -> None:
        if event.type != zk.DELETED:
            self.parts.events.put(process)

    def _on_reassigned_state(self, event: zk.WatchEvent) -> None:
        parts = event.path.split("/")
        self.parts.events.put(self.elections.on_reassigned_isr_change, (parts[-4], int(parts[-2])))

    def _delete_notifications(self, outcomes: list[Outcome], parent: str) -> None:
        paths = [f"{parent}/{name}" for name in outcomes[0].result.value or ()]
        self.parts.zk.write([zk.DeleteOp(path) for path in paths], _ignore)

    def _read_states(self) -> None:
        self.brokers.watch_brokers(self.parts.context.live_or_shutting_down())
        partitions = list(self.parts.context.partitions())
        reads = [zk.GetDataOp(znodes.state_path(*partition)) for partition in partitions]
        self.parts.zk.ask(reads, self.topics.take_states, partitions)

    def _open_channels(self) -> None:
        for broker_id in self.parts.context.live_or_shutting_down():
            self.parts.channels.add_broker(broker_id)

    def _tell_brokers(self) -> None:
        """The first UpdateMetadata carries brokers only."""
        self.parts.send_update_metadata(self.parts.context.live_or_shutting_down(), [])

    def _observe_ready(self) -> None:
        context = self.parts.context
        value = {"brokers": context.live_or_shutting_down(), "topics": len(context.topics),
                 "partitions": len(context.partition_states)}
        self._node.observe("controller-ready", value=value, controller_epoch=context.epoch)
        self._node.at_point("controller.ready")

    # --- leaving office ----------------------------------------------------------------------------------------------

    def _resign(self) -> None:
        """Forget everything, and tell nobody anything any more (onControllerResignation)."""
        parts, epoch = self.parts, self.parts.context.epoch
        for path in (znodes.BROKER_IDS, znodes.TOPICS, znodes.DELETE_TOPICS, znodes.ISR_CHANGES):
            self._client.child_handlers.pop(path, None)
        for path in list(self._client.change_handlers):
            if path.startswith(_WATCHED_IN_OFFICE):
                del self._client.change_handlers[path]
        self.elections.stop_balance()
        parts.channels.shut_down()
        parts.context.reset()
        if epoch:
            self._node.observe("controller-renounced", value={"reverted_to": -1}, controller_epoch=epoch)


def uses_alter_partition(config: KafkaConfig) -> bool:
    """Whether leaders change ISRs through the controller (inter.broker.protocol.version 2.7-IV2 on)."""
    version = protocol_version(config.inter_broker_protocol_version)
    return version is None or version >= (2, 7, 2)


def _answer_error(send: Callable[[Any], None], response_type: Any, error: str) -> None:
    """Answer a request whose event was dropped or has failed."""
    send(response_type(error))


def _ignore(outcomes: list[Outcome]) -> None:
    """Done by somebody else, or a read that only arms the watch."""


def _give_up() -> None:
    """The registration failed, which ends the event; the broker stays unregistered until its session ends anew."""
