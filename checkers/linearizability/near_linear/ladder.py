"""Something that goes up one level at a time: a version, the length of a log.

Let step v be the moment at which level v is reached. An operation that saw a level below v tells that step v came no
earlier than its call; one that saw level v or higher, that it came no later than its return. Steps come in their order,
so there are moments for all of them exactly if the latest such call of the steps up to v is never after the earliest
such return of step v. Intervals are closed: moments may coincide.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, NamedTuple

from fencepost.checkers.linearizability.operation import Operation
from fencepost.checkers.linearizability.pace import Spend, paced

#: Given a level, the lowest from it on that an operation may be at.
Choice = Callable[[int], int]


class Contradiction(NamedTuple):
    """`reached` returned before `below` was called; but it saw level `high`, and `below` a level under `low` <= `high`.
    """

    reached: Operation
    high: int
    below: Operation
    low: int


class Ladder:
    """The steps from level `first` (where it starts) to level `top`, and what operations tell of them."""

    def __init__(self, first: int, top: int, spend: Spend) -> None:
        self._spend = spend
        self._first = first
        self._below: list[Operation | None] = [None] * (top - first + 1)
        self._reached: list[Operation | None] = [None] * (top - first + 1)

    def below(self, level: int, operation: Operation) -> None:
        """It saw a level below this one, or is what makes this one."""
        place = level - self._first
        known = self._below[place]
        if known is None or operation.call > known.call:
            self._below[place] = operation

    def reached(self, level: int, operation: Operation) -> None:
        """It saw this level or a higher one, or is what makes this one. One that crashed tells nothing by that."""
        if operation.ret is None:
            return
        place = level - self._first
        known = self._reached[place]
        if known is None or known.ret is None or operation.ret < known.ret:
            self._reached[place] = operation

    def contradiction(self) -> Contradiction | None:
        """The first one; None if there are moments for all steps."""
        latest: Operation | None = None
        low = 0
        for place, (below, reached) in enumerate(
                paced(zip(self._below, self._reached, strict=True), self._spend)):
            if below is not None and (latest is None or below.call > latest.call):
                latest, low = below, place
            if latest is not None and reached is not None and reached.ret is not None and reached.ret < latest.call:
                return Contradiction(reached, self._first + place, latest, self._first + low)
        return None

    def unplaceable(self, choosy: Iterable[tuple[Operation, Choice]]) -> Operation | None:
        """The first of the operations that finds no level that it may be at; None if all find one.

        Each in the order of calls takes the lowest level that its interval allows and that is not below one that an
        operation before it had to take: all that they demand of each other are lower bounds, so the lowest is best.
        """
        after = self._latest_calls()
        before = self._earliest_returns()
        running: list[tuple[int, int]] = []
        bound = 0
        for operation, choice in paced(sorted(choosy, key=_called), self._spend):
            if operation.ret is None:
                continue
            while running and running[0][0] < operation.call:
                bound = max(bound, heappop(running)[1])
            level = max(bound, bisect_left(before, operation.call))
            level = choice(self._first + level) - self._first
            if level >= len(after) or after[level] > operation.ret:
                return operation
            heappush(running, (operation.ret, level))
        return None

    def _latest_calls(self) -> list[float]:
        """For each level the moment before which nobody can be at it."""
        latest = float("-inf")
        calls = []
        for below in paced(self._below, self._spend):
            latest = latest if below is None else max(latest, below.call)
            calls.append(latest)
        return calls

    def _earliest_returns(self) -> list[float]:
        """For each level the moment after which nobody can be at it."""
        earliest = float("inf")
        returns = []
        for reached in paced(reversed(self._reached), self._spend):
            returns.append(earliest)
            if reached is not None and reached.ret is not None:
                earliest = min(earliest, reached.ret)
        return returns[::-1]


def _called(choosy: tuple[Operation, Choice]) -> int:
    return choosy[0].call


def avoiding(avoided: int) -> Choice:
    """Any level but this one."""
    return lambda level: level + (level == avoided)


@dataclass(frozen=True, slots=True)
class Spare:
    """An operation that may have made a level that nobody is known to have made.

    value: what it put there. level: the only one that it can have made; None for any.
    """

    operation: Operation
    value: Any
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Filled:
    """Who made the levels that nobody was known to have made.

    makers: by level. unfilled: the first level for which there is nobody.
    exact: whether no other choice could have been better.
    left: the operations that made none of these levels.
    """

    makers: Mapping[int, Operation]
    unfilled: int | None
    exact: bool
    left: Sequence[Operation]


def fill(holes: Sequence[int], known: Mapping[int, Any], spares: Sequence[Spare]) -> Filled:
    """Choose makers for the levels `holes` (ascending), of which `known` have a value that was seen.

    A level whose value was seen takes an operation that put that value; what is left goes by the earliest call to the
    lowest level, which is best among operations that could all have made any of them.
    """
    by_value: dict[Any, list[Spare]] = {}
    for spare in sorted(spares, key=lambda spare: spare.operation.call):
        by_value.setdefault(spare.value, []).append(spare)
    makers: dict[int, Operation] = {}
    exact = True
    for level in holes:
        if level in known:
            able = [spare for spare in by_value.get(known[level], ()) if spare.level in (None, level)]
            if not able:
                return Filled(makers, level, exact, ())
            exact = exact and len(able) == 1
            makers[level] = able[0].operation
            by_value[known[level]].remove(able[0])
    left = sorted((spare for able in by_value.values() for spare in able), key=lambda spare: spare.operation.call)
    anywhere = [spare for spare in left if spare.level is None]
    at_level: dict[int, list[Spare]] = {}
    for spare in left:
        if spare.level is not None:
            at_level.setdefault(spare.level, []).append(spare)
    used = 0
    for level in holes:
        if level in makers:
            continue
        tied = at_level.get(level)
        if tied:
            exact = exact and len(tied) == 1 and not anywhere
            makers[level] = tied.pop(0).operation
        elif used < len(anywhere):
            # The rule of the earliest call is proved for operations that may return at any time.
            exact = exact and anywhere[used].operation.ret is None
            makers[level] = anywhere[used].operation
            used += 1
        else:
            return Filled(makers, level, exact, ())
    unused = [*anywhere[used:], *(spare for tied in at_level.values() for spare in tied)]
    return Filled(makers, None, exact, [spare.operation for spare in unused])
