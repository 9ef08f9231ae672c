"""Consumers of the time before 0.9: groups and offsets in ZooKeeper, dual commit, and what a zombie does there."""

from typing import Any

import pytest

from fencepost.harness.execution import Execution
from fencepost.harness.run import RunResult, run
from fencepost.harness.spec import RunSpec
from fencepost.histories.event import INVOKE, OK, Event
from fencepost.model.shape import Shape
from fencepost.model.zk_client.rebalance import own_range

MS, SECOND = 1_000, 1_000_000
IN_ZOOKEEPER, DUAL = {"offsets.storage": "zookeeper"}, {"dual.commit.enabled": "true"}
FENCED = {**IN_ZOOKEEPER, "fencepost.offsets.zookeeper.fencing": "true"}
STALE, MONOTONE = "CommittedOffsetNeverOverwrittenByStaleGeneration", "CommittedOffsetMonotonePerOwner"

GROUP: dict[str, Any] = {"group": "billing", "topics": ["orders"], "instance": None}
#: Clients 0 and 1 consume, client 2 does all the rest.
FIRST, HEIR, WRITER = 0, 1, 2


def operation(at_us: int, client: int, f: str, **fields: Any) -> dict[str, Any]:
    own = GROUP if f in ("poll", "commit-offsets", "subscribe") else {}
    return {"at_us": at_us, "client": client, "f": f, **own, **fields}


def create(partitions: int = 1) -> dict[str, Any]:
    return operation(
        SECOND, WRITER, "create-topic", key="orders", partitions=partitions, replication_factor=3, configs={},
        retry=True)


def produce(at_us: int, count: int = 4) -> dict[str, Any]:
    return operation(
        at_us, WRITER, "produce", topic="orders", partition=0, count=count, acks=-1, idempotent=True)


def final(at_us: int, f: str = "final-offsets") -> dict[str, Any]:
    return operation(at_us, WRITER, f, group="billing", partitions=[["orders", 0]])


def play(
    config: dict[str, str], workload: list[dict[str, Any]], faults: tuple[dict[str, Any], ...] = (),
    duration_us: int = 10 * SECOND, **spec: Any,
) -> RunResult:
    result = run(RunSpec(
        seed=1, mode="zk", shape=Shape(clients=3), duration_us=duration_us, consumer_config=config, workload=workload,
        faults=list(faults), **spec))
    assert result.crash is None, result.crash.details
    return result


def rules(result: RunResult) -> dict[str, int]:
    return {rule: count for each in result.results for rule, count in each.counts.items()}


def of(result: RunResult, f: str, type_: str = OK) -> list[Event]:
    return [event for event in result.events if event.f == f and event.type == type_]


def owners(result: RunResult) -> list[tuple[str, str | None]]:
    """(partition, consumer's client or None), in the order of the claims and releases."""
    found = [event.value for event in result.events if event.f == "partition-owned"]
    return [(value["partition"], value["owner"] and value["owner"].split("-")[0]) for value in found]


# --- groups -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("partitions", "shares"), [
    (5, [[0, 1], [2, 3], [4]]), (3, [[0], [1], [2]]), (2, [[0], [1], []]), (0, [[], [], []])])
def test_ranges_are_contiguous_and_the_first_ones_are_larger(partitions: int, shares: list[list[int]]) -> None:
    assert [list(own_range(partitions, ["a", "b", "c"], consumer)) for consumer in ("a", "b", "c")] == shares
    assert not own_range(partitions, ["a", "b"], "c")


def test_consumers_share_a_topics_partitions_and_take_over_when_one_leaves() -> None:
    result = play(IN_ZOOKEEPER, [
        create(partitions=2), operation(3 * SECOND, FIRST, "subscribe"), operation(4 * SECOND, HEIR, "subscribe"),
        operation(6 * SECOND, FIRST, "subscribe", group="other")])
    assert [event.value["assignment"] for event in of(result, "subscribe")] == [
        ["orders-0", "orders-1"], ["orders-1"], ["orders-0", "orders-1"]]
    billing = [event for event in result.events if event.f == "partition-owned" and event.key == "billing"]
    held: dict[str, str] = {}
    for event in billing:
        held[event.value["partition"]] = event.value["owner"] or ""
    assert {name: owner.split("-")[0] for name, owner in held.items()} == {
        "orders-0": "billing_client1", "orders-1": "billing_client1"}
    assert result.verdict == "valid"


@pytest.mark.parametrize(("how", "waits_us"), [("leave", (0, 100 * MS)), ("crash", (300 * MS, 2 * SECOND))])
def test_a_crashed_consumers_partitions_wait_for_its_session(how: str, waits_us: tuple[int, int]) -> None:
    result = play(IN_ZOOKEEPER, [
        create(), operation(3 * SECOND, FIRST, "subscribe"),
        operation(5 * SECOND, FIRST, "poll", group="other", restart=how)])
    claims = [event for event in result.events if event.f == "partition-owned" and event.key == "billing"]
    assert [event.value["owner"] is None for event in claims] == [False, True]
    assert waits_us[0] <= claims[1].time_us - 5 * SECOND < waits_us[1]


