"""What committed transactions of ZooKeeper say about Kafka's metadata, as the records that KRaft would have written.

With this the metadata of both modes is one vocabulary for the checkers: a server that applies a transaction asks for
its records and reports them as `metadata-applied`. A partition's state and its assignment are two znodes, so that each
change of either gives a whole PartitionRecord, with the leader epoch and the partition epoch (the state's version) as
they are then. A broker's registration is a RegisterBrokerRecord, never fenced, whose broker epoch is the czxid; the end
of its session is an UnregisterBrokerRecord, though the broker stays in its ISRs until a controller has handled that.

A transaction may make several records, so offsets are its zxid times `RECORDS_PER_TRANSACTION` and on from there.
"""

from collections.abc import Callable, Iterable
from typing import Any

from fencepost.model.metadata.records import (
    AccessControlEntryRecord,
    ConfigRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RegisterBrokerRecord,
    RemoveAccessControlEntryRecord,
    RemoveTopicRecord,
    TopicRecord,
    UnregisterBrokerRecord,
)
from fencepost.model.protocol.zk_controller import TopicPartition
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.context import ReplicaAssignment
from fencepost.model.zk_controller.topic_znodes import decode_assignments
from fencepost.model.zookeeper.transactions import CloseSessionTxn, CreateTxn, DeleteTxn, MultiTxn, SetDataTxn

RECORDS_PER_TRANSACTION = 1_000

#: (path, data, version, czxid, mzxid) of a znode
TreeNode = tuple[str, Any, int, int, int]

#: (path, data or None, version, deleted)
Change = tuple[str, Any, int, bool]


def offset_of(zxid: int) -> int:
    """The offset of a transaction's first record."""
    return zxid * RECORDS_PER_TRANSACTION


