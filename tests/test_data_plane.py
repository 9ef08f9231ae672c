"""The data plane against requests: replication, fencing, ISRs, truncation, idempotence; and logs by themselves."""

from typing import Any

import pytest
from kernel_nodes import two_nodes
from live_cluster import MS, SECOND, LiveCluster

from fencepost.model import errors
from fencepost.model.broker.producer_state import ProducerState
from fencepost.model.broker.replica_log import UNDEFINED, ReplicaLog
from fencepost.model.protocol.controller import AdminRequest
from fencepost.model.protocol.data import (
    FetchRequest,
    ListOffsetsRequest,
    OffsetsForLeaderEpochRequest,
    ProduceRequest,
    Record,
)


def fetch(epoch: int, offset: int = 0, replica: int = -1, **fields: Any) -> FetchRequest:
    return FetchRequest("orders", 0, None, replica, -1, epoch, offset, fields.pop("last_epoch", -1), 0, 0, 100)


@pytest.fixture
def live() -> LiveCluster:
    cluster = LiveCluster()
    cluster.create_topic()
    return cluster


def test_an_acknowledged_record_is_on_every_replica_below_the_high_watermark(live: LiveCluster) -> None:
    answer = live.produce("a", "b")
    assert (answer.error, answer.base_offset) == (None, 0)
    live.run(200 * MS)
    for broker in (1, 2, 3):
        assert live.values(broker) == ["a", "b"]
        assert live.replica(broker).high_watermark == 2


def test_acks_all_is_refused_before_the_append_when_the_isr_is_too_small(live: LiveCluster) -> None:
    leader = live.leader()
    for broker in (1, 2, 3):
        if broker != leader:
            live.cluster.kill(broker)
    live.run(3 * SECOND)
    assert live.replica(leader).isr == (leader,)
    assert live.produce("x").error == errors.NOT_ENOUGH_REPLICAS
    assert live.values(leader) == []
    assert live.produce("y", acks=1).error is None, "acks=1 asks for nobody else"


@pytest.mark.parametrize(("shift", "error"), [
    (-1, errors.FENCED_LEADER_EPOCH), (0, None), (1, errors.UNKNOWN_LEADER_EPOCH)])
def test_fetches_are_fenced_by_leader_epoch(live: LiveCluster, shift: int, error: str | None) -> None:
    live.cluster.kill(live.leader())
    live.run(2 * SECOND)
    epoch = live.replica(live.leader()).leader_epoch
    assert epoch > 0
    assert live.ask(live.leader(), fetch(epoch + shift)).error == error
    assert live.ask(live.leader(), fetch(-1)).error is None, "no epoch, no check"


def test_the_topic_id_is_looked_at_before_the_epoch(live: LiveCluster) -> None:
    """Else a follower of a topic that was created anew would be fenced for good by a leader that has the old one."""
    live.create_topic("payments")
    payments = live.replica(live.leader("payments-0"), "payments-0").topic_id
    wrong = {payments: errors.INCONSISTENT_TOPIC_ID, "orders@another": errors.UNKNOWN_TOPIC_ID}
    for topic_id, error in wrong.items():
        for epoch in (0, 7):
            request = fetch(epoch)
            request.topic_id = topic_id
            assert live.ask(live.leader(), request).error == error


def test_without_the_fencing_an_old_epoch_is_served_and_leaves_evidence() -> None:
    live = LiveCluster(bugs=("KAFKA-7395",))
    live.create_topic()
    live.cluster.kill(live.leader())
    live.run(2 * SECOND)
    assert live.ask(live.leader(), fetch(0)).error is None
    assert live.events("request-accepted")[-1].value["local_leader_epoch"] > 0


def test_only_the_leader_serves(live: LiveCluster) -> None:
    follower = next(broker for broker in (1, 2, 3) if broker != live.leader())
    assert live.ask(follower, fetch(0)).error == errors.NOT_LEADER_OR_FOLLOWER
    assert live.ask(follower, ProduceRequest("orders", 0, ("x",), 1, SECOND)).error == errors.NOT_LEADER_OR_FOLLOWER
    assert live.ask(follower, ListOffsetsRequest("orders", 0, -1)).error == errors.NOT_LEADER_OR_FOLLOWER
    unknown = ProduceRequest("nothing", 0, ("x",), 1, SECOND)
    assert live.ask(follower, unknown).error == errors.UNKNOWN_TOPIC_OR_PARTITION


def test_who_has_no_replica_says_whether_others_have_one(live: LiveCluster) -> None:
    arguments = {"name": "elsewhere", "assignments": [[1, 2]], "configs": {}}
    assert live.ask(1, AdminRequest("create-topic", arguments)).error is None
    live.run(200 * MS)
    for topic, error in (
        ("elsewhere", errors.NOT_LEADER_OR_FOLLOWER), ("nowhere", errors.UNKNOWN_TOPIC_OR_PARTITION),
    ):
        for request in (
            ProduceRequest(topic, 0, ("x",), 1, SECOND), ListOffsetsRequest(topic, 0, -1),
            OffsetsForLeaderEpochRequest(topic, 0, -1, -1, 0),
            FetchRequest(topic, 0, None, -1, -1, -1, 0, -1, 0, 0, 100),
        ):
            assert live.ask(3, request).error == error


