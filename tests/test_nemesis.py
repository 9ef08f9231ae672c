"""The nemesis: every kind of fault strikes whom it should, is written down, and is undone."""

import json
from itertools import product
from typing import Any

import pytest
from fake_cluster import FakeCluster

from fencepost.model.kernel.randomness import Stream
from fencepost.nemesis.drawing import CORE_KINDS, draw_faults
from fencepost.nemesis.faults import fault_from_data, schedule_from_data, without_dangling
from fencepost.nemesis.fields import FIELDS, FaultError
from fencepost.nemesis.injector import Injector
from fencepost.nemesis.kinds import KINDS
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.storylines import STORYLINES

KAFKA = (1, 2, 3, 101, 102, 103)
EVERYONE = (*KAFKA, *FakeCluster().client_ids)
RHYTHM = Rhythm(2_000_000, 28_000_000, 200_000, 900_000, 3_000_000, 3_000_000, ("orders-0", "__consumer_offsets-0"))


def inject(*faults: dict[str, Any]) -> tuple[FakeCluster, Injector]:
    cluster = FakeCluster()
    parsed = [fault_from_data({"at_us": 1_000, "duration_us": 5_000, **fault}, "test") for fault in faults]
    injector = Injector(cluster, parsed, lambda index: Stream(1, f"fault {index}"))
    injector.start()
    return cluster, injector


def test_isolate_cuts_every_link_of_the_target_and_heals() -> None:
    cluster, _ = inject({"kind": "isolate", "target": {"role": "active-controller"}})
    cluster.scheduler.run_until(2_000)
    others = [node for node in (*KAFKA, 1001, 1002) if node != 101]
    assert sorted(cluster.cuts) == sorted([(101, o) for o in others] + [(o, 101) for o in others])
    cluster.scheduler.run_until(6_000)
    assert cluster.cuts == {}
    event = cluster.recorder.events[0]
    assert (event.f, event.node, event.value["nodes"], event.value["fault"]) == ("isolate", 101, [101], 0)


@pytest.mark.parametrize(("direction", "link"), [("in", (2, 1)), ("out", (1, 2))])
def test_one_way_cuts_one_direction(direction: str, link: tuple[int, int]) -> None:
    cluster, _ = inject(
        {"kind": "one-way", "direction": direction, "target": {"role": "leader", "partition": "orders-0"}})
    cluster.scheduler.run_until(2_000)
    assert link in cluster.cuts
    assert (link[1], link[0]) not in cluster.cuts


def test_cut_roles_cuts_only_that_role() -> None:
    cluster, _ = inject({"kind": "cut-roles", "others": "controllers", "target": {"role": "node", "id": 2}})
    cluster.scheduler.run_until(2_000)
    assert sorted(cluster.cuts) == sorted([(2, c) for c in (101, 102, 103)] + [(c, 2) for c in (101, 102, 103)])


@pytest.mark.parametrize(("direction", "links"), [
    ("in", [(c, 2) for c in (101, 102, 103)]), ("out", [(2, c) for c in (101, 102, 103)]),
    (None, [link for c in (101, 102, 103) for link in ((c, 2), (2, c))]),
])
def test_slow_links_take_longer_for_a_while(direction: str | None, links: list[tuple[int, int]]) -> None:
    fault = {"kind": "slow", "others": "controllers", "target": {"role": "node", "id": 2}, "latency_us": 700}
    cluster, _ = inject(fault if direction is None else {**fault, "direction": direction})
    cluster.scheduler.run_until(2_000)
    assert cluster.slow == dict.fromkeys(links, 700)
    assert cluster.cuts == {}
    cluster.scheduler.run_until(6_000)
    assert cluster.slow == dict.fromkeys(links, 0)


