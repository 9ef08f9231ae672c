"""Replicas' states (ReplicaStateMachine.scala).

New -> Online <-> Offline -> ReplicaDeletionStarted -> ReplicaDeletionSuccessful -> NonExistent, with
ReplicaDeletionIneligible beside them. To go offline is to be stopped and to leave the ISR, which raises the leader
epoch; the last member stays in it, and nobody leads.
"""

from collections.abc import Sequence

from fencepost.model.metadata.records import NO_LEADER
from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller.context import (
    DELETION_INELIGIBLE,
    DELETION_STARTED,
    DELETION_SUCCESSFUL,
    NEW_REPLICA,
    NON_EXISTENT_REPLICA,
    OFFLINE_REPLICA,
    ONLINE_REPLICA,
    ControllerContext,
    LeaderAndIsr,
    Replica,
)
from fencepost.model.zk_controller.controller_zk import CONFLICT, WRITTEN, ControllerZk, StateWrite
from fencepost.model.zk_controller.event_manager import ControllerEventManager
from fencepost.model.zk_controller.request_batch import ControllerBrokerRequestBatch

_HOSTED = (NEW_REPLICA, ONLINE_REPLICA, OFFLINE_REPLICA, DELETION_INELIGIBLE)

#: state -> the states from which it may be entered
VALID_PREVIOUS = {
    NEW_REPLICA: (NON_EXISTENT_REPLICA,),
    ONLINE_REPLICA: _HOSTED,
    OFFLINE_REPLICA: _HOSTED,
    DELETION_STARTED: (OFFLINE_REPLICA,),
    DELETION_SUCCESSFUL: (DELETION_STARTED,),
    DELETION_INELIGIBLE: (OFFLINE_REPLICA, DELETION_STARTED),
    NON_EXISTENT_REPLICA: (DELETION_SUCCESSFUL,),
}


class ReplicaStateMachine:
    """Moves replicas between states; everything is planned as steps of the event under way."""

    def __init__(
        self, context: ControllerContext, store: ControllerZk, events: ControllerEventManager,
        batch: ControllerBrokerRequestBatch,
    ) -> None:
        self._context = context
        self._zk = store
        self._events = events
        self._batch = batch

    def start_up(self) -> None:
        """Every replica on a live broker is online, the others leave their ISRs."""
        context = self._context
        online: list[Replica] = []
        offline: list[Replica] = []
        for replica in context.replicas_of(list(context.partitions())):
            live = context.is_live(replica[1])
            context.replica_states[replica] = ONLINE_REPLICA if live else DELETION_INELIGIBLE
            if replica[0][0] not in context.topics_to_be_deleted:
                (online if live else offline).append(replica)
        self.change(online, ONLINE_REPLICA)
        self.change(offline, OFFLINE_REPLICA)

    def change(self, replicas: Sequence[Replica], target: str) -> None:
        """Plan: move the replicas to a state, broker by broker (handleStateChanges)."""
        if not replicas:
            return
        by_broker: dict[int, list[TopicPartition]] = {}
        for partition, broker_id in replicas:
            by_broker.setdefault(broker_id, []).append(partition)
        self._events.do(self._batch.begin)
        for broker_id in sorted(by_broker):
            self._events.do(self._change, broker_id, by_broker[broker_id], target)
        self._events.do(self._batch.send)

    def _change(self, broker_id: int, partitions: list[TopicPartition], target: str) -> None:
        states = self._context.replica_states
        valid = [
            partition for partition in partitions
            if states.get((partition, broker_id), NON_EXISTENT_REPLICA) in VALID_PREVIOUS[target]
        ]
        if target == OFFLINE_REPLICA:
            self._take_offline(broker_id, valid)
            return
        for partition in valid:
            if target == NEW_REPLICA:
                self._begin_new(broker_id, partition)
            elif target == ONLINE_REPLICA:
                self._bring_online(broker_id, partition)
            elif target == DELETION_STARTED:
                self._batch.add_stop_replica(broker_id, partition, delete=True)
            if target == NON_EXISTENT_REPLICA:
                self._forget(broker_id, partition)
            else:
                states[(partition, broker_id)] = target

    def _begin_new(self, broker_id: int, partition: TopicPartition) -> None:
        state = self._context.leadership.get(partition)
        if state is not None and state.leader != broker_id:
            self._batch.add_leader_and_isr((broker_id,), partition, state, is_new=True)

    def _bring_online(self, broker_id: int, partition: TopicPartition) -> None:
        state = self._context.leadership.get(partition)
        if state is not None and self._context.replica_states.get((partition, broker_id)) != NEW_REPLICA:
            self._batch.add_leader_and_isr((broker_id,), partition, state)

    def _forget(self, broker_id: int, partition: TopicPartition) -> None:
        assignment = self._context.assignment(partition)
        replicas = tuple(replica for replica in assignment.replicas if replica != broker_id)
        if partition[1] in self._context.assignments.get(partition[0], {}):
            self._context.assign(partition, assignment._replace(replicas=replicas))
        self._context.replica_states.pop((partition, broker_id), None)

    # --- offline --------------------------------------------------------------------------------------------------

    def _take_offline(self, broker_id: int, partitions: list[TopicPartition]) -> None:
        context = self._context
        for partition in partitions:
            self._batch.add_stop_replica(broker_id, partition, delete=False)
        led = [partition for partition in partitions if partition in context.leadership]
        if led:
            self._zk.read_states(led, self._remove_from_isr, broker_id)
        for partition in partitions:
            context.replica_states[(partition, broker_id)] = OFFLINE_REPLICA
            if partition not in context.leadership:
                self._batch.add_update_metadata(context.live_or_shutting_down(), (partition,))

    def _remove_from_isr(self, states: dict[TopicPartition, LeaderAndIsr | None], broker_id: int) -> None:
        updates = {}
        for partition, state in states.items():
            if state is None or state.controller_epoch > self._context.epoch:
                continue
            if broker_id in state.isr:
                leader = NO_LEADER if state.leader == broker_id else state.leader
                isr = tuple(member for member in state.isr if member != broker_id) or state.isr
                changed = state.with_leader(leader, isr)
                if not self.must_raise_leader_epoch():
                    changed = changed._replace(leader_epoch=state.leader_epoch)
                updates[partition] = changed
            else:
                self._context.leadership[partition] = state
                self._tell(broker_id, partition, state)
        self._zk.write_states(updates, self._on_removed, broker_id)

    def must_raise_leader_epoch(self) -> bool:
        """The leader takes over what the controller has changed, and with it the partition epoch, only under a higher
        leader epoch (KAFKA-2729)."""
        return True

    def _on_removed(self, writes: list[StateWrite], broker_id: int) -> None:
        again = []
        for write in writes:
            if write.status == WRITTEN:
                self._context.leadership[write.partition] = write.state
                self._tell(broker_id, write.partition, write.state)
            elif write.status == CONFLICT:
                again.append(write.partition)
        if again:
            self._zk.read_states(again, self._remove_from_isr, broker_id)

    def _tell(self, broker_id: int, partition: TopicPartition, state: LeaderAndIsr) -> None:
        """The other replicas hear of it, unless the topic is being deleted."""
        if partition[0] not in self._context.topics_to_be_deleted:
            others = [r for r in self._context.assignment(partition).replicas if r != broker_id]
            self._batch.add_leader_and_isr(others, partition, state)
