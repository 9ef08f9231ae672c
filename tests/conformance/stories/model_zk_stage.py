"""The model's brokers in ZooKeeper mode as a stage."""

from collections.abc import Callable, Iterator
from typing import Any

from stories.model_stage import ModelQuestion, ModelStage, error_of
from stories.stage import Question
from stories.zk_stage import CONTROLLER_EPOCH, ENSEMBLE, MODELLED, Change, PartitionState, ZkStage

from fencepost.harness.timing import physics
from fencepost.histories.recorder import Recorder
from fencepost.model.composition import Composer
from fencepost.model.effective_config import effective_config
from fencepost.model.kernel.node import Node
from fencepost.model.protocol.controller import AdminRequest
from fencepost.model.protocol.zk_controller import (
    NO_EPOCH,
    ControlledShutdownRequest,
    StopReplicaRequest,
    StopReplicaState,
)
from fencepost.model.shape import Shape
from fencepost.model.zk_cluster import ZkCluster
from fencepost.model.zk_controller.znodes import ControllerZnode, PartitionStateZnode
from fencepost.model.zookeeper import transactions as zk

SHAPE = Shape(brokers=2, zookeepers=1)


class ModelZkStage(ModelStage, ZkStage):
    """The model's brokers and ensemble, with Kafka's own time-outs."""

    def __init__(self, patches: tuple[type, ...] = ()) -> None:
        ZkStage.__init__(self)
        config = effective_config("kafka-defaults", MODELLED, SHAPE.brokers, zookeeper=ENSEMBLE)
        cluster = ZkCluster(
            1, SHAPE, config.kafka, config.client, config.zookeeper, config.consumer, physics("kafka-defaults"),
            Composer(patches), Recorder())
        self.brokers = SHAPE.broker_ids()
        self._changes: list[Change] = []
        self._doomed_path: str | None = None
        #: A server that has restarted tells everything again.
        self._read_to = 0
        (server,) = cluster.ensemble.values()
        self._tell_cluster = server.on_committed
        server.on_committed = self._on_committed
        self.begin(cluster)

    def _on_committed(self, node: Node, transaction: zk.Transaction) -> None:
        self._tell_cluster(node, transaction)
        if transaction.zxid <= self._read_to:
            return
        self._read_to = transaction.zxid
        changes = list(_changes(transaction.zxid, transaction.body))
        self._changes += changes
        if self._doomed_path in [change.path for change in changes]:
            self._doomed_path = None
            self.cluster.schedule(0, self._bounce, node.node_id)

    def _bounce(self, server: int) -> None:
        """The server restarts, and its answer goes down with its connections; sessions and what is committed stay."""
        self.cluster.kill(server)
        self.cluster.start_node(server)

    def committed(self) -> list[Change]:
        changes, self._changes = self._changes, []
        return changes

    def order_topic(self, broker: int, topic: str, replicas: tuple[int, ...]) -> Question[str]:
        arguments = {"name": topic, "assignments": [list(replicas)], "configs": {}}
        return ModelQuestion(self.ask(broker, AdminRequest("create-topic", arguments)), error_of)

    def lose_answer(self, broker: int, path: str) -> Callable[[], bool]:
        self._doomed_path = path
        return lambda: self._doomed_path is None

    def outlive(self, broker: int) -> Callable[[], None]:
        """In virtual time a start takes less than a session."""
        return lambda: None

    def runs(self, broker: int) -> bool:
        return self.cluster.is_running(broker)

    def stop_replica(
        self, broker: int, controller: int, controller_epoch: int, broker_epoch: int, topic: str, delete: bool
    ) -> str:
        states = (StopReplicaState(topic, 0, NO_EPOCH, delete),)
        answer = self.answer(broker, StopReplicaRequest(controller, controller_epoch, broker_epoch, states))
        errors = [error for _, error in answer.partition_errors]
        return answer.error or (errors[0] if errors else "ok")

    def controlled_shutdown(self, receiver: int, broker: int, broker_epoch: int) -> str:
        return error_of(self.answer(receiver, ControlledShutdownRequest(broker, broker_epoch)))

    def delete_controller(self) -> None:
        assert self.cluster.delete_controller()


def _changes(zxid: int, body: zk.Body) -> Iterator[Change]:
    if isinstance(body, zk.CreateTxn):
        yield Change(body.path, _value(body.path, body.data), 0, zxid)
    elif isinstance(body, zk.SetDataTxn):
        yield Change(body.path, _value(body.path, body.data), body.version, zxid)
    elif isinstance(body, zk.DeleteTxn):
        yield Change(body.path, None, -1, zxid)
    elif isinstance(body, zk.CloseSessionTxn):
        for path in sorted(body.paths):
            yield Change(path, None, -1, zxid)
    elif isinstance(body, zk.MultiTxn):
        for part in body.parts:
            yield from _changes(zxid, part)


def _value(path: str, data: Any) -> int | PartitionState | None:
    if path == CONTROLLER_EPOCH:
        return int(data)
    if isinstance(data, ControllerZnode):
        return data.broker_id
    if isinstance(data, PartitionStateZnode):
        return PartitionState(data.leader, data.leader_epoch, tuple(sorted(data.isr)), data.controller_epoch)
    return None
