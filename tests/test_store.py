"""The store and the history's format: what is written comes back, and what is broken is refused in one line."""

import json
import os

import pytest

from fencepost.histories.errors import HistoryError, InputError, StoreError
from fencepost.histories.event import Event
from fencepost.histories.history import read_history, write_history
from fencepost.histories.recorder import Recorder, digest
from fencepost.histories.store import HISTORY, UNFINISHED, RunWriter, history_file, read_json, run_file

HEADER = {"mode": "kraft", "seed": 7, "controllers": [101], "brokers": [1]}


def some_events() -> list[Event]:
    recorder = Recorder()
    recorder.client(10, "invoke", "produce", 0, "orders-0", {"records": ["p0-1"]})
    recorder.observe(20, "log-append", 1, "orders-0", {"base_offset": 0}, None, {"leader_epoch": 3})
    recorder.client(30, "ok", "produce", 0, "orders-0", {"records": ["p0-1"], "base_offset": 0})
    recorder.fault(40, "pause", 1, {"nodes": [1]}, "broker 1 is down \u00e9")
    return recorder.events


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "h.jsonl"
    with path.open("w") as file:
        write_history(file, HEADER, some_events())
    return path


# --- histories --------------------------------------------------------------------------------------------------------


def test_a_history_comes_back(stored):
    history = read_history(stored)
    assert history.events == some_events()
    assert history.header == {"format": 1, **HEADER}
    assert history.digest == digest(some_events())
    assert history.finished
    assert history.notes == []


def test_lines_are_plain_ascii_json(stored):
    lines = stored.read_bytes().decode("ascii").splitlines()
    assert [next(iter(json.loads(line))) for line in (lines[0], lines[-1])] == ["header", "end"]
    assert json.loads(lines[1]) == {
        "index": 0, "time_us": 10, "type": "invoke", "f": "produce", "process": 0, "key": "orders-0",
        "value": {"records": ["p0-1"]}}


def test_a_history_without_its_end_is_unfinished(stored):
    stored.write_text("".join(stored.read_text().splitlines(keepends=True)[:-1]))
    history = read_history(stored)
    assert not history.finished
    assert history.events == some_events()
    assert history.notes[0].startswith("unfinished")


def test_a_changed_history_says_so(stored):
    stored.write_text(stored.read_text().replace("p0-1", "p0-2"))
    assert any(note.startswith("changed since it was written") for note in read_history(stored).notes)


def test_a_removed_event_leaves_a_note(stored):
    lines = stored.read_text().splitlines(keepends=True)
    stored.write_text("".join([*lines[:2], *lines[3:]]))
    assert "line 3: event 2 follows event 0" in read_history(stored).notes


@pytest.mark.parametrize(("change", "words"), [
    (lambda text: text[:-30], "line 6: torn"),
    (lambda text: text.replace('"f":"log-append"', '"f":log-append"'), "line 3: not JSON"),
    (lambda text: text.replace('"time_us":20', '"time_us":NaN'), "line 3: not JSON"),
    (lambda text: text.replace('"time_us":20', '"time_us":"20"'), "line 3: time_us is '20', not a whole number"),
    (lambda text: text.replace('"time_us":20', '"time_us":true'), "line 3: time_us is True, not a whole number"),
    (lambda text: text.replace(',"time_us":20', ""), "line 3: the event has no time_us"),
    (lambda text: text.replace('"time_us":20', '"time":20'), "line 3: unknown field 'time'"),
    (lambda text: text.replace('"leader_epoch":3', '"leader_epoch":"3"'), "line 3: epochs holds something"),
    (lambda text: text.replace('"type":"observe"', '"type":"seen"'), "line 3: type 'seen' is none of invoke, ok"),
    (lambda text: text.replace('"format":1', '"format":99'), "line 1: format 99 is not known"),
    (lambda text: text.partition("\n")[2], "line 1: a history begins with a line"),
    (lambda text: text + "{}\n", "line 7: there is something after the end line"),
    (lambda text: "[1]\n" + text, "line 1: a JSON object is expected"),
    (lambda text: "", "empty; a history begins with a line"),
    (lambda text: text + "[" * 100_000, "line 7: "),
])
def test_broken_histories_are_refused_in_one_line(stored, change, words):
    stored.write_text(change(stored.read_text()))
    with pytest.raises(HistoryError) as caught:
        read_history(stored)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_is_refused(stored):
    stored.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HistoryError, match="not UTF-8 text"):
        read_history(stored)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(HistoryError, match="cannot be read: No such file"):
        read_history(tmp_path / "none")


# --- run directories --------------------------------------------------------------------------------------------------


def write_run(store, name="kraft-7", spec=None, events=None):
    with RunWriter(store, name, spec or {"seed": 7}) as writer:
        writer.history(HEADER, events if events is not None else some_events())
        return writer.finish({"verdict": "valid"}, "fencepost replay")


def test_a_run_directory_is_whole(tmp_path):
    directory = write_run(tmp_path / "store")
    assert directory == tmp_path / "store" / "kraft-7"
    assert sorted(path.name for path in directory.iterdir()) == [
        "history.jsonl", "replay.txt", "results.json", "spec.json"]
    assert (directory / "replay.txt").read_text() == f"fencepost replay {directory}\n"
    assert read_json(directory / "spec.json") == {"seed": 7}
    assert read_history(history_file(directory)).events == some_events()


def test_a_run_under_way_is_clearly_unfinished(tmp_path):
    with RunWriter(tmp_path, "kraft-7", {"seed": 7}) as writer:
        writer.history(HEADER, some_events())
        names = [path.name for path in tmp_path.iterdir()]
        assert len(names) == 1
        assert names[0].startswith(UNFINISHED)
        with pytest.raises(InputError, match="an unfinished run"):
            run_file(tmp_path / names[0], HISTORY)
    assert list(tmp_path.iterdir()) == []


def test_the_same_spec_takes_the_place_of_the_old_run(tmp_path):
    write_run(tmp_path)
    directory = write_run(tmp_path, events=some_events()[:1])
    assert directory.name == "kraft-7"
    assert [path.name for path in tmp_path.iterdir()] == ["kraft-7"]
    assert len(read_history(directory / HISTORY).events) == 1


def test_another_spec_of_the_same_name_gets_a_number(tmp_path):
    names = [write_run(tmp_path, spec={"seed": 7, "brokers": brokers}).name for brokers in (3, 5, 5, 7)]
    assert names == ["kraft-7", "kraft-7-2", "kraft-7-2", "kraft-7-3"]


def test_a_store_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match=r"the run cannot be stored: .*; give another directory by --store"):
        RunWriter(tmp_path / "store", "kraft-7", {})


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path):
    with RunWriter(tmp_path, "kraft-7", {}) as writer:
        (writer.directory / HISTORY).symlink_to("/dev/full")
        with pytest.raises(StoreError, match="No space left on device") as caught:
            writer.history(HEADER, some_events())
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("path", "words"), [("none", "no such run directory"), ("empty", "it has no history.jsonl")])
def test_directories_that_are_no_run_are_refused(tmp_path, path, words):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=words):
        history_file(tmp_path / path)
