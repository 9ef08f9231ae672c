"""Whole runs in which disks fail and operators are at work: valid, and the same again."""

from typing import Any

import pytest

from fencepost.harness.run import run
from fencepost.harness.spec import RunSpec
from fencepost.histories.event import FAULT
from fencepost.nemesis.faults import kinds_of
from fencepost.nemesis.kinds import KINDS

#: What a kind needs besides a target.
NEEDS: dict[str, dict[str, Any]] = {
    "slow-fsync": {"delay_us": 40_000}, "corrupted-record": {"file": "orders-0"},
    "reassign-partition": {"partition": "orders-0"}, "elect-leader": {"partition": "orders-1", "election": "preferred"},
    "create-topic": {"topic": "passing-a"}, "delete-topic": {"topic": "passing-a"},
    "alter-config": {"topic": "clicks", "setting": "min.insync.replicas=3"}, "add-broker": {"partition": "payments-0"},
}
TARGETS = ({"role": "follower", "partition": "orders-0"}, {"role": "active-controller"}, {"role": "broker"})


def schedule(mode: str) -> list[dict[str, Any]]:
    """Every kind of the two planes, one after the other."""
    kinds = [name for name in kinds_of(mode) if KINDS[name].plane in ("disk", "administration")]
    faults = []
    for place, kind in enumerate(kinds):
        target = TARGETS[0] if kind == "corrupted-record" else TARGETS[place % len(TARGETS)]
        faults.append({
            "kind": kind, "at_us": 4_000_000 + place * 1_400_000, "duration_us": 1_000_000, **NEEDS.get(kind, {}),
            **({"target": target} if KINDS[kind].has_target else {})})
    return faults


@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_a_run_with_every_disk_fault_and_all_administration_is_valid_and_replays(mode: str) -> None:
    spec = RunSpec(seed=5, mode=mode, faults=schedule(mode))
    first, again = run(spec), run(spec)
    assert first.digest == again.digest
    assert (first.verdict, first.crash) == ("valid", None)
    struck = {event.f for event in first.events if event.type == FAULT and event.error is None}
    kinds = {str(fault["kind"]) for fault in schedule(mode)}
    assert len(kinds - struck) <= 4, f"skipped: {sorted(kinds - struck)}"
    assert struck >= {"slow-fsync", "stalled-disk", "reassign-partition", "add-broker"}
