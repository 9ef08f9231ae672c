"""The budget of wall-clock time and memory within which a history is judged."""

import time

from fencepost.checkers.linearizability.budget import Exhausted


class WallBudget:
    """So many seconds since it was made, and so much memory for the searches.

    timeout_s: None for no limit of time. memory_bytes: None for no limit of memory.
    """

    def __init__(self, timeout_s: float | None, memory_bytes: int | None = None) -> None:
        self.timeout_s = timeout_s
        self.memory_bytes = memory_bytes
        self._deadline_s = None if timeout_s is None else time.monotonic() + timeout_s

    def spend(self, configurations: int) -> None:
        """Raises Exhausted when the time is over, however much was done."""
        if self._deadline_s is not None and time.monotonic() >= self._deadline_s:
            raise Exhausted(f"the time limit of {self.timeout_s:g} s")
