"""Running a stored spec again: is it the same run, event by event, and how did the cluster look at a moment of it?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fencepost.harness.execution import Execution
from fencepost.harness.spec import RunSpec, spec_from_data
from fencepost.histories.errors import InputError
from fencepost.histories.event import Event
from fencepost.histories.history import History, read_history
from fencepost.histories.recorder import digest, event_line
from fencepost.histories.store import HISTORY, RESULTS, SPEC, read_json, run_file


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay gave.

    difference: the index of the first event that differs, or None; then `stored` and `replayed` are the two lines, and
    None where one history has ended. note: what is odd about the stored history, in words.
    """

    spec: RunSpec
    events: int
    digest: str
    stored_digest: str
    difference: int | None
    stored: str | None
    replayed: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """The cluster at one moment of a run: what it is, in words, and the state of every node as plain data."""

    time_us: int
    why: str
    state: dict[str, Any]
    header: dict[str, Any]
    last_events: list[Event]


def stored_spec(run_directory: Path) -> RunSpec:
    """The spec of a stored run. Raises InputError, in one line."""
    path = run_file(run_directory, SPEC)
    return spec_from_data(read_json(path), str(path))


def stored_results(run_directory: Path) -> dict[str, Any]:
    """What was found in a stored run. Raises InputError, in one line, where it is not what was written."""
    path = run_file(run_directory, RESULTS)
    results = read_json(path)
    if not isinstance(results, dict):
        raise InputError(f"{path}: a run's results are a JSON object, not {type(results).__name__}")
    stopped_at, violations = results.get("stopped_at"), results.get("violations", [])
    if stopped_at is not None and not _is_whole(stopped_at):
        raise InputError(f"{path}: stopped_at is {stopped_at!r:.60}: allowed is a whole number from 0, or null")
    if not isinstance(violations, list):
        raise InputError(f"{path}: violations is {violations!r:.60}: allowed is a list")
    for number, one in enumerate(violations):
        if not (isinstance(one, dict) and isinstance(one.get("rule"), str) and isinstance(one.get("message"), str)
                and _is_whole(one.get("time_us"))):
            raise InputError(f"{path}: violation {number}: allowed is an object with a rule, a message and a time_us")
    return results


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def replay(run_directory: Path) -> Replay:
    """Run a stored spec again and compare. Raises InputError when the directory holds no whole run."""
    spec = stored_spec(run_directory)
    history = read_history(run_file(run_directory, HISTORY))
    results = stored_results(run_directory)
    execution = Execution(spec)
    events = _run(execution, results)
    difference = first_difference(history.events, events)
    stored = replayed = None
    if difference is not None:
        stored = _line(history.events, difference)
        replayed = _line(events, difference)
    return Replay(
        execution.spec, len(events), digest(events), history.digest, difference, stored, replayed, tuple(history.notes))


def first_difference(stored: list[Event], replayed: list[Event]) -> int | None:
    """The position of the first event that is not the same in both histories, or None."""
    for position, (one, other) in enumerate(zip(stored, replayed, strict=False)):
        if one != other and event_line(one) != event_line(other):
            return position
    return None if len(stored) == len(replayed) else min(len(stored), len(replayed))


def moment(run_directory: Path, at: str, time_us: int | None) -> Moment:
    """Run a stored spec up to a moment and look at every node.

    at: "violation" for the first violation that was found, otherwise how `time_us` was written.
    Raises InputError when the run has no violation, or no whole run is there.
    """
    spec = stored_spec(run_directory)
    why = f"at {at}"
    if time_us is None:
        violations = stored_results(run_directory).get("violations", [])
        if not violations:
            raise InputError(f"{run_directory}: there was no violation; --at takes a time, such as 12.5s")
        time_us = int(violations[0]["time_us"])
        why = f"at the first violation: {violations[0]['rule']}: {violations[0]['message']}"
    execution = Execution(spec)
    execution.run_until(time_us)
    cluster = execution.cluster
    return Moment(cluster.now_us, why, cluster.describe(), execution.header, execution.recorder.events[-5:])


def _run(execution: Execution, results: dict[str, Any]) -> list[Event]:
    """Run to where the stored run ended; a run that crashed or was stopped early does so again."""
    events = execution.recorder.events
    stop_at = results.get("stopped_at")
    if stop_at is not None:
        execution.recorder.subscribe(_Stop(execution, int(stop_at)).feed)
    try:
        execution.run_to_end()
    except Exception:
        if "crash" not in results:
            raise
    return events


class _Stop:
    """Ends an execution after so many events."""

    def __init__(self, execution: Execution, events: int) -> None:
        self._execution = execution
        self._events = events

    def feed(self, event: Event) -> None:
        """Called with every event."""
        if event.index + 1 >= self._events:
            self._execution.stop()


def _line(events: list[Event], position: int) -> str | None:
    return event_line(events[position]) if position < len(events) else None


def check_history(history: History) -> Any:
    """The checkers' results for a stored history."""
    from fencepost.checkers.registry import run_checkers

    return run_checkers(history.header, history.events)
