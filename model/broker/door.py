"""The door of a broker, in either mode: requests are authorised here and handed on (KafkaApis).

What differs between the modes is behind the door: where the image comes from, who is in control, and how administration
is done.
"""

from collections.abc import Callable
from typing import Any

from fencepost.model import errors
from fencepost.model.broker.authorizer import Authorizer
from fencepost.model.broker.controller_channel import RequestChannel
from fencepost.model.broker.group_coordinator import GroupCoordinator
from fencepost.model.broker.group_records import OFFSETS_TOPIC
from fencepost.model.broker.producer_ids import ProducerIdManager
from fencepost.model.broker.replica_manager import ReplicaManager
from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.metadata.records import CLUSTER_NAME
from fencepost.model.protocol import data, group
from fencepost.model.protocol.controller import AdminRequest, AdminResponse

#: administration operation -> (operation to authorise, resource type, the argument that names the resource)
_ADMIN_RIGHTS: dict[str, tuple[str, str, str | None]] = {
    "create-topic": ("CREATE", "topic", "name"),
    "delete-topic": ("DELETE", "topic", "name"),
    "create-partitions": ("ALTER", "topic", "name"),
    "alter-config": ("ALTER", "topic", "resource_name"),
    "create-acl": ("ALTER", "cluster", None),
    "delete-acl": ("ALTER", "cluster", None),
    "elect-leader": ("ALTER", "cluster", None),
    "reassign": ("ALTER", "cluster", None),
    "unregister-broker": ("ALTER", "cluster", None),
}


