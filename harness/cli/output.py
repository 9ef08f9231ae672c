"""What single commands print: for people with rich, for programs as one JSON object."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from fencepost.harness.skips import skip_line
from fencepost.harness.words import count, duration, joined, seconds
from fencepost.model.bugs.registry import KnownBug

if TYPE_CHECKING:
    from fencepost.harness.run import RunResult
    from fencepost.harness.soak import Total

COLOURS = {"valid": "green", "invalid": "bold red", "unknown": "yellow", "not-applicable": "dim"}
#: How many violations of one run are told in full.
MAX_TOLD = 3
#: How many faults that did not strike are told, and how many reasons for that.
MAX_SKIPS = 5


def console() -> Console:
    """Standard output; long lines are left to the terminal, and nothing is coloured unless it is one."""
    return Console(soft_wrap=True, highlight=False)


def print_json(data: Any) -> None:
    """One JSON value on standard output."""
    print(json.dumps(data, indent=2))


def replay_line(run_directory: str) -> str:
    """The line that replays a stored run."""
    return f"fencepost replay {shlex.quote(run_directory)}"


def print_run(result: "RunResult", data: dict[str, Any]) -> None:
    """A run's verdict and how it came about."""
    out = console()
    shape = result.spec.shape
    print_not_modelled(out, data["not_modelled"])
    out.print(f"{result.spec.mode}  seed {result.spec.seed}  {shape_words(result.spec.mode, shape)}  "
              f"{duration(result.spec.duration_us)} of faults, {duration(result.end_us)} in all  "
              f"{count(data['events'], 'event')}")
    reached = data["coverage"]
    out.print(f"reached  {count(sum(reached['faults'].values()), 'fault')} "
              f"({', '.join(reached['faults']) or 'none'}), "
              f"{count(reached['controller_fail_overs'], 'controller fail-over')}, "
              f"{count(reached['isr_changes'], 'ISR change')}, {count(len(reached['errors']), 'error code')}")
    for number, line in enumerate(data["fenced"][:MAX_TOLD]):
        out.print(Text(f"{'fenced ' if number == 0 else '       '}  {line}"))
    if len(data["fenced"]) > MAX_TOLD:
        out.print(f"         and {count(len(data['fenced']) - MAX_TOLD, 'more order')} (results.json has them)")
    print_skips(out, [skip_line(skip) for skip in data["skipped"]], "fault")
    print_verdict(out, data)
    if result.crash is not None:
        out.print(Text(f"  {result.crash.words()}"))
    out.print(f"  stored   {data['run_directory']}")
    out.print(f"  replay   {data['replay']}" + explain_hint(data))
    out.print(f"  digest   {data['digest']}")


def print_skips(out: Console, lines: Sequence[str], what: str) -> None:
    """Faults that did not strike, or the reasons for that, as many as are read."""
    for number, line in enumerate(lines[:MAX_SKIPS]):
        out.print(Text(f"{'skipped' if number == 0 else '       '}  {line}"))
    if len(lines) > MAX_SKIPS:
        out.print(f"         and {count(len(lines) - MAX_SKIPS, f'more {what}')} (--json has all)")


def print_check(data: dict[str, Any]) -> None:
    """The verdict on a stored history."""
    out = console()
    out.print(f"{data['history']}  {count(data['events'], 'event')}")
    for note in data["notes"]:
        out.print(Text(f"  note     {note}", style="yellow"))
    print_verdict(out, data)
    for checker in data["checkers"]:
        out.print(f"  {checker['checker']:<24} [{COLOURS[checker['verdict']]}]{checker['verdict']}[/]")


