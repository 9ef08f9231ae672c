"""Systems of one's own: how clients drive them, what is recorded, and that the worked example's bugs are found."""

import re
import shutil
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import find, settings
from hypothesis import strategies as st
from plugged_pytest import ROOT, run_pytest

from fencepost.histories.errors import InputError
from fencepost.testing import (
    Call,
    Interleaving,
    NotLinearizable,
    ProcessSystem,
    Refused,
    System,
    Unclear,
    exercise,
    interleavings,
    pause,
    plans,
)

EXAMPLE = ROOT / "examples" / "replicated_store"
CALM = settings(max_examples=2_000, database=None, deadline=None)


class Register(System):
    """A register; `invoke` raises what is written into it, if that is an exception."""

    def __init__(self) -> None:
        self.life: list[str] = []
        self.content: Any = None

    def start(self) -> None:
        self.life.append("start")

    def stop(self) -> None:
        self.life.append("stop")

    def invoke(self, client: int, f: str, argument: Any) -> Any:
        if isinstance(argument, Exception):
            raise argument
        if f == "write":
            self.content = argument
            return None
        return self.content


def seen(system: System, plan: Any, **limits: float) -> list[tuple[str, bool, Any]]:
    """What was recorded, without the times: function, whether it crashed, result."""
    return [(one.f, one.crashed, one.result) for one in exercise(system, plan, **limits).operations]


# --- plans of rounds -------------------------------------------------------------------------------------------------

def test_rounds_come_one_after_the_other() -> None:
    recording = exercise(Register(), [[Call(0, "write", 1)], [(1, "read")]])
    write, read = recording.operations
    assert write.ret is not None
    assert write.ret <= read.call
    assert read.result == 1
    recording.assert_linearizable("register")


def test_the_calls_of_a_round_are_under_way_together() -> None:
    class Meeting(System):
        together = threading.Barrier(3)

        def invoke(self, client: int, f: str, argument: Any) -> Any:
            return self.together.wait(10) >= 0

    first, *others = exercise(Meeting(), [[Call(client, "meet") for client in range(3)]]).operations
    assert first.ret is not None
    assert all(other.call <= first.ret for other in others)


@pytest.mark.parametrize(("raised", "recorded"), [
    (Refused("no"), []),
    (Unclear("who knows"), [("write", True, None)]),
    (TimeoutError("too slow"), [("write", True, None)]),
    (LookupError("declared"), [("write", True, None)]),
])
def test_what_a_call_raises_says_what_is_known_of_it(
    raised: Exception, recorded: list[tuple[str, bool, Any]]
) -> None:
    class Declared(Register):
        unclear = (OSError, LookupError)

    assert seen(Declared(), [[Call(0, "write", raised)]]) == recorded
    assert seen(Declared(), Interleaving([Call(0, "write", raised)])) == recorded


@pytest.mark.parametrize("plan", [
    [[Call(0, "write", ValueError("a mistake"))]], Interleaving([Call(0, "write", ValueError("a mistake"))])])
def test_a_mistake_is_raised_and_the_system_stopped(plan: Any) -> None:
    register = Register()
    with pytest.raises(ValueError, match="a mistake"):
        exercise(register, plan)
    assert register.life == ["start", "stop"]


def test_who_waits_too_long_does_not_know_and_does_nothing_more() -> None:
    class Stuck(Register):
        over = threading.Event()

        def invoke(self, client: int, f: str, argument: Any) -> Any:
            return self.over.wait() if f == "hang" else super().invoke(client, f, argument)

        def stop(self) -> None:
            self.over.set()

    plan = [[Call(0, "hang"), Call(1, "write", 1)], [Call(0, "read"), Call(1, "read")]]
    assert sorted(seen(Stuck(), plan, timeout_s=0.2)) == [
        ("hang", True, None), ("read", False, 1), ("write", False, None)]


def test_a_client_does_one_thing_at_a_time() -> None:
    with pytest.raises(InputError, match="round 1 of the plan has several calls of client 0"):
        exercise(Register(), [[], [Call(0, "read"), Call(0, "read")]])


