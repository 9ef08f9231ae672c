"""From the fields of one operation, as Jepsen names them, to a `HistoryOp` and back; EDN and JSON Lines share this."""

from typing import Any

from fencepost.histories.event import COMPLETIONS, INVOKE
from fencepost.histories.formats.source import Lines
from fencepost.histories.operations import HistoryOp

TYPES = (INVOKE, *COMPLETIONS)
#: The fields that `HistoryOp` has names for; all others are its `extra`.
_NAMED = frozenset({"index", "time", "type", "process", "f", "key", "value", "error"})
_NOTHING: dict[str, Any] = {}
#: What an operation without an `f` is called: Elle's small examples leave it out.
UNNAMED = "txn"
#: Times have 64 bits; the greatest number stands for "never" in columns of them.
FIRST_TIME, LAST_TIME = -2**63, 2**63 - 2


def operation_of(lines: Lines, number: int, position: int, data: Any) -> HistoryOp:
    """The operation that these fields describe.

    lines, number: where they stand, for the message.
    position: how many operations came before, which is the index of one that has none.
    Raises HistoryError, in one line.
    """
    if not isinstance(data, dict):
        raise lines.refusal(
            f"an operation is expected, a map with type, process, f and value, not {str(data)[:60]!r}", number)
    type_ = data.get("type")
    if type_ not in TYPES:
        what = "an operation without a type" if type_ is None else f"type {type_!r:.40}"
        raise lines.refusal(f"{what}; allowed is {', '.join(TYPES)}", number)
    f, process = data.get("f"), data.get("process")
    if f is None:
        f = UNNAMED
    if not isinstance(f, str):
        raise lines.refusal(f"f is {f!r:.40}, not a name", number)
    if not (process is None or isinstance(process, (int, str))):
        raise lines.refusal(f"process is {process!r:.40}, not a number or a name", number)
    time, index = data.get("time"), data.get("index")
    if type(time) is not int or not FIRST_TIME <= time <= LAST_TIME:
        time = time_of(lines, number, "time", time)
    if type(index) is not int:
        index = whole(lines, number, "index", index)
    extra = _NOTHING if data.keys() <= _NAMED else {name: data[name] for name in data if name not in _NAMED}
    if index is None or index < 0:
        index = position
    return HistoryOp(index, time, type_, process, f, data.get("key"), data.get("value"), data.get("error"), extra,
                     number)


def fields_of(op: HistoryOp) -> dict[str, Any]:
    """The operation's fields under Jepsen's names; what says nothing is left out, except the value."""
    fields: dict[str, Any] = {
        "index": op.index, "time": op.time, "type": op.type, "process": op.process, "f": op.f, "key": op.key}
    fields = {name: value for name, value in fields.items() if value is not None}
    fields["value"] = op.value
    if op.error is not None:
        fields["error"] = op.error
    return {**fields, **op.extra}


def whole(lines: Lines, number: int, name: str, value: Any) -> int | None:
    """The value, if it is a whole number or None. Raises HistoryError, in one line."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise lines.refusal(f"{name} is {value!r:.40}, not a whole number", number)


def time_of(lines: Lines, number: int, name: str, value: Any) -> int | None:
    """The value, if it is a time or None. Raises HistoryError, in one line."""
    time = whole(lines, number, name, value)
    if time is None or FIRST_TIME <= time <= LAST_TIME:
        return time
    raise lines.refusal(f"{name} is {time!r:.40}, beyond 64 bits: count from the history's start", number)
