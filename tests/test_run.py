"""Whole runs, short ones: stored, checked again, replayed event by event, the same in every process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fencepost.harness import recheck, replay
from fencepost.harness import run as runs
from fencepost.harness.execution import Execution
from fencepost.harness.spec import RunSpec, spec_from_data
from fencepost.histories.errors import InputError
from fencepost.histories.store import HISTORY, RESULTS, SPEC, read_json
from fencepost.model.shape import Shape

SOURCES = Path(__file__).resolve().parents[1] / "src"
SPEC_OF_ALL = RunSpec(seed=11, duration_us=3_000_000)


@pytest.fixture(scope="module")
def result():
    return runs.run(SPEC_OF_ALL)


@pytest.fixture(scope="module")
def stored(result, tmp_path_factory):
    return runs.store_run(result, tmp_path_factory.mktemp("store"))


def test_a_clean_run_is_valid(result):
    assert result.crash is None
    assert [violation.message for checker in result.results for violation in checker.violations] == []
    assert result.verdict == "valid"


def test_schedule_and_workload_are_written_out(stored, result):
    spec = spec_from_data(read_json(stored / SPEC), "spec.json")
    assert spec == result.spec
    assert spec.faults is not None
    assert spec.workload


def test_a_written_out_spec_gives_the_same_history(result):
    assert runs.run(result.spec).digest == result.digest


def test_another_seed_gives_another_history(result):
    assert runs.run(RunSpec(seed=12, duration_us=3_000_000)).digest != result.digest


#: Prints the digest of the run; a run needs nothing but the standard library.
DIGEST = ("from fencepost import RunSpec, run\n"
          f"print(run(RunSpec(seed={SPEC_OF_ALL.seed}, duration_us={SPEC_OF_ALL.duration_us})).digest)")


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_another_process_gives_the_same_history(result, hash_seed):
    done = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONHASHSEED": hash_seed})
    assert done.stdout.strip() == result.digest


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_another_python_gives_the_same_history(result, version):
    command = [f"python{version}", "-c", DIGEST]
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    try:
        subprocess.run([command[0], "-c", ""], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"there is no {command[0]} on this machine")
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == result.digest


def test_clients_and_cluster_and_nemesis_are_in_the_history(result):
    kinds = {event.type for event in result.events}
    assert {"invoke", "ok", "observe", "fault"} <= kinds
    assert result.events[-1].f == "quiet-end"
    assert any(event.f == "final-read" and event.type == "ok" for event in result.events)


def test_a_stored_run_is_checked_again(stored, result):
    again = recheck.recheck(stored)
    assert (again["verdict"], again["digest"]) == (result.verdict, result.digest)
    assert recheck.recheck(stored / HISTORY)["verdict"] == result.verdict


def test_an_unfinished_history_is_never_valid(stored, tmp_path):
    path = tmp_path / "cut.jsonl"
    lines = (stored / HISTORY).read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))
    assert recheck.recheck(path)["verdict"] != "valid"


def test_a_replay_is_identical(stored, result):
    again = replay.replay(stored)
    assert again.difference is None
    assert again.digest == again.stored_digest == result.digest


def test_a_replay_shows_the_first_difference(stored, tmp_path, result):
    changed = tmp_path / "kraft-11"
    changed.mkdir()
    for name in (SPEC, RESULTS):
        (changed / name).write_text((stored / name).read_text())
    lines = (stored / HISTORY).read_text().splitlines(keepends=True)
    event = json.loads(lines[101])
    event["time_us"] += 1
    lines[101] = json.dumps(event) + "\n"
    (changed / HISTORY).write_text("".join(lines))
    again = replay.replay(changed)
    assert again.difference == 100
    assert json.loads(again.stored)["time_us"] == json.loads(again.replayed)["time_us"] + 1


def test_a_moment_shows_every_node(stored):
    moment = replay.moment(stored, "2s", 2_000_000)
    assert moment.time_us == 2_000_000
    assert list(moment.state["nodes"]) == ["1", "2", "3", "101", "102", "103"]
    assert moment.last_events[-1].time_us <= 2_000_000


def test_there_is_no_moment_of_a_violation_in_a_valid_run(stored):
    with pytest.raises(InputError, match="there was no violation; --at takes a time"):
        replay.moment(stored, "violation", None)


def test_a_crash_of_the_model_is_unknown_and_stored(monkeypatch, tmp_path):
    def fail(self: Execution) -> None:
        self.run_until(1_000_000)
        raise KeyError("surprise")

    monkeypatch.setattr(Execution, "run_to_end", fail)
    result = runs.run(SPEC_OF_ALL)
    assert result.verdict in ("unknown", "invalid")
    assert result.crash is not None
    assert result.crash.words().startswith("the model crashed at 1.000 s: KeyError: 'surprise' in ")
    directory = runs.store_run(result, tmp_path)
    assert read_json(directory / RESULTS)["crash"]["error"] == "KeyError: 'surprise'"


@pytest.mark.parametrize("shape", [Shape(1, 1, 2, True), Shape(3, 3, 3, True), Shape(5, 4, 3)])
def test_other_shapes_run(shape):
    result = runs.run(RunSpec(seed=1, shape=shape, duration_us=2_000_000, faults=[]))
    assert result.crash is None
    assert result.verdict == "valid"


def test_the_report_has_what_json_promises(stored):
    report = read_json(stored / RESULTS)
    assert list(report)[:2] == ["verdict", "digest"]
    assert {"violations", "excused", "checkers", "coverage", "events", "seed", "mode"} <= report.keys()
