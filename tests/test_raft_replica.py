"""A replica's rules, one by one: votes, fetches, fsyncs, timers, listeners, snapshots."""

import pytest
from kernel_nodes import stall_disk
from raft_cluster import MS, SECOND, RaftCluster

from fencepost.model import errors
from fencepost.model.protocol.raft import (
    BeginQuorumEpochRequest,
    EndQuorumEpochRequest,
    FetchSnapshotRequest,
    RaftFetchRequest,
    SnapshotId,
    VoteRequest,
)
from fencepost.model.raft.core import ElectionState
from fencepost.model.raft.metadata_log import LOG_FILE, make_batch
from fencepost.model.raft.replica import NotLeaderError


@pytest.fixture
def cluster():
    return RaftCluster(3, observers=1)


def lone_voter(election=None, batches=((1, 2),), **changes):
    """Voter 1 of 3, alone, with a log of (epoch, records); its quorum-state file may be given."""
    cluster = RaftCluster(3, started=False, **changes)
    node = cluster.nodes[1]
    log = node.disk.log(LOG_FILE)
    for epoch, records in batches:
        batch = make_batch(log.end_offset, epoch, tuple(range(records)))
        for _ in range(records):
            log.append(0, batch)
    cell = node.disk.cell("quorum-state", ElectionState())
    cell.write(election or ElectionState(None, 1, None))
    cell.synced(cell.written())
    node.start()
    cluster.run(10 * MS)
    return cluster, node


def vote(cluster, epoch=2, candidate=2, last=(1, 2), pre_vote=False, voter=1):
    return cluster.request(voter, VoteRequest(epoch, candidate, voter, *last, pre_vote))


def fetch(cluster, leader, offset, last_epoch, epoch=None, replica=2, wait_us=0):
    epoch = leader.raft.epoch if epoch is None else epoch
    return cluster.request(leader.node_id, RaftFetchRequest(replica, epoch, offset, last_epoch, wait_us))


# --- start-up ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("election", "state", "epoch"), [
    (ElectionState(None, 3, None), "unattached", 3), (ElectionState(None, 3, 2), "unattached", 3),
    (ElectionState(None, 3, 1), "candidate", 3), (ElectionState(1, 3, None), "resigned", 3),
    (ElectionState(2, 3, None), "follower", 3), (ElectionState(2, 3, 1), "follower", 3),
    (ElectionState(1, 0, None), "unattached", 1),
])
def test_starts_in_the_state_on_disk(election, state, epoch):
    _, node = lone_voter(election)
    assert (node.raft.state, node.raft.epoch) == (state, epoch)


def test_nothing_is_handled_before_the_disk_is_synced():
    cluster, node = lone_voter()
    stall_disk(node, 50 * MS)
    node.kill()
    node.start()
    begin_us = cluster.now_us
    assert vote(cluster).vote_granted
    assert cluster.now_us - begin_us >= 50 * MS


# --- votes ------------------------------------------------------------------------------------------------------------


def test_votes_once_an_epoch_and_remembers():
    cluster, node = lone_voter()
    assert vote(cluster, candidate=2).vote_granted
    assert vote(cluster, candidate=2).vote_granted
    assert not vote(cluster, candidate=3).vote_granted
    node.power_off()
    node.start()
    cluster.network.disconnect(cluster.probe, 1, "raft")
    assert not vote(cluster, candidate=3).vote_granted
    assert vote(cluster, candidate=3, epoch=3).vote_granted


@pytest.mark.parametrize(("last", "granted"), [((1, 2), True), ((1, 3), True), ((1, 1), False), ((0, 9), False)])
@pytest.mark.parametrize("pre_vote", [True, False])
def test_votes_only_for_logs_that_are_up_to_date(last, granted, pre_vote):
    cluster, _ = lone_voter()
    assert vote(cluster, last=last, pre_vote=pre_vote).vote_granted is granted


def test_refused_vote_still_raises_the_epoch():
    cluster, node = lone_voter()
    assert not vote(cluster, epoch=9, last=(0, 0)).vote_granted
    assert node.raft.epoch == 9
    assert node.disk.cell("quorum-state", None).value == ElectionState(None, 9, None)


