"""The ensemble on the bare kernel: elections, synchronisation, sessions, watches, and what holds under faults."""

import pytest
from kernel_nodes import stall_disk
from zookeeper_ensemble import MS, SECOND, Ensemble
from zookeeper_workload import VersionedRegister, run_with_faults

from fencepost.checkers.linearizability import linearizable
from fencepost.model.bugs.zookeeper import BUGS
from fencepost.model.protocol.zookeeper import CheckOp, CreateOp, SetDataOp
from fencepost.model.zookeeper.service import ClientService
from fencepost.model.zookeeper.sessions import SessionTracker
from fencepost.model.zookeeper.synthesis import synthesise


class LetsAnybodyIn(ClientService):
    """A server that does not look at what its clients have seen."""

    def is_behind_client(self, last_zxid_seen):
        return False


class NobodyMoves(SessionTracker):
    """A leader that does not know which connection a session has left."""

    def has_moved(self, owner, sender):
        return False


PATCHES = {bug.bug_id: bug.patches for bug in BUGS}


def kinds_sent(ensemble: Ensemble) -> list[str]:
    return [event.value["source"] for event in ensemble.events("zk-snapshot")]


def other_than(ensemble: Ensemble, *nodes) -> list:
    return [node for node in ensemble.servers.values() if node not in nodes]


# --- elections and synchronisation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("servers", [1, 2, 3, 5, 7])
def test_an_ensemble_elects_a_leader_and_replicates(servers):
    ensemble = Ensemble(servers)
    leader = ensemble.settle()
    assert leader.peer.leader.epoch == 1
    host = ensemble.client()
    assert ensemble.ask(host, "create", "/a", "x").error is None
    ensemble.run(10 * MS)
    assert len(set(ensemble.digests())) == 1
    assert ensemble.violations() == []


def test_the_longest_history_leads():
    ensemble = Ensemble(3)
    leader = ensemble.settle()
    host = ensemble.client(servers=(leader.node_id,))
    lagging = ensemble.followers()[0]
    lagging.kill()
    assert ensemble.ask(host, "create", "/a", "x").error is None
    complete = other_than(ensemble, leader, lagging)[0]
    leader.kill()
    lagging.start()
    assert ensemble.elect(leader) is complete
    assert ensemble.leader().peer.leader.epoch == 2


def test_without_a_quorum_nothing_is_committed_and_the_leader_steps_down():
    ensemble = Ensemble(3)
    leader = ensemble.settle()
    host = ensemble.client(servers=(leader.node_id,))
    ensemble.isolate(leader.node_id)
    answers = []
    host.client.create("/a", "x", answers.append)
    new = ensemble.elect(leader)
    assert new is not leader
    ensemble.run_until(lambda: not leader.is_leading)
    ensemble.run_until(lambda: answers)
    assert answers[0].error == "CONNECTIONLOSS"
    ensemble.network.heal()
    ensemble.settle()
    assert leader.peer.tree.get("/a") is None
    assert [event.node for event in ensemble.events("zk-truncate")] == [leader.node_id]
    assert ensemble.violations() == []


def test_a_leader_commits_without_its_own_disk():
    ensemble = Ensemble(3)
    leader = ensemble.settle()
    host = ensemble.client()
    stall_disk(leader, SECOND)
    start_us = ensemble.now_us
    assert ensemble.ask(host, "create", "/a", "x").error is None
    assert ensemble.now_us - start_us < 100 * MS


def test_a_stalled_majority_holds_writes_up():
    ensemble = Ensemble(3)
    ensemble.settle()
    host = ensemble.client()
    for follower in ensemble.followers():
        stall_disk(follower, 200 * MS)
    start_us = ensemble.now_us
    assert ensemble.ask(host, "create", "/a", "x").error is None
    assert ensemble.now_us - start_us >= 200 * MS


def lag(ensemble: Ensemble, writes: int):
    """A follower misses so many writes and comes back; returns it once it serves."""
    leader = ensemble.settle()
    host = ensemble.client(servers=(leader.node_id,))
    assert ensemble.ask(host, "create", "/a", "x").error is None
    follower = ensemble.followers()[0]
    follower.kill()
    for _ in range(writes):
        ensemble.ask(host, "set_data", "/a", "y", -1)
    follower.start()
    ensemble.settle()
    return follower


