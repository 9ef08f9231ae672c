"""The budget of wall-clock time and memory within which a history is judged."""

import os
import time
from pathlib import Path

from fencepost.checkers.linearizability.budget import Exhausted

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
#: The process may hold so much more than the limit: memory that was given back is not at once the system's.
_SLACK = 1.1


class WallBudget:
    """So many seconds since it was made, and so much memory for the searches.

    timeout_s: None for no limit of time. memory_bytes: None for no limit of memory. The searches count what they hold
    themselves, but not the model's states, which may be large: so, on Linux, the process is looked at too.
    """

    def __init__(self, timeout_s: float | None, memory_bytes: int | None = None) -> None:
        self.timeout_s = timeout_s
        self.memory_bytes = memory_bytes
        self._deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        self._before_bytes: int | None = None

    def spend(self, configurations: int) -> None:
        """Raises Exhausted when the time is over, however much was done, or when the searches take too much memory."""
        if self._deadline_s is not None and time.monotonic() >= self._deadline_s:
            raise Exhausted(f"the time limit of {self.timeout_s:g} s")
        if self.memory_bytes is not None and configurations:
            held = resident_bytes()
            if self._before_bytes is None:
                self._before_bytes = held
            if held - self._before_bytes > _SLACK * self.memory_bytes:
                raise Exhausted(f"the memory limit of {self.memory_bytes:,} bytes")


def resident_bytes() -> int:
    """What the process holds in memory; 0 where the system does not tell."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except OSError:
        return 0
