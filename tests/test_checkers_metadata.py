"""Rules about controllers, fencing and committed metadata: each fires on a guilty history, and on no innocent one."""

from typing import Any

import pytest
from written_history import WrittenHistory

REGISTRATION = {"in_controlled_shutdown": False, "fenced": True}


def register(broker: int, incarnation: str, epoch: int) -> tuple[str, dict]:
    return "RegisterBrokerRecord", {
        "broker_id": broker, "incarnation_id": incarnation, "broker_epoch": epoch, **REGISTRATION}


def topic(name: str, topic_id: str) -> tuple[str, dict]:
    return "TopicRecord", {"name": name, "topic_id": topic_id}


def partition(topic_id: str, leader_epoch: int = 0, partition_epoch: int = 0) -> tuple[str, dict]:
    return "PartitionRecord", {
        "topic_id": topic_id, "partition": 0, "replicas": [11, 12], "isr": [11, 12], "leader": 11,
        "leader_epoch": leader_epoch, "partition_epoch": partition_epoch}


def committed(*records: tuple[str, dict]) -> WrittenHistory:
    """The records are committed one by one, from offset 1 on, and applied by controller 1 and then by 2."""
    history = WrittenHistory()
    history.commit(100)
    for node in (1, 2):
        for offset, record in enumerate(records, 1):
            history.applied(node, offset + 1, f"image {offset}", (offset, *record))
    return history


def claim(history: WrittenHistory, node: int, epoch: int, next_offset: int = 10) -> None:
    value = {"next_offset": next_offset, "epoch_start_offset": 9}
    history.observe("controller-claimed", node, value, controller_epoch=epoch)


def write(history: WrittenHistory, node: int, epoch: int) -> None:
    value = {"base_offset": 10, "end_offset": 11, "records": [["TopicRecord", {}]]}
    history.observe("metadata-write", node, value, controller_epoch=epoch)


# --- SingleControllerPerEpoch, ControllerStateIsPrefix ----------------------------------------------------------------


def test_two_controllers_of_one_epoch():
    history = WrittenHistory()
    for node in (1, 2):
        history.state(node, "leader", 3 + node)
    claim(history, 1, 4)
    write(history, 2, 4)
    (violation,) = history.violations("SingleControllerPerEpoch")
    assert violation.node == 2
    assert "wrote metadata under controller epoch 4, under which node 1 had acted" in violation.message


def test_a_controller_that_claims_an_epoch_won_before_its_restart():
    history = WrittenHistory()
    history.state(1, "leader", 4)
    history.start(1)
    claim(history, 1, 4)
    assert history.rules() == ["SingleControllerPerEpoch"]


def test_controllers_of_their_own_epochs_and_a_late_claim_are_no_offence():
    history = WrittenHistory()
    history.state(1, "leader", 4)
    history.state(2, "leader", 5)
    claim(history, 2, 5)
    history.state(1, "leader", 6)
    claim(history, 1, 4)
    write(history, 1, 4)
    write(history, 2, 5)
    assert history.rules() == []


@pytest.mark.parametrize(("next_offset", "rules"), [(9, ["ControllerStateIsPrefix"]), (10, [])])
def test_a_controller_claims_once_its_state_has_reached_its_epoch(next_offset, rules):
    history = WrittenHistory()
    history.state(1, "leader", 4)
    claim(history, 1, 4, next_offset)
    assert history.rules() == rules


# --- EpochFencing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sent", "own", "rules"),
    [
        ("leader_epoch", 1, 3, ["EpochFencing"]), ("leader_epoch", 4, 3, ["EpochFencing"]), ("leader_epoch", 3, 3, []),
        ("leader_epoch", -1, 3, []), ("broker_epoch", 1, 3, ["EpochFencing"]), ("broker_epoch", 4, 3, []),
    ],
)
def test_a_request_under_other_epochs_than_the_receivers(name, sent, own, rules):
    history = WrittenHistory()
    value = {"topic_id": "t", "request": "Fetch", "from": 12, f"local_{name}": own}
    history.observe("request-accepted", 11, value, key="orders-0", **{name: sent})
    assert history.rules() == rules


def alter_partition(history: WrittenHistory, error: str | None = None, **changes: int) -> None:
    epochs = {
        "leader_epoch": 2, "partition_epoch": 7, "broker_epoch": 50, "current_leader_epoch": 2,
        "current_partition_epoch": 7, "current_broker_epoch": 50, **changes,
    }
    value = {"topic_id": "t", "broker": 11, "isr": [11, 12], "broker_epochs": [50, 60]}
    history.observe("alter-partition", 1, value, key="orders-0", error=error, **epochs)


@pytest.mark.parametrize(
    ("changes", "rules"),
    [
        ({}, []), ({"leader_epoch": 1}, ["EpochFencing"]), ({"broker_epoch": 49}, ["EpochFencing"]),
        ({"partition_epoch": 6}, ["PartitionEpochMonotone"]),
    ],
)
def test_an_accepted_isr_change_names_the_current_epochs(changes, rules):
    history = WrittenHistory()
    alter_partition(history, **changes)
    assert history.rules() == rules