def test_a_fault_may_strike_a_while_after_a_point_that_a_certain_node_passes() -> None:
    cluster = FakeCluster()
    point = {"point": "broker.became-leader", "count": 1, "delay_us": 40, "by": "first"}
    faults = [
        {"kind": "isolate", "name": "first", "at_us": 1_000, "target": {"role": "node", "id": 3}, "duration_us": 9_000},
        {"kind": "pause", "at_point": point, "target": {"role": "here"}, "duration_us": 9_000}]
    parsed = [fault_from_data(fault, "test") for fault in faults]
    assert [fault.to_data() for fault in parsed][1]["at_point"] == {**point, "from_us": 0}
    Injector(cluster, parsed, lambda index: Stream(1, f"fault {index}")).start()
    cluster.scheduler.run_until(2_000)
    for node in (1, 3):
        cluster.pass_point("broker.became-leader", node)
    cluster.scheduler.run_until(2_039)
    assert cluster.paused == []
    cluster.scheduler.run_until(2_040)
    assert cluster.paused == [3]


def test_link_cuts_two_nodes_from_each_other() -> None:
    cluster, _ = inject({"kind": "link", "target": {"role": "node", "id": 1}, "other": {"role": "node", "id": 3}})
    cluster.scheduler.run_until(2_000)
    assert sorted(cluster.cuts) == [(1, 3), (3, 1)]


def test_halves_split_the_kafka_nodes_in_two() -> None:
    cluster, _ = inject({"kind": "halves"})
    cluster.scheduler.run_until(2_000)
    sides = {
        node: [other for other in KAFKA if other != node and (node, other) not in cluster.cuts] for node in KAFKA}
    assert all(len(side) == 2 for side in sides.values())
    assert all(node in sides[other] for node in KAFKA for other in sides[node])


def test_in_a_majorities_ring_everyone_sees_a_majority_but_no_two_the_same() -> None:
    class Five(FakeCluster):
        controllers = (101, 102, 103)
        brokers = (1, 2)

    cluster = Five()
    fault = fault_from_data({"kind": "majorities-ring", "at_us": 0, "duration_us": 10}, "test")
    Injector(cluster, [fault], lambda index: Stream(1, f"fault {index}")).start()
    cluster.scheduler.run_until(5)
    nodes = (1, 2, 101, 102, 103)
    views = [tuple(o for o in nodes if (n, o) not in cluster.cuts) for n in nodes]
    assert all(len(view) == 3 for view in views)
    assert len(set(views)) == 5


def test_a_bridge_keeps_its_links() -> None:
    cluster, _ = inject({"kind": "bridge", "target": {"role": "node", "id": 2}})
    cluster.scheduler.run_until(2_000)
    assert cluster.cuts
    assert not any(2 in link for link in cluster.cuts)


@pytest.mark.parametrize("kind", ["kill", "power-loss"])
def test_a_stopped_process_is_started_again(kind: str) -> None:
    cluster, _ = inject({"kind": kind, "target": {"role": "follower", "partition": "orders-0"}})
    cluster.scheduler.run_until(10_000)
    (struck_us, what, node), (started_us, _, again) = cluster.log
    assert (what, struck_us, started_us) == (kind, 1_000, 6_000)
    assert node == again
    assert node in (2, 3)


def test_a_shutdown_that_is_never_granted_ends_in_a_kill() -> None:
    cluster, _ = inject({"kind": "shutdown", "target": {"role": "node", "id": 1}})
    cluster.scheduler.run_until(10_000)
    assert [what for _, what, _ in cluster.log] == ["shutdown", "kill", "start"]


def test_a_pause_ends() -> None:
    cluster, _ = inject({"kind": "pause", "target": {"role": "client"}})
    cluster.scheduler.run_until(2_000)
    assert cluster.paused[0] in (1001, 1002)
    cluster.scheduler.run_until(7_000)
    assert cluster.paused == []


def test_a_fault_at_a_point_strikes_where_and_when_it_is_passed() -> None:
    cluster, _ = inject()
    fault = fault_from_data({
        "kind": "power-loss", "duration_us": 100, "target": {"role": "here"},
        "at_point": {"point": "raft.vote-granted", "count": 2, "from_us": 500}}, "test")
    Injector(cluster, [fault], lambda index: Stream(1, f"fault {index}")).start()
    for time_us, node in ((100, 101), (600, 102), (700, 103), (800, 102)):
        cluster.scheduler.run_until(time_us)
        cluster.pass_point("raft.vote-granted", node)
        cluster.pass_point("raft.appended", node)
    cluster.scheduler.run_until(10_000)
    assert cluster.log == [(700, "power-loss", 103), (800, "start", 103)]


