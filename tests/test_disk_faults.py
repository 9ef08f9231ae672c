"""What becomes of a process whose disk is slow, stalled, full, broken, torn, damaged or gone."""

from typing import Any

import pytest
from kernel_nodes import EchoNode, kinds, two_nodes
from live_cluster import MS, SECOND, LiveCluster
from live_zk_cluster import LiveZkCluster

from fencepost.model import errors
from fencepost.model.kernel.disk import BROKEN, FULL
from fencepost.model.raft.metadata_log import LOG_FILE


def lost(node: EchoNode) -> list[tuple[str, Any]]:
    return [(event.key, event.value) for event in node.simulation.recorder.events if event.f == "disk-lost"]


@pytest.fixture
def live() -> LiveCluster:
    cluster = LiveCluster()
    cluster.create_topic()
    return cluster


def followers(live: LiveCluster) -> list[int]:
    return [broker for broker in (1, 2, 3) if broker != live.leader()]


# --- the kernel -------------------------------------------------------------------------------------------------------

def test_a_slow_disk_takes_longer_until_it_is_quick_again():
    simulation, _, one, _ = two_nodes(fsync_latency_us=1_000, jitter=0)
    one.disk.slowdown_us += 9_000
    one.disk.fsync(one.disk.log("x"), one.schedule, one.on_timer, 0)
    one.disk.slowdown_us -= 9_000
    one.disk.fsync(one.disk.log("x"), one.schedule, one.on_timer, 1)
    simulation.scheduler.run_until(50_000)
    assert one.seen == [("timer", 1, 1_000), ("timer", 0, 10_000)]


def test_a_stall_ends_with_the_last_of_those_that_overlap_and_is_forgotten_by_the_dead():
    simulation, _, one, _ = two_nodes()
    one.disk.stall()
    one.disk.stall()
    one.disk.fsync(one.disk.log("x"), one.schedule, one.on_timer, 0)
    one.disk.end_stall()
    simulation.scheduler.run_until(50_000)
    assert one.seen == []
    one.disk.end_stall()
    simulation.scheduler.run_until(100_000)
    assert kinds(one) == [("timer", 0)]
    one.disk.stall()
    one.disk.fsync(one.disk.log("x"), one.schedule, one.on_timer, 1)
    one.kill()
    one.start()
    one.disk.end_stall()
    simulation.scheduler.run_until(200_000)
    assert kinds(one) == []


@pytest.mark.parametrize(("failure", "elsewhere"), [(FULL, ["a"]), (BROKEN, [])])
def test_a_process_ends_at_the_first_write_that_fails(failure: str, elsewhere: list[str]):
    simulation, _, one, _ = two_nodes(seed=2)
    log, other = one.disk.log("x"), one.disk.log("y")
    other.append(0, "a")
    one.disk.failure = failure
    simulation.scheduler.run_until(10_000)
    assert one.running
    log.append(10_000, "b")
    one.disk.fsync(log, one.schedule, one.on_timer, 0)
    simulation.scheduler.run_until(50_000)
    assert not one.running
    assert one.seen == []
    assert log.entries == [], "what the disk did not take is not there"
    assert other.entries == elsewhere, "a broken disk does not take what was written before, either"
    (failed,) = [event for event in simulation.recorder.events if event.f == "disk-failed"]
    assert (failed.node, failed.key, failed.value) == (1, "x", {"failure": failure})


def test_a_torn_tail_is_the_last_write_only():
    simulation, _, one, _ = two_nodes()
    log, quiet = one.disk.log("x"), one.disk.log("quiet")
    quiet.append(0, "synced")
    one.disk.fsync(quiet, one.schedule, one.on_timer, 0)
    for time_us, entries in ((0, "ab"), (10_000, "cd"), (20_000, "ef")):
        simulation.scheduler.run_until(time_us)
        for entry in entries:
            log.append(time_us, entry)
    one.power_off(torn=True)
    assert log.entries == ["a", "b", "c", "d"]
    assert quiet.entries == ["synced"]
    assert lost(one) == [("x", {"from_offset": 4, "end_offset": 6, "torn": True})]


