"""What a campaign shows: progress while it runs, and at its end the verdicts, what was reached, failures by rule."""

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from fencepost.harness.campaign import Campaign, Order, SeedOutcome, summary_path
from fencepost.harness.cli import output
from fencepost.harness.explain import coverage_words, never_reached
from fencepost.harness.skips import skip_counts
from fencepost.harness.words import clock, count, duration
from fencepost.nemesis.selection import ALL, selected_kinds

if TYPE_CHECKING:
    from fencepost.harness.shrinking.shrinker import Shrunk

#: Without a terminal, progress is told this often, in wall-clock seconds.
PLAIN_INTERVAL = 10.0
#: How many seeds of one rule get a line, and how many excused losses of one reason are told.
MAX_SEEDS, MAX_EXCUSES = 10, 2


@contextlib.contextmanager
def progress(order: Order, as_json: bool) -> Iterator[Callable[[Campaign], None]]:
    """Gives what to call after every seed. A live line on a terminal, otherwise a plain one now and then on stderr."""
    errors = Console(stderr=True, highlight=False)
    if not errors.is_terminal:
        yield _Plain().show
        return
    with Live(Text(f"{order.spec.mode}  starting {count(min(order.jobs, order.seeds), 'worker')}"), console=errors,
              transient=True, auto_refresh=False) as live:
        yield lambda campaign: live.update(_progress_line(campaign), refresh=True)


class _Plain:
    """Progress where no terminal is: a line every few seconds."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def show(self, campaign: Campaign) -> None:
        """Called after every seed."""
        now = time.monotonic()
        if now - self._told >= PLAIN_INTERVAL:
            self._told = now
            print(_progress_line(campaign).plain, file=sys.stderr, flush=True)


def _progress_line(campaign: Campaign) -> Text:
    done, total = len(campaign.outcomes), campaign.order.seeds
    elapsed = max(0.001, time.monotonic() - campaign.started)
    left = (total - done) * elapsed / max(1, done)
    return Text.assemble(
        _heading(campaign), f"   {done}/{total} seeds   {done / elapsed:.1f}/s   {clock(left)} left   ",
        *_verdict_counts(campaign))


def _heading(campaign: Campaign) -> str:
    spec = campaign.order.spec
    bugs = f"  with {', '.join(spec.bugs)}" if spec.bugs else ""
    return f"{spec.mode}  {output.shape_words(spec.mode, spec.shape)}, {duration(spec.duration_us)} each{bugs}"


def _verdict_counts(campaign: Campaign) -> list[Any]:
    excused = sum(len(outcome.excused) for outcome in campaign.outcomes.values())
    parts: list[Any] = []
    for verdict in ("valid", "invalid", "unknown"):
        number = campaign.count(verdict)
        parts += [(f"{verdict} {number}", output.COLOURS[verdict] if number else ""), "   "]
    return [*parts, f"excused {excused}"]


def print_campaign(campaign: Campaign) -> None:
    """The whole of a campaign in words."""
    out = output.console()
    output.print_not_modelled(out, campaign.order.not_modelled)
    elapsed = clock(campaign.ended - campaign.started)
    out.print(Text.assemble(
        _heading(campaign), f"   {len(campaign.outcomes)}/{campaign.order.seeds} seeds   {elapsed}   ",
        *_verdict_counts(campaign)))
    for number, line in enumerate(coverage_lines(campaign)):
        out.print(Text(f"{'reached ' if number == 0 else '        '} {line}"))
    output.print_skips(out, skip_counts(campaign.coverage().skips), "reason")
    for reason, excuses in campaign.excused_by_reason().items():
        out.print(Text(f"excused  {len(excuses)} x {reason}"))
        for seed, excuse in excuses[:MAX_EXCUSES]:
            out.print(Text(f"           seed {seed}: {excuse['message']}"))
    _print_failures(out, campaign)
    _print_unknown(out, campaign)
    if campaign.order.sought and not campaign.found():
        out.print(Text(f"not caught: no seed broke any of {', '.join(campaign.order.sought)}", style="yellow"))
    if campaign.deaths:
        out.print(Text(f"{count(campaign.deaths, 'worker')} died; new ones took over", style="yellow"))
    if campaign.stopped is not None:
        out.print(Text(f"ended early: {campaign.stopped} after {len(campaign.outcomes)} of "
                       f"{campaign.order.seeds} seeds", style="yellow" if campaign.interrupted else ""))
    out.print(f"digest   {campaign.digest}   ({summary_path(campaign.order)})")


def _print_failures(out: Console, campaign: Campaign) -> None:
    """By rule: the first seed in full, the others with their replay line."""
    for rule, outcomes in campaign.failures_by_rule().items():
        out.print()
        out.print(Text.assemble(("INVALID", output.COLOURS["invalid"]), f"  {rule}  {count(len(outcomes), 'seed')}"))
        for number, outcome in enumerate(outcomes[:MAX_SEEDS]):
            line = f"  seed {outcome.seed}   replay  {replay_of(campaign, outcome)}"
            if number == 0:
                output.print_violation(out, outcome.violations[0])
                others = [other for other in output.rules(outcome.violations) if other != rule]
                if others:
                    out.print(Text(f"    it then broke  {', '.join(others)}"))
                line += f"   explain  {replay_of(campaign, outcome)} --at violation"
            out.print(Text(line))
        if len(outcomes) > MAX_SEEDS:
            out.print(f"  and {count(len(outcomes) - MAX_SEEDS, 'more seed')}")


def _print_unknown(out: Console, campaign: Campaign) -> None:
    """By what went wrong, numbers aside: the lowest seed in full, of the others how many there are."""
    groups: dict[str, list[SeedOutcome]] = {}
    for outcome in campaign.sorted_outcomes():
        if outcome.trouble is not None:
            groups.setdefault(re.sub(r"\d+", "#", outcome.trouble), []).append(outcome)
    for outcomes in groups.values():
        first = outcomes[0]
        more = f"   (and {count(len(outcomes) - 1, 'more seed')} like it)" if len(outcomes) > 1 else ""
        out.print(Text.assemble(
            ("UNKNOWN", output.COLOURS["unknown"]),
            f"  seed {first.seed}: {first.trouble}{more}   replay  {replay_of(campaign, first)}"))


def replay_of(campaign: Campaign, outcome: SeedOutcome) -> str:
    """The line that replays a seed; one that was not stored is run."""
    if outcome.run_directory is not None:
        return output.replay_line(outcome.run_directory)
    spec = campaign.order.spec
    bugs = "".join(f" --bug {bug}" for bug in spec.bugs)
    faults = f" --faults {spec.draw_from}" if spec.draw_from != ALL else ""
    return f"fencepost run --mode {spec.mode} --seed {outcome.seed}{bugs}{faults}"


def coverage_lines(campaign: Campaign) -> list[str]:
    """What the seeds reached together, and what none did."""
    return coverage_words(campaign.coverage().to_data(), *_known(campaign))


def _known(campaign: Campaign) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """The kinds of fault that may be drawn, the error codes, and the branches of the mode's protocol."""
    from fencepost.harness.execution import branches_of
    from fencepost.model import errors

    spec = campaign.order.spec
    codes = sorted(value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str))
    return selected_kinds(spec.draw_from, spec.mode), codes, branches_of(spec.mode)


