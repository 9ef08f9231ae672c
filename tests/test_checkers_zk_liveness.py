"""Liveness and registration of ZooKeeper mode, told as histories written by hand."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from fencepost.checkers.recovery import build
from fencepost.checkers.verdict import Result
from fencepost.checkers.zk_registration import ZkRegistration
from fencepost.histories.event import FAULT, OBSERVE, OK, Event

HEADER: dict[str, Any] = {
    "mode": "zk", "brokers": [1, 2], "zookeepers": [201, 202], "clients": [1001], "controllers": []}
PARTITION = {"leader": 1, "leader_epoch": 3, "partition_epoch": 7, "isr": [1, 2]}
END_US = 60_000_000


def final_state() -> dict[int, Any]:
    """Every server as it is when all is well."""
    def broker(node: int, active: bool) -> dict[str, Any]:
        cache = {"partitions": {"orders-0/orders@1": dict(PARTITION)}}
        return {
            "broker": {"state": "RUNNING", "broker_epoch": node, "cache": cache},
            "controller": {"active": active, "controller_epoch": 5 if active else 0}}
    return {
        1: broker(1, True), 2: broker(2, False), 201: {"zookeeper": {"state": "leading", "current_epoch": 4}},
        202: {"zookeeper": {"state": "following", "current_epoch": 4}}}


def judge(
    change: Any = None, outside: Sequence[int] = (), asked: Event | None = None, state: Any = PARTITION,
    other: Any = None,
) -> Result:
    """The verdict on a run that ends in the final state after `change` was made to it. outside: who is not healed.
    asked: one more event. state: of the partition, as committed. other: of the topic's second one, if it has two."""
    states = copy.deepcopy(final_state())
    if change is not None:
        change(states)
    partition = {"topic_id": "orders@1", "partition": 0, "replicas": [1, 2], **state}
    records = [
        [1000, "RegisterBrokerRecord", {"broker_id": 1, "broker_epoch": 1, "incarnation_id": "1-a", "fenced": False}],
        [2000, "RegisterBrokerRecord", {"broker_id": 2, "broker_epoch": 2, "incarnation_id": "2-a", "fenced": False}],
        [3000, "TopicRecord", {"name": "orders", "topic_id": "orders@1"}], [4000, "PartitionRecord", partition]]
    if other is not None:
        records.append([4001, "PartitionRecord", {"topic_id": "orders@1", "partition": 1, **other}])
    applied = {"end_offset": 5000, "digest": "d", "role": "controller", "records": records}
    events = [
        Event(0, 1_000_000, OBSERVE, "controller-claimed", node=1, value={}, epochs={"controller_epoch": 5}),
        Event(1, 2_000_000, OBSERVE, "metadata-applied", node=201, value=applied, epochs={"leader_epoch": 4}),
        Event(2, 30_000_000, FAULT, "heal", value={"quiet_us": 20_000_000, "outside": list(outside)}),
        Event(3, END_US, FAULT, "quiet-end", value={"nodes": {str(node): state for node, state in states.items()}})]
    (checker,) = build(HEADER)
    for event in sorted([*events, *([asked] if asked is not None else [])], key=lambda event: event.time_us):
        checker.feed(event)
    return checker.finish()


def test_a_recovered_cluster_is_valid() -> None:
    assert judge().verdict == "valid"


@pytest.mark.parametrize(("outside", "asked_us", "expected"), [
    ([2], 40_000_000, []), ([2], 1_000_000, ["EventuallyMetadataConverges"]),
    ([202], 40_000_000, ["EventuallyMetadataConverges"])])
def test_a_topic_is_not_deleted_without_its_replicas(outside: list[int], asked_us: int, expected: list[str]) -> None:
    def forget(states: dict[int, Any]) -> None:
        states[1]["broker"]["cache"]["partitions"].clear()
        states[2]["broker"]["cache"]["partitions"]["orders-0/orders@1"]["leader_epoch"] = 2
    asked = Event(9, asked_us, OK, "delete-topic", process=0, key="orders", value={})
    result = judge(forget, outside, asked, {**PARTITION, "isr": [1]} if outside == [2] else PARTITION)
    assert sorted({violation.rule for violation in result.violations}) == expected
    assert ({excuse.reason for excuse in result.excused} == {"outside-the-core"}) == (expected == [])


