"""Guided search: which schedule a campaign's next run gets, after what the runs before it reached.

A run has the schedule that its seed draws and a second one beside it, for the more strikes, the more of them meet what
others have left half done. The second is near to a schedule whose run reached states of the protocol that few others
reach (see `fencepost.nemesis.mutation`), or some of the time drawn freely, too. As in AFL and its successors, what is
rare draws the search: each state's worth is shared by all runs that reached it.

What a run is given is a function of its seed and of what the runs at least `LAG` seeds before it reached: so a guided
campaign is the same with any number of workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fencepost.harness.execution import rhythm_of
from fencepost.harness.spec import RunSpec, config_of
from fencepost.harness.timing import phases, physics
from fencepost.model.kernel.randomness import Stream
from fencepost.nemesis.faults import Fault, fault_from_data
from fencepost.nemesis.mutation import joined, mutated
from fencepost.nemesis.selection import draw_schedule

#: So many runs later at the earliest a run's states are looked at; no more workers than that have work.
LAG = 8
#: Of so many runs one is drawn freely.
_FREE = 4
#: A state that more runs than this reached draws nobody.
_RARE = 8


@dataclass(frozen=True, slots=True)
class _Kept:
    """A run that was learnt from: its schedule as data, and the rarer states that it reached."""

    faults: Sequence[dict[str, Any]]
    states: Sequence[str]


class Guide:
    """Learns what runs reached, and plans further ones."""

    def __init__(self, spec: RunSpec) -> None:
        config = config_of(spec)
        times = phases(spec.mode, spec.duration_us, config, physics(spec.profile, spec.steady))
        self._rhythm = rhythm_of(spec, config, times)
        self._selection = spec.draw_from
        self._kept: list[_Kept] = []
        self._reached: dict[str, int] = {}

    def learn(self, faults: Sequence[dict[str, Any]], states: Sequence[str]) -> None:
        """A run with this schedule reached these states. Runs are learnt in the order of their seeds."""
        for state in states:
            self._reached[state] = self._reached.get(state, 0) + 1
        self._kept.append(_Kept(faults, [state for state in states if self._reached[state] <= _RARE]))

    def plan(self, seed: int) -> list[dict[str, Any]]:
        """The schedule of the run with that seed."""
        draws = Stream(seed, "guide")
        worths = [(kept, worth) for kept in self._kept if (worth := self._worth(kept))]
        self._kept = [kept for kept, _ in worths]
        parts = [self._drawn(seed, "")]
        if worths and draws.below(_FREE):
            parent, other = ([fault_from_data(fault, "kept") for fault in draws.weighted(worths).faults] for _ in "12")
            parts.append(mutated(parent, other, self._rhythm, draws, self._selection))
        else:
            parts.append(self._drawn(seed, "second "))
        return [fault.to_data() for fault in joined(*parts)]

    def _drawn(self, seed: int, which: str) -> list[Fault]:
        return draw_schedule(lambda name: Stream(seed, f"{which}{name}"), self._rhythm, self._selection)

    def _worth(self, kept: _Kept) -> int:
        return sum(60 // count for count in (self._reached[state] for state in kept.states) if count <= _RARE)
