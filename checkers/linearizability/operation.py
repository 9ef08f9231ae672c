"""Operations, and what a model of an object is."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol


class Operation(NamedTuple):
    """One operation on the object.

    call, ret: its interval, in any unit; `ret` None for one that crashed (nobody knows whether it took effect).
    f, argument, result: what was asked and what came back; hashable.
    process: who did it, for explanation only.
    """

    call: int
    ret: int | None
    f: str
    argument: Any = None
    result: Any = None
    process: Any = None

    @property
    def crashed(self) -> bool:
        """Whether it never returned."""
        return self.ret is None

    def words(self) -> str:
        """The operation in words, such as `write(3)` or `read() -> 5`."""
        argument = "" if self.argument is None else repr(self.argument)
        return f"{self.f}({argument})" + ("" if self.result is None else f" -> {self.result!r}")


@dataclass(frozen=True, slots=True)
class Inconsistent:
    """Why an operation cannot be the next one in a state, in the model's own words."""

    reason: str


class Model(Protocol):
    """An object's sequential specification. States are hashable and are never changed in place."""

    @property
    def name(self) -> str:
        """The name under which the command line knows it."""

    def init(self) -> Hashable:
        """The object's first state."""

    def step(self, state: Any, operation: Operation) -> Any:
        """The state after the operation, or an `Inconsistent`; a pure function. A crashed operation has no result."""

    def readonly(self, operation: Operation) -> bool:
        """Whether it changes no state, whatever the state: the search may then place it as soon as it fits."""

    def partition(self, operation: Operation) -> Hashable:
        """The part of the object that it concerns; parts are independent and judged one by one. None: all in one."""
