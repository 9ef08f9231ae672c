"""Judging a stored history again: nothing is run, the checkers see only what is in the file."""

from pathlib import Path
from typing import Any

from fencepost.checkers.registry import run_checkers
from fencepost.checkers.verdict import UNKNOWN, VALID, merge
from fencepost.harness.run import verdict_report
from fencepost.histories.history import read_history
from fencepost.histories.store import history_file


def recheck(path: Path, excuses: bool | None = None) -> dict[str, Any]:
    """The report on a history file or the history of a run directory.

    excuses: overrides the header's, unless it is None.
    Raises InputError, in one line, when it cannot be read. An unfinished history is never `valid` but `unknown`.
    """
    history = read_history(history_file(path))
    header = history.header if excuses is None else {**history.header, "excuses": excuses}
    results = run_checkers(header, history.events)
    verdict = merge(result.verdict for result in results)
    if verdict == VALID and not history.finished:
        verdict = UNKNOWN
    report = verdict_report(verdict, history.digest, header, history.events, results)
    return {**report, "mode": header.get("mode"), "seed": header.get("seed"), "history": str(path),
            "notes": history.notes}
