"""Taking items out of a list for as long as a test still holds (delta debugging, Zeller and Hildebrandt 2002).

Hypothesis shrinks what it has drawn itself; a list that came from elsewhere it cannot be given, so this is our own.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def minimise(items: Sequence[T], holds: Callable[[list[T]], bool]) -> list[T]:
    """A sublist, in the same order, for which `holds`, and from which no single item can be taken.

    `holds(items)` is taken for granted. Nothing at all is tried first, then to take out halves, quarters and so on.
    """
    kept = list(items)
    if kept and holds([]):
        return []
    size = len(kept) // 2
    while kept:
        size, before = max(1, size), len(kept)
        place = 0
        while place < len(kept):
            rest = kept[:place] + kept[place + size:]
            if rest and holds(rest):
                kept = rest
            else:
                place += size
        if size == 1 and len(kept) in (1, before):
            break
        size //= 2
    return kept
