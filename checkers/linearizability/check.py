"""Judging a history: its parts one by one, within a budget, with a counterexample."""

from collections.abc import Hashable, Iterable
from typing import Literal

from fencepost.checkers.linearizability.analysis import Analysis, Death, Frontier, Undecided
from fencepost.checkers.linearizability.budget import Budget, Exhausted, Unlimited
from fencepost.checkers.linearizability.operation import Model, Operation, PartOutcome
from fencepost.checkers.linearizability.search import Death as Dead
from fencepost.checkers.linearizability.search import Search
from fencepost.checkers.verdict import INVALID, UNKNOWN, VALID

Engine = Literal["auto", "pure", "compiled"]


def linearizable(
    operations: Iterable[Operation], model: Model, *, per_key: bool = True, budget: Budget | None = None,
    engine: Engine = "auto", specialised: bool = True,
) -> Analysis:
    """Whether the operations are linearizable with respect to the model.

    per_key: judge the parts that the model names (`partition`) one by one; False judges the object as one whole, for
        a model whose states hold all of it.
    budget: limits of work, time and memory; beyond them the verdict is `unknown`. None: no limit.
    engine: `compiled`, `pure` (plain Python), or the compiled one where it was built.
    specialised: let the model's near-linear checker decide where it can.
    Raises ValueError when one of the model's hints is wrong, or when an operation returns before it is called.
    """
    limits = budget or Unlimited()
    parts: dict[Hashable, list[Operation]] = {}
    count = 0
    for operation in operations:
        parts.setdefault(model.partition(operation) if per_key else None, []).append(operation)
        count += 1
    analysis = Analysis(VALID, operations=count)
    engines: dict[str, None] = {}
    near_linear = getattr(model, "near_linear", None) if specialised else None
    for part, members in parts.items():
        outcome: PartOutcome | None = near_linear(members) if near_linear is not None else None
        if outcome is None:
            engines["pure"] = None
            _search(part, members, model, limits, analysis)
            continue
        engines[f"near-linear: {outcome.checker}"] = None
        if not outcome.valid:
            analysis.deaths.append((part, _contradiction(members, outcome)))
    analysis.engine = " + ".join(engines) or "pure"
    if analysis.deaths:
        analysis.verdict = INVALID
    elif analysis.undecided:
        analysis.verdict = UNKNOWN
    return analysis


def _search(part: Hashable, members: list[Operation], model: Model, limits: Budget, analysis: Analysis) -> None:
    search = Search(model, limits.spend)
    try:
        outcome = search.run(members)
    except Exhausted as exhausted:
        analysis.undecided.append(Undecided(part, len(members), search.returned, search.explored, str(exhausted)))
    else:
        if outcome.death is not None:
            analysis.deaths.append((part, _death(outcome.death)))
    analysis.explored += search.explored


def _death(dead: Dead) -> Death:
    frontiers = tuple(Frontier(state, (), (), (), "", ()) for state in dead.states)
    return Death(dead.operation, dead.returned, frontiers, tuple(dead.reasons))


def _contradiction(members: list[Operation], outcome: PartOutcome) -> Death:
    """What a near-linear checker found, told as the death of its last operation."""
    operation = outcome.operations[-1]
    end = operation.ret
    returned = sum(1 for member in members if member.ret is not None and end is not None and member.ret < end)
    return Death(operation, returned, (), (outcome.reason,), related=outcome.operations)
