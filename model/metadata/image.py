"""The metadata image: what the records up to an offset add up to.

It is a handful of flat tables of immutable values, changed in place through one method. Each change updates the digest
(a sum of the entries' hashes, so that order does not matter and a change costs O(1)), is noted in `changes` for whoever
publishes the delta, and, on request, in an undo list by which the active controller reverts what was not committed.
"""

import hashlib
from typing import Any, NamedTuple

from fencepost.model.metadata.records import (
    NO_LEADER_CHANGE,
    AccessControlEntryRecord,
    BrokerRegistrationChangeRecord,
    ConfigRecord,
    FeatureLevelRecord,
    PartitionChangeRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RegisterBrokerRecord,
    RemoveAccessControlEntryRecord,
    RemoveTopicRecord,
    TopicRecord,
    UnregisterBrokerRecord,
)


class BrokerRegistration(NamedTuple):
    """A registered broker.

    broker_epoch: the first offset of the registration's batch.
    registration_offset: the offset of the RegisterBrokerRecord itself; unfencing waits until the broker has it.
    """

    broker_id: int
    incarnation_id: str
    broker_epoch: int
    registration_offset: int
    fenced: bool
    in_controlled_shutdown: bool

    @property
    def active(self) -> bool:
        """May join an ISR and be elected."""
        return not self.fenced and not self.in_controlled_shutdown


class PartitionRegistration(NamedTuple):
    """A partition's state (org.apache.kafka.metadata.PartitionRegistration)."""

    replicas: tuple[int, ...]
    isr: tuple[int, ...]
    adding_replicas: tuple[int, ...]
    removing_replicas: tuple[int, ...]
    leader: int
    leader_epoch: int
    partition_epoch: int
    leader_recovery_state: str
    eligible_leader_replicas: tuple[int, ...]
    last_known_elr: tuple[int, ...]

    def merge(self, change: PartitionChangeRecord) -> "PartitionRegistration":
        """The state after a change record (PartitionRegistration.merge)."""
        leader_changes = change.leader != NO_LEADER_CHANGE
        return PartitionRegistration(
            self.replicas if change.replicas is None else change.replicas,
            self.isr if change.isr is None else change.isr,
            self.adding_replicas if change.adding_replicas is None else change.adding_replicas,
            self.removing_replicas if change.removing_replicas is None else change.removing_replicas,
            change.leader if leader_changes else self.leader,
            self.leader_epoch + 1 if leader_changes else self.leader_epoch,
            self.partition_epoch + 1,
            self.leader_recovery_state if change.leader_recovery_state is None else change.leader_recovery_state,
            (self.eligible_leader_replicas if change.eligible_leader_replicas is None
             else change.eligible_leader_replicas),
            self.last_known_elr if change.last_known_elr is None else change.last_known_elr,
        )


#: (table, key, value before or None)
Undo = tuple[str, Any, Any]


class ImageEntries(tuple[tuple[str, Any, Any], ...]):
    """An image's whole content as (table, key, value) entries, and their digest: what a snapshot holds."""

    digest: int


