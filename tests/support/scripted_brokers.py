"""A broker that answers clients as a test tells it to, and a client that talks to it.

By default it leads both partitions of orders and of clicks, coordinates every group, and lets the one member of a group
have them all. `answers[RequestType]` is a list of answers to give first, in turn: a response, None (no answer at all),
REFUSED (the connection is reset) or DEFAULT. `silent_on` names a partition whose fetches are not answered.
"""

from collections.abc import Callable
from typing import Any

from fencepost.histories.event import Event
from fencepost.histories.recorder import Recorder
from fencepost.model.client.client_node import ClientNode
from fencepost.model.config import ClientConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics, Simulation
from fencepost.model.protocol import controller, data, group

CLIENTS = 6
REFUSED, DEFAULT = object(), object()
RECORDS = (data.Record(0, 3, None, "p1-0"), data.Record(1, 3, None, "p1-1"))


class ScriptedBroker(Node):
    """`requests`: everything that arrived, in order. `leaders`: topic -> (topic id, (leader, epoch) by partition)."""

    def on_start(self) -> None:
        self.requests: list[Any] = []
        self.answers: dict[type, list[Any]] = {}
        self.leaders: dict[str, tuple[str, list[tuple[int, int]]]] = {
            topic: (f"{topic}@1", [(self.node_id, 3), (self.node_id, 3)]) for topic in ("orders", "clicks")}
        self.logs: dict[tuple[str, int], tuple[data.Record, ...]] = {("orders", 0): RECORDS}
        self.committed: dict[tuple[str, int], int] = {}
        self.silent_on: tuple[str, int] | None = None
        self.coordinator = self.node_id
        self.generation = 0
        self.producer_ids = 0
        self.assignment: tuple[group.TopicPartition, ...] = ()
        for type_, answer in self._defaults().items():
            self.handlers[type_] = self._handle
            self.answers[type_] = []
            setattr(self, f"_{type_.__name__}", answer)

    def _defaults(self) -> dict[type, Callable[[Any], Any]]:
        return {
            data.MetadataRequest: self._metadata, data.ProduceRequest: self._produce,
            data.InitProducerIdRequest: self._producer_id, data.FetchRequest: self._fetch,
            data.ListOffsetsRequest: self._list_offsets, data.DescribeRequest: self._describe,
            group.FindCoordinatorRequest: self._find_coordinator, group.JoinGroupRequest: self._join,
            group.SyncGroupRequest: self._sync, group.GroupHeartbeatRequest: self._group_answer,
            group.LeaveGroupRequest: self._group_answer, group.OffsetCommitRequest: self._commit,
            group.OffsetFetchRequest: self._fetch_offsets, controller.AdminRequest: self._administer,
        }

    def _handle(self, request: Any, reply: Reply) -> None:
        self.requests.append(request)
        scripted = self.answers[type(request)]
        answer = scripted.pop(0) if scripted else DEFAULT
        if answer is DEFAULT:
            answer = getattr(self, f"_{type(request).__name__}")(request)
        if answer is REFUSED:
            reply.connection.refuse()
        elif answer is not None:
            reply.send(answer)

    def of(self, type_: type) -> list[Any]:
        """The requests of one type that arrived."""
        return [request for request in self.requests if type(request) is type_]

    # --- data -----------------------------------------------------------------------------------------------------

    def _metadata(self, request: data.MetadataRequest) -> data.MetadataResponse:
        topics = {
            topic: (topic_id, tuple(data.PartitionMetadata(leader, epoch, (leader,)) for leader, epoch in leaders))
            for topic, (topic_id, leaders) in self.leaders.items()}
        return data.MetadataResponse(None, (self.node_id,), 101, topics, 10)

    def _produce(self, request: data.ProduceRequest) -> data.ProduceResponse:
        return data.ProduceResponse(None, 7, 3)

    def _producer_id(self, request: data.InitProducerIdRequest) -> data.InitProducerIdResponse:
        self.producer_ids += 1
        return data.InitProducerIdResponse(None, 1000 + self.producer_ids, 0)

    def _fetch(self, request: data.FetchRequest) -> data.FetchResponse | None:
        if (request.topic, request.partition) == self.silent_on:
            return None
        log = self.logs.get((request.topic, request.partition), ())
        return data.FetchResponse(None, len(log), 0, tuple(r for r in log if r.offset >= request.fetch_offset))

    def _list_offsets(self, request: data.ListOffsetsRequest) -> data.ListOffsetsResponse:
        log = self.logs.get((request.topic, request.partition), ())
        first = log[0].offset if log else 0
        return data.ListOffsetsResponse(None, first if request.timestamp == -2 else first + len(log), 3)

    def _describe(self, request: data.DescribeRequest) -> data.DescribeResponse:
        return data.DescribeResponse(None, (("retention.ms", "5"),), 10)

    def _administer(self, request: controller.AdminRequest) -> controller.AdminResponse:
        return controller.AdminResponse(None, {"topic_id": "new@1"}, 11)

    # --- groups ---------------------------------------------------------------------------------------------------

    def _find_coordinator(self, request: group.FindCoordinatorRequest) -> group.FindCoordinatorResponse:
        return group.FindCoordinatorResponse(None, self.coordinator)

    def _join(self, request: group.JoinGroupRequest) -> group.JoinGroupResponse:
        self.generation += 1
        member_id = request.member_id or f"m{self.generation}"
        return group.JoinGroupResponse(None, self.generation, member_id, member_id, ((member_id, request.topics),))

    def _sync(self, request: group.SyncGroupRequest) -> group.SyncGroupResponse:
        self.assignment = dict(request.assignments)[request.member_id]
        return group.SyncGroupResponse(None, self.assignment)

    def _group_answer(self, request: Any) -> group.GroupResponse:
        return group.GroupResponse(None)

    def _commit(self, request: group.OffsetCommitRequest) -> group.OffsetCommitResponse:
        self.committed.update({place: offset for place, offset, _ in request.offsets})
        return group.OffsetCommitResponse(None, 5, 40, "__consumer_offsets-1")

    def _fetch_offsets(self, request: group.OffsetFetchRequest) -> group.OffsetFetchResponse:
        offsets = tuple((place, self.committed.get(place, -1)) for place in request.partitions)
        return group.OffsetFetchResponse(None, offsets, 5)


class Scene:
    """Client 2 of 6 with its operations, brokers 1 (and 2), and the history as far as it was run."""

    def __init__(self, operations: list[dict[str, Any]], brokers: int = 1, config: ClientConfig | None = None) -> None:
        self._recorder = Recorder()
        self._simulation = Simulation(1, Physics(), self._recorder)
        network = Network(self._simulation)
        self.brokers = [
            ScriptedBroker(number, f"broker {number}", self._simulation, network) for number in range(1, 1 + brokers)]
        self.broker = self.brokers[0]
        self.client = ClientNode(
            1003, "client 2", self._simulation, network, 2, config or ClientConfig(),
            tuple(broker.node_id for broker in self.brokers), self._recorder, CLIENTS)
        self.client.load([{"client": 2, "at_us": 0, **operation} for operation in operations])
        for broker in self.brokers:
            broker.start()
        self.client.start()

    def run_until(self, end_us: int) -> list[Event]:
        """Run on to a time and give the client's history so far."""
        self._simulation.scheduler.run_until(end_us)
        return [event for event in self._recorder.events if event.process is not None]
