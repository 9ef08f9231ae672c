"""Rules about ZooKeeper: each fires on a history that breaks it, and on no similar innocent one."""

from typing import Any

from fencepost.checkers import zookeeper_log, zookeeper_sessions
from fencepost.checkers.registry import CheckerSet
from fencepost.checkers.verdict import NOT_APPLICABLE, Result
from fencepost.histories.recorder import Recorder

E1, E2, E3 = 1 << 32, 2 << 32, 3 << 32


class ZooKeeperHistory:
    """Observations of servers 1 to 3, each 1 ms after the one before."""

    def __init__(self, **header: Any) -> None:
        self.recorder = Recorder()
        self.header = {"mode": "zk", "zookeepers": [1, 2, 3], **header}

    def observe(
        self, f: str, node: int, value: Any = None, key: str | None = None, error: str | None = None, **epochs: int
    ) -> None:
        self.recorder.observe(1_000 * len(self.recorder.events), f, node, key, value, error, epochs or None)

    def state(self, node: int, state: str, epoch: int, leader: int | None = None, accepted: int | None = None) -> None:
        value = {"state": state, "leader": node if state == "leading" else leader, "last_zxid": 0}
        accepted_epoch = epoch if accepted is None else accepted
        self.observe("zk-state", node, value, current_epoch=epoch, accepted_epoch=accepted_epoch)

    def append(self, node: int, base_offset: int, *entries: tuple[int, str]) -> None:
        listed = [[zxid, digest, "SetData", 7, 0] for zxid, digest in entries]
        self.observe("zk-append", node, {"base_offset": base_offset, "entries": listed})

    def log_request(self, zxid: int, session: int, request: int, kind: str = "SetData") -> None:
        """Server 1 logs what a session has asked for."""
        entry = [zxid, f"{zxid}", kind, session, request]
        self.observe("zk-append", 1, {"base_offset": zxid & 0xFFFFFFFF, "entries": [entry]})

    def apply(self, node: int, zxid: int, digest: str = "t") -> None:
        self.observe("zk-apply", node, {"zxid": zxid, "digest": digest}, current_epoch=zxid >> 32)

    def lose_log(self, node: int, from_offset: int, **more: Any) -> None:
        self.observe("disk-lost", node, {"from_offset": from_offset, "end_offset": 9, **more}, key="zookeeper-log")

    def answer(self, session: int, xid: int, operation: str, zxid: int, error: str | None = None, **more: Any) -> None:
        value = {"session": session, "xid": xid, "operation": operation, "path": "/a", "zxid": zxid, **more}
        self.observe("zk-answered", 101, value, error=error)

    def watch(self, session: int, kind: str, path: str = "/a") -> None:
        self.observe("zk-watch", 101, {"session": session, "type": kind, "path": path})

    def closed(self, session: int, zxid: int, *left: str) -> None:
        value = {"session": session, "what": "closed", "zxid": zxid, "removed": [], "left": list(left)}
        self.observe("zk-session", 1, value)

    def results(self) -> list[Result]:
        modules = (zookeeper_log, zookeeper_sessions)
        checkers = CheckerSet([each for module in modules for each in module.build(self.header)])
        for event in self.recorder.events:
            checkers.feed(event)
        results = checkers.finish()
        assert not [result.notes for result in results if result.verdict == "unknown"]
        return results

    def rules(self) -> list[str]:
        return sorted({violation.rule for result in self.results() for violation in result.violations})

    def excuses(self) -> list[str]:
        return sorted({excuse.rule for result in self.results() for excuse in result.excused})


def test_histories_without_an_ensemble_are_no_concern():
    results = ZooKeeperHistory(zookeepers=[]).results()
    assert {result.verdict for result in results} == {NOT_APPLICABLE}


# --- epochs -----------------------------------------------------------------------------------------------------------


def test_two_leaders_of_one_epoch():
    history = ZooKeeperHistory()
    history.state(1, "leading", 5)
    history.state(3, "leading", 5)
    assert history.rules() == ["ZkOneLeaderPerEpoch"]


def test_followers_of_two_leaders_in_one_epoch():
    history = ZooKeeperHistory()
    history.state(1, "leading", 5)
    history.state(2, "following", 5, leader=3)
    assert history.rules() == ["ZkOneLeaderPerEpoch"]


def test_two_leaders_of_two_epochs_are_no_offence():
    history = ZooKeeperHistory()
    history.state(1, "leading", 5)
    history.state(2, "following", 5, leader=1)
    history.state(3, "leading", 6)
    history.state(2, "following", 6, leader=3)
    assert history.rules() == []


