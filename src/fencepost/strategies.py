"""Hypothesis strategies for simulated Kafka clusters: faults, workloads, shapes, configurations, and whole runs.

    from hypothesis import given
    from fencepost.strategies import scenarios

    @given(scenario=scenarios())
    def test_nothing_is_lost(cluster, scenario):
        cluster.run(*scenario).assert_valid()
"""

from fencepost.harness.property.fault_strategies import faults, schedules, stories, targets, triggers
from fencepost.harness.property.operation_strategies import operations, workloads
from fencepost.harness.property.scenario_strategies import Scenario, scenarios
from fencepost.harness.property.spec_strategies import configurations, shapes, specs
from fencepost.nemesis.faults import Fault, Trigger

__all__ = [
    "Fault", "Scenario", "Trigger", "configurations", "faults", "operations", "scenarios", "schedules", "shapes",
    "specs", "stories", "targets", "triggers", "workloads",
]
