"""What lists and registers share: who wrote which value, G1a, G1b, lost-update."""

from collections.abc import Callable, Iterator
from typing import Any

from fencepost.checkers.anomaly_report import Anomaly
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.transactions.transaction import READ, MicroOperation, Transaction, shown
from fencepost.histories.event import FAIL, OK

#: The written values that a read shows, of which the last is the current one.
Seen = Callable[[Any], tuple[Any, ...]]


class Observations:
    """A history of transactions, and who wrote what.

    all: every transaction; possible: those that may have taken effect (`ok` and `info`).
    writers: key -> value -> the writer's place in `possible`; failed_writers: likewise, the transaction that failed.
    intermediate: key -> value -> the place of its writer, for values that the writer itself overwrote.
    repeated: why nothing can be inferred, if a value was written to a key more than once.
    seen: what a read's value shows.
    """

    def __init__(self, transactions: list[Transaction], seen: Seen) -> None:
        self.all = transactions
        self.possible = [transaction for transaction in transactions if transaction.type != FAIL]
        self.seen = seen
        self.writers: dict[Any, dict[Any, int]] = {}
        self.intermediate: dict[Any, dict[Any, int]] = {}
        self.failed_writers: dict[Any, dict[Any, Transaction]] = {}
        self.repeated: list[str] = []
        for place, transaction in enumerate(self.possible):
            self._index(place, transaction)
        for transaction in transactions:
            if transaction.type == FAIL:
                for f, key, value in transaction.operations:
                    if f != READ:
                        self._once(key, value, transaction)
                        self.failed_writers.setdefault(key, {})[value] = transaction

    def _index(self, place: int, transaction: Transaction) -> None:
        last: dict[Any, Any] = {}
        for f, key, value in transaction.operations:
            if f != READ:
                self._once(key, value, transaction)
                self.writers.setdefault(key, {})[value] = place
                if key in last:
                    self.intermediate.setdefault(key, {})[last[key]] = place
                last[key] = value

    def _once(self, key: Any, value: Any, transaction: Transaction) -> None:
        known = self.writers.get(key, {}).get(value)
        earlier = self.failed_writers.get(key, {}).get(value) if known is None else self.possible[known]
        if earlier is not None:
            self.repeated.append(
                f"{value!r} was written to {key} by {earlier.words()} and by {transaction.words()}: unless each "
                "value is written once, nothing can be inferred")

    def reads(self) -> Iterator[tuple[int, MicroOperation]]:
        """(place of the transaction, read) of every read by an `ok` transaction."""
        for place, transaction in enumerate(self.possible):
            if transaction.type == OK:
                for operation in transaction.operations:
                    if operation.f == READ:
                        yield place, operation

    def unwritten(self) -> list[str]:
        """A note on what was read and nobody wrote, if there is anything of the kind.

        It is no anomaly to Elle, and histories may lack what was there before them. Of a list, the longest reading is
        looked at, and the last element of every other.
        """
        longest: dict[Any, tuple[int, MicroOperation]] = {}
        found: dict[tuple[Any, Any], int] = {}
        for place, read in self.reads():
            elements = self.seen(read.value)
            if len(elements) > 1 and (read.key not in longest or len(elements) > len(longest[read.key][1].value)):
                longest[read.key] = place, read
            self._note_unwritten(place, read.key, elements[-1:], found)
        for place, read in longest.values():
            self._note_unwritten(place, read.key, self.seen(read.value), found)
        if not found:
            return []
        (key, value), place = next(iter(found.items()))
        number = "one value was" if len(found) == 1 else f"{len(found)} values were"
        return [f"{number} read that nobody wrote, first {shown(value)} in {key} by {self.possible[place].words()}: "
                "either the history lacks the writers, or the database made it up"]

    def _note_unwritten(
        self, place: int, key: Any, elements: tuple[Any, ...], found: dict[tuple[Any, Any], int]
    ) -> None:
        written, failed = self.writers.get(key, {}), self.failed_writers.get(key, {})
        for element in elements:
            if element not in written and element not in failed:
                found.setdefault((key, element), place)


def aborted_reads(history: Observations) -> Iterator[Anomaly]:
    """G1a, aborted read: an `ok` transaction read what a transaction wrote that is known to have failed.

        process 0   append x 1                fail
        process 1   r x [1]                   ok       <- 1 was never committed

    `info`: reading what a transaction of which nobody knows wrote proves that it committed, and is no anomaly.
    """
    if not history.failed_writers:
        return
    for place, (_, key, value) in history.reads():
        failed = history.failed_writers.get(key)
        for element in history.seen(value) if failed else ():
            if failed and element in failed:
                reader, writer = history.possible[place], failed[element]
                yield Anomaly(
                    "G1a", f"{reader.words()} read {key} = {shown(value)}, but {element!r} was written by "
                    f"{writer.words()}, which failed",
                    (writer.number, reader.number), {"key": plain_value(key), "value": plain_value(element)})


def intermediate_reads(history: Observations) -> Iterator[Anomaly]:
    """G1b, intermediate read: a transaction read a version that its writer itself replaced before it committed.

        process 0   append x 1, append x 2    ok
        process 1   r x [1]                   ok       <- 1 was never committed without 2

    A transaction may read its own intermediate versions. `info`: the writer may be one of which nobody knows; the
    reader is `ok`.
    """
    for place, (_, key, value) in history.reads():
        elements = history.seen(value)
        writer_place = history.intermediate.get(key, {}).get(elements[-1]) if elements else None
        if writer_place is not None and writer_place != place:
            reader, writer = history.possible[place], history.possible[writer_place]
            yield Anomaly(
                "G1b", f"{reader.words()} read {key} = {shown(value)}, which is how {writer.words()} left it halfway: "
                f"after {elements[-1]!r} it wrote to {key} again",
                (writer.number, reader.number), {"key": plain_value(key), "value": plain_value(elements[-1])})


def lost_updates(history: Observations) -> Iterator[Anomaly]:
    """lost-update: several transactions read the same version of a key and then wrote it.

        process 0   append x 0                ok
        process 1   r x [0], append x 1       ok
        process 2   r x [0], append x 2       ok       <- one of the two updates ignored the other

    It is found without knowing in which order the two wrote. `info`: all of them are `ok`, for of others nobody knows
    whether they committed.
    """
    updates: dict[Any, dict[Any, list[Transaction]]] = {}
    for transaction in history.possible:
        if transaction.type == OK:
            for key, value in _updated(transaction).items():
                updates.setdefault(key, {}).setdefault(value, []).append(transaction)
    for key, by_value in updates.items():
        for value, transactions in by_value.items():
            if len(transactions) > 1:
                yield Anomaly(
                    "lost-update",
                    f"{len(transactions)} transactions read {key} = {shown(value)} and then wrote {key}: "
                    f"{', '.join([transaction.words() for transaction in transactions])}",
                    tuple([transaction.number for transaction in transactions]),
                    {"key": plain_value(key), "value": plain_value(value)})


def _updated(transaction: Transaction) -> dict[Any, Any]:
    """key -> the version that the transaction read first, of keys that it wrote only after that."""
    first_read: dict[Any, Any] = {}
    updated: dict[Any, Any] = {}
    written: dict[Any, None] = {}
    for f, key, value in transaction.operations:
        if f == READ:
            if key not in written:
                first_read.setdefault(key, value)
        else:
            if key in first_read:
                updated[key] = first_read[key]
            written[key] = None
    return updated
