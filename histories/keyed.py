"""Keys that hide in values: Jepsen's independent workloads and Maelstrom's write `[key value]` as the value."""

from collections.abc import Iterable, Sequence
from typing import Any

from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import Call

#: What reads of one object are called, which take no argument.
_READS = ("read", "sync-read")


def split_keys(calls: Iterable[Call], name: str = "history") -> list[Call]:
    """The calls with the key taken out of `[key value]`, where they have no key of their own.

    Raises HistoryError, in one line, for a value that is no such pair.
    """
    return [call if call.key is not None else _split(call, name) for call in calls]


def hides_keys(calls: Sequence[Call]) -> bool:
    """Whether every value is [key value]: nobody asks a read of one object with [something, nil]."""
    reads = [call for call in calls if call.f in _READS]
    return bool(reads) and all(_is_pair(call.argument) and call.argument[1] is None for call in reads) and all(
        call.key is None and _is_pair(call.argument) for call in calls)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _split(call: Call, name: str) -> Call:
    if not _is_pair(call.argument):
        raise HistoryError(
            f"{name} line {call.line}: with --per-key the value of {call.f} should be [key value] where there is no "
            f"key field, but is {str(call.argument)[:60]}")
    key, argument = call.argument
    result = call.result
    if _is_pair(result) and result[0] == key:
        result = result[1]
    return call._replace(key=tuple(key) if isinstance(key, list) else key, argument=argument, result=result)
