"""Process faults: a server's or a client's process is stopped, killed or asked to end."""

from fencepost.nemesis.kinds.kind import Kind, Strike, kind

#: What keeps a node stopped, for `Strike.hold`.
PAUSED, DOWN = "paused", "down"


class ProcessKind(Kind):
    """Strikes a process that runs."""

    plane = "process"
    ignores = ("others",)

    def strike(self, strike: Strike) -> None:
        """Begin, unless the process is down."""
        node = strike.target
        if not strike.cluster.is_running(node):
            strike.skip(f"node {node} is down already")
            return
        why = self.prevented(strike)
        if why is not None:
            strike.skip(why)
            return
        strike.record([node])
        self.begin(strike)

    def prevented(self, strike: Strike) -> str | None:
        """Why it cannot be done to this process, or None."""

    def begin(self, strike: Strike) -> None:
        """Do it."""


@kind
class Pause(ProcessKind):
    """The process handles nothing, then goes on with its old beliefs.

    Stands for: a long garbage collection, a suspended virtual machine.
    """

    name = "pause"
    may = ("remains",)
    heal_rank = 1

    def begin(self, strike: Strike) -> None:
        """Stop it."""
        freeze(strike)

    def undo(self, strike: Strike) -> None:
        """It goes on, unless another fault still stops it."""
        thaw(strike)

    def hold_on(self, strike: Strike) -> None:
        """A process that was started anew since is stopped, too, and one that is down before its supervisor acts."""
        strike.cluster.start_node(strike.target)
        strike.cluster.pause(strike.target)


def freeze(strike: Strike) -> None:
    """The process handles nothing from now on."""
    strike.hold(PAUSED, strike.target)
    strike.cluster.pause(strike.target)


def thaw(strike: Strike) -> None:
    """It goes on, unless another fault still stops it."""
    if strike.release(PAUSED, strike.target):
        strike.cluster.resume(strike.target)


class StopKind(ProcessKind):
    """Ends the process, which is started again at the end."""

    def undo(self, strike: Strike) -> None:
        """Start it again."""
        start_again(strike, strike.target)


def start_again(strike: Strike, node: int) -> None:
    """Start a process that this fault ended, unless another fault still keeps it down."""
    if strike.release(DOWN, node):
        if strike.cluster.is_running(node):
            # A shutdown that was never granted: the supervisor loses patience.
            strike.cluster.kill(node)
        strike.cluster.start_node(node)


@kind
class Kill(StopKind):
    """The process dies and is started again; the page cache survives.

    Stands for: a crash, the OOM killer.
    """

    name = "kill"
    may = ("remains",)
    milder = "pause"

    def begin(self, strike: Strike) -> None:
        """Kill it."""
        strike.hold(DOWN, strike.target)
        strike.cluster.kill(strike.target)


@kind
class PowerLoss(StopKind):
    """The host loses power and comes back; what was not synced is lost.

    Stands for: a power cut.
    """

    name = "power-loss"
    may = ("remains",)
    milder = "kill"

    def begin(self, strike: Strike) -> None:
        """Take the power away."""
        strike.hold(DOWN, strike.target)
        strike.cluster.power_off(strike.target)


@kind
class Shutdown(StopKind):
    """The process is asked to end (a controlled shutdown), killed if it has not by then, and started again.

    Stands for: maintenance.
    """

    name = "shutdown"
    milder = "pause"

    def begin(self, strike: Strike) -> None:
        """Ask."""
        strike.hold(DOWN, strike.target)
        strike.cluster.shut_down(strike.target)
