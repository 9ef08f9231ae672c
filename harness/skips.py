"""Faults of a schedule that did not strike, and why: what a history tells of them, and what only the schedule does."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fencepost.harness.words import duration
from fencepost.histories.event import FAULT, Event


def skipped_faults(
    schedule: Sequence[Mapping[str, Any]], events: Iterable[Event], heal_us: int, ended: bool
) -> list[dict[str, Any]]:
    """Each fault that was skipped: its place (`fault`), `kind`, `time_us` and `why`; then those that never began, with
    no time.

    heal_us: when the faults' phase is over. ended: the run went on to its end; else nobody knows what would have begun.
    """
    told = [event for event in events if event.type == FAULT and isinstance(event.value, dict)]
    skipped = [
        {"fault": event.value["fault"], "kind": event.f, "time_us": event.time_us, "why": event.error}
        for event in told if event.error is not None]
    if not ended:
        return skipped
    begun = {event.value.get("fault") for event in told}
    never = [
        {"fault": place, "kind": fault["kind"], "time_us": None, "why": _never(fault, heal_us)}
        for place, fault in enumerate(schedule) if place not in begun]
    return skipped + never


def _never(fault: Mapping[str, Any], heal_us: int) -> str:
    if "at_us" in fault:
        return f"it was due at {duration(fault['at_us'])}, but everything healed at {duration(heal_us)}"
    trigger = fault["at_point"]
    often = "" if trigger.get("count", 1) == 1 else f" {trigger['count']} times"
    by = f" by the node that {trigger['by']!r} struck" if "by" in trigger else ""
    since = f" from {duration(trigger['from_us'])} on" if trigger.get("from_us") else ""
    return f"{trigger['point']} was not passed{often}{by}{since} before the heal"


def skip_line(skip: Mapping[str, Any]) -> str:
    """ "fault 1 kill at 3 s: node 1 is down already"."""
    when = "" if skip["time_us"] is None else f" at {duration(skip['time_us'])}"
    return f"fault {skip['fault']} {skip['kind']}{when}: {skip['why']}"


def reason_class(why: str) -> str:
    """Why a fault was skipped, whoever it was about: "node 1 is down already" -> "the node is down already"."""
    why = re.sub(r"^node \d+", "the node", why)
    return re.sub(r"(?<=of |ws )[\w.-]+-\d+\S*$", "a partition", why)


def skip_counts(skips: Mapping[str, int]) -> list[str]:
    """Of counts by "kind: reason", a line for each reason, the most frequent first: "3 x no node fits the target (kill
    2, pause 1)"."""
    by_reason: dict[str, dict[str, int]] = {}
    for name, number in skips.items():
        kind, _, reason = name.partition(": ")
        by_reason.setdefault(reason, {})[kind] = number
    ordered = sorted(by_reason.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return [
        f"{sum(kinds.values())} x {reason} ("
        + ", ".join(f"{kind} {kinds[kind]}" for kind in sorted(kinds, key=lambda kind: (-kinds[kind], kind))) + ")"
        for reason, kinds in ordered]
