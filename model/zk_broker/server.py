"""A broker in ZooKeeper mode: the components of one process, its controller among them.

The listener opens when the broker is registered and has read configurations and ACLs. Administration that the
controller must do is passed on to it by the broker that was asked, once it is authorised.

Left out: in 3.9 a client looks up the controller in its metadata and sends such requests there itself; here the broker
that it asks passes them on, which is one hop more and the same answer.
"""

from collections.abc import Callable
from typing import Any

from fencepost.model import errors
from fencepost.model.broker.controller_channel import ControllerChannel
from fencepost.model.broker.door import BrokerDoor
from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig, ZooKeeperConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.protocol import data
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.controller import AdminRequest, AdminResponse, EnvelopeRequest
from fencepost.model.zk_broker.change_notifications import ChangeNotifications
from fencepost.model.zk_broker.control_requests import ControlRequests
from fencepost.model.zk_broker.lifecycle import ZkBrokerLifecycle
from fencepost.model.zk_broker.metadata_cache import MetadataCache
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.admin_manager import ZkAdminManager
from fencepost.model.zk_controller.controller import ZkController, uses_alter_partition
from fencepost.model.zk_controller.isr_propagation import ZkIsrManager
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome
from fencepost.model.zk_controller.registration import BrokerRegistrar
from fencepost.model.zookeeper.client import ClientTimeouts, ZooKeeperClient

#: Administration that any broker does by writing to ZooKeeper; the rest is the controller's.
_ANYWHERE = ("alter-config", "create-acl", "delete-acl")