class MetadataImage:
    """The tables and their digest.

    next_offset: the offset after the last record applied (exclusive end).
    epoch: the leader epoch of the last batch applied.
    changes: (table, key) of every change since `drain_changes`; only kept if `track_changes`.
    """

    TABLES = ("brokers", "topics", "topic_names", "partition_counts", "partitions", "configs", "acls", "scalars")

    __slots__ = (*TABLES, "_changes", "_digest", "_track_changes", "epoch", "next_offset")

    def __init__(self, track_changes: bool = False) -> None:
        self.brokers: dict[int, BrokerRegistration] = {}
        self.topics: dict[str, str] = {}
        self.topic_names: dict[str, str] = {}
        self.partition_counts: dict[str, int] = {}
        self.partitions: dict[tuple[str, int], PartitionRegistration] = {}
        self.configs: dict[tuple[str, str, str], str] = {}
        self.acls: dict[tuple[str, str, str, str, str], bool] = {}
        self.scalars: dict[str, int] = {}
        self.next_offset = 0
        self.epoch = 0
        self._digest = 0
        self._track_changes = track_changes
        self._changes: list[tuple[str, Any]] = []

    def is_stale_incarnation(self, broker_id: int, broker_epoch: int) -> bool:
        """Whether a later incarnation of the broker has registered since the one of this epoch, and is unfenced; -1
        does not say (KIP-903, KRaftMetadataCache.getAliveBrokerEpoch)."""
        broker = self.brokers.get(broker_id)
        return broker is not None and not broker.fenced and -1 != broker_epoch < broker.broker_epoch

    @property
    def digest(self) -> str:
        """A digest of the content, independent of the order in which it came about; 16 hexadecimal digits."""
        return f"{self._digest & 0xFFFFFFFFFFFFFFFF:016x}"

    def drain_changes(self) -> list[tuple[str, Any]]:
        """The (table, key) pairs changed since the last call, in order, each once."""
        changes, self._changes = self._changes, []
        return list(dict.fromkeys(changes))

    def apply(self, record: Any, offset: int, undo: list[Undo] | None = None) -> None:
        """Apply the record at `offset`. Unknown records (control records, NoOpRecord) change nothing but the offset."""
        self.next_offset = offset + 1
        handler = _HANDLERS.get(type(record))
        if handler is not None:
            handler(self, record, offset, undo)

    def revert(self, undo: list[Undo], next_offset: int) -> None:
        """Take changes back, the last first."""
        for table, key, before in reversed(undo):
            self._set(table, key, before, None)
        self.next_offset = next_offset

    def entries(self) -> ImageEntries:
        """Everything as (table, key, value) in a stable order: the content of a snapshot."""
        entries = ImageEntries(
            (table, key, rows[key]) for table in self.TABLES for rows in (getattr(self, table),) for key in sorted(rows)
        )
        entries.digest = self._digest
        return entries

    def load(self, entries: tuple[tuple[str, Any, Any], ...], next_offset: int, epoch: int) -> None:
        """Become what a snapshot holds; what is not in it goes, and all differences count as changes."""
        if isinstance(entries, ImageEntries) and not any(getattr(self, table) for table in self.TABLES):
            self._load_into_empty(entries)
        else:
            self._replace_by(entries)
        self.next_offset = next_offset
        self.epoch = epoch

    def _load_into_empty(self, entries: ImageEntries) -> None:
        tables = {table: getattr(self, table) for table in self.TABLES}
        for table, key, value in entries:
            tables[table][key] = value
        self._digest = entries.digest
        if self._track_changes:
            self._changes += [(table, key) for table, key, _ in entries]

    def _replace_by(self, entries: tuple[tuple[str, Any, Any], ...]) -> None:
        fresh = {(table, key): value for table, key, value in entries}
        for table in self.TABLES:
            for key in [key for key in getattr(self, table) if (table, key) not in fresh]:
                self._set(table, key, None, None)
        for (table, key), value in fresh.items():
            if getattr(self, table).get(key) != value:
                self._set(table, key, value, None)

    def config(self, resource_type: str, resource_name: str, name: str) -> str | None:
        """A dynamic configuration's value, or None where there is none."""
        return self.configs.get((resource_type, resource_name, name))

    def topic_partitions(self, topic_id: str) -> list[PartitionRegistration]:
        """A topic's partitions by index."""
        return [self.partitions[(topic_id, index)] for index in range(self.partition_counts.get(topic_id, 0))]

    def acls_offset(self, resource_type: str, resource_name: str) -> int:
        """The offset after the last record that may have changed the resource's ACLs."""
        return self.next_offset

    # --- the one way to change a table ----------------------------------------------------------------------------

    def _set(self, table: str, key: Any, value: Any, undo: list[Undo] | None) -> None:
        rows = getattr(self, table)
        before = rows.get(key)
        if undo is not None:
            undo.append((table, key, before))
        if before is not None:
            self._digest -= _entry_hash(table, key, before)
        if value is None:
            rows.pop(key, None)
        else:
            rows[key] = value
            self._digest += _entry_hash(table, key, value)
        if self._track_changes:
            self._changes.append((table, key))

    def _register_broker(self, record: RegisterBrokerRecord, offset: int, undo: list[Undo] | None) -> None:
        registration = BrokerRegistration(
            record.broker_id, record.incarnation_id, record.broker_epoch, offset, record.fenced,
            record.in_controlled_shutdown
        )
        self._set("brokers", record.broker_id, registration, undo)

    def _change_broker(self, record: BrokerRegistrationChangeRecord, offset: int, undo: list[Undo] | None) -> None:
        broker = self.brokers[record.broker_id]
        self._set("brokers", record.broker_id, broker._replace(
            fenced=broker.fenced if record.fenced is None else record.fenced,
            in_controlled_shutdown=(
                broker.in_controlled_shutdown if record.in_controlled_shutdown is None else
                record.in_controlled_shutdown
            ),
        ), undo)

    def _unregister_broker(self, record: UnregisterBrokerRecord, offset: int, undo: list[Undo] | None) -> None:
        self._set("brokers", record.broker_id, None, undo)

    def _add_topic(self, record: TopicRecord, offset: int, undo: list[Undo] | None) -> None:
        self._set("topics", record.name, record.topic_id, undo)
        self._set("topic_names", record.topic_id, record.name, undo)
        self._set("partition_counts", record.topic_id, 0, undo)

    def _remove_topic(self, record: RemoveTopicRecord, offset: int, undo: list[Undo] | None) -> None:
        name = self.topic_names[record.topic_id]
        for index in range(self.partition_counts[record.topic_id]):
            self._set("partitions", (record.topic_id, index), None, undo)
        for key in [key for key in self.configs if key[0] == "topic" and key[1] == name]:
            self._set("configs", key, None, undo)
        self._set("partition_counts", record.topic_id, None, undo)
        self._set("topic_names", record.topic_id, None, undo)
        self._set("topics", name, None, undo)

    def _add_partition(self, record: PartitionRecord, offset: int, undo: list[Undo] | None) -> None:
        self._set("partitions", (record.topic_id, record.partition), PartitionRegistration(*record[2:]), undo)
        count = max(self.partition_counts.get(record.topic_id, 0), record.partition + 1)
        self._set("partition_counts", record.topic_id, count, undo)

    def _change_partition(self, record: PartitionChangeRecord, offset: int, undo: list[Undo] | None) -> None:
        key = (record.topic_id, record.partition)
        self._set("partitions", key, self.partitions[key].merge(record), undo)

    def _change_config(self, record: ConfigRecord, offset: int, undo: list[Undo] | None) -> None:
        self._set("configs", (record.resource_type, record.resource_name, record.name), record.value, undo)

    def _add_acl(self, record: AccessControlEntryRecord, offset: int, undo: list[Undo] | None) -> None:
        self._set("acls", tuple(record), True, undo)

    def _remove_acl(self, record: RemoveAccessControlEntryRecord, offset: int, undo: list[Undo] | None) -> None:
        self._set("acls", tuple(record), None, undo)

    def _hand_out_producer_ids(self, record: ProducerIdsRecord, offset: int, undo: list[Undo] | None) -> None:
        self._set("scalars", "next_producer_id", record.next_producer_id, undo)

    def _set_feature(self, record: FeatureLevelRecord, offset: int, undo: list[Undo] | None) -> None:
        self._set("scalars", f"feature {record.name}", record.level, undo)


def _entry_hash(table: str, key: Any, value: Any) -> int:
    """A 64-bit hash that depends on nothing but the entry (every part is plain data, so its repr is stable)."""
    return int.from_bytes(hashlib.blake2b(f"{table}{key!r}{value!r}".encode(), digest_size=8).digest(), "big")


_HANDLERS: dict[type, Any] = {
    RegisterBrokerRecord: MetadataImage._register_broker,
    BrokerRegistrationChangeRecord: MetadataImage._change_broker,
    UnregisterBrokerRecord: MetadataImage._unregister_broker,
    TopicRecord: MetadataImage._add_topic,
    RemoveTopicRecord: MetadataImage._remove_topic,
    PartitionRecord: MetadataImage._add_partition,
    PartitionChangeRecord: MetadataImage._change_partition,
    ConfigRecord: MetadataImage._change_config,
    AccessControlEntryRecord: MetadataImage._add_acl,
    RemoveAccessControlEntryRecord: MetadataImage._remove_acl,
    ProducerIdsRecord: MetadataImage._hand_out_producer_ids,
    FeatureLevelRecord: MetadataImage._set_feature,
}
