"""Trying smaller specs: each is run, in this process or in several, until the first in their order breaks the rule.

The order decides, not the clock: but for where the time is up, the number of processes does not change what is found.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from types import TracebackType

from fencepost.harness.pool import NotYet, Outcome, Pool
from fencepost.harness.run import RunResult, run_until_broken
from fencepost.harness.spec import RunSpec, check_spec
from fencepost.histories.errors import InputError
from fencepost.histories.event import FAULT


@dataclass(frozen=True, slots=True)
class Trial:
    """A spec to be run until it breaks the rule. until_us: virtual time at which to give up; None: the run's end."""

    spec: RunSpec
    rule: str
    until_us: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that broke the rule. spec: the complete one. end_us: when; told_early: before the run's end.

    struck: the places, in the schedule, of the faults that struck before.
    """

    spec: RunSpec
    end_us: int
    told_early: bool
    struck: frozenset[int]


def attempt(trial: Trial) -> Failure | None:
    """Run it; None if it does not break the rule, or cannot be run at all."""
    try:
        check_spec(trial.spec, trial.spec.name)
        result = run_until_broken(trial.spec, trial.rule, trial.until_us)
    except InputError:
        return None
    return None if result is None else _failure(result)


def _failure(result: RunResult) -> Failure:
    struck = frozenset(
        event.value["fault"] for event in result.events
        if event.type == FAULT and event.error is None and isinstance(event.value, dict) and "fault" in event.value)
    return Failure(result.spec, result.end_us, result.stopped_at is not None, struck)


class Trials:
    """Where trials are run: in this process, or with `jobs` above 1 in so many others. To be used in a `with`."""

    def __init__(self, jobs: int = 1) -> None:
        self._pool = Pool(jobs, _numbered) if jobs > 1 else None
        self._waiting: deque[tuple[int, Trial]] = deque()
        self._outcomes: Iterator[Outcome] | None = None
        self._numbers = count()
        self._jobs = jobs

    def __enter__(self) -> "Trials":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.end()

    def run(self, trials: Iterable[Trial]) -> Iterator[Failure | None]:
        """What comes of each trial, in their order; some are begun ahead. To be left as soon as no more is wanted."""
        if self._pool is None:
            yield from map(attempt, trials)
            return
        source, under_way, done = iter(trials), deque[int](), dict[int, Failure | None]()
        try:
            while True:
                while len(under_way) < self._jobs and (trial := next(source, None)) is not None:
                    under_way.append(next(self._numbers))
                    self._waiting.append((under_way[-1], trial))
                if not under_way:
                    return
                while under_way[0] not in done:
                    done |= self._next()
                yield done.pop(under_way.popleft())
        finally:
            self._waiting.clear()

    def _next(self) -> dict[int, Failure | None]:
        """The next outcome, maybe one of those that nobody wants any more. A worker that died found nothing."""
        assert self._pool is not None
        if self._outcomes is None:
            self._outcomes = self._pool.run(self._items())
        outcome = next(self._outcomes)
        return {outcome.item[0]: None if outcome.value is None else outcome.value[1]}

    def _items(self) -> Iterator[tuple[int, Trial] | NotYet]:
        while True:
            yield self._waiting.popleft() if self._waiting else NotYet()


def _numbered(item: tuple[int, Trial]) -> tuple[int, Failure | None]:
    """The task of the processes."""
    return item[0], attempt(item[1])
