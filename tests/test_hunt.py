"""Hunting known bugs: found or not, what it took, and the table."""

import json
from dataclasses import replace

import pytest
from command_line import in_process

from fencepost.harness import hunt as hunts
from fencepost.harness.campaign import Campaign, SeedOutcome
from fencepost.harness.cli import hunt_output
from fencepost.harness.shrinking.shrinker import Shrunk, Size
from fencepost.model.bugs.catalogue import all_bugs


@pytest.fixture
def fencepost(monkeypatch, capsys):
    return in_process(monkeypatch, capsys)


def test_a_bug_is_found_and_its_failure_shrunk(fencepost, tmp_path):
    code, out, _ = fencepost(
        "bugs", "hunt", "KAFKA-15489", "--budget", "8s", "--jobs", 1, "--store", tmp_path, "--json")
    assert code == 0
    data = json.loads(out)
    (found,) = data["bugs"]
    assert found["rule"] in all_bugs()["KAFKA-15489"].rules
    assert found["runs"] >= 1
    assert found["shrunk"]["after"]["faults"] <= found["shrunk"]["before"]["faults"]
    assert data["medians"]["runs"] == found["runs"]


def test_a_bug_that_the_time_did_not_suffice_for_is_not_found(fencepost, tmp_path):
    code, out, _ = fencepost("bugs", "hunt", "KAFKA-10661", "--budget", "0s", "--jobs", 1, "--store", tmp_path)
    assert code == 2
    assert "not found" in out
    assert "median" not in out


def test_an_unknown_bug_is_refused(fencepost):
    code, _, err = fencepost("bugs", "hunt", "KAFKA-1548")
    assert code == 254
    assert "the nearest is KAFKA-15489" in err


def test_options_of_the_list_are_refused_before_hunt(fencepost):
    code, _, err = fencepost("bugs", "--json", "hunt", "KAFKA-15489")
    assert code == 254
    assert "--json: allowed is after hunt" in err


def test_without_a_find_there_is_no_median():
    bug = all_bugs()["KAFKA-15489"]
    assert hunts.medians([hunts.Hunted(bug, "kraft", 7, 1.0, None, None)]) is None


# --- interrupts -------------------------------------------------------------------------------------------------------

HUNTED = ("KAFKA-15489", "KAFKA-1211", "KAFKA-10661")


@pytest.fixture
def hunt(fencepost, monkeypatch, tmp_path):
    """Hunts three bugs, each found by its first seed unless told otherwise; gives the exit code, output and error."""
    def shrunk(campaign, *_):
        rule = campaign.order.sought[0]
        return {rule: Shrunk(rule, None, Size(9, 800, 6, 30), Size(1, 20, 4, 5), 50, 1.0, True)}

    def call(*more, search=lambda bug_id: None, shrinks=shrunk):
        def campaign(order, *_, **__):
            search(order.spec.bugs[0])
            violation = {"rule": order.sought[0]}
            return Campaign(order, {0: SeedOutcome(0, "invalid", violations=[violation], run_directory="run")})
        monkeypatch.setattr(hunts, "run_campaign", campaign)
        monkeypatch.setattr(hunts, "shrink_failures", shrinks)
        monkeypatch.setattr(Shrunk, "to_data", lambda self: {"rule": self.rule})
        return fencepost("bugs", "hunt", *HUNTED, "--jobs", 1, "--store", tmp_path, *more)
    call.shrunk = shrunk
    return call


def test_a_hunt_to_its_end(hunt):
    code, out, _ = hunt()
    assert code == 0
    assert "interrupted" not in out
    assert "ended early" not in out


def test_ctrl_c_at_any_moment_shows_what_was_found(hunt):
    def search(bug_id):
        if bug_id == HUNTED[1]:
            raise KeyboardInterrupt
    code, out, err = hunt(search=search)
    assert (code, err) == (2, "")
    assert HUNTED[0] in out
    assert HUNTED[1] not in out
    assert "ended early: interrupted at 1 of 3 bugs\n" in out
    _, out, _ = hunt("--json", search=search)
    data = json.loads(out)
    assert ([one["bug"] for one in data["bugs"]], data["interrupted"]) == ([HUNTED[0]], True)


def test_ctrl_c_while_shrinking_ends_the_hunt(hunt):
    def stopped(campaign, *_):
        (rule, shrunk), = hunt.shrunk(campaign).items()
        return {rule: replace(shrunk, finished=False, interrupted=True)}
    for shrinks in (stopped, lambda *_: {}):
        code, out, _ = hunt("--json", shrinks=shrinks)
        data = json.loads(out)
        assert code == 2
        assert data["interrupted"]
        assert [(one["bug"], one["found"]) for one in data["bugs"]] == [(HUNTED[0], True)]


def test_a_search_that_was_interrupted_is_not_told_as_vain(capsys):
    bug = all_bugs()["KAFKA-15489"]
    hunted = hunts.Hunted(bug, "kraft", 7, 1.0, None, None, interrupted=True)
    hunt_output.print_hunted([hunted], 3, True, as_json=False)
    out = capsys.readouterr().out
    assert "not found" not in out
    assert out.splitlines()[1].split() == ["KAFKA-15489", "kraft", "interrupted", "7", "1"]


def test_the_table_is_whole_where_no_terminal_is(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    rule = "AVeryLongNameOfARuleThatWouldNotFitIntoTheRestOfTheLine"
    shrunk = Shrunk(rule, None, Size(31, 1_580, 6, 30), Size(1, 23, 4, 5), 50, 1.0, True)
    hunt_output.print_hunted([hunts.Hunted(all_bugs()["KAFKA-15489"], "kraft", 7, 1.0, rule, shrunk)], 1, False, False)
    head, row, _ = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "bug"
    assert head.endswith("nodes")
    assert " ".join(row.split()) == f"KAFKA-15489 kraft {rule} 7 1 31 to 1 1580 to 23 6 to 4"
