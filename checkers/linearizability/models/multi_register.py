"""Several registers changed and read together, in small atomic transactions (Knossos' multi-register).

    txn([("write", "x", 1), ("read", "y", 0)]), txn([("read", "x", 1)])      allowed, starting from x = 0, y = 0
    txn([("read", "x", 1), ("read", "y", 0)])                                refused: read 1 from 'x', which holds 0

The steps of a transaction take effect in their order, so that a read sees a write before it. A read of nil matches
anything, as in Knossos; a register that nothing has written yet holds nil.
"""

from collections.abc import Container, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, rank, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind
from fencepost.checkers.linearizability.models.reading import hashable, operation_of, reader
from fencepost.checkers.linearizability.operation import UNOBSERVED, Inconsistent, Operation
from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import FAIL, OK, Call

_READS, _WRITES = ("read", "r"), ("write", "w")


@dataclass(frozen=True, slots=True)
class MultiRegister(SequentialModel):
    """txn of ("read", register, what was read) and ("write", register, value). The state is the sorted pairs."""

    name: str = "multi-register"
    initial: tuple[tuple[Any, Any], ...] = ()

    def init(self) -> Hashable:
        """The given content."""
        return self.initial

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        if operation.f != "txn":
            return unknown_function(operation, self.name)
        content = dict(state)
        for kind, register, value in operation.argument:
            if kind in _WRITES:
                content[register] = value
            elif not operation.crashed and value is not None and content.get(register) != value:
                return Inconsistent(f"read {value!r} from {register!r}, which holds {content.get(register)!r}")
        return tuple(sorted(content.items(), key=rank))

    def readonly(self, operation: Operation) -> bool:
        """Transactions of reads alone."""
        return operation.f == "txn" and all(kind in _READS for kind, _, _ in operation.argument)

    def observed(self, operation: Operation) -> Iterable[Hashable]:
        """What was read."""
        if operation.f != "txn" or operation.crashed:
            return []
        return [value for kind, _, value in operation.argument if kind in _READS and value is not None]

    def rename(self, operation: Operation, observed: Container[Hashable]) -> Operation:
        """What was written."""
        if operation.f != "txn":
            return operation
        return operation._replace(argument=tuple(
            (kind, register, UNOBSERVED if kind in _WRITES and value not in observed else value)
            for kind, register, value in operation.argument))


def make(initial: Any = None) -> MultiRegister:
    """The registers with this content, a map."""
    if initial is not None and not isinstance(initial, dict):
        raise ValueError(f"multi-register starts with a map of its registers to their values, not with {initial!r}")
    return MultiRegister(initial=hashable(initial or {}))


def _txn(call: Call) -> Operation | None:
    if call.type == FAIL:
        return None
    steps = call.result if call.type == OK else call.argument
    if not isinstance(steps, list | tuple):
        raise HistoryError(f"line {call.line}: the value of txn should be a list of steps, but is {steps!r}")
    for step in steps:
        if not isinstance(step, list | tuple) or len(step) != 3 or step[0] not in _READS + _WRITES:
            raise HistoryError(f"line {call.line}: a step of txn should be [read or write, register, value], "
                               f"but is {step!r}")
    return operation_of(call, steps)


_READ = reader("multi-register", {"txn": _txn})

KINDS = (
    ModelKind("multi-register", "several registers read and written in atomic transactions (Knossos')",
              make, _READ, "a map of registers to values", make, _READ),
)
