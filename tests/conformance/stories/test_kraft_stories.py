"""Each story of KRaft mode comes out alike on a real cluster and on the model's.

`make test` plays some on 4.0, which the model follows; `make conformance` all of them on every version.
"""

from collections.abc import Callable

import pytest

pytest.importorskip("kio", reason="kio is not installed, so nothing can be asked of a real Kafka")

import release_39
from metadata_records import MetadataSchemas
from real_kafka import VERSIONS
from releases import patches_of
from sequences import LONG, jars_or_skip
from stories import (
    broker_fenced,
    combined_node_killed,
    controller_paused,
    coordinator_moved,
    generation_recurs,
    last_isr_member,
)
from stories.kraft_stage import KRaftStage
from stories.model_stage import ModelKRaftStage
from stories.real_nodes import kraft_nodes
from stories.real_stage import RealKRaftStage

from fencepost.model.bugs.catalogue import all_bugs
from fencepost.model.shape import Shape

ISOLATED = Shape(controllers=3, brokers=2)
PAIR = {"min.insync.replicas": "1", "offsets.topic.replication.factor": "2"}
COMBINED = Shape(controllers=3, brokers=3, combined=True)
TRIO = {"min.insync.replicas": "2", "offsets.topic.replication.factor": "3"}
EVERY_VERSION = (*VERSIONS, release_39.VERSION)

Story = Callable[[KRaftStage], None]
FEW: tuple[Story, ...] = (controller_paused.play, coordinator_moved.play)
ALL: tuple[Story, ...] = (*FEW, generation_recurs.play, broker_fenced.play, last_isr_member.play)

#: 3.9 has no PreVote (KIP-996).
WITHOUT_PREVOTE = {"fencepost.raft.prevote": "false"}


def model(version: str, shape: Shape, properties: dict[str, str]) -> KRaftStage:
    """The model's cluster as that version has it."""
    older = WITHOUT_PREVOTE if version == release_39.VERSION else {}
    return ModelKRaftStage(shape, {**properties, **older}, patches_of(version))


def told(story: Story, stage: KRaftStage) -> list[str]:
    """What is told of a story on that stage."""
    story(stage)
    return stage.told


@pytest.mark.parametrize("version", EVERY_VERSION if LONG else VERSIONS[:1])
def test_controllers_and_brokers_act_alike(version: str) -> None:
    schemas = MetadataSchemas(jars_or_skip(version))
    with kraft_nodes(version, ISOLATED, PAIR) as nodes:
        for story in ALL if LONG else FEW:
            assert told(story, RealKRaftStage(nodes, schemas)) == told(story, model(version, ISOLATED, PAIR))


@pytest.mark.skipif(not LONG, reason="played by `make conformance`")
@pytest.mark.parametrize("version", EVERY_VERSION)
def test_combined_nodes_act_alike(version: str) -> None:
    schemas, story = MetadataSchemas(jars_or_skip(version)), combined_node_killed.play
    with kraft_nodes(version, COMBINED, TRIO) as nodes:
        assert told(story, RealKRaftStage(nodes, schemas)) == told(story, model(version, COMBINED, TRIO))


#: A guard that is missing, and a story that shows it.
MISSING_GUARDS: dict[str, Story] = {
    "KAFKA-20634": coordinator_moved.play,
    "OFFSET-COMMIT-FENCING-GENERATION": coordinator_moved.play,
}


@pytest.mark.parametrize("bug", MISSING_GUARDS)
def test_a_missing_guard_is_told(bug: str) -> None:
    story = MISSING_GUARDS[bug]
    broken = ModelKRaftStage(ISOLATED, PAIR, all_bugs()[bug].patches)
    assert told(story, broken) != told(story, ModelKRaftStage(ISOLATED, PAIR))
