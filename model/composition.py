"""Composition of components with known bugs.

A known bug is a subclass of a component that overrides the fewest of its guard methods. Components are never
instantiated by name but through the run's composer, which mixes in the patches that apply:
`composer(RaftReplica)(...)`.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class Composer:
    """Gives, for each component class, the class to instantiate in this run.

    patches: the bugs' classes, each a subclass of the component that it breaks.
    Raises ValueError when two patches override the same method of one component.
    """

    def __init__(self, patches: Sequence[type] = ()) -> None:
        self._patches = tuple(patches)
        self._composed: dict[type, type] = {}

    def __call__(self, base: type[T]) -> type[T]:
        """`base` itself, or a class that mixes in every patch of it."""
        composed = self._composed.get(base)
        if composed is None:
            composed = self._composed[base] = self._compose(base)
        return composed

    def _compose(self, base: type) -> type:
        patches = [patch for patch in self._patches if issubclass(patch, base)]
        overridden: dict[str, type] = {}
        for patch in patches:
            for name, member in vars(patch).items():
                if callable(member) and name in overridden:
                    raise ValueError(f"{overridden[name].__name__} and {patch.__name__} both override {name}")
                overridden[name] = patch
        if not patches:
            return base
        namespace: dict[str, Any] = {"__doc__": f"{base.__name__} with {', '.join(p.__name__ for p in patches)}."}
        return type(base.__name__, tuple(patches), namespace)
