"""Depth first with foresight: what accepts at high concurrency over many values, where plain depth first loses its way.

It turns back from a configuration without a future as soon as that is certain (see `foresight`), not where it runs
aground. Where it gets no further in spite of that, the mistake lies further back than the moves made last, so it does
not try all of these. It keeps a configuration every so many returns, goes back to one of them, at first a few times to
the last, then further and further, and makes some moves in another order. What it leaves behind stays untried, so it
can only accept; else it gives up.
"""

from collections.abc import Iterator

from fencepost.checkers.linearizability.configurations import Configuration
from fencepost.checkers.linearizability.depth_first import DepthFirst
from fencepost.checkers.linearizability.foresight import Foresight
from fencepost.checkers.linearizability.preparation import Part
from fencepost.checkers.linearizability.searching import Progress, Steps

#: It keeps a configuration every so many returns.
_SPAN = 32
#: After so many configurations without getting further it goes back.
_PATIENCE = 64
#: From one return it goes back so often: so many times equally far, then twice as far.
_TRIES = 64
_EQUALLY = 4
#: One in so many times a move is made out of turn: one of so many behind the first.
_ODDS = 4
_BEHIND = 3
#: As many questions to the model are as much work as looking at one configuration.
_QUESTIONS = 16


class Foresighted(DepthFirst):
    """See above."""

    def __init__(self, part: Part) -> None:
        super().__init__(part)
        self._foresight = Foresight(part, self._window)
        self._kept: list[tuple[int, Configuration] | None] = [None] * (part.returns // _SPAN + 1)
        self._reached = -1
        self._tries = 0
        self._limit = 0
        self._has_left = False
        self._drawn = 0

    def _steps(self) -> Steps:
        learning = self._foresight.learn()
        while True:
            try:
                self._spent += 1 + next(learning) // _QUESTIONS
            except StopIteration as stop:
                if not stop.value:
                    return Progress.GAVE_UP
                break
            if self._spent >= self._allowed:
                yield
        progress = yield from super()._steps()
        while progress is Progress.REJECTED:
            if not self._has_left or self._tries == _TRIES:
                return Progress.GAVE_UP
            progress = yield from self._search_from(self._back())
        return progress

    def _back(self) -> Configuration:
        """Go back to one of the configurations that were kept."""
        number = max(0, self._reached // _SPAN - (1 << self._tries // _EQUALLY) + 1)
        kept = self._kept[number]
        while kept is None:
            number -= 1
            kept = self._kept[number]
        self._tries += 1
        place, configuration = kept
        self._limit = self.explored + _PATIENCE + 2 * (self._reached - place)
        self._forget()
        self._window.go_to(place)
        return configuration

    def _remember(self, configuration: Configuration, entered: bool) -> bool:
        place = self._window.place
        if place > self._reached:
            self._reached = place
            self._limit = self.explored + _PATIENCE
            self._tries = 0
        is_new = super()._remember(configuration, entered)
        if is_new and entered:
            kept = self._kept[place // _SPAN]
            if kept is None or place <= kept[0]:
                self._kept[place // _SPAN] = place, configuration
        return is_new

    def _next(self, stack: list[tuple[int, Iterator[Configuration]]]) -> Configuration | None:
        if stack and self.explored > self._limit:
            self._has_left = True
            return None
        return super()._next(stack)

    def _moves(self, configuration: Configuration, entered: bool) -> list[Configuration]:
        found = super()._moves(configuration, entered)
        self._spent += len(found) // 4
        is_hopeless = self._foresight.is_hopeless
        moves = [move for move in found if not is_hopeless(configuration, move)]
        if self._tries and len(moves) > 1 and self._draw() % _ODDS == 0:
            moves.insert(0, moves.pop(1 + self._draw() % min(_BEHIND, len(moves) - 1)))
        return moves

    def _draw(self) -> int:
        """Numbers without much order in them, always the same (a linear congruential generator, Knuth's MMIX)."""
        self._drawn = (self._drawn * 6364136223846793005 + 1442695040888963407) % 2**64
        return self._drawn >> 33
