"""The Raft thread: one piece of work after the other, and nothing else while an fsync is under way.

KafkaRaftClient polls on one thread, on which it also syncs the log and the quorum state. So here: what arrives or falls
due during an fsync waits, in order. Work that ends in an fsync names what comes after it.

Raft's timers follow the wall clock, as Kafka's do: a jump forward lets them expire at the next work of the thread (or
when they were due anyway), a jump backward holds them up.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from fencepost.model.kernel.disk import DurableFile
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import TIME_US, Timer, cancel


class RaftThread:
    """Runs work in order. `idle` is called after each piece of work that did not end in an fsync."""

    __slots__ = ("_busy", "_idle", "_queue", "_stopped", "_wall_offset_us", "deadlines", "node")

    def __init__(self, node: Node, idle: Callable[[], None]) -> None:
        self.node = node
        self.deadlines: list[Deadline] = []
        self._idle = idle
        self._queue: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._busy = False
        self._stopped = False
        self._wall_offset_us = node.wall_offset_us

    def run(self, callback: Callable[..., None], *args: Any) -> None:
        """Do this now, or after the fsync that is under way and all that already waits for it."""
        if self._stopped:
            return
        if self._busy:
            self._queue.append((callback, args))
            return
        if self.node.wall_offset_us != self._wall_offset_us:
            self._notice_clock_jump()
        callback(*args)
        if not self._busy and not self._stopped:
            self._idle()

    def schedule(self, delay_us: int, callback: Callable[..., None], *args: Any) -> Timer:
        """Do this in `delay_us` (monotonic); work that waits for an fsync cannot be cancelled any more."""
        return self.node.schedule(delay_us, self.run, callback, *args)

    def sync(self, file: DurableFile, callback: Callable[..., None], *args: Any) -> None:
        """Make durable what `file` holds and go on with `callback`; must be the last thing that the caller does."""
        self._busy = True
        self.node.disk.fsync(file, self.node.schedule, self._synced, callback, args)

    def stop(self) -> None:
        """Do nothing any more."""
        self._stopped = True
        self._queue.clear()

    def _synced(self, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._busy = False
        self.run(callback, *args)
        while self._queue and not self._busy:
            waiting, waiting_args = self._queue.popleft()
            self.run(waiting, *waiting_args)

    def _notice_clock_jump(self) -> None:
        self._wall_offset_us = self.node.wall_offset_us
        for deadline in self.deadlines:
            deadline.rearm()


class Deadline:
    """A wall-clock timer of the Raft thread that may be put off often: that costs nothing until it is due."""

    __slots__ = ("_callback", "_due_us", "_thread", "_timer")

    def __init__(self, thread: RaftThread, callback: Callable[[], None]) -> None:
        self._thread = thread
        self._callback = callback
        self._due_us: int | None = None
        self._timer: Timer | None = None
        thread.deadlines.append(self)

    def reset(self, delay_us: int) -> None:
        """Expire in `delay_us` from now, whatever was set before."""
        node = self._thread.node
        self._due_us = node.wall_us + delay_us
        if self._timer is None or self._timer[TIME_US] > node.now_us + delay_us:
            self.rearm()

    def clear(self) -> None:
        """Do not expire."""
        self._due_us = None

    def remaining_us(self) -> int | None:
        """The wall-clock time left, 0 when overdue; None when it is not set."""
        return None if self._due_us is None else max(0, self._due_us - self._thread.node.wall_us)

    def rearm(self) -> None:
        """Wake up when the wall clock will be there if it runs on evenly."""
        cancel(self._timer)
        self._timer = None
        remaining_us = self.remaining_us()
        if remaining_us is not None:
            self._timer = self._thread.node.schedule(remaining_us, self._wake)

    def _wake(self) -> None:
        self._timer = None
        if self._due_us is not None:
            self._thread.run(self._expire)

    def _expire(self) -> None:
        remaining_us = self.remaining_us()
        if remaining_us is None:
            return
        if remaining_us > 0:
            if self._timer is None:
                self.rearm()
            return
        self._due_us = None
        self._callback()
