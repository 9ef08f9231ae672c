"""The model's cluster as a stage: the same story in virtual time."""

from collections.abc import Callable
from typing import Any

from stories.groups import SESSION_S, GroupAnswer, GroupRequest, Heartbeat, Join, Sync
from stories.kraft_stage import MODELLED, KRaftStage, MetadataRecord, QuorumView
from stories.stage import NOTHING, Answer, ClusterView, PartitionView, Question

from fencepost.harness.timing import physics
from fencepost.histories.recorder import Recorder
from fencepost.model.cluster import SimulatedCluster
from fencepost.model.composition import Composer
from fencepost.model.effective_config import effective_config
from fencepost.model.kernel.node import Node
from fencepost.model.kraft_cluster import KRaftCluster
from fencepost.model.protocol import group
from fencepost.model.protocol.controller import AdminRequest, EnvelopeRequest
from fencepost.model.protocol.data import FetchRequest, MetadataRequest, ProduceRequest
from fencepost.model.shape import Shape

_MOMENT_US, _TIMEOUT_US = 5_000, 60_000_000
_ASKING = 3000


class Correspondent(Node):
    """Asks one question over a connection of its own; `answers` is empty until something came (None: no answer)."""

    def on_start(self) -> None:
        self.answers: list[Any] = []

    def on_answer(self, response: Any) -> None:
        self.answers.append(response)


class ModelQuestion(Question[Answer]):
    """A request to a node of the model's. `read` makes of the response (None: there is none) what is wanted."""

    def __init__(self, correspondent: Correspondent, read: Callable[[Any], Answer]) -> None:
        self._correspondent = correspondent
        self._read = read

    def answer(self) -> Answer | None:
        """The answer, if it has come."""
        answers = self._correspondent.answers
        return self._read(answers[0]) if answers else None


def error_of(response: Any) -> str:
    """The error's name, "ok" or "no answer"."""
    return "no answer" if response is None else response.error or "ok"


def _group_answer(response: Any) -> GroupAnswer:
    joined = isinstance(response, group.JoinGroupResponse)
    return GroupAnswer(
        error_of(response), response.generation if joined else -1, response.member_id if joined else "")


class ModelStage:
    """What stages of both modes have in common: time, acts, and questions to brokers."""

    cluster: SimulatedCluster
    group: str

    def begin(self, cluster: SimulatedCluster) -> None:
        """Start every process."""
        self.cluster = cluster
        self._asked = 0
        cluster.start()

    def now_s(self) -> float:
        return self.cluster.now_us / 1e6

    def let_time_pass(self) -> None:
        self.cluster.run_until(self.cluster.now_us + _MOMENT_US)

    def act(self, act: str, node: int) -> None:
        {"pause": self.cluster.pause, "resume": self.cluster.resume, "kill": self.cluster.kill,
         "start": self.cluster.start_node}[act](node)

    def ask(self, node: int, request: Any) -> Correspondent:
        """Send a request."""
        self._asked += 1
        simulation = self.cluster.simulation
        correspondent = Correspondent(_ASKING + self._asked, "correspondent", simulation, self.cluster.network)
        correspondent.start()
        correspondent.request(node, "question", request, _TIMEOUT_US, correspondent.on_answer)
        return correspondent

    def metadata(self, broker: int) -> ClusterView:
        node = self.cluster.node(broker)
        if not node.running or node.paused:
            return NOTHING
        answer = self.answer(broker, MetadataRequest())
        return NOTHING if answer is None else ClusterView(tuple(sorted(answer.brokers)), {
            f"{topic}-{index}": PartitionView(state.leader, state.leader_epoch, tuple(sorted(state.isr)))
            for topic, (_, partitions) in answer.topics.items() for index, state in enumerate(partitions)})

    def produce(self, broker: int, topic: str, value: str) -> Question[str]:
        return ModelQuestion(self.ask(broker, ProduceRequest(topic, 0, (value,), -1, _TIMEOUT_US)), error_of)

    def values(self, broker: int, topic: str) -> tuple[str, ...]:
        response = self.answer(broker, FetchRequest(topic, 0, None, -1, -1, -1, 0, -1, 0, 0, 1_000))
        return tuple(str(record.value) for record in response.records)

    def coordinates(self, broker: int) -> bool:
        node = self.cluster.node(broker)
        if not node.running or node.paused:
            return False
        found = self.answer(broker, group.FindCoordinatorRequest(self.group))
        answer = self.answer(broker, group.OffsetFetchRequest(self.group, (("any", 0),)))
        return found is not None and found.coordinator_id == broker and answer is not None and answer.error is None

    def ask_group(self, broker: int, request: GroupRequest) -> Question[GroupAnswer]:
        return ModelQuestion(self.ask(broker, _group_request(self.group, request)), _group_answer)

    def committed_offset(self, broker: int, topic: str) -> int:
        (entry,) = self.answer(broker, group.OffsetFetchRequest(self.group, ((topic, 0),))).offsets
        return int(entry[1])

    def answer(self, broker: int, request: Any) -> Any:
        """The response, once it has come; None for none."""
        correspondent = self.ask(broker, request)
        while not correspondent.answers:
            self.let_time_pass()
        return correspondent.answers[0]