def test_vote_errors():
    cluster, _ = lone_voter(ElectionState(None, 5, None))
    assert vote(cluster, epoch=4).error == errors.FENCED_LEADER_EPOCH
    assert vote(cluster, epoch=5, last=(5, 9)).error == errors.INVALID_REQUEST
    assert vote(cluster, epoch=5, last=(6, 9), pre_vote=True).error == errors.INVALID_REQUEST
    assert vote(cluster, epoch=5, last=(5, 9), pre_vote=True).vote_granted
    assert cluster.request(1, VoteRequest(5, 2, 3, 1, 2)).error == errors.INVALID_VOTER_KEY


@pytest.mark.parametrize(("election", "granted", "pre_granted"), [
    (ElectionState(2, 3, None), False, True),  # a follower that has not fetched yet
    (ElectionState(1, 3, None), False, True),  # resigned
    (ElectionState(None, 3, 1), False, True),  # candidate
    (ElectionState(None, 3, 3), False, True),  # voted for another
    (ElectionState(None, 3, None), True, True),
])
def test_who_votes_in_its_own_epoch(election, granted, pre_granted):
    cluster, _ = lone_voter(election)
    assert vote(cluster, epoch=3, pre_vote=True).vote_granted is pre_granted
    cluster, _ = lone_voter(election)
    assert vote(cluster, epoch=3).vote_granted is granted


def test_leader_and_fetching_followers_deny_pre_votes(cluster):
    leader = cluster.elect()
    cluster.run(50 * MS)
    for voter in cluster.voters:
        answer = cluster.request(voter, VoteRequest(leader.raft.epoch, 2, voter, leader.raft.epoch, 99, True))
        assert not answer.vote_granted
        assert answer.leader_id == leader.node_id


def test_pre_vote_changes_nothing_on_disk():
    cluster, node = lone_voter()
    before = node.disk.cell("quorum-state", None).value
    assert vote(cluster, epoch=1, pre_vote=True).vote_granted
    assert node.disk.cell("quorum-state", None).value == before


def test_isolated_voter_keeps_its_epoch_with_pre_vote():
    _, node = lone_voter()
    node.cluster.run(2 * SECOND)
    assert node.raft.epoch == 1
    assert node.raft.state in ("prospective", "unattached")


def test_isolated_voter_raises_its_epoch_without_pre_vote():
    _, node = lone_voter(raft_prevote=False)
    node.cluster.run(2 * SECOND)
    assert node.raft.epoch > 3


def test_vote_is_answered_only_after_its_fsync():
    cluster, node = lone_voter()
    begin_us = cluster.now_us
    stall_disk(node, 40 * MS)
    assert vote(cluster).vote_granted
    assert cluster.now_us - begin_us >= 40 * MS
    begin_us = cluster.now_us
    stall_disk(node, 40 * MS)
    assert not vote(cluster, candidate=3).vote_granted  # a refusal needs none
    assert cluster.now_us - begin_us < 10 * MS


# --- the epoch's begin and end ----------------------------------------------------------------------------------------


def test_begin_quorum_epoch_makes_a_follower_or_is_fenced():
    cluster, node = lone_voter(ElectionState(None, 5, None))
    assert cluster.request(1, BeginQuorumEpochRequest(2, 4, 1)).error == errors.FENCED_LEADER_EPOCH
    assert node.raft.state == "unattached"
    assert cluster.request(1, BeginQuorumEpochRequest(2, 5, 1)).error is None
    assert (node.raft.state, node.raft.leader_id) == ("follower", 2)


def test_being_named_as_a_leader_that_it_is_not_ends_the_process():
    cluster, node = lone_voter()
    assert cluster.request(1, BeginQuorumEpochRequest(1, 7, 1)) is None
    assert not node.running
    assert len(cluster.events("raft-fatal")) == 1


def test_a_second_leader_of_an_epoch_ends_the_process():
    cluster, node = lone_voter(ElectionState(2, 5, None))
    assert cluster.request(1, BeginQuorumEpochRequest(3, 5, 1)) is None
    assert not node.running


@pytest.mark.parametrize(("successors", "within_us"), [
    ((), 10 * MS), ((1, 3), 10 * MS), ((3, 1), 110 * MS), ((3, 2), 110 * MS)])
