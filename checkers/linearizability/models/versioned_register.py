"""A register whose every change counts its version up by one: ZooKeeper's setData and Stat.version.

    write("a") -> 1, cas((1, "b")) -> 2, read() -> (2, "b")   allowed
    write("a") -> 1, cas((0, "b")) -> False                   allowed: refused with BadVersion, for it is at version 1
    write("a") -> 1, read() -> (0, "init")                    refused: read version 0 but the register is at version 1

An operation's result is the version after it. A client may know only one half of a reading, (None, value) or
(version, None), or no version of its write: then only what it knows is compared. The value of version 0 may be left
open; the first reading of it then fixes it, so that such a reading is not read-only.

In a history, `version` and `expected_version` are fields beside the value; ZooKeeper's -1 expects nothing.
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
    reader,
    refused_as,
)
from fencepost.checkers.linearizability.near_linear import versions
from fencepost.checkers.linearizability.operation import UNOBSERVED, Inconsistent, Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend
from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import FAIL, INFO, OK, Call

#: ZooKeeper's expected version that matches every version.
ANY_VERSION = -1

READS = ("read", "sync-read")


@dataclass(frozen=True, slots=True)
class VersionedRegister(SequentialModel):
    """Reads and sync-reads -> (version, value), write(value) -> version, cas((expected version, value)) -> version or
    False. The state is (version, the value in a tuple, which is empty while nobody knows it)."""

    name: str = "versioned-register"
    version: int = 0
    value: tuple[Any, ...] = ()

    def init(self) -> Hashable:
        """Version 0 with a value yet unknown, unless told otherwise."""
        return self.version, self.value

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        version, held = state
        if operation.f in READS:
            return state if operation.crashed else self._read(version, held, operation.result)
        if operation.f == "write":
            return self._written(version, operation.argument, operation)
        if operation.f == "cas":
            expected, value = operation.argument
            matches = expected in (ANY_VERSION, version)
            if operation.result is False:
                if not matches:
                    return state
                return Inconsistent(f"cas was refused though the register is at version {version}")
            if matches:
                return self._written(version, value, operation)
            if operation.crashed:
                return state
            return Inconsistent(f"cas from version {expected} but the register is at version {version}")
        return unknown_function(operation, self.name)

    @staticmethod
    def _read(version: int, held: tuple[Any, ...], result: tuple[int | None, Any]) -> Step:
        if result[0] not in (None, version):
            return Inconsistent(f"read version {result[0]} but the register is at version {version}")
        if result[1] is None:
            return version, held
        if held not in ((), (result[1],)):
            return Inconsistent(f"read {result[1]!r} but version {version} of the register holds {held[0]!r}")
        return version, (result[1],)

    @staticmethod
    def _written(version: int, value: Any, operation: Operation) -> Step:
        if operation.crashed or operation.result in (None, version + 1):
            return version + 1, (value,)
        return Inconsistent(
            f"its {operation.f} made version {operation.result} but the register is at version {version}")

    def near_linear(self, operations: Sequence[Operation], spend: Spend) -> PartOutcome | None:
        """See `operation`; what inherits from this may step otherwise, and is searched."""
        return versions.decide(operations, self.version, self.value, spend) if type(self) is VersionedRegister else None

    def readonly(self, operation: Operation) -> bool:
        """What was refused, and readings that cannot be the first to tell the initial value."""
        if operation.f in READS:
            told = operation.result
            return bool(self.value) or told is None or told[1] is None or told[0] not in (None, self.version)
        return operation.f == "cas" and operation.result is False

    def observed(self, operation: Operation) -> Iterable[Hashable]:
        """What was read."""
        told = operation.result
        return [told[1]] if operation.f in READS and told is not None and told[1] is not None else []

    def rename(self, operation: Operation, observed: Container[Hashable]) -> Operation:
        """What was written."""
        if operation.f == "write" and operation.argument not in observed:
            return operation._replace(argument=UNOBSERVED)
        if operation.f == "cas" and operation.argument[1] not in observed:
            return operation._replace(argument=(operation.argument[0], UNOBSERVED))
        return operation


def make(initial: Any = None) -> VersionedRegister:
    """A register that starts as version 0 with this value, or one that the first reading of version 0 tells."""
    return VersionedRegister() if initial is None else VersionedRegister(value=(hashable(initial),))


def _version(call: Call, extra: dict[str, Any], name: str) -> int | None:
    version = extra.get(name)
    if version is not None and (not isinstance(version, int) or isinstance(version, bool)):
        raise HistoryError(f"line {call.line}: {name} should be a whole number, but is {version!r}")
    return version


def _read(call: Call) -> Operation | None:
    if call.type == FAIL:
        return None
    return operation_of(call, None, (_version(call, call.extra_ok, "version"), call.result))


def _write(call: Call) -> Operation | None:
    operation = command(call)
    if operation is None or call.type != OK:
        return operation
    return operation._replace(result=_version(call, call.extra_ok, "version"))


def _cas(call: Call) -> Operation | None:
    """A failure that names the version, or no reason at all, is the comparison's; any other proves nothing."""
    if call.type == FAIL and call.error is not None and not refused_as(call, "badversion", "versionmismatch"):
        return None
    expected, value = _version(call, call.extra_invoke, "expected_version"), call.argument
    if expected is None:
        expected, value = pair_of(call, "[expected version, new value], or expected_version a field of its own")
    if call.type == INFO:
        return operation_of(call, (expected, value))
    return operation_of(
        call, (expected, value), False if call.type == FAIL else _version(call, call.extra_ok, "version"))


KINDS = (
    ModelKind("versioned-register", "a register that counts its versions, with compare-and-set on the version "
              "(ZooKeeper's Stat.version)",
              make, reader("versioned-register", {"read": _read, "sync-read": _read, "write": _write, "cas": _cas}),
              "the value of version 0"),
)
