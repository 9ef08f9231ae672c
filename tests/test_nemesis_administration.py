"""Operators who administrate while faults strike: by a client of their own, so that histories have their operations."""

from typing import Any

import pytest
from live_cluster import MS, SECOND, LiveCluster
from live_zk_cluster import LiveZkCluster

from fencepost.model.cluster import OPERATORS_PROCESS
from fencepost.model.kernel.randomness import Stream
from fencepost.nemesis.faults import fault_from_data, kinds_of
from fencepost.nemesis.fields import FaultError
from fencepost.nemesis.injector import Injector

Live = LiveCluster | LiveZkCluster


def strike(live: Live, *faults: dict[str, Any]) -> Injector:
    """Faults that strike now, for two seconds."""
    parsed = [
        fault_from_data({"at_us": live.cluster.now_us, "duration_us": 2 * SECOND, **fault}, "test")
        for fault in faults]
    injector = Injector(live.cluster, parsed, lambda index: Stream(1, f"fault {index}"))
    injector.start()
    live.run(MS)
    return injector


def operations(live: Live) -> list[tuple[str, str, str | None]]:
    """What the operators asked for, and how it was answered."""
    return [
        (event.type, event.f, event.key) for event in live.recorder.events
        if event.process is not None and event.process >= OPERATORS_PROCESS]


def skipped(live: Live) -> list[str | None]:
    return [event.error for event in live.recorder.events if event.type == "fault" and event.error is not None]


@pytest.fixture(params=[LiveCluster, LiveZkCluster])
def live(request: pytest.FixtureRequest) -> Live:
    cluster: Live = request.param()
    cluster.create_topic("orders")
    cluster.run(SECOND)
    return cluster


def test_a_partition_gets_the_replicas_that_are_drawn(live: Live) -> None:
    strike(live, {"kind": "reassign-partition", "partition": "orders-0"})
    live.run(2 * SECOND)
    (asked, answered) = operations(live)
    assert (asked, answered) == (("invoke", "reassign", "orders-0"), ("ok", "reassign", "orders-0"))
    wanted = next(event.value["replicas"] for event in live.recorder.events if event.f == "reassign")
    assert live.cluster.replicas_of("orders-0") == wanted


def test_the_offsets_topic_is_not_deleted() -> None:
    fault = {"kind": "delete-topic", "at_us": 0, "duration_us": 0}
    assert fault_from_data({**fault, "topic": "orders"}, "f.json").topic == "orders"
    with pytest.raises(FaultError, match=r"^f\.json: topic is __consumer_offsets: a delete-topic takes any other"):
        fault_from_data({**fault, "topic": "__consumer_offsets"}, "f.json")


def test_a_partition_that_nobody_knows_is_skipped(live: Live) -> None:
    strike(live, {"kind": "reassign-partition", "partition": "clicks-0"})
    assert skipped(live) == ["no running broker knows clicks-0"]
    assert operations(live) == []


@pytest.mark.parametrize("election", ["preferred", "unclean"])
def test_a_leader_is_elected_as_asked_for(live: Live, election: str) -> None:
    (leader,) = live.cluster.leaders_of("orders-0")
    if election == "unclean":
        others = [broker for broker in live.cluster.brokers if broker != leader]
        for broker in others:
            live.cluster.kill(broker)
        live.run(4 * SECOND)
        live.cluster.kill(leader)
        live.cluster.start_node(others[0])
        live.run(4 * SECOND)
        assert live.cluster.leaders_of("orders-0") == []
    # Operators ask any broker, and a dead one does not answer.
    strike(live, *[{"kind": "elect-leader", "partition": "orders-0", "election": election}] * 6)
    live.run(8 * SECOND)
    assert {f for _, f, _ in operations(live)} == {"elect-leader"}
    if election == "unclean":
        assert live.cluster.leaders_of("orders-0") == others[:1]


def test_topics_come_and_go(live: Live) -> None:
    strike(live, {"kind": "create-topic", "topic": "passing-a"})
    live.run(2 * SECOND)
    assert live.cluster.leaders_of("passing-a-1")
    strike(live, {"kind": "delete-topic", "topic": "passing-a"})
    live.run(3 * SECOND)
    assert not live.cluster.leaders_of("passing-a-1")
    assert [type_ for type_, _, _ in operations(live)] == ["invoke", "ok", "invoke", "ok"]


def test_a_setting_is_changed_for_a_while(live: Live) -> None:
    def value() -> Any:
        broker = next(iter(live.cluster.running_brokers().values()))
        return broker.image.config("topic", "orders", "min.insync.replicas")

    strike(live, {"kind": "alter-config", "topic": "orders", "setting": "min.insync.replicas=3"})
    live.run(SECOND)
    assert value() == "3"
    live.run(2 * SECOND)
    assert value() is None


