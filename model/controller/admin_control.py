"""Administration requests: which part of the controller handles which operation."""

from typing import Any

from fencepost.model import errors
from fencepost.model.config import KafkaConfig
from fencepost.model.controller.acl_control import AclControl
from fencepost.model.controller.cluster_control import ClusterControl
from fencepost.model.controller.configuration_control import MIN_INSYNC_REPLICAS, ConfigurationControl
from fencepost.model.controller.replication_control import ReplicationControl
from fencepost.model.controller.result import ApiError, Result
from fencepost.model.controller.topic_control import TopicControl
from fencepost.model.protocol.controller import AdminRequest


class AdminControl:
    """Hands each operation of `AdminRequest` on.

    Brokers authorise what they forward. A request that reaches the controller directly (KIP-919) is taken from super
    users only; checking it against the ACLs here would decide by the same rule as the brokers do.
    """

    def __init__(
        self, config: KafkaConfig, cluster: ClusterControl, topics: TopicControl, replication: ReplicationControl,
        configuration: ConfigurationControl, acls: AclControl,
    ) -> None:
        self._cluster = cluster
        self._topics = topics
        self._replication = replication
        self._configuration = configuration
        self._super_users = tuple(user.strip() for user in config.super_users.split(";"))
        self._operations = {
            "create-topic": self._create_topic,
            "delete-topic": topics.delete,
            "create-partitions": self._create_partitions,
            "alter-config": self._alter_config,
            "create-acl": acls.create,
            "delete-acl": acls.delete,
            "elect-leader": replication.elect_leader,
            "reassign": replication.reassign,
            "unregister-broker": cluster.unregister_broker,
        }

    def forwarded(self, request: AdminRequest) -> Result:
        """Handle a request that a broker has authorised. Raises ApiError for an unknown operation."""
        operation = self._operations.get(request.operation)
        if operation is None:
            raise ApiError(errors.INVALID_REQUEST)
        return operation(request.arguments)

    def direct(self, request: AdminRequest) -> Result:
        """Handle a request that came straight from a client. Raises ApiError CLUSTER_AUTHORIZATION_FAILED."""
        if request.principal not in self._super_users:
            raise ApiError(errors.CLUSTER_AUTHORIZATION_FAILED)
        return self.forwarded(request)

    def _create_topic(self, arguments: dict[str, Any]) -> Result:
        return self._topics.create(arguments, self._cluster.heartbeats)

    def _create_partitions(self, arguments: dict[str, Any]) -> Result:
        return self._topics.create_partitions(arguments, self._cluster.heartbeats)

    def _alter_config(self, arguments: dict[str, Any]) -> Result:
        result = self._configuration.alter(arguments)
        if result.records and arguments["resource_type"] == "topic" and arguments["key"] == MIN_INSYNC_REPLICAS:
            value, topic = arguments["value"], arguments["resource_name"]
            minimum = self._configuration.default_min_insync_replicas() if value is None else int(value)
            result.records += self._replication.minimum_isr_changes(topic, minimum)
        return result
