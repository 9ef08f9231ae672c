"""A real controller node behind the steps: no broker runs, the test registers them."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from kio.records.readers import read_batch
from knowledge import Knowledge
from metadata_records import MetadataSchemas
from real_kafka import CLUSTER_ID, artifacts, free_ports, node
from steps import (
    AddAcl,
    AddPartition,
    AllocateProducerIds,
    AlterPartition,
    Answer,
    CreateTopic,
    DeleteTopic,
    Elect,
    Heartbeat,
    Reassign,
    Register,
    RemoveAcl,
    SetConfig,
    Step,
)
from wire import Connection, schema

_SECOND = timedelta(seconds=10)
_CHANGES = {-1: False, 0: None, 1: True}
_RECOVERY = {-1: None, 0: "RECOVERED", 1: "RECOVERING"}
_RESOURCES = {2: "topic", 4: "broker"}
#: The session outlives every test: nothing is fenced but by a step.
PROPERTIES = {
    "process.roles": "controller", "node.id": "101", "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "broker.session.timeout.ms": "3600000", "min.insync.replicas": "2", "controller.quorum.append.linger.ms": "0",
}
#: Entries are kept, and everybody may do everything.
_AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
}
_RESOURCE_TYPES = {"topic": 2, "group": 3, "cluster": 4}
_OPERATIONS = {"ALL": 2, "READ": 3}
_PERMISSIONS = {"DENY": 2, "ALLOW": 3}
_LITERAL = 3

#: Uuid.METADATA_TOPIC_ID.
METADATA_TOPIC_ID = uuid.UUID(int=1)

Facts = tuple[tuple[str, object], ...]


@contextmanager
def real_controller(version: str) -> Iterator["RealController"]:
    """Start a node of that version and talk to it; it ends with the block."""
    (port,) = free_ports(1)
    properties = {
        **PROPERTIES, **_AUTHORIZER, "controller.quorum.voters": f"101@127.0.0.1:{port}",
        "listeners": f"CONTROLLER://127.0.0.1:{port}"}
    with node(version, properties, port), Connection(port) as connection:
        yield RealController(connection, MetadataSchemas(artifacts(version)))


class RealController:
    """Speaks to one controller; reads what it wrote from its log.

    real_brokers, kept_topics: what is there without the test's doing and stays when it starts afresh.
    port_of_brokers: where the brokers that the test registers are said to listen.
    """

    def __init__(
        self, connection: Connection, schemas: MetadataSchemas, real_brokers: tuple[int, ...] = (),
        kept_topics: tuple[str, ...] = (), port_of_brokers: int = 9092,
    ) -> None:
        self._connection = connection
        self._schemas = schemas
        self._real_brokers = real_brokers
        self._kept_topics = kept_topics
        self._port_of_brokers = port_of_brokers
        self.knowledge = Knowledge()
        self._next_offset = 0
        self._epoch = self._last_epoch = 0
        self._incarnations: dict[tuple[int, str], uuid.UUID] = {}
        self._features = self._supported_features()
        self.new_records()

    def ask(self, step: Step) -> Answer:
        """Do a step, and read what was written."""
        error, facts = self.do(step)
        return Answer(error, facts, self.new_records())

    def do(self, step: Step) -> tuple[str | None, Facts]:
        """Do a step: error and facts."""
        answer: tuple[str | None, Facts] = getattr(self, f"_{type(step).__name__.lower()}")(step)
        return answer

    def start_afresh(self) -> None:
        """Forget everything: topics go, brokers are unregistered, so that their numbers are free again."""
        before = self.knowledge
        for topic in before.topic_ids:
            if topic not in self._kept_topics:
                self._deletetopic(DeleteTopic(topic))
        api = schema("unregister_broker", 0)
        for broker in before.broker_epochs:
            if broker not in self._real_brokers:
                self._connection.ask(api.UnregisterBrokerRequest(broker_id=broker))
        for entry in before.acls:
            self._removeacl(RemoveAcl(*entry))
        self.new_records()
        self.knowledge = Knowledge(before.next_producer_id)
        self.knowledge.broker_epochs = {broker: before.broker_epochs[broker] for broker in self._real_brokers}
        self.knowledge.topic_ids = {topic: before.topic_ids[topic] for topic in self._kept_topics}
        self._incarnations.clear()

    # --- the metadata log -------------------------------------------------------------------------------------------

    def new_records(self) -> tuple[tuple[object, ...], ...]:
        """What was written since the last time."""
        found: list[tuple[object, ...]] = []
        end_offset = self._next_offset + 1
        while self._next_offset < end_offset:
            batches, end_offset = self._fetch()
            for batch in batches:
                if not batch.attributes & 0x20:
                    for record in batch.records:
                        found += self._record(record.value)
                self._next_offset = batch.base_offset + batch.last_offset_delta + 1
                self._last_epoch = batch.partition_leader_epoch
        return tuple(found)

    def _fetch(self) -> tuple[list[Any], int]:
        """The batches after the last one read, and the high watermark. The fetch is an observer's, in the epoch that
        the leader tells."""
        data = self._fetched()
        if data.error_code:
            self._epoch = data.current_leader.leader_epoch
            data = self._fetched()
        assert not data.error_code, f"the metadata log cannot be read: {data.error_code.name}"
        content = data.records or b""
        batches, at = [], 0
        while at < len(content):
            batch, size = read_batch(content, at)
            batches.append(batch)
            at += size
        return batches, data.high_watermark

    def _fetched(self) -> Any:
        api = schema("fetch", 13)
        partition = api.FetchPartition(
            partition=0, current_leader_epoch=self._epoch, fetch_offset=self._next_offset,
            last_fetched_epoch=self._last_epoch, log_start_offset=0, partition_max_bytes=1 << 20)
        response = self._connection.ask(api.FetchRequest(
            cluster_id=CLUSTER_ID, replica_id=-1, max_wait=timedelta(0), min_bytes=0,
            topics=(api.FetchTopic(topic_id=METADATA_TOPIC_ID, partitions=(partition,)),), forgotten_topics_data=()))
        assert not response.error_code, f"the metadata log cannot be read: {response.error_code.name}"
        return response.responses[0].partitions[0]

    def _record(self, value: bytes) -> list[tuple[object, ...]]:
        name, fields = self._schemas.decode(value)
        convert = _RECORDS.get(name)
        if name == "ConfigRecord" and fields["ResourceName"] in self._kept_topics:
            return []
        return [] if convert is None else [self.knowledge.learn(*convert(fields))]

    # --- brokers ----------------------------------------------------------------------------------------------------

    def _supported_features(self) -> list[Any]:
        api = schema("api_versions", 4)
        response = self._connection.ask(api.ApiVersionsRequest(
            client_software_name="fencepost", client_software_version="1"))
        return list(response.supported_features)

    def _register(self, step: Register) -> tuple[str | None, Facts]:
        api = schema("broker_registration", 4)
        incarnation = self._incarnations.setdefault((step.broker, step.incarnation), uuid.uuid4())
        features = tuple(
            api.Feature(name=f.name, min_supported_version=f.min_version, max_supported_version=f.max_version)
            for f in self._features)
        listener = api.Listener(name="PLAINTEXT", host="127.0.0.1", port=self._port_of_brokers, security_protocol=0)
        response = self._connection.ask(api.BrokerRegistrationRequest(
            broker_id=step.broker, cluster_id=CLUSTER_ID, incarnation_id=incarnation, listeners=(listener,),
            features=features, rack=None, log_dirs=(uuid.uuid5(incarnation, "disk"),)))
        before = self.knowledge.broker_epochs.get(step.broker)
        error = error_name(response.error_code)
        return error, () if error else (("same epoch", before == response.broker_epoch),)

    def _heartbeat(self, step: Heartbeat) -> tuple[str | None, Facts]:
        api = schema("broker_heartbeat", 1)
        response = self._connection.ask(api.BrokerHeartbeatRequest(
            broker_id=step.broker, broker_epoch=self.knowledge.broker_epoch(step.broker, step.epoch),
            current_metadata_offset=self._next_offset - 1 if step.caught_up else 0, want_fence=step.want_fence,
            want_shut_down=step.want_shut_down))
        error = error_name(response.error_code)
        if error:
            return error, ()
        return None, (("caught up", response.is_caught_up), ("fenced", response.is_fenced),
                      ("should shut down", response.should_shut_down))

    def _allocateproducerids(self, step: AllocateProducerIds) -> tuple[str | None, Facts]:
        api = schema("allocate_producer_ids", 0)
        response = self._connection.ask(api.AllocateProducerIdsRequest(
            broker_id=step.broker, broker_epoch=self.knowledge.broker_epoch(step.broker, step.epoch)))
        error = error_name(response.error_code)
        if error:
            return error, ()
        first = response.producer_id_start - self.knowledge.first_producer_id
        return None, (("first", first), ("length", response.producer_id_len))

    # --- partitions -------------------------------------------------------------------------------------------------

    def _alterpartition(self, step: AlterPartition) -> tuple[str | None, Facts]:
        api, known = schema("alter_partition", 3), self.knowledge
        leader_epoch, partition_epoch = known.partition(step.topic)
        isr = tuple(api.BrokerState(broker_id=member, broker_epoch=known.broker_epoch(member, epoch))
                    for member, epoch in step.isr)
        partition = api.PartitionData(
            partition_index=0, leader_epoch=leader_epoch + step.leader_epoch, new_isr_with_epochs=isr,
            leader_recovery_state=int(step.recovering), partition_epoch=partition_epoch + step.partition_epoch)
        topic = api.TopicData(topic_id=known.topic_ids.get(step.topic, uuid.uuid4()), partitions=(partition,))
        response = self._connection.ask(api.AlterPartitionRequest(
            broker_id=step.broker, broker_epoch=known.broker_epoch(step.broker, step.broker_epoch), topics=(topic,)))
        if error_name(response.error_code):
            return error_name(response.error_code), ()
        answer = response.topics[0].partitions[0]
        if error_name(answer.error_code):
            return error_name(answer.error_code), ()
        return None, (("leader", answer.leader_id), ("leader epoch", answer.leader_epoch),
                      ("isr", tuple(answer.isr)), ("partition epoch", answer.partition_epoch))

    def _reassign(self, step: Reassign) -> tuple[str | None, Facts]:
        api = schema("alter_partition_reassignments", 0)
        partition = api.ReassignablePartition(partition_index=0, replicas=step.replicas)
        response = self._connection.ask(api.AlterPartitionReassignmentsRequest(
            timeout=_SECOND, topics=(api.ReassignableTopic(name=step.topic, partitions=(partition,)),)))
        error = error_name(response.error_code)
        return error or error_name(response.responses[0].partitions[0].error_code), ()

    def _elect(self, step: Elect) -> tuple[str | None, Facts]:
        api = schema("elect_leaders", 2)
        response = self._connection.ask(api.ElectLeadersRequest(
            election_type=int(step.unclean), timeout=_SECOND,
            topic_partitions=(api.TopicPartitions(topic=step.topic, partitions=(0,)),)))
        error = error_name(response.error_code)
        return error or error_name(response.replica_election_results[0].partition_result[0].error_code), ()

    # --- topics -----------------------------------------------------------------------------------------------------

    def _createtopic(self, step: CreateTopic) -> tuple[str | None, Facts]:
        api = schema("create_topics", 7)
        assignments = tuple(api.CreatableReplicaAssignment(partition_index=index, broker_ids=replicas)
                            for index, replicas in enumerate(step.assignments))
        configs = tuple(api.CreatableTopicConfig(name=name, value=value) for name, value in step.configs)
        response = self._connection.ask(api.CreateTopicsRequest(timeout=_SECOND, topics=(api.CreatableTopic(
            name=step.topic, num_partitions=-1, replication_factor=-1, assignments=assignments, configs=configs),)))
        return error_name(response.topics[0].error_code), ()

    def _deletetopic(self, step: DeleteTopic) -> tuple[str | None, Facts]:
        api = schema("delete_topics", 6)
        response = self._connection.ask(api.DeleteTopicsRequest(
            timeout=_SECOND, topics=(api.DeleteTopicState(name=step.topic, topic_id=None),)))
        return error_name(response.responses[0].error_code), ()

    def _addpartition(self, step: AddPartition) -> tuple[str | None, Facts]:
        api = schema("create_partitions", 3)
        assignment = api.CreatePartitionsAssignment(broker_ids=step.replicas)
        response = self._connection.ask(api.CreatePartitionsRequest(
            timeout=_SECOND, validate_only=False,
            topics=(api.CreatePartitionsTopic(name=step.topic, count=step.count, assignments=(assignment,)),)))
        return error_name(response.results[0].error_code), ()

    def _setconfig(self, step: SetConfig) -> tuple[str | None, Facts]:
        api = schema("incremental_alter_configs", 1)
        config = api.AlterableConfig(name=step.name, config_operation=int(step.value is None), value=step.value)
        response = self._connection.ask(api.IncrementalAlterConfigsRequest(
            validate_only=False,
            resources=(api.AlterConfigsResource(resource_type=2, resource_name=step.topic, configs=(config,)),)))
        return error_name(response.responses[0].error_code), ()

    # --- access control ---------------------------------------------------------------------------------------------

    def _addacl(self, step: AddAcl) -> tuple[str | None, Facts]:
        api = schema("create_acls", 3)
        response = self._connection.ask(api.CreateAclsRequest(creations=(api.AclCreation(
            resource_type=_RESOURCE_TYPES[step.resource_type], resource_name=step.resource_name,
            resource_pattern_type=_LITERAL, principal=step.principal, host="*", operation=_OPERATIONS[step.operation],
            permission_type=_PERMISSIONS[step.permission]),)))
        return error_name(response.results[0].error_code), ()

    def _removeacl(self, step: RemoveAcl) -> tuple[str | None, Facts]:
        api = schema("delete_acls", 3)
        response = self._connection.ask(api.DeleteAclsRequest(filters=(api.DeleteAclsFilter(
            resource_type_filter=_RESOURCE_TYPES[step.resource_type], resource_name_filter=step.resource_name,
            pattern_type_filter=_LITERAL, principal_filter=step.principal, host_filter="*",
            operation=_OPERATIONS[step.operation], permission_type=_PERMISSIONS[step.permission]),)))
        return error_name(response.filter_results[0].error_code), ()


def error_name(code: Any) -> str | None:
    """The name of an error code in Kafka's own spelling; None for 0."""
    return None if code.value == 0 else str(code.name).upper()


