"""Each story of ZooKeeper mode comes out alike on real brokers of 3.9 with a real ZooKeeper and on the model's.

`make test` plays one, `make conformance` all of them.
"""

from collections.abc import Callable

import pytest

pytest.importorskip("kio", reason="kio is not installed, so nothing can be asked of a real Kafka")
pytest.importorskip("kazoo", reason="kazoo is not installed, so nothing can be asked of a real ZooKeeper")

from sequences import LONG, jars_or_skip
from stories import (
    zk_broker_bounced,
    zk_broker_paused,
    zk_controller_deleted,
    zk_controller_paused,
    zk_creation_unanswered,
    zk_stale_requests,
    zk_update_unanswered,
)
from stories.model_zk_stage import ModelZkStage
from stories.real_zk_stage import RealZkStage
from stories.zk_nodes import VERSION, zk_nodes
from stories.zk_stage import ZkStage

from fencepost.model.bugs.catalogue import all_bugs

Story = Callable[[ZkStage], None]
FEW: tuple[Story, ...] = (zk_controller_paused.play,)
ALL: tuple[Story, ...] = (
    *FEW, zk_stale_requests.play, zk_broker_paused.play, zk_broker_bounced.play, zk_controller_deleted.play,
    zk_update_unanswered.play, zk_creation_unanswered.play)
#: What 3.9 does otherwise than the model: it does not recognise its own writes, and forgets replicas that leave.
FORGETFUL = ("ZK-LOST-ALTER-PARTITION", "ZK-LOST-NEW-PARTITION", "ZK-REASSIGNMENT-END")
AS_39 = tuple(patch for bug in FORGETFUL for patch in all_bugs()[bug].patches)


def told(story: Story, stage: ZkStage) -> list[str]:
    """What is told of a story on that stage."""
    story(stage)
    return stage.told


def test_brokers_act_alike() -> None:
    jars_or_skip(VERSION)
    with zk_nodes() as nodes:
        for story in ALL if LONG else FEW:
            assert told(story, RealZkStage(nodes)) == told(story, ModelZkStage(AS_39))


#: A guard that is missing, and a story that shows it.
MISSING_GUARDS: dict[str, Story] = {
    "KAFKA-2729": zk_controller_paused.play,
    "KIP-380-A-BROKER": zk_stale_requests.play,
    "ZOMBIE-CTRL-STOP-REPLICA": zk_stale_requests.play,
    "ZK-LOST-ALTER-PARTITION": zk_update_unanswered.play,
    "ZK-LOST-NEW-PARTITION": zk_creation_unanswered.play,
}


@pytest.mark.parametrize("bug", MISSING_GUARDS)
def test_a_missing_guard_is_told(bug: str) -> None:
    story = MISSING_GUARDS[bug]
    assert told(story, ModelZkStage(all_bugs()[bug].patches)) != told(story, ModelZkStage())
