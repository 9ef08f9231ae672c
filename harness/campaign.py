"""Many seeds of one spec, in parallel: what each gave, and what they add up to.

Seeds are independent and a run is a pure function of its spec, so neither the number of workers nor the order in
which they finish changes what a campaign finds. With `until_failure` it ends at the lowest failing seed: seeds below
the first failure found are still waited for. Where known bugs are hunted, it ends at the lowest seed that breaks one of
the rules which must catch them; other failures on the way are reported too.
"""

import hashlib
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fencepost.harness.coverage import Coverage
from fencepost.harness.pool import NotYet, Outcome, Pool
from fencepost.harness.spec import RunSpec
from fencepost.harness.words import joined
from fencepost.histories.errors import FencepostError, StoreError


@dataclass(frozen=True, slots=True)
class Order:
    """A campaign as ordered.

    spec: what every seed runs; its own seed is not looked at. keep: "failures" or "all" run directories.
    sought: the rules of which `until_failure` waits for one; empty: any.
    guided: seeds are given schedules near to those that reached rare states, too (see `guide`).
    """

    spec: RunSpec
    first: int
    seeds: int
    jobs: int
    store: Path
    until_failure: bool = False
    keep: str = "failures"
    not_modelled: tuple[str, ...] = ()
    sought: tuple[str, ...] = ()
    guided: bool = False


#: What a worker runs: a seed of an order, with this schedule if a guide has planned it.
Item = tuple[Order, int, list[dict[str, Any]] | None]


@dataclass(slots=True)
class SeedOutcome:
    """What one seed gave; everything in it travels between processes.

    faults, states: what a guide learns from, where there is one.
    """

    seed: int
    verdict: str
    digest: str = ""
    violations: list[dict[str, Any]] = field(default_factory=list)
    excused: list[dict[str, Any]] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    run_directory: str | None = None
    trouble: str | None = None
    cpu_seconds: float = 0.0
    kernel_events: int = 0
    virtual_us: int = 0
    faults: list[dict[str, Any]] | None = None
    states: tuple[str, ...] = ()


@dataclass(slots=True)
class Campaign:
    """A campaign under way or done.

    outcomes: by seed. started, ended: monotonic wall-clock seconds. stopped: why it ended early, in words, or None.
    """

    order: Order
    outcomes: dict[int, SeedOutcome] = field(default_factory=dict)
    started: float = 0.0
    ended: float = 0.0
    stopped: str | None = None
    interrupted: bool = False
    deaths: int = 0

    def sorted_outcomes(self) -> list[SeedOutcome]:
        """The outcomes in the order of their seeds."""
        return [self.outcomes[seed] for seed in sorted(self.outcomes)]

    def count(self, verdict: str) -> int:
        """How many seeds gave that verdict."""
        return sum(outcome.verdict == verdict for outcome in self.outcomes.values())

    @property
    def verdict(self) -> str:
        """invalid > unknown > valid; a campaign that was interrupted is not valid but unknown."""
        if self.count("invalid"):
            return "invalid"
        return "unknown" if self.count("unknown") or self.interrupted or not self.outcomes else "valid"

    @property
    def digest(self) -> str:
        """Of all seeds' digests, in their order."""
        hasher = hashlib.sha256()
        for outcome in self.sorted_outcomes():
            hasher.update(f"{outcome.seed} {outcome.digest}\n".encode())
        return hasher.hexdigest()

    def coverage(self) -> Coverage:
        """Everything that the seeds reached together."""
        total = Coverage()
        for outcome in self.sorted_outcomes():
            total.add(outcome.coverage)
        return total

    def failures_by_rule(self) -> dict[str, list[SeedOutcome]]:
        """Failing seeds under the rule that each broke first; those that broke a rule which is sought come first."""
        groups: dict[str, list[SeedOutcome]] = {}
        outcomes = self.sorted_outcomes()
        for outcome in sorted(outcomes, key=lambda outcome: not self.sought_rules(outcome)):
            if outcome.violations:
                groups.setdefault(outcome.violations[0]["rule"], []).append(outcome)
        return groups

    def sought_rules(self, outcome: SeedOutcome) -> list[str]:
        """The rules that are sought among those that a seed broke."""
        broken = dict.fromkeys(violation["rule"] for violation in outcome.violations)
        return [rule for rule in broken if rule in self.order.sought]

    def found(self) -> list[SeedOutcome]:
        """The seeds that `until_failure` waits for: that broke a rule which is sought, or failed where none is."""
        return [
            outcome for outcome in self.sorted_outcomes() if outcome.verdict == "invalid"
            and (not self.order.sought or self.sought_rules(outcome))]

    def excused_by_reason(self) -> dict[str, list[tuple[int, dict[str, Any]]]]:
        """(seed, excused loss) by the reason of the excuse."""
        groups: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for outcome in self.sorted_outcomes():
            for excuse in outcome.excused:
                groups.setdefault(excuse["reason"], []).append((outcome.seed, excuse))
        return groups


Progress = Callable[[Campaign], None]


