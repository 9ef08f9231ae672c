"""Clients' writes of the metadata take effect between request and answer, one after the other; broken and kept."""

from typing import Any

import pytest
from replica_story import FAIL, INFO, INVOKE, OK, Story

from fencepost.checkers.client_metadata import build
from fencepost.checkers.registry import CheckerSet
from fencepost.checkers.verdict import Result

RULE = "MetadataWritesLinearizable"


class Writes(Story):
    """A story of topics that clients create, delete and configure; the quorum commits when told to."""

    def created(self, name: str, number: int = 1) -> None:
        """The record is committed."""
        self.commit(("TopicRecord", {"name": name, "topic_id": f"{name}@{number}"}))

    def removed(self, name: str, number: int = 1) -> None:
        self.commit(("RemoveTopicRecord", {"topic_id": f"{name}@{number}"}))

    def altered(self, topic: str, value: str) -> None:
        self.commit(("ConfigRecord", {
            "resource_type": "topic", "resource_name": topic, "name": "retention.ms", "value": value}))

    def begins(self, f: str, key: str, process: int = 1, **value: Any) -> None:
        self.add(INVOKE, f, process=process, key=key, value=value)

    def creates(self, name: str, number: int = 1, answer: str = OK, process: int = 1) -> None:
        """A whole create-topic, committed while it runs."""
        self.begins("create-topic", name, process)
        self.created(name, number)
        self.ends_topic("create-topic", name, number, answer, process)

    def deletes(self, name: str, number: int = 1, answer: str = OK, process: int = 1) -> None:
        self.begins("delete-topic", name, process)
        self.removed(name, number)
        self.ends_topic("delete-topic", name, number, answer, process)

    def ends_topic(self, f: str, name: str, number: int, answer: str, process: int) -> None:
        self.completes(f, name, answer, {"topic_id": f"{name}@{number}"} if answer == OK else None, process)

    def result(self) -> Result:
        checkers = CheckerSet(build(self.header))
        for event in self.events:
            checkers.feed(event)
        (result,) = checkers.finish()
        assert result.verdict in ("valid", "invalid"), result.notes
        return result

    def found(self) -> dict[str, int]:
        return self.result().counts


def test_writes_one_after_the_other() -> None:
    story = Writes()
    story.creates("a")
    story.deletes("a")
    story.creates("a", 2)
    story.begins("alter-config", "a", name="retention.ms", value="5")
    story.altered("a", "5")
    story.completes("alter-config", "a", OK, {}, 1)
    assert (story.found(), story.result().notes) == ({}, [])


def test_a_later_write_is_committed_behind_an_earlier_one() -> None:
    """The alteration began after the creation was answered, and is committed before it."""
    story = Writes()
    story.begins("create-topic", "b")
    story.altered("a", "5")
    story.created("b")
    story.completes("create-topic", "b", OK, {"topic_id": "b@1"}, 1)
    story.begins("alter-config", "a", 2, name="retention.ms", value="5")
    story.completes("alter-config", "a", OK, {}, 2)
    assert story.found() == {RULE: 1}
    (violation,) = story.result().violations
    assert "do not explain the order in which they were committed" in violation.message


def test_writes_at_the_same_time_are_committed_in_either_order() -> None:
    story = Writes()
    story.begins("create-topic", "b")
    story.begins("alter-config", "a", 2, name="retention.ms", value="5")
    story.altered("a", "5")
    story.created("b")
    story.completes("create-topic", "b", OK, {"topic_id": "b@1"}, 1)
    story.completes("alter-config", "a", OK, {}, 2)
    assert story.found() == {}


def test_a_name_is_borne_by_one_topic_at_a_time() -> None:
    story = Writes()
    story.creates("a")
    story.creates("a", 2)
    assert story.found() == {RULE: 1}
    assert "created as a@2 while a@1 bears the name" in story.result().violations[0].message


@pytest.mark.parametrize("answer", [OK, INFO])
def test_a_deletion_makes_the_name_free(answer: str) -> None:
    story = Writes()
    story.creates("a")
    story.deletes("a", answer=answer)
    story.creates("a", 2)
    assert story.found() == {}


def test_what_a_client_does_not_know_is_resolved_by_the_clusters_log() -> None:
    story = Writes()
    story.creates("a", answer=INFO)
    story.begins("create-topic", "b", 2)
    story.completes("create-topic", "b", INFO, None, 2)
    story.deletes("a", process=3)
    assert story.found() == {}
    assert story.result().notes == [
        "2 writes of which their clients know nothing were resolved by the cluster's own log: 1 records are their work"]


def test_a_write_that_was_refused_did_nothing() -> None:
    """The second creation failed, so that the record of a second topic is nobody's."""
    story = Writes()
    story.creates("a")
    story.creates("a", 2, FAIL)
    assert story.found() == {}


def test_topics_that_no_client_created_are_left_out() -> None:
    story = Writes()
    story.created("__consumer_offsets")
    story.creates("a")
    assert story.found() == {}


def test_what_was_committed_before_a_write_began_is_not_its_work() -> None:
    """A deletion by name that a new controller finishes, of a topic created anew meanwhile; then somebody asks."""
    story = Writes()
    story.creates("a")
    story.removed("a")
    story.begins("delete-topic", "a")
    story.completes("delete-topic", "a", INFO, None, 1)
    assert story.found() == {}


def test_a_deletion_that_no_client_asked_for_makes_the_name_free() -> None:
    story = Writes()
    story.creates("a")
    story.removed("a")
    story.creates("a", 2)
    assert story.found() == {}
    without = Writes()
    without.creates("a")
    without.creates("a", 2)
    assert without.found() == {RULE: 1}


def test_writes_that_cannot_be_told_apart_are_left_out() -> None:
    """Two clients set the same value; the record may be either's."""
    story = Writes()
    for process in (1, 2):
        story.begins("alter-config", "a", process, name="retention.ms", value="5")
        story.altered("a", "5")
        story.completes("alter-config", "a", OK, {}, process)
    assert story.found() == {}


def test_a_quorum_that_contradicts_itself_is_not_judged() -> None:
    story = Writes()
    story.creates("a")
    story.creates("a", 2)
    story.observe("metadata-applied", 102, None, {
        "end_offset": 1, "digest": "0", "role": "controller", "records": [[0, "NoOpRecord", {}]]}, leader_epoch=1)
    assert story.found() == {}
