"""The Raft quorum at large: elections, fail-overs, crashes, and random faults."""

import pytest
from kernel_nodes import stall_disk
from raft_cluster import MS, SECOND, RaftCluster, violations

from fencepost.model.kernel.randomness import Stream


@pytest.mark.parametrize("voters", [1, 2, 3, 4, 5, 7])
def test_elects_one_leader_and_commits_everywhere(voters):
    cluster = RaftCluster(voters, observers=2, seed=voters)
    leader = cluster.elect()
    for value in range(5):
        cluster.commit(leader, f"value {value}")
    cluster.run(SECOND)
    assert len(cluster.leaders()) == 1
    for node in cluster.nodes.values():
        assert list(node.machine.values.values()) == [f"value {value}" for value in range(5)]
    assert violations(cluster) == []


def test_healthy_leader_stays():
    cluster = RaftCluster(3, observers=3)
    leader = cluster.elect()
    epoch = leader.raft.epoch
    for _ in range(100):
        cluster.append(leader, "tick")
        cluster.run(50 * MS)
    assert cluster.leaders() == [leader]
    assert leader.raft.epoch == epoch
    assert all(node.raft.epoch == epoch for node in cluster.nodes.values())


def test_idle_cluster_keeps_its_leader_and_costs_little():
    cluster = RaftCluster(3, observers=3)
    leader = cluster.elect()
    before = cluster.simulation.scheduler.events
    cluster.run(2 * SECOND)
    assert cluster.leaders() == [leader]
    assert cluster.simulation.scheduler.events - before < 4_000


@pytest.mark.parametrize("stop", ["kill", "power_off"])
def test_another_leader_after_the_leader_stopped(stop):
    cluster = RaftCluster(3)
    old = cluster.elect()
    cluster.commit(old, "before")
    getattr(old, stop)()
    new = cluster.elect(other_than=old)
    cluster.commit(new, "after")
    old.start()
    cluster.run(SECOND)
    assert list(old.machine.values.values()) == ["before", "after"]
    assert old.raft.state == "follower"
    assert violations(cluster) == []


def test_all_power_fails_and_nothing_committed_is_lost():
    cluster = RaftCluster(3)
    leader = cluster.elect()
    for value in range(20):
        cluster.commit(leader, value)
    for node in cluster.nodes.values():
        node.power_off()
    for node in cluster.nodes.values():
        node.start()
    cluster.elect()
    cluster.run(SECOND)
    for node in cluster.nodes.values():
        assert list(node.machine.values.values()) == list(range(20))
    assert violations(cluster) == []


def test_partitioned_leader_resigns_and_its_tail_is_replaced():
    cluster = RaftCluster(3)
    old = cluster.elect()
    cluster.commit(old, "kept")
    cluster.isolate(old.node_id)
    lost = cluster.append(old, "lost")
    new = cluster.elect(other_than=old)
    cluster.commit(new, "won")
    cluster.run(SECOND)
    assert not old.raft.is_leader
    cluster.network.heal()
    cluster.run(2 * SECOND)
    assert list(old.machine.values.values()) == ["kept", "won"]
    assert [event.value["end_offset"] for event in cluster.events("raft-truncate")] == [lost]
    assert violations(cluster) == []


def test_minority_makes_no_progress_and_majority_does():
    cluster = RaftCluster(5)
    leader = cluster.elect()
    cut_off = [leader.node_id, leader.node_id % 5 + 1]
    for one in cut_off:
        for other in cluster.voters:
            if other not in cut_off:
                cluster.network.links.cut(one, other)
                cluster.network.links.cut(other, one)
    offset = cluster.append(leader, "minority")
    cluster.run(SECOND)
    new = cluster.elect(other_than=leader)
    assert new.node_id not in cut_off
    cluster.commit(new, "majority")
    assert offset not in leader.machine.values
    cluster.network.heal()
    cluster.run(2 * SECOND)
    for node in cluster.nodes.values():
        assert list(node.machine.values.values()) == ["majority"]
    assert violations(cluster) == []


