"""The model's controller, with what 3.9 does otherwise, against Kafka 3.9's."""

from collections.abc import Iterator

import pytest
from hypothesis import given

pytest.importorskip("kio", reason="kio is not installed, so nothing can be asked of a real Kafka")

from controller_difference import PATIENT, difference
from controller_node import ControllerWorld
from drawing import SEQUENCES
from model_controller import ModelController
from real_controller import RealController, real_controller
from release_39 import PATCHES, VERSION
from sequences import drawn, jars_or_skip
from steps import Heartbeat, Register, Step


@pytest.fixture(scope="module")
def real() -> Iterator[RealController]:
    jars_or_skip(VERSION)
    with real_controller(VERSION) as controller:
        yield controller


def model(patches: tuple[type, ...]) -> ModelController:
    return ModelController(ControllerWorld(PATIENT, patches))


@drawn(15)
@given(steps=SEQUENCES)
def test_the_model_answers_as_kafka_does(real: RealController, steps: tuple[Step, ...]) -> None:
    found = difference(real, model(PATCHES), steps)
    assert found is None, found


#: What 4.0 does otherwise, and a sequence that shows it.
CHANGES: dict[str, tuple[Step, ...]] = {
    "a fenced broker may be replaced": (Heartbeat(3, want_fence=True), Register(3, "b")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_two_releases_can_be_told_apart(real: RealController, change: str) -> None:
    assert difference(real, model(PATCHES), CHANGES[change]) is None
    assert difference(real, model(()), CHANGES[change]) is not None
