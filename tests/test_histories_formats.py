"""Reading and writing histories of others: each format as its tools write it, torn ones refused with their line."""

import gzip
import io
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers import HISTORIES, expected, needs_histories

from fencepost.histories.errors import HistoryError, InputError
from fencepost.histories.event import Event
from fencepost.histories.formats import FORMATS, read_operations, write_edn, write_json_lines
from fencepost.histories.formats.edn import MAX_DEPTH, MAX_TEXT, read_forms, read_piece, write_form
from fencepost.histories.formats.fields import FIRST_TIME, LAST_TIME
from fencepost.histories.formats.source import Lines
from fencepost.histories.history import write_history
from fencepost.histories.operations import HistoryOp
from fencepost.histories.pairing import pair


def lines(text: str) -> Lines:
    return Lines(io.BytesIO(text.encode()), "h")


def form(text: str) -> object:
    (value,) = read_piece(text, lines(text))
    return value


def read(text: str, format_: str | None = None) -> list[HistoryOp]:
    return list(read_operations(io.BytesIO(text.encode()), format_, "h"))


def told(ops: list[HistoryOp]) -> list[tuple[object, ...]]:
    """What most tests look at of operations."""
    return [(op.process, op.type, op.f, op.value) for op in ops]


# --- EDN --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "value"), [
    ("0x1f", 31),
    ("nil", None), ("true", True), ("-12", -12), ("12N", 12), ("1.5", 1.5), ("1.5M", 1.5), ("-2e3", -2000.0),
    ("##Inf", float("inf")), ("1/3", "1/3"), (":a/b", "a/b"), ("sym", "sym"), (r"\a", "a"), (r"\newline", "\n"),
    (r"\u0041", "A"), (r'"a\n\"b\\"', 'a\n"b\\'), (r'"\u00e9"', "\u00e9"), ('"two\nlines"', "two\nlines"),
    ("[1 [2 3]]", [1, [2, 3]]), ("(1, 2)", [1, 2]), ("#{3 1 2}", [1, 2, 3]), ('#{1 "a"}', ["a", 1]),
    ("{:a 1, [1 2] :b}", {"a": 1, (1, 2): "b"}), ('#inst "2020-01-01"', "2020-01-01"),
    ("#jepsen.history.Op{:index 0}", {"index": 0}), ("#a #b 3", 3), ("[1 #_ 2 3]", [1, 3]),
    ("[#_ #_ 1 2 3]", [3]), ("[1 ; two\n 3]", [1, 3]), ("#_ {:a 1} 2", 2),
])
def test_edn_values(text: str, value: object) -> None:
    assert form(text) == value


@pytest.mark.parametrize(("text", "message"), [
    ("[1 2", "h line 1: torn: the history ends within this '[' (its writer was killed or the disk was full)"),
    ("1\n{:a\n1", "h line 2: torn: the history ends within this '{' (its writer was killed or the disk was full)"),
    ('1\n "abc\nd', "h line 2: torn: this text has no end"),
    ("{:a 1\n :b}", "h line 1: a map with a key that has no value"),
    ("1\n]", "h line 2: ']' closes nothing"),
    ("{:a\n ]", "h line 2: ']' closes nothing; line 1 opened '{'"),
    ("[1] [2]", "h line 1: something follows the end of the history: '['"),
    ("[1]\n2", "h line 2: something follows the end of the history: '2'"),
    ("12ab", "h line 1: not EDN: '12ab'"), (":", "h line 1: not EDN: ':'"),
    (r"\unknown", r"h line 1: not EDN: '\\unknown'"),
    ("#tag", "h line 1: torn: a tag without its form"),
    ("{" + "[" * MAX_DEPTH, f"h line 1: nested too deep: {MAX_DEPTH} levels are allowed"),
    ('"' + "x" * MAX_TEXT + "\nx", f"h line 1: this text has no end within {MAX_TEXT} characters"),
    ("9" * 5000, "h line 1: not EDN: '" + "9" * 40 + "'"),
])
def test_edn_that_is_none_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(HistoryError) as refusal:
        list(read_forms(lines(text)))
    assert str(refusal.value) == message


def test_forms_of_one_vector_come_as_they_are_read_with_their_lines() -> None:
    forms = read_forms(lines("; what it is\n[{:a\n 1}\n {:a 2}\n {:a"))
    assert [next(forms), next(forms)] == [(2, {"a": 1}), (4, {"a": 2})]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=12)


