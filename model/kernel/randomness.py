"""Named random streams.

Each stream decides one thing (a link's latency, a disk's, a client's choices), so that taking one fault out of a run
leaves every other draw as it was. Streams use only `getrandbits` and integer arithmetic: every Python draws alike.
"""

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Stream:
    """A stream of random draws, a pure function of (seed, name)."""

    __slots__ = ("bits",)

    def __init__(self, seed: int, name: str) -> None:
        material = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        #: `bits(k)` gives a uniform integer of k bits; the one primitive of all draws.
        self.bits = random.Random(int.from_bytes(material, "big")).getrandbits

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound). Raises ValueError unless bound is positive."""
        if bound <= 0:
            raise ValueError(f"below({bound}): the bound must be positive")
        width = bound.bit_length()
        draw = self.bits(width)
        while draw >= bound:
            draw = self.bits(width)
        return draw

    def between(self, low: int, high: int) -> int:
        """A uniform integer in [low, high], both ends included."""
        return low + self.below(high - low + 1)

    def chance(self, numerator: int, denominator: int) -> bool:
        """True with probability numerator/denominator."""
        return self.below(denominator) < numerator

    def choice(self, items: Sequence[T]) -> T:
        """One item, uniformly."""
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[tuple[T, int]]) -> T:
        """One item by integer weights; items are (item, weight)."""
        draw = self.below(sum(weight for _, weight in items))
        for item, weight in items:
            draw -= weight
            if draw < 0:
                return item
        raise AssertionError("unreachable: the draw is below the sum of the weights")

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different items, in random order."""
        return self.shuffled(items)[:count]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """A shuffled copy (Fisher-Yates)."""
        copy = list(items)
        for last in range(len(copy) - 1, 0, -1):
            other = self.below(last + 1)
            copy[last], copy[other] = copy[other], copy[last]
        return copy


class Streams:
    """The family of one run's streams: `streams("link 1>2")` is the same stream whenever it is asked for."""

    __slots__ = ("_streams", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, Stream] = {}

    def __call__(self, name: str) -> Stream:
        """The stream of that name, made at the first call."""
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = Stream(self.seed, name)
        return stream
