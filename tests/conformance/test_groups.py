"""The model's group coordinator against Kafka's own: the same requests, the same answers at the same moments."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given

pytest.importorskip("kio", reason="kio is not installed, so nothing can be asked of a real Kafka")

import release_39
from controller_node import CONFIG
from group_drawing import SEQUENCES, STATIC, TWO
from group_steps import NOBODY, Commit, GroupAnswer, GroupStep, Join, Leave
from model_groups import ModelGroups
from real_groups import RealGroups, real_groups
from real_kafka import VERSIONS
from release_39 import patches_of
from sequences import drawn, jars_or_skip

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
