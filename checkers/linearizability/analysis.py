"""What was found: the verdict, and for each part of the history that is not linearizable why, as data and in words."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from fencepost.checkers.linearizability.operation import Operation


@dataclass(frozen=True, slots=True)
class Frontier:
    """One way in which the longest good prefix can be linearized: what stands just before the return that fails.

    state: the object's state.
    taken: pending operations that have already taken effect. pending: those that have not.
    crashed_used: the crashed operations that were made to take effect.
    reason: why the operation cannot come next, in the model's words.
    linearization: the order that leads here.
    """

    state: Any
    taken: tuple[Operation, ...]
    pending: tuple[Operation, ...]
    crashed_used: tuple[Operation, ...]
    reason: str
    linearization: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Death:
    """Where a part stops being linearizable.

    operation: the first operation whose return no order of the operations allows.
    returned: operations of the part that had returned before it.
    frontiers: the configurations just before that return, at most a few; `more` were left out.
    reasons: why the operation is refused, over all of these, each once.
    related: where a near-linear checker found it, the operations that contradict each other.
    """

    operation: Operation
    returned: int
    frontiers: tuple[Frontier, ...]
    reasons: tuple[str, ...]
    more: int = 0
    related: tuple[Operation, ...] = ()

    @property
    def states(self) -> list[Any]:
        """The states that the object may be in just before the return."""
        return [frontier.state for frontier in self.frontiers]

    @property
    def linearization(self) -> tuple[Operation, ...]:
        """An order of the longest good prefix; empty where a near-linear checker decided."""
        return self.frontiers[0].linearization if self.frontiers else ()

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "operation": _plain(self.operation),
            "returned_before": self.returned,
            "reasons": list(self.reasons),
            "frontier": [
                {"state": _value(frontier.state), "taken": _plains(frontier.taken),
                 "pending": _plains(frontier.pending), "crashed_used": _plains(frontier.crashed_used),
                 "reason": frontier.reason}
                for frontier in self.frontiers],
            "more_configurations": self.more,
            "related": _plains(self.related),
            "linearization": _plains(self.linearization),
        }


@dataclass(frozen=True, slots=True)
class Undecided:
    """A part that the budget did not suffice for.

    part: its name. operations: how many it has. placed: how many returns some configuration survives.
    explored: configurations looked at. reason: which limit ended it, such as "the time limit of 60 s".
    """

    part: Hashable
    operations: int
    placed: int
    explored: int
    reason: str


@dataclass(slots=True)
class Analysis:
    """What was found.

    verdict: `valid`, `invalid`, or `unknown` when the budget ran out.
    deaths: for each part that is not linearizable, (part, where it stops being so).
    undecided: the parts that the budget did not suffice for, with how far the search got.
    operations: how many were judged. explored: configurations looked at.
    engine: `compiled`, `pure`, or `near-linear: <name>`; several are joined by " + ".
    """

    verdict: str
    deaths: list[tuple[Hashable, Death]] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)
    operations: int = 0
    explored: int = 0
    engine: str = "pure"

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
        for undecided in self.undecided:
            where = "" if undecided.part is None else f"part {undecided.part!r}: "
            lines.append(
                f"{where}undecided within {undecided.reason}: {undecided.placed} of {undecided.operations} operations "
                f"are placed, {undecided.explored:,} configurations explored")
        return "\n".join(lines) or f"{self.operations} operations are linearizable"

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "verdict": self.verdict,
            "operations": self.operations,
            "engine": self.engine,
            "explored": self.explored,
            "violations": [{"part": _value(part), **death.to_json()} for part, death in self.deaths],
            "undecided": [
                {"part": _value(undecided.part), "operations": undecided.operations, "placed": undecided.placed,
                 "explored": undecided.explored, "reason": undecided.reason}
                for undecided in self.undecided],
        }


def _plains(operations: tuple[Operation, ...]) -> list[dict[str, Any]]:
    return [_plain(operation) for operation in operations]


def _plain(operation: Operation) -> dict[str, Any]:
    return {name: _value(value) for name, value in operation._asdict().items()}


def _value(value: Any) -> Any:
    """A value as JSON can hold it: what JSON does not know becomes its words."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    if isinstance(value, frozenset):
        return sorted((_value(item) for item in value), key=repr)
    if isinstance(value, dict):
        return {str(key): _value(item) for key, item in value.items()}
    return repr(value)