def test_an_epoch_that_falls():
    history = ZooKeeperHistory()
    history.state(2, "looking", 4, accepted=5)
    history.state(2, "looking", 4, accepted=4)
    assert history.rules() == ["ZkMonotonicEpoch"]


def test_an_epoch_that_stays_over_a_restart_is_no_offence():
    history = ZooKeeperHistory()
    history.state(2, "looking", 4, accepted=5)
    history.observe("node-started", 2)
    history.state(2, "looking", 4, accepted=5)
    assert history.rules() == []


# --- the log ----------------------------------------------------------------------------------------------------------


def test_one_zxid_for_two_transactions():
    history = ZooKeeperHistory()
    history.append(1, 0, (E1 + 1, "a"))
    history.append(2, 0, (E1 + 1, "b"))
    assert history.rules() == ["ZkLogMatching"]


def test_one_zxid_behind_two_different_histories():
    history = ZooKeeperHistory()
    history.append(1, 0, (E1 + 1, "a"), (E1 + 2, "b"))
    history.append(2, 0, (E1 + 2, "b"))
    assert history.rules() == ["ZkLogMatching"]


def test_a_cut_and_other_transactions_afterwards_are_no_offence():
    history = ZooKeeperHistory()
    history.append(1, 0, (E1 + 1, "a"), (E1 + 2, "b"))
    history.append(2, 0, (E1 + 1, "a"))
    history.state(2, "leading", 2)
    history.append(2, 1, (E2 + 1, "c"))
    history.observe("zk-truncate", 1, {"end_offset": 1, "old_end_offset": 2, "zxid": E1 + 1})
    history.append(1, 1, (E2 + 1, "c"))
    assert history.rules() == []


def test_a_log_that_begins_behind_a_snapshot_is_no_offence():
    history = ZooKeeperHistory()
    history.append(1, 0, (E1 + 1, "a"), (E1 + 2, "b"))
    snapshot = {"zxid": E1 + 1, "digest": "t", "source": "received", "log_start_offset": 0, "base_zxid": E1 + 1}
    history.observe("zk-snapshot", 2, snapshot)
    history.append(2, 0, (E1 + 2, "b"))
    assert history.rules() == []


def test_trees_that_differ_after_one_zxid():
    history = ZooKeeperHistory()
    for node, digest in ((1, "t"), (2, "u")):
        history.apply(node, E1 + 1, digest)
    assert history.rules() == ["ZkTotalOrder"]


def test_transactions_out_of_order():
    history = ZooKeeperHistory()
    history.apply(1, E1 + 2)
    history.apply(1, E1 + 1)
    assert history.rules() == ["ZkTotalOrder"]


def test_applying_again_after_a_restart_is_no_offence():
    history = ZooKeeperHistory()
    history.apply(1, E1 + 1)
    history.observe("node-started", 1)
    history.apply(1, E1 + 1)
    history.apply(2, E1 + 1)
    assert history.rules() == []


# --- durability -------------------------------------------------------------------------------------------------------


def committed_and_lost(*wiped: int) -> ZooKeeperHistory:
    """Servers 1 and 2 have committed a transaction, 2 loses it, and 3, which never had it, leads."""
    history = ZooKeeperHistory()
    history.state(1, "leading", 1)
    for node in (1, 2):
        history.append(node, 0, (E1 + 1, "a"))
    history.apply(1, E1 + 1)
    history.lose_log(2, 0, **({"wiped": True} if 2 in wiped else {}))
    return history


def test_a_committed_transaction_that_a_later_leader_lacks():
    history = committed_and_lost()
    history.state(3, "leading", 2)
    assert history.rules() == ["ZkCommittedTxnDurable"]


def test_a_wiped_disk_excuses_what_it_held():
    history = committed_and_lost(2)
    history.state(3, "leading", 2)
    assert history.rules() == []
    assert history.excuses() == ["ZkCommittedTxnDurable"]


def test_a_wiped_disk_excuses_nothing_that_enough_others_held():
    history = ZooKeeperHistory()
    history.state(1, "leading", 1)
    for node in (1, 2, 3):
        history.append(node, 0, (E1 + 1, "a"))
    history.apply(1, E1 + 1)
    history.lose_log(2, 0, wiped=True)
    history.lose_log(3, 0)
    history.state(3, "leading", 2)
    assert history.rules() == ["ZkCommittedTxnDurable"]


