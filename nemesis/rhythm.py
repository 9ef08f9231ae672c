"""The rhythm of a cluster: the time-outs that a schedule plays against."""

from dataclasses import dataclass, replace

#: Below this a time-out is no scale to draw from: about what a few messages and fsyncs take.
_SHORTEST_US = 20_000


@dataclass(frozen=True, slots=True)
class Rhythm:
    """All in microseconds; faults begin between `begin_us` and `end_us`.

    partitions: the topic-partitions worth aiming at, those of __consumer_offsets among them.
    quorum: who keeps the metadata: "controllers", or "zookeepers" in ZooKeeper mode.
    """

    begin_us: int
    end_us: int
    fetch_timeout_us: int
    session_timeout_us: int
    replica_lag_us: int
    client_session_us: int
    partitions: tuple[str, ...]
    quorum: str = "controllers"

    def in_order(self) -> "Rhythm":
        """The same with scales that times can be drawn between, whatever the configuration is: a fetch time-out of at
        most half a session, a replica lag of at least a session. In Kafka's own configuration they are that."""
        session_us = max(self.session_timeout_us, 2 * _SHORTEST_US)
        return replace(
            self, session_timeout_us=session_us, replica_lag_us=max(self.replica_lag_us, session_us),
            fetch_timeout_us=max(_SHORTEST_US, min(self.fetch_timeout_us, session_us // 2)))
