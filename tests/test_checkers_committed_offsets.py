"""The rules about consumer offsets: each with a history that breaks it and an innocent twin."""

from typing import Any

import pytest
from replica_story import FAIL, INFO, KEY, OK, TOPIC, Story

GROUP, HOME = "g", "__consumer_offsets-1"


class Offsets(Story):
    """A story with a coordinator: broker 1 leads __consumer_offsets-1 in epoch 4 unless told otherwise."""

    def accepts(
        self, offset: int, record: int, *, epoch: int = 4, member: str = "m1", generation: int = 3,
        current: int | None = None, node: int = 1, instance: str | None = None, holder: str | None = None,
    ) -> None:
        self.observe("offset-commit-accepted", node, GROUP, {
            "member": member, "instance": instance, "offsets": {KEY: offset}, "current_member_of_instance": holder,
            "record_offsets": {KEY: record}, "partition": HOME}, generation=generation,
            current_generation=generation if current is None else current, coordinator_epoch=epoch)

    def commits(self, offset: int, record: int, answer: str = OK, epoch: int = 4, **facts: Any) -> None:
        self.add("invoke", "commit-offsets", process=1, key=GROUP, value={"offsets": {KEY: offset}})
        self.accepts(offset, record, epoch=epoch, **facts)
        result = {"offsets": {KEY: offset}, "record_offset": record, "partition": HOME} if answer == OK else None
        self.completes("commit-offsets", GROUP, answer, result, 1, coordinator_epoch=epoch)

    def fetches(self, offset: int | None, epoch: int = 4, f: str = "fetch-offsets", stable: bool = True) -> None:
        self.asks(f, GROUP, {"partitions": [KEY], "require_stable": stable}, OK, {"offsets": {KEY: offset}}, 2,
                  coordinator_epoch=epoch)

    def generation(self, number: int, *members: str, epoch: int = 4, node: int = 1) -> None:
        self.observe("group-generation", node, GROUP, {
            "members": dict.fromkeys(members), "leader": members[0], "replaced": []}, generation=number,
            coordinator_epoch=epoch)

    def removes(self, member: str, why: str = "session-timeout", epoch: int = 4, node: int = 1) -> None:
        self.observe("group-member-removed", node, GROUP, {"member": member, "instance": None, "why": why},
                     generation=3, coordinator_epoch=epoch)

    def assigns(self, generation: int, epoch: int = 4, **assignment: list[str]) -> None:
        self.observe("group-assignment", 1, GROUP, {"assignment": assignment}, generation=generation,
                     coordinator_epoch=epoch)


# --- CommittedOffsetReadable ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "broken"), [(7, False), (5, True), (-1, True), (None, True), (9, True)])
def test_a_fetch_returns_the_last_acknowledged_commit(offset: int | None, broken: bool) -> None:
    story = Offsets()
    story.commits(5, 22)
    story.commits(7, 31)
    story.fetches(offset)
    assert story.rules() == ({"CommittedOffsetReadable": 1} if broken else {})


def test_final_reads_of_offsets_count_as_fetches() -> None:
    story = Offsets()
    story.commits(7, 31)
    story.fetches(-1, f="final-offsets")
    assert story.rules() == {"CommittedOffsetReadable": 1}
    assert "although 7 is owed" in story.words("CommittedOffsetReadable")


@pytest.mark.parametrize("answer", [OK, INFO])
def test_a_fetch_may_return_a_later_commit(answer: str) -> None:
    story = Offsets()
    story.commits(5, 22)
    story.commits(7, 31, answer)
    story.fetches(7)
    assert story.rules() == {}


def test_an_indeterminate_commit_need_not_be_seen() -> None:
    story = Offsets()
    story.commits(5, 22)
    story.commits(7, 31, INFO)
    story.fetches(7)
    story.fetches(5)
    assert story.rules() == {}


@pytest.mark.parametrize(("offset", "broken"), [(7, True), (9, False)])
def test_an_acknowledged_commit_excludes_the_indeterminate_ones_before_it(offset: int, broken: bool) -> None:
    story = Offsets()
    story.commits(7, 31, INFO)
    story.commits(9, 32)
    story.fetches(offset)
    assert ("CommittedOffsetReadable" in story.rules()) is broken