def test_a_record_that_its_checksum_gave_away_costs_only_what_follows():
    history = ZooKeeperHistory()
    for node in (1, 2, 3):
        history.append(node, 0, (E1 + 1, "a"), (E1 + 2, "b"))
    history.lose_log(2, 1, wiped=True)
    history.append(2, 1, (E1 + 2, "b"))
    assert history.rules() == history.excuses() == []


def test_a_later_leader_that_has_it_is_no_offence():
    history = committed_and_lost()
    history.append(3, 0, (E1 + 1, "a"))
    history.state(3, "leading", 2)
    assert history.rules() == []


def test_a_later_leader_that_has_it_in_its_snapshot_is_no_offence():
    history = committed_and_lost()
    snapshot = {"zxid": E1 + 1, "digest": "t", "source": "received", "log_start_offset": 0, "base_zxid": E1 + 1}
    history.observe("zk-snapshot", 3, snapshot)
    history.state(3, "leading", 2)
    assert history.rules() == []


def test_what_a_leader_had_when_a_quorum_acknowledged_it_is_committed():
    history = ZooKeeperHistory()
    history.append(1, 0, (E1 + 1, "a"))
    history.state(1, "leading", 2)
    history.state(3, "leading", 3)
    assert history.rules() == ["ZkCommittedTxnDurable"]


def test_what_was_never_committed_may_be_lost():
    history = ZooKeeperHistory()
    history.state(1, "leading", 1)
    history.append(1, 0, (E1 + 1, "a"))
    history.state(3, "leading", 2)
    assert history.rules() == []


def test_a_deposed_leader_that_commits_what_its_successor_lacks():
    history = ZooKeeperHistory()
    history.append(1, 0, (E1 + 1, "a"))
    history.state(3, "leading", 2)
    history.apply(1, E1 + 1)
    assert history.rules() == ["ZkCommittedTxnDurable"]


def test_a_server_that_meets_what_cannot_be():
    history = ZooKeeperHistory()
    history.observe("zk-fatal", 1, {"reason": "the log would be cut"}, current_epoch=1)
    assert history.rules() == ["ZkNoIllegalState"]


# --- sessions ---------------------------------------------------------------------------------------------------------


def attach(history: ZooKeeperHistory, zxid: int, seen: int) -> None:
    value = {"session": 7, "new": False, "zxid": zxid, "last_zxid_seen": seen}
    history.observe("zk-session-attached", 2, value)


def test_a_client_let_in_by_a_server_that_is_behind_it():
    history = ZooKeeperHistory()
    attach(history, E1 + 3, E1 + 7)
    assert history.rules() == ["ZkSingleSystemImage"]


def test_a_client_let_in_by_a_server_that_is_as_far_is_no_offence():
    history = ZooKeeperHistory()
    attach(history, E1 + 7, E1 + 7)
    assert history.rules() == []


def test_answers_that_go_back_in_time():
    history = ZooKeeperHistory()
    history.answer(7, 1, "GetData", E1 + 7, mzxid=E1 + 1, pzxid=E1 + 1, owner=0)
    history.answer(7, 2, "GetData", E1 + 6, mzxid=E1 + 1, pzxid=E1 + 1, owner=0)
    assert history.rules() == ["ZkSingleSystemImage"]


def test_another_session_may_see_an_older_state():
    history = ZooKeeperHistory()
    history.answer(7, 1, "GetData", E1 + 7, mzxid=E1 + 1, pzxid=E1 + 1, owner=0)
    history.answer(8, 1, "GetData", E1 + 6, mzxid=E1 + 1, pzxid=E1 + 1, owner=0)
    assert history.rules() == []


def test_answers_out_of_order():
    history = ZooKeeperHistory()
    history.answer(7, 2, "Sync", E1 + 1)
    history.answer(7, 1, "Sync", E1 + 1)
    assert history.rules() == ["ZkClientOrder"]


def test_answers_in_order_with_a_gap_are_no_offence():
    history = ZooKeeperHistory()
    history.answer(7, 1, "Sync", E1 + 1)
    history.answer(7, 3, "Sync", E1 + 1)
    assert history.rules() == []


def test_a_write_that_overtakes_an_earlier_one():
    history = ZooKeeperHistory()
    history.log_request(E1 + 1, 7, 6)
    history.log_request(E1 + 2, 7, 5)
    assert history.rules() == ["ZkClientOrder"]


