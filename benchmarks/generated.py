"""Histories of clients on one object, made by letting them run: what the linearizability benchmarks judge.

Each client calls, its operation takes effect some time later and returns some time after that; then it calls again. A
crashed operation never returns; every other one took effect, at some later time. A bad history has one answer changed.
Everything follows from the seed.
"""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fencepost.checkers.linearizability import Operation

#: Each of an operation's two halves takes up to so long.
_HALF = 1_000


class Thing:
    """The object, as it truly behaves."""

    def ask(self, draw: random.Random) -> tuple[str, Any]:
        """What a client asks next: (f, argument)."""
        raise NotImplementedError

    def apply(self, f: str, argument: Any) -> Any:
        """Let it take effect; the result."""
        raise NotImplementedError

    def spoil(self, result: Any, before: list[Operation]) -> Any:
        """A result in the place of a reading's that these operations, and what is pending, do not allow."""
        raise NotImplementedError


@dataclass
class TrueRegister(Thing):
    """Reads, writes and compare-and-sets of a few values."""

    values: int = 10
    held: int = 0

    def ask(self, draw: random.Random) -> tuple[str, Any]:
        """See `Thing`."""
        f = draw.choice(("read", "read", "write", "cas"))
        if f == "read":
            return f, None
        new = draw.randrange(self.values)
        expected = self.held if draw.random() < 0.5 else draw.randrange(self.values)
        return f, new if f == "write" else (expected, new)

    def apply(self, f: str, argument: Any) -> Any:
        """See `Thing`."""
        if f == "read":
            return self.held
        if f == "write":
            self.held = argument
            return None
        if self.held != argument[0]:
            return False
        self.held = argument[1]
        return True

    def spoil(self, result: Any, before: list[Operation]) -> Any:
        """A value that was overwritten long ago, or that was never written."""
        clients = len({operation.process for operation in before[-1_000:]})
        possible = {operation.argument for operation in before if operation.f == "write" and operation.crashed}
        possible |= {operation.argument[1] for operation in before if operation.f == "cas" and operation.crashed}
        possible |= {operation.argument for operation in before[-6 * clients:] if operation.f == "write"}
        possible |= {operation.argument[1] for operation in before[-6 * clients:] if operation.f == "cas"}
        return next((value for value in range(self.values) if value != result and value not in possible), self.values)


@dataclass
class TrueQueue(Thing):
    """Enqueues of distinct elements, and dequeues that may find it empty."""

    waiting: list[int] = field(default_factory=list)
    next: int = 0

    def ask(self, draw: random.Random) -> tuple[str, Any]:
        """See `Thing`."""
        if draw.random() < 0.5:
            return "dequeue", None
        self.next += 1
        return "enqueue", self.next

    def apply(self, f: str, argument: Any) -> Any:
        """See `Thing`."""
        if f == "enqueue":
            return self.waiting.append(argument)
        return self.waiting.pop(0) if self.waiting else None

    def spoil(self, result: Any, before: list[Operation]) -> Any:
        """See `Thing`."""
        return max(1, (result or 0) - 1)


@dataclass
class TrueLog(Thing):
    """Appends of distinct values that tell their offset, and reads at offsets near the end."""

    values: list[int] = field(default_factory=list)
    next: int = 0

    def ask(self, draw: random.Random) -> tuple[str, Any]:
        """See `Thing`."""
        if draw.random() < 0.5:
            return "read", max(0, len(self.values) - draw.randrange(20))
        self.next += 1
        return "append", self.next

    def apply(self, f: str, argument: Any) -> Any:
        """See `Thing`."""
        if f == "append":
            self.values.append(argument)
            return len(self.values) - 1
        return self.values[argument] if argument < len(self.values) else None

    def spoil(self, result: Any, before: list[Operation]) -> Any:
        """See `Thing`."""
        return None if result is not None else 0


@dataclass
class TrueCounter(Thing):
    """Adds of 1 to 3, and reads."""

    value: int = 0

    def ask(self, draw: random.Random) -> tuple[str, Any]:
        """See `Thing`."""
        return ("read", None) if draw.random() < 0.5 else ("add", draw.randint(1, 3))

    def apply(self, f: str, argument: Any) -> Any:
        """See `Thing`."""
        if f == "read":
            return self.value
        self.value += argument
        return None

    def spoil(self, result: Any, before: list[Operation]) -> Any:
        """See `Thing`."""
        return result - 100


def generate(
    thing: Callable[[], Thing], clients: int, operations: int, seed: int, *, keys: int = 1, crashed: float = 0.0,
    bad: bool = False,
) -> list[Operation]:
    """A history in the order of its calls. `crashed`: the share of operations that crash. `keys`: so many things."""
    draw = random.Random(seed)
    things = [thing() for _ in range(keys)]
    history: list[Operation | None] = []
    waiting: list[tuple[int, int, int, Any]] = [(draw.randrange(_HALF), client, 0, None) for client in range(clients)]
    heapq.heapify(waiting)
    process = clients
    while waiting:
        now, client, stage, what = heapq.heappop(waiting)
        if stage == 0:
            if len(history) == operations:
                continue
            key = draw.randrange(keys)
            f, argument = things[key].ask(draw)
            place = len(history)
            history.append(None)
            heapq.heappush(waiting, (now + 1 + draw.randrange(_HALF), client, 1, (place, now, key, f, argument)))
            continue
        place, called, key, f, argument = what
        if stage == 1:
            if draw.random() >= crashed:
                end = now + 1 + draw.randrange(_HALF)
                result = things[key].apply(f, argument)
                history[place] = Operation(called, end, f, argument, result, client, key if keys > 1 else None)
                heapq.heappush(waiting, (end + 1, client, 0, None))
                continue
            history[place] = Operation(called, None, f, argument, None, client, key if keys > 1 else None)
            heapq.heappush(waiting, (now + _HALF, process, 0, None))
            process += 1
            if draw.random() < 0.5:
                heapq.heappush(waiting, (now + draw.randrange(20 * _HALF), process, 2, what))
        else:
            things[key].apply(f, argument)
    made = [operation for operation in history if operation is not None]
    if bad:
        places = [place for place, operation in enumerate(made)
                  if operation.result is not None and operation.f in ("read", "dequeue") and operation.ret is not None]
        place = places[len(places) * 3 // 4]
        made[place] = made[place]._replace(result=things[0].spoil(made[place].result, made[:place]))
    return made


def mutex_history(clients: int, operations: int, seed: int) -> list[Operation]:
    """Clients that wait for a lock, hold it for a while and release it: nearly all acquires overlap."""
    draw = random.Random(seed)
    called = {client: draw.randrange(_HALF) for client in range(clients)}
    now = 0
    history: list[Operation] = []
    while len(history) < operations:
        client = draw.choice(sorted(called))
        now = max(now, called[client]) + 1 + draw.randrange(50)
        history.append(Operation(called[client], now + draw.randrange(50), "acquire", None, None, client))
        release = now + 50 + draw.randrange(50)
        now = release + draw.randrange(50)
        history.append(Operation(release, now + draw.randrange(50), "release", None, None, client))
        called[client] = now + 51 + draw.randrange(_HALF)
    return sorted(history, key=lambda operation: operation.call)
