"""Every search with every combination of prunings against brute force; and prunings made wrong, which it notices."""

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from linearizability_cases import (
    CASES,
    HintedRegister,
    brute_force,
    check_order,
    random_register_history,
    running_register,
)

from fencepost.checkers.linearizability import (
    Inconsistent,
    Model,
    Operation,
    Unlimited,
    WorkBudget,
    linearizable,
)
from fencepost.checkers.linearizability.breadth_first import BreadthFirst
from fencepost.checkers.linearizability.configurations import Antichain, Configuration
from fencepost.checkers.linearizability.depth_first import DepthFirst
from fencepost.checkers.linearizability.expansion import Expansion
from fencepost.checkers.linearizability.foresight import Foresight
from fencepost.checkers.linearizability.foresighted import Foresighted
from fencepost.checkers.linearizability.possible_states import PossibleStates
from fencepost.checkers.linearizability.postmortem import examine
from fencepost.checkers.linearizability.preparation import Part, Pending, prepare
from fencepost.checkers.linearizability.prunings import ALL, Prunings
from fencepost.checkers.linearizability.searching import Progress, Search
from fencepost.checkers.linearizability.transitions import REFUSED
from fencepost.checkers.linearizability.window import Window

COMBINATIONS = [Prunings(*chosen) for chosen in itertools.product((False, True), repeat=5)]
SEARCHES: dict[str, Callable[[Part], Search]] = {
    "breadth-first": BreadthFirst, "depth-first": DepthFirst, "beam": lambda part: BreadthFirst(part, 2),
    "foresighted": Foresighted, "possible-states": PossibleStates}


def run(search: Search) -> Progress:
    """Run it to its end in small pieces."""
    progress = Progress.RUNNING
    while progress is Progress.RUNNING:
        progress = search.advance(3)
    return progress


def only_part(operations: list[Operation], model: Model, prunings: Prunings = ALL) -> Part:
    (part,) = prepare(operations, model, True, prunings, Unlimited().spend)
    return part


def histories(count: int, seed: int) -> Iterator[tuple[Model, list[Operation]]]:
    """So many small histories of each kind, always the same."""
    for model, make in CASES:
        draw = random.Random(seed)
        for _ in range(count):
            yield model, make(draw)


def test_every_search_with_every_combination_of_prunings_agrees_with_brute_force() -> None:
    verdicts = []
    refuted = 0
    for number, (model, operations) in enumerate(histories(600, seed=1)):
        possible = brute_force(operations, model)
        verdicts.append(possible)
        deaths = set()
        for name, make in SEARCHES.items():
            for prunings in (ALL, COMBINATIONS[number % 32], COMBINATIONS[(7 * number + 3) % 32]):
                search = make(only_part(operations, model, prunings))
                progress = run(search)
                if name == "possible-states":
                    assert progress is Progress.GAVE_UP or (progress is Progress.REFUTED and not possible)
                    refuted += progress is Progress.REFUTED
                    continue
                if progress is Progress.GAVE_UP and name == "foresighted" and isinstance(model, HintedRegister):
                    assert not possible, "it leaves nothing untried in a history as small as this"
                    continue
                if progress is Progress.GAVE_UP:
                    assert name in ("beam", "foresighted")
                    continue
                assert progress is (Progress.ACCEPTED if possible else Progress.REJECTED), (name, prunings, operations)
                if progress is Progress.REJECTED:
                    deaths.add(search.death().operation)
        assert len(deaths) <= 1, f"the first return that cannot be placed is the same to all: {operations}"
    assert refuted > 100
    assert len(verdicts) // 5 < sum(verdicts) < len(verdicts) * 4 // 5, "both verdicts are tried"


