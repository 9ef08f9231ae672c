"""Disks: what a write costs, and what is left of it.

A write goes to the page cache at once. An fsync takes time and makes durable what had been written when it was called.
When only the process dies the page cache survives; when the power fails, each file falls back to what was durable plus
a random part of its unsynced tail, for the operating system may have written some of it back. What is older than
`dirty_expire_us` counts as written back (Linux's vm.dirty_expire_centisecs), found without a timer from marks.

A disk may be slow, hold its fsyncs back, or fail: then whoever writes learns of it and its process ends (see
`fencepost.model.kernel.node`). A damaged entry stays where it is until the process has ended. The next one finds by
its checksum that it is not what was written, and cuts the log from there on; nobody reads the disk in between, so the
cut is made, and told, at the end of the process.

Left out: a truncation is durable at once (the file's new size could in truth reappear after a power cut; Kafka's
recovery treats the resurrected tail as any other uncommitted suffix), and files do not share one journal.
"""

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from fencepost.model.kernel.randomness import Stream
from fencepost.model.kernel.scheduler import Scheduler, Timer

V = TypeVar("V")


class DurableFile(Protocol):
    """What a disk holds: a log or a cell."""

    def written(self) -> Any:
        """A token for what has been written so far, to be given to `synced`."""

    def synced(self, token: Any) -> None:
        """What the token stands for is durable."""

    def lose_unsynced(self, now_us: int, stream: Stream) -> dict[str, Any] | None:
        """Fall back to what survives a power cut; says what was lost, or None when nothing was."""


class LogFile(Generic[V]):
    """An append-only log of entries addressed by offset; ends are exclusive.

    entries: what the page cache holds, the entry at `start_offset` first.
    start_offset: the first offset held.
    synced_end_offset: everything below is durable.
    damaged_from: the first entry whose checksum does not fit, or None.
    """

    __slots__ = (
        "_dirty_expire_us", "_marks", "_truncations", "_write_offset", "_write_us", "damaged_from", "entries",
        "start_offset", "synced_end_offset",
    )

    def __init__(self, dirty_expire_us: int) -> None:
        self.entries: list[V] = []
        self.start_offset = 0
        self.synced_end_offset = 0
        self._dirty_expire_us = dirty_expire_us
        self._marks: list[tuple[int, int]] = []
        self._truncations = 0
        self.damaged_from: int | None = None
        #: The last write, which is all that was appended in one instant: when, and where it begins.
        self._write_us = self._write_offset = -1

    @property
    def end_offset(self) -> int:
        """The offset that the next entry gets (the log end offset, LEO)."""
        return self.start_offset + len(self.entries)

    def append(self, now_us: int, entry: V) -> int:
        """Write one entry; returns its offset."""
        offset = self.start_offset + len(self.entries)
        marks = self._marks
        if not marks or now_us - marks[-1][0] > self._dirty_expire_us >> 3:
            marks.append((now_us, offset))
            if len(marks) > 12:
                self._age(now_us)
        if now_us != self._write_us:
            self._write_us, self._write_offset = now_us, offset
        self.entries.append(entry)
        return offset

    def truncate_to(self, end_offset: int) -> None:
        """Drop every entry at or above `end_offset`."""
        del self.entries[max(0, end_offset - self.start_offset):]
        self.synced_end_offset = min(self.synced_end_offset, end_offset)
        self._marks = [(time_us, min(end, end_offset)) for time_us, end in self._marks]
        self._truncations += 1
        self._write_offset = min(self._write_offset, end_offset)
        if self.damaged_from is not None and self.damaged_from >= end_offset:
            self.damaged_from = None

    def delete_before(self, start_offset: int) -> None:
        """Drop every entry below `start_offset`."""
        keep_from = min(start_offset, self.end_offset)
        del self.entries[: max(0, keep_from - self.start_offset)]
        self.start_offset = max(self.start_offset, start_offset)
        self.synced_end_offset = max(self.synced_end_offset, self.start_offset)
        if self.damaged_from is not None and self.damaged_from < self.start_offset:
            self.damaged_from = None

    def reset(self, start_offset: int) -> None:
        """Drop everything and go on at `start_offset`, as after a snapshot was installed."""
        self.entries.clear()
        self.start_offset = self.synced_end_offset = start_offset
        self._marks.clear()
        self._truncations += 1
        self.damaged_from = None

    def written(self) -> tuple[int, int]:
        """The token of `DurableFile`: the end now, and how often the log was truncated."""
        return self.end_offset, self._truncations

    def synced(self, token: tuple[int, int]) -> None:
        """Everything below the token's end is durable; a token from before a truncation counts for nothing."""
        end_offset, truncations = token
        if truncations == self._truncations:
            self.synced_end_offset = max(self.synced_end_offset, end_offset)

    def lose_unsynced(self, now_us: int, stream: Stream) -> dict[str, Any] | None:
        """Lose a random part of the unsynced tail; says `from_offset` and `end_offset` of what was lost."""
        self._age(now_us)
        end_offset = self.end_offset
        survives = stream.between(self.synced_end_offset, end_offset) if stream.chance(1, 3) else self.synced_end_offset
        if survives >= end_offset:
            self.synced_end_offset = end_offset
            return None
        self.truncate_to(survives)
        self.synced_end_offset = survives
        return {"from_offset": survives, "end_offset": end_offset}

    def tear(self, now_us: int) -> dict[str, Any] | None:
        """Lose the last write only, if it is not durable: half of it had reached the disk. What had been written before
        it survives, and no part of it, for its checksum does not fit."""
        self._age(now_us)
        end_offset = self.end_offset
        survives = max(self.synced_end_offset, self._write_offset)
        if survives >= end_offset:
            return None
        self.truncate_to(survives)
        self.synced_end_offset = survives
        return {"from_offset": survives, "end_offset": end_offset, "torn": True}

    def damage(self, offset: int) -> None:
        """A bit flips in the entry at `offset`, which the log holds."""
        self.damaged_from = offset if self.damaged_from is None else min(offset, self.damaged_from)

    def cut_damage(self) -> dict[str, Any] | None:
        """What recovery does: cut the log from the first damaged entry on; says what was lost, or None."""
        from_offset, end_offset = self.damaged_from, self.end_offset
        if from_offset is None:
            return None
        lost = {"from_offset": from_offset, "end_offset": end_offset, "damaged": True}
        if from_offset < self.synced_end_offset:
            lost["wiped"] = True
        self.truncate_to(from_offset)
        return lost

    def _age(self, now_us: int) -> None:
        """Count what has lain in the page cache for long enough as written back."""
        old = [mark for mark in self._marks if now_us - mark[0] >= self._dirty_expire_us]
        if old:
            # A mark's end is the end before the write that made it: everything below is older than the mark.
            self.synced_end_offset = max(self.synced_end_offset, min(old[-1][1], self.end_offset))
            self._marks = self._marks[len(old):]


