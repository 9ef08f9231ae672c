"""`fencepost check --model`: the peers' own histories get the peers' verdicts, bad input gets one line."""

import io
import json
import sys
from pathlib import Path

import pytest
from command_line import Command, in_process
from peers import HISTORIES, MODEL_ARGUMENTS, Expected, expected, needs_histories

from fencepost.checkers.linearizability import compiled
from fencepost.checkers.linearizability.budget import Exhausted
from fencepost.harness.budget import WallBudget, resident_bytes
from fencepost.harness.judge import Question, Watch, contracts, judge
from fencepost.histories.formats import read_operations, write_json_lines
from fencepost.histories.operations import HistoryOp

ENSEMBLE = HISTORIES / "zookeeper" / "ensemble-of-3.jsonl.gz"
SYNCED = ("--only", "write,cas,sync-read")

GOOD = """{:process 0, :type :invoke, :f :write, :value 3}
{:process 0, :type :ok, :f :write, :value 3}
{:process 0, :type :invoke, :f :read, :value nil}
{:process 0, :type :ok, :f :read, :value 3}
"""
BAD = GOOD.replace(":read, :value 3", ":read, :value 4")


@pytest.fixture
def fencepost(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return in_process(monkeypatch, capsys)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "h.edn"
    path.write_text(GOOD)
    return path


def _stated() -> list[Expected]:
    return [row for row in expected() if row.linearizable in ("yes", "no")]


@needs_histories
@pytest.mark.parametrize("engine", ["pure", "auto"])
@pytest.mark.parametrize("row", _stated(), ids=lambda row: f"{row.path}-{row.model[:2]}-{row.model[-5:]}")
def test_the_peers_histories_get_their_verdicts(fencepost: Command, row: Expected, engine: str) -> None:
    code, out, _ = fencepost(
        "check", HISTORIES / row.path, *MODEL_ARGUMENTS[row.model], "--engine", engine, "--json")
    data = json.loads(out)
    assert (data["verdict"], code) == (("valid", 0) if row.linearizable == "yes" else ("invalid", 1))
    assert bool(data["violations"]) == (code == 1)


@needs_histories
@pytest.mark.parametrize("engine", ["pure", "auto"])
def test_the_recorded_ensembles_synced_operations_are_linearizable(fencepost: Command, engine: str) -> None:
    code, out, _ = fencepost(
        "check", ENSEMBLE, "--model", "versioned-register", *SYNCED, "--engine", engine, "--json")
    data = json.loads(out)
    assert (code, data["verdict"], data["violations"]) == (0, "valid", [])


@needs_histories
@pytest.mark.parametrize("engine", ["pure", "auto"])
def test_the_recorded_ensembles_plain_reads_are_stale_on_two_keys(fencepost: Command, engine: str) -> None:
    code, out, _ = fencepost("check", ENSEMBLE, "--model", "versioned-register", "--engine", engine, "--json")
    data = json.loads(out)
    assert (code, data["verdict"]) == (1, "invalid")
    assert sorted(violation["part"] for violation in data["violations"]) == ["/r/0-3", "/r/11-0"]


# --- what is printed --------------------------------------------------------------------------------------------------


def test_the_report_as_data(fencepost: Command, history: Path) -> None:
    code, out, err = fencepost("check", history, "--model", "register", "--json")
    data = json.loads(out)
    assert (code, err) == (0, "")
    assert {name: data[name] for name in ("verdict", "model", "operations", "violations")} == {
        "verdict": "valid", "model": "register", "operations": 2, "violations": []}
    assert data["elapsed_s"] >= 0
    assert data["engine"]


def test_a_violation_in_words_and_as_data(fencepost: Command, history: Path) -> None:
    history.write_text(BAD)
    code, out, _ = fencepost("check", history, "--model", "register")
    assert code == 1
    assert "INVALID  1 violation\n" in out
    assert "read 4 but the register holds 3" in out
    code, out, _ = fencepost("check", history, "--model", "register", "--json")
    (violation,) = json.loads(out)["violations"]
    assert (code, violation["operation"]["f"], violation["operation"]["result"]) == (1, "read", 4)


def test_explain_tells_the_counterexample(fencepost: Command, history: Path) -> None:
    history.write_text(BAD)
    told = {explain: fencepost("check", history, "--model", "cas-register", *explain)[1]
            for explain in ((), ("--explain",))}
    prefix = "write(3) by process 0 (called at 0, returned at 1)"
    assert [prefix in out for out in told.values()] == [False, True]


def test_the_models_are_listed_a_line_each(fencepost: Command) -> None:
    code, out, _ = fencepost("check", "--models")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [name for name, _ in contracts()]
    for name in ("etcd", "cas-register", "register", "versioned-register", "kv", "multi-register", "mutex", "kafka"):
        assert f"\n{name} " in f"\n{out}"


def test_the_models_as_data(fencepost: Command) -> None:
    _, out, _ = fencepost("check", "--models", "--json")
    assert [(row["model"], row["description"]) for row in json.loads(out)] == contracts()


# --- options ----------------------------------------------------------------------------------------------------------


def test_standard_input(fencepost: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BufferedReader(io.BytesIO(BAD.encode()))

    monkeypatch.setattr(sys, "stdin", Stdin)
    code, out, _ = fencepost("check", "-", "--model", "register")
    assert code == 1
    assert out.startswith("standard input  register  2 operations")


def test_the_first_content(fencepost: Command, history: Path) -> None:
    history.write_text(GOOD.replace(":f :write, :value 3", ":f :cas, :value [7 3]"))
    assert [fencepost("check", history, "--model", "cas-register", "--initial", initial)[0]
            for initial in ("7", "8")] == [0, 1]


def test_how_old_readings_may_be(fencepost: Command, tmp_path: Path) -> None:
    steps = [("write", 1, 0, 1), ("write", 2, 2, 3), ("read", 1, 10, 11)]
    stale = tmp_path / "stale.jsonl"
    stale.write_text("".join(
        json.dumps({"time": time, "type": kind, "process": 0, "f": f, "value": value}) + "\n"
        for f, value, call, ret in steps for kind, time in (("invoke", call), ("ok", ret))))
    assert [fencepost("check", stale, "--model", "bounded-staleness", "--option", f"staleness={bound}")[0]
            for bound in ("7", "6")] == [0, 1]
    assert "no reading is older than 7" in fencepost("check", stale, "--model", "bounded-staleness")[1]


def test_only_keeps_some_functions(fencepost: Command, history: Path) -> None:
    history.write_text(BAD)
    assert fencepost("check", history, "--model", "register", "--only", "write")[0] == 0


def test_per_key_takes_the_key_out_of_the_value(fencepost: Command, tmp_path: Path) -> None:
    """Two registers, as Jepsen's independent workloads and Maelstrom write them."""
    path = tmp_path / "h.jsonl"
    steps = [("write", ["x", 1], ["x", 1]), ("write", ["y", 2], ["y", 2]), ("read", ["x", None], ["x", 1])]
    with path.open("w") as file:
        write_json_lines((HistoryOp(0, None, type_, 0, f, value=value) for f, asked, got in steps
                          for type_, value in (("invoke", asked), ("ok", got))), file)
    assert fencepost("check", path, "--model", "register", "--per-key")[0] == 0
    code, out, _ = fencepost("check", path, "--model", "register")
    assert (code, "values are taken as [key, value]" in out) == (0, True)
    path.write_text(path.read_text().replace('["x",null]', "null"))
    code, out, _ = fencepost("check", path, "--model", "register")
    assert (code, "values are taken as [key, value]" in out) == (1, False)


def test_a_time_limit_gives_unknown(monkeypatch: pytest.MonkeyPatch, history: Path) -> None:
    history.write_text(GOOD * 1000)
    data = judge(Question(history, "register"), WallBudget(0.0))
    assert (data["verdict"], data["violations"]) == ("unknown", [])
    assert "the time limit of 0 s" in " ".join(data["notes"])


def test_what_the_process_holds_counts_from_the_first_search_on(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [5_000]
    monkeypatch.setattr("fencepost.harness.budget.resident_bytes", lambda: held[0])
    budget = WallBudget(None, memory_bytes=1_000)
    for configurations, bytes_ in ((0, 3_000), (1, 5_000), (1, 6_050), (0, 9_000)):
        held[0] = bytes_
        budget.spend(configurations)
    with pytest.raises(Exhausted, match="the memory limit of 1,000 bytes"):
        budget.spend(1)


def test_the_systems_word_for_what_the_process_holds() -> None:
    before = resident_bytes()
    ballast = b"x" * 50_000_000
    if before:
        assert resident_bytes() - before > len(ballast) // 2


def test_the_watch_is_told_how_far_it_is(history: Path) -> None:
    history.write_text(GOOD * 1000)
    seen: list[int] = []

    class Told(Watch):
        def reading(self, lines: int) -> None:
            seen.append(lines)

    judge(Question(history, "register"), WallBudget(None), Told())
    assert seen == [1000, 2000, 3000, 4000]


def test_a_budget_says_which_limit_it_was() -> None:
    with pytest.raises(Exhausted, match="the time limit of 0 s"):
        WallBudget(0.0).spend(1)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "arguments", "message"), [
    (GOOD, ["--model", "mutx"],
     "--model mutx: there is no such model; did you mean mutex? (`fencepost check --models` lists all)"),
    (GOOD[:-20], ["--model", "register"], "{path} line 4: torn: the history ends within this '{{' (its writer was "
                                          "killed or the disk was full)"),
    (GOOD.partition("\n")[2], ["--model", "register"],
     "{path} line 1: ok of write by process 0, which has nothing open; each completion needs an invoke before it"),
    (GOOD.replace(":ok, :f :write", ":invoke, :f :read"), ["--model", "register"],
     "{path} line 2: process 0 invokes read while its write of line 1 is open; a process does one thing at a time"),
    (GOOD, ["--model", "mutex"],
     "{path} line 1: mutex has no operation 'write' (it has acquire, release): choose another --model, or keep some "
     "functions with --only"),
    (GOOD, ["--model", "register", "--format", "xml"],
     "format 'xml' is not known; allowed is edn, jsonl, intervals, log, fencepost"),
    (GOOD, ["--model", "register", "--format", "jsonl"],
     "{path} line 1: not JSON: '{{:process 0, :type :invoke, :f :write, :value 3}}'"),
    (GOOD, ["--model", "register", "--initial", "x"],
     "--initial x: not JSON; a text needs quotation marks, as in '\"a\"'"),
    (GOOD, ["--model", "mutex", "--whole"],
     "mutex cannot be judged as a whole: each key is an object of its own; leave --whole out"),
    (GOOD, ["--model", "register", "--per-key"],
     "{path} line 1: with --per-key the value of write should be [key value] where there is no key field, but is 3"),
    (GOOD, ["--model", "register", "--only", "read,sync"],
     "--only sync: {path} has no such function; it has read, write"),
    (GOOD, ["--model", "register", "--timeout", "soon"],
     "'soon' is no duration; allowed is a number with a unit, such as 30s, 500ms or 2m"),
    (GOOD, ["--model", "register", "--memory", "2 elephants"],
     "'2 elephants' is no size; allowed is a number with a unit, such as 2GiB or 500MB"),
    (GOOD, ["--model", "register", "--no-excuses"],
     "--no-excuses: allowed only without --model, for a run of Fencepost's"),
    (GOOD, ["--per-key"], "--per-key: allowed only with --model"),
    (GOOD, ["--timeout", "3s"], "--timeout: allowed only with --model"),
    (GOOD, [], "{path}: this is no run of Fencepost's but a history in edn: say by --model what to judge it by "
               "(`fencepost check --models` lists what there is)"),
])
def test_bad_input_is_one_line(
    fencepost: Command, history: Path, text: str, arguments: list[str], message: str
) -> None:
    history.write_text(text)
    code, out, err = fencepost("check", history, *arguments)
    assert (code, out, err) == (254, "", f"fencepost: {message.format(path=history)}\n")


def test_a_search_that_was_not_built_is_one_line(
    fencepost: Command, history: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "is_there", lambda: False)
    code, out, err = fencepost("check", history, "--model", "register", "--engine", "compiled")
    words = "--engine compiled: it was not built here; install with a C compiler, or leave --engine out"
    assert (code, out, err) == (254, "", f"fencepost: {words}\n")


def test_a_missing_history_is_one_line(fencepost: Command) -> None:
    code, _, err = fencepost("check")
    assert (code, err.count("\n")) == (254, 1)
    assert "Missing argument 'RUN_DIR|HISTORY|-'" in err


def test_a_converted_history_is_the_same_history(fencepost: Command, history: Path, tmp_path: Path) -> None:
    history.write_text(BAD)
    edn, back = tmp_path / "other.edn", tmp_path / "back.jsonl"
    assert fencepost("convert", history, "--to", "edn", "-o", edn)[0] == 0
    assert edn.read_text().startswith("{:index 0")
    assert fencepost("convert", edn, "--to", "jsonl", "-o", back)[0] == 0
    operations = [[operation._replace(line=0) for operation in read_operations(path)] for path in (history, edn, back)]
    assert operations[0] == operations[1] == operations[2]
    assert fencepost("convert", back, "--to", "edn")[1] == edn.read_text()
    code, _, err = fencepost("convert", history, "--to", "edn", "-o", edn)
    assert (code, "there is such a file" in err) == (254, True)


def test_what_cannot_be_converted_leaves_no_file(fencepost: Command, history: Path, tmp_path: Path) -> None:
    history.write_text(GOOD + "{torn")
    code, _, err = fencepost("convert", history, "--to", "edn", "-o", tmp_path / "other.edn")
    assert (code, len(err.splitlines())) == (254, 1)
    code, _, err = fencepost("convert", history, "--to", "edn", "-o", tmp_path / "nowhere" / "h.edn")
    assert (code, "cannot be written" in err) == (255, True)
    assert [path.name for path in tmp_path.iterdir()] == [history.name]


def test_operations_that_prove_nothing_are_counted(fencepost: Command, history: Path) -> None:
    history.write_text(GOOD)
    assert "left out" not in fencepost("check", history, "--model", "register")[1]
    history.write_text(GOOD + "".join(
        f"{{:process 9, :type :{type_}, :f :write, :value 7}}\n" for type_ in ("invoke", "fail")))
    code, out, _ = fencepost("check", history, "--model", "register")
    assert (code, "operations prove nothing and are left out" in out) == (0, True)
