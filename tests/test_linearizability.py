"""The reference search against brute force, and by examples."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fencepost.checkers.linearizability import Inconsistent, Model, Operation, WorkBudget, linearizable, models
from fencepost.harness.budget import WallBudget


def brute_force(operations: list[Operation], model: Model) -> bool:
    """Try every order of every choice of crashed operations."""
    returned = [operation for operation in operations if not operation.crashed]
    crashed = [operation for operation in operations if operation.crashed]
    for count in range(len(crashed) + 1):
        for chosen in itertools.combinations(crashed, count):
            if any(_is_witness(order, model) for order in itertools.permutations([*returned, *chosen])):
                return True
    return False


def _is_witness(order: tuple[Operation, ...], model: Model) -> bool:
    for earlier, later in itertools.combinations(order, 2):
        if later.ret is not None and later.ret < earlier.call:
            return False
    state: Any = model.init()
    for operation in order:
        state = model.step(state, operation)
        if isinstance(state, Inconsistent):
            return False
    return True


@st.composite
def register_histories(draw: st.DrawFn) -> list[Operation]:
    operations = []
    for process in range(draw(st.integers(1, 6))):
        call = draw(st.integers(0, 8))
        ret = draw(st.one_of(st.none(), st.integers(call, 10)))
        f = draw(st.sampled_from(["read", "write", "cas"]))
        value = st.integers(0, 2)
        argument: Any = None
        result: Any = None
        if f == "write":
            argument = draw(value)
        elif f == "cas":
            argument = (draw(value), draw(value))
            result = draw(st.sampled_from([True, True, False])) if ret is not None else None
        elif ret is not None:
            result = draw(st.one_of(st.none(), value))
        operations.append(Operation(call, ret, f, argument, result, process))
    return operations


@settings(max_examples=400, deadline=None)
@given(register_histories(), st.sampled_from([models.CAS_REGISTER, models.ETCD]))
def test_the_search_agrees_with_brute_force(operations: list[Operation], model: Model) -> None:
    assert (linearizable(operations, model).verdict == "valid") is brute_force(operations, model)


@st.composite
def mutex_histories(draw: st.DrawFn) -> list[Operation]:
    operations = []
    for process in range(draw(st.integers(1, 6))):
        call = draw(st.integers(0, 8))
        ret = draw(st.one_of(st.none(), st.integers(call, 10)))
        operations.append(Operation(call, ret, draw(st.sampled_from(["acquire", "release"])), None, None, process))
    return operations


@settings(max_examples=200, deadline=None)
@given(mutex_histories())
def test_the_search_agrees_with_brute_force_on_a_lock(operations: list[Operation]) -> None:
    assert (linearizable(operations, models.MUTEX).verdict == "valid") is brute_force(operations, models.MUTEX)


def test_a_stale_read_is_explained() -> None:
    history = [Operation(0, 1, "write", 1, None, 0), Operation(2, 3, "write", 2, None, 0),
               Operation(4, 5, "read", None, 1, 7)]
    analysis = linearizable(history, models.REGISTER)
    assert analysis.verdict == "invalid"
    assert analysis.words() == (
        "read() -> 1 by process 7 (called at 4, returned at 5) cannot be placed after the 2 operations that returned "
        "before it: read 1 but the register holds 2")


def test_closed_intervals_that_touch_overlap() -> None:
    assert linearizable([Operation(0, 5, "write", 1), Operation(5, 9, "read", None, 0)],
                        models.Register(initial=0)).verdict == "valid"
    assert linearizable([Operation(0, 4, "write", 1), Operation(5, 9, "read", None, 0)],
                        models.Register(initial=0)).verdict == "invalid"


def test_a_crashed_write_may_take_effect_late_but_only_once() -> None:
    crashed = Operation(0, None, "write", 1)
    reads = [Operation(10 * n, 10 * n + 5, "read", None, value) for n, value in enumerate([0, 1, 1], start=1)]
    assert linearizable([crashed, *reads], models.Register(initial=0)).verdict == "valid"
    back = Operation(50, 55, "read", None, 0)
    assert linearizable([crashed, *reads, back], models.Register(initial=0)).verdict == "invalid"


def test_keys_are_judged_one_by_one() -> None:
    history = [Operation(0, 1, "put", ("x", "1")), Operation(2, 3, "append", ("x", "2")),
               Operation(4, 5, "get", "x", "12"), Operation(6, 7, "get", "y", "12")]
    analysis = linearizable(history, models.KV)
    assert [part for part, _ in analysis.deaths] == ["y"]
    assert linearizable(history[:3], models.KeyValue(whole=True)).verdict == "valid"


@pytest.mark.parametrize(("budget", "limit"), [
    (WorkBudget(0), "the limit of 0 configurations"), (WallBudget(0), "the time limit of 0 s")])
def test_a_spent_budget_is_unknown_and_never_invalid(budget: WorkBudget | WallBudget, limit: str) -> None:
    history = [Operation(2 * n, 2 * n + 1, "write", n) for n in range(20_000)]
    analysis = linearizable(history, models.REGISTER, budget=budget, specialised=False)
    assert analysis.verdict == "unknown"
    assert [(undecided.part, undecided.operations) for undecided in analysis.undecided] == [(None, len(history))]
    assert f"undecided within {limit}: " in analysis.words()


def test_within_its_budget_a_history_is_decided() -> None:
    analysis = linearizable([Operation(0, 1, "write", 1)], models.REGISTER, budget=WallBudget(60.0))
    assert analysis.verdict == "valid"


def test_a_wrong_readonly_hint_is_told() -> None:
    class Wrong(models.Register):
        def readonly(self, operation: Operation) -> bool:
            return True

    with pytest.raises(ValueError, match="calls write\\(1\\) readonly"):
        linearizable([Operation(0, 1, "write", 1)], Wrong())


def test_many_crashed_writes_of_one_value_stay_cheap() -> None:
    crashed = [Operation(n, None, "write", 1) for n in range(200)]
    reads = [Operation(1000 + 2 * n, 1001 + 2 * n, "read", None, 1 if n % 2 else 0) for n in range(2)]
    analysis = linearizable([*crashed, *reads], models.Register(initial=0))
    assert analysis.verdict == "valid"
    assert analysis.explored < 50
