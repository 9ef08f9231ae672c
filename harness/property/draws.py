"""Random choices made by Hypothesis: what draws from a seed draws from a property test too, and can be shrunk."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

#: From this width on, numbers (of microseconds) are drawn in whole milliseconds, which are easier to read.
_COARSE = 20_000
_MILLISECOND = 1_000


class HypothesisDraws:
    """Matches the `Draws` of the nemesis and of the workload. `draw` is that of `strategies.composite`.

    Weights are not kept: Hypothesis looks for what breaks, not for what is usual, and shrinks to the first item.
    """

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def below(self, bound: int) -> int:
        """An integer in [0, bound)."""
        return self._draw(st.integers(0, bound - 1))

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        step = _MILLISECOND if high - low >= _COARSE else 1
        return low + step * self._draw(st.integers(0, (high - low) // step))

    def chance(self, numerator: int, denominator: int) -> bool:
        """True or False."""
        return numerator > 0 and self._draw(st.booleans())

    def choice(self, items: Sequence[Any]) -> Any:
        """One item."""
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[tuple[Any, int]]) -> Any:
        """One item, whatever its weight."""
        return self.choice(items)[0]

    def shuffled(self, items: Sequence[Any]) -> list[Any]:
        """A shuffled copy."""
        return self._draw(st.permutations(items))

    def sample(self, items: Sequence[Any], count: int) -> list[Any]:
        """`count` different items."""
        return self.shuffled(items)[:count]
