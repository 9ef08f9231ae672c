"""The directed links between nodes: whether a message gets through, and when it arrives.

A cut link lets nothing pass. A message that is lost is late: its packet is sent again after the retransmission
time-out, which is doubled each time. Cuts, losses and slow-downs of one link add up, and each is taken back on its own.
Each link draws from a random stream of its own, so what happens on one changes nothing on the others.

A cut strikes what would arrive while it lasts: one that is shorter than a message's latency and does not cover its
arrival leaves it alone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fencepost.model.kernel.randomness import Stream

if TYPE_CHECKING:
    from fencepost.model.kernel.simulation import Simulation
    from fencepost.model.kernel.transport import Transport

#: (source, destination), by node ids.
Link = tuple[int, int]

#: A packet is lost so often at most that the next retransmission would take this long.
_LONGEST_RETRANSMISSION_US = 1 << 26


class Links:
    """All links of one network. `cut` and `uncut` are the only partition primitives.

    cuts: how many there are of each link that is cut.
    loss: the chance in 1,000 that a message's packet is lost once.
    extra_latency_us: what a slow link adds.
    """

    __slots__ = (
        "_jitter_bits", "_simulation", "_streams", "_waiting", "cuts", "extra_latency_us", "latency_us", "loss",
        "physics", "scheduler",
    )

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self.scheduler = simulation.scheduler
        self.physics = simulation.physics
        self.latency_us = simulation.physics.link_latency_us
        self._jitter_bits = max(1, self.latency_us.bit_length() - 1) if simulation.physics.jitter else 0
        self.cuts: dict[Link, int] = {}
        self.loss: dict[Link, int] = {}
        self.extra_latency_us: dict[Link, int] = {}
        self._streams: dict[Link, Stream] = {}
        #: What waits for a cut to end, and in which of its directions, in the order in which it began to.
        self._waiting: dict[Link, dict[Transport, int]] = {}

    def cut(self, source: int, destination: int) -> None:
        """Let nothing pass from source to destination."""
        link = (source, destination)
        self.cuts[link] = self.cuts.get(link, 0) + 1

    def uncut(self, source: int, destination: int) -> None:
        """Take back one cut; after the last, what live connections held back arrives late, in order."""
        link = (source, destination)
        count = self.cuts.get(link, 0)
        if count > 1:
            self.cuts[link] = count - 1
        elif count == 1:
            del self.cuts[link]
            for connection, direction in self._waiting.pop(link, {}).items():
                connection.resend(direction)

    def is_cut(self, source: int, destination: int) -> bool:
        """Whether the directed link is cut."""
        return (source, destination) in self.cuts

    def wait(self, link: Link, connection: "Transport", direction: int) -> None:
        """Have the connection send again what it holds back in that direction, once the link is cut no more."""
        self._waiting.setdefault(link, {})[connection] = direction

    def slow_down(self, source: int, destination: int, latency_us: int) -> None:
        """Add to what a directed link takes; a negative number takes that back."""
        link = (source, destination)
        extra_us = self.extra_latency_us.pop(link, 0) + latency_us
        if extra_us > 0:
            self.extra_latency_us[link] = extra_us

    def lose(self, source: int, destination: int, per_mille: int) -> None:
        """Let so many more in 1,000 messages of a directed link be lost once; a negative number takes that back."""
        link = (source, destination)
        loss = self.loss.pop(link, 0) + per_mille
        if loss > 0:
            self.loss[link] = loss

    def heal(self, isolated: Sequence[int] = ()) -> None:
        """Take back every loss, delay and cut, but for the cuts around isolated nodes."""
        self.loss.clear()
        self.extra_latency_us.clear()
        for link in sorted(self.cuts):
            if link[0] not in isolated and link[1] not in isolated:
                self.cuts[link] = 1
                self.uncut(*link)

    def arrival_us(self, link: Link, after_us: int) -> int:
        """Draw when a message sent now arrives: not before `after_us`, when the one sent before it does."""
        stream = self._streams.get(link) or self.stream(link)
        latency_us = self.latency_us + stream.bits(self._jitter_bits)
        if self.extra_latency_us:
            latency_us += self.extra_latency_us.get(link, 0)
        if self.loss:
            chance = self.loss.get(link, 0)
            retransmission_us = self.physics.retransmission_us
            while chance and stream.below(1000) < chance and retransmission_us < _LONGEST_RETRANSMISSION_US:
                latency_us += retransmission_us
                retransmission_us *= 2
        return max(self.scheduler.now_us + latency_us, after_us)

    def stream(self, link: Link) -> Stream:
        """The random stream of the link."""
        stream = self._streams[link] = self._simulation.streams(f"link {link[0]}>{link[1]}")
        return stream
