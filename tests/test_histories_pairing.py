"""Pairing: which completion belongs to which invocation, what interval an operation has, and what is refused."""

import pytest

from fencepost.histories.errors import HistoryError
from fencepost.histories.operations import NEMESIS, HistoryOp
from fencepost.histories.pairing import Call, pair


def op(
    line: int, type_: str, process: object, f: str = "read", value: object = None, time: int | None = None
) -> HistoryOp:
    """A line of a history; its index is the line, less one."""
    return HistoryOp(line - 1, time, type_, process, f, value=value, line=line)


def test_a_completion_belongs_to_its_process() -> None:
    calls = pair([op(1, "invoke", 0, "write", 3), op(2, "invoke", 1), op(3, "ok", 0, "write", 3), op(4, "ok", 1)])
    assert [(call.process, call.call, call.ret, call.f) for call in calls] == [(0, 0, 2, "write"), (1, 1, 3, "read")]


def test_intervals_are_times_where_every_line_has_one() -> None:
    calls = pair([op(1, "invoke", 0, time=70), op(2, "ok", 0, time=90)])
    assert (calls[0].call, calls[0].ret) == (70, 90)


def test_one_line_without_a_time_makes_all_of_it_positions() -> None:
    calls = pair([op(1, "invoke", 0, time=70), op(2, "ok", 0)])
    assert (calls[0].call, calls[0].ret) == (0, 1)


@pytest.mark.parametrize("time", [-1, 0, 7])
def test_one_time_on_every_line_is_no_time(time: int) -> None:
    lines = [op(1, "invoke", 0, time=time), op(2, "ok", 0, time=time), op(3, "invoke", 0, time=time)]
    assert [(call.call, call.ret) for call in pair(lines)] == [(0, 1), (2, None)]
    passing = [*lines, op(4, "ok", 0, time=time + 1)]
    assert [(call.call, call.ret) for call in pair(passing)] == [(time, time), (time, time + 1)]


def test_info_and_what_is_open_at_the_end_never_returned() -> None:
    calls = pair([op(1, "invoke", 0), op(2, "info", 0), op(3, "invoke", 1)])
    assert [(call.type, call.ret, call.completion_index) for call in calls] == [("info", None, 1), ("info", None, None)]


def test_a_failed_operation_keeps_its_interval_and_its_error() -> None:
    calls = pair([op(1, "invoke", 0), op(2, "fail", 0)._replace(error="refused")])
    assert (calls[0].type, calls[0].ret, calls[0].error) == ("fail", 1, "refused")


def test_calls_come_in_the_order_of_their_invocations_times() -> None:
    calls = pair([op(1, "invoke", 0, time=9), op(2, "invoke", 1, time=5)])
    assert [call.process for call in calls] == [1, 0]


def test_the_nemesis_is_left_out() -> None:
    assert pair([op(1, "info", NEMESIS, "kill"), op(2, "info", NEMESIS, "kill")]) == []


def test_a_process_goes_on_after_info() -> None:
    assert [call.type for call in pair([op(1, "invoke", 0), op(2, "info", 0), op(3, "invoke", 0), op(4, "ok", 0)])] == [
        "info", "ok"]


def test_keys_and_other_fields_come_from_either_line() -> None:
    invoke = op(1, "invoke", 0)._replace(extra={"expected_version": 3})
    complete = op(2, "ok", 0, value="x")._replace(key="/a", extra={"version": 4})
    (call,) = pair([invoke, complete])
    assert call == Call(
        0, 1, "ok", 0, "read", "/a", None, "x", None, {"expected_version": 3}, {"version": 4}, 0, 1, 1)


@pytest.mark.parametrize(("lines", "message"), [
    ([op(1, "ok", 3)],
     "h.edn line 1: ok of read by process 3, which has nothing open; each completion needs an invoke before it"),
    ([op(1, "invoke", 3), op(2, "ok", 3), op(3, "info", 3)],
     "h.edn line 3: info of read by process 3, which has nothing open; each completion needs an invoke before it"),
    ([op(1, "invoke", 3), op(2, "invoke", 3, "write")],
     "h.edn line 2: process 3 invokes write while its read of line 1 is open; a process does one thing at a time"),
    ([op(1, "invoke", 3), op(2, "ok", 3, "write")],
     "h.edn line 2: ok of write by process 3, whose open operation is the read of line 1"),
    ([op(1, "invoke", 3, time=9), op(2, "ok", 3, time=8)],
     "h.edn line 2: process 3 completed read at time 8, before its invocation at 9 (line 1)"),
    ([op(1, "maybe", 3)], "h.edn line 1: type 'maybe' is none of invoke, ok, fail, info"),
])
def test_what_cannot_be_paired_is_refused_with_its_line(lines: list[HistoryOp], message: str) -> None:
    with pytest.raises(HistoryError) as refusal:
        pair(lines, "h.edn")
    assert str(refusal.value) == message
