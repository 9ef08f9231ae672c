"""The order of versions of lists that are only ever appended to, from what was read of them.

A read shows every append before it, in order: `[1, 3]` says that 1 was appended first, then 3. So the longest read of a
key gives the order of its versions. Appends that it does not show came after those that it shows, in an order that
nobody knows. Wherever a read is no beginning of the longest one, there is no such order: incompatible-order.
"""

from collections.abc import Iterator
from typing import Any

from fencepost.checkers.anomaly_report import Anomaly
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.transactions.observations import Observations
from fencepost.checkers.transactions.transaction import READ, Transaction, shown
from fencepost.histories.event import FAIL, OK

Elements = tuple[Any, ...]


class ListOrder:
    """The versions of every key. `longest` is the longest read of each and who read it."""

    def __init__(self, history: Observations) -> None:
        self.history = history
        self.longest: dict[Any, tuple[Elements, Transaction]] = {}
        for transaction in history.possible:
            for f, key, value in transaction.operations:
                if f == READ and value and (key not in self.longest or len(value) > len(self.longest[key][0])):
                    self.longest[key] = value, transaction
        self._preceding = {key: _preceding(elements) for key, (elements, _) in self.longest.items()}
        self._last = {key: elements[-1:] for key, (elements, _) in self.longest.items()}

    def preceding(self, key: Any, element: Any) -> Elements:
        """The element before this one, as a tuple of one; the last one known if no read shows this; empty at first."""
        preceding: Elements | None = self._preceding.get(key, {}).get(element)
        return self._last.get(key, ()) if preceding is None else preceding


def _preceding(elements: Elements) -> dict[Any, Elements]:
    distinct = list(dict.fromkeys(elements))
    return {element: tuple(distinct[max(place - 1, 0):place]) for place, element in enumerate(distinct)}


def incompatible_orders(order: ListOrder) -> Iterator[Anomaly]:
    """incompatible-order: two reads of a list, neither of which is a beginning of the other.

        process 0   append x 1, append x 2, append x 3    ok
        process 1   r x [1, 2]                            ok
        process 2   r x [1, 3, 2]                         ok     <- 2 came before 3, and after it

    Elle takes it for a dirty read. One case a key. `info`: only reads of `ok` transactions count.
    """
    told: set[Any] = set()
    for transaction in order.history.possible:
        for f, key, value in transaction.operations:
            if f == READ and value and key not in told:
                longest, reader = order.longest[key]
                if longest[:len(value)] != value:
                    told.add(key)
                    yield Anomaly(
                        "incompatible-order", f"{transaction.words()} read {key} = {shown(value)} and {reader.words()} "
                        f"read {shown(longest)}: no order of appends gives both",
                        (transaction.number, reader.number),
                        {"key": plain_value(key), "values": [plain_value(value), plain_value(longest)]})


def duplicate_elements(order: ListOrder) -> Iterator[Anomaly]:
    """duplicate-elements: a read shows an element more than once, though it was appended once.

        process 0   append x 1, append x 2    ok
        process 1   r x [1, 2, 1]             ok       <- 1 twice

    `info`: only reads of `ok` transactions count.
    """
    for transaction in order.history.possible:
        for f, key, value in transaction.operations:
            if f == READ and len(set(value)) != len(value):
                repeated = [element for element in dict.fromkeys(value) if value.count(element) > 1]
                yield Anomaly(
                    "duplicate-elements", f"{transaction.words()} read {key} = {shown(value)}, with "
                    f"{', '.join(map(repr, repeated))} more than once",
                    (transaction.number,), {"key": plain_value(key), "elements": plain_value(repeated)})


def dirty_updates(order: ListOrder) -> Iterator[Anomaly]:
    """dirty-update: a committed append built upon one of a transaction that failed.

        process 0   append x 1                fail
        process 1   append x 2                ok       <- 2 was appended to a list that held 1
        process 2   r x [1, 2]                ok

    `info`: appends of transactions of which nobody knows may lie between the two; they are neither of the two.
    """
    for key, (elements, reader) in order.longest.items():
        failed: Transaction | None = None
        for element in dict.fromkeys(elements):
            writer = _writer(order.history, key, element)
            if writer is not None and writer.type == FAIL:
                failed = failed or writer
            elif writer is not None and writer.type == OK:
                if failed is not None:
                    yield Anomaly(
                        "dirty-update", f"{writer.words()} appended {element!r} to {key} after {failed.words()} had "
                        f"appended to it and failed: {reader.words()} read {shown(elements)}",
                        (failed.number, writer.number, reader.number),
                        {"key": plain_value(key), "element": plain_value(element)})
                failed = None


def _writer(history: Observations, key: Any, element: Any) -> Transaction | None:
    place = history.writers.get(key, {}).get(element)
    return history.failed_writers.get(key, {}).get(element) if place is None else history.possible[place]
