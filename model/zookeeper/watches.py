"""The watches that a server holds for its clients (WatchManager): each is told once, to each connection once.

Data watches stand on a znode or on its absence, child watches on its list of children.
"""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from fencepost.model.protocol.zookeeper import CHILD, DELETED, WatchEvent

C = TypeVar("C")


class Watches(Generic[C]):
    """Watches by path, of connections of type C. `tell(connection, event)` is called for each that is due."""

    def __init__(self, tell: Callable[[C, WatchEvent], None]) -> None:
        self._tell = tell
        self._data: dict[str, dict[C, None]] = {}
        self._child: dict[str, dict[C, None]] = {}

    def add_data(self, path: str, connection: C) -> None:
        """Tell this connection of the znode's creation, change or deletion."""
        self._data.setdefault(path, {})[connection] = None

    def add_child(self, path: str, connection: C) -> None:
        """Tell this connection of the next change of the list of children, or the znode's deletion."""
        self._child.setdefault(path, {})[connection] = None

    def trigger(self, events: Iterable[WatchEvent]) -> None:
        """Something happened, in this order. A deletion is told once to who watched both data and children."""
        for event in events:
            due: dict[C, None] = {}
            if event.type != CHILD:
                due.update(self._data.pop(event.path, {}))
            if event.type in (CHILD, DELETED):
                due.update(self._child.pop(event.path, {}))
            for connection in due:
                self._tell(connection, event)

    def forget(self, connection: C) -> None:
        """The connection is gone, and its watches with it."""
        for index in (self._data, self._child):
            for path in [path for path, watching in index.items() if connection in watching]:
                del index[path][connection]
                if not index[path]:
                    del index[path]
