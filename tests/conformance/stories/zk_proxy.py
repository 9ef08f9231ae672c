"""Stands between a broker and its ZooKeeper, and can lose an answer: the write is committed, but before its answer is
passed on both connections end, as when a network fails in between. It can also let a session outlive its client."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

_LENGTH = struct.Struct(">i")
#: xid and type of a request; xid, zxid and error of an answer.
_REQUEST, _ANSWER = struct.Struct(">ii"), struct.Struct(">iqi")
_MULTI = 14
#: The client's ping: xid -2, type 11.
_PING = _LENGTH.pack(_REQUEST.size) + _REQUEST.pack(-2, 11)
_PING_S = 0.5


class ZkProxy:
    """Listens on `port`, and passes on to the server's port what comes, both ways. Use it as a context."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        #: The path whose next write is to lose its answer; None: none is.
        self._doomed_path: bytes | None = None
        #: Whether sessions end with their clients, which is how it should be.
        self._let_go = threading.Event()
        self._let_go.set()

    def __enter__(self) -> "ZkProxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                _end(each)

    def hold_sessions(self) -> Callable[[], None]:
        """Keep the sessions of clients that end, by pings in their place, until the function returned is called."""
        self._let_go.clear()
        return self._let_go.set

    def lose_answer(self, path: str) -> None:
        """Lose the answer to the next successful transaction (multi) that names this path."""
        self._doomed_path = path.encode()

    @property
    def has_lost(self) -> bool:
        """Whether that has happened."""
        return self._doomed_path is None

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                with self._lock:
                    self._open += [client, server]
                doomed: list[int] = []
                for target in (self._pass_requests, self._pass_answers):
                    threading.Thread(target=target, args=(client, server, doomed), daemon=True).start()

    def _pass_requests(self, client: socket.socket, server: socket.socket, doomed: list[int]) -> None:
        """`doomed` holds the numbers (xid) of requests whose answers are to be lost."""
        with suppress(OSError):
            while (frame := _read(client)) is not None:
                path = self._doomed_path
                if path is not None and path in frame:
                    xid, kind = _REQUEST.unpack_from(frame)
                    if kind == _MULTI:
                        doomed.append(xid)
                server.sendall(_LENGTH.pack(len(frame)) + frame)
        with suppress(OSError):
            while not self._let_go.wait(_PING_S):
                server.sendall(_PING)
        _end(client)
        _end(server)

    def _pass_answers(self, client: socket.socket, server: socket.socket, doomed: list[int]) -> None:
        with suppress(OSError):
            while (frame := _read(server)) is not None:
                if doomed:
                    xid, _, error = _ANSWER.unpack_from(frame)
                    if xid in doomed and not error:
                        self._doomed_path = None
                        break
                with suppress(OSError):
                    client.sendall(_LENGTH.pack(len(frame)) + frame)
        _end(client)
        _end(server)


def _read(connection: socket.socket) -> bytes | None:
    """One frame; None at the end."""
    head = _exactly(connection, _LENGTH.size)
    return None if head is None else _exactly(connection, _LENGTH.unpack(head)[0])


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            return None
        data += part
    return data


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
