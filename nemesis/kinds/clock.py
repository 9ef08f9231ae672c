"""Clock faults: a host's wall clock is wrong, and jumps when it is put right. Monotonic time is never touched.

What reads the wall clock in Kafka (`Time.milliseconds`) and in the model: Raft's fetch, election and check-quorum
timers (KafkaRaftClient), the leader's check of who lags behind the ISR, and the timestamps of records and of committed
offsets. What runs on monotonic time in Kafka, and so is out of reach here: brokers' sessions at the controller
(BrokerHeartbeatTracker) and the events of its queue (KafkaEventQueue), by `nanoseconds`; delayed requests and the group
coordinator's sessions (SystemTimer), by `hiResClockMs`; ZooKeeper's sessions (`Time.currentElapsedTime`).

Left out: the clients' and the replica fetchers' back-offs and time-outs, which are the wall clock's in Kafka and
monotonic in the model. A jump makes them come early or late, as a slow or broken connection does.
"""

from typing import Any, ClassVar

from fencepost.nemesis.kinds.kind import Kind, Strike, kind
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.targets import Draws

#: A clock that drifts is put on in steps of this length.
_STEP_US = 10_000


class ClockKind(Kind):
    """Strikes the wall clock of a host, whether its process runs or not."""

    plane = "clock"
    heal_rank = 1

    def strike(self, strike: Strike) -> None:
        """Begin."""
        strike.record([strike.target])
        self.begin(strike)

    def begin(self, strike: Strike) -> None:
        """Do it."""
        raise NotImplementedError

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`: forward or back, on the scale of a time-out."""
        scale_us = draws.choice((rhythm.fetch_timeout_us // 2, rhythm.session_timeout_us, rhythm.replica_lag_us))
        return {"offset_us": draws.choice((1, -1)) * draws.between(max(1, scale_us // 4), scale_us)}


@kind
class ClockJump(ClockKind):
    """The wall clock is put forward or back by `offset_us`, once, and stays so.

    Stands for: an operator, the end of a long time without NTP, a virtual machine that was moved.
    """

    name = "clock-jump"
    needs = ("offset_us",)
    lasts: ClassVar[bool] = False
    told = "the wall clock of {struck} jumped by {offset_us}"

    def begin(self, strike: Strike) -> None:
        """Move it."""
        strike.cluster.move_clock(strike.target, strike.fault.offset_us or 0)


@kind
class ClockSkew(ClockKind):
    """The wall clock is put forward or back by `offset_us`, and put right at the end: two jumps.

    Stands for: a wrong time server, and the right one.
    """

    name = "clock-skew"
    needs = ("offset_us",)
    milder = "clock-jump"
    told = "the wall clock of {struck} was off by {offset_us}"

    def begin(self, strike: Strike) -> None:
        """Move it."""
        strike.cluster.move_clock(strike.target, strike.fault.offset_us or 0)

    def undo(self, strike: Strike) -> None:
        """Move it back."""
        strike.cluster.move_clock(strike.target, -(strike.fault.offset_us or 0))


@kind
class ClockDrift(ClockKind):
    """The wall clock runs too fast or too slow by `rate_ppm`, in steps of 10 ms, and is put right at the end by a jump.

    Stands for: a bad oscillator, a virtual machine that gets too little time.
    """

    name = "clock-drift"
    needs = ("rate_ppm",)
    told = "the wall clock of {struck} ran wrong by {rate_ppm}"

    def begin(self, strike: Strike) -> None:
        """Let it run."""
        strike.left = [strike.cluster.now_us]
        strike.after(_STEP_US, self._step)

    def undo(self, strike: Strike) -> None:
        """Put it right."""
        strike.cluster.move_clock(strike.target, -strike.state)

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`: from what oscillators do to what only a virtual machine does."""
        return {"rate_ppm": draws.choice((1, -1)) * draws.choice((200, 10_000, 200_000, 800_000))}

    def _step(self, strike: Strike) -> None:
        elapsed_us = strike.cluster.now_us - strike.left[0]
        off_us = elapsed_us * (strike.fault.rate_ppm or 0) // 1_000_000
        strike.cluster.move_clock(strike.target, off_us - strike.state)
        strike.state = off_us
        strike.after(_STEP_US, self._step)