def _group_request(name: str, request: GroupRequest) -> Any:
    if isinstance(request, Join):
        session_us = SESSION_S * 1_000_000
        return group.JoinGroupRequest(name, request.member, None, session_us, session_us, request.topics)
    if isinstance(request, Sync):
        assignment = ((request.member, (("consumed", 0),)),)
        return group.SyncGroupRequest(name, request.member, None, request.generation, assignment)
    if isinstance(request, Heartbeat):
        return group.GroupHeartbeatRequest(name, request.member, None, request.generation)
    return group.OffsetCommitRequest(
        name, request.generation, request.member, None, ((("consumed", 0), request.offset, -1),))


class ModelKRaftStage(ModelStage, KRaftStage):
    """The model's quorum and brokers, with Kafka's own time-outs."""

    def __init__(self, shape: Shape, properties: dict[str, str], patches: tuple[type, ...] = ()) -> None:
        KRaftStage.__init__(self)
        config = effective_config("kafka-defaults", {**MODELLED, **properties}, shape.brokers)
        cluster = KRaftCluster(
            1, shape, config.kafka, config.client, physics("kafka-defaults"), Composer(patches), Recorder())
        self._nodes = cluster.nodes
        self.controllers, self.brokers = shape.controller_ids(), shape.broker_ids()
        self._read_to = 0
        self.begin(cluster)

    def quorum(self, node: int) -> QuorumView | None:
        raft = self._nodes[node].raft
        if raft is None or self._nodes[node].paused:
            return None
        return QuorumView(-1 if raft.leader_id is None else raft.leader_id, raft.epoch)

    def is_active(self, node: int) -> bool:
        controller = self._nodes[node].controller
        return controller is not None and controller.is_active

    def committed(self) -> list[MetadataRecord]:
        raft = self._nodes[self.leader_of_quorum()].raft
        assert raft is not None
        end_offset = raft.high_watermark or 0
        batches = raft.log.read(self._read_to, end_offset, end_offset)
        self._read_to = max(self._read_to, end_offset)
        return [MetadataRecord(batch.epoch, type(record).__name__, _fields(record))
                for batch in batches for record in batch.records]

    def order_topic(self, controller: int, topic: str, replicas: tuple[int, ...]) -> Question[str]:
        arguments = {"name": topic, "assignments": [list(replicas)], "configs": {}}
        request = EnvelopeRequest(1, AdminRequest("create-topic", arguments))
        return ModelQuestion(self.ask(controller, request), error_of)


def _fields(record: Any) -> dict[str, Any]:
    fields = record._asdict()
    return {"partition_id": fields["partition"], **fields} if "partition" in fields else fields
