"""A broker's registration in /brokers/ids (KafkaZkClient.registerBroker, CheckedEphemeral).

The znode is created ephemeral, and its data set once, in one multi; its czxid is the broker epoch. Where the znode is
there already, its owner decides: the session that this process had before (it does not die by itself at times,
ZOOKEEPER-2985) - delete it and create it anew; the present session - the own create, whose answer was lost; any other -
another process of the same id, or this broker's last one: the registration fails.
"""

from collections.abc import Callable
from typing import Any

from fencepost.model.kernel.node import Node
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome
from fencepost.model.zk_controller.znodes import BrokerZnode, broker_path

#: What is found where the znode exists already.
RECREATE, ADOPT, REFUSE = "recreate", "adopt", "refuse"


class BrokerRegistrar:
    """Registers one broker process, at its start and after every expiry of its session.

    broker_epoch: of the last registration, -1 before.
    listeners: told of the broker epoch, each time.
    """

    def __init__(self, node: Node, client: KafkaZkClient, incarnation_id: str) -> None:
        self._node = node
        self._client = client
        self._path = broker_path(node.node_id)
        self._data = BrokerZnode(node.node_id, incarnation_id)
        self._registered_session = 0
        self.broker_epoch = -1
        self.listeners: list[Callable[[int], None]] = []

    def register(self, callback: Callable[..., None], *context: Any) -> None:
        """Register; `callback(error or None, *context)`: None, NODEEXISTS (another session owns the znode), or the
        error of a dead session."""
        operations = (zk.CreateOp(self._path, self._data, ephemeral=True), zk.SetDataOp(self._path, self._data, 0))
        self._client.request_all([zk.MultiOp(operations)], self._on_created, callback, context)

    def _on_created(
        self, outcomes: list[Outcome], callback: Callable[..., None], context: tuple[Any, ...]
    ) -> None:
        result = outcomes[0].result
        if result.error == zk.NODEEXISTS:
            self._client.request_all([zk.GetDataOp(self._path)], self._on_found, callback, context)
        elif result.error is None and result.results is not None and result.results[1].stat is not None:
            self._succeed(result.results[1].stat, callback, context)
        else:
            callback(result.error, *context)

    def _on_found(self, outcomes: list[Outcome], callback: Callable[..., None], context: tuple[Any, ...]) -> None:
        result = outcomes[0].result
        if result.error == zk.NONODE:
            self.register(callback, *context)
        elif result.error is not None or result.stat is None:
            callback(result.error, *context)
        else:
            found = self.judge_existing(result.stat.ephemeral_owner)
            if found == RECREATE:
                self._client.request_all([zk.DeleteOp(self._path)], self._on_deleted, callback, context)
            elif found == ADOPT:
                self._succeed(result.stat, callback, context)
            else:
                callback(zk.NODEEXISTS, *context)

    def judge_existing(self, owner: int) -> str:
        """What to do with a znode that the session `owner` holds (KAFKA-7165)."""
        if owner == self._client.session_id:
            return ADOPT
        return RECREATE if owner == self._registered_session and owner != 0 else REFUSE

    def _on_deleted(self, outcomes: list[Outcome], callback: Callable[..., None], context: tuple[Any, ...]) -> None:
        if outcomes[0].result.error in (None, zk.NONODE):
            self.register(callback, *context)
        else:
            callback(outcomes[0].result.error, *context)

    def _succeed(self, stat: zk.Stat, callback: Callable[..., None], context: tuple[Any, ...]) -> None:
        self._registered_session = self._client.session_id
        self.broker_epoch = stat.czxid
        value = {
            "incarnation_id": self._data.incarnation_id, "session": self._registered_session,
            "owner": stat.ephemeral_owner,
        }
        self._node.observe("broker-registered", value=value, broker_epoch=self.broker_epoch)
        self._node.at_point("broker.registered")
        for listener in self.listeners:
            listener(self.broker_epoch)
        callback(None, *context)
