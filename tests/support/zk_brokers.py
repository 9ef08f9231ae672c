"""Broker processes that hold a ZooKeeper-mode controller and just enough of a broker to be told things."""

from typing import Any

from fake_zookeeper import FakeSession, FakeZooKeeper

from fencepost.histories.event import Event
from fencepost.histories.recorder import Recorder
from fencepost.model import errors
from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics, Simulation
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.controller import AdminResponse, AlterPartitionRequest, AlterPartitionResponse
from fencepost.model.protocol.zk_controller import (
    ControlledShutdownRequest,
    LeaderAndIsrRequest,
    LeaderAndIsrResponse,
    StopReplicaRequest,
    StopReplicaResponse,
    UpdateMetadataRequest,
    UpdateMetadataResponse,
)
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.controller import ZkController
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient
from fencepost.model.zk_controller.persistent_paths import create_persistent_paths
from fencepost.model.zk_controller.registration import BrokerRegistrar
from fencepost.model.zk_controller.znodes import PartitionStateZnode, TopicZnode

CONFIG = KafkaConfig(auto_leader_rebalance_enable=False)
A_WHILE_US = 1_000_000
#: So long after a process its session is over, unless a test ends it sooner.
SESSION_US = 5_000_000

_RESPONSES: dict[type, Any] = {
    LeaderAndIsrRequest: LeaderAndIsrResponse, UpdateMetadataRequest: UpdateMetadataResponse,
    StopReplicaRequest: StopReplicaResponse,
}


class ZkBrokerNode(Node):
    """Registers, races, and obeys controllers whose epochs are not old. `told`: what it obeyed, `refused`: the rest."""

    config = CONFIG
    composer = Composer()
    tree: FakeZooKeeper

    def on_start(self) -> None:
        self.told: list[Any] = []
        self.refused: list[tuple[str, Any]] = []
        self.refuses_deletions = False
        self.controller_epoch = 0
        self.client = KafkaZkClient(self, self.config.zookeeper_max_in_flight_requests, self._make_session)
        self.registrar = self.composer(BrokerRegistrar)(self, self.client, f"{self.node_id}-{self.incarnation}")
        self.controller = self.composer(ZkController)(self, self.config, self.client, self.registrar, self.composer)
        for request_type in _RESPONSES:
            self.handlers[request_type] = self._obey
        self.client.start()
        create_persistent_paths(self.client, self._on_paths)

    def on_stop(self, how: str) -> None:
        self.simulation.scheduler.schedule(SESSION_US, self.session.close)

    def _make_session(self, listener: Any) -> FakeSession:
        self.session = self.tree.session(self, listener)
        return self.session

    def _on_paths(self, error: str | None) -> None:
        if error is None:
            self.registrar.register(self._on_registered)
        else:
            self.shut_down()

    def _on_registered(self, error: str | None) -> None:
        if error is None:
            self.controller.start()
        else:
            self.shut_down()

    def _obey(self, request: Any, reply: Reply) -> None:
        error = None
        if 0 <= request.broker_epoch < self.registrar.broker_epoch:
            error = errors.STALE_BROKER_EPOCH
        elif request.controller_epoch < self.controller_epoch:
            error = errors.STALE_CONTROLLER_EPOCH
        if error is None:
            self.controller_epoch = request.controller_epoch
            self.told.append(request)
        else:
            self.refused.append((error, request))
        response = _RESPONSES[type(request)](error)
        if self.refuses_deletions and isinstance(request, StopReplicaRequest):
            response.partition_errors = tuple(
                ((each.topic, each.partition), errors.KAFKA_STORAGE_ERROR) for each in request.partitions)
        reply.send(response)

    # --- what it was told -------------------------------------------------------------------------------------------

    def roles(self, topic: str = "orders", partition: int = 0) -> list[Any]:
        """The states of a partition in the LeaderAndIsr requests that it obeyed, in their order."""
        return [
            state for request in self.told if isinstance(request, LeaderAndIsrRequest) for state in request.partitions
            if (state.topic, state.partition) == (topic, partition)]

    def stops(self) -> list[Any]:
        """What StopReplica requests told it."""
        return [s for request in self.told if isinstance(request, StopReplicaRequest) for s in request.partitions]

    def metadata(self, topic: str = "orders", partition: int = 0) -> list[Any]:
        """What UpdateMetadata requests told it of a partition."""
        return [
            state for request in self.told if isinstance(request, UpdateMetadataRequest) for state in request.partitions
            if (state.topic, state.partition) == (topic, partition)]


class CapturedReply(Reply):
    """Keeps the response instead of sending it."""

    __slots__ = ("responses",)

    def __init__(self) -> None:
        self.responses: list[Any] = []

    def send(self, response: Any) -> None:
        assert not self.responses
        self.responses.append(response)


