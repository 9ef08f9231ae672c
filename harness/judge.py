"""Judging anybody's history by a contract: read, paired, read as the contract's operations, judged within limits.

A contract is a model of an object (linearizability) or a kind of history whose anomalies are looked for; `contracts`
lists them by name.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fencepost.checkers.linearizability import compiled
from fencepost.checkers.linearizability.budget import Exhausted
from fencepost.checkers.linearizability.check import Engine, linearizable
from fencepost.checkers.linearizability.models import MODELS, make_model
from fencepost.checkers.verdict import UNKNOWN
from fencepost.harness.budget import WallBudget
from fencepost.histories.errors import HistoryError, InputError
from fencepost.histories.formats import read_operations
from fencepost.histories.keyed import hides_keys, split_keys
from fencepost.histories.operations import HistoryOp
from fencepost.histories.pairing import Call, pair

if TYPE_CHECKING:
    from fencepost.checkers.anomaly_report import AnomalyModel

#: The limits look at the clock every so many lines while a history is read.
_LINES_A_LOOK = 1_000
#: A note.
_SPLIT = "reads are asked with [key, nil]: values are taken as [key, value] and judged key by key, as with --per-key"


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be judged, and by what.

    source: a path, or "-" for standard input. format: one of the formats' names; None: recognised.
    model: a contract's name.
    per_key: True: values are [key value] where there is no key field; False: the object as one whole; None: as the
        contract has it, and as True where every read is asked with [key nil].
    initial: the object's first content, plain data; None: the model's own.
    only: the functions to keep; empty: all.
    engine: which search (see `linearizable`).
    options: "name=value" of each option of the anomalies that are looked for (see `AnomalyModel`).
    explain: the report's `words` tell the whole counterexample.
    """

    source: Path | str
    model: str
    format: str | None = None
    per_key: bool | None = None
    initial: Any = None
    only: tuple[str, ...] = ()
    engine: Engine = "auto"
    options: tuple[str, ...] = ()
    explain: bool = False

    @property
    def name(self) -> str:
        """What messages call the source."""
        return "standard input" if str(self.source) == "-" else str(self.source)


class Watch:
    """Told how far a judgement is. This one tells nobody."""

    def reading(self, lines: int) -> None:
        """So many operations' lines are read."""

    def searching(self, configurations: int) -> None:
        """So many more configurations were explored."""


class _Watched:
    """A budget that tells a watch of the work."""

    def __init__(self, budget: WallBudget, watch: Watch) -> None:
        self.memory_bytes = budget.memory_bytes
        self._budget = budget
        self._watch = watch

    def spend(self, configurations: int) -> None:
        """See `Budget`."""
        self._budget.spend(configurations)
        self._watch.searching(configurations)


def contracts() -> list[tuple[str, str]]:
    """Every contract's name and what it is, in one line each."""
    return [(kind.name, kind.summary) for kind in MODELS.values()] + [
        (name, model.description) for name, model in _anomaly_models().items()]


def _anomaly_models() -> "dict[str, AnomalyModel]":
    """By name; imported only where one may be meant, for they take as long as to judge a short history."""
    from fencepost.checkers.anomaly_models import ANOMALY_MODELS

    return ANOMALY_MODELS


def judge(question: Question, budget: WallBudget, watch: Watch | None = None) -> dict[str, Any]:
    """The report: `verdict`, `model`, `operations`, `engine`, `violations`, and more that the contract has to say.

    Raises InputError or HistoryError, in one line, for what cannot be judged.
    """
    if question.model not in MODELS and question.model not in _anomaly_models():
        raise InputError(_unknown_model(question.model))
    watched = _Watched(budget, watch or Watch())
    report: dict[str, Any] = {
        "verdict": UNKNOWN, "model": question.model, "history": question.name, "operations": 0, "engine": "none",
        "violations": [], "notes": []}
    options = _check_options(question)
    notes: list[str] = []
    try:
        with _uncollected():
            calls = _calls(question, watched, watch or Watch())
    except Exhausted as exhausted:
        report["notes"] = [f"undecided within {exhausted}: the history is not yet read"]
        return report
    report["operations"] = len(calls)
    if question.per_key is None and hides_keys(calls):
        calls = split_keys(calls, question.name)
        notes = [_SPLIT]
    if question.model in MODELS:
        report |= _linearizability(question, calls, watched)
    else:
        report |= _anomalies(question, calls, options, watched)
    report["notes"] = [*notes, *report["notes"]]
    return report


