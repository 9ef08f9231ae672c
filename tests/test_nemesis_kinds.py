"""The kinds of fault that go on striking, disturb traffic or move clocks, on a cluster that only remembers."""

from typing import Any

import pytest
from fake_cluster import FakeCluster

from fencepost.model.kernel.randomness import Stream
from fencepost.nemesis.drawing import CORE_KINDS
from fencepost.nemesis.faults import fault_from_data
from fencepost.nemesis.fields import FIELDS, FaultError
from fencepost.nemesis.injector import Injector
from fencepost.nemesis.kinds import KINDS

BROKER = {"role": "node", "id": 2}
CONTROLLERS = (101, 102, 103)
LINKS = [link for controller in CONTROLLERS for link in ((controller, 2), (2, controller))]
#: One of each kind that lasts, with what the cluster shows of it while it does.
LASTING: list[tuple[dict[str, Any], str]] = [
    ({"kind": "flap", "others": "controllers", "period_us": 2_000, "target": BROKER}, "cuts"),
    ({"kind": "latency-spikes", "others": "controllers", "latency_us": 900, "period_us": 2_000, "target": BROKER},
     "slow"),
    ({"kind": "loss", "others": "controllers", "loss_per_mille": 300, "target": BROKER}, "loss"),
    ({"kind": "hold", "others": "controllers", "target": BROKER}, "held"),
    ({"kind": "stutter", "period_us": 2_000, "target": BROKER}, "paused"),
    ({"kind": "restart-loop", "period_us": 2_000, "target": BROKER}, "down"),
    ({"kind": "rolling-restart", "others": "brokers", "period_us": 20_000}, "log"),
    ({"kind": "slow-node", "delay_us": 70, "target": BROKER}, "slowness"),
    ({"kind": "clock-skew", "offset_us": -5_000, "target": BROKER}, "clocks"),
    ({"kind": "clock-drift", "rate_ppm": 10_000, "target": BROKER}, "clocks"),
]
SECOND = 1_000_000


def inject(*faults: dict[str, Any]) -> tuple[FakeCluster, Injector]:
    cluster = FakeCluster()
    parsed = [fault_from_data({"at_us": 1_000, "duration_us": 100_000, **fault}, "test") for fault in faults]
    injector = Injector(cluster, parsed, lambda index: Stream(1, f"fault {index}"))
    injector.start()
    return cluster, injector


def states(cluster: FakeCluster, what: str, until_us: int, step_us: int = 100) -> list[Any]:
    """What the cluster showed, each time that it changed."""
    seen: list[Any] = []
    while cluster.now_us < until_us:
        cluster.scheduler.run_until(cluster.now_us + step_us)
        state = getattr(cluster, what).copy()
        if not seen or seen[-1] != state:
            seen.append(state)
    return seen


def is_whole(cluster: FakeCluster) -> bool:
    """Whether nothing is left of any fault."""
    cluster.slow = {link: extra_us for link, extra_us in cluster.slow.items() if extra_us}
    return not any((cluster.cuts, cluster.slow, cluster.loss, cluster.held, cluster.slowness, cluster.clocks,
                    cluster.down, cluster.paused))


@pytest.mark.parametrize(("fault", "what"), LASTING, ids=lambda value: value["kind"] if isinstance(value, dict) else "")
def test_what_lasts_strikes_and_is_undone_at_its_end(fault: dict[str, Any], what: str) -> None:
    cluster, _ = inject(fault)
    assert any(states(cluster, what, 90_000))
    cluster.scheduler.run_until(101_001)
    assert is_whole(cluster)
    before = list(cluster.log)
    cluster.scheduler.run_until(SECOND)
    assert is_whole(cluster)
    assert cluster.log == before
    (event,) = cluster.recorder.events
    assert (event.f, event.error) == (fault["kind"], None)
    for name, value in fault.items():
        if name in FIELDS and FIELDS[name].recorded:
            assert event.value[name] == value


