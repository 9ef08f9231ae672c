"""The committed offset of a consumer group, under its generations: who was replaced can commit no more.

    join() -> 1, commit((1, 10)), fetch() -> 10             allowed
    join() -> 1, join() -> 2, commit((1, 10)) -> False      allowed: turned away, for the group is in generation 2
    join() -> 1, join() -> 2, commit((1, 10))               refused: a commit of generation 1 was accepted though ...

join gives the current generation or a later one, for all members of a generation get its number. A commit of generation
None or -1 is one of a consumer outside the group's protocol and is not fenced. A join that crashed may have begun a
generation that nobody knows the number of. Only refusals that name the generation (ILLEGAL_GENERATION,
STALE_MEMBER_EPOCH, FENCED_MEMBER_EPOCH) are evidence.

Kafka's own groups may number anew after a fail-over of the coordinator; this model is for those that do not.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel, Step, unknown_function
from fencepost.checkers.linearizability.models.kind import ModelKind
from fencepost.checkers.linearizability.models.reading import hashable, operation_of, pair_of, query, reader, refused_as
from fencepost.checkers.linearizability.operation import Inconsistent, Operation
from fencepost.histories.pairing import FAIL, Call

_OUTSIDE = (None, -1)


@dataclass(frozen=True, slots=True)
class ConsumerOffset(SequentialModel):
    """join() -> generation, commit((generation, offset)) -> None or False, fetch() -> offset.

    The state is (the latest generation known, whether a later one of unknown number is current, the offset or None).
    """

    name: str = "consumer-offset"
    initial: Any = None

    def init(self) -> Hashable:
        """Generation 0, nothing committed unless told otherwise."""
        return 0, False, self.initial

    def step(self, state: Any, operation: Operation) -> Step:
        """See `Model`."""
        generation, replaced, offset = state
        if operation.f == "fetch":
            if operation.crashed or operation.result == offset:
                return state
            return Inconsistent(f"fetched {operation.result!r} but {offset!r} is committed")
        if operation.f == "join":
            if operation.crashed:
                return generation, True, offset
            joined = operation.result
            if joined > generation or (joined == generation and not replaced):
                return joined, False, offset
            return Inconsistent(f"joined generation {joined} but {self._current(state)}")
        if operation.f == "commit":
            return self._commit(state, operation)
        return unknown_function(operation, self.name)

    def _commit(self, state: Any, operation: Operation) -> Step:
        generation, replaced, _ = state
        own, offset = operation.argument
        if own in _OUTSIDE:
            current = True
        elif replaced and own > generation:
            # It may be the unknown one; an accepted commit tells that it is.
            if operation.result is False:
                return state
            return own, False, offset
        else:
            current = own == generation and not replaced
        if operation.result is False:
            return Inconsistent(f"a commit of generation {own} was refused though {self._current(state)}") \
                if current else state
        if current:
            return generation, replaced, offset
        return state if operation.crashed else Inconsistent(
            f"a commit of generation {own} was accepted though {self._current(state)}")

    @staticmethod
    def _current(state: Any) -> str:
        generation, replaced, _ = state
        return f"the group is in generation {generation}" if not replaced else \
            f"the group is in one later than generation {generation}"

    def readonly(self, operation: Operation) -> bool:
        """Fetches, and commits that were refused."""
        return operation.f == "fetch" or (operation.f == "commit" and operation.result is False)


def make(initial: Any = None) -> ConsumerOffset:
    """A group with this offset committed."""
    return ConsumerOffset(initial=hashable(initial))


def _commit(call: Call) -> Operation | None:
    """The value is [generation, offset], or the offset alone with the field `generation`."""
    if call.type == FAIL and not refused_as(call, "illegalgeneration", "stalememberepoch", "fencedmemberepoch"):
        return None
    if "generation" in call.extra_invoke:
        argument = (call.extra_invoke["generation"], call.argument)
    else:
        argument = pair_of(call, "[generation, offset], or the offset with generation a field of its own")
    return operation_of(call, argument, False if call.type == FAIL else None)


KINDS = (
    ModelKind("consumer-offset", "a group's committed offset under its generations: join, commit, fetch",
              make, reader("consumer-offset", {"join": query, "commit": _commit, "fetch": query}), "the offset"),
)
