"""Hunting known bugs: how many seeds of the default campaign it takes to find each, and how small the failure becomes.

The campaign is the one that everybody runs: it does not look at which bug is on. It goes on, seed after seed, until a
rule breaks that must catch the bug; then that failure is shrunk. Both within the budget of one bug.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from fencepost.harness.campaign import Campaign, Order, Progress, run_campaign
from fencepost.harness.shrinking import shrink_failures
from fencepost.harness.shrinking.shrinker import Shrinker, Shrunk
from fencepost.harness.spec import RunSpec
from fencepost.model.bugs.registry import KnownBug

#: More seeds than any budget has time for.
_MAX_SEEDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Hunted:
    """What became of one bug. rule, shrunk: None if no rule that must catch it broke in time.

    runs: the seeds that were run, up to the one that found it. cpu_seconds: of the workers, for these runs.
    interrupted: Ctrl-C ended the search for it, or the shrinking of what was found.
    """

    bug: KnownBug
    mode: str
    runs: int
    cpu_seconds: float
    rule: str | None
    shrunk: Shrunk | None
    interrupted: bool = False

    def to_data(self) -> dict[str, Any]:
        """As plain data, for `--json`."""
        return {
            "bug": self.bug.bug_id, "mode": self.mode, "found": self.rule is not None, "rule": self.rule,
            "runs": self.runs, "cpu_seconds": round(self.cpu_seconds, 3), "interrupted": self.interrupted,
            "shrunk": None if self.shrunk is None else self.shrunk.to_data()}


def hunt(
    bugs: Sequence[KnownBug], jobs: int, store: Path, budget_seconds: float, searching: Callable[[KnownBug], Progress],
    shrinking: Callable[[Shrinker], None], *, guided: bool = False, mode: str = "kraft",
) -> Iterator[Hunted]:
    """Hunt one bug after the other; gives what became of each as soon as it is known. Ctrl-C ends all of it.

    budget_seconds: wall-clock time for each bug. searching, shrinking: told of every run. guided: as of campaigns.
    mode: in which the bugs of any mode are hunted.
    """
    for bug in bugs:
        ends = time.monotonic() + budget_seconds
        spec = RunSpec(seed=0, mode=mode if bug.mode == "any" else bug.mode, bugs=(bug.bug_id,))
        order = Order(spec, 0, _MAX_SEEDS, jobs, store, True, sought=bug.rules, guided=guided)
        campaign = run_campaign(order, searching(bug), deadline=ends)
        hunted = _hunted(bug, campaign, max(1.0, ends - time.monotonic()), shrinking)
        yield hunted
        if hunted.interrupted:
            return


def _hunted(
    bug: KnownBug, campaign: Campaign, left_seconds: float, shrinking: Callable[[Shrinker], None]
) -> Hunted:
    mode = campaign.order.spec.mode
    found = campaign.found()
    cpu_seconds = sum(outcome.cpu_seconds for outcome in campaign.outcomes.values())
    if not found:
        return Hunted(bug, mode, len(campaign.outcomes), cpu_seconds, None, None, campaign.interrupted)
    rule = campaign.sought_rules(found[0])[0]
    shrunk = None
    if not campaign.interrupted:
        shrunk = shrink_failures(campaign, left_seconds, shrinking, campaign.order.jobs).get(rule)
    return Hunted(
        bug, mode, found[0].seed + 1, cpu_seconds, rule, shrunk, interrupted=shrunk is None or shrunk.interrupted)


def medians(hunted: Sequence[Hunted]) -> dict[str, float] | None:
    """Over the bugs that were found: of the runs, and of faults and operations after shrinking; None without any."""
    sizes = [one.shrunk.after for one in hunted if one.shrunk is not None]
    if not sizes:
        return None
    return {
        "runs": median(one.runs for one in hunted if one.rule is not None),
        "faults": median(size.faults for size in sizes), "operations": median(size.operations for size in sizes)}
