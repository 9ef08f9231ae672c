"""Small histories of transactions, written as text, and a store of lists that runs transactions one after the other."""

import json
import re
from random import Random
from typing import Any

from client_history import ClientHistory

from fencepost.histories.pairing import Call

#: What a completion's comment says of an operation that overlaps every other.
LONG = "open all the time"


def micro_operations(text: str) -> list[list[Any]]:
    """`append x 1, r y [1, 2]` as micro-operations; the third part may be missing."""
    return [
        [f, key, json.loads(rest) if rest else None]
        for f, key, rest in re.findall(r"(append|r|w) (\w+) ?(null|\[[^]]*\]|-?\d+)?", text)]


def invoked(operations: list[list[Any]]) -> list[list[Any]]:
    """The micro-operations before their reads are known."""
    return [[f, key, None if f == "r" else value] for f, key, value in operations]


def one_by_one(*lines: str) -> list[Call]:
    """Transactions that follow each other, each as "process type: micro-operations"."""
    return _written(lines, overlapping=False)


def overlapping(*lines: str) -> list[Call]:
    """Transactions that overlap, but for those of one process; written likewise."""
    return _written(lines, overlapping=True)


def _written(lines: tuple[str, ...], *, overlapping: bool) -> list[Call]:
    history = ClientHistory()
    open_: dict[int, tuple[str, int, str, list[list[Any]]]] = {}
    for line in sorted(lines, key=lambda line: LONG not in line):
        head, _, text = line.partition(":")
        process, _, type_ = head.partition(" ")
        operations = micro_operations(text.partition("<-")[0])
        if int(process) in open_:
            history.complete(*open_.pop(int(process)))
        history.invoke(int(process), "txn", invoked(operations))
        open_[int(process)] = (type_ or "ok", int(process), "txn", operations)
        if not overlapping and LONG not in line:
            history.complete(*open_.pop(int(process)))
    for completion in open_.values():
        history.complete(*completion)
    return history.calls()


def example(words: str, *, sequential: bool) -> list[Call]:
    """The history in the words of an anomaly: lines of `process N   micro-operations   type   <- comment`."""
    lines = re.findall(r"^ *process (\d)   (.*?)   +(ok|fail|info)\b(.*)$", words, re.M)
    written = [f"{process} {type_}: {text}{comment}" for process, text, type_, comment in lines]
    return (one_by_one if sequential else overlapping)(*written)


class SerialStore:
    """Transactions of overlapping clients that take effect one at a time, between invocation and completion."""

    def __init__(self, seed: int, *, lists: bool, processes: int = 5, keys: int = 3) -> None:
        self.history = ClientHistory()
        self._draw = Random(seed)
        self._lists = lists
        self._keys = keys
        self._state: dict[str, Any] = {}
        self._next_value = 0
        self._open: dict[int, list[list[Any]]] = {}
        self._done: dict[int, tuple[str, list[list[Any]]]] = {}
        self._processes = list(range(processes))

    def run(self, steps: int) -> list[Call]:
        """That many invocations, effects and completions."""
        for _ in range(steps):
            place = self._draw.randrange(len(self._processes))
            process = self._processes[place]
            if process in self._done:
                type_, result = self._done.pop(process)
                self.history.complete(type_, process, "txn", result)
                if type_ == "info":
                    self._processes[place] = max(self._processes) + 1
            elif process in self._open:
                self._done[process] = self._effect(self._open.pop(process))
            else:
                self._open[process] = self._invent()
                self.history.invoke(process, "txn", self._open[process])
        return self.history.calls()

    def _invent(self) -> list[list[Any]]:
        operations: list[list[Any]] = []
        for _ in range(self._draw.randint(1, 4)):
            key = f"k{self._draw.randrange(self._keys)}"
            if self._draw.random() < 0.5:
                self._next_value += 1
                operations.append(["append" if self._lists else "w", key, self._next_value])
            else:
                operations.append(["r", key, None])
        return operations

    def _effect(self, operations: list[list[Any]]) -> tuple[str, list[list[Any]]]:
        type_ = self._draw.choice(["ok"] * 6 + ["info", "fail"])
        if type_ == "fail" or (type_ == "info" and self._draw.random() < 0.5):
            return type_, operations
        result = []
        for f, key, value in operations:
            if f == "append":
                self._state[key] = [*self._state.get(key, []), value]
            elif f == "w":
                self._state[key] = value
            result.append([f, key, self._state.get(key) if f == "r" else value])
        return type_, operations if type_ == "info" else result


class SteppingStore:
    """Lists behind transactions that take effect in several steps, at the isolation level asked for.

    snapshot: each reads the lists as they were at its first step, and commits at its last unless somebody else wrote
    what it wrote (snapshot isolation). Otherwise each reads what is committed at each step (read committed).
    """

    def __init__(self, seed: int, *, snapshot: bool, processes: int = 5, keys: int = 3) -> None:
        self.history = ClientHistory()
        self._draw = Random(seed)
        self._snapshot = snapshot
        self._keys = [f"k{number}" for number in range(keys)]
        self._lists: dict[str, list[int]] = {key: [] for key in self._keys}
        self._next_value = 0
        self._running: dict[int, list[list[Any]]] = {}
        self._results: dict[int, list[list[Any]]] = {}
        self._seen: dict[int, dict[str, list[int]]] = {}
        self._processes = processes

    def run(self, steps: int) -> list[Call]:
        """That many steps of randomly chosen clients."""
        for _ in range(steps):
            process = self._draw.randrange(self._processes)
            if process not in self._running:
                self._begin(process)
            elif self._running[process]:
                self._step(process, self._running[process].pop(0))
            else:
                self._end(process)
        return self.history.calls()

    def _begin(self, process: int) -> None:
        operations: list[list[Any]] = []
        for _ in range(self._draw.randint(1, 3)):
            self._next_value += 1
            key = self._draw.choice(self._keys)
            operations.append(["append", key, self._next_value] if self._draw.random() < 0.5 else ["r", key, None])
        self.history.invoke(process, "txn", operations)
        self._running[process], self._results[process] = list(operations), []

    def _step(self, process: int, operation: list[Any]) -> None:
        current = {key: list(elements) for key, elements in self._lists.items()}
        seen = self._seen.setdefault(process, current) if self._snapshot else current
        f, key, value = operation
        if f == "append" and self._snapshot:
            seen[key] = [*seen[key], value]
        self._results[process].append([f, key, list(seen[key]) if f == "r" else value])

    def _end(self, process: int) -> None:
        results = self._results.pop(process)
        del self._running[process]
        appended: dict[str, list[int]] = {}
        for f, key, value in results:
            if f == "append":
                appended.setdefault(key, []).append(value)
        seen = self._seen.pop(process, {})
        if self._snapshot and any(seen[key] != self._lists[key] + values for key, values in appended.items()):
            self.history.complete("fail", process, "txn", results)
            return
        for key, values in appended.items():
            self._lists[key] += values
        self.history.complete("ok", process, "txn", results)