class MetadataRecords:
    """Follows one Kafka cluster's znodes, transaction by transaction. `chroot` is "" or the path above them."""

    def __init__(self, chroot: str = "") -> None:
        self._chroot = chroot.rstrip("/")
        #: path -> (version, czxid) of every znode
        self._seen: dict[str, tuple[int, int]] = {}
        self._brokers: dict[int, tuple[znodes.BrokerZnode, int]] = {}
        self._topic_ids: dict[str, str] = {}
        self._assignments: dict[str, dict[int, ReplicaAssignment]] = {}
        self._states: dict[TopicPartition, tuple[znodes.PartitionStateZnode, int]] = {}
        self._configs: dict[tuple[str, str], dict[str, str]] = {}
        self._acls: dict[tuple[str, str], tuple[tuple[str, str, str], ...]] = {}

    def apply(self, zxid: int, body: Any) -> list[tuple[int, Any]]:
        """(offset, record) for everything that the transaction changes in Kafka's metadata."""
        numbered: list[tuple[int, Any]] = []
        for change in self._changes(body):
            self._note(numbered, offset_of(zxid), zxid, change)
        return numbered

    def resync(self, tree: Iterable[TreeNode], last_zxid: int) -> list[tuple[int, Any]]:
        """As `apply`, for transactions that were not seen one by one, from the tree that they led to.

        A znode's last change stands for all of them. When a znode went is not known: at the latest before it was
        created anew, or with the last transaction; its record gets an offset that no other has.
        """
        found = {local: node for path, *node in tree if (local := self._local(path)) is not None}
        changes: list[tuple[int, int, Change]] = []
        for path, (_, czxid) in self._seen.items():
            if path not in found:
                changes.append((offset_of(last_zxid) + RECORDS_PER_TRANSACTION // 2, last_zxid, _gone(path)))
            elif found[path][2] != czxid:
                before = found[path][2] - 1
                changes.append((offset_of(before) + RECORDS_PER_TRANSACTION // 2, before, _gone(path)))
        for path, (data, version, czxid, mzxid) in found.items():
            if self._seen.get(path) != (version, czxid):
                changes.append((offset_of(mzxid), mzxid, (path, data, version, False)))
        numbered: list[tuple[int, Any]] = []
        for offset, zxid, change in sorted(changes, key=lambda each: (each[0], len(each[2][0]), each[2][0])):
            self._note(numbered, offset, zxid, change, found.get(change[0], (0, 0, zxid))[2])
        return numbered

    def _note(
        self, numbered: list[tuple[int, Any]], offset: int, zxid: int, change: Change, czxid: int | None = None,
    ) -> None:
        """Add the records of a change, at the offset or behind those that are there already."""
        path, data, version, deleted = change
        known = self._seen.pop(path, (0, zxid))[1]
        if not deleted:
            self._seen[path] = (version, known if czxid is None else czxid)
        for record in self._records(zxid if czxid is None else czxid, path, data, version, deleted):
            follows = bool(numbered) and numbered[-1][0] >= offset
            numbered.append((numbered[-1][0] + 1 if follows else offset, record))

    # --- transactions -------------------------------------------------------------------------------------------------

    def _changes(self, body: Any) -> list[Change]:
        if isinstance(body, MultiTxn):
            return [change for part in body.parts for change in self._changes(part)]
        if isinstance(body, CloseSessionTxn):
            return [(local, None, -1, True) for path in body.paths if (local := self._local(path)) is not None]
        if isinstance(body, CreateTxn | SetDataTxn | DeleteTxn):
            local = self._local(body.path)
            if local is None:
                return []
            if isinstance(body, DeleteTxn):
                return [(local, None, -1, True)]
            return [(local, body.data, 0 if isinstance(body, CreateTxn) else body.version, False)]
        return []

    def _local(self, path: str) -> str | None:
        """The path below the chroot, or None for another cluster's."""
        if path.startswith(self._chroot + "/"):
            return path[len(self._chroot):]
        return None

    def _records(self, zxid: int, path: str, data: Any, version: int, deleted: bool) -> list[Any]:
        for prefix, handler in _HANDLERS:
            if path.startswith(prefix):
                return handler(self, zxid, path, None if deleted else data, version)
        return []

    # --- kinds of znodes ----------------------------------------------------------------------------------------------

    def _on_broker(self, zxid: int, path: str, data: Any, version: int) -> list[Any]:
        """The data that the registration sets once more in the same transaction is no second registration."""
        broker_id = int(path.rpartition("/")[2])
        known = self._brokers.pop(broker_id, None)
        if data is None:
            return [] if known is None else [UnregisterBrokerRecord(broker_id, known[1])]
        if known is not None:
            self._brokers[broker_id] = (data, known[1])
            return []
        self._brokers[broker_id] = (data, zxid)
        return [RegisterBrokerRecord(broker_id, data.incarnation_id, zxid, fenced=False)]

    def _on_topic(self, zxid: int, path: str, data: Any, version: int) -> list[Any]:
        names = path.split("/")[3:]
        if len(names) == 1:
            return self._on_assignments(names[0], data)
        if len(names) == 4:
            return self._on_state((names[0], int(names[2])), data, version)
        return []

    def _on_assignments(self, topic: str, data: Any) -> list[Any]:
        before = self._assignments.pop(topic, {})
        if data is None:
            topic_id = self._topic_ids.pop(topic, None)
            return [] if topic_id is None else [RemoveTopicRecord(topic_id)]
        created = topic not in self._topic_ids
        self._topic_ids[topic] = data.topic_id
        after = self._assignments[topic] = decode_assignments(data)
        records: list[Any] = [TopicRecord(topic, data.topic_id)] if created else []
        for partition, assignment in after.items():
            if before.get(partition) != assignment and (topic, partition) in self._states:
                records.append(self._partition_record((topic, partition)))
        return records

    def _on_state(self, partition: TopicPartition, data: Any, version: int) -> list[Any]:
        self._states.pop(partition, None)
        if data is None:
            return []
        self._states[partition] = (data, version)
        return [self._partition_record(partition)] if partition[0] in self._topic_ids else []

    def _partition_record(self, partition: TopicPartition) -> PartitionRecord:
        state, version = self._states[partition]
        assignment = self._assignments[partition[0]].get(partition[1]) or ReplicaAssignment(state.isr)
        return PartitionRecord(
            self._topic_ids[partition[0]], partition[1], assignment.replicas, state.isr, assignment.adding,
            assignment.removing, state.leader, state.leader_epoch, version, state.leader_recovery_state)

    def _on_config(self, zxid: int, path: str, data: Any, version: int) -> list[Any]:
        kind, name = path.split("/")[2:4] if path.count("/") == 3 else ("", "")
        if kind not in ("topics", "brokers"):
            return []
        resource = (kind.removesuffix("s"), "" if name == znodes.DEFAULT_ENTITY else name)
        before, after = self._configs.pop(resource, {}), dict(data.entries) if data is not None else {}
        if after:
            self._configs[resource] = after
        names = sorted({*before, *after})
        return [ConfigRecord(*resource, key, after.get(key)) for key in names if before.get(key) != after.get(key)]

    def _on_acl(self, zxid: int, path: str, data: Any, version: int) -> list[Any]:
        names = path.split("/")[2:]
        if len(names) != 2:
            return []
        resource = (names[0], names[1])
        before, after = self._acls.pop(resource, ()), () if data is None else data.entries
        if after:
            self._acls[resource] = after
        gone = [each for each in before if each not in after]
        new = [each for each in after if each not in before]
        removed = [RemoveAccessControlEntryRecord._make((*entry, *resource)) for entry in gone]
        return [*removed, *(AccessControlEntryRecord._make((*entry, *resource)) for entry in new)]

    def _on_producer_ids(self, zxid: int, path: str, data: Any, version: int) -> list[Any]:
        if data is None:
            return []
        return [ProducerIdsRecord(data.broker_id, -1, data.first_producer_id + data.block_size)]


def _gone(path: str) -> Change:
    return path, None, -1, True


_Handler = Callable[[MetadataRecords, int, str, Any, int], list[Any]]

_HANDLERS: tuple[tuple[str, _Handler], ...] = (
    (f"{znodes.TOPICS}/", MetadataRecords._on_topic), (f"{znodes.BROKER_IDS}/", MetadataRecords._on_broker),
    (f"{znodes.CONFIG}/", MetadataRecords._on_config), (f"{znodes.ACLS}/", MetadataRecords._on_acl),
    (znodes.PRODUCER_ID_BLOCK, MetadataRecords._on_producer_ids),
)
