"""The shrinker: tries smaller specs by running them, and keeps each that still breaks the rule.

A smaller spec may break the rule only with other draws (what was taken out has moved every later draw along), so each
is run with a few seeds; faults and operations are fixed, a seed decides about latencies, time-outs and choices only.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fencepost.harness.run import RunResult, run
from fencepost.harness.spec import RunSpec, check_spec
from fencepost.histories.errors import FencepostError, InputError
from fencepost.nemesis.faults import fault_from_data, without_dangling
from fencepost.nemesis.fields import FaultError

#: Each smaller spec is tried with so many seeds, beginning with the one that failed last.
SEEDS_TRIED = 3


@dataclass(frozen=True, slots=True)
class Size:
    """What a reader of a failure has to read: faults, clients' operations, nodes (clients not counted), and time."""

    faults: int
    operations: int
    nodes: int
    duration_us: int


def size_of(spec: RunSpec) -> Size:
    """The size of a complete spec."""
    shape = spec.shape
    quorum = shape.zookeepers if spec.mode == "zk" else 0 if shape.combined else shape.controllers
    return Size(len(spec.faults or ()), len(spec.workload or ()), quorum + shape.brokers, spec.duration_us)


@dataclass(slots=True)
class Shrinker:
    """The search's state. best: the smallest run that still breaks the rule, with its whole history up to there.

    began, budget_seconds: wall-clock time; when it is over, nothing more is tried. runs: how many were made.
    """

    rule: str
    best: RunResult
    budget_seconds: float
    progress: Callable[["Shrinker"], None]
    before: Size
    began: float = field(default_factory=time.monotonic)
    runs: int = 1
    _tried: set[str] = field(default_factory=set)

    @property
    def spec(self) -> RunSpec:
        """The best run's spec."""
        return self.best.spec

    @property
    def size(self) -> Size:
        """Of the best so far."""
        return size_of(self.best.spec)

    @property
    def seconds_left(self) -> float:
        """Wall-clock time in which more may be tried; 0 when it is over."""
        return max(0.0, self.began + self.budget_seconds - time.monotonic())

    def accepts(self, **changes: Any) -> bool:
        """Whether the best spec, so changed, still breaks the rule; then it is the best."""
        try:
            if changes.get("faults"):
                changes["faults"] = _readable(changes["faults"])
        except FaultError:
            return False
        candidate = replace(self.best.spec, **changes)
        key = json.dumps(replace(candidate, seed=0).to_data(), sort_keys=True)
        if key in self._tried:
            return False
        self._tried.add(key)
        for offset in range(SEEDS_TRIED):
            if not self.seconds_left:
                return False
            self.runs += 1
            result = broken_by(replace(candidate, seed=self.best.spec.seed + offset), self.rule)
            self.progress(self)
            if result is not None:
                self.best = result
                return True
        return False


def _readable(faults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A schedule of which parts were taken out, without what refers to them. Raises FaultError."""
    return [fault.to_data() for fault in without_dangling(fault_from_data(fault, "shrinking") for fault in faults)]


def broken_by(spec: RunSpec, rule: str) -> RunResult | None:
    """The run of the spec up to where it breaks the rule, or None if it does not (or cannot be run at all)."""
    try:
        check_spec(spec, spec.name)
        result = run(spec, until_rules=(rule,))
    except InputError:
        return None
    broken = any(violation.rule == rule for one in result.results for violation in one.violations)
    return result if broken and result.crash is None else None


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What came of shrinking. result: the smallest run, to its end, and stored. finished: nothing more would help."""

    rule: str
    result: RunResult
    before: Size
    after: Size
    runs: int
    elapsed_s: float
    finished: bool

    def to_data(self) -> dict[str, Any]:
        """As plain data, for `--json`."""
        return {
            "rule": self.rule, "run_directory": str(self.result.run_directory), "runs": self.runs,
            "elapsed_s": round(self.elapsed_s, 3), "finished": self.finished, "before": asdict(self.before),
            "after": asdict(self.after)}


def begin(spec: RunSpec, rule: str, budget_seconds: float, progress: Callable[[Shrinker], None]) -> Shrinker:
    """A shrinker for a complete spec. Raises FencepostError if that does not break the rule."""
    numbered = [
        {**fault, "draws": fault.get("draws", place)} for place, fault in enumerate(spec.faults or ())]
    result = broken_by(replace(spec, faults=numbered), rule)
    if result is None:
        raise FencepostError(f"{spec.name}: run again it does not break {rule}: `fencepost replay` tells what differs")
    return Shrinker(rule, result, budget_seconds, progress, size_of(result.spec))
