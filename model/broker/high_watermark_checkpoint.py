"""How far a broker knows its logs to be committed, across restarts (OffsetCheckpointFile).

The high watermarks of all replicas are written down together from time to time. A replica that is hosted again begins
with what was written last, which may be behind.
"""

from collections.abc import Iterable

from fencepost.model.broker.partition import Partition
from fencepost.model.broker.replica_log import ReplicaLog
from fencepost.model.kernel.node import Node

#: The name of the file.
CHECKPOINT = "replication-offset-checkpoint"


class HighWatermarkCheckpoint:
    """The file with each log's last known high watermark."""

    __slots__ = ("_cell", "_disk")

    def __init__(self, node: Node) -> None:
        self._disk = node.disk
        self._cell = node.disk.cell(CHECKPOINT, {})

    def high_watermark(self, log: ReplicaLog) -> int:
        """What the log's replica begins with: within the log, and its beginning if nothing was written."""
        known: int = self._cell.value.get(log.name, 0)
        return max(log.start_offset, min(known, log.end_offset))

    def write(self, partitions: Iterable[Partition]) -> bool:
        """Write down, durably, how far each log is committed; False if the disk fails."""
        if self._disk.write_fails(CHECKPOINT):
            return False
        self._cell.write({partition.log.name: partition.high_watermark for partition in partitions})
        self._cell.synced(self._cell.written())
        return True
