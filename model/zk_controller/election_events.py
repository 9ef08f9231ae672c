"""Elections and reassignments that somebody asks for (KafkaController.processReplicaLeaderElection,
processApiPartitionReassignment, checkAndTriggerAutoLeaderRebalance).

Who asks: an administrator through the controller's broker, one who writes /admin/preferred_replica_election or
/admin/reassign_partitions by hand, or the controller itself, every leader.imbalance.check.interval.seconds, for brokers
of whose preferred leaderships more than leader.imbalance.per.broker.percentage are elsewhere.
"""

from collections.abc import Callable
from typing import Any

from fencepost.model import errors
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.controller import AdminResponse
from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.context import ONLINE_PARTITION
from fencepost.model.zk_controller.election import elect_offline, elect_preferred
from fencepost.model.zk_controller.kafka_zk_client import Outcome
from fencepost.model.zk_controller.partition_states import Elected
from fencepost.model.zk_controller.parts import ControllerParts

PREFERRED, UNCLEAN = "preferred", "unclean"

AdminCallback = Callable[[AdminResponse], None]


class ElectionEvents:
    """The events about elections and reassignments."""

    def __init__(self, parts: ControllerParts) -> None:
        self._parts = parts
        self._context = parts.context
        self._timer: Timer | None = None

    # --- elections that an administrator asks for --------------------------------------------------------------------

    def on_elect_leader(self, arguments: dict[str, Any], done: AdminCallback) -> None:
        """Event ReplicaLeaderElection by an administrator, of one partition."""
        partition, unclean = (arguments["topic"], arguments["partition"]), arguments["election_type"] == UNCLEAN
        error = self._election_error(partition, unclean)
        if error is not None:
            done(AdminResponse(error))
            return
        elected: Elected = {}
        election = elect_offline if unclean else elect_preferred
        self._parts.partitions.change([partition], ONLINE_PARTITION, election, elected, unclean)
        self._parts.events.do(self._answer_election, partition, unclean, elected, done)

    def _election_error(self, partition: TopicPartition, unclean: bool) -> str | None:
        context = self._context
        if not self._parts.is_active:
            return errors.NOT_CONTROLLER
        assignment = context.assignment(partition)
        if not assignment.replicas:
            return errors.UNKNOWN_TOPIC_OR_PARTITION
        if partition[0] in context.topics_to_be_deleted:
            return errors.INVALID_TOPIC_EXCEPTION
        state = context.leadership.get(partition)
        has_preferred = state is not None and state.leader == assignment.replicas[0]
        needed = context.leads_nothing(state) if unclean else not has_preferred
        return None if needed else errors.ELECTION_NOT_NEEDED

    def _answer_election(
        self, partition: TopicPartition, unclean: bool, elected: Elected, done: AdminCallback,
    ) -> None:
        topic_id = self._context.topics.get(partition[0], "")
        if elected.get(partition) is not None:
            done(AdminResponse(None, {"topic_id": topic_id}))
        else:
            missing = errors.ELIGIBLE_LEADERS_NOT_AVAILABLE if unclean else errors.PREFERRED_LEADER_NOT_AVAILABLE
            done(AdminResponse(missing))

    def on_unclean_election_enabled(self, topic: str | None) -> None:
        """Events TopicUncleanLeaderElectionEnable and UncleanLeaderElectionEnable (None: for every topic)."""
        if self._parts.is_active:
            self._parts.partitions.trigger_online(topic)

    # --- elections by znode ------------------------------------------------------------------------------------------

    def on_preferred_election_znode(self) -> None:
        """Event ReplicaLeaderElection by /admin/preferred_replica_election; also at a fail-over."""
        if self._parts.is_active:
            self._parts.zk.ask([zk.GetDataOp(znodes.PREFERRED_ELECTION)], self._elect_preferred)

    def _elect_preferred(self, outcomes: list[Outcome]) -> None:
        if outcomes[0].result.value is None:
            return
        partitions = [p for p in outcomes[0].result.value.partitions if self._election_error(p, False) is None]
        self._parts.partitions.change(partitions, ONLINE_PARTITION, elect_preferred)
        self._parts.zk.write([zk.DeleteOp(znodes.PREFERRED_ELECTION)], _ignore)
        self._parts.zk.ask([zk.ExistsOp(znodes.PREFERRED_ELECTION)], _ignore)

    # --- balance -----------------------------------------------------------------------------------------------------

    def schedule_balance(self, delay_us: int) -> None:
        """Look at the balance after a while, and again and again from then on."""
        cancel(self._timer)
        if self._parts.config.auto_leader_rebalance_enable:
            self._timer = self._parts.node.schedule(delay_us, self._parts.events.put, self.on_balance)

    def stop_balance(self) -> None:
        """The controller resigns."""
        cancel(self._timer)

    def on_balance(self) -> None:
        """Event AutoPreferredReplicaLeaderElection."""
        if not self._parts.is_active:
            return
        context = self._context
        by_preferred: dict[int, list[TopicPartition]] = {}
        for partition in context.partitions():
            if partition[0] not in context.topics_to_be_deleted and partition in context.leadership:
                by_preferred.setdefault(context.assignment(partition).replicas[0], []).append(partition)
        for broker_id in sorted(by_preferred):
            partitions = by_preferred[broker_id]
            elsewhere = [p for p in partitions if context.leadership[p].leader != broker_id]
            limit = self._parts.config.leader_imbalance_per_broker_percentage
            if len(elsewhere) * 100 > limit * len(partitions):
                self._parts.events.do(self._balance, broker_id, elsewhere)
        self.schedule_balance(self._parts.config.leader_imbalance_check_interval_us)

    def _balance(self, broker_id: int, partitions: list[TopicPartition]) -> None:
        context = self._context
        if not context.is_live(broker_id) or context.being_reassigned:
            return
        electable = [
            partition for partition in partitions
            if partition in context.leadership and broker_id in context.leadership[partition].isr]
        self._parts.partitions.change(electable, ONLINE_PARTITION, elect_preferred)

    # --- reassignment ------------------------------------------------------------------------------------------------

    def on_reassign(self, arguments: dict[str, Any], done: AdminCallback) -> None:
        """Event ApiPartitionReassignment, of one partition; answered when the reassignment has begun."""
        if not self._parts.is_active:
            done(AdminResponse(errors.NOT_CONTROLLER))
            return
        partition, replicas = (arguments["topic"], arguments["partition"]), arguments["replicas"]
        wanted = self._parts.reassignment.wanted(partition, None if replicas is None else tuple(replicas))
        if isinstance(wanted, str):
            done(AdminResponse(wanted))
            return
        self._parts.reassignment.proceed(partition, wanted)
        self._parts.events.do(done, AdminResponse(None, {"topic_id": self._context.topics[partition[0]]}))

    def on_reassignment_znode(self) -> None:
        """Event ZkPartitionReassignment: /admin/reassign_partitions was written; also at a fail-over."""
        if self._parts.is_active:
            self._parts.zk.ask([zk.GetDataOp(znodes.REASSIGN_PARTITIONS)], self._reassign_by_znode)

    def _reassign_by_znode(self, outcomes: list[Outcome]) -> None:
        if outcomes[0].result.value is None:
            return
        for topic, partition, replicas in outcomes[0].result.value.partitions:
            wanted = self._parts.reassignment.wanted((topic, partition), replicas)
            if not isinstance(wanted, str):
                self._parts.reassignment.proceed((topic, partition), wanted)
        self._parts.zk.write([zk.DeleteOp(znodes.REASSIGN_PARTITIONS)], _ignore)
        self._parts.zk.ask([zk.ExistsOp(znodes.REASSIGN_PARTITIONS)], _ignore)

    def resume_reassignments(self) -> None:
        """Plan: go on with what was under way, at a fail-over."""
        for partition in list(self._context.being_reassigned):
            self._parts.reassignment.proceed(partition, self._context.assignment(partition))

    def on_reassigned_isr_change(self, partition: TopicPartition) -> None:
        """Event PartitionReassignmentIsrChange (up to 2.6): a reassigned partition's state has changed."""
        if self._parts.is_active:
            self._parts.reassignment.finish_if_complete(partition)


def _ignore(outcomes: list[Outcome]) -> None:
    """Deleted by somebody else, or a read that only arms the watch."""