def test_a_damaged_entry_is_cut_off_with_all_that_follows_when_the_process_has_ended():
    _, _, one, _ = two_nodes()
    log = one.disk.log("x")
    for entry in "abcd":
        log.append(0, entry)
    log.synced(log.written())
    log.damage(3)
    log.damage(1)
    assert log.entries == ["a", "b", "c", "d"]
    one.kill()
    assert log.entries == ["a"]
    assert lost(one) == [("x", {"from_offset": 1, "end_offset": 4, "damaged": True, "wiped": True})]
    one.start()
    one.kill()
    assert len(lost(one)) == 1, "what is cut off is no longer damaged"


def test_damage_that_was_truncated_away_is_gone():
    _, _, one, _ = two_nodes()
    log = one.disk.log("x")
    for entry in "abcd":
        log.append(0, entry)
    log.damage(2)
    log.truncate_to(2)
    log.append(0, "C")
    one.kill()
    assert log.entries == ["a", "b", "C"]


# --- brokers ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("failure", [FULL, BROKEN])
def test_a_leader_that_cannot_write_answers_so_and_halts(live: LiveCluster, failure: str):
    live.produce("a")
    leader = live.leader()
    live.cluster.fail_disk(leader, failure)
    answer = live.produce("b")
    assert answer is None or answer.error == errors.KAFKA_STORAGE_ERROR, "it may end before the answer leaves it"
    live.run(3 * SECOND)
    assert not live.cluster.is_running(leader)
    assert live.leader() != leader
    assert live.produce("c").error is None
    live.cluster.mend_disk(leader)
    live.cluster.start_node(leader)
    live.run(3 * SECOND)
    assert live.values(leader) == ["a", "c"]


def test_a_follower_that_cannot_write_halts_and_leaves_the_isr(live: LiveCluster):
    follower = followers(live)[0]
    live.cluster.fail_disk(follower, FULL)
    live.produce("a")
    live.run(3 * SECOND)
    assert not live.cluster.is_running(follower)
    assert follower not in live.replica(live.leader()).isr


def test_a_broker_without_its_log_directory_halts_and_comes_back_with_what_was_written_back(live: LiveCluster):
    live.produce("a")
    leader = live.leader()
    live.cluster.lose_log_directory(leader)
    assert not live.cluster.is_running(leader)
    live.cluster.start_node(leader)
    live.run(3 * SECOND)
    assert not live.cluster.is_running(leader), "as long as the directory is gone it cannot start"
    live.cluster.mend_disk(leader)
    live.cluster.start_node(leader)
    live.run(3 * SECOND)
    assert live.values(leader) == ["a"]


def test_a_damaged_record_stops_whoever_fetches_it(live: LiveCluster):
    live.produce("a")
    leader = live.leader()
    follower = followers(live)[0]
    live.cluster.kill(follower)
    live.run(3 * SECOND)
    live.produce("b")
    live.produce("c")
    log = live.replica(leader).log
    live.cluster.nodes[leader].disk.log(log.name).damage(2)
    live.cluster.start_node(follower)
    live.run(3 * SECOND)
    assert live.values(follower) == ["a", "b"]
    assert follower not in live.replica(leader).isr
    live.cluster.kill(leader)
    live.cluster.start_node(leader)
    live.run(4 * SECOND)
    for broker in (1, 2, 3):
        assert live.values(broker) == ["a", "b", "c"], "the log was cut, and another replica had the record"


def test_a_wiped_broker_comes_back_empty_and_catches_up(live: LiveCluster):
    live.produce("a", "b")
    live.run(200 * MS)
    leader = live.leader()
    assert live.cluster.last_copy_on(leader, None) is None
    live.cluster.wipe_disk(leader)
    assert not live.cluster.is_running(leader)
    assert live.cluster.nodes[leader].disk.files == {}
    live.run(3 * SECOND)
    live.produce("c")
    live.cluster.start_node(leader)
    live.run(3 * SECOND)
    assert live.values(leader) == ["a", "b", "c"]


