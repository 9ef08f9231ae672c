"""The choices that every drawn fault is made of: whom it strikes, when, how long after the last one, for how long."""

from typing import Any

from fencepost.nemesis.faults import Trigger
from fencepost.nemesis.points import OFTEN, PARTITION_POINTS, POINTS, QUORUM_POINTS, ZK_QUORUM_POINTS
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.targets import Draws

_ZK_QUORUM_ROLES = (("active-controller", 5), ("zookeeper-leader", 3), ("zookeeper", 3), ("standby-controller", 2))
_QUORUM_ROLES = (("active-controller", 5), ("standby-controller", 3), ("controller", 1))
_PARTITION_ROLES = (("leader", 5), ("follower", 4), ("broker", 1))


class Choices:
    """Draws from one stream, by one rhythm."""

    def __init__(self, draws: Draws, rhythm: Rhythm) -> None:
        self._draws = draws
        self._rhythm = rhythm
        self._zookeeper = rhythm.quorum == "zookeepers"

    def _target(self, quorum: bool, partition: str, first: bool) -> dict[str, Any]:
        draws = self._draws
        if not first and draws.chance(1, 5):
            return {"role": "previous"}
        if quorum:
            return {"role": draws.weighted(_ZK_QUORUM_ROLES if self._zookeeper else _QUORUM_ROLES)}
        role = draws.weighted(_PARTITION_ROLES)
        return {"role": role} if role == "broker" else {"role": role, "partition": partition}

    def _trigger(self, at_us: int, quorum: bool) -> Trigger:
        quorum_points = ZK_QUORUM_POINTS if self._zookeeper else QUORUM_POINTS
        point = self._draws.choice(quorum_points if quorum else PARTITION_POINTS)
        count = self._draws.between(1, 30) if POINTS[point].often == OFTEN else self._draws.between(1, 3)
        return Trigger(point, count, at_us)

    def _gap_us(self) -> int:
        """Between the strikes of an episode: on the scale of a round trip, a fetch time-out, a session or the lag."""
        rhythm = self._rhythm
        scale_us = self._draws.weighted((
            (5_000, 2), (rhythm.fetch_timeout_us, 3), (rhythm.session_timeout_us, 4), (rhythm.replica_lag_us, 2)))
        return self._draws.between(scale_us // 10, scale_us)

    def _duration_us(self, kind: str) -> int:
        rhythm = self._rhythm
        if kind in ("kill", "power-loss", "shutdown") and self._draws.chance(1, 3):
            # A supervisor that restarts at once: faster than any time-out notices.
            return self._draws.between(500, rhythm.fetch_timeout_us // 4)
        scale_us = self._draws.weighted((
            (rhythm.fetch_timeout_us, 3), (rhythm.session_timeout_us, 4), (rhythm.replica_lag_us, 3)))
        return self._draws.between(scale_us // 3, scale_us * 2)
