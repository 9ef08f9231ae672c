"""The controller's event queue and its one thread (ControllerEventManager).

An event is processed to its end before the next one begins; an expiry of the session does not interrupt it. Kafka's
thread blocks while it waits for ZooKeeper. Here an event is a stack of steps: a step runs, and the steps that it plans
with `do` run after it, in order, before whatever had been planned earlier by its callers - as statements and calls do.
A step that waits (`block`) holds everything behind it back until `unblock`.

An event that finds the controller's epoch outdated ends at once, and the controller looks who is in office
(ControllerMovedException); one that meets a dead session just ends.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from fencepost.model import errors
from fencepost.model.kernel.node import Node

Step = tuple[Callable[..., None], tuple[Any, ...]]


class ControllerMovedError(Exception):
    """Another controller may be in office: the version of /controller_epoch is not that of the own election."""


class SessionExpiredError(Exception):
    """The session ended while an event waited for ZooKeeper."""


class ControllerEvent(NamedTuple):
    """A queued event. `started` is called when its processing begins; `failed` with an error where it is dropped from
    the queue (NOT_CONTROLLER) or ends before its time (UNKNOWN_SERVER_ERROR)."""

    process: Callable[..., None]
    args: tuple[Any, ...]
    started: Callable[[], None] | None
    failed: Callable[[str], None] | None


class ControllerEventManager:
    """The queue. `on_moved` is the step that runs after a ControllerMovedError.

    delay_us: what a slow thread adds before each event; set by the nemesis.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._incarnation = node.incarnation
        self._stream = node.simulation.streams(f"zk controller queue {node.node_id}")
        self._queue: deque[ControllerEvent] = deque()
        self._stack: list[Step] = []
        self._plan: list[Step] = []
        self._event: ControllerEvent | None = None
        self._scheduled = self._blocked = self._running = False
        self.on_moved: Callable[[], None] | None = None
        self.delay_us = 0

    @property
    def size(self) -> int:
        """Events that wait, the one under way included."""
        return len(self._queue) + (self._event is not None)

    # --- the queue ------------------------------------------------------------------------------------------------

    def put(self, process: Callable[..., None], *args: Any, failed: Callable[[str], None] | None = None) -> None:
        """Add an event at the end."""
        self._queue.append(ControllerEvent(process, args, None, failed))
        self._schedule()

    def clear_and_put(self, process: Callable[..., None], started: Callable[[], None]) -> None:
        """Drop what waits, not what is under way, and add this event; `started` is called when it begins."""
        dropped, self._queue = self._queue, deque()
        for event in dropped:
            if event.failed is not None:
                event.failed(errors.NOT_CONTROLLER)
        self._queue.append(ControllerEvent(process, (), started, None))
        self._schedule()

    def _schedule(self) -> None:
        if self._event is None and not self._scheduled:
            self._scheduled = True
            physics = self._node.simulation.physics
            latency_us = physics.drawn_us(physics.queue_latency_us, self._stream)
            self._node.schedule(latency_us + self.delay_us, self._begin_event)

    def _begin_event(self) -> None:
        self._scheduled = False
        event = self._event = self._queue.popleft()
        if event.started is not None:
            event.started()
        self._stack.append((event.process, event.args))
        self._run()

    # --- the thread -------------------------------------------------------------------------------------------------

    def do(self, step: Callable[..., None], *args: Any) -> None:
        """Plan a step of the event under way: after the present step, and after those that it has planned already."""
        self._plan.append((step, args))

    def block(self) -> None:
        """The present step waits: nothing runs until `unblock`."""
        self._blocked = True

    def unblock(self, step: Callable[..., None], *args: Any) -> None:
        """Go on with this step, and then with what was planned."""
        self._blocked = False
        self._plan.append((step, args))
        if not self._running:
            self._adopt_plan()
            self._run()

    def _run(self) -> None:
        self._running = True
        while self._stack and not self._blocked:
            step, args = self._stack.pop()
            try:
                step(*args)
            except ControllerMovedError:
                self._abandon(self.on_moved)
            except SessionExpiredError:
                self._abandon(None)
            if self._node.incarnation != self._incarnation:
                return
            self._adopt_plan()
        self._running = False
        if not self._stack and not self._blocked:
            self._event = None
            if self._queue:
                self._schedule()

    def _adopt_plan(self) -> None:
        if self._plan:
            self._stack.extend(reversed(self._plan))
            self._plan.clear()

    def _abandon(self, instead: Callable[[], None] | None) -> None:
        """End the event under way; `instead` is what is still done in it."""
        self._stack.clear()
        self._plan.clear()
        event = self._event
        if event is not None and event.failed is not None:
            self._event = event._replace(failed=None)
            event.failed(errors.UNKNOWN_SERVER_ERROR)
        if instead is not None:
            self.do(instead)
