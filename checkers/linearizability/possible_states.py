"""A search that can only refuse, but does so in polynomial time: which states are possible at all?

Instead of configurations it keeps, for each state that the object may be in, which pending operations may be done there
and which may be open, each on its own. From a state in which q may be open, q leads to another; what may be done and
open goes along. At the return of r only the states in which r may be done are left. That forgets how the operations
hang together, and how often a crashed operation was used, so it allows too much and never too little: when no state is
left, the history is not linearizable, however many configurations a search would have to try.

It says at which return. If a search got that far, that is the first return that nothing survives, and the
configurations which that search has there are the counterexample's.
"""

from fencepost.checkers.linearizability.preparation import Part
from fencepost.checkers.linearizability.searching import Dying, Progress, SteppedSearch, Steps
from fencepost.checkers.linearizability.standings import dying
from fencepost.checkers.linearizability.transitions import REFUSED
from fencepost.checkers.linearizability.window import Window

#: With more states than this it gives up.
_STATES = 2_000
#: So many looks at a state and an operation are as much work as looking at one configuration.
_LOOKS = 64


class PossibleStates(SteppedSearch):
    """See above; it ends with REFUTED or GAVE_UP."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self._part = part
        self._window = Window(part)
        self._done: dict[int, int] = {part.transitions.initial: 0}
        self._open: dict[int, int] = {part.transitions.initial: 0}
        self._known = 0
        self._looks = 0

    @property
    def memory_bytes(self) -> int:
        """See `Search`."""
        return 200 * len(self._done)

    def death(self) -> Dying:
        """See `Search`; without configurations."""
        return dying(self._part, self._window, [])

    def _steps(self) -> Steps:
        window = self._window
        while (returning := window.returning) is not None:
            pending = sum(one.bit for one in (*window.pure, *window.active))
            called = pending & ~self._known
            for state in self._open:
                self._open[state] |= called
            yield from self._close()
            if len(self._done) > _STATES:
                break
            bit = returning.bit
            self._open = {state: self._open[state] & ~bit for state, done in self._done.items() if done & bit}
            self._done = {state: self._done[state] & ~bit for state in self._open}
            if not self._done:
                return Progress.REFUTED
            self._known = pending & ~bit
            self.placed += 1
            self._spent += 1
            window.advance()
        return Progress.GAVE_UP

    def _close(self) -> Steps:
        """Follow all moves until nothing new is possible."""
        window, memo, ask = self._window, self._part.transitions.memo, self._part.transitions.ask
        moves = [(one.bit, one.class_id) for one in (*window.pure, *window.active)]
        moves += [
            (0, crashed.class_id) for crashed, called in zip(self._part.crashed, window.called, strict=True) if called]
        changed = list(self._done)
        while changed and len(self._done) <= _STATES:
            state = changed.pop()
            self._looks += 1 + len(moves)
            for bit, class_id in moves:
                done, left = self._done[state], self._open[state]
                if bit and not left & bit:
                    continue
                after = memo[class_id].get(state)
                if after is None:
                    after = ask(state, class_id)
                if after == REFUSED:
                    continue
                was = self._done.get(after), self._open.get(after)
                now = (was[0] or 0) | done | bit, (was[1] or 0) | left & ~bit
                if now != was:
                    self._done[after], self._open[after] = now
                    changed.append(after)
            if self._spent + self._looks // _LOOKS >= self._allowed:
                self._spent, self._looks = self._spent + self._looks // _LOOKS, 0
                yield
        return Progress.RUNNING