def test_a_learner_that_lags_a_little_is_sent_what_it_lacks():
    ensemble = Ensemble(3)
    follower = lag(ensemble, 5)
    assert "received" not in kinds_sent(ensemble)
    assert follower.peer.tree.get("/a").version == 5
    assert len(set(ensemble.digests())) == 1


def test_a_learner_that_lags_beyond_the_log_is_sent_a_snapshot():
    ensemble = Ensemble(3, snap_count=10)
    follower = lag(ensemble, 50)
    assert "received" in kinds_sent(ensemble)
    assert follower.peer.tree.get("/a").version == 50
    assert len(set(ensemble.digests())) == 1
    for node in ensemble.servers.values():
        node.power_off()
    for node in ensemble.servers.values():
        node.start()
    ensemble.settle()
    assert {node.peer.tree.get("/a").version for node in ensemble.servers.values()} == {50}
    assert ensemble.violations() == []


def test_everything_acknowledged_survives_a_power_cut_of_all():
    ensemble = Ensemble(3)
    ensemble.settle()
    host = ensemble.client()
    assert ensemble.ask(host, "create", "/a", "x").error is None
    for node in ensemble.servers.values():
        node.power_off()
    for node in ensemble.servers.values():
        node.start()
    ensemble.settle()
    assert all(node.peer.tree.get("/a") is not None for node in ensemble.servers.values())
    assert ensemble.violations() == []


def test_an_ensemble_can_start_with_a_tree():
    snapshot = synthesise([("/a", "x"), ("/a/b", ""), ("/a/c", "")])
    ensemble = Ensemble(3, snapshot=snapshot)
    leader = ensemble.settle()
    assert leader.peer.leader.epoch == 2
    host = ensemble.client()
    assert ensemble.ask(host, "get_children", "/a").value == ("b", "c")
    assert ensemble.ask(host, "create", "/a/s-", "", sequential=True).path == "/a/s-0000000002"
    for node in ensemble.servers.values():
        node.power_off()
        node.start()
    ensemble.settle()
    assert {node.peer.tree.child_count("/a") for node in ensemble.servers.values()} == {3}
    assert ensemble.violations() == []


@pytest.mark.parametrize(("znodes", "words"), [
    ([("/a/b", "")], "/a/b: its parent is missing"), ([("/a", ""), ("/a", "")], "/a: it is there already")])
def test_a_tree_to_start_with_must_hold_together(znodes, words):
    with pytest.raises(ValueError, match=words):
        synthesise(znodes)


# --- clients ----------------------------------------------------------------------------------------------------------


def test_a_follower_serves_old_data_until_it_is_asked_to_sync():
    ensemble = Ensemble(3)
    leader = ensemble.settle()
    follower = ensemble.followers()[0]
    writer = ensemble.client(servers=(leader.node_id,))
    reader = ensemble.client(servers=(follower.node_id,))
    assert ensemble.ask(writer, "create", "/a", "old").error is None
    ensemble.run(10 * MS)
    ensemble.network.links.extra_latency_us[leader.node_id, follower.node_id] = 100 * MS
    assert ensemble.ask(writer, "set_data", "/a", "new", -1).error is None
    assert ensemble.ask(reader, "get_data", "/a").value == "old"
    assert ensemble.ask(reader, "sync", "/a").error is None
    assert ensemble.ask(reader, "get_data", "/a").value == "new"
    assert ensemble.violations() == []


def test_a_deposed_leader_that_was_paused_can_answer_a_sync_with_old_data():
    for seed in range(1, 9):
        ensemble = Ensemble(3, seed)
        leader = ensemble.settle()
        reader = ensemble.client(servers=(leader.node_id,), )
        assert ensemble.ask(reader, "create", "/a", "old").error is None
        leader.pause()
        ensemble.elect(leader)
        writer = ensemble.client(servers=tuple(node.node_id for node in ensemble.followers() if node is not leader))
        assert ensemble.ask(writer, "set_data", "/a", "new", -1).error is None
        stale = []
        reader.client.sync("/a", lambda result: None)
        reader.client.get_data("/a", stale.append)
        ensemble.run(2 * MS)
        leader.resume()
        ensemble.run(20 * MS)
        assert ensemble.violations() == []
        if stale and stale[0].error is None:
            assert stale[0].value == "old"
            return
    raise AssertionError("no paused leader served its old data")


