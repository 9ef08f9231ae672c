"""What `fencepost shrink` shows: progress while it tries, then what is left of the failure."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from fencepost.harness.cli import output
from fencepost.harness.run import report
from fencepost.harness.shrinking.shrinker import Shrinker, Shrunk, Size
from fencepost.harness.words import clock, count, duration

#: Without a terminal, progress is told this often, in wall-clock seconds.
PLAIN_INTERVAL = 10.0
#: How many operations are told.
MAX_OPERATIONS = 15
#: What of an operation and of a fault is told elsewhere in its line, or says nothing to a reader.
_TOLD = ("at_us", "client", "f", "kind", "duration_us", "draws", "at_point", "retry", "topics", "configs", "remains")


@contextlib.contextmanager
def progress() -> Iterator[Callable[[Shrinker], None]]:
    """Gives what to call after every run. A live line on a terminal, otherwise a plain one now and then on stderr."""
    errors = Console(stderr=True, highlight=False)
    if not errors.is_terminal:
        yield _Plain(errors).show
        return
    with Live(Text("shrinking"), console=errors, transient=True, refresh_per_second=4) as live:
        yield lambda shrinker: live.update(Text(progress_words(shrinker)))


class _Plain:
    """Progress where no terminal is: a line every few seconds."""

    def __init__(self, errors: Console) -> None:
        self._errors = errors
        self._told = time.monotonic()

    def show(self, shrinker: Shrinker) -> None:
        """Called after every run."""
        if time.monotonic() - self._told >= PLAIN_INTERVAL:
            self._told = time.monotonic()
            self._errors.print(Text(progress_words(shrinker)), soft_wrap=True)


def progress_words(shrinker: Shrinker) -> str:
    """How far a shrinker is, in one line."""
    rate = shrinker.runs / max(0.001, time.monotonic() - shrinker.began)
    return (f"shrinking {shrinker.rule}   {count(shrinker.runs, 'run')}   {rate:.1f}/s   at most "
            f"{clock(shrinker.seconds_left)} left   {sizes(shrinker.before, shrinker.size)}")


def sizes(before: Size, after: Size) -> str:
    """ "12 faults to 2, 640 operations to 7, 6 nodes to 4, 30 s to 5 s"."""
    return (f"{count(before.faults, 'fault')} to {after.faults}, {count(before.operations, 'operation')} to "
            f"{after.operations}, {count(before.nodes, 'node')} to {after.nodes}, {duration(before.duration_us)} to "
            f"{duration(after.duration_us)}")


def print_shrunk(shrunk: Shrunk) -> None:
    """What is left: faults, operations, the violation, and the replay line."""
    out = output.console()
    spec = shrunk.result.spec
    out.print(Text(f"shrunk   {sizes(shrunk.before, shrunk.after)}   ({count(shrunk.runs, 'run')}, "
                   f"{clock(shrunk.elapsed_s)})"))
    if shrunk.interrupted:
        out.print(Text("  interrupted: this is the smallest found by then", style="yellow"))
    elif not shrunk.finished:
        out.print(Text("  the time was up: a larger --budget may make it smaller still", style="yellow"))
    out.print(f"  {output.shape_words(spec.mode, spec.shape)}, {count(spec.shape.clients, 'client')}"
              + (", latencies steady" if spec.steady else ""))
    for fault in spec.faults or ():
        length = "to the end" if fault.get("remains") else f"for {duration(fault['duration_us'])}"
        out.print(Text(f"  {_when(fault):>12}  {fault['kind']} {length}  {_rest(fault)}"))
    operations = spec.workload or []
    for operation in operations[:MAX_OPERATIONS]:
        out.print(Text(f"  {_when(operation):>12}  client {operation['client']}  {operation['f']}  {_rest(operation)}"))
    if len(operations) > MAX_OPERATIONS:
        out.print(f"  and {count(len(operations) - MAX_OPERATIONS, 'more operation')} (spec.json has them)")
    violations = report(shrunk.result)["violations"]
    output.print_violation(out, next(one for one in violations if one["rule"] == shrunk.rule))
    line = output.replay_line(str(shrunk.result.run_directory))
    out.print(Text(f"  replay   {line}   explain  {line} --at violation"))


def _when(record: dict[str, Any]) -> str:
    if "at_us" in record:
        return duration(record["at_us"])
    trigger = record["at_point"]
    return f"{trigger['point']} #{trigger['count']}" + (
        f" from {duration(trigger['from_us'])}" if trigger.get("from_us") else "")


def _rest(record: dict[str, Any]) -> str:
    """The other fields, in their order."""
    words = []
    for name, value in record.items():
        if name in _TOLD or value is None:
            continue
        shown = "-".join(str(part) for part in value.values()) if isinstance(value, dict) else value
        words.append(f"{name.removesuffix('_us')} {duration(value) if name.endswith('_us') else shown}")
    return "  ".join(words)
