"""Fetching as a follower: one loop for each leader broker, over all partitions that it leads (ReplicaFetcherThread).

A response that carries a diverging epoch makes the follower cut its log, before anything is appended and before its
high watermark is touched (KAFKA-14704). What arrives for an epoch that is over is dropped. A partition that was fenced
in its current epoch is left alone until metadata brings a new one.
"""

from typing import Any

from fencepost.model import errors
from fencepost.model.broker.partition import Partition
from fencepost.model.broker.partition_core import FOLLOWER
from fencepost.model.config import BYTES_PER_RECORD, KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.protocol.data import (
    FetchRequest,
    FetchResponse,
    FollowerFetchRequest,
    FollowerFetchResponse,
)


class ReplicaFetcher:
    """The loop towards one leader. Idle while there is nothing to fetch."""

    def __init__(self, node: Node, config: KafkaConfig, manager: Any, leader_id: int) -> None:
        self._node = node
        self._config = config
        self._manager = manager
        self._leader_id = leader_id
        self._partitions: dict[str, Partition] = {}
        self._delayed: dict[str, int] = {}
        self._sent: dict[str, FetchRequest] = {}
        self._running = False
        self._max_records = max(1, config.replica_fetch_max_bytes // BYTES_PER_RECORD)

    def add(self, partition: Partition) -> None:
        """Fetch this partition, at once."""
        self._partitions[partition.name] = partition
        self._delayed.pop(partition.name, None)
        if not self._running:
            self._running = True
            self._node.schedule(0, self._fetch)

    def remove(self, partition: Partition) -> None:
        """Do not fetch this partition any more."""
        self._partitions.pop(partition.name, None)
        self._sent.pop(partition.name, None)

    def _fetch(self) -> None:
        now_us = self._node.now_us
        ready = [
            self.request_for(partition) for name, partition in self._partitions.items()
            if not partition.fetching_stopped and self._delayed.get(name, 0) <= now_us]
        if ready:
            wait_us = self._config.replica_fetch_wait_max_us
            request = FollowerFetchRequest(self._node.node_id, self._manager.broker_epoch, wait_us, tuple(ready))
            self._node.request(
                self._leader_id, "fetch", request, self._config.replica_socket_timeout_us, self._on_response)
        elif any(not partition.fetching_stopped for partition in self._partitions.values()):
            self._node.schedule(self._config.replica_fetch_backoff_us, self._fetch)
        else:
            self._running = False

    def request_for(self, partition: Partition) -> FetchRequest:
        """The partition's part of a fetch: most often the same as the last time."""
        log, broker_epoch, last_epoch = partition.log, self._manager.broker_epoch, self.last_fetched_epoch(partition)
        sent = self._sent.get(partition.name)
        if (
            sent is not None and sent.fetch_offset == log.end_offset and sent.last_fetched_epoch == last_epoch
            and sent.current_leader_epoch == partition.leader_epoch and sent.replica_epoch == broker_epoch
            and sent.log_start_offset == log.start_offset and sent.topic_id == partition.topic_id
        ):
            return sent
        request = self._sent[partition.name] = FetchRequest(
            partition.topic, partition.index, partition.topic_id, self._node.node_id, broker_epoch,
            partition.leader_epoch, log.end_offset, last_epoch, log.start_offset, 0, self._max_records)
        return request

    def last_fetched_epoch(self, partition: Partition) -> int:
        """The epoch by which the leader finds a divergence (KIP-595, from 2.7 on)."""
        return partition.log.latest_epoch

    def _on_response(self, response: FollowerFetchResponse | None) -> None:
        if response is None:
            self._node.schedule(self._config.replica_fetch_backoff_us, self._fetch)
            return
        for request, answer in response.partitions:
            partition = self._partitions.get(request.name)
            if partition is not None and self.is_current(partition, request):
                self._take(partition, request, answer)
        self._fetch()

    def is_current(self, partition: Partition, request: FetchRequest) -> bool:
        """Whether an answer still concerns the epoch and the place from which the follower fetches now."""
        return (
            partition.role == FOLLOWER and partition.leader_epoch == request.current_leader_epoch
            and partition.topic_id == request.topic_id and partition.log.end_offset == request.fetch_offset)

    def _take(self, partition: Partition, request: FetchRequest, answer: FetchResponse) -> None:
        if answer.error == errors.FENCED_LEADER_EPOCH:
            partition.fetching_stopped = True
        elif answer.error == errors.OFFSET_OUT_OF_RANGE and answer.diverging is not None:
            if partition.log.end_offset < answer.log_start_offset:
                partition.log.reset(answer.log_start_offset)
            else:
                partition.truncate_to(answer.diverging[1])
        elif answer.error is not None or (answer.records and partition.log.write_fails()):
            self._delayed[partition.name] = self._node.now_us + self._config.replica_fetch_backoff_us
        elif answer.diverging is not None:
            self.truncate(partition, *answer.diverging)
        else:
            partition.append_as_follower(answer.records)
            known = partition.high_watermark
            partition.set_follower_high_watermark(answer.high_watermark)
            if partition.high_watermark != known:
                self._manager.tell_high_watermark(partition)

    def truncate(self, partition: Partition, epoch: int, end_offset: int) -> None:
        """Cut to where the leader's log and this one part (AbstractFetcherThread.getOffsetTruncationState)."""
        own_epoch, own_end_offset = partition.log.end_offset_for_epoch(epoch)
        if own_epoch != epoch:
            partition.truncate_to(max(own_end_offset, partition.log.start_offset))
        else:
            partition.truncate_to(min(own_end_offset, end_offset))
