"""Disk faults strike a cluster, are written down and taken back; and what a schedule may say of them."""

from typing import Any

import pytest
from live_cluster import MS, SECOND, LiveCluster

from fencepost.model.kernel.randomness import Stream
from fencepost.model.raft.metadata_log import LOG_FILE
from fencepost.nemesis.faults import fault_from_data
from fencepost.nemesis.fields import FaultError
from fencepost.nemesis.injector import Injector


def strike(live: LiveCluster, *faults: dict[str, Any]) -> Injector:
    """Faults that strike now, for a second."""
    parsed = [
        fault_from_data({"at_us": live.cluster.now_us, "duration_us": SECOND, **fault}, "test") for fault in faults]
    injector = Injector(live.cluster, parsed, lambda index: Stream(1, f"fault {index}"))
    injector.start()
    live.run(1)
    return injector


def at(node: int) -> dict[str, Any]:
    return {"role": "node", "id": node}


def standby(live: LiveCluster) -> int:
    (leader,) = live.cluster.roles()["raft-leader"]
    return next(node for node in live.cluster.controllers if node != leader)


@pytest.fixture
def live() -> LiveCluster:
    cluster = LiveCluster()
    cluster.create_topic()
    cluster.produce("a", "b", "c")
    cluster.run(200 * MS)
    return cluster


def recorded(live: LiveCluster) -> list[tuple[str, list[int], str | None]]:
    return [(event.f, event.value["nodes"], event.error) for event in live.recorder.events if event.type == "fault"]


