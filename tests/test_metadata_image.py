"""The metadata image: merge rules, digests that depend on content alone, undo, snapshots."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fencepost.model.metadata.image import MetadataImage
from fencepost.model.metadata.records import (
    NO_LEADER_CHANGE,
    AccessControlEntryRecord,
    BrokerRegistrationChangeRecord,
    ConfigRecord,
    NoOpRecord,
    PartitionChangeRecord,
    PartitionRecord,
    RegisterBrokerRecord,
    RemoveAccessControlEntryRecord,
    RemoveTopicRecord,
    TopicRecord,
)

ORDERS = (TopicRecord("orders", "id-1"), PartitionRecord("id-1", 0, (1, 2, 3), (1, 2, 3), (), (), 1, 0, 0))


def image_of(*records: Any) -> MetadataImage:
    image = MetadataImage(track_changes=True)
    for offset, record in enumerate(records):
        image.apply(record, offset)
    return image


def test_every_change_raises_the_partition_epoch_and_a_leader_change_the_leader_epoch_too() -> None:
    image = image_of(*ORDERS, PartitionChangeRecord("id-1", 0, isr=(1, 2)))
    state = image.partitions[("id-1", 0)]
    assert (state.isr, state.leader, state.leader_epoch, state.partition_epoch) == ((1, 2), 1, 0, 1)
    image.apply(PartitionChangeRecord("id-1", 0, leader=1), 3)
    state = image.partitions[("id-1", 0)]
    assert (state.leader, state.leader_epoch, state.partition_epoch) == (1, 1, 2)
    assert NO_LEADER_CHANGE != -1, "no leader and no change of leader are two things"


def test_a_new_registration_is_fenced_and_keeps_its_record_offset() -> None:
    image = image_of(NoOpRecord(), RegisterBrokerRecord(1, "a", 0), BrokerRegistrationChangeRecord(1, 0, fenced=False))
    broker = image.brokers[1]
    assert (broker.registration_offset, broker.broker_epoch, broker.active) == (1, 0, True)
    image.apply(BrokerRegistrationChangeRecord(1, 0, in_controlled_shutdown=True), 3)
    assert not image.brokers[1].active


def test_removing_a_topic_removes_all_of_it() -> None:
    empty = image_of().digest
    image = image_of(*ORDERS, ConfigRecord("topic", "orders", "retention.ms", "1"), RemoveTopicRecord("id-1"))
    assert image.digest == empty
    assert not image.partitions
    assert not image.configs


def test_acls_are_removed_by_all_their_fields() -> None:
    acl = ("User:x", "READ", "DENY", "topic", "orders")
    image = image_of(AccessControlEntryRecord(*acl), RemoveAccessControlEntryRecord(*acl[:2], "ALLOW", *acl[3:]))
    assert list(image.acls) == [acl]
    image.apply(RemoveAccessControlEntryRecord(*acl), 2)
    assert not image.acls


RECORDS = st.lists(st.one_of(
    st.builds(ConfigRecord, st.just("topic"), st.sampled_from("ab"), st.sampled_from("xy"),
              st.one_of(st.none(), st.sampled_from("12"))),
    st.builds(RegisterBrokerRecord, st.integers(1, 3), st.sampled_from("pq"), st.integers(0, 9)),
    st.just(NoOpRecord()),
), max_size=12)


@given(RECORDS, RECORDS)
def test_reverting_restores_the_digest_and_the_content(committed: list[Any], uncommitted: list[Any]) -> None:
    image = image_of(*committed)
    before = (image.digest, image.entries(), image.next_offset)
    undo: list[Any] = []
    for record in uncommitted:
        image.apply(record, image.next_offset, undo)
    image.revert(undo, before[2])
    assert (image.digest, image.entries(), image.next_offset) == before


@given(RECORDS, RECORDS)
def test_a_snapshot_loaded_over_anything_equals_the_log(log: list[Any], other: list[Any]) -> None:
    source, target = image_of(*log), image_of(*other)
    target.load(source.entries(), source.next_offset, 3)
    assert (target.digest, target.entries(), target.next_offset, target.epoch) == (
        source.digest, source.entries(), source.next_offset, 3)


@given(RECORDS, RECORDS)
def test_an_empty_image_becomes_the_same_by_a_snapshot_as_by_its_entries_one_by_one(
    log: list[Any], later: list[Any],
) -> None:
    source, whole, piecemeal = image_of(*log), image_of(), image_of()
    whole.load(source.entries(), source.next_offset, 3)
    piecemeal.load(tuple(source.entries()), source.next_offset, 3)
    assert whole.drain_changes() == piecemeal.drain_changes()
    for record in later:
        whole.apply(record, whole.next_offset)
        piecemeal.apply(record, piecemeal.next_offset)
    assert (whole.digest, whole.entries()) == (piecemeal.digest, piecemeal.entries())


def test_changes_are_drained_once() -> None:
    image = image_of(*ORDERS)
    assert ("partitions", ("id-1", 0)) in image.drain_changes()
    assert image.drain_changes() == []
