"""Faults that did not strike: `run` and `campaign` say which, and why."""

import json
from pathlib import Path

import pytest
from command_line import Command, in_process

from fencepost.harness.coverage import coverage
from fencepost.harness.skips import reason_class, skip_counts, skip_line, skipped_faults
from fencepost.histories.recorder import Recorder

_SCHEDULE = [
    {"kind": "shutdown", "at": "1s", "duration": "2s", "target": "node 1"},
    {"kind": "pause", "at": "2500ms", "duration": "500ms", "target": "node 1"},
    {"kind": "kill", "duration": "1s", "target": "here",
     "at_point": {"point": "broker.truncated", "count": 300, "from": "2s"}},
    {"kind": "pause", "at": "1s", "duration": "500ms", "target": "node 2"},
]


@pytest.fixture
def fencepost(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return in_process(monkeypatch, capsys)


def history() -> Recorder:
    recorder = Recorder()
    recorder.fault(1_000_000, "kill", 1, {"fault": 0, "nodes": [1], "duration_us": 1})
    recorder.fault(3_000_000, "kill", None, {"fault": 2, "nodes": []}, "node 1 is down already")
    recorder.fault(4_000_000, "heal", None, {"quiet_us": 1})
    return recorder


FAULTS = [
    {"kind": "kill", "at_us": 1_000_000}, {"kind": "pause", "at_us": 4_500_000}, {"kind": "kill", "at_us": 3_000_000},
    {"kind": "kill", "at_point": {"point": "broker.truncated", "count": 2, "from_us": 1_500_000, "by": "first"}},
    {"kind": "kill", "at_point": {"point": "broker.truncated", "count": 1, "from_us": 0}}]


def test_what_was_skipped_is_told_with_what_never_began() -> None:
    skipped = skipped_faults(FAULTS, history().events, 4_000_000, ended=True)
    assert [skip_line(skip) for skip in skipped] == [
        "fault 2 kill at 3 s: node 1 is down already",
        "fault 1 pause: it was due at 4.5 s, but everything healed at 4 s",
        "fault 3 kill: broker.truncated was not passed 2 times by the node that 'first' struck from 1.5 s on before "
        "the heal",
        "fault 4 kill: broker.truncated was not passed before the heal"]


def test_of_a_run_that_was_cut_short_nobody_knows_what_would_have_begun() -> None:
    assert [skip["fault"] for skip in skipped_faults(FAULTS, history().events, 4_000_000, ended=False)] == [2]
    assert skipped_faults(FAULTS[:1], history().events[:1], 4_000_000, ended=True) == []


@pytest.mark.parametrize(("why", "told"), [
    ("node 12 is down already", "the node is down already"),
    ("node 3 may have the last copy of orders-0", "the node may have the last copy of a partition"),
    ("no running broker knows clicks-1", "no running broker knows a partition"),
    ("there are 6 brokers already", "there are 6 brokers already"),
])
def test_reasons_are_one_whoever_they_are_about(why: str, told: str) -> None:
    assert reason_class(why) == told


def test_reasons_are_counted_by_kind_and_added_up() -> None:
    reached = coverage(history().events)
    assert reached.skips == {"kill: the node is down already": 1}
    reached.add(coverage(history().events))
    reached.skips["pause: no node fits the target"] = 3
    reached.skips["link: no node fits the target"] = 4
    assert skip_counts(reached.skips) == [
        "7 x no node fits the target (link 4, pause 3)", "2 x the node is down already (kill 2)"]
    assert reached.to_data()["faults_skipped"] == 9


def test_a_run_and_a_campaign_tell_them(fencepost: Command, tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps(_SCHEDULE))
    options = ("--schedule", path, "--duration", "4s", "--store", tmp_path / "store")
    _, told, _ = fencepost("run", "--seed", 1, *options)
    lines = [line for line in told.splitlines() if "fault " in line and ":" in line]
    assert lines == [
        "skipped  fault 1 pause at 2.5 s: node 1 is down already",
        "         fault 2 kill: broker.truncated was not passed 300 times from 2 s on before the heal"]
    _, told, _ = fencepost("run", "--seed", 1, *options, "--json")
    assert [(skip["fault"], skip["time_us"]) for skip in json.loads(told)["skipped"]] == [(1, 2_500_000), (2, None)]
    _, told, _ = fencepost("campaign", "--seeds", 1, "--first", 1, "--jobs", 1, *options)
    assert "skipped  1 x the node is down already (pause 1)" in told.splitlines()


def test_no_more_than_a_few_are_told(fencepost: Command, tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps([_SCHEDULE[0], *_SCHEDULE[1:2] * 7]))
    _, told, _ = fencepost("run", "--seed", 1, "--schedule", path, "--duration", "4s", "--store", tmp_path / "store")
    assert told.count("node 1 is down already") == 5
    assert "         and 2 more faults (--json has all)" in told.splitlines()


def test_where_nothing_was_skipped_nothing_is_told(fencepost: Command, tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps(_SCHEDULE[:1]))
    _, told, _ = fencepost("run", "--seed", 1, "--schedule", path, "--duration", "4s", "--store", tmp_path / "store")
    assert not any(line.startswith("skipped") for line in told.splitlines())