@pytest.mark.parametrize(("replica", "expected"), [(2, []), (1, ["EventuallyMetadataConverges"])])
def test_a_topic_is_deleted_as_a_whole(replica: int, expected: list[str]) -> None:
    def forget(states: dict[int, Any]) -> None:
        states[1]["broker"]["cache"]["partitions"].clear()
    asked = Event(9, 40_000_000, OK, "delete-topic", process=0, key="orders", value={})
    alone = {"replicas": [1], "isr": [1]}
    there = {"leader": -1 if replica == 2 else 1, "leader_epoch": 1, "partition_epoch": 1, "replicas": [replica]}
    result = judge(forget, [2], asked, {**PARTITION, **alone}, {**there, "isr": [replica]})
    assert sorted({violation.rule for violation in result.violations}) == expected


def two_controllers(states: dict[int, Any]) -> None:
    states[2]["controller"] = {"active": True, "controller_epoch": 4}


def old_controller(states: dict[int, Any]) -> None:
    states[1]["controller"]["controller_epoch"] = 4


def no_controller(states: dict[int, Any]) -> None:
    states[1]["controller"]["active"] = False


def no_leader_of_the_ensemble(states: dict[int, Any]) -> None:
    states[201]["zookeeper"]["state"] = "looking"


def a_server_of_an_older_epoch(states: dict[int, Any]) -> None:
    states[202]["zookeeper"]["current_epoch"] = 3


def stale_cache(states: dict[int, Any]) -> None:
    states[2]["broker"]["cache"]["partitions"]["orders-0/orders@1"]["leader_epoch"] = 2


def untold_partition(states: dict[int, Any]) -> None:
    states[2]["broker"]["cache"]["partitions"].clear()


def unregistered_epoch(states: dict[int, Any]) -> None:
    states[2]["broker"]["broker_epoch"] = 9


def stopped_broker(states: dict[int, Any]) -> None:
    del states[2]["broker"]


def starting_broker(states: dict[int, Any]) -> None:
    states[2]["broker"]["state"] = "STARTING"


@pytest.mark.parametrize(("change", "rule"), [
    (two_controllers, "ControllerAvailability"), (old_controller, "ControllerAvailability"),
    (no_controller, "ControllerAvailability"), (no_leader_of_the_ensemble, "EventuallyLeaderElected"),
    (a_server_of_an_older_epoch, "EventuallyLeaderElected"), (stale_cache, "EventuallyMetadataConverges"),
    (untold_partition, "EventuallyMetadataConverges"), (unregistered_epoch, "LiveBrokerEventuallyRegistered"),
    (stopped_broker, "LiveBrokerEventuallyRegistered"), (starting_broker, "LiveBrokerEventuallyRegistered"),
])
def test_what_has_not_recovered_is_named(change: Any, rule: str) -> None:
    assert [violation.rule for violation in judge(change).violations] == [rule]


def test_a_broker_that_is_not_registered_is_named() -> None:
    (checker,) = build(HEADER)
    states = {str(node): state for node, state in final_state().items()}
    for event in (
        Event(0, 1_000_000, OBSERVE, "controller-claimed", node=1, value={}, epochs={"controller_epoch": 5}),
        Event(1, 30_000_000, FAULT, "heal", value={"quiet_us": 20_000_000}),
        Event(2, END_US, FAULT, "quiet-end", value={"nodes": states}),
    ):
        checker.feed(event)
    assert [violation.rule for violation in checker.finish().violations] == ["LiveBrokerEventuallyRegistered"] * 2


@pytest.mark.parametrize(("owner", "violations"), [(11, 0), (10, 1)])
def test_a_registration_belongs_to_the_own_session(owner: int, violations: int) -> None:
    checker = ZkRegistration(HEADER)
    value = {"incarnation_id": "1-a", "session": 11, "owner": owner}
    checker.feed(Event(0, 1, OBSERVE, "broker-registered", node=1, value=value, epochs={"broker_epoch": 4}))
    assert len(checker.finish().violations) == violations


@pytest.mark.parametrize(("roles", "broken"), [(["broker"], False), ([], True)])
def test_a_broker_that_was_added_may_be_the_controller(roles: list[str], broken: bool) -> None:
    def added(states: dict[int, Any]) -> None:
        states[3] = {**copy.deepcopy(states[1]), "roles": roles}
        no_controller(states)

    assert ("ControllerAvailability" in {violation.rule for violation in judge(added).violations}) == broken
