"""A simulated cluster to test against: run it with faults and operations, and assert that no rule was broken.

A run that fails is stored before the assertion is raised, so that the replay line in its message works.
"""

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

from fencepost.checkers.verdict import VALID
from fencepost.harness.property.operation_strategies import framed
from fencepost.harness.property.untraced import untraced
from fencepost.harness.run import RunResult, report, run, store_run
from fencepost.harness.spec import RunSpec, check_spec
from fencepost.harness.words import count
from fencepost.histories.event import Event
from fencepost.histories.recorder import event_line
from fencepost.model.shape import Shape
from fencepost.nemesis.faults import Fault, fault_from_data

#: How many faults, operations and events an assertion shows, and how much of a line.
_SHOWN, _LINE = 8, 200


class ClusterFailure(AssertionError):
    """A run that is not valid: the verdict, the rules broken, what led to it, and the line that replays it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a cluster under test, judged.

    result: all that the run gave. name, store: where it is kept if it fails.
    """

    result: RunResult
    name: str
    store: Path

    @property
    def verdict(self) -> str:
        """`valid`, `invalid` or `unknown`."""
        return self.result.verdict

    @property
    def events(self) -> tuple[Event, ...]:
        """The run's history."""
        return tuple(self.result.events)

    @property
    def rules(self) -> list[str]:
        """The rules that were broken, each once."""
        broken = (violation.rule for one in self.result.results for violation in one.violations)
        return list(dict.fromkeys(broken))

    def assert_valid(self) -> "Trial":
        """Raise ClusterFailure unless every rule held and could be judged; `unknown` is no pass."""
        __tracebackhide__ = True
        if self.verdict != VALID:
            with untraced():
                words = self._words(keep(self.result, self.store, self.name))
            raise ClusterFailure(words)
        return self

    def kept(self) -> str:
        """Store the run, and return the command that replays it."""
        from fencepost.harness.cli.output import replay_line

        return replay_line(str(keep(self.result, self.store, self.name)))

    def _words(self, run_directory: Path) -> str:
        """What the assertion says: as `fencepost run` prints it, with what was done to the cluster."""
        from rich.console import Console

        from fencepost.harness.cli.output import explain_hint, print_verdict, replay_line

        spec, data = self.result.spec, report(self.result)
        data["replay"] = replay_line(str(run_directory))
        text = StringIO()
        out = Console(file=text, soft_wrap=True, highlight=False)
        print_verdict(out, data)
        if self.result.crash is not None:
            text.write(f"  {self.result.crash.words()}\n")
        for index in (data["violations"][0]["events"] if data["violations"] else [])[-_SHOWN:]:
            text.write(f"  event    {_short(event_line(self.result.events[index]))}\n")
        bugs = f", with {', '.join(spec.bugs)}" if spec.bugs else ""
        text.write(f"  run      {spec.mode}, seed {spec.seed}{bugs}, {count(len(spec.faults or ()), 'fault')}, "
                   f"{count(len(spec.workload or ()), 'operation')}\n")
        for fault in (spec.faults or ())[:_SHOWN]:
            text.write(f"  fault    {_short(repr(fault_from_data(fault, 'fault')))}\n")
        text.write(f"  replay   {data['replay']}{explain_hint(data)}")
        return text.getvalue()


class ClusterUnderTest:
    """A simulated cluster that a test runs as often as it likes; each run starts from nothing.

    spec: what every run has in common. name: what failing runs are called in the store.
    """

    def __init__(self, spec: RunSpec, name: str, store: Path) -> None:
        self.spec = spec
        self._name = name
        self._store = store

    def __repr__(self) -> str:
        """As Hypothesis shows it beside what it drew."""
        return f"<{self._name}: a cluster in {self.spec.mode} mode, {count(self.spec.shape.brokers, 'broker')}>"

    def run(
        self, faults: Iterable[Fault | Mapping[str, Any]] | None = None,
        workload: Iterable[dict[str, Any]] | None = None, *, seed: int | None = None, shape: Shape | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> Trial:
        """Run the cluster and judge its history.

        faults: as the strategies draw them, or as `spec.json` holds them; None: drawn from the seed.
        workload: the clients' operations; topics are created before, and everything is read at the end. None: drawn.
        seed, shape, properties: instead of those that the marker gives.
        Raises InputError, in one line, for what cannot be run.
        """
        spec = replace(
            self.spec, seed=self.spec.seed if seed is None else seed, shape=shape or self.spec.shape,
            properties=self.spec.properties if properties is None else dict(properties))
        if faults is not None:
            plain = [fault.to_data() if isinstance(fault, Fault) else dict(fault) for fault in faults]
            spec = replace(spec, faults=plain)
        spec = replace(spec, workload=None if workload is None else list(workload))
        check_spec(spec, self._name)
        if spec.workload is not None:
            spec = replace(spec, workload=framed(spec.workload, spec))
        name = self._name if seed is None else f"{self._name}-seed{seed}"
        return try_out(spec, name, self._store)


def try_out(spec: RunSpec, name: str, store: Path) -> Trial:
    """Run a spec, without Hypothesis following every line."""
    with untraced():
        return Trial(run(spec), name, store)


def keep(result: RunResult, store: Path, name: str) -> Path:
    """Store a run under a name, instead of an earlier run of that name (a larger example of the same test, say)."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "run"
    if (store / name).exists():
        shutil.rmtree(store / name)
    return store_run(result, store, name=name)


def _short(text: str) -> str:
    return text if len(text) <= _LINE else f"{text[:_LINE]}..."