def test_healing_deletes_the_setting_too(live: Live) -> None:
    injector = strike(live, {"kind": "alter-config", "topic": "orders", "setting": "min.insync.replicas=3"})
    injector.heal(SECOND)
    live.run(2 * SECOND)
    assert operations(live)[-1] == ("ok", "alter-config", "orders")


def test_a_broker_is_removed_and_added_again(live: Live) -> None:
    (leader,) = live.cluster.leaders_of("orders-0")
    strike(live, {"kind": "remove-broker", "target": {"role": "node", "id": leader}, "duration_us": 5 * SECOND})
    live.run(4 * SECOND)
    assert not live.cluster.is_running(leader)
    in_kraft = isinstance(live, LiveCluster)
    key = str(leader)
    assert operations(live) == [
        ("invoke", "unregister-broker", key), ("ok", "unregister-broker", key)] * in_kraft
    assert all(leader not in broker.image.brokers for broker in live.cluster.running_brokers().values())
    live.run(6 * SECOND)
    (now,) = live.cluster.leaders_of("orders-0")
    partition = live.cluster.running_brokers()[now].replica_manager.partitions["orders-0"]
    assert sorted(partition.isr) == [1, 2, 3]


def test_a_broker_that_is_unregistered_while_it_runs_finds_back_in_a_new_process() -> None:
    live = LiveCluster()
    live.create_topic()
    leader = live.leader()
    strike(live, {"kind": "unregister-broker", "target": {"role": "node", "id": leader}})
    live.run(1500 * MS)
    assert live.cluster.is_running(leader)
    assert live.leader() != leader
    assert leader not in live.replica(live.leader()).isr
    live.run(6 * SECOND)
    assert leader in live.replica(live.leader()).isr


def test_who_is_no_broker_is_not_removed(live: Live) -> None:
    client = live.cluster.client_ids[0]
    strike(live, {"kind": "remove-broker", "target": {"role": "client"}})
    assert skipped(live) == [f"node {client} is no broker"]


def test_in_zookeeper_mode_nobody_is_unregistered() -> None:
    live = LiveZkCluster()
    strike(live, {"kind": "unregister-broker", "target": {"role": "broker"}})
    assert skipped(live) == ["brokers are unregistered in KRaft mode only"]


@pytest.mark.parametrize("kind", ["add-controller", "remove-controller"])
def test_voters_are_fixed(live: Live, kind: str) -> None:
    strike(live, {"kind": kind})
    assert skipped(live) == ["the quorum's voters are fixed: KIP-853 is not modelled"]
    assert kind not in (*kinds_of("kraft"), *kinds_of("zk"))


@pytest.mark.parametrize(("fields", "message"), [
    ({"kind": "reassign-partition"}, "reassign-partition needs partition: the name of a topic-partition"),
    ({"kind": "reassign-partition", "partition": "orders"}, "partition is the name of a topic-partition"),
    ({"kind": "elect-leader", "partition": "orders-0", "election": "free"}, "election is preferred or unclean"),
    ({"kind": "create-topic", "topic": ""}, "topic is the name of a topic"),
    ({"kind": "alter-config", "topic": "orders", "setting": "retention.ms"}, "setting is name=value"),
    ({"kind": "delete-topic", "topic": "orders", "setting": "a=b"}, "delete-topic takes no setting"),
    ({"kind": "remove-broker"}, "a remove-broker needs a target"),
])
def test_a_wrong_fault_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FaultError, match=message):
        fault_from_data({"at_us": 1, "duration_us": 1, **fields}, "schedule.json")


def test_a_broker_is_added_and_given_a_replica(live: Live) -> None:
    strike(live, {"kind": "add-broker", "partition": "orders-0"})
    assert live.cluster.brokers == (1, 2, 3, 4)
    former = live.cluster.replicas_of("orders-0")
    live.run(6 * SECOND)
    assert operations(live) == [("invoke", "reassign", "orders-0"), ("ok", "reassign", "orders-0")]
    assert live.cluster.replicas_of("orders-0") == [4, *former[:2]]
    (leader,) = live.cluster.leaders_of("orders-0")
    isr = live.cluster.running_brokers()[leader].replica_manager.partitions["orders-0"].isr
    assert sorted(isr) == sorted([4, *former[:2]])


def test_a_cluster_grows_to_six_brokers() -> None:
    live = LiveCluster()
    strike(live, *[{"kind": "add-broker", "partition": "orders-0"}] * 4)
    assert live.cluster.brokers == (1, 2, 3, 4, 5, 6)
    assert skipped(live) == ["there are 6 brokers already"]
