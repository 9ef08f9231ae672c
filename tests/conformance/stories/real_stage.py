"""A real KRaft cluster as a stage."""

import re
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from typing import Any

from kio.records.readers import read_batch
from kio.records.schema import NewRecordBatch, Record
from kio.records.writers import write_new_batch
from metadata_records import MetadataSchemas
from real_broker import NOW
from real_controller import METADATA_TOPIC_ID, error_name
from real_kafka import CLUSTER_ID, artifacts
from stories.groups import SESSION_S, Commit, GroupAnswer, GroupRequest, Heartbeat, Join, Sync
from stories.kraft_stage import KRaftStage, MetadataRecord, QuorumView
from stories.real_nodes import KRaftNodes, kraft_nodes
from stories.stage import NOTHING, PATIENCE_S, Answer, ClusterView, PartitionView, Question
from wire import Connection, schema

from fencepost.model.shape import Shape

_TIMEOUT, _NOTHING = timedelta(seconds=PATIENCE_S), timedelta(0)
#: A node that runs answers what is only a question sooner.
_QUESTION_S = 5.0
_FENCED = {-1: False, 0: None, 1: True}
_CONTROL_BATCH = 0x20
_NOBODYS_ID = 99


class RealQuestion(Question[Answer]):
    """A request over a connection of its own. `read` makes of the response what is wanted, and of None what it means
    that the connection was closed."""

    def __init__(self, port: int, request: Any, read: Callable[[Any], Answer]) -> None:
        self._connection = Connection(port, PATIENCE_S)
        self._kind = type(request)
        self._read = read
        self._connection.tell(request)

    def answer(self) -> Answer | None:
        """The answer, if it has come."""
        if not select.select([self._connection], [], [], 0)[0]:
            return None
        with self._connection:
            try:
                return self._read(self._connection.answer(self._kind))
            except ConnectionError:
                return self._read(None)

    def drop(self) -> None:
        """Close the connection."""
        self._connection.close()


def named(code: Callable[[Any], Any]) -> Callable[[Any], str]:
    """Reads the error code that `code` picks out of a response: its name, "ok", or "no answer"."""
    return lambda response: "no answer" if response is None else error_name(code(response)) or "ok"


