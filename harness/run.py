"""One run, left to right: spec, cluster, events, history, checkers, verdict. A pure function of the spec."""

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fencepost.checkers.registry import CheckerSet, build_checkers, run_checkers
from fencepost.checkers.verdict import Result, merge
from fencepost.harness.collector import unhurried_collector
from fencepost.harness.coverage import Coverage, coverage
from fencepost.harness.execution import Execution
from fencepost.harness.explain import Explainer, fenced_orders
from fencepost.harness.skips import skipped_faults
from fencepost.harness.words import seconds
from fencepost.histories.recorder import digest
from fencepost.histories.store import RunWriter

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from fencepost.harness.spec import RunSpec
    from fencepost.histories.event import Event

#: What the stored replay line begins with.
REPLAY_COMMAND = "fencepost replay"


@dataclass(frozen=True, slots=True)
class Crash:
    """The model itself failed: what, where, and when in virtual time. The run's verdict is `unknown`."""

    error: str
    where: str
    time_us: int
    details: str

    def words(self) -> str:
        """In one line."""
        return f"the model crashed at {seconds(self.time_us)}: {self.error} in {self.where}"


@dataclass(slots=True)
class RunResult:
    """What a run gave.

    spec: the complete one. digest: of the history. kernel_events: callbacks that the scheduler ran.
    stopped_at: the number of events after which `until_failure` ended the run, or None when it ran to its end.
    """

    spec: "RunSpec"
    header: dict[str, Any]
    events: "Sequence[Event]"
    results: list[Result]
    verdict: str
    digest: str
    coverage: Coverage
    kernel_events: int
    end_us: int
    crash: Crash | None = None
    stopped_at: int | None = None
    notes: list[str] = field(default_factory=list)
    run_directory: Path | None = None


def run(spec: "RunSpec", *, until_failure: bool = False, until_rules: "Collection[str]" = ()) -> RunResult:
    """Run a spec and judge its history.

    until_failure: end the run at the first violation that a checker can tell then and there.
    until_rules: the same, for a violation of one of these rules only.
    Raises InputError when the spec cannot be run. A failure of the model itself is a result (`crash`), not an error.
    """
    with unhurried_collector():
        return _run(spec, until_failure, until_rules)


def run_until_broken(spec: "RunSpec", rule: str, until_us: int | None = None) -> RunResult | None:
    """Run a spec up to where it breaks the rule; None if it does not, or the model itself fails.

    until_us: virtual time at which to give up. A rule that is told at the end of runs only needs None.
    Raises InputError when the spec cannot be run.
    """
    with unhurried_collector():
        execution = Execution(spec)
        watch = _Watch(execution, (rule,))
        crash = _drive(execution, until_us)
        if crash is not None or not (watch.failed or execution.finished):
            return None
        results = watch.checkers.finish()
        if not any(violation.rule == rule for result in results for violation in result.violations):
            return None
        return _result(execution, results, None, watch)


def _run(spec: "RunSpec", until_failure: bool, until_rules: "Collection[str]") -> RunResult:
    execution = Execution(spec)
    watch = _Watch(execution, until_rules) if until_failure or until_rules else None
    crash = _drive(execution)
    checkers = None if watch is None else watch.checkers
    results = run_checkers(execution.header, execution.recorder.events) if checkers is None else checkers.finish()
    return _result(execution, results, crash, watch)


def _drive(execution: Execution, until_us: int | None = None) -> Crash | None:
    """Drive a run to its end or to a moment; what the model itself failed with."""
    try:
        execution.run_to_end() if until_us is None else execution.run_until(until_us)
    except Exception as error:
        return _crash(error, execution.cluster.now_us)
    return None


def _result(execution: Execution, results: list[Result], crash: Crash | None, watch: "_Watch | None") -> RunResult:
    events = execution.recorder.events
    verdict = merge(result.verdict for result in results)
    return RunResult(
        execution.spec, execution.header, events, results, "unknown" if crash and verdict == "valid" else verdict,
        digest(events), coverage(events), execution.cluster.simulation.scheduler.events, execution.cluster.now_us,
        crash, len(events) if watch is not None and watch.failed else None,
    )


