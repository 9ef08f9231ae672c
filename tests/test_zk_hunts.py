"""Known bugs of ZooKeeper mode, each by the shortest story that shows it: caught with it, valid without it."""

from typing import Any

import pytest

from fencepost.harness.run import run
from fencepost.harness.spec import RunSpec
from fencepost.model.bugs.catalogue import all_bugs

Faults = list[dict[str, Any]]

ACTIVE = {"role": "active-controller"}
#: The active controller takes 200 ms longer for each event, so that its queue is not empty.
SLOW = {"kind": "slow-controller", "name": "slow", "at_us": 3_000_000, "duration_us": 7_000_000, "delay_us": 200_000,
        "target": ACTIVE}
ANOTHER = {"role": "broker", "but": "slow"}


def first(point: str, delay_us: int = 0, **more: Any) -> dict[str, Any]:
    """The first time that a point is passed after 3 s."""
    return {"at_point": {"point": point, "count": 1, "from_us": 3_000_000, "delay_us": delay_us, **more}}


def killed(duration_us: int, target: dict[str, Any], **when: Any) -> dict[str, Any]:
    return {"kind": "kill", "at_us": 3_100_000, "duration_us": duration_us, "target": target, **when}


#: Another broker comes back; the controller has that in its queue when somebody deletes /controller.
DEPOSED_WITH_A_NEWCOMER: Faults = [
    SLOW, killed(3_000_000, ANOTHER, name="back"),
    {"kind": "delete-controller", **first("broker.registered", 50_000, by="back"), "duration_us": 0}]
#: A leader wants to change its ISR; the controller has that in its queue when somebody deletes /controller.
DEPOSED_WITH_AN_ISR_CHANGE: Faults = [
    SLOW, killed(500_000, ANOTHER),
    {"kind": "delete-controller", **first("broker.isr-proposed", 50_000), "duration_us": 0}]
#: The controller has an ISR change in its queue when a broker's session ends, and tells everybody of the change.
BOUNCED_BEHIND_AN_ISR_CHANGE: Faults = [
    SLOW, killed(500_000, ANOTHER),
    {"kind": "expire-session", **first("broker.isr-proposed", 1_000), "duration_us": 0, "target": ANOTHER}]
#: Both followers of the ensemble die as something is proposed; one is back, makes the leader one again, and both go.
HALF_SYNCHRONISED: Faults = [
    {"kind": "kill", "name": "learner", **first("zookeeper.proposed"), "duration_us": 500_000,
     "target": {"role": "zookeeper-follower"}},
    {"kind": "kill", **first("zookeeper.proposed"), "duration_us": 3_000_000,
     "target": {"role": "zookeeper-follower", "but": "learner"}},
    {"kind": "kill", **first("zookeeper.leading"), "duration_us": 5_000_000, "target": {"role": "here"}},
    {"kind": "power-loss", **first("zookeeper.leading"), "duration_us": 100_000,
     "target": {"role": "struck", "name": "learner"}}]


@pytest.mark.parametrize(("bug", "rule", "faults"), [
    ("KAFKA-1096", "SingleControllerPerEpoch", DEPOSED_WITH_A_NEWCOMER),
    ("KAFKA-6082", "ZkWriteFencing", DEPOSED_WITH_AN_ISR_CHANGE),
    ("KIP-380-A", "EpochFencing", BOUNCED_BEHIND_AN_ISR_CHANGE),
    ("KIP-380-A-BROKER", "EpochFencing", BOUNCED_BEHIND_AN_ISR_CHANGE),
    ("KAFKA-1188", "LeaderEpochMonotone", [killed(2_000_000, ACTIVE)]),
    ("KAFKA-7165", "LiveBrokerEventuallyRegistered", [killed(10_000, {"role": "broker"})]),
    ("ZOOKEEPER-3911", "ZkCommittedTxnDurable", HALF_SYNCHRONISED),
])
def test_a_bug_is_caught_and_without_it_the_same_story_is_valid(bug: str, rule: str, faults: Faults) -> None:
    assert rule in all_bugs()[bug].rules
    broken = [
        {violation.rule for result in run(RunSpec(
            seed=1, mode="zk", bugs=bugs, faults=faults, duration_us=9_000_000)).results
         for violation in result.violations}
        for bugs in ((bug,), ())]
    assert rule in broken[0]
    assert broken[1] == set()
