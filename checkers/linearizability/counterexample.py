"""The counterexample: where a part of a history stops being linearizable, as data and in words."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.operation import Operation

#: So many operations of an order, and so many attempts, are told in words; the data has them all.
_TOLD = 5


@dataclass(frozen=True, slots=True)
class Frontier:
    """One way in which the longest good prefix can be linearized: what stands just before the return that fails.

    state: the object's state.
    taken: pending operations that have already taken effect. pending: those that have not, crashed ones among them.
    crashed_used: the crashed operations that were made to take effect.
    reason: why the operation cannot come next, in the model's words.
    attempts: for pending operations that could come first: (operation, why that does not help either).
    shared, then: the order that leads here: so many operations as in the death's linearization, and then these.
    """

    state: Any
    taken: tuple[Operation, ...]
    pending: tuple[Operation, ...]
    crashed_used: tuple[Operation, ...]
    reason: str
    attempts: tuple[tuple[Operation, str], ...]
    shared: int
    then: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Death:
    """Where a part stops being linearizable.

    operation: the first operation whose return no order of the operations allows.
    returned: operations of the part that had returned before it.
    linearization: an order of the longest good prefix; empty where a near-linear checker decided.
    frontiers: the configurations just before that return, the first few; `more` were left out.
    reasons: why the operation is refused, over all of these, each once.
    related: where a near-linear checker found it, the operations that contradict each other.
    """

    operation: Operation
    returned: int
    linearization: tuple[Operation, ...]
    frontiers: tuple[Frontier, ...]
    reasons: tuple[str, ...]
    more: int = 0
    related: tuple[Operation, ...] = ()

    @property
    def states(self) -> list[Any]:
        """The states that the object may be in just before the return."""
        return [frontier.state for frontier in self.frontiers]

    def partial_linearizations(self) -> list[tuple[Operation, ...]]:
        """For each configuration the order that leads to it; none can be continued."""
        return [(*self.linearization[:frontier.shared], *frontier.then) for frontier in self.frontiers]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "operation": plain(self.operation),
            "returned_before": self.returned,
            "reasons": list(self.reasons),
            "frontier": [_plain_frontier(frontier) for frontier in self.frontiers],
            "more_configurations": self.more,
            "related": _plains(self.related),
            "linearization": _plains(self.linearization),
        }

    def words(self, part: Hashable = None) -> str:
        """What cannot be placed and why, in one line."""
        operation = self.operation
        return (f"{where(part)}{_named(operation)} cannot be placed after the {counted(self.returned)} that returned "
                f"before it: {'; '.join(self.reasons) or 'no order of the pending operations allows it'}")

    def explanation(self) -> list[str]:
        """The counterexample in lines, below `words`."""
        if not self.frontiers and not self.related:
            return []
        if not self.frontiers:
            return ["  these contradict each other:", *(f"    {_named(operation)}" for operation in self.related)]
        lines = ["  the operations before it fit together, such as in this order:"]
        left_out = len(self.linearization) - _TOLD
        if left_out > 0:
            lines.append(f"    ... {counted(left_out)}, then")
        lines += [f"    {_named(operation)}" for operation in self.linearization[-_TOLD:]]
        for frontier in self.frontiers:
            lines += _told(frontier)
        if self.more:
            lines.append(f"  and {self.more} more ways, none of which allows it")
        return lines


def counted(operations: int) -> str:
    """So many operations, in words."""
    return f"{operations} operation{'' if operations == 1 else 's'}"


def where(part: Hashable) -> str:
    """How a line about a part begins."""
    return "" if part is None else f"part {part!r}: "


def _named(operation: Operation) -> str:
    process = "" if operation.process is None else f" by process {operation.process}"
    end = "never returned" if operation.ret is None else f"returned at {operation.ret}"
    return f"{operation.words()}{process} (called at {operation.call}, {end})"


def _told(frontier: Frontier) -> list[str]:
    lines = [f"  in state {frontier.state!r}: {frontier.reason}"]
    for words, operations in (("already took effect, pending", frontier.taken),
                              ("crashed and took effect", frontier.crashed_used)):
        if operations:
            more = f" and {len(operations) - _TOLD} more" if len(operations) > _TOLD else ""
            lines.append(f"    {words}: {', '.join(one.words() for one in operations[:_TOLD])}{more}")
    lines += [f"    with {first.words()} first: {reason}" for first, reason in frontier.attempts[:_TOLD]]
    return lines


def _plains(operations: tuple[Operation, ...]) -> list[dict[str, Any]]:
    return [plain(operation) for operation in operations]


def _plain_frontier(frontier: Frontier) -> dict[str, Any]:
    return {
        "state": plain_value(frontier.state), "taken": _plains(frontier.taken), "pending": _plains(frontier.pending),
        "crashed_used": _plains(frontier.crashed_used), "reason": frontier.reason,
        "attempts": [{"operation": plain(operation), "reason": reason} for operation, reason in frontier.attempts],
        "linearization": {"shared": frontier.shared, "then": _plains(frontier.then)},
    }


def plain(operation: Operation) -> dict[str, Any]:
    """An operation as plain data."""
    return {name: plain_value(value) for name, value in operation._asdict().items()}


def plain_value(value: Any) -> Any:
    """A value as JSON can hold it: what JSON does not know becomes its words."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, frozenset):
        return sorted((plain_value(item) for item in value), key=repr)
    if isinstance(value, dict):
        return {str(key): plain_value(item) for key, item in value.items()}
    return repr(value)
