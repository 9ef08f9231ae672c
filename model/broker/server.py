"""A broker in KRaft mode: the components of one process.

The listener opens when the broker has caught up with its registration; before that, clients are refused. Administration
requests are authorised at the door and forwarded to the active controller in an envelope (KIP-590).
"""

from collections.abc import Callable
from typing import Any

from fencepost.model.broker.controller_channel import ControllerChannel
from fencepost.model.broker.door import BrokerDoor
from fencepost.model.broker.lifecycle import BrokerLifecycle
from fencepost.model.broker.metadata_loader import MetadataLoader
from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.protocol.controller import AdminRequest, EnvelopeRequest
from fencepost.model.raft.replica import RaftReplica


class BrokerServer(BrokerDoor):
    """One broker process."""

    def __init__(self, node: Node, config: KafkaConfig, composer: Composer, raft: RaftReplica) -> None:
        timeout_us = config.controller_socket_timeout_us
        super().__init__(
            node, config, composer, MetadataImage(track_changes=True),
            ControllerChannel(node, config, raft, "alter-partition", timeout_us),
            ControllerChannel(node, config, raft, "producer-ids", timeout_us))
        self._raft = raft
        self._admin_channel = ControllerChannel(node, config, raft, "forwarding", timeout_us)
        self.loader = composer(MetadataLoader)(node, config, raft, self.image, self)
        self.lifecycle = composer(BrokerLifecycle)(node, config, raft, self, self.metadata_offset)

    def start(self) -> None:
        """Begin the broker's life."""
        self.lifecycle.start()

    def describe(self) -> dict[str, Any]:
        """The broker's state as plain data."""
        return {
            "state": self.lifecycle.state,
            "broker_epoch": self.lifecycle.broker_epoch,
            "fenced": self.lifecycle.fenced,
            "metadata": {"offset": self.image.next_offset, "digest": self.image.digest},
            "partitions": self.replica_manager.describe(),
            "groups": self.coordinator.describe(),
        }

    # --- what differs by mode -----------------------------------------------------------------------------------------

    def controller_id(self) -> int:
        """The leader of the metadata quorum."""
        leader_id = self._raft.leader_id
        return -1 if leader_id is None else leader_id

    def metadata_offset(self) -> int:
        """The last applied metadata offset, -1 for none."""
        return self.image.next_offset - 1

    def administer(self, request: AdminRequest, callback: Callable[..., None], *context: Any) -> None:
        """Forward it to the active controller."""
        self._admin_channel.send(EnvelopeRequest(self._node.node_id, request), callback, *context)

    # --- what the life cycle and the loader tell --------------------------------------------------------------------

    def on_registered(self, broker_epoch: int) -> None:
        """See `LifecycleOwner`."""
        self.replica_manager.broker_epoch = broker_epoch
        self.producer_ids.broker_epoch = broker_epoch

    def on_caught_up(self) -> None:
        """See `LifecycleOwner`: publish the metadata, start the replicas, open the listener."""
        self.loader.start_publishing()
        self.replica_manager.delete_stray_logs()
        self.replica_manager.start()
        self.open_listener()

    def on_may_shut_down(self) -> None:
        """See `LifecycleOwner`."""
        self.lifecycle.write_clean_shutdown()
        self._node.shut_down()

    def publish(self, changes: list[tuple[str, Any]]) -> None:
        """See `MetadataPublisher`."""
        partitions = [key for table, key in changes if table == "partitions"]
        brokers = [key for table, key in changes if table == "brokers"]
        topics = [key for table, key in changes if table == "topics" and key not in self.image.topics]
        if partitions or brokers:
            self.replica_manager.apply_delta(partitions, self.image)
        for topic in topics:
            self.coordinator.on_topic_deleted(topic)
