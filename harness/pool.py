"""Worker processes that outlive each other's deaths.

Each worker holds one item at a time, so when one dies it is known which item took it along: that item's outcome says
so, and a new worker takes the place. Workers are spawned, not forked, so they start the same on every system, and they
ignore Ctrl-C: the parent decides when to end.
"""

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from fencepost.histories.errors import FencepostError

#: So many deaths in a row without any result between them are no accident.
MAX_DEATHS = 5


#: Where this process, if it is a worker, answers.
_answers: list[Connection] = []


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item: a value, or an error that the task raised, or the death of its worker, in words.

    is_part: the value was reported on the way; more of the item is to come.
    """

    item: Any
    value: Any = None
    error: FencepostError | None = None
    death: str | None = None
    is_part: bool = False


class NotYet:
    """What the items give instead of an item while that depends on outcomes that are still to come."""


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    connection: Connection
    item: Any = None
    busy: bool = False


class Pool:
    """Runs `task(item)` in `jobs` processes. The task is a module's function; items and values must pickle."""

    def __init__(self, jobs: int, task: Callable[[Any], Any]) -> None:
        self._jobs = jobs
        self._task = task
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._deaths_in_a_row = 0
        self.deaths = 0

    def run(self, items: Iterator[Any]) -> Iterator[Outcome]:
        """Outcomes as they come, in no order. Close the generator to end early; `busy` then says what was under way."""
        try:
            self._fill(items)
            while self._workers:
                yield from self._collect()
                self._fill(items)
        finally:
            self.end()

    def busy(self) -> list[Any]:
        """The items under way."""
        return [worker.item for worker in self._workers if worker.busy]

    def _fill(self, items: Iterator[Any]) -> None:
        """Give every idle worker an item, start workers while there are items, end those without any.

        With `NotYet` for an item some worker is busy with what it waits for: the rest go on when that is done.
        """
        idle = [worker for worker in self._workers if not worker.busy]
        while idle or len(self._workers) < self._jobs:
            try:
                item = next(items)
            except StopIteration:
                for worker in idle:
                    self._dismiss(worker)
                return
            if isinstance(item, NotYet):
                return
            worker = idle.pop() if idle else self._hire()
            worker.item, worker.busy = item, True
            # A worker that has just died is noticed when its connection is read.
            with contextlib.suppress(OSError):
                worker.connection.send(item)

    def _collect(self) -> Iterator[Outcome]:
        by_connection = {worker.connection: worker for worker in self._workers}
        for ready in wait(list(by_connection)):
            worker = by_connection[ready]  # type: ignore[index]
            try:
                value, error, is_part = worker.connection.recv()
            except (EOFError, OSError):
                yield self._bury(worker)
                continue
            self._deaths_in_a_row = 0
            worker.busy = is_part
            yield Outcome(worker.item, value, error, is_part=is_part)

    def _bury(self, worker: _Worker) -> Outcome:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(5)
        self.deaths += 1
        self._deaths_in_a_row += 1
        if self._deaths_in_a_row >= MAX_DEATHS:
            raise FencepostError(f"{MAX_DEATHS} worker processes died one after the other ({_how(worker.process)}), "
                                 "the last one with " + str(worker.item))
        return Outcome(worker.item, death=_how(worker.process))

    def _hire(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_work, args=(theirs, self._task), daemon=True)
        with _interrupts_ignored():
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _dismiss(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        worker.process.join(5)

    def end(self) -> None:
        """End all workers, whatever they do."""
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join(5)
            worker.connection.close()


def _work(connection: Connection, task: Callable[[Any], Any]) -> None:
    """A worker's life: items in, (value, error) out, until the parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _answers.append(connection)
    with contextlib.suppress(EOFError, OSError):
        while True:
            item = connection.recv()
            try:
                answer: tuple[Any, FencepostError | None, bool] = (task(item), None, False)
            except FencepostError as error:
                answer = (None, error, False)
            connection.send(answer)


def report(part: Any) -> None:
    """Let the parent have a part of what the present item comes to; does nothing in a process that is no worker."""
    for connection in _answers:
        connection.send((part, None, True))


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """A process that is started meanwhile ignores Ctrl-C from its first moment."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _how(process: BaseProcess) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"
    return f"exit code {code}"
