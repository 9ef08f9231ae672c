"""The controller's event queue: optimistic state, deferred answers, taking and leaving office, snapshots."""

from dataclasses import replace

from controller_node import A_MOMENT_US, CONFIG, ControllerWorld

from fencepost.model import errors
from fencepost.model.controller.quorum_controller import QuorumController
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.metadata.records import FeatureLevelRecord, NoOpRecord, PartitionChangeRecord, TopicRecord
from fencepost.model.protocol.controller import (
    AdminRequest,
    AllocateProducerIdsRequest,
    BrokerRegistrationRequest,
    EnvelopeRequest,
)
from fencepost.model.protocol.raft import Batch, SnapshotId


def create(topic: str) -> EnvelopeRequest:
    return EnvelopeRequest(1, AdminRequest("create-topic", {"name": topic, "assignments": [[1]]}))


def test_a_standby_answers_not_controller() -> None:
    world = ControllerWorld(active=False)
    assert world.register(1).error == errors.NOT_CONTROLLER
    assert not world.controller.is_active


def test_claim_writes_the_bootstrap_records_once() -> None:
    world = ControllerWorld()
    first = [record for batch in world.raft.batches for record in batch.records]
    assert any(isinstance(record, FeatureLevelRecord) for record in first)
    world.raft.elect(None, 2)
    world.raft.elect(101, 3)
    world.settle()
    assert world.controller.is_active
    records = [record for batch in world.raft.batches for record in batch.records]
    assert sum(isinstance(record, FeatureLevelRecord) for record in records) == 1


def test_claim_observes_what_it_had_applied() -> None:
    world = ControllerWorld()
    claimed = world.observed("controller-claimed")[0]
    assert claimed.epochs == {"controller_epoch": 1}
    assert claimed.value == {"next_offset": 1, "epoch_start_offset": 0}


def test_an_answer_waits_until_its_records_are_committed() -> None:
    world = ControllerWorld()
    reply = world.send(BrokerRegistrationRequest(1, "1-a"))
    world.pass_time()
    assert 1 in world.controller.image.brokers
    assert not reply.responses
    world.settle()
    assert reply.response.error is None


def test_a_read_waits_for_what_it_saw_uncommitted() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    first = world.send(create("orders"))
    second = world.send(create("orders"))
    world.pass_time()
    assert not first.responses
    assert not second.responses
    world.settle()
    assert first.response.error is None
    assert second.response.error == errors.TOPIC_ALREADY_EXISTS


def test_a_read_with_nothing_pending_is_answered_at_once() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    world.create_topic(1)
    reply = world.send(create("orders"))
    world.pass_time()
    assert reply.response.error == errors.TOPIC_ALREADY_EXISTS


def test_a_controller_that_does_not_wait_shows_what_never_came_to_be() -> None:
    class AnswersFromUncommittedState(QuorumController):
        def must_wait_for_pending(self) -> bool:
            return False

    world = ControllerWorld(patches=(AnswersFromUncommittedState,))
    world.start_brokers(1)
    world.send(create("orders"))
    read = world.send(create("orders"))
    world.pass_time()
    world.raft.elect(102, 2)
    world.settle()
    assert read.response.error == errors.TOPIC_ALREADY_EXISTS
    assert "orders" not in world.controller.image.topics


def test_a_refusal_as_a_whole_does_not_wait() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    pending = world.send(create("orders"))
    stale = world.send(AllocateProducerIdsRequest(1, 999))
    world.pass_time()
    assert not pending.responses
    assert stale.response.error == errors.STALE_BROKER_EPOCH


def test_losing_the_leadership_reverts_and_answers_not_controller() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    before, end = world.controller.image.digest, world.raft.next_offset
    reply = world.send(create("orders"))
    world.pass_time()
    assert world.controller.image.digest != before
    world.raft.elect(102, 2)
    world.pass_time()
    assert reply.response.error == errors.NOT_CONTROLLER
    assert world.controller.image.digest == before
    assert world.observed("controller-renounced")[-1].value == {"reverted_to": end}
    assert world.controller.image.next_offset == world.raft.next_offset


def test_a_deferred_write_that_was_answered_not_controller_may_still_commit() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    reply = world.send(create("orders"))
    world.pass_time()
    world.raft.elect(102, 2, keep_uncommitted=True)
    world.pass_time()
    assert reply.response.error == errors.NOT_CONTROLLER
    assert "orders" in world.controller.image.topics
    assert not world.controller.is_active


def test_a_refused_append_makes_it_renounce() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    world.raft.depose_quietly()
    before = world.controller.image.digest
    reply = world.send(create("orders"))
    world.pass_time()
    assert reply.response.error == errors.NOT_CONTROLLER
    assert not world.controller.is_active
    assert world.raft.resigned == [1]
    assert world.controller.image.digest == before


def test_a_deposed_controller_that_does_not_know_answers_reads() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    world.create_topic(1)
    world.raft.depose_quietly()
    reply = world.send(create("orders"))
    world.pass_time()
    assert reply.response.error == errors.TOPIC_ALREADY_EXISTS
    assert world.controller.is_active


