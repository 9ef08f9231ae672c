"""How schedules are drawn from a seed.

A schedule is a handful of *episodes* between the warm-up and the heal. An episode strikes one plane - the quorum, one
partition, or the clients - one to four times in quick succession, for failures come in company: what one fault leaves
half done, the next one strikes. Some start at a named point of the model, because the moments that matter (a vote
given,
a batch written and not yet synced, an ISR change on its way) are too short to be met by chance.

Episodes are free, or follow one of the `storylines`. Swarm testing (Groce et al., ISSTA 2012): each seed leaves every
kind of fault, and every storyline, off with even odds, so that none can always mask another; a third of the seeds tell
no story, a third nothing else. Which bug is switched on is never looked at.
"""

from collections.abc import Sequence
from typing import Any

from fencepost.nemesis.choices import Choices
from fencepost.nemesis.faults import Fault, Trigger
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.storylines import STORYLINES
from fencepost.nemesis.targets import Draws
from fencepost.nemesis.zk_storylines import ZK_STORYLINES

#: The kinds that core schedules are drawn from, in the order in which each is switched on or off: it must stay.
CORE_KINDS = (
    "isolate", "one-way", "cut-roles", "link", "slow", "halves", "majorities-ring", "bridge",
    "pause", "kill", "power-loss", "shutdown",
)
#: Kinds that only ZooKeeper mode knows, after those.
CORE_ZOOKEEPER_KINDS = ("expire-session", "slow-controller", "delete-controller")



def core_kinds(mode: str) -> tuple[str, ...]:
    """The kinds that core schedules of this mode are drawn from."""
    return (*CORE_KINDS, *CORE_ZOOKEEPER_KINDS) if mode == "zk" else CORE_KINDS


class Drawing(Choices):
    """Draws one schedule; use `draw_faults`."""

    def __init__(self, draws: Draws, rhythm: Rhythm) -> None:
        super().__init__(draws, rhythm)
        kinds = core_kinds("zk" if self._zookeeper else "kraft")
        enabled = [kind for kind in kinds if draws.chance(1, 2)]
        self._kinds: Sequence[str] = enabled or [draws.choice(kinds)]
        self._points = draws.chance(1, 2)
        self._clients = draws.chance(1, 2)
        self._quorum_share = draws.choice((1, 3, 5))
        self._focus = draws.choice(rhythm.partitions)
        storylines = ZK_STORYLINES if self._zookeeper else STORYLINES
        told = [storyline for storyline in storylines if draws.chance(1, 2)]
        self._storylines = told or [draws.choice(storylines)]
        #: Of 6 episodes, how many are storylines.
        self._story_share = draws.choice((0, 3, 6))
        self.faults: list[Fault] = []

    def episode(self, at_us: int) -> None:
        """Add one episode that starts at `at_us`, or at a point passed from then on."""
        draws = self._draws
        if draws.below(6) < self._story_share:
            partition = self._focus if draws.chance(2, 3) else draws.choice(self._rhythm.partitions)
            self.faults += draws.choice(self._storylines)(draws, self._rhythm, partition, at_us)
            return
        if self._clients and draws.chance(1, 6):
            self._strike_client(at_us)
            return
        quorum = draws.below(6) < self._quorum_share
        partition = self._focus if draws.chance(2, 3) else draws.choice(self._rhythm.partitions)
        trigger = self._trigger(at_us, quorum) if self._points and draws.chance(1, 2) else None
        strikes = draws.weighted(((1, 3), (2, 4), (3, 3), (4, 1)))
        for number in range(strikes):
            if trigger is not None and number == 0:
                self._add(None, trigger, quorum, partition, here=draws.chance(2, 3), first=True)
            elif trigger is not None and draws.chance(2, 3):
                # In company: at the same moment, at somebody else.
                self._add(None, trigger, quorum, partition, here=False, first=False)
            else:
                at_us += self._gap_us()
                self._add(at_us, None, quorum, partition, here=False, first=number == 0)

    def _add(
        self, at_us: int | None, trigger: Trigger | None, quorum: bool, partition: str, here: bool, first: bool
    ) -> None:
        draws = self._draws
        kind = draws.choice(self._kinds)
        target: dict[str, Any] = {"role": "here"} if here else self._target(quorum, partition, first)
        other = others = direction = latency_us = None
        if kind == "link":
            other = self._target(quorum, partition, True)
        elif kind in ("cut-roles", "slow"):
            keepers = self._rhythm.quorum
            others = draws.choice((keepers, "brokers", "clients") if not quorum else (keepers, "brokers"))
        if kind == "slow":
            latency_us = draws.between(1_000, self._rhythm.session_timeout_us // 2)
        elif kind == "one-way":
            direction = draws.choice(("in", "out"))
        delay_us = draws.between(1, self._rhythm.session_timeout_us) if kind == "slow-controller" else None
        self.faults.append(Fault(
            kind, self._duration_us(kind), at_us, trigger, target, other, others, direction, delay_us=delay_us,
            latency_us=latency_us))

    def _strike_client(self, at_us: int) -> None:
        """A client pauses, usually past its group's session time-out, and comes back as a zombie."""
        session_us = self._rhythm.client_session_us
        duration_us = self._draws.between(session_us // 2, session_us * 2)
        if self._draws.chance(3, 4):
            self.faults.append(Fault("pause", duration_us, at_us, None, {"role": "client"}))
        else:
            self.faults.append(Fault("isolate", duration_us, at_us, None, {"role": "client"}))


def draw_faults(draws: Draws, rhythm: Rhythm) -> list[Fault]:
    """A schedule for one run: a pure function of the stream's state and the rhythm."""
    drawing = Drawing(draws, rhythm.in_order())
    for _ in range(draws.weighted(((1, 1), (2, 2), (4, 3), (7, 3), (11, 1)))):
        drawing.episode(draws.between(rhythm.begin_us, rhythm.end_us))
    return in_order(drawing.faults)


def in_order(faults: Sequence[Fault]) -> list[Fault]:
    """By the times from which they may strike."""
    return sorted(faults, key=lambda fault: fault.begin_us)