@given(plain)
def test_edn_round_trip(value: object) -> None:
    assert form(write_form(value)) == value


@given(st.text(alphabet='[](){}#_:;"\\ ,\na1-.', max_size=40))
def test_edn_reads_or_refuses_anything(text: str) -> None:
    try:
        list(read_forms(lines(text)))
    except HistoryError as refusal:
        assert str(refusal).startswith("h line ")  # noqa: PT017  # both outcomes are fine, a crash is not


def test_what_edn_has_no_notation_for_is_refused() -> None:
    with pytest.raises(TypeError, match="EDN has no notation for set"):
        write_form({1, 2})


# --- each format ------------------------------------------------------------------------------------------------------

WRITE_AND_READ = [
    (0, "invoke", "write", 3), (1, "invoke", "read", None), (0, "ok", "write", 3), (1, "info", "read", None)]

EDN_LINES = """{:process 0, :type :invoke, :f :write, :value 3}
{:process 1, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :write, :value 3}
{:process 1, :type :info, :f :read, :value nil}
"""
MAELSTROM = "".join(f"#jepsen.history.Op{line}\n" for line in EDN_LINES.splitlines())
JSON_LINES = """{"process": 0, "type": "invoke", "f": "write", "value": 3}
{"process": 1, "type": "invoke", "f": "read", "value": null}

{"process": 0, "type": "ok", "f": "write", "value": 3}
{"process": 1, "type": "info", "f": "read", "value": null}
"""
LOG = """INFO  jepsen.util - 0\t:invoke\t:write\t3
INFO  jepsen.core - nodes are up
INFO  jepsen.util - 1\t:invoke\t:read\tnil
INFO  jepsen.util - 0   :ok     :write  3
INFO  jepsen.util - 1\t:info\t:read\t:timed-out
"""
JSON_ARRAY = "[" + ",\n".join(line for line in JSON_LINES.splitlines() if line) + "]\n"


@pytest.mark.parametrize("text", [
    EDN_LINES, f"[{EDN_LINES}]", f"({EDN_LINES})", MAELSTROM, JSON_LINES, JSON_ARRAY, LOG,
    f"; a comment\n\n{EDN_LINES}", f"#jepsen.history.DenseHistory [{EDN_LINES}]",
    "\n".join(line.partition("- ")[2] for line in LOG.splitlines() if "util" in line),
    LOG.replace("INFO  jepsen.util - ", "2024-05-01 10:00:00,123{GMT}\tINFO\t[jepsen worker 0] jepsen.util: "),
])
def test_formats_are_recognised(text: str) -> None:
    assert told(read(text)) == WRITE_AND_READ


def test_a_keyword_instead_of_a_value_is_the_error() -> None:
    assert [op.error for op in read(LOG)] == [None, None, None, "timed-out"]


def test_other_fields_are_kept() -> None:
    (op,) = read('{"index": 7, "time": 81, "type": "ok", "process": "a", "f": "cas", "key": "/x", "version": 3}')
    assert op == HistoryOp(7, 81, "ok", "a", "cas", "/x", None, None, {"version": 3}, 1)


def test_ellis_examples_may_leave_out_process_and_function() -> None:
    calls = pair(read("{:index 4 :type :invoke :value [[:r 1 nil]]}\n{:index 5 :type :ok :value [[:r 1 [2]]]}"))
    assert [(call.process, call.f, call.result, call.index) for call in calls] == [(None, "txn", [["r", 1, [2]]], 4)]


def test_jepsen_prints_what_an_operation_does_not_have() -> None:
    text = "".join(f"{{:process nil, :type {type_}, :f nil, :value [[:r 1 nil]], :index -1, :time -1}}\n"
                   for type_ in (":invoke", ":ok", ":invoke", ":ok"))
    assert [(call.f, call.index, call.call, call.ret) for call in pair(read(text))] == [
        ("txn", 0, 0, 1), ("txn", 2, 2, 3)]


def test_a_mark_of_byte_order_is_no_part_of_the_first_line() -> None:
    assert told(list(read_operations(io.BytesIO(b"\xef\xbb\xbf" + b'{"type": "ok", "f": "read", "value": 3}\n')))) == [
        (None, "ok", "read", 3)]


