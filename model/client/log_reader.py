"""Reading a whole partition, from its log start to the high watermark: what the final reads of a run do."""

from typing import TYPE_CHECKING

from fencepost.histories.event import OK
from fencepost.model.client.operation import Operation
from fencepost.model.protocol.data import FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse

if TYPE_CHECKING:
    from fencepost.model.client.client_node import ClientNode

EARLIEST, LATEST = -2, -1
#: As an administrator: ACLs that the load tried out must not hide records from the final reads.
ADMINISTRATOR = "User:admin"
_MAX_RECORDS = 1000


class _Reading:
    """One attempt: from one leader, of one topic id, up to the end that it named."""

    __slots__ = ("end_offset", "leader", "leader_epoch", "operation", "position", "records", "start_offset", "topic_id")

    def __init__(self, operation: Operation, leader: int, leader_epoch: int, topic_id: str | None) -> None:
        self.operation = operation
        self.leader = leader
        self.leader_epoch = leader_epoch
        self.topic_id = topic_id
        self.start_offset = self.end_offset = self.position = 0
        self.records: list[list[object]] = []


class LogReader:
    """Operation `final-read`: {topic, partition}. Begins again until it succeeds; the client's time-out ends it."""

    def __init__(self, client: "ClientNode") -> None:
        self._client = client

    def read_all(self, operation: Operation) -> None:
        """Ask who leads now, then where the log begins and ends."""
        data, client = operation.data, self._client
        client.invoke(operation, f"{data['topic']}-{data['partition']}", {}, client.config.default_api_timeout_us)
        client.metadata.forget_leader(data["topic"], data["partition"])
        self._begin(operation)

    def _begin(self, operation: Operation) -> None:
        self._client.with_leader(
            operation, operation.data["topic"], operation.data["partition"], self._ask_start, operation)

    def _again(self, reading: _Reading) -> None:
        data = reading.operation.data
        self._client.metadata.forget_leader(data["topic"], data["partition"])
        self._begin(reading.operation)

    def _ask_start(self, leader: int, leader_epoch: int, operation: Operation) -> None:
        reading = _Reading(operation, leader, leader_epoch, self._client.metadata.topic_id(operation.data["topic"]))
        self._ask_offset(reading, EARLIEST)

    def _ask_offset(self, reading: _Reading, timestamp: int) -> None:
        data, client = reading.operation.data, self._client
        request = ListOffsetsRequest(
            data["topic"], data["partition"], timestamp, reading.leader_epoch, ADMINISTRATOR)
        client.request(
            reading.leader, "final", request, client.config.request_timeout_us // 3, self._on_offset, reading,
            timestamp)

    def _on_offset(self, response: ListOffsetsResponse | None, reading: _Reading, timestamp: int) -> None:
        """A new leader names the end only once it knows (OFFSET_NOT_AVAILABLE)."""
        if response is None or response.error is not None:
            self._again(reading)
        elif timestamp == EARLIEST:
            reading.start_offset = reading.position = response.offset
            self._ask_offset(reading, LATEST)
        else:
            reading.end_offset = response.offset
            self._fetch(reading)

    def _fetch(self, reading: _Reading) -> None:
        data, client = reading.operation.data, self._client
        if reading.position >= reading.end_offset:
            value = {
                "records": reading.records, "log_start_offset": reading.start_offset, "topic_id": reading.topic_id}
            client.complete(reading.operation, OK, value)
            return
        request = FetchRequest(
            data["topic"], data["partition"], reading.topic_id, -1, -1, reading.leader_epoch, reading.position, -1, 0,
            0, _MAX_RECORDS, ADMINISTRATOR)
        client.request(
            reading.leader, "final", request, client.config.request_timeout_us // 3, self._on_fetched, reading)

    def _on_fetched(self, response: FetchResponse | None, reading: _Reading) -> None:
        if response is None or response.error is not None or not response.records:
            self._again(reading)
            return
        reading.records.extend([record.offset, record.value] for record in response.records)
        reading.position = response.records[-1].offset + 1
        self._fetch(reading)
