"""Turns, limits and refutations, with searches that do what they are told."""

from collections.abc import Sequence

import pytest

from fencepost.checkers.linearizability import Exhausted, Operation, WorkBudget
from fencepost.checkers.linearizability.portfolio import Entrant, Portfolio
from fencepost.checkers.linearizability.searching import Dying, Progress


class Scripted:
    """Explores one configuration a piece of work, and ends after so many with what it is told."""

    memory_bytes = 100

    def __init__(self, pieces: int, end: Progress, placed: int = 0) -> None:
        self.explored = 0
        self.placed = placed
        self._pieces = pieces
        self._end = end

    def advance(self, work: int) -> Progress:
        self.explored += 1
        return self._end if self.explored >= self._pieces else Progress.RUNNING

    def death(self) -> Dying:
        return Dying(0, self.placed, [], [], 0)


class ScriptedPart:
    """A part with these searches."""

    size = 0
    width = 20
    slice_work = 250
    renamed = False
    operations: Sequence[Operation] = ()
    view: Sequence[Operation] = ()

    def __init__(self, key: str, *searches: Scripted, refuter: Scripted | None = None) -> None:
        self.key = key
        self.searchable = None
        self.entrants = [Entrant(lambda _, search=search: search, 1) for search in searches]  # type: ignore[misc]
        if refuter is not None:
            self.entrants.append(Entrant(lambda _: refuter, 1, only_refutes=True))


def play(portfolio: Portfolio) -> None:
    while portfolio.open:
        portfolio.round()


def decide(*parts: ScriptedPart, budget: WorkBudget | None = None) -> Portfolio:
    portfolio = Portfolio(parts, budget or WorkBudget(10**6))
    play(portfolio)
    return portfolio


def test_the_search_that_decides_first_decides() -> None:
    slow, quick = Scripted(10**6, Progress.REJECTED), Scripted(5, Progress.ACCEPTED)
    (trial,) = decide(ScriptedPart("x", slow, quick)).trials
    assert (trial.decided, trial.by) == (Progress.ACCEPTED, quick)
    assert slow.explored < 20, "turns are about as long for all"


@pytest.mark.parametrize(("crowd", "explored"), [(20, 5), (21, 0)])
def test_what_is_for_crowds_has_its_turn_only_in_one(crowd: int, explored: int) -> None:
    plain, for_crowds = Scripted(9, Progress.REJECTED), Scripted(5, Progress.ACCEPTED)
    part = ScriptedPart("x", plain)
    part.entrants.insert(0, Entrant(lambda _: for_crowds, 1, crowd=crowd))
    (trial,) = decide(part).trials
    assert trial.decided is (Progress.ACCEPTED if explored else Progress.REJECTED)
    assert for_crowds.explored == explored


def test_a_bad_part_answers_however_hard_the_others_are() -> None:
    hard, bad = Scripted(10**9, Progress.ACCEPTED), Scripted(50, Progress.REJECTED)
    portfolio = Portfolio([ScriptedPart("hard", hard), ScriptedPart("bad", bad)], WorkBudget(1_000))
    with pytest.raises(Exhausted):
        play(portfolio)
    assert [trial.decided for trial in portfolio.trials] == [Progress.RUNNING, Progress.REJECTED]


def test_a_part_whose_searches_all_gave_up_is_left_undecided() -> None:
    (trial,) = decide(ScriptedPart("x", Scripted(1, Progress.GAVE_UP), Scripted(3, Progress.GAVE_UP))).trials
    assert trial.decided is Progress.GAVE_UP


def test_a_refutation_is_explained_by_a_search_that_stands_there() -> None:
    there, elsewhere = Scripted(10**9, Progress.ACCEPTED, placed=7), Scripted(10**9, Progress.ACCEPTED, placed=3)
    (trial,) = decide(ScriptedPart("x", elsewhere, there, refuter=Scripted(2, Progress.REFUTED, placed=7))).trials
    assert (trial.decided, trial.by) == (Progress.REJECTED, there)


def test_what_a_refuter_passes_is_not_placed() -> None:
    search, refuter = Scripted(10**9, Progress.ACCEPTED, placed=3), Scripted(2, Progress.GAVE_UP, placed=9)
    portfolio = Portfolio([ScriptedPart("x", search, refuter=refuter)], WorkBudget(50))
    with pytest.raises(Exhausted):
        play(portfolio)
    assert portfolio.trials[0].placed == 3


def test_beyond_the_limit_of_memory_the_largest_search_ends() -> None:
    large, small = Scripted(10**9, Progress.ACCEPTED), Scripted(30, Progress.ACCEPTED)
    large.memory_bytes = 1_000
    (trial,) = decide(ScriptedPart("x", large, small), budget=WorkBudget(10**6, memory_bytes=500)).trials
    assert (trial.decided, trial.by, large.explored) == (Progress.ACCEPTED, small, 1)
