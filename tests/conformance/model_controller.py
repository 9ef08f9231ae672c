"""The model's controller behind the steps."""

from typing import Any, Protocol

from knowledge import Knowledge
from steps import (
    AddAcl,
    AddPartition,
    AllocateProducerIds,
    AlterPartition,
    Answer,
    CreateTopic,
    DeleteTopic,
    Elect,
    Heartbeat,
    Reassign,
    Register,
    RemoveAcl,
    SetConfig,
    Step,
)

from fencepost.model.metadata import records
from fencepost.model.protocol import controller as protocol
from fencepost.model.protocol.raft import Batch

#: record -> its name here
_NAMES = {
    records.RegisterBrokerRecord: "RegisterBroker", records.BrokerRegistrationChangeRecord: "BrokerChange",
    records.TopicRecord: "Topic", records.RemoveTopicRecord: "RemoveTopic", records.PartitionRecord: "Partition",
    records.PartitionChangeRecord: "PartitionChange", records.ConfigRecord: "Config",
    records.ProducerIdsRecord: "ProducerIds", records.AccessControlEntryRecord: "Acl",
    records.RemoveAccessControlEntryRecord: "RemoveAcl",
}
_TERMS = {"broker_id": "broker", "broker_epoch": "epoch"}
_UNCOMPARED = ("incarnation_id", "eligible_leader_replicas", "last_known_elr")


class MetadataLog(Protocol):
    """What a controller has written."""

    @property
    def batches(self) -> list[Batch]:
        """All batches so far."""

    @property
    def next_offset(self) -> int:
        """The log's end."""


class World(Protocol):
    """Where a model's controller lives."""

    @property
    def raft(self) -> MetadataLog:
        """Its log."""

    def ask(self, request: Any) -> Any:
        """Its answer, once everything is committed."""


class ModelController:
    """The active controller of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.knowledge = Knowledge()
        self._read = 0
        self.new_records()

    def ask(self, step: Step) -> Answer:
        """Do a step."""
        error, facts = getattr(self, f"_{type(step).__name__.lower()}")(step)
        return Answer(error, facts, self.new_records())

    def new_records(self) -> tuple[tuple[object, ...], ...]:
        """What was written since the last time."""
        batches = self._world.raft.batches[self._read:]
        self._read += len(batches)
        found = []
        for record in (record for batch in batches for record in batch.records):
            name = _NAMES.get(type(record))
            if name is not None:
                fields = {_TERMS.get(key, key): value for key, value in record._asdict().items()
                          if key not in _UNCOMPARED}
                found.append(self.knowledge.learn(name, fields))
        return tuple(found)

    def _register(self, step: Register) -> tuple[str | None, tuple[tuple[str, object], ...]]:
        response = self._world.ask(protocol.BrokerRegistrationRequest(
            step.broker, f"{step.broker}-{step.incarnation}"))
        before = self.knowledge.broker_epochs.get(step.broker)
        return response.error, () if response.error else (("same epoch", before == response.broker_epoch),)

    def _heartbeat(self, step: Heartbeat) -> tuple[str | None, tuple[tuple[str, object], ...]]:
        offset = self._world.raft.next_offset - 1 if step.caught_up else 0
        response = self._world.ask(protocol.BrokerHeartbeatRequest(
            step.broker, self.knowledge.broker_epoch(step.broker, step.epoch), offset, step.want_fence,
            step.want_shut_down))
        if response.error:
            return response.error, ()
        return None, (("caught up", response.is_caught_up), ("fenced", response.is_fenced),
                      ("should shut down", response.should_shut_down))

    def _alterpartition(self, step: AlterPartition) -> tuple[str | None, tuple[tuple[str, object], ...]]:
        known = self.knowledge
        leader_epoch, partition_epoch = known.partition(step.topic)
        isr = tuple((member, known.broker_epoch(member, epoch)) for member, epoch in step.isr)
        response = self._world.ask(protocol.AlterPartitionRequest(
            step.broker, known.broker_epoch(step.broker, step.broker_epoch),
            known.topic_ids.get(step.topic, "nowhere"), 0, leader_epoch + step.leader_epoch,
            partition_epoch + step.partition_epoch, isr, "RECOVERING" if step.recovering else "RECOVERED"))
        if response.error:
            return response.error, ()
        return None, (("leader", response.leader_id), ("leader epoch", response.leader_epoch),
                      ("isr", tuple(response.isr)), ("partition epoch", response.partition_epoch))

    def _allocateproducerids(self, step: AllocateProducerIds) -> tuple[str | None, tuple[tuple[str, object], ...]]:
        response = self._world.ask(protocol.AllocateProducerIdsRequest(
            step.broker, self.knowledge.broker_epoch(step.broker, step.epoch)))
        if response.error:
            return response.error, ()
        return None, (("first", response.producer_id_start), ("length", response.producer_id_length))

    def _createtopic(self, step: CreateTopic) -> tuple[str | None, tuple[()]]:
        return self._admin("create-topic", name=step.topic, assignments=[list(r) for r in step.assignments],
                           configs=dict(step.configs))

    def _deletetopic(self, step: DeleteTopic) -> tuple[str | None, tuple[()]]:
        return self._admin("delete-topic", name=step.topic)

    def _addpartition(self, step: AddPartition) -> tuple[str | None, tuple[()]]:
        return self._admin("create-partitions", name=step.topic, count=step.count, assignments=[list(step.replicas)])

    def _reassign(self, step: Reassign) -> tuple[str | None, tuple[()]]:
        replicas = None if step.replicas is None else list(step.replicas)
        return self._admin("reassign", topic=step.topic, partition=0, replicas=replicas)

    def _elect(self, step: Elect) -> tuple[str | None, tuple[()]]:
        kind = "unclean" if step.unclean else "preferred"
        return self._admin("elect-leader", topic=step.topic, partition=0, election_type=kind)

    def _setconfig(self, step: SetConfig) -> tuple[str | None, tuple[()]]:
        return self._admin("alter-config", resource_type="topic", resource_name=step.topic, key=step.name,
                           value=step.value)

    def _addacl(self, step: AddAcl) -> tuple[str | None, tuple[()]]:
        return self._admin("create-acl", **step._asdict())

    def _removeacl(self, step: RemoveAcl) -> tuple[str | None, tuple[()]]:
        return self._admin("delete-acl", **step._asdict())

    def _admin(self, name_of_operation: str, /, **arguments: Any) -> tuple[str | None, tuple[()]]:
        response = self._world.ask(protocol.EnvelopeRequest(1, protocol.AdminRequest(name_of_operation, arguments)))
        return response.error, ()