def test_faults_are_carried_out_and_not_judged() -> None:
    class Forgetful(Register):
        faults = ("forget",)

        def invoke(self, client: int, f: str, argument: Any) -> Any:
            return super().invoke(client, "write" if f == "forget" else f, argument)

    plan = [[Call(0, "write", 1)], [Call(9, "forget", 0)], [Call(0, "read")]]
    assert [f for f, _, _ in seen(Forgetful(), plan)] == ["write", "read"]
    with pytest.raises(NotLinearizable, match="read 0 but the register holds 1"):
        exercise(Forgetful(), Interleaving([call for calls in plan for call in calls])).assert_linearizable("register")


def test_an_unknown_model_is_told_in_one_line() -> None:
    with pytest.raises(InputError, match="there is no model 'regster': did you mean 'register'"):
        exercise(Register(), []).assert_linearizable("regster")


# --- interleavings ---------------------------------------------------------------------------------------------------

class Steps(System):
    """Writes down who has its turn when: `walk(n)` gives way n times."""

    def start(self) -> None:
        self.turns = ""
        self.open = False

    def invoke(self, client: int, f: str, argument: int) -> Any:
        return self.walk(client, argument) if f == "walk" else self.wait(client)

    def walk(self, client: int, steps: int) -> Generator[None, None, str]:
        for _ in range(steps):
            self.turns += str(client)
            yield
        self.turns += str(client)
        self.open = True
        return self.turns

    async def wait(self, client: int) -> str:
        while not self.open:
            await pause()
        return "open"


WALKS = [Call(0, "walk", 3), Call(1, "walk", 1), Call(2, "walk", 1)]


@pytest.mark.parametrize(("turns", "order"), [
    ([], "00001122"),
    ([[1]], "01122000"),
    ([[0, 1]], "00112200"),
    ([[0, 2]], "00221100"),
    ([[1], [0, 1]], "01100022"),
    ([[1], [2]], "01000221"),
])
def test_turns_say_who_goes_on(turns: list[list[int]], order: str) -> None:
    steps = Steps()
    exercise(steps, Interleaving(WALKS, turns))
    assert steps.turns == order


def test_the_same_interleaving_gives_the_same_history() -> None:
    plan = Interleaving(WALKS, [[0, 1], [1]])
    assert exercise(Steps(), plan).operations == exercise(Steps(), plan).operations


def test_who_waits_for_others_lets_them_go_on() -> None:
    assert seen(Steps(), Interleaving([Call(0, "wait"), Call(1, "wait"), Call(2, "walk", 1)])) == [
        ("wait", False, "open"), ("wait", False, "open"), ("walk", False, "22")]


def test_who_never_returns_has_no_known_outcome() -> None:
    assert seen(Steps(), Interleaving([Call(0, "wait")])) == [("wait", True, None)]


def test_what_gives_way_otherwise_is_told() -> None:
    class Wrong(System):
        def invoke(self, client: int, f: str, argument: Any) -> Any:
            yield "a message"

    with pytest.raises(TypeError, match="a plain `yield`, or `await pause"):
        exercise(Wrong(), Interleaving([Call(0, "read")]))


def test_what_gives_way_runs_in_threads_as_well() -> None:
    assert [result for _, _, result in seen(Steps(), [[Call(0, "walk", 2)], [Call(1, "wait")]])] == ["000", "open"]


# --- drawn plans -----------------------------------------------------------------------------------------------------

def test_plans_shrink_to_calls_one_after_the_other() -> None:
    drawn = plans({"write": st.integers(0, 9), "read": st.none()})
    found = find(drawn, lambda plan: sum(call.f == "read" for calls in plan for call in calls) >= 2, settings=CALM,
                 random=Random(0))
    assert repr(found) == "[[Call(0, 'read')], [Call(0, 'read')]]"


def test_plans_have_clients_that_meet() -> None:
    drawn = plans({"read": st.none()})
    assert len(find(drawn, lambda plan: len(plan) == 1 and len(plan[0]) == 3, settings=CALM, random=Random(0))[0]) == 3


