"""The data tree and the checks before it: errors, versions, events, access control, all or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zookeeper_tree import SESSION, Leader

from fencepost.model.protocol.zookeeper import (
    ALL,
    CREATOR_ALL_ACL,
    OPEN_ACL,
    READ,
    Acl,
    CheckOp,
    CloseSessionOp,
    CreateOp,
    CreateSessionOp,
    DeleteOp,
    MultiOp,
    SetAclOp,
    SetDataOp,
    Stat,
)
from fencepost.model.zookeeper.data_tree import DataTree
from fencepost.model.zookeeper.transactions import zxid_of

ALICE = (("sasl", "alice"),)
BOB = (("sasl", "bob"),)


def leader_with(*paths: str) -> Leader:
    leader = Leader()
    for path in paths:
        assert leader.write(CreateOp(path, "x")).error is None
    return leader


def stat_of(leader: Leader, path: str) -> Stat:
    node = leader.tree.get(path)
    assert node is not None
    return leader.tree.stat(path, node)


def test_a_created_znode_and_its_parent():
    leader = leader_with("/a", "/a/b")
    assert stat_of(leader, "/a/b") == Stat(*[zxid_of(1, 2)] * 3, 0, 0, 0, 0, 1, 0)
    assert stat_of(leader, "/a") == Stat(zxid_of(1, 1), zxid_of(1, 1), zxid_of(1, 2), 0, 1, 0, 0, 1, 1)
    assert leader.events == [("created", "/a/b"), ("child", "/a")]


def test_cversion_counts_creations_and_deletions():
    leader = leader_with("/a", "/a/b")
    assert leader.write(DeleteOp("/a/b")).error is None
    assert stat_of(leader, "/a").cversion == 2
    assert stat_of(leader, "/a").pzxid == zxid_of(1, 3)
    assert leader.events == [("deleted", "/a/b"), ("child", "/a")]


def test_the_root_of_a_new_tree_has_cversion_minus_one():
    assert stat_of(Leader(), "/").cversion == -1


@pytest.mark.parametrize(("operation", "error"), [
    (CreateOp("/a", ""), "NODEEXISTS"),
    (CreateOp("/", ""), "NODEEXISTS"),
    (CreateOp("/x/y", ""), "NONODE"),
    (CreateOp("/a/", ""), "BADARGUMENTS"),
    (CreateOp("x", ""), "BADARGUMENTS"),
    (CreateOp("/x/y", "", acl=()), "INVALIDACL"),
    (CreateOp("/x", "", acl=CREATOR_ALL_ACL), "INVALIDACL"),
    (CreateOp("/x", "", acl=(Acl(ALL, "digest", "nohash"),)), "INVALIDACL"),
    (DeleteOp("/x"), "NONODE"),
    (DeleteOp("/a"), "NOTEMPTY"),
    (DeleteOp("/a", 3), "BADVERSION"),
    (DeleteOp("/"), "BADARGUMENTS"),
    (DeleteOp("/zookeeper"), "BADARGUMENTS"),
    (SetDataOp("/x", ""), "NONODE"),
    (SetDataOp("/a", "", 1), "BADVERSION"),
    (SetDataOp("/a/", ""), "BADARGUMENTS"),
    (SetAclOp("/x", ()), "INVALIDACL"),
    (SetAclOp("/a", OPEN_ACL, 1), "BADVERSION"),
    (CheckOp("/x"), "NONODE"),
    (CheckOp("/a", 1), "BADVERSION"),
])
def test_what_is_refused_and_how(operation, error):
    leader = leader_with("/a", "/a/b")
    before = leader.tree.digest
    assert leader.write(operation).error == error
    assert leader.tree.digest == before
    assert leader.events == []
    assert leader.tree.last_zxid == zxid_of(1, 3)  # a failed write uses a zxid


def test_sequence_numbers_count_creations_whatever_was_deleted():
    leader = leader_with("/a", "/a/b")
    assert leader.write(DeleteOp("/a/b")).error is None
    assert leader.write(CreateOp("/a/s-", "", sequential=True)).path == "/a/s-0000000001"


def test_a_compare_and_set():
    leader = leader_with("/a")
    assert leader.write(SetDataOp("/a", "y", 0)).stat.version == 1
    assert leader.events == [("changed", "/a")]
    assert leader.write(SetDataOp("/a", "z", 0)).error == "BADVERSION"
    assert leader.write(SetDataOp("/a", "y", -1)).stat.version == 2


def test_outstanding_changes_count_before_they_are_applied():
    leader = Leader()
    created = leader.prepare(CreateOp("/a", ""))
    set_once = leader.prepare(SetDataOp("/a", "y", 0))
    set_again = leader.prepare(SetDataOp("/a", "z", 0))
    child = leader.prepare(CreateOp("/a/b", ""))
    not_empty = leader.prepare(DeleteOp("/a"))
    results = [leader.apply(each) for each in (created, set_once, set_again, child, not_empty)]
    assert [result.error for result in results] == [None, None, "BADVERSION", None, "NOTEMPTY"]


def test_a_session_that_may_not_write():
    leader = leader_with("/a")
    outstanding = leader.prepare(SetDataOp("/a", "y"), session_error="SESSIONMOVED")
    assert leader.apply(outstanding).error == "SESSIONMOVED"


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_the_end_of_a_session_takes_its_ephemerals():
    leader = leader_with("/a")
    leader.write(CreateSessionOp(5))
    for path in ("/a/e", "/e"):
        assert leader.write(CreateOp(path, "", ephemeral=True)).stat.ephemeral_owner == SESSION
    assert leader.write(CreateOp("/other", "", ephemeral=True), session_id=9).error is None
    assert leader.tree.sessions == {SESSION: 5}
    leader.write(CloseSessionOp())
    assert leader.events == [("deleted", "/a/e"), ("child", "/a"), ("deleted", "/e"), ("child", "/")]
    assert leader.tree.get("/other") is not None
    assert leader.tree.sessions == {}


def test_the_end_of_a_session_takes_what_is_outstanding():
    leader = leader_with("/gone")
    leader.write(CreateOp("/deleted", "", ephemeral=True))
    outstanding = [
        leader.prepare(CreateOp("/e", "", ephemeral=True)), leader.prepare(DeleteOp("/deleted")),
        leader.prepare(CloseSessionOp())]
    for each in outstanding:
        assert leader.apply(each).error is None
    assert leader.tree.children("/") == ("gone", "zookeeper")


def test_ephemerals_have_no_children():
    leader = Leader()
    leader.write(CreateOp("/e", "", ephemeral=True))
    assert leader.write(CreateOp("/e/x", "")).error == "NOCHILDRENFOREPHEMERALS"


# --- multi ------------------------------------------------------------------------------------------------------------


def test_a_multi_is_one_transaction():
    leader = leader_with("/epoch")
    result = leader.write(MultiOp((
        CheckOp("/epoch", 0), CreateOp("/controller", "1", ephemeral=True), SetDataOp("/epoch", "2", 0),
        SetDataOp("/controller", "3"))))
    assert [part.error for part in result.results] == [None] * 4
    assert result.results[1].path == "/controller"
    assert leader.tree.get("/controller").mzxid == leader.tree.get("/epoch").mzxid == zxid_of(1, 2)


def test_a_failed_multi_changes_nothing_and_says_where_it_failed():
    leader = leader_with("/epoch")
    operations = (CreateOp("/x", ""), CreateOp("/x/y", ""), CheckOp("/epoch", 7), SetDataOp("/epoch", "2"))
    result = leader.write(MultiOp(operations))
    assert result.error == "BADVERSION"
    assert [part.error for part in result.results] == [None, None, "BADVERSION", "RUNTIMEINCONSISTENCY"]
    assert leader.tree.get("/x") is None
    # Nothing of it stays outstanding either.
    assert leader.write(CreateOp("/x", "")).stat.cversion == 0


def test_a_failed_multi_leaves_what_was_outstanding_before_it():
    leader = leader_with("/epoch")
    created = leader.prepare(CreateOp("/x", ""))
    failed = leader.prepare(MultiOp((SetDataOp("/x", "y"), CheckOp("/epoch", 7))))
    again = leader.prepare(SetDataOp("/x", "z", 0))
    assert [leader.apply(each).error for each in (created, failed, again)] == [None, "BADVERSION", None]


# --- access control ---------------------------------------------------------------------------------------------------


def test_access_control_lists():
    leader = Leader()
    mine = (Acl(ALL, "auth", ""), Acl(READ, "world", "anyone"))
    assert leader.write(CreateOp("/a", "", acl=mine), identities=ALICE).error is None
    assert leader.tree.get("/a").acl == (Acl(ALL, "sasl", "alice"), Acl(READ, "world", "anyone"))
    for operation in (SetDataOp("/a", ""), CreateOp("/a/b", ""), SetAclOp("/a", OPEN_ACL)):
        assert leader.write(operation, identities=BOB).error == "NOAUTH"
        assert leader.write(operation, identities=ALICE).error is None
    assert stat_of(leader, "/a").aversion == 1
    assert leader.write(SetDataOp("/a", ""), identities=BOB).error is None


def test_deleting_needs_the_permission_of_the_parent():
    leader = Leader()
    leader.write(CreateOp("/a", "", acl=CREATOR_ALL_ACL), identities=ALICE)
    leader.write(CreateOp("/a/b", ""), identities=ALICE)
    assert leader.write(DeleteOp("/a/b"), identities=BOB).error == "NOAUTH"
    assert leader.write(DeleteOp("/a/x"), identities=BOB).error == "NOAUTH"


# --- snapshots and digests --------------------------------------------------------------------------------------------


PATHS = st.sampled_from(["/a", "/b", "/a/a", "/a/b", "/a/a/a"])
VERSIONS = st.sampled_from([-1, 0, 1])
SINGLES = st.one_of(
    st.builds(CreateOp, PATHS, st.sampled_from("xy"), st.booleans(), st.booleans()),
    st.builds(DeleteOp, PATHS, VERSIONS),
    st.builds(SetDataOp, PATHS, st.sampled_from("xy"), VERSIONS),
)
OPERATIONS = st.one_of(
    SINGLES, st.builds(MultiOp, st.lists(SINGLES, max_size=3).map(tuple)), st.just(CloseSessionOp()))


@given(st.lists(OPERATIONS, max_size=20), st.integers(0, 20))
def test_a_snapshot_and_what_follows_give_the_same_tree(operations, cut):
    leader = Leader()
    transactions = [leader.prepare(operation) for operation in operations]
    snapshot = None
    for index, each in enumerate(transactions):
        if index == cut:
            snapshot = leader.tree.snapshot()
        leader.apply(each)
    other = DataTree()
    if snapshot is None:
        snapshot = leader.tree.snapshot()
    other.restore(snapshot)
    for each in transactions[cut:]:
        other.apply(each)
    assert (other.digest, other.last_zxid) == (leader.tree.digest, leader.tree.last_zxid)


@given(st.lists(OPERATIONS, max_size=20))
def test_pipelined_writes_fail_and_succeed_as_writes_one_by_one(operations):
    pipelined, serial = Leader(), Leader()
    transactions = [pipelined.prepare(operation) for operation in operations]
    assert [pipelined.apply(each) for each in transactions] == [serial.write(operation) for operation in operations]
    assert pipelined.tree.digest == serial.tree.digest


def test_trees_that_differ_have_different_digests():
    one, other = leader_with("/a"), leader_with("/a")
    assert one.tree.digest == other.tree.digest
    other.write(SetDataOp("/a", "y"))
    assert one.tree.digest != other.tree.digest