def test_counterexamples_hold() -> None:
    """What is said of a death is true: the orders are possible, hold all that returned, and none can go on."""
    seen = 0
    for model, operations in histories(400, seed=2):
        for make in (BreadthFirst, DepthFirst):
            part = only_part(operations, model)
            search = make(part)
            if run(search) is not Progress.REJECTED:
                continue
            seen += 1
            dying = search.death()
            death = examine(dying, operations, model, part.transitions.renamed)
            end = death.operation.ret
            assert end is not None
            before = [one for one in operations if one.ret is not None and one.ret < end]
            assert len(before) <= death.returned
            assert len(death.frontiers) == len(dying.standings) > 0
            for frontier, order in zip(death.frontiers, death.partial_linearizations(), strict=True):
                check_order(order, model)
                assert not [one for one in before if not any(one is other for other in order)]
                assert death.operation not in order or order.count(death.operation) < operations.count(death.operation)
                assert isinstance(model.step(frontier.state, death.operation), Inconsistent)
            assert brute_force([one for one in operations if one.ret is not None and one.ret < end] + [
                one._replace(ret=None, result=None) for one in operations
                if one.call <= end and (one.ret is None or one.ret >= end)], model)
    assert seen > 100


# --- foresight --------------------------------------------------------------------------------------------------------


def crowded_histories() -> Iterator[list[Operation]]:
    """Many clients on a register of ten values; one answer may be wrong."""
    draw = random.Random(9)
    for _ in range(6):
        yield running_register(draw, 60, 1_000, 10, 0.0)


def looks(kind: Callable[[Part], Search], operations: list[Operation], limit: int) -> tuple[Progress, int]:
    search = kind(only_part(operations, HintedRegister()))
    progress = Progress.RUNNING
    while progress is Progress.RUNNING and search.explored < limit:
        progress = search.advance(1_000)
    return progress, search.explored


def test_foresight_accepts_where_plain_depth_first_loses_its_way() -> None:
    plain = foreseeing = accepted = 0
    for operations in crowded_histories():
        progress, looked = looks(Foresighted, operations, 10_000)
        if progress is Progress.ACCEPTED:
            accepted += 1
            foreseeing += looked
            plain += looks(DepthFirst, operations, 30_000)[1]
            verdict = linearizable(operations, HintedRegister(), engine="pure", budget=WorkBudget(60_000)).verdict
            assert verdict == "valid"
    assert accepted >= 2
    assert 3 * foreseeing < plain


def test_foresight_goes_back_and_gets_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """With little patience it leaves much untried, and is right all the same."""
    monkeypatch.setattr("fencepost.checkers.linearizability.foresighted._PATIENCE", 1)
    monkeypatch.setattr("fencepost.checkers.linearizability.foresighted._SPAN", 2)
    gone_back = accepted = 0
    for model, operations in histories(2_000, seed=5):
        search = Foresighted(only_part(operations, model))
        progress = run(search)
        gone_back += search._has_left and progress is Progress.ACCEPTED
        accepted += progress is Progress.ACCEPTED
        assert progress is Progress.GAVE_UP or brute_force(operations, model)
    assert gone_back > 3
    assert accepted > 400


@pytest.mark.parametrize("blind", ["_is_supplied", "_next_supply"])
def test_foresight_that_overlooks_a_supply_is_noticed(monkeypatch: pytest.MonkeyPatch, blind: str) -> None:
    overlooked: Any = {"_is_supplied": lambda *_: False, "_next_supply": lambda *_: 1 << 62}[blind]
    monkeypatch.setattr(Foresight, blind, overlooked)
    draw = random.Random(6)
    for _ in range(3_000):
        operations = random_register_history(draw)
        if run(Foresighted(only_part(operations, CASES[0][0]))) is Progress.GAVE_UP and brute_force(
                operations, CASES[0][0]):
            return
    pytest.fail("nothing was noticed")


# --- mutants ----------------------------------------------------------------------------------------------------------


def is_noticed(tries: int = 30_000, model: Model = CASES[0][0]) -> bool:
    """Whether, for one of so many small histories, some search judges wrongly or finds a hint of the model wrong."""
    draw = random.Random(3)
    for _ in range(tries):
        operations = random_register_history(draw)
        expected = Progress.ACCEPTED if brute_force(operations, model) else Progress.REJECTED
        try:
            if any(run(search(only_part(operations, model))) is not expected for search in (BreadthFirst, DepthFirst)):
                return True
        except ValueError:
            return True
    return False