@pytest.mark.parametrize(("epoch", "error"), [
    (0, errors.UNKNOWN_LEADER_EPOCH), (-1, errors.NOT_LEADER_OR_FOLLOWER)])
def test_who_is_no_replica_cannot_follow(live: LiveCluster, epoch: int, error: str) -> None:
    partition = live.replica(live.leader())
    assert partition.fetch(fetch(epoch, replica=7)).error == error


def test_a_follower_learns_of_the_high_watermark_that_its_fetch_moves_with_the_next_one(live: LiveCluster) -> None:
    leader = live.leader()
    follower, other = (broker for broker in (1, 2, 3) if broker != leader)
    for broker in (follower, other):
        live.cluster.pause(broker)
    live.produce("a", acks=1)
    partition = live.replica(leader)
    partition.fetch(fetch(0, 1, other))
    assert [partition.fetch(fetch(0, 1, follower)).high_watermark for _ in range(2)] == [0, 1]


def test_an_incarnation_that_was_replaced_is_refused_only_where_its_fetch_would_count(live: LiveCluster) -> None:
    leader = live.leader()
    follower = next(broker for broker in (1, 2, 3) if broker != leader)
    partition = live.replica(leader)
    stale = fetch(0, 0, follower)
    stale.replica_epoch = 0
    assert partition.fetch(stale).error == errors.NOT_LEADER_OR_FOLLOWER
    assert partition.fetch(stale, count=False).error is None


def test_consumers_read_below_the_high_watermark_only(live: LiveCluster) -> None:
    live.produce("a")
    leader = live.leader()
    for broker in (1, 2, 3):
        if broker != leader:
            live.cluster.cut(leader, broker)
    live.produce("b", acks=1)
    answer = live.ask(leader, fetch(-1))
    assert [record.value for record in answer.records] == ["a"]
    assert live.values(leader) == ["a", "b"]


def test_the_isr_shrinks_without_a_follower_and_grows_when_it_has_caught_up(live: LiveCluster) -> None:
    leader = live.leader()
    follower = next(broker for broker in (1, 2, 3) if broker != leader)
    for other in (1, 2, 3):
        live.cluster.cut(follower, other)
    live.produce("a", acks=1)
    live.run(6 * SECOND)
    assert follower not in live.replica(leader).isr
    assert live.produce("b").error is None
    live.cluster.heal_network()
    live.run(3 * SECOND)
    assert sorted(live.replica(leader).isr) == [1, 2, 3]
    assert live.values(follower) == ["a", "b"]


def test_a_new_leader_keeps_what_was_acknowledged_and_the_old_one_drops_what_was_not(live: LiveCluster) -> None:
    old = live.leader()
    live.produce("committed")
    for other in (1, 2, 3, 101, 102, 103):
        if other != old:
            live.cluster.cut(old, other)
            live.cluster.cut(other, old)
    live.ask(old, ProduceRequest("orders", 0, ("lost",), 1, SECOND))
    live.run(3 * SECOND)
    (new,) = [broker for broker in live.cluster.leaders_of("orders-0") if broker != old]
    answer = live.ask(new, ProduceRequest("orders", 0, ("kept",), -1, SECOND))
    assert answer.error is None
    live.cluster.heal_network()
    live.run(3 * SECOND)
    assert [live.values(broker) for broker in (1, 2, 3)] == [["committed", "kept"]] * 3
    truncation = live.events("log-truncate")[-1]
    assert (truncation.node, truncation.value["end_offset"], truncation.value["old_end_offset"]) == (old, 1, 2)


def test_a_power_cut_costs_the_tail_and_the_replica_fetches_it_again(live: LiveCluster) -> None:
    live.produce("a", "b", "c")
    follower = next(broker for broker in (1, 2, 3) if broker != live.leader())
    live.cluster.power_off(follower)
    assert any(event.node == follower and str(event.key).startswith("orders-0/") for event in live.events("disk-lost"))
    live.cluster.start_node(follower)
    live.run(3 * SECOND)
    assert live.values(follower) == ["a", "b", "c"]
    assert sorted(live.replica(live.leader()).isr) == [1, 2, 3]


