"""Requests to brokers that are gathered during one change of states and sent together
(ControllerBrokerRequestBatch).

For each broker the order is LeaderAndIsr, UpdateMetadata, StopReplica. Whoever gets a LeaderAndIsr is not alone to
hear of it: every broker gets the same partitions in an UpdateMetadata. Requests go to registered brokers only, each
with the epoch of the registration that the controller knows.
"""

from collections.abc import Iterable
from typing import Any

from fencepost.model.kernel.node import Node
from fencepost.model.protocol.zk_controller import (
    EPOCH_DURING_DELETE,
    NO_EPOCH,
    LeaderAndIsrRequest,
    PartitionState,
    StopReplicaRequest,
    StopReplicaState,
    TopicPartition,
    UpdateMetadataRequest,
)
from fencepost.model.zk_controller.channel_manager import ControllerChannelManager
from fencepost.model.zk_controller.context import ControllerContext, LeaderAndIsr

#: UpdateMetadata's leader of a partition whose topic is being deleted (LeaderAndIsr.LeaderDuringDelete).
LEADER_DURING_DELETE = -2


class ControllerBrokerRequestBatch:
    """Gather with `add_...`, then `send`; `begin` forgets what an abandoned event has left."""

    def __init__(self, node: Node, context: ControllerContext, channels: ControllerChannelManager) -> None:
        self._node = node
        self._context = context
        self._channels = channels
        self.begin()

    def begin(self) -> None:
        """Start a new batch."""
        self._leader_and_isr: dict[int, dict[TopicPartition, PartitionState]] = {}
        self._stop: dict[int, dict[TopicPartition, StopReplicaState]] = {}
        self._update_brokers: dict[int, None] = {}
        self._update: dict[TopicPartition, None] = {}

    # --- gathering --------------------------------------------------------------------------------------------------

    def add_leader_and_isr(
        self, broker_ids: Iterable[int], partition: TopicPartition, state: LeaderAndIsr, is_new: bool = False
    ) -> None:
        """Tell these brokers their role, and all brokers of the partition."""
        for broker_id in broker_ids:
            states = self._leader_and_isr.setdefault(broker_id, {})
            known = states.get(partition)
            states[partition] = self._partition_state(partition, state)._replace(
                is_new=is_new or (known is not None and known.is_new))
        self.add_update_metadata(self._context.live_or_shutting_down(), (partition,))

    def add_stop_replica(self, broker_id: int, partition: TopicPartition, delete: bool) -> None:
        """Tell a broker to stop, and perhaps delete, its replica."""
        state = self._context.leadership.get(partition)
        epoch = NO_EPOCH if state is None else state.leader_epoch
        if partition[0] in self._context.topics_to_be_deleted:
            epoch = EPOCH_DURING_DELETE
        stops = self._stop.setdefault(broker_id, {})
        known = stops.get(partition)
        stops[partition] = StopReplicaState(*partition, epoch, delete or (known is not None and known.delete_partition))

    def add_update_metadata(self, broker_ids: Iterable[int], partitions: Iterable[TopicPartition]) -> None:
        """Tell these brokers of all live brokers and of these partitions."""
        self._update_brokers.update(dict.fromkeys(broker_ids))
        self._update.update(dict.fromkeys(partitions))

    def _partition_state(self, partition: TopicPartition, state: LeaderAndIsr) -> PartitionState:
        context = self._context
        assignment = context.assignment(partition)
        offline = tuple(replica for replica in assignment.replicas if not context.is_live(replica))
        return PartitionState(
            partition[0], context.topics.get(partition[0], ""), partition[1], state.controller_epoch, state.leader,
            state.leader_epoch, state.isr, state.partition_epoch, assignment.replicas, assignment.adding,
            assignment.removing, state.leader_recovery_state, False, offline)

    # --- sending ----------------------------------------------------------------------------------------------------

    def send(self) -> None:
        """Queue everything at the brokers' channels."""
        self._send_leader_and_isr()
        self._send_update_metadata()
        self._send_stop_replica()
        self.begin()

    def _send_leader_and_isr(self) -> None:
        for broker_id in self._registered(self._leader_and_isr):
            states = tuple(self._leader_and_isr[broker_id].values())
            leaders = sorted({state.leader for state in states if self._context.is_live(state.leader)})
            self._send(broker_id, LeaderAndIsrRequest, states, tuple(leaders))

    def _send_update_metadata(self) -> None:
        context = self._context
        states = []
        for partition in self._update:
            state = context.leadership.get(partition)
            if state is not None:
                told = self._partition_state(partition, state)
                deleting = partition[0] in context.topics_to_be_deleted
                states.append(told._replace(leader=LEADER_DURING_DELETE) if deleting else told)
        live = tuple(context.live_or_shutting_down())
        for broker_id in self._registered(self._update_brokers):
            self._send(broker_id, UpdateMetadataRequest, tuple(states), live)

    def _send_stop_replica(self) -> None:
        for broker_id in self._registered(self._stop):
            self._send(broker_id, StopReplicaRequest, tuple(self._stop[broker_id].values()))

    def _registered(self, broker_ids: Iterable[int]) -> list[int]:
        return [broker_id for broker_id in sorted(broker_ids) if broker_id in self._context.live_brokers]

    def _send(self, broker_id: int, request_type: Any, *content: Any) -> None:
        context = self._context
        request = request_type(self._node.node_id, context.epoch, self.broker_epoch(broker_id), *content)
        self._channels.send(broker_id, request)

    def broker_epoch(self, broker_id: int) -> int:
        """Whom the request is meant for: the registration that this controller knows (KIP-380)."""
        return self._context.live_brokers[broker_id]