class ZkWorld:
    """Brokers 1 to `count` on a fake ZooKeeper; broker 1 starts first and is the controller."""

    def __init__(
        self, count: int = 3, config: KafkaConfig = CONFIG, patches: tuple[type, ...] = (), start: bool = True,
    ) -> None:
        self.recorder = Recorder()
        self.simulation = Simulation(1, Physics(), self.recorder)
        self.network = Network(self.simulation)
        self.tree = FakeZooKeeper(self.simulation)
        self.tree.operate(zk.CreateOp("/admin", None))
        self.brokers: dict[int, ZkBrokerNode] = {}
        composer = Composer(patches)
        for broker_id in range(1, count + 1):
            node = ZkBrokerNode(broker_id, f"broker {broker_id}", self.simulation, self.network)
            node.config, node.composer, node.tree = config, composer, self.tree
            self.brokers[broker_id] = node
        for node in self.brokers.values() if start else ():
            node.start()
            self.settle()

    def __getitem__(self, broker_id: int) -> ZkBrokerNode:
        return self.brokers[broker_id]

    def settle(self, duration_us: int = A_WHILE_US) -> None:
        """Let virtual time pass."""
        self.simulation.scheduler.run_until(self.simulation.scheduler.now_us + duration_us)

    def observed(self, f: str, node: int | None = None) -> list[Event]:
        """The observations of that name so far."""
        return [event for event in self.recorder.events if event.f == f and node in (None, event.node)]

    @property
    def active(self) -> list[int]:
        """Who believes to be the controller."""
        return [i for i, node in self.brokers.items() if node.running and node.controller.is_active]

    # --- topics -----------------------------------------------------------------------------------------------------

    def create_topic(self, *assignments: tuple[int, ...], topic: str = "orders") -> None:
        """As the administration does: the topic's znode; the controller does the rest."""
        znode = TopicZnode(f"{topic}@1", tuple(enumerate(assignments)))
        assert self.tree.operate(zk.CreateOp(znodes.topic_path(topic), znode)).error is None
        self.settle()

    def state(self, topic: str = "orders", partition: int = 0) -> PartitionStateZnode:
        """The partition's state znode."""
        state: PartitionStateZnode = self.tree.data(znodes.state_path(topic, partition))
        return state

    def version(self, topic: str = "orders", partition: int = 0) -> int:
        """The partition epoch."""
        return self.tree.nodes[znodes.state_path(topic, partition)][3]

    # --- faults -----------------------------------------------------------------------------------------------------

    def expire(self, broker_id: int, told: bool = True) -> None:
        """The broker's session is over."""
        self.tree.expire(self[broker_id].session.session_id, told)

    def crash(self, broker_id: int) -> None:
        """The process dies and its session runs out."""
        session_id = self[broker_id].session.session_id
        self[broker_id].kill()
        self.tree.close(session_id)
        self.settle()

    # --- requests ---------------------------------------------------------------------------------------------------

    def ask(self, broker_id: int, request: Any) -> Any:
        """Hand a request to a broker's controller and wait for the answer."""
        reply = CapturedReply()
        self[broker_id].deliver(request, reply)
        self.settle()
        return reply.responses[0]

    def alter_partition_request(self, *isr: int, **changes: Any) -> AlterPartitionRequest:
        """The leader of orders-0 asks for this ISR, with right epochs unless `changes` says otherwise."""
        state = self.state()
        leader = changes.pop("broker_id", state.leader)
        fields: dict[str, Any] = {
            "broker_id": leader, "broker_epoch": self[leader].registrar.broker_epoch, "topic_id": "orders@1",
            "partition": 0, "leader_epoch": state.leader_epoch, "partition_epoch": self.version(),
            "new_isr": tuple((member, -1) for member in isr),
        }
        return AlterPartitionRequest(**{**fields, **changes})

    def alter_partition(self, *isr: int, **changes: Any) -> AlterPartitionResponse:
        response: AlterPartitionResponse = self.ask(self.active[0], self.alter_partition_request(*isr, **changes))
        return response

    def controlled_shutdown(self, broker_id: int, epoch: int | None = None) -> Any:
        if epoch is None:
            epoch = self[broker_id].registrar.broker_epoch
        return self.ask(self.active[0], ControlledShutdownRequest(broker_id, epoch))

    def admin(self, operation: str, broker_id: int | None = None, **arguments: Any) -> AdminResponse:
        """elect_leader or reassign, asked of the controller."""
        controller = self[self.active[0] if broker_id is None else broker_id].controller
        answers: list[AdminResponse] = []
        getattr(controller, operation)(arguments, answers.append)
        self.settle()
        return answers[0]
