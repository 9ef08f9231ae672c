"""Sequential specifications of common objects. A model of one's own takes ten lines: see `Register`."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.operation import Inconsistent, Operation

_UNKNOWN = "an operation {f!r}, which {model} does not have"


def _unknown(operation: Operation, model: str) -> Inconsistent:
    return Inconsistent(_UNKNOWN.format(f=operation.f, model=model))


@dataclass(frozen=True, slots=True)
class Register:
    """A register with read, write and, if `cas`, compare-and-set of (expected, new).

    nil_reads: how a read that returned None is taken: "any" as in Knossos (it matches every value) or "literal".
    """

    name: str = "register"
    initial: Any = None
    cas: bool = False
    nil_reads: str = "any"

    def init(self) -> Hashable:
        """The initial value."""
        return self.initial  # type: ignore[no-any-return]

    def step(self, state: Any, operation: Operation) -> Any:
        """See `Model`."""
        if operation.f == "write":
            return operation.argument
        if operation.f == "read":
            if operation.crashed or operation.result == state or (operation.result is None and self.nil_reads == "any"):
                return state
            return Inconsistent(f"read {operation.result!r} but the register holds {state!r}")
        if operation.f == "cas" and self.cas:
            return self._compare_and_set(state, operation)
        return _unknown(operation, self.name)

    def _compare_and_set(self, state: Any, operation: Operation) -> Any:
        expected, new = operation.argument
        if operation.result is False:
            # Definitely refused (Porcupine's etcd): the register must have held something else.
            return state if state != expected else Inconsistent(f"cas failed though the register holds {state!r}")
        if state == expected:
            return new
        return state if operation.crashed else Inconsistent(f"cas from {expected!r} but the register holds {state!r}")

    def readonly(self, operation: Operation) -> bool:
        """Reads, and compare-and-sets that were refused."""
        return operation.f == "read" or (operation.f == "cas" and operation.result is False)

    def partition(self, operation: Operation) -> Hashable:
        """One register."""
        return None


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A map of strings: get(key), put((key, value)), append((key, value)), delete(key); each key on its own."""

    name: str = "kv"
    whole: bool = False

    def init(self) -> Hashable:
        """No keys."""
        return ()

    def step(self, state: Any, operation: Operation) -> Any:
        """See `Model`."""
        key = self._key(operation)
        content = dict(state)
        held = content.get(key, "")
        if operation.f == "get":
            if operation.crashed or operation.result == held:
                return state
            return Inconsistent(f"got {operation.result!r} but {key!r} holds {held!r}")
        if operation.f == "put":
            content[key] = operation.argument[1]
        elif operation.f == "append":
            content[key] = held + operation.argument[1]
        elif operation.f == "delete":
            content.pop(key, None)
        else:
            return _unknown(operation, self.name)
        return tuple(sorted(content.items()))

    def readonly(self, operation: Operation) -> bool:
        """Gets."""
        return operation.f == "get"

    def partition(self, operation: Operation) -> Hashable:
        """Its key, unless the map is judged as a whole."""
        return None if self.whole else self._key(operation)

    @staticmethod
    def _key(operation: Operation) -> Hashable:
        argument: Any = operation.argument
        return argument if operation.f in ("get", "delete") else argument[0]  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Mutex:
    """A lock with acquire and release."""

    name: str = "mutex"

    def init(self) -> Hashable:
        """Free."""
        return False

    def step(self, state: Any, operation: Operation) -> Any:
        """See `Model`."""
        if operation.f == "acquire":
            return Inconsistent("acquired though it is held") if state else True
        if operation.f == "release":
            return False if state else Inconsistent("released though it is free")
        return _unknown(operation, self.name)

    def readonly(self, operation: Operation) -> bool:
        """Nothing."""
        return False

    def partition(self, operation: Operation) -> Hashable:
        """One lock."""
        return None


REGISTER = Register()
CAS_REGISTER = Register("cas-register", cas=True)
ETCD = Register("etcd", cas=True, nil_reads="literal")
KV = KeyValue()
MUTEX = Mutex()