def test_end_quorum_epoch_starts_an_election_in_order(successors, within_us):
    cluster, node = lone_voter(ElectionState(2, 5, None))
    begin_us = cluster.now_us
    cluster.request(1, EndQuorumEpochRequest(2, 5, successors))
    cluster.run_until(lambda: node.raft.state == "prospective")
    assert within_us - 20 * MS <= cluster.now_us - begin_us <= within_us


def test_resigned_leader_goes_to_the_next_epoch(cluster):
    leader = cluster.elect()
    epoch = leader.raft.epoch
    told = list(leader.machine.leader_changes)
    cluster.isolate(leader.node_id)
    leader.raft.resign(epoch - 1)
    cluster.run(1 * MS)
    assert leader.raft.is_leader
    leader.raft.resign(epoch)
    cluster.run(1 * MS)
    assert (leader.raft.state, leader.raft.leader_id) == ("resigned", leader.node_id)
    assert leader.machine.leader_changes == told
    with pytest.raises(NotLeaderError):
        leader.raft.append(epoch, ("late",))
    cluster.run_until(lambda: leader.raft.state != "resigned")
    assert leader.raft.epoch == epoch + 1
    assert leader.machine.leader_changes[-1] == (None, epoch + 1)


# --- fetches ----------------------------------------------------------------------------------------------------------


def test_fetch_errors(cluster):
    leader = cluster.elect()
    epoch = leader.raft.epoch
    follower = next(node for node in cluster.nodes.values() if node is not leader)
    assert fetch(cluster, leader, 0, 0, epoch - 1).error == errors.FENCED_LEADER_EPOCH
    assert fetch(cluster, leader, 0, 0, epoch + 1).error == errors.UNKNOWN_LEADER_EPOCH
    answer = fetch(cluster, follower, 0, 0, epoch)
    assert (answer.error, answer.leader_id) == (errors.NOT_LEADER_OR_FOLLOWER, leader.node_id)


def test_fetch_returns_uncommitted_records_and_the_watermark(cluster):
    leader = cluster.elect()
    cluster.isolate(leader.node_id)
    cluster.append(leader, "uncommitted")
    cluster.run(10 * MS)
    answer = fetch(cluster, leader, 1, leader.raft.epoch, replica=4)
    assert [batch.records for batch in answer.batches] == [("uncommitted",)]
    assert answer.high_watermark == 1


def test_diverging_fetch_is_told_where(cluster):
    leader = cluster.elect()
    answer = fetch(cluster, leader, 7, leader.raft.epoch, replica=4)
    assert answer.diverging == (leader.raft.epoch, leader.raft.log_end_offset)


