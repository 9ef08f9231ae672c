"""The quorum's own view of brokers and partitions, folded from the committed metadata records of a history.

The records are those of the controllers' `metadata-applied`; every controller reports each offset, and the first report
counts. With ZooKeeper the ensemble reports what its transactions say, as whole PartitionRecords.

Example: [[41, "PartitionChangeRecord", {"topic_id": "orders@1f", "partition": 0, "isr": [1, 2], "leader": -2,
...}]] sets the ISR and raises the partition epoch by one; any other `leader` than -2 raises the leader epoch as well.

The view trails the truth a little: a broker may learn of committed metadata before any controller has reported it.
Rules compare epochs before they compare a broker's beliefs with the view.

A later report that contradicts an earlier one (a quorum that lost its disks) is noted and otherwise ignored.
"""

from typing import Any, NamedTuple

from fencepost.histories.event import Event

NO_LEADER = -1
_NO_LEADER_CHANGE = -2


class Registration(NamedTuple):
    """A broker as registered. offset: of the record that registered this incarnation."""

    broker_epoch: int
    incarnation: str
    fenced: bool
    in_controlled_shutdown: bool
    offset: int

    @property
    def eligible(self) -> bool:
        """May be in an ISR of several."""
        return not self.fenced and not self.in_controlled_shutdown


class PartitionState(NamedTuple):
    """A partition as the quorum has it."""

    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    leader: int
    leader_epoch: int
    partition_epoch: int
    eligible_leader_replicas: tuple[int, ...]
    last_known_elr: tuple[int, ...]

    def may_elect(self, node: int) -> bool:
        """Whether the node may be elected cleanly: a member of the ISR or an eligible leader replica."""
        return node in self.isr or node in self.eligible_leader_replicas


class Election(NamedTuple):
    """A committed change of a partition's leader epoch; `before` is None for a new partition."""

    leader: int
    leader_epoch: int
    offset: int
    event: int
    time_us: int
    before: PartitionState | None


class PartitionChange(NamedTuple):
    """What one record did to a partition; `after` is None where its topic was removed."""

    partition: str
    offset: int
    before: PartitionState | None
    after: PartitionState | None


class BrokerChange(NamedTuple):
    """What one record did to a broker's registration; `after` is None where it was forgotten."""

    broker: int
    offset: int
    before: Registration | None
    after: Registration | None

    @property
    def is_new_incarnation(self) -> bool:
        """Another process than before registered."""
        return self.after is not None and (self.before is None or self.before.incarnation != self.after.incarnation)


class Removal(NamedTuple):
    """A topic was removed."""

    event: int
    time_us: int


class Changes:
    """What one batch of records changed, in the records' order."""

    __slots__ = ("brokers", "order", "partitions")

    def __init__(self) -> None:
        self.partitions: list[PartitionChange] = []
        self.brokers: list[BrokerChange] = []
        self.order: list[PartitionChange | BrokerChange] = []

    def note(self, change: PartitionChange | BrokerChange) -> None:
        """Add one change."""
        self.order.append(change)
        if isinstance(change, PartitionChange):
            self.partitions.append(change)
        else:
            self.brokers.append(change)


def identity(key: str, topic_id: str) -> str:
    """The name of one incarnation of a partition; that of its log's file too: "orders-0/<topic id>"."""
    return f"{key}/{topic_id}"


