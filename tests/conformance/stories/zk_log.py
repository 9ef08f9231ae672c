"""The transaction log of a real ZooKeeper server, decoded: what was committed, in its order.

The server syncs each transaction to the file before it is answered. Formats: `zookeeper.jute` of 3.8 and FileTxnLog.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

from stories.zk_stage import BROKER_IDS, CONTROLLER, CONTROLLER_EPOCH, Change, PartitionState

_FILE_HEADER, _ENTRY_HEADER, _TXN_HEADER = 16, 12, 32
_CREATE, _DELETE, _SET_DATA, _MULTI, _CREATE2, _CLOSE_SESSION = 1, 2, 5, 14, 15, -11


class TransactionLog:
    """The log in a server's data folder. A server alone, so that whatever it has logged is committed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read_to = 0

    def changes(self) -> list[Change]:
        """What was committed since the last time."""
        found: list[Change] = []
        for file in sorted(self._folder.glob("version-2/log.*"), key=lambda path: int(path.suffix[1:], 16)):
            for zxid, kind, body in _transactions(file.read_bytes()):
                if zxid > self._read_to:
                    self._read_to = zxid
                    found += _changes(zxid, kind, _Reader(body))
        return found


def _transactions(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(zxid, type, body) of each whole entry; the file is padded with zeros."""
    at = _FILE_HEADER
    while at + _ENTRY_HEADER <= len(content):
        (size,) = struct.unpack_from(">i", content, at + 8)
        begin = at + _ENTRY_HEADER
        at = begin + size + 1
        if size == 0 or at > len(content) or content[at - 1:at] != b"B":
            return
        zxid, kind = struct.unpack_from(">q8xi", content, begin + 12)
        yield zxid, kind, content[begin + _TXN_HEADER:begin + size]


def _changes(zxid: int, kind: int, reader: "_Reader") -> Iterator[Change]:
    if kind in (_CREATE, _CREATE2):
        path = reader.text()
        yield Change(path, _value(path, reader.buffer()), 0, zxid)
    elif kind == _SET_DATA:
        path = reader.text()
        value = _value(path, reader.buffer())
        yield Change(path, value, reader.number(), zxid)
    elif kind == _DELETE:
        yield Change(reader.text(), None, -1, zxid)
    elif kind == _CLOSE_SESSION and reader.is_left():
        for path in sorted(reader.text() for _ in range(reader.number())):
            yield Change(path, None, -1, zxid)
    elif kind == _MULTI:
        for _ in range(reader.number()):
            part = reader.number()
            yield from _changes(zxid, part, _Reader(reader.buffer()))


def _value(path: str, data: bytes) -> int | PartitionState | None:
    if path == CONTROLLER_EPOCH:
        return int(data)
    if path == CONTROLLER:
        return int(json.loads(data)["brokerid"])
    if path.endswith("/state") and not path.startswith(BROKER_IDS):
        state = json.loads(data)
        return PartitionState(
            state["leader"], state["leader_epoch"], tuple(sorted(state["isr"])), state["controller_epoch"])
    return None


class _Reader:
    """Reads jute's binary encoding."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self) -> int:
        """An int."""
        self._at += 4
        return int(struct.unpack_from(">i", self._data, self._at - 4)[0])

    def buffer(self) -> bytes:
        """Bytes; null is empty."""
        size = max(self.number(), 0)
        self._at += size
        return self._data[self._at - size:self._at]

    def text(self) -> str:
        """A string."""
        return self.buffer().decode()

    def is_left(self) -> bool:
        """Whether there is more."""
        return self._at < len(self._data)
