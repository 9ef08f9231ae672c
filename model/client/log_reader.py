"""Reading a whole partition, from its log start to the high watermark: what the final reads of a run do."""

from typing import TYPE_CHECKING, Any

from fencepost.histories.event import OK
from fencepost.model.protocol.data import FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse

if TYPE_CHECKING:
    from fencepost.model.client.client_node import ClientNode

EARLIEST, LATEST = -2, -1
#: As an administrator: ACLs that the load tried out must not hide records from the final reads.
ADMINISTRATOR = "User:admin"


class LogReader:
    """Operation `final-read`: {topic, partition}. Asks until it succeeds; the client's time-out ends it."""

    def __init__(self, client: "ClientNode") -> None:
        self._client = client

    def read_all(self, operation: dict[str, Any]) -> None:
        """Begin."""
        key = f"{operation['topic']}-{operation['partition']}"
        self._client.invoke(operation, key, {})
        self._client.refresh(operation, self._begin, operation, key)

    def _begin(self, operation: dict[str, Any], key: str) -> None:
        """Ask the leader where the log ends; a new leader answers only once it knows (OFFSET_NOT_AVAILABLE)."""
        client = self._client
        leader, epoch = client.leader_of(operation["topic"], operation["partition"])
        if leader < 0:
            client.refresh(operation, self._begin, operation, key)
            return
        request = ListOffsetsRequest(operation["topic"], operation["partition"], LATEST, epoch, ADMINISTRATOR)
        client.request(
            leader, "final", request, client.config.request_timeout_us // 3, self._on_end, operation, key, leader)

    def _on_end(
        self, response: ListOffsetsResponse | None, operation: dict[str, Any], key: str, leader: int
    ) -> None:
        if response is None or response.error is not None:
            self._client.refresh(operation, self._begin, operation, key)
        else:
            self._fetch(operation, key, leader, response.offset, 0, [])

    def _fetch(
        self, operation: dict[str, Any], key: str, leader: int, end_offset: int, position: int, read: list[list[Any]]
    ) -> None:
        client = self._client
        if position >= end_offset:
            topic_id = client.topics[operation["topic"]][0]
            client.complete(operation, key, OK, {"records": read, "log_start_offset": 0, "topic_id": topic_id})
            return
        request = FetchRequest(
            operation["topic"], operation["partition"], None, -1, -1, -1, position, -1, 0, 0, 1000, ADMINISTRATOR)
        client.request(
            leader, "final", request, client.config.request_timeout_us // 3, self._on_fetched, operation, key, leader,
            end_offset, position, read)

    def _on_fetched(
        self, response: FetchResponse | None, operation: dict[str, Any], key: str, leader: int, end_offset: int,
        position: int, read: list[list[Any]],
    ) -> None:
        client = self._client
        if not client.is_open(operation):
            return
        if response is None or response.error is not None or not response.records:
            client.refresh(operation, self._begin, operation, key)
            return
        read = [*read, *([record.offset, record.value] for record in response.records)]
        self._fetch(operation, key, leader, end_offset, response.records[-1].offset + 1, read)