def test_a_refused_isr_change_may_name_any_epochs():
    history = WrittenHistory()
    alter_partition(history, error="FENCED_LEADER_EPOCH", leader_epoch=1, partition_epoch=1, broker_epoch=1)
    assert history.rules() == []


@pytest.mark.parametrize(("registered", "rules"), [(60, []), (61, ["EpochFencing"])])
def test_an_isr_member_of_an_earlier_incarnation(registered, rules):
    history = WrittenHistory()
    history.commit(100)
    history.applied(1, registered + 1, "image", (registered, *register(12, "b", registered)))
    alter_partition(history)
    assert history.rules() == rules


@pytest.mark.parametrize(("error", "rules"), [(None, ["EpochFencing"]), ("STALE_BROKER_EPOCH", [])])
def test_a_heartbeat_of_another_incarnation(error, rules):
    history = WrittenHistory()
    history.observe(
        "broker-heartbeat", 1, {"broker": 11}, error=error, broker_epoch=40, current_broker_epoch=50)
    assert history.rules() == rules


def follower_start(history: WrittenHistory, topic_id: str, leader_epoch: int, partition_epoch: int) -> None:
    value = {"topic_id": topic_id, "leader": 12, "end_offset": 0, "high_watermark": 0}
    history.observe(
        "follower-start", 11, value, key="orders-0", leader_epoch=leader_epoch, partition_epoch=partition_epoch)


def test_a_broker_that_goes_back_to_an_earlier_leader_epoch():
    history = WrittenHistory()
    follower_start(history, "t", 5, 8)
    follower_start(history, "t", 4, 9)
    (violation,) = history.violations("LeaderEpochMonotone")
    assert "went back to leader epoch 4 of orders-0 (follower-start), after it had applied 5" in violation.message


def test_epochs_begin_anew_with_a_restart_or_a_new_topic():
    history = WrittenHistory()
    follower_start(history, "t", 5, 8)
    follower_start(history, "u", 0, 0)
    history.start(11)
    follower_start(history, "t", 4, 7)
    assert history.rules() == []


@pytest.mark.parametrize(("opened", "rules"), [(False, ["LeaderEpochMonotone"]), (True, [])])
def test_a_role_is_taken_once_in_a_leader_epoch_unless_the_partition_is_opened_anew(opened, rules):
    history = WrittenHistory()
    follower_start(history, "t", 5, 8)
    if opened:
        history.observe("log-opened", 11, {"topic_id": "t"}, key="orders-0")
    follower_start(history, "t", 5, 8)
    assert history.rules() == rules


def order(history: WrittenHistory, broker_epoch: int, controller_epoch: int = 4, **value: Any) -> None:
    """Broker 11, registered under 50, obeys node 1, whose office was the newest that it knew of."""
    history.observe(
        "request-accepted", 11,
        {"request": "UpdateMetadata", "from": 1, "local_controller_epoch": 4, "local_broker_epoch": 50, **value},
        broker_epoch=broker_epoch, controller_epoch=controller_epoch)


@pytest.mark.parametrize(("broker_epoch", "listed", "rules"), [
    (-1, 40, ["EpochFencing"]), (-1, 50, []), (-1, None, []), (50, 40, []),
])
def test_an_order_without_a_broker_epoch_is_meant_for_the_incarnation_that_its_sender_knows(
    broker_epoch, listed, rules
):
    history = WrittenHistory(mode="zk")
    brokers = [[11, listed]] if listed is not None else []
    history.observe("broker-list", 1, {"brokers": brokers, "dead": [], "bounced": []}, controller_epoch=4)
    order(history, broker_epoch)
    assert history.rules() == rules


@pytest.mark.parametrize(("changed", "words"), [
    ([["orders-0", [2, 7], [1, 6]]],
     "it takes 1 (leader epoch 6) for the leader of orders-0, where it knew of 2 (leader epoch 7)."),
    ([["controller", [2], [1]], ["orders-0", None, [-1, 6]]],
     "it takes 1 for the active controller, no longer 2; it takes nobody (leader epoch 6) for the leader of orders-0."),
    ([[f"orders-{index}", [2, 7], None] for index in range(5)],
     "orders-0 is gone there; orders-1 is gone there; orders-2 is gone there; 2 more changes."),
    ([], "nothing."),
])
def test_what_a_zombies_order_did_is_told(changed, words):
    history = WrittenHistory(mode="zk")
    history.observe("controller-claimed", 1, {"epoch_start_offset": 1, "next_offset": 2}, controller_epoch=3)
    order(history, 50, controller_epoch=3, changed=changed)
    (violation,) = history.violations("EpochFencing")
    assert violation.message.endswith(f"It must be refused. What came of it: {words}")
    assert violation.events == (0, 1)


def test_a_controller_that_writes_under_an_earlier_epoch():
    history = WrittenHistory()
    write(history, 1, 5)
    write(history, 1, 4)
    assert history.rules() == ["EpochFencing"]