def meet_a_server_that_is_behind(patches=()) -> Ensemble:
    """A client has seen a write at the leader and comes to a follower that has not heard of it."""
    ensemble = Ensemble(3, patches=patches)
    leader = ensemble.settle()
    follower = ensemble.followers()[0]
    host = ensemble.client(servers=(leader.node_id,))
    ensemble.network.links.cut(leader.node_id, follower.node_id)
    assert ensemble.ask(host, "create", "/a", "x").error is None
    host.client._servers = [follower.node_id]
    host.client._next_server = 0
    host.client._lose()
    ensemble.run(500 * MS)
    return ensemble


def test_a_client_is_refused_by_a_server_that_is_behind_it():
    ensemble = meet_a_server_that_is_behind()
    assert ensemble.hosts[0].seen == ["connected", "disconnected"]
    assert ensemble.violations() == []
    broken = meet_a_server_that_is_behind((LetsAnybodyIn,))
    assert {violation.rule for violation in broken.violations()} == {"ZkSingleSystemImage"}


def test_pipelined_requests_are_answered_in_order_with_reads_behind_writes():
    ensemble = Ensemble(3)
    ensemble.settle()
    host = ensemble.client(servers=(ensemble.followers()[0].node_id,))
    answers = []
    host.client.create("/a", "0", lambda result: answers.append(result.path))
    for number in range(1, 4):
        host.client.set_data("/a", str(number), -1, lambda result: answers.append(result.stat.version))
        host.client.get_data("/a", lambda result: answers.append(result.value))
    host.client.sync("/a", lambda result: answers.append("synced"))
    host.client.exists("/b", lambda result: answers.append(result.error))
    ensemble.run(50 * MS)
    assert answers == ["/a", 1, "1", 2, "2", 3, "3", "synced", "NONODE"]
    assert ensemble.violations() == []


def test_a_chroot_keeps_two_clusters_apart():
    ensemble = Ensemble(3)
    ensemble.settle()
    plain = ensemble.client()
    for path in ("/one", "/two"):
        assert ensemble.ask(plain, "create", path, "").error is None
    one, two = ensemble.client(chroot="/one"), ensemble.client(chroot="/two")
    assert ensemble.ask(one, "create", "/controller", "1", ephemeral=True).path == "/controller"
    assert ensemble.ask(two, "create", "/controller", "2", ephemeral=True).error is None
    assert ensemble.ask(one, "get_data", "/controller").value == "1"
    assert ensemble.ask(two, "get_children", "/").value == ("controller",)


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_a_silent_session_expires_and_its_client_learns_it_only_on_its_return():
    ensemble = Ensemble(3)
    ensemble.settle()
    watcher, holder = ensemble.client(), ensemble.client()
    assert ensemble.ask(holder, "create", "/e", "", ephemeral=True).error is None
    ensemble.run(10 * MS)
    assert ensemble.ask(watcher, "exists", "/e", watch=True).error is None
    start_us = ensemble.now_us
    holder.pause()
    ensemble.run_until(lambda: ("deleted", "/e") in watcher.seen)
    assert 800 * MS <= ensemble.now_us - start_us <= 1500 * MS
    assert "expired" not in holder.seen
    holder.resume()
    ensemble.run_until(lambda: "expired" in holder.seen)
    assert ensemble.violations() == []


def test_a_session_lives_as_long_as_its_client_pings_any_server():
    ensemble = Ensemble(3)
    ensemble.settle()
    hosts = [ensemble.client(servers=(node_id,)) for node_id in ensemble.servers]
    for host in hosts:
        assert ensemble.ask(host, "create", f"/e{host.node_id}", "", ephemeral=True).error is None
    ensemble.run(10 * SECOND)
    assert ensemble.events("zk-session-expired") == []
    assert [host.seen for host in hosts] == [["connected"]] * 3


