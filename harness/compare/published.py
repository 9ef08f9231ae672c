"""What others have published about these costs, and what the figures measured here come to beside it."""

from collections.abc import Callable
from typing import NamedTuple

from fencepost.harness.compare.comparison import Comparison
from fencepost.harness.compare.scene import MODES

_SECOND_US = 1_000_000
#: A straight line is followed to at most so many times the most partitions that were measured.
FARTHEST = 20


class Claim(NamedTuple):
    """A published figure.

    what: the measurement that it is about. source: where it was published.
    here: says what this comparison comes to; None where its partitions are too few to tell.
    """

    what: str
    says: str
    source: str
    here: Callable[[Comparison], str | None]


def growth_us(comparison: Comparison, what: str, mode: str, figure: str, since: str | None) -> float | None:
    """Microseconds for each partition more: the slope from the fewest partitions to the most.

    since: an earlier figure of the same measurement from which the time is counted, None for the beginning. None when
    only one number of partitions was measured.
    """
    fewest, most = comparison.order.partitions[0], comparison.order.partitions[-1]
    if fewest == most:
        return None
    first, last = (
        figures[figure] - (figures[since] if since else 0)
        for figures in (comparison.figures(what, mode, fewest), comparison.figures(what, mode, most)))
    return (last - first) / (most - fewest)


def line_us(
    comparison: Comparison, what: str, mode: str, figure: str, since: str | None, partitions: int,
) -> float | None:
    """Where a straight line through the fewest and the most partitions comes to at a number of partitions; its slope
    is counted from `since`, as in `growth_us`. None where that is too far away."""
    slope_us = growth_us(comparison, what, mode, figure, since)
    fewest, most = comparison.order.partitions[0], comparison.order.partitions[-1]
    if slope_us is None or partitions > FARTHEST * most:
        return None
    figures = comparison.figures(what, mode, fewest)
    return figures[figure] + slope_us * (partitions - fewest)


def _reload(comparison: Comparison) -> str | None:
    reload_us = line_us(comparison, "failover", "zk", "reload", None, 100_000)
    changed_us = growth_us(comparison, "failover", "zk", "first_change", "elected")
    if reload_us is None or changed_us is None:
        return None
    return (f"a straight line comes to {_seconds(reload_us)} where no broker is missing; where the controller died as "
            f"a broker too, with its partitions' elections, to {_seconds(100_000 * changed_us)}")


def _instantaneous(comparison: Comparison) -> str | None:
    fewest, most = (
        comparison.figures("failover", "kraft", partitions)["first_change"]
        for partitions in (comparison.order.partitions[0], comparison.order.partitions[-1]))
    return (f"{_seconds(fewest)} to the first change with {comparison.order.partitions[0]:,} partitions, "
            f"{_seconds(most)} with {comparison.order.partitions[-1]:,}")


def _two_million(what: str, figure: str, since: str | None) -> Callable[[Comparison], str | None]:
    def here(comparison: Comparison) -> str | None:
        on_zookeeper, on_quorum = (
            line_us(comparison, what, mode, figure, since, 2_000_000) for mode in MODES)
        if on_zookeeper is None or on_quorum is None:
            return None
        return (f"a straight line comes to {_seconds(on_zookeeper)} against {_seconds(on_quorum)}, "
                f"{on_zookeeper / on_quorum:.1f} times as long")
    return here


def _ten_thousand_replicas(comparison: Comparison) -> str | None:
    """25,000 partitions with two replicas are 10,000 on each of five brokers."""
    total_us = line_us(comparison, "controlled-shutdown", "zk", "ended", None, 25_000)
    return None if total_us is None else f"a straight line comes to {_seconds(total_us)} at 25,000 partitions"


def _creation(comparison: Comparison) -> str | None:
    most = comparison.order.partitions[-1]
    created = [comparison.figures("topic-create", mode, most)["create"] for mode in MODES]
    return f"{_seconds(created[0])} against {_seconds(created[1])} for a topic of ten with {most:,} partitions there"


def _seconds(time_us: float) -> str:
    return f"{time_us / _SECOND_US:,.3g} s" if time_us < 1000 * _SECOND_US else f"{time_us / _SECOND_US:,.0f} s"


CLAIMS = (
    Claim(
        "failover", "a new controller reloads the state of 100,000 partitions in 28 s (Kafka 1.0.0), 14 s (1.1.0)",
        "Rao, Apache Kafka Supports 200K Partitions Per Cluster (Confluent, 2018)", _reload),
    Claim(
        "failover", "with KRaft a fail-over is nearly instantaneous", "Confluent's documentation of KRaft",
        _instantaneous),
    Claim(
        "topic-create", "with KRaft partitions are created faster, and more of them",
        "Instaclustr, on Kafka with millions of partitions", _creation),
    Claim(
        "broker-crash", "recovery from an uncontrolled shutdown with 2,000,000 partitions: 503 s against 37 s, 13.6 "
        "times as long", "Confluent, A First Glimpse of a Kafka Without ZooKeeper (2020)",
        _two_million("broker-crash", "recovered", "detected")),
    Claim(
        "controlled-shutdown", "with 2,000,000 partitions: 135 s against 32 s, 4.2 times as long",
        "Confluent, A First Glimpse of a Kafka Without ZooKeeper (2020)",
        _two_million("controlled-shutdown", "ended", None)),
    Claim(
        "controlled-shutdown", "of a broker with 10,000 of 50,000 replicas: 6.5 min (Kafka 1.0.0), 3 s (1.1.0)",
        "Rao, Apache Kafka Supports 200K Partitions Per Cluster (Confluent, 2018)", _ten_thousand_replicas),
)