def test_a_broker_whose_epoch_falls_within_a_process():
    history = WrittenHistory()
    for epoch in (-1, 50, 40):
        history.observe("broker-state", 11, {"state": "RUNNING", "incarnation_id": "a"}, broker_epoch=epoch)
    assert history.rules() == ["EpochFencing"]


# --- StateMachineDeterminism, MetadataLogMatching ---------------------------------------------------------------------


def test_two_images_at_one_offset():
    history = WrittenHistory()
    history.commit(100)
    history.applied(1, 10, "image")
    history.applied(11, 10, "another", role="broker")
    (violation,) = history.violations("StateMachineDeterminism")
    assert violation.node == 11
    assert "the controller of node 1 had the image image there" in violation.message


def test_equal_images_at_equal_offsets_are_no_offence():
    history = WrittenHistory()
    history.commit(100)
    history.applied(1, 10, "image")
    history.applied(1, 11, "later")
    history.applied(11, 10, "image", role="broker")
    assert history.rules() == []


def test_batches_of_two_epochs_at_one_offset():
    history = WrittenHistory()
    history.commit(100)
    history.applied(1, 10, "image", epoch=1)
    history.applied(2, 10, "image", epoch=2)
    assert history.rules() == ["MetadataLogMatching"]


def test_metadata_applied_twice():
    history = WrittenHistory()
    history.commit(100)
    history.applied(1, 10, "image")
    history.applied(1, 10, "image")
    assert history.rules() == ["MetadataLogMatching"]


def test_metadata_applied_again_after_a_restart_or_in_the_other_role_is_no_offence():
    history = WrittenHistory()
    history.commit(100)
    history.applied(1, 10, "image")
    history.applied(1, 10, "image", role="broker")
    history.start(1)
    history.applied(1, 10, "image")
    assert history.rules() == []


@pytest.mark.parametrize(("end", "rules"), [(100, []), (101, ["MetadataLogMatching"])])
def test_metadata_applied_before_it_is_committed(end, rules):
    history = WrittenHistory()
    history.commit(100)
    history.applied(1, end, "image")
    assert history.rules() == rules


# --- BrokerEpochUnique, BrokerEpochOnlyOnRestart ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("records", "rules"),
    [
        ([register(11, "a", 1), register(12, "b", 1)], ["BrokerEpochUnique"]),
        ([register(11, "a", 2), register(11, "b", 1)], ["BrokerEpochUnique"]),
        ([register(11, "a", 1), register(11, "a", 2)], ["BrokerEpochOnlyOnRestart"]),
        ([register(11, "a", 1), register(11, "a", 1)], []),
        ([register(11, "a", 1), register(12, "b", 2), register(11, "c", 3)], []),
    ],
)
def test_broker_epochs_in_committed_registrations(records, rules):
    assert committed(*records).rules() == rules


@pytest.mark.parametrize(
    ("previous", "epoch", "error", "rules"),
    [
        ("a", 60, None, ["BrokerEpochOnlyOnRestart"]), ("a", 50, None, []), ("b", 60, None, []),
        ("a", -1, "DUPLICATE_BROKER_REGISTRATION", []),
    ],
)
def test_a_registration_of_the_same_incarnation(previous, epoch, error, rules):
    history = WrittenHistory()
    value = {"broker": 11, "incarnation_id": "a", "previous_incarnation_id": previous, "previous_fenced": False}
    history.observe(
        "broker-registration", 1, value, error=error, broker_epoch=epoch, previous_broker_epoch=50)
    assert history.rules() == rules


# --- PartitionEpochMonotone, TopicIdConsistency -----------------------------------------------------------------------

REMOVE = ("RemoveTopicRecord", {"topic_id": "t"})
CHANGE = ("PartitionChangeRecord", {"topic_id": "t", "partition": 0, "isr": [11], "leader": 11})


@pytest.mark.parametrize(
    ("records", "rules"),
    [
        ([topic("orders", "t"), partition("t"), CHANGE, partition("t", 1, 0)], ["PartitionEpochMonotone"]),
        ([topic("orders", "t"), partition("t"), CHANGE, partition("t", 1, 1)], []),
        ([topic("orders", "t"), topic("orders", "u")], ["TopicIdConsistency"]),
        ([topic("orders", "t"), topic("clicks", "t")], ["TopicIdConsistency"]),
        ([topic("orders", "t"), REMOVE, topic("orders", "t")], ["TopicIdConsistency"]),
        ([topic("orders", "t"), REMOVE, topic("orders", "u")], []),
        ([REMOVE], ["TopicIdConsistency"]),
        ([partition("t")], ["TopicIdConsistency"]),
        ([topic("orders", "t"), CHANGE], ["TopicIdConsistency"]),
        ([topic("orders", "t"), topic("clicks", "u"), partition("t"), partition("u"), CHANGE], []),
    ],
)
def test_topics_and_partitions_in_committed_records(records, rules):
    assert committed(*records).rules() == rules