def test_slow_fsyncs_are_slow_for_a_while(live: LiveCluster) -> None:
    node = live.cluster.node(standby(live))
    strike(live, {"kind": "slow-fsync", "delay_us": 7_000, "target": at(node.node_id)},
           {"kind": "slow-fsync", "delay_us": 1_000, "target": at(node.node_id), "duration_us": SECOND // 2})
    assert node.disk.slowdown_us == 8_000
    live.run(SECOND // 2)
    assert node.disk.slowdown_us == 7_000
    live.run(SECOND)
    assert node.disk.slowdown_us == 0
    assert [event.value.get("delay_us") for event in live.recorder.events if event.type == "fault"] == [7_000, 1_000]


def test_a_stalled_quorum_commits_when_the_stalls_are_over(live: LiveCluster) -> None:
    strike(live, *({"kind": "stalled-disk", "target": at(node)} for node in live.cluster.controllers))
    live.run(10 * MS)
    before = len(live.events("raft-high-watermark"))
    live.run(980 * MS)
    assert len(live.events("raft-high-watermark")) == before
    live.run(2 * SECOND)
    assert len(live.events("raft-high-watermark")) > before


@pytest.mark.parametrize("kind", ["full-disk", "io-error", "log-directory-gone"])
def test_who_cannot_write_is_down_until_the_disk_is_mended(live: LiveCluster, kind: str) -> None:
    leader = live.leader()
    strike(live, {"kind": kind, "target": at(leader)})
    assert live.cluster.is_running(leader) == (kind != "log-directory-gone"), "it ends at its next write"
    live.run(900 * MS)
    assert not live.cluster.is_running(leader)
    live.run(3 * SECOND)
    assert live.cluster.is_running(leader)
    assert live.cluster.node(leader).disk.failure is None
    assert recorded(live) == [(kind, [leader], None)]
    assert [event.node for event in live.events("disk-failed")] == [leader]


def test_a_disk_is_mended_when_the_last_fault_is_over(live: LiveCluster) -> None:
    target = at(live.leader())
    strike(live, {"kind": "full-disk", "target": target, "duration_us": 50 * MS},
           {"kind": "io-error", "target": target, "duration_us": 100 * MS})
    live.run(60 * MS)
    assert live.cluster.node(target["id"]).disk.failure == "broken"
    live.run(60 * MS)
    assert live.cluster.node(target["id"]).disk.failure is None


def test_healing_mends_every_disk(live: LiveCluster) -> None:
    leader, voter = live.leader(), standby(live)
    injector = strike(
        live, {"kind": "log-directory-gone", "target": at(leader)}, {"kind": "stalled-disk", "target": at(voter)},
        {"kind": "wiped-disk", "target": at(1 + leader % 3)})
    assert not live.cluster.is_running(leader)
    injector.heal(SECOND)
    assert live.cluster.is_running(leader)
    live.create_topic("after")
    live.run(3 * SECOND)
    assert live.values(leader) == ["a", "b", "c"]


def test_a_torn_tail_costs_the_last_write_only(live: LiveCluster) -> None:
    leader = live.leader()
    live.produce("d", "e", acks=1)
    strike(live, {"kind": "torn-tail", "target": at(leader)})
    (loss,) = [event.value for event in live.events("disk-lost") if str(event.key).startswith("orders-0/")]
    assert loss == {"from_offset": 3, "end_offset": 5, "torn": True}
    live.run(4 * SECOND)
    assert live.cluster.is_running(leader)


def test_a_corrupted_record_is_found_and_fetched_again(live: LiveCluster) -> None:
    leader = live.leader()
    strike(live, {"kind": "corrupted-record", "file": "orders-0", "target": at(leader)})
    (fault,) = [event for event in live.recorder.events if event.type == "fault"]
    assert fault.value["log"].startswith("orders-0/")
    assert live.cluster.node(leader).disk.log(fault.value["log"]).damaged_from is not None
    assert not live.events("disk-lost")
    live.run(5 * SECOND)
    (loss,) = [event for event in live.events("disk-lost") if event.key == fault.value["log"]]
    assert (loss.node, loss.value["damaged"]) == (leader, True)
    for broker in (1, 2, 3):
        assert live.values(broker) == ["a", "b", "c"]


def test_a_wiped_disk_is_empty_and_filled_again(live: LiveCluster) -> None:
    follower, voter = 1 + live.leader() % 3, standby(live)
    strike(live, {"kind": "wiped-disk", "target": at(follower)}, {"kind": "wiped-disk", "target": at(voter)})
    assert live.cluster.node(follower).disk.files == live.cluster.node(voter).disk.files == {}
    live.run(5 * SECOND)
    assert live.values(follower) == ["a", "b", "c"]
    assert live.cluster.last_copy_on(voter, None) is None


def test_what_could_lose_committed_data_is_skipped(live: LiveCluster) -> None:
    leader = live.leader()
    (quorum_leader,) = live.cluster.roles()["raft-leader"]
    for broker in (1, 2, 3):
        if broker != leader:
            live.cluster.kill(broker)
    strike(live, {"kind": "wiped-disk", "target": at(leader)}, {"kind": "wiped-disk", "target": at(quorum_leader)},
           {"kind": "corrupted-record", "file": "orders-0", "target": at(leader)},
           {"kind": "corrupted-record", "file": LOG_FILE, "target": at(quorum_leader)},
           {"kind": "corrupted-record", "file": "orders-7", "target": at(leader)},
           {"kind": "slow-fsync", "delay_us": 1, "target": {"role": "client"}})
    partition, quorum = (
        f"node {leader} may have the last copy of orders-0",
        f"node {quorum_leader} leads the quorum or may have the last copy of its metadata")
    client = live.cluster.client_ids[0]
    assert [error for _, _, error in recorded(live)] == [
        partition, quorum, partition, quorum, f"node {leader} has no record there", f"node {client} is a client"]
    assert not live.events("disk-lost")


@pytest.mark.parametrize(("fields", "message"), [
    ({"kind": "slow-fsync"}, "slow-fsync needs delay_us"),
    ({"kind": "slow-fsync", "delay_us": -1}, "delay_us is a whole number of microseconds"),
    ({"kind": "stalled-disk", "delay_us": 1}, "stalled-disk takes no delay_us"),
    ({"kind": "corrupted-record", "file": ""}, "file is the name of a log"),
    ({"kind": "full-disk", "file": "orders-0"}, "full-disk takes no file"),
])
def test_a_wrong_disk_fault_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FaultError, match=message):
        fault_from_data({"at_us": 1, "duration_us": 1, "target": {"role": "broker"}, **fields}, "schedule.json")
