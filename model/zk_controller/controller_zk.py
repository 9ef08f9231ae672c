"""The controller's reads and writes of ZooKeeper, as steps of its event (the controller's part of KafkaZkClient).

Every write that the active controller makes is a multi with a check of the version that /controller_epoch had when it
was elected, so that a zombie's writes fail (KAFKA-6082). Partition states are written by compare and set on the
znode's version as well. Where an attempt was lost with its connection and the next one fails, the znode is read again:
a state that is just what was written, one version on, is the own first attempt's, and counts as success (3.9 takes it
for another's and sticks).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.context import ControllerContext, LeaderAndIsr
from fencepost.model.zk_controller.event_manager import (
    ControllerEventManager,
    ControllerMovedError,
    SessionExpiredError,
)
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome
from fencepost.model.zk_controller.metadata_records import offset_of

WRITTEN, CONFLICT, FAILED = "written", "conflict", "failed"


class StateWrite(NamedTuple):
    """What became of a write of a partition's state: WRITTEN (the state with its new version), CONFLICT (another
    version than expected) or FAILED."""

    status: str
    partition: TopicPartition
    state: LeaderAndIsr


class ControllerZk:
    """Runs on the controller's thread: results are given to a step that runs before what was planned after the call."""

    def __init__(
        self, node: Node, config: KafkaConfig, client: KafkaZkClient, events: ControllerEventManager,
        context: ControllerContext,
    ) -> None:
        self._node = node
        self._znode_work_us = config.controller_znode_work_us
        self._client = client
        self._events = events
        self._context = context

    # --- plain requests ----------------------------------------------------------------------------------------------

    def ask(self, operations: Iterable[zk.Operation], then: Callable[..., None], *context: Any) -> None:
        """Plan: send the operations and wait, then `then(outcomes, *context)`. An expired session ends the event."""
        self._events.do(self._send, tuple(operations), then, context)

    def _send(self, operations: tuple[zk.Operation, ...], then: Callable[..., None], context: tuple[Any, ...]) -> None:
        if not operations:
            self._events.do(then, [], *context)
            return
        self._events.block()
        self._client.request_all(operations, self._answered, then, context)

    def _answered(self, outcomes: list[Outcome], then: Callable[..., None], context: tuple[Any, ...]) -> None:
        """All answers are there; the thread wakes up and works through them."""
        work_us = self._znode_work_us * len(outcomes)
        if work_us:
            self._node.schedule(work_us, self._events.unblock, self._take, outcomes, then, context)
        else:
            self._events.unblock(self._take, outcomes, then, context)

    def _take(self, outcomes: list[Outcome], then: Callable[..., None], context: tuple[Any, ...]) -> None:
        if any(outcome.result.error == zk.SESSIONEXPIRED for outcome in outcomes):
            raise SessionExpiredError
        then(outcomes, *context)

    # --- guarded writes ----------------------------------------------------------------------------------------------

    def write(
        self, operations: Sequence[zk.CreateOp | zk.DeleteOp | zk.SetDataOp], then: Callable[..., None], *context: Any
    ) -> None:
        """As `ask`, for writes of the active controller; ends the event where the controller has moved."""
        if self.must_check_controller_epoch():
            check = zk.CheckOp(znodes.CONTROLLER_EPOCH, self._context.epoch_zk_version)
            guarded: list[zk.Operation] = [zk.MultiOp((check, operation)) for operation in operations]
            self.ask(guarded, self._unwrap, then, context)
        else:
            self.ask(operations, then, *context)

    def must_check_controller_epoch(self) -> bool:
        """A write of a controller that has been replaced must fail, whatever it believes (KAFKA-6082)."""
        return True

    def _unwrap(self, outcomes: list[Outcome], then: Callable[..., None], context: tuple[Any, ...]) -> None:
        bare = []
        for outcome in outcomes:
            results = outcome.result.results
            if results is not None and results[0].error is not None:
                raise ControllerMovedError
            assert isinstance(outcome.operation, zk.MultiOp)
            result = outcome.result if results is None else results[1]
            bare.append(Outcome(outcome.operation.operations[1], result, outcome.resent))
        then(bare, *context)

    # --- partition states --------------------------------------------------------------------------------------------

    def read_states(self, partitions: Sequence[TopicPartition], then: Callable[..., None], *context: Any) -> None:
        """Plan: `then({partition: state or None}, *context)`."""
        reads = [zk.GetDataOp(znodes.state_path(*partition)) for partition in partitions]
        self.ask(reads, self._decode_states, partitions, then, context)

    @staticmethod
    def _decode_states(
        outcomes: list[Outcome], partitions: Sequence[TopicPartition], then: Callable[..., None],
        context: tuple[Any, ...],
    ) -> None:
        states = {partition: state_of(outcome) for partition, outcome in zip(partitions, outcomes, strict=True)}
        then(states, *context)

    def write_states(
        self, updates: dict[TopicPartition, LeaderAndIsr], then: Callable[..., None], *context: Any
    ) -> None:
        """Plan: compare and set each state; `then([a StateWrite for each], *context)` (updateLeaderAndIsr)."""
        epoch = self._context.epoch
        writes = [
            zk.SetDataOp(znodes.state_path(*partition), state.znode(epoch), state.partition_epoch)
            for partition, state in updates.items()
        ]
        self.write(writes, self._on_states_written, updates, epoch, then, context)

    def _on_states_written(
        self, outcomes: list[Outcome], updates: dict[TopicPartition, LeaderAndIsr], epoch: int,
        then: Callable[..., None], context: tuple[Any, ...],
    ) -> None:
        writes, doubtful = [], []
        for (partition, state), outcome in zip(updates.items(), outcomes, strict=True):
            result, written = outcome.result, state._replace(controller_epoch=epoch)
            if result.error is None and result.stat is not None:
                written = written._replace(partition_epoch=result.stat.version)
                self.observe_states([(partition, written)], result.stat.mzxid)
                writes.append(StateWrite(WRITTEN, partition, written))
            elif result.error == zk.BADVERSION:
                if outcome.resent and self.must_recognise_own_update():
                    doubtful.append(len(writes))
                writes.append(StateWrite(CONFLICT, partition, written))
            else:
                writes.append(StateWrite(FAILED, partition, written))
        self.resolve(writes, doubtful, then, context)

    def create_states(
        self, states: dict[TopicPartition, LeaderAndIsr], then: Callable[..., None], *context: Any
    ) -> None:
        """Plan: create the znodes of new partitions, level by level; `then([a StateWrite for each], *context)`."""
        topics = dict.fromkeys(topic for topic, _ in states)
        levels = [zk.CreateOp(znodes.partitions_path(topic), None) for topic in topics]
        self.write(levels, _ignore)
        self.write([zk.CreateOp(znodes.partition_path(*partition), None) for partition in states], _ignore)
        epoch = self._context.epoch
        creates = [
            zk.CreateOp(znodes.state_path(*partition), state.znode(epoch)) for partition, state in states.items()]
        self.write(creates, self._on_states_created, states, epoch, then, context)

    def _on_states_created(
        self, outcomes: list[Outcome], states: dict[TopicPartition, LeaderAndIsr], epoch: int,
        then: Callable[..., None], context: tuple[Any, ...],
    ) -> None:
        writes, doubtful = [], []
        for (partition, state), outcome in zip(states.items(), outcomes, strict=True):
            result, written = outcome.result, state._replace(controller_epoch=epoch, partition_epoch=0)
            if result.error is None:
                self.observe_states([(partition, written)], -1 if result.stat is None else result.stat.mzxid)
                writes.append(StateWrite(WRITTEN, partition, written))
            else:
                if result.error == zk.NODEEXISTS and outcome.resent and self.must_recognise_own_creation():
                    doubtful.append(len(writes))
                writes.append(StateWrite(FAILED, partition, written._replace(partition_epoch=-1)))
        self.resolve(writes, doubtful, then, context)

    def must_recognise_own_update(self) -> bool:
        """A BADVERSION after a lost answer may come from the own first attempt (3.9 does not look)."""
        return True

    def must_recognise_own_creation(self) -> bool:
        """A NODEEXISTS after a lost answer may come from the own first attempt (3.9 does not look)."""
        return True

    def resolve(
        self, writes: list[StateWrite], doubtful: list[int], then: Callable[..., None], context: tuple[Any, ...]
    ) -> None:
        """Plan: read again what may be the own first attempt, then `then(writes, *context)`."""
        partitions = [writes[place].partition for place in doubtful]
        self.read_states(partitions, self._recognise, writes, doubtful, then, context)

    def _recognise(
        self, states: dict[TopicPartition, LeaderAndIsr | None], writes: list[StateWrite], doubtful: list[int],
        then: Callable[..., None], context: tuple[Any, ...],
    ) -> None:
        for place in doubtful:
            write = writes[place]
            mine = write.state._replace(partition_epoch=write.state.partition_epoch + 1)
            if states[write.partition] == mine:
                self.observe_states([(write.partition, mine)], -1)
                writes[place] = StateWrite(WRITTEN, write.partition, mine)
        then(writes, *context)

    # --- evidence -------------------------------------------------------------------------------------------------

    def observe_states(self, states: Sequence[tuple[TopicPartition, LeaderAndIsr]], zxid: int) -> None:
        """Leave evidence of states written in one transaction; zxid -1 where the answer did not tell."""
        records = []
        for (topic, partition), state in states:
            assignment = self._context.assignment((topic, partition))
            records.append(["PartitionRecord", {
                "topic_id": self._context.topics.get(topic, ""), "partition": partition,
                "replicas": list(assignment.replicas), "isr": list(state.isr),
                "adding_replicas": list(assignment.adding), "removing_replicas": list(assignment.removing),
                "leader": state.leader, "leader_epoch": state.leader_epoch, "partition_epoch": state.partition_epoch,
                "leader_recovery_state": state.leader_recovery_state,
            }])
        self.observe_write(records, zxid)

    def observe_write(self, records: list[Any], zxid: int) -> None:
        """Leave evidence of a controller's write."""
        base_offset = offset_of(zxid) if zxid >= 0 else -1
        end_offset = base_offset + len(records) if zxid >= 0 else -1
        value = {"base_offset": base_offset, "end_offset": end_offset, "records": records}
        self._node.observe("metadata-write", value=value, controller_epoch=self._context.epoch)
        self._node.at_point("controller.appended")


def state_of(outcome: Outcome) -> LeaderAndIsr | None:
    """A partition's state by a read of its znode; None where there is none."""
    result = outcome.result
    return None if result.error is not None or result.stat is None else LeaderAndIsr.of(
        result.value, result.stat.version)


def _ignore(outcomes: list[Outcome]) -> None:
    """The levels above a state znode may be there already."""
