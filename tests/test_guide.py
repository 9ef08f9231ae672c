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
from fencepost.nemesis.mutation import mutated
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


# --- the guide --------------------------------------------------------------------------------------------------------


def lone(kind: str) -> list[dict[str, object]]:
    return [Fault(kind, 400_000, at_us=5_000_000, target={"role": "active-controller"}).to_data()]


def test_rare_states_draw_the_search() -> None:
    guide = Guide(RunSpec(seed=0))
    assert guide.plan(5) is None, "there is nothing to be near to yet"
    for _ in range(30):
        guide.learn(lone("pause"), ["produce ok", "raft-state follower > candidate"])
    guide.learn(lone("kill"), ["produce ok", "raft-state leader 2"])
    plans = [guide.plan(seed) for seed in range(200)]
    kinds = Counter(kind for plan in plans if plan is not None for kind in {str(fault["kind"]) for fault in plan})
    assert kinds["kill"] > 100 > kinds["pause"]
    assert 20 < sum(plan is None for plan in plans) < 90, "some go on drawing freely"
    assert [guide.plan(seed) for seed in range(200)] == plans


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A few seeds more than a guide waits for, by one worker."""
    spec = RunSpec(seed=0, duration_us=1_000_000)
    order = Order(spec, 0, LAG + 4, 1, tmp_path_factory.mktemp("store"), keep="all", guided=True)
    return run_campaign(order, lambda campaign: None)


def test_a_guided_campaign_is_the_same_with_any_number_of_workers(guided: Campaign) -> None:
    other = run_campaign(replace(guided.order, jobs=2, keep="failures"), lambda campaign: None)
    assert other.digest == guided.digest
    assert other.planned == guided.planned > 0


def test_only_what_is_planned_differs_from_a_plain_campaign(guided: Campaign) -> None:
    plain = [run(replace(guided.order.spec, seed=seed)).digest for seed in (0, LAG - 1, *range(LAG, LAG + 4))]
    digests = [guided.outcomes[seed].digest for seed in (0, LAG - 1, *range(LAG, LAG + 4))]
    assert plain[:2] == digests[:2]
    assert sum(one != other for one, other in zip(plain, digests, strict=True)) == guided.planned


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
