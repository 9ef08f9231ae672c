"""Which search gets how much work: all parts in turn, and in each part the searches in turn, with doubling budgets.

No search is best everywhere: depth first accepts quickly, with foresight also where very many are pending over many
values, breadth first rejects quickly and holds little, a beam accepts where the concurrency is too high for both. As
their turns grow alike, the portfolio costs no more than a few times what the best of them would alone, and a bad part
answers early however hard the others are. The budget is asked every few milliseconds.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from fencepost.checkers.linearizability.budget import Budget
from fencepost.checkers.linearizability.operation import Operation
from fencepost.checkers.linearizability.searching import Progress, Search

#: The unit of the first turns, in configurations: so many, and so many for each operation.
_FIRST_TURN = 500
_FIRST_TURN_PER_OPERATION = 4
#: Each turn is this many times as long as the one before.
_GROWTH = 2
#: Where so many operations are pending at a time, foresight is worth its price.
CROWD = 13


class Entrant(NamedTuple):
    """A search worth trying.

    begin: how to begin it on a part. share: of each turn. only_refutes: then what it passes is not placed. crowd: it is
        tried only where so many operations that return are pending at a time.
    """

    begin: Callable[[Any], Search]
    share: int
    only_refutes: bool = False
    crowd: int = 0


class SearchablePart(Protocol):
    """What the portfolio needs of a part, in whichever engine."""

    @property
    def key(self) -> Hashable:
        """Its name."""

    @property
    def size(self) -> int:
        """How many operations it has."""

    @property
    def width(self) -> int:
        """How many operations that return are pending at a time."""

    @property
    def slice_work(self) -> int:
        """How much work takes a few milliseconds."""

    @property
    def operations(self) -> Sequence[Operation]:
        """Its operations, as they were given."""

    @property
    def view(self) -> Sequence[Operation]:
        """The same for who may soon have seen enough of them."""

    @property
    def renamed(self) -> bool:
        """Whether VALUE renamed anything."""

    @property
    def searchable(self) -> Any:
        """What its engine's searches begin on."""

    @property
    def entrants(self) -> Sequence[Entrant]:
        """Its engine's searches, in the order of their turns."""


@dataclass(slots=True, eq=False)
class Trial:
    """One part and the searches on it.

    decided: ACCEPTED or REJECTED once known, GAVE_UP when its searches hold too much, RUNNING before.
    by: the search that decided. refuter: one that knows that the part is not linearizable, but not from which
        configurations; the others are then given some time to get as far as it did.
    explored, placed: over all of its searches.
    """

    part: SearchablePart
    decided: Progress = Progress.RUNNING
    by: Search | None = None
    refuter: Search | None = None
    explored: int = 0
    placed: int = 0
    turn: int = 0
    waiting: list[Entrant] = field(default_factory=list)
    begun: list[tuple[Search, Entrant]] = field(default_factory=list)
    held_bytes: int = 0


class Portfolio:
    """All parts of a history."""

    def __init__(self, parts: Sequence[SearchablePart], budget: Budget) -> None:
        self.trials = [
            Trial(part, turn=_FIRST_TURN + _FIRST_TURN_PER_OPERATION * part.size,
                  waiting=[entrant for entrant in part.entrants if part.width >= entrant.crowd])
            for part in parts]
        self.open = list(self.trials)
        self._budget = budget
        self._held_bytes = 0

    def round(self) -> None:
        """A turn for every search of every open part. Raises Exhausted when the budget does."""
        for trial in self.open:
            self._turn(trial)
            trial.turn *= _GROWTH
        self.close()

    def close(self) -> None:
        """Take the decided parts out."""
        self.open = [trial for trial in self.open if trial.decided is Progress.RUNNING]

    def _turn(self, trial: Trial) -> None:
        for search, entrant in list(trial.begun):
            if self._advance(trial, search, entrant):
                return
        while trial.waiting:
            entrant = trial.waiting.pop(0)
            search = entrant.begin(trial.part.searchable)
            trial.begun.append((search, entrant))
            if self._advance(trial, search, entrant):
                return

    def _advance(self, trial: Trial, search: Search, entrant: Entrant) -> bool:
        """One search's turn, in slices; True when the part is out of the round."""
        left = entrant.share * trial.turn
        while left > 0:
            explored = search.explored
            progress = search.advance(min(left, trial.part.slice_work))
            left -= trial.part.slice_work
            explored = search.explored - explored
            trial.explored += explored
            if not entrant.only_refutes:
                trial.placed = max(trial.placed, search.placed)
            if progress is Progress.REFUTED:
                trial.refuter, progress = search, Progress.GAVE_UP
            by = self._explained(trial)
            if by is not None:
                progress = Progress.REJECTED
            if progress in (Progress.ACCEPTED, Progress.REJECTED):
                trial.decided, trial.by = progress, by or search
                trial.begun.clear()
                trial.waiting.clear()
                self._hold(trial)
                return True
            gone = search if progress is Progress.GAVE_UP else self._too_much(trial)
            if gone is not None:
                self._drop(trial, gone)
            self._budget.spend(explored)
            if gone is search:
                return trial.decided is Progress.GAVE_UP
        return False

    @staticmethod
    def _explained(trial: Trial) -> Search | None:
        """A search that stands before the return that is refuted."""
        if trial.refuter is None:
            return None
        return next((search for search, _ in trial.begun
                     if search is not trial.refuter and search.placed == trial.refuter.placed), None)

    def _hold(self, trial: Trial) -> None:
        held = sum(search.memory_bytes for search, _ in trial.begun)
        self._held_bytes += held - trial.held_bytes
        trial.held_bytes = held

    def _too_much(self, trial: Trial) -> Search | None:
        """The part's search that holds most, when all together hold more than they may."""
        limit = self._budget.memory_bytes
        if limit is None:
            return None
        self._hold(trial)
        if self._held_bytes <= limit:
            return None
        return max((search for search, _ in trial.begun), key=lambda search: search.memory_bytes)

    def _drop(self, trial: Trial, gone: Search) -> None:
        trial.begun = [(search, entrant) for search, entrant in trial.begun if search is not gone]
        self._hold(trial)
        if not trial.begun and not trial.waiting:
            trial.decided = Progress.GAVE_UP
