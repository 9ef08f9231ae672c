"""The compiled engine is held against brute force and the pure one, and must give back what it takes."""

import contextlib
import gc
import json
import random
import shutil
import sysconfig
import tracemalloc
from array import array
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from linearizability_cases import CASES, HintedRegister, brute_force, check_order, random_register_history

from fencepost.checkers.linearizability import (
    Columns,
    Inconsistent,
    Model,
    Operation,
    Unlimited,
    WorkBudget,
    compiled,
    linearizable,
    models,
    pure,
)
from fencepost.checkers.linearizability.operation import NEVER
from fencepost.checkers.linearizability.postmortem import examine
from fencepost.checkers.linearizability.prunings import Prunings
from fencepost.checkers.linearizability.searching import Progress, Search

built = pytest.mark.skipif(not compiled.is_there(), reason="the compiled engine is not built")
ROOT = Path(__file__).resolve().parent.parent


def _is_installed_from_here() -> bool:
    try:
        origin = metadata.distribution("fencepost").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return False
    return origin is not None and json.loads(origin).get("url") == ROOT.as_uri()


@pytest.mark.skipif(shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) is None, reason="no C compiler")
@pytest.mark.skipif(not _is_installed_from_here(), reason="this tree is not the one installed")
def test_where_there_is_a_compiler_the_compiled_engine_is_the_one_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FENCEPOST_PURE", raising=False)
    assert linearizable([Operation(0, 1, "write", 1)], models.REGISTER, specialised=False).engine == "compiled"


@built
@pytest.mark.parametrize(("value", "engine"), [("1", "pure"), ("", "compiled"), ("0", "compiled")])
def test_the_environment_chooses_the_engine(monkeypatch: pytest.MonkeyPatch, value: str, engine: str) -> None:
    monkeypatch.setenv("FENCEPOST_PURE", value)
    history = [Operation(0, 1, "write", 1)]
    assert linearizable(history, models.REGISTER, specialised=False).engine == engine
    assert linearizable(history, models.REGISTER, engine="compiled", specialised=False).engine == "compiled"


def test_without_the_extension_the_compiled_engine_is_refused_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_search", None)
    assert linearizable([], models.REGISTER).engine == "pure"
    with pytest.raises(ValueError, match="was not built here"):
        linearizable([], models.REGISTER, engine="compiled")


def run(search: Search) -> Progress:
    """Run it to its end in small pieces."""
    progress = Progress.RUNNING
    while progress is Progress.RUNNING:
        progress = search.advance(3)
    return progress


@built
def test_every_compiled_search_agrees_with_brute_force_whatever_is_pruned() -> None:
    for model, make in CASES:
        draw = random.Random(4)
        for number in range(800):
            operations = make(draw)
            possible = brute_force(operations, model)
            for bits in (31, number % 32):
                prunings = Prunings(*(bool(bits >> place & 1) for place in range(5)))
                _agree(operations, model, prunings, possible)


def _agree(operations: list[Operation], model: Model, prunings: Prunings, possible: bool) -> None:
    plain = linearizable(operations, model, engine="pure", specialised=False)
    (part,) = compiled.parts(operations, model, True, prunings, Unlimited().spend)
    for entrant in part.entrants:
        search = entrant.begin(part.searchable)
        progress = run(search)
        if progress is Progress.GAVE_UP or (progress is Progress.REFUTED and not possible):
            continue
        assert progress is (Progress.ACCEPTED if possible else Progress.REJECTED), (prunings, operations)
        if progress is Progress.REJECTED:
            death = examine(search.death(), operations, model, part.renamed)
            assert (death.operation, death.returned) == (plain.deaths[0][1].operation, plain.deaths[0][1].returned)
            for frontier, order in zip(death.frontiers, death.partial_linearizations(), strict=True):
                check_order(order, model)
                assert isinstance(model.step(frontier.state, death.operation), Inconsistent)


# --- what it reads ----------------------------------------------------------------------------------------------------