class Cell(Generic[V]):
    """A small file that is replaced as a whole (temporary file, fsync, atomic rename)."""

    __slots__ = ("_synced", "_synced_version", "_version", "value")

    def __init__(self, value: V) -> None:
        self.value = value
        self._synced = value
        self._version = self._synced_version = 0

    def write(self, value: V) -> None:
        """Replace the content in the page cache; durable only once synced."""
        self.value = value
        self._version += 1

    def written(self) -> tuple[int, V]:
        """The token of `DurableFile`."""
        return self._version, self.value

    def synced(self, token: tuple[int, V]) -> None:
        """The token's content is durable, unless a later one already is."""
        if token[0] >= self._synced_version:
            self._synced_version, self._synced = token

    def lose_unsynced(self, now_us: int, stream: Stream) -> dict[str, Any] | None:
        """Fall back to the last synced content."""
        if self.value == self._synced:
            return None
        lost = self.value
        self.value = self._synced
        return {"lost": str(lost), "kept": str(self.value)}


#: Why a disk fails (`Disk.failure`): ENOSPC and EIO.
FULL, BROKEN = "full", "broken"


class Disk:
    """One node's disk: named files that outlive the process.

    fsync_latency_us: the least time an fsync takes; with `jitter`, up to as much again is drawn on top.
    slowdown_us: so much longer does every fsync take.
    failure: FULL or BROKEN as long as no write succeeds, else None.
    on_failure: told the file whose write has just failed.
    """

    __slots__ = (
        "_held", "_jitter", "_scheduler", "_stalls", "_stream", "dirty_expire_us", "failure", "files",
        "fsync_latency_us", "on_failure", "slowdown_us",
    )

    def __init__(
        self, scheduler: Scheduler, stream: Stream, fsync_latency_us: int, dirty_expire_us: int, jitter: bool = True
    ) -> None:
        self._scheduler = scheduler
        self._stream = stream
        self._jitter = jitter
        self.fsync_latency_us = fsync_latency_us
        self.dirty_expire_us = dirty_expire_us
        self.slowdown_us = 0
        self.failure: str | None = None
        self.on_failure: Callable[[str], None] | None = None
        self.files: dict[str, DurableFile] = {}
        self._stalls = 0
        #: The fsyncs that a stall holds back: when each would be done, and its parts.
        self._held: list[tuple[int, Callable[..., Timer], tuple[Any, ...]]] = []

    def log(self, name: str) -> LogFile[Any]:
        """The log of that name, empty if it was never written."""
        file = self.files.get(name)
        if file is None:
            file = self.files[name] = LogFile[Any](self.dirty_expire_us)
        assert isinstance(file, LogFile)
        return file

    def cell(self, name: str, default: Any) -> Cell[Any]:
        """The cell of that name, holding `default` if it was never written."""
        file = self.files.get(name)
        if file is None:
            file = self.files[name] = Cell[Any](default)
        assert isinstance(file, Cell)
        return file

    def delete(self, name: str) -> None:
        """Remove a file; harmless if it does not exist."""
        self.files.pop(name, None)

    def fsync(
        self, file: DurableFile, schedule: Callable[..., Timer], callback: Callable[..., None], *args: Any
    ) -> None:
        """Make durable what `file` holds now, then run `callback(*args)` by `schedule` (a node's own).

        On a disk that fails the callback is never run.
        """
        latency_us = self.fsync_latency_us
        if self._jitter:
            latency_us += self._stream.below(latency_us + 1)
        latency_us += self.slowdown_us
        if self.failure is not None:
            self.write_fails(next((name for name, other in self.files.items() if other is file), ""))
        elif self._stalls:
            parts = (file, file.written(), callback, args)
            self._held.append((self._scheduler.now_us + latency_us, schedule, parts))
        else:
            schedule(latency_us, self._finish_fsync, file, file.written(), callback, args)

    @staticmethod
    def _finish_fsync(file: DurableFile, token: Any, callback: Callable[..., None], args: tuple[Any, ...]) -> None:
        file.synced(token)
        callback(*args)

    # --- faults -------------------------------------------------------------------------------------------------------

    def stall(self) -> None:
        """No fsync called from now on is done before the stall has ended; stalls add up."""
        self._stalls += 1

    def end_stall(self) -> None:
        """Take one stall back; after the last one the fsyncs held back are done, as soon as they would have been."""
        self._stalls -= 1
        if self._stalls == 0:
            held, self._held = self._held, []
            for due_us, schedule, parts in held:
                schedule(max(0, due_us - self._scheduler.now_us), self._finish_fsync, *parts)

    def forget_callers(self) -> None:
        """The process has ended, and nobody waits for its fsyncs."""
        self._held.clear()

    def write_fails(self, name: str) -> bool:
        """Whether a write to the file fails now, which `on_failure` is told."""
        if self.failure is not None and self.on_failure is not None:
            self.on_failure(name)
        return self.failure is not None

    def lose_failed(self, name: str, failure: str) -> list[tuple[str, dict[str, Any]]]:
        """What a process loses that has ended because a write to the file failed: on a full disk what the file could
        not take, on a broken one whatever was still to be written back."""
        names = sorted(self.files) if failure == BROKEN else [name] if name in self.files else []
        losses = [(each, self.files[each].lose_unsynced(self._scheduler.now_us, self._stream)) for each in names]
        return [(each, {**lost, "failure": failure}) for each, lost in losses if lost is not None]

    def power_loss(self, torn: bool = False) -> list[tuple[str, dict[str, Any]]]:
        """The power fails: what was lost, by file, in the order of the names.

        torn: everything had been written back but the last write to each log, of which half had.
        """
        losses = []
        for name in sorted(self.files):
            file = self.files[name]
            if torn and isinstance(file, LogFile):
                lost = file.tear(self._scheduler.now_us)
            else:
                lost = file.lose_unsynced(self._scheduler.now_us, self._stream)
            if lost is not None:
                losses.append((name, lost))
        return losses

    def recover(self) -> list[tuple[str, dict[str, Any]]]:
        """Cut every log at its first damaged entry: what was lost, by file, in the order of the names."""
        losses = []
        for name in sorted(self.files):
            file = self.files[name]
            lost = file.cut_damage() if isinstance(file, LogFile) else None
            if lost is not None:
                losses.append((name, lost))
        return losses

    def wipe(self) -> list[tuple[str, dict[str, Any]]]:
        """The disk is replaced by an empty one: what was lost, by file, in the order of the names."""
        losses: list[tuple[str, dict[str, Any]]] = []
        for name in sorted(self.files):
            file = self.files[name]
            if isinstance(file, LogFile):
                losses.append((name, {"from_offset": 0, "end_offset": file.end_offset, "wiped": True}))
            else:
                losses.append((name, {"wiped": True}))
        self.files.clear()
        return losses
