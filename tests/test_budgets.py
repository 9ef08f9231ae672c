"""Every contract asks the budget often on its way, and answers `unknown` wherever it ends."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from client_history import ClientHistory
from log_history import LogHistory

from fencepost.checkers.anomaly_models import ANOMALY_MODELS
from fencepost.checkers.linearizability.budget import Exhausted
from fencepost.histories.pairing import Call

#: Operations of a history.
_SIZE = 6_000


class Looks:
    """A budget that ends at the look with this number, and counts them."""

    memory_bytes: int | None = None

    def __init__(self, last: int | None = None) -> None:
        self.seen = 0
        self._last = last

    def spend(self, configurations: int) -> None:
        self.seen += 1
        if self.seen == self._last:
            raise Exhausted("the limit of looks")


def registers() -> list[Call]:
    """One register that several processes write and read in turn."""
    history = ClientHistory()
    for value in range(_SIZE // 2):
        history.run(value % 3, "write", value, value)
        history.run(3 + value % 2, "read", None, value)
    return history.calls()


def transactions(f: str) -> list[Call]:
    """Each writes one key, and reads what the one before wrote."""
    history = ClientHistory()
    for number in range(_SIZE):
        before = [number - 1] if f == "append" else number - 1
        read = [] if number == 0 else [["r", number - 1, before]]
        result = [*read, [f, number, number]]
        history.run(number % 3, "txn", [["r", part[1], None] if part[0] == "r" else part for part in result], result)
    return history.calls()


def log() -> list[Call]:
    """One log that one process writes and another reads."""
    history = LogHistory()
    for offset in range(_SIZE // 2):
        history.send(0, x=[(offset, offset)])
        history.poll(1, {"x": [(offset, offset)]})
    return history.calls()


def cases() -> Iterator[tuple[str, Any]]:
    for name in ("sequential", "monotonic-reads", "monotonic-writes", "bounded-staleness"):
        yield name, registers
    yield "list-append", lambda: transactions("append")
    yield "rw-register", lambda: transactions("w")
    yield "kafka", log


@pytest.mark.parametrize(("name", "history"), [pytest.param(*case, id=case[0]) for case in cases()])
def test_a_contract_looks_at_the_budget_often_and_is_undecided_wherever_it_ends(name: str, history: Any) -> None:
    calls, analyse = history(), ANOMALY_MODELS[name].analyse
    unlimited = Looks()
    assert analyse(calls, budget=unlimited).verdict == "valid"
    assert unlimited.seen >= 3 * _SIZE / 1_024, "some long loop never looks"
    for last in count(1, max(1, unlimited.seen // 9)):
        if last > unlimited.seen:
            break
        report = analyse(calls, budget=Looks(last))
        assert report.verdict == "unknown"
        assert "the limit of looks" in report.words()
