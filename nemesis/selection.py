"""Which kinds of fault a run's schedule is drawn from, and the drawing of those beyond the core.

`core` is what `drawing` draws. `all`, the default, leaves half of the seeds as they are, and adds to each of the others
episodes of the kinds that the core does not have, drawn from a stream of their own: each of these kinds is off with
even odds (swarm testing, as in `drawing`). A list of kinds gives schedules of these kinds only.

In one seed of five of `all` a fault remains after the heal: the quiet phase is about all other nodes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from fencepost.nemesis.choices import Choices
from fencepost.nemesis.drawing import Drawing, core_kinds, draw_faults, in_order
from fencepost.nemesis.faults import Fault, Trigger, kinds_of
from fencepost.nemesis.fields import FaultError
from fencepost.nemesis.kinds import KINDS
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.targets import Draws

CORE, ALL = "core", "all"
#: Kinds that can outlast the heal.
REMAINING = tuple(kind.name for kind in KINDS.values() if "remains" in kind.may)


def selected_kinds(selection: str, mode: str) -> tuple[str, ...]:
    """The kinds that a selection (`core`, `all`, or names with commas between) may draw; raises FaultError."""
    if selection == CORE:
        return core_kinds(mode)
    known = kinds_of(mode)
    if selection == ALL:
        return known
    names = tuple(dict.fromkeys(name.strip() for name in selection.split(",")))
    for name in names:
        if name not in known:
            raise FaultError(f"{name!r} is no kind of fault of mode {mode}: allowed are {CORE}, {ALL}, "
                             f"or some of {','.join(known)}")
    return names


def draw_schedule(streams: Callable[[str], Draws], rhythm: Rhythm, selection: str = ALL) -> list[Fault]:
    """A run's schedule, each fault with the number of its own stream; `streams` gives the stream of a name."""
    mode = "zk" if rhythm.quorum == "zookeepers" else "kraft"
    kinds = selected_kinds(selection, mode)
    drawn: list[Fault] = []
    if selection in (CORE, ALL):
        drawn = draw_faults(streams("schedule"), rhythm)
    more: list[Fault] = []
    if selection != CORE:
        draws = streams("more faults")
        if selection == ALL:
            beyond = [kind for kind in kinds if kind not in core_kinds(mode)]
            kinds = tuple(kind for kind in beyond if draws.chance(1, 2)) or (draws.choice(beyond),)
        if selection != ALL or draws.chance(1, 2):
            more = _draw_more(draws, rhythm.in_order(), kinds)
    if selection == ALL:
        more += _draw_remaining(streams("remaining faults"), rhythm)
    return in_order([replace(fault, draws=place) for place, fault in enumerate([*drawn, *more])])


def draw_episode(draws: Draws, rhythm: Rhythm, selection: str, at_us: int) -> list[Fault]:
    """One more episode, to begin at `at_us` or at a point passed from then on."""
    mode = "zk" if rhythm.quorum == "zookeepers" else "kraft"
    drawing: Drawing | Additions
    if selection == CORE or (selection == ALL and draws.chance(1, 2)):
        drawing = Drawing(draws, rhythm.in_order())
    else:
        drawing = Additions(draws, rhythm.in_order(), selected_kinds(selection, mode))
    drawing.episode(at_us)
    return drawing.faults


def _draw_more(draws: Draws, rhythm: Rhythm, kinds: Sequence[str]) -> list[Fault]:
    drawing = Additions(draws, rhythm, kinds)
    for _ in range(draws.weighted(((1, 2), (2, 3), (4, 3), (7, 2)))):
        drawing.episode(draws.between(rhythm.begin_us, rhythm.end_us))
    return in_order(drawing.faults)


def _draw_remaining(draws: Draws, rhythm: Rhythm) -> list[Fault]:
    """Mostly nothing; else what takes a server, or one of each role, away for good."""
    if not draws.chance(1, 5):
        return []
    roles = draws.choice((("broker",), ("quorum",), ("broker", "quorum")))
    names = {"broker": "broker", "quorum": rhythm.quorum.removesuffix("s")}
    return [
        Fault(draws.choice(REMAINING), 0, draws.between(rhythm.begin_us, rhythm.end_us - 1), None,
              {"role": names[role]}, remains=True)
        for role in roles]


class Additions(Choices):
    """Draws episodes of some kinds: one to three strikes in quick succession, at the quorum or at one partition."""

    def __init__(self, draws: Draws, rhythm: Rhythm, kinds: Sequence[str]) -> None:
        super().__init__(draws, rhythm)
        self._kinds = kinds
        self.faults: list[Fault] = []

    def episode(self, at_us: int) -> None:
        """Add one that starts at `at_us`, or at a point passed from then on."""
        draws = self._draws
        quorum = draws.chance(1, 2)
        partition = draws.choice(self._rhythm.partitions)
        trigger = self._trigger(at_us, quorum) if draws.chance(1, 4) else None
        for number in range(draws.weighted(((1, 3), (2, 3), (3, 2)))):
            if trigger is None or number:
                at_us += self._gap_us()
                self._add(at_us, None, quorum, partition, number == 0)
            else:
                self._add(None, trigger, quorum, partition, True)

    def _add(self, at_us: int | None, trigger: Trigger | None, quorum: bool, partition: str, first: bool) -> None:
        draws = self._draws
        kind = KINDS[draws.choice(self._kinds)]
        target = self._target(quorum, partition, first) if kind.has_target else {}
        if trigger is not None and kind.has_target and draws.chance(2, 3):
            target = {"role": "here"}
        elif kind.has_target and kind.plane in ("network", "process") and draws.chance(1, 10):
            target = {"role": "client"}
        fields = kind.drawn(draws, self._rhythm)
        duration_us = fields.pop("duration_us", None)
        if duration_us is None:
            duration_us = self._duration_us(kind.name) if kind.lasts else 0
        self.faults.append(Fault(kind.name, duration_us, at_us, trigger, target, **fields))
