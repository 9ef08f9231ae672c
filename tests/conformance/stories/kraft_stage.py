"""A stage in KRaft mode: who leads the quorum, and what is committed to the metadata log, in one form for each side."""

from abc import abstractmethod
from typing import Any, NamedTuple

from stories.stage import NOBODY, PartitionView, Question, Stage

from fencepost.model.metadata.records import NO_LEADER_CHANGE

#: What both sides are configured with, besides Kafka's own defaults. Nothing moves but what a story moves.
MODELLED = {
    "controller.quorum.fetch.timeout.ms": "4000", "broker.heartbeat.interval.ms": "1000",
    "broker.session.timeout.ms": "6000",
    "auto.leader.rebalance.enable": "false", "offsets.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
}
#: These two, in seconds: how long a controller waits for a fetch to succeed before it wants an election, and how long a
#: broker may be silent before it is fenced.
FETCH_TIMEOUT_S, SESSION_S = 4.0, 6.0


class QuorumView(NamedTuple):
    """Whom a node takes for the quorum's leader (-1: nobody), in which epoch."""

    leader: int
    epoch: int


class MetadataRecord(NamedTuple):
    """A committed record. name: Kafka's; fields: by the model's names; epoch: of the controller that wrote it."""

    epoch: int
    name: str
    fields: dict[str, Any]


class KRaftStage(Stage):
    """What stories of KRaft mode ask.

    controllers, brokers: their ids; a combined node has both.
    """

    controllers: tuple[int, ...]

    def __init__(self) -> None:
        super().__init__()
        self._topics: dict[Any, str] = {}
        #: partition -> (as the log has it, its partition epoch)
        self._partitions: dict[str, tuple[PartitionView, int]] = {}
        self._lines: list[tuple[int, str, str]] = []

    # --- asked --------------------------------------------------------------------------------------------------------

    @abstractmethod
    def quorum(self, node: int) -> QuorumView | None:
        """What a node says of its quorum; None where nothing answers."""

    @abstractmethod
    def is_active(self, node: int) -> bool:
        """Whether a controller takes requests: it leads, and knows that it does by its own first committed record."""

    @abstractmethod
    def committed(self) -> list[MetadataRecord]:
        """The records committed since the last time, read from the active controller."""

    @abstractmethod
    def order_topic(self, controller: int, topic: str, replicas: tuple[int, ...]) -> Question[str]:
        """Ask a controller for a topic with one partition; the answer is the error's name, or "ok"."""

    # --- told ---------------------------------------------------------------------------------------------------------

    def active_controller(self) -> int | None:
        """Who leads the quorum by its own word, in the highest epoch, and takes requests."""
        views = {node: view for node in self.controllers if (view := self.quorum(node)) is not None}
        leaders = [(view.epoch, node) for node, view in views.items() if view.leader == node]
        return max(leaders)[1] if leaders and self.is_active(max(leaders)[1]) else None

    def leader_of_quorum(self) -> int:
        """The active controller, once there is one."""
        while (leader := self.active_controller()) is None:
            self.let_time_pass()
        return leader

    def create_topic(self, topic: str, *replicas: int) -> None:
        """A topic with one partition, led by the first of its replicas; returns when all brokers know it."""
        self.await_brokers()
        if not self._topics:
            self.committed()
        error = self.answered(self.order_topic(self.leader_of_quorum(), topic, replicas))
        assert error == "ok", f"{topic} is not created: {error}"
        self.until(f"{topic}-0 is led by {self.part(replicas[0])}", lambda: all(
            self.view(broker, f"{topic}-0").leader == replicas[0] for broker in self.brokers))
        self._read_log()

    def provide_offsets_topic(self) -> None:
        """Make sure that there is the topic of the groups, which stays from story to story."""
        self.await_brokers()
        if self.view(self.brokers[0], "__consumer_offsets-0") == NOBODY:
            self.answered(self.order_topic(self.leader_of_quorum(), "__consumer_offsets", self.brokers))
        while any(self.view(broker, "__consumer_offsets-0") == NOBODY for broker in self.brokers):
            self.let_time_pass()

    def recorded(self, partition: str) -> PartitionView:
        """A partition as the log has it."""
        self._read_log()
        return self._partitions[partition][0]

    def tell_log(self, controllers: bool = False) -> None:
        """Write down what was committed since the story's topic was created: brokers' and partitions' changes; in
        stories of `controllers` with their epochs as they rise. Where several partitions change one after the other,
        Kafka has no order among them, and they are told in the order of their names."""
        self._read_log()
        epochs = sorted({epoch for epoch, *_ in self._lines})
        run: list[tuple[str, str]] = []
        for epoch, partition, line in self._lines:
            if not partition:
                self._tell_run(run)
            run.append((partition, f"controller epoch +{epochs.index(epoch)}: {line}" if controllers else line))
            if not partition:
                self._tell_run(run)
        self._tell_run(run)

    def _tell_run(self, run: list[tuple[str, str]]) -> None:
        for _, line in sorted(run, key=lambda entry: entry[0]):
            self.tell(line)
        run.clear()

    def _read_log(self) -> None:
        for record in self.committed():
            partition, line = self._line(record)
            if line:
                self._lines.append((record.epoch, partition, line))

    def _line(self, record: MetadataRecord) -> tuple[str, str]:
        """(the partition, if the record is one's; what to tell of it, if anything)."""
        fields = record.fields
        if record.name == "RegisterBrokerRecord":
            return "", f"broker {self.part(fields['broker_id'])} registers{', fenced' * fields['fenced']}"
        if record.name == "BrokerRegistrationChangeRecord":
            said = []
            if fields["fenced"] is not None:
                said.append("is fenced" if fields["fenced"] else "is unfenced")
            if fields["in_controlled_shutdown"]:
                said.append("shuts down")
            return "", f"broker {self.part(fields['broker_id'])} {' and '.join(said)}"
        if record.name == "TopicRecord":
            self._topics[fields["topic_id"]] = fields["name"]
        elif record.name in ("PartitionRecord", "PartitionChangeRecord") and fields["topic_id"] in self._topics:
            return self._partition_line(f"{self._topics[fields['topic_id']]}-{fields['partition_id']}", fields)
        return "", ""

    def _partition_line(self, partition: str, fields: dict[str, Any]) -> tuple[str, str]:
        (leader, leader_epoch, isr), partition_epoch = self._partitions.get(partition, (NOBODY, -1))
        if fields["leader"] != NO_LEADER_CHANGE:
            leader, leader_epoch = fields["leader"], leader_epoch + 1
        if fields["isr"] is not None:
            isr = tuple(sorted(fields["isr"]))
        partition_epoch += 1
        self._partitions[partition] = PartitionView(leader, leader_epoch, isr), partition_epoch
        members = ", ".join(sorted(map(self.part, isr)))
        return partition, (f"{partition} has leader {self.part(leader)} in epoch {leader_epoch} and ISR {members}, in "
                           f"partition epoch {partition_epoch}")