@pytest.mark.parametrize(("fault", "what"), LASTING, ids=lambda value: value["kind"] if isinstance(value, dict) else "")
@pytest.mark.parametrize("heal_us", [1_500, 2_500, 30_000, 77_777])
def test_what_lasts_is_undone_at_the_heal(fault: dict[str, Any], what: str, heal_us: int) -> None:
    cluster, injector = inject(fault)
    cluster.scheduler.run_until(heal_us)
    injector.heal(1)
    assert is_whole(cluster)
    cluster.scheduler.run_until(SECOND)
    assert is_whole(cluster)


@pytest.mark.parametrize(("fault", "what"), LASTING, ids=lambda value: value["kind"] if isinstance(value, dict) else "")
def test_two_of_a_kind_at_once_are_both_undone(fault: dict[str, Any], what: str) -> None:
    cluster, _ = inject(fault, {**fault, "at_us": 30_000})
    cluster.scheduler.run_until(101_500)
    assert len(cluster.recorder.events) == 2
    cluster.scheduler.run_until(SECOND)
    assert is_whole(cluster)


def test_every_kind_beyond_the_core_is_tried_here() -> None:
    tried = {fault["kind"] for fault, _ in LASTING} | {"reset", "clock-jump"}
    beyond = {name for name, kind in KINDS.items() if kind.plane in ("network", "process", "clock")
              and kind.modes == ("kraft", "zk")} - set(CORE_KINDS)
    assert beyond <= tried


def test_a_flapping_link_is_cut_and_mended_each_period() -> None:
    cluster, _ = inject(LASTING[0][0])
    seen = states(cluster, "cuts", 20_900)
    assert [bool(cuts) for cuts in seen] == [index % 2 == 1 for index in range(len(seen))]
    assert sum(map(bool, seen)) == 10
    assert all(sorted(cuts) == sorted(LINKS) for cuts in seen if cuts)


def test_spikes_are_of_drawn_heights_and_the_links_are_quick_between() -> None:
    cluster, _ = inject(LASTING[1][0])
    heights = [set(slow.values()) for slow in states(cluster, "slow", 41_000)]
    spikes = {height for each in heights for height in each if height}
    assert len(spikes) > 10
    assert max(spikes) <= 900
    assert heights.count({0}) > 10


@pytest.mark.parametrize(("direction", "links"), [
    ("in", [(controller, 2) for controller in CONTROLLERS]), ("out", [(2, controller) for controller in CONTROLLERS]),
    (None, LINKS),
])
@pytest.mark.parametrize(("kind", "fields", "what"), [
    ("loss", {"loss_per_mille": 300}, "loss"), ("hold", {}, "held"), ("flap", {"period_us": SECOND}, "cuts"),
    ("latency-spikes", {"period_us": SECOND, "latency_us": 10_000}, "slow"),
])
def test_traffic_is_disturbed_in_one_direction_or_both(
    kind: str, fields: dict[str, int], what: str, direction: str | None, links: list[tuple[int, int]]
) -> None:
    fault = {"kind": kind, "others": "controllers", "target": BROKER, **fields}
    cluster, _ = inject(fault if direction is None else {**fault, "direction": direction})
    cluster.scheduler.run_until(2_000)
    assert sorted(getattr(cluster, what)) == sorted(links)


def test_connections_are_reset_once() -> None:
    cluster, _ = inject({"kind": "reset", "others": "controllers", "target": BROKER})
    cluster.scheduler.run_until(SECOND)
    assert cluster.resets == [(2, controller) for controller in CONTROLLERS]


def test_a_stuttering_process_pauses_briefly_each_period() -> None:
    cluster, _ = inject(LASTING[4][0])
    paused = [2 in each for each in states(cluster, "paused", 40_900)]
    assert paused.count(True) == 20
    assert paused.count(False) >= 20


