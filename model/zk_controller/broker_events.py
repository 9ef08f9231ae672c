"""Brokers come, go, come back and shut down (KafkaController.processBrokerChange, doControlledShutdown).

The list of brokers is compared with the one known by id and by broker epoch: a broker that is there with a later epoch
has bounced, which is a failure and a start-up (KIP-380). A broker that fails has its leaderships moved first; then its
replicas leave their ISRs.
"""

from fencepost.model import errors
from fencepost.model.kernel.connection import Reply
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.zk_controller import (
    ControlledShutdownRequest,
    ControlledShutdownResponse,
    TopicPartition,
)
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.context import OFFLINE_PARTITION, OFFLINE_REPLICA, ONLINE_PARTITION, ONLINE_REPLICA
from fencepost.model.zk_controller.election import elect_for_controlled_shutdown
from fencepost.model.zk_controller.kafka_zk_client import Outcome
from fencepost.model.zk_controller.parts import ControllerParts


class BrokerEvents:
    """The events about brokers."""

    def __init__(self, parts: ControllerParts) -> None:
        self._parts = parts
        self._context = parts.context

    # --- reading the list -------------------------------------------------------------------------------------------

    def read_brokers(self) -> None:
        """Plan: the brokers at a fail-over become the live ones."""
        self._parts.zk.ask([zk.GetChildrenOp(znodes.BROKER_IDS)], self._read_each, True)

    def on_broker_change(self) -> None:
        """Event BrokerChange: the children of /brokers/ids have changed."""
        if self._parts.is_active:
            self._parts.zk.ask([zk.GetChildrenOp(znodes.BROKER_IDS)], self._read_each, False)

    def _read_each(self, outcomes: list[Outcome], at_fail_over: bool) -> None:
        broker_ids = sorted(int(name) for name in outcomes[0].result.value or ())
        reads = [zk.GetDataOp(znodes.broker_path(broker_id)) for broker_id in broker_ids]
        self._parts.zk.ask(reads, self._on_brokers_read, broker_ids, at_fail_over)

    def _on_brokers_read(self, outcomes: list[Outcome], broker_ids: list[int], at_fail_over: bool) -> None:
        epochs = {
            broker_id: outcome.result.stat.czxid
            for broker_id, outcome in zip(broker_ids, outcomes, strict=True) if outcome.result.stat is not None
        }
        known = self._context.live_brokers
        new = [broker_id for broker_id in epochs if broker_id not in known]
        dead = [broker_id for broker_id in sorted(known) if broker_id not in epochs]
        bounced = [] if at_fail_over else [
            broker_id for broker_id, epoch in epochs.items()
            if broker_id in known and self.has_bounced(epoch, known[broker_id])
        ]
        value = {"brokers": [[broker_id, epoch] for broker_id, epoch in epochs.items()], "dead": dead,
                 "bounced": bounced}
        self._parts.node.observe("broker-list", value=value, controller_epoch=self._context.epoch)
        if at_fail_over:
            self._context.live_brokers = epochs
        else:
            self._apply(epochs, new, bounced, dead)

    def has_bounced(self, broker_epoch: int, known_epoch: int) -> bool:
        """The broker has registered anew since it was last seen: its log may have lost its tail (KAFKA-7235)."""
        return broker_epoch > known_epoch

    def _apply(self, epochs: dict[int, int], new: list[int], bounced: list[int], dead: list[int]) -> None:
        channels, events = self._parts.channels, self._parts.events
        for broker_id in (*bounced, *dead):
            channels.remove_broker(broker_id)
        for broker_id in (*new, *bounced):
            channels.add_broker(broker_id)
        came = {broker_id: epochs[broker_id] for broker_id in new}
        back = {broker_id: epochs[broker_id] for broker_id in bounced}
        if new:
            self._context.live_brokers.update(came)
            events.do(self._on_start_up, new)
        if bounced:
            events.do(self._remove, bounced)
            events.do(self._on_failure, bounced)
            events.do(self._context.live_brokers.update, back)
            events.do(self._on_start_up, bounced)
        if dead:
            events.do(self._remove, dead)
            events.do(self._on_failure, dead)

    def _remove(self, broker_ids: list[int]) -> None:
        for broker_id in broker_ids:
            self._context.live_brokers.pop(broker_id, None)

    # --- coming -----------------------------------------------------------------------------------------------------

    def _on_start_up(self, broker_ids: list[int]) -> None:
        parts, context = self._parts, self._context
        others = [broker_id for broker_id in context.live_or_shutting_down() if broker_id not in broker_ids]
        parts.send_update_metadata(others, [])
        led = [partition for partition in context.partitions() if partition in context.leadership]
        parts.send_update_metadata(broker_ids, led)
        replicas = context.replicas_on(broker_ids)
        parts.replicas.change(replicas, ONLINE_REPLICA)
        parts.events.do(parts.partitions.trigger_online)
        parts.events.do(self._resume_reassignments, broker_ids)
        topics = dict.fromkeys(partition[0] for partition, _ in replicas)
        parts.events.do(parts.deletion.resume_for, list(topics))
        self.watch_brokers(broker_ids)

    def _resume_reassignments(self, broker_ids: list[int]) -> None:
        for partition in list(self._context.being_reassigned):
            assignment = self._context.assignment(partition)
            if any(broker_id in assignment.target for broker_id in broker_ids):
                self._parts.reassignment.proceed(partition, assignment)

    def watch_brokers(self, broker_ids: list[int]) -> None:
        """Plan: be told when these brokers' own znodes change."""
        for broker_id in broker_ids:
            self._parts.client.change_handlers[znodes.broker_path(broker_id)] = self._on_broker_znode
        self._parts.zk.ask([zk.ExistsOp(znodes.broker_path(broker_id)) for broker_id in broker_ids], _ignore)

    def _on_broker_znode(self, event: zk.WatchEvent) -> None:
        if event.type == zk.CHANGED:
            self._parts.events.put(self.on_broker_modifications, int(event.path.rpartition("/")[2]))

    def on_broker_modifications(self, broker_id: int) -> None:
        """Event BrokerModifications: a broker's endpoints or features changed, which everybody is told."""
        if self._parts.is_active:
            self._parts.zk.ask([zk.GetDataOp(znodes.broker_path(broker_id))], _ignore)
            self._parts.events.do(self._tell_all)

    def _tell_all(self) -> None:
        self._parts.send_update_metadata(self._context.live_or_shutting_down(), [])

    # --- going ------------------------------------------------------------------------------------------------------

    def _on_failure(self, broker_ids: list[int]) -> None:
        parts, context = self._parts, self._context
        for broker_id in broker_ids:
            context.shutting_down.pop(broker_id, None)
            parts.client.change_handlers.pop(znodes.broker_path(broker_id), None)
        replicas = context.replicas_on(broker_ids)
        kept = [replica for replica in replicas if replica[0][0] not in context.topics_to_be_deleted]
        deleting = [replica for replica in replicas if replica[0][0] in context.topics_to_be_deleted]
        leaderless = [partition for partition in context.partitions() if context.has_offline_leader(partition)]
        parts.partitions.change(leaderless, OFFLINE_PARTITION)
        parts.events.do(parts.partitions.trigger_online)
        parts.replicas.change(kept, OFFLINE_REPLICA)
        parts.events.do(parts.deletion.fail_replicas, deleting)
        if not leaderless:
            parts.events.do(self._tell_all)

    # --- controlled shutdown -----------------------------------------------------------------------------------------

    def on_controlled_shutdown(self, request: ControlledShutdownRequest, reply: Reply) -> None:
        """Event ControlledShutdown: move what the broker leads, take it out of the ISRs where it follows."""
        error = self._controlled_shutdown_error(request)
        if error is not None:
            reply.send(ControlledShutdownResponse(error))
            return
        context, parts = self._context, self._parts
        broker_id = request.broker_id
        context.shutting_down[broker_id] = None
        concerned = [
            partition for partition in context.partitions_on(broker_id)
            if len(context.assignment(partition).replicas) > 1 and partition in context.leadership
            and partition[0] not in context.topics_to_be_deleted
        ]
        led = [partition for partition in concerned if context.leadership[partition].leader == broker_id]
        followed = [partition for partition in concerned if context.leadership[partition].leader != broker_id]
        parts.partitions.change(led, ONLINE_PARTITION, elect_for_controlled_shutdown)
        parts.replicas.change([(partition, broker_id) for partition in followed], OFFLINE_REPLICA)
        parts.events.do(self._answer_controlled_shutdown, broker_id, concerned, reply)

    def _controlled_shutdown_error(self, request: ControlledShutdownRequest) -> str | None:
        if not self._parts.is_active:
            return errors.STALE_CONTROLLER_EPOCH
        known = self._context.live_brokers.get(request.broker_id)
        if known is None:
            return errors.UNKNOWN_SERVER_ERROR
        return errors.STALE_BROKER_EPOCH if self.is_stale_shutdown(request.broker_epoch, known) else None

    def is_stale_shutdown(self, broker_epoch: int, known_epoch: int) -> bool:
        """The request is that of an earlier incarnation of the broker; a later one's may pass."""
        return broker_epoch < known_epoch

    def _answer_controlled_shutdown(self, broker_id: int, concerned: list[TopicPartition], reply: Reply) -> None:
        leadership = self._context.leadership
        remaining = tuple(
            partition for partition in concerned
            if partition in leadership and leadership[partition].leader == broker_id)
        reply.send(ControlledShutdownResponse(None, remaining))


def _ignore(outcomes: list[Outcome]) -> None:
    """The read was made to arm the watch."""
