"""From calls to operations: what a history's lines mean to a model.

The rules that all share, which are Jepsen's and Knossos': `fail` means that it certainly did not happen, and proves
nothing, so it is left out; `info` means that nobody knows, so the operation has no return and no result. A model that
takes a definite refusal as evidence ("the compare-and-set failed, so the register held something else") says so in its
own file.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fencepost.checkers.linearizability.models.base import rank
from fencepost.checkers.linearizability.operation import Operation
from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import FAIL, INFO, Call

#: What one function's call means; None when it proves nothing.
Conversion = Callable[[Call], Operation | None]


def reader(model: str, functions: Mapping[str, Conversion]) -> Callable[[Iterable[Call]], list[Operation]]:
    """A reader of calls for a model with these functions; it raises HistoryError on any other function."""

    def read(calls: Iterable[Call]) -> list[Operation]:
        operations = []
        for call in calls:
            convert = functions.get(call.f)
            if convert is None:
                raise HistoryError(
                    f"line {call.line}: {model} has no operation {call.f!r} (it has {', '.join(functions)}): choose "
                    "another --model, or keep some functions with --only")
            operation = convert(call)
            if operation is not None:
                operations.append(operation)
        return operations

    return read


def operation_of(call: Call, argument: Any = None, result: Any = None) -> Operation:
    """The operation with this argument and, unless nobody knows whether it happened, this result."""
    if call.type == INFO:
        return Operation(call.call, None, call.f, hashable(argument), None, call.process, hashable(call.key))
    return Operation(
        call.call, call.ret, call.f, hashable(argument), hashable(result), call.process, hashable(call.key))


def command(call: Call) -> Operation | None:
    """Something done that answers nothing, such as `write(3)`; what the completion repeats is not looked at."""
    return None if call.type == FAIL else operation_of(call, call.argument)


def query(call: Call) -> Operation | None:
    """Something asked that takes no argument, such as `read() -> 3`."""
    return None if call.type == FAIL else operation_of(call, None, call.result)


def exchange(call: Call) -> Operation | None:
    """Something asked about something, such as `get("x") -> 3`."""
    return None if call.type == FAIL else operation_of(call, call.argument, call.result)


def refused_as(call: Call, *errors: str) -> bool:
    """Whether it failed with one of these errors, given in small letters only, as in "badversion".

    Tools spell errors in their own ways (BadVersion, BAD_VERSION, :bad-version, BadVersionException): only letters
    count.
    """
    if call.type != FAIL or call.error is None:
        return False
    said = call.error if isinstance(call.error, list | tuple) else [call.error]
    spelled = ["".join(filter(str.isalpha, str(part).lower())) for part in said]
    return any(error in part for error in errors for part in spelled)


def pair_of(call: Call, meaning: str) -> tuple[Any, Any]:
    """The invocation's value as a pair; raises HistoryError when it is none."""
    value = call.argument
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise HistoryError(f"line {call.line}: the value of {call.f} should be {meaning}, but is {value!r}")
    return value[0], value[1]


def hashable(value: Any) -> Any:
    """Plain data of a history as something hashable: sequences and sets as tuples, maps as tuples of pairs."""
    kind = value.__class__
    if kind is int or kind is str or value is None:  # nearly every value, and there are many
        return value
    if isinstance(value, list | tuple):
        return tuple(hashable(element) for element in value)
    if isinstance(value, dict):
        return tuple(sorted(((hashable(key), hashable(held)) for key, held in value.items()), key=rank))
    if isinstance(value, set | frozenset):
        return tuple(sorted((hashable(element) for element in value), key=rank))
    return value