def test_a_restart_loop_kills_again_whoever_comes_up() -> None:
    cluster, _ = inject(LASTING[5][0])
    cluster.scheduler.run_until(SECOND)
    assert [what for _, what, _ in cluster.log] == ["kill", "start"] * 50
    assert {node for _, _, node in cluster.log} == {2}


def test_a_restart_loop_leaves_a_node_down_that_another_fault_keeps_down() -> None:
    cluster, _ = inject(LASTING[5][0], {"kind": "power-loss", "at_us": 20_000, "duration_us": 50_000, "target": BROKER})
    cluster.scheduler.run_until(69_000)
    struck_us = max(time_us for time_us, what, _ in cluster.log if what == "power-loss" or time_us < 21_000)
    assert [what for time_us, what, _ in cluster.log if time_us > struck_us] == []
    cluster.scheduler.run_until(SECOND)
    assert cluster.down == []


def test_a_rolling_restart_asks_one_after_the_other() -> None:
    cluster, _ = inject(LASTING[6][0])
    cluster.scheduler.run_until(SECOND)
    asked = [(time_us, node) for time_us, what, node in cluster.log if what == "shutdown"]
    assert [time_us for time_us, _ in asked] == [1_000, 21_000, 41_000]
    assert sorted(node for _, node in asked) == [1, 2, 3]
    assert [(time_us, node) for time_us, what, node in cluster.log if what == "start"] == [
        (time_us + 10_000, node) for time_us, node in asked]


def test_a_rolling_restart_of_a_role_that_nobody_has_is_skipped() -> None:
    cluster, _ = inject({"kind": "rolling-restart", "others": "zookeepers", "period_us": 20_000})
    cluster.scheduler.run_until(SECOND)
    assert [event.error for event in cluster.recorder.events] == ["there is no such node"]


def test_a_clock_that_jumped_stays() -> None:
    cluster, injector = inject({"kind": "clock-jump", "offset_us": -700, "target": BROKER, "duration_us": 0})
    cluster.scheduler.run_until(2_000)
    injector.heal(1)
    assert cluster.clocks == {2: -700}


@pytest.mark.parametrize(("rate_ppm", "off_us"), [(10_000, 500), (-500_000, -25_000), (1, 0)])
def test_a_clock_drifts_by_its_rate(rate_ppm: int, off_us: int) -> None:
    cluster, _ = inject({"kind": "clock-drift", "rate_ppm": rate_ppm, "target": BROKER})
    cluster.scheduler.run_until(51_000)
    assert cluster.clocks.get(2, 0) == off_us


@pytest.mark.parametrize(("fields", "message"), [
    ({"kind": "flap", "others": "brokers", "target": BROKER}, "flap needs period_us"),
    ({"kind": "flap", "others": "brokers", "period_us": 10, "target": BROKER}, "from 1000, not 10"),
    ({"kind": "loss", "others": "brokers", "loss_per_mille": 1001, "target": BROKER}, "from 1 to 1000, not 1001"),
    ({"kind": "clock-jump", "offset_us": 0, "target": BROKER}, "not 0"),
    ({"kind": "clock-drift", "rate_ppm": -1_000_000, "target": BROKER}, "from -900000"),
    ({"kind": "rolling-restart", "others": "kings", "period_us": 1_000}, "others is controllers, brokers"),
    ({"kind": "hold", "others": "brokers", "period_us": 1_000, "target": BROKER}, "hold takes no period_us"),
])
def test_what_makes_no_sense_is_refused_in_one_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FaultError, match=message) as caught:
        fault_from_data({"at_us": 1, "duration_us": 1, **fields}, "faults.json: fault 0")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.milder is not None])
def test_a_milder_kind_takes_no_field_that_the_harsher_one_does_not_have(name: str) -> None:
    kind = KINDS[name]
    assert kind.milder is not None
    assert set(KINDS[kind.milder].needs) <= {*kind.needs, *kind.may, *kind.ignores}