def test_the_last_copy_of_a_partition_is_neither_wiped_nor_damaged(live: LiveCluster):
    leader = live.leader()
    live.produce("a")
    for follower in followers(live):
        live.cluster.kill(follower)
    live.run(3 * SECOND)
    (log,) = [log for log in live.cluster.logs_on(leader) if log.startswith("orders-0/")]
    for lost_log in (None, log):
        assert live.cluster.last_copy_on(leader, lost_log) == f"node {leader} may have the last copy of orders-0"


# --- the quorum, and the ensemble -------------------------------------------------------------------------------------

def test_a_wiped_voter_comes_back_and_follows(live: LiveCluster):
    (leader,) = live.cluster.roles()["raft-leader"]
    assert live.cluster.last_copy_on(leader, None) == (
        f"node {leader} leads the quorum or may have the last copy of its metadata")
    voter, other = [node for node in live.cluster.controllers if node != leader]
    assert live.cluster.last_copy_on(voter, None) is None
    live.cluster.wipe_disk(voter)
    assert "last copy" in str(live.cluster.last_copy_on(other, None)), "one at a time"
    live.cluster.start_node(voter)
    live.run(3 * SECOND)
    raft = live.cluster.nodes[voter].raft
    assert raft is not None
    assert raft.leader_id == leader
    assert live.cluster.last_copy_on(other, None) is None, "it has caught up"


def test_a_damaged_metadata_log_is_cut_and_filled_again(live: LiveCluster):
    (leader,) = live.cluster.roles()["raft-leader"]
    voter = next(node for node in live.cluster.controllers if node != leader)
    assert live.cluster.last_copy_on(voter, LOG_FILE) is None
    live.cluster.corrupt_record(voter, LOG_FILE, 3)
    end_offset = live.cluster.nodes[voter].disk.log(LOG_FILE).end_offset
    live.cluster.kill(voter)
    assert live.cluster.nodes[voter].disk.log(LOG_FILE).end_offset == 3
    live.cluster.start_node(voter)
    live.run(SECOND)
    assert live.cluster.nodes[voter].disk.log(LOG_FILE).end_offset >= end_offset


def test_a_controller_that_cannot_write_ends_and_another_one_leads(live: LiveCluster):
    (leader,) = live.cluster.roles()["raft-leader"]
    live.cluster.fail_disk(leader, FULL)
    live.run(3 * SECOND)
    assert not live.cluster.is_running(leader)
    assert live.cluster.roles()["raft-leader"] != [leader]
    assert not live.events("raft-fatal"), "a full disk is no contradiction"


def test_a_wiped_zookeeper_server_comes_back_and_follows():
    live = LiveZkCluster()
    live.create_topic()
    live.run(SECOND)
    (leader,) = live.cluster.roles()["zookeeper-leader"]
    assert "last copy" in str(live.cluster.last_copy_on(leader, None))
    server = next(node for node in live.cluster.zookeepers if node != leader)
    assert live.cluster.last_copy_on(server, None) is None
    live.cluster.wipe_disk(server)
    others = [node for node in live.cluster.zookeepers if node != server]
    assert all("last copy" in str(live.cluster.last_copy_on(node, None)) for node in others)
    live.cluster.start_node(server)
    live.run(3 * SECOND)
    assert live.cluster.ensemble[server].established_epoch == live.cluster.ensemble[leader].established_epoch


def test_a_zookeeper_server_that_cannot_log_ends():
    live = LiveZkCluster()
    (leader,) = live.cluster.roles()["zookeeper-leader"]
    live.cluster.fail_disk(leader, BROKEN)
    live.create_topic()
    live.run(2 * SECOND)
    assert not live.cluster.is_running(leader)
    assert live.cluster.roles()["zookeeper-leader"] != []
