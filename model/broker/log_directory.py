"""The replicas' logs on one broker's disk, by topic-partition.

A log's name is `<topic>-<partition>/<topic id>`. The directory is read once, when it is first asked for; afterwards it
is kept up to date, so that looking one log up costs the same however many there are.
"""

from fencepost.model.broker.replica_log import ReplicaLog
from fencepost.model.kernel.disk import LogFile
from fencepost.model.kernel.node import Node


class LogDirectory:
    """Opens, finds and deletes logs. There is at most one log of a name; a topic-partition may have several, of topics
    that bore its name one after the other."""

    __slots__ = ("_known", "_node")

    def __init__(self, node: Node) -> None:
        self._node = node
        #: topic-partition -> the topic ids of its logs; None before the disk was read
        self._known: dict[str, dict[str, None]] | None = None

    def names(self) -> list[str]:
        """The names of all logs, sorted."""
        return sorted(f"{partition}/{topic_id}" for partition, ids in self._index().items() for topic_id in ids)

    def topic_id(self, partition: str) -> str | None:
        """The topic id of the topic-partition's log, the first in the order of the ids; None without a log."""
        return min(self._index().get(partition, ()), default=None)

    def open(self, partition: str, topic_id: str) -> ReplicaLog:
        """The log, made when there is none."""
        if self._known is not None:
            self._known.setdefault(partition, {})[topic_id] = None
        return ReplicaLog(self._node, f"{partition}/{topic_id}")

    def delete(self, name: str) -> None:
        """Remove a log from the disk."""
        ReplicaLog(self._node, name).delete()
        partition, _, topic_id = name.partition("/")
        if self._known is not None:
            ids = self._known.get(partition, {})
            ids.pop(topic_id, None)
            if not ids:
                self._known.pop(partition, None)

    def _index(self) -> dict[str, dict[str, None]]:
        if self._known is None:
            self._known = {}
            for name, file in self._node.disk.files.items():
                if isinstance(file, LogFile) and "/" in name:
                    partition, _, topic_id = name.partition("/")
                    self._known.setdefault(partition, {})[topic_id] = None
        return self._known