def test_striking_a_node_that_is_down_is_recorded_as_skipped() -> None:
    target = {"role": "node", "id": 1}
    cluster, _ = inject({"kind": "kill", "target": target}, {"kind": "power-loss", "target": target, "at_us": 2_000})
    cluster.scheduler.run_until(3_000)
    assert [event.error for event in cluster.recorder.events] == [None, "node 1 is down already"]


def test_healing_undoes_everything_and_stops_what_is_to_come() -> None:
    cluster, injector = inject(
        {"kind": "kill", "target": {"role": "node", "id": 1}}, {"kind": "pause", "target": {"role": "node", "id": 2}},
        {"kind": "halves"}, {"kind": "kill", "target": {"role": "node", "id": 3}, "at_us": 3_000})
    cluster.scheduler.run_until(2_000)
    injector.heal(77)
    assert (cluster.cuts, cluster.paused, cluster.down) == ({}, [], [])
    cluster.scheduler.run_until(10_000)
    assert (cluster.cuts, cluster.paused, cluster.down) == ({}, [], [])
    assert cluster.recorder.events[-1].value == {"quiet_us": 77}


def test_what_remains_outlasts_the_heal() -> None:
    cluster, injector = inject(
        {"kind": "isolate", "target": {"role": "node", "id": 1}, "remains": True, "duration_us": 0},
        {"kind": "pause", "target": {"role": "node", "id": 101}, "remains": True, "duration_us": 0},
        {"kind": "halves", "at_us": 1_500}, {"kind": "kill", "target": {"role": "node", "id": 3}})
    cluster.scheduler.run_until(8_000)
    cluster.resume(101)  # as a restart does
    injector.heal(77)
    assert (cluster.paused, cluster.down) == ([101], [])
    assert set(cluster.cuts) == {(a, b) for a, b in product(EVERYONE, EVERYONE) if a != b and 1 in (a, b)}
    assert cluster.recorder.events[-1].value == {"quiet_us": 77, "outside": [1, 101]}


def test_a_pause_that_remains_holds_who_is_down_at_the_heal() -> None:
    target = {"role": "node", "id": 1}
    cluster, injector = inject({"kind": "pause", "target": target, "remains": True, "duration_us": 0})
    cluster.scheduler.run_until(8_000)
    cluster.kill(1)
    injector.heal(77)
    assert (cluster.paused, cluster.down) == ([1], [])


@pytest.mark.parametrize(("targets", "skipped"), [
    ((1, 2), [None, "a majority of the brokers is to be left"]), ((1, 1), [None, "node 1 is down already"]),
    ((101, 1), [None, None]), ((101, 103), [None, "a majority of the controllers is to be left"]),
    ((1001,), ["only servers can be left outside of the core"]),
])
def test_the_core_keeps_a_majority_of_each_role(targets: tuple[int, ...], skipped: list[str | None]) -> None:
    cluster, _ = inject(*(
        {"kind": "kill", "target": {"role": "node", "id": node}, "remains": True, "duration_us": 0}
        for node in targets))
    cluster.scheduler.run_until(8_000)
    assert [event.error for event in cluster.recorder.events] == skipped


def test_overlapping_pauses_of_one_node_end_with_the_last() -> None:
    target = {"role": "node", "id": 1}
    cluster, _ = inject({"kind": "pause", "target": target}, {"kind": "pause", "target": target, "at_us": 3_000})
    cluster.scheduler.run_until(7_000)
    assert cluster.paused == [1]
    cluster.scheduler.run_until(9_000)
    assert cluster.paused == []