def print_verdict(out: Console, data: dict[str, Any]) -> None:
    """Verdict, violations, what could not be judged, and what was excused."""
    out.print(f"[{COLOURS[data['verdict']]}]{data['verdict'].upper()}[/]  " + joined(rules(data["violations"]))
              if data["violations"] else f"[{COLOURS[data['verdict']]}]{data['verdict'].upper()}[/]")
    for violation in data["violations"][:MAX_TOLD]:
        print_violation(out, violation)
    if len(data["violations"]) > MAX_TOLD:
        out.print(f"  and {count(len(data['violations']) - MAX_TOLD, 'more violation')} (results.json has them)")
    for checker in data["checkers"]:
        if checker["verdict"] == "unknown":
            for note in checker["notes"] or ["no reason given"]:
                out.print(Text(f"  unknown  {checker['checker']}: {note}"))
    for excuse in data["excused"]:
        out.print(Text(f"  excused  {excuse['reason']}: {excuse['message']}"))


def print_violation(out: Console, violation: dict[str, Any]) -> None:
    """A violation in words: the rule, what happened, what led to it."""
    out.print(Text.assemble(("  " + violation["rule"], "bold"), f" at {seconds(violation['time_us'])}"))
    out.print(Text(f"    {violation['message']}"))
    for number, line in enumerate(violation["because"]):
        out.print(Text(f"    {'because' if number == 0 else '       '}  {line}"))


def explain_hint(data: dict[str, Any]) -> str:
    """Where to look further, if there is something to see."""
    return f"      explain  {data['replay']} --at violation" if data["violations"] else ""


def print_not_modelled(out: Console, names: Iterable[str]) -> None:
    """The properties that were accepted and have no effect."""
    listed = list(names)
    if listed:
        out.print(Text(f"not modelled (accepted, without effect): {', '.join(listed)}", style="dim"))


def rules(violations: Iterable[dict[str, Any]]) -> list[str]:
    """The rules broken, each once, in the order of their first violation."""
    return list(dict.fromkeys(violation["rule"] for violation in violations))


def shape_words(mode: str, shape: Any) -> str:
    """ "3 controllers, 3 brokers"."""
    if mode == "zk":
        return f"{count(shape.zookeepers, 'ZooKeeper server')}, {count(shape.brokers, 'broker')}"
    if shape.combined:
        rest = shape.brokers - shape.controllers
        return count(shape.controllers, "combined node") + (f", {count(rest, 'broker')}" if rest else "")
    return f"{count(shape.controllers, 'controller')}, {count(shape.brokers, 'broker')}"


def print_ledger(sums: Mapping[tuple[str, str], "Total"]) -> None:
    """What a soak has gathered so far, by mode and commit."""
    out = console()
    for (mode, commit), total in sums.items():
        counts = {**total.verdicts, "excused": sum(total.excused.values())}
        shown = "   ".join(f"{name} {number}" for name, number in counts.items())
        reasons = ", ".join(f"{number} x {reason}" for reason, number in sorted(total.excused.items()))
        unnoted = f"not noted for {count(total.unnoted, 'seed')}" if total.unnoted else ""
        notes = "; ".join(note for note in (reasons, unnoted) if note)
        out.print(Text(f"{mode:<6} {commit:<14} {count(sum(total.verdicts.values()), 'seed')}   {shown}"
                       + (f" ({notes})" if notes else "")))


# --- bugs -------------------------------------------------------------------------------------------------------------


def print_bugs(bugs: Iterable[KnownBug], as_json: bool) -> None:
    """The list of known bugs."""
    if as_json:
        print_json([
            {**{name: value for name, value in asdict(bug).items() if name != "patches"},
             "consumer_config": dict(bug.consumer_config)} for bug in bugs])
        return
    out = console()
    for bug in bugs:
        also = f"; breaks {joined(bug.also)} too" if bug.also else ""
        out.print(Text.assemble((f"{bug.bug_id}", "bold"), f"  ({bug.mode})  caught by {joined(bug.rules)}{also}"))
        out.print(Text(f"    {bug.what_went_wrong}"))
        out.print(Text(f"    {bug.source}", style="dim"))
