"""Moving partitions to other replicas (KIP-455; KafkaController.onPartitionReassignment).

While the target is not wholly in the ISR, the partition has the replicas of both sides: the leader is told, with a
raised epoch, and the new replicas begin to fetch. Once it is, the new replicas go online, a leader from the target is
elected where it must be, the removed replicas are stopped and deleted, and the target becomes the assignment. A
reassignment is in /brokers/topics/<topic> from its beginning, so that the next controller goes on with it.
"""

from collections.abc import Sequence

from fencepost.model import errors
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.context import (
    DELETION_STARTED,
    DELETION_SUCCESSFUL,
    NEW_REPLICA,
    NON_EXISTENT_REPLICA,
    OFFLINE_REPLICA,
    ONLINE_PARTITION,
    ONLINE_REPLICA,
    ControllerContext,
    LeaderAndIsr,
    ReplicaAssignment,
)
from fencepost.model.zk_controller.controller_zk import CONFLICT, WRITTEN, ControllerZk, StateWrite
from fencepost.model.zk_controller.election import elect_for_reassignment
from fencepost.model.zk_controller.event_manager import ControllerEventManager
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome, WatchHandler
from fencepost.model.zk_controller.partition_states import PartitionStateMachine
from fencepost.model.zk_controller.replica_states import ReplicaStateMachine
from fencepost.model.zk_controller.request_batch import ControllerBrokerRequestBatch
from fencepost.model.zk_controller.topic_deletion import TopicDeletionManager
from fencepost.model.zk_controller.topic_znodes import encode_assignments


