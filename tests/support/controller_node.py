"""A controller on a fake Raft replica, whose log commits when it is told to."""

from typing import Any

from fencepost.histories.event import Event
from fencepost.histories.recorder import Recorder
from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig
from fencepost.model.controller.quorum_controller import QuorumController
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics, Simulation
from fencepost.model.metadata.image import PartitionRegistration
from fencepost.model.protocol.controller import (
    AdminRequest,
    AdminResponse,
    AlterPartitionRequest,
    AlterPartitionResponse,
    BrokerHeartbeatRequest,
    BrokerHeartbeatResponse,
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
    EnvelopeRequest,
)
from fencepost.model.protocol.raft import Batch, LeaderChange, SnapshotId
from fencepost.model.raft.leader import NotLeaderError
from fencepost.model.raft.listener import RaftListener

#: Kafka's ratios with a session of 9 s, and no task that interferes with a script.
CONFIG = KafkaConfig(min_insync_replicas=2, metadata_max_idle_interval_us=0, auto_leader_rebalance_enable=False)

#: Longer than the event queue's latency, shorter than anything else.
A_MOMENT_US = 1_000


class FakeRaft:
    """A log of batches and a leadership, both in the test's hands."""

    def __init__(self, node_id: int) -> None:
        self.node_id = node_id
        self.state = "follower"
        self.epoch = 0
        self.leader_id: int | None = None
        self.batches: list[Batch] = []
        self.committed = 0
        self.resigned: list[int] = []
        self.snapshots: list[tuple[SnapshotId, tuple[Any, ...], str]] = []
        self.listener: RaftListener | None = None

    @property
    def high_watermark(self) -> int | None:
        return self.batches[self.committed - 1].end_offset if self.committed else None

    @property
    def next_offset(self) -> int:
        return self.batches[-1].end_offset if self.batches else 0

    def register(self, listener: RaftListener) -> None:
        self.listener = listener

    def append(self, epoch: int, records: tuple[Any, ...]) -> int:
        if self.state != "leader" or epoch != self.epoch:
            raise NotLeaderError(f"not the leader of {epoch}")
        return self._add(epoch, records)

    def resign(self, epoch: int) -> None:
        self.resigned.append(epoch)

    def freeze_snapshot(self, snapshot_id: SnapshotId, entries: tuple[Any, ...], digest: str) -> bool:
        self.snapshots.append((snapshot_id, entries, digest))
        return True

    def _add(self, epoch: int, records: tuple[Any, ...]) -> int:
        base_offset = self.next_offset
        self.batches.append(Batch(base_offset, epoch, records, ""))
        return base_offset

    # --- the test's hands -------------------------------------------------------------------------------------------

    def commit(self, batches: int | None = None) -> None:
        """Commit the next `batches` batches, or all."""
        end = len(self.batches) if batches is None else self.committed + batches
        news = tuple(self.batches[self.committed:end])
        self.committed = end
        if news and self.listener is not None:
            self.listener.handle_commit(news)

    def elect(self, leader_id: int | None, epoch: int, keep_uncommitted: bool = False) -> None:
        """A new epoch begins; the leader's LeaderChange is committed, which it learns before, the others after it."""
        assert self.listener is not None
        if not keep_uncommitted:
            del self.batches[self.committed:]
        self.epoch, self.leader_id = epoch, leader_id
        self.state = "leader" if leader_id == self.node_id else "follower"
        if leader_id != self.node_id:
            self.listener.handle_leader_change(leader_id, epoch)
        if leader_id is not None:
            self._add(epoch, (LeaderChange(leader_id, (self.node_id,), (self.node_id,)),))
            self.commit()
        if leader_id == self.node_id:
            self.listener.handle_leader_change(leader_id, epoch)

    def depose_quietly(self) -> None:
        """Another replica leads, and the controller has not heard of it."""
        self.state = "follower"


class CapturedReply(Reply):
    """Keeps the response instead of sending it."""

    __slots__ = ("responses",)

    def __init__(self) -> None:
        self.responses: list[Any] = []

    def send(self, response: Any) -> None:
        """Keep it; more than one answer is an error."""
        assert not self.responses
        self.responses.append(response)

    @property
    def response(self) -> Any:
        """The answer, or None while there is none."""
        return self.responses[0] if self.responses else None


class ControllerNode(Node):
    """A node that holds a controller only."""

    config = CONFIG
    composer = Composer()

    def on_start(self) -> None:
        self.raft = FakeRaft(self.node_id)
        self.controller = self.composer(QuorumController)(self, self.config, self.raft, self.composer)
        self.controller.start()


