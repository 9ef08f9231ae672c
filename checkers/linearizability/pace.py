"""Looking at the budget in the middle of a long loop."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

#: Of so many items, which take a few milliseconds at most.
_CHUNK = 1_024

#: What the budget is asked by: see `Budget.spend`.
Spend = Callable[[int], None]

T = TypeVar("T")


def unhurried(_: int) -> None:
    """The `Spend` of who has no limit."""


def paced(items: Iterable[T], spend: Spend) -> Iterator[T]:
    """The items; every so many of them the budget is asked, which raises `Exhausted` when it is over."""
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        spend(0)
        yield from chunk
