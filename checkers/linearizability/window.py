"""What is pending at one return event; moved along the events, forwards and backwards."""

from bisect import bisect_left

from fencepost.checkers.linearizability.preparation import Part, Pending


class Window:
    """The pending operations just before a return.

    returning: the operation that returns; None behind the last return.
    place: how many returns have passed. position: its place among the part's events.
    pure: pending pure operations, as called; from `fresh` on those called since the return before.
    active: the other pending operations that will return, the earliest deadline first.
    overwrites: the slots of those of them that are blind overwrites, while ABS is on.
    called: by class of crashed operations, how many are called.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self._reads = part.prunings.read
        self._overwrites = part.prunings.abs
        self._is_pure = part.transitions.pure
        self.position = 0
        self.place = 0
        self.pure: list[Pending] = []
        self.fresh = 0
        self.active: list[Pending] = []
        self.overwrites = 0
        self.called = [0] * len(part.crashed)
        self.returning: Pending | None = None
        self._call()

    def advance(self) -> None:
        """Past the return, up to the next one."""
        assert self.returning is not None
        self._remove(self.returning)
        self.position += 1
        self.place += 1
        self.fresh = len(self.pure)
        self._call()

    def go_to(self, place: int) -> None:
        """Forward to a later return, or back to an earlier one, or stay."""
        if self.place == place:
            return
        while self.place < place:
            self.advance()
        events = self._part.events
        while self.place > place:
            self.position -= 1
            event = events[self.position]
            if event >= 0:
                self._uncall(event)
            else:
                self._insert(self._pending(-1 - event))
                self.place -= 1
        self.returning = self._pending(-1 - events[self.position])
        self.fresh = 0

    def _call(self) -> None:
        """Take the calls up to the next return."""
        events, pendings = self._part.events, self._part.pendings
        for position in range(self.position, len(events)):
            event = events[position]
            if event < 0:
                self.position, self.returning = position, pendings[-1 - event]
                return
            pending = pendings[event]
            if pending is None:
                self.called[self._part.crashed_class[event]] += 1
            else:
                self._insert(pending)
        self.position, self.returning = len(events), None

    def _uncall(self, index: int) -> None:
        number = self._part.crashed_class.get(index)
        if number is None:
            self._remove(self._pending(index))
        else:
            self.called[number] -= 1

    def _pending(self, index: int) -> Pending:
        pending = self._part.pendings[index]
        assert pending is not None
        return pending

    def _insert(self, pending: Pending) -> None:
        if self._reads and self._is_pure[pending.class_id]:
            self.pure.append(pending)
            return
        self.active.insert(bisect_left(self.active, pending), pending)
        if pending.blind and self._overwrites:
            self.overwrites |= pending.bit

    def _remove(self, pending: Pending) -> None:
        if self._reads and self._is_pure[pending.class_id]:
            self.pure.remove(pending)
            return
        del self.active[bisect_left(self.active, pending)]
        if pending.blind:
            self.overwrites &= ~pending.bit
