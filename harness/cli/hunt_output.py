"""What `fencepost bugs hunt` shows: which bug is being hunted, and at the end a table."""

import contextlib
import time
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fencepost.harness.campaign import Campaign, Progress
from fencepost.harness.cli import output
from fencepost.harness.cli.shrink_output import PLAIN_INTERVAL, progress_words
from fencepost.harness.hunt import Hunted, medians
from fencepost.harness.shrinking.shrinker import Shrinker
from fencepost.harness.words import clock, count
from fencepost.model.bugs.registry import KnownBug

_MAX_WIDTH = 200
#: What is told of a bug that was not found, by whether the search was interrupted.
_UNFOUND = ("not found", "interrupted")
_COLUMNS = ("bug", "mode", "rule", "runs to find", "CPU s", "faults", "operations", "nodes")


class HuntProgress:
    """Told of every run; shows one line, or on no terminal one line now and then."""

    def __init__(self, errors: Console, live: Live | None) -> None:
        self._errors = errors
        self._live = live
        self._told = time.monotonic()

    def searching(self, bug: KnownBug) -> Progress:
        """What to call after every seed of the bug's campaign."""
        def show(campaign: Campaign) -> None:
            elapsed = max(0.001, time.monotonic() - campaign.started)
            seeds = len(campaign.outcomes)
            self._show(f"hunting {bug.bug_id}   {count(seeds, 'seed')}   {seeds / elapsed:.1f}/s   {clock(elapsed)}")
        return show

    def shrinking(self, shrinker: Shrinker) -> None:
        """What to call after every run of the shrinker."""
        self._show(progress_words(shrinker))

    def _show(self, words: str) -> None:
        if self._live is not None:
            self._live.update(Text(words))
        elif time.monotonic() - self._told >= PLAIN_INTERVAL:
            self._told = time.monotonic()
            self._errors.print(Text(words), soft_wrap=True)


@contextlib.contextmanager
def progress() -> Iterator[HuntProgress]:
    """The progress of a hunt, on stderr."""
    errors = Console(stderr=True, highlight=False)
    if not errors.is_terminal:
        yield HuntProgress(errors, None)
        return
    with Live(Text("hunting"), console=errors, transient=True, refresh_per_second=4) as live:
        yield HuntProgress(errors, live)


def print_hunted(hunted: Sequence[Hunted], ordered: int, interrupted: bool, as_json: bool) -> None:
    """The table, or one JSON object. ordered: how many bugs were to be hunted."""
    middle = medians(hunted)
    if as_json:
        output.print_json(
            {"bugs": [one.to_data() for one in hunted], "medians": middle, "interrupted": interrupted})
        return
    table = Table(box=None, pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in _COLUMNS[:3] else "right", no_wrap=True)
    for one in hunted:
        rule = one.rule or _UNFOUND[one.interrupted]
        cells = [one.bug.bug_id, one.mode, rule, str(one.runs), f"{one.cpu_seconds:.0f}"]
        if one.shrunk is not None:
            before, after = one.shrunk.before, one.shrunk.after
            cells += [f"{before.faults} to {after.faults}", f"{before.operations} to {after.operations}",
                      f"{before.nodes} to {after.nodes}"]
        table.add_row(*(Text(cell) for cell in cells))
    out = output.console()
    # Whole, also where no terminal is: rich takes the console, not `width`, for what there is room for at most.
    out.width = out.measure(table, options=out.options.update(max_width=_MAX_WIDTH)).maximum
    out.print(table)
    if middle is not None:
        out.print(f"median: {middle['runs']:g} runs to find, {middle['faults']:g} faults and "
                  f"{middle['operations']:g} operations after shrinking")
    if interrupted:
        out.print(Text(f"ended early: interrupted at {len(hunted)} of {count(ordered, 'bug')}", style="yellow"))