def test_writes_of_others_refusals_and_what_an_older_leader_logs_late_are_no_offence():
    history = ZooKeeperHistory()
    history.log_request(E2 + 1, 7, 6)
    history.log_request(E2 + 2, 8, 5)
    history.log_request(E2 + 3, 7, 5, kind="Error")
    history.log_request(E2 + 4, 7, 0, kind="CloseSession")
    history.observe("zk-append", 2, {"base_offset": 0, "entries": [[E1 + 1, "x", "SetData", 7, 5]]})
    assert history.rules() == []


def test_ephemerals_that_outlive_their_session():
    history = ZooKeeperHistory()
    history.closed(7, E1 + 7, "/a")
    assert history.rules() == ["ZkEphemeralsGone"]


def test_an_ephemeral_of_a_closed_session_that_is_read():
    history = ZooKeeperHistory()
    history.closed(7, E1 + 7)
    history.answer(8, 1, "Exists", E1 + 9, mzxid=E1 + 1, pzxid=E1 + 1, owner=7)
    assert history.rules() == ["ZkEphemeralsGone"]


def test_a_stale_read_of_an_ephemeral_is_no_offence():
    history = ZooKeeperHistory()
    history.closed(7, E1 + 7)
    history.answer(8, 1, "Exists", E1 + 6, mzxid=E1 + 1, pzxid=E1 + 1, owner=7)
    assert history.rules() == []


def test_a_write_of_a_closed_session():
    history = ZooKeeperHistory()
    history.closed(7, E1 + 7)
    history.answer(7, 1, "Create", E1 + 8, mzxid=E1 + 8, pzxid=E1 + 8, owner=0)
    assert history.rules() == ["ZkEphemeralsGone"]


def test_a_refused_write_of_a_closed_session_is_no_offence():
    history = ZooKeeperHistory()
    history.closed(7, E1 + 7)
    history.answer(7, 1, "Create", E1 + 8, error="SESSIONEXPIRED")
    assert history.rules() == []


def expired(silent_us: int) -> ZooKeeperHistory:
    history = ZooKeeperHistory()
    history.observe("zk-session-expired", 1, {"session": 7, "timeout_us": 4_000_000, "silent_us": silent_us})
    return history


def test_a_session_expires_no_earlier_than_its_time_out():
    assert expired(3_000_000).rules() == ["ZkSessionKept"]
    assert expired(4_200_000).rules() == []


# --- watches ----------------------------------------------------------------------------------------------------------


def armed(operation: str = "GetData") -> ZooKeeperHistory:
    history = ZooKeeperHistory()
    history.answer(7, 1, operation, E1 + 3, watch=True, mzxid=E1 + 1, pzxid=E1 + 1, owner=0)
    return history


def test_new_data_before_its_event():
    history = armed()
    history.answer(7, 2, "GetData", E1 + 5, mzxid=E1 + 5, pzxid=E1 + 1, owner=0)
    history.watch(7, "changed")
    assert history.rules() == ["ZkWatchBeforeData"]


def test_new_data_after_its_event_is_no_offence():
    history = armed()
    history.watch(7, "changed")
    history.answer(7, 2, "GetData", E1 + 5, mzxid=E1 + 5, pzxid=E1 + 1, owner=0)
    assert history.rules() == []


def test_a_deletion_before_its_event():
    history = armed()
    history.answer(7, 2, "Exists", E1 + 5, error="NONODE")
    assert history.rules() == ["ZkWatchBeforeData"]


def test_a_creation_before_its_event():
    history = ZooKeeperHistory()
    history.answer(7, 1, "Exists", E1 + 3, error="NONODE", watch=True)
    history.answer(7, 2, "Exists", E1 + 4, error="NONODE")
    assert history.rules() == []
    history.answer(7, 3, "Exists", E1 + 5, mzxid=E1 + 5, pzxid=E1 + 5, owner=0)
    assert history.rules() == ["ZkWatchBeforeData"]


def test_new_children_before_their_event():
    history = armed("GetChildren")
    history.answer(7, 2, "GetChildren", E1 + 5, mzxid=E1 + 1, pzxid=E1 + 5, owner=0)
    assert history.rules() == ["ZkWatchBeforeData"]


def test_new_data_is_no_matter_of_a_watch_on_the_children():
    history = armed("GetChildren")
    history.answer(7, 2, "GetData", E1 + 5, mzxid=E1 + 5, pzxid=E1 + 1, owner=0)
    assert history.rules() == []