def test_commits_are_ordered_by_their_records_and_not_by_their_answers() -> None:
    story = Offsets()
    story.add("invoke", "commit-offsets", process=1, key=GROUP, value={"offsets": {KEY: 5}})
    story.accepts(5, 22)
    story.commits(7, 31)
    story.completes("commit-offsets", GROUP, OK, {"record_offset": 22, "partition": HOME}, 1, coordinator_epoch=4)
    story.fetches(7)
    assert story.rules() == {}


def test_a_truncated_commit_of_an_older_epoch_does_not_come_after_a_newer_one() -> None:
    story = Offsets()
    story.commits(5, 50, INFO, epoch=4)
    story.commits(7, 48, epoch=5)
    story.fetches(5, epoch=5)
    assert story.rules() == {"CommittedOffsetReadable": 1}


def test_an_older_coordinator_may_be_stale() -> None:
    story = Offsets()
    story.commits(5, 22, epoch=4)
    story.commits(7, 31, epoch=5)
    story.fetches(5, epoch=4)
    assert story.rules() == {}


def test_an_older_coordinator_is_never_ahead_of_its_own_log() -> None:
    story = Offsets()
    story.commits(5, 22, epoch=4)
    story.commits(7, 31, epoch=5)
    story.fetches(7, epoch=4)
    assert story.rules() == {"CommittedOffsetReadable": 1}


def test_a_fetch_that_was_sent_before_the_answer_may_miss_the_commit() -> None:
    story = Offsets()
    story.add("invoke", "fetch-offsets", process=2, key=GROUP, value={"partitions": [KEY], "require_stable": True})
    story.commits(7, 31)
    story.completes("fetch-offsets", GROUP, OK, {"offsets": {KEY: -1}}, 2, coordinator_epoch=4)
    assert story.rules() == {}


@pytest.mark.parametrize(("answer", "broken"), [(OK, False), (INFO, False), (FAIL, True)])
def test_the_deletion_of_a_topic_removes_its_offsets(answer: str, broken: bool) -> None:
    story = Offsets()
    story.commits(7, 31)
    story.asks("delete-topic", TOPIC, None, answer)
    story.fetches(-1)
    assert ("CommittedOffsetReadable" in story.rules()) is broken


@pytest.mark.parametrize(("high_watermark", "broken"), [(40, True), (39, False)])
def test_an_unstable_fetch_counts_once_the_high_watermark_covers_what_was_loaded(
    high_watermark: int, broken: bool
) -> None:
    story = Offsets()
    story.commits(7, 31)
    story.observe("coordinator-loaded", 2, HOME, {"loaded_to": 40, "log_end_offset": 40}, coordinator_epoch=5)
    story.observe("log-opened", 2, HOME, {"topic_id": "o@1", "end_offset": 0, "high_watermark": 0})
    story.observe("high-watermark", 2, HOME, {
        "topic_id": "o@1", "high_watermark": high_watermark, "role": "leader"}, leader_epoch=5)
    story.fetches(-1, epoch=5, stable=False)
    assert ("CommittedOffsetReadable" in story.rules()) is broken


@pytest.mark.parametrize("asked", [True, False])
def test_a_commit_whose_record_is_excused_is_not_owed(asked: bool) -> None:
    """The record's partition is orders-0 here, so that the story's quorum can lose it by an unclean election."""
    story = Offsets(isr=(1, 2))
    story.leads(1, 0, (1, 2))
    story.writes(1, 0, "c", role="leader")
    story.writes(2, 0, "c")
    story.reaches(1, 0, 1, (1, 2))
    story.observe("offset-commit-accepted", 1, GROUP, {
        "member": "m1", "instance": None, "offsets": {KEY: 7}, "current_member_of_instance": None,
        "record_offsets": {KEY: 0}, "partition": KEY}, generation=3, current_generation=3, coordinator_epoch=0)
    story.asks("commit-offsets", GROUP, {"offsets": {KEY: 7}}, OK, {"record_offset": 0, "partition": KEY}, 1,
               coordinator_epoch=0)
    story.dies(1)
    story.dies(2)
    if asked:
        story.asks("elect-leader", KEY, {"election_type": "unclean"}, INFO)
    story.commit(story.change((3,), 3))
    story.leads(3, 1, (3,))
    story.fetches(-1, epoch=1)
    assert ("CommittedOffsetReadable" in story.rules()) is not asked