def bad_history() -> list[Operation]:
    """Two keys; a stale read on the second; a crashed write."""
    return [Operation(0, 1, "write", 1, None, 0, "x"), Operation(2, 3, "write", 1, None, 0, "y"),
            Operation(4, 5, "write", 2, None, 1, "y"), Operation(4, None, "write", 3, None, 2, "x"),
            Operation(6, 7, "read", None, 1, 3, "y"), Operation(6, 7, "read", None, 3, 3, "x")]


@built
@pytest.mark.parametrize("engine", ["pure", "compiled"])
@pytest.mark.parametrize("as_arrays", [False, True])
def test_columns_are_judged_as_operations(engine: Any, as_arrays: bool) -> None:
    history = bad_history()
    call, ret, f, argument, result, process, key = (list(column) for column in zip(*history, strict=True))
    if as_arrays:
        columns = Columns(array("q", call), array("q", [NEVER if end is None else end for end in ret]), f, argument,
                          result, process, key)
    else:
        columns = Columns(call, ret, f, argument, result, process, key)
    assert list(columns) == history
    assert columns[1:3] == history[1:3]
    analyses = [linearizable(given, models.REGISTER, engine=engine, specialised=False) for given in (columns, history)]
    assert analyses[0] == analyses[1]
    assert [(part, death.operation) for part, death in analyses[0].deaths] == [("y", history[4])]


@pytest.mark.parametrize("engine", [pure, pytest.param(compiled, marks=built)])
def test_a_part_shows_its_operations(engine: Any) -> None:
    history = bad_history()
    for given in (history, Columns(*map(list, zip(*history, strict=True)))):  # type: ignore[arg-type]
        for part in engine.parts(given, models.REGISTER, True, Prunings(), Unlimited().spend):
            own = [operation for operation in history if operation.key == part.key]
            assert list(part.view) == list(part.operations) == own
            assert (len(part.view), part.size, part.view[1]) == (len(own), len(own), own[1])
            with pytest.raises(IndexError):
                part.view[len(own)]


def test_pairs_of_the_same_values_are_one_class() -> None:
    """Whether or not they are the same objects, and whatever else is alike."""
    far = 10**9
    cases = [(far, far + 1), (far, far + 1), (far, far + 2), (far + 1, far)]
    history = [Operation(0, 1, "write", far)]
    for n, expected in enumerate(cases):
        history.append(Operation(2 * n + 2, 2 * n + 3, "cas", (expected[0] + 0, expected[1] + 0), True))
    verdicts = {linearizable(history, models.CAS_REGISTER, engine=engine, specialised=False).verdict
                for engine in (("pure", "compiled") if compiled.is_there() else ("pure",))}
    assert verdicts == {"invalid"}
    assert linearizable(history[:2], models.CAS_REGISTER, specialised=False).verdict == "valid"


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="the column ret has 2 entries, but there are 1 calls"):
        Columns([0], [1, 2], ["read"])


@built
@pytest.mark.parametrize("columns", [
    Columns(array("d", [0.0]), [1], ["read"]),
    Columns(array("i", [0]), [1], ["read"]),
])
def test_times_of_another_kind_are_refused(columns: Columns) -> None:
    with pytest.raises(ValueError, match="signed 64-bit integers"):
        linearizable(columns, models.REGISTER, engine="compiled")


