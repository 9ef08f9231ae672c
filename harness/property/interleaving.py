"""Clients of a system in one thread, which take turns as it is drawn: what fails, fails again, and can be shrunk.

`invoke` is a generator function (or an `async` one, which awaits `pause()`): it gives way at each `yield`, where a
real client would wait for a message or a lock. Nothing else decides who goes on, so a run is a function of its plan,
as long as the system reads no clock, draws nothing, and has no threads.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from types import CoroutineType, GeneratorType
from typing import Any

from fencepost.harness.property.system import Call, Outcome, Recording, System, operation_of, outcome_of

#: A call that gave way so often in a row waits for another client, which then has its turn.
_PATIENCE = 100
#: A call that gave way so often does not return: its outcome is unknown.
_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Interleaving:
    """A plan whose clients take turns.

    calls: in the order in which they begin, unless `turns` has it otherwise.
    turns: for each call, what happens each time that it gives way, and when it is done. 0: it goes on; if it is done,
        the next call begins, or if there is none, the one goes on that has waited longest. n: the n-th of the others
        goes on, in this order. 0 where nothing is said. So [[0, 1]] puts the first call off when it gives way for the
        second time, until all others are done.
    """

    calls: Sequence[Call]
    turns: Sequence[Sequence[int]] = field(default=())

    def __repr__(self) -> str:
        """As one would write it."""
        said = [list(own) for own in self.turns]
        while said and not any(said[-1]):
            said.pop()
        return f"Interleaving({list(self.calls)!r}{f', turns={said!r}' if said else ''})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For Hypothesis and IPython."""
        printer.text(repr(self))


class _Pause:
    """What `pause` gives: awaited, it gives way once."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def pause() -> _Pause:
    """For `async` systems: `await pause()` where other clients may go on."""
    return _Pause()


@dataclass(slots=True)
class _Task:
    """A call and how far it is. last_ran: the step in which it had its last turn, 0 before it began."""

    call: Call
    turns: Iterator[int]
    called: int = 0
    last_ran: int = 0
    gave_way: int = 0
    in_a_row: int = 0
    running: Any = None

    def run(self, system: System) -> Outcome | None:
        """One turn: to the next place where it gives way (None), or to its end."""
        try:
            if self.running is None:
                made = system.invoke(*self.call)
                if not isinstance(made, (GeneratorType, CoroutineType)):
                    return Outcome(True, True, made)
                self.running = made
            _give_way(self.running)
        except StopIteration as end:
            return Outcome(True, True, end.value)
        except Exception as error:
            return outcome_of(system, error)
        self.gave_way += 1
        if self.gave_way < _LIMIT:
            return None
        self.running.close()
        return Outcome(False, True)


def _give_way(running: Any) -> None:
    """Go on to the next `yield`."""
    given = running.send(None)
    if given is not None:
        raise TypeError(f"invoke gave {given!r} where it gives way; a plain `yield`, or `await pause()`, is meant")


class Turns:
    """Carries one interleaving out. `operations` come in the order of their calls."""

    def __init__(self, system: System, interleaving: Interleaving) -> None:
        self._system = system
        turns = zip_longest(interleaving.calls, interleaving.turns[:len(interleaving.calls)], fillvalue=())
        self._unbegun = [_Task(Call(*call), iter(own)) for call, own in turns]
        self._open: list[_Task] = []
        self._current: _Task | None = None
        self._step = 0

    def run(self) -> Recording:
        """All calls, to their ends."""
        recording = Recording(unit="steps")
        try:
            while (ready := self._ready()):
                self._turn(self._choose(ready), recording)
        finally:
            for task in self._open:
                if task.running is not None:
                    task.running.close()
        recording.operations.sort(key=lambda operation: operation.call)
        return recording

    def _turn(self, task: _Task, recording: Recording) -> None:
        self._step += 1
        task.in_a_row = task.in_a_row + 1 if task is self._current else 1
        task.last_ran, self._current = self._step, task
        if task in self._unbegun:
            task.called = self._step
            self._unbegun.remove(task)
            self._open.append(task)
        outcome = task.run(self._system)
        if outcome is None:
            return
        self._open.remove(task)
        if outcome.kept and task.call.f not in self._system.faults:
            recording.operations.append(operation_of(task.call, task.called, self._step, outcome))

    def _ready(self) -> list[_Task]:
        """Who can go on: the one that had the last turn, each free client's next, and those that gave way before."""
        busy = {task.call.client for task in self._open}
        ready = [task for task in self._open if task is self._current]
        for task in self._unbegun:
            if task.call.client not in busy:
                busy.add(task.call.client)
                ready.append(task)
        return ready + sorted((task for task in self._open if task is not self._current), key=_last_ran)

    def _choose(self, ready: list[_Task]) -> _Task:
        turn = next(self._current.turns, None) if self._current is not None else 0
        if turn is None and ready[0].in_a_row >= _PATIENCE:
            return min(ready, key=_last_ran)
        return ready[(turn or 0) % len(ready)]


def _last_ran(task: _Task) -> int:
    return task.last_ran
