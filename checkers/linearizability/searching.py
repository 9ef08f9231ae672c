"""What a search is to the portfolio: work done a piece at a time, until it accepts, rejects or gives up."""

from collections.abc import Generator
from enum import Enum
from typing import Any, NamedTuple, Protocol


class Progress(Enum):
    """Where a search stands after a piece of work.

    GAVE_UP: it can say neither yes nor no any more. REFUTED: the history is not linearizable, and nothing survives
    return number `placed`, but it knows of no configurations before that.
    """

    RUNNING = 0
    ACCEPTED = 1
    REJECTED = 2
    GAVE_UP = 3
    REFUTED = 4


class Standing(NamedTuple):
    """One configuration just before the return that nothing survives. All numbers are indexes of the part's operations.

    state: the object's state. taken: pending operations done. crashed_used: crashed operations used.
    shared, rest: the order that leads here: so many operations as in the first standing's order, then these.
    """

    state: Any
    taken: list[int]
    crashed_used: list[int]
    shared: int
    rest: list[int]


class Dying(NamedTuple):
    """Where a search rejected: the operation whose return nothing survives, how many returned before it, what else was
    pending, the first few configurations before it (those that used the fewest crashed operations first), and how many
    more there are."""

    operation: int
    returned: int
    pending: list[int]
    standings: list[Standing]
    more: int


class Search(Protocol):
    """A search over one part."""

    @property
    def explored(self) -> int:
        """Configurations looked at."""

    @property
    def placed(self) -> int:
        """How many returns some configuration survives."""

    @property
    def memory_bytes(self) -> int:
        """What it holds, nearly."""

    def advance(self, work: int) -> Progress:
        """Do about so much work, in configurations."""

    def death(self) -> Dying:
        """Called after REJECTED, after REFUTED (without configurations), or where another search refuted the return
        before which this one stands."""


#: A search written as a generator yields whenever its allowance is used up, and returns its outcome.
Steps = Generator[None, None, Progress]


class SteppedSearch:
    """Base of the searches in plain Python: `_steps` yields when `_spent` reaches `_allowed`."""

    def __init__(self) -> None:
        self.explored = 0
        self.placed = 0
        self._spent = 0
        self._allowed = 0
        self._running = self._steps()

    def _steps(self) -> Steps:
        raise NotImplementedError

    def advance(self, work: int) -> Progress:
        """See `Search`."""
        self._allowed = self._spent + work
        try:
            next(self._running)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        return Progress.RUNNING
