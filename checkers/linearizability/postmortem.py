"""From where a search died to the counterexample: operations for numbers, and the model asked for its reasons.

Under VALUE the states that the search saw are renamed, so each order is replayed with the operations as they were. This
also shows when the model's renaming was wrong: then a verdict would be no good, and ValueError is raised instead.
"""

from collections.abc import Sequence
from typing import Any

from fencepost.checkers.linearizability.counterexample import Death, Frontier
from fencepost.checkers.linearizability.operation import Inconsistent, Model, Operation
from fencepost.checkers.linearizability.searching import Dying

#: So many reasons, and pending operations tried first, are reported.
_REASONS = 8


def examine(dying: Dying, operations: Sequence[Operation], model: Model, renamed: bool) -> Death:
    """The counterexample. `renamed`: whether VALUE renamed anything in this part."""
    operation = operations[dying.operation]
    first = dying.standings[0].rest if dying.standings else []
    linearization = tuple(operations[index] for index in first)
    frontiers = []
    for standing in dying.standings:
        then = tuple(operations[index] for index in standing.rest)
        state = standing.state
        if renamed:
            state = _replay(model, (*linearization[:standing.shared], *then))
        refusal = model.step(state, operation)
        if not isinstance(refusal, Inconsistent):
            raise ValueError(f"model {model.name}: `observed` or `rename` is wrong, for in state {state!r} "
                             f"{operation.words()} is refused only when values are renamed")
        done = {*standing.taken, *standing.crashed_used, dying.operation}
        pending = tuple(operations[index] for index in dying.pending if index not in done)
        frontiers.append(Frontier(
            state, tuple(operations[index] for index in standing.taken), pending,
            tuple(operations[index] for index in standing.crashed_used), refusal.reason,
            _attempts(model, state, pending, operation), standing.shared, then))
    reasons = tuple(dict.fromkeys(frontier.reason for frontier in frontiers))[:_REASONS]
    if not frontiers:
        reasons = ("in none of the states that the object may be in is it allowed",)
    return Death(operation, dying.returned, linearization, tuple(frontiers), reasons, dying.more)


def _replay(model: Model, order: Sequence[Operation]) -> Any:
    state: Any = model.init()
    for operation in order:
        state = model.step(state, operation)
        if isinstance(state, Inconsistent):
            raise ValueError(f"model {model.name}: `observed` or `rename` is wrong, for {operation.words()} is allowed "
                             f"only when values are renamed: {state.reason}")
    return state


def _attempts(
    model: Model, state: Any, pending: Sequence[Operation], operation: Operation,
) -> tuple[tuple[Operation, str], ...]:
    """For pending operations that change something: why putting them first does not help either."""
    attempts: list[tuple[Operation, str]] = []
    for first in pending:
        if len(attempts) == _REASONS:
            break
        after = model.step(state, first)
        if isinstance(after, Inconsistent):
            attempts.append((first, after.reason))
        elif after != state:
            refusal = model.step(after, operation)
            attempts.append((first, refusal.reason if isinstance(refusal, Inconsistent) else "then nothing follows"))
    return tuple(attempts)