def test_a_session_moves_with_its_ephemerals_when_its_server_dies():
    ensemble = Ensemble(3)
    ensemble.settle()
    host = ensemble.client()
    assert ensemble.ask(host, "create", "/e", "", ephemeral=True).error is None
    session = host.client.session_id
    server = next(node for node in ensemble.servers.values() if node.peer.service.clients)
    server.kill()
    ensemble.run_until(lambda: host.seen[-1] == "connected" and len(host.seen) == 3, limit_us=5 * SECOND)
    assert host.client.session_id == session
    assert ensemble.ask(host, "exists", "/e").stat.ephemeral_owner == session
    assert ensemble.violations() == []


def test_a_new_leader_gives_every_session_its_whole_time_again():
    ensemble = Ensemble(3)
    leader = ensemble.settle()
    host = ensemble.client()
    assert ensemble.ask(host, "create", "/e", "", ephemeral=True).error is None
    host.kill()
    ensemble.run(700 * MS)
    leader.kill()
    new = ensemble.elect(leader)
    elected_us = ensemble.now_us
    ensemble.run_until(lambda: new.peer.tree.get("/e") is None)
    assert ensemble.now_us - elected_us >= 1000 * MS
    assert ensemble.violations() == []


def test_closing_a_session_takes_its_ephemerals_at_once():
    ensemble = Ensemble(3)
    ensemble.settle()
    host, other = ensemble.client(), ensemble.client()
    assert ensemble.ask(host, "create", "/e", "", ephemeral=True).error is None
    host.client.close()
    ensemble.run(20 * MS)
    assert host.client.state == "closed"
    assert ensemble.ask(other, "sync", "/").error is None
    assert ensemble.ask(other, "exists", "/e").error == "NONODE"
    assert ensemble.events("zk-session-expired") == []


def leave_a_write_behind(write, patches=()) -> Ensemble:
    """What a client has asked for is on its way through a slow server when it moves to another one and writes there."""
    ensemble = Ensemble(3, patches=patches)
    ensemble.settle()
    one, other = (node.node_id for node in ensemble.followers())
    host = ensemble.client(servers=(one, other))
    assert ensemble.ask(host, "create", "/a", "").error is None
    server = next(node for node in ensemble.servers.values() if node.peer.service.clients)
    ensemble.network.links.extra_latency_us[server.node_id, ensemble.leader().node_id] = 200 * MS
    write(host.client)
    ensemble.run(5 * MS)
    ensemble.cut_both(server.node_id, host.node_id)
    host.client._lose()
    ensemble.run_until(lambda: host.client.state == "connected")
    assert ensemble.ask(host, "set_data", "/a", "new", -1).error is None
    ensemble.run(SECOND)
    return ensemble


@pytest.mark.parametrize("write", [
    lambda client: client.set_data("/a", "late", -1, lambda result: None),
    lambda client: client.multi((CheckOp("/a", -1), SetDataOp("/a", "late")), lambda result: None),
])
def test_the_write_of_a_connection_that_the_session_has_left_is_refused(write):
    ensemble = leave_a_write_behind(write)
    assert ensemble.leader().peer.tree.get("/a").data == "new"
    assert ensemble.violations() == []
    broken = leave_a_write_behind(write, (NobodyMoves,))
    assert broken.leader().peer.tree.get("/a").data == "late"
    assert {violation.rule for violation in broken.violations()} == {"ZkClientOrder"}


# --- watches ----------------------------------------------------------------------------------------------------------


def test_an_event_comes_before_the_data_that_it_announces():
    ensemble = Ensemble(3)
    ensemble.settle()
    watcher, writer = ensemble.client(), ensemble.client()
    assert ensemble.ask(writer, "create", "/a", "0").error is None
    ensemble.run(10 * MS)
    ensemble.ask(watcher, "get_data", "/a", watch=True)
    writer.client.set_data("/a", "1", -1, lambda result: None)
    for _ in range(20):
        watcher.client.get_data("/a", lambda result: watcher.seen.append(result.value))
        ensemble.run(MS)
    told = watcher.seen.index(("changed", "/a"))
    assert watcher.seen.index("1") > told
    assert "0" in watcher.seen[:told]
    assert ensemble.violations() == []


