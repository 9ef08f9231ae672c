"""A real broker behind the steps: node 1 is broker and controller; brokers 2 to 4 are only registered, so that the test
can be a follower, and take the leadership away."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, NamedTuple

from data_steps import DataStep, Describe, EpochEnd, Fetch, ListOffsets, NewProducer, Produce
from kio.records.readers import read_batch
from kio.records.schema import NewRecordBatch, Record
from kio.records.writers import write_new_batch
from metadata_records import MetadataSchemas
from real_controller import PROPERTIES, Facts, RealController, error_name
from real_kafka import START_S, artifacts, free_ports, node
from steps import NONE, Answer, CreateTopic, SetConfig, Step, without_producer_ids
from wire import Connection, schema

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNKNOWN_ID = uuid.UUID(int=99)
#: A topic whose configuration is changed to see how far broker 1 has got with the metadata.
BARRIER = "barrier"
#: How long the broker may take until it is as it is expected to be.
_PATIENCE_S = 10.0
_MS = timedelta(milliseconds=1)
_NOTHING = timedelta(0)

#: High watermark and log end of orders-0 if broker 1 leads it.
Standing = tuple[int, int] | None


class Ports(NamedTuple):
    """Where a node listens: as broker, as controller. nobody: where nobody does."""

    broker: int
    controller: int
    nobody: int


@contextmanager
def combined_node(version: str) -> Iterator[Ports]:
    """Start a node of that version, broker and controller in one; it ends with the block."""
    ports = Ports(*free_ports(3))
    properties = {
        **PROPERTIES, "process.roles": "broker,controller", "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{ports.controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{ports.broker},CONTROLLER://127.0.0.1:{ports.controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports.broker}",
        "auto.create.topics.enable": "false", "auto.leader.rebalance.enable": "false",
        "replica.lag.time.max.ms": "3600000", "log.retention.ms": "-1", "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1", "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1", "log.cleaner.enable": "false", "num.network.threads": "1",
        "num.io.threads": "1", "log.index.size.max.bytes": "4096",
    }
    with node(version, properties, ports.controller):
        _await_listener(ports.broker)
        yield ports


@contextmanager
def real_broker(version: str) -> Iterator["RealBroker"]:
    """Start a node of that version and talk to it as broker and as controller; it ends with the block."""
    with (
        combined_node(version) as ports, Connection(ports.controller) as controller,
        Connection(ports.broker) as connection,
    ):
        schemas = MetadataSchemas(artifacts(version))
        yield RealBroker(
            RealController(controller, schemas, (1,), (BARRIER,), ports.nobody), connection, ports.broker)


def _await_listener(port: int) -> None:
    deadline_s = time.monotonic() + START_S
    while True:
        try:
            Connection(port).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.02)


class RealBroker:
    """Does the steps of `data_steps` and `steps`; waits until the broker is as the model's is, or patience ends."""

    def __init__(self, controller: RealController, connection: Connection, port: int) -> None:
        self.controller = controller
        self._connection = connection
        self.port = port
        self._barrier = 0
        #: Whether there are records that broker 1 may not have applied yet.
        self._behind = True
        self._forget()
        self._await_unfenced()
        controller.ask(CreateTopic(BARRIER, ((1,),)))

    def _forget(self) -> None:
        self._producers: dict[str, int] = {}
        self._sequences: dict[str, int] = {}
        self._values = 0
        #: topic -> offsets at which batches begin
        self._starts: dict[str, set[int]] = {}

    def start_afresh(self) -> None:
        """Forget everything."""
        self.controller.start_afresh()
        self._behind = True
        self._forget()

    def ask(self, step: Step | DataStep, expected: int = 0) -> Answer:
        """Do a step, and wait until as many records are written as are expected."""
        do = getattr(self, f"_{type(step).__name__.lower()}", None)
        if do is None:
            error, facts = self.controller.do(step)
        else:
            self._await_metadata()
            error, facts = do(step)
        records, deadline_s = without_producer_ids(self.controller.new_records()), time.monotonic() + _PATIENCE_S
        while len(records) < expected and time.monotonic() < deadline_s:
            records += without_producer_ids(self.controller.new_records())
        self._behind = self._behind or bool(records)
        return Answer(error, facts, records)

    def standing(self, expected: Standing) -> Standing:
        """How the partition stands, once that is as expected or patience has ended."""
        self._await_metadata()
        now, deadline_s = self._standing(), time.monotonic() + _PATIENCE_S
        while now != expected and time.monotonic() < deadline_s:
            now = self._standing()
        return now

    # --- waiting ----------------------------------------------------------------------------------------------------

    def _await_unfenced(self) -> None:
        deadline_s = time.monotonic() + START_S
        while not self._described(BARRIER).brokers:
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"Kafka's broker is not unfenced after {START_S} s")
            time.sleep(0.02)
        self.controller.new_records()

    def _await_metadata(self) -> None:
        """Until the broker has applied everything: a second change that shows has been published after the first."""
        rounds, self._behind = 2 * self._behind, False
        for _ in range(rounds):
            self._barrier += 1
            self.controller.do(SetConfig(BARRIER, "retention.ms", str(self._barrier)))
            while self._shown_barrier() != self._barrier:
                pass

    def _shown_barrier(self) -> int:
        api = schema("describe_configs", 4)
        response = self._connection.ask(api.DescribeConfigsRequest(resources=(api.DescribeConfigsResource(
            resource_type=2, resource_name=BARRIER, configuration_keys=("retention.ms",)),)))
        configs = response.results[0].configs
        return int(configs[0].value) if configs else -1

    # --- what broker 1 holds ----------------------------------------------------------------------------------------

    def _standing(self) -> Standing:
        end = self._offset("orders", -1, -1, replica=-2)
        if end.error_code or self.controller.knowledge.leader("orders") != 1:
            return None
        found = self._fetched(Fetch(0, leader_epoch=NONE, topic_id="none"), end.offset).responses[0].partitions[0]
        return None if found.error_code else (found.high_watermark, end.offset)

    def _end(self, topic: str) -> int:
        answer = self._offset(topic, -1, -1, replica=-2)
        return 0 if answer.error_code else int(answer.offset)

    def _offset(self, topic: str, timestamp: int, leader_epoch: int, replica: int = -1) -> Any:
        api = schema("list_offsets", 8)
        partition = api.ListOffsetsPartition(
            partition_index=0, current_leader_epoch=leader_epoch, timestamp=timestamp)
        response = self._connection.ask(api.ListOffsetsRequest(
            replica_id=replica, isolation_level=0,
            topics=(api.ListOffsetsTopic(name=topic, partitions=(partition,)),)))
        return response.topics[0].partitions[0]

    def _described(self, topic: str) -> Any:
        api = schema("metadata", 12)
        return self._connection.ask(api.MetadataRequest(
            topics=(api.MetadataRequestTopic(name=topic, topic_id=None),), allow_auto_topic_creation=False,
            include_topic_authorized_operations=False))

    # --- steps ------------------------------------------------------------------------------------------------------

    def _newproducer(self, step: NewProducer) -> tuple[str | None, Facts]:
        api = schema("init_producer_id", 4)
        request = api.InitProducerIdRequest(transactional_id=None, transaction_timeout=_MS)
        response = self._connection.ask(request)
        while error_name(response.error_code) == "COORDINATOR_LOAD_IN_PROGRESS":
            response = self._connection.ask(request)
        self._producers[step.producer] = response.producer_id
        self._sequences.pop(step.producer, None)
        return error_name(response.error_code), (("epoch", response.producer_epoch),)

    def _produce(self, step: Produce) -> tuple[str | None, Facts]:
        producer_id, sequence = -1, -1
        if step.producer is not None:
            if step.producer not in self._producers:
                self._newproducer(NewProducer(step.producer))
            producer_id = self._producers[step.producer]
            sequence = 0 if step.sequence is None else max(0, self._sequences.get(step.producer, 0) + step.sequence)
        records = tuple(
            Record(attributes=0, timestamp=NOW, offset=place, key=None, value=f"v{self._values + place}".encode(),
                   headers=()) for place in range(step.count))
        self._values += step.count
        batch = BytesIO()
        write_new_batch(batch, NewRecordBatch(
            producer_id=producer_id, producer_epoch=-1 if step.producer is None else step.epoch,
            base_sequence=sequence, records=records, attributes=0))
        api = schema("produce", 9)
        partition = api.PartitionProduceData(index=0, records=batch.getvalue())
        request = api.ProduceRequest(
            transactional_id=None, acks=step.acks, timeout=_MS,
            topic_data=(api.TopicProduceData(name=step.topic, partition_data=(partition,)),))
        # The batch begins here if it is appended, whatever is answered.
        self._starts.setdefault(step.topic, set()).add(self._end(step.topic))
        if step.acks == 0:
            self._tell(request)
            return None, ()
        answer = self._connection.ask(request).responses[0].partition_responses[0]
        error = error_name(answer.error_code)
        if error is None and step.producer is not None:
            self._sequences[step.producer] = sequence + step.count
        return error, () if error else (("base offset", answer.base_offset),)

    def _tell(self, request: Any) -> None:
        """Send what has no answer. It has been dealt with when another request is answered or the connection closed."""
        api = schema("api_versions", 3)
        with Connection(self.port) as connection, suppress(ConnectionResetError, BrokenPipeError):
            connection.tell(request)
            connection.ask(api.ApiVersionsRequest(client_software_name="fencepost", client_software_version="1"))

    def _fetch(self, step: Fetch) -> tuple[str | None, Facts]:
        end = self._end(step.topic)
        offset = max(0, end + step.offset)
        if step.replica >= 0 and offset < end:
            offset = self._batch_start(step.topic, offset)
        response = self._fetched(step, offset)
        answer = response.responses[0].partitions[0]
        error = error_name(response.error_code) or error_name(answer.error_code)
        if error:
            return error, ()
        diverging = answer.diverging_epoch
        # Kafka sends whole batches.
        records = tuple(record for record in _records(answer.records or b"") if record[0] >= offset)
        return None, (("high watermark", answer.high_watermark), ("log start", answer.log_start_offset),
                      ("diverging", (diverging.epoch, diverging.end_offset) if diverging.epoch >= 0 else None),
                      ("records", records))

    def _batch_start(self, topic: str, offset: int) -> int:
        """Where the batch begins that holds an offset."""
        return max((start for start in self._starts.get(topic, ()) if start <= offset), default=offset)

    def consume(self, topic: str, version: int) -> str | None:
        """The error that a consumer's fetch from the start gets in that version."""
        self._await_metadata()
        step = Fetch(leader_epoch=NONE, topic_id="none", topic=topic)
        return error_name(self._fetched(step, 0, version).responses[0].partitions[0].error_code)

    def _fetched(self, step: Fetch, offset: int, version: int | None = None) -> Any:
        known = self.controller.knowledge
        epoch = known.partition(step.topic)[0]
        # Consumers may read from followers since version 11 (KIP-392), which the model's never do.
        to_follower = step.replica < 0 and step.topic_id != "unknown" and known.leader(step.topic) not in (1, None)
        version = version or (10 if to_follower else 12 if step.topic_id == "none" else 16)
        api = schema("fetch", version)
        told = {"last_fetched_epoch": _relative(epoch, step.last_epoch)} if version > 11 else {}
        partition = api.FetchPartition(
            partition=0, current_leader_epoch=_relative(epoch, step.leader_epoch), fetch_offset=offset,
            log_start_offset=0, partition_max_bytes=1 << 20, **told)
        if version <= 12:
            place, who = {"topic": step.topic}, {"replica_id": step.replica}
        else:
            right = known.topic_ids.get(step.topic, UNKNOWN_ID)
            place = {"topic_id": right if step.topic_id == "right" else UNKNOWN_ID}
            broker_epoch = known.broker_epoch(step.replica, step.broker_epoch) if step.replica >= 0 else -1
            who = {"replica_state": api.ReplicaState(replica_id=step.replica, replica_epoch=broker_epoch)}
        return self._connection.ask(api.FetchRequest(
            max_wait=_NOTHING, min_bytes=0, topics=(api.FetchTopic(**place, partitions=(partition,)),),
            forgotten_topics_data=(), **who))

    def _listoffsets(self, step: ListOffsets) -> tuple[str | None, Facts]:
        epoch = self.controller.knowledge.partition(step.topic)[0]
        answer = self._offset(step.topic, step.timestamp, _relative(epoch, step.leader_epoch))
        error = error_name(answer.error_code)
        return error, () if error else (("offset", answer.offset), ("leader epoch", answer.leader_epoch))

    def _epochend(self, step: EpochEnd) -> tuple[str | None, Facts]:
        epoch = self.controller.knowledge.partition(step.topic)[0]
        api = schema("offset_for_leader_epoch", 4)
        partition = api.OffsetForLeaderPartition(
            partition=0, current_leader_epoch=_relative(epoch, step.leader_epoch),
            leader_epoch=_relative(epoch, step.epoch))
        response = self._connection.ask(api.OffsetForLeaderEpochRequest(
            replica_id=-1, topics=(api.OffsetForLeaderTopic(topic=step.topic, partitions=(partition,)),)))
        answer = response.topics[0].partitions[0]
        error = error_name(answer.error_code)
        return error, () if error else (("leader epoch", answer.leader_epoch), ("end offset", answer.end_offset))

    def _describe(self, step: Describe) -> tuple[str | None, Facts]:
        response = self._described(step.topic)
        topic = response.topics[0]
        if error_name(topic.error_code):
            return error_name(topic.error_code), ()
        partition = topic.partitions[0]
        return None, (
            ("brokers", tuple(sorted(broker.node_id for broker in response.brokers))), ("leader", partition.leader_id),
            ("leader epoch", partition.leader_epoch), ("isr", tuple(partition.isr_nodes)))


def _relative(epoch: int, relative: int) -> int:
    return -1 if relative == NONE else max(-1, epoch + relative)


def _records(content: bytes) -> tuple[tuple[int, int, str], ...]:
    found, at = [], 0
    while at < len(content):
        batch, size = read_batch(content, at)
        at += size
        found += [(batch.base_offset + place, batch.partition_leader_epoch, (record.value or b"").decode())
                  for place, record in enumerate(batch.records)]
    return tuple(found)