def test_without_a_mutation_nothing_is_noticed() -> None:
    assert not is_noticed(3_000)


def test_read_without_purity_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Placing at once whatever leaves this state unchanged, though it may be needed later."""
    enter = Expansion.enter

    def greedy(self: Expansion, configuration: Configuration, pures: list[Pending]) -> Configuration:
        state, low, high, crashed, idle, path = enter(self, configuration, pures)
        for pending in self._window.active:
            if self._after(state, pending.class_id) == state:
                low, high = low | pending.bit, high | pending.bit
        return Configuration(state, low, high, crashed, idle, path)

    monkeypatch.setattr(Expansion, "enter", greedy)
    assert is_noticed()


def test_symmetry_without_deadlines_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    insert = Window._insert

    def latest_first(self: Window, pending: Pending) -> None:
        insert(self, pending)
        self.active.sort(reverse=True)

    def remove(self: Window, pending: Pending) -> None:
        for kept in (self.pure, self.active):
            if pending in kept:
                kept.remove(pending)
        self.overwrites &= ~pending.bit

    monkeypatch.setattr(Window, "_insert", latest_first)
    monkeypatch.setattr(Window, "_remove", remove)
    assert is_noticed()


def test_dominance_without_equality_of_state_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    add = Antichain.add
    monkeypatch.setattr(Antichain, "add", lambda self, one: add(self, one._replace(state=0)) and _as_given(self, one))

    def _as_given(chain: Antichain, one: Configuration) -> bool:
        chain._by_state[0][-1] = one
        return True

    assert is_noticed()


def test_dominance_that_ignores_crashed_operations_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    add = Antichain.add

    def forgetful(self: Antichain, one: Configuration) -> bool:
        kept = self._by_state.get(one.state, [])
        return not any(other.low == one.low and other.high == one.high for other in kept) and add(self, one)

    monkeypatch.setattr(Antichain, "add", forgetful)
    assert is_noticed()


def test_absorbing_what_is_no_overwrite_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    insert = Window._insert

    def absorb_all(self: Window, pending: Pending) -> None:
        insert(self, pending)
        self.overwrites |= pending.bit

    monkeypatch.setattr(Window, "_insert", absorb_all)
    assert is_noticed()


def test_absorbing_without_an_overwrite_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Expansion._read

    def absorb_always(self: Expansion, before: int, state: int, low: int, high: int, *rest: Any) -> Configuration:
        return read(self, before, state, low, high | self._window.overwrites, *rest)

    monkeypatch.setattr(Expansion, "_read", absorb_always)
    assert is_noticed()


def test_renaming_what_a_failed_compare_and_set_observed_is_noticed() -> None:
    class Forgetful(HintedRegister):
        def observed(self, operation: Operation) -> Iterator[Any]:
            if operation.result is not False:
                yield from super().observed(operation)

    assert is_noticed(model=Forgetful())


def test_a_transition_refused_is_not_a_state() -> None:
    """The number for a refusal is no state's number."""
    transitions = only_part([Operation(0, 1, "read", None, 5)], HintedRegister()).transitions
    assert transitions.ask(transitions.initial, 0) == REFUSED < transitions.initial


# --- hints ------------------------------------------------------------------------------------------------------------


def test_a_wrong_overwrites_hint_is_told() -> None:
    class Wrong(HintedRegister):
        def overwrites(self, operation: Operation) -> bool:
            return operation.f in ("write", "cas")

    history = [Operation(0, 1, "write", 2), Operation(0, 2, "cas", (0, 1), True)]
    with pytest.raises(ValueError, match=r"hinted-register calls cas\(\(0, 1\)\) -> True overwriting, but in state"):
        linearizable(history, Wrong(), engine="pure")


def test_a_wrong_renaming_is_told() -> None:
    class Wrong(HintedRegister):
        def observed(self, operation: Operation) -> Iterator[Any]:
            return iter(())

    history = [Operation(0, 1, "write", 1), Operation(0, None, "write", 2), Operation(2, 3, "read", None, 1)]
    with pytest.raises(ValueError, match="renamed"):
        linearizable(history, Wrong(), engine="pure")
