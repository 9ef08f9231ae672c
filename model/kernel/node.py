"""A node: one process on one host, with a disk that outlives it.

A node is stopped in one of three ways: `shutdown` (the process ends on its own), `kill` (the process dies, the host and
its page cache live on, peers get a TCP reset) and `power_off` (the host dies: unsynced data is lost, peers hear
nothing). A paused node (a GC pause, SIGSTOP) handles nothing while the world goes on; what falls due or arrives
meanwhile waits in its backlog. On resume either its own overdue timers run first, so that it acts on its old beliefs
before it learns better, or the messages that wait in its sockets: which, is drawn.

A slow node takes a while for each message: they wait for it in order. Its timers are not slowed.

A process whose disk fails ends at its first write, as Kafka's and ZooKeeper's do: a broker whose only log directory
is gone halts (LogManager.handleLogDirFailure), a Raft replica that cannot write meets its fatal fault handler, and a
ZooKeeper server that cannot log takes that for unrecoverable. Nobody restarts it before the disk is mended: in truth a
supervisor does, in vain.

Each node has two clocks: the monotonic one is the simulation's, the wall clock is `wall_offset_us` away from it.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from fencepost.model.kernel.connection import Connection, Reply
from fencepost.model.kernel.disk import BROKEN, Disk
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.scheduler import CALLBACK, Timer
from fencepost.model.kernel.simulation import Simulation

#: Within this time a process ends whose disk has failed; answers may still leave the host before.
HALT_US = 4_000


class Node:
    """A process with an id. Subclasses build their volatile components in `on_start` and drop them in `on_stop`.

    incarnation: counts the starts and stops; timers and connections of an earlier one are dead.
    running, paused, powered: the process lives; it is stopped by the scheduler; the host has power.
    """

    def __init__(self, node_id: int, name: str, simulation: Simulation, network: Network) -> None:
        self.node_id = node_id
        self.name = name
        self.simulation = simulation
        self.scheduler = simulation.scheduler
        self.network = network
        self.disk: Disk = simulation.disk(node_id)
        self.incarnation = 0
        self.running = False
        self.paused = False
        self.powered = True
        self.wall_offset_us = 0
        #: How long each message takes, and those that wait; None while the node is quick and none does.
        self.message_us = 0
        self.waiting: deque[tuple[Callable[..., None], tuple[Any, ...]]] | None = None
        self.backlog: list[Timer] = []
        self.handlers: dict[type, Callable[[Any, Reply], None]] = {}
        self._disk_has_failed = False
        self.disk.on_failure = self._on_disk_failure
        network.add(self)

    # --- time -----------------------------------------------------------------------------------------------------

    def schedule(self, delay_us: int, callback: Callable[..., None], *args: Any) -> Timer:
        """Run `callback(*args)` in `delay_us`, unless this incarnation has ended by then; cancel with `cancel`."""
        return self.scheduler.schedule_for(self, delay_us, callback, args)

    @property
    def now_us(self) -> int:
        """Monotonic time."""
        return self.scheduler.now_us

    @property
    def wall_us(self) -> int:
        """Wall-clock time, which may be skewed and may jump."""
        return self.scheduler.now_us + self.wall_offset_us

    # --- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process (and the host, if it was off). Harmless when it already runs."""
        if self.running:
            return
        self.incarnation += 1
        self.running = True
        self.powered = True
        self._disk_has_failed = False
        self.observe("node-started", incarnation=self.incarnation)
        self.on_start()

    def kill(self) -> None:
        """The process dies (SIGKILL); the page cache survives and peers are told by a reset."""
        self._stop("kill")

    def shut_down(self) -> None:
        """The process ends on its own; for peers this looks like `kill`."""
        self._stop("shutdown")

    def power_off(self, torn: bool = False) -> None:
        """The power fails: peers are told nothing, and what was not synced is lost; `torn`: in the middle of a write,
        and what had been written before it is not lost."""
        if self.running:
            self._stop("power-loss")
        elif not self.powered:
            return
        self.powered = False
        self._observe_lost(self.disk.power_loss(torn))

    def lose_disk(self) -> None:
        """The host fails for good; another one with an empty disk takes its place, and is off."""
        self.power_off()
        self._observe_lost(self.disk.wipe())

    def lose_log_directory(self) -> None:
        """The log directory is gone from under the process, and with it what was still to be written back: the process
        ends."""
        self._end_by_disk("log directory", BROKEN)

    def pause(self) -> None:
        """Stop handling anything; harmless when paused or not running."""
        if self.running and not self.paused:
            self.paused = True
            self.observe("node-paused")

    def resume(self) -> None:
        """Go on after a pause with what has piled up."""
        if not self.paused:
            return
        self.paused = False
        self.observe("node-resumed")
        backlog, self.backlog = self.backlog, []
        timers = [entry for entry in backlog if entry[CALLBACK] is not None and not _is_message(entry)]
        messages = [entry for entry in backlog if entry[CALLBACK] is not None and _is_message(entry)]
        timers_first = self.simulation.streams(f"node {self.node_id}").bits(1)
        for entry in timers + messages if timers_first else messages + timers:
            self.scheduler.reschedule(entry)

    def slow_down(self, delay_us: int) -> None:
        """Take so much longer for each message; a negative number takes that back."""
        self.message_us = max(0, self.message_us + delay_us)
        if self.message_us and self.waiting is None:
            self.waiting = deque()
        elif not self.message_us and not self.waiting:
            self.waiting = None

    def take_in(self, callback: Callable[..., None], *args: Any) -> None:
        """A message of a slow node waits for its turn."""
        assert self.waiting is not None
        self.waiting.append((callback, args))
        if len(self.waiting) == 1:
            self.schedule(self.message_us, self._take_next)

    def _take_next(self) -> None:
        assert self.waiting is not None
        callback, args = self.waiting.popleft()
        if self.waiting:
            self.schedule(self.message_us, self._take_next)
        elif not self.message_us:
            self.waiting = None
        callback(*args)

    def _stop(self, how: str) -> None:
        if not self.running:
            return
        self.on_stop(how)
        self.running = False
        self.paused = False
        self.incarnation += 1
        self.backlog.clear()
        self.waiting = deque() if self.message_us else None
        self.handlers.clear()
        self.observe("node-stopped", value={"how": how})
        self.network.node_stopped(self, reset=how != "power-loss")
        self.disk.forget_callers()
        self._observe_lost(self.disk.recover())

    def _on_disk_failure(self, file: str) -> None:
        if not self._disk_has_failed:
            self._disk_has_failed = True
            soon_us = self.simulation.streams(f"node {self.node_id}").below(HALT_US)
            self.schedule(soon_us, self._end_by_disk, file, self.disk.failure)

    def _end_by_disk(self, file: str, failure: str) -> None:
        """The process ends, for a write to the file has failed. Harmless when it does not run."""
        if self.running:
            self.observe("disk-failed", key=file, value={"failure": failure})
            self.kill()
            self._observe_lost(self.disk.lose_failed(file, failure))

    def _observe_lost(self, losses: list[tuple[str, dict[str, Any]]]) -> None:
        for file, lost in losses:
            self.observe("disk-lost", key=file, value=lost)

    def on_start(self) -> None:
        """Build the volatile components from what is on disk."""
        raise NotImplementedError

    def on_stop(self, how: str) -> None:
        """The process is about to end; `how` is `kill`, `shutdown` or `power-loss`. Nothing can be sent any more."""

    # --- messages -------------------------------------------------------------------------------------------------

    def request(
        self, destination: int, channel: str, request: Any, timeout_us: int, callback: Callable[..., None],
        *context: Any,
    ) -> None:
        """Send a request; `callback(response, *context)` follows once: with None on a disconnect or time-out.

        Requests of one (destination, channel) share an ordered connection, as each of Kafka's network clients has one.
        """
        self.network.request(self, destination, channel, request, timeout_us, callback, context)

    def send(self, destination: int, channel: str, request: Any) -> None:
        """Send a request that has no response (acks=0)."""
        self.network.request(self, destination, channel, request, 0, None, ())

    def end_stream(self, connection: Connection) -> None:
        """A stream to this process is over: `on_stream_end`, behind the messages that wait."""
        if self.waiting is not None:
            self.take_in(self.on_stream_end, connection)
        else:
            self.on_stream_end(connection)

    def on_stream_end(self, connection: Connection) -> None:
        """The client of a stream (`Network.open`) to this process has closed it or died."""

    def deliver(self, request: Any, reply: Reply) -> None:
        """A request reached this process; one without a handler is refused, as by a listener that is not open yet."""
        handler = self.handlers.get(type(request))
        if handler is not None:
            handler(request, reply)
        else:
            reply.connection.refuse()

    # --- evidence -------------------------------------------------------------------------------------------------

    def observe(
        self, f: str, key: str | None = None, value: Any = None, error: str | None = None, **epochs: int
    ) -> None:
        """Record a fact; the names and their fields are in `fencepost.histories.vocabulary`."""
        self.simulation.recorder.observe(
            self.scheduler.now_us, f, self.node_id, key, value, error, epochs if epochs else None
        )

    def at_point(self, name: str) -> None:
        """A named moment of the protocol is passed here; the nemesis may have a fault waiting for it.

        The fault strikes between this event and the next, so a crash at a point never tears a handler in two.
        """
        points = self.simulation.points
        if points is not None:
            points(name, self.node_id)


def _is_message(entry: Timer) -> bool:
    """Whether a backlog entry is something that arrived by the network."""
    return entry[CALLBACK].__name__ in ("deliver", "deliver_response")
