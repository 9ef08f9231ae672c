"""One ZooKeeper znode: created, changed under its version, deleted, and gone with the session that owns it.

    create(("a", None)), set((0, "b")) -> 1, get() -> ("b", 1)    allowed
    create(("a", None)), create(("b", None)) -> "NodeExists"      allowed: a refusal is an answer
    create(("a", 7)), close(7), get() -> "NoNode"                 allowed: session 7 owned it, so it was ephemeral
    create(("a", None)), delete(1)                                refused: delete succeeded but ... at version 0

create takes (value, owning session or None), set takes (expected version, value), delete an expected version; -1 and
None expect nothing. A created znode starts at version 0 again. Only the refusals NodeExists, NoNode and BadVersion are
evidence; an operation that failed otherwise is left out.
"""

from collections.abc import Container, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind, no_initial
from fencepost.checkers.linearizability.models.reading import operation_of, reader, refused_as
from fencepost.checkers.linearizability.operation import UNOBSERVED, Inconsistent, Operation
from fencepost.histories.pairing import FAIL, OK, Call

NODE_EXISTS, NO_NODE, BAD_VERSION = "NodeExists", "NoNode", "BadVersion"
REFUSALS = (NODE_EXISTS, NO_NODE, BAD_VERSION)

_ABSENT = "the znode does not exist"


@dataclass(frozen=True, slots=True)
class Znode(SequentialModel):
    """create, set -> version, delete, get -> (value, version), close(session). The state is None while there is no
    znode, else (value, version, owning session or None)."""

    name: str = "znode"

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        if operation.f == "close":
            return None if state is not None and state[2] == operation.argument else state
        if operation.f not in ("create", "set", "delete", "get"):
            return unknown_function(operation, self.name)
        refusal, after = self._answer(state, operation)
        if operation.crashed:
            return state if refusal else after
        told = operation.result if operation.result in REFUSALS else ""
        if told != refusal:
            said = f"was refused with {told}" if told else "succeeded"
            return Inconsistent(f"{operation.f} {said} but {self._holds(state)}")
        if operation.f == "set" and not refusal and operation.result not in (None, after[1]):
            return Inconsistent(f"set made version {operation.result} but {self._holds(state)}")
        if operation.f == "get" and not refusal and operation.result != state[:2]:
            return Inconsistent(f"got {operation.result!r} but {self._holds(state)}")
        return after

    @staticmethod
    def _answer(state: Any, operation: Operation) -> tuple[str, Any]:
        """(the refusal that is due or nothing, the state after)."""
        if operation.f == "create":
            if state is not None:
                return NODE_EXISTS, state
            value, owner = operation.argument
            return "", (value, 0, owner)
        if state is None:
            return NO_NODE, state
        if operation.f == "get":
            return "", state
        expected = operation.argument[0] if operation.f == "set" else operation.argument
        value, version, owner = state
        if expected not in (None, -1, version):
            return BAD_VERSION, state
        return "", ((operation.argument[1], version + 1, owner) if operation.f == "set" else None)

    @staticmethod
    def _holds(state: Any) -> str:
        if state is None:
            return _ABSENT
        value, version, owner = state
        owned = "" if owner is None else f", owned by session {owner!r}"
        return f"the znode holds {value!r} at version {version}{owned}"

    def readonly(self, operation: Operation) -> bool:
        """Gets and refusals."""
        return operation.f == "get" or operation.result in REFUSALS

    def observed(self, operation: Operation) -> Iterable[Hashable]:
        """What was got."""
        told = operation.result
        return [told[0]] if operation.f == "get" and told is not None and told not in REFUSALS else []

    def rename(self, operation: Operation, observed: Container[Hashable]) -> Operation:
        """What it was created with or set to."""
        if operation.f == "create" and operation.argument[0] not in observed:
            return operation._replace(argument=(UNOBSERVED, operation.argument[1]))
        if operation.f == "set" and operation.argument[1] not in observed:
            return operation._replace(argument=(operation.argument[0], UNOBSERVED))
        return operation


def make(initial: Any = None) -> Znode:
    """A znode that does not exist yet."""
    no_initial("znode", initial)
    return Znode()


def _answered(call: Call, argument: Any, result: Any) -> Operation | None:
    for refusal in REFUSALS:
        if refused_as(call, refusal.lower()):
            return operation_of(call, argument, refusal)
    return None if call.type == FAIL else operation_of(call, argument, result)


def _create(call: Call) -> Operation | None:
    """Ephemeral where the field `ephemeral` is true; owned by the field `session`, else by the process."""
    owner = call.extra_invoke.get("session", call.process) if call.extra_invoke.get("ephemeral") else None
    return _answered(call, (call.argument, owner), None)


def _set(call: Call) -> Operation | None:
    return _answered(call, (call.extra_invoke.get("expected_version"), call.argument), call.extra_ok.get("version"))


def _delete(call: Call) -> Operation | None:
    return _answered(call, call.extra_invoke.get("expected_version"), None)


def _get(call: Call) -> Operation | None:
    """A completion with neither value nor version found no znode."""
    version = call.extra_ok.get("version")
    absent = call.type == OK and call.result is None and version is None
    return _answered(call, None, NO_NODE if absent else (call.result, version))


def _close(call: Call) -> Operation | None:
    return None if call.type == FAIL else operation_of(
        call, call.extra_invoke.get("session", call.process if call.argument is None else call.argument))


KINDS = (
    ModelKind("znode", "a ZooKeeper znode: create, set and delete under a version, get, and close of the session that "
              "owns it",
              make, reader("znode", {"create": _create, "set": _set, "delete": _delete, "get": _get, "close": _close})),
)
