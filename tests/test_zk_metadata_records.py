"""Transactions of ZooKeeper as metadata records."""

from fencepost.histories.recorder import Recorder
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics, Simulation
from fencepost.model.metadata import records as kraft
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.cluster_metadata import ClusterMetadata
from fencepost.model.zk_controller.metadata_records import MetadataRecords, offset_of
from fencepost.model.zookeeper.transactions import (
    CloseSessionTxn,
    CreateTxn,
    DeleteTxn,
    ErrorTxn,
    MultiTxn,
    SetDataTxn,
    transaction,
    zxid_of,
)

TOPIC = znodes.TopicZnode("orders@1", ((0, (1, 2)),))
STATE = znodes.PartitionStateZnode(1, 0, 1, (1, 2))


def create(path: str, data: object = None) -> CreateTxn:
    return CreateTxn(path, data, (), False, 1)


def with_topic(chroot: str = "") -> MetadataRecords:
    """A topic with one partition, in transactions 1 and 2."""
    records = MetadataRecords(chroot)
    records.apply(1, create(f"{chroot}{znodes.topic_path('orders')}", TOPIC))
    records.apply(2, create(f"{chroot}{znodes.state_path('orders', 0)}", STATE))
    return records


def test_a_topic_and_its_partition_are_created():
    records = MetadataRecords()
    assert records.apply(1, create(znodes.topic_path("orders"), TOPIC)) == [
        (offset_of(1), kraft.TopicRecord("orders", "orders@1"))]
    assert records.apply(2, create(znodes.partitions_path("orders"))) == []
    assert records.apply(3, create(znodes.state_path("orders", 0), STATE)) == [
        (offset_of(3), kraft.PartitionRecord("orders@1", 0, (1, 2), (1, 2), (), (), 1, 0, 0))]


def test_a_states_version_is_the_partition_epoch():
    records = with_topic()
    state = STATE._replace(leader=2, leader_epoch=1, isr=(2,))
    [(_, record)] = records.apply(3, MultiTxn((SetDataTxn(znodes.state_path("orders", 0), state, 1),)))
    assert (record.leader, record.leader_epoch, record.partition_epoch, record.isr) == (2, 1, 1, (2,))


def test_a_new_assignment_is_the_same_partition_with_other_replicas():
    records = with_topic()
    topic = znodes.TopicZnode("orders@1", ((0, (3, 1, 2)),), ((0, (3,)),), ((0, (1, 2)),))
    [(_, record)] = records.apply(3, SetDataTxn(znodes.topic_path("orders"), topic, 1))
    assert (record.replicas, record.adding_replicas, record.partition_epoch) == ((3, 1, 2), (3,), 0)


def test_a_topic_goes_with_its_own_znode():
    records = with_topic()
    assert records.apply(3, DeleteTxn(znodes.state_path("orders", 0))) == []
    assert records.apply(4, DeleteTxn(znodes.topic_path("orders"))) == [
        (offset_of(4), kraft.RemoveTopicRecord("orders@1"))]


def test_a_broker_registers_once_and_goes_with_its_session():
    records, path, data = MetadataRecords(), znodes.broker_path(1), znodes.BrokerZnode(1, "1-a")
    registration = MultiTxn((create(path, data), SetDataTxn(path, data, 1)))
    assert records.apply(7, registration) == [
        (offset_of(7), kraft.RegisterBrokerRecord(1, "1-a", 7, fenced=False))]
    assert records.apply(9, CloseSessionTxn((znodes.CONTROLLER, path))) == [
        (offset_of(9), kraft.UnregisterBrokerRecord(1, 7))]


def test_configurations_and_acls_are_told_by_difference():
    records, path = MetadataRecords(), znodes.config_path("topic", "orders")
    records.apply(1, create(path, znodes.ConfigZnode((("a", "1"), ("b", "2")))))
    changed = records.apply(2, SetDataTxn(path, znodes.ConfigZnode((("b", "3"), ("c", "4"))), 1))
    assert [record for _, record in changed] == [
        kraft.ConfigRecord("topic", "orders", "a", None), kraft.ConfigRecord("topic", "orders", "b", "3"),
        kraft.ConfigRecord("topic", "orders", "c", "4")]
    assert [offset - offset_of(2) for offset, _ in changed] == [0, 1, 2]
    path, allow = znodes.acl_path("topic", "orders"), ("User:a", "READ", "ALLOW")
    [(_, added)] = records.apply(3, create(path, znodes.AclZnode((allow,))))
    assert added == kraft.AccessControlEntryRecord(*allow, "topic", "orders")
    [(_, removed)] = records.apply(4, SetDataTxn(path, znodes.AclZnode(()), 1))
    assert removed == kraft.RemoveAccessControlEntryRecord(*allow, "topic", "orders")


