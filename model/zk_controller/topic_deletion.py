"""Deleting topics (TopicDeletionManager.scala).

A topic queued under /admin/delete_topics goes in steps: its partitions cease to exist, brokers are told to stop serving
it, every replica on a live broker is stopped and deleted, and when all have answered its znodes go. A dead replica, a
failed answer or a reassignment makes the topic ineligible until that is over; then the deletion is resumed.
A broker that comes back resumes a deletion even during a reassignment, which ends with it (3.9 goes on with the
reassignment, and may hold the deletion back for good).
"""

from collections.abc import Collection, Iterable

from fencepost.model.kernel.node import Node
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.context import (
    DELETION_INELIGIBLE,
    DELETION_STARTED,
    DELETION_SUCCESSFUL,
    NON_EXISTENT_PARTITION,
    NON_EXISTENT_REPLICA,
    OFFLINE_PARTITION,
    OFFLINE_REPLICA,
    ControllerContext,
    Replica,
)
from fencepost.model.zk_controller.controller_zk import ControllerZk
from fencepost.model.zk_controller.event_manager import ControllerEventManager
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome
from fencepost.model.zk_controller.partition_states import PartitionStateMachine
from fencepost.model.zk_controller.replica_states import ReplicaStateMachine
from fencepost.model.zk_controller.request_batch import ControllerBrokerRequestBatch


