"""The model's group coordinator against Kafka's own: the same requests, the same answers at the same moments."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given

pytest.importorskip("kio", reason="kio is not installed, so nothing can be asked of a real Kafka")

import release_39
from controller_node import CONFIG
from group_drawing import ALONE, SEQUENCES, STATIC, TWO
from group_steps import NOBODY, OWN, Commit, FetchOffset, GroupAnswer, GroupStep, Join, Leave, Sync
from model_groups import ModelGroups
from real_groups import RealGroups, real_groups
from real_kafka import VERSIONS
from releases import patches_of
from sequences import drawn, jars_or_skip
from steps import NONE

from fencepost.model.bugs.catalogue import all_bugs

#: No session and no rebalance ends by time.
PATIENT = replace(
    CONFIG, broker_session_timeout_us=90_000_000, offsets_topic_num_partitions=1, offsets_topic_replication_factor=1,
    group_initial_rebalance_delay_us=0)


@pytest.fixture(scope="module", params=(*VERSIONS, release_39.VERSION))
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def real(version: str) -> Iterator[RealGroups]:
    jars_or_skip(version)
    with real_groups(version) as groups:
        yield groups


def difference(real: RealGroups, model: ModelGroups, steps: tuple[GroupStep, ...]) -> str | None:
    """The first step that is answered differently, in words. Looked for until somebody must be chosen to lead."""
    real.start_afresh()
    leader = ""
    for number, step in enumerate(steps):
        ours = model.ask(step)
        theirs = real.ask(step, tuple(answer.number for answer in ours))
        if theirs != ours:
            if _are_free_to_choose(leader, theirs) and _but_for_the_leader(theirs) == _but_for_the_leader(ours):
                return None
            return f"request {number}, {step}\n  Kafka     {theirs}\n  the model {ours}"
        leader = next((str(dict(answer.facts)["leader"]) for answer in ours if "leader" in dict(answer.facts)), leader)
    return None


def _are_free_to_choose(leader: str, answers: tuple[GroupAnswer, ...]) -> bool:
    """Whether the leader so far is not in the new generation: then Kafka takes any of its members."""
    return leader not in [dict(answer.facts).get("member") for answer in answers]


def _but_for_the_leader(answers: tuple[GroupAnswer, ...]) -> list[tuple[object, ...]]:
    return [(answer.number, answer.error, [fact for fact in answer.facts if fact[0] not in ("leader", "members")])
            for answer in answers]


@drawn(60)
@given(steps=SEQUENCES)
def test_the_model_answers_as_kafka_does(real: RealGroups, version: str, steps: tuple[GroupStep, ...]) -> None:
    found = difference(real, ModelGroups(PATIENT, patches_of(version)), steps)
    assert found is None, found


#: A guard that is missing, and a sequence that shows it.
MISSING_GUARDS: dict[str, tuple[GroupStep, ...]] = {
    "OFFSET-COMMIT-FENCING": (*TWO, Commit("a", "stranger")),
    "OFFSET-COMMIT-FENCING-GENERATION": (*TWO, Commit("a", generation=-1)),
    "OFFSET-COMMIT-FENCING-MEMBER": (*TWO, Leave("b"), Commit("b")),
    "OFFSET-COMMIT-FENCING-INSTANCE": (*STATIC, Join("e", NOBODY, "j"), Commit("d", instance="j")),
}


@pytest.mark.parametrize("bug", MISSING_GUARDS)
def test_a_missing_guard_is_found(real: RealGroups, version: str, bug: str) -> None:
    steps = MISSING_GUARDS[bug]
    assert difference(real, ModelGroups(PATIENT, patches_of(version)), steps) is None
    clean, broken = ModelGroups(PATIENT), ModelGroups(PATIENT, all_bugs()[bug].patches)
    assert [clean.ask(step) for step in steps] != [broken.ask(step) for step in steps]


#: What is known of Kafka by reading its source, a sequence that shows it, and the error and facts of its last answer.
READ: dict[str, tuple[tuple[GroupStep, ...], str | None, tuple[tuple[str, object], ...]]] = {
    "nobody commits in a generation of no group": ((Commit("a"),), "ILLEGAL_GENERATION", ()),
    "who is in no group may commit without one": ((Commit("a", NOBODY, NONE),), None, ()),
    "but not if there are members": ((Join("a"), Sync("a"), Commit("a", NOBODY, NONE)), "UNKNOWN_MEMBER_ID", ()),
    "the last generation may commit while members join": ((*ALONE, Join("b"), Commit("a")), None, ()),
    "nobody may before the assignment": (
        (*ALONE, Join("b"), Join("a", OWN), Commit("a")), "REBALANCE_IN_PROGRESS", ()),
    "an unknown offset is no error": ((FetchOffset(),), None, (("offset", -1),)),
}


@pytest.mark.parametrize("fact", READ)
def test_what_was_read_is_so(real: RealGroups, version: str, fact: str) -> None:
    steps, error, facts = READ[fact]
    assert difference(real, ModelGroups(PATIENT, patches_of(version)), steps) is None
    model = ModelGroups(PATIENT, patches_of(version))
    answers = [model.ask(step) for step in steps]
    assert answers[-1] == (GroupAnswer(len(steps) - 1, error, facts),)


def test_the_newest_commit_says_that_there_is_no_such_group(real: RealGroups, version: str) -> None:
    """Version 9 of OffsetCommit, of which the new coordinator makes use; the model's clients send version 8."""
    assert real.commit_of_unknown_group(8) == "ILLEGAL_GENERATION"
    newest = "ILLEGAL_GENERATION" if version == release_39.VERSION else "GROUP_ID_NOT_FOUND"
    assert real.commit_of_unknown_group(9) == newest