class BrokerDoor:
    """The data plane, the groups and the authoriser of one broker, and the listener that leads to them.

    isr_channel: where proposed ISRs go. producer_id_channel: where blocks of producer ids come from.
    """

    def __init__(
        self, node: Node, config: KafkaConfig, composer: Composer, image: MetadataImage, isr_channel: RequestChannel,
        producer_id_channel: RequestChannel,
    ) -> None:
        self._node = node
        self._config = config
        self.image = image
        self.authorizer = composer(Authorizer)(node, config, image)
        self.replica_manager = composer(ReplicaManager)(node, config, composer, image, isr_channel)
        self.coordinator = composer(GroupCoordinator)(node, config, self.replica_manager.coordinator_log, image)
        self.replica_manager.partition_listeners.append(self.coordinator)
        self.producer_ids = ProducerIdManager(node, producer_id_channel)
        self._creating_offsets_topic = False

    # --- what differs by mode -----------------------------------------------------------------------------------------

    def controller_id(self) -> int:
        """Who controls the cluster, as far as this broker knows; -1 for nobody."""
        raise NotImplementedError

    def metadata_offset(self) -> int:
        """The last applied metadata offset; -1 for none, and where metadata has no offsets."""
        raise NotImplementedError

    def administer(self, request: AdminRequest, callback: Callable[..., None], *context: Any) -> None:
        """Do what was authorised; `callback(response or None, *context)` follows once, with None when nobody knows."""
        raise NotImplementedError

    # --- the listener ---------------------------------------------------------------------------------------------

    def open_listener(self) -> None:
        """From now on clients and other brokers are served."""
        self._node.handlers.update({
            data.ProduceRequest: self._handle_produce,
            data.FetchRequest: self._handle_fetch,
            data.ListOffsetsRequest: self._handle_list_offsets,
            data.OffsetsForLeaderEpochRequest: self.replica_manager.consumer_requests.handle_offsets_for_leader_epoch,
            data.FollowerFetchRequest: self.replica_manager.follower_fetches.handle,
            data.InitProducerIdRequest: self._handle_init_producer_id,
            data.MetadataRequest: self._handle_metadata,
            data.DescribeRequest: self._handle_describe,
            group.FindCoordinatorRequest: self._handle_find_coordinator,
            group.JoinGroupRequest: self._handle_join_group,
            group.SyncGroupRequest: self.coordinator.handle_sync_group,
            group.GroupHeartbeatRequest: self.coordinator.handle_heartbeat,
            group.LeaveGroupRequest: self.coordinator.handle_leave_group,
            group.OffsetCommitRequest: self._handle_offset_commit,
            group.OffsetFetchRequest: self._handle_offset_fetch,
            AdminRequest: self._handle_admin,
        })

    def _handle_produce(self, request: data.ProduceRequest, reply: Reply) -> None:
        if self.authorizer.authorise(request.principal, "WRITE", "topic", request.topic):
            self.replica_manager.produce_requests.handle(request, reply)
        else:
            reply.send(data.ProduceResponse(errors.TOPIC_AUTHORIZATION_FAILED))

    def _handle_fetch(self, request: data.FetchRequest, reply: Reply) -> None:
        if self.authorizer.authorise(request.principal, "READ", "topic", request.topic):
            self.replica_manager.consumer_requests.handle_fetch(request, reply)
        else:
            reply.send(data.FetchResponse(errors.TOPIC_AUTHORIZATION_FAILED))

    def _handle_list_offsets(self, request: data.ListOffsetsRequest, reply: Reply) -> None:
        if self.authorizer.authorise(request.principal, "DESCRIBE", "topic", request.topic):
            self.replica_manager.consumer_requests.handle_list_offsets(request, reply)
        else:
            reply.send(data.ListOffsetsResponse(errors.TOPIC_AUTHORIZATION_FAILED))

    def _handle_init_producer_id(self, request: data.InitProducerIdRequest, reply: Reply) -> None:
        self.producer_ids.next_producer_id(reply)

    def _handle_metadata(self, request: data.MetadataRequest, reply: Reply) -> None:
        image = self.image
        names = sorted(image.topics) if request.topics is None else request.topics
        topics = {
            name: (image.topics[name], tuple(
                data.PartitionMetadata(partition.leader, partition.leader_epoch, partition.isr)
                for partition in image.topic_partitions(image.topics[name])
            ))
            for name in names if name in image.topics
        }
        brokers = tuple(sorted(broker.broker_id for broker in image.brokers.values() if not broker.fenced))
        reply.send(data.MetadataResponse(None, brokers, self.controller_id(), topics, self.metadata_offset()))

    def _handle_describe(self, request: data.DescribeRequest, reply: Reply) -> None:
        image = self.image
        if not self.authorizer.authorise(request.principal, "DESCRIBE", request.resource_type, request.resource_name):
            reply.send(data.DescribeResponse(errors.TOPIC_AUTHORIZATION_FAILED))
            return
        if request.what == "acls":
            resource = (request.resource_type, request.resource_name)
            entries = tuple(sorted((f"{acl[0]} {acl[1]}", acl[2]) for acl in image.acls if acl[3:] == resource))
        elif request.resource_type == "topic" and request.resource_name not in image.topics:
            reply.send(data.DescribeResponse(errors.UNKNOWN_TOPIC_OR_PARTITION, offset=self.metadata_offset()))
            return
        else:
            resource = (request.resource_type, request.resource_name)
            entries = tuple(sorted((key[2], value) for key, value in image.configs.items() if key[:2] == resource))
        reply.send(data.DescribeResponse(None, entries, self.metadata_offset()))

    # --- groups ---------------------------------------------------------------------------------------------------

    def _may_read_group(self, principal: str, group_id: str) -> bool:
        return self.authorizer.authorise(principal, "READ", "group", group_id)

    def _handle_find_coordinator(self, request: group.FindCoordinatorRequest, reply: Reply) -> None:
        if OFFSETS_TOPIC not in self.image.topics:
            self._create_offsets_topic()
            reply.send(group.FindCoordinatorResponse(errors.COORDINATOR_NOT_AVAILABLE))
        else:
            self.coordinator.handle_find_coordinator(request, reply)

    def _handle_join_group(self, request: group.JoinGroupRequest, reply: Reply) -> None:
        if self._may_read_group(request.principal, request.group):
            self.coordinator.handle_join_group(request, reply)
        else:
            reply.send(group.JoinGroupResponse(errors.GROUP_AUTHORIZATION_FAILED))

    def _handle_offset_commit(self, request: group.OffsetCommitRequest, reply: Reply) -> None:
        if self._may_read_group(request.principal, request.group):
            self.coordinator.handle_offset_commit(request, reply)
        else:
            reply.send(group.OffsetCommitResponse(errors.GROUP_AUTHORIZATION_FAILED))

    def _handle_offset_fetch(self, request: group.OffsetFetchRequest, reply: Reply) -> None:
        if self.authorizer.authorise(request.principal, "DESCRIBE", "group", request.group):
            self.coordinator.handle_offset_fetch(request, reply)
        else:
            reply.send(group.OffsetFetchResponse(errors.GROUP_AUTHORIZATION_FAILED))

    def _create_offsets_topic(self) -> None:
        """Auto-create __consumer_offsets, as the first FindCoordinator does."""
        if self._creating_offsets_topic:
            return
        self._creating_offsets_topic = True
        arguments = {
            "name": OFFSETS_TOPIC, "partitions": self._config.offsets_topic_num_partitions,
            "replication_factor": self._config.offsets_topic_replication_factor,
            "configs": {"cleanup.policy": "compact"},
        }
        self.administer(AdminRequest("create-topic", arguments), self._on_offsets_topic)

    def _on_offsets_topic(self, response: AdminResponse | None) -> None:
        self._creating_offsets_topic = False

    # --- administration -------------------------------------------------------------------------------------------

    def _handle_admin(self, request: AdminRequest, reply: Reply) -> None:
        operation, resource_type, argument = _ADMIN_RIGHTS[request.operation]
        resource_name = CLUSTER_NAME if argument is None else request.arguments[argument]
        if not self.authorizer.authorise(request.principal, operation, resource_type, resource_name):
            reply.send(AdminResponse(
                errors.TOPIC_AUTHORIZATION_FAILED if resource_type == "topic" else errors.CLUSTER_AUTHORIZATION_FAILED))
            return
        self.administer(request, self._on_admin, reply)

    def _on_admin(self, response: AdminResponse | None, reply: Reply) -> None:
        reply.send(AdminResponse(errors.REQUEST_TIMED_OUT) if response is None else response)
