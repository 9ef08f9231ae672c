"""A set: elements are added and removed one by one, and looked for one by one or all at once.

    add(1), contains(1) -> True, remove(1), read() -> ()        allowed
    add(1), add(2), read() -> (1,)                              refused: read (1,) but the set holds (1, 2)

An add or remove may tell whether it changed the set (True or False); where it tells nothing, nothing is compared.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, rank, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind, list_of
from fencepost.checkers.linearizability.models.reading import exchange, hashable, operation_of, reader
from fencepost.checkers.linearizability.near_linear import elements
from fencepost.checkers.linearizability.operation import Inconsistent, Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend
from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import FAIL, OK, Call


@dataclass(frozen=True, slots=True)
class ElementSet(SequentialModel):
    """add(x), remove(x), contains(x) -> bool, read() -> sorted elements. The state is the sorted elements."""

    name: str = "set"
    initial: tuple[Any, ...] = ()

    def init(self) -> Hashable:
        """Empty, unless told otherwise."""
        return self.initial

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        element = operation.argument
        if operation.f == "read":
            if operation.crashed or operation.result == state or tuple(sorted(operation.result, key=rank)) == state:
                return state
            return Inconsistent(f"read {operation.result!r} but the set holds {state!r}")
        present = element in state
        if operation.f == "contains":
            if operation.crashed or operation.result is present:
                return state
            return Inconsistent(self._found(element, present, operation))
        if operation.f not in ("add", "remove"):
            return unknown_function(operation, self.name)
        changes = present == (operation.f == "remove")
        if operation.result not in (None, changes):
            return Inconsistent(self._found(element, present, operation))
        if not changes:
            return state
        if present:
            return tuple(other for other in state if other != element)
        return tuple(sorted((*state, element), key=rank))

    @staticmethod
    def _found(element: Any, present: bool, operation: Operation) -> str:
        return (f"{operation.f}({element!r}) gave {operation.result!r} "
                f"but the set {'holds' if present else 'does not hold'} {element!r}")

    def near_linear(self, operations: Sequence[Operation], spend: Spend) -> PartOutcome | None:
        """See `operation`; what inherits from this may step otherwise, and is searched."""
        return elements.decide(operations, self.initial, spend) if type(self) is ElementSet else None

    def readonly(self, operation: Operation) -> bool:
        """Looking, and what tells that it changed nothing."""
        return operation.f in ("contains", "read") or operation.result is False


def make(initial: Any = None) -> ElementSet:
    """A set of these elements."""
    elements = dict.fromkeys(hashable(list_of("set", initial)))
    return ElementSet(initial=tuple(sorted(elements, key=rank)))


def _changed(call: Call) -> Operation | None:
    """A completion repeats the element (Jepsen's habit) or tells whether the set changed."""
    if call.type == FAIL:
        return None
    tells = isinstance(call.result, bool) and not isinstance(call.argument, bool)
    return operation_of(call, call.argument, call.result if tells else None)


def _read(call: Call) -> Operation | None:
    if call.type == FAIL:
        return None
    if call.type != OK:
        return operation_of(call)
    if not isinstance(call.result, list | tuple | set | frozenset):
        raise HistoryError(f"line {call.line}: read should give the set's elements, but gives {call.result!r}")
    return operation_of(call, None, tuple(sorted((hashable(element) for element in call.result), key=rank)))


KINDS = (
    ModelKind("set", "a set with add, remove, contains, and read of all elements",
              make, reader("set", {"add": _changed, "remove": _changed, "contains": exchange, "read": _read}),
              "a list of its elements"),
)
