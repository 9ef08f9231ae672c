"""The Hypothesis strategies: what they draw can be run, covers the vocabulary, and shows itself readably."""

from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from fencepost.harness.property.operation_strategies import FUNCTIONS, framed
from fencepost.harness.property.trial import ClusterUnderTest
from fencepost.harness.spec import RunSpec, check_spec
from fencepost.histories.errors import InputError
from fencepost.nemesis.faults import kinds_of
from fencepost.strategies import Fault, Scenario, faults, operations, scenarios, schedules, specs, workloads

FEW = settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
QUICK = settings(max_examples=2_000, deadline=None, suppress_health_check=list(HealthCheck), database=None,
                 phases=[Phase.generate, Phase.shrink])


@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_drawn_runs_are_accepted(mode: str) -> None:
    @FEW
    @given(spec=specs(mode=mode))
    def accepted(spec: RunSpec) -> None:
        check_spec(spec, "drawn")

    accepted()


@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_drawn_scenarios_are_accepted_and_in_order(mode: str) -> None:
    @FEW
    @given(scenario=scenarios(mode=mode))
    def accepted(scenario: tuple[list[Fault], list[dict[str, object]]]) -> None:
        given_faults, workload = scenario
        spec = RunSpec(0, mode, faults=[fault.to_data() for fault in given_faults])
        whole = framed(workload, spec)
        check_spec(RunSpec(0, mode, faults=spec.faults, workload=whole), "drawn")
        assert [operation["at_us"] for operation in whole] == sorted(operation["at_us"] for operation in whole)

    accepted()


@pytest.mark.parametrize("kind", kinds_of("zk"))
def test_every_kind_of_fault_can_be_drawn(kind: str) -> None:
    assert find(faults(mode="zk"), lambda fault: fault.kind == kind, settings=QUICK, random=Random(0)).kind == kind


@pytest.mark.parametrize("f", FUNCTIONS)
def test_every_function_can_be_drawn(f: str) -> None:
    assert find(operations(), lambda operation: operation["f"] == f, settings=QUICK, random=Random(0))["f"] == f


def test_a_schedule_shrinks_to_the_one_fault_that_matters() -> None:
    found = find(
        schedules(kinds=kinds_of("kraft")), lambda drawn: any(fault.kind == "kill" for fault in drawn), settings=QUICK,
        random=Random(0))
    assert [(fault.kind, fault.duration_us) for fault in found] == [("kill", 50_000)]


def test_a_scenario_shrinks_to_the_write_and_the_fault_that_matter() -> None:
    def matters(scenario: Scenario) -> bool:
        written = [one["at_us"] for one in scenario.workload if one["f"] == "produce"]
        killed = [fault.at_us for fault in scenario.faults if fault.kind == "kill" and fault.at_us is not None]
        return bool(written and killed) and min(written) < max(killed)

    found = find(scenarios(), matters, settings=QUICK, random=Random(0))
    assert ([fault.kind for fault in found.faults], [one["f"] for one in found.workload]) == (["kill"], ["produce"])


def test_a_workload_shrinks_to_the_operations_that_matter() -> None:
    found = find(
        workloads(), lambda drawn: sum(one["f"] == "poll" for one in drawn) >= 2, settings=QUICK, random=Random(0))
    assert [operation["f"] for operation in found] == ["poll", "poll"]


def test_a_fault_is_written_as_one_would_write_it() -> None:
    fault = Fault("kill", 500_000, at_us=0, target={"role": "leader", "partition": "orders-0"})
    assert repr(fault) == "Fault('kill', 500000, at_us=0, target={'role': 'leader', 'partition': 'orders-0'})"
    assert eval(repr(fault), {"Fault": Fault}) == fault


def test_hypothesis_shows_faults_and_operations_in_one_line_each() -> None:
    @settings(max_examples=200, derandomize=True, deadline=None, database=None, phases=[Phase.generate, Phase.shrink])
    @given(schedule=schedules(kinds=["kill"]), workload=workloads(functions=["poll"]), number=st.just(1))
    def fails(schedule: list[Fault], workload: list[dict[str, object]], number: int) -> None:
        assert not (schedule and workload)

    with pytest.raises(AssertionError) as caught:
        fails()
    notes = "\n".join(caught.value.__notes__)
    assert "schedule=[Fault('kill', 50000, at_us=1000000, target={'role': 'leader', 'partition': 'orders-0'})]" in notes
    assert "workload=[{'at_us': 1000000, 'client': 0, 'f': 'poll'" in notes


# --- what cluster.run refuses -----------------------------------------------------------------------------------------


def under_test(mode: str, store: Path) -> ClusterUnderTest:
    return ClusterUnderTest(RunSpec(0, mode, duration_us=1_000_000), "test_it", store)


@pytest.mark.parametrize("operation", [{"f": "x"}, {"f": "produce", "client": 0}, "produce"])
def test_operations_that_cannot_be_run_are_refused_in_one_line(tmp_path: Path, operation: Any) -> None:
    with pytest.raises(InputError, match="test_it: operation 0: "):
        under_test("kraft", tmp_path).run([], [operation])


@pytest.mark.parametrize(("mode", "fault", "foreign"), [
    ("zk", {"kind": "unregister-broker", "at_us": 0, "target": {"role": "broker"}}, "unregister-broker"),
    ("kraft", {"kind": "kill", "at_us": 0, "target": {"role": "zookeeper"}}, "zookeeper"),
    ("zk", {"kind": "halves", "at_point": {"point": "raft.appended", "count": 1}}, "raft.appended"),
])
def test_a_fault_that_only_the_other_mode_has_is_refused(
    tmp_path: Path, mode: str, fault: dict[str, Any], foreign: str
) -> None:
    with pytest.raises(InputError, match=f"^test_it: fault 0: .*{foreign}.* mode"):
        under_test(mode, tmp_path).run([{"duration_us": 1, **fault}], [])