def store_run(result: RunResult, store: Path, not_modelled: "Sequence[str]" = (), name: str | None = None) -> Path:
    """Write a run into the store, under its spec's name or another, and return its directory. Raises StoreError, in
    one line."""
    with RunWriter(store, name or result.spec.name, result.spec.to_data()) as writer:
        writer.history(result.header, result.events)
        result.run_directory = writer.finish(report(result, not_modelled), REPLAY_COMMAND)
    return result.run_directory


def report(result: RunResult, not_modelled: "Sequence[str]" = ()) -> dict[str, Any]:
    """The verdict and everything that led to it, as plain data: `results.json`, and what `--json` prints."""
    data = verdict_report(result.verdict, result.digest, result.header, result.events, result.results)
    data = {
        "verdict": data.pop("verdict"), "digest": data.pop("digest"), "mode": result.spec.mode,
        "seed": result.spec.seed, "bugs": list(result.spec.bugs), **data,
        "coverage": result.coverage.to_data(), "skipped": _skipped(result),
        "fenced": fenced_orders(result.header, result.events),
        "not_modelled": list(not_modelled), "virtual_us": result.end_us, "kernel_events": result.kernel_events,
    }
    if result.stopped_at is not None:
        data["stopped_at"] = result.stopped_at
    if result.crash is not None:
        data["crash"] = {
            "error": result.crash.error, "where": result.crash.where, "time_us": result.crash.time_us,
            "details": result.crash.details,
        }
    return data


def _skipped(result: RunResult) -> list[dict[str, Any]]:
    ended = result.crash is None and result.stopped_at is None
    return skipped_faults(result.spec.faults or (), result.events, result.spec.duration_us, ended)


def verdict_report(
    verdict: str, digest_: str, header: dict[str, Any], events: "Sequence[Event]", results: "Sequence[Result]"
) -> dict[str, Any]:
    """What can be said of any history: verdict, violations with their explanation, excused losses, checkers' notes."""
    explainer = Explainer(header, events)
    violations = [
        {
            "rule": violation.rule, "checker": result.checker, "message": violation.message,
            "time_us": violation.time_us, "node": violation.node, "key": violation.key,
            "events": list(violation.events),
            "because": explainer.because(violation.time_us, violation.node, violation.key, violation.events),
        }
        for result in results for violation in result.violations
    ]
    violations.sort(key=lambda violation: (violation["time_us"], violation["rule"]))
    excused = [
        {"rule": excuse.rule, "checker": result.checker, "reason": excuse.reason, "message": excuse.message,
         "events": list(excuse.events)}
        for result in results for excuse in result.excused
    ]
    checkers = [
        {"checker": result.checker, "verdict": result.verdict, "counts": dict(result.counts),
         "notes": list(result.notes)}
        for result in results
    ]
    return {"verdict": verdict, "digest": digest_, "events": len(events), "violations": violations,
            "excused": excused, "checkers": checkers}


class _Watch:
    """Feeds the checkers while the run goes on and stops it at the first violation (of one of the rules, if any)."""

    def __init__(self, execution: Execution, rules: "Collection[str]") -> None:
        self._execution = execution
        self._rules = rules
        self.checkers = CheckerSet(build_checkers(execution.header))
        self.failed = False
        execution.recorder.subscribe(self._feed)

    def _feed(self, event: "Event") -> None:
        if self.failed:
            return
        self.checkers.feed(event)
        if self.checkers.violated(self._rules):
            self.failed = True
            self._execution.stop()


def _crash(error: Exception, time_us: int) -> Crash:
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    where = f"{'/'.join(Path(last.filename).parts[-2:])} line {last.lineno} ({last.name})"
    return Crash(f"{type(error).__name__}: {error}", where, time_us, "".join(traceback.format_exception(error)))
