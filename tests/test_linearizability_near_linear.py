"""The checkers that need no search, against one that tries everything."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linearizability_cases import brute_force
from unique_histories import (
    Propose,
    history,
    log,
    queue,
    register,
    register_without_refusals,
    set_looked_into,
    set_read_whole,
    strings,
    versioned,
)

from fencepost.checkers.linearizability import Exhausted, Model, Operation, compiled, linearizable
from fencepost.checkers.linearizability.models import Register, make_model
from fencepost.checkers.linearizability.pace import unhurried

#: name -> model, first content, what is proposed, and the least share of histories that must be decided.
KINDS: dict[str, tuple[str, Any, Propose, float]] = {
    "register": ("register", 0, register_without_refusals, 0.9),
    "cas-register": ("cas-register", 0, register_without_refusals, 0.9),
    "etcd": ("etcd", None, register, 0.7),
    "versioned-register": ("versioned-register", None, versioned, 0.8),
    "versioned-register with a known value": ("versioned-register", "init", versioned, 0.8),
    "kv": ("kv", None, strings, 0.9),
    "kv with content": ("kv", {"x": "w", "y": "v"}, strings, 0.9),
    "log": ("log", None, log, 0.6),
    "log with content": ("log", ["x", "y"], log, 0.6),
    "fifo-queue": ("fifo-queue", None, queue, 0.8),
    "fifo-queue with content": ("fifo-queue", ["x", "y"], queue, 0.7),
    "set read whole": ("set", None, set_read_whole, 0.9),
    "set read whole with content": ("set", ["x"], set_read_whole, 0.9),
    "set looked into": ("set", None, set_looked_into, 0.3),
    "set looked into with content": ("set", [0, 1], set_looked_into, 0.2),
}


def drawn(kind: str, seed: int) -> tuple[Any, list[Operation]]:
    name, initial, propose, _ = KINDS[kind]
    model: Any = make_model(name, initial, whole=name == "kv")
    operations = history(Random(seed), model, propose)
    if name == "register":
        operations = [operation for operation in operations if operation.f != "cas"]
    return model, operations


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(list(KINDS)), st.integers(0, 2**32))
def test_whatever_is_decided_is_what_trying_everything_says(kind: str, seed: int) -> None:
    model, operations = drawn(kind, seed)
    outcome = model.near_linear(operations, unhurried)
    if outcome is not None:
        assert outcome.valid is brute_force(operations, model), outcome.reason


@pytest.mark.parametrize("kind", KINDS)
def test_most_is_decided_both_ways_and_told_in_words(kind: str) -> None:
    verdicts: Counter[bool | None] = Counter()
    for seed in range(300):
        model, operations = drawn(kind, seed)
        outcome = model.near_linear(operations, unhurried)
        verdicts[None if outcome is None else outcome.valid] += 1
        if outcome is not None and not outcome.valid:
            assert outcome.reason
            assert outcome.operations
            assert all(operation in operations for operation in outcome.operations)
            assert any(operation.words() in outcome.reason for operation in outcome.operations)
    assert verdicts[True] > 30
    assert verdicts[False] > 8
    assert verdicts[None] <= (1 - KINDS[kind][3]) * 300


# --- how they are used ------------------------------------------------------------------------------------------------

STALE = [Operation(0, 1, "write", "a", 1, 0), Operation(2, 3, "write", "b", 2, 0),
         Operation(4, 5, "read", None, (1, "a"), 7)]


def test_they_come_first_and_a_search_explains_what_they_refuse() -> None:
    analysis = linearizable(STALE, make_model("versioned-register"), engine="pure")
    assert (analysis.verdict, analysis.engine) == ("invalid", "near-linear: versions")
    (_, death), = analysis.deaths
    assert death.related == (STALE[1], STALE[2])
    assert death.reasons == ("read version 1 but the register is at version 2",)
    assert death.linearization == tuple(STALE[:2])


def test_they_can_be_left_out() -> None:
    assert "near-linear" not in linearizable(STALE, make_model("versioned-register"), specialised=False).engine


def test_what_they_do_not_decide_is_searched() -> None:
    twice = [Operation(0, 1, "write", 1), Operation(2, 3, "write", 1), Operation(4, 5, "read", None, 1)]
    analysis = linearizable(twice, make_model("register"))
    assert analysis.verdict == "valid"
    assert "near-linear" not in analysis.engine


def test_a_model_that_inherits_is_searched_since_it_may_step_otherwise() -> None:
    class Sticky(Register):
        def step(self, state: Any, operation: Operation) -> Any:
            return state if operation.f == "write" and state else super().step(state, operation)

    history = [Operation(0, 1, "write", 1), Operation(2, 3, "write", 2), Operation(4, 5, "read", None, 1)]
    assert Sticky().near_linear(history, unhurried) is None
    assert Register().near_linear(history, unhurried) is not None


LONG = ["register", "versioned-register", "log", "fifo-queue", "set", "set-read", "kv"]


def long_history(name: str, rounds: int) -> tuple[Model, list[Operation]]:
    """Operations that overlap the next one, about two a round."""
    steps: dict[str, Any] = {
        "register": lambda n: [("write", n, None), ("read", None, n)],
        "versioned-register": lambda n: [("write", n, n + 1), ("read", None, (n + 1, n))],
        "log": lambda n: [("append", n, n), ("read", n, n)],
        "fifo-queue": lambda n: [("enqueue", n, None), ("dequeue", None, n)],
        "set": lambda n: [("add", n, None), ("contains", n, True)],
        "set-read": lambda n: [("add", n, None), ("read", None, tuple(range(n - n % 1_000)))][:1 + (n % 1_000 == 0)],
        "kv": lambda n: [("put", ("x", f"{n} "), None), ("get", "x", f"{n} ")],
    }
    history = [Operation(20 * n + 10 * place, 20 * n + 10 * place + 15, *step)
               for n in range(rounds) for place, step in enumerate(steps[name](n))]
    return make_model(name.removesuffix("-read")), history


@pytest.mark.parametrize("name", LONG)
def test_a_long_history_is_decided_without_a_search(name: str) -> None:
    model, history = long_history(name, 5_000)
    analysis = linearizable(history, model, engine="pure")
    assert (analysis.verdict, analysis.explored) == ("valid", 0)
    assert analysis.engine.startswith("near-linear: ")


class Ends:
    """A budget that is over after so many looks."""

    memory_bytes = None

    def __init__(self, after: int) -> None:
        self.looks = 0
        self._after = after

    def spend(self, configurations: int) -> None:
        self.looks += 1
        if self.looks > self._after:
            raise Exhausted("the limit of looks")


@pytest.mark.parametrize("engine", ["pure", pytest.param("compiled", marks=pytest.mark.skipif(
    not compiled.is_there(), reason="the compiled engine is not built"))])
@pytest.mark.parametrize("name", LONG)
def test_the_budget_is_asked_all_the_way_and_its_end_gives_unknown(engine: Any, name: str) -> None:
    model, history = long_history(name, 2_000)
    ample = Ends(10**9)
    assert linearizable(history, model, engine=engine, budget=ample).verdict == "valid"
    assert ample.looks > len(history) // 1_024
    for after in (0, ample.looks // 3, ample.looks * 2 // 3, ample.looks - 1):
        short = Ends(after)
        analysis = linearizable(history, model, engine=engine, budget=short)
        assert analysis.verdict == "unknown"
        assert short.looks == after + 1, "the first time that it is over is the last time that it is asked"
        assert {undecided.reason for undecided in analysis.undecided} == {"the limit of looks"}