class ControllerWorld:
    """One controller, its fake log, and short ways to ask it things."""

    def __init__(self, config: KafkaConfig = CONFIG, patches: tuple[type, ...] = (), active: bool = True) -> None:
        self.recorder = Recorder()
        self.simulation = Simulation(1, Physics(), self.recorder)
        self.node = ControllerNode(101, "controller", self.simulation, Network(self.simulation))
        self.node.config = config
        self.node.composer = Composer(patches)
        self.node.start()
        self.raft = self.node.raft
        self.controller = self.node.controller
        if active:
            self.raft.elect(101, 1)
            self.settle()

    # --- time and evidence --------------------------------------------------------------------------------------------

    def pass_time(self, duration_us: int = A_MOMENT_US) -> None:
        """Let virtual time pass."""
        self.simulation.scheduler.run_until(self.simulation.scheduler.now_us + duration_us)

    def settle(self) -> None:
        """Handle what is queued, commit what was appended, handle that."""
        self.pass_time()
        self.raft.commit()
        self.pass_time()

    def observed(self, f: str) -> list[Event]:
        """The observations of that name so far."""
        return [event for event in self.recorder.events if event.f == f]

    def partition(self, topic: str = "orders", index: int = 0) -> PartitionRegistration:
        """A partition by the optimistic image."""
        image = self.controller.image
        return image.partitions[(image.topics[topic], index)]

    # --- requests -------------------------------------------------------------------------------------------------

    def send(self, request: Any) -> CapturedReply:
        """Hand a request to the controller's node; the answer may take a while."""
        reply = CapturedReply()
        self.node.deliver(request, reply)
        return reply

    def ask(self, request: Any) -> Any:
        """Send, commit, and return the answer."""
        reply = self.send(request)
        self.settle()
        return reply.response

    def register(self, broker_id: int, incarnation: str = "a", previous_epoch: int = -1) -> BrokerRegistrationResponse:
        """Register an incarnation of a broker."""
        response: BrokerRegistrationResponse = self.ask(
            BrokerRegistrationRequest(broker_id, f"{broker_id}-{incarnation}", previous_epoch))
        return response

    def heartbeat(
        self, broker_id: int, offset: int | None = None, fence: bool = False, shut_down: bool = False,
        epoch: int | None = None,
    ) -> BrokerHeartbeatResponse:
        """A heartbeat in the broker's current epoch, caught up unless told otherwise."""
        registered = self.controller.image.brokers.get(broker_id)
        if epoch is None:
            epoch = -1 if registered is None else registered.broker_epoch
        caught_up = self.raft.next_offset - 1 if offset is None else offset
        response: BrokerHeartbeatResponse = self.ask(
            BrokerHeartbeatRequest(broker_id, epoch, caught_up, fence, shut_down))
        return response

    def start_brokers(self, *broker_ids: int) -> None:
        """Register and unfence brokers."""
        for broker_id in broker_ids:
            assert self.register(broker_id).error is None
            assert not self.heartbeat(broker_id).is_fenced

    def admin(self, name_of_operation: str, /, **arguments: Any) -> AdminResponse:
        """An administration request forwarded by broker 1."""
        response: AdminResponse = self.ask(EnvelopeRequest(1, AdminRequest(name_of_operation, arguments)))
        return response

    def create_topic(self, *replicas: int, topic: str = "orders", **configs: str) -> str:
        """A topic of one partition with these replicas; its id."""
        response = self.admin(
            "create-topic", name=topic, configs={name.replace("_", "."): configs[name] for name in configs},
            assignments=[list(replicas)])
        assert response.error is None
        return str(response.result["topic_id"])

    def alter_partition_request(self, *isr: int, **changes: Any) -> AlterPartitionRequest:
        """The leader of orders-0 asks for this ISR, with right epochs unless `changes` says otherwise."""
        image, partition = self.controller.image, self.partition()
        leader = changes.pop("broker_id", partition.leader)
        fields: dict[str, Any] = {
            "broker_id": leader, "broker_epoch": image.brokers[leader].broker_epoch if leader in image.brokers else -1,
            "topic_id": image.topics["orders"], "partition": 0, "leader_epoch": partition.leader_epoch,
            "partition_epoch": partition.partition_epoch,
            "new_isr": tuple((broker_id, image.brokers[broker_id].broker_epoch) for broker_id in isr),
        }
        return AlterPartitionRequest(**{**fields, **changes})

    def alter_partition(self, *isr: int, **changes: Any) -> AlterPartitionResponse:
        """Send `alter_partition_request` and wait for the answer."""
        response: AlterPartitionResponse = self.ask(self.alter_partition_request(*isr, **changes))
        return response

    def lose_session_of(self, *broker_ids: int) -> None:
        """Every other broker heartbeats, these do not, until they are fenced."""
        others = [
            broker_id for broker_id, broker in self.controller.image.brokers.items()
            if broker_id not in broker_ids and not broker.fenced
        ]
        for _ in range(12):
            for broker_id in others:
                self.heartbeat(broker_id)
            self.pass_time(1_000_000)
            self.settle()
