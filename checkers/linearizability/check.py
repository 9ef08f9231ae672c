"""Judging a history: its parts one by one, within a budget, with a counterexample in words."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field

from fencepost.checkers.linearizability.operation import Model, Operation
from fencepost.checkers.linearizability.search import Death, Exhausted, Search
from fencepost.checkers.verdict import INVALID, UNKNOWN, VALID


@dataclass(slots=True)
class Analysis:
    """What was found.

    verdict: `valid`, `invalid`, or `unknown` when the budget ran out.
    deaths: for each part that is not linearizable, (part, where the search died).
    undecided: the parts that the budget did not suffice for.
    explored: configurations looked at.
    """

    verdict: str
    deaths: list[tuple[Hashable, Death]] = field(default_factory=list)
    undecided: list[Hashable] = field(default_factory=list)
    operations: int = 0
    explored: int = 0

    def words(self) -> str:
        """The counterexample, or what was proved, in words."""
        lines = []
        for part, death in self.deaths:
            where = "" if part is None else f"part {part!r}: "
            operation = death.operation
            lines.append(
                f"{where}{operation.words()} by process {operation.process} (called at {operation.call}, "
                f"returned at {operation.ret}) cannot be placed after the {death.returned} operations that "
                f"returned before it: {'; '.join(death.reasons) or 'no order of the pending operations allows it'}")
        for part in self.undecided:
            lines.append(f"part {part!r} is undecided: the budget ran out")
        return "\n".join(lines) or f"{self.operations} operations are linearizable"


def linearizable(
    operations: Iterable[Operation], model: Model, spend: Callable[[int], None] | None = None
) -> Analysis:
    """Whether the operations are linearizable with respect to the model.

    spend: told of the work done, in configurations; it may raise `Exhausted` to end the search as `unknown`. Clocks
        stay outside: a caller with a time limit looks at its own clock there.
    Raises ValueError when a model's `readonly` hint is wrong.
    """
    parts: dict[Hashable, list[Operation]] = {}
    count = 0
    for operation in operations:
        parts.setdefault(model.partition(operation), []).append(operation)
        count += 1
    analysis = Analysis(VALID, operations=count)
    for part, members in parts.items():
        search = Search(model) if spend is None else Search(model, spend)
        try:
            outcome = search.run(members)
        except Exhausted:
            analysis.undecided.append(part)
        else:
            if outcome.death is not None:
                analysis.deaths.append((part, outcome.death))
        analysis.explored += search.explored
    if analysis.deaths:
        analysis.verdict = INVALID
    elif analysis.undecided:
        analysis.verdict = UNKNOWN
    return analysis
