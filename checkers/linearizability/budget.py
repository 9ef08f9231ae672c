"""How much work a judgement may cost. Checkers read no clock: a limit of time is a budget that looks at one itself."""

from typing import Protocol


class Exhausted(Exception):
    """The budget ran out before a decision; says which limit, such as "the time limit of 60 s"."""


class Budget(Protocol):
    """What the searches ask before they go on."""

    @property
    def memory_bytes(self) -> int | None:
        """How much memory the searches may hold at a time; None for no limit."""

    def spend(self, configurations: int) -> None:
        """Told of so much work, every few milliseconds; raises `Exhausted` to end the search."""


class Unlimited:
    """No limit."""

    memory_bytes: int | None = None

    def spend(self, configurations: int) -> None:
        """Go on."""


class WorkBudget:
    """A limit in configurations, and so the same on every machine."""

    def __init__(self, configurations: int, memory_bytes: int | None = None) -> None:
        self.memory_bytes = memory_bytes
        self._limit = configurations
        self._left = configurations

    def spend(self, configurations: int) -> None:
        """Raises Exhausted once more than the limit is spent."""
        self._left -= configurations
        if self._left < 0:
            raise Exhausted(f"the limit of {self._limit:,} configurations")