@built
@pytest.mark.parametrize(("operation", "error", "words"), [
    (Operation(5, 4, "write", 1), ValueError, r"operation 0, write\(1\), returns at 4 before it is called at 5"),
    (Operation("0", 1, "write", 1), TypeError, "operation 0 has the time '0', which is no integer"),  # type: ignore[arg-type]
    (Operation(2**70, None, "write", 1), ValueError, "does not fit 64 bits"),
    ((0, 1, "write"), TypeError, "operation 0 is a tuple, not an Operation"),
    (Operation(0, 1, "write", [1]), TypeError, "unhashable"),
])
def test_operations_that_cannot_be_are_refused(operation: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        linearizable([operation], models.REGISTER, engine="compiled")


@built
def test_times_far_apart_and_out_of_order_are_sorted() -> None:
    draw = random.Random(8)
    starts = sorted(draw.randrange(-2**62, 2**62) for _ in range(500))
    history = [Operation(start, start + 1, "write", n) for n, start in enumerate(starts)]
    history += [Operation(start + 2, start + 3, "read", None, n) for n, start in enumerate(starts)]
    draw.shuffle(history)
    assert linearizable(history, models.REGISTER, engine="compiled", specialised=False).verdict == "valid"
    history.append(Operation(starts[300] + 4, starts[300] + 5, "read", None, 299))
    assert linearizable(history, models.REGISTER, engine="compiled", specialised=False).verdict == "invalid"


@built
def test_more_than_sixty_four_pending_and_crashed_operations() -> None:
    crashed = [Operation(n, None, "write", n) for n in range(150)]
    open_long = [Operation(200 + n, 10_000 + n, "cas", (n, n + 1), True) for n in range(150)]
    reads = [Operation(1_000 + 2 * n, 1_001 + 2 * n, "read", None, n) for n in range(100, 151)]
    model = models.Register("cas-register", 0, cas=True)
    history = [*crashed, *open_long, *reads]
    assert linearizable(history, model, engine="compiled", specialised=False).verdict == "valid"
    history.append(Operation(5_000, 5_001, "read", None, 151))
    analysis = linearizable(history, model, engine="compiled", specialised=False, budget=WorkBudget(2_000))
    assert analysis.verdict != "valid"


# --- hints, errors, limits --------------------------------------------------------------------------------------------


@built
@pytest.mark.parametrize("hint", ["readonly", "overwrites"])
def test_a_wrong_hint_is_told(hint: str) -> None:
    wrong = type("Wrong", (HintedRegister,), {hint: lambda self, operation: operation.f in ("write", "cas")})()
    history = [Operation(0, 1, "write", 2), Operation(2, 3, "cas", (0, 1), True)]
    with pytest.raises(ValueError, match="hinted-register calls"):
        linearizable(history, wrong, engine="compiled")


class Adding(HintedRegister):
    """A counter of which a subclass may say wrong things."""

    def step(self, state: Any, operation: Operation) -> Any:
        return models.Counter().step(state, operation)

    def overwrites(self, operation: Operation) -> bool:
        return False

    def observed(self, operation: Operation) -> Any:
        return ()

    def rename(self, operation: Operation, observed: Any) -> Operation:
        return operation

    def readonly(self, operation: Operation) -> bool:
        return operation.f == "read"

    def adds(self, operation: Operation) -> tuple[int, int | None] | None:
        return models.Counter().adds(operation)


@pytest.mark.parametrize("engine", ["pure", pytest.param("compiled", marks=built)])
@pytest.mark.parametrize(("hint", "words"), [
    ((2, None), "an addition of 2, but in state 0 it turns this into 1"),
    ((1, 5), "an addition of 1, but in state 0 it turns this into 1"),
    ((1, None), None),
])
def test_a_wrong_addition_is_told(engine: Any, hint: tuple[int, int | None], words: str | None) -> None:
    class Wrong(Adding):
        def adds(self, operation: Operation) -> tuple[int, int | None] | None:
            return hint if operation.f == "add" else super().adds(operation)

    history = [Operation(0, 1, "add", 1), Operation(2, 3, "read", None, 1)]
    if words is None:
        assert linearizable(history, Wrong(), engine=engine).verdict == "valid"
    else:
        with pytest.raises(ValueError, match=words):
            linearizable(history, Wrong(), engine=engine)


@pytest.mark.parametrize("engine", ["pure", pytest.param("compiled", marks=built)])
@pytest.mark.parametrize("step", [1, 2**60, 2**61 - 1, 2**62, 2**63 - 1, 2**64, -2**63, -2**70])
def test_numbers_of_any_size_are_added(engine: Any, step: int) -> None:
    history = [one for n in range(1_500) for one in (
        Operation(4 * n, 4 * n + 3, "add", step), Operation(4 * n + 2, 4 * n + 5, "read", None, step * n),
        Operation(4 * n + 2, 4 * n + 5, "get-and-add", 0, step * (n + 1)))]
    assert linearizable(history, models.Counter(), engine=engine).verdict == "valid"
    history[-1] = history[-1]._replace(result=step * 1_501)
    assert linearizable(history, models.Counter(), engine=engine).verdict == "invalid"


@built
def test_an_error_in_the_model_comes_through() -> None:
    class Broken(HintedRegister):
        def step(self, state: Any, operation: Operation) -> Any:
            raise ArithmeticError("not today")

    with pytest.raises(ArithmeticError, match="not today"):
        linearizable([Operation(0, 1, "read", None, 0)], Broken(), engine="compiled")


@built
def test_a_model_cannot_advance_the_search_that_asks_it() -> None:
    class Meddling(HintedRegister):
        search: Any = None

        def step(self, state: Any, operation: Operation) -> Any:
            if self.search is not None:
                self.search.advance(1)
            return super().step(state, operation)

    model = Meddling()
    (part,) = compiled.parts([Operation(0, 1, "read", None, 0)], model, True, Prunings(), Unlimited().spend)
    search = part.entrants[0].begin(part.searchable)
    Meddling.search = search
    with pytest.raises(RuntimeError, match="the model called the search"):
        search.advance(1)
    Meddling.search = None


def hopeless(size: int) -> list[Operation]:
    """A history that needs all subsets: increments that overlap and a read that fits none."""
    adds = [Operation(n, 10_000 + n, "add", 2**n) for n in range(size)]
    return [*adds, Operation(5_000, 6_000, "read", None, 3**size)]


@built
@pytest.mark.parametrize("engine", ["pure", "compiled"])
def test_a_limit_gives_unknown_with_how_far_it_got(engine: Any) -> None:
    easy = [Operation(-10, -9, "add", 0), Operation(-8, -7, "read", None, 0)]
    counter = CASES[1][0]
    analysis = linearizable([*easy, *hopeless(30)], counter, engine=engine, budget=WorkBudget(20_000))
    assert analysis.verdict == "unknown"
    (undecided,) = analysis.undecided
    assert (undecided.placed, undecided.operations) == (2, 33)
    assert undecided.reason == "the limit of 20,000 configurations"
    assert 10_000 < undecided.explored < 60_000


@built
@pytest.mark.parametrize("engine", ["pure", "compiled"])
def test_a_limit_of_memory_gives_unknown(engine: Any) -> None:
    limit = 1_000_000
    analysis = linearizable(
        hopeless(30), CASES[1][0], engine=engine, budget=WorkBudget(10**9, memory_bytes=limit))
    assert analysis.verdict == "unknown"
    assert analysis.undecided[0].reason == "the memory limit of 1,000,000 bytes"


@built
def test_nothing_leaks() -> None:
    draw = random.Random(12)
    histories = [random_register_history(draw) for _ in range(40)]

    def judge_all() -> None:
        for operations in histories:
            linearizable(operations, HintedRegister(), engine="compiled")
            with contextlib.suppress(ValueError):
                linearizable([*operations, Operation(9, 8, "read")], HintedRegister(), engine="compiled")

    rounds = 60
    held = []
    tracemalloc.start()
    try:
        for number in range(2 * rounds + 1):
            judge_all()
            if number % rounds == 0:
                gc.collect()
                held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    # The interpreter keeps some freed objects for itself, ever fewer more; a leak would go on in the second half.
    grown = held[2] - held[1]
    assert grown < 12 * rounds * len(histories), f"{grown} bytes more after {rounds * len(histories)} judgements"
