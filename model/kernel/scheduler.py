"""Virtual time: a heap of callbacks.

An entry is a list `[time_us, sequence, callback, args, node, incarnation]`; the sequence makes every entry's place
unique, so callbacks are never compared. Callbacks are bound methods with plain arguments, never closures, so that a
whole run can be copied. Entries of a node are dropped when the node's incarnation has passed, and kept in its backlog
while it is paused: the run loop looks at this itself, which saves a call an event.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fencepost.model.kernel.node import Node

#: A scheduled entry, to be given to `cancel` and to nothing else.
Timer = list[Any]

TIME_US, SEQUENCE, CALLBACK, ARGS, NODE, INCARNATION = range(6)


def cancel(timer: Timer | None) -> None:
    """Take back a scheduled entry; harmless when it is None, has run, or was cancelled before."""
    if timer is not None:
        timer[CALLBACK] = None


class Scheduler:
    """Runs callbacks in the order of (time, order of scheduling).

    now_us: virtual microseconds since the start of the run.
    events: callbacks run so far.
    stopped: set to True to end `run_until` after the current callback.
    """

    __slots__ = ("_heap", "_sequence", "events", "now_us", "stopped")

    def __init__(self) -> None:
        self.now_us = 0
        self.events = 0
        self.stopped = False
        self._heap: list[Timer] = []
        self._sequence = 0

    def schedule(self, delay_us: int, callback: Callable[..., None], *args: Any) -> Timer:
        """Run `callback(*args)` in `delay_us` microseconds of virtual time."""
        self._sequence += 1
        entry: Timer = [self.now_us + delay_us, self._sequence, callback, args, None, 0]
        heappush(self._heap, entry)
        return entry

    def schedule_for(self, node: "Node", delay_us: int, callback: Callable[..., None], args: tuple[Any, ...]) -> Timer:
        """As `schedule`, on behalf of a node: nothing runs while it is paused or after its incarnation has ended."""
        self._sequence += 1
        entry: Timer = [self.now_us + delay_us, self._sequence, callback, args, node, node.incarnation]
        heappush(self._heap, entry)
        return entry

    def reschedule(self, entry: Timer) -> None:
        """Put an entry from a backlog back, due now."""
        self._sequence += 1
        entry[TIME_US] = self.now_us
        entry[SEQUENCE] = self._sequence
        heappush(self._heap, entry)

    def run_until(self, end_us: int) -> None:
        """Run everything due up to and including `end_us`; afterwards it is `end_us`, unless the run was stopped."""
        heap = self._heap
        while heap and heap[0][0] <= end_us:
            entry = heappop(heap)
            callback = entry[2]
            if callback is None:
                continue
            self.now_us = entry[0]
            node = entry[4]
            if node is not None:
                if node.incarnation != entry[5]:
                    continue
                if node.paused:
                    node.backlog.append(entry)
                    continue
            self.events += 1
            callback(*entry[3])
            if self.stopped:
                return
        self.now_us = end_us
