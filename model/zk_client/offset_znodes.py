"""A group's offsets in ZooKeeper, as the consumer before 0.9 reads and writes them (ZkUtils.updatePersistentPath).

A write names no version and nobody looks at who owns the partition: whoever writes last has committed. What the session
loses, or what was under way when it expired, is written again in the next one, as often as it takes (ZkClient's
retryUntilConnected): that is how a zombie's commit gets through. Reads are served by whatever server the client is
connected to, and may be old.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.group import TopicPartition
from fencepost.model.zk_client.znodes import OFFSETS, parents_of, partition_path
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome

#: What is read where there is no znode.
NO_OFFSET = -1

#: place -> (offset, zxid up to which the server that answered had come, znode version or -1)
Readings = dict[TopicPartition, tuple[int, int, int]]


class OffsetZnodes:
    """The offsets of one group, by way of one client of ZooKeeper. After `stop` nothing is tried again or told."""

    def __init__(self, keeper: KafkaZkClient, group: str) -> None:
        self._keeper = keeper
        self._group = group
        self._stopped = False

    def stop(self) -> None:
        """Whoever asked is gone."""
        self._stopped = True

    def path(self, place: TopicPartition) -> str:
        """Where the offset is."""
        return partition_path(self._group, OFFSETS, place)

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, places: Sequence[TopicPartition], then: Callable[..., None], *args: Any) -> None:
        """Read each offset; `then(readings, *args)` follows."""
        readings: Readings = {}
        if not places:
            then(readings, *args)
        for place in places:
            self._read(place, len(places), readings, then, args)

    def _read(
        self, place: TopicPartition, count: int, readings: Readings, then: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        self._keeper.request_all(
            [zk.GetDataOp(self.path(place), False)], self._on_read, place, count, readings, then, args)

    def _on_read(
        self, outcomes: list[Outcome], place: TopicPartition, count: int, readings: Readings,
        then: Callable[..., None], args: tuple[Any, ...],
    ) -> None:
        result = outcomes[0].result
        if self._stopped:
            return
        if result.error == zk.SESSIONEXPIRED:
            self._read(place, count, readings, then, args)
            return
        offset = NO_OFFSET if result.error is not None else int(result.value)
        version = NO_OFFSET if result.stat is None else result.stat.version
        readings[place] = (offset, self._keeper.last_zxid, version)
        if len(readings) == count:
            then(readings, *args)

    # --- writing ------------------------------------------------------------------------------------------------------

    def write(self, offsets: Mapping[TopicPartition, int], then: Callable[..., None], *args: Any) -> None:
        """Write each offset, whatever is there; `then({place: zxid}, *args)` follows."""
        left = {self.path(place): (place, offset) for place, offset in offsets.items()}
        self._write(left, {}, {}, then, args)

    def _write(
        self, left: dict[str, tuple[TopicPartition, int]], missing: Mapping[str, None],
        written: dict[TopicPartition, int], then: Callable[..., None], args: tuple[Any, ...],
    ) -> None:
        if not left:
            then(written, *args)
            return
        operations: list[zk.Operation] = []
        for path, (_, offset) in left.items():
            if path in missing:
                operations += [zk.CreateOp(parent, None) for parent in parents_of(path)]
                operations.append(zk.CreateOp(path, str(offset)))
            else:
                operations.append(zk.SetDataOp(path, str(offset)))
        self._keeper.request_all(operations, self._on_written, left, written, then, args)

    def _on_written(
        self, outcomes: list[Outcome], left: dict[str, tuple[TopicPartition, int]],
        written: dict[TopicPartition, int], then: Callable[..., None], args: tuple[Any, ...],
    ) -> None:
        if self._stopped:
            return
        missing: dict[str, None] = {}
        for operation, result, _ in outcomes:
            path = getattr(operation, "path", "")
            if path not in left:
                continue
            if result.error is None and result.stat is not None:
                place, _ = left.pop(path)
                written[place] = result.stat.mzxid
            elif result.error == zk.NONODE:
                missing[path] = None
        self._write(left, missing, written, then, args)
