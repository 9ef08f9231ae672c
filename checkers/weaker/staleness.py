"""Bounded staleness: a reading may be so old and no older.

Golab, Li and Shah, "Analyzing consistency properties for fun and profit" (PODC 2011): let every reading have begun so
much earlier; the history is within the bound exactly if it is then linearizable. Writes and compare-and-sets keep their
intervals. The unit is that of the history's times; positions, where it has none.

    write(1) over [0, 1], write(2) over [2, 3], read() -> 1 over [10, 11]        older than 6, not older than 7
"""

from collections.abc import Iterable, Sequence
from typing import Any

from fencepost.checkers.anomaly_report import Anomaly, AnomalyModel, AnomalyReport, report
from fencepost.checkers.linearizability import Analysis, Model, Operation, linearizable
from fencepost.checkers.linearizability.budget import Budget, Exhausted, Unlimited
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.linearizability.models import MODELS as OBJECTS
from fencepost.checkers.linearizability.models import make_model
from fencepost.checkers.verdict import INVALID, UNKNOWN, VALID
from fencepost.histories.errors import InputError
from fencepost.histories.pairing import OK, Call

NAME = "bounded-staleness"

_READS = ("read", "sync-read")


def within(operations: Iterable[Operation], bound: int) -> list[Operation]:
    """The operations as they are if readings may be that old."""
    return [operation._replace(call=operation.call - bound) if operation.f in _READS else operation
            for operation in operations]


def analyse(
    calls: Sequence[Call], initial: Any = None, staleness: int | None = None, budget: Budget | None = None
) -> AnomalyReport:
    """Whether no reading is older than `staleness`; without it, a note says how old the oldest is.

    budget: limits of work, time and memory; beyond them the verdict is `unknown`. None: no limit.
    Raises HistoryError for what is no register's history, InputError for a negative bound.
    """
    if staleness is not None and staleness < 0:
        raise InputError(f"staleness={staleness}: a reading cannot be younger than now; give 0 or more")
    versioned = any(call.type == OK and "version" in call.extra_ok for call in calls)
    name = "versioned-register" if versioned else "cas-register"
    model, operations = make_model(name, initial), OBJECTS[name].read(calls)
    if staleness is not None:
        return _report(linearizable(within(operations, staleness), model, budget=budget), calls, staleness)
    times = [time for operation in operations for time in (operation.call, operation.ret) if time is not None]
    longest = max(times, default=0) - min(times, default=0) + 1
    analysis = linearizable(within(operations, longest), model, budget=budget)
    if analysis.verdict != VALID:
        return _report(analysis, calls, None)
    try:
        oldest = _oldest(operations, model, longest, budget or Unlimited())
    except Exhausted as exhausted:
        return report([], [f"undecided within {exhausted}: how old the oldest reading is"])
    return report([], notes=[f"no reading is older than {oldest}, in the unit of the history's times"])


def _oldest(operations: list[Operation], model: Model, longest: int, budget: Budget) -> int:
    """The least bound within which all keys are; `longest` is one. Raises Exhausted when the budget does."""
    oldest = 0
    for key, _ in _decided(operations, model, budget).deaths:
        own = [operation for operation in operations if operation.key == key]
        low, high = oldest, longest
        while low < high:
            budget.spend(0)
            middle = (low + high) // 2
            if _decided(within(own, middle), model, budget).verdict == VALID:
                high = middle
            else:
                low = middle + 1
        oldest = low
    return oldest


def _decided(operations: list[Operation], model: Model, budget: Budget) -> Analysis:
    analysis = linearizable(operations, model, budget=budget)
    if analysis.undecided:
        raise Exhausted(analysis.undecided[0].reason)
    return analysis


def _report(analysis: Analysis, calls: Sequence[Call], staleness: int | None) -> AnomalyReport:
    anomalies = []
    for key, death in analysis.deaths:
        words = f"is older than {staleness}" if staleness is not None else "is explained by no age"
        where = "" if key is None else f"key {key!r}: "
        culprit = next((operation for operation in (death.operation, *reversed(death.related))
                        if operation.f in _READS), death.operation)
        reasons = "; ".join(death.reasons)
        message = (f"{where}{culprit.words()} by process {culprit.process}, returned at {culprit.ret}, {words}: "
                   f"{reasons}")
        indexes = [call.index for call in calls if call.process == culprit.process and call.ret == culprit.ret]
        anomalies.append(Anomaly(NAME, message, tuple(indexes), {"key": plain_value(key)}))
    undecided = [f"undecided: {words}" for words in (analysis.words(),) if analysis.verdict == UNKNOWN]
    return report(anomalies if analysis.verdict == INVALID else [], undecided)


MODEL = AnomalyModel(
    "registers whose readings may be old, but only so much", analyse,
    {"initial": "the first value of every key", "staleness": "how old a reading may be, in the unit of the history's "
     "times; without it, how old the oldest is"},
    {NAME: "With every reading begun so much earlier the history is still not linearizable: `write(1)` at 0, "
           "`write(2)` at 2 to 3 and `read() -> 1` called at 10 is older than 6. Operations that crashed are taken as "
           "linearizability takes them."})