class TopicDeletionManager:
    """Queues, retries and completes deletions; everything is planned as steps of the event under way."""

    def __init__(
        self, node: Node, context: ControllerContext, client: KafkaZkClient, store: ControllerZk,
        events: ControllerEventManager, batch: ControllerBrokerRequestBatch, partitions: PartitionStateMachine,
        replicas: ReplicaStateMachine,
    ) -> None:
        self._node = node
        self._context = context
        self._client = client
        self._zk = store
        self._events = events
        self._batch = batch
        self._partitions = partitions
        self._replicas = replicas

    # --- what is to be deleted --------------------------------------------------------------------------------------

    def start(self, topics: Iterable[str], ineligible: Iterable[str]) -> None:
        """Take over the deletions under way at a fail-over."""
        context = self._context
        context.topics_to_be_deleted = dict.fromkeys(topics)
        context.topics_ineligible_for_deletion = {
            topic: None for topic in ineligible if topic in context.topics_to_be_deleted}

    def enqueue(self, topics: Iterable[str]) -> None:
        """Delete these topics."""
        self._context.topics_to_be_deleted.update(dict.fromkeys(topics))
        self.resume_deletions()

    def mark_ineligible(self, topics: Iterable[str]) -> None:
        """Wait with these topics."""
        context = self._context
        context.topics_ineligible_for_deletion.update(
            {topic: None for topic in topics if topic in context.topics_to_be_deleted})

    def resume_for(self, topics: Collection[str]) -> None:
        """What held these topics back is over."""
        resumed = [topic for topic in topics if topic in self._context.topics_to_be_deleted]
        for topic in resumed:
            self._context.topics_ineligible_for_deletion.pop(topic, None)
        if resumed:
            self.resume_deletions()

    # --- replicas' answers -------------------------------------------------------------------------------------------

    def fail_replicas(self, replicas: Iterable[Replica]) -> None:
        """These replicas could not be deleted."""
        failed = self._queued(replicas)
        if failed:
            self._replicas.change(failed, DELETION_INELIGIBLE)
            self.mark_ineligible(partition[0] for partition, _ in failed)
            self.resume_deletions()

    def complete_replicas(self, replicas: Iterable[Replica]) -> None:
        """These replicas are deleted."""
        deleted = self._queued(replicas)
        self._replicas.change(deleted, DELETION_SUCCESSFUL)
        self.resume_deletions()

    def _queued(self, replicas: Iterable[Replica]) -> list[Replica]:
        return [replica for replica in replicas if replica[0][0] in self._context.topics_to_be_deleted]

    # --- the work ----------------------------------------------------------------------------------------------------

    def resume_deletions(self) -> None:
        """Plan: do for every queued topic what can be done now."""
        self._events.do(self._resume_deletions)

    def _resume_deletions(self) -> None:
        context, retry, delete = self._context, [], []
        for topic in context.topics_to_be_deleted:
            replicas = context.replicas_of(context.partitions_of((topic,)))
            states = dict.fromkeys(context.replica_states.get(replica) for replica in replicas)
            if all(state == DELETION_SUCCESSFUL for state in states):
                self._complete(topic)
            elif DELETION_STARTED not in states:
                if DELETION_INELIGIBLE in states:
                    retry.append(topic)
                if topic not in context.topics_ineligible_for_deletion:
                    delete.append(topic)
        for topic in retry:
            self._replicas.change(context.replicas_of_topic_in(topic, DELETION_INELIGIBLE), OFFLINE_REPLICA)
        if delete:
            self._events.do(self._begin, delete)

    def _begin(self, topics: list[str]) -> None:
        context = self._context
        unseen = [topic for topic in topics if topic not in context.topics_with_deletion_started]
        partitions = context.partitions_of(unseen)
        for partition in partitions:
            context.being_reassigned.pop(partition, None)
        self._partitions.change(partitions, OFFLINE_PARTITION)
        self._partitions.change(partitions, NON_EXISTENT_PARTITION)
        context.topics_with_deletion_started.update(dict.fromkeys(unseen))
        self._events.do(self._tell_brokers, context.partitions_of(topics))
        self._events.do(self._stop_replicas, topics)

    def _tell_brokers(self, partitions: list[TopicPartition]) -> None:
        self._batch.begin()
        self._batch.add_update_metadata(self._context.live_or_shutting_down(), partitions)
        self._batch.send()
        self._node.at_point("controller.topic-deletion")

    def _stop_replicas(self, topics: list[str]) -> None:
        context = self._context
        dead, retry = [], []
        for replica in context.replicas_of(context.partitions_of(topics)):
            if not context.is_live(replica[1]):
                dead.append(replica)
            elif context.replica_states.get(replica) != DELETION_SUCCESSFUL:
                retry.append(replica)
        self._replicas.change(dead, DELETION_INELIGIBLE)
        self._replicas.change(retry, OFFLINE_REPLICA)
        self._replicas.change(retry, DELETION_STARTED)
        self.mark_ineligible(partition[0] for partition, _ in dead)

    # --- the znodes --------------------------------------------------------------------------------------------------

    def _complete(self, topic: str) -> None:
        """Every replica is gone: forget them, then delete the topic's znodes from the leaves up."""
        context = self._context
        self._client.change_handlers.pop(znodes.topic_path(topic), None)
        partitions = context.partitions_of((topic,))
        self._replicas.change(context.replicas_of(partitions), NON_EXISTENT_REPLICA)
        for level in (
            [znodes.state_path(*partition) for partition in partitions],
            [znodes.partition_path(*partition) for partition in partitions],
            [znodes.partitions_path(topic)], [znodes.topic_path(topic)], [znodes.config_path("topic", topic)],
            [znodes.delete_topic_path(topic)],
        ):
            self._zk.write([zk.DeleteOp(path) for path in level], self._on_deleted, topic)
        self._events.do(context.remove_topic, topic)

    def _on_deleted(self, outcomes: list[Outcome], topic: str) -> None:
        """What is gone already is as good; the topic's own znode is what counts as its deletion."""
        for outcome in outcomes:
            assert isinstance(outcome.operation, zk.DeleteOp)
            if outcome.result.error is None and outcome.operation.path == znodes.topic_path(topic):
                topic_id = self._context.topics.get(topic, "")
                self._zk.observe_write([["RemoveTopicRecord", {"topic_id": topic_id}]], -1)

    def delete_requests(self, topics: Iterable[str]) -> None:
        """Plan: take back what is queued for topics that do not exist."""
        self._zk.write(
            [zk.DeleteOp(znodes.delete_topic_path(topic)) for topic in topics], _ignore)


def _ignore(outcomes: list[Outcome]) -> None:
    """Whoever deleted it before has done the same."""
