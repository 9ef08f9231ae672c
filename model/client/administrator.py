"""The administration side of a client: topics, configurations, ACLs, elections, reassignments, and reading them back.

Requests go to any broker, which forwards writes to the active controller. A write is sent once, for a second attempt
could find the first one's work; `retry` makes the operation go on until it is answered for certain.
"""

from typing import TYPE_CHECKING, Any

from fencepost.histories.event import FAIL, OK
from fencepost.model import errors
from fencepost.model.client.classification import is_definite, outcome
from fencepost.model.protocol.controller import AdminRequest, AdminResponse
from fencepost.model.protocol.data import DescribeRequest, DescribeResponse, MetadataRequest, MetadataResponse

if TYPE_CHECKING:
    from fencepost.model.client.client_node import ClientNode


class Administrator:
    """Operations by the names of `fencepost.histories.vocabulary`; their fields are those of its invocation values."""

    OPERATIONS = (
        "create-topic", "delete-topic", "alter-config", "describe-config", "create-acl", "delete-acl",
        "describe-topics", "elect-leader", "reassign",
    )

    def __init__(self, client: "ClientNode") -> None:
        self._client = client

    def run(self, operation: dict[str, Any]) -> None:
        """Run any of `OPERATIONS`."""
        key = operation.get("key")
        value = {name: operation[name] for name in operation if name not in ("at_us", "client", "f", "key", "retry")}
        self._client.invoke(operation, key, value)
        if operation["f"] == "describe-topics":
            self._ask(operation, key, MetadataRequest(), self._on_topics)
        elif operation["f"] == "describe-config":
            request = DescribeRequest("config", "topic", str(key), self._client.principal)
            self._ask(operation, key, request, self._on_config)
        else:
            self._write(operation, key, False)

    # --- writes ---------------------------------------------------------------------------------------------------

    def _write(self, operation: dict[str, Any], key: str | None, indeterminate: bool) -> None:
        client = self._client
        # The load's principal may do everything but what ACLs are tried on; administration is the administrator's.
        request = AdminRequest(operation["f"], _arguments(operation))
        client.request(
            client.any_broker(), "admin", request, client.config.request_timeout_us, self._on_written, operation, key,
            indeterminate)

    def _on_written(
        self, response: AdminResponse | None, operation: dict[str, Any], key: str | None, indeterminate: bool
    ) -> None:
        client = self._client
        if not client.is_open(operation):
            return
        error = errors.DISCONNECTED if response is None else response.error
        if error is None:
            assert response is not None
            client.complete(operation, key, OK, dict(response.result))
            return
        if operation.get("retry") and not is_definite("administration", error):
            client.refresh(operation, self._write, operation, key, True)
            return
        client.complete(operation, key, outcome("administration", error, indeterminate), None, error)

    # --- reads ----------------------------------------------------------------------------------------------------

    def _ask(self, operation: dict[str, Any], key: str | None, request: Any, callback: Any) -> None:
        client = self._client
        broker = client.any_broker()
        client.request(broker, "admin", request, client.config.request_timeout_us, callback, operation, key, broker)

    def _on_topics(
        self, response: MetadataResponse | None, operation: dict[str, Any], key: str | None, broker: int
    ) -> None:
        if response is None:
            self._client.complete(operation, key, FAIL, None, errors.DISCONNECTED)
            return
        topics = {name: topic[0] for name, topic in response.topics.items()}
        self._client.complete(operation, key, OK, {"topics": topics, "node": broker, "offset": response.offset})

    def _on_config(
        self, response: DescribeResponse | None, operation: dict[str, Any], key: str | None, broker: int
    ) -> None:
        if response is None or response.error is not None:
            error = errors.DISCONNECTED if response is None else response.error
            self._client.complete(operation, key, FAIL, None, error)
            return
        value = {"entries": dict(response.entries), "node": broker, "offset": response.offset}
        self._client.complete(operation, key, OK, value)


def _arguments(operation: dict[str, Any]) -> dict[str, Any]:
    """The request's arguments for an operation as the workload has it."""
    key = str(operation["key"])
    name = operation["f"]
    if name == "create-topic":
        return {
            "name": key, "partitions": operation["partitions"],
            "replication_factor": operation["replication_factor"], "configs": operation["configs"]}
    if name == "delete-topic":
        return {"name": key}
    if name == "alter-config":
        return {"resource_type": "topic", "resource_name": key, "key": operation["name"], "value": operation["value"]}
    if name in ("create-acl", "delete-acl"):
        resource_type, _, resource_name = key.partition(":")
        return {
            "principal": operation["principal"], "operation": operation["operation"],
            "permission": operation["permission"], "resource_type": resource_type, "resource_name": resource_name}
    topic, _, index = key.rpartition("-")
    if name == "elect-leader":
        return {"topic": topic, "partition": int(index), "election_type": operation["election_type"]}
    return {"topic": topic, "partition": int(index), "replicas": operation["replicas"]}
