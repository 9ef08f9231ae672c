"""Partitions' states and the elections of their leaders (PartitionStateMachine.scala).

NonExistent -> New -> Online <-> Offline -> NonExistent. A new partition comes online with its first live replicas as
ISR, in znodes of its own. Every other way online is an election: read the states, choose, write by compare and set, and
try again where the version was another. A state that a later controller wrote is left alone. What was written is told
to the replicas.
"""

from collections.abc import Callable, Sequence
from functools import partial

from fencepost.model.config import KafkaConfig
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.context import (
    NEW_PARTITION,
    NON_EXISTENT_PARTITION,
    OFFLINE_PARTITION,
    ONLINE_PARTITION,
    RECOVERED,
    ControllerContext,
    LeaderAndIsr,
)
from fencepost.model.zk_controller.controller_zk import CONFLICT, WRITTEN, ControllerZk, StateWrite
from fencepost.model.zk_controller.election import Election, elect_offline
from fencepost.model.zk_controller.event_manager import ControllerEventManager
from fencepost.model.zk_controller.kafka_zk_client import Outcome
from fencepost.model.zk_controller.request_batch import ControllerBrokerRequestBatch

#: state -> the states from which it may be entered
VALID_PREVIOUS = {
    NEW_PARTITION: (NON_EXISTENT_PARTITION,),
    ONLINE_PARTITION: (NEW_PARTITION, ONLINE_PARTITION, OFFLINE_PARTITION),
    OFFLINE_PARTITION: (NEW_PARTITION, ONLINE_PARTITION, OFFLINE_PARTITION),
    NON_EXISTENT_PARTITION: (OFFLINE_PARTITION,),
}

UNCLEAN_ELECTION = "unclean.leader.election.enable"

#: What became of an election: the new state, or None where nobody could be elected.
Elected = dict[TopicPartition, LeaderAndIsr | None]