class ZkBrokerServer(BrokerDoor):
    """One broker process. servers: the ensemble. chroot: "" or the path below which this cluster's znodes are."""

    image: MetadataCache

    def __init__(
        self, node: Node, config: KafkaConfig, zookeeper: ZooKeeperConfig, composer: Composer, servers: tuple[int, ...],
        chroot: str = "",
    ) -> None:
        cache, timeout_us = MetadataCache(), config.controller_socket_timeout_us
        self._node = node
        self._timeouts = ClientTimeouts(config.zookeeper_session_timeout_us, zookeeper.client_spin_delay_us)
        self._servers = servers
        self._chroot = chroot
        self.client = composer(KafkaZkClient)(node, config.zookeeper_max_in_flight_requests, self._make_session)
        self._isr_manager = None if uses_alter_partition(config) else composer(ZkIsrManager)(node, config, self.client)
        super().__init__(
            node, config, composer, cache,
            self._isr_manager or ControllerChannel(node, config, cache, "alter-partition", timeout_us),
            ControllerChannel(node, config, cache, "producer-ids", timeout_us))
        stream = node.simulation.streams(f"incarnation {node.node_id}")
        incarnation_id = f"{node.node_id}-{stream.bits(32):08x}"
        self.registrar = composer(BrokerRegistrar)(node, self.client, incarnation_id)
        self.registrar.listeners.append(self._on_registered)
        self.controller = composer(ZkController)(node, config, self.client, self.registrar, composer)
        self.lifecycle = composer(ZkBrokerLifecycle)(
            node, config, self.client, self.registrar, incarnation_id,
            ControllerChannel(node, config, cache, "controlled-shutdown", timeout_us), self)
        self._changes = composer(ChangeNotifications)(self.client, cache, self.controller.on_unclean_election_enabled)
        self.control = composer(ControlRequests)(
            node, config, self.replica_manager, cache, self._broker_epoch, self._changes.read_topics,
            self.coordinator.on_topic_deleted)
        self._admin = composer(ZkAdminManager)(node, config, self.client, self.controller, cache)
        self._admin_channel = ControllerChannel(node, config, cache, "forwarding", timeout_us)

    def start(self) -> None:
        """Begin the broker's life."""
        self.lifecycle.start()

    def _make_session(self, listener: KafkaZkClient) -> ZooKeeperClient:
        return ZooKeeperClient(self._node, self._timeouts, self._servers, self._chroot, listener)

    def _broker_epoch(self) -> int:
        return self.registrar.broker_epoch

    def describe(self) -> dict[str, Any]:
        """The broker's state as plain data."""
        return {
            "state": self.lifecycle.state,
            "broker_epoch": self.registrar.broker_epoch,
            "session": self.client.session_id,
            "cache": self._describe_cache(),
            "partitions": self.replica_manager.describe(),
            "groups": self.coordinator.describe(),
        }

    def _describe_cache(self) -> dict[str, Any]:
        image = self.image
        return {
            "controller": image.controller_id,
            "brokers": sorted(image.brokers),
            "partitions": {
                f"{image.topic_names[topic_id]}-{index}/{topic_id}": {
                    "leader": state.leader, "leader_epoch": state.leader_epoch, "partition_epoch":
                    state.partition_epoch, "isr": list(state.isr)}
                for (topic_id, index), state in sorted(image.partitions.items())},
        }

    # --- what differs by mode -----------------------------------------------------------------------------------------

    def controller_id(self) -> int:
        """Who updated this broker's metadata last."""
        return self.image.controller_id

    def metadata_offset(self) -> int:
        """Always -1: what a broker knows here has no offset."""
        return -1

    def administer(self, request: AdminRequest, callback: Callable[..., None], *context: Any) -> None:
        """Do it here, or have the controller's broker do it."""
        if request.operation in _ANYWHERE:
            self._admin.execute(request.operation, request.arguments, _Answer(callback, context))
        else:
            self._admin_channel.send(EnvelopeRequest(self._node.node_id, request), callback, *context)

    def _handle_envelope(self, envelope: EnvelopeRequest, reply: Reply) -> None:
        """Another broker has authorised this."""
        self._admin.execute(envelope.request.operation, envelope.request.arguments, reply.send)

    def _handle_describe(self, request: data.DescribeRequest, reply: Reply) -> None:
        """A topic's configuration is read from ZooKeeper by whoever is asked."""
        if request.what == "acls" or not self.authorizer.authorise(
            request.principal, "DESCRIBE", request.resource_type, request.resource_name
        ):
            super()._handle_describe(request, reply)
        elif request.resource_type == "topic" and request.resource_name not in self.image.topics:
            reply.send(data.DescribeResponse(errors.UNKNOWN_TOPIC_OR_PARTITION))
        else:
            path = znodes.config_path(request.resource_type, request.resource_name)
            self.client.request_all([zk.GetDataOp(path)], self._answer_describe, reply)

    @staticmethod
    def _answer_describe(outcomes: list[Outcome], reply: Reply) -> None:
        result = outcomes[0].result
        if result.error in (None, zk.NONODE):
            reply.send(data.DescribeResponse(None, () if result.value is None else tuple(result.value.entries)))
        else:
            reply.send(data.DescribeResponse(errors.UNKNOWN_SERVER_ERROR))

    # --- beginnings ---------------------------------------------------------------------------------------------------

    def _on_registered(self, broker_epoch: int) -> None:
        self.replica_manager.broker_epoch = broker_epoch
        self.producer_ids.broker_epoch = broker_epoch

    def on_first_registered(self) -> None:
        """See `ZkLifecycleOwner`: race for the controller's office, and get ready to be told roles."""
        self.controller.start()
        self._changes.load(self._open)

    def _open(self) -> None:
        self.replica_manager.start()
        if self._isr_manager is not None:
            self._isr_manager.start()
        self.open_listener()
        self._node.handlers[EnvelopeRequest] = self._handle_envelope
        self.control.open()
        self.lifecycle.begin_running()


class _Answer:
    """A callback with its context, for who calls back with one argument."""

    __slots__ = ("_callback", "_context")

    def __init__(self, callback: Callable[..., None], context: tuple[Any, ...]) -> None:
        self._callback = callback
        self._context = context

    def __call__(self, response: AdminResponse) -> None:
        self._callback(response, *self._context)
