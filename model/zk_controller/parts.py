"""The parts of which a controller is made, put together once."""

from collections.abc import Callable
from typing import Any

from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller.channel_manager import ControllerChannelManager
from fencepost.model.zk_controller.context import ControllerContext
from fencepost.model.zk_controller.controller_zk import ControllerZk
from fencepost.model.zk_controller.event_manager import ControllerEventManager
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, WatchHandler
from fencepost.model.zk_controller.partition_states import PartitionStateMachine
from fencepost.model.zk_controller.reassignment import PartitionReassignment
from fencepost.model.zk_controller.replica_states import ReplicaStateMachine
from fencepost.model.zk_controller.request_batch import ControllerBrokerRequestBatch
from fencepost.model.zk_controller.topic_deletion import TopicDeletionManager

#: active_controller_id while nobody is known to be in office.
NOBODY = -1


class ControllerParts:
    """What the controller's events work on.

    active_controller_id: who is in office as far as this process has read; itself from the moment it has won.
    """

    def __init__(
        self, node: Node, config: KafkaConfig, client: KafkaZkClient, composer: Composer,
        on_answer: Callable[[int, Any, Any], None], isr_watch: WatchHandler | None,
    ) -> None:
        self.node = node
        self.config = config
        self.client = client
        self.active_controller_id = NOBODY
        self.context = ControllerContext()
        self.events = ControllerEventManager(node)
        self.zk = composer(ControllerZk)(node, config, client, self.events, self.context)
        self.channels = composer(ControllerChannelManager)(node, config, on_answer)
        self.batch = composer(ControllerBrokerRequestBatch)(node, self.context, self.channels)
        self.partitions = composer(PartitionStateMachine)(config, self.context, self.zk, self.events, self.batch)
        self.replicas = composer(ReplicaStateMachine)(self.context, self.zk, self.events, self.batch)
        self.deletion = composer(TopicDeletionManager)(
            node, self.context, client, self.zk, self.events, self.batch, self.partitions, self.replicas)
        self.reassignment = composer(PartitionReassignment)(
            self.context, client, self.zk, self.events, self.batch, self.partitions, self.replicas, self.deletion,
            isr_watch)

    @property
    def is_active(self) -> bool:
        """Whether this process believes itself to be the active controller."""
        return self.active_controller_id == self.node.node_id

    def send_update_metadata(self, broker_ids: list[int], partitions: list[TopicPartition]) -> None:
        """Tell these brokers of the live brokers and of these partitions, now."""
        self.batch.begin()
        self.batch.add_update_metadata(broker_ids, partitions)
        self.batch.send()

