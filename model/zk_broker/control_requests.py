"""What the controller tells a broker: LeaderAndIsr, UpdateMetadata, StopReplica (KafkaApis, ReplicaManager).

Every request passes the same guards: it is meant for this incarnation of the broker (its czxid, KIP-380), and it is not
of a controller older than any that this process has obeyed. LeaderAndIsr and StopReplica are then looked at partition
by partition: topic id, leader epoch. Which requests were obeyed or refused under which epochs is observed here, by the
caller of the guards.

Requests are handled one at a time (replicaStateChangeLock). One that brings a new partition waits, and with it all
others, until the topic's configuration is read from ZooKeeper, as Kafka's thread does.

Left out: 3.9 does not become a follower of a leader that its metadata cache does not know, or of nobody, and goes on as
it was; here it follows at once, so that no leader outlives its epoch.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from fencepost.model import errors
from fencepost.model.broker.replica_manager import ReplicaManager
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.labour import Labour
from fencepost.model.kernel.node import Node
from fencepost.model.protocol.zk_controller import (
    EPOCH_DURING_DELETE,
    NO_EPOCH,
    LeaderAndIsrRequest,
    LeaderAndIsrResponse,
    PartitionState,
    StopReplicaRequest,
    StopReplicaResponse,
    StopReplicaState,
    TopicPartition,
    UpdateMetadataRequest,
    UpdateMetadataResponse,
)
from fencepost.model.zk_broker.metadata_cache import MetadataCache, registration

#: Reads the configurations of topics, then calls back: (topics, callback, *context).
TopicReader = Callable[..., None]

_NAMES = {
    LeaderAndIsrRequest: "LeaderAndIsr", UpdateMetadataRequest: "UpdateMetadata", StopReplicaRequest: "StopReplica"}


class ControlRequests:
    """The receiving side of the controller's channel.

    controller_epoch: the highest that this process has obeyed; a restarted one knows none and obeys anybody.
    broker_epoch: gives the czxid of the own registration.
    """

    def __init__(
        self, node: Node, config: KafkaConfig, replica_manager: ReplicaManager, cache: MetadataCache,
        broker_epoch: Callable[[], int], read_topics: TopicReader, on_topic_deleted: Callable[[str], None],
    ) -> None:
        self._node = node
        self._metadata_work_us = config.partition_metadata_work_us
        self._role_work_us = config.replica_role_work_us
        self._labour = Labour(node)
        self._replica_manager = replica_manager
        self._cache = cache
        self._broker_epoch = broker_epoch
        self._read_topics = read_topics
        self._on_topic_deleted = on_topic_deleted
        #: While a request is handled: the own broker and controller epoch before it, and what it may change if it is
        #: late.
        self._own = (-1, 0)
        self._before: dict[str, list[int] | None] | None = None
        self._queue: deque[tuple[Callable[..., None], Any, Reply]] = deque()
        self.controller_epoch = 0

    def open(self) -> None:
        """From now on requests are taken."""
        self._node.handlers.update({
            LeaderAndIsrRequest: self.handle_leader_and_isr, UpdateMetadataRequest: self.handle_update_metadata,
            StopReplicaRequest: self.handle_stop_replica,
        })

    def handle_leader_and_isr(self, request: LeaderAndIsrRequest, reply: Reply) -> None:
        """Lead and follow."""
        self._enqueue(self._leader_and_isr, request, reply)

    def handle_update_metadata(self, request: UpdateMetadataRequest, reply: Reply) -> None:
        """Learn what clients are told."""
        self._enqueue(self._update_metadata, request, reply)

    def handle_stop_replica(self, request: StopReplicaRequest, reply: Reply) -> None:
        """Stop fetching, and delete."""
        self._enqueue(self._stop_replica, request, reply)

    def _enqueue(self, handler: Callable[..., None], request: Any, reply: Reply) -> None:
        self._queue.append((handler, request, reply))
        if len(self._queue) == 1:
            handler(request, reply)

    def _done(self) -> None:
        self._queue.popleft()
        if self._queue:
            handler, request, reply = self._queue[0]
            handler(request, reply)

    # --- guards -------------------------------------------------------------------------------------------------------

    def is_stale_broker_epoch(self, broker_epoch: int) -> bool:
        """The request was meant for an earlier incarnation of this broker (KIP-380); -1 says nothing."""
        return broker_epoch != -1 and broker_epoch < self._broker_epoch()

    def is_stale_leader_and_isr(self, controller_epoch: int) -> bool:
        """The LeaderAndIsr is of a controller that was replaced."""
        return controller_epoch < self.controller_epoch

    def is_stale_update_metadata(self, controller_epoch: int) -> bool:
        """The UpdateMetadata is of a controller that was replaced."""
        return controller_epoch < self.controller_epoch

    def is_stale_stop_replica(self, controller_epoch: int) -> bool:
        """The StopReplica is of a controller that was replaced."""
        return controller_epoch < self.controller_epoch

    def is_stale_leader_epoch(self, leader_epoch: int, local_epoch: int) -> bool:
        """The role is not of a newer leader epoch than the replica's own."""
        return leader_epoch <= local_epoch

    def is_stale_stop(self, leader_epoch: int, local_epoch: int) -> bool:
        """The replica is in a newer leader epoch. A deletion, and a sender without an epoch, stop it all the same."""
        return leader_epoch not in (EPOCH_DURING_DELETE, NO_EPOCH) and leader_epoch < local_epoch

    def _refusal(self, request: Any, is_stale: Callable[[int], bool]) -> str | None:
        """Why the request as a whole is refused, observed here; a request that is obeyed, when it has been."""
        own_broker, own_controller = self._own = self._broker_epoch(), self.controller_epoch
        error = None
        if self.is_stale_broker_epoch(request.broker_epoch):
            error = errors.STALE_BROKER_EPOCH
        elif is_stale(request.controller_epoch):
            error = errors.STALE_CONTROLLER_EPOCH
        else:
            self.controller_epoch = max(own_controller, request.controller_epoch)
        if error is not None:
            self._node.observe(
                "request-fenced", value={"request": _NAMES[type(request)], "from": request.controller_id}, error=error,
                controller_epoch=request.controller_epoch, broker_epoch=request.broker_epoch)
        is_late = request.broker_epoch < own_broker or request.controller_epoch < own_controller
        self._before = self._known(request) if error is None and is_late else None
        return error

    def _known(self, request: Any) -> dict[str, list[int] | None]:
        """What this broker knows of that which the request speaks of: partition -> leader and leader epoch."""
        known: dict[str, list[int] | None] = {}
        if isinstance(request, UpdateMetadataRequest):
            known["controller"] = [self._cache.controller_id]
        for state in request.partitions:
            name = f"{state.topic}-{state.partition}"
            place: Any = self._replica_manager.partitions.get(name)
            if isinstance(request, UpdateMetadataRequest):
                place = self._cache.partitions.get((self._cache.topics.get(state.topic, ""), state.partition))
                known[name] = None if place is None else [place.leader, place.leader_epoch]
            else:
                known[name] = None if place is None else [place.leader_id, place.leader_epoch]
        return known

    def _observe_obeyed(self, request: Any) -> None:
        """The request has been obeyed: evidence, where its epochs were not the own ones."""
        own_broker, own_controller = self._own
        if (request.broker_epoch, request.controller_epoch) == self._own:
            return
        value = {
            "request": _NAMES[type(request)], "from": request.controller_id,
            "local_controller_epoch": own_controller, "local_broker_epoch": own_broker}
        if self._before is not None:
            after = self._known(request)
            value["changed"] = [
                [name, known, after[name]] for name, known in self._before.items() if known != after[name]]
        self._node.observe(
            "request-accepted", value=value, controller_epoch=request.controller_epoch,
            broker_epoch=request.broker_epoch)

    # --- LeaderAndIsr -------------------------------------------------------------------------------------------------

    def _leader_and_isr(self, request: LeaderAndIsrRequest, reply: Reply) -> None:
        error = self._refusal(request, self.is_stale_leader_and_isr)
        if error is not None:
            reply.send(LeaderAndIsrResponse(error))
            self._done()
            return
        hosted = self._replica_manager.partitions
        new = dict.fromkeys(
            state.topic for state in request.partitions if f"{state.topic}-{state.partition}" not in hosted)
        if new:
            self._read_topics(list(new), self._work_out_roles, request, reply)
        else:
            self._work_out_roles(request, reply)

    def _work_out_roles(self, request: LeaderAndIsrRequest, reply: Reply) -> None:
        """What it takes depends on how many roles are new."""
        work_us = self._metadata_work_us * len(request.partitions)
        if self._role_work_us:
            work_us += self._role_work_us * sum(
                not self.is_stale_leader_epoch(state.leader_epoch, self._local_epoch(state))
                for state in request.partitions)
        self._labour.spend(work_us, self._take_roles, request, reply)

    def _local_epoch(self, state: PartitionState) -> int:
        partition = self._replica_manager.partitions.get(f"{state.topic}-{state.partition}")
        return -1 if partition is None else partition.leader_epoch

    def _take_roles(self, request: LeaderAndIsrRequest, reply: Reply) -> None:
        refused = []
        for state in request.partitions:
            error = self._take_role(state)
            if error is not None:
                refused.append(((state.topic, state.partition), error))
        self._observe_obeyed(request)
        reply.send(LeaderAndIsrResponse(None, tuple(refused)))
        self._done()

    def _take_role(self, state: PartitionState) -> str | None:
        manager = self._replica_manager
        logged = manager.logged_topic_id(state.topic, state.partition)
        if logged not in (None, state.topic_id):
            return errors.INCONSISTENT_TOPIC_ID
        if self._node.node_id not in state.replicas:
            return errors.UNKNOWN_TOPIC_OR_PARTITION
        if self.is_stale_leader_epoch(state.leader_epoch, self._local_epoch(state)):
            return errors.STALE_CONTROLLER_EPOCH
        manager.take_role(state.topic, state.topic_id, state.partition, registration(state))
        return None

    # --- UpdateMetadata -----------------------------------------------------------------------------------------------

    def _update_metadata(self, request: UpdateMetadataRequest, reply: Reply) -> None:
        error = self._refusal(request, self.is_stale_update_metadata)
        work_us = 0 if error is not None else self._metadata_work_us * len(request.partitions)
        self._labour.spend(work_us, self._take_metadata, request, reply, error)

    def _take_metadata(self, request: UpdateMetadataRequest, reply: Reply, error: str | None) -> None:
        if error is None:
            for topic in self._cache.update(request):
                self._on_topic_deleted(topic)
            self._observe_obeyed(request)
        reply.send(UpdateMetadataResponse(error))
        self._done()

    # --- StopReplica --------------------------------------------------------------------------------------------------

    def _stop_replica(self, request: StopReplicaRequest, reply: Reply) -> None:
        error = self._refusal(request, self.is_stale_stop_replica)
        refused: list[tuple[TopicPartition, str]] = []
        for state in request.partitions if error is None else ():
            partition_error = self._stop(state)
            if partition_error is not None:
                refused.append(((state.topic, state.partition), partition_error))
        if error is None:
            self._observe_obeyed(request)
        reply.send(StopReplicaResponse(error, tuple(refused)))
        self._done()

    def _stop(self, state: StopReplicaState) -> str | None:
        manager = self._replica_manager
        partition = manager.partitions.get(f"{state.topic}-{state.partition}")
        if partition is None:
            topic_id = manager.logged_topic_id(state.topic, state.partition)
            if state.delete_partition and topic_id is not None:
                manager.delete_log(state.topic, topic_id, state.partition, state.leader_epoch)
            return None
        if self.is_stale_stop(state.leader_epoch, partition.leader_epoch):
            return errors.FENCED_LEADER_EPOCH
        if state.delete_partition:
            manager.stop(partition.topic_id, state.partition)
        else:
            partition.fetching_stopped = True
        return None
