"""Schedules made of schedules: what a guided search tries next, near to what reached something new.

A schedule is changed a little: an episode more, faults fewer, one of them at another time or for longer, the faults of
a short while once more at another time, or the end of another schedule that was worth keeping. Like drawing, it never
looks at which bug is on.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from fencepost.nemesis.drawing import in_order
from fencepost.nemesis.faults import Fault, without_dangling
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.selection import draw_episode
from fencepost.nemesis.targets import Draws

#: A schedule that grew beyond so many faults only loses some: more would hide each other.
_MOST_FAULTS = 50


class Mutation:
    """Changes of one schedule; use `mutated`."""

    def __init__(
        self, faults: Sequence[Fault], other: Sequence[Fault], rhythm: Rhythm, draws: Draws, selection: str
    ) -> None:
        self.faults = list(faults)
        self._other = other
        self._rhythm = rhythm.in_order()
        self._draws = draws
        self._selection = selection

    def change(self) -> None:
        """Make one change, of those that the schedule allows."""
        if not self.faults:
            self._one_episode_more()
            return
        changes: list[tuple[Callable[[], None], int]] = [
            (self._some_fewer, 2), (self._one_moved, 3), (self._one_longer, 2)]
        if len(self.faults) < _MOST_FAULTS:
            changes += [(self._one_episode_more, 3), (self._once_more, 2), (self._crossed, 2)]
        self._draws.weighted(changes)()

    def _one_episode_more(self) -> None:
        self.faults += draw_episode(self._draws, self._rhythm, self._selection, self._moment_us())

    def _some_fewer(self) -> None:
        for _ in range(self._draws.between(1, 1 + len(self.faults) // 4)):
            if self.faults:
                del self.faults[self._draws.below(len(self.faults))]

    def _one_moved(self) -> None:
        place = self._draws.below(len(self.faults))
        self.faults[place] = self._shifted(self.faults[place], self._shift_us())

    def _one_longer(self) -> None:
        place = self._draws.below(len(self.faults))
        fault = self.faults[place]
        factor = self._draws.choice((25, 50, 200, 400))
        self.faults[place] = replace(fault, duration_us=fault.duration_us * factor // 100)

    def _once_more(self) -> None:
        """What struck together may have to strike again: the second time it meets what the first has left behind."""
        begin_us = self._draws.choice(self.faults).begin_us
        end_us = begin_us + self._rhythm.replica_lag_us
        together = [fault for fault in self.faults if begin_us <= fault.begin_us <= end_us]
        shift_us = self._moment_us() - begin_us
        self.faults += [replace(self._shifted(fault, shift_us), name=fault.name and f"{fault.name} again")
                        for fault in together]

    def _crossed(self) -> None:
        """Up to some moment this schedule, from then on the other."""
        moment_us = self._moment_us()
        self.faults = [fault for fault in self.faults if fault.begin_us < moment_us] + [
            fault for fault in self._other if fault.begin_us >= moment_us]

    def _moment_us(self) -> int:
        return self._draws.between(self._rhythm.begin_us, self._rhythm.end_us)

    def _shift_us(self) -> int:
        rhythm = self._rhythm
        scale_us = self._draws.choice((
            5_000, rhythm.fetch_timeout_us, rhythm.session_timeout_us, rhythm.replica_lag_us))
        return self._draws.between(-scale_us, scale_us)

    def _shifted(self, fault: Fault, shift_us: int) -> Fault:
        def within(time_us: int) -> int:
            return max(self._rhythm.begin_us, min(self._rhythm.end_us, time_us))

        if fault.at_point is None:
            assert fault.at_us is not None
            return replace(fault, at_us=within(fault.at_us + shift_us))
        count = max(1, fault.at_point.count + self._draws.between(-2, 2))
        return replace(fault, at_point=replace(
            fault.at_point, from_us=within(fault.at_point.from_us + shift_us), count=count))


def joined(*schedules: Sequence[Fault]) -> list[Fault]:
    """All of their faults: the more strike, the more of them meet what others have left half done. Of two with one name
    the later one loses it."""
    together = [fault for schedule in schedules for fault in schedule]
    return without_dangling(replace(fault, draws=None) for fault in in_order(together))


def mutated(
    faults: Sequence[Fault], other: Sequence[Fault], rhythm: Rhythm, draws: Draws, selection: str
) -> list[Fault]:
    """A schedule near to `faults`, perhaps with the end of `other`; in the order of time, and whole.

    selection: which kinds of fault new episodes may have (see `selection`).
    """
    mutation = Mutation(faults, other, rhythm, draws, selection)
    for _ in range(draws.weighted(((1, 4), (2, 2), (4, 1)))):
        mutation.change()
    return joined(mutation.faults)
