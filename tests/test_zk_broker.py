"""A broker of ZooKeeper mode: what it takes from controllers, how it registers, what it reads from ZooKeeper."""

from typing import Any

import pytest
from live_cluster import MS, SECOND
from live_zk_cluster import LiveZkCluster

from fencepost.model import errors
from fencepost.model.metadata.image import PartitionRegistration
from fencepost.model.protocol.controller import AdminRequest
from fencepost.model.protocol.data import DescribeRequest, MetadataRequest
from fencepost.model.protocol.zk_controller import (
    EPOCH_DURING_DELETE,
    LeaderAndIsrRequest,
    StopReplicaRequest,
    StopReplicaState,
    UpdateMetadataRequest,
)

ZOMBIE = 7


@pytest.fixture
def live() -> LiveZkCluster:
    live = LiveZkCluster()
    live.create_topic()
    return live


def epochs(live: LiveZkCluster, broker: int) -> tuple[int, int]:
    """The controller epoch that the broker has obeyed, and its broker epoch."""
    return live.broker(broker).control.controller_epoch, live.broker(broker).registrar.broker_epoch


def follower(live: LiveZkCluster) -> int:
    (leader,) = live.cluster.leaders_of("orders-0")
    return next(broker for broker in live.cluster.brokers if broker != leader)


def partition_of(live: LiveZkCluster, broker: int) -> Any:
    return live.broker(broker).replica_manager.partitions["orders-0"]


# --- the whole ------------------------------------------------------------------------------------------------------


def test_a_cluster_of_one_broker_and_one_server_works() -> None:
    live = LiveZkCluster(brokers=1, zookeepers=1)
    live.create_topic()
    assert live.produce("first").error is None
    assert live.controller_id == 1


@pytest.mark.parametrize(("bugs", "error"), [((), errors.REQUEST_TIMED_OUT), (("ZK-REASSIGNMENT-END",), None)])
def test_a_leader_waits_for_who_is_in_the_isr_and_no_replica_any_more(bugs: tuple[str, ...], error: str | None) -> None:
    live = LiveZkCluster(bugs)
    live.create_topic()
    (leader,) = live.cluster.leaders_of("orders-0")
    leaving, staying = (broker for broker in (1, 2, 3) if broker != leader)
    live.cluster.kill(leaving)
    partition = partition_of(live, leader)
    partition.become_leader(PartitionRegistration(
        (leader, staying), (leader, staying, leaving), (), (), leader, partition.leader_epoch,
        partition.partition_epoch + 1, "RECOVERED", (), ()))
    assert live.produce("first").error == error


def test_brokers_replicate_and_clients_are_told(live: LiveZkCluster) -> None:
    assert live.produce("first").error is None
    live.run(SECOND)
    assert [partition_of(live, broker).log.end_offset for broker in (1, 2, 3)] == [1, 1, 1]
    told = live.ask(2, MetadataRequest())
    assert (told.brokers, told.controller_id, list(told.topics)) == ((1, 2, 3), live.controller_id, ["orders"])


def test_committed_transactions_are_told_as_metadata_once(live: LiveZkCluster) -> None:
    records = [record for event in live.observed("metadata-applied") for record in event.value["records"]]
    offsets = [offset for offset, _, _ in records]
    assert offsets == sorted(set(offsets))
    kinds = [kind for _, kind, _ in records]
    assert kinds.count("RegisterBrokerRecord") == 3
    assert kinds.count("TopicRecord") == 1


# --- guards ---------------------------------------------------------------------------------------------------------


def requests_from(live: LiveZkCluster, broker: int, controller_epoch: int, broker_epoch: int) -> list[Any]:
    """One request of each type that would do something if it were obeyed."""
    state = live.state(leader=broker, leader_epoch=99, partition_epoch=99)
    sender = (ZOMBIE, controller_epoch, broker_epoch)
    return [
        LeaderAndIsrRequest(*sender, (state,)), UpdateMetadataRequest(*sender, (state,), (broker,)),
        StopReplicaRequest(*sender, (StopReplicaState("orders", 0, EPOCH_DURING_DELETE, True),))]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_zombie_controller_is_refused(live: LiveZkCluster, index: int) -> None:
    broker = follower(live)
    known, own = epochs(live, broker)
    answer = live.ask(broker, requests_from(live, broker, known - 1, own)[index])
    assert answer.error == errors.STALE_CONTROLLER_EPOCH
    assert partition_of(live, broker).leader_epoch == 0
    assert live.broker(broker).image.controller_id != ZOMBIE
    (fenced,) = live.observed("request-fenced", broker)
    assert fenced.epochs is not None
    assert fenced.epochs["controller_epoch"] == known - 1