def test_failed_transactions_and_other_clusters_say_nothing():
    records = with_topic("/blue")
    assert records.apply(3, MultiTxn((ErrorTxn(None), ErrorTxn("BADVERSION")))) == []
    assert records.apply(4, DeleteTxn("/green/brokers/topics/orders")) == []
    assert records.apply(5, DeleteTxn("/blue/brokers/topics/orders")) != []


def test_a_tree_that_was_loaded_is_where_it_goes_on():
    records = MetadataRecords()
    records.resync([
        (znodes.topic_path("orders"), TOPIC, 0, 1, 1), (znodes.state_path("orders", 0), STATE, 4, 2, 8)], 8)
    [(_, record)] = records.apply(9, SetDataTxn(znodes.state_path("orders", 0), STATE, 5))
    assert (record.topic_id, record.partition_epoch) == ("orders@1", 5)


def test_what_was_not_seen_one_by_one_is_told_by_difference():
    records = with_topic()
    records.apply(3, create(znodes.broker_path(1), znodes.BrokerZnode(1, "1-a")))
    records.apply(4, create(znodes.topic_path("gone"), TOPIC._replace(topic_id="gone@1")))
    tree = [
        (znodes.topic_path("orders"), TOPIC, 0, 1, 1),
        (znodes.state_path("orders", 0), STATE._replace(isr=(1,)), 1, 2, 7),
        (znodes.broker_path(1), znodes.BrokerZnode(1, "1-b"), 1, 6, 6)]
    assert records.resync(tree, 9) == [
        (offset_of(5) + 500, kraft.UnregisterBrokerRecord(1, 3)),
        (offset_of(6), kraft.RegisterBrokerRecord(1, "1-b", 6, fenced=False)),
        (offset_of(7), kraft.PartitionRecord("orders@1", 0, (1, 2), (1,), (), (), 1, 0, 1)),
        (offset_of(9) + 500, kraft.RemoveTopicRecord("gone@1"))]
    assert records.resync(tree, 9) == []


# --- as a server reports it -------------------------------------------------------------------------------------------


def reporting_server() -> tuple[ClusterMetadata, Recorder]:
    recorder = Recorder()
    simulation = Simulation(1, Physics(), recorder)
    return ClusterMetadata(Node(1, "server", simulation, Network(simulation))), recorder


def test_a_server_reports_what_changes_the_metadata_under_the_zxids_epoch():
    metadata, recorder = reporting_server()
    bodies = [create(znodes.topic_path("orders"), TOPIC), create("/elsewhere"),
              create(znodes.state_path("orders", 0), STATE)]
    for counter, body in enumerate(bodies, 1):
        metadata.apply(transaction(zxid_of(4, counter), 7, counter, body))
    first, second = recorder.events
    assert (first.f, first.epochs) == ("metadata-applied", {"leader_epoch": 4})
    assert first.value["records"] == [
        [offset_of(zxid_of(4, 1)), "TopicRecord", {"name": "orders", "topic_id": "orders@1"}]]
    assert second.value["end_offset"] == offset_of(zxid_of(4, 3)) + 1
    assert second.value["digest"] == metadata.image.digest
    assert metadata.image.partitions[("orders@1", 0)].isr == (1, 2)


def test_servers_that_applied_and_that_loaded_have_the_same_image():
    applied, _ = reporting_server()
    loaded, recorder = reporting_server()
    path, state = znodes.state_path("orders", 0), STATE._replace(isr=(1,))
    broker = znodes.BrokerZnode(1, "1-a")
    for zxid, body in enumerate((
        create(znodes.topic_path("orders"), TOPIC), create(path, STATE), SetDataTxn(path, state, 1),
        create(znodes.broker_path(1), broker),
    ), 1):
        applied.apply(transaction(zxid, 7, zxid, body))
    loaded.load([
        (znodes.broker_path(1), broker, 0, 4, 4), (znodes.topic_path("orders"), TOPIC, 0, 1, 1),
        (path, state, 1, 2, 3)], 4)
    assert loaded.image.digest == applied.image.digest
    assert recorder.events == []
