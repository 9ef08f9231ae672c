"""Whole runs of ZooKeeper mode: clean seeds are valid, replay to the same digest, and known bugs are found."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from fencepost.checkers.registry import run_checkers
from fencepost.harness.execution import Execution
from fencepost.harness.run import run
from fencepost.harness.spec import RunSpec, spec_from_data
from fencepost.model.shape import Shape


@pytest.mark.parametrize("seed", [3, 14, 419])
def test_a_clean_seed_is_valid_and_gives_the_same_history_again(seed: int) -> None:
    first = run(RunSpec(seed=seed, mode="zk"))
    assert first.verdict == "valid", [v.message for result in first.results for v in result.violations]
    again = run(spec_from_data(json.loads(json.dumps(first.spec.to_data())), "spec.json"))
    assert again.digest == first.digest


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_another_process_gives_the_same_history(hash_seed: str) -> None:
    code = ("from fencepost import RunSpec, run\n"
            "print(run(RunSpec(seed=3, mode='zk', duration_us=6_000_000)).digest)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONHASHSEED": hash_seed})
    result = run(RunSpec(seed=3, mode="zk", duration_us=6_000_000))
    assert {event.f for event in result.events if event.type == "fault"} > {"heal", "quiet-end"}
    assert done.stdout.strip() == result.digest


def test_the_rules_of_both_modes_judge_and_the_quorums_own_do_not() -> None:
    verdicts = {result.checker: result.verdict for result in run(RunSpec(seed=1, mode="zk")).results}
    assert {name for name, verdict in verdicts.items() if verdict == "not-applicable"} == {
        "raft-elections", "raft-log", "raft-snapshots", "raft-stale-leader", "raft-stability"}
    for name in ("single-controller", "epoch-fencing", "metadata-consistency", "committed-records", "replication",
                 "committed-offsets", "liveness", "zk-write-fencing", "zk-registration", "zookeeper-log"):
        assert verdicts[name] == "valid"


@pytest.mark.parametrize("properties", [
    {"inter.broker.protocol.version": "2.6"}, {"zookeeper.session.timeout.ms": "900"}])
def test_other_settings_work(properties: dict[str, str]) -> None:
    result = run(RunSpec(seed=2, mode="zk", properties=properties))
    assert result.verdict == "valid", [v.message for result in result.results for v in result.violations]


@pytest.mark.parametrize("shape", [
    Shape(brokers=1, zookeepers=1, clients=2), Shape(brokers=4, zookeepers=5),
    Shape(brokers=2, zookeepers=2, clients=1),
    Shape(brokers=1, zookeepers=7, clients=1)])
def test_without_faults_every_shape_is_valid(shape: Shape) -> None:
    result = run(RunSpec(seed=1, mode="zk", shape=shape, duration_us=5_000_000, faults=[]))
    assert result.verdict == "valid", [v.message for result in result.results for v in result.violations]


def test_a_run_can_be_driven_to_a_moment_and_looked_at() -> None:
    execution = Execution(RunSpec(seed=1, mode="zk"))
    execution.run_until(5_000_000)
    nodes: dict[str, Any] = execution.cluster.describe()["nodes"]
    assert sorted(nodes) == ["1", "2", "201", "202", "203", "3"]
    assert [nodes[broker]["controller"]["active"] for broker in ("1", "2", "3")].count(True) == 1
    assert json.loads(json.dumps(nodes)) == nodes


def test_a_zombie_controller_is_fenced_and_the_story_is_told() -> None:
    """The active controller is paused past its session, another wins, and it comes back."""
    pause = {"kind": "pause", "at_us": 8_000_000, "duration_us": 6_000_000, "target": {"role": "active-controller"}}
    result = run(RunSpec(seed=1, mode="zk", duration_us=20_000_000, faults=[pause]))
    claims = [event for event in result.events if event.f == "controller-claimed"]
    assert len({event.node for event in claims}) >= 2
    assert result.verdict == "valid"
    assert {found.verdict for found in run_checkers(result.header, result.events)} <= {"valid", "not-applicable"}


def test_who_deletes_the_controllers_znode_forces_an_election() -> None:
    deletion = {"kind": "delete-controller", "at_us": 3_000_000, "duration_us": 0}
    result = run(RunSpec(seed=1, mode="zk", duration_us=5_000_000, faults=[deletion]))
    (fault,) = [event for event in result.events if event.f == "delete-controller"]
    claims = [event.time_us for event in result.events if event.f == "controller-claimed"]
    assert len(claims) == 2
    assert 0 < claims[1] - fault.time_us < 100_000
    assert not any(event.f == "zk-session-expired" for event in result.events)
    assert result.verdict == "valid"