class PartitionReassignment:
    """Everything is planned as steps of the event under way.

    isr_watch: with ISR changes by compare and set (up to 2.6), who is told when a reassigned partition's state changes.
    """

    def __init__(
        self, context: ControllerContext, client: KafkaZkClient, store: ControllerZk, events: ControllerEventManager,
        batch: ControllerBrokerRequestBatch, partitions: PartitionStateMachine, replicas: ReplicaStateMachine,
        deletion: TopicDeletionManager, isr_watch: WatchHandler | None,
    ) -> None:
        self._context = context
        self._client = client
        self._zk = store
        self._events = events
        self._batch = batch
        self._partitions = partitions
        self._replicas = replicas
        self._deletion = deletion
        self._isr_watch = isr_watch

    # --- being asked -------------------------------------------------------------------------------------------------

    def wanted(self, partition: TopicPartition, target: tuple[int, ...] | None) -> ReplicaAssignment | str:
        """The assignment on the way to `target` (None: back), or the error."""
        context = self._context
        current = context.assignment(partition)
        if not current.replicas or partition[0] in context.topics_to_be_deleted:
            return errors.UNKNOWN_TOPIC_OR_PARTITION
        if target is None:
            if partition not in context.being_reassigned:
                return errors.NO_REASSIGNMENT_IN_PROGRESS
            return current.reassign_to(current.origin)
        wanted = current.reassign_to(target)
        valid = len(target) > 0 and len(set(target)) == len(target)
        if not valid or any(replica not in context.live_brokers for replica in wanted.adding):
            return errors.INVALID_REPLICA_ASSIGNMENT
        return wanted

    # --- on the way --------------------------------------------------------------------------------------------------

    def proceed(self, partition: TopicPartition, assignment: ReplicaAssignment) -> None:
        """Plan: begin, or finish if the target is in the ISR."""
        self._deletion.mark_ineligible((partition[0],))
        self._update_current(partition, assignment)
        self._zk.read_states([partition], self._decide, partition, assignment)

    def finish_if_complete(self, partition: TopicPartition) -> None:
        """Plan: the partition's ISR has changed; if its reassignment waited for that, finish it."""
        if partition in self._context.being_reassigned:
            self._zk.read_states([partition], self._finish_if_complete, partition)

    def _finish_if_complete(
        self, states: dict[TopicPartition, LeaderAndIsr | None], partition: TopicPartition,
    ) -> None:
        assignment = self._context.assignment(partition)
        if _is_complete(states[partition], assignment):
            self.proceed(partition, assignment)

    def _update_current(self, partition: TopicPartition, assignment: ReplicaAssignment) -> None:
        context = self._context
        current = context.assignment(partition)
        if current != assignment:
            self._write_assignment(partition, assignment)
            self._events.do(context.assign, partition, assignment)
            self._stop_replicas(partition, [r for r in current.replicas if r not in assignment.replicas])
        if self._isr_watch is not None:
            self._client.change_handlers[znodes.state_path(*partition)] = self._isr_watch
        context.being_reassigned[partition] = None

    def _decide(
        self, states: dict[TopicPartition, LeaderAndIsr | None], partition: TopicPartition,
        assignment: ReplicaAssignment,
    ) -> None:
        if _is_complete(states[partition], assignment):
            self._finish(partition, assignment)
            return
        self._raise_epoch_and_tell(partition, assignment.replicas)
        self._replicas.change([(partition, replica) for replica in assignment.adding], NEW_REPLICA)

    def _finish(self, partition: TopicPartition, assignment: ReplicaAssignment) -> None:
        completed = ReplicaAssignment(assignment.target)
        self._replicas.change([(partition, replica) for replica in assignment.adding], ONLINE_REPLICA)
        self._events.do(self._context.assign, partition, completed)
        self._events.do(self._move_leader, partition, completed)
        self._stop_replicas(partition, assignment.removing)
        self._write_assignment(partition, completed)
        self._events.do(self._end, partition)

    def _move_leader(self, partition: TopicPartition, completed: ReplicaAssignment) -> None:
        state = self._context.leadership.get(partition)
        if state is not None and state.leader in completed.replicas and self._context.is_live(state.leader):
            self._raise_epoch_and_tell(partition, completed.replicas)
        else:
            self._partitions.change([partition], ONLINE_PARTITION, elect_for_reassignment)

    def _stop_replicas(self, partition: TopicPartition, removed: Sequence[int]) -> None:
        """Out of the ISR, and deleted; nobody waits for the deletion."""
        replicas = [(partition, replica) for replica in removed]
        for target in (OFFLINE_REPLICA, DELETION_STARTED, DELETION_SUCCESSFUL, NON_EXISTENT_REPLICA):
            self._replicas.change(replicas, target)

    def _end(self, partition: TopicPartition) -> None:
        context = self._context
        context.being_reassigned.pop(partition, None)
        if self._isr_watch is not None:
            self._client.change_handlers.pop(znodes.state_path(*partition), None)
        self._batch.begin()
        self._batch.add_update_metadata(context.live_or_shutting_down(), (partition,))
        self._batch.send()
        self._deletion.resume_for((partition[0],))

    # --- the leader epoch --------------------------------------------------------------------------------------------

    def _raise_epoch_and_tell(self, partition: TopicPartition, replicas: tuple[int, ...]) -> None:
        self._zk.read_states([partition], self._raise_epoch, partition, replicas)

    def _raise_epoch(
        self, states: dict[TopicPartition, LeaderAndIsr | None], partition: TopicPartition, replicas: tuple[int, ...],
    ) -> None:
        state = states[partition]
        if state is not None and not self._partitions.is_of_later_controller(state):
            raised = {partition: state.with_leader(state.leader, state.isr)}
            self._zk.write_states(raised, self._on_epoch_raised, partition, replicas)

    def _on_epoch_raised(
        self, writes: list[StateWrite], partition: TopicPartition, replicas: tuple[int, ...],
    ) -> None:
        write = writes[0]
        if write.status == CONFLICT:
            self._raise_epoch_and_tell(partition, replicas)
        elif write.status == WRITTEN:
            self._context.leadership[partition] = write.state
            self._batch.begin()
            self._batch.add_leader_and_isr(replicas, partition, write.state)
            self._batch.send()

    # --- the assignment's znode --------------------------------------------------------------------------------------

    def _write_assignment(self, partition: TopicPartition, assignment: ReplicaAssignment) -> None:
        """Plan: the topic's assignments with this one changed."""
        self._events.do(self._write_topic, partition, assignment)

    def _write_topic(self, partition: TopicPartition, assignment: ReplicaAssignment) -> None:
        topic = partition[0]
        assignments = {**self._context.assignments[topic], partition[1]: assignment}
        data = encode_assignments(self._context.topics[topic], assignments)
        self._zk.write([zk.SetDataOp(znodes.topic_path(topic), data)], _ignore)


def _is_complete(state: LeaderAndIsr | None, assignment: ReplicaAssignment) -> bool:
    """The whole target is in the ISR."""
    return state is not None and all(replica in state.isr for replica in assignment.target)


def _ignore(outcomes: list[Outcome]) -> None:
    """A topic that somebody has deleted by hand takes its reassignment with it."""
