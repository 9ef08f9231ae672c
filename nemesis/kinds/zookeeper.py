"""Faults that only ZooKeeper mode has: sessions, /controller, and the controller's event queue."""

from typing import Any

from fencepost.nemesis.kinds.kind import Kind, Strike, kind
from fencepost.nemesis.kinds.process import ProcessKind
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.targets import Draws

_SLOW_CONTROLLER = "slow controller"


@kind
class ExpireSession(ProcessKind):
    """The broker's ZooKeeper session ends at once.

    Stands for: an operator, a clock that jumps.
    """

    name = "expire-session"
    modes = ("zk",)
    lasts = False

    def prevented(self, strike: Strike) -> str | None:
        """End the session, if there is one."""
        ended = strike.cluster.expire_session(strike.target)
        return None if ended else f"node {strike.target} has no session that somebody could end"


@kind
class SlowController(ProcessKind):
    """Each event of the broker's controller takes `delay_us` longer.

    Stands for: a controller that cannot keep up.
    """

    name = "slow-controller"
    modes = ("zk",)
    needs = ("delay_us",)
    heal_rank = 3

    def prevented(self, strike: Strike) -> str | None:
        """Slow it down, if it is there."""
        slowed = strike.cluster.slow_controller(strike.target, strike.fault.delay_us or 0)
        return None if slowed else f"node {strike.target} has no controller with a queue"

    def begin(self, strike: Strike) -> None:
        """Remember whom it slows down."""
        strike.hold(_SLOW_CONTROLLER, strike.target)

    def undo(self, strike: Strike) -> None:
        """It is quick again, unless another fault slows it down."""
        if strike.release(_SLOW_CONTROLLER, strike.target):
            strike.cluster.slow_controller(strike.target, 0)

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {"delay_us": draws.between(1, rhythm.session_timeout_us)}


@kind
class DeleteController(Kind):
    """/controller is deleted while its owner's session lives; it is done to the ensemble, once.

    Stands for: an operator forces an election.
    """

    name = "delete-controller"
    plane = "process"
    modes = ("zk",)
    has_target = False
    ignores = ("target",)
    lasts = False

    def strike(self, strike: Strike) -> None:
        """Delete it; whose office it was is written down."""
        active = strike.cluster.roles()["active-controller"]
        if strike.cluster.delete_controller():
            strike.record(active)
        else:
            strike.skip("there is no /controller that somebody could delete")
