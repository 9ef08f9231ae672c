"""What the nemesis sees of a cluster: the same for a simulation and for real processes.

`cut` and `uncut` of one directed link are the only partition primitives; every other partition compiles to them.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Recorder(Protocol):
    """Where faults are written down."""

    def fault(self, time_us: int, f: str, node: int | None, value: Any, error: str | None = None) -> None:
        """Record a fault; `error` says why it was skipped."""


class Cluster(Protocol):
    """Nodes, links, time, and who claims which role (several may claim to be the one leader)."""

    @property
    def controllers(self) -> Sequence[int]:
        """The controllers' node ids; none in ZooKeeper mode, where every broker may be the active one."""

    @property
    def brokers(self) -> Sequence[int]:
        """The brokers' node ids."""

    @property
    def zookeepers(self) -> Sequence[int]:
        """The ZooKeeper servers' node ids; none in KRaft mode."""

    @property
    def client_ids(self) -> Sequence[int]:
        """The clients' node ids."""

    @property
    def recorder(self) -> Recorder:
        """The history's recorder."""

    @property
    def now_us(self) -> int:
        """Microseconds since the start of the run."""

    def schedule(self, delay_us: int, callback: Callable[..., None], *args: Any) -> Any:
        """Run `callback(*args)` in `delay_us`."""

    def on_point(self, hook: Callable[[str, int], None] | None) -> None:
        """Call `hook(point, node id)` whenever a named point of the model is passed."""

    def roles(self) -> dict[str, list[int]]:
        """`active-controller`, and `raft-leader` or `zookeeper-leader`: the nodes that believe to be it."""

    def leaders_of(self, partition: str) -> list[int]:
        """The brokers that believe to lead the partition."""

    def replicas_of(self, partition: str) -> list[int]:
        """The partition's replicas."""

    def is_running(self, node_id: int) -> bool:
        """Whether the process runs (a paused one does)."""

    def start_node(self, node_id: int) -> None:
        """Start a stopped process."""

    def kill(self, node_id: int) -> None:
        """The process dies, the page cache survives."""

    def power_off(self, node_id: int) -> None:
        """The host loses power, and with it what was not synced."""

    def pause(self, node_id: int) -> None:
        """The process stops handling anything (SIGSTOP)."""

    def resume(self, node_id: int) -> None:
        """The process goes on (SIGCONT)."""

    def shut_down(self, node_id: int) -> None:
        """Ask the process to end in order (SIGTERM)."""

    def expire_session(self, node_id: int) -> bool:
        """End the node's ZooKeeper session now; False where there is none to end, or nobody to end it."""

    def delete_controller(self) -> bool:
        """Delete /controller by an operator's hand; False where there is none, or nobody to do it."""

    def slow_controller(self, node_id: int, delay_us: int) -> bool:
        """Slow the node's ZooKeeper-mode controller down by so much for each event; False where it has none."""

    def add_broker(self) -> int:
        """Start a broker that was not there before, with an empty disk; its id."""

    def administer(self, operation: dict[str, Any]) -> None:
        """Have an operator do something by a client of the cluster: an operation as a history has it, with `f`, `key`
        and its other fields. Its answer, and whether it takes effect, is the history's to tell."""

    def slow_disk(self, node_id: int, delay_us: int) -> None:
        """Let each fsync of the node take that much longer, or as long again (a negative number)."""

    def stall_disk(self, node_id: int) -> None:
        """Let no fsync of the node return; stalls add up."""

    def release_disk(self, node_id: int) -> None:
        """Take one stall back."""

    def fail_disk(self, node_id: int, failure: str) -> None:
        """Let no write of the node succeed, for its disk is `full` or `broken`; the process ends at the next one."""

    def mend_disk(self, node_id: int) -> None:
        """Let writes succeed again; a process that has ended is not started."""

    def lose_log_directory(self, node_id: int) -> None:
        """Take the node's log directory away until the disk is mended; the process ends."""

    def power_off_in_write(self, node_id: int) -> None:
        """The host loses power in the middle of a write; what had been written before it survives."""

    def logs_on(self, node_id: int) -> list[str]:
        """The logs with records on the node's disk, sorted: `orders-0/<topic id>`, `__cluster_metadata-0`, ..."""

    def last_copy_on(self, node_id: int, log: str | None) -> str | None:
        """Why committed data could be lost with that log, or (None) with the whole disk; None where it could not."""

    def corrupt_record(self, node_id: int, log: str, number: int) -> None:
        """Flip a bit in one record of the log, which record is told by a random number."""

    def wipe_disk(self, node_id: int) -> None:
        """The host loses power, and its disk is replaced by an empty one."""

    def cut(self, source: int, destination: int) -> None:
        """Let nothing pass from source to destination; cuts of one link add up."""

    def uncut(self, source: int, destination: int) -> None:
        """Take one cut of the link back."""

    def slow_down(self, source: int, destination: int, latency_us: int) -> None:
        """Let everything from source to destination take that much longer, or as long again (a negative number)."""

    def lose(self, source: int, destination: int, per_mille: int) -> None:
        """Let so many more in 1,000 messages of a directed link be lost; a negative number takes that back."""

    def hold(self, source: int, destination: int) -> None:
        """Let what arrives from source over the connections open now lie in the destination's sockets, unread."""

    def release(self, source: int, destination: int) -> None:
        """Take one hold back: all that lies there is handled at once, though its sender may have given up."""

    def reset_connections(self, one: int, other: int) -> None:
        """Break every connection between two nodes; both ends are told."""

    def slow_node(self, node_id: int, delay_us: int) -> None:
        """Let the process take so much longer for each message; a negative number takes that back."""

    def move_clock(self, node_id: int, by_us: int) -> None:
        """Put the host's wall clock forward or (a negative number) back; monotonic time does not jump."""

    def heal_network(self, isolated: Sequence[int] = ()) -> None:
        """Take back every cut, loss, delay and hold, but for the cuts around isolated nodes."""
