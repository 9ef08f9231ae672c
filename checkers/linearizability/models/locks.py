"""Locks: one that anybody may release, and one that its holder may take again.

Mutex (Knossos'), which knows no owner:
    acquire(), release(), acquire()                     allowed
    acquire(), acquire()                                refused: acquired though it is held

Reentrant lock, where the argument is who does it:
    acquire("p"), acquire("p"), release("p"), release("p"), acquire("q")       allowed
    acquire("p"), acquire("p"), release("p"), acquire("q")                     refused: 'p' holds it, once
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind, no_initial
from fencepost.checkers.linearizability.models.reading import operation_of, reader
from fencepost.checkers.linearizability.operation import Inconsistent, Operation
from fencepost.histories.pairing import FAIL, Call


@dataclass(frozen=True, slots=True)
class Mutex(SequentialModel):
    """A lock with acquire and release. The state is whether it is held."""

    name: str = "mutex"

    def init(self) -> Hashable:
        """Free."""
        return False

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`. A crashed operation that finds the lock in the wrong state changes nothing."""
        if operation.f == "acquire":
            return True if operation.crashed or not state else Inconsistent("acquired though it is held")
        if operation.f == "release":
            return False if operation.crashed or state else Inconsistent("released though it is free")
        return unknown_function(operation, self.name)


@dataclass(frozen=True, slots=True)
class ReentrantLock(SequentialModel):
    """A lock with acquire(owner) and release(owner). The state is (owner, how often it holds it), or None when free."""

    name: str = "reentrant-lock"

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`. A crashed operation that finds the lock another's changes nothing."""
        who = operation.argument
        owner, times = state or (who, 0)
        if operation.f == "acquire":
            if owner == who:
                return owner, times + 1
            held = "once" if times == 1 else f"{times} times"
            if operation.crashed:
                return state
            return Inconsistent(f"{who!r} acquired it though {owner!r} holds it, {held}")
        if operation.f == "release":
            if owner == who and times > 0:
                return (owner, times - 1) if times > 1 else None
            holder = f"{owner!r} holds it" if times else "it is free"
            return state if operation.crashed else Inconsistent(f"{who!r} released it though {holder}")
        return unknown_function(operation, self.name)


MUTEX = Mutex()


def make_mutex(initial: Any = None) -> Mutex:
    """A free lock."""
    no_initial("mutex", initial)
    return MUTEX


def make_reentrant_lock(initial: Any = None) -> ReentrantLock:
    """A free lock."""
    no_initial("reentrant-lock", initial)
    return ReentrantLock()


def _anonymous(call: Call) -> Operation | None:
    return None if call.type == FAIL else operation_of(call)


def _owned(call: Call) -> Operation | None:
    """The value names the owner; where it is nil, the process is the owner."""
    if call.type == FAIL:
        return None
    return operation_of(call, call.process if call.argument is None else call.argument)


KINDS = (
    ModelKind("mutex", "a lock with acquire and release, whoever does it (Knossos')",
              make_mutex, reader("mutex", {"acquire": _anonymous, "release": _anonymous})),
    ModelKind("reentrant-lock", "a lock that its holder may acquire again and must release as often",
              make_reentrant_lock, reader("reentrant-lock", {"acquire": _owned, "release": _owned})),
)
