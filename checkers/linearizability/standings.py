"""Configurations at a death, told by the operations that they consist of."""

from collections.abc import Sequence
from typing import Any

from fencepost.checkers.linearizability.configurations import Configuration
from fencepost.checkers.linearizability.preparation import Part
from fencepost.checkers.linearizability.searching import Dying, Standing
from fencepost.checkers.linearizability.window import Window

#: So many configurations are told; the rest is counted.
TOLD = 8


def dying(part: Part, window: Window, frontier: Sequence[Configuration]) -> Dying:
    """The death at the window's return, which nothing of the frontier survives."""
    assert window.returning is not None
    ordered = sorted(frontier, key=lambda one: (one.crashed.bit_count(), one.state, one.low, one.crashed))
    pending = sorted([*window.pure, *window.active], key=lambda one: one.operation)
    standings = []
    first: list[int] = []
    for configuration in ordered[:TOLD]:
        order = _order(part, configuration.path)
        shared = _shared(first, order)
        standings.append(Standing(
            part.transitions.value(configuration.state),
            [one.operation for one in pending if configuration.low & one.bit],
            [member for shift, members, *_ in part.crashed for place, member in enumerate(members)
             if configuration.crashed >> shift + place & 1],
            shared, order[shared:]))
        first = first or order
    waiting = [one.operation for one in pending if one is not window.returning]
    waiting += [index for crashed, called in zip(part.crashed, window.called, strict=True)
                for index in crashed.members[:called]]
    return Dying(window.returning.operation, window.place, waiting, standings, len(ordered) - len(standings))


def _order(part: Part, path: Any) -> list[int]:
    """The order that a path stands for: what counts as done just before an overwrite is put there."""
    steps = []
    while path is not None:
        step, path = path
        steps.append(step)
    order: list[int] = []
    overwrite = 0
    for step in reversed(steps):
        if step < 0:
            order.insert(overwrite, -1 - step)
            overwrite += 1
            continue
        if part.is_overwrite(step):
            overwrite = len(order)
        order.append(step)
    return order


def _shared(one: list[int], other: list[int]) -> int:
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))
