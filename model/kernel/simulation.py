"""What all nodes of one run share: the scheduler, the streams, the recorder, the physical constants and the points."""

from collections.abc import Callable
from dataclasses import dataclass

from fencepost.histories.recorder import Recorder
from fencepost.model.kernel.disk import Disk
from fencepost.model.kernel.randomness import Stream, Streams
from fencepost.model.kernel.scheduler import Scheduler


@dataclass(frozen=True, slots=True)
class Physics:
    """The constants of the simulated world, all in microseconds.

    link_latency_us: one way, at least; a jitter of up to as much again is drawn for each message.
    retransmission_us: the delay of a message whose packet is lost, doubled for each further loss (TCP's RTO).
    connection_break_us: how long a connection with data outstanding survives a cut, at least; up to twice that.
    fsync_latency_us: at least; up to as much again is drawn.
    dirty_expire_us: the page cache is written back after this long.
    queue_latency_us: from one thread of a process to another, at least; up to as much again is drawn.
    jitter: whether anything is drawn on top of the least latencies.
    """

    link_latency_us: int = 250
    retransmission_us: int = 200_000
    connection_break_us: int = 10_000_000
    fsync_latency_us: int = 1_000
    dirty_expire_us: int = 30_000_000
    queue_latency_us: int = 20
    jitter: bool = True

    def drawn_us(self, latency_us: int, stream: Stream) -> int:
        """One latency of at least that much."""
        return latency_us + stream.below(latency_us + 1) if self.jitter else latency_us


class Simulation:
    """One run's shared world. `points` is set by the nemesis when a fault waits for a named point of the model."""

    __slots__ = ("_disks", "physics", "points", "recorder", "scheduler", "streams")

    def __init__(self, seed: int, physics: Physics, recorder: Recorder) -> None:
        self.physics = physics
        self.recorder = recorder
        self.scheduler = Scheduler()
        self.streams = Streams(seed)
        self.points: Callable[[str, int], None] | None = None
        self._disks: dict[int, Disk] = {}

    def disk(self, node_id: int) -> Disk:
        """The disk of a node; it outlives the node's processes."""
        disk = self._disks.get(node_id)
        if disk is None:
            stream = self.streams(f"disk {node_id}")
            physics = self.physics
            disk = Disk(
                self.scheduler, stream, physics.fsync_latency_us, physics.dirty_expire_us, physics.jitter)
            self._disks[node_id] = disk
        return disk