def test_what_changed_while_the_client_was_away_is_told_on_its_return():
    ensemble = Ensemble(3)
    ensemble.settle()
    watcher, writer = ensemble.client(), ensemble.client()
    for path in ("/data", "/gone", "/parent"):
        assert ensemble.ask(writer, "create", path, "").error is None
    ensemble.run(10 * MS)
    ensemble.ask(watcher, "get_data", "/data", watch=True)
    ensemble.ask(watcher, "get_data", "/gone", watch=True)
    ensemble.ask(watcher, "get_children", "/parent", watch=True)
    ensemble.ask(watcher, "exists", "/new", watch=True)
    ensemble.ask(watcher, "exists", "/never", watch=True)
    for server in ensemble.servers:
        ensemble.cut_both(watcher.node_id, server)
    watcher.client._lose()
    assert ensemble.ask(writer, "multi", (
        SetDataOp("/data", "x"), CreateOp("/new", ""), CreateOp("/parent/child", ""))).error is None
    assert ensemble.ask(writer, "delete", "/gone", -1).error is None
    ensemble.network.heal()
    ensemble.run_until(lambda: watcher.client.state == "connected")
    ensemble.run(10 * MS)
    assert sorted(each for each in watcher.seen if isinstance(each, tuple)) == [
        ("changed", "/data"), ("child", "/parent"), ("created", "/new"), ("deleted", "/gone")]
    assert ensemble.violations() == []


def test_the_race_for_the_controller_has_one_winner():
    ensemble = Ensemble(3)
    ensemble.settle()
    setter = ensemble.client()
    assert ensemble.ask(setter, "create", "/controller_epoch", "0").error is None
    hosts = [ensemble.client() for _ in range(5)]
    results = []
    for host in hosts:
        host.client.multi(
            (CreateOp("/controller", str(host.node_id), ephemeral=True), SetDataOp("/controller_epoch", "1", 0),
             CheckOp("/controller_epoch", 1)), results.append)
    ensemble.run(50 * MS)
    assert sorted(str(result.error) for result in results) == ["NODEEXISTS"] * 4 + ["None"]


# --- under faults -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(24))
def test_under_faults_writes_are_linearizable_and_every_rule_holds(seed):
    outcome = run_with_faults(seed, servers=(3, 5, 1, 3)[seed % 4])
    ensemble = outcome.ensemble
    assert ensemble.violations() == []
    analysis = linearizable(outcome.writes, VersionedRegister())
    assert analysis.verdict == "valid", analysis.words()
    assert len(set(ensemble.digests())) == 1
    # Everybody came back: each worker had answers after the heal, and only live sessions hold ephemerals.
    sessions = {worker.host.client.session_id for worker in outcome.workers if worker.host.client.state == "connected"}
    assert len(sessions) == len(outcome.workers)
    tree = ensemble.leader().peer.tree
    owners = {tree.get(f"/r/{name}").owner for name in tree.children("/r")} - {0}
    assert owners <= sessions | set(tree.sessions)


def test_the_same_seed_gives_the_same_history():
    one, other = (run_with_faults(3, duration_us=3 * SECOND).ensemble.recorder.events for _ in range(2))
    assert one == other


# --- known bugs -------------------------------------------------------------------------------------------------------


def lose_what_was_acknowledged(patches) -> Ensemble:
    """ZOOKEEPER-3911: a write that only the leader has is sent to a learner; when its acknowledgement has made the
    leader lead, both die, and the leader comes back last."""
    ensemble = Ensemble(3, patches=patches)
    leader = ensemble.settle()
    learner, absent = other_than(ensemble, leader)
    host = ensemble.client(servers=(leader.node_id,))
    for follower in (learner, absent):
        follower.kill()
    host.client.create("/a", "x", lambda result: None)
    ensemble.run(10 * MS)
    leader.kill()
    ensemble.strike_at("zookeeper.leading", leader.node_id, lambda: (leader.power_off(), learner.kill()))
    leader.start()
    learner.start()
    ensemble.run_until(lambda: not leader.running)
    learner.start()
    absent.start()
    ensemble.elect(leader)
    leader.start()
    ensemble.settle()
    return ensemble


def test_an_acknowledgement_before_the_disk_loses_committed_transactions():
    broken = lose_what_was_acknowledged(PATCHES["ZOOKEEPER-3911"])
    assert "ZkCommittedTxnDurable" in {violation.rule for violation in broken.violations()}
    clean = lose_what_was_acknowledged(())
    assert clean.violations() == []
    assert all(node.peer.tree.get("/a") is not None for node in clean.servers.values())