def test_an_idempotent_batch_is_written_once_and_its_sequence_must_follow(live: LiveCluster) -> None:
    producer = {"producer_id": 7, "producer_epoch": 1}
    first = live.produce("a", "b", base_sequence=0, **producer)
    again = live.produce("a", "b", base_sequence=0, **producer)
    assert (first.base_offset, again.base_offset, again.error) == (0, 0, None)
    assert live.produce("d", base_sequence=3, **producer).error == errors.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert live.produce("c", base_sequence=2, **producer).error is None
    old = live.produce("z", base_sequence=3, producer_id=7, producer_epoch=0)
    assert old.error == errors.INVALID_PRODUCER_EPOCH
    live.run(100 * MS)
    assert live.values(live.leader()) == ["a", "b", "c"]


def test_what_a_new_leader_knows_of_producers_comes_from_its_log(live: LiveCluster) -> None:
    live.produce("a", producer_id=7, producer_epoch=0, base_sequence=0)
    live.cluster.kill(live.leader())
    live.run(3 * SECOND)
    again = live.produce("a", producer_id=7, producer_epoch=0, base_sequence=0)
    assert (again.error, again.base_offset) == (None, 0)


def test_a_fetch_that_diverges_says_where_and_counts_only_with_the_bug() -> None:
    for bugs, counted in (((), False), (("KAFKA-13141",), True)):
        live = LiveCluster(bugs=bugs)
        live.create_topic()
        live.cluster.kill(live.leader())
        live.run(2 * SECOND)
        leader = live.leader()
        partition = live.replica(leader)
        live.produce("a", acks=1)
        follower = next(broker for broker in partition.followers if live.cluster.is_running(broker))
        partition.followers[follower].end_offset = 0
        answer = partition.fetch(fetch(partition.leader_epoch, offset=9, replica=follower, last_epoch=0))
        assert answer.diverging == (0, 0)
        assert (partition.followers[follower].end_offset == 9) is counted


# --- logs and producers by themselves ---------------------------------------------------------------------------------


def log_of(*epochs: int) -> ReplicaLog:
    log = ReplicaLog(two_nodes()[2], "orders-0/id")
    for offset, epoch in enumerate(epochs):
        log.append(Record(offset, epoch, None, f"r{offset}"))
    return log


@pytest.mark.parametrize(("asked", "answer"), [
    (0, (0, 1)), (1, (1, 2)), (2, (1, 2)), (3, (3, 5)), (4, UNDEFINED), (-1, UNDEFINED)])
def test_the_end_of_an_epoch(asked: int, answer: tuple[int, int]) -> None:
    assert log_of(1, 1, 3, 3, 3).end_offset_for_epoch(asked) == (answer if asked else (0, 0))


def test_a_leader_notes_its_epoch_even_without_a_record() -> None:
    log = log_of(1, 1)
    log.assign_epoch(4, 2)
    assert (log.latest_epoch, log.end_offset_for_epoch(1), log.end_offset_for_epoch(4)) == (4, (1, 2), (4, 2))
    log.truncate_to(2)
    assert log.latest_epoch == 1, "a truncation to the end drops an epoch that began there"


def test_truncating_takes_epochs_with_it() -> None:
    log = log_of(1, 2, 2, 5)
    log.truncate_to(1)
    assert (log.end_offset, log.epochs) == (1, [(1, 0)])


def test_a_log_that_goes_back_to_older_epochs_keeps_its_cache_ascending() -> None:
    log = log_of(1, 1)
    log.assign_epoch(4, 2)
    log.append(Record(2, 1, None, "of the leader before"))
    assert log.epochs == [(1, 2)]
    log.append(Record(3, 5, None, "of a later one"))
    assert log.epochs == [(1, 2), (5, 3)]


def test_an_epoch_that_was_cut_off_when_the_log_was_opened_does_not_come_back() -> None:
    node = two_nodes()[2]
    log = ReplicaLog(node, "orders-0/id")
    log.append(Record(0, 1, None, "r0"))
    log.assign_epoch(4, 1)
    opened = ReplicaLog(node, "orders-0/id")
    assert opened.epochs == [(1, 0)]
    opened.append(Record(1, 1, None, "r1"))
    opened.append(Record(2, 1, None, "r2"))
    assert ReplicaLog(node, "orders-0/id").epochs == [(1, 0)]


def test_a_producer_state_rebuilt_from_the_log_knows_the_same() -> None:
    records = [Record(offset, 0, None, "v", 7, 0, offset) for offset in range(4)]
    learnt, rebuilt = ProducerState(), ProducerState()
    for record in records:
        learnt.learn(record)
    rebuilt.rebuild(records)
    next_batch = ProduceRequest("t", 0, ("x",), -1, 1, "User:x", 7, 0, 4)
    gap = ProduceRequest("t", 0, ("x",), -1, 1, "User:x", 7, 0, 6)
    duplicate = ProduceRequest("t", 0, ("x", "y"), -1, 1, "User:x", 7, 0, 2)
    for state in (learnt, rebuilt):
        assert state.refusal(next_batch) is None
        assert state.refusal(gap) == errors.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert state.duplicate_of(duplicate) == 2
        assert state.duplicate_of(next_batch) is None
