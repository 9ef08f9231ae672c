"""Pairing: from lines to calls. Each completion is that of its process's open invocation.

Refused, with the file and the line: a completion that nothing was open for, one of another function than what is open,
an invocation by a process that has one open (by the order of the lines, or by their times), and a completion earlier
than its invocation. A process that got `info` may go on, for some writers reuse its name; its operation never returned
all the same.

Intervals are by time where every line has one and by position otherwise; they are closed, so that equal times overlap.
One and the same time on every line (-1 or 0, as Jepsen and Elle write where there are none) is no time.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

from fencepost.histories.errors import HistoryError
from fencepost.histories.event import COMPLETIONS, FAIL, INFO, INVOKE, OK
from fencepost.histories.operations import NEMESIS, HistoryOp

__all__ = ["FAIL", "INFO", "OK", "Call", "pair"]


class Call(NamedTuple):
    """One operation of a client, from its invocation to its completion.

    call, ret: when it was invoked and when it completed, as times or positions; ret None where nobody knows whether
        it took effect (`info`, or still open at the end).
    type: `ok`, `fail` or `info`.
    process, f, key: see `HistoryOp`; the key of either line.
    argument, result: the invocation's and the completion's value; result None where there is no completion.
    error: the completion's.
    extra_invoke, extra_ok: the other fields of the invocation and of the completion.
    index, line: of the invocation.
    completion_index: of the completion; None if it is still open at the end.
    """

    call: int
    ret: int | None
    type: str
    process: Any
    f: str
    key: Any
    argument: Any
    result: Any
    error: Any
    extra_invoke: dict[str, Any]
    extra_ok: dict[str, Any]
    index: int  # type: ignore[assignment]  # shadows tuple.index, which nobody needs of a call
    line: int
    completion_index: int | None = None


def pair(ops: Iterable[HistoryOp], name: str = "history") -> list[Call]:
    """The calls, in the order in which they were invoked; the nemesis's lines are left out.

    name: the file's, for messages.
    Raises HistoryError, in one line, for what the module's docstring lists.
    """
    invocations: list[tuple[int, HistoryOp]] = []
    completions: list[tuple[int, HistoryOp] | None] = []
    open_by_process: dict[Any, int] = {}
    timed = True
    for position, op in enumerate(ops):
        _, time, type_, process, f, *_ = op  # by position: there are many
        if process == NEMESIS:
            continue
        timed = timed and time is not None
        opened = open_by_process.get(process)
        if type_ == INVOKE:
            if opened is not None:
                before = invocations[opened][1]
                raise HistoryError(
                    f"{name} line {op.line}: process {process} invokes {f} while its {before.f} of line "
                    f"{before.line} is open; a process does one thing at a time")
            open_by_process[process] = len(invocations)
            invocations.append((position, op))
            completions.append(None)
        elif type_ in COMPLETIONS:
            if opened is None:
                raise HistoryError(f"{name} line {op.line}: {type_} of {f} by process {process}, which has nothing "
                                   "open; each completion needs an invoke before it")
            _check_completion(name, invocations[opened][1], op)
            completions[opened] = (position, op)
            del open_by_process[process]
        else:
            raise HistoryError(
                f"{name} line {op.line}: type {type_!r} is none of {', '.join((INVOKE, *COMPLETIONS))}")
    timed = timed and _time_passes(invocations, completions)
    calls = [_call(begin, end, timed) for begin, end in zip(invocations, completions, strict=True)]
    calls.sort(key=_invoked)
    if timed:
        _check_overlaps(name, calls)
    return calls


def _time_passes(
    invocations: list[tuple[int, HistoryOp]], completions: list[tuple[int, HistoryOp] | None]
) -> bool:
    first = invocations[0][1].time if invocations else None
    return any(entry is not None and entry[1].time != first for entry in chain(invocations, completions))


def _check_completion(name: str, invocation: HistoryOp, completion: HistoryOp) -> None:
    if completion.f != invocation.f:
        raise HistoryError(
            f"{name} line {completion.line}: {completion.type} of {completion.f} by process {completion.process}, "
            f"whose open operation is the {invocation.f} of line {invocation.line}")
    if invocation.time is not None and completion.time is not None and completion.time < invocation.time:
        raise HistoryError(
            f"{name} line {completion.line}: process {completion.process} completed {completion.f} at time "
            f"{completion.time}, before its invocation at {invocation.time} (line {invocation.line})")


def _check_overlaps(name: str, calls: list[Call]) -> None:
    """Times may say what the order of the lines does not: that a process did two things at a time."""
    last: dict[Any, Call] = {}
    for call in calls:
        before = last.get(call.process)
        if before is not None and before.ret is not None and before.ret > call.call:
            raise HistoryError(
                f"{name} line {call.line}: process {call.process} invokes {call.f} at time {call.call} while its "
                f"{before.f} of line {before.line} is open until {before.ret}; a process does one thing at a time")
        last[call.process] = call


def _call(begin: tuple[int, HistoryOp], end: tuple[int, HistoryOp] | None, timed: bool) -> Call:
    position, (index, time, _, process, f, key, argument, _, extra, line) = begin
    called = time if timed and time is not None else position
    if end is None:
        return Call(called, None, INFO, process, f, key, argument, None, None, extra, {}, index, line)
    position, (completion_index, time, type_, _, _, other_key, result, error, extra_ok, _) = end
    returned = time if timed and time is not None else position
    return Call(
        called, None if type_ == INFO else returned, type_, process, f, other_key if key is None else key, argument,
        result, error, extra, extra_ok, index, line, completion_index)


def _invoked(call: Call) -> int:
    return call.call
