"""Network faults that disturb traffic instead of stopping it for good: what TCP makes of a bad network.

Connections are TCP's, so nothing is lost, doubled or reordered within one. Across connections all three happen: a
request whose connection broke is sent again over a new one, and may by then have been handled, or lie unread in a
socket until after its double.
"""

from typing import Any, ClassVar

from fencepost.nemesis.kinds.kind import Strike, kind
from fencepost.nemesis.kinds.partitions import OthersKind
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.targets import Draws


@kind
class Flap(OthersKind):
    """Links between the target and `others` are cut and mended again and again, anew each `period_us`, of which a drawn
    part between a quarter and three quarters is the cut.

    Stands for: a flapping port, a loose cable, a routing protocol that does not settle.
    """

    name = "flap"
    needs = ("others", "period_us")
    may = ("direction",)
    milder = "cut-roles"
    told = "{struck} was cut off from {others} and back, each {period_us}"

    def begin(self, strike: Strike) -> None:
        """The links go, for the first time."""
        self._cut(strike)

    def undo(self, strike: Strike) -> None:
        """The links are mended for good."""
        self._mend(strike)

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {**super().drawn(draws, rhythm), "period_us": drawn_period(draws, rhythm)}

    def _cut(self, strike: Strike) -> None:
        super().begin(strike)
        strike.state = 1
        period_us = period(strike)
        strike.after(strike.draws.between(period_us // 4, period_us * 3 // 4), self._mend)
        strike.after(period_us, self._cut)

    def _mend(self, strike: Strike) -> None:
        if strike.state:
            super().undo(strike)
        strike.state = 0


@kind
class LatencySpikes(OthersKind):
    """Once each `period_us`, links between the target and `others` take up to `latency_us` longer for a while: how much
    and how long is drawn.

    Stands for: a neighbour's burst of traffic, a buffer that fills and drains.
    """

    name = "latency-spikes"
    needs = ("others", "latency_us", "period_us")
    may = ("direction",)
    milder = "slow"
    told = "everything between {struck} and {others} took up to {latency_us} longer now and then"

    def begin(self, strike: Strike) -> None:
        """The first spike."""
        self._rise(strike)

    def undo(self, strike: Strike) -> None:
        """The links are quick for good."""
        self._fall(strike)

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {**super().drawn(draws, rhythm), "latency_us": draws.between(1_000, rhythm.session_timeout_us),
                "period_us": drawn_period(draws, rhythm)}

    def _rise(self, strike: Strike) -> None:
        period_us = period(strike)
        strike.state = strike.draws.between(0, strike.fault.latency_us or 0)
        self._add(strike, strike.state)
        strike.after(strike.draws.between(1, period_us * 3 // 4), self._fall)
        strike.after(period_us, self._rise)

    def _fall(self, strike: Strike) -> None:
        self._add(strike, -strike.state)
        strike.state = 0

    @staticmethod
    def _add(strike: Strike, latency_us: int) -> None:
        for source, destination in strike.links:
            strike.cluster.slow_down(source, destination, latency_us)


@kind
class Loss(OthersKind):
    """Of the messages between the target and `others`, `loss_per_mille` are lost. TCP sends them again: each loss is a
    delay, twice as long each time, and of what comes behind; losses without end break the connection.

    Stands for: a dirty fibre, an overloaded switch, a duplex mismatch.
    """

    name = "loss"
    needs = ("others", "loss_per_mille")
    may = ("direction",)
    told = "{loss_per_mille} of what {struck} and {others} sent each other was lost"

    def begin(self, strike: Strike) -> None:
        """Begin to lose."""
        for source, destination in strike.links:
            strike.cluster.lose(source, destination, strike.fault.loss_per_mille or 0)

    def undo(self, strike: Strike) -> None:
        """Lose nothing any more."""
        for source, destination in strike.links:
            strike.cluster.lose(source, destination, -(strike.fault.loss_per_mille or 0))

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {**super().drawn(draws, rhythm), "loss_per_mille": draws.choice((10, 50, 200, 500, 900))}


@kind
class Hold(OthersKind):
    """What comes over the connections that are open when it strikes, between the target and `others`, lies in the
    receivers' sockets until the end and is then handled in one burst. New connections are read: what a sender gave up
    and sent again is handled first, and its first sending after it. In one `direction`, only what goes that way.

    Stands for: a network thread that is stuck (Kafka has several, each with its own connections), a proxy that stalls.
    """

    name = "hold"
    may = ("direction",)
    milder = "cut-roles"
    told = "what {struck} and {others} sent each other over the connections they had was not read"

    def begin(self, strike: Strike) -> None:
        """Stop reading."""
        for source, destination in strike.links:
            strike.cluster.hold(source, destination)

    def undo(self, strike: Strike) -> None:
        """Read it all."""
        for source, destination in strike.links:
            strike.cluster.release(source, destination)


@kind
class Reset(OthersKind):
    """The connections between the target and `others` break, once. What was under way is gone, in either direction: a
    request whose answer is gone was handled, and is sent again.

    Stands for: a firewall or a load balancer that forgets its connections.
    """

    name = "reset"
    lasts: ClassVar[bool] = False
    told = "the connections between {struck} and {others} were reset"

    def begin(self, strike: Strike) -> None:
        """Break them; each link has two directions and is told of once."""
        for one, other in strike.links:
            if one == strike.target:
                strike.cluster.reset_connections(one, other)


def period(strike: Strike) -> int:
    """How long a turn takes."""
    assert strike.fault.period_us is not None
    return strike.fault.period_us


def drawn_period(draws: Draws, rhythm: Rhythm) -> int:
    """On the scale of a few round trips, a fetch time-out, or a session."""
    scale_us = draws.choice((10_000, rhythm.fetch_timeout_us, rhythm.session_timeout_us))
    return max(1_000, draws.between(scale_us // 2, scale_us * 2))