class RealStage:
    """What stages of both modes have in common: time, and questions to brokers."""

    group: str

    def port_of(self, broker: int) -> int:
        """Where a broker listens."""
        raise NotImplementedError

    def answers(self, node: int) -> bool:
        """Whether there is a process that would answer."""
        raise NotImplementedError

    def now_s(self) -> float:
        return time.monotonic()

    def let_time_pass(self) -> None:
        time.sleep(0.02)

    def ask(self, node: int, port: int, request: Any) -> Any:
        """The answer of a node that runs; None where nothing answers."""
        if not self.answers(node):
            return None
        try:
            with Connection(port, _QUESTION_S) as connection:
                return connection.ask(request)
        except OSError:
            return None

    def metadata(self, broker: int) -> ClusterView:
        api = schema("metadata", 12)
        answer = self.ask(broker, self.port_of(broker), api.MetadataRequest(
            topics=None, allow_auto_topic_creation=False, include_topic_authorized_operations=False))
        return NOTHING if answer is None else ClusterView(tuple(sorted(one.node_id for one in answer.brokers)), {
            f"{topic.name}-{state.partition_index}": PartitionView(
                state.leader_id, state.leader_epoch, tuple(sorted(state.isr_nodes)))
            for topic in answer.topics for state in topic.partitions})

    def produce(self, broker: int, topic: str, value: str) -> Question[str]:
        api, batch = schema("produce", 9), BytesIO()
        record = Record(attributes=0, timestamp=NOW, offset=0, key=None, value=value.encode(), headers=())
        write_new_batch(batch, NewRecordBatch(
            producer_id=-1, producer_epoch=-1, base_sequence=-1, records=(record,), attributes=0))
        partition = api.PartitionProduceData(index=0, records=batch.getvalue())
        return RealQuestion(
            self.port_of(broker),
            api.ProduceRequest(transactional_id=None, acks=-1, timeout=_TIMEOUT, topic_data=(
                api.TopicProduceData(name=topic, partition_data=(partition,)),)),
            named(lambda answer: answer.responses[0].partition_responses[0].error_code))

    def values(self, broker: int, topic: str) -> tuple[str, ...]:
        api = schema("fetch", 12)
        partition = api.FetchPartition(
            partition=0, current_leader_epoch=-1, fetch_offset=0, last_fetched_epoch=-1, log_start_offset=0,
            partition_max_bytes=1 << 20)
        answer = self.ask(broker, self.port_of(broker), api.FetchRequest(
            replica_id=-1, max_wait=_NOTHING, min_bytes=0,
            topics=(api.FetchTopic(topic=topic, partitions=(partition,)),), forgotten_topics_data=()))
        records = answer.responses[0].partitions[0].records or b""
        return tuple(record.value.decode() for batch in batches(records) for record in batch.records)

    def coordinates(self, broker: int) -> bool:
        find, fetch = schema("find_coordinator", 4), schema("offset_fetch", 7)
        port = self.port_of(broker)
        found = self.ask(broker, port, find.FindCoordinatorRequest(key_type=0, coordinator_keys=(self.group,)))
        answer = self.ask(broker, port, fetch.OffsetFetchRequest(group_id=self.group, topics=None, require_stable=True))
        return (found is not None and found.coordinators[0].node_id == broker and answer is not None
                and not answer.error_code.value)

    def ask_group(self, broker: int, request: GroupRequest) -> Question[GroupAnswer]:
        if isinstance(request, Join):
            return RealQuestion(self.port_of(broker), _join(self.group, request), _joined)
        if isinstance(request, Commit):
            error = named(lambda answer: answer.topics[0].partitions[0].error_code)
            wire = _commit(self.group, request)
        else:
            error = named(lambda answer: answer.error_code)
            wire = _member_request(self.group, request)
        return RealQuestion(self.port_of(broker), wire, lambda answer: GroupAnswer(error(answer)))

    def committed_offset(self, broker: int, topic: str) -> int:
        api = schema("offset_fetch", 7)
        asked = api.OffsetFetchRequestTopic(name=topic, partition_indexes=(0,))
        answer = self.ask(broker, self.port_of(broker), api.OffsetFetchRequest(
            group_id=self.group, topics=(asked,), require_stable=True))
        return int(answer.topics[0].partitions[0].committed_offset)


def create_topic_request(topic: str, replicas: tuple[int, ...]) -> Any:
    """CreateTopics for one partition with these replicas."""
    api = schema("create_topics", 7)
    assignment = api.CreatableReplicaAssignment(partition_index=0, broker_ids=replicas)
    return api.CreateTopicsRequest(timeout=_TIMEOUT, topics=(api.CreatableTopic(
        name=topic, num_partitions=-1, replication_factor=-1, assignments=(assignment,), configs=()),))


def _join(group: str, request: Join) -> Any:
    """In a version before ids are handed out in a round trip of their own (KIP-394)."""
    api, session = schema("join_group", 3), timedelta(seconds=SESSION_S)
    protocol = api.JoinGroupRequestProtocol(name="fencepost", metadata=" ".join(request.topics).encode())
    return api.JoinGroupRequest(
        group_id=group, session_timeout=session, rebalance_timeout=session, member_id=request.member,
        protocol_type="fencepost", protocols=(protocol,))


def _joined(answer: Any) -> GroupAnswer:
    error = named(lambda response: response.error_code)(answer)
    return GroupAnswer(error, answer.generation_id, answer.member_id) if error == "ok" else GroupAnswer(error)


def _member_request(group: str, request: Sync | Heartbeat) -> Any:
    if isinstance(request, Heartbeat):
        return schema("heartbeat", 3).HeartbeatRequest(
            group_id=group, generation_id=request.generation, member_id=request.member)
    api = schema("sync_group", 3)
    assignment = api.SyncGroupRequestAssignment(member_id=request.member, assignment=b"everything")
    return api.SyncGroupRequest(
        group_id=group, generation_id=request.generation, member_id=request.member, assignments=(assignment,))


def _commit(group: str, request: Commit) -> Any:
    api = schema("offset_commit", 8)
    partition = api.OffsetCommitRequestPartition(
        partition_index=0, committed_offset=request.offset, committed_metadata="")
    return api.OffsetCommitRequest(
        group_id=group, generation_id_or_member_epoch=request.generation, member_id=request.member,
        topics=(api.OffsetCommitRequestTopic(name="consumed", partitions=(partition,)),))


