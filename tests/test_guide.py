"""Guided search: states told apart by what was done, schedules near to others, rare states that draw the search."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Command, in_process

from fencepost.harness.campaign import Campaign, Order, run_campaign
from fencepost.harness.execution import rhythm_of
from fencepost.harness.guide import LAG, Guide
from fencepost.harness.run import run
from fencepost.harness.spec import RunSpec, config_of
from fencepost.harness.states import states
from fencepost.harness.timing import phases, physics
from fencepost.histories.recorder import Recorder
from fencepost.model.kernel.randomness import Stream
from fencepost.nemesis.faults import Fault, schedule_from_data
from fencepost.nemesis.mutation import joined, mutated
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.selection import ALL, CORE, draw_schedule


def rhythm(mode: str) -> Rhythm:
    spec = RunSpec(seed=0, mode=mode)
    config = config_of(spec)
    return rhythm_of(spec, config, phases(mode, spec.duration_us, config, physics(spec.profile, False)))


# --- states -----------------------------------------------------------------------------------------------------------


def story(leader: int, follower: int, offset: int, isr: list[int]) -> Recorder:
    recorder = Recorder()
    recorder.observe(offset, "leader-start", leader, "orders-0", {}, None, {"leader_epoch": 3})
    recorder.fault(offset + 1, "pause", leader, {"nodes": [leader]})
    recorder.observe(offset + 2, "isr-changed", leader, "orders-0", {"isr": isr}, None, {"leader_epoch": 3})
    recorder.observe(offset + 3, "leader-start", follower, "orders-0", {}, None, {"leader_epoch": 4})
    recorder.observe(offset + 4, "alter-partition", leader, "orders-0", {}, "FENCED_LEADER_EPOCH", {"leader_epoch": 3})
    recorder.client(offset + 5, "info", "produce", 7, "orders-0", {}, "REQUEST_TIMED_OUT")
    return recorder


def test_states_are_the_same_whoever_was_in_them_and_when() -> None:
    assert states(story(1, 2, 0, [1]).events) == states(story(3, 1, 900, [3]).events)


def test_states_tell_what_was_done() -> None:
    reached = states(story(1, 2, 0, [1]).events)
    for state in ("pause at leader-start", "leader-start > isr-changed", "isr-changed > leader-start elsewhere",
                  "isr 1", "alter-partition FENCED_LEADER_EPOCH", "alter-partition behind in leader_epoch",
                  "produce info REQUEST_TIMED_OUT", "leader-start 2^2"):
        assert state in reached
    assert "isr 2 without who tells of it" in states(story(1, 2, 0, [2, 3]).events)


def test_states_tell_how_many_believe_to_lead() -> None:
    recorder = Recorder()
    for node, state in ((101, "candidate"), (101, "leader"), (102, "candidate"), (102, "leader")):
        recorder.observe(1, "raft-state", node, None, {"state": state}, None, {"leader_epoch": 1})
    reached = states(recorder.events)
    assert "raft-state leader 2" in reached
    assert "raft-state candidate > leader" in reached
    assert "raft-state leader 1" not in reached, "one leader is no news"


# --- mutation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("selection", [CORE, ALL])
@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_a_schedule_near_to_another_can_be_read_and_differs(mode: str, selection: str) -> None:
    beats = rhythm(mode)
    changed = 0
    for seed in range(60):
        parents = [draw_schedule(lambda name, seed=seed: Stream(seed, name), beats, selection),
                   draw_schedule(lambda name, seed=seed: Stream(seed + 1000, name), beats, selection)]
        near = mutated(*parents, beats, Stream(seed, "mutation"), selection)
        assert near == mutated(*parents, beats, Stream(seed, "mutation"), selection)
        assert schedule_from_data([fault.to_data() for fault in near], "near") == near
        assert [fault.begin_us for fault in near] == sorted(fault.begin_us for fault in near)
        assert all(beats.begin_us <= fault.begin_us <= beats.end_us + beats.replica_lag_us * 3 for fault in near)
        changed += [replace(fault, draws=None) for fault in parents[0]] != near
    assert changed > 50


def test_from_nothing_comes_something() -> None:
    assert mutated([], [], rhythm("kraft"), Stream(1, "mutation"), CORE)


def test_joined_schedules_have_the_faults_of_both_and_each_name_once() -> None:
    one = Fault("pause", 1_000, at_us=9, target={"role": "broker"}, name="first")
    two = Fault("kill", 1_000, at_us=3, target={"role": "struck", "name": "first"})
    both = joined([one], [one, two])
    assert [fault.kind for fault in both] == ["kill", "pause", "pause"]
    assert [fault.name for fault in both] == [None, "first", None]


# --- the guide --------------------------------------------------------------------------------------------------------


def lone(kind: str) -> list[dict[str, object]]:
    return [Fault(kind, 400_000, at_us=5_000_000, target={"role": "active-controller"}).to_data()]


def kinds_of_plans(guide: Guide) -> Counter[str]:
    """In how many of 200 plans each kind of fault is."""
    return Counter(kind for seed in range(200) for kind in {str(fault["kind"]) for fault in guide.plan(seed)})


def test_rare_states_draw_the_search() -> None:
    guide = Guide(RunSpec(seed=0, draw_from="isolate"))
    assert kinds_of_plans(guide).keys() == {"isolate"}, "there is nothing to be near to yet"
    for _ in range(30):
        guide.learn(lone("pause"), ["produce ok", "raft-state follower > candidate"])
    guide.learn(lone("kill"), ["produce ok", "raft-state leader 2"])
    found = kinds_of_plans(guide)
    assert found["kill"] > 100 > found["pause"]
    assert found["isolate"] == 200 > found["kill"] + 20, "all draw something, and some nothing else"
    assert kinds_of_plans(guide) == found


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A few seeds more than a guide waits for, by one worker."""
    spec = RunSpec(seed=0, duration_us=1_000_000)
    order = Order(spec, 0, LAG + 4, 1, tmp_path_factory.mktemp("store"), keep="all", guided=True)
    return run_campaign(order, lambda campaign: None)


def test_a_guided_campaign_is_the_same_with_any_number_of_workers(guided: Campaign) -> None:
    other = run_campaign(replace(guided.order, jobs=2, keep="failures"), lambda campaign: None)
    assert other.digest == guided.digest


def test_a_guided_seed_has_what_it_would_draw_and_more(guided: Campaign) -> None:
    plan, drawn = Guide(guided.order.spec).plan(3), run(replace(guided.order.spec, seed=3)).spec.faults
    assert drawn is not None
    missing = [fault for fault in drawn if {**fault, "draws": None} not in [{**other, "draws": None} for other in plan]]
    assert not missing
    assert len(plan) > len(drawn)


def test_what_a_guide_planned_is_stored_and_replays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], guided: Campaign
) -> None:
    last = guided.outcomes[LAG + 3]
    assert in_process(monkeypatch, capsys)("replay", last.run_directory)[0] == 0


def test_a_guide_writes_its_own_schedules(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "schedule.json").write_text("[]")
    fencepost: Command = in_process(monkeypatch, capsys)
    code, _, err = fencepost(
        "campaign", "--guide", "coverage", "--schedule", tmp_path / "schedule.json", "--store", tmp_path / "store")
    assert (code, "allowed only without --schedule" in err) == (254, True)
