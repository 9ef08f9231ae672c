"""What a comparison shows: progress while it runs, then a table and bars for each measurement, and what it assumed."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from fencepost.harness.cli import output
from fencepost.harness.compare import assumptions
from fencepost.harness.compare.comparison import Comparison, Order
from fencepost.harness.compare.published import CLAIMS, growth_us
from fencepost.harness.compare.scene import MODES
from fencepost.harness.compare.tables import MODE_NAMES, TABLES, duration_text, growth_lines, row
from fencepost.harness.words import clock, count

#: Without a terminal, progress is told this often, in wall-clock seconds.
PLAIN_INTERVAL = 10.0
#: The longest bar of a plot in text, in characters.
BAR = 50


# --- progress ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def progress(order: Order) -> Iterator[Callable[[Comparison], None]]:
    """Gives what to call after every measurement. A live line on a terminal, otherwise one now and then on stderr."""
    errors = Console(stderr=True, highlight=False)
    if not errors.is_terminal:
        yield _Plain().show
        return
    clusters = len(order.partitions) * len(MODES)
    with Live(Text(f"compare  starting {count(clusters, 'cluster')}"), console=errors, transient=True,
              auto_refresh=False) as live:
        yield lambda comparison: live.update(Text(_progress_line(comparison)), refresh=True)


class _Plain:
    """Progress where no terminal is: a line every few seconds."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def show(self, comparison: Comparison) -> None:
        """Called after every measurement."""
        now = time.monotonic()
        if now - self._told >= PLAIN_INTERVAL:
            self._told = now
            print(_progress_line(comparison), file=sys.stderr, flush=True)


def _progress_line(comparison: Comparison) -> str:
    order = comparison.order
    total = len(order.partitions) * len(order.what) * len(MODES)
    done, in_all = comparison.work()
    elapsed = max(0.001, time.monotonic() - comparison.started)
    left = (in_all - done) * elapsed / max(1, done)
    return (f"compare  {len(comparison.measured)}/{total} measurements   {done / elapsed:,.0f} partitions/s   "
            f"{clock(left)} left")


# --- text -------------------------------------------------------------------------------------------------------------


def print_comparison(comparison: Comparison, plot: Path | None) -> None:
    """The whole comparison in words, tables and bars."""
    out = output.console()
    for what in comparison.order.what:
        _print_measurement(out, comparison, what)
    out.print(Text("assumed", style="bold"))
    for assumption in assumptions.listed():
        out.print(Text(f"  {assumption.name}: {assumption.value} ({assumption.source})"))
    if plot is not None:
        out.print(f"plot     {plot}")
    out.print(f"measured in {clock(comparison.ended - comparison.started)} of wall-clock time, seed "
              f"{comparison.order.seed}")


def _print_measurement(out: Console, comparison: Comparison, what: str) -> None:
    table = TABLES[what]
    out.print(Text.assemble((what, "bold"), f"  {table.title}"))
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("partitions", justify="right")
    for mode in MODES:
        for column in table.columns:
            grid.add_column(f"{MODE_NAMES[mode]}\n{column.head}", justify="right")
    for partitions in comparison.order.partitions:
        grid.add_row(f"{partitions:,}", *row(comparison, what, partitions))
    out.print(grid)
    for line in bars(comparison, what):
        out.print(Text(f"  {line}"))
    for line in growth_lines(comparison, what):
        out.print(Text(f"  {line}"))
    for claim in CLAIMS:
        here = claim.here(comparison) if claim.what == what else None
        if claim.what == what:
            out.print(Text(f"  published: {claim.says} ({claim.source})", style="dim"))
        if here is not None:
            out.print(Text(f"       here: {here}"))
    out.print()


def bars(comparison: Comparison, what: str) -> list[str]:
    """The headline figure as bars of one scale."""
    headline = TABLES[what].headline
    values = [
        (partitions, mode, comparison.figures(what, mode, partitions)[headline])
        for partitions in comparison.order.partitions for mode in MODES]
    longest = max(value for _, _, value in values) or 1
    width = max(len(f"{partitions:,}") for partitions in comparison.order.partitions)
    return [
        f"{f'{partitions:,}' if mode == MODES[0] else '':>{width}} {MODE_NAMES[mode]:<9} "
        f"{'█' * max(1, round(BAR * value / longest))} {duration_text(value)}"
        for partitions, mode, value in values]


# --- JSON -------------------------------------------------------------------------------------------------------------


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain data; all but `wall_seconds` is a function of the order."""
    order = comparison.order
    return {
        "seed": order.seed, "partitions": list(order.partitions), "what": list(order.what),
        "assumed": [asdict(assumption) for assumption in assumptions.listed()],
        "measured": [
            {"what": each.what, "mode": each.mode, "partitions": each.partitions, "figures_us": each.figures_us,
             "trials_us": list(each.trials)}
            for each in comparison.measured],
        "growth": [
            {"what": what, "mode": mode, "figure": column.figure, "since": column.since,
             "us_per_partition": growth_us(comparison, what, mode, column.figure, column.since)}
            for what in order.what for mode in MODES for column in TABLES[what].columns],
        "published": [
            {"what": claim.what, "says": claim.says, "source": claim.source, "here": claim.here(comparison)}
            for claim in CLAIMS if claim.what in order.what],
        "wall_seconds": round(comparison.ended - comparison.started, 3),
    }


def print_json(comparison: Comparison) -> None:
    """One JSON object on standard output."""
    output.print_json(comparison_data(comparison))