INTERVALS = """{"client_id": 0, "call": 10, "return": 30, "input": {"op": "put", "key": "x", "value": "1"}}
{"client_id": 1, "call": 20, "return": 25, "input": {"op": "get", "key": "x"}, "output": {"value": "1"}}
{"client_id": 1, "call": 26, "return": null, "input": {"op": "get", "key": "x"}}
{"client_id": 0, "call": 31, "return": 40, "input": {"op": "cas", "value": [1, 2]}, "output": {"ok": false}}
"""
GO = INTERVALS.replace("client_id", "ClientId").replace('"call"', '"Call"').replace('"return"', '"Return"').replace(
    '"input"', '"Input"').replace('"output"', '"Output"')
JSON_EVENTS = """{"kind": "call", "id": 0, "client_id": 0, "value": {"f": "put", "key": "x", "value": "1"}}
{"kind": "call", "id": 1, "value": {"f": "get", "key": "x"}}
{"kind": "return", "id": 1, "value": "1"}
{"Kind": true, "Id": 0, "ClientId": 0, "Value": null}
"""


@pytest.mark.parametrize("text", [INTERVALS, GO, "[" + ",".join(INTERVALS.splitlines()) + "]"])
def test_intervals(text: str) -> None:
    assert [(call.call, call.ret, call.type, call.process, call.f, call.key, call.argument, call.result)
            for call in pair(read(text))] == [
        (10, 30, "ok", 0, "put", "x", "1", None), (20, 25, "ok", 1, "get", "x", None, "1"),
        (26, None, "info", 1, "get", "x", None, None), (31, 40, "fail", 0, "cas", None, [1, 2], None)]


def test_call_and_return_events() -> None:
    assert [(call.call, call.ret, call.process, call.f, call.argument, call.result)
            for call in pair(read(JSON_EVENTS))] == [
        (0, 3, 0, "put", "1", None), (1, 2, "operation 1", "get", None, "1")]


FLAT = """{"process": 0, "call": 10, "return": 30, "op": "put", "key": "x", "value": "1"}
{"process": 1, "call": 20, "return": 25, "op": 0, "key": "x", "output": "1"}
{"process": 1, "call": 26, "op": "GET", "key": "x"}
{"process": 2, "call": 31, "return": 40, "op": 1, "value": 5, "output": {"unknown": true}}
"""


def test_the_input_may_stand_beside_the_interval_and_functions_may_be_numbers() -> None:
    assert [(call.ret, call.type, call.f, call.key, call.argument, call.result) for call in pair(read(FLAT))] == [
        (30, "ok", "put", "x", "1", None), (25, "ok", "get", "x", None, "1"), (None, "info", "get", "x", None, None),
        (None, "info", "write", None, 5, None)]


def test_events_may_be_told_by_their_type() -> None:
    events = JSON_EVENTS.replace('"kind": "', '"type": "')
    assert read(events) == read(JSON_EVENTS)


def test_intervals_without_clients_may_overlap() -> None:
    text = "".join(f'{{"call": {at}, "return": 9, "input": {{"op": "read"}}, "output": 1}}\n' for at in (1, 2))
    assert [call.process for call in pair(read(text))] == ["operation 0", "operation 1"]


def test_of_our_own_histories_only_the_operations_of_clients(tmp_path: Path) -> None:
    with (tmp_path / "history.jsonl").open("w") as file:
        write_history(file, {"mode": "kraft"}, [
            Event(0, 5, "observe", "node-started", node=1), Event(1, 7, "fault", "pause", node=1),
            Event(2, 9, "invoke", "produce", 3, key="orders-0", value={"acks": -1}),
            Event(3, 12, "ok", "produce", 3, key="orders-0", value={"base_offset": 4}, epochs={"leader_epoch": 2})])
    for source in (tmp_path, tmp_path / "history.jsonl", str(tmp_path)):
        assert list(read_operations(source)) == [
            HistoryOp(2, 9, "invoke", 3, "produce", "orders-0", {"acks": -1}, None, {}, 4),
            HistoryOp(3, 12, "ok", 3, "produce", "orders-0", {"base_offset": 4}, None, {"leader_epoch": 2}, 5)]


# --- sources ----------------------------------------------------------------------------------------------------------


