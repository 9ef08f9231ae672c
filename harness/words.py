"""How times and nodes are written for people, and how durations and sizes are read."""

import re
from collections.abc import Iterable
from typing import Any

from fencepost.histories.errors import InputError

_UNITS_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}

_SIZES = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}


def seconds(time_us: int) -> str:
    """12404000 -> "12.404 s"."""
    return f"{time_us / 1_000_000:.3f} s"


def duration(time_us: int) -> str:
    """A duration without needless digits: 30000000 -> "30 s"."""
    return f"{time_us / 1_000_000:.6f}".rstrip("0").rstrip(".") + " s"


def read_duration(text: str) -> int:
    """ "12.5s" -> 12500000; units are us, ms, s (also without a unit), m and h. Raises InputError."""
    match = re.fullmatch(r"\s*(\d{1,9})(?:\.(\d{1,6}))?\s*(us|ms|s|m|h)?\s*", text, re.ASCII)
    if match is None:
        raise InputError(f"{text!r} is no duration; allowed is a number with a unit, such as 30s, 500ms or 2m")
    whole, fraction, unit = match.groups()
    scale = _UNITS_US[unit or "s"]
    return int(whole) * scale + int((fraction or "0").ljust(6, "0")) * scale // 1_000_000


def read_size(text: str) -> int:
    """ "2GiB" -> 2147483648; units are B (also without a unit), kB, MB, GB, KiB, MiB and GiB. Raises InputError."""
    match = re.fullmatch(r"\s*(\d{1,12})(?:\.(\d{1,6}))?\s*([A-Za-z]*)\s*", text, re.ASCII)
    scale = _SIZES.get(match[3].lower()) if match is not None else None
    if match is None or scale is None:
        raise InputError(f"{text!r} is no size; allowed is a number with a unit, such as 2GiB or 500MB")
    return int(match[1]) * scale + int((match[2] or "0").ljust(6, "0")) * scale // 1_000_000


def clock(total_seconds: float) -> str:
    """Wall-clock seconds as m:ss."""
    whole = max(0, round(total_seconds))
    return f"{whole // 60}:{whole % 60:02d}"


def count(number: int, thing: str) -> str:
    """ "1 record", "2 records", "1,904 ISR changes"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def joined(words: Iterable[Any]) -> str:
    """ "a, b and c"."""
    parts = [str(word) for word in words]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else "none"


class NodeNames:
    """What to call the nodes of a run, by its header."""

    def __init__(self, header: dict[str, Any]) -> None:
        self._controllers = frozenset(header.get("controllers", ()))
        self._brokers = frozenset(header.get("brokers", ()))
        self._zookeepers = frozenset(header.get("zookeepers", ()))
        self._clients = {node: index for index, node in enumerate(header.get("clients", ()))}

    def __call__(self, node: int) -> str:
        """ "controller 101", "broker 2", "ZooKeeper server 201", "client 0", or "node 1" where it is controller and
        broker in one."""
        if node in self._clients:
            return f"client {self._clients[node]}"
        if node in self._controllers:
            return f"node {node}" if node in self._brokers else f"controller {node}"
        if node in self._zookeepers:
            return f"ZooKeeper server {node}"
        return f"broker {node}" if node in self._brokers else f"node {node}"

    def all(self, nodes: Iterable[int]) -> str:
        """Several nodes in words."""
        return joined(self(node) for node in nodes)
