"""The rules about offsets in ZooKeeper: each with a history that breaks it and an innocent twin."""

from typing import Any

import pytest
from replica_story import INFO, KEY, OK, Story

from fencepost.checkers import offset_owners, registry

GROUP = "g"
STALE, MONOTONE = "CommittedOffsetNeverOverwrittenByStaleGeneration", "CommittedOffsetMonotonePerOwner"


class Znodes(Story):
    """A story of a group in ZooKeeper. Sessions 11 and 12 are of consumers c1 and c2; zxids count by themselves."""

    def __init__(self, **header: Any) -> None:
        super().__init__(mode="zk", clients=[1001, 1002, 1003], **header)
        self.zxid = 0x100000000

    def owns(self, consumer: str | None, session: int) -> None:
        self.zxid += 1
        self.observe("partition-owned", 201, GROUP, {
            "partition": KEY, "owner": consumer, "session": session, "zxid": self.zxid})

    def writes_offset(self, offset: int, session: int) -> int:
        self.zxid += 1
        self.observe("offset-commit-accepted", 201, GROUP, {
            "store": "zookeeper", "session": session, "offsets": {KEY: offset}, "zxid": self.zxid})
        return self.zxid

    def commits(self, offset: int, session: int, process: int = 1, answer: str = OK) -> int:
        value = {"offsets": {KEY: offset}, "member": f"c{session - 10}"}
        self.add("invoke", "commit-offsets", process=process, key=GROUP, value=value)
        zxid = self.writes_offset(offset, session)
        self.completes(
            "commit-offsets", GROUP, answer, {**value, "zxids": {KEY: zxid}} if answer == OK else None, process)
        return zxid

    def reads(
        self, offset: int, zxid: int | None = None, kafka: int | None = None, f: str = "final-offsets",
        stable: bool = True, **epochs: int,
    ) -> None:
        value: dict[str, Any] = {
            "offsets": {KEY: max(offset, -1 if kafka is None else kafka)},
            "zxids": {KEY: self.zxid if zxid is None else zxid}}
        if kafka is not None:
            value["stores"] = {"kafka": {KEY: kafka}, "zookeeper": {KEY: offset}}
        self.asks(f, GROUP, {"partitions": [KEY], "require_stable": stable}, OK, value, 2, **epochs)

    def found(self) -> dict[str, int]:
        checkers = registry.CheckerSet(offset_owners.build(self.header))
        for event in self.events:
            checkers.feed(event)
        (result,) = checkers.finish()
        self.violations = result.violations
        return result.counts


# --- owners -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "rules"), [(50, {STALE: 1, MONOTONE: 1}), (120, {STALE: 1})])
def test_a_zombies_commit_is_no_owners(offset: int, rules: dict[str, int]) -> None:
    story = Znodes()
    story.owns("c1", 11)
    story.commits(40, 11)
    story.owns(None, 11)
    story.owns("c2", 12)
    story.commits(100, 12, 2)
    story.commits(offset, 13)
    assert story.found() == rules
    violation = story.violations[0]
    assert f"consumer c3 committed offset {offset} of {KEY}" in violation.message
    assert "though c2 has owned it" in violation.message
    assert "offsets.storage=zookeeper looks at no owner" in violation.message
    assert violation.node == 1002


def test_an_owner_may_go_back_by_itself() -> None:
    story = Znodes()
    story.owns("c1", 11)
    story.commits(40, 11)
    story.commits(10, 11)
    assert story.found() == {}


def test_a_partition_without_an_owner_is_anybodys() -> None:
    story = Znodes()
    story.owns("c1", 11)
    story.owns(None, 11)
    story.commits(40, 13)
    assert story.found() == {}


def test_a_commit_before_the_claim_does_not_bind_the_next_owner() -> None:
    story = Znodes()
    story.owns("c1", 11)
    story.commits(100, 11)
    story.owns(None, 11)
    story.owns("c2", 12)
    story.commits(50, 12)
    assert story.found() == {}


def test_a_zombies_lower_offset_before_the_owners_first_commit_is_stale_only() -> None:
    story = Znodes()
    story.commits(100, 11)
    story.owns("c2", 12)
    story.commits(50, 13)
    assert story.found() == {STALE: 1}


def test_a_later_session_of_the_owner_itself_may_commit_before_its_last_one_is_over() -> None:
    story = Znodes()
    story.owns("c2", 11)
    story.commits(50, 12)
    assert story.found() == {}


def test_a_write_of_which_no_operation_tells_is_nobodys() -> None:
    story = Znodes()
    story.owns("c2", 12)
    story.writes_offset(50, 13)
    assert story.found() == {}


