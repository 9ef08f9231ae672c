"""What faults at those who control do to a simulated cluster: what it shows of them, that it recovers, and that the run
replays. What others show, and in ZooKeeper mode: `test_nemesis_effects_process` and `test_nemesis_effects_network`."""

from functools import cache
from typing import Any

import pytest

from fencepost.harness.explain import Explainer
from fencepost.harness.run import RunResult, run
from fencepost.harness.spec import RunSpec
from fencepost.model.shape import Shape
from fencepost.nemesis.faults import fault_from_data

BEGIN_US, LENGTH_US, DURATION_US = 1_500_000, 2_500_000, 5_000_000
LEADER = {"role": "active-controller"}
FAULTS: dict[str, dict[str, Any]] = {
    "flap": {"others": "controllers", "period_us": 400_000, "target": LEADER},
    "latency-spikes": {"others": "controllers", "period_us": 400_000, "latency_us": 500_000, "target": LEADER},
    "loss": {"others": "controllers", "loss_per_mille": 900, "target": LEADER},
    "hold": {"others": "controllers", "target": LEADER},
    "reset": {"others": "brokers", "target": LEADER},
    "stutter": {"period_us": 400_000, "target": LEADER},
    "restart-loop": {"period_us": 800_000, "target": LEADER},
    "rolling-restart": {"others": "controllers", "period_us": 800_000},
    "slow-node": {"delay_us": 100_000, "target": LEADER},
    "clock-skew": {"offset_us": 2_000_000, "target": {"role": "standby-controller"}},
    "clock-drift": {"rate_ppm": 8_000_000, "target": {"role": "standby-controller"}},
    "clock-jump": {"offset_us": 2_000_000, "target": {"role": "standby-controller"}},
}


@cache
def struck_by(kind: str | None) -> RunResult:
    """A short run with one fault, or with none."""
    faults: list[dict[str, Any]] = []
    if kind is not None:
        faults = [{"kind": kind, "at_us": BEGIN_US, "duration_us": LENGTH_US, **FAULTS[kind]}]
    return run(RunSpec(seed=3, shape=Shape(3, 3, 2), duration_us=DURATION_US, faults=faults))


def struck_events(result: RunResult, f: str) -> int:
    """How often something was observed while the fault lasted."""
    return sum(event.f == f and BEGIN_US <= event.time_us <= BEGIN_US + LENGTH_US for event in result.events)


@pytest.mark.parametrize("kind", FAULTS)
def test_the_cluster_bears_it_and_recovers(kind: str) -> None:
    result = struck_by(kind)
    broken = [violation.message for one in result.results for violation in one.violations]
    assert (result.verdict, broken) == ("valid", [])
    assert result.coverage.faults == {kind: 1}


@pytest.mark.parametrize("kind", FAULTS)
def test_the_run_replays(kind: str) -> None:
    result = struck_by(kind)
    assert run(result.spec).digest == result.digest
    assert result.digest != struck_by(None).digest


@pytest.mark.parametrize("kind", FAULTS)
def test_it_is_told_in_words(kind: str) -> None:
    result = struck_by(kind)
    lines = Explainer(result.header, result.events).because(BEGIN_US + 1, None, None, ())
    assert any("controller" in line and f"{BEGIN_US / 1_000_000:.3f} s" in line for line in lines)
    assert not any(f"{kind} struck" in line for line in lines)


@pytest.mark.parametrize(("kind", "observed"), [
    ("flap", "controller-claimed"), ("loss", "controller-claimed"), ("hold", "controller-claimed"),
    ("latency-spikes", "raft-state"), ("restart-loop", "controller-claimed"),
    ("rolling-restart", "controller-claimed"), ("slow-node", "controller-claimed"), ("clock-skew", "raft-state"),
    ("clock-drift", "raft-state"), ("clock-jump", "raft-state"),
])
def test_the_cluster_shows_it(kind: str, observed: str) -> None:
    assert struck_events(struck_by(None), observed) == 0
    assert struck_events(struck_by(kind), observed) > 0


def test_whatever_repeats_strikes_more_than_once() -> None:
    assert struck_events(struck_by("stutter"), "node-paused") > 3
    assert struck_events(struck_by("restart-loop"), "node-stopped") == 4
    assert struck_events(struck_by("rolling-restart"), "node-stopped") == 3


def test_a_fault_of_the_schedule_is_read_as_it_is_written() -> None:
    for kind, fields in FAULTS.items():
        data = {"kind": kind, "at_us": BEGIN_US, "duration_us": LENGTH_US, **fields}
        assert fault_from_data(data, "here").to_data() == data