def test_gzip_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_bytes(gzip.compress(EDN_LINES.encode()))
    assert told(list(read_operations(path))) == WRITE_AND_READ


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BufferedReader(io.BytesIO(gzip.compress(JSON_LINES.encode())))

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert told(list(read_operations("-"))) == WRITE_AND_READ


def test_a_directory_of_jepsens(tmp_path: Path) -> None:
    (tmp_path / "history.edn").write_text(EDN_LINES)
    assert told(list(read_operations(tmp_path))) == WRITE_AND_READ


def test_lines_are_read_as_they_are_asked_for() -> None:
    """What is not yet asked for is not read, so that memory does not grow with the file."""
    given = 0

    class Endless(io.RawIOBase):
        def readline(self, size: int | None = -1) -> bytes:
            nonlocal given
            given += 1
            return b'{"process": 0, "type": "invoke", "f": "read"}\n'

        def seekable(self) -> bool:
            return False

    ops = read_operations(Endless(), "jsonl")  # type: ignore[arg-type]  # a stream with a readline is enough
    assert [next(ops).index for _ in range(5)] == [0, 1, 2, 3, 4]
    assert given == 5


# --- what cannot be read ----------------------------------------------------------------------------------------------

OPERATION = '{"process": 0, "type": "invoke", "f": "read"}\n'


@pytest.mark.parametrize(("text", "message"), [
    ("", "h line 1: empty: there is no operation in it"),
    ("hello\n", "h line 1: no format that is known: 'hello'; --format says which it is"),
    (OPERATION + '{"process": 0, "ty', "h line 2: torn (its writer was killed or the disk was full): "
                                       "'{\"process\": 0, \"ty'"),
    (OPERATION + "}\n", "h line 2: not JSON: '}'"),
    (OPERATION + "[1]\n", None),
    (OPERATION + "3\n", "h line 2: an operation is expected, a map with type, process, f and value, not '3'"),
    (OPERATION + '{"process": 0}\n', "h line 2: an operation without a type; allowed is invoke, ok, fail, info"),
    (OPERATION + '{"type": "done"}\n', "h line 2: type 'done'; allowed is invoke, ok, fail, info"),
    (OPERATION + '{"type": "ok", "f": 3}\n', "h line 2: f is 3, not a name"),
    (OPERATION + '{"type": "ok", "process": [3]}\n', "h line 2: process is [3], not a number or a name"),
    (OPERATION + '{"type": "ok", "time": 1.5}\n', "h line 2: time is 1.5, not a whole number"),
    (OPERATION + '{"type": "ok", "time": 9223372036854775807}\n',
     "h line 2: time is 9223372036854775807, beyond 64 bits: count from the history's start"),
    ('{"call": -9223372036854775809, "input": {"op": "read"}}\n',
     "h line 1: call is -9223372036854775809, beyond 64 bits: count from the history's start"),
    ("{:type :invoke}\n{:type :ok :value {1 2 1 3}}", "h line 2: a map with one key twice"),
    (OPERATION + '{"type": "ok", "value": NaN}\n', "h line 2: not JSON: '{\"type\": \"ok\", \"value\": NaN}'"),
    (OPERATION + "[" * 100_000 + "\n", None),
    ("[" + OPERATION, "h line 2: torn: the array goes on without a comma or an end"),
    ("[" + OPERATION + ",", "h line 2: torn: the array has no end (its writer was killed or the disk was full)"),
    ("[" + OPERATION + ",{]", "h line 2: not JSON, or torn: '{]'"),
    ("[" + OPERATION + "]\n3", "h line 2: something follows the end of the array"),
    ("{:type :invoke}\n{:type :done}", "h line 2: type 'done'; allowed is invoke, ok, fail, info"),
    ("INFO jepsen.util - 0\t:invoke\t:read\tnil\nINFO jepsen.util - 0\t:o",
     "h line 2: torn (its writer was killed or the disk was full): 'INFO jepsen.util - 0\\t:o'"),
    ("0\t:invoke\t:read\tnil\n0\t:ok\t:cas\t[1 2\n",
     "h line 2: torn: the history ends within this '[' (its writer was killed or the disk was full)"),
    ("0\t:invoke\t:read\tnil\n0\t:ok\t:read\n",
     "h line 2: not an operation (process, :type, :f and value): '0\\t:ok\\t:read'"),
    ('{"header": {"format": 99}}\n',
     "h line 1: format 99 is not known; this version reads format 1"),
    ('{"call": 1, "input": 3}\n', "h line 1: the input is 3; it must name the function as f or op"),
    ('{"call": null, "input": {"op": "read"}}\n', "h line 1: an operation without its call"),
    ('{"call": 1, "client_id": [], "input": {"op": "read"}}\n', "h line 1: the client is [], not a number or a name"),
    ('{"kind": "return", "id": 3}\n',
     "h line 1: the return of 3, which no call opened; each completion needs an invoke before it"),
    ('{"kind": "call", "id": 3, "value": {"op": "a"}}\n' * 2, "h line 2: the call 3 is open already"),
    ('{"kind": "stop", "id": 3}\n', "h line 1: kind 'stop', id 3: allowed is call or return and a number"),
])
def test_bad_histories_are_refused_in_one_line(text: str, message: str | None) -> None:
    with pytest.raises(HistoryError) as refusal:
        read(text)
    assert str(refusal.value).count("\n") == 0
    assert str(refusal.value).startswith("h line ")
    if message is not None:
        assert str(refusal.value) == message