@pytest.mark.parametrize("index", [0, 1, 2])
def test_what_was_meant_for_the_predecessor_is_refused(live: LiveZkCluster, index: int) -> None:
    broker = follower(live)
    known, own = epochs(live, broker)
    answer = live.ask(broker, requests_from(live, broker, known + 1, own - 1)[index])
    assert answer.error == errors.STALE_BROKER_EPOCH
    assert epochs(live, broker)[0] == known


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_new_controller_is_obeyed_and_remembered(live: LiveZkCluster, index: int) -> None:
    broker = follower(live)
    known, own = epochs(live, broker)
    assert live.ask(broker, requests_from(live, broker, known + 1, own)[index]).error is None
    assert epochs(live, broker)[0] == known + 1
    (accepted,) = live.observed("request-accepted", broker, local_controller_epoch=known)
    assert accepted.epochs is not None
    assert accepted.epochs["controller_epoch"] == known + 1


@pytest.mark.parametrize(("bug", "index", "is_old_controller"), [
    ("ZOMBIE-CTRL-LEADER-AND-ISR", 0, True), ("ZOMBIE-CTRL-UPDATE-METADATA", 1, True),
    ("ZOMBIE-CTRL-STOP-REPLICA", 2, True), ("KIP-380-A-BROKER", 0, False), ("ZOMBIE-CTRL", 2, True),
])
def test_without_its_guard_it_obeys_and_says_so(bug: str, index: int, is_old_controller: bool) -> None:
    live = LiveZkCluster((bug,))
    live.create_topic()
    broker = follower(live)
    known, own = epochs(live, broker)
    old = (known - 1, own) if is_old_controller else (known, own - 1)
    assert live.ask(broker, requests_from(live, broker, *old)[index]).error is None
    (accepted,) = live.observed("request-accepted", broker, **{"from": ZOMBIE})
    name = "controller_epoch" if is_old_controller else "broker_epoch"
    assert accepted.epochs is not None
    assert accepted.epochs[name] == accepted.value[f"local_{name}"] - 1


def lead(live: LiveZkCluster, broker: int, **changes: Any) -> Any:
    request = LeaderAndIsrRequest(ZOMBIE, *epochs(live, broker), (live.state(leader=broker, **changes),))
    return live.ask(broker, request)


@pytest.mark.parametrize(("changes", "error"), [
    ({"leader_epoch": 0}, errors.STALE_CONTROLLER_EPOCH), ({"leader_epoch": -1}, errors.STALE_CONTROLLER_EPOCH),
    ({"leader_epoch": 5, "topic_id": "orders@other"}, errors.INCONSISTENT_TOPIC_ID),
    ({"leader_epoch": 5, "replicas": ()}, errors.UNKNOWN_TOPIC_OR_PARTITION),
])
def test_a_role_is_refused_partition_by_partition(live: LiveZkCluster, changes: dict[str, Any], error: str) -> None:
    broker = follower(live)
    answer = lead(live, broker, **changes)
    assert (answer.error, answer.partition_errors) == (None, ((("orders", 0), error),))
    assert partition_of(live, broker).role == "follower"


def test_a_newer_leader_epoch_is_taken(live: LiveZkCluster) -> None:
    broker = follower(live)
    assert lead(live, broker, leader_epoch=5, partition_epoch=5).partition_errors == ()
    assert (partition_of(live, broker).role, partition_of(live, broker).leader_epoch) == ("leader", 5)


def test_without_the_leader_epoch_guard_it_goes_back() -> None:
    live = LiveZkCluster(("KAFKA-1188",))
    live.create_topic()
    broker = follower(live)
    lead(live, broker, leader_epoch=5, partition_epoch=5)
    lead(live, broker, leader_epoch=4, partition_epoch=4)
    assert [event.epochs["leader_epoch"] for event in live.observed("leader-start", broker) if event.epochs] == [5, 4]


def test_stop_replica_deletes_only_in_its_epoch(live: LiveZkCluster) -> None:
    broker = follower(live)
    lead(live, broker, leader_epoch=5, partition_epoch=5)

    def stop(leader_epoch: int) -> Any:
        state = StopReplicaState("orders", 0, leader_epoch, True)
        return live.ask(broker, StopReplicaRequest(ZOMBIE, *epochs(live, broker), (state,))).partition_errors

    assert stop(4) == ((("orders", 0), errors.FENCED_LEADER_EPOCH),)
    assert stop(EPOCH_DURING_DELETE) == ()
    assert "orders-0" not in live.broker(broker).replica_manager.partitions


