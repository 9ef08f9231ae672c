"""Topics and partitions come and go, and leaders change ISRs by themselves (KafkaController.processTopicChange,
processPartitionModifications, processTopicDeletion, processIsrChangeNotification)."""

from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.context import NEW_PARTITION, NEW_REPLICA, ONLINE_PARTITION, ONLINE_REPLICA
from fencepost.model.zk_controller.controller_zk import state_of
from fencepost.model.zk_controller.election import elect_offline
from fencepost.model.zk_controller.kafka_zk_client import Outcome
from fencepost.model.zk_controller.parts import ControllerParts
from fencepost.model.zk_controller.topic_znodes import decode_assignments


class TopicEvents:
    """The events about topics.

    Left out: partitions that were added to a topic which is being deleted are not taken out of its znode again.
    """

    def __init__(self, parts: ControllerParts) -> None:
        self._parts = parts
        self._context = parts.context

    # --- the list of topics -----------------------------------------------------------------------------------------

    def read_topics(self) -> None:
        """Plan: every topic and its assignments, at a fail-over."""
        self._parts.zk.ask([zk.GetChildrenOp(znodes.TOPICS)], self._read_new_topics)

    def on_topic_change(self) -> None:
        """Event TopicChange: the children of /brokers/topics have changed."""
        if self._parts.is_active:
            self._parts.zk.ask([zk.GetChildrenOp(znodes.TOPICS)], self._on_topics)

    def _on_topics(self, outcomes: list[Outcome]) -> None:
        names = dict.fromkeys(outcomes[0].result.value or ())
        for topic in [topic for topic in self._context.topics if topic not in names]:
            self._context.remove_topic(topic)
        before = dict.fromkeys(self._context.topics)
        self._read_new_topics(outcomes)
        self._parts.events.do(self._create_partitions_of_new_topics, before)

    def _read_new_topics(self, outcomes: list[Outcome]) -> None:
        topics = [topic for topic in outcomes[0].result.value or () if topic not in self._context.topics]
        for topic in topics:
            self._parts.client.change_handlers[znodes.topic_path(topic)] = self._on_topic_znode
        reads = [zk.GetDataOp(znodes.topic_path(topic)) for topic in topics]
        self._parts.zk.ask(reads, self._take_assignments, topics)

    def _take_assignments(self, outcomes: list[Outcome], topics: list[str]) -> None:
        context = self._context
        for topic, outcome in zip(topics, outcomes, strict=True):
            if outcome.result.error is None:
                context.topics[topic] = outcome.result.value.topic_id
                context.assignments[topic] = decode_assignments(outcome.result.value)
                for partition, assignment in context.assignments[topic].items():
                    if assignment.adding or assignment.removing:
                        context.being_reassigned[(topic, partition)] = None

    def _create_partitions_of_new_topics(self, before: dict[str, None]) -> None:
        self._create(self._context.partitions_of([topic for topic in self._context.topics if topic not in before]))

    # --- new partitions ---------------------------------------------------------------------------------------------

    def _on_topic_znode(self, event: zk.WatchEvent) -> None:
        if event.type == zk.CHANGED:
            self._parts.events.put(self.on_partition_modifications, event.path.rpartition("/")[2])

    def on_partition_modifications(self, topic: str) -> None:
        """Event PartitionModifications: a topic's znode has changed; new partitions are created."""
        if self._parts.is_active:
            self._parts.zk.ask([zk.GetDataOp(znodes.topic_path(topic))], self._on_assignments, topic)

    def _on_assignments(self, outcomes: list[Outcome], topic: str) -> None:
        znode = outcomes[0].result.value
        if znode is None or topic not in self._context.topics or topic in self._context.topics_to_be_deleted:
            return
        known = self._context.assignments.get(topic, {})
        added = {
            partition: assignment for partition, assignment in decode_assignments(znode).items()
            if partition not in known
        }
        for partition, assignment in added.items():
            self._context.assign((topic, partition), assignment)
        self._create([(topic, partition) for partition in added])

    def _create(self, partitions: list[TopicPartition]) -> None:
        """Plan: partitions and replicas through New to Online (onNewPartitionCreation)."""
        parts = self._parts
        replicas = self._context.replicas_of(partitions)
        parts.partitions.change(partitions, NEW_PARTITION)
        parts.replicas.change(replicas, NEW_REPLICA)
        parts.partitions.change(partitions, ONLINE_PARTITION, elect_offline)
        parts.replicas.change(replicas, ONLINE_REPLICA)

    # --- deletion ----------------------------------------------------------------------------------------------------

    def read_deletions(self) -> None:
        """Plan: the deletions under way, at a fail-over; those with a dead replica must wait.

        They end reassignments of their topics: a deletion that had begun has left no leader to go on with (in 3.9 the
        deletion waits for the reassignment, perhaps for good).
        """
        self._parts.zk.ask([zk.GetChildrenOp(znodes.DELETE_TOPICS)], self._take_deletions)

    def _take_deletions(self, outcomes: list[Outcome]) -> None:
        context, topics = self._context, outcomes[0].result.value or ()
        partitions = context.partitions_of(topics)
        for partition in partitions:
            context.being_reassigned.pop(partition, None)
        waiting = dict.fromkeys(
            partition[0] for partition in partitions
            if any(not context.is_live(replica) for replica in context.assignment(partition).replicas))
        self._parts.deletion.start(topics, waiting)

    def on_topic_deletion(self) -> None:
        """Event TopicDeletion: the children of /admin/delete_topics have changed."""
        if self._parts.is_active:
            self._parts.zk.ask([zk.GetChildrenOp(znodes.DELETE_TOPICS)], self._on_deletions)

    def _on_deletions(self, outcomes: list[Outcome]) -> None:
        context, deletion = self._context, self._parts.deletion
        names = outcomes[0].result.value or ()
        deletion.delete_requests([topic for topic in names if topic not in context.topics])
        topics = [topic for topic in names if topic in context.topics]
        self._parts.events.do(self._enqueue_deletions, topics)

    def _enqueue_deletions(self, topics: list[str]) -> None:
        if topics:
            moving = dict.fromkeys(partition[0] for partition in self._context.being_reassigned)
            self._context.topics_to_be_deleted.update(dict.fromkeys(topics))
            self._parts.deletion.mark_ineligible(topic for topic in topics if topic in moving)
            self._parts.deletion.resume_deletions()

    # --- ISRs changed by compare and set (up to 2.6) -----------------------------------------------------------------

    def on_isr_change_notification(self) -> None:
        """Event IsrChangeNotification: read the states that leaders have changed, and tell everybody."""
        if self._parts.is_active:
            self._parts.zk.ask([zk.GetChildrenOp(znodes.ISR_CHANGES)], self._read_notifications)

    def _read_notifications(self, outcomes: list[Outcome]) -> None:
        paths = [f"{znodes.ISR_CHANGES}/{name}" for name in outcomes[0].result.value or ()]
        self._parts.zk.ask([zk.GetDataOp(path) for path in paths], self._read_changed_states)
        self._parts.zk.write([zk.DeleteOp(path) for path in paths], _ignore)

    def _read_changed_states(self, outcomes: list[Outcome]) -> None:
        partitions = list(dict.fromkeys(
            partition for outcome in outcomes if outcome.result.value is not None
            for partition in outcome.result.value.partitions))
        reads = [zk.GetDataOp(znodes.state_path(*partition)) for partition in partitions]
        self._parts.zk.ask(reads, self.take_states, partitions)
        self._parts.events.do(self._tell, partitions)

    def take_states(self, outcomes: list[Outcome], partitions: list[TopicPartition]) -> None:
        """Remember the states read (updateLeaderAndIsrCache)."""
        for partition, outcome in zip(partitions, outcomes, strict=True):
            state = state_of(outcome)
            if state is not None and partition[0] in self._context.topics:
                self._context.leadership[partition] = state

    def _tell(self, partitions: list[TopicPartition]) -> None:
        if partitions:
            self._parts.send_update_metadata(self._context.live_or_shutting_down(), partitions)
            for partition in partitions:
                self._parts.reassignment.finish_if_complete(partition)


def _ignore(outcomes: list[Outcome]) -> None:
    """A notification that is gone has been dealt with."""
