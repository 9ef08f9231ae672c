"""Soaks: a ledger that later sittings go on from."""

import contextlib
import json
import shutil
import subprocess

import pool_tasks
import pytest
from command_line import in_process

from fencepost import __version__
from fencepost.harness import campaign as campaigns
from fencepost.harness import soak as soaks
from fencepost.harness.cli import campaign_output, output
from fencepost.histories.errors import InputError, StoreError


@pytest.fixture
def sitting(tmp_path, monkeypatch):
    """Soaks so many seeds of fake runs; gives the stretches."""
    monkeypatch.setattr(campaigns, "run_seed", pool_tasks.fake_seed)
    monkeypatch.setattr(soaks, "STRETCH", 2)
    monkeypatch.setattr(soaks, "FIRST_SEED", 1)

    def soak(seeds, mode="kraft", progress=lambda campaign: None):
        ledger = tmp_path / "ledger" / "soak.jsonl"
        return [stretch for campaign, stretch in soaks.soak(ledger, mode, seeds, 1, tmp_path / "store", progress)
                if not campaign.interrupted]

    soak.ledger = tmp_path / "ledger" / "soak.jsonl"
    return soak


def test_a_later_sitting_goes_on_where_the_last_one_ended(sitting):
    assert [(stretch.first, stretch.seeds) for stretch in sitting(3)] == [(1, 2), (3, 1)]
    assert [(stretch.first, stretch.seeds) for stretch in sitting(2)] == [(4, 2)]
    assert [(stretch.first, stretch.seeds) for stretch in sitting(1, "zk")] == [(1, 1)]
    assert soaks.next_seed(soaks.read_ledger(sitting.ledger), "kraft") == 6


def test_verdicts_are_summed_by_mode_and_commit(sitting):
    sitting(8)
    stretches = soaks.read_ledger(sitting.ledger).stretches
    ((mode, commit), total), = soaks.totals(stretches).items()
    assert (mode, commit) == ("kraft", soaks.current_commit())
    assert sum(total.verdicts.values()) == 8
    failing = [seed for stretch in stretches for seed in stretch.failing]
    assert len(failing) == total.verdicts["invalid"] + total.verdicts["unknown"] > 0
    assert (total.excused, total.unnoted) == ({"last-replica-standing": 1}, 0)


def test_a_ledger_from_before_excused_losses_were_noted_is_read(sitting, capsys):
    sitting(4)
    lines = [json.loads(line) for line in sitting.ledger.read_text().splitlines()]
    del lines[0]["excused"]
    sitting.ledger.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sums = soaks.totals(soaks.read_ledger(sitting.ledger).stretches)
    output.print_ledger(sums)
    assert "excused 1 (1 x last-replica-standing; not noted for 2 seeds)\n" in capsys.readouterr().out


def test_an_interrupted_stretch_is_run_again(sitting):
    def interrupt(campaign):
        if 4 in campaign.outcomes:
            raise KeyboardInterrupt
    assert [stretch.first for stretch in sitting(6, progress=interrupt)] == [1]
    assert [stretch.first for stretch in sitting(2)] == [3]


def line(**changes):
    return json.dumps({"commit": "x", "mode": "kraft", "first": 1, "seeds": 2, "verdicts": {"valid": 2}, **changes})


@pytest.mark.parametrize("line", [
    "{", "[]", "", '{"commit": "x"}', line(first="1"), line(first=True), line(seeds=-1), line(verdicts={"valid": "x"}),
    line(verdicts=[]), line(mode=["kraft"]), line(mode="raft"), line(commit=3), line(failing=["7"]), line(failing=7),
    line(digest=None), line(excused=[1]), line(excused={"why": 0.5}), line(surplus=1)])
def test_a_file_that_is_no_ledger_is_refused(sitting, line):
    sitting(2)
    with sitting.ledger.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=r"soak\.jsonl line 2: "):
        sitting(2)


def test_such_a_line_is_none_of_them(sitting):
    sitting.ledger.parent.mkdir()
    sitting.ledger.write_text(line() + "\n")
    assert [stretch.first for stretch in sitting(1)] == [3]


