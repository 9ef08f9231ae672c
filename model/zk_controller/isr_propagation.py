"""How a leader changes its ISR up to inter.broker.protocol.version 2.6 (ZkIsrManager, ReplicationUtils).

The leader writes the partition's state itself, by compare and set on the version that it knows. The controller is told
by a sequential znode under /isr_change_notification, which names all partitions changed since the last one: written
once nothing has changed for the linger time, at the latest after the longest time, looked at in a fixed period.
"""

from collections.abc import Callable
from typing import Any

from fencepost.model import errors
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.controller import AlterPartitionRequest, AlterPartitionResponse
from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome
from fencepost.model.zk_controller.topic_znodes import topic_of


class ZkIsrManager:
    """Takes the place of the channel to the controller: an AlterPartition request in, its response out."""

    def __init__(self, node: Node, config: KafkaConfig, client: KafkaZkClient) -> None:
        self._node = node
        self._config = config
        self._client = client
        self._changed: dict[TopicPartition, None] = {}
        self._last_change_us = 0
        self._last_propagation_us = 0

    def start(self) -> None:
        """Begin to look for changes to tell of."""
        self._last_propagation_us = self._node.now_us
        self._node.schedule(self._config.isr_change_check_interval_us, self._propagate)

    def send(self, request: AlterPartitionRequest, callback: Callable[..., None], *context: Any) -> None:
        """Change the ISR; `callback(response or None, *context)` follows once: None where the session has expired."""
        path = znodes.state_path(topic_of(request.topic_id), request.partition)
        self._client.request_all([zk.GetDataOp(path)], self._on_read, request, callback, context)

    def _on_read(
        self, outcomes: list[Outcome], request: AlterPartitionRequest, callback: Callable[..., None],
        context: tuple[Any, ...],
    ) -> None:
        result = outcomes[0].result
        if result.error == zk.NONODE:
            callback(AlterPartitionResponse(errors.UNKNOWN_TOPIC_OR_PARTITION), *context)
        elif result.stat is None:
            callback(None, *context)
        elif self.is_stale_version(request, result.stat.version):
            callback(AlterPartitionResponse(errors.INVALID_UPDATE_VERSION), *context)
        else:
            wanted = result.value._replace(
                isr=tuple(member for member, _ in request.new_isr),
                leader_recovery_state=request.leader_recovery_state)
            assert isinstance(outcomes[0].operation, zk.GetDataOp)
            write = zk.SetDataOp(outcomes[0].operation.path, wanted, result.stat.version)
            self._client.request_all([write], self._on_written, request, wanted, callback, context)

    def is_stale_version(self, request: AlterPartitionRequest, version: int) -> bool:
        """The state has changed since the leader learnt it ("Cached zkVersion not equal to that in zookeeper")."""
        return request.partition_epoch != version

    def _on_written(
        self, outcomes: list[Outcome], request: AlterPartitionRequest, wanted: znodes.PartitionStateZnode,
        callback: Callable[..., None], context: tuple[Any, ...],
    ) -> None:
        outcome = outcomes[0]
        if outcome.result.error is None:
            self._succeed(request, wanted, callback, context)
        elif outcome.result.error == zk.BADVERSION and outcome.resent:
            assert isinstance(outcome.operation, zk.SetDataOp)
            self._client.request_all(
                [zk.GetDataOp(outcome.operation.path)], self._recognise, request, wanted, callback, context)
        elif outcome.result.error == zk.SESSIONEXPIRED:
            callback(None, *context)
        else:
            callback(AlterPartitionResponse(errors.INVALID_UPDATE_VERSION), *context)

    def _recognise(
        self, outcomes: list[Outcome], request: AlterPartitionRequest, wanted: znodes.PartitionStateZnode,
        callback: Callable[..., None], context: tuple[Any, ...],
    ) -> None:
        """The lost attempt has written it, if the state is just what was wanted (checkLeaderAndIsrZkData)."""
        result = outcomes[0].result
        if result.stat is not None and result.value == wanted and result.stat.version == request.partition_epoch + 1:
            self._succeed(request, wanted, callback, context)
        else:
            callback(AlterPartitionResponse(errors.INVALID_UPDATE_VERSION), *context)

    def _succeed(
        self, request: AlterPartitionRequest, state: znodes.PartitionStateZnode, callback: Callable[..., None],
        context: tuple[Any, ...],
    ) -> None:
        self._changed[(topic_of(request.topic_id), request.partition)] = None
        self._last_change_us = self._node.now_us
        response = AlterPartitionResponse(
            None, state.leader, state.leader_epoch, state.isr, request.partition_epoch + 1)
        callback(response, *context)

    # --- telling the controller -------------------------------------------------------------------------------------

    def _propagate(self) -> None:
        config, now_us = self._config, self._node.now_us
        lingered = self._last_change_us + config.isr_change_linger_us < now_us
        overdue = self._last_propagation_us + config.isr_change_max_delay_us < now_us
        if self._changed and (lingered or overdue):
            data = znodes.IsrChangeZnode(tuple(self._changed))
            create = zk.CreateOp(f"{znodes.ISR_CHANGES}/isr_change_", data, sequential=True)
            self._client.request_all([create], self._on_propagated, tuple(self._changed))
            self._changed.clear()
            self._last_propagation_us = now_us
        self._node.schedule(config.isr_change_check_interval_us, self._propagate)

    def _on_propagated(self, outcomes: list[Outcome], partitions: tuple[TopicPartition, ...]) -> None:
        """What could not be told is told the next time."""
        if outcomes[0].result.error is not None:
            self._changed.update(dict.fromkeys(partitions))
