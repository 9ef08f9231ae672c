"""A semaphore: so many permits, acquired and released in any number by anybody.

    acquire(1), acquire(1), release(1), acquire(1)       allowed with 2 permits
    acquire(2), acquire(1)                               refused with 2: acquired 1 though 0 permits are left

A release gives permits back that were acquired: there are never more than at the start.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind, whole_number
from fencepost.checkers.linearizability.models.reading import operation_of, reader
from fencepost.checkers.linearizability.operation import Inconsistent, Operation
from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import FAIL, Call


@dataclass(frozen=True, slots=True)
class Semaphore(SequentialModel):
    """acquire(n) and release(n). The state is the permits that are left."""

    name: str = "semaphore"
    permits: int = 1

    def init(self) -> Hashable:
        """All permits are left."""
        return self.permits

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`. A crashed operation that does not fit changes nothing."""
        if operation.f == "acquire":
            left = state - operation.argument
            refusal = f"acquired {operation.argument} though {state} permits are left"
        elif operation.f == "release":
            left = state + operation.argument
            refusal = f"released {operation.argument} though only {self.permits - state} permits are held"
        else:
            return unknown_function(operation, self.name)
        if 0 <= left <= self.permits:
            return left
        return state if operation.crashed else Inconsistent(refusal)


def make(initial: Any = None) -> Semaphore:
    """A semaphore with this many permits, 1 by default."""
    return Semaphore(permits=whole_number("semaphore", initial, 1, at_least=1))


def _permits(call: Call) -> Operation | None:
    if call.type == FAIL:
        return None
    permits = 1 if call.argument is None else call.argument
    if not isinstance(permits, int) or isinstance(permits, bool) or permits < 1:
        raise HistoryError(f"line {call.line}: {call.f} should be of at least 1 permit, but is of {permits!r}")
    return operation_of(call, permits)


KINDS = (
    ModelKind("semaphore", "a semaphore with acquire(n) and release(n), n being 1 where nothing is said",
              make, reader("semaphore", {"acquire": _permits, "release": _permits}), "how many permits there are"),
)
