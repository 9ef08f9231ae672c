"""Looking ahead: which configurations have no future because a state that is still needed cannot come again.

Most operations need one state or give one: a read needs the value that it returned, a write gives its own, a successful
compare-and-set does both. Their intervals are known beforehand. So when a state is left, or the last pending write of
it counts as done without having been visited, two questions tell a mistake at once that would otherwise show a hundred
returns later:

    is it lost?   an operation that needs the state returns before another that gives it is even called
    is it stuck?  the state must last until an operation that needs it is called, and before that one returns which
                  needs another state

    write(1) over [0, 9], read() -> 1 over [1, 2], read() -> 1 over [4, 5], write(2) over [0, 9]
    After write(1), read() -> 1, write(2) the state 1 is lost.

"Lost" is certain; "stuck" looks at pending operations only, and is certain too.
"""

from bisect import bisect_right
from collections.abc import Generator
from typing import NamedTuple

from fencepost.checkers.linearizability.configurations import Configuration
from fencepost.checkers.linearizability.preparation import Part, Pending
from fencepost.checkers.linearizability.transitions import REFUSED
from fencepost.checkers.linearizability.window import Window

#: With more states, or more questions to the model, it does not apply.
_STATES = 512
_QUESTIONS = 400_000
#: Behind the last event.
_NEVER = 1 << 62
#: No state, or none in particular.
_NONE = -1


class Timeline(NamedTuple):
    """When a state can come and when it is needed, as places among the part's events.

    supplies: the calls of the operations that give it. calls, deadlines: of the returning operations that need it, by
    call. soonest: the earliest of the deadlines from there on, and `_NEVER` behind the last.
    """

    supplies: list[int]
    calls: list[int]
    deadlines: list[int]
    soonest: list[int]


class Foresight:
    """See above; `learn` first."""

    def __init__(self, part: Part, window: Window) -> None:
        self._part = part
        self._window = window
        self._needs: dict[int, int] = {}
        self._gives: dict[int, int] = {}
        self._timelines: dict[int, Timeline] = {}

    def learn(self) -> Generator[int, None, bool]:
        """Ask the model what every class does in every state there is; yields the number of questions now and then.

        False when there are too many, or a class that leads to several states, so that what it gives is not known.
        """
        transitions = self._part.transitions
        classes = dict.fromkeys(one.class_id for one in (*self._part.pendings, *self._part.crashed) if one is not None)
        self._needs = dict.fromkeys(classes, _NONE)
        self._gives = dict.fromkeys(classes, _NONE)
        accepted = dict.fromkeys(classes, 0)
        states = [transitions.initial]
        known = {transitions.initial: True}
        for state in states:
            if len(states) > _STATES or len(states) * len(classes) > _QUESTIONS:
                return False
            yield len(classes)
            for class_id in classes:
                after = transitions.memo[class_id].get(state)
                if after is None:
                    after = transitions.ask(state, class_id)
                if after == REFUSED:
                    continue
                accepted[class_id] += 1
                self._needs[class_id] = state
                if after not in known:
                    known[after] = True
                    states.append(after)
                if after != state and self._gives[class_id] != after:
                    if self._gives[class_id] != _NONE:
                        return False
                    self._gives[class_id] = after
        for class_id, count in accepted.items():
            if count > 1 or len(states) == 1:
                self._needs[class_id] = _NONE
        self._draw_timelines(states)
        return True

    def _draw_timelines(self, states: list[int]) -> None:
        part = self._part
        self._timelines = {state: Timeline([], [], [], []) for state in states}
        for place, event in enumerate(part.events):
            if event < 0:
                continue
            pending = part.pendings[event]
            class_id = part.crashed[part.crashed_class[event]].class_id if pending is None else pending.class_id
            if self._gives[class_id] != _NONE:
                self._timelines[self._gives[class_id]].supplies.append(place)
            if pending is not None and self._needs[class_id] != _NONE:
                self._timelines[self._needs[class_id]].calls.append(place)
                self._timelines[self._needs[class_id]].deadlines.append(pending.deadline)
        for timeline in self._timelines.values():
            soonest = _NEVER
            timeline.soonest.append(soonest)
            for deadline in reversed(timeline.deadlines):
                soonest = min(soonest, deadline)
                timeline.soonest.append(soonest)
            timeline.soonest.reverse()

    def is_hopeless(self, before: Configuration, after: Configuration) -> bool:
        """Whether a move from one configuration to another was a mistake. Moves at the window's return only."""
        if after.state != before.state:
            return self._is_lost(after, before.state) or self._is_stuck(after)
        returning = self._window.returning
        assert returning is not None
        hidden = self._gives[returning.class_id] if after.low & returning.bit else _NONE
        return hidden not in (_NONE, after.state) and self._is_lost(after, hidden)

    def _is_lost(self, configuration: Configuration, state: int) -> bool:
        """Whether the state, which is not the configuration's, is needed before it can come again."""
        if self._is_supplied(configuration, state):
            return False
        timeline = self._timelines[state]
        again = self._next_supply(timeline)
        if timeline.soonest[bisect_right(timeline.calls, self._window.position)] < again:
            return True
        low = configuration.low
        return any(one.deadline < again and not low & one.bit and self._needs[one.class_id] == state
                   for one in self._pending())

    def _is_stuck(self, configuration: Configuration) -> bool:
        """Whether the configuration's state must last longer than a pending operation can wait."""
        if self._is_supplied(configuration, configuration.state):
            return False
        timeline = self._timelines[configuration.state]
        again = self._next_supply(timeline)
        until = _NONE
        for number in range(bisect_right(timeline.calls, self._window.position), len(timeline.calls)):
            if timeline.calls[number] > again:
                break
            if timeline.deadlines[number] < again:
                until = timeline.calls[number]
        low = configuration.low
        return until != _NONE and any(
            one.deadline < until and not low & one.bit
            and self._needs[one.class_id] not in (_NONE, configuration.state) for one in self._pending())

    def _is_supplied(self, configuration: Configuration, state: int) -> bool:
        """Whether a pending operation that gives the state is not done yet."""
        if any(self._gives[one.class_id] == state and not configuration.low & one.bit for one in self._window.active):
            return True
        for crashed, called in zip(self._part.crashed, self._window.called, strict=True):
            if not called or self._gives[crashed.class_id] != state:
                continue
            if not configuration.crashed >> crashed.shift + called - 1 & 1:
                return True
        return False

    def _next_supply(self, timeline: Timeline) -> int:
        place = bisect_right(timeline.supplies, self._window.position)
        return timeline.supplies[place] if place < len(timeline.supplies) else _NEVER

    def _pending(self) -> tuple[Pending, ...]:
        return (*self._window.pure, *self._window.active)
