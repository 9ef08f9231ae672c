"""The registry of anomaly models, and the page that lists what they can report."""

import contextlib
import doctest
import json
import re
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from client_history import ClientHistory
from command_line import Command, in_process
from documents import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from fencepost.checkers.anomaly_models import ANOMALY_MODELS
from fencepost.checkers.anomaly_report import Anomaly, report
from fencepost.harness import reference
from fencepost.histories.errors import HistoryError, InputError


def test_the_page_lists_exactly_the_anomalies_that_can_be_reported() -> None:
    page = reference.anomalies()
    for name, model in ANOMALY_MODELS.items():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert re.findall(r"^### (.+)$", section, re.M) == list(model.kinds)


def test_a_report_counts_what_is_not_allowed() -> None:
    bad, permitted = Anomaly("G0", "a cycle", (1, 2)), Anomaly("G1a", "a read", (3,), {}, "nobody minds")
    assert report([bad, permitted]).verdict == "invalid"
    assert report([bad, permitted]).kinds == ["G0"]
    assert report([permitted]).verdict == "valid"
    assert report([permitted], ["nothing to go by"]).verdict == "unknown"
    assert report([bad], ["nothing to go by"]).verdict == "invalid"
    assert "allowed: nobody minds" in report([permitted]).words()


def test_words_show_the_first_cases_of_each_kind() -> None:
    many = report([Anomaly("G0", f"cycle {number}", (number,)) for number in range(8)])
    assert "cycle 4" in many.words()
    assert "cycle 5" not in many.words()
    assert "G0: 3 more" in many.words()
    assert len(many.to_json()["anomalies"]) == 8


def test_the_how_to_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / "docs" / "how-to" / "find-anomalies.md"
    history = page.read_text(encoding="utf-8").split("```clojure\n")[1].split("```")[0]
    (tmp_path / "history.edn").write_text(history)
    monkeypatch.chdir(tmp_path)
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 6
    assert result.failed == 0


def test_every_command_of_the_how_to_names_a_model_and_its_options() -> None:
    page = (ROOT / "docs" / "how-to" / "find-anomalies.md").read_text(encoding="utf-8")
    for model, option in re.findall(r"--model ([\w-]+)(?: --option (\S+))?", page):
        assert ANOMALY_MODELS[model].read_options([option] if option else []) is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.sampled_from(["send", "poll", "append", "r", "w", "x", "7"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["x", "keys", "7"]), inner, max_size=2),
    max_leaves=12)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(["kafka", "list-append", "rw-register"]), st.sampled_from(["send", "poll", "txn", "assign"]),
       st.lists(st.tuples(st.sampled_from(["ok", "info", "fail"]), JSON, JSON), max_size=3), JSON)
def test_whatever_a_history_holds_it_is_judged_or_refused(
    model: str, f: str, values: list[tuple[str, Any, Any]], extra: Any
) -> None:
    history = ClientHistory()
    for process, (type_, argument, result) in enumerate(values):
        history.run(process, f, argument, result, type_, **{"rebalance-log": extra})
    with contextlib.suppress(HistoryError):
        report = ANOMALY_MODELS[model].analyse(history.calls())
        assert json.loads(json.dumps(report.to_json()))["verdict"] == report.verdict
        assert report.words()


class TestOptions:
    def test_names_and_yes_or_no(self) -> None:
        given = ["consistency-models=serializable, PL-2", "linearizable_keys", "wfr_keys=no"]
        assert ANOMALY_MODELS["rw-register"].read_options(given) == {
            "consistency_models": ("serializable", "PL-2"), "linearizable_keys": True, "wfr_keys": False}

    @pytest.mark.parametrize(("text", "words"), [
        ("speed=9", "known are consistency_models"), ("wfr_keys=maybe", "allowed is wfr_keys=yes")])
    def test_others_are_refused(self, text: str, words: str) -> None:
        with pytest.raises(InputError, match=words):
            ANOMALY_MODELS["rw-register"].read_options([text])

    def test_every_option_is_one_of_the_analysis(self) -> None:
        for model in ANOMALY_MODELS.values():
            assert set(model.options) == set(signature(model.analyse).parameters) - {"calls", "budget"}


class TestCommandLine:
    @pytest.fixture
    def fencepost(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
        return in_process(monkeypatch, capsys)

    @pytest.fixture
    def write_skew(self, tmp_path: Path) -> Path:
        path = tmp_path / "skew.edn"
        path.write_text("""
            {:process 0 :type :invoke :f :txn :value [[:append :x 1] [:r :y nil]]}
            {:process 1 :type :invoke :f :txn :value [[:append :y 1] [:r :x nil]]}
            {:process 0 :type :ok :f :txn :value [[:append :x 1] [:r :y nil]]}
            {:process 1 :type :ok :f :txn :value [[:append :y 1] [:r :x []]]}
        """)
        return path

    def test_the_consistency_model_decides(self, fencepost: Command, write_skew: Path) -> None:
        arguments = ("check", write_skew, "--model", "list-append", "--json")
        code, out, _ = fencepost(*arguments)
        (violation,) = json.loads(out)["violations"]
        assert (code, violation["kind"]) == (1, "G2-item")
        code, out, _ = fencepost(*arguments, "--option", "consistency_models=snapshot-isolation")
        data = json.loads(out)
        assert (code, data["violations"], data["weakest_impossible"]) == (0, [], ["repeatable-read"])
        assert [anomaly["kind"] for anomaly in data["allowed"]] == ["G2-item"]

    @pytest.mark.parametrize(("model", "option", "words"), [
        ("list-append", "consistency_models=eventual", "'eventual' is no consistency model"),
        ("kafka", "final_polls=never", "allowed is final_polls=yes"), ("register", "speed=9", "has no options")])
    def test_bad_options_get_one_line(
        self, fencepost: Command, write_skew: Path, model: str, option: str, words: str
    ) -> None:
        code, out, err = fencepost("check", write_skew, "--model", model, "--option", option)
        assert (code, out) == (254, "")
        assert words in err
        assert len(err.splitlines()) == 1

    def test_a_history_of_another_kind_gets_one_line(self, fencepost: Command, write_skew: Path) -> None:
        code, _, err = fencepost("check", write_skew, "--model", "kafka")
        assert code == 254
        assert f"{write_skew} line 2, operation 0" in err

    def test_kafkas_log(self, fencepost: Command, tmp_path: Path) -> None:
        path = tmp_path / "log.jsonl"
        lines = [
            {"process": 0, "type": "invoke", "f": "send", "value": [["send", 7, 1], ["send", 7, 2]]},
            {"process": 0, "type": "ok", "f": "send", "value": [["send", 7, [0, 1]], ["send", 7, [1, 2]]]},
            {"process": 1, "type": "invoke", "f": "poll", "value": [["poll"]]},
            {"process": 1, "type": "ok", "f": "poll", "value": [["poll", {"7": [[1, 2]]}]]}]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        code, out, _ = fencepost("check", path, "--model", "kafka", "--json")
        assert (code, json.loads(out)["counts"]) == (1, {"lost-write": 1, "unseen": 1})
