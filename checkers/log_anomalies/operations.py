"""Reading send/poll histories: what each operation sent to and polled from which log.

Operations are Jepsen's. `send`, `poll` and `txn` hold a list of micro-operations:

    ["send", key, value]      completed as   ["send", key, [offset, value]]     (the offset null where it is unknown)
    ["poll"]                  completed as   ["poll", {key: [[offset, value], ...], ...}]

`assign` and `subscribe` hold the list of keys that the process consumes from then on. Operations of any other name
(`crash`, `debug-topic-partitions`) are passed over. A key names one log, a topic's partition, and is compared by its
text, since the objects of JSON have nothing else for keys. A value is sent once.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from fencepost.checkers.anomaly_report import completed_value
from fencepost.checkers.linearizability.models.reading import hashable
from fencepost.histories.errors import HistoryError
from fencepost.histories.event import FAIL
from fencepost.histories.pairing import Call

SUBSCRIBE = "subscribe"
_TRANSACTIONS = ("send", "poll", "txn")
_ASSIGNMENTS = ("assign", SUBSCRIBE)


class Record(NamedTuple):
    """A record as a client saw it; `offset` None where the client was not told."""

    offset: int | None
    value: Any

    def words(self) -> str:
        """The record in words."""
        return f"{self.value!r}" if self.offset is None else f"{self.value!r} at offset {self.offset}"


class LogOperation(NamedTuple):
    """One operation on logs.

    number: the index of its invocation in the history.
    type: `ok`, `fail` or `info`.
    call, ret: its interval; `ret` None if nobody knows whether it took effect.
    sends, polls: by key, the records in the order in which they were sent or came back.
    assigned: the keys of an `assign` or `subscribe`; None of any other operation.
    rebalanced: keys whose assignment changed while it ran (Jepsen's rebalance log).
    rewinds: whether an assignment seeks to the beginning, so that every position is given up.
    """

    number: int
    process: Any
    type: str
    call: int
    ret: int | None
    f: str
    sends: dict[str, list[Record]]
    polls: dict[str, list[Record]]
    assigned: tuple[str, ...] | None = None
    rebalanced: tuple[str, ...] = ()
    rewinds: bool = False

    def words(self) -> str:
        """Which operation it is, in words."""
        return f"operation {self.number} (process {self.process}, {self.type})"

    def content(self) -> str:
        """What it sent and polled, in words."""
        return ", ".join([
            f"{did} {shown(records)} {to} log {key}"
            for did, to, by_key in (("sent", "to", self.sends), ("polled", "from", self.polls))
            for key, records in by_key.items() if records])


def shown(records: list[Record], limit: int = 8) -> str:
    """The records in words, the first few of them."""
    words = ", ".join([record.words() for record in records[:limit]])
    return words if len(records) <= limit else f"{words} and {len(records) - limit} more"


def log_operations(calls: Iterable[Call]) -> list[LogOperation]:
    """The operations on logs, in the order in which they were invoked.

    Raises HistoryError for a micro-operation that is neither a send nor a poll, or not of their form.
    """
    operations = []
    for call in calls:
        if call.f in _TRANSACTIONS:
            operations.append(_transaction(call))
        elif call.f in _ASSIGNMENTS and call.type != FAIL:
            value = completed_value(call)
            keys = tuple([str(hashable(key)) for key in value]) if isinstance(value, list | tuple) else ()
            rewinds = any(extra.get("seek-to-beginning?") for extra in (call.extra_invoke, call.extra_ok))
            operations.append(LogOperation(
                call.index, call.process, call.type, call.call, call.ret, call.f, {}, {}, keys, (), rewinds))
    return operations


def _transaction(call: Call) -> LogOperation:
    sends: dict[str, list[Record]] = {}
    polls: dict[str, list[Record]] = {}
    value = completed_value(call)
    for micro_operation in value if isinstance(value, list | tuple) else [] if value is None else [value]:
        try:
            f, *rest = micro_operation
            if f == "send":
                key, sent = rest
                sends.setdefault(str(hashable(key)), []).append(_sent(sent))
            elif f == "poll":
                for key, records in (rest[0] or {}).items() if rest else ():
                    polls.setdefault(str(hashable(key)), []).extend([_polled(*record) for record in records])
            else:
                raise ValueError
        except (TypeError, ValueError, AttributeError):
            raise HistoryError(
                f"line {call.line}, operation {call.index}: {micro_operation!r} is no micro-operation on a log; "
                'write ["send", key, [offset, value]] or ["poll", {key: [[offset, value], ...]}]') from None
    return LogOperation(
        call.index, call.process, call.type, call.call, call.ret, call.f, sends, polls, None,
        tuple(_rebalanced(call.extra_ok.get("rebalance-log"))))


def _rebalanced(log: Any) -> Iterator[str]:
    """The keys of a rebalance log: a list of objects with a list of `keys` each."""
    for rebalance in log if isinstance(log, list) else ():
        keys = rebalance.get("keys") if isinstance(rebalance, dict) else None
        for key in keys if isinstance(keys, list) else ():
            yield str(hashable(key))


def _polled(offset: Any, value: Any) -> Record:
    if offset is not None and not isinstance(offset, int):
        raise ValueError
    return Record(offset, hashable(value))


def _sent(value: Any) -> Record:
    """A send's third part: the value, or [offset, value]; a value of two that does not begin so is a value."""
    if isinstance(value, list | tuple) and len(value) == 2 and (value[0] is None or type(value[0]) is int):
        return Record(value[0], hashable(value[1]))
    return Record(None, hashable(value))