class PartitionStateMachine:
    """Moves partitions between states; everything is planned as steps of the event under way."""

    def __init__(
        self, config: KafkaConfig, context: ControllerContext, store: ControllerZk, events: ControllerEventManager,
        batch: ControllerBrokerRequestBatch,
    ) -> None:
        self._config = config
        self._context = context
        self._zk = store
        self._events = events
        self._batch = batch

    def start_up(self) -> None:
        """Take the states from what was read, then elect where nobody leads."""
        context = self._context
        for partition in context.partitions():
            state = context.leadership.get(partition)
            if state is None:
                context.partition_states[partition] = NEW_PARTITION
            else:
                online = context.is_live(state.leader)
                context.partition_states[partition] = ONLINE_PARTITION if online else OFFLINE_PARTITION
        self.trigger_online()

    def trigger_online(self, topic: str | None = None) -> None:
        """Try to bring every new and offline partition (of the topic) online."""
        context = self._context
        partitions = [
            partition for partition, state in context.partition_states.items()
            if state in (OFFLINE_PARTITION, NEW_PARTITION) and partition[0] not in context.topics_to_be_deleted
            and topic in (None, partition[0])
        ]
        self.change(partitions, ONLINE_PARTITION, elect_offline)

    def change(
        self, partitions: Sequence[TopicPartition], target: str, election: Election | None = None,
        elected: Elected | None = None, unclean: bool = False,
    ) -> None:
        """Plan: move the partitions to a state (handleStateChanges); `elected` is filled by elections.

        unclean: an administrator allows a leader from outside the ISR; else the topics' configuration decides.
        """
        if partitions:
            self._events.do(self._change, partitions, target, election, {} if elected is None else elected, unclean)

    def _change(
        self, partitions: Sequence[TopicPartition], target: str, election: Election | None, elected: Elected,
        unclean: bool,
    ) -> None:
        states = self._context.partition_states
        self._batch.begin()
        valid = [
            partition for partition in dict.fromkeys(partitions)
            if states.get(partition, NON_EXISTENT_PARTITION) in VALID_PREVIOUS[target]
        ]
        if target != ONLINE_PARTITION:
            for partition in valid:
                states[partition] = target
        else:
            new = [partition for partition in valid if states.get(partition) == NEW_PARTITION]
            others = [partition for partition in valid if states.get(partition) != NEW_PARTITION]
            self._initialise(new)
            if others and election is not None:
                self._events.do(self._elect, others, election, elected, unclean)
        self._events.do(self._batch.send)

    # --- new partitions ---------------------------------------------------------------------------------------------

    def _initialise(self, partitions: list[TopicPartition]) -> None:
        """The first leader is the first live replica, the ISR is all of them (initializeLeaderAndIsrForPartitions)."""
        states = {}
        for partition in partitions:
            isr = tuple(replica for replica in self._context.assignment(partition).replicas
                        if self._context.is_live(replica))
            if isr:
                states[partition] = LeaderAndIsr(isr[0], 0, isr, RECOVERED, -1, self._context.epoch)
        if states:
            self._zk.create_states(states, self._on_initialised)

    def _on_initialised(self, writes: list[StateWrite]) -> None:
        for write in writes:
            if write.status == WRITTEN:
                self._context.leadership[write.partition] = write.state
                self._context.partition_states[write.partition] = ONLINE_PARTITION
                self._batch.add_leader_and_isr(write.state.isr, write.partition, write.state, is_new=True)

    # --- elections ---------------------------------------------------------------------------------------------------

    def _elect(
        self, partitions: list[TopicPartition], election: Election, elected: Elected, unclean: bool,
    ) -> None:
        self._zk.read_states(partitions, self._on_states_read, election, elected, unclean)

    def _on_states_read(
        self, states: dict[TopicPartition, LeaderAndIsr | None], election: Election, elected: Elected, unclean: bool,
    ) -> None:
        readable = {}
        for partition, state in states.items():
            elected[partition] = None
            if state is not None and not self.is_of_later_controller(state):
                readable[partition] = state
        if election is not elect_offline or unclean:
            self._choose(readable, election, elected, unclean, {})
            return
        context = self._context
        topics = dict.fromkeys(
            partition[0] for partition, state in readable.items()
            if not any(context.is_live(member) for member in state.isr))
        reads = [zk.GetDataOp(znodes.config_path("topic", topic)) for topic in topics]
        reads.append(zk.GetDataOp(znodes.config_path("broker", "")))
        self._zk.ask(reads if topics else [], self._on_configs_read, tuple(topics), readable, elected)

    def is_of_later_controller(self, state: LeaderAndIsr) -> bool:
        """Another controller has written the state since: this one is deposed and must not decide from it."""
        return state.controller_epoch > self._context.epoch

    def _on_configs_read(
        self, outcomes: list[Outcome], topics: tuple[str, ...], states: dict[TopicPartition, LeaderAndIsr],
        elected: Elected,
    ) -> None:
        default = str(self._config.unclean_leader_election_enable).lower()
        found = [dict(outcome.result.value.entries) if outcome.result.value else {} for outcome in outcomes]
        if found:
            default = found.pop().get(UNCLEAN_ELECTION, default)
        allowed = {
            topic: entries.get(UNCLEAN_ELECTION, default) == "true"
            for topic, entries in zip(topics, found, strict=True)
        }
        self._choose(states, elect_offline, elected, False, allowed)

    def _choose(
        self, states: dict[TopicPartition, LeaderAndIsr], election: Election, elected: Elected, unclean: bool,
        allowed: dict[str, bool],
    ) -> None:
        updates = {}
        for partition, state in states.items():
            choose: Callable[..., LeaderAndIsr | None] = election
            if election is elect_offline:
                choose = partial(elect_offline, unclean=unclean or allowed.get(partition[0], False))
            after = choose(self._context, partition, state)
            if after is not None:
                updates[partition] = after
        self._zk.write_states(updates, self._on_elected, election, elected, unclean)

    def _on_elected(
        self, writes: list[StateWrite], election: Election, elected: Elected, unclean: bool,
    ) -> None:
        context, again = self._context, []
        for write in writes:
            if write.status == WRITTEN:
                elected[write.partition] = context.leadership[write.partition] = write.state
                context.partition_states[write.partition] = ONLINE_PARTITION
                live = [r for r in context.assignment(write.partition).replicas if r in context.live_brokers]
                self._batch.add_leader_and_isr(live, write.partition, write.state)
            elif write.status == CONFLICT:
                again.append(write.partition)
        if again:
            self._events.do(self._elect, again, election, elected, unclean)

