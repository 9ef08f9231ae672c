"""A comparison's figures as rows of text, and how they grow in words."""

from typing import NamedTuple

from fencepost.harness.compare.comparison import Comparison
from fencepost.harness.compare.published import growth_us
from fencepost.harness.compare.scene import MODES

MODE_NAMES = {"zk": "ZooKeeper", "kraft": "KRaft"}


class Column(NamedTuple):
    """A figure of a measurement: short, for the head of a column, and in words. since: the figure from which its growth
    is counted, for what comes before it is a time-out that does not grow. scatter_us: so much the mean of the trials
    still depends on the moments at which heartbeats and retries happen to fall."""

    figure: str
    head: str
    words: str
    since: str | None
    scatter_us: int


class Table(NamedTuple):
    """How a measurement is shown. headline: the figure that is plotted."""

    title: str
    columns: tuple[Column, ...]
    headline: str


TABLES: dict[str, Table] = {
    "failover": Table(
        "the active controller, a broker too, is killed", (
            Column("elected", "elected", "another controller elected", None, 2_000_000),
            Column("first_change", "first change", "the first change of metadata acknowledged", "elected", 200_000),
            Column("last_writable", "writable", "the last of its partitions writable again", "elected", 200_000)),
        "first_change"),
    "topic-create": Table(
        "a topic of ten partitions is created, and deleted", (
            Column("create", "created", "created", None, 1_000), Column("delete", "deleted", "deleted", None, 1_000)),
        "create"),
    "broker-crash": Table(
        "a broker is killed", (
            Column("detected", "detected", "its death detected", None, 2_000_000),
            Column("recovered", "writable", "the last of its partitions writable again", "detected", 20_000)),
        "recovered"),
    "controlled-shutdown": Table(
        "a broker is asked to end", (
            Column("moved", "moved", "its last leadership moved", None, 20_000),
            Column("ended", "ended", "ended", None, 1_000_000)),
        "ended"),
}


def duration_text(time_us: int) -> str:
    """Three digits: "23.8 ms", "19.4 s"; whole seconds from 100 s on."""
    if time_us < 1_000_000:
        return f"{time_us / 1000:#.3g}".rstrip(".") + " ms"
    if time_us < 100_000_000:
        return f"{time_us / 1_000_000:#.3g} s"
    return f"{time_us / 1_000_000:,.0f} s"


def row(comparison: Comparison, what: str, partitions: int) -> list[str]:
    """A measurement's figures at a number of partitions: ZooKeeper's, then KRaft's."""
    return [
        duration_text(comparison.figures(what, mode, partitions)[column.figure])
        for mode in MODES for column in TABLES[what].columns]


def growth_lines(comparison: Comparison, what: str) -> list[str]:
    """For each figure that can grow: what a thousand partitions more add, in either mode."""
    lines = []
    for column in TABLES[what].columns:
        slopes = [growth_us(comparison, what, mode, column.figure, column.since) for mode in MODES]
        is_timeout = any(other.since == column.figure for other in TABLES[what].columns)
        if not is_timeout and None not in slopes:
            since = f", once {column.since}" if column.since else ""
            span = comparison.order.partitions[-1] - comparison.order.partitions[0]
            told = ", ".join(
                f"{MODE_NAMES[mode]} {_more(slope, span, column.scatter_us)}"
                for mode, slope in zip(MODES, slopes, strict=True) if slope is not None)
            lines.append(f"1,000 partitions more{since}, until {column.words}: {told}")
    return lines


def _more(us_per_partition: float, span: int, scatter_us: int) -> str:
    """What a thousand partitions add: as many milliseconds as one adds microseconds."""
    if abs(us_per_partition * span) < scatter_us or abs(us_per_partition) < 0.05:
        return "nothing beyond the scatter"
    return f"{us_per_partition:+,.1f} ms"
