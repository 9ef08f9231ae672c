"""AlterPartition and blocks of producer ids (KafkaController.processAlterPartition, processAllocateProducerIds).

The checks come in the order of 3.9: active, broker epoch, epochs ahead (this controller is probably deposed), leader
epoch, a change that has been made already (which is answered as a success, so a retry is harmless), partition epoch,
recovery state, eligible members. Broker epochs within the ISR are dropped in ZooKeeper mode. The write is a compare and
set that is not tried again.
"""

from functools import partial

from fencepost.model import errors
from fencepost.model.kernel.connection import Reply
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.controller import (
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
    AlterPartitionRequest,
    AlterPartitionResponse,
)
from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.context import RECOVERED, RECOVERING, LeaderAndIsr
from fencepost.model.zk_controller.controller_zk import CONFLICT, WRITTEN, StateWrite
from fencepost.model.zk_controller.kafka_zk_client import Outcome
from fencepost.model.zk_controller.parts import ControllerParts
from fencepost.model.zk_controller.topic_znodes import topic_of

PRODUCER_ID_BLOCK_SIZE = 1000


class IsrEvents:
    """The events of brokers' requests that change what the controller keeps for them."""

    def __init__(self, parts: ControllerParts) -> None:
        self._parts = parts
        self._context = parts.context

    # --- AlterPartition ----------------------------------------------------------------------------------------------

    def on_alter_partition(self, request: AlterPartitionRequest, reply: Reply) -> None:
        """Event AlterPartitionReceived."""
        partition = self._find(request)
        current = None if partition is None else self._context.leadership.get(partition)
        error = self._alter_partition_error(request, current)
        if error is not None or partition is None or current is None:
            self._refuse(request, partition, current, error or errors.UNKNOWN_TOPIC_OR_PARTITION, reply)
        elif self.is_already_made(request, current):
            self._accept(request, partition, current, current, reply)
        else:
            later_error = self._late_error(request, current)
            if later_error is not None:
                self._refuse(request, partition, current, later_error, reply)
                return
            wanted = current._replace(
                isr=tuple(member for member, _ in request.new_isr),
                leader_recovery_state=request.leader_recovery_state, partition_epoch=request.partition_epoch)
            self._parts.zk.write_states({partition: wanted}, self._on_written, request, current, reply)

    def _find(self, request: AlterPartitionRequest) -> TopicPartition | None:
        topic = topic_of(request.topic_id)
        return (topic, request.partition) if self._context.topics.get(topic) == request.topic_id else None

    def _alter_partition_error(self, request: AlterPartitionRequest, current: LeaderAndIsr | None) -> str | None:
        """What is checked before idempotence."""
        if not self._parts.is_active:
            return errors.NOT_CONTROLLER
        if self.is_stale_broker_epoch(request.broker_id, request.broker_epoch):
            return errors.STALE_BROKER_EPOCH
        if self._find(request) is None:
            return errors.UNKNOWN_TOPIC_ID
        if current is None:
            return errors.UNKNOWN_TOPIC_OR_PARTITION
        error = self.error_for_epochs_ahead(request, current)
        if error is None and self.is_stale_leader_epoch(request, current):
            error = errors.FENCED_LEADER_EPOCH
        return error

    def _late_error(self, request: AlterPartitionRequest, current: LeaderAndIsr) -> str | None:
        """What is checked after idempotence."""
        if self.is_stale_partition_epoch(request, current):
            return errors.INVALID_UPDATE_VERSION
        recovering = request.leader_recovery_state == RECOVERING
        if recovering and (len(request.new_isr) > 1 or current.leader_recovery_state == RECOVERED):
            return errors.INVALID_REQUEST
        if any(self.is_ineligible_member(member) for member, _ in request.new_isr):
            return errors.INELIGIBLE_REPLICA
        return None

    def is_stale_broker_epoch(self, broker_id: int, broker_epoch: int) -> bool:
        """The sender is not registered, or not in this epoch (KIP-380)."""
        return self._context.live_brokers.get(broker_id) != broker_epoch

    def error_for_epochs_ahead(self, request: AlterPartitionRequest, current: LeaderAndIsr) -> str | None:
        """A leader that knows newer epochs shows that this controller is probably deposed (KAFKA-14154)."""
        ahead = request.leader_epoch > current.leader_epoch or request.partition_epoch > current.partition_epoch
        return errors.NOT_CONTROLLER if ahead else None

    def is_stale_leader_epoch(self, request: AlterPartitionRequest, current: LeaderAndIsr) -> bool:
        """The sender leads in an older epoch."""
        return request.leader_epoch < current.leader_epoch

    def is_already_made(self, request: AlterPartitionRequest, current: LeaderAndIsr) -> bool:
        """The partition is as wanted, perhaps by an earlier attempt (equalsAllowStalePartitionEpoch)."""
        return (
            request.broker_id == current.leader and tuple(member for member, _ in request.new_isr) == current.isr
            and request.leader_recovery_state == current.leader_recovery_state
        )

    def is_stale_partition_epoch(self, request: AlterPartitionRequest, current: LeaderAndIsr) -> bool:
        """The sender decided from an older state of the partition."""
        return request.partition_epoch < current.partition_epoch

    def is_ineligible_member(self, broker_id: int) -> bool:
        """The member is not alive, or shuts down (KIP-841)."""
        return not self._context.is_live(broker_id)

    def _on_written(
        self, writes: list[StateWrite], request: AlterPartitionRequest, before: LeaderAndIsr, reply: Reply,
    ) -> None:
        write = writes[0]
        if write.status != WRITTEN:
            conflict = write.status == CONFLICT
            error = errors.INVALID_UPDATE_VERSION if conflict else errors.UNKNOWN_SERVER_ERROR
            self._refuse(request, write.partition, before, error, reply)
            return
        context, partition = self._context, write.partition
        context.leadership[partition] = write.state
        self._accept(request, partition, before, write.state, reply)
        self._parts.send_update_metadata(context.live_or_shutting_down(), [partition])
        self._parts.reassignment.finish_if_complete(partition)

    def _accept(
        self, request: AlterPartitionRequest, partition: TopicPartition, before: LeaderAndIsr, after: LeaderAndIsr,
        reply: Reply,
    ) -> None:
        self._observe(request, partition, before, None, before is after)
        reply.send(AlterPartitionResponse(None, after.leader, after.leader_epoch, after.isr, after.partition_epoch))
        self._parts.node.at_point("controller.alter-partition")

    def _refuse(
        self, request: AlterPartitionRequest, partition: TopicPartition | None, current: LeaderAndIsr | None,
        error: str, reply: Reply,
    ) -> None:
        if self._parts.is_active:
            self._observe(request, partition, current, error)
        reply.send(AlterPartitionResponse(error))

    def _observe(
        self, request: AlterPartitionRequest, partition: TopicPartition | None, current: LeaderAndIsr | None,
        error: str | None, unchanged: bool = False,
    ) -> None:
        name = request.topic_id if partition is None else partition[0]
        value = {
            "topic_id": request.topic_id, "broker": request.broker_id,
            "isr": [member for member, _ in request.new_isr],
            "broker_epochs": [epoch for _, epoch in request.new_isr],
        }
        if unchanged:
            value["unchanged"] = True
        self._parts.node.observe(
            "alter-partition", key=f"{name}-{request.partition}", value=value, error=error,
            leader_epoch=request.leader_epoch, partition_epoch=request.partition_epoch,
            broker_epoch=request.broker_epoch,
            current_leader_epoch=-1 if current is None else current.leader_epoch,
            current_partition_epoch=-1 if current is None else current.partition_epoch,
            current_broker_epoch=self._context.live_brokers.get(request.broker_id, -1))

    # --- producer ids ------------------------------------------------------------------------------------------------

    def on_allocate_producer_ids(self, request: AllocateProducerIdsRequest, reply: Reply) -> None:
        """Event AllocateProducerIds: hand out the next block by compare and set, as often as it takes."""
        if not self._parts.is_active:
            reply.send(AllocateProducerIdsResponse(errors.NOT_CONTROLLER))
        elif self.is_stale_broker_epoch(request.broker_id, request.broker_epoch):
            reply.send(AllocateProducerIdsResponse(errors.STALE_BROKER_EPOCH))
        else:
            self._parts.zk.ask([zk.GetDataOp(znodes.PRODUCER_ID_BLOCK)], self._on_block_read, request.broker_id, reply)

    def _on_block_read(self, outcomes: list[Outcome], broker_id: int, reply: Reply) -> None:
        result = outcomes[0].result
        if result.stat is None:
            reply.send(AllocateProducerIdsResponse(errors.UNKNOWN_SERVER_ERROR))
            return
        last = result.value
        first = 0 if last is None else last.first_producer_id + last.block_size
        block = znodes.ProducerIdBlockZnode(broker_id, first, PRODUCER_ID_BLOCK_SIZE)
        write = zk.SetDataOp(znodes.PRODUCER_ID_BLOCK, block, result.stat.version)
        self._parts.zk.ask([write], self._on_block_written, block, reply)

    def _on_block_written(
        self, outcomes: list[Outcome], block: znodes.ProducerIdBlockZnode, reply: Reply,
    ) -> None:
        if outcomes[0].result.error is None:
            reply.send(AllocateProducerIdsResponse(None, block.first_producer_id, block.block_size))
        else:
            self._parts.events.do(partial(
                self._parts.zk.ask, [zk.GetDataOp(znodes.PRODUCER_ID_BLOCK)], self._on_block_read), block.broker_id,
                reply)