@pytest.mark.parametrize(("data", "message"), [
    ([], "an object"),
    ({"kind": "earthquake"}, "unknown kind 'earthquake'"),
    ({"kind": "halves", "duration_us": 1}, "exactly one of"),
    ({"kind": "halves", "at_us": -1, "duration_us": 1}, "at_us is a whole number"),
    ({"kind": "halves", "at_us": 1, "duration_us": "5s"}, "duration_us is a whole number"),
    ({"kind": "kill", "at_us": 1, "duration_us": 1}, "needs a target"),
    ({"kind": "link", "at_us": 1, "duration_us": 1, "target": {"role": "broker"}}, "link needs other: a target"),
    ({"kind": "one-way", "at_us": 1, "duration_us": 1, "target": {"role": "broker"}}, "direction"),
    ({"kind": "cut-roles", "at_us": 1, "duration_us": 1, "target": {"role": "broker"}, "others": "x"}, "others"),
    ({"kind": "halves", "at_us": 1, "duration_us": 1, "colour": "red"}, "unknown field 'colour'"),
    ({"kind": "halves", "at_point": {"count": 1}, "duration_us": 1}, "at_point needs a point"),
    ({"kind": "halves", "at_point": {"point": "x", "count": 0}, "duration_us": 1}, "count is a whole number from 1"),
    ({"kind": "halves", "at_point": {"point": "x", "when": 1}, "duration_us": 1}, "unknown field 'when'"),
    ({"kind": "kill", "at_us": 1, "duration_us": 1, "target": {"role": "king"}}, "unknown role 'king'"),
    ({"kind": "kill", "at_us": 1, "duration_us": 1, "target": {"role": "leader"}}, "leader needs partition"),
    ({"kind": "kill", "at_us": 1, "duration_us": 1, "target": {"role": "node", "id": "one"}}, "id is a node id"),
    ({"kind": "kill", "at_us": 1, "duration_us": 1, "target": {"role": "broker", "id": 1}}, "takes no 'id'"),
    ({"kind": "kill", "at_us": 1, "duration_us": 1, "target": {"role": "broker"}, "latency_us": 5},
     "kill takes no latency_us"),
    ({"kind": "kill", "at_us": 1, "duration_us": 1, "target": {"role": "broker"}, "remains": True},
     "duration_us and remains contradict each other"),
    ({"kind": "kill", "at_us": 1, "target": {"role": "broker"}, "remains": False}, "remains is true, not False"),
    ({"kind": "halves", "at_us": 1, "remains": True}, "halves takes no remains"),
    ({"kind": "kill", "at_us": 1, "target": {"role": "broker"}}, "duration_us is a whole number"),
    ({"kind": "slow", "at_us": 1, "duration_us": 1, "target": {"role": "broker"}, "others": "brokers"},
     "slow needs latency_us"),
    ({"kind": "slow", "at_us": 1, "duration_us": 1, "target": {"role": "broker"}, "others": "brokers",
      "latency_us": -5}, "latency_us is a whole number of microseconds, not -5"),
])
def test_a_wrong_fault_is_refused_with_its_place(data: Any, message: str) -> None:
    with pytest.raises(FaultError, match=message) as caught:
        fault_from_data(data, "faults.json, fault 3")
    assert str(caught.value).startswith("faults.json, fault 3: ")


NAMED = {"kind": "kill", "name": "first", "at_us": 1, "duration_us": 1, "target": {"role": "broker"}}


@pytest.mark.parametrize(("second", "message"), [
    (NAMED, "fault 1: name 'first' is fault 0's already"),
    ({**NAMED, "name": "second", "target": {"role": "broker", "but": "nobody"}}, "fault 1: but is 'nobody', but no"),
    ({**NAMED, "name": "second", "target": {"role": "struck", "name": "nobody"}}, "fault 1: name is 'nobody', but no"),
    ({"kind": "halves", "duration_us": 1, "at_point": {"point": "raft.appended", "by": "nobody"}}, "by is 'nobody'"),
])
def test_faults_that_contradict_each_other_are_refused(second: dict[str, Any], message: str) -> None:
    with pytest.raises(FaultError, match=message):
        schedule_from_data([NAMED, second], "faults.json")


