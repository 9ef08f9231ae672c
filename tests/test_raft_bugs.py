"""Each known bug of the Raft quorum, by a script that misbehaves with the bug and not without it."""

import pytest
from raft_cluster import MS, SECOND, RaftCluster, rules_broken

from fencepost.model.bugs.raft import BUGS

PATCHES = {bug.bug_id: bug.patches for bug in BUGS}


def two_candidates(cluster):
    """Voters 1 and 2 cannot reach each other and stand in epoch 1; voter 3 elects one of them: (elected, other)."""
    cluster.run(20 * MS)
    first, second = cluster.nodes[1], cluster.nodes[2]
    cluster.cut_both(1, 2)
    cluster.expire(first)
    cluster.expire(second)
    cluster.run_until(lambda: first.raft.epoch == second.raft.epoch == 1)
    return first, second


def restarted_leader_votes(patches):
    """KAFKA-10661: a leader restarts before anybody knows of it, while the other candidate still asks."""
    cluster = RaftCluster(3, seed=5, patches=patches)
    struck = []
    cluster.strike_at("raft.became-leader", None, struck.append, None)
    first, second = two_candidates(cluster)
    cluster.run_until(lambda: struck, step_us=1)
    elected = cluster.leaders()[0]
    elected.power_off()
    elected.start()
    cluster.uncut_both(1, 2)
    cluster.run(60 * MS)
    assert elected in (first, second)
    return "ElectionSafety" in rules_broken(cluster)


def restarted_leader_resumes(patches):
    """KAFKA-10527: the followers have what the leader loses before its fsync; it goes on in the same epoch."""
    cluster = RaftCluster(3, seed=2, patches=patches)
    leader = cluster.elect()
    cluster.commit(leader, "kept")
    cluster.run(10 * MS)
    offset = cluster.append(leader, "lost by its leader")
    cluster.strike_at("raft.leader-appended", leader.node_id, leader.power_off)
    cluster.run_until(lambda: not leader.running, step_us=1)
    assert leader.raft.log_end_offset == offset
    cluster.run(5 * MS)
    leader.start()
    cluster.run(SECOND)
    return "LogMatching" in rules_broken(cluster)


def unsynced_acknowledgement(patches):
    """KAFKA-10533: the only follower that has the record loses it in a power cut; the leader is gone."""
    cluster = RaftCluster(3, seed=2, patches=patches)
    leader = cluster.elect()
    holder, other = (node for node in cluster.nodes.values() if node is not leader)
    cluster.isolate(other.node_id)
    cluster.commit(leader, "committed")
    holder.power_off()
    cluster.network.heal()
    cluster.isolate(leader.node_id)
    holder.start()
    new = cluster.elect(other_than=leader)
    cluster.commit(new, "other")
    return "LeaderCompleteness" in rules_broken(cluster)


def forgotten_vote(patches):
    """VOTE-NOT-FSYNCED: voter 3 votes for 1, loses power, and is asked by 2 in the same epoch."""
    cluster = RaftCluster(3, seed=3, patches=patches)
    cluster.run(20 * MS)
    first, second, voter = cluster.nodes.values()
    cluster.cut_both(1, 2)
    cluster.strike_at("raft.became-candidate", 2, cluster.network.links.cut, 2, 3)
    cluster.expire(second)
    cluster.run_until(lambda: cluster.network.links.is_cut(2, 3), step_us=1)
    cluster.strike_at("raft.vote-granted", 3, voter.power_off)
    cluster.expire(first)
    cluster.run_until(lambda: not voter.running, step_us=1)
    assert first.raft.epoch == second.raft.epoch == 1
    voter.start()
    cluster.network.links.uncut(2, 3)
    cluster.run(40 * MS)
    return "VoteOncePerEpoch" in rules_broken(cluster)


def committed_at_epoch_start(patches):
    """KAFKA-12619: figure 8 of the Raft paper; an old record reaches a majority, its leader's first one does not."""
    cluster = RaftCluster(3, seed=4, patches=patches, raft_max_fetch_records=1, raft_prevote=False)
    first = cluster.elect()
    second, third = (node for node in cluster.nodes.values() if node is not first)
    cluster.isolate(first.node_id)
    cluster.append(first, "old")
    cluster.run(10 * MS)
    cluster.strike_at("raft.became-leader", third.node_id, cluster.isolate, third.node_id)
    cluster.expire(third)
    cluster.run_until(lambda: third.raft.is_leader, step_us=1)
    cluster.run(5 * MS)
    cluster.uncut_both(first.node_id, second.node_id)
    cluster.strike_at("raft.appended", second.node_id, cluster.network.links.cut, first.node_id, second.node_id)
    cluster.run_until(lambda: cluster.network.links.is_cut(first.node_id, second.node_id), step_us=1)
    assert first.raft.is_leader
    assert second.raft.log_end_offset == first.raft.log_end_offset - 1
    cluster.run(10 * MS)
    first.kill()
    cluster.network.heal()
    new = cluster.elect()
    cluster.commit(new, "new")
    assert new is third
    return "ConsistentCommittedData" in rules_broken(cluster)


def deaf_leader(patches):
    """KAFKA-15489: nothing gets from the other voters to the leader; its own messages and an observer do."""
    cluster = RaftCluster(3, observers=1, patches=patches)
    leader = cluster.elect()
    for voter in cluster.voters:
        if voter != leader.node_id:
            cluster.network.links.cut(voter, leader.node_id)
    cluster.run(cluster.config.controller_quorum_fetch_timeout_us * 3)
    return leader.raft.is_leader


def disruptive_voter(patches):
    """KIP-996: a voter is cut off for a second and comes back."""
    cluster = RaftCluster(3, patches=patches)
    leader = cluster.elect()
    epoch = leader.raft.epoch
    cut_off = next(node for node in cluster.nodes.values() if node is not leader)
    cluster.isolate(cut_off.node_id)
    cluster.run(SECOND)
    cluster.network.heal()
    cluster.run(SECOND)
    return any(node.raft.epoch > epoch for node in cluster.nodes.values())


SCRIPTS = {
    "KAFKA-10661": restarted_leader_votes,
    "KAFKA-10527": restarted_leader_resumes,
    "KAFKA-10533": unsynced_acknowledgement,
    "VOTE-NOT-FSYNCED": forgotten_vote,
    "KAFKA-12619": committed_at_epoch_start,
    "KAFKA-15489": deaf_leader,
    "KIP-996": disruptive_voter,
}


def test_every_bug_has_a_script():
    assert list(SCRIPTS) == list(PATCHES)


@pytest.mark.parametrize("bug_id", SCRIPTS)
def test_misbehaves_with_the_bug(bug_id):
    assert SCRIPTS[bug_id](PATCHES[bug_id])


@pytest.mark.parametrize("bug_id", SCRIPTS)
def test_behaves_without_the_bug(bug_id):
    assert not SCRIPTS[bug_id](())
