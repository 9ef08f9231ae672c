"""The order of versions of registers, as far as it can be known or is to be assumed.

Registers do not show what they held before. What is known: the initial state (null) comes before every version that was
written. The rest is assumption, each to be asked for where the database promises it:

- `wfr-keys`: a transaction that read a version and wrote another wrote the later one (writes follow reads);
- `sequential-keys`: each process sees the versions of one key in their order (sequential consistency per key);
- `linearizable-keys`: so does real time: what a transaction touched before another began is no later version.

`info`: what a transaction of which nobody knows wrote has its place after what was seen before it began; what it read
proves nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fencepost.checkers.anomaly_report import Anomaly
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.transactions.graph import real_time_order, strong_components
from fencepost.checkers.transactions.observations import Observations
from fencepost.checkers.transactions.transaction import READ, Transaction, shown
from fencepost.histories.event import OK

#: (key, version, a later version)
Ordered = tuple[Any, Any, Any]

_BECAUSE = {
    "initial-state": "", "wfr-keys": "whose writer had read the former", "sequential-keys": "later to a process",
    "linearizable-keys": "later in real time"}


class Touch(NamedTuple):
    """What a transaction did to a key, as others can see: the version it read first, and the one that it left.

    reads: whether it read the key before it wrote it; writes: whether it wrote it.
    """

    reads: bool
    first_read: Any
    writes: bool
    last_written: Any

    @property
    def first(self) -> Any:
        """The first version of the key that the transaction had to do with."""
        return self.first_read if self.reads else self.last_written

    @property
    def last(self) -> Any:
        """The last one."""
        return self.last_written if self.writes else self.first_read


def touches(transaction: Transaction) -> dict[Any, Touch]:
    """key -> what the transaction did to it."""
    touched: dict[Any, Touch] = {}
    for f, key, value in transaction.operations:
        earlier = touched.get(key)
        if f != READ:
            touched[key] = Touch(earlier is not None and earlier.reads, earlier and earlier.first_read, True, value)
        elif earlier is None:
            touched[key] = Touch(True, value, False, None)
    return touched


class VersionOrders:
    """For each key, which version is known to come before which.

    later: key -> version -> later version -> why, in words.
    cyclic: anomalies of assumptions that contradict each other; the one that closes the circle is not used for its key.
    touched: of each transaction of `history.possible`, what it did to which key.
    """

    def __init__(self, history: Observations, assumptions: Mapping[str, bool]) -> None:
        self.history = history
        self.touched = [touches(transaction) for transaction in history.possible]
        self.later: dict[Any, dict[Any, dict[Any, str]]] = {}
        self.cyclic: list[Anomaly] = []
        self._sources: dict[Any, list[str]] = {}
        self._assume("initial-state", self._initial_states())
        if assumptions.get("wfr-keys"):
            self._assume("wfr-keys", self._writes_after_reads())
        if assumptions.get("sequential-keys"):
            self._assume("sequential-keys", self._order_of_processes())
        if assumptions.get("linearizable-keys"):
            self._assume("linearizable-keys", self._order_in_real_time())

    def _assume(self, source: str, ordered: Iterator[Ordered]) -> None:
        """Use what a source says, key by key, unless it closes a circle."""
        by_key: dict[Any, list[tuple[Any, Any]]] = {}
        for key, earlier, later in ordered:
            if earlier != later:
                by_key.setdefault(key, []).append((earlier, later))
        for key, pairs in by_key.items():
            merged = {version: dict(later) for version, later in self.later.get(key, {}).items()}
            for earlier, later in pairs:
                merged.setdefault(earlier, {}).setdefault(later, _BECAUSE[source])
            circles = _circles(merged)
            sources = [*self._sources.get(key, []), source]
            self.cyclic += [self._contradiction(key, circle, sources) for circle in circles]
            if not circles:
                self.later[key] = merged
                self._sources[key] = sources

    def _contradiction(self, key: Any, circle: list[Any], sources: list[str]) -> Anomaly:
        writers = self.history.writers.get(key, {})
        places = [writers[version] for version in circle if version in writers]
        numbers = [self.history.possible[place].number for place in places]
        return Anomaly(
            "cyclic-versions",
            f"by {', '.join(sources)}, the versions {', '.join(map(shown, circle))} of {key} each come before the "
            "others",
            tuple(numbers), {"key": plain_value(key), "values": plain_value(tuple(circle)), "sources": sources})

    def _initial_states(self) -> Iterator[Ordered]:
        for touched in self.touched:
            for key, touch in touched.items():
                for there, version in ((touch.reads, touch.first_read), (touch.writes, touch.last_written)):
                    if there:
                        yield key, None, version

    def _writes_after_reads(self) -> Iterator[Ordered]:
        for touched in self.touched:
            for key, touch in touched.items():
                if touch.reads and touch.writes:
                    yield key, touch.first_read, touch.last_written

    def _order_of_processes(self) -> Iterator[Ordered]:
        last: dict[Any, dict[Any, Any]] = {}
        for transaction, touched in zip(self.history.possible, self.touched, strict=True):
            versions = last.setdefault(transaction.process, {})
            for key, touch in touched.items():
                if key in versions:
                    yield key, versions[key], touch.first
                if transaction.type == OK:
                    versions[key] = touch.last

    def _order_in_real_time(self) -> Iterator[Ordered]:
        by_key: dict[Any, dict[int, Transaction]] = {}
        for node, (transaction, touched) in enumerate(zip(self.history.possible, self.touched, strict=True)):
            for key in touched:
                by_key.setdefault(key, {})[node] = transaction
        for key, transactions in by_key.items():
            for before, after in real_time_order(transactions):
                yield key, self.touched[before][key].last, self.touched[after][key].first


def _circles(later: dict[Any, dict[Any, str]]) -> list[list[Any]]:
    """Versions each of which is said to come before the others."""
    number: dict[Any, int] = {}
    for version, following in later.items():
        for one in (version, *following):
            number.setdefault(one, len(number))
    versions = list(number)
    edges = {number[version]: [number[one] for one in following] for version, following in later.items()}
    return [[versions[place] for place in component] for component in strong_components(edges)]


def cyclic_versions(orders: VersionOrders) -> Iterator[Anomaly]:
    """cyclic-versions: by what is assumed of the order of versions, two versions each came before the other.

        process 0   w x 1                     ok
        process 1   w x 2                     ok
        process 2   r x 2                     ok
        process 2   r x 1                     ok
        process 3   r x 1                     ok
        process 3   r x 2                     ok       <- process 2 saw them the other way round

    (With sequential_keys.) Either the history is not what was assumed, or it is broken. `info`: what a transaction of
    which nobody knows wrote counts as a version.
    """
    yield from orders.cyclic
