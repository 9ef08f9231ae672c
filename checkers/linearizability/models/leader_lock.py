"""A leader's lock with fencing tokens: whoever takes it gets a greater number, and old numbers are turned away.

    acquire() -> 1, check(1) -> True, acquire() -> 2, check(1) -> False, check(2) -> True      allowed
    acquire() -> 1, acquire() -> 2, check(1) -> True        refused: token 1 was accepted though the newest is 2
    acquire() -> 2, acquire() -> 1                          refused: token 1 is not greater than 2

The lock may be taken while another believes to hold it, since its lease or session may have run out: what fencing
promises is not one believer but one accepted token. A token is accepted while it is the newest and has not been
released. A crashed acquire may have drawn a token that nobody was told; what is checked or released later may show it:
    acquire() crashed, check(2) -> True, check(3) -> True       refused: token 3 was accepted though the newest is 2
"""

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import count
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

    The state is (newest, accepted, turned away). While nobody was told the newest token, which a crashed acquire drew,
    `accepted` is None, `newest` is below it, and `turned away` are the greater ones that it cannot be; else that is ().
    """

    name: str = "leader-lock"
    initial: int = 0

    def init(self) -> Hashable:
        """Nobody holds it; tokens will be greater than the initial one."""
        return self.initial, False, ()

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        if operation.f not in ("acquire", "check", "release"):
            return unknown_function(operation, self.name)
        newest, accepted, turned_away = state
        if operation.f == "acquire":
            least = newest
            if accepted is None:
                least = next(token for token in count(newest + 1) if token not in turned_away)
            if operation.crashed:
                return least, None, ()
            if operation.result > least:
                return operation.result, True, ()
            return Inconsistent(f"token {operation.result} is not greater than {least}")
        return self._use(state, operation)

    def _use(self, state: Any, operation: Operation) -> Step:
        """A check or a release. Where the newest token is unknown, one that is used with success was it."""
        newest, accepted, turned_away = state
        token = operation.argument
        may_hold = token > newest and token not in turned_away if accepted is None else accepted and token == newest
        if operation.f == "check":
            if operation.crashed or (not may_hold and operation.result is False):
                return state
            if may_hold and operation.result is True:
                return token, True, ()
            if may_hold and accepted is None:
                return newest, None, tuple(sorted((*turned_away, token)))
            verb = "accepted" if operation.result else "turned away"
            return Inconsistent(f"token {token} was {verb} though {self._newest(state)}")
        if may_hold:
            return token, False, ()
        if operation.crashed:
            return state
        return Inconsistent(f"token {token} was released though {self._newest(state)}")

    @staticmethod
    def _newest(state: Any) -> str:
        newest, accepted, _ = state
        if accepted is None:
            return f"the newest is one after {newest} that nobody was told"
        return f"the newest is {newest}" + ("" if accepted else ", which nobody holds any more")


def make(initial: Any = None) -> LeaderLock:
    """A free lock whose tokens will be greater than this one, 0 by default."""
    return LeaderLock(initial=whole_number("leader-lock", initial, 0))


def _token(call: Call, token: Any) -> Any:
    if not isinstance(token, int) or isinstance(token, bool):
        what = "give a token, a whole number, but gives"
        if call.f != "acquire":
            what = "name a token, a whole number, but has"
        raise HistoryError(f"line {call.line}: {call.f} should {what} {token!r}")
    return token


def _acquire(call: Call) -> Operation | None:
    if call.type == OK:
        _token(call, call.result)
    return query(call)


def _check(call: Call) -> Operation | None:
    _token(call, call.argument)
    if call.type == OK and not isinstance(call.result, bool):
        raise HistoryError(f"line {call.line}: check should give true or false, but gives {call.result!r}")
    return exchange(call)


def _release(call: Call) -> Operation | None:
    return None if call.type == FAIL else operation_of(call, _token(call, call.argument))


KINDS = (
    ModelKind("leader-lock", "a leader's lock with fencing tokens: acquire -> token, check(token) -> true or false, "
              "release(token)",
              make, reader("leader-lock", {"acquire": _acquire, "check": _check, "release": _release}),
              "the token before the first"),
)
