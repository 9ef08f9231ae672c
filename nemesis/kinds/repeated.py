"""Process faults that go on striking: restarts, pauses and slowness."""

from typing import Any

from fencepost.nemesis.kinds.kind import Kind, Strike, kind
from fencepost.nemesis.kinds.partitions import nodes_of
from fencepost.nemesis.kinds.process import DOWN, ProcessKind, freeze, start_again, thaw
from fencepost.nemesis.kinds.traffic import drawn_period, period
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.targets import Draws


class TurnsKind(ProcessKind):
    """Strikes the process once each `period_us` and lets it go again after a drawn part of that, up to a half."""

    needs = ("period_us",)

    def hit(self, strike: Strike) -> None:
        """Strike the process."""
        raise NotImplementedError

    def let_go(self, strike: Strike) -> None:
        """Let it go on."""
        raise NotImplementedError

    def begin(self, strike: Strike) -> None:
        """The first turn."""
        self._hit(strike)

    def undo(self, strike: Strike) -> None:
        """Let it go for good."""
        self._let_go(strike)

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {"period_us": drawn_period(draws, rhythm)}

    def _hit(self, strike: Strike) -> None:
        period_us = period(strike)
        if strike.cluster.is_running(strike.target):
            self.hit(strike)
            strike.state = 1
            strike.after(strike.draws.between(period_us // 8, period_us // 2), self._let_go)
        strike.after(period_us, self._hit)

    def _let_go(self, strike: Strike) -> None:
        if strike.state:
            self.let_go(strike)
        strike.state = 0


@kind
class Stutter(TurnsKind):
    """The process pauses briefly, again and again: once each `period_us`, for a drawn part of it up to a half.

    Stands for: a heap that is nearly full, a processor shared with a greedy neighbour.
    """

    name = "stutter"
    heal_rank = 1
    milder = "pause"
    told = "{struck} was paused briefly, each {period_us}"

    def hit(self, strike: Strike) -> None:
        """Stop it."""
        freeze(strike)

    def let_go(self, strike: Strike) -> None:
        """It goes on."""
        thaw(strike)


@kind
class RestartLoop(TurnsKind):
    """The process dies, is started again and dies again: once each `period_us`, of which it is away for a drawn part up
    to a half.

    Stands for: a crash loop, a liveness probe that is too strict.
    """

    name = "restart-loop"
    milder = "kill"
    told = "{struck} was killed and started again, each {period_us}"

    def hit(self, strike: Strike) -> None:
        """Kill it."""
        strike.hold(DOWN, strike.target)
        strike.cluster.kill(strike.target)

    def let_go(self, strike: Strike) -> None:
        """Start it."""
        start_again(strike, strike.target)


@kind
class RollingRestart(Kind):
    """All nodes of a role (`others`), one after the other in a drawn order, are asked to end (a controlled shutdown)
    and started again half a period later, killed if they have not ended by then; the next is asked after `period_us`.

    Stands for: an upgrade, a change of configuration.
    """

    name = "rolling-restart"
    plane = "process"
    needs = ("others", "period_us")
    ignores = ("target",)
    has_target = False
    told = "{struck} were restarted one after the other"

    def strike(self, strike: Strike) -> None:
        """Begin with the first."""
        strike.left = strike.draws.shuffled(nodes_of(strike.cluster, str(strike.fault.others)))
        if not strike.left:
            strike.skip("there is no such node")
            return
        strike.record(sorted(strike.left))
        self._next(strike)

    def undo(self, strike: Strike) -> None:
        """Whoever is away comes back, and nobody else goes."""
        self._back(strike)

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`; a turn is long enough to come back, or is not."""
        others = draws.choice(("brokers", rhythm.quorum))
        period_us = draws.between(rhythm.fetch_timeout_us, rhythm.session_timeout_us * 3)
        return {"others": others, "period_us": period_us, "duration_us": period_us * draws.between(2, 5)}

    def _next(self, strike: Strike) -> None:
        if not strike.left:
            return
        node = strike.left.pop(0)
        if strike.cluster.is_running(node):
            strike.node = node
            strike.hold(DOWN, node)
            strike.cluster.shut_down(node)
            strike.after(period(strike) // 2, self._back)
        strike.after(period(strike), self._next)

    def _back(self, strike: Strike) -> None:
        if strike.node is not None:
            start_again(strike, strike.node)
        strike.node = None


@kind
class SlowNode(ProcessKind):
    """Each message that the process handles takes `delay_us` longer, and those that come meanwhile wait in order. Its
    timers run on.

    Stands for: a noisy neighbour, a throttled container, a host that swaps.
    """

    name = "slow-node"
    needs = ("delay_us",)
    milder = "pause"
    heal_rank = 1
    told = "each message that {struck} handled took {delay_us} longer"

    def begin(self, strike: Strike) -> None:
        """Slow it down."""
        strike.cluster.slow_node(strike.target, strike.fault.delay_us or 0)

    def undo(self, strike: Strike) -> None:
        """It is as quick as it was, and has soon handled what waits."""
        strike.cluster.slow_node(strike.target, -(strike.fault.delay_us or 0))

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {"delay_us": draws.choice((200, 1_000, 5_000, rhythm.fetch_timeout_us // 4))}
