"""Looking at the budget in the middle of a long loop."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

#: Of so many items, which take a few milliseconds at most; of few at first, for many loops end after a few.
_FIRST_CHUNK = 32
_CHUNK = 1_024

#: What the budget is asked by: see `Budget.spend`.
Spend = Callable[[int], None]

T = TypeVar("T")


def unhurried(_: int) -> None:
    """The `Spend` of who has no limit."""


def paced(items: Iterable[T], spend: Spend) -> Iterator[T]:
    """The items; every so many of them the budget is asked, which raises `Exhausted` when it is over."""
    iterator = iter(items)
    size = _FIRST_CHUNK
    while chunk := list(islice(iterator, size)):
        spend(0)
        yield from chunk
        size = min(2 * size, _CHUNK)
