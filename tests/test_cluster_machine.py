"""The state machine over a simulated cluster: its steps, what can be seen, and how it fails."""

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import Command, in_process
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import UnsatisfiedAssumption
from hypothesis.stateful import invariant, run_state_machine_as_test
from plugged_pytest import run_pytest

from fencepost.harness import pytest_plugin
from fencepost.harness.property.trial import ClusterFailure
from fencepost.harness.property.untraced import untraced
from fencepost.histories.errors import InputError
from fencepost.strategies import Fault
from fencepost.testing import ClusterMachine

FEW = settings(
    max_examples=3, stateful_step_count=8, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck),
    database=None, phases=[Phase.generate])
LEADER = {"role": "leader", "partition": "orders-0"}


class Bounced(ClusterMachine):
    """Its brokers come back before they are fenced, and what that loses goes unnoticed."""

    bug = "KAFKA-18106"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Failing runs are kept here."""
    monkeypatch.setattr(pytest_plugin.given, "store", tmp_path / "kept")
    return tmp_path / "kept"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return in_process(monkeypatch, capsys)


def bounce(machine: ClusterMachine) -> None:
    """The steps that Bounced cannot take."""
    machine.inject(Fault("kill", 450_000, at_us=0, target=LEADER))
    machine.wait(1_000)


@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_drawn_steps_can_be_taken_and_are_valid(mode: str) -> None:
    machine = type("Drawn", (ClusterMachine,), {"mode": mode})
    run_state_machine_as_test(machine, settings=FEW)


def test_what_was_seen_is_what_is_judged() -> None:
    machine = ClusterMachine()
    machine.produce(client=0)
    bounce(machine)
    before = machine.events
    machine.produce(client=1, partition="orders-1", idempotent=True)
    machine.poll(client=1)
    machine.wait(300)
    machine.wait(300)
    after = machine.events
    trial = machine._run()
    assert trial.verdict == "valid"
    assert len(before) < len(after) < len(trial.events)
    assert after[:len(before)] == before
    assert trial.events[:len(after)] == after


def test_the_cluster_can_be_looked_at() -> None:
    machine = ClusterMachine()
    machine.produce()
    machine.wait(300)
    (leader,) = machine.cluster.leaders_of("orders-0")
    assert leader in (1, 2, 3)
    assert [event.type for event in machine.answers("produce")] == ["ok"]
    assert machine.answers("poll") == []
    assert machine.now_us == 1_310_000


def test_what_breaks_a_rule_is_told_with_the_steps_and_the_replay(store: Path) -> None:
    machine = Bounced()
    bounce(machine)
    with pytest.raises(ClusterFailure, match="NoFencedBrokerInIsr") as caught:
        machine.teardown()
    assert f"replay   fencepost replay {store / 'Bounced'}" in str(caught.value)


def test_the_same_steps_without_the_bug_are_valid(store: Path) -> None:
    machine = ClusterMachine()
    bounce(machine)
    machine.teardown()
    assert not store.exists()


def test_an_assertion_of_ones_own_is_told_how_to_see_it_again(store: Path, command: Command) -> None:
    class Impatient(ClusterMachine):
        """It asks for too much."""

        @invariant()
        def always_answered(self) -> None:
            assert len(self.answers("produce")) == sum(event.type == "invoke" for event in self.events), "too slow"

    with pytest.raises(AssertionError, match="too slow") as caught:
        run_state_machine_as_test(Impatient, settings=FEW)
    notes = "\n".join(caught.value.__notes__)
    assert "state = Impatient()" in notes
    assert "state.teardown()" in notes
    line = next(line for line in notes.splitlines() if "fencepost replay" in line)
    code, output, _ = command("replay", *shlex.split(line.partition("fencepost replay ")[2]))
    assert (code, output != "") == (0, True)


def test_steps_are_shown_as_one_would_write_them() -> None:
    class Refusing(ClusterMachine):
        """Any fault is too much for it."""

        produce = poll = commit = wait = None

        @invariant()
        def calm(self) -> None:
            assert all(event.type != "fault" for event in self.events), "a fault"

    with pytest.raises(AssertionError, match="a fault") as caught:
        run_state_machine_as_test(Refusing, settings=settings(FEW, phases=[Phase.generate, Phase.shrink]))
    notes = "\n".join(caught.value.__notes__)
    shown = "Fault('isolate', 50000, at_us=0, target={'role': 'leader', 'partition': 'orders-0'})"
    assert f"\nstate.inject(fault={shown})\nstate.calm()\nstate.teardown()" in notes
    assert notes.count("state.inject") == 1


def test_an_example_that_is_given_up_is_not_judged(store: Path) -> None:
    machine = Bounced()
    bounce(machine)
    try:
        raise UnsatisfiedAssumption
    except UnsatisfiedAssumption:
        machine.teardown()
    assert not store.exists()


@pytest.mark.parametrize(("attributes", "said"), [
    ({"mode": "raft"}, "Wrong: mode='raft': allowed is kraft or zk"),
    ({"brokers": 0}, "Wrong: brokers=0: allowed is a whole number from 1"),
    ({"seed": -1}, "Wrong: seeds=(-1,): allowed is"),
    ({"bug": "KAFKA-1"}, "no such known bug"),
])
def test_an_attribute_that_cannot_be_is_told_in_one_line(attributes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        type("Wrong", (ClusterMachine,), attributes)()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_step_that_cannot_be_is_told_in_one_line() -> None:
    machine = ClusterMachine()
    with pytest.raises(InputError, match="ClusterMachine: operation 0: f is one of"):
        machine.operate("write")
    with pytest.raises(InputError, match="ClusterMachine: operation 0: client is 7: allowed is"):
        machine.produce(client=7)
    with pytest.raises(InputError, match="ClusterMachine: fault 0: unknown kind 'explode'"):
        machine.inject(Fault("explode", 1, at_us=0))


def test_the_command_line_chooses_seed_and_store(tmp_path: Path) -> None:
    source = (
        "from fencepost.strategies import Fault\nfrom fencepost.testing import ClusterMachine\n\n\n"
        "class Bounced(ClusterMachine):\n    bug = 'KAFKA-18106'\n\n\n"
        "def test_bounced():\n    machine = Bounced()\n"
        f"    machine.inject(Fault('kill', 450_000, at_us=0, target={LEADER!r}))\n"
        "    machine.wait(1_000)\n    machine.teardown()\n")
    done = run_pytest(tmp_path, source, "--fencepost-seed", "3", "--fencepost-store", "here")
    assert done.returncode == 1
    assert "run      kraft, seed 3, with KAFKA-18106" in done.stdout
    assert "replay   fencepost replay here/Bounced" in done.stdout
    assert (tmp_path / "here" / "Bounced" / "spec.json").is_file()


def test_hypothesis_does_not_follow_a_simulation_line_by_line() -> None:
    from hypothesis.internal.scrutineer import Tracer

    tracer = Tracer(should_trace=Tracer.can_trace())
    before = sys.gettrace()
    with tracer, untraced():
        shlex.split("one two")
    assert sys.gettrace() is before
    assert not [branch for branch in tracer.branches if branch[1][0] == shlex.__file__]


def test_hypothesis_follows_what_is_not_kept_from_it() -> None:
    from hypothesis.internal.scrutineer import Tracer

    if not Tracer.can_trace():
        pytest.skip("somebody else is tracing")
    tracer = Tracer(should_trace=True)
    with tracer:
        shlex.split("one two")
    assert [branch for branch in tracer.branches if branch[1][0] == shlex.__file__]