def test_noops_are_written_while_active_only_and_are_not_observed() -> None:
    world = ControllerWorld(replace(CONFIG, metadata_max_idle_interval_us=500_000))
    writes = len(world.observed("metadata-write"))
    for _ in range(5):
        world.pass_time(500_000)
        world.settle()
    written = sum(isinstance(batch.records[0], NoOpRecord) for batch in world.raft.batches)
    assert written in (4, 5)
    assert len(world.observed("metadata-write")) == writes
    world.raft.elect(102, 2)
    end = world.raft.next_offset
    world.pass_time(5_000_000)
    assert world.raft.next_offset == end


def test_committed_digests_agree_with_a_standby() -> None:
    world = ControllerWorld()
    world.start_brokers(1, 2)
    world.send(create("orders"))
    world.send(create("payments"))
    world.pass_time()
    world.raft.commit(1)
    world.pass_time()
    world.settle()
    image = MetadataImage()
    expected = {}
    for batch in world.raft.batches:
        for offset, record in enumerate(batch.records, batch.base_offset):
            image.apply(record, offset)
        expected[batch.end_offset] = image.digest
    applied = world.observed("metadata-applied")
    assert applied
    for event in applied:
        assert event.value["digest"] == expected[event.value["end_offset"]]


def test_a_snapshot_holds_only_what_is_committed() -> None:
    world = ControllerWorld(replace(CONFIG, metadata_log_max_record_bytes_between_snapshots=3 * 64))
    world.start_brokers(1)
    snapshots = len(world.raft.snapshots)
    world.send(create("orders"))
    world.send(create("payments"))
    world.pass_time()
    world.raft.commit(1)
    world.pass_time()
    world.raft.commit(1)
    world.pass_time()
    for snapshot_id, entries, digest in world.raft.snapshots:
        image = MetadataImage()
        for batch in world.raft.batches:
            if batch.end_offset <= snapshot_id.end_offset:
                for offset, record in enumerate(batch.records, batch.base_offset):
                    image.apply(record, offset)
        assert entries == image.entries()
        assert digest == image.digest
    assert len(world.raft.snapshots) > snapshots


def test_a_standby_becomes_what_a_snapshot_holds() -> None:
    world = ControllerWorld(active=False)
    image = MetadataImage()
    image.apply(TopicRecord("orders", "orders@0"), 0)
    world.controller.handle_load_snapshot(SnapshotId(7, 3), image.entries())
    world.pass_time()
    assert world.controller.image.digest == image.digest
    assert world.controller.describe()["metadata"] == {"offset": 7, "digest": image.digest}
    assert world.observed("raft-snapshot-loaded")[0].value["state"] == "follower"


def test_an_active_controller_that_is_given_a_snapshot_ends() -> None:
    world = ControllerWorld()
    world.controller.handle_load_snapshot(SnapshotId(7, 3), ())
    world.pass_time()
    assert not world.node.running
    assert world.observed("raft-snapshot-loaded")[0].value["state"] == "leader"
    assert "given" in world.observed("controller-fatal")[0].value["reason"]


def test_a_standby_that_is_given_a_record_without_its_topic_ends() -> None:
    world = ControllerWorld(active=False)
    record = PartitionChangeRecord("orders@0", 0, leader=1)
    world.controller.handle_commit((Batch(7, 3, (record,), ""),))
    world.pass_time()
    assert not world.node.running
    assert "offset 7" in world.observed("controller-fatal")[0].value["reason"]


def test_events_run_after_a_latency_and_in_order() -> None:
    world = ControllerWorld()
    replies = [world.send(BrokerRegistrationRequest(broker_id, "a")) for broker_id in (3, 1, 2)]
    assert list(world.controller.image.brokers) == []
    world.pass_time(A_MOMENT_US)
    assert list(world.controller.image.brokers) == [3, 1, 2]
    world.settle()
    epochs = [reply.response.broker_epoch for reply in replies]
    assert epochs == sorted(epochs)


def test_only_super_users_may_come_directly() -> None:
    world = ControllerWorld()
    world.start_brokers(1)
    request = AdminRequest("create-topic", {"name": "orders", "assignments": [[1]]}, "User:mallory")
    assert world.ask(request).error == errors.CLUSTER_AUTHORIZATION_FAILED
    request.principal = "User:admin"
    assert world.ask(request).error is None


def test_an_unknown_operation_is_refused() -> None:
    assert ControllerWorld().admin("conjure").error == errors.INVALID_REQUEST


def test_a_large_result_is_split_into_batches() -> None:
    world = ControllerWorld(replace(CONFIG, max_records_per_batch=2))
    world.start_brokers(1)
    batches = len(world.raft.batches)
    world.admin("create-topic", name="orders", assignments=[[1], [1], [1]])
    assert [len(batch.records) for batch in world.raft.batches[batches:]] == [2, 2]
    assert world.controller.image.partition_counts[world.controller.image.topics["orders"]] == 3
