"""Depth first and lazily: linearize only what the next return needs, what fits only now first, and go on.

Best for accepting at high concurrency. Configurations that were tried at a return are remembered, and one that is
covered by any of them is not tried again: what would complete it, completes the other in as many steps or fewer. When
everything is tried the history is not linearizable, and the furthest return reached is the one that nothing survives.
"""

from collections.abc import Iterator

from fencepost.checkers.linearizability.configurations import Antichain, Configuration
from fencepost.checkers.linearizability.expansion import Expansion
from fencepost.checkers.linearizability.preparation import Part
from fencepost.checkers.linearizability.searching import Dying, Progress, SteppedSearch, Steps
from fencepost.checkers.linearizability.standings import dying
from fencepost.checkers.linearizability.window import Window

#: A remembered configuration with its share of the path and the stack, nearly.
_BYTES = 400


class DepthFirst(SteppedSearch):
    """See above."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self._part = part
        self._window = Window(part)
        self._expansion = Expansion(part, self._window)
        self._furthest: list[Configuration] = []
        self._forget()

    def _forget(self) -> None:
        """Go on as if nothing had been tried."""
        #: By return what was tried there; of most only one, which needs no antichain.
        self._remembered: list[Antichain | Configuration | None] = [None] * (self._part.returns + 1)
        self._count = 0

    @property
    def memory_bytes(self) -> int:
        """See `Search`."""
        return _BYTES * self._count

    def death(self) -> Dying:
        """See `Search`."""
        window = Window(self._part)
        while window.place < self.placed:
            window.advance()
        return dying(self._part, window, self._furthest)

    def _steps(self) -> Steps:
        return (yield from self._search_from(self._expansion.enter(self._expansion.first(), self._window.pure)))

    def _search_from(self, start: Configuration) -> Steps:
        """Try everything that goes on from a configuration that entered the window's return."""
        window = self._window
        stack: list[tuple[int, Iterator[Configuration]]] = []
        configuration: Configuration | None = start
        entered = True
        while configuration is not None:
            place = window.place
            configuration = self._settle(configuration)
            if window.returning is None:
                return Progress.ACCEPTED
            entered = entered or window.place > place
            if self._remember(configuration, entered):
                stack.append((window.place, iter(self._moves(configuration, entered))))
            if self._spent >= self._allowed:
                yield
            entered = False
            configuration = self._next(stack)
        return Progress.REJECTED

    def _settle(self, configuration: Configuration) -> Configuration:
        """Go on to the first return whose operation is not done yet."""
        window, expansion = self._window, self._expansion
        while (returning := window.returning) is not None and configuration.low & returning.bit:
            configuration = expansion.leave(configuration, returning)
            window.advance()
            fresh = window.pure[window.fresh:]
            if fresh:
                configuration = expansion.enter(configuration, fresh)
            self._spent += 1
        return configuration

    def _remember(self, configuration: Configuration, entered: bool) -> bool:
        """False when a configuration that covers this one was tried at this return."""
        place = self._window.place
        self.explored += 1
        self._spent += 1
        tried = self._remembered[place]
        if tried is None:
            self._remembered[place] = configuration
        elif not self._among(tried, place).add(configuration):
            return False
        self._count += 1
        if entered and place >= self.placed:
            if place > self.placed:
                self.placed = place
                self._furthest = []
            self._furthest.append(configuration)
        return True

    def _among(self, tried: Antichain | Configuration, place: int) -> Antichain:
        """All that was tried at the place."""
        if isinstance(tried, Antichain):
            return tried
        antichain = self._remembered[place] = Antichain(not self._part.prunings.dom)
        antichain.add(tried)
        return antichain

    def _moves(self, configuration: Configuration, entered: bool) -> list[Configuration]:
        """What to try from here: first to count the returning operation as done, where that is a choice."""
        moves = self._expansion.successors(configuration)
        returning = self._window.returning
        assert returning is not None
        if entered and configuration.high & returning.bit:
            state, low, high, crashed, _, path = configuration
            done = Configuration(state, low | returning.bit, high, crashed, False, (-1 - returning.operation, path))
            moves.insert(0, done)
        return moves

    def _next(self, stack: list[tuple[int, Iterator[Configuration]]]) -> Configuration | None:
        """The next untried move, the window moved back to its return; None when all are tried."""
        while stack:
            place, moves = stack[-1]
            configuration = next(moves, None)
            if configuration is not None:
                self._window.go_to(place)
                return configuration
            stack.pop()
        return None
