"""The nemesis in ZooKeeper mode: its own faults, roles and storylines."""

from typing import Any

import pytest
from fake_cluster import FakeCluster, FakeZkCluster

from fencepost.model.kernel.randomness import Stream
from fencepost.nemesis.drawing import CORE_KINDS, core_kinds, draw_faults
from fencepost.nemesis.faults import fault_from_data
from fencepost.nemesis.fields import FaultError
from fencepost.nemesis.injector import Injector
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.zk_storylines import ZK_STORYLINES

RHYTHM = Rhythm(
    2_000_000, 28_000_000, 200_000, 1_800_000, 3_000_000, 3_000_000, ("orders-0", "__consumer_offsets-0"), "zookeepers")


def inject(fault: dict[str, Any], kind: type[FakeCluster] = FakeZkCluster) -> tuple[FakeCluster, Injector]:
    cluster = kind()
    parsed = fault_from_data({"at_us": 1_000, "duration_us": 5_000, **fault}, "test")
    injector = Injector(cluster, [parsed], lambda index: Stream(1, f"fault {index}"))
    injector.start()
    return cluster, injector


def test_a_session_expires_once() -> None:
    cluster, _ = inject({"kind": "expire-session", "target": {"role": "active-controller"}})
    cluster.scheduler.run_until(10_000)
    assert cluster.log == [(1_000, "expire", 1)]
    assert [(event.f, event.node, event.error) for event in cluster.recorder.events] == [("expire-session", 1, None)]


def test_a_slow_controller_is_quick_again_at_the_end() -> None:
    cluster, _ = inject({"kind": "slow-controller", "delay_us": 70, "target": {"role": "active-controller"}})
    cluster.scheduler.run_until(10_000)
    assert cluster.log == [(1_000, "slow 70", 1), (6_000, "slow 0", 1)]


def test_the_heal_makes_a_slow_controller_quick() -> None:
    cluster, injector = inject({"kind": "slow-controller", "delay_us": 70, "target": {"role": "active-controller"}})
    cluster.scheduler.run_until(2_000)
    injector.heal(1)
    assert cluster.log[-1] == (2_000, "slow 0", 1)


def test_an_operator_deletes_the_controllers_znode_once() -> None:
    cluster, _ = inject({"kind": "delete-controller"})
    cluster.scheduler.run_until(10_000)
    assert cluster.log == [(1_000, "delete /controller", 201)]
    (event,) = cluster.recorder.events
    assert (event.f, event.node, event.value["nodes"]) == ("delete-controller", 1, [1])


def test_where_nobody_can_delete_it_the_deletion_is_skipped() -> None:
    cluster, _ = inject({"kind": "delete-controller"}, FakeCluster)
    cluster.scheduler.run_until(10_000)
    assert [event.error for event in cluster.recorder.events] == [
        "there is no /controller that somebody could delete"]


@pytest.mark.parametrize("fault", [{"kind": "expire-session"}, {"kind": "slow-controller", "delay_us": 70}])
@pytest.mark.parametrize(("cluster", "target"), [
    (FakeCluster, {"role": "broker"}), (FakeZkCluster, {"role": "zookeeper"}),
])
def test_who_has_no_session_is_skipped(
    fault: dict[str, Any], cluster: type[FakeCluster], target: dict[str, Any]
) -> None:
    struck, _ = inject({**fault, "target": target}, cluster)
    struck.scheduler.run_until(10_000)
    (event,) = struck.recorder.events
    assert event.error is not None
    assert event.value["nodes"] == []


def test_a_broker_is_cut_from_the_ensemble_alone() -> None:
    cluster, _ = inject({"kind": "cut-roles", "others": "zookeepers", "target": {"role": "node", "id": 2}})
    cluster.scheduler.run_until(2_000)
    assert sorted(cluster.cuts) == sorted(link for server in (201, 202, 203) for link in ((2, server), (server, 2)))


def test_halves_take_the_ensemble_in() -> None:
    cluster, _ = inject({"kind": "halves"})
    cluster.scheduler.run_until(2_000)
    assert len(cluster.cuts) == 2 * 3 * 3
    assert {end for link in cluster.cuts for end in link} == {1, 2, 3, 201, 202, 203}


@pytest.mark.parametrize(("role", "nodes"), [
    ("active-controller", (1,)), ("standby-controller", (2, 3)), ("controller", (1, 2, 3)),
    ("zookeeper", (201, 202, 203)), ("zookeeper-leader", (201,)), ("zookeeper-follower", (202, 203)),
])
def test_roles_are_those_of_the_mode(role: str, nodes: tuple[int, ...]) -> None:
    cluster, _ = inject({"kind": "pause", "target": {"role": role}})
    cluster.scheduler.run_until(2_000)
    assert cluster.paused[0] in nodes


def test_schedules_know_every_kind_and_read_back() -> None:
    runs = [draw_faults(Stream(seed, "schedule"), RHYTHM) for seed in range(200)]
    faults = [fault for faults in runs for fault in faults]
    assert {fault.kind for fault in faults} == set(core_kinds("zk"))
    assert all(fault_from_data(fault.to_data(), "test") == fault for fault in faults)
    assert not any(fault.others == "controllers" for fault in faults)
    assert not any(fault.at_point is not None and fault.at_point.point.startswith("raft") for fault in faults)


@pytest.mark.parametrize("quorum", ["zookeepers", "controllers"])
@pytest.mark.parametrize("scales", [(200_000, 9_000_000, 3_000_000), (200_000, 100_000, 10_000), (1, 1, 1)])
def test_schedules_are_drawn_whatever_the_time_outs_are(quorum: str, scales: tuple[int, int, int]) -> None:
    rhythm = Rhythm(2_000_000, 28_000_000, *scales, 3_000_000, ("orders-0",), quorum)
    kinds = {fault.kind for seed in range(200) for fault in draw_faults(Stream(seed, "schedule"), rhythm)}
    assert kinds >= set(CORE_KINDS)


def test_time_outs_of_kafkas_own_proportions_are_left_alone() -> None:
    assert RHYTHM.in_order() == RHYTHM


@pytest.mark.parametrize("storyline", ZK_STORYLINES)
def test_storylines_are_readable_and_in_time(storyline: Any) -> None:
    for seed in range(20):
        for fault in storyline(Stream(seed, "story"), RHYTHM, "orders-0", 5_000_000):
            assert fault_from_data(fault.to_data(), "test") == fault


def test_a_wrong_delay_is_refused() -> None:
    with pytest.raises(FaultError, match="delay_us is a whole number"):
        inject({"kind": "slow-controller", "delay_us": "long", "target": {"role": "broker"}})
