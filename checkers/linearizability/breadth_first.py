"""Breadth first: the frontier of all configurations, return by return. Best for rejecting, and for memory.

At the return of r, a configuration in which r is done goes on without it; any other explores the sequences of pending
operations that end in r (Lowe, "Testing for linearizability", 2017; Knossos' `linear`). Every linearization can be
delayed into this form, so the search is complete: when nothing survives, the history is not linearizable.

As a beam, only the most promising configurations are kept after each return: then a death proves nothing, but a history
of high concurrency is often accepted when the whole frontier is out of reach.
"""

from collections.abc import Generator

from fencepost.checkers.linearizability.configurations import Antichain, Configuration
from fencepost.checkers.linearizability.expansion import Expansion
from fencepost.checkers.linearizability.preparation import Part, Pending
from fencepost.checkers.linearizability.searching import Dying, Progress, SteppedSearch, Steps
from fencepost.checkers.linearizability.standings import dying
from fencepost.checkers.linearizability.window import Window

#: A configuration with its share of the path, nearly.
_BYTES = 250
#: A beam looks at so many configurations a return for each that it keeps.
_BEAM_LOOKS = 16


class BreadthFirst(SteppedSearch):
    """`beam`: how many configurations are kept after each return; 0 for all."""

    def __init__(self, part: Part, beam: int = 0) -> None:
        super().__init__()
        self._part = part
        self._beam = beam
        self._window = Window(part)
        self._expansion = Expansion(part, self._window)
        self._frontier = [self._expansion.first()]
        self._held = 0
        self._cut = False

    @property
    def memory_bytes(self) -> int:
        """See `Search`."""
        return _BYTES * (len(self._frontier) + self._held)

    def death(self) -> Dying:
        """See `Search`."""
        return dying(self._part, self._window, self._frontier)

    def _steps(self) -> Steps:
        window, expansion = self._window, self._expansion
        while (returning := window.returning) is not None:
            fresh = window.pure[window.fresh:]
            if fresh:
                self._frontier = [expansion.enter(configuration, fresh) for configuration in self._frontier]
            bit = returning.bit
            self._spent += 1 + len(self._frontier) // 4
            if all(configuration.low & bit for configuration in self._frontier):
                survivors = [expansion.leave(configuration, returning) for configuration in self._frontier]
            else:
                survivors = yield from self._place(returning)
            if not survivors:
                return Progress.GAVE_UP if self._cut else Progress.REJECTED
            self._frontier = self._narrowed(survivors)
            self.placed += 1
            window.advance()
            if self._spent >= self._allowed:
                yield
        return Progress.ACCEPTED

    def _place(self, returning: Pending) -> Generator[None, None, list[Configuration]]:
        """What survives a return that not every configuration has done already."""
        bit, expansion = returning.bit, self._expansion
        exact = not self._part.prunings.dom
        survivors, seen = Antichain(exact), Antichain(exact)
        stack = []
        for configuration in self._frontier:
            if configuration.high & bit:
                survivors.add(expansion.leave(configuration, returning))
            if not configuration.low & bit and seen.add(configuration):
                stack.append(configuration)
        looks = self.explored + self._beam * _BEAM_LOOKS
        while stack:
            if self._beam and self.explored >= looks and survivors.count:
                self._cut = True
                break
            configuration = stack.pop()
            self.explored += 1
            self._spent += 1
            for successor in expansion.successors(configuration):
                if successor.low & bit:
                    survivors.add(expansion.leave(successor, returning))
                elif seen.add(successor):
                    stack.append(successor)
            self._held = survivors.count + seen.count
            if self._spent >= self._allowed:
                yield
        self._held = 0
        return survivors.configurations()

    def _narrowed(self, survivors: list[Configuration]) -> list[Configuration]:
        """For a beam, those that used the fewest crashed operations and leave the most choices open."""
        if not self._beam or len(survivors) <= self._beam:
            return survivors
        self._cut = True
        survivors.sort(key=lambda one: (one.crashed.bit_count(), one.low.bit_count() - one.high.bit_count()))
        return survivors[:self._beam]
