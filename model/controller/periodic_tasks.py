"""What the active controller does by itself, again and again (PeriodicTaskControlManager of 4.0)."""

from collections.abc import Callable
from dataclasses import dataclass

from fencepost.model.config import KafkaConfig
from fencepost.model.controller.cluster_control import ClusterControl
from fencepost.model.controller.replication_control import ReplicationControl
from fencepost.model.controller.result import Result
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.metadata.records import NoOpRecord

#: The pause before a task that has more to do runs again.
IMMEDIATELY_US = 10_000
#: How often a session is looked at in its life.
CHECKS_PER_SESSION = 8


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """An operation whose response says whether there is more to do at once."""

    name: str
    operation: Callable[[], Result]
    period_us: int


class PeriodicTasks:
    """The tasks and their timers; `run(task)` is called when one is due."""

    def __init__(
        self, node: Node, config: KafkaConfig, cluster: ClusterControl, replication: ReplicationControl,
        run: Callable[[PeriodicTask], None],
    ) -> None:
        self._node = node
        self._cluster = cluster
        self._run = run
        self._timers: dict[str, Timer] = {}
        self._tasks = [
            PeriodicTask("fence-stale-broker", self._fence_one_stale_broker,
                         max(1_000, config.broker_session_timeout_us // CHECKS_PER_SESSION)),
            PeriodicTask("write-no-op", _write_no_op, config.metadata_max_idle_interval_us),
            PeriodicTask("elect-unclean-leaders", replication.elect_unclean_leaders,
                         config.unclean_leader_election_interval_us),
        ]
        if config.auto_leader_rebalance_enable:
            self._tasks.append(PeriodicTask(
                "balance-leaders", replication.balance_leaders, config.leader_imbalance_check_interval_us))

    def activate(self) -> None:
        """The controller became active: every task runs after its period; one without a period never does."""
        for task in self._tasks:
            self.schedule(task, more_to_do=False)

    def deactivate(self) -> None:
        """The controller is no longer active."""
        for timer in self._timers.values():
            cancel(timer)
        self._timers.clear()

    def schedule(self, task: PeriodicTask, more_to_do: bool) -> None:
        """Run the task again after its period, or soon if it has more to do."""
        if task.period_us > 0:
            delay_us = IMMEDIATELY_US if more_to_do else task.period_us
            self._timers[task.name] = self._node.schedule(delay_us, self._run, task)

    def _fence_one_stale_broker(self) -> Result:
        return self._cluster.fence_one_stale_broker(self._node.now_us)


def _write_no_op() -> Result:
    return Result([NoOpRecord()], response=False)