class MetadataView:
    """Brokers, partitions, elections, topics and settings as committed so far.

    next_offset: the offset after the last record folded.
    elections: (partition, leader epoch) -> the election.
    removed: topic id -> its removal; created: topic id -> the index of the event that showed its creation.
    registered: index of a `metadata-applied` -> the brokers that registered in its batch.
    contradicted: the index of the first event whose records contradict earlier ones, or None.
    """

    def __init__(self, header: dict[str, Any]) -> None:
        self.next_offset = 0
        self.brokers: dict[int, Registration] = {}
        self.partitions: dict[str, PartitionState] = {}
        self.elections: dict[tuple[str, int], Election] = {}
        self.removed: dict[str, Removal] = {}
        self.created: dict[str, int] = {}
        self.registered: dict[int, list[int]] = {}
        self.contradicted: int | None = None
        self._properties: dict[str, Any] = header.get("properties") or {}
        self._topic_names: dict[str, str] = {}
        self._topic_partitions: dict[str, dict[str, int]] = {}
        self._known_brokers: dict[int, None] = {}
        self._listed: dict[int, dict[str, None]] = {}
        self._configs: dict[tuple[str, str, str], str | None] = {}
        self._records: dict[int, Any] = {}

    # --- questions ------------------------------------------------------------------------------------------------

    def was_registered(self, broker: int) -> bool:
        """Whether the records ever told of the broker."""
        return broker in self._known_brokers

    def in_isr_of(self, broker: int) -> list[str]:
        """The partitions whose ISR lists the broker."""
        return list(self._listed.get(broker, ()))

    def setting(self, topic: str, name: str, default: str) -> str:
        """What holds for a topic: its own setting, the cluster's dynamic default, the brokers' property."""
        for resource in (("topic", topic, name), ("broker", "", name)):
            value = self._configs.get(resource)
            if value is not None:
                return value
        return str(self._properties.get(name, default))

    def is_on(self, topic: str, name: str) -> bool:
        """Whether a switch that is off by default is on for a topic."""
        return self.setting(topic, name, "false").lower() == "true"

    # --- folding --------------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> Changes | None:
        """Fold what is new in a `metadata-applied`; None where nothing is."""
        changes: Changes | None = None
        for offset, kind, fields in event.value.get("records") or ():
            if offset < self.next_offset:
                if self.contradicted is None and self._records.get(offset, (kind, fields)) != (kind, fields):
                    self.contradicted = event.index
                continue
            self.next_offset = offset + 1
            self._records[offset] = (kind, fields)
            handler = _HANDLERS.get(kind)
            if handler is not None:
                if changes is None:
                    changes = Changes()
                handler(self, fields, offset, event, changes)
        return changes

    def _topic(self, fields: dict[str, Any], offset: int, event: Event, changes: Changes) -> None:
        self._topic_names[fields["topic_id"]] = fields["name"]
        self._topic_partitions[fields["topic_id"]] = {}
        self.created[fields["topic_id"]] = event.index

    def _remove_topic(self, fields: dict[str, Any], offset: int, event: Event, changes: Changes) -> None:
        topic_id = fields["topic_id"]
        self.removed[topic_id] = Removal(event.index, event.time_us)
        name = self._topic_names.get(topic_id)
        for partition in self._topic_partitions.get(topic_id, {}):
            changes.note(PartitionChange(partition, offset, self.partitions.get(partition), None))
            self._set(partition, None)
        for key in [key for key in self._configs if key[0] == "topic" and key[1] == name]:
            del self._configs[key]

    def _partition(self, fields: dict[str, Any], offset: int, event: Event, changes: Changes) -> None:
        partition = self._name(fields)
        if partition is None:
            return
        self._topic_partitions[fields["topic_id"]][partition] = fields["partition"]
        before = self.partitions.get(partition)
        after = PartitionState(
            tuple(fields["replicas"]), tuple(fields["isr"]), fields["leader"], fields["leader_epoch"],
            fields["partition_epoch"], tuple(fields.get("eligible_leader_replicas") or ()),
            tuple(fields.get("last_known_elr") or ()))
        if before is None or before.leader_epoch != after.leader_epoch:
            self._note_election(partition, before, after, offset, event)
        self._set(partition, after)
        changes.note(PartitionChange(partition, offset, before, after))

    def _change_partition(self, fields: dict[str, Any], offset: int, event: Event, changes: Changes) -> None:
        partition = self._name(fields)
        before = None if partition is None else self.partitions.get(partition)
        if partition is None or before is None:
            return
        leader = fields.get("leader", _NO_LEADER_CHANGE)
        elects = leader != _NO_LEADER_CHANGE
        after = PartitionState(
            _merged(fields.get("replicas"), before.replicas), _merged(fields.get("isr"), before.isr),
            leader if elects else before.leader, before.leader_epoch + 1 if elects else before.leader_epoch,
            before.partition_epoch + 1,
            _merged(fields.get("eligible_leader_replicas"), before.eligible_leader_replicas),
            _merged(fields.get("last_known_elr"), before.last_known_elr))
        if elects:
            self._note_election(partition, before, after, offset, event)
        self._set(partition, after)
        changes.note(PartitionChange(partition, offset, before, after))

    def _register(self, fields: dict[str, Any], offset: int, event: Event, changes: Changes) -> None:
        self.registered.setdefault(event.index, []).append(fields["broker_id"])
        self._set_broker(fields["broker_id"], offset, changes, Registration(
            fields["broker_epoch"], fields["incarnation_id"], fields.get("fenced", True),
            fields.get("in_controlled_shutdown", False), offset))

    def _change_broker(self, fields: dict[str, Any], offset: int, event: Event, changes: Changes) -> None:
        before = self.brokers.get(fields["broker_id"])
        if before is None:
            return
        fenced, shutdown = fields.get("fenced"), fields.get("in_controlled_shutdown")
        self._set_broker(fields["broker_id"], offset, changes, before._replace(
            fenced=before.fenced if fenced is None else fenced,
            in_controlled_shutdown=before.in_controlled_shutdown if shutdown is None else shutdown))

    def _unregister(self, fields: dict[str, Any], offset: int, event: Event, changes: Changes) -> None:
        self._set_broker(fields["broker_id"], offset, changes, None)

    def _config(self, fields: dict[str, Any], offset: int, event: Event, changes: Changes) -> None:
        self._configs[(fields["resource_type"], fields["resource_name"], fields["name"])] = fields["value"]

    def _name(self, fields: dict[str, Any]) -> str | None:
        name = self._topic_names.get(fields["topic_id"])
        if name is None or fields["topic_id"] in self.removed:
            return None
        return identity(f"{name}-{fields['partition']}", fields["topic_id"])

    def _note_election(
        self, partition: str, before: PartitionState | None, after: PartitionState, offset: int, event: Event
    ) -> None:
        self.elections[(partition, after.leader_epoch)] = Election(
            after.leader, after.leader_epoch, offset, event.index, event.time_us, before)

    def _set_broker(self, broker: int, offset: int, changes: Changes, after: Registration | None) -> None:
        before = self.brokers.get(broker)
        if after is None:
            self.brokers.pop(broker, None)
        else:
            self.brokers[broker] = after
            self._known_brokers[broker] = None
        changes.note(BrokerChange(broker, offset, before, after))

    def _set(self, partition: str, after: PartitionState | None) -> None:
        before = self.partitions.get(partition)
        for broker in before.isr if before is not None else ():
            self._listed.get(broker, {}).pop(partition, None)
        if after is None:
            self.partitions.pop(partition, None)
            return
        self.partitions[partition] = after
        for broker in after.isr:
            self._listed.setdefault(broker, {})[partition] = None


def _merged(given: Any, before: tuple[int, ...]) -> tuple[int, ...]:
    return before if given is None else tuple(given)


_HANDLERS: dict[str, Any] = {
    "TopicRecord": MetadataView._topic,
    "RemoveTopicRecord": MetadataView._remove_topic,
    "PartitionRecord": MetadataView._partition,
    "PartitionChangeRecord": MetadataView._change_partition,
    "RegisterBrokerRecord": MetadataView._register,
    "BrokerRegistrationChangeRecord": MetadataView._change_broker,
    "UnregisterBrokerRecord": MetadataView._unregister,
    "ConfigRecord": MetadataView._config,
}
