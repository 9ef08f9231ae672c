"""A map of keys to strings: get, put, append, delete. Judged key by key, or as one object.

    put(("x", "1")), append(("x", "2")), get("x") -> "12"       allowed
    get("x") -> "1"                                             refused: got '1' but 'x' holds ''

A key that is absent reads as the empty string or as nil, which are the same here (Porcupine's kv model).
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, rank, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind
from fencepost.checkers.linearizability.models.reading import hashable, operation_of, pair_of, reader
from fencepost.checkers.linearizability.near_linear import appends
from fencepost.checkers.linearizability.operation import Inconsistent, Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend
from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import FAIL, Call


@dataclass(frozen=True, slots=True)
class KeyValue(SequentialModel):
    """get(key), put((key, value)), append((key, value)), delete(key). The state is the sorted pairs."""

    name: str = "kv"
    whole: bool = False
    initial: tuple[tuple[Any, Any], ...] = ()

    def init(self) -> Hashable:
        """No keys, unless told otherwise."""
        return self.initial

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        key = self._key(operation)
        content = dict(state)
        held = content.get(key, "")
        if operation.f == "get":
            if operation.crashed or ("" if operation.result is None else operation.result) == held:
                return state
            return Inconsistent(f"got {operation.result!r} but {key!r} holds {held!r}")
        if operation.f == "put":
            content[key] = operation.argument[1]
        elif operation.f == "append":
            if not isinstance(held, str):
                return state if operation.crashed else Inconsistent(f"appended to {key!r}, which holds {held!r}")
            content[key] = held + operation.argument[1]
        elif operation.f == "delete":
            content.pop(key, None)
        else:
            return unknown_function(operation, self.name)
        return tuple(sorted(content.items(), key=rank))

    def near_linear(self, operations: Sequence[Operation], spend: Spend) -> PartOutcome | None:
        """See `operation`; what inherits from this may step otherwise, and is searched.

        Also as a whole the map is judged key by key: linearizability is local (Herlihy and Wing).
        """
        if type(self) is not KeyValue:
            return None
        members: dict[Any, list[Operation]] = {}
        for operation in operations:
            members.setdefault(self._key(operation), []).append(operation)
        content = dict(self.initial)
        if not all(isinstance(value, str) for value in content.values()):
            return None
        outcomes = [appends.decide(own, content.get(key, ""), spend) for key, own in members.items()]
        bad = [outcome for outcome in outcomes if outcome is not None and not outcome.valid]
        return bad[0] if bad else outcomes[0] if all(outcomes) else None

    def readonly(self, operation: Operation) -> bool:
        """Gets."""
        return operation.f == "get"

    def overwrites(self, operation: Operation) -> bool:
        """Puts and deletes, where there is no other key for them to leave as it is."""
        return operation.f in ("put", "delete") and not self.whole and not self.initial

    def partition(self, operation: Operation) -> Hashable:
        """Its key, unless the map is judged as a whole."""
        return None if self.whole else self._key(operation)

    def as_whole(self) -> "KeyValue":
        """The same, judged as one object."""
        return replace(self, whole=True)

    @staticmethod
    def _key(operation: Operation) -> Hashable:
        argument: Any = operation.argument
        return argument if operation.f in ("get", "delete") else argument[0]  # type: ignore[no-any-return]


KV = KeyValue()


def make(initial: Any = None) -> KeyValue:
    """The map judged key by key, with this content."""
    return KeyValue(initial=_content(initial))


def make_whole(initial: Any = None) -> KeyValue:
    """The map judged as one object, with this content."""
    return KeyValue(whole=True, initial=_content(initial))


def _content(initial: Any) -> tuple[tuple[Any, Any], ...]:
    if initial is None:
        return ()
    if not isinstance(initial, dict):
        raise ValueError(f"kv starts with a map of its keys to their values, not with {initial!r}")
    return hashable(initial)  # type: ignore[no-any-return]


def _asked(call: Call) -> Operation | None:
    """The key stands in a field of its own, or is the value, alone or (Jepsen's habit) as [key nil]."""
    if call.type == FAIL:
        return None
    if call.key is not None:
        return operation_of(call, call.key, call.result)
    key, result = call.argument, call.result
    if isinstance(key, list | tuple):
        key, _ = pair_of(call, "a key or [key, nil]")
        if isinstance(result, list | tuple) and len(result) == 2:
            result = result[1]
    return operation_of(call, key, result)


def _changed(call: Call) -> Operation | None:
    if call.type == FAIL:
        return None
    key, value = (call.key, call.argument) if call.key is not None else pair_of(call, "[key, value]")
    if call.f == "append" and not isinstance(value, str):
        raise HistoryError(f"line {call.line}: append should add a string, but adds {value!r}")
    return operation_of(call, (key, value))


def _read(calls: Iterable[Call]) -> list[Operation]:
    """The operations; where there are appends, what is put is a string too."""
    calls = list(calls)
    if any(call.f == "append" for call in calls):
        for call in calls:
            if call.f == "put":
                value = call.argument if call.key is not None else pair_of(call, "[key, value]")[1]
                if not isinstance(value, str):
                    raise HistoryError(f"line {call.line}: put should set a string where there are appends, but sets "
                                       f"{value!r}")
    return _READ(calls)


_FUNCTIONS = {"get": _asked, "put": _changed, "append": _changed, "delete": _asked}
_READ = reader("kv", _FUNCTIONS)

KINDS = (
    ModelKind("kv", "a map of strings with get, put, append and delete, key by key; as one object with --whole "
              "(Porcupine's)",
              make, _read, "a map of keys to values", make_whole, _read),
)