def test_a_torn_gzip_is_refused_with_its_line() -> None:
    data = gzip.compress((OPERATION * 20).encode(), mtime=0)
    with pytest.raises(HistoryError, match=r"h line \d+: the gzipped data is torn here"):
        list(read_operations(io.BytesIO(data[:-12]), "jsonl", "h"))


def test_what_is_no_text_is_refused_with_its_line() -> None:
    with pytest.raises(HistoryError, match=r"h line 2: not UTF-8 text \(invalid start byte at byte 1 of the line\)"):
        list(read_operations(io.BytesIO(OPERATION.encode() + b"a\xff\n"), "jsonl", "h"))


def test_a_format_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match=f"format 'xml' is not known; allowed is {', '.join(FORMATS)}"):
        list(read_operations(io.BytesIO(b""), "xml"))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such run directory or history"):
        list(read_operations(tmp_path / "none"))


def test_overlapping_intervals_of_one_client_are_refused_with_their_line() -> None:
    text = "".join(f'{{"client": 3, "call": {at}, "return": 9, "input": {{"op": "read"}}}}\n' for at in (1, 2))
    with pytest.raises(HistoryError) as refusal:
        pair(read(text), "h")
    assert str(refusal.value) == (
        "h line 2: process 3 invokes read at time 2 while its read of line 1 is open until 9; "
        "a process does one thing at a time")


# --- writing ----------------------------------------------------------------------------------------------------------

names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
json_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6)
operations = st.builds(
    HistoryOp, index=st.integers(0, 1000), time=st.none() | st.integers(FIRST_TIME, LAST_TIME),
    type=st.sampled_from(("invoke", "ok", "fail", "info")),
    process=st.none() | st.integers() | names, f=names, key=st.none() | st.text(max_size=5), value=json_plain,
    error=st.none() | st.text(min_size=1, max_size=5),
    extra=st.dictionaries(names.map(lambda name: f"x-{name}"), json_plain, max_size=2), line=st.just(0))


@given(st.lists(operations, min_size=1, max_size=5))
@pytest.mark.parametrize("write", [write_edn, write_json_lines])
def test_what_is_written_is_read_again(write: object, ops: list[HistoryOp]) -> None:
    file = io.StringIO()
    write(ops, file)  # type: ignore[operator]
    again = [op._replace(line=0) for op in read(file.getvalue())]
    assert again == ops


# --- the peers' own histories -----------------------------------------------------------------------------------------


@needs_histories
@pytest.mark.parametrize("path", sorted({row.path for row in expected()}))
def test_the_peers_histories_are_read_and_paired(path: str) -> None:
    ops = list(read_operations(HISTORIES / path))
    calls = pair(ops, path)
    assert len(calls) == sum(op.type == "invoke" and op.process != "nemesis" for op in ops)


@needs_histories
def test_the_recorded_ensemble_is_read() -> None:
    calls = pair(read_operations(HISTORIES / "zookeeper" / "ensemble-of-3.jsonl.gz"))
    assert {call.f for call in calls} == {"read", "write", "cas", "sync-read"}
    assert len({call.key for call in calls}) == 56
