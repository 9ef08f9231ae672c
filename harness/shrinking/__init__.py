"""Shrinking: from a run that breaks a rule to the smallest one found that still breaks it."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from fencepost.harness.campaign import Campaign
from fencepost.harness.replay import stored_results, stored_spec
from fencepost.harness.run import run, store_run
from fencepost.harness.shrinking.passes import shrink
from fencepost.harness.shrinking.shrinker import Shrinker, Shrunk, begin
from fencepost.harness.shrinking.trials import Trials
from fencepost.histories.errors import InputError

#: Ends the name of a shrunk run's directory.
SUFFIX = "-shrunk"


def shrink_run(
    run_directory: Path, store: Path, rule: str | None, budget_seconds: float, progress: Callable[[Shrinker], None],
    jobs: int = 1,
) -> Shrunk:
    """Shrink a stored failing run and store the result beside it; Ctrl-C ends it with the smallest found so far.

    rule: which of the broken rules to keep broken; None: the one broken first. jobs: processes that try.
    Raises InputError when the directory holds no failing run, or one that broke other rules only; StoreError.
    """
    spec = stored_spec(run_directory)
    interrupted = False
    with Trials(jobs) as trials:
        shrinker = begin(spec, _rule(run_directory, rule), budget_seconds, progress, trials)
        try:
            shrink(shrinker)
        except KeyboardInterrupt:
            interrupted = True
    whole = run(shrinker.spec)
    if not any(violation.rule == shrinker.rule for one in whole.results for violation in one.violations):
        # What follows took the violation back, so the run ends where it was broken.
        whole = run(shrinker.spec, until_rules=(shrinker.rule,))
    finished = not interrupted and shrinker.seconds_left > 0
    store_run(whole, store, name=run_directory.resolve().name.removesuffix(SUFFIX) + SUFFIX)
    return Shrunk(shrinker.rule, whole, shrinker.before, shrinker.size, shrinker.runs,
                  time.monotonic() - shrinker.began, finished, interrupted)


def shrink_failures(
    campaign: Campaign, budget_seconds: float, progress: Callable[[Shrinker], None], jobs: int = 1
) -> dict[str, Shrunk]:
    """Shrink a campaign's first failure of each rule; of a hunt only the one that was hunted. By rule.

    budget_seconds: wall-clock time for each. Ctrl-C goes on to the next; a failure that nothing was tried with by then
    is left out.
    """
    firsts = {rule: outcomes[0] for rule, outcomes in campaign.failures_by_rule().items()}
    hunted = campaign.found() if campaign.order.sought else []
    if hunted:
        firsts = {campaign.sought_rules(hunted[0])[0]: hunted[0]}
    shrunk = {}
    for rule, outcome in firsts.items():
        if outcome.run_directory is not None:
            with contextlib.suppress(KeyboardInterrupt):
                shrunk[rule] = shrink_run(
                    Path(outcome.run_directory), campaign.order.store, rule, budget_seconds, progress, jobs)
    return shrunk


def _rule(run_directory: Path, rule: str | None) -> str:
    """The rule to shrink for."""
    broken = list(dict.fromkeys(violation["rule"] for violation in stored_results(run_directory).get("violations", [])))
    if not broken:
        raise InputError(f"{run_directory}: the run broke no rule; there is nothing to shrink")
    if rule is not None and rule not in broken:
        raise InputError(f"--rule {rule}: the run in {run_directory} broke {', '.join(broken)}")
    return rule or broken[0]
