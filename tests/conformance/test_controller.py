"""The model's controller against Kafka's own: the same requests, the same answers, the same metadata records."""

from collections.abc import Iterator

import pytest
from hypothesis import given

pytest.importorskip("kio", reason="kio is not installed, so nothing can be asked of a real Kafka")

from controller_difference import PATIENT, difference
from controller_node import ControllerWorld
from drawing import PREPARATION, SEQUENCES
from model_controller import ModelController
from real_controller import RealController, real_controller
from real_kafka import VERSIONS
from sequences import drawn, jars_or_skip
from steps import AddAcl, AlterPartition, Heartbeat, Register, Step

from fencepost.model.bugs.catalogue import all_bugs
from fencepost.model.controller.acl_control import AclControl


@pytest.fixture(scope="module", params=VERSIONS)
def real(request: pytest.FixtureRequest) -> Iterator[RealController]:
    jars_or_skip(request.param)
    with real_controller(request.param) as controller:
        yield controller


@drawn(25)
@given(steps=SEQUENCES)
def test_the_model_answers_as_kafka_does(real: RealController, steps: tuple[Step, ...]) -> None:
    found = difference(real, ModelController(ControllerWorld(PATIENT)), steps)
    assert found is None, found


class ForgetsItsEntries(AclControl):
    """Every access control entry is taken for a new one."""

    def exists(self, entry: tuple[str, ...]) -> bool:
        """Never."""
        return False


_ENTRY = ("User:a", "READ", "ALLOW", "topic", "orders")
#: A guard that is missing, and a sequence that shows it.
MISSING_GUARDS: dict[str, tuple[Step, ...]] = {
    "KIP-903": (AlterPartition(1, "orders", ((1, 0), (2, 0))), AlterPartition(1, "orders", ((1, 0), (2, 0), (3, -1)))),
    "KIP-841": (Heartbeat(3, want_fence=True), AlterPartition(1, "orders", ((1, 0), (2, 0), (3, 0)))),
    "KAFKA-14154": (AlterPartition(1, "orders", ((1, 0), (2, 0)), leader_epoch=1),),
    "KAFKA-16952": (Register(1, "a"),),
    "an entry is written once": (AddAcl(*_ENTRY), AddAcl(*_ENTRY)),
}
#: Those that no known bug removes.
PATCHES: dict[str, tuple[type, ...]] = {"an entry is written once": (ForgetsItsEntries,)}


@pytest.mark.parametrize("bug", MISSING_GUARDS)
def test_a_missing_guard_is_found(real: RealController, bug: str) -> None:
    steps = MISSING_GUARDS[bug]
    assert difference(real, ModelController(ControllerWorld(PATIENT)), steps) is None
    worlds = ControllerWorld(PATIENT), ControllerWorld(PATIENT, PATCHES.get(bug) or all_bugs()[bug].patches)
    answers = [[model.ask(step) for step in (*PREPARATION, *steps)] for model in map(ModelController, worlds)]
    assert answers[0] != answers[1]
