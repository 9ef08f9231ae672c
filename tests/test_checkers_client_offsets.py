"""What one coordinator told its clients of committed offsets: a register, and its generations; each broken and kept."""

from typing import Any

import pytest
from replica_story import FAIL, INFO, INVOKE, KEY, OK, TOPIC, Story

from fencepost.checkers.client_offsets import build
from fencepost.checkers.registry import CheckerSet
from fencepost.checkers.verdict import Result

GROUP, HOME = "g", "__consumer_offsets-1"
OFFSETS, GENERATIONS = "CommittedOffsetLinearizable", "CommitGenerationLinearizable"


class Coordinated(Story):
    """A story of the group that __consumer_offsets-1 coordinates, in epoch 4 unless told otherwise."""

    record = 0

    def begins(self, offset: int, process: int = 1) -> None:
        self.add(INVOKE, "commit-offsets", process=process, key=GROUP, value={"offsets": {KEY: offset}})

    def accepts(self, offset: int, generation: int = 3, epoch: int = 4) -> None:
        self.record += 1
        self.observe("offset-commit-accepted", 1, GROUP, {
            "member": "m1", "instance": None, "offsets": {KEY: offset}, "record_offsets": {KEY: self.record},
            "partition": HOME}, generation=generation, current_generation=generation, coordinator_epoch=epoch)

    def answered(self, offset: int, process: int = 1, epoch: int = 4) -> None:
        result = {"offsets": {KEY: offset}, "record_offset": self.record, "partition": HOME}
        self.completes("commit-offsets", GROUP, OK, result, process, coordinator_epoch=epoch)

    def commits(self, offset: int, generation: int = 3, epoch: int = 4, answer: str = OK) -> None:
        self.begins(offset)
        self.accepts(offset, generation, epoch)
        if answer == OK:
            self.answered(offset, epoch=epoch)
        else:
            self.completes("commit-offsets", GROUP, answer, None, 1)

    def fetches(self, offset: int, epoch: int = 4, process: int = 2, stable: bool = True) -> None:
        self.asks("fetch-offsets", GROUP, {"partitions": [KEY], "require_stable": stable}, OK, {
            "offsets": {KEY: offset}}, process, coordinator_epoch=epoch)

    def generation(self, number: int, epoch: int = 4) -> None:
        self.observe("group-generation", 1, GROUP, {"members": {"m1": None}, "leader": "m1", "replaced": []},
                     generation=number, coordinator_epoch=epoch)

    def loads(self, epoch: int = 4) -> None:
        self.observe("coordinator-loaded", 1, HOME, {}, coordinator_epoch=epoch)

    def result(self) -> Result:
        checkers = CheckerSet(build(self.header))
        for event in self.events:
            checkers.feed(event)
        (result,) = checkers.finish()
        assert result.verdict in ("valid", "invalid"), result.notes
        return result

    def found(self) -> dict[str, int]:
        return self.result().counts


@pytest.mark.parametrize(("offset", "found"), [(7, {}), (5, {OFFSETS: 1}), (-1, {OFFSETS: 1}), (9, {OFFSETS: 1})])
def test_a_fetch_returns_the_latest_commit(offset: int, found: dict[str, int]) -> None:
    story = Coordinated()
    story.commits(5)
    story.commits(7)
    story.fetches(offset)
    assert story.found() == found


def test_the_violation_says_what_was_answered() -> None:
    story = Coordinated()
    story.commits(7)
    story.fetches(5)
    (violation,) = story.result().violations
    assert "the coordinator of g answered about orders-0 at coordinator epoch 4 is no register" in violation.message
    assert "fetched 5 but 7 is committed" in violation.message
    assert {story.events[index].f for index in violation.events} >= {"fetch-offsets"}


def test_what_was_loaded_is_told_by_the_first_answer_and_then_stays() -> None:
    story = Coordinated()
    story.fetches(30)
    story.fetches(30)
    assert story.found() == {}
    story.fetches(31)
    assert story.found() == {OFFSETS: 1}


