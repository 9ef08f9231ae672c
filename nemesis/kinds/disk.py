"""Disk faults: what a host's disk takes long for, refuses, tears, spoils or loses.

What may lose data that was durable strikes only where others hold all of it that is committed; else it is skipped.
"""

from typing import Any

from fencepost.nemesis.kinds.kind import Strike, kind
from fencepost.nemesis.kinds.process import DOWN, ProcessKind, StopKind, start_again
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.targets import Draws

#: What keeps a disk from taking anything, for `Strike.hold`.
_FAILING = "disk fails"


class DiskKind(ProcessKind):
    """Strikes the disk of a process that runs."""

    plane = "disk"
    heal_rank = 1

    def prevented(self, strike: Strike) -> str | None:
        """Clients keep nothing on a disk."""
        return f"node {strike.target} is a client" if strike.target in strike.cluster.client_ids else None


@kind
class SlowFsync(DiskKind):
    """Every fsync takes `delay_us` longer.

    Stands for: a disk shared with a noisy neighbour, a volume out of its burst credit, a RAID that rebuilds.
    """

    name = "slow-fsync"
    told = "every fsync of {struck} took {delay_us} longer"
    needs = ("delay_us",)

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """From what nobody notices to what takes longer than the quorum waits."""
        longest_us = draws.choice((10_000, rhythm.fetch_timeout_us, rhythm.session_timeout_us))
        return {"delay_us": draws.between(1_000, longest_us)}

    def begin(self, strike: Strike) -> None:
        """Slow it down."""
        strike.cluster.slow_disk(strike.target, strike.fault.delay_us or 0)

    def undo(self, strike: Strike) -> None:
        """As quick as before."""
        strike.cluster.slow_disk(strike.target, -(strike.fault.delay_us or 0))


@kind
class StalledDisk(DiskKind):
    """No fsync returns; what was asked for returns at the end.

    Stands for: a controller that resets, network storage that cannot be reached, a journal that is flushed.
    """

    name = "stalled-disk"
    told = "no fsync of {struck} returned"

    def begin(self, strike: Strike) -> None:
        """Hold it up."""
        strike.cluster.stall_disk(strike.target)

    def undo(self, strike: Strike) -> None:
        """Let go, unless another fault holds it up."""
        strike.cluster.release_disk(strike.target)


class FailingDisk(DiskKind):
    """The process ends at its first write, and is started again when the disk has been mended."""

    failure: str

    def begin(self, strike: Strike) -> None:
        """From now on no write succeeds."""
        strike.hold(_FAILING, strike.target)
        strike.cluster.fail_disk(strike.target, self.failure)

    def undo(self, strike: Strike) -> None:
        """Mend the disk and start what has ended, unless another fault keeps it so."""
        mend(strike)
        strike.hold(DOWN, strike.target)
        if strike.release(DOWN, strike.target):
            strike.cluster.start_node(strike.target)


def mend(strike: Strike) -> None:
    """Writes succeed again, unless another fault still keeps them from it."""
    if strike.release(_FAILING, strike.target):
        strike.cluster.mend_disk(strike.target)


@kind
class FullDisk(FailingDisk):
    """No write finds room (ENOSPC): the process ends at its next one, and what it could not write is lost.

    Stands for: retention that does not keep up, somebody else's core dumps.
    """

    name = "full-disk"
    milder = "stalled-disk"
    told = "the disk of {struck} was full"
    failure = "full"


@kind
class IoError(FailingDisk):
    """Writes fail (EIO): the process ends at its next one, and what had not been written back yet is lost.

    Stands for: bad sectors, a file system that was remounted read-only.
    """

    name = "io-error"
    milder = "full-disk"
    told = "every write to the disk of {struck} failed"
    failure = "broken"


@kind
class LogDirectoryGone(DiskKind):
    """The log directory is gone, with what had not been written back yet: the process ends at once; at the end the
    directory is there again, and the process is started.

    Stands for: a volume that was detached, a mount that was lost.
    """

    name = "log-directory-gone"
    milder = "io-error"
    told = "the log directory of {struck} was gone"

    def begin(self, strike: Strike) -> None:
        """Take it away."""
        strike.hold(_FAILING, strike.target)
        strike.hold(DOWN, strike.target)
        strike.cluster.lose_log_directory(strike.target)

    def undo(self, strike: Strike) -> None:
        """Bring it back."""
        mend(strike)
        start_again(strike, strike.target)


@kind
class TornTail(StopKind):
    """The host loses power in the middle of a write to each log and comes back: that write is found torn by its
    checksum and cut off, and what had been written before it survives, synced or not.

    Stands for: a power cut, seen by a disk that wrote back in order.
    """

    name = "torn-tail"
    milder = "power-loss"
    told = "{struck} lost power in the middle of a write and was away"
    plane = "disk"

    def begin(self, strike: Strike) -> None:
        """Take the power away."""
        strike.hold(DOWN, strike.target)
        strike.cluster.power_off_in_write(strike.target)


@kind
class CorruptedRecord(DiskKind):
    """A bit flips in one record of a log (`file`; one of the node's, drawn, where that is left out). Who fetches the
    record from there finds that its checksum does not fit; at the end the process is killed and started, and recovery
    cuts the log from that record on. It is skipped where nobody else holds what would be cut off.

    Stands for: bit rot, a faulty cable or memory; an operator restarts the process that serves damaged batches.
    """

    name = "corrupted-record"
    milder = "kill"
    told = "a bit was flipped in a record of {log} on the disk of {struck}"
    may = ("file",)

    def strike(self, strike: Strike) -> None:
        """Choose a log that may be damaged, and a record of it."""
        cluster, node, wanted = strike.cluster, strike.target, strike.fault.file
        if not cluster.is_running(node):
            strike.skip(f"node {node} is down already")
            return
        logs = [log for log in cluster.logs_on(node) if wanted in (None, log.partition("/")[0])]
        if not logs:
            strike.skip(f"node {node} has no record there")
            return
        log = strike.draws.choice(logs)
        danger = cluster.last_copy_on(node, log)
        if danger is not None:
            strike.skip(danger)
            return
        strike.record([node], log=log)
        cluster.corrupt_record(node, log, strike.draws.below(1 << 30))

    def undo(self, strike: Strike) -> None:
        """Have it found."""
        if strike.cluster.is_running(strike.target):
            strike.cluster.kill(strike.target)
            strike.cluster.start_node(strike.target)


@kind
class WipedDisk(StopKind):
    """The host is replaced by one with an empty disk; the process comes back with nothing: a broker without its logs,
    a voter without its vote. It is skipped where nobody else holds what would be lost.

    Stands for: a disk that died, an instance with local storage that was replaced.
    """

    name = "wiped-disk"
    milder = "power-loss"
    told = "{struck} was replaced, by a host with an empty disk, and was away"
    plane = "disk"

    def prevented(self, strike: Strike) -> str | None:
        """Whether others hold everything that is committed."""
        if strike.target in strike.cluster.client_ids:
            return f"node {strike.target} is a client"
        return strike.cluster.last_copy_on(strike.target, None)

    def begin(self, strike: Strike) -> None:
        """Take it."""
        strike.hold(DOWN, strike.target)
        strike.cluster.wipe_disk(strike.target)
