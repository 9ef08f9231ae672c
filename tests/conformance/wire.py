"""Kafka's protocol over one plain socket, request by request, with kio's schemas: nothing is retried or hidden."""

import socket
import struct
from io import BytesIO
from typing import Any, Self

from kio.index import load_payload_module, load_response_schema
from kio.serial import entity_reader, entity_writer
from kio.static.constants import EntityType


def schema(api: str, version: int) -> Any:
    """The module with the request's classes, such as `schema("create_topics", 7).CreateTopicsRequest`."""
    from kio.schema.index import api_key_map

    key = next(key for key, name in api_key_map.items() if name == api)
    return load_payload_module(key, version, EntityType.request)


class Connection:
    """One connection; `ask` sends a request and waits for its response. Raises OSError when the peer closes it."""

    def __init__(self, port: int, timeout_s: float = 60.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._correlation = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def ask(self, request: Any) -> Any:
        """The response, as kio's data class."""
        self.tell(request)
        return self.answer(type(request))

    def tell(self, request: Any) -> None:
        """Send a request without waiting for the response."""
        self._correlation += 1
        kind = type(request)
        body = BytesIO()
        header = kind.__header_schema__
        fields = {"request_api_key": kind.__api_key__, "request_api_version": kind.__version__,
                  "correlation_id": self._correlation, "client_id": "fencepost"}
        entity_writer(header)(body, header(**fields))
        entity_writer(kind)(body, request)
        self._socket.sendall(struct.pack(">i", body.tell()) + body.getvalue())

    def answer(self, kind: Any) -> Any:
        """The response to the request of that class that was told last."""
        data = self._receive(struct.unpack(">i", self._receive(4))[0])
        response = load_response_schema(kind.__api_key__, kind.__version__)
        header_of_response = response.__header_schema__
        head, size = entity_reader(header_of_response)(data, 0)
        assert head.correlation_id == self._correlation
        return entity_reader(response)(data, size)[0]

    def _receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self._socket.recv(size - len(data))
            if not part:
                raise ConnectionResetError("the broker closed the connection")
            data += part
        return data
