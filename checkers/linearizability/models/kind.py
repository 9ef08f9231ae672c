"""A kind of model, as the command line and the documentation know it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from fencepost.checkers.linearizability.operation import Model, Operation
from fencepost.histories.pairing import Call


class Make(Protocol):
    """Makes a model of a kind."""

    def __call__(self, initial: Any = None) -> Model:
        """The model with this first content, plain data; None for its own default. Raises ValueError in one line."""


@dataclass(frozen=True, slots=True)
class ModelKind:
    """One name of `MODELS`.

    name, summary: what it is called, and what it is, in one line.
    make: the model, given its first content.
    read: a history's calls as operations of this model; raises HistoryError, in one line, for calls that it does not
        understand.
    initial: what the first content looks like, for the documentation; empty where there is none to choose.
    make_whole, read_whole: for an object of many keys that can also be judged as one (slower, and no stricter: parts
        that are linearizable are so together); None where each key is an object of its own.
    """

    name: str
    summary: str
    make: Make
    read: Callable[[Iterable[Call]], list[Operation]]
    initial: str = ""
    make_whole: Make | None = None
    read_whole: Callable[[Iterable[Call]], list[Operation]] | None = None


def no_initial(name: str, initial: Any) -> None:
    """Refuse a first content where there is none to choose."""
    if initial is not None:
        raise ValueError(f"{name} always starts empty: leave --initial {initial!r} out")


def whole_number(name: str, initial: Any, default: int, at_least: int | None = None) -> int:
    """The first content as a whole number."""
    if initial is None:
        return default
    if not isinstance(initial, int) or isinstance(initial, bool) or (at_least is not None and initial < at_least):
        bound = "" if at_least is None else f" of at least {at_least}"
        raise ValueError(f"{name} starts with a whole number{bound}, not with {initial!r}")
    return initial


def list_of(name: str, initial: Any) -> list[Any]:
    """The first content as a list, empty by default."""
    if initial is None:
        return []
    if not isinstance(initial, list | tuple):
        raise ValueError(f"{name} starts with a list of its elements, not with {initial!r}")
    return list(initial)
