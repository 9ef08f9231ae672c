"""Registers: read, write and compare-and-set, as Knossos and as Porcupine take them.

    write(1), read() -> 1, cas((1, 2)), read() -> 2          allowed
    write(1), read() -> 2                                    refused: read 2 but the register holds 1

Knossos and Porcupine differ in two places. A read that returned nil proves nothing to Knossos (the client got no value)
and is a reading of nil to Porcupine's etcd model. A compare-and-set that failed is left out by Knossos and proves to
Porcupine that the register held something else, unless its error names another reason, such as a time-out. Both start
with nil unless told otherwise.
"""

from collections.abc import Container, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind
from fencepost.checkers.linearizability.models.reading import (
    command,
    hashable,
    operation_of,
    pair_of,
    query,
    reader,
    refused_as,
)
from fencepost.checkers.linearizability.near_linear import zones
from fencepost.checkers.linearizability.operation import UNOBSERVED, Inconsistent, Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend
from fencepost.histories.pairing import FAIL, INFO, Call


@dataclass(frozen=True, slots=True)
class Register(SequentialModel):
    """A register with read, write and, if `cas`, compare-and-set of (expected, new), whose result False is a refusal.

    nil_reads: how a read that returned None is taken: "any" as in Knossos (it matches every value) or "literal".
    """

    name: str = "register"
    initial: Any = None
    cas: bool = False
    nil_reads: str = "any"

    def init(self) -> Hashable:
        """The initial value."""
        return self.initial  # type: ignore[no-any-return]

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        if operation.f == "write":
            return operation.argument
        if operation.f == "read":
            if operation.crashed or operation.result == state or (operation.result is None and self.nil_reads == "any"):
                return state
            return Inconsistent(f"read {operation.result!r} but the register holds {state!r}")
        if operation.f == "cas" and self.cas:
            return self._compare_and_set(state, operation)
        return unknown_function(operation, self.name)

    def _compare_and_set(self, state: Any, operation: Operation) -> Step:
        expected, new = operation.argument
        if operation.result is False:
            # Definitely refused (Porcupine's etcd): the register must have held something else.
            return state if state != expected else Inconsistent(f"cas failed though the register holds {state!r}")
        if state == expected:
            return new
        return state if operation.crashed else Inconsistent(f"cas from {expected!r} but the register holds {state!r}")

    def near_linear(self, operations: Sequence[Operation], spend: Spend) -> PartOutcome | None:
        """See `operation`; what inherits from this may step otherwise, and is searched."""
        if type(self) is not Register:
            return None
        return zones.decide(operations, self.initial, self.nil_reads == "any", spend)

    def readonly(self, operation: Operation) -> bool:
        """Reads, and compare-and-sets that were refused."""
        return operation.f == "read" or (operation.f == "cas" and operation.result is False)

    def overwrites(self, operation: Operation) -> bool:
        """Writes."""
        return operation.f == "write"

    def observed(self, operation: Operation) -> Iterable[Hashable]:
        """What was read, and what a compare-and-set expected, whatever came of it."""
        if operation.f == "cas":
            return [operation.argument[0]]
        if operation.f == "read" and not operation.crashed:
            return [] if operation.result is None and self.nil_reads == "any" else [operation.result]
        return []

    def rename(self, operation: Operation, observed: Container[Hashable]) -> Operation:
        """What was written or set."""
        if operation.f == "write":
            return _renamed(operation, operation.argument, observed, UNOBSERVED)
        if operation.f == "cas":
            expected, new = operation.argument
            return _renamed(operation, new, observed, (expected, UNOBSERVED))
        return operation


def _renamed(operation: Operation, stored: Any, observed: Container[Hashable], argument: Any) -> Operation:
    return operation if stored in observed else operation._replace(argument=argument)


REGISTER = Register()
CAS_REGISTER = Register("cas-register", cas=True)
ETCD = Register("etcd", cas=True, nil_reads="literal")


def make_register(initial: Any = None) -> Register:
    """Knossos' register."""
    return Register(initial=hashable(initial))


def make_cas_register(initial: Any = None) -> Register:
    """Knossos' register with compare-and-set."""
    return Register("cas-register", hashable(initial), cas=True)


def make_etcd(initial: Any = None) -> Register:
    """Porcupine's register."""
    return Register("etcd", hashable(initial), cas=True, nil_reads="literal")


def _cas(call: Call) -> Operation | None:
    if call.type == FAIL:
        return None
    return operation_of(call, pair_of(call, "[expected, new]"))


#: How clients say that a comparison failed, in small letters only: of etcd, of Maelstrom, and in general.
_UNEQUAL = ("didnotsucceed", "preconditionfailed", "comparefailed", "casfailed", "mismatch", "notequal")


def _refusable_cas(call: Call) -> Operation | None:
    """A failure that gives no error, or a comparison's, is evidence; one with another (a time-out) proves nothing."""
    if call.type == FAIL and call.error is not None and not refused_as(call, *_UNEQUAL):
        return None
    return operation_of(call, pair_of(call, "[expected, new]"), None if call.type == INFO else call.type != FAIL)


KINDS = (
    ModelKind("register", "a register with read and write; a read of nil matches anything (Knossos')",
              make_register, reader("register", {"read": query, "write": command}), "its value"),
    ModelKind("cas-register", "a register with compare-and-set; a read of nil matches anything, failed operations are "
              "left out (Knossos')",
              make_cas_register, reader("cas-register", {"read": query, "write": command, "cas": _cas}), "its value"),
    ModelKind("etcd", "a register with compare-and-set; nil is a value, a failed compare-and-set saw another value "
              "(Porcupine's)",
              make_etcd, reader("etcd", {"read": query, "write": command, "cas": _refusable_cas}), "its value"),
)
