"""What the consumer before 0.9 lacked: owners of partitions whose commits fence those of the owners before them.

Whoever claims a partition creates the owner's znode and sets the offset's znode anew in one multi, which demands that
nobody has written the offset since it was read; each commit demands the version that the claim or the commit before it
left. So a claim begins with the last commit there is, and afterwards no former owner's commit succeeds. A commit that
gets no answer is not sent again: nobody knows what became of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.group import TopicPartition
from fencepost.model.zk_client.offset_znodes import NO_OFFSET
from fencepost.model.zk_client.znodes import OFFSETS, OWNERS, partition_path
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome


class OffsetFence:
    """The versions of the offsets' znodes as one owner's claims and commits have left them."""

    def __init__(self, keeper: KafkaZkClient, group: str) -> None:
        self._keeper = keeper
        self._group = group
        self._versions: dict[TopicPartition, int] = {}

    def claim(self, place: TopicPartition, owner: str, offset: int, version: int) -> zk.MultiOp:
        """Claim a partition whose offset was read under this version (-1: it had no znode)."""
        path = partition_path(self._group, OFFSETS, place)
        own: zk.MultiPart = zk.CreateOp(partition_path(self._group, OWNERS, place), owner, True)
        mark: zk.MultiPart = zk.SetDataOp(path, str(offset), version)
        return zk.MultiOp((own, zk.CreateOp(path, str(NO_OFFSET)) if version == NO_OFFSET else mark))

    def claimed(self, place: TopicPartition, result: zk.ZkResult) -> None:
        """The claim has succeeded."""
        assert result.results is not None
        mark = result.results[1].stat
        self._versions[place] = 0 if mark is None else mark.version

    def write(
        self, offsets: Mapping[TopicPartition, int], then: Callable[..., None], *args: Any
    ) -> None:
        """Commit all of these or none; `then({place: zxid}, error or None, *args)` follows. BADVERSION: none, for
        certain; any other error leaves it open."""
        if not offsets:
            then({}, None, *args)
            return
        parts = tuple(
            zk.SetDataOp(partition_path(self._group, OFFSETS, place), str(offset), self._versions[place])
            for place, offset in offsets.items())
        self._keeper.request_all([zk.MultiOp(parts)], self._on_written, tuple(offsets), then, args)

    def _on_written(
        self, outcomes: list[Outcome], places: tuple[TopicPartition, ...], then: Callable[..., None],
        args: tuple[Any, ...],
    ) -> None:
        _, result, resent = outcomes[0]
        if result.error is not None or result.results is None:
            # After an answer that was lost a bad version may be the first attempt's own work.
            then({}, zk.CONNECTIONLOSS if resent else result.error, *args)
            return
        written: dict[TopicPartition, int] = {}
        for place, part in zip(places, result.results, strict=True):
            if part.stat is not None:
                self._versions[place], written[place] = part.stat.version, part.stat.mzxid
        then(written, None, *args)
