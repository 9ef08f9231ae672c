"""Voters that the test plays: a real voter connects to them and asks; they answer while the test waits."""

import selectors
import socket
import struct
from datetime import timedelta
from io import BytesIO
from typing import Any, NamedTuple

from kio.index import load_payload_module, load_request_schema, load_response_schema
from kio.schema.errors import ErrorCode
from kio.serial import entity_reader, entity_writer
from kio.static.constants import EntityType
from quorum_steps import Promises

#: What they understand: API key -> versions; PreVote comes with Vote 2.
_VERSIONS = {1: (4, 17), 18: (0, 3), 52: (0, 2), 53: (0, 1), 54: (0, 1)}
#: Of a request, as far as all versions have it: key, version, correlation.
_HEADER = struct.Struct(">hhi")
_NONE = ErrorCode.none


class Asked(NamedTuple):
    """A request over a connection."""

    connection: socket.socket
    correlation: int
    request: Any


class PlayedVoter:
    """One voter: gives the votes that it is told to give, and keeps the last fetch."""

    def __init__(self, port: int, selector: selectors.BaseSelector) -> None:
        self.port = port
        self.promises = Promises()
        self.fetch: Asked | None = None
        self._selector = selector
        self._server = socket.create_server(("127.0.0.1", port))
        self._received: dict[socket.socket, bytes] = {}
        selector.register(self._server, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Close everything."""
        for opened in (self._server, *self._received):
            self._selector.unregister(opened)
            opened.close()

    def answer_fetch(self, epoch: int, leader: int) -> None:
        """Answer the fetch that is kept, if there is one: there is nothing new in that epoch."""
        if self.fetch is None:
            return
        kept, self.fetch = self.fetch, None
        response = _response_module(kept.request)
        partition = response.PartitionData(
            partition_index=0, error_code=_NONE, high_watermark=-1, last_stable_offset=-1, log_start_offset=0,
            current_leader=response.LeaderIdAndEpoch(leader_id=leader, leader_epoch=epoch), aborted_transactions=None,
            records=None)
        topic = response.FetchableTopicResponse(topic_id=kept.request.topics[0].topic_id, partitions=(partition,))
        self._send(kept, response.FetchResponse(
            throttle_time=timedelta(0), error_code=_NONE, session_id=0, responses=(topic,)))

    # --- connections ------------------------------------------------------------------------------------------------

    def _accept(self, server: socket.socket) -> None:
        connection, _ = server.accept()
        self._received[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ, self._read)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            self._selector.unregister(connection)
            del self._received[connection]
            connection.close()
            return
        received = self._received[connection] + data
        while len(received) >= 4 and len(received) >= 4 + (size := struct.unpack(">i", received[:4])[0]):
            self._take(connection, received[4:4 + size])
            received = received[4 + size:]
        self._received[connection] = received

    def _take(self, connection: socket.socket, frame: bytes) -> None:
        key, version, correlation = _HEADER.unpack_from(frame)
        if key == 18:
            self._send(Asked(connection, correlation, None), _versions())
            return
        kind = load_request_schema(key, version)
        _, at = entity_reader(kind.__header_schema__)(frame, 0)
        asked = Asked(connection, correlation, entity_reader(kind)(frame, at)[0])
        if key == 1:
            self.fetch = asked
        elif key == 52:
            self._vote(asked)
        else:
            self._acknowledge(asked)

    def _send(self, asked: Asked, response: Any) -> None:
        body = BytesIO()
        header = type(response).__header_schema__
        entity_writer(header)(body, header(correlation_id=asked.correlation))
        entity_writer(type(response))(body, response)
        asked.connection.sendall(struct.pack(">i", body.tell()) + body.getvalue())

    # --- answers ----------------------------------------------------------------------------------------------------

    def _vote(self, asked: Asked) -> None:
        question = asked.request.topics[0].partitions[0]
        granted = self.promises.is_kept_by_granting(question.replica_epoch, getattr(question, "pre_vote", False))
        self._acknowledge(asked, vote_granted=granted, leader_id=-1, leader_epoch=question.replica_epoch)

    def _acknowledge(self, asked: Asked, **facts: Any) -> None:
        """The answer to Vote, Begin- and EndQuorumEpoch: all are made alike."""
        topic = asked.request.topics[0]
        question = topic.partitions[0]
        told = facts or {"leader_id": question.leader_id, "leader_epoch": question.leader_epoch}
        response = _response_module(asked.request)
        partition = response.PartitionData(partition_index=0, error_code=_NONE, **told)
        kind = load_response_schema(type(asked.request).__api_key__, type(asked.request).__version__)
        self._send(asked, kind(error_code=_NONE, topics=(
            response.TopicData(topic_name=topic.topic_name, partitions=(partition,)),)))


def _response_module(request: Any) -> Any:
    """The module with the classes of the request's response."""
    return load_payload_module(request.__api_key__, request.__version__, EntityType.response)


def _versions() -> Any:
    """What whoever connects asks for first."""
    api = load_payload_module(18, 3, EntityType.response)
    keys = tuple(api.ApiVersion(api_key=key, min_version=low, max_version=high)
                 for key, (low, high) in _VERSIONS.items())
    return api.ApiVersionsResponse(error_code=_NONE, api_keys=keys, throttle_time=timedelta(0))
