"""Queues and a stack: what comes out next is the oldest, the smallest or the newest.

FIFO queue:      enqueue(2), enqueue(1), dequeue() -> 2        allowed
                 enqueue(2), enqueue(1), dequeue() -> 1        refused: dequeued 1 but the head is 2
Priority queue:  enqueue(2), enqueue(1), dequeue() -> 1        allowed: the smallest; strings after numbers
Stack:           push(2), push(1), pop() -> 1                  allowed
All of them:     dequeue() -> None                             only when empty

A dequeue that answered nil found it empty. One that failed is left out, as in Jepsen; a crashed one may have taken
whatever was next.
"""

from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, rank, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind, list_of
from fencepost.checkers.linearizability.models.reading import command, hashable, query, reader
from fencepost.checkers.linearizability.near_linear import queue_order
from fencepost.checkers.linearizability.operation import UNOBSERVED, Inconsistent, Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend


@dataclass(frozen=True, slots=True)
class _Waiting(SequentialModel):
    """Elements that wait in the order in which they will come out."""

    initial: tuple[Any, ...] = ()

    def init(self) -> Hashable:
        """Empty, unless told otherwise."""
        return self.initial

    def readonly(self, operation: Operation) -> bool:
        """Finding it empty."""
        return operation.f in ("dequeue", "pop") and operation.result is None and not operation.crashed

    def observed(self, operation: Operation) -> Iterable[Hashable]:
        """What came out."""
        return [operation.result] if operation.f in ("dequeue", "pop") and operation.result is not None else []

    def rename(self, operation: Operation, observed: Container[Hashable]) -> Operation:
        """What went in."""
        if operation.f in ("enqueue", "push") and operation.argument not in observed:
            return operation._replace(argument=UNOBSERVED)
        return operation

    @staticmethod
    def _taken(state: tuple[Any, ...], operation: Operation, next_one: str) -> Step:
        took = operation.result
        if not state:
            return state if took is None else Inconsistent(f"{operation.f} gave {took!r} but nothing is left")
        if operation.crashed or took == state[0]:
            return state[1:]
        return Inconsistent(f"{operation.f} gave {'nothing' if took is None else repr(took)} "
                            f"but the {next_one} is {state[0]!r}")


@dataclass(frozen=True, slots=True)
class FifoQueue(_Waiting):
    """enqueue(x), dequeue() -> the oldest. The state is the elements, the oldest first."""

    name: str = "fifo-queue"

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        if operation.f == "enqueue":
            return (*state, operation.argument)
        if operation.f == "dequeue":
            return self._taken(state, operation, "head")
        return unknown_function(operation, self.name)

    def near_linear(self, operations: Sequence[Operation], spend: Spend) -> PartOutcome | None:
        """See `operation`; what inherits from this may step otherwise, and is searched."""
        return queue_order.decide(operations, self.initial, spend) if type(self) is FifoQueue else None


@dataclass(frozen=True, slots=True)
class PriorityQueue(_Waiting):
    """enqueue(x), dequeue() -> the smallest. The state is the elements, the smallest first."""

    name: str = "priority-queue"

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        if operation.f == "enqueue":
            return tuple(sorted((*state, operation.argument), key=rank))
        if operation.f == "dequeue":
            return self._taken(state, operation, "smallest")
        return unknown_function(operation, self.name)

    def rename(self, operation: Operation, observed: Container[Hashable]) -> Operation:
        """Nothing: elements are not only compared but ordered."""
        return operation


@dataclass(frozen=True, slots=True)
class Stack(_Waiting):
    """push(x), pop() -> the newest. The state is the elements, the newest first."""

    name: str = "stack"

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        if operation.f == "push":
            return (operation.argument, *state)
        if operation.f == "pop":
            return self._taken(state, operation, "top")
        return unknown_function(operation, self.name)


def make_fifo_queue(initial: Any = None) -> FifoQueue:
    """A queue of these elements, the oldest first."""
    return FifoQueue(hashable(list_of("fifo-queue", initial)))


def make_priority_queue(initial: Any = None) -> PriorityQueue:
    """A queue of these elements."""
    return PriorityQueue(tuple(sorted(hashable(list_of("priority-queue", initial)), key=rank)))


def make_stack(initial: Any = None) -> Stack:
    """A stack of these elements, the newest first."""
    return Stack(hashable(list_of("stack", initial)))


_QUEUE = {"enqueue": command, "dequeue": query}

KINDS = (
    ModelKind("fifo-queue", "a queue with enqueue and dequeue, the oldest first; a dequeue of nil found it empty",
              make_fifo_queue, reader("fifo-queue", _QUEUE), "a list, the oldest first"),
    ModelKind("priority-queue", "a queue whose dequeue gives the smallest element",
              make_priority_queue, reader("priority-queue", _QUEUE), "a list of its elements"),
    ModelKind("stack", "a stack with push and pop, the newest first; a pop of nil found it empty",
              make_stack, reader("stack", {"push": command, "pop": query}), "a list, the newest first"),
)
