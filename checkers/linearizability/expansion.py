"""How one configuration gives others: the moves that both the breadth-first and the depth-first search make."""

from fencepost.checkers.linearizability.configurations import Configuration, configured
from fencepost.checkers.linearizability.preparation import Part, Pending
from fencepost.checkers.linearizability.transitions import REFUSED
from fencepost.checkers.linearizability.window import Window


class Expansion:
    """The moves from configurations of one part, with its prunings."""

    def __init__(self, part: Part, window: Window) -> None:
        self._part = part
        self._window = window
        self._transitions = part.transitions
        self._memo = part.transitions.memo

    def first(self) -> Configuration:
        """The configuration at the start."""
        return Configuration(self._transitions.initial, 0, 0, 0, False, None)

    def enter(self, configuration: Configuration, pures: list[Pending]) -> Configuration:
        """READ for the pure operations that were called since the return before."""
        state, low, high, crashed, _, path = configuration
        for pending in pures:
            if not low & pending.bit and self._after(state, pending.class_id) != REFUSED:
                low |= pending.bit
                high |= pending.bit
                path = (pending.operation, path)
        return configured((state, low, high, crashed, False, path))

    def leave(self, configuration: Configuration, returning: Pending) -> Configuration:
        """The configuration after a return, for the choices in which the operation is done; it must be in `high`.

        Only a configuration that enters the event may leave by `high` alone: whatever else it linearizes after an
        operation that is already done can wait for its own return.
        """
        state, low, high, crashed, _, path = configuration
        bit = returning.bit
        if not low & bit:
            path = (-1 - returning.operation, path)
        return configured((state, low & ~bit, high ^ bit, crashed, False, path))

    def successors(self, configuration: Configuration) -> list[Configuration]:
        """Linearize one more pending operation, in every way worth trying.

        In the order in which they should be tried: the returning operation, then by deadline first those that may not
        fit later, then blind overwrites, which always fit.
        """
        state, low, high, crashed, idle, path = configuration
        prunings = self._part.prunings
        window = self._window
        found: list[Configuration] = []
        overwriting: list[Configuration] = []
        tried: dict[int, None] = {}
        for pending in window.active:
            _, bit, class_id, group, blind, index = pending
            if low & bit:
                continue
            if prunings.sym:
                if group in tried:
                    continue
                tried[group] = None
            if idle and blind:
                continue
            after = self._memo[class_id].get(state)
            if after is None:
                after = self._transitions.ask(state, class_id)
            if after == REFUSED:
                continue
            done = high | bit | window.overwrites if blind and prunings.abs else high | bit
            (overwriting if blind and pending is not window.returning else found).append(self._read(
                state, after, low | bit, done, crashed, blind and prunings.abs, (index, path)))
        for number, (shift, members, class_id, group, blind) in enumerate(self._part.crashed):
            called = window.called[number]
            if not called or group in tried or (idle and blind):
                continue
            used = (crashed >> shift & (1 << called) - 1).bit_count()
            after = REFUSED if used == called else self._after(state, class_id)
            if after == REFUSED or (prunings.dom and after == state):
                continue
            if prunings.sym:
                tried[group] = None
            done = high | window.overwrites if blind else high
            (overwriting if blind else found).append(self._read(
                state, after, low, done, crashed | 1 << shift + used, blind and prunings.dom, (members[used], path)))
        return found + overwriting

    def _read(
        self, before: int, state: int, low: int, high: int, crashed: int, idle: bool, path: tuple[int, object],
    ) -> Configuration:
        """READ: the pending pure operations that fit a new state are linearized at once."""
        if state != before:
            for pending in self._window.pure:
                if not low & pending.bit and self._after(state, pending.class_id) != REFUSED:
                    low |= pending.bit
                    high |= pending.bit
                    path = (pending.operation, path)
                    idle = False
        return configured((state, low, high, crashed, idle, path))

    def _after(self, state: int, class_id: int) -> int:
        after = self._memo[class_id].get(state)
        return self._transitions.ask(state, class_id) if after is None else after