def print_json(campaign: Campaign, shrunk: "Mapping[str, Shrunk]") -> None:
    """One JSON object on standard output; `shrunk` by rule."""
    outcomes, reached = campaign.sorted_outcomes(), campaign.coverage().to_data()
    output.print_json({
        "verdict": campaign.verdict, "digest": campaign.digest, "mode": campaign.order.spec.mode,
        "first": campaign.order.first, "seeds": campaign.order.seeds, "done": len(outcomes),
        "counts": {verdict: campaign.count(verdict) for verdict in ("valid", "invalid", "unknown")},
        "violations": [
            {"seed": outcome.seed, "run_directory": outcome.run_directory,
             "replay": replay_of(campaign, outcome), **violation}
            for outcome in outcomes for violation in outcome.violations
        ],
        "excused": [{"seed": outcome.seed, **excuse} for outcome in outcomes for excuse in outcome.excused],
        "failures": [
            {"rule": rule, "seeds": [outcome.seed for outcome in failing],
             "replay": replay_of(campaign, failing[0])}
            for rule, failing in campaign.failures_by_rule().items()
        ],
        "shrunk": {rule: one.to_data() for rule, one in shrunk.items()},
        "unknown": [{"seed": outcome.seed, "why": outcome.trouble} for outcome in outcomes if outcome.trouble],
        "digests": {str(outcome.seed): outcome.digest for outcome in outcomes},
        "coverage": reached, "never": never_reached(reached, *_known(campaign)),
        "not_modelled": list(campaign.order.not_modelled),
        "sought": list(campaign.order.sought), "found": [outcome.seed for outcome in campaign.found()],
        "stopped": campaign.stopped, "interrupted": campaign.interrupted, "workers_died": campaign.deaths,
        "wall_seconds": round(campaign.ended - campaign.started, 3),
        "cpu_seconds": round(sum(outcome.cpu_seconds for outcome in outcomes), 3),
        "kernel_events": sum(outcome.kernel_events for outcome in outcomes),
        "virtual_us": sum(outcome.virtual_us for outcome in outcomes),
    })
