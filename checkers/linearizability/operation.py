"""Operations, and what a model of an object is: what it must say, and the hints that make judging it faster.

A model steps by an operation's `f`, `argument`, `result` and whether it crashed, never by its times, process or key:
all operations alike in these are one class to the search, which asks the model once a class and state and remembers
the answer (`partition` may look at the key too). Whatever else decides (who holds a lock, which session owns a node)
belongs into the argument.

Optional hints, found by name on the model. A wrong one raises ValueError as soon as a transition shows it:

    overwrites(operation) -> bool
        A blind overwrite: it never refuses, and the state after it does not depend on the state before it.
    observed(operation) -> Iterable[Hashable]
    rename(operation, observed: Container[Hashable]) -> Operation
        For values that are only stored and compared: which values the operation tells apart from others (what a read
        returned, what a compare-and-set expected, whether or not it succeeded), and the operation with each value that
        it stores and that nobody observes replaced by `UNOBSERVED`. Give both or neither.
    adds(operation) -> tuple[int, int | None] | None
        For a model whose states are whole numbers: (amount, before) of an operation that adds the amount and is refused
        unless the state is `before` (None: it is never refused); None for any other. The compiled search reckons by it.
    as_whole() -> Model
        For an object that can be judged part by part or as one: the model for the latter, whose hints hold there.
    near_linear(operations, spend) -> PartOutcome | None
        Decides one part's history without a search, in about linear time; None where it cannot decide. It calls
        `spend(0)` every few milliseconds (see `paced`), which raises `Exhausted` when the time is over.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, overload


class Operation(NamedTuple):
    """One operation on the object.

    call, ret: its interval, integers in any unit; `ret` None for one that crashed (nobody knows if it took effect).
    f, argument, result: what was asked and what came back; hashable.
    process: who did it, for explanation only.
    key: which of many objects of one kind it concerns; no part of the operation's class, so that what is learnt of one
        object's steps serves all. A model of one object partitions by it.
    """

    call: int
    ret: int | None
    f: str
    argument: Any = None
    result: Any = None
    process: Any = None
    key: Any = None

    @property
    def crashed(self) -> bool:
        """Whether it never returned."""
        return self.ret is None

    def words(self) -> str:
        """The operation in words, such as `write(3)` or `read() -> 5`."""
        argument = "" if self.argument is None else repr(self.argument)
        return f"{self.f}({argument})" + ("" if self.result is None else f" -> {self.result!r}")


#: The `ret` of a crashed operation in a column of 64-bit integers, which cannot hold None.
NEVER = 2**63 - 1


class Columns(Sequence[Operation]):
    """Operations as columns: for histories of millions, which are read faster and held smaller this way.

    call, ret: lists of integers (None for crashed), or `array("q")` and the like (`NEVER` for crashed).
    f, and where given argument, result, process, key: sequences of the same length.
    Raises ValueError when lengths differ.
    """

    def __init__(
        self, call: Sequence[int], ret: Sequence[int | None], f: Sequence[str], argument: Sequence[Any] | None = None,
        result: Sequence[Any] | None = None, process: Sequence[Any] | None = None, key: Sequence[Any] | None = None,
    ) -> None:
        self.call, self.ret, self.f = call, ret, f
        self.argument, self.result, self.process, self.key = argument, result, process, key
        for name, column in vars(self).items():
            if column is not None and len(column) != len(call):
                raise ValueError(f"the column {name} has {len(column)} entries, but there are {len(call)} calls")

    def __len__(self) -> int:
        return len(self.call)

    @overload
    def __getitem__(self, place: int) -> Operation: ...

    @overload
    def __getitem__(self, place: slice) -> list[Operation]: ...

    def __getitem__(self, place: int | slice) -> Operation | list[Operation]:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        ret = self.ret[place]
        optional = [None if column is None else column[place]
                    for column in (self.argument, self.result, self.process, self.key)]
        return Operation(self.call[place], None if ret == NEVER else ret, self.f[place], *optional)


@dataclass(frozen=True, slots=True)
class Inconsistent:
    """Why an operation cannot be the next one in a state, in the model's own words."""

    reason: str


class _Unobserved:
    """The type of `UNOBSERVED`, of which there is one."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<a value that nobody observed>"


#: Stands for every value that some operation stored and none observed: see `rename` above.
UNOBSERVED = _Unobserved()


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


class PartOutcome(NamedTuple):
    """What a near-linear checker decided about one part.

    checker: its name, such as "zones".
    valid: whether the part is linearizable.
    operations: where it is not, the operations that contradict each other, the one that shows it last.
    reason: why they do, in words.
    """

    checker: str
    valid: bool
    operations: tuple[Operation, ...] = ()
    reason: str = ""