def _unknown_model(name: str) -> str:
    names = [known for known, _ in contracts()]
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else "allowed is"
    listed = "" if near else f" {', '.join(names)}"
    return f"--model {name}: there is no such model; {hint}{listed} (`fencepost check --models` lists all)"


def _check_options(question: Question) -> dict[str, Any]:
    """Refuse what cannot be judged before a long history is read; the options of the anomalies that are looked for."""
    if question.engine == "compiled" and not compiled.is_there():
        raise InputError("--engine compiled: it was not built here; install with a C compiler, or leave --engine out")
    if question.model not in MODELS:
        model = _anomaly_models()[question.model]
        options = model.read_options(question.options)
        if question.initial is not None:
            if "initial" not in model.options:
                raise InputError(f"--initial: {question.model} knows no first content; leave it out")
            options["initial"] = question.initial
        return options
    if question.options:
        raise InputError(f"--option {question.options[0]}: {question.model} has no options")
    make_model(question.model, question.initial, question.per_key is False)
    return {}


def _calls(question: Question, budget: _Watched, watch: Watch) -> list[Call]:
    ops = read_operations(question.source, question.format)
    calls = pair(_told(ops, budget, watch), question.name)
    if question.only:
        kept = [call for call in calls if call.f in question.only]
        missing = [f for f in question.only if all(call.f != f for call in kept)]
        if missing and calls:
            there = sorted({call.f for call in calls})
            raise InputError(f"--only {missing[0]}: {question.name} has no such function; it has {', '.join(there)}")
        calls = kept
    return split_keys(calls, question.name) if question.per_key else calls


@contextmanager
def _uncollected() -> Iterator[None]:
    """All that a history is read into is kept, and all that is inferred from it: to look for garbage in these again and
    again costs half of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()


def _told(ops: Iterator[HistoryOp], budget: _Watched, watch: Watch) -> Iterator[HistoryOp]:
    for number, op in enumerate(ops, 1):
        if number % _LINES_A_LOOK == 0:
            budget.spend(0)
            watch.reading(number)
        yield op


def _linearizability(question: Question, calls: list[Call], budget: _Watched) -> dict[str, Any]:
    whole = question.per_key is False
    model = make_model(question.model, question.initial, whole)
    kind = MODELS[question.model]
    read: Callable[[Iterable[Call]], list[Any]] = kind.read_whole if whole and kind.read_whole else kind.read
    with _uncollected():
        operations = _reading(question, lambda: read(calls))
    analysis = linearizable(operations, model, per_key=not whole, budget=budget, engine=question.engine)
    data, words = analysis.to_json(), analysis.explain() if question.explain else analysis.words()
    left_out = len(calls) - analysis.operations
    notes = [f"{left_out} of {len(calls)} operations prove nothing and are left out: they failed, or nobody knows what "
             "they read"] if left_out else []
    return {**data, "words": words, "operations": len(calls), "judged": analysis.operations, "notes": notes}


def _anomalies(
    question: Question, calls: list[Call], options: dict[str, Any], budget: _Watched
) -> dict[str, Any]:
    with _uncollected():
        report = _reading(question, lambda: _anomaly_models()[question.model].analyse(calls, **options, budget=budget))
    data = report.to_json()
    anomalies = data.pop("anomalies")
    return {
        **data, "engine": "inference", "words": report.words(),
        "violations": [anomaly for anomaly in anomalies if anomaly["allowed"] is None],
        "allowed": [anomaly for anomaly in anomalies if anomaly["allowed"] is not None]}


def _reading(question: Question, read: Callable[[], Any]) -> Any:
    """What `read` gives; its refusals, which know only the line, name the history too."""
    try:
        return read()
    except HistoryError as error:
        words = str(error)
        raise HistoryError(f"{question.name} {words}" if words.startswith("line ") else words) from None
