"""Work that takes time: one thread of a process does one thing after the other."""

from collections.abc import Callable
from typing import Any

from fencepost.model.kernel.node import Node


class Labour:
    """A thread's work, in the order in which it was given. What takes no time is done at once if nothing waits."""

    __slots__ = ("_busy_until_us", "_node")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._busy_until_us = -1

    def spend(self, work_us: int, callback: Callable[..., None], *args: Any) -> None:
        """`callback(*args)` once everything given before is done and `work_us` more have passed."""
        now_us = self._node.now_us
        if work_us == 0 and self._busy_until_us < now_us:
            callback(*args)
            return
        self._busy_until_us = max(now_us, self._busy_until_us) + work_us
        self._node.schedule(self._busy_until_us - now_us, callback, *args)
