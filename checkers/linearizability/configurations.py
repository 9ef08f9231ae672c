"""Configurations and antichains of them.

A configuration is what a partial linearization amounts to: the object's state and which pending operations are done. It
stands for every choice between `low` and `high` (see ABS in prunings.py); without ABS the two are equal.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple


class Configuration(NamedTuple):
    """See above.

    state: number of the object's state. low, high: slots of returning operations done for certain, and possibly.
    crashed: bits of the crashed operations used.
    idle: just made by an overwrite after which nothing was linearized yet.
    path: the order that led here, the last first, as (index, path before); -1 - index for an operation that counts as
        done just before the last overwrite before it.
    """

    state: int
    low: int
    high: int
    crashed: int
    idle: bool
    path: Any


#: `Configuration(*fields)` from a tuple of the fields, at half the cost: millions of them are made.
configured: Callable[[tuple[int, int, int, int, bool, Any]], Configuration] = partial(tuple.__new__, Configuration)


class Antichain:
    """Configurations of which none covers another (or, with `exact`, of which no two are alike)."""

    __slots__ = ("_by_state", "_exact", "count")

    def __init__(self, exact: bool) -> None:
        self._by_state: dict[int, list[Configuration]] = {}
        self._exact = exact
        self.count = 0

    def add(self, configuration: Configuration) -> bool:
        """Add it and drop what it covers; False when it is covered itself."""
        state, low, high, crashed, idle, _ = configuration
        kept = self._by_state.get(state)
        if kept is None:
            self._by_state[state] = [configuration]
            self.count += 1
            return True
        if self._exact:
            for _, low_a, high_a, crashed_a, idle_a, _ in kept:
                if low_a == low and high_a == high and crashed_a == crashed and idle_a is idle:
                    return False
        else:
            covers = False
            for _, low_a, high_a, crashed_a, idle_a, _ in kept:
                if low_a & low == low_a and high_a & high == high and crashed_a & crashed == crashed_a and (
                        idle or not idle_a):
                    return False
                covers = covers or (low & low_a == low and high & high_a == high_a and crashed & crashed_a == crashed
                                    and (idle_a or not idle))
            if covers:
                self._drop_covered(kept, configuration)
        kept.append(configuration)
        self.count += 1
        return True

    def _drop_covered(self, kept: list[Configuration], configuration: Configuration) -> None:
        _, low, high, crashed, idle, _ = configuration
        before = len(kept)
        kept[:] = [
            other for other in kept
            if not (low & other.low == low and high & other.high == other.high
                    and crashed & other.crashed == crashed and (other.idle or not idle))]
        self.count -= before - len(kept)

    def configurations(self) -> list[Configuration]:
        """All that are left."""
        return [configuration for kept in self._by_state.values() for configuration in kept]
