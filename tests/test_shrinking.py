"""Shrinking: a failing run becomes a smaller one that still breaks the same rule, and replays."""

import json
import shutil
from dataclasses import replace

import pytest
from command_line import in_process

from fencepost.harness import run as runs
from fencepost.harness import shrinking
from fencepost.harness.campaign import Campaign, Order, SeedOutcome
from fencepost.harness.cli import shrink_output
from fencepost.harness.replay import replay, stored_spec
from fencepost.harness.shrinking import shrink_run
from fencepost.harness.shrinking.minimise import minimise
from fencepost.harness.shrinking.passes import drop_the_beginning
from fencepost.harness.shrinking.shrinker import begin
from fencepost.harness.shrinking.trials import Trials
from fencepost.harness.spec import RunSpec
from fencepost.histories.errors import InputError
from fencepost.model.shape import Shape

RULE = "StaleLeaderBoundedTime"


@pytest.fixture(scope="module")
def failing(tmp_path_factory):
    """The directory of a run that breaks a rule early on."""
    result = runs.run(RunSpec(seed=0, bugs=("KAFKA-15489",), duration_us=6_000_000, shape=Shape(3, 1, 1)))
    return runs.store_run(result, tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def shrunk(failing, tmp_path_factory):
    """What is left of it."""
    return shrink_run(failing, tmp_path_factory.mktemp("shrunk"), None, 60, lambda _: None)


@pytest.fixture
def fencepost(monkeypatch, capsys):
    return in_process(monkeypatch, capsys)


# --- taking items out of a list ---------------------------------------------------------------------------------------


def minimised(items, holds):
    """What is left of a list whose sublists are tried one by one."""
    return minimise(items, lambda lists: next((number for number, rest in enumerate(lists) if holds(rest)), None))


@pytest.mark.parametrize(("items", "needed"), [
    (range(100), {3, 50, 97}), (range(100), {0, 99}), (range(7), set(range(7))), (range(1), {0}), (range(64), set()),
    ((), set()),
])
def test_what_is_needed_is_left(items, needed):
    assert minimised(list(items), lambda rest: needed <= set(rest)) == sorted(needed)


def test_no_single_item_can_be_taken_from_what_is_left():
    def two_of_a_kind(rest):
        return sum(item % 2 for item in rest) >= 2 or sum(item % 3 == 0 for item in rest) >= 3
    left = minimised(list(range(30)), two_of_a_kind)
    assert two_of_a_kind(left)
    assert not any(two_of_a_kind(left[:place] + left[place + 1:]) for place in range(len(left)))


def test_the_order_stays():
    assert minimised([5, 1, 4, 2], lambda rest: {5, 2} <= set(rest)) == [5, 2]


def test_few_items_of_many_are_found_in_few_tests():
    tests = []

    def holds(rest):
        tests.append(rest)
        return {17, 400, 777} <= set(rest)
    assert minimised(list(range(800)), holds) == [17, 400, 777]
    assert len(tests) < 80


# --- a run ------------------------------------------------------------------------------------------------------------


def test_a_failure_becomes_smaller_and_still_breaks_the_rule(shrunk):
    assert shrunk.rule == RULE
    assert RULE in {violation.rule for one in shrunk.result.results for violation in one.violations}
    assert shrunk.after.faults <= 2 < shrunk.before.faults
    assert shrunk.after.operations == 0 < shrunk.before.operations
    assert shrunk.after.nodes < shrunk.before.nodes
    again = replay(shrunk.result.run_directory)
    assert again.difference is None
    assert len(again.spec.faults) == shrunk.after.faults


def test_more_processes_find_the_same(failing, shrunk, tmp_path):
    again = shrink_run(failing, tmp_path, None, 60, lambda _: None, jobs=2)
    assert again.result.spec == shrunk.result.spec
    assert again.result.digest == shrunk.result.digest


def test_what_came_long_before_the_violation_goes_with_its_time(failing):
    spec = replace(stored_spec(failing), faults=[
        {"kind": "isolate", "at_us": 20_000_000, "duration_us": 3_000_000, "target": {"role": "active-controller"}}],
        duration_us=30_000_000)
    with Trials() as trials:
        shrinker = begin(spec, RULE, 60, lambda _: None, trials)
        assert shrinker.best.end_us > 20_000_000
        drop_the_beginning(shrinker)
    assert shrinker.best.end_us < 10_000_000
    assert shrinker.spec.faults[0]["at_us"] < 6_000_000
    first = spec.workload[0]
    assert first["f"] == "create-topic"
    assert shrinker.spec.workload[0] == first


def test_without_time_the_run_stays_as_it_was(failing, tmp_path, capsys):
    shrunk = shrink_run(failing, tmp_path, RULE, 0, lambda _: None)
    assert shrunk.after == shrunk.before
    assert not shrunk.finished
    assert not shrunk.interrupted
    shrink_output.print_shrunk(shrunk)
    out = capsys.readouterr().out
    assert "the time was up: a larger --budget" in out
    assert "interrupted" not in out


def test_a_rule_that_was_not_broken_is_refused(failing, tmp_path):
    with pytest.raises(InputError, match=rf"--rule StrongIsr: the run in .* broke .*{RULE}"):
        shrink_run(failing, tmp_path, "StrongIsr", 1, lambda _: None)


def test_a_run_that_broke_nothing_is_refused(tmp_path):
    directory = runs.store_run(runs.run(RunSpec(seed=0, duration_us=1_000_000)), tmp_path)
    with pytest.raises(InputError, match="broke no rule"):
        shrink_run(directory, tmp_path, None, 1, lambda _: None)


def test_an_interrupt_keeps_the_smallest_found_so_far(failing, tmp_path, capsys):
    def interrupt(shrinker):
        if shrinker.size != shrinker.before:
            raise KeyboardInterrupt
    shrunk = shrink_run(failing, tmp_path, None, 60, interrupt)
    assert (shrunk.finished, shrunk.interrupted) == (False, True)
    assert shrunk.to_data()["interrupted"]
    shrink_output.print_shrunk(shrunk)
    out = capsys.readouterr().out
    assert "interrupted: this is the smallest found by then" in out
    assert "--budget" not in out
    assert shrunk.after != shrunk.before
    assert replay(shrunk.result.run_directory).difference is None


def test_an_interrupt_before_the_first_try_goes_on_to_the_next_failure(failing, tmp_path, monkeypatch):
    asked = []

    def interrupted_at_first(run_directory, *_):
        asked.append(run_directory.name)
        if len(asked) == 1:
            raise KeyboardInterrupt
        return "shrunk"
    monkeypatch.setattr(shrinking, "shrink_run", interrupted_at_first)
    outcomes = {seed: SeedOutcome(seed, "invalid", violations=[{"rule": f"Rule{seed}"}], run_directory=f"run-{seed}")
                for seed in (1, 2)}
    campaign = Campaign(Order(RunSpec(seed=0), 1, 2, 1, tmp_path), outcomes)
    assert shrinking.shrink_failures(campaign, 1, lambda _: None) == {"Rule2": "shrunk"}
    assert asked == ["run-1", "run-2"]


# --- the commands -----------------------------------------------------------------------------------------------------


def test_the_command_prints_what_is_left(fencepost, shrunk, tmp_path):
    code, out, _ = fencepost("shrink", shrunk.result.run_directory, "--store", tmp_path)
    assert code == 0
    assert out.startswith("shrunk   ")
    assert f"{RULE} at" in out
    assert f"fencepost replay {tmp_path}" in out


def test_the_command_gives_one_json_object(fencepost, failing, tmp_path):
    _, out, _ = fencepost("shrink", failing, "--store", tmp_path, "--budget", "0s", "--json")
    data = json.loads(out)
    assert data["rule"] == RULE
    assert data["before"] == data["after"]


def test_a_directory_that_holds_no_run_is_refused(fencepost, tmp_path):
    code, _, err = fencepost("shrink", tmp_path)
    assert code == 254
    assert err.count("\n") == 1


@pytest.mark.parametrize(("results", "said"), [
    ("[]", "a run's results are a JSON object, not list"),
    ('{"violations": 5}', "violations is 5: allowed is a list"),
    ('{"violations": [{"x": 1}]}', "violation 0: allowed is an object with a rule, a message and a time_us"),
    ('{"violations": [3]}', "violation 0: allowed is an object"),
    ('{"violations": [], "stopped_at": "soon"}', "stopped_at is 'soon': allowed is a whole number from 0, or null"),
])
@pytest.mark.parametrize("command", [["shrink"], ["replay"], ["replay", "--at", "violation"]])
def test_damaged_results_are_one_line(fencepost, failing, tmp_path, results, said, command):
    shutil.copytree(failing, tmp_path / "run")
    (tmp_path / "run" / "results.json").write_text(results)
    code, out, err = fencepost(*command, tmp_path / "run")
    assert (code, out, err.count("\n")) == (254, "", 1)
    assert f"results.json: {said}" in err


def test_a_campaign_shrinks_the_failure_it_hunted(fencepost, tmp_path):
    _, out, _ = fencepost("campaign", "--bug", "KAFKA-15489", "--seeds", 3, "--until-failure", "--duration", "6s",
                          "--brokers", 1, "--clients", 1,
                          "--jobs", 1, "--store", tmp_path, "--json", "--budget", "5s")
    data = json.loads(out)
    assert list(data["shrunk"]) == [RULE]
    assert data["shrunk"][RULE]["after"]["faults"] < data["shrunk"][RULE]["before"]["faults"]
