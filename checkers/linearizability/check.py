"""Judging a history: its parts one by one, within a budget, with a counterexample."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from fencepost.checkers.linearizability import compiled, pure
from fencepost.checkers.linearizability.analysis import Analysis, Undecided
from fencepost.checkers.linearizability.budget import Budget, Exhausted, Unlimited
from fencepost.checkers.linearizability.counterexample import Death
from fencepost.checkers.linearizability.operation import Model, Operation, PartOutcome
from fencepost.checkers.linearizability.portfolio import Portfolio, Trial
from fencepost.checkers.linearizability.postmortem import examine
from fencepost.checkers.linearizability.prunings import ALL, Prunings
from fencepost.checkers.linearizability.searching import Progress
from fencepost.checkers.verdict import INVALID, UNKNOWN, VALID

#: So many configurations, and so many for each operation, are spent on explaining what is already refused.
_EXPLAINING = 20_000
_EXPLAINING_PER_OPERATION = 10

Engine = Literal["auto", "pure", "compiled"]


def linearizable(
    operations: Iterable[Operation], model: Model, *, per_key: bool = True, budget: Budget | None = None,
    engine: Engine = "auto", specialised: bool = True, prunings: Prunings = ALL,
) -> Analysis:
    """Whether the operations are linearizable with respect to the model.

    per_key: judge the parts that the model names (`partition`) one by one; False judges the object as one whole, for
        a model whose states hold all of it.
    budget: limits of work, time and memory; beyond them the verdict is `unknown`. None: no limit.
    engine: `compiled`, `pure` (plain Python), or the compiled one where it was built.
    specialised: let the model's near-linear checker decide where it can.
    prunings: which to use; fewer only cost time.
    Raises ValueError when one of the model's hints is wrong, or when an operation returns before it is called.
    """
    budget = budget or Unlimited()
    if not per_key:
        model = getattr(model, "as_whole", lambda: model)()
    given = operations if isinstance(operations, Sequence) else list(operations)
    is_compiled = engine == "compiled" or (engine == "auto" and compiled.is_wanted())
    if is_compiled and not compiled.is_there():
        raise ValueError("the compiled engine was not built here: install with a C compiler, or ask for engine='pure'")
    analysis = Analysis(VALID, operations=len(given), engine="compiled" if is_compiled else "pure")
    prepare = compiled.parts if is_compiled else pure.parts
    try:
        parts = prepare(given, model, per_key, prunings, budget.spend)
    except Exhausted as exhausted:
        analysis.undecided.append(Undecided(None, len(given), 0, 0, str(exhausted)))
    else:
        _judge(Portfolio(parts, budget), model, budget, specialised, analysis)
    if analysis.deaths:
        analysis.verdict = INVALID
    elif analysis.undecided:
        analysis.verdict = UNKNOWN
    return analysis


def _judge(portfolio: Portfolio, model: Model, budget: Budget, specialised: bool, analysis: Analysis) -> None:
    """Near-linear checkers first, then the searches, round by round; what they found goes into the analysis.

    The former come first even where the search is compiled: what they do not decide they mostly give up at once, and
    what they do decide has many states, all of which a search would have to ask the model for and keep.
    """
    near_linear = getattr(model, "near_linear", None) if specialised else None
    outcomes: dict[int, PartOutcome] = {}
    limit = ""
    try:
        if near_linear is not None:
            for place, trial in enumerate(portfolio.trials):
                budget.spend(0)
                outcome = near_linear(trial.part.view, budget.spend)
                if outcome is not None:
                    outcomes[place] = outcome
                    if outcome.valid:
                        trial.decided = Progress.ACCEPTED
            portfolio.close()
        while portfolio.open:
            portfolio.round()
            _stop_explaining(portfolio, outcomes)
    except Exhausted as exhausted:
        limit = str(exhausted)
    engines: dict[str, None] = {}
    for place, trial in enumerate(portfolio.trials):
        found = outcomes.get(place)
        engines[analysis.engine if found is None else f"near-linear: {found.checker}"] = None
        _report(trial, found, model, limit or f"the memory limit of {budget.memory_bytes or 0:,} bytes", analysis)
    analysis.engine = " + ".join(engines) or analysis.engine


def _stop_explaining(portfolio: Portfolio, outcomes: dict[int, PartOutcome]) -> None:
    """What is refused without configurations is searched for the states and the order that a counterexample shows; not
    for long, since the verdict is known."""
    for place, trial in enumerate(portfolio.trials):
        if place not in outcomes and trial.refuter is None:
            continue
        limit = _EXPLAINING + _EXPLAINING_PER_OPERATION * trial.part.size
        if trial.decided is Progress.RUNNING and trial.explored > limit:
            trial.decided = Progress.REJECTED
    portfolio.close()


def _report(trial: Trial, found: PartOutcome | None, model: Model, limit: str, analysis: Analysis) -> None:
    part = trial.part
    analysis.explored += trial.explored
    if found is not None and not found.valid:
        assert trial.decided is not Progress.ACCEPTED, f"{found.checker} and the search disagree: {found.reason}"
        death = _contradiction(part.operations, found) if trial.by is None else replace(
            examine(trial.by.death(), part.operations, model, part.renamed), related=found.operations)
        analysis.deaths.append((part.key, death))
    elif trial.by is None and trial.refuter is not None:
        analysis.deaths.append((part.key, examine(trial.refuter.death(), part.operations, model, part.renamed)))
    elif trial.decided in (Progress.RUNNING, Progress.GAVE_UP):
        analysis.undecided.append(Undecided(part.key, part.size, trial.placed, trial.explored, limit))
    elif trial.decided is Progress.REJECTED and trial.by is not None:
        analysis.deaths.append((part.key, examine(trial.by.death(), part.operations, model, part.renamed)))


def _contradiction(operations: Sequence[Operation], outcome: PartOutcome) -> Death:
    """What a near-linear checker found, told as the death of its last operation."""
    operation = outcome.operations[-1]
    end = operation.ret
    returned = sum(1 for other in operations if other.ret is not None and end is not None and other.ret < end)
    return Death(operation, returned, (), (), (outcome.reason,), related=outcome.operations)