def available_cpus() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_campaign(order: Order, progress: Progress, deadline: float | None = None) -> Campaign:
    """Run a campaign; `progress` is called after every seed. Ctrl-C ends it with what it has, and so does the deadline
    (in seconds of the monotonic clock).

    Raises StoreError when the store cannot be written, InputError when the spec cannot be run.
    """
    campaign = Campaign(order, started=time.monotonic())
    check_store(order.store)
    pool = Pool(min(order.jobs, order.seeds), run_seed)
    outcomes = pool.run(_items(campaign))
    try:
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            result = _seed_outcome(outcome)
            campaign.outcomes[result.seed] = result
            campaign.deaths = pool.deaths
            progress(campaign)
            if _is_over(campaign, pool):
                break
            if deadline is not None and time.monotonic() > deadline:
                campaign.stopped = "the time was up"
                break
    except KeyboardInterrupt:
        campaign.interrupted = True
        campaign.stopped = "interrupted"
    finally:
        outcomes.close()  # type: ignore[attr-defined]
        campaign.ended = time.monotonic()
    if campaign.outcomes:
        _write_summary(campaign)
    return campaign


def _items(campaign: Campaign) -> Iterator[Item | NotYet]:
    order = campaign.order
    plans = _planned(campaign) if order.guided else ((seed, None) for seed in _seeds(order))
    for plan in plans:
        if order.until_failure and campaign.found():
            return
        yield plan if isinstance(plan, NotYet) else (order, *plan)


def _seeds(order: Order) -> range:
    return range(order.first, order.first + order.seeds)


def _planned(campaign: Campaign) -> Iterator[tuple[int, list[dict[str, Any]] | None] | NotYet]:
    """The seeds, each with its schedule if it is not to draw one; waits for the outcomes that a plan depends on."""
    from fencepost.harness.guide import LAG, Guide

    guide = Guide(campaign.order.spec)
    for seed in _seeds(campaign.order):
        known = seed - LAG
        if known >= campaign.order.first:
            while known not in campaign.outcomes:
                yield NotYet()
            outcome = campaign.outcomes[known]
            if outcome.faults is not None:
                guide.learn(outcome.faults, outcome.states)
                outcome.faults, outcome.states = None, ()
        yield seed, guide.plan(seed)


def _is_over(campaign: Campaign, pool: Pool) -> bool:
    """Whether a failure was found and every lower seed is done; drops what higher seeds gave meanwhile."""
    found = campaign.found() if campaign.order.until_failure else []
    if not found:
        return False
    lowest = found[0].seed
    if any(seed < lowest for _, seed, _ in pool.busy()):
        return False
    campaign.outcomes = {seed: outcome for seed, outcome in campaign.outcomes.items() if seed <= lowest}
    rules = campaign.sought_rules(found[0])
    campaign.stopped = f"seed {lowest} broke {joined(rules)}" if rules else "a failure was found"
    return True


def _seed_outcome(outcome: Outcome) -> SeedOutcome:
    if outcome.death is None:
        assert isinstance(outcome.value, SeedOutcome)
        return outcome.value
    _, seed, _ = outcome.item
    return SeedOutcome(seed, "unknown", trouble=f"its worker process died ({outcome.death})")


def run_seed(item: Item) -> SeedOutcome:
    """Run one seed of an order; the workers' task. Raises what `run` and the store refuse."""
    try:
        return _run_seed(*item)
    except FencepostError:
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return SeedOutcome(item[1], "unknown", trouble=(
            f"fencepost crashed: {type(error).__name__}: {error} in {Path(where.filename).name} line {where.lineno}"))


def _run_seed(order: Order, seed: int, faults: list[dict[str, Any]] | None) -> SeedOutcome:
    from fencepost.harness.run import report, run, store_run
    from fencepost.harness.states import states

    started = time.process_time()
    result = run(replace(order.spec, seed=seed, faults=order.spec.faults if faults is None else faults))
    run_directory = None
    if result.verdict != "valid" or order.keep == "all":
        run_directory = str(store_run(result, order.store, order.not_modelled))
    data = report(result, order.not_modelled)
    unknown = [f"{checker['checker']}: {'; '.join(checker['notes']) or 'unknown'}"
               for checker in data["checkers"] if checker["verdict"] == "unknown"]
    return SeedOutcome(
        seed, result.verdict, result.digest, data["violations"], data["excused"], result.coverage, run_directory,
        result.crash.words() if result.crash is not None else unknown[0] if unknown else None,
        time.process_time() - started, result.kernel_events, result.end_us,
        *((result.spec.faults, states(result.events)) if order.guided else ()),
    )


def check_store(store: Path) -> None:
    """Refuse a store that cannot be written before anything is run. Raises StoreError."""
    try:
        store.mkdir(parents=True, exist_ok=True)
        probe = store / f".probe-{os.getpid()}"
        probe.write_text("", encoding="utf-8")
        probe.unlink()
    except OSError as error:
        raise StoreError(
            f"{store}: the store cannot be written: {error.strerror or error}; give another directory by --store"
        ) from None


def summary_path(order: Order) -> Path:
    """Where a campaign's summary is kept."""
    last = order.first + order.seeds - 1
    return order.store / f"campaign-{order.spec.name.rpartition('-')[0]}-{order.first}-to-{last}.json"


def _write_summary(campaign: Campaign) -> None:
    """Of every seed: verdict, digest and coverage."""
    path = summary_path(campaign.order)
    data = {
        "verdict": campaign.verdict, "digest": campaign.digest,
        "seeds": [
            {"seed": outcome.seed, "verdict": outcome.verdict, "digest": outcome.digest,
             "run_directory": outcome.run_directory, "coverage": outcome.coverage.to_data()}
            for outcome in campaign.sorted_outcomes()
        ],
    }
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        temporary.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: the campaign's summary cannot be written: {error.strerror or error}") from None


def raise_if_nothing(campaign: Campaign) -> None:
    """An interrupted campaign without any outcome has nothing to say."""
    if not campaign.outcomes:
        raise FencepostError("interrupted before the first seed was done")