def test_a_consumer_whose_session_has_expired_begins_again_as_the_same_consumer() -> None:
    cut = {
        "kind": "cut-roles", "at_us": 4 * SECOND, "duration_us": 3 * SECOND, "target": {"role": "node", "id": 1001},
        "others": "zookeepers"}
    result = play(IN_ZOOKEEPER, [
        create(), produce(2500 * MS), operation(3 * SECOND, FIRST, "subscribe"), operation(9 * SECOND, FIRST, "poll")],
        (cut,))
    assert owners(result) == [("orders-0", "billing_client0"), ("orders-0", None), ("orders-0", "billing_client0")]
    claims = [event.value for event in result.events if event.f == "partition-owned" and event.value["owner"]]
    assert claims[0]["owner"] == claims[1]["owner"]
    assert claims[0]["session"] != claims[1]["session"]
    assert len(of(result, "poll")[0].value["records"]["orders-0"]) == 4


def test_a_group_waits_for_its_topic() -> None:
    result = play(IN_ZOOKEEPER, [
        {**create(), "at_us": 5 * SECOND}, operation(3 * SECOND, FIRST, "subscribe"),
        operation(7 * SECOND, FIRST, "subscribe")])
    assert [event.value["assignment"] for event in of(result, "subscribe")] == [[], ["orders-0"]]


# --- offsets ----------------------------------------------------------------------------------------------------------


def test_offsets_are_written_read_and_read_on_from() -> None:
    result = play(IN_ZOOKEEPER, [
        create(), produce(2500 * MS), operation(3 * SECOND, FIRST, "poll"),
        operation(4 * SECOND, FIRST, "commit-offsets"), operation(4500 * MS, FIRST, "commit-offsets"),
        produce(5 * SECOND), operation(6 * SECOND, FIRST, "poll", restart="leave"), final(8 * SECOND)])
    commits = of(result, "commit-offsets")
    assert [commit.value["offsets"] for commit in commits] == [{"orders-0": 4}] * 2
    (accepted,) = [event for event in result.events if event.f == "offset-commit-accepted"]
    # The second one is what the consumer knows to be there already.
    assert [commit.value["zxids"] for commit in commits] == [{"orders-0": accepted.value["zxid"]}, {}]
    assert [[offset for offset, _ in poll.value["records"]["orders-0"]] for poll in of(result, "poll")] == [
        [0, 1, 2, 3], [4, 5, 6, 7]]
    (read,) = of(result, "final-offsets")
    assert read.value["offsets"] == {"orders-0": 4}
    assert read.value["zxids"]["orders-0"] >= accepted.value["zxid"]
    assert not any(event.f in ("group-generation", "coordinator-loaded") for event in result.events)
    assert result.verdict == "valid"


PAUSE = {"kind": "pause", "at_us": 4500 * MS, "duration_us": 3500 * MS, "target": {"role": "node", "id": 1001}}
#: The first consumer has read 8 and committed 4 when it is paused, and is to commit; the second takes over.
ZOMBIE = [
    create(), produce(2500 * MS), operation(3 * SECOND, FIRST, "poll"), operation(3200 * MS, FIRST, "commit-offsets"),
    produce(3400 * MS), operation(4 * SECOND, FIRST, "poll"), operation(5 * SECOND, FIRST, "commit-offsets"),
    produce(5200 * MS), operation(6500 * MS, HEIR, "poll"), operation(7 * SECOND, HEIR, "commit-offsets"),
    operation(9 * SECOND, WRITER, "fetch-offsets", group="billing", partitions=[["orders", 0]]),
]


def test_a_zombie_overwrites_what_its_heir_has_committed() -> None:
    result = play(IN_ZOOKEEPER, ZOMBIE, (PAUSE,))
    assert rules(result) == {STALE: 1, MONOTONE: 1}
    assert owners(result) == [
        ("orders-0", "billing_client0"), ("orders-0", None), ("orders-0", "billing_client1"),
        *owners(result)[3:]]
    assert [commit.value["offsets"]["orders-0"] for commit in of(result, "commit-offsets")] == [4, 12, 8]
    assert of(result, "fetch-offsets")[0].value["offsets"] == {"orders-0": 8}
    (found,) = [v for each in result.results for v in each.violations if v.rule == MONOTONE]
    assert "committed offset 8 of orders-0" in found.message
    assert "12 was committed" in found.message
    assert found.node == 1001