@pytest.mark.parametrize("shown_before", [True, False])
def test_an_unstable_fetch_proves_nothing_until_something_shows_that_all_is_committed(shown_before: bool) -> None:
    story = Coordinated()
    if shown_before:
        story.fetches(30)
    story.fetches(25, stable=False)
    story.fetches(30)
    assert story.found() == ({OFFSETS: 1} if shown_before else {})


def test_coordinators_of_different_epochs_need_not_agree() -> None:
    """`committed-offsets` says what must hold between them."""
    story = Coordinated()
    story.commits(7)
    story.fetches(5, epoch=3)
    story.fetches(7, epoch=5)
    assert story.found() == {}


def test_a_commit_under_way_may_or_may_not_be_seen() -> None:
    story = Coordinated()
    story.commits(5)
    story.begins(7)
    story.accepts(7)
    story.fetches(5)
    story.fetches(7)
    story.answered(7)
    assert story.found() == {}


@pytest.mark.parametrize("seen", [[5, 5], [5, 7], [7, 7]])
def test_an_accepted_commit_of_unknown_outcome_may_become_visible_once(seen: list[int]) -> None:
    story = Coordinated()
    story.commits(5)
    story.commits(7, answer=INFO)
    for offset in seen:
        story.fetches(offset)
    assert story.found() == {}
    assert story.result().notes == [
        "1 commits of which their clients know nothing were resolved by the coordinators' own word: 1 were accepted "
        "and may have become visible, the others were not"]


def test_a_visible_commit_does_not_vanish() -> None:
    story = Coordinated()
    story.commits(5)
    story.commits(7, answer=INFO)
    story.fetches(7)
    story.fetches(5)
    assert story.found() == {OFFSETS: 1}


def test_a_commit_that_was_never_accepted_is_not_visible() -> None:
    story = Coordinated()
    story.commits(5)
    story.begins(7)
    story.completes("commit-offsets", GROUP, INFO, None, 1)
    story.fetches(7)
    assert story.found() == {OFFSETS: 1}


@pytest.mark.parametrize(("answer", "found"), [(OK, {}), (INFO, {}), (FAIL, {OFFSETS: 1})])
def test_the_offsets_of_a_topic_that_somebody_asked_to_delete_may_vanish(
    answer: str, found: dict[str, int]
) -> None:
    story = Coordinated()
    story.commits(7)
    story.asks("delete-topic", TOPIC, {}, answer, None, 5)
    story.fetches(-1)
    assert story.found() == found


def test_a_commit_of_an_earlier_generation_is_not_accepted() -> None:
    story = Coordinated()
    story.generation(3)
    story.commits(5, generation=3)
    story.generation(4)
    story.commits(7, generation=3)
    assert story.found() == {GENERATIONS: 1}
    assert "a commit of generation 3 was accepted though the group is in generation 4" in (
        story.result().violations[0].message)


def test_a_commit_may_be_answered_when_its_generation_is_over() -> None:
    story = Coordinated()
    story.generation(3)
    story.begins(5)
    story.accepts(5, generation=3)
    story.generation(4)
    story.answered(5)
    story.commits(7, generation=4)
    assert story.found() == {}


def test_a_coordinator_may_have_loaded_any_generation() -> None:
    story = Coordinated()
    story.commits(5, generation=3)
    story.generation(4)
    story.commits(7, generation=4)
    assert story.found() == {}


@pytest.mark.parametrize(("loads", "found"), [(1, {OFFSETS: 1}), (2, {})])
def test_an_epoch_that_was_loaded_twice_is_not_judged(loads: int, found: dict[str, int]) -> None:
    story = Coordinated()
    for _ in range(loads):
        story.loads()
    story.commits(7)
    story.fetches(5)
    assert story.found() == found


def test_each_offset_is_a_register_of_its_own() -> None:
    story = Coordinated()
    story.commits(7)
    value: dict[str, Any] = {"offsets": {"orders-1": 3}}
    story.asks("fetch-offsets", GROUP, {"partitions": ["orders-1"]}, OK, value, 2, coordinator_epoch=4)
    assert story.found() == {}
