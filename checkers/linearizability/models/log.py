"""An append-only log with offsets: a partition that is asked for one offset at a time.

    append("a") -> 0, append("b") -> 1, read(1) -> "b", read(2) -> None      allowed; nothing is at offset 2 yet
    append("a") -> 0, read(0) -> None                                        refused: found nothing at offset 0, ...

Offsets have no gaps. An append may not know its offset (None): then it is not compared. That a read found nothing is
evidence here; for Kafka itself it is none, since a new leader's high watermark may trail and a deposed leader may
answer: there give only the reads that returned something.
"""

from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind, list_of
from fencepost.checkers.linearizability.models.reading import hashable, operation_of, reader
from fencepost.checkers.linearizability.near_linear import offsets
from fencepost.checkers.linearizability.operation import UNOBSERVED, Inconsistent, Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend
from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import FAIL, OK, Call


@dataclass(frozen=True, slots=True)
class Log(SequentialModel):
    """append(value) -> its offset, read(offset) -> the value or None, where nothing is. The state is the values."""

    name: str = "log"
    initial: tuple[Any, ...] = ()

    def init(self) -> Hashable:
        """Empty, unless told otherwise."""
        return self.initial

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        if operation.f == "append":
            if operation.result in (None, len(state)):
                return (*state, operation.argument)
            return Inconsistent(f"appended {operation.argument!r} at offset {operation.result} "
                                f"but the log's end is {len(state)}")
        if operation.f == "read":
            offset = operation.argument
            there = state[offset] if offset < len(state) else None
            if operation.crashed or operation.result == there:
                return state
            found = _thing(operation.result)
            return Inconsistent(f"found {found} at offset {offset}, where the log has {_thing(there)}")
        return unknown_function(operation, self.name)

    def near_linear(self, operations: Sequence[Operation], spend: Spend) -> PartOutcome | None:
        """See `operation`; what inherits from this may step otherwise, and is searched."""
        return offsets.decide(operations, self.initial, spend) if type(self) is Log else None

    def readonly(self, operation: Operation) -> bool:
        """Reads."""
        return operation.f == "read"

    def observed(self, operation: Operation) -> Iterable[Hashable]:
        """What was found."""
        return [operation.result] if operation.f == "read" and operation.result is not None else []

    def rename(self, operation: Operation, observed: Container[Hashable]) -> Operation:
        """What was appended."""
        if operation.f == "append" and operation.argument not in observed:
            return operation._replace(argument=UNOBSERVED)
        return operation


def _thing(value: Any) -> str:
    return "nothing" if value is None else repr(value)


def make(initial: Any = None) -> Log:
    """A log of these values."""
    return Log(initial=hashable(list_of("log", initial)))


def _offset(call: Call, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise HistoryError(f"line {call.line}: {call.f} should have an offset of at least 0, but has {value!r}")
    return value


def _append(call: Call) -> Operation | None:
    """The offset is the completion's value, or a field `offset` of its own."""
    if call.type == FAIL:
        return None
    offset = call.extra_ok.get("offset", call.result)
    return operation_of(call, call.argument, None if call.type != OK or offset is None else _offset(call, offset))


def _read(call: Call) -> Operation | None:
    """The offset is the invocation's value, or a field `offset` of its own."""
    if call.type == FAIL:
        return None
    return operation_of(call, _offset(call, call.extra_invoke.get("offset", call.argument)), call.result)


KINDS = (
    ModelKind("log", "an append-only log with offsets and without gaps: append(value) -> offset, read(offset) -> value "
              "or nil", make, reader("log", {"append": _append, "read": _read}), "a list of its values"),
)
