"""The shrinker: tries smaller specs by running them, and keeps each that still breaks the rule.

A smaller spec may break the rule only with other draws (what was taken out has moved every later draw along), so in
the end each is run with a few seeds. Faults and operations are fixed: a seed decides about latencies, time-outs and
choices only.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fencepost.harness.run import RunResult
from fencepost.harness.shrinking.trials import Failure, Trial, Trials, attempt
from fencepost.harness.spec import RunSpec
from fencepost.histories.errors import FencepostError
from fencepost.nemesis.faults import fault_from_data, without_dangling
from fencepost.nemesis.fields import FaultError

#: A rule that is told at once may be broken so much later than in the best run.
_LATER_US = 2_000_000


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
    """The search's state. best: the smallest failure found.

    began, budget_seconds: wall-clock time; when it is over, nothing more is tried. runs: how many were looked at.
    first_seed, seeds: with so many a spec is tried, from this one on; the one that failed last comes first.
    """

    rule: str
    best: Failure
    budget_seconds: float
    progress: Callable[["Shrinker"], None]
    before: Size
    trials: Trials
    began: float = field(default_factory=time.monotonic)
    runs: int = 1
    first_seed: int = 0
    seeds: int = 1
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
        return self.first_accepted([changes]) is not None

    def first_accepted(self, candidates: Iterable[dict[str, Any]]) -> int | None:
        """The number of the first of several changes of the best spec with which it still breaks the rule; that is the
        best then. None if there is none."""
        numbers: list[int] = []
        outcomes = self.trials.run(self._untried(candidates, numbers))
        for place, failure in enumerate(outcomes):
            self.runs += 1
            self.progress(self)
            if failure is not None:
                self.best = failure
                return numbers[place]
        return None

    def _untried(self, candidates: Iterable[dict[str, Any]], numbers: list[int]) -> Iterator[Trial]:
        """The trials that were not made before, while there is time; `numbers` tells of which candidate each is."""
        best = self.best
        until_us = best.end_us + best.end_us // 4 + _LATER_US if best.told_early else None
        for number, changes in enumerate(candidates):
            candidate = _changed(best.spec, changes)
            if candidate is None:
                continue
            others = [seed for seed in range(self.first_seed, self.first_seed + self.seeds) if seed != best.spec.seed]
            for seed in [best.spec.seed, *others][:self.seeds]:
                if not self.seconds_left:
                    return
                trial = Trial(replace(candidate, seed=seed), self.rule, until_us)
                key = json.dumps(trial.spec.to_data(), sort_keys=True)
                if key not in self._tried:
                    self._tried.add(key)
                    numbers.append(number)
                    yield trial


def _changed(spec: RunSpec, changes: dict[str, Any]) -> RunSpec | None:
    """The spec, so changed; None where the faults that are left make no schedule."""
    try:
        readable = {"faults": _readable(changes["faults"])} if "faults" in changes else {}
    except FaultError:
        return None
    return replace(spec, **{**changes, **readable})


def _readable(faults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A schedule of which parts were taken out, without what refers to them. Raises FaultError."""
    return [fault.to_data() for fault in without_dangling(fault_from_data(fault, "shrinking") for fault in faults)]


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What came of shrinking. result: the smallest run, to its end, and stored.

    finished: nothing more would help. interrupted: it was ended by Ctrl-C; with neither the time was up.
    """

    rule: str
    result: RunResult
    before: Size
    after: Size
    runs: int
    elapsed_s: float
    finished: bool
    interrupted: bool = False

    def to_data(self) -> dict[str, Any]:
        """As plain data, for `--json`."""
        return {
            "rule": self.rule, "run_directory": str(self.result.run_directory), "runs": self.runs,
            "elapsed_s": round(self.elapsed_s, 3), "finished": self.finished,
            "interrupted": self.interrupted, "before": asdict(self.before), "after": asdict(self.after)}


def begin(
    spec: RunSpec, rule: str, budget_seconds: float, progress: Callable[[Shrinker], None], trials: Trials
) -> Shrinker:
    """A shrinker for a complete spec. Raises FencepostError if that does not break the rule."""
    numbered = [
        {**fault, "draws": fault.get("draws", place)} for place, fault in enumerate(spec.faults or ())]
    failure = attempt(Trial(replace(spec, faults=numbered), rule))
    if failure is None:
        raise FencepostError(f"{spec.name}: run again it does not break {rule}: `fencepost replay` tells what differs")
    return Shrinker(rule, failure, budget_seconds, progress, size_of(failure.spec), trials, first_seed=spec.seed)
