"""Produce requests: what a broker appends for clients, and when it says so (ReplicaManager.appendRecords).

With acks=all the answer waits in the partition until the high watermark has passed the records; otherwise it is given
at once. A batch that an idempotent producer sends again is not appended again, but answered as the first time.
"""

from typing import TYPE_CHECKING

from fencepost.model import errors
from fencepost.model.broker.partition import Partition
from fencepost.model.broker.partition_core import LEADER
from fencepost.model.kernel.connection import Reply
from fencepost.model.protocol.data import ProduceRequest, ProduceResponse, Record

if TYPE_CHECKING:
    from fencepost.model.broker.replica_manager import ReplicaManager


class ProduceRequests:
    """Appends to the partitions that the manager's broker leads."""

    __slots__ = ("_manager",)

    def __init__(self, manager: "ReplicaManager") -> None:
        self._manager = manager

    def handle(self, request: ProduceRequest, reply: Reply) -> None:
        """Append and answer by the acks that were asked for. Produces carry no leader epoch."""
        partition = self._manager.partitions.get(f"{request.topic}-{request.partition}")
        error = self._refusal(partition, request)
        if error is not None or partition is None:
            self._answer(error, reply, request, -1, -1)
            return
        base_offset = None
        if request.producer_id >= 0:
            base_offset = partition.producers.duplicate_of(request)
            error = None if base_offset is not None else partition.producers.refusal(request)
            if error is not None:
                self._answer(error, reply, request, -1, -1)
                return
        if base_offset is None and partition.log.write_fails():
            self._answer(errors.KAFKA_STORAGE_ERROR, reply, request, -1, -1)
            return
        records: tuple[Record, ...] = ()
        epoch = partition.leader_epoch
        if base_offset is None:
            records = partition.append_as_leader(
                request.values, request.keys, request.producer_id, request.producer_epoch, request.base_sequence)
            base_offset = records[0].offset
        if request.acks == -1:
            partition.wait_for_commit(
                records, base_offset + len(request.values), request.timeout_us, self._answer, reply, request,
                base_offset, epoch)
        else:
            self._answer(None, reply, request, base_offset, epoch)

    def _refusal(self, partition: Partition | None, request: ProduceRequest) -> str | None:
        if partition is None:
            return self._manager.missing_error(request.topic, request.partition)
        if partition.role != LEADER:
            return errors.NOT_LEADER_OR_FOLLOWER
        if request.acks == -1 and not partition.has_enough_replicas():
            return errors.NOT_ENOUGH_REPLICAS
        return None

    @staticmethod
    def _answer(error: str | None, reply: Reply, request: ProduceRequest, base_offset: int, epoch: int) -> None:
        if request.acks != 0:
            reply.send(ProduceResponse(error, base_offset, epoch) if error is None else ProduceResponse(error))
