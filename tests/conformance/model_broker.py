"""The model's broker 1 behind the steps: with a controller of its own, and brokers that are only registered."""

from typing import Any

from data_steps import DataStep, Describe, EpochEnd, Fetch, ListOffsets, NewProducer, Produce
from model_controller import ModelController
from steps import NONE, Answer, Step, without_producer_ids

from fencepost.histories.recorder import Recorder
from fencepost.model import errors
from fencepost.model.broker.lifecycle import RUNNING
from fencepost.model.composition import Composer
from fencepost.model.config import ClientConfig, KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics
from fencepost.model.kraft_cluster import KRaftCluster
from fencepost.model.protocol import data
from fencepost.model.protocol.raft import Batch
from fencepost.model.shape import Shape

NODE, CLIENT = 1, 2000
MS, SECOND, HOUR = 1_000, 1_000_000, 3_600_000_000
#: Whatever a step sets going has come to rest after this time.
REST_US = 100 * MS
RECORDS = 1_000

Facts = tuple[tuple[str, object], ...]
#: High watermark and log end of orders-0 if broker 1 leads it.
Standing = tuple[int, int] | None


class Hand(Node):
    """A client, or the place of a broker that the test plays; it answers nothing."""

    def on_start(self) -> None:
        """There is nothing to build."""


class SmallCluster:
    """Node 1 is broker and controller, and there are hands in the places of brokers 2 to 4: a `World`."""

    def __init__(self, config: KafkaConfig, patches: tuple[type, ...] = ()) -> None:
        self._cluster = KRaftCluster(
            1, Shape(controllers=1, brokers=1, clients=0, combined=True), config, ClientConfig(), Physics(),
            Composer(patches), Recorder())
        network = self._cluster.network
        self.hands = {
            number: Hand(number, f"hand {number}", self._cluster.simulation, network) for number in (2, 3, 4, CLIENT)}
        self._cluster.start()
        for hand in self.hands.values():
            hand.start()
        self._connections = 0
        while self.broker is None or self.broker.lifecycle.state != RUNNING:
            self.run(SECOND)

    @property
    def raft(self) -> "SmallCluster":
        """The controller's log is here."""
        return self

    @property
    def batches(self) -> list[Batch]:
        """See `MetadataLog`."""
        raft = self._cluster.nodes[NODE].raft
        assert raft is not None
        return list(dict.fromkeys(raft.log.file.entries))

    @property
    def next_offset(self) -> int:
        """See `MetadataLog`."""
        return self.batches[-1].end_offset

    @property
    def broker(self) -> Any:
        """Broker 1's components."""
        return self._cluster.nodes[NODE].broker

    def run(self, duration_us: int) -> None:
        """Let virtual time pass."""
        self._cluster.run_until(self._cluster.now_us + duration_us)

    def ask(self, request: Any) -> Any:
        """See `World`."""
        return self.ask_node(NODE, request)

    def ask_node(self, node: int, request: Any, hand: int = CLIENT) -> Any:
        """What a node answers to a request over a new connection, once everything has come to rest; None for nothing.
        """
        answers = self.begin(node, request, hand)
        for _ in range(10):
            self.run(REST_US)
            if answers:
                return answers[0]
        return None

    def begin(self, node: int, request: Any, hand: int = CLIENT) -> list[Any]:
        """Send a request over a new connection; the answer comes into the list, None for a connection that broke."""
        answers: list[Any] = []
        self._connections += 1
        self.hands[hand].request(node, f"step {self._connections}", request, HOUR, answers.append)
        return answers

    def tell_broker(self, request: Any) -> None:
        """Send broker 1 what has no answer, and let everything come to rest."""
        self.hands[CLIENT].send(NODE, "no answer", request)
        self.run(REST_US)


