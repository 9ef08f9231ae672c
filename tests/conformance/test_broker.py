"""The model's broker against Kafka's own: the same requests, the same answers, offsets, high watermarks and ISRs.

Node 1 is real, brokers 2 to 4 are played by the test: they are registered, are elected, follow and are fenced, so that
the real broker's leader epochs, high watermarks and ISRs move as the steps will have it.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

pytest.importorskip("kio", reason="kio is not installed, so nothing can be asked of a real Kafka")

import release_39
from controller_node import CONFIG
from data_drawing import PREPARATION, SEQUENCES, THERE_AND_BACK
from data_steps import DataStep, Describe, EpochEnd, Fetch, ListOffsets, NewProducer, Produce
from model_broker import ModelBroker
from real_broker import RealBroker, real_broker
from real_kafka import VERSIONS
from releases import patches_of
from sequences import drawn, jars_or_skip
from steps import Answer, Elect, Reassign, SetConfig, Step

from fencepost.model.bugs.catalogue import all_bugs

#: Nothing is fenced, and nobody leaves an ISR, but by a step.
PATIENT = replace(
    CONFIG, broker_session_timeout_us=90_000_000, replica_lag_time_max_us=3_600_000_000)


@pytest.fixture(scope="module", params=(*VERSIONS, release_39.VERSION))
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def real(version: str) -> Iterator[RealBroker]:
    jars_or_skip(version)
    with real_broker(version) as broker:
        yield broker


def difference(real: RealBroker, model: ModelBroker, steps: tuple[Step | DataStep, ...]) -> str | None:
    """The first step after which the two differ, in words."""
    real.start_afresh()
    for step in (*PREPARATION, *steps):
        ours = model.ask(step)
        theirs = real.ask(step, len(ours.records))
        if _in_order(theirs) != _in_order(ours):
            return f"{step}\n  Kafka     {theirs}\n  the model {ours}"
        if isinstance(step, DataStep):
            standing = model.standing()
            found = real.standing(standing)
            if found != standing:
                return (f"{step}: high watermark and log end\n  Kafka     {found}\n  the model {standing}")
    return None


def _in_order(answer: Answer) -> tuple[object, ...]:
    """Records of one step come in the order of topic ids, which are random, and members of an ISR in no order of their
    own."""
    records = [tuple(map(_isr_in_order, record)) for record in answer.records]
    return answer.error, tuple(map(_isr_in_order, answer.facts)), sorted(map(repr, records))


def _isr_in_order(field: Any) -> Any:
    return (field[0], tuple(sorted(field[1]))) if isinstance(field, tuple) and field[0] == "isr" and field[1] else field


@drawn(15)
@given(steps=SEQUENCES)
def test_the_model_answers_as_kafka_does(real: RealBroker, version: str, steps: tuple[Step | DataStep, ...]) -> None:
    found = difference(real, ModelBroker(PATIENT, patches_of(version)), steps)
    assert found is None, found


#: A guard that is missing, and a sequence that shows it.
MISSING_GUARDS: dict[str, tuple[Step | DataStep, ...]] = {
    "KAFKA-7395": (Fetch(leader_epoch=1),),
    "KAFKA-13141": (Produce(2), *THERE_AND_BACK, Produce(2), Fetch(0, 3, last_epoch=-2)),
    "KAFKA-7128": (Produce(2), *THERE_AND_BACK, Fetch(-2, 2)),
}


@pytest.mark.parametrize("bug", MISSING_GUARDS)
def test_a_missing_guard_is_found(real: RealBroker, version: str, bug: str) -> None:
    steps = MISSING_GUARDS[bug]
    assert difference(real, ModelBroker(PATIENT, patches_of(version)), steps) is None
    clean, broken = ModelBroker(PATIENT), ModelBroker(PATIENT, all_bugs()[bug].patches)
    answers = [[(model.ask(step), model.standing()) for step in (*PREPARATION, *steps)] for model in (clean, broken)]
    assert answers[0] != answers[1]


_TAKEN_OVER = (Reassign("orders", (2, 1, 3)), Fetch(0, 2), Elect("orders", False))
_ALL_BUT_3 = (Produce(2), Fetch(0, 2), Fetch(0, 3), Produce(1), Fetch(0, 2))
#: What is known of Kafka by reading its source, a sequence that shows it, and its last answer's error or facts, or the
#: high watermark and log end after it.
READ: dict[str, tuple[tuple[Step | DataStep, ...], Any]] = {
    "two replicas are enough for a minimum of three": (
        (SetConfig("orders", "min.insync.replicas", "3"), Reassign("orders", (1, 2)), Produce(1, -1), Fetch(0, 2)),
        (1, 1)),
    "a leader that led already knows its followers": (
        (*_ALL_BUT_3, Reassign("orders", (1, 2)), Describe("orders")), (3, 3)),
    "a new leader does not": ((*_ALL_BUT_3, *THERE_AND_BACK, Describe("orders")), (2, 3)),
    "an epoch after the latest is undefined": ((Produce(2), EpochEnd(1)), (("leader epoch", -1), ("end offset", -1))),
    "and no fetch may name it": ((Produce(2), Fetch(0, 2, last_epoch=1)), "OFFSET_OUT_OF_RANGE"),
    "an epoch before the first ends where that begins": (
        (*THERE_AND_BACK, Produce(2), EpochEnd(-2)), (("leader epoch", 0), ("end offset", 0))),
    "the epoch is looked at before the role": ((*_TAKEN_OVER, Fetch(leader_epoch=-1)), "FENCED_LEADER_EPOCH"),
    "and the role if that is right": ((*_TAKEN_OVER, Fetch()), "NOT_LEADER_OR_FOLLOWER"),
    "an unknown producer begins where it likes": (
        (NewProducer("p"), Produce(4, 1, "p", 0, 7)), (("base offset", 0),)),
    "a duplicate is told its offset": (
        (NewProducer("p"), Produce(4, 1, "p"), Produce(4, 1, "p", 0, -4)), (("base offset", 0),)),
    "a duplicate of an older producer epoch is none": (
        (NewProducer("p"), Produce(4, 1, "p"), Produce(4, 1, "p", 1, None), Produce(4, 1, "p", 0, None)),
        "INVALID_PRODUCER_EPOCH"),
    "the earliest offset has its own epoch": (
        (Produce(2), *THERE_AND_BACK, ListOffsets(-2)), (("offset", 0), ("leader epoch", 0))),
    "the latest offset of a leader that has not caught up": (
        (Produce(2), *THERE_AND_BACK, ListOffsets(-1)), "OFFSET_NOT_AVAILABLE"),
}


@pytest.mark.parametrize("fact", READ)
def test_what_was_read_is_so(real: RealBroker, version: str, fact: str) -> None:
    steps, expected = READ[fact]
    assert difference(real, ModelBroker(PATIENT, patches_of(version)), steps) is None
    model = ModelBroker(PATIENT, patches_of(version))
    answer = [model.ask(step) for step in (*PREPARATION, *steps)][-1]
    assert expected in (answer.error, answer.facts, model.standing())


def test_the_model_forgets_followers_where_kafka_remembers_them() -> None:
    steps, _ = READ["a leader that led already knows its followers"]
    model = ModelBroker(PATIENT)
    for step in (*PREPARATION, *steps):
        model.ask(step)
    assert model.standing() == (2, 3)


def test_consumers_may_read_from_followers(real: RealBroker, version: str) -> None:
    """From version 11 of Fetch on (KIP-392); the model's consumers ask the leader."""
    assert difference(real, ModelBroker(PATIENT, patches_of(version)), _TAKEN_OVER) is None
    assert real.consume("orders", 10) == "NOT_LEADER_OR_FOLLOWER"
    assert real.consume("orders", 11) is None
