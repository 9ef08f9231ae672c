"""How a leader is chosen (Election.scala, PartitionLeaderElectionAlgorithms).

Each function takes the controller's context, the partition and its present state, and gives the new state, or None
where nobody may lead. Every election raises the leader epoch by one. A broker that shuts down is not live here.
"""

from collections.abc import Callable

from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller.context import RECOVERING, ControllerContext, LeaderAndIsr

Election = Callable[[ControllerContext, TopicPartition, LeaderAndIsr], LeaderAndIsr | None]


def elect_offline(
    context: ControllerContext, partition: TopicPartition, state: LeaderAndIsr, unclean: bool = False,
) -> LeaderAndIsr | None:
    """The first live replica in the ISR; with `unclean`, else the first live one, alone in the ISR and recovering."""
    replicas = context.assignment(partition).replicas
    for replica in replicas:
        if replica in state.isr and context.is_live(replica):
            isr = tuple(member for member in state.isr if context.is_live(member))
            return state.with_leader(replica, isr)
    for replica in replicas if unclean else ():
        if context.is_live(replica):
            return state.with_leader(replica, (replica,), RECOVERING)
    return None


def elect_for_reassignment(
    context: ControllerContext, partition: TopicPartition, state: LeaderAndIsr,
) -> LeaderAndIsr | None:
    """The first replica of the target that is live and in the ISR."""
    for replica in context.assignment(partition).target:
        if replica in state.isr and context.is_live(replica):
            return state.with_leader(replica, state.isr)
    return None


def elect_preferred(
    context: ControllerContext, partition: TopicPartition, state: LeaderAndIsr,
) -> LeaderAndIsr | None:
    """The first replica of the assignment, if it is live and in the ISR."""
    replica = context.assignment(partition).replicas[0]
    return state.with_leader(replica, state.isr) if replica in state.isr and context.is_live(replica) else None


def elect_for_controlled_shutdown(
    context: ControllerContext, partition: TopicPartition, state: LeaderAndIsr,
) -> LeaderAndIsr | None:
    """The first live ISR member that does not shut down; those that do leave the ISR."""
    for replica in context.assignment(partition).replicas:
        if replica in state.isr and context.is_live(replica):
            isr = tuple(member for member in state.isr if member not in context.shutting_down)
            return state.with_leader(replica, isr)
    return None