def test_a_last_line_without_its_end_is_kept_whole(sitting):
    sitting(2)
    sitting.ledger.write_text(sitting.ledger.read_text().rstrip("\n"))
    assert [stretch.first for stretch in sitting(2)] == [3]
    ledger = soaks.read_ledger(sitting.ledger)
    assert ([stretch.first for stretch in ledger.stretches], ledger.torn) == ([1, 3], None)


@pytest.mark.parametrize("left", [1, 40, -2])
def test_a_torn_last_line_is_left_out_and_its_seeds_are_run_again(sitting, left):
    sitting(4)
    first, second = sitting.ledger.read_text().splitlines(keepends=True)
    sitting.ledger.write_text(first + second[:left])
    ledger = soaks.read_ledger(sitting.ledger)
    assert ([stretch.first for stretch in ledger.stretches], ledger.torn) == ([1], f"{sitting.ledger} line 2")
    assert [stretch.first for stretch in sitting(2)] == [3]
    assert sitting.ledger.read_text() == first + second


def test_a_ledger_that_cannot_be_written_is_told(sitting):
    sitting.ledger.parent.write_text("")
    with pytest.raises((StoreError, InputError), match="ledger"):
        sitting(1)


def test_the_command_says_what_was_gathered(sitting, monkeypatch, capsys, tmp_path):
    fencepost = in_process(monkeypatch, capsys)
    arguments = ("soak", "--seeds", 2, "--jobs", 1, "--ledger", sitting.ledger, "--store", tmp_path / "store")
    code, out, _ = fencepost(*arguments, "--json")
    assert code == 0
    data = json.loads(out)
    assert data["done"] == 2
    commit = soaks.current_commit()
    assert data["interrupted"] is None
    assert data["ledger"] == [{
        "mode": "kraft", "commit": commit, "valid": 2, "invalid": 0, "unknown": 0, "excused": {}, "unnoted": 0}]
    sitting.ledger.write_text(sitting.ledger.read_text() + '{"comm')
    _, out, err = fencepost(*arguments)
    assert err == (f"fencepost: {sitting.ledger} line 2: not written to its end: left out, and its seeds are run "
                   "again\n")
    assert out == (f"kraft  {commit:<14} 4 seeds   valid 4   invalid 0   unknown 0   excused 1 "
                   "(1 x last-replica-standing)\n")


@pytest.mark.parametrize(("last", "code", "words"), [
    (4, 2, "excused  1 x last-replica-standing"), (7, 1, "INVALID  ElectionSafety  1 seed")])
def test_what_was_seen_of_an_interrupted_stretch_is_told(sitting, monkeypatch, capsys, tmp_path, last, code, words):
    @contextlib.contextmanager
    def interrupting(*_):
        def show(campaign):
            if last in campaign.outcomes:
                raise KeyboardInterrupt
        yield show
    monkeypatch.setattr(campaign_output, "progress", interrupting)
    monkeypatch.setattr(soaks, "STRETCH", 100)
    fencepost = in_process(monkeypatch, capsys)
    arguments = ("soak", "--seeds", 100, "--jobs", 1, "--ledger", sitting.ledger, "--store", tmp_path / "store")
    exit_code, out, _ = fencepost(*arguments)
    assert exit_code == code
    assert words in out
    assert f"ended early: interrupted after {last} of 100 seeds" in out
    assert "interrupted: 0 of 100 seeds are in the ledger" in out
    assert not sitting.ledger.exists()
    exit_code, out, _ = fencepost(*arguments, "--json")
    data = json.loads(out)
    assert (exit_code, data["done"], data["interrupted"]["seeds"]) == (code, 0, last)
    assert (7 in data["interrupted"]["failing"]) == (code == 1)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize(("inside", "is_ours"), [("harness", True), ("venv/site-packages/fencepost/harness", False)])
def test_the_commit_is_the_projects_own(tmp_path, monkeypatch, inside, is_ours):
    for arguments in (["init", "-q"], ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q",
                                       "--allow-empty", "-m", "theirs"]):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    (tmp_path / inside).mkdir(parents=True)
    monkeypatch.setattr(soaks, "__file__", str(tmp_path / inside / "soak.py"))
    assert (soaks.current_commit() != __version__) == is_ours