def test_the_message_names_the_setting_that_permits_it() -> None:
    story = Znodes(consumer_config={"dual.commit.enabled": "true"})
    story.owns("c2", 12)
    story.commits(50, 13)
    assert story.found() == {STALE: 1}
    assert "dual.commit.enabled=true looks at no owner" in story.violations[0].message


# --- two stores -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("f", ["final-offsets", "fetch-offsets"])
@pytest.mark.parametrize(("kafka", "broken"), [(7, False), (9, True), (5, True)])
def test_two_stores_agree_when_no_commit_is_under_way(kafka: int, broken: bool, f: str) -> None:
    story = Znodes()
    story.commits(7, 11)
    story.reads(7, kafka=kafka, f=f)
    assert story.found() == ({"OffsetStoresAgree": 1} if broken else {})


def test_a_server_that_is_behind_proves_nothing() -> None:
    story = Znodes()
    before = story.commits(7, 11)
    story.commits(9, 11)
    story.reads(7, before, kafka=9)
    assert story.found() == {}


def test_a_read_of_unstable_offsets_proves_nothing() -> None:
    story = Znodes()
    story.commits(7, 11)
    story.reads(7, kafka=5, f="fetch-offsets", stable=False)
    assert story.found() == {}


@pytest.mark.parametrize("f", ["final-offsets", "fetch-offsets"])
def test_stores_that_are_read_while_a_commit_is_open_may_differ(f: str) -> None:
    story = Znodes()
    story.add("invoke", "commit-offsets", process=1, key=GROUP, value={"offsets": {KEY: 9}, "member": "c1"})
    story.reads(7, kafka=9, f=f)
    assert story.found() == {}


def test_a_commit_that_begins_during_the_read_disturbs_it() -> None:
    story = Znodes()
    story.add("invoke", "final-offsets", process=2, key=GROUP, value={"partitions": [KEY]})
    story.commits(9, 11)
    story.completes("final-offsets", GROUP, OK, {
        "offsets": {KEY: 9}, "zxids": {KEY: story.zxid}, "stores": {"kafka": {KEY: 9}, "zookeeper": {KEY: 7}}}, 2)
    assert story.found() == {}


# --- the rules of committed offsets -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "broken"), [(7, False), (5, True), (-1, True), (9, True)])
def test_a_server_returns_the_last_commit_that_it_knows(offset: int, broken: bool) -> None:
    story = Znodes()
    story.commits(5, 11)
    story.commits(7, 11)
    story.reads(offset, f="fetch-offsets")
    assert story.rules() == ({"CommittedOffsetReadable": 1} if broken else {})


def test_a_server_may_be_behind_but_not_behind_itself() -> None:
    story = Znodes()
    first = story.commits(5, 11)
    second = story.commits(7, 11)
    story.reads(5, first, f="fetch-offsets")
    assert story.rules() == {}
    story.reads(5, second, f="fetch-offsets")
    assert story.rules() == {"CommittedOffsetReadable": 1}
    assert f"a ZooKeeper server that had come to {second:#x}" in story.words("CommittedOffsetReadable")
    assert f"with transaction {second:#x}" in story.words("CommittedOffsetReadable")


def test_what_a_server_does_not_know_yet_it_cannot_return() -> None:
    story = Znodes()
    first = story.commits(5, 11)
    story.commits(7, 11)
    story.reads(7, first, f="fetch-offsets")
    assert story.rules() == {"CommittedOffsetReadable": 1}


def test_a_write_whose_commit_nobody_answered_may_be_read() -> None:
    story = Znodes()
    story.commits(5, 11)
    story.commits(7, 11, answer=INFO)
    story.reads(7, f="fetch-offsets")
    assert story.rules() == {}


@pytest.mark.parametrize(("kafka", "zookeeper", "broken"), [(6, 7, 0), (6, 5, 1), (-1, 7, 1), (-1, -1, 2)])
def test_each_store_is_judged_for_itself(kafka: int, zookeeper: int, broken: int) -> None:
    story = Znodes()
    story.commits(7, 11)
    story.add("invoke", "commit-offsets", process=1, key=GROUP, value={"offsets": {KEY: 6}, "member": "c1"})
    story.observe("offset-commit-accepted", 1, GROUP, {
        "member": "", "instance": None, "offsets": {KEY: 6}, "current_member_of_instance": None,
        "record_offsets": {KEY: 3}, "partition": "__consumer_offsets-1"}, generation=-1, current_generation=0,
        coordinator_epoch=4)
    story.completes("commit-offsets", GROUP, OK, {
        "offsets": {KEY: 6}, "record_offset": 3, "partition": "__consumer_offsets-1", "zxids": {}}, 1,
        coordinator_epoch=4)
    story.reads(zookeeper, kafka=kafka, f="fetch-offsets", coordinator_epoch=4)
    assert story.rules() == ({"CommittedOffsetReadable": broken} if broken else {})