def test_interleavings_are_written_as_one_would_write_them() -> None:
    shown = "Interleaving([Call(0, 'walk', 3), Call(1, 'walk', 1), Call(2, 'walk', 1)], turns=[[0, 1]])"
    assert repr(Interleaving(WALKS, [[0, 1], [], []])) == shown
    assert eval(shown, {"Interleaving": Interleaving, "Call": Call}) == Interleaving(WALKS, [[0, 1]])


@pytest.mark.parametrize(("functions", "clients"), [({}, 3), ({"read": st.none()}, 0)])
def test_nothing_to_draw_is_told_in_one_line(functions: dict[str, Any], clients: int) -> None:
    with pytest.raises(InputError, match="allowed is at least one of each"):
        interleavings(functions, clients)


# --- processes -------------------------------------------------------------------------------------------------------

SERVER = """\
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    answer = request["argument"]
    if answer == "end":
        break
    print(answer if isinstance(answer, str) else json.dumps({"id": request["id"], **answer}), flush=True)
"""


class Scripted(ProcessSystem):
    """A process that answers what it is told to."""

    command = (sys.executable, "-c", SERVER)
    faults = ("kill",)

    def invoke(self, client: int, f: str, argument: Any) -> Any:
        if f == "kill":
            assert self.process is not None
            self.process.kill()
            return None
        return super().invoke(client, f, argument)


@pytest.mark.parametrize(("argument", "recorded"), [
    ({"result": ["a", ["b"]]}, [("read", False, ("a", ("b",)))]),
    ({"refused": "no leader"}, []),
    ({"unclear": "timed out"}, [("read", True, None)]),
    ("end", [("read", True, None)]),
])
def test_answers_of_a_process(argument: Any, recorded: list[tuple[str, bool, Any]]) -> None:
    system = Scripted()
    assert seen(system, [[Call(0, "read", argument)]]) == recorded
    assert system.process is not None
    assert system.process.poll() is not None


def test_a_process_that_was_killed_answers_nobody() -> None:
    answer = {"result": 1}
    plan = [[Call(0, "read", answer)], [Call(9, "kill")], [Call(0, "read", answer)], [Call(1, "read", answer)]]
    assert seen(Scripted(), plan) == [("read", False, 1), ("read", True, None), ("read", True, None)]


def test_a_process_that_talks_nonsense_is_told() -> None:
    with pytest.raises(ValueError, match=r"wrote 'hello\\n', which is no answer to a request"):
        exercise(Scripted(), [[Call(0, "read", "hello")]])


def test_a_command_that_is_not_there_is_told() -> None:
    class Missing(ProcessSystem):
        command = ("there-is-no-such-server",)

    with pytest.raises(FileNotFoundError, match="there-is-no-such-server"):
        exercise(Missing(), [])


# --- the worked example ----------------------------------------------------------------------------------------------

@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the example, but for its tests. Hypothesis always draws the same there, however slow it is."""
    monkeypatch.setenv("CI", "true")
    for name in ("store.py", "server.py"):
        shutil.copy(EXAMPLE / name, tmp_path / name)
    return tmp_path


def run_example(folder: Path, *arguments: str) -> tuple[int, str]:
    done = run_pytest(folder, (EXAMPLE / "test_store.py").read_text(), *arguments)
    return done.returncode, done.stdout


def test_the_mended_store_passes(example: Path) -> None:
    code, output = run_example(example)
    assert (code, "3 passed" in output) == (0, True), output


def test_turns_find_the_get_that_does_not_write_back(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READS", "majority")
    code, output = run_example(example, "-k", "in_turns")
    assert (code, "1 failed" in output) == (1, True), output
    example_line = next(line for line in output.splitlines() if "interleaving=Interleaving(" in line)
    assert example_line.count("Call(") <= 4
    assert "cannot be placed after" in output
    assert "what the clients saw:" in output


def test_rounds_find_the_get_that_asks_the_nearest_replica(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READS", "nearest")
    code, output = run_example(example, "-k", "threads or process")
    assert (code, "2 failed" in output) == (1, True), output
    # Threads can keep Hypothesis from shrinking, or from failing the same plan again, which it tells too.
    plans = set(re.findall(r"plan=(\[\[.*\]\])", output))
    assert plans, output
    assert all("'put'" in plan and "'get'" in plan for plan in plans), plans
    assert output.count("cannot be placed after") >= 2