def test_graceful_shut_down_hands_over_quickly():
    cluster = RaftCluster(3)
    leader = cluster.elect()
    cluster.commit(leader, "before")
    begin_us = cluster.now_us
    leader.raft.shut_down(leader.shut_down)
    cluster.run_until(lambda: not leader.running)
    cluster.elect(other_than=leader)
    assert cluster.now_us - begin_us < 100 * MS  # far below the fetch time-out


def test_restarted_follower_catches_up_by_snapshot():
    cluster = RaftCluster(3, observers=1, snapshot_every=20)
    leader = cluster.elect()
    laggard = next(node for node in cluster.nodes.values() if node is not leader and node.node_id <= 3)
    cluster.commit(leader, "early")
    laggard.kill()
    for value in range(90):
        cluster.commit(leader, value)
    assert leader.raft.log_start_offset > laggard.raft.log_end_offset
    laggard.start()
    late = cluster.elect()
    cluster.commit(late, "late")
    cluster.run(SECOND)
    assert laggard.machine.loaded
    assert laggard.machine.values == late.machine.values
    assert violations(cluster) == []


def test_observers_follow_a_new_leader():
    cluster = RaftCluster(3, observers=2)
    old = cluster.elect()
    cluster.isolate(old.node_id)
    new = cluster.elect(other_than=old)
    cluster.commit(new, "new")
    cluster.run(SECOND)
    for observer in (cluster.nodes[4], cluster.nodes[5]):
        assert observer.raft.leader_id == new.node_id
        assert list(observer.machine.values.values()) == ["new"]


def test_same_seed_same_history():
    histories = []
    for _ in range(2):
        cluster = RaftCluster(3, observers=2, seed=11)
        _disturb(cluster, Stream(11, "disturb"), 2 * SECOND)
        histories.append(cluster.recorder.events)
    assert histories[0] == histories[1]


@pytest.mark.parametrize("seed", range(24))
def test_random_faults_break_no_rule(seed):
    stream = Stream(seed, "faults")
    cluster = RaftCluster(
        stream.choice((3, 3, 4, 5)), observers=stream.below(3), seed=seed, snapshot_every=stream.choice((0, 15, 40)),
        raft_prevote=stream.chance(3, 4), raft_max_fetch_records=stream.choice((1, 3, 64)),
    )
    _disturb(cluster, stream, 6 * SECOND)
    cluster.network.heal()
    for node in cluster.nodes.values():
        node.resume()
        node.start()
    cluster.run(2 * SECOND)  # what the cuts held back still arrives, and may depose a leader
    leader = cluster.elect()
    cluster.commit(leader, "final")
    cluster.run(3 * SECOND)
    assert violations(cluster) == []
    assert cluster.events("raft-fatal") == []
    for node in cluster.nodes.values():
        assert node.machine.values == cluster.leaders()[0].machine.values


def _disturb(cluster, stream, duration_us):
    """Random cuts, pauses, kills, power cuts, clock jumps and appends for a while."""
    end_us = cluster.now_us + duration_us
    nodes = list(cluster.nodes.values())
    count = 0
    while cluster.now_us < end_us:
        cluster.run(stream.between(1 * MS, 30 * MS))
        for leader in cluster.leaders():
            count += 1
            cluster.append(leader, f"{leader.node_id} {count}")
        node = stream.choice(nodes)
        fault = stream.below(40)
        if fault == 0:
            node.kill()
        elif fault == 1:
            node.power_off()
        elif fault in (2, 3, 4, 5):
            stream.choice(nodes).start()
        elif fault == 6:
            node.pause()
        elif fault in (7, 8, 9):
            stream.choice(nodes).resume()
        elif fault in (10, 11):
            cluster.network.links.cut(node.node_id, stream.choice(nodes).node_id)
        elif fault in (12, 13):
            cluster.network.heal()
        elif fault == 14:
            cluster.isolate(node.node_id)
        elif fault == 15:
            stall_disk(node, 100 * MS)
        elif fault == 16:
            node.wall_offset_us = stream.between(-300, 300) * MS
        elif fault == 17:
            for each in nodes:
                each.power_off()
            for each in nodes:
                each.start()
