"""Two requests among brokers of ZooKeeper mode, written by hand: kio has the schemas of 4.x, which knows them no more
(ControlledShutdownRequest.json and StopReplicaRequest.json of 3.9, both in version 3)."""

import socket
import struct

from kio.schema.errors import ErrorCode
from real_controller import error_name

_STOP_REPLICA, _CONTROLLED_SHUTDOWN, _VERSION = 5, 7, 3
_NO_TAGS = b"\0"


def stop_replica(
    port: int, controller: int, controller_epoch: int, broker_epoch: int, topic: str, delete: bool
) -> str:
    """StopReplica for partition 0 of a topic, without a leader epoch: the request's error, else the partition's."""
    partition = struct.pack(">Bii?", 2, 0, -1, delete) + _NO_TAGS
    name = topic.encode()
    body = struct.pack(">iiqBB", controller, controller_epoch, broker_epoch, 2, len(name) + 1) + name + partition
    answer = _ask(port, _STOP_REPLICA, body + 2 * _NO_TAGS)
    (error,) = struct.unpack_from(">h", answer)
    if not error and answer[2] > 1:
        (error,) = struct.unpack_from(">h", answer, 3 + 1 + len(name) + 4)
    return error_name(ErrorCode(error)) or "ok"


def controlled_shutdown(port: int, broker: int, broker_epoch: int) -> str:
    """ControlledShutdown in a broker's name."""
    answer = _ask(port, _CONTROLLED_SHUTDOWN, struct.pack(">iq", broker, broker_epoch) + _NO_TAGS)
    return error_name(ErrorCode(struct.unpack_from(">h", answer)[0])) or "ok"


def _ask(port: int, api: int, body: bytes) -> bytes:
    """The response's body."""
    message = struct.pack(">hhih", api, _VERSION, 1, -1) + _NO_TAGS + body
    with socket.create_connection(("127.0.0.1", port), 60.0) as connection:
        connection.sendall(struct.pack(">i", len(message)) + message)
        with connection.makefile("rb") as stream:
            (size,) = struct.unpack(">i", stream.read(4))
            return stream.read(size)[5:]
