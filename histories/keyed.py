"""Keys that hide in values: Jepsen's independent workloads and Maelstrom's write `[key value]` as the value."""

from collections.abc import Iterable

from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import Call


def split_keys(calls: Iterable[Call], name: str = "history") -> list[Call]:
    """The calls with the key taken out of `[key value]`, where they have no key of their own.

    Raises HistoryError, in one line, for a value that is no such pair.
    """
    return [call if call.key is not None else _split(call, name) for call in calls]


def _split(call: Call, name: str) -> Call:
    if not isinstance(call.argument, list) or len(call.argument) != 2:
        raise HistoryError(
            f"{name} line {call.line}: with --per-key the value of {call.f} should be [key value] where there is no "
            f"key field, but is {str(call.argument)[:60]}")
    key, argument = call.argument
    result = call.result
    if isinstance(result, list) and len(result) == 2 and result[0] == key:
        result = result[1]
    return call._replace(key=tuple(key) if isinstance(key, list) else key, argument=argument, result=result)