def test_faults_may_refer_to_each_other_by_name() -> None:
    second = {"kind": "kill", "duration_us": 1, "target": {"role": "broker", "but": "first"},
              "at_point": {"point": "raft.appended", "by": "first"}}
    assert [fault.kind for fault in schedule_from_data([NAMED, second], "faults.json")] == ["kill", "kill"]


def test_what_refers_to_a_fault_that_was_taken_out_goes_or_stands_alone() -> None:
    later = [
        {"kind": "pause", "at_us": 2, "duration_us": 1, "target": {"role": "struck", "name": "first"}, "name": "it"},
        {"kind": "pause", "at_us": 2, "duration_us": 1, "target": {"role": "struck", "name": "it"}},
        {"kind": "pause", "duration_us": 1, "target": {"role": "broker", "but": "first"},
         "at_point": {"point": "raft.appended", "by": "first"}}]
    faults = schedule_from_data([NAMED, *later], "faults.json")
    assert without_dangling(faults) == faults
    (left,) = without_dangling(faults[1:])
    assert left.to_data() == {
        "kind": "pause", "duration_us": 1, "target": {"role": "broker"},
        "at_point": {"point": "raft.appended", "count": 1, "from_us": 0}}
    assert [fault.name for fault in without_dangling([faults[0], faults[0]])] == ["first", None]


def test_every_kind_says_what_it_stands_for_and_has_examples_of_its_fields() -> None:
    for kind in KINDS.values():
        assert "Stands for: " in (type(kind).__doc__ or ""), kind.name
        for name in (*kind.needs, *kind.may):
            for example in FIELDS[name].examples:
                assert FIELDS[name].read(example, name, kind.name) == example
            assert FIELDS[name].examples, name


def test_drawn_schedules_survive_being_written_and_read() -> None:
    for seed in range(200):
        faults = draw_faults(Stream(seed, "schedule"), RHYTHM)
        data = json.loads(json.dumps([fault.to_data() for fault in faults]))
        assert [fault_from_data(fault, "here") for fault in data] == faults


def test_drawing_reaches_every_kind_and_leaves_each_off_in_many_seeds() -> None:
    runs = [draw_faults(Stream(seed, "schedule"), RHYTHM) for seed in range(300)]
    for kind in CORE_KINDS:
        using = sum(any(fault.kind == kind for fault in faults) for faults in runs)
        assert 40 <= using <= 225, f"{kind} is in {using} of 300 schedules"


def test_a_later_fault_finds_the_node_that_a_named_one_struck() -> None:
    cluster, _ = inject(
        {"kind": "pause", "name": "victim", "target": {"role": "follower", "partition": "orders-0"}},
        {"kind": "isolate", "target": {"role": "struck", "name": "victim"}, "at_us": 2_000},
        {"kind": "isolate", "target": {"role": "struck", "name": "nobody"}, "at_us": 2_000})
    cluster.scheduler.run_until(3_000)
    first, second, third = cluster.recorder.events
    assert first.node == second.node
    assert third.error == "no node fits the target"


def test_a_target_may_spare_the_node_that_a_named_fault_struck() -> None:
    for seed in range(5):
        cluster, _ = inject(
            {"kind": "pause", "name": "away", "target": {"role": "standby-controller"}, "at_us": 500 + seed},
            {"kind": "kill", "target": {"role": "standby-controller", "but": "away"}})
        cluster.scheduler.run_until(3_000)
        first, second = cluster.recorder.events
        assert {first.node, second.node} == {102, 103}


@pytest.mark.parametrize("storyline", STORYLINES, ids=lambda storyline: storyline.__name__)
def test_every_storyline_is_a_schedule_that_can_be_written(storyline: Any) -> None:
    shapes = set()
    for seed in range(30):
        faults = storyline(Stream(seed, "story"), RHYTHM, "orders-0", 5_000_000)
        assert [fault_from_data(fault.to_data(), "here") for fault in faults] == faults
        shapes.add(tuple((fault.kind, fault.at_us, fault.duration_us) for fault in faults))
    assert len(shapes) > 20, "each telling is drawn anew"
