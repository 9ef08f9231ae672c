"""What the models have in common, and what a model of one's own inherits: honest defaults for every hint.

    class Light(SequentialModel):                                  # a light that is switched and looked at
        name = "light"

        def init(self):
            return "off"

        def step(self, state, operation):
            if operation.f == "switch":
                return "on" if state == "off" else "off"
            return state if operation.result == state else Inconsistent(f"saw {operation.result}, it is {state}")

A hint makes the search faster and must hold in *every* state; the search verifies each on every transition that it
computes and raises ValueError at the first lie.
"""

from collections.abc import Hashable
from typing import Any

from fencepost.checkers.linearizability.operation import Inconsistent, Operation

#: What `step` gives: the next state, or an `Inconsistent`. States are of any hashable kind.
Step = Any


class SequentialModel:
    """An object that is never known to be only looked at or overwritten; one object a key. Add `name` and `step`."""

    __slots__ = ()

    def init(self) -> Hashable:
        """The object's first state: None."""
        return None

    def readonly(self, operation: Operation) -> bool:
        """Whether it changes no state, whatever the state: of nothing is that known."""
        return False

    def overwrites(self, operation: Operation) -> bool:
        """Whether it never refuses and what follows does not depend on the state before: of nothing is that known."""
        return False

    def partition(self, operation: Operation) -> Hashable:
        """The object that it concerns."""
        return operation.key  # type: ignore[no-any-return]


def unknown_function(operation: Operation, model: str) -> Inconsistent:
    """The answer to an operation that the model does not have; readers refuse such a history before."""
    return Inconsistent(f"an operation {operation.f!r}, which {model} does not have")


def rank(value: Any) -> tuple[int, Any]:
    """A sort key over the plain values of histories: None, numbers, strings, then tuples element by element."""
    if value is None:
        return (0, 0)
    if isinstance(value, int | float):
        return (1, value)
    if isinstance(value, str):
        return (2, value)
    if isinstance(value, tuple):
        return (3, tuple(rank(element) for element in value))
    return (4, repr(value))
