"""Hunting known bugs: found or not, what it took, and the table."""

import json

import pytest
from command_line import in_process

from fencepost.harness import hunt as hunts
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
