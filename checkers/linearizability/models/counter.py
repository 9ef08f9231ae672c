"""A counter: add, and read.

    add(2), add(-1), read() -> 1                    allowed, starting from 0
    add(2), read() -> 1                             refused: read 1 but the counter is at 2
    add-and-get(2) -> 2, get-and-add(1) -> 2        allowed: the value after, the value before
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind, whole_number
from fencepost.checkers.linearizability.models.reading import exchange, operation_of, query, reader
from fencepost.checkers.linearizability.operation import Inconsistent, Operation
from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import FAIL, Call


@dataclass(frozen=True, slots=True)
class Counter(SequentialModel):
    """read() -> value, add(n), add-and-get(n) -> value after, get-and-add(n) -> value before."""

    name: str = "counter"
    initial: int = 0

    def init(self) -> Hashable:
        """0, unless told otherwise."""
        return self.initial

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        if operation.f == "read":
            return self._answer(state, state, operation)
        if operation.f == "add":
            return state + operation.argument
        if operation.f == "add-and-get":
            return self._answer(state + operation.argument, state + operation.argument, operation)
        if operation.f == "get-and-add":
            return self._answer(state, state + operation.argument, operation)
        return unknown_function(operation, self.name)

    @staticmethod
    def _answer(value: int, after: int, operation: Operation) -> Step:
        if operation.crashed or operation.result == value:
            return after
        return Inconsistent(f"its {operation.f} gave {operation.result!r} but should have given {value}"
                            if operation.f != "read" else f"read {operation.result!r} but the counter is at {value}")

    def adds(self, operation: Operation) -> tuple[int, int | None] | None:
        """See `operation`; what inherits from this may step otherwise, and is asked."""
        if type(self) is not Counter or operation.f not in ("read", "add", "add-and-get", "get-and-add"):
            return None
        amount = 0 if operation.f == "read" else operation.argument
        if operation.crashed or operation.f == "add":
            return (amount, None) if isinstance(amount, int) else None
        if not isinstance(amount, int) or not isinstance(operation.result, int):
            return None
        return amount, operation.result - amount if operation.f == "add-and-get" else operation.result

    def readonly(self, operation: Operation) -> bool:
        """Reads."""
        return operation.f == "read"


def make(initial: Any = None) -> Counter:
    """A counter at this value, 0 by default."""
    return Counter(initial=whole_number("counter", initial, 0))


def _added(call: Call) -> Operation | None:
    if call.type == FAIL:
        return None
    amount = 1 if call.argument is None else call.argument
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise HistoryError(f"line {call.line}: {call.f} should add a whole number, but adds {amount!r}")
    return operation_of(call, amount)


def _added_and_told(call: Call) -> Operation | None:
    _added(call)
    return exchange(call)


KINDS = (
    ModelKind("counter", "a counter with add(n), read, add-and-get(n) and get-and-add(n)",
              make, reader("counter", {"read": query, "add": _added, "add-and-get": _added_and_told,
                                       "get-and-add": _added_and_told}), "its value"),
)
