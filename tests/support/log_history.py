"""Small send/poll histories, and a simulated partitioned log that writes correct ones."""

from random import Random
from typing import Any

from client_history import ClientHistory

#: The logs of the simulation.
KEYS = ("x", "y", "z")


class LogHistory(ClientHistory):
    """Operations on logs. Records are written (offset, value), or value alone where the offset is unknown."""

    def send(self, process: int, *, type_: str = "ok", **records: list[Any]) -> "LogHistory":
        """A `send` of these records, by key."""
        return self.txn(process, [sent(records)], type_, "send")

    def poll(self, process: int, *polls: dict[str, list[Any]], type_: str = "ok", **extra: Any) -> "LogHistory":
        """A `poll` operation with one or more polls, each a dict from key to (offset, value) pairs."""
        return self.txn(process, [[polled(records)] for records in polls], type_, "poll", **extra)

    def txn(
        self, process: int, parts: list[list[Any]], type_: str = "ok", f: str = "txn", **extra: Any
    ) -> "LogHistory":
        """A transaction of sends and polls."""
        result = [micro_operation for part in parts for micro_operation in part]
        argument = [["poll"] if part[0] == "poll" else ["send", part[1], _value(part[2])] for part in result]
        self.run(process, f, argument, result, type_, **extra)
        return self

    def assign(self, process: int, *keys: str, f: str = "assign", type_: str = "ok", **extra: Any) -> "LogHistory":
        """An assignment of these keys."""
        self.run(process, f, list(keys), list(keys), type_, **extra)
        return self


def sent(records: dict[str, list[Any]]) -> list[Any]:
    """The sends of these records, as micro-operations."""
    return [
        ["send", key, list(record) if isinstance(record, tuple) else record]
        for key, of_key in records.items() for record in of_key]


def polled(records: dict[str, list[Any]]) -> list[Any]:
    """A poll that returned these records."""
    return ["poll", {key: [list(record) for record in of_key] for key, of_key in records.items()}]


def _value(third: Any) -> Any:
    return third[1] if isinstance(third, list) else third


class SimulatedLogs:
    """Correct logs with transactions, and consumers that keep their positions; everything is drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.history = LogHistory()
        self._draw = Random(seed)
        self._logs: dict[str, list[tuple[int, int]]] = {key: [] for key in KEYS}
        self._next_offset = dict.fromkeys(KEYS, 0)
        self._next_value = 0
        self._next_process = 4
        self._processes = [0, 1, 2, 3]
        self._positions: dict[int, dict[str, int]] = {process: {} for process in self._processes}

    def run(self, operations: int) -> LogHistory:
        """That many operations, and polls that catch up with everything."""
        for _ in range(operations):
            process = self._draw.choice(self._processes)
            if self._draw.random() < 0.2:
                self._assign(process, self._draw.sample(KEYS, self._draw.randint(1, len(KEYS))))
            else:
                self._transaction(process)
        self._assign(self._processes[0], list(KEYS))
        self.history.poll(self._processes[0], self._records(self._processes[0], len(self._logs["x"]) + operations * 3))
        return self.history

    def _assign(self, process: int, keys: list[str]) -> None:
        self._positions[process] = {key: self._positions[process].get(key, 0) for key in keys}
        self.history.assign(process, *keys)

    def _transaction(self, process: int) -> None:
        type_ = self._draw.choice(["ok", "ok", "ok", "fail", "info"])
        committed = type_ == "ok" or (type_ == "info" and self._draw.random() < 0.5)
        records: dict[str, list[Any]] = {}
        sends = self._draw.randint(0, 2)
        polls = self._records(process, self._draw.randint(1, 3)) if not sends or self._draw.random() < 0.5 else None
        for _ in range(sends):
            self._next_value += 1
            records.setdefault(self._draw.choice(KEYS), []).append(self._next_value)
        for key in records:
            self._place(key, records[key], committed)
        parts = ([sent(records)] if records else []) + ([[polled(polls)]] if polls is not None else [])
        self.history.txn(process, parts, type_)
        if type_ == "ok" and polls is not None:
            for key, of_key in polls.items():
                self._positions[process][key] += len(of_key)
        if type_ == "info":
            self._replace(process)

    def _place(self, key: str, values: list[Any], committed: bool) -> None:
        """Give the values offsets, with a gap now and then; clients are told some of them."""
        for at, value in enumerate(values):
            if committed or self._draw.random() < 0.5:
                self._next_offset[key] += 1 + (self._draw.random() < 0.2)
                if committed:
                    self._logs[key].append((self._next_offset[key], value))
                if self._draw.random() < 0.8:
                    values[at] = (self._next_offset[key], value)

    def _records(self, process: int, limit: int) -> dict[str, list[Any]]:
        return {
            key: list(self._logs[key][position:position + limit])
            for key, position in self._positions[process].items()}

    def _replace(self, process: int) -> None:
        self._processes[self._processes.index(process)] = self._next_process
        self._positions[self._next_process] = {}
        self._next_process += 1