class ModelBroker:
    """Does the steps of `data_steps` and `steps`."""

    def __init__(self, config: KafkaConfig, patches: tuple[type, ...] = ()) -> None:
        self._world = SmallCluster(config, patches)
        self._controller = ModelController(self._world)
        self._producers: dict[str, int] = {}
        self._sequences: dict[str, int] = {}
        self._values = 0
        #: value -> its record's place in its batch
        self._places: dict[str, int] = {}

    def ask(self, step: Step | DataStep) -> Answer:
        """Do a step."""
        do = getattr(self, f"_{type(step).__name__.lower()}", None)
        if do is None:
            return self._controller.ask(step)
        error, facts = do(step)
        return Answer(error, facts, without_producer_ids(self._controller.new_records()))

    def standing(self) -> Standing:
        """See `Standing`."""
        partition = self._world.broker.replica_manager.partitions.get("orders-0")
        if partition is None or partition.role != "leader":
            return None
        return partition.high_watermark, partition.log.end_offset

    # --- steps ------------------------------------------------------------------------------------------------------

    def _newproducer(self, step: NewProducer) -> tuple[str | None, Facts]:
        response = self._world.ask_node(NODE, data.InitProducerIdRequest())
        if response.error == errors.COORDINATOR_LOAD_IN_PROGRESS:
            response = self._world.ask_node(NODE, data.InitProducerIdRequest())
        self._producers[step.producer] = response.producer_id
        self._sequences.pop(step.producer, None)
        return response.error, (("epoch", response.producer_epoch),)

    def _produce(self, step: Produce) -> tuple[str | None, Facts]:
        producer_id, sequence = -1, -1
        if step.producer is not None:
            if step.producer not in self._producers:
                self._newproducer(NewProducer(step.producer))
            producer_id = self._producers[step.producer]
            sequence = 0 if step.sequence is None else max(0, self._sequences.get(step.producer, 0) + step.sequence)
        values = tuple(f"v{self._values + place}" for place in range(step.count))
        self._places |= {value: place for place, value in enumerate(values)}
        self._values += step.count
        request = data.ProduceRequest(
            step.topic, 0, values, step.acks, MS, producer_id=producer_id,
            producer_epoch=-1 if step.producer is None else step.epoch, base_sequence=sequence)
        if step.acks == 0:
            self._world.tell_broker(request)
            return None, ()
        response = self._world.ask_node(NODE, request)
        if response.error is None and step.producer is not None:
            self._sequences[step.producer] = sequence + step.count
        return response.error, () if response.error else (("base offset", response.base_offset),)

    def _fetch(self, step: Fetch) -> tuple[str | None, Facts]:
        known = self._controller.knowledge
        epoch = known.partition(step.topic)[0]
        partition = self._world.broker.replica_manager.partitions.get(f"{step.topic}-0")
        end = 0 if partition is None else partition.log.end_offset
        offset = max(0, end + step.offset)
        if step.replica >= 0 and offset < end:
            offset -= self._places[partition.log.read(offset, 1, end)[0].value]
        topic_id = {"right": known.topic_ids.get(step.topic, "nowhere"), "unknown": "nowhere", "none": None}
        broker_epoch = known.broker_epoch(step.replica, step.broker_epoch) if step.replica >= 0 else -1
        request = data.FetchRequest(
            step.topic, 0, topic_id[step.topic_id], step.replica, broker_epoch, _relative(epoch, step.leader_epoch),
            offset, _relative(epoch, step.last_epoch), 0, 0, RECORDS)
        if step.replica >= 0:
            all_of_them = data.FollowerFetchRequest(step.replica, broker_epoch, 0, (request,))
            answer = self._world.ask_node(NODE, all_of_them, step.replica).partitions[0][1]
        else:
            answer = self._world.ask_node(NODE, request)
        if answer.error:
            return answer.error, ()
        records = tuple((record.offset, record.leader_epoch, record.value) for record in answer.records)
        return None, (("high watermark", answer.high_watermark), ("log start", answer.log_start_offset),
                      ("diverging", answer.diverging), ("records", records))

    def _listoffsets(self, step: ListOffsets) -> tuple[str | None, Facts]:
        epoch = self._controller.knowledge.partition(step.topic)[0]
        response = self._world.ask_node(NODE, data.ListOffsetsRequest(
            step.topic, 0, step.timestamp, _relative(epoch, step.leader_epoch)))
        if response.error:
            return response.error, ()
        return None, (("offset", response.offset), ("leader epoch", response.leader_epoch))

    def _epochend(self, step: EpochEnd) -> tuple[str | None, Facts]:
        epoch = self._controller.knowledge.partition(step.topic)[0]
        response = self._world.ask_node(NODE, data.OffsetsForLeaderEpochRequest(
            step.topic, 0, -1, _relative(epoch, step.leader_epoch), _relative(epoch, step.epoch)))
        if response.error:
            return response.error, ()
        return None, (("leader epoch", response.leader_epoch), ("end offset", response.end_offset))

    def _describe(self, step: Describe) -> tuple[str | None, Facts]:
        response = self._world.ask_node(NODE, data.MetadataRequest((step.topic,)))
        topic = response.topics.get(step.topic)
        if topic is None:
            return errors.UNKNOWN_TOPIC_OR_PARTITION, ()
        partition = topic[1][0]
        return None, (("brokers", response.brokers), ("leader", partition.leader),
                      ("leader epoch", partition.leader_epoch), ("isr", partition.isr))


def _relative(epoch: int, relative: int) -> int:
    return -1 if relative == NONE else max(-1, epoch + relative)
