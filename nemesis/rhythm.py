"""The rhythm of a cluster: the time-outs that a schedule plays against."""

from dataclasses import dataclass


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
