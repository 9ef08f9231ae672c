"""Objects that may go several ways without telling: a step gives all the states that may follow.

The wrapper walks the set of the states that are possible, which is an ordinary state to the search (the subset
construction). Beware of hints: a read that returned 3 rules out the possible states that hold something else, so it
changes the set, and nothing here is ever read-only.

The example is a log whose producers retry without idempotence, so that an append may land twice:
    append("a"), read(0) -> "a", read(1) -> "a"                            allowed: written twice
    append("a"), read(0) -> "a", read(1) -> None, read(1) -> "a"           refused: it landed once
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind, list_of
from fencepost.checkers.linearizability.models.log import KINDS as LOG_KINDS
from fencepost.checkers.linearizability.models.log import Log
from fencepost.checkers.linearizability.models.reading import hashable
from fencepost.checkers.linearizability.operation import Inconsistent, Operation


class Choice(Protocol):
    """A specification with choices."""

    @property
    def name(self) -> str:
        """The name under which the command line knows it."""

    def init(self) -> Iterable[Any]:
        """The states that it may start in."""

    def step(self, state: Any, operation: Operation) -> Iterable[Any] | Inconsistent:
        """The states that may follow, or why none can. A pure function."""


@dataclass(frozen=True, slots=True)
class Nondeterministic(SequentialModel):
    """The model of a specification with choices. Its state is the tuple of possible states, in the order of their repr.
    """

    choice: Choice

    @property
    def name(self) -> str:
        """The specification's."""
        return self.choice.name

    def init(self) -> Hashable:
        """All the states that it may start in."""
        return _canonical(self.choice.init())

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`. Refused only when every possible state refuses."""
        after: list[Any] = []
        reasons: dict[str, None] = {}
        for possible in state:
            stepped = self.choice.step(possible, operation)
            if isinstance(stepped, Inconsistent):
                reasons[stepped.reason] = None
            else:
                after.extend(stepped)
        return _canonical(after) if after else Inconsistent(" and, if not, ".join(reasons))


def _canonical(states: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(dict.fromkeys(states), key=repr))


@dataclass(frozen=True, slots=True)
class AtLeastOnceLog:
    """A log whose appends land once or twice: append(value), read(offset) -> the value or None."""

    name: str = "at-least-once-log"
    initial: tuple[Any, ...] = ()

    def init(self) -> Iterable[Any]:
        """Empty, unless told otherwise."""
        return [self.initial]

    def step(self, state: Any, operation: Operation) -> Iterable[Any] | Inconsistent:
        """See `Choice`."""
        if operation.f == "append":
            once = (*state, operation.argument)
            return [once, (*once, operation.argument)]
        if operation.f != "read":
            return unknown_function(operation, self.name)
        after = Log().step(state, operation)
        return after if isinstance(after, Inconsistent) else [after]


def make(initial: Any = None) -> Nondeterministic:
    """A log of these values."""
    return Nondeterministic(AtLeastOnceLog(initial=hashable(list_of("at-least-once-log", initial))))


KINDS = (
    ModelKind("at-least-once-log", "a log whose producers retry without idempotence, so that an append may land twice",
              make, LOG_KINDS[0].read, "a list of its values"),
)