def test_parked_fetch_is_answered_when_the_log_grows_else_as_of_its_arrival(cluster):
    leader = cluster.elect()
    cluster.run(200 * MS)
    begin_us = cluster.now_us
    answer = fetch(cluster, leader, 1, leader.raft.epoch, replica=4, wait_us=30 * MS)
    assert answer.batches == ()
    assert cluster.now_us - begin_us >= 30 * MS
    cluster.append(leader, "news")
    begin_us = cluster.now_us
    answer = fetch(cluster, leader, 1, leader.raft.epoch, replica=4, wait_us=SECOND // 2)
    assert answer.batches[0].records == ("news",)
    assert answer.high_watermark == 1  # as it is before anybody has the record
    assert cluster.now_us - begin_us < 10 * MS


def test_leaving_leader_sends_parked_fetches_on(cluster):
    leader = cluster.elect()
    epoch = leader.raft.epoch
    cluster.run(10 * MS)
    leader.raft.thread.schedule(5 * MS, leader.raft._resign_from, epoch)
    assert fetch(cluster, leader, 1, epoch, replica=4, wait_us=SECOND // 2).error == errors.NOT_LEADER_OR_FOLLOWER


def test_leader_counts_itself_only_when_synced():
    cluster = RaftCluster(1)
    leader = cluster.elect()
    stall_disk(leader, 50 * MS)
    begin_us = cluster.now_us
    cluster.commit(leader, "slow")
    assert cluster.now_us - begin_us >= 50 * MS


def test_follower_acknowledges_only_what_it_has_synced(cluster):
    leader = cluster.elect()
    followers = [node for node in cluster.nodes.values() if node is not leader and node.node_id in cluster.voters]
    cluster.run(100 * MS)
    for follower in followers:
        stall_disk(follower, 50 * MS)
    begin_us = cluster.now_us
    cluster.commit(leader, "slow")
    assert cluster.now_us - begin_us >= 50 * MS


def test_observers_do_not_count_and_do_not_sync(cluster):
    leader = cluster.elect()
    cluster.run(100 * MS)
    for voter in cluster.voters:
        if voter != leader.node_id:
            cluster.cut_both(voter, leader.node_id)
    offset = cluster.append(leader, "not committed")
    cluster.run(100 * MS)
    observer = cluster.nodes[4]
    assert observer.raft.log_end_offset == offset + 1
    assert observer.disk.log(LOG_FILE).synced_end_offset <= offset
    assert leader.raft.high_watermark == offset


def test_appends_are_batches_and_linger():
    cluster = RaftCluster(3, raft_max_fetch_records=64)
    leader = cluster.elect()
    cluster.run(10 * MS)
    first = leader.raft.append(leader.raft.epoch, ("a", "b"))
    second = leader.raft.append(leader.raft.epoch, ("c",))
    assert (second, leader.raft.next_offset) == (first + 2, first + 3)
    assert leader.raft.log_end_offset == first
    cluster.run(20 * MS)
    entries = cluster.events("raft-append")[-1].value["entries"]
    assert [(offset, records) for offset, _, _, records in entries] == [(first, 2), (second, 1)]
    with pytest.raises(ValueError, match="needs a record"):
        leader.raft.append(leader.raft.epoch, ())
    with pytest.raises(NotLeaderError):
        leader.raft.append(leader.raft.epoch - 1, ("old epoch",))


# --- time -------------------------------------------------------------------------------------------------------------


def test_leader_without_fetches_resigns_in_time(cluster):
    leader = cluster.elect()
    cluster.isolate(leader.node_id)
    window_us = cluster.config.controller_quorum_fetch_timeout_us * 3 // 2
    cluster.run(window_us - 60 * MS)
    assert leader.raft.is_leader
    cluster.run(120 * MS)
    assert leader.raft.state == "resigned"


def test_leader_with_one_of_two_followers_stays(cluster):
    leader = cluster.elect()
    cluster.isolate(next(voter for voter in cluster.voters if voter != leader.node_id))
    cluster.run(2 * SECOND)
    assert leader.raft.is_leader


def test_a_jump_forward_lets_a_time_out_expire_at_the_next_message():
    cluster, node = lone_voter()
    assert node.raft.state == "unattached"
    node.wall_offset_us += 10 * SECOND
    vote(cluster, epoch=0)
    cluster.run(1 * MS)
    assert node.raft.state == "prospective"


def test_a_jump_backward_holds_a_time_out_up():
    cluster, node = lone_voter()
    node.wall_offset_us -= 2 * SECOND
    cluster.run(2 * SECOND)
    assert node.raft.state == "unattached"
    cluster.run_until(lambda: node.raft.state == "prospective", limit_us=SECOND // 2)


def test_resumed_leader_finds_its_time_over(cluster):
    leader = cluster.elect()
    epoch = leader.raft.epoch
    leader.pause()
    new = cluster.elect(other_than=leader)
    assert new.raft.epoch > epoch
    leader.resume()
    cluster.run(100 * MS)
    assert leader.raft.leader_id == new.node_id


# --- listeners --------------------------------------------------------------------------------------------------------


def test_leader_is_told_only_after_its_first_record_is_committed(cluster):
    leader = cluster.elect()
    log = leader.machine.log
    assert log.index(f"leader {leader.node_id} {leader.raft.epoch}") > log.index("commit 1")


def test_leader_without_a_majority_is_never_told():
    cluster = RaftCluster(3)
    cluster.strike_at("raft.became-leader", None, cut_the_leader, cluster)
    cluster.run(SECOND // 2)
    cut_off = next(event.node for event in cluster.events("raft-state") if event.value["state"] == "leader")
    told = cluster.nodes[cut_off].machine.leader_changes
    assert cut_off not in [leader for leader, epoch in told if epoch == 1]


def cut_the_leader(cluster):
    cluster.isolate(cluster.leaders()[0].node_id)


def test_followers_are_told_of_every_epoch_once(cluster):
    leader = cluster.elect()
    cluster.run(SECOND)
    for node in cluster.nodes.values():
        changes = node.machine.leader_changes
        assert changes.count((leader.node_id, leader.raft.epoch)) == 1
        assert [epoch for _, epoch in changes] == sorted(epoch for _, epoch in changes)


# --- snapshots --------------------------------------------------------------------------------------------------------


def snapshotted():
    cluster = RaftCluster(3, snapshot_every=10)
    leader = cluster.elect()
    for value in range(40):
        cluster.commit(leader, value)
    cluster.run(50 * MS)
    return cluster, leader


def test_log_starts_at_the_earliest_snapshot():
    cluster, leader = snapshotted()
    assert leader.raft.log_start_offset == leader.raft.log.snapshots.earliest_id.end_offset > 0
    for event in cluster.events("raft-log-start"):
        assert event.value["log_start_offset"] <= event.value["earliest_snapshot_end_offset"]


def test_restart_loads_the_snapshot_before_anything_else():
    cluster, leader = snapshotted()
    follower = next(node for node in cluster.nodes.values() if node is not leader)
    follower.kill()
    follower.start()
    cluster.run(SECOND)
    assert follower.machine.log[0].startswith("snapshot")
    assert follower.machine.values == leader.machine.values


def test_who_fetches_from_0_is_sent_to_the_snapshot_and_gets_it_in_chunks():
    cluster, leader = snapshotted()
    snapshot_id = fetch(cluster, leader, 0, 0, replica=4).snapshot_id
    assert snapshot_id == leader.raft.latest_snapshot_id
    expected = leader.raft.log.snapshots.get(snapshot_id).entries
    entries = []
    while len(entries) < len(expected):
        answer = cluster.request(
            leader.node_id, FetchSnapshotRequest(4, leader.raft.epoch, snapshot_id, len(entries), 7))
        assert answer.error is None
        assert len(answer.entries) <= 7
        entries.extend(answer.entries)
        assert answer.size == len(expected)
    assert tuple(entries) == expected


def test_snapshot_fetch_errors():
    cluster, leader = snapshotted()
    latest, epoch = leader.raft.latest_snapshot_id, leader.raft.epoch

    def ask(snapshot_id, position, current_epoch=epoch):
        request = FetchSnapshotRequest(4, current_epoch, snapshot_id, position, 7)
        return cluster.request(leader.node_id, request).error

    assert ask(SnapshotId(3, 1), 0) == errors.SNAPSHOT_NOT_FOUND
    assert ask(latest, 9999) == errors.POSITION_OUT_OF_RANGE
    assert ask(latest, 0, epoch - 1) == errors.FENCED_LEADER_EPOCH


def test_snapshots_are_refused_below_the_log_start_and_fatal_beyond_the_watermark():
    cluster, leader = snapshotted()
    assert not leader.raft.freeze_snapshot(SnapshotId(1, 1), (), "")
    assert not leader.raft.freeze_snapshot(leader.raft.latest_snapshot_id, (), "")
    assert cluster.events("raft-fatal") == []
    assert not leader.raft.freeze_snapshot(SnapshotId(10_000, leader.raft.epoch), (), "")
    cluster.run(1 * MS)
    assert not leader.running


def test_snapshot_counts_only_once_durable():
    cluster, leader = snapshotted()
    latest = leader.raft.latest_snapshot_id
    offset = cluster.commit(leader, "more")
    leader.raft.freeze_snapshot(SnapshotId(offset + 1, leader.raft.epoch), (), "digest")
    leader.power_off()
    leader.start()
    assert leader.raft.latest_snapshot_id == latest


def test_describes_itself(cluster):
    leader = cluster.elect()
    described = leader.raft.describe()
    assert described["state"] == "leader"
    assert described["leader"] == leader.node_id
    assert described["high_watermark"] == described["log_end_offset"] == 1
