"""The administration side of a client: topics, configurations, ACLs, elections, reassignments, and reading them back.

Requests go to any broker, which forwards writes to the active controller. A write is sent once, for a second attempt
could find the first one's work; `retry` makes the operation go on until it is answered for certain, which is then in
doubt if the work is found done. Reads fail without an answer: the next one asks another broker.
"""

from typing import TYPE_CHECKING, Any

from fencepost.histories.event import FAIL, OK
from fencepost.model import errors
from fencepost.model.client.classification import ADMINISTRATION
from fencepost.model.client.operation import Operation
from fencepost.model.protocol.controller import AdminRequest, AdminResponse
from fencepost.model.protocol.data import DescribeRequest, DescribeResponse, MetadataRequest, MetadataResponse

if TYPE_CHECKING:
    from fencepost.model.client.client_node import ClientNode

#: Fields of an operation that are the workload's business, not the request's.
_NOT_ARGUMENTS = ("at_us", "client", "f", "key", "retry")
#: What a cluster answers that is not complete yet.
_NOT_YET = (errors.INVALID_REPLICATION_FACTOR,)


class Administrator:
    """Operations by the names of `fencepost.histories.vocabulary`; their fields are those of its invocation values."""

    OPERATIONS = (
        "create-topic", "delete-topic", "alter-config", "describe-config", "create-acl", "delete-acl",
        "describe-topics", "elect-leader", "reassign", "unregister-broker",
    )

    def __init__(self, client: "ClientNode") -> None:
        self._client = client

    def run(self, operation: Operation) -> None:
        """Run any of `OPERATIONS`."""
        data, client = operation.data, self._client
        value = {name: data[name] for name in data if name not in _NOT_ARGUMENTS}
        client.invoke(operation, data.get("key"), value, client.config.default_api_timeout_us)
        if operation.f == "describe-topics":
            self._ask(operation, MetadataRequest(), self._on_topics)
        elif operation.f == "describe-config":
            self._ask(operation, DescribeRequest("config", "topic", data["key"], client.principal), self._on_config)
        else:
            self._write(operation)

    # --- writes ---------------------------------------------------------------------------------------------------

    def _write(self, operation: Operation) -> None:
        if operation.is_open:
            # The load's principals do what ACLs are tried on; administration is the administrator's.
            client, request = self._client, AdminRequest(operation.f, _arguments(operation.data))
            client.attempt(operation, client.any_broker(), "admin", request, self._on_written)

    def _on_written(self, response: AdminResponse | None, operation: Operation) -> None:
        client = self._client
        if not operation.is_open:
            return
        if response is not None and response.error is None:
            client.complete(operation, OK, dict(response.result))
            return
        error = errors.DISCONNECTED if response is None else str(response.error)
        definite = client.settle(operation, ADMINISTRATION, error)
        if operation.data.get("retry") and (not definite or error in _NOT_YET):
            client.schedule(client.config.retry_backoff_us, self._write, operation)
        else:
            client.refuse(operation, ADMINISTRATION, error)

    # --- reads ----------------------------------------------------------------------------------------------------

    def _ask(self, operation: Operation, request: Any, callback: Any) -> None:
        client = self._client
        broker = client.any_broker()
        client.request(broker, "admin", request, client.config.request_timeout_us, callback, operation, broker)

    def _on_topics(self, response: MetadataResponse | None, operation: Operation, broker: int) -> None:
        if response is None or response.error is not None:
            self._fail(operation, response)
            return
        topics = {name: topic[0] for name, topic in response.topics.items()}
        self._client.complete(operation, OK, {"topics": topics, "node": broker, "offset": response.offset})

    def _on_config(self, response: DescribeResponse | None, operation: Operation, broker: int) -> None:
        if response is None or response.error is not None:
            self._fail(operation, response)
            return
        value = {"entries": dict(response.entries), "node": broker, "offset": response.offset}
        self._client.complete(operation, OK, value)

    def _fail(self, operation: Operation, response: MetadataResponse | DescribeResponse | None) -> None:
        error = errors.DISCONNECTED if response is None else response.error
        self._client.complete(operation, FAIL, None, error)


def _arguments(data: dict[str, Any]) -> dict[str, Any]:
    """The request's arguments for an operation as the workload has it."""
    key, name = str(data["key"]), data["f"]
    if name == "create-topic":
        return {
            "name": key, "partitions": data["partitions"], "replication_factor": data["replication_factor"],
            "configs": data["configs"]}
    if name == "delete-topic":
        return {"name": key}
    if name == "alter-config":
        return {"resource_type": "topic", "resource_name": key, "key": data["name"], "value": data["value"]}
    if name in ("create-acl", "delete-acl"):
        resource_type, _, resource_name = key.partition(":")
        return {
            "principal": data["principal"], "operation": data["operation"], "permission": data["permission"],
            "resource_type": resource_type, "resource_name": resource_name}
    if name == "unregister-broker":
        return {"broker": int(key)}
    topic, _, index = key.rpartition("-")
    if name == "elect-leader":
        return {"topic": topic, "partition": int(index), "election_type": data["election_type"]}
    return {"topic": topic, "partition": int(index), "replicas": data["replicas"]}
