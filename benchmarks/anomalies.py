"""Times of the search for anomalies in generated histories of lists, registers and logs.

    python -m benchmarks.anomalies [TRANSACTIONS ...]

A time is what the analysis takes from a list of calls to its report. `serial` histories have no anomaly; in `stale`
ones one read in a hundred is of what the list was some time ago; in `lagging` ones every read is, so that nearly all
transactions hang together in one component of the graph.
"""

import sys
import time
from collections.abc import Callable
from random import Random
from typing import Any

from fencepost.checkers.anomaly_models import ANOMALY_MODELS
from fencepost.histories.event import OK
from fencepost.histories.pairing import Call

_CLIENTS, _KEYS, _WRITES_A_KEY = 10, 10, 64


def _call(process: int, begun: int, ended: int, f: str, result: list[Any]) -> Call:
    return Call(begun, ended, OK, process, f, None, result, result, None, {}, {}, begun, begun + 1)


class _Clients:
    """Clients that take turns at random; each transaction takes effect when it completes."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self._begun: dict[int, int] = {}
        self._written = [0] * _KEYS
        self._names = list(range(_KEYS))

    def run(self, transactions: int, effect: Callable[[int, int], list[Any]]) -> list[Call]:
        """That many transactions; `effect` is told of the time and the client, and gives the result of one."""
        calls: list[Call] = []
        at = 0
        while len(calls) < transactions:
            process = self.draw.randrange(_CLIENTS)
            begun = self._begun.pop(process, None)
            if begun is None:
                self._begun[process] = at
            else:
                calls.append(_call(process, begun, at, "txn", effect(at, process)))
            at += 1
        return sorted(calls)

    def key(self, writes: bool) -> int:
        """A key; one that was written often enough gives way to a new one."""
        place = self.draw.randrange(_KEYS)
        if writes:
            self._written[place] += 1
            if self._written[place] > _WRITES_A_KEY:
                self._written[place] = 1
                self._names[place] = max(self._names) + 1
        return self._names[place]


def lists(transactions: int, stale: float = 0.0) -> list[Call]:
    """Transactions of appends and reads; that share of the reads shows what the list was forty steps ago."""
    clients = _Clients(1)
    appended: dict[int, list[tuple[int, int]]] = {}

    def effect(at: int, process: int) -> list[Any]:
        result = []
        for place in range(clients.draw.randint(1, 4)):
            writes = clients.draw.random() < 0.5
            key = clients.key(writes)
            elements = appended.setdefault(key, [])
            if writes:
                elements.append((at, at * 4 + place))
                result.append(["append", key, at * 4 + place])
            else:
                until = at - 40 if clients.draw.random() < stale else at
                result.append(["r", key, [element for when, element in elements if when <= until]])
        return result

    return clients.run(transactions, effect)


def registers(transactions: int) -> list[Call]:
    """Transactions of writes and reads."""
    clients = _Clients(2)
    state: dict[int, int] = {}

    def effect(at: int, process: int) -> list[Any]:
        result = []
        for place in range(clients.draw.randint(1, 4)):
            writes = clients.draw.random() < 0.5
            key = clients.key(writes)
            if writes:
                state[key] = at * 4 + place
            result.append(["w" if writes else "r", key, state.get(key)])
        return result

    return clients.run(transactions, effect)


def logs(transactions: int) -> list[Call]:
    """Sends to logs and polls that go on where the client stopped."""
    clients = _Clients(3)
    held: dict[str, list[int]] = {str(key): [] for key in range(_KEYS)}
    positions: dict[tuple[int, str], int] = {}

    def effect(at: int, process: int) -> list[Any]:
        key = str(clients.draw.randrange(_KEYS))
        if clients.draw.random() < 0.5:
            held[key].append(at)
            return [["send", key, [len(held[key]) - 1, at]]]
        begin = positions.get((process, key), 0)
        positions[process, key] = end = min(begin + 20, len(held[key]))
        return [["poll", {key: [[offset, held[key][offset]] for offset in range(begin, end)]}]]

    return clients.run(transactions, effect)


def main() -> None:
    """Print a line for each history."""
    for number in [int(argument) for argument in sys.argv[1:]] or [10_000, 100_000]:
        for name, model, calls, options in (
            ("lists, serial", "list-append", lists(number), {}),
            ("lists, stale", "list-append", lists(number, 0.01), {}),
            ("lists, lagging", "list-append", lists(number, 1.0), {}),
            ("registers, serial", "rw-register", registers(number), {}),
            ("registers, serial, linearizable keys", "rw-register", registers(number), {"linearizable_keys": True}),
            ("logs", "kafka", logs(number), {"final_polls": False}),
        ):
            started = time.perf_counter()
            report = ANOMALY_MODELS[model].analyse(calls, **options)
            elapsed_s = time.perf_counter() - started
            print(f"{number:>9,}  {name:<38} {elapsed_s:8.2f} s  {report.verdict:<8} "
                  f"{len(report.anomalies):>6} anomalies")


if __name__ == "__main__":
    main()
