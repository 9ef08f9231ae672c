"""Soaks: a ledger that later sittings go on from."""

import json

import pool_tasks
import pytest
from command_line import in_process

from fencepost.harness import campaign as campaigns
from fencepost.harness import soak as soaks
from fencepost.histories.errors import InputError, StoreError


@pytest.fixture
def sitting(tmp_path, monkeypatch):
    """Soaks so many seeds of fake runs; gives the stretches."""
    monkeypatch.setattr(campaigns, "run_seed", pool_tasks.fake_seed)
    monkeypatch.setattr(soaks, "STRETCH", 2)
    monkeypatch.setattr(soaks, "FIRST_SEED", 1)

    def soak(seeds, mode="kraft", progress=lambda campaign: None):
        ledger = tmp_path / "ledger" / "soak.jsonl"
        return [stretch for _, stretch in soaks.soak(ledger, mode, seeds, 1, tmp_path / "store", progress)]

    soak.ledger = tmp_path / "ledger" / "soak.jsonl"
    return soak


def test_a_later_sitting_goes_on_where_the_last_one_ended(sitting):
    assert [(stretch.first, stretch.seeds) for stretch in sitting(3)] == [(1, 2), (3, 1)]
    assert [(stretch.first, stretch.seeds) for stretch in sitting(2)] == [(4, 2)]
    assert [(stretch.first, stretch.seeds) for stretch in sitting(1, "zk")] == [(1, 1)]
    assert soaks.next_seed(soaks.read_ledger(sitting.ledger), "kraft") == 6


def test_verdicts_are_summed_by_mode_and_commit(sitting):
    sitting(8)
    ((mode, commit), counts), = soaks.totals(soaks.read_ledger(sitting.ledger)).items()
    assert (mode, commit) == ("kraft", soaks.current_commit())
    assert sum(counts.values()) == 8
    failing = [seed for stretch in soaks.read_ledger(sitting.ledger) for seed in stretch.failing]
    assert len(failing) == counts["invalid"] + counts["unknown"] > 0


def test_an_interrupted_stretch_is_run_again(sitting):
    def interrupt(campaign):
        if 4 in campaign.outcomes:
            raise KeyboardInterrupt
    assert [stretch.first for stretch in sitting(6, progress=interrupt)] == [1]
    assert [stretch.first for stretch in sitting(2)] == [3]


@pytest.mark.parametrize("line", ["{", "[]", '{"commit": "x"}', '{"commit":"x","mode":"kraft","first":"1","seeds":2}'])
def test_a_file_that_is_no_ledger_is_refused(sitting, line):
    sitting(2)
    with sitting.ledger.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=r"soak\.jsonl line 2: "):
        sitting(2)


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
    assert data["ledger"] == [{"mode": "kraft", "commit": commit, "valid": 2, "invalid": 0, "unknown": 0}]
    _, out, _ = fencepost(*arguments)
    assert out == f"kraft  {commit:<14} 4 seeds   valid 4   invalid 0   unknown 0\n"
