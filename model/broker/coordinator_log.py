"""A coordinator's way to its log: appending in its epoch, and reading what it loads (CoordinatorPartitionWriter).

Appends are as those with acks=all; the role and the leader epoch are looked at first, so that a coordinator of an
earlier epoch writes nothing. Reads look at no checksums and wait for nothing.
"""

from typing import TYPE_CHECKING, Any

from fencepost.model import errors
from fencepost.model.broker.partition_core import LEADER
from fencepost.model.protocol.data import Record

if TYPE_CHECKING:
    from fencepost.model.broker.replica_manager import ReplicaManager


class CoordinatorLog:
    """The logs of the partitions that the manager's broker leads, as its coordinators see them."""

    __slots__ = ("_manager",)

    def __init__(self, manager: "ReplicaManager") -> None:
        self._manager = manager

    def append_records(
        self, topic: str, partition: int, records: list[tuple[object, object]], required_leader_epoch: int | None,
        timeout_us: int, callback: Any, *context: Any,
    ) -> int:
        """Append (key, value) pairs with acks=all for a coordinator; `callback(error or None, base offset,
        *context)`. Returns the base offset, -1 (as to the callback, which has then been called) if refused."""
        hosted = self._manager.partitions.get(f"{topic}-{partition}")
        if hosted is None or hosted.role != LEADER or (
            required_leader_epoch is not None and hosted.leader_epoch != required_leader_epoch
        ):
            callback(errors.NOT_LEADER_OR_FOLLOWER, -1, *context)
            return -1
        if not hosted.has_enough_replicas():
            callback(errors.NOT_ENOUGH_REPLICAS, -1, *context)
            return -1
        if hosted.log.write_fails():
            callback(errors.KAFKA_STORAGE_ERROR, -1, *context)
            return -1
        written = hosted.append_as_leader(tuple(value for _, value in records), tuple(key for key, _ in records))
        hosted.wait_for_commit(written, written[-1].offset + 1, timeout_us, callback, written[0].offset, *context)
        return written[0].offset

    def read_log(
        self, topic: str, partition: int, from_offset: int, max_records: int, isolation: str = "log_end",
        required_leader_epoch: int | None = None,
    ) -> tuple[str | None, tuple[Record, ...], int]:
        """(error, records, end offset) of a partition that this broker leads, for a coordinator that loads."""
        hosted = self._manager.partitions.get(f"{topic}-{partition}")
        if hosted is None or hosted.role != LEADER or required_leader_epoch not in (None, hosted.leader_epoch):
            return errors.NOT_LEADER_OR_FOLLOWER, (), -1
        end_offset = hosted.log.end_offset if isolation == "log_end" else hosted.high_watermark
        begin = max(from_offset, hosted.log.start_offset)
        return None, hosted.log.read(begin, max_records, end_offset), end_offset
