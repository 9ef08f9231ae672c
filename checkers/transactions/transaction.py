"""Reading histories of transactions.

An operation's value is a list of micro-operations: `["append", key, element]` and `["r", key, list]` on lists, or
`["w", key, value]` and `["r", key, value]` on registers. A read's third part is null (or missing) in the invocation,
and null in a completion of `ok` means the initial state: the empty list, or a register that was never written.

What `info` means: nobody knows whether the transaction took effect, so that its writes may be seen and need not be. Its
reads prove nothing, even where its completion says what they returned: if it aborted, they may have shown anything.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from fencepost.checkers.anomaly_report import completed_value
from fencepost.checkers.linearizability.models.reading import hashable
from fencepost.histories.errors import HistoryError
from fencepost.histories.event import OK
from fencepost.histories.pairing import Call

READ = "r"


class MicroOperation(NamedTuple):
    """One read or write. `value` is what was written or read: an element, a register's value, or a tuple for a list."""

    f: str
    key: Any
    value: Any


class Transaction(NamedTuple):
    """One transaction.

    number: the index of its invocation in the history.
    call, ret: its interval; `ret` None if nobody knows whether it took effect.
    operations: its micro-operations in their order; reads only of an `ok` one.
    """

    number: int
    process: Any
    type: str
    call: int
    ret: int | None
    operations: list[MicroOperation]

    def words(self) -> str:
        """The transaction in words."""
        return f"operation {self.number} (process {self.process}, {self.type})"

    def content(self) -> str:
        """Its micro-operations in words."""
        return ", ".join([
            f"read {key} = {shown(value)}" if f == READ else f"append {value!r} to {key}" if f == "append"
            else f"write {key} = {shown(value)}" for f, key, value in self.operations])


def shown(value: Any, limit: int = 12) -> str:
    """A value in words, long lists by their ends."""
    if not isinstance(value, tuple):
        return "nothing" if value is None else repr(value)
    elements = [repr(element) for element in value]
    if len(elements) > limit:
        elements = [*elements[:2], "...", *elements[2 - limit:]]
    return f"[{', '.join(elements)}]"


def transactions(calls: Iterable[Call], write: str) -> list[Transaction]:
    """The transactions whose writes are called `write` ("append" for lists, "w" for registers), as they were invoked.

    Raises HistoryError for a value that is no list of such micro-operations.
    """
    return [
        Transaction(call.index, call.process, call.type, call.call, call.ret, _micro_operations(call, write))
        for call in calls]


def _micro_operations(call: Call, write: str) -> list[MicroOperation]:
    lists = write == "append"
    value = call.result if call.type == OK else completed_value(call)
    if not isinstance(value, list | tuple):
        raise HistoryError(
            f"line {call.line}, operation {call.index}: {call.f} has the value {value!r}, which is no list of "
            f'micro-operations such as ["r", key, ...] and ["{write}", key, ...]')
    operations = []
    for micro_operation in value:
        try:
            f, key, *rest = micro_operation
            if f not in (READ, write) or len(rest) > 1 or (f == write and not rest):
                raise ValueError
            third = rest[0] if rest else None
            if f == write:
                operations.append(MicroOperation(f, hashable(key), hashable(third)))
            elif call.type == OK:
                read = hashable(third)
                if lists and not isinstance(read, tuple | None):
                    raise ValueError
                operations.append(MicroOperation(f, hashable(key), () if lists and read is None else read))
        except (TypeError, ValueError):
            raise HistoryError(
                f"line {call.line}, operation {call.index}: {micro_operation!r} is neither a read [\"r\", key, value] "
                f"nor a write [\"{write}\", key, value]") from None
    return operations