def test_without_the_pause_the_first_consumer_keeps_its_partition() -> None:
    result = play(IN_ZOOKEEPER, ZOMBIE)
    assert rules(result) == {}
    assert [commit.value["offsets"]["orders-0"] for commit in of(result, "commit-offsets")] == [4, 8]


def test_fenced_offsets_refuse_the_zombie() -> None:
    result = play(FENCED, ZOMBIE, (PAUSE,))
    assert rules(result) == {}
    assert [commit.value["offsets"]["orders-0"] for commit in of(result, "commit-offsets")] == [4, 12]
    assert of(result, "fetch-offsets")[0].value["offsets"] == {"orders-0": 12}
    assert result.verdict == "valid"


def test_the_bug_is_the_setting() -> None:
    as_bug = play({}, ZOMBIE, (PAUSE,), bugs=("ZK-OFFSETS",))
    assert as_bug.digest == play(IN_ZOOKEEPER, ZOMBIE, (PAUSE,)).digest
    assert rules(as_bug) == {STALE: 1, MONOTONE: 1}


# --- dual commit ------------------------------------------------------------------------------------------------------


COMMIT_ONCE = [
    create(), produce(2500 * MS), operation(3 * SECOND, FIRST, "poll"), operation(5 * SECOND, FIRST, "commit-offsets"),
    final(9 * SECOND)]
CRASH = {
    "kind": "kill", "at_point": {"point": "consumer.commit-answered", "count": 1, "from_us": SECOND},
    "duration_us": SECOND, "target": {"role": "here"}}


def test_a_crash_between_the_two_writes_leaves_them_apart() -> None:
    result = play(DUAL, COMMIT_ONCE, (CRASH,))
    assert rules(result) == {"OffsetStoresAgree": 1}
    (read,) = of(result, "final-offsets")
    assert read.value["stores"] == {"kafka": {"orders-0": 4}, "zookeeper": {"orders-0": -1}}
    assert read.value["offsets"] == {"orders-0": 4}


def test_both_writes_are_one_commit_to_the_application() -> None:
    result = play(DUAL, COMMIT_ONCE)
    assert result.verdict == "valid"
    (commit,) = of(result, "commit-offsets")
    assert (commit.value["partition"], list(commit.value["zxids"])) == ("__consumer_offsets-1", ["orders-0"])
    (read,) = of(result, "final-offsets")
    assert read.value["stores"] == {"kafka": {"orders-0": 4}, "zookeeper": {"orders-0": 4}}


def test_dual_commit_as_a_bug() -> None:
    assert rules(play({}, COMMIT_ONCE, (CRASH,), bugs=("DUAL-COMMIT",))) == {"OffsetStoresAgree": 1}


# --- brokers ----------------------------------------------------------------------------------------------------------


def test_clients_find_brokers_in_zookeeper_and_lose_sight_of_those_that_are_gone() -> None:
    kill = {"kind": "kill", "at_us": 4 * SECOND, "duration_us": 4 * SECOND, "target": {"role": "node", "id": 2}}
    execution = Execution(RunSpec(
        seed=1, mode="zk", consumer_config=IN_ZOOKEEPER, duration_us=9 * SECOND, workload=[], faults=[kill]))
    client = execution.cluster.clients[0]
    seen = [client.bootstrap]
    for at_us in (3 * SECOND, 7500 * MS, 11 * SECOND):
        execution.run_until(at_us)
        seen.append(client.bootstrap)
    assert seen == [(), (1, 2, 3), (1, 3), (1, 2, 3)]


def test_no_operation_begins_before_a_broker_is_known() -> None:
    cut = [
        {"kind": "link", "at_us": 0, "duration_us": 5 * SECOND, "target": {"role": "node", "id": 1003},
         "other": {"role": "node", "id": server}} for server in (201, 202, 203)]
    result = play(IN_ZOOKEEPER, [create()], tuple(cut))
    assert [event.time_us > 5 * SECOND for event in of(result, "create-topic", INVOKE)] == [True]


# --- whole runs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [IN_ZOOKEEPER, FENCED, DUAL])
def test_a_seed_gives_the_same_history_again(config: dict[str, str]) -> None:
    spec = RunSpec(seed=2, mode="zk", consumer_config=config, duration_us=10 * SECOND)
    first = run(spec)
    assert not rules(first).keys() - {"OffsetStoresAgree"}
    assert run(spec).digest == first.digest
    assert of(first, "commit-offsets")


def test_the_default_is_todays_consumer() -> None:
    spec = RunSpec(seed=2, mode="zk", duration_us=5 * SECOND)
    result = run(spec)
    assert not any(event.f == "partition-owned" for event in result.events)
    asked = run(RunSpec(seed=2, mode="zk", duration_us=5 * SECOND, consumer_config={"offsets.storage": "kafka"}))
    assert asked.digest == result.digest
