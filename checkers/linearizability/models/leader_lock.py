"""A leader's lock with fencing tokens: whoever takes it gets a greater number, and old numbers are turned away.

    acquire() -> 1, check(1) -> True, acquire() -> 2, check(1) -> False, check(2) -> True      allowed
    acquire() -> 1, acquire() -> 2, check(1) -> True        refused: token 1 was accepted though the newest is 2
    acquire() -> 2, acquire() -> 1                          refused: token 1 is not greater than 2

The lock may be taken while another believes to hold it, since its lease or session may have run out: what fencing
promises is not one believer but one accepted token. A token is accepted while it is the newest and has not been
released. A crashed acquire may have drawn a token that nobody knows.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind, whole_number
from fencepost.checkers.linearizability.models.reading import exchange, operation_of, query, reader
from fencepost.checkers.linearizability.operation import Inconsistent, Operation
from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import FAIL, OK, Call


@dataclass(frozen=True, slots=True)
class LeaderLock(SequentialModel):
    """acquire() -> token, check(token) -> whether it is accepted, release(token).

    The state is (the newest token known, whether it is accepted).
    """

    name: str = "leader-lock"
    initial: int = 0

    def init(self) -> Hashable:
        """Nobody holds it; tokens will be greater than the initial one."""
        return self.initial, False

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        newest, accepted = state
        token = operation.argument
        if operation.f == "acquire":
            if operation.crashed:
                return newest, False
            if operation.result > newest:
                return operation.result, True
            return Inconsistent(f"token {operation.result} is not greater than {newest}")
        holds = accepted and token == newest
        if operation.f == "check":
            if operation.crashed or operation.result is holds:
                return state
            verb = "accepted" if operation.result else "turned away"
            return Inconsistent(f"token {token} was {verb} though {self._newest(state)}")
        if operation.f == "release":
            if holds:
                return newest, False
            if operation.crashed:
                return state
            return Inconsistent(f"token {token} was released though {self._newest(state)}")
        return unknown_function(operation, self.name)

    @staticmethod
    def _newest(state: tuple[int, bool]) -> str:
        return f"the newest is {state[0]}" + ("" if state[1] else ", which nobody holds any more")

    def readonly(self, operation: Operation) -> bool:
        """Checks."""
        return operation.f == "check"


def make(initial: Any = None) -> LeaderLock:
    """A free lock whose tokens will be greater than this one, 0 by default."""
    return LeaderLock(initial=whole_number("leader-lock", initial, 0))


def _acquire(call: Call) -> Operation | None:
    if call.type == OK and (not isinstance(call.result, int) or isinstance(call.result, bool)):
        raise HistoryError(f"line {call.line}: acquire should give a token, a whole number, but gives {call.result!r}")
    return query(call)


def _release(call: Call) -> Operation | None:
    return None if call.type == FAIL else operation_of(call, call.argument)


KINDS = (
    ModelKind("leader-lock", "a leader's lock with fencing tokens: acquire -> token, check(token) -> true or false, "
              "release(token)",
              make, reader("leader-lock", {"acquire": _acquire, "check": exchange, "release": _release}),
              "the token before the first"),
)