def _name(numbers: dict[str, int], number: int) -> str:
    return next(name for name, each in numbers.items() if each == number)


def _ids(values: list[int] | None) -> tuple[int, ...] | None:
    return None if values is None else tuple(values)


def _partition(f: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "Partition", {
        "topic_id": f["TopicId"], "partition": f["PartitionId"], "replicas": _ids(f["Replicas"]), "isr": _ids(f["Isr"]),
        "adding_replicas": _ids(f["AddingReplicas"]), "removing_replicas": _ids(f["RemovingReplicas"]),
        "leader": f["Leader"], "leader_epoch": f["LeaderEpoch"], "partition_epoch": f["PartitionEpoch"],
        "leader_recovery_state": _RECOVERY[f["LeaderRecoveryState"]]}


def _partition_change(f: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "PartitionChange", {
        "topic_id": f["TopicId"], "partition": f["PartitionId"], "isr": _ids(f["Isr"]), "leader": f["Leader"],
        "replicas": _ids(f["Replicas"]), "adding_replicas": _ids(f["AddingReplicas"]),
        "removing_replicas": _ids(f["RemovingReplicas"]), "leader_recovery_state": _RECOVERY[f["LeaderRecoveryState"]]}


#: Kafka's record -> (its name here, its fields by their names here); what is not listed is not compared.
_RECORDS: dict[str, Any] = {
    "RegisterBrokerRecord": lambda f: ("RegisterBroker", {
        "broker": f["BrokerId"], "epoch": f["BrokerEpoch"], "fenced": f["Fenced"],
        "in_controlled_shutdown": f["InControlledShutdown"]}),
    "BrokerRegistrationChangeRecord": lambda f: ("BrokerChange", {
        "broker": f["BrokerId"], "fenced": _CHANGES[f["Fenced"]],
        "in_controlled_shutdown": _CHANGES[f["InControlledShutdown"]]}),
    "TopicRecord": lambda f: ("Topic", {"name": f["Name"], "topic_id": f["TopicId"]}),
    "RemoveTopicRecord": lambda f: ("RemoveTopic", {"topic_id": f["TopicId"]}),
    "PartitionRecord": _partition,
    "PartitionChangeRecord": _partition_change,
    "ConfigRecord": lambda f: ("Config", {
        "resource_type": _RESOURCES.get(f["ResourceType"]), "resource_name": f["ResourceName"], "name": f["Name"],
        "value": f["Value"]}),
    "ProducerIdsRecord": lambda f: ("ProducerIds", {"broker": f["BrokerId"], "next_producer_id": f["NextProducerId"]}),
    "AccessControlEntryRecord": lambda f: ("Acl", {
        "id": f["Id"], "principal": f["Principal"], "operation": _name(_OPERATIONS, f["Operation"]),
        "permission": _name(_PERMISSIONS, f["PermissionType"]),
        "resource_type": _name(_RESOURCE_TYPES, f["ResourceType"]), "resource_name": f["ResourceName"]}),
    "RemoveAccessControlEntryRecord": lambda f: ("RemoveAcl", {"id": f["Id"]}),
}