# --- registration ---------------------------------------------------------------------------------------------------


def test_a_quick_restart_waits_for_the_old_session(live: LiveZkCluster) -> None:
    broker = live.others[0]
    old = live.broker(broker).registrar.broker_epoch
    live.cluster.kill(broker)
    live.run(50 * MS)
    live.cluster.start_node(broker)
    live.run(SECOND // 2)
    assert live.observed("node-stopped", broker, how="shutdown"), "it ended, for its znode is another session's"
    live.run(3 * SECOND)
    assert live.broker(broker).registrar.broker_epoch > old
    assert live.broker(broker).lifecycle.state == "RUNNING"


@pytest.mark.parametrize("is_controller", [True, False])
def test_an_expired_session_brings_a_new_broker_epoch(live: LiveZkCluster, is_controller: bool) -> None:
    broker = live.controller_id if is_controller else live.others[0]
    old = live.broker(broker).registrar.broker_epoch
    assert live.cluster.expire_session(broker)
    live.run(3 * SECOND)
    assert live.broker(broker).registrar.broker_epoch > old
    assert len(live.cluster.roles()["active-controller"]) == 1
    incarnations = {event.value["incarnation_id"] for event in live.observed("broker-registered", broker)}
    assert len(incarnations) == 1, "the process is the same"


def test_a_controlled_shutdown_hands_leadership_over(live: LiveZkCluster) -> None:
    (leader,) = live.cluster.leaders_of("orders-0")
    live.cluster.shut_down(leader)
    live.run(SECOND)
    assert not live.cluster.is_running(leader)
    (heir,) = live.cluster.leaders_of("orders-0")
    assert heir != leader
    assert leader not in partition_of(live, heir).isr


# --- configurations and ACLs ----------------------------------------------------------------------------------------


def test_a_topics_configuration_is_there_from_its_first_leader_on() -> None:
    live = LiveZkCluster()
    live.create_topic(min_insync_replicas="1")
    (start,) = live.observed("leader-start")
    assert start.value["min_isr"] == 1


def test_a_change_of_configuration_reaches_every_broker(live: LiveZkCluster) -> None:
    change = {"resource_type": "topic", "resource_name": "orders", "key": "min.insync.replicas", "value": "3"}
    assert live.administer("alter-config", 3, **change).error is None
    live.run(SECOND)
    assert [live.broker(b).image.config("topic", "orders", "min.insync.replicas") for b in (1, 2, 3)] == ["3"] * 3
    assert live.ask(1, DescribeRequest("config", "topic", "orders")).entries == (("min.insync.replicas", "3"),)


def test_what_changed_while_the_session_was_gone_is_read_in_the_next(live: LiveZkCluster) -> None:
    broker = live.others[0]
    live.cluster.pause(broker)
    acl = {"principal": "User:a", "operation": "READ", "permission": "DENY", "resource_type": "topic",
           "resource_name": "orders"}
    assert live.ask(live.controller_id, AdminRequest("create-acl", acl)).error is None
    assert live.cluster.expire_session(broker)
    live.run(SECOND)
    assert not live.broker(broker).image.acls
    live.cluster.resume(broker)
    live.run(3 * SECOND)
    assert list(live.broker(broker).image.acls) == [("User:a", "READ", "DENY", "topic", "orders")]
    assert not live.broker(broker).authorizer.authorise("User:a", "READ", "topic", "orders")


def test_a_deleted_topic_is_gone_everywhere(live: LiveZkCluster) -> None:
    assert live.administer("delete-topic", name="orders").error is None
    live.run(SECOND)
    for broker in live.cluster.brokers:
        assert "orders" not in live.broker(broker).image.topics
        assert live.broker(broker).replica_manager.logged_topic_id("orders", 0) is None


def test_up_to_2_6_leaders_change_their_isr_in_zookeeper_themselves() -> None:
    live = LiveZkCluster(inter_broker_protocol_version="2.6", replica_lag_time_max_ms="600")
    live.create_topic()
    broker = follower(live)
    live.cluster.kill(broker)
    live.run(500 * MS)
    assert live.produce("while it is away").error is None
    live.cluster.start_node(broker)
    live.run(5 * SECOND)
    assert sorted(live.broker(1).image.partitions[(live.broker(1).image.topics["orders"], 0)].isr) == [1, 2, 3]
    assert live.observed("isr-changed", why="answer")
    assert not live.observed("alter-partition"), "the controller is not asked"