# --- CommittedOffsetNeverOverwrittenByStaleGeneration -----------------------------------------------------------------


def test_a_commit_of_an_older_generation_is_stale() -> None:
    story = Offsets()
    story.accepts(7, 31, generation=3, current=4)
    assert story.rules() == {"CommittedOffsetNeverOverwrittenByStaleGeneration": 1}


def test_a_commit_of_the_current_generation_is_not_stale() -> None:
    story = Offsets()
    story.generation(3, "m1")
    story.accepts(7, 31, generation=3)
    assert story.rules() == {}


def test_a_simple_consumer_has_no_generation() -> None:
    story = Offsets()
    story.accepts(7, 31, generation=-1, current=3, member="")
    assert story.rules() == {}


def test_a_commit_of_a_removed_member_is_stale() -> None:
    story = Offsets()
    story.generation(3, "m1", "m2")
    story.removes("m1")
    story.accepts(7, 31)
    assert story.rules() == {"CommittedOffsetNeverOverwrittenByStaleGeneration": 1}
    assert "it had removed that member" in story.words("CommittedOffsetNeverOverwrittenByStaleGeneration")


def test_a_commit_of_a_member_that_the_next_generation_left_out_is_stale() -> None:
    story = Offsets()
    story.generation(3, "m1", "m2")
    story.generation(4, "m2")
    story.accepts(7, 31, generation=4)
    assert story.rules() == {"CommittedOffsetNeverOverwrittenByStaleGeneration": 1}


def test_a_new_coordinator_begins_with_what_was_persisted() -> None:
    """Numbers recur: the new coordinator never removed m1."""
    story = Offsets()
    story.generation(3, "m1", "m2")
    story.removes("m1")
    story.accepts(7, 31, epoch=5, node=2)
    assert story.rules() == {}


@pytest.mark.parametrize(("node", "broken"), [(1, False), (2, True)])
def test_a_coordinator_that_has_restarted_begins_with_what_was_persisted(node: int, broken: bool) -> None:
    """With ZooKeeper it may be in its old epoch, if it was back before anybody noticed."""
    story = Offsets()
    story.generation(3, "m1", "m2")
    story.removes("m1")
    story.observe("node-started", node, None, None, incarnation=3)
    story.accepts(7, 31)
    assert story.rules() == ({"CommittedOffsetNeverOverwrittenByStaleGeneration": 1} if broken else {})


@pytest.mark.parametrize(("holder", "broken"), [("m1", False), ("m2", True)])
def test_a_commit_of_a_replaced_static_member_is_stale(holder: str, broken: bool) -> None:
    story = Offsets()
    story.accepts(7, 31, instance="i", holder=holder)
    assert story.rules() == ({"CommittedOffsetNeverOverwrittenByStaleGeneration": 1} if broken else {})


# --- AtMostOnceOwner --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("second", "broken"), [([], False), ([KEY], True)])
def test_an_assignment_gives_a_partition_to_one_member(second: list[str], broken: bool) -> None:
    story = Offsets()
    story.assigns(3, m1=[KEY], m2=second)
    assert story.rules() == ({"AtMostOnceOwner": 1} if broken else {})


@pytest.mark.parametrize(("owner", "broken"), [("m1", False), ("m2", True)])
def test_only_the_owner_commits_in_a_generation(owner: str, broken: bool) -> None:
    story = Offsets()
    story.generation(3, "m1", "m2")
    story.assigns(3, **{owner: [KEY]})
    story.accepts(7, 31)
    assert story.rules() == ({"AtMostOnceOwner": 1} if broken else {})


def test_a_static_member_takes_over_what_the_replaced_one_owned() -> None:
    story = Offsets()
    story.generation(3, "m1")
    story.assigns(3, m1=[KEY])
    story.removes("m1", why="replaced")
    story.accepts(7, 31, member="m2", instance="i", holder="m2")
    assert story.rules() == {}
