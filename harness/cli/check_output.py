"""What `fencepost check --model` shows: progress while it works, the verdict, and the counterexample."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from fencepost.harness.cli.output import COLOURS, MAX_TOLD, console, print_json
from fencepost.harness.judge import Watch
from fencepost.harness.words import clock, count

#: Work shorter than this shows no progress; afterwards it is shown so often. Wall-clock seconds.
_PATIENCE_S, _INTERVAL_S = 1.0, 0.2


class _Progress(Watch):
    """A line on a terminal: what is being done, how fast, and how much time is left."""

    def __init__(self, live: Live, timeout_s: float) -> None:
        self._live = live
        self._timeout_s = timeout_s
        self._started = self._shown = time.monotonic()
        self._explored = 0

    def reading(self, lines: int) -> None:
        """See `Watch`."""
        self._show(lines, "line", "read")

    def searching(self, configurations: int) -> None:
        """See `Watch`."""
        self._explored += configurations
        if self._explored:
            self._show(self._explored, "configuration", "explored")

    def _show(self, number: int, thing: str, done: str) -> None:
        now = time.monotonic()
        elapsed = now - self._started
        if elapsed < _PATIENCE_S or now - self._shown < _INTERVAL_S:
            return
        self._shown = now
        self._live.update(Text(
            f"{count(number, thing)} {done}   {number / elapsed:,.0f}/s   at most "
            f"{clock(self._timeout_s - elapsed)} left"), refresh=True)


@contextlib.contextmanager
def progress(timeout_s: float) -> Iterator[Watch]:
    """Gives what to tell how far the work is; it shows a line where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield Watch()
        return
    with Live(console=Console(stderr=True, highlight=False), transient=True, auto_refresh=False) as live:
        yield _Progress(live, timeout_s)


def print_contracts(contracts: Iterable[tuple[str, str]], as_json: bool) -> None:
    """The contracts, a line each."""
    if as_json:
        print_json([{"model": name, "description": description} for name, description in contracts])
        return
    listed = list(contracts)
    width = max(len(name) for name, _ in listed)
    out = console()
    for name, description in listed:
        out.print(Text.assemble((name.ljust(width), "bold"), f"  {description}"))


def print_judgement(data: dict[str, Any], explain: bool) -> None:
    """The verdict and why; with `explain`, all that there is to say."""
    out = console()
    out.print(Text(f"{data['history']}  {data['model']}  {count(data['operations'], 'operation')}  "
                   f"{data['elapsed_s']:.3f} s  {data['engine']}"))
    number = len(data["violations"])
    told = f"  {count(number, 'violation')}" if number else ""
    out.print(Text.assemble((data["verdict"].upper(), COLOURS[data["verdict"]]), told))
    lines = data["words"].splitlines() if data.get("words") else []
    shown = lines if explain else lines[:MAX_TOLD]
    for line in shown:
        out.print(Text(f"  {line}"))
    if len(shown) < len(lines):
        out.print(Text(f"  and {count(len(lines) - len(shown), 'more line')}: --explain tells all, --json as data"))
    for note in data["notes"]:
        out.print(Text(f"  note     {note}", style="yellow"))
