"""What consumers ask of a broker: records, offsets, and where epochs end (ReplicaManager.fetchMessages, fetchOffset,
lastOffsetForLeaderEpoch).

A consumer reads below the high watermark. A fetch that finds nothing waits until the high watermark has passed its
offset, the role changes or its time is over; several fetches may wait for one partition.
"""

from typing import TYPE_CHECKING

from fencepost.model import errors
from fencepost.model.broker.partition import Partition
from fencepost.model.broker.partition_core import LEADER
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.protocol.data import (
    FetchRequest,
    FetchResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    OffsetsForLeaderEpochRequest,
    OffsetsForLeaderEpochResponse,
)

if TYPE_CHECKING:
    from fencepost.model.broker.replica_manager import ReplicaManager

LATEST = -1


class ConsumerRequests:
    """Serves consumers from the partitions that the manager's broker hosts."""

    __slots__ = ("_manager", "_node", "_waiting")

    def __init__(self, node: Node, manager: "ReplicaManager") -> None:
        self._node = node
        self._manager = manager
        #: topic-partition -> the fetches that wait, in the order of their arrival
        self._waiting: dict[str, list[tuple[FetchRequest, Reply, Timer]]] = {}

    def handle_fetch(self, request: FetchRequest, reply: Reply) -> None:
        """A consumer's fetch: below the high watermark, waiting when there is nothing yet."""
        name = request.name
        partition = self._manager.partitions.get(name)
        if partition is None:
            reply.send(FetchResponse(self._manager.missing_error(request.topic, request.partition, request.topic_id)))
            return
        answer = partition.fetch(request, False)
        if answer.error is not None or answer.records or answer.diverging is not None or request.max_wait_us <= 0:
            reply.send(answer)
        else:
            timer = self._node.schedule(request.max_wait_us, self._expire, name, reply)
            self._waiting.setdefault(name, []).append((request, reply, timer))

    def complete(self, partition: Partition, everyone: bool) -> None:
        """Answer the fetches that the high watermark has passed; `everyone`: all of them, for the role changed."""
        still = []
        for request, reply, timer in self._waiting.pop(partition.name, ()):
            if everyone or partition.high_watermark > request.fetch_offset:
                cancel(timer)
                reply.send(partition.fetch(request, False))
            else:
                still.append((request, reply, timer))
        if still:
            self._waiting[partition.name] = still

    def _expire(self, name: str, reply: Reply) -> None:
        waiting = self._waiting.get(name, [])
        for place, (request, other, _) in enumerate(waiting):
            if other is reply:
                del waiting[place]
                partition = self._manager.partitions.get(name)
                missing = self._manager.missing_error(request.topic, request.partition, request.topic_id)
                reply.send(FetchResponse(missing) if partition is None else partition.fetch(request, False))
                return

    def handle_list_offsets(self, request: ListOffsetsRequest, reply: Reply) -> None:
        """The earliest offset, with its epoch; or the high watermark, with the leader's, once it has reached the
        beginning of that."""
        partition = self._manager.partitions.get(f"{request.topic}-{request.partition}")
        if partition is None:
            reply.send(ListOffsetsResponse(self._manager.missing_error(request.topic, request.partition)))
            return
        error = partition.epoch_error(request.current_leader_epoch)
        if error is None and partition.role != LEADER:
            error = errors.NOT_LEADER_OR_FOLLOWER
        if error is None and request.timestamp == LATEST and partition.high_watermark < partition.epoch_start_offset:
            error = errors.OFFSET_NOT_AVAILABLE
        if error is not None:
            reply.send(ListOffsetsResponse(error))
            return
        if request.timestamp == LATEST:
            reply.send(ListOffsetsResponse(None, partition.high_watermark, partition.leader_epoch))
        else:
            reply.send(ListOffsetsResponse(None, partition.log.start_offset, partition.log.start_epoch))

    def handle_offsets_for_leader_epoch(self, request: OffsetsForLeaderEpochRequest, reply: Reply) -> None:
        """Where an epoch ends in the leader's log."""
        partition = self._manager.partitions.get(f"{request.topic}-{request.partition}")
        if partition is None:
            reply.send(OffsetsForLeaderEpochResponse(self._manager.missing_error(request.topic, request.partition)))
            return
        error = partition.epoch_error(request.current_leader_epoch)
        if error is None and partition.role != LEADER:
            error = errors.NOT_LEADER_OR_FOLLOWER
        if error is not None:
            reply.send(OffsetsForLeaderEpochResponse(error))
        else:
            reply.send(OffsetsForLeaderEpochResponse(None, *partition.log.end_offset_for_epoch(request.leader_epoch)))
