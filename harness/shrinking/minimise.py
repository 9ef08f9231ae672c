"""Taking items out of a list for as long as a test still holds (probabilistic delta debugging, Wang et al. 2021).

Each item has a probability of being needed. Of the likeliest to be of no use so many are tried at once as promise most;
if the test fails without them, each of them is likelier to be needed. Hypothesis shrinks what it has drawn itself; a
list that came from elsewhere it cannot be given, so this is our own.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from typing import TypeVar

T = TypeVar("T")

#: Asked with sublists in the order in which they are to be tried: the number of the first for which the test holds,
#: None if it holds for none of them.
FirstThatHolds = Callable[[Iterable[list[T]]], int | None]

#: So many items are thought to be needed at first, and at most such a part of them.
_NEEDED, _LARGEST_PART = 4, 0.4


def minimise(items: Sequence[T], first_that_holds: FirstThatHolds[T]) -> list[T]:
    """A sublist, in the same order, for which the test holds, and from which no single item can be taken.

    That the test holds for all items is taken for granted. Nothing at all is tried first.
    """
    if items and first_that_holds([[]]) is not None:
        return []
    return _without_singles(_without_groups(list(items), first_that_holds), first_that_holds)


def _without_groups(kept: list[T], first_that_holds: FirstThatHolds[T]) -> list[T]:
    """What is left when every item was needed at the time when it was tried."""
    needed = [min(_LARGEST_PART, _NEEDED / max(1, len(kept)))] * len(kept)
    while len(kept) > 1:
        guesses = _Guesses(needed)
        number = first_that_holds(guesses.sublists(kept))
        if number is None:
            break
        gone, needed = guesses.made[number]
        kept = [item for place, item in enumerate(kept) if place not in gone]
        needed = [belief for place, belief in enumerate(needed) if place not in gone]
    return kept


def _without_singles(kept: list[T], first_that_holds: FirstThatHolds[T]) -> list[T]:
    """What is left when each single item is needed, tried from the last to the first and around."""
    begin = len(kept) - 1
    while len(kept) > 1:
        places = [*range(begin, -1, -1), *range(len(kept) - 1, begin, -1)]
        number = first_that_holds(kept[:place] + kept[place + 1:] for place in places)
        if number is None:
            break
        del kept[places[number]]
        begin = (places[number] - 1) % len(kept)
    return kept


class _Guesses:
    """What to take out, for as long as nothing helps. made: of each guess the places, and the beliefs before it."""

    def __init__(self, needed: list[float]) -> None:
        self._needed = needed
        self.made: list[tuple[set[int], list[float]]] = []

    def sublists(self, items: list[T]) -> Iterator[list[T]]:
        """The items without each guess in turn, taking for granted that the ones before did not help."""
        while gone := _best_group(self._needed):
            self.made.append((gone, self._needed))
            yield [item for place, item in enumerate(items) if place not in gone]
            some_needed = 1 - prod(1 - self._needed[place] for place in gone)
            self._needed = [
                min(1.0, belief / some_needed) if place in gone else belief
                for place, belief in enumerate(self._needed)]


def _best_group(needed: list[float]) -> set[int]:
    """The places of the items that promise the largest gain if they all go, never all; none if all are needed."""
    unsure = [place for place, belief in enumerate(needed) if belief < 1]
    order = sorted(unsure, key=lambda place: (needed[place], -place))[:len(needed) - 1]
    best, best_gain, chance = 0, 0.0, 1.0
    for size, place in enumerate(order, start=1):
        chance *= 1 - needed[place]
        if size * chance > best_gain:
            best, best_gain = size, size * chance
    return set(order[:best])