class RealKRaftStage(RealStage, KRaftStage):
    """Real controllers and brokers."""

    def __init__(self, nodes: KRaftNodes, schemas: MetadataSchemas) -> None:
        KRaftStage.__init__(self)
        self._nodes = nodes
        self._schemas = schemas
        self.controllers, self.brokers = nodes.controllers, nodes.brokers
        self._read_to = self._last_epoch = 0

    def act(self, act: str, node: int) -> None:
        self._nodes.act(act, node)

    def answers(self, node: int) -> bool:
        return self._nodes.answers(node)

    def port_of(self, broker: int) -> int:
        return self._nodes.broker_ports[broker]

    def quorum(self, node: int) -> QuorumView | None:
        """By the answer to an observer's fetch in epoch 0, which is over."""
        partition = self._fetch(node, 0, 0, 0)
        return None if partition is None else QuorumView(
            partition.current_leader.leader_id, partition.current_leader.leader_epoch)

    def is_active(self, node: int) -> bool:
        """By the answer to a heartbeat of nobody's."""
        api = schema("broker_heartbeat", 1)
        answer = self.ask(node, self._nodes.controller_ports[node], api.BrokerHeartbeatRequest(
            broker_id=_NOBODYS_ID, broker_epoch=0, current_metadata_offset=0, want_fence=True, want_shut_down=False))
        return answer is not None and error_name(answer.error_code) != "NOT_CONTROLLER"

    def committed(self) -> list[MetadataRecord]:
        found: list[MetadataRecord] = []
        while True:
            leader = self.leader_of_quorum()
            view = self.quorum(leader)
            data = view and self._fetch(leader, view.epoch, self._read_to, self._last_epoch)
            if not data or data.error_code.value:
                continue
            for batch in batches(data.records or b""):
                if batch.base_offset + batch.last_offset_delta >= data.high_watermark:
                    break
                if not batch.attributes & _CONTROL_BATCH:
                    found += [self._record(batch.partition_leader_epoch, record.value) for record in batch.records]
                self._read_to = batch.base_offset + batch.last_offset_delta + 1
                self._last_epoch = batch.partition_leader_epoch
            else:
                if self._read_to >= data.high_watermark:
                    return found
                continue
            return found

    def _fetch(self, node: int, epoch: int, offset: int, last_epoch: int) -> Any:
        api = schema("fetch", 13)
        partition = api.FetchPartition(
            partition=0, current_leader_epoch=epoch, fetch_offset=offset, last_fetched_epoch=last_epoch,
            log_start_offset=0, partition_max_bytes=1 << 20)
        answer = self.ask(node, self._nodes.controller_ports[node], api.FetchRequest(
            cluster_id=CLUSTER_ID, replica_id=-1, max_wait=_NOTHING, min_bytes=0,
            topics=(api.FetchTopic(topic_id=METADATA_TOPIC_ID, partitions=(partition,)),), forgotten_topics_data=()))
        return answer.responses[0].partitions[0] if answer and answer.responses else None

    def _record(self, epoch: int, value: bytes) -> MetadataRecord:
        name, fields = self._schemas.decode(value)
        fields = {re.sub(r"(?<!^)(?=[A-Z])", "_", field).lower(): told for field, told in fields.items()}
        if name == "BrokerRegistrationChangeRecord":
            fields["fenced"] = _FENCED[fields["fenced"]]
        return MetadataRecord(epoch, name, fields)

    def order_topic(self, controller: int, topic: str, replicas: tuple[int, ...]) -> Question[str]:
        return RealQuestion(
            self._nodes.controller_ports[controller], create_topic_request(topic, replicas),
            named(lambda answer: answer.topics[0].error_code))


def batches(content: bytes) -> list[Any]:
    """The record batches in the bytes of a fetch."""
    found, at = [], 0
    while at < len(content):
        batch, size = read_batch(content, at)
        found.append(batch)
        at += size
    return found


@contextmanager
def real_kraft_stage(version: str, shape: Shape, properties: dict[str, str]) -> Iterator[RealKRaftStage]:
    """Start a cluster of that version; it ends with the block."""
    with kraft_nodes(version, shape, properties) as nodes:
        yield RealKRaftStage(nodes, MetadataSchemas(artifacts(version)))
