"""The recorder: where a running cluster, its clients and its nemesis write events.

Each event is in the history before any checker sees it; subscribers are called afterwards, in the order in which they
subscribed. The digest is that of the canonical JSON lines, so a stored history and a running one have the same.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from fencepost.histories.event import FAULT, OBSERVE, Event

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, sort_keys=True, allow_nan=False).encode

Subscriber = Callable[[Event], None]


def event_line(event: Event) -> str:
    """The event as one canonical line of JSON, without its newline; fields that are None are left out."""
    return _encode({name: value for name, value in zip(Event._fields, event, strict=True) if value is not None})


def digest(events: Iterable[Event]) -> str:
    """The SHA-256 of the events' canonical lines, in hexadecimal. Equal digests mean equal histories."""
    hasher = hashlib.sha256()
    for event in events:
        hasher.update(event_line(event).encode("ascii"))
        hasher.update(b"\n")
    return hasher.hexdigest()


class Recorder:
    """Collects the events of one run in memory and passes each on to its subscribers."""

    __slots__ = ("_subscribers", "events")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._subscribers: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with every event from now on."""
        self._subscribers.append(subscriber)

    def client(
        self, time_us: int, type_: str, f: str, process: int, key: str | None, value: Any, error: str | None = None,
        epochs: dict[str, int] | None = None,
    ) -> None:
        """Record a client operation's invocation or completion."""
        self._add(Event(len(self.events), time_us, type_, f, process, None, key, value, error, epochs))

    def fault(self, time_us: int, f: str, node: int | None, value: Any, error: str | None = None) -> None:
        """Record what the nemesis did; `error` says why a fault was skipped."""
        self._add(Event(len(self.events), time_us, FAULT, f, None, node, None, value, error, None))

    def observe(
        self, time_us: int, f: str, node: int | None, key: str | None, value: Any, error: str | None,
        epochs: dict[str, int] | None,
    ) -> None:
        """Record a fact about the cluster; see `vocabulary` for the names and their fields."""
        self._add(Event(len(self.events), time_us, OBSERVE, f, None, node, key, value, error, epochs))

    def _add(self, event: Event) -> None:
        self.events.append(event)
        for subscriber in self._subscribers:
            subscriber(event)
