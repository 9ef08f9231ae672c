"""Rules about what clients are told of the metadata.

*CommittedMetadataRead.* A broker answers from its applied image without asking anybody, so a read may be old; but it is
the committed image at the offset that it names. Example: `describe-topics` at offset 40 lists "orders", which offset 35
removed.

*MonotonicMetadataRead.* For one client on one broker that offset never falls, not even over the broker's restart, for
a broker serves nobody before it has applied its own, later, registration.

A broker of ZooKeeper mode knows no offset and names -1: its reads are not judged.

*AcknowledgedMetadataWrite.* A write that was answered ok is committed: the topic was created with that id, the topic
was deleted, the setting had that value, the ACL existed. Example: a controller answers `create-topic` before the record
is committed and is deposed; no committed record creates the topic.

A write that changes nothing writes no record, and a deposed controller may answer it from an old state; therefore it is
asked whether what was acknowledged ever was, not whether it is at that time, and deletions of ACLs are not judged.
"""

from bisect import bisect_right
from typing import Any

from fencepost.checkers.verdict import Checker, Findings, Result, seconds
from fencepost.histories.event import INVOKE, OK, Event

COMMITTED = "CommittedMetadataRead"
MONOTONIC = "MonotonicMetadataRead"
ACKNOWLEDGED = "AcknowledgedMetadataWrite"

READS = frozenset({"describe-topics", "describe-config"})
WRITES = frozenset({"create-topic", "delete-topic", "alter-config", "create-acl"})


class Versions:
    """A table as it was from each offset on."""

    __slots__ = ("_offsets", "_tables")

    def __init__(self) -> None:
        self._offsets: list[int] = []
        self._tables: list[dict[str, Any]] = []

    def set(self, offset: int, key: str, value: Any) -> None:
        """The record at `offset` sets an entry; None removes it."""
        table = {**self._tables[-1]} if self._tables else {}
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
        self.replace(offset, table)

    def replace(self, offset: int, table: dict[str, Any]) -> None:
        """The record at `offset` changes the whole table."""
        self._offsets.append(offset)
        self._tables.append(table)

    def ever_lacked(self, key: str) -> bool:
        """Whether there was a time without that entry, after the first record."""
        return any(key not in table for table in self._tables)

    def at(self, offset: int) -> dict[str, Any]:
        """The table once the record at `offset` is applied."""
        position = bisect_right(self._offsets, offset)
        return self._tables[position - 1] if position else {}


class MetadataReads(Findings):
    """Checks the rules above; reads are compared with the records at the end."""

    name = "metadata-reads"
    needs = frozenset({"metadata-applied"})
    consumes = READS | WRITES | {"metadata-applied"}

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        #: A client's process ids differ by this many.
        self._clients = max(1, len(header.get("clients") or ()))
        self._folded_end = 0
        self._names: dict[str, str] = {}
        self._topics = Versions()
        self._configs: dict[str, Versions] = {}
        #: what ever was: (operation, what) -> event of the record
        self._ever: dict[tuple[str, ...], int] = {}
        self._reads: list[Event] = []
        self._unplaced = 0
        #: process -> the value of its open invocation
        self._invoked: dict[int, Any] = {}
        #: (client, broker) -> offset and event of its last read
        self._last: dict[tuple[int, int], tuple[int, int]] = {}

    def feed(self, event: Event) -> None:
        """Take the next event."""
        if event.process is None:
            self._fold(event)
        elif event.type == INVOKE:
            self._invoked[event.process] = event.value
        elif event.type == OK:
            invoked = self._invoked.pop(event.process, None) or {}
            if event.f in READS and event.value["offset"] < 0:
                self._unplaced += 1
            elif event.f in READS:
                self._reads.append(event)
                self._check_order(event, event.process % self._clients)
            else:
                self._check_write(event, {**invoked, **(event.value or {})})

    def finish(self) -> Result:
        """Compare the reads with the records."""
        for event in self._reads:
            self._check_read(event)
        if self._unplaced:
            self.notes.append(f"{self._unplaced} reads name no metadata offset: {COMMITTED} and {MONOTONIC} not judged")
        return super().finish()

    # --- the committed records --------------------------------------------------------------------------------------

    def _fold(self, event: Event) -> None:
        for offset, kind, fields in event.value.get("records") or ():
            if offset >= self._folded_end:
                self._folded_end = offset + 1
                self._apply(offset, kind, fields, event.index)

    def _apply(self, offset: int, kind: str, fields: dict[str, Any], index: int) -> None:
        if kind == "TopicRecord":
            self._names[fields["topic_id"]] = fields["name"]
            self._topics.set(offset, fields["name"], fields["topic_id"])
            self._ever[("create-topic", fields["name"], fields["topic_id"])] = index
        elif kind == "RemoveTopicRecord":
            name = self._names.get(fields["topic_id"], "")
            self._topics.set(offset, name, None)
            self._configs.setdefault(name, Versions()).replace(offset, {})
            self._ever[("delete-topic", name, fields["topic_id"])] = index
        elif kind == "ConfigRecord" and fields["resource_type"] == "topic":
            topic, name, value = fields["resource_name"], fields["name"], fields["value"]
            self._configs.setdefault(topic, Versions()).set(offset, name, value)
            self._ever[("alter-config", topic, name, str(value))] = index
        elif kind == "AccessControlEntryRecord":
            resource = f"{fields['resource_type']}:{fields['resource_name']}"
            acl = (fields["principal"], fields["operation"], fields["permission"])
            self._ever[("create-acl", resource, *acl)] = index

    # --- reads ------------------------------------------------------------------------------------------------------

    def _check_order(self, event: Event, client: int) -> None:
        broker, offset = event.value["node"], event.value["offset"]
        before = self._last.get((client, broker))
        self._last[(client, broker)] = (offset, event.index)
        if before is not None and offset < before[0]:
            self.violate(
                MONOTONIC,
                f"At {seconds(event.time_us)} broker {broker} answered client {client}'s {event.f} from metadata "
                f"offset {offset}, after it had answered it from offset {before[0]} (event {before[1]}). A broker does "
                f"not go back.", event, (before[1],), node=broker)

    def _check_read(self, event: Event) -> None:
        offset = event.value["offset"]
        if event.f == "describe-topics":
            shown, committed = event.value["topics"], self._topics.at(offset)
        else:
            versions = self._configs.get(event.key or "")
            shown, committed = event.value["entries"], {} if versions is None else versions.at(offset)
        if shown != committed:
            differing = sorted(
                name for name in {**shown, **committed} if shown.get(name) != committed.get(name))
            what = ", ".join(f"{name}: {shown.get(name)} instead of {committed.get(name)}" for name in differing[:3])
            self.violate(
                COMMITTED,
                f"At {seconds(event.time_us)} broker {event.value['node']} answered {event.f}"
                f"{f' of {event.key}' if event.key else ''} from metadata offset {offset} with what is not committed "
                f"there: {what}.", event, node=event.value["node"])

    # --- writes -----------------------------------------------------------------------------------------------------

    def _check_write(self, event: Event, value: dict[str, Any]) -> None:
        key = event.key or ""
        names = {
            "create-topic": ("topic_id",), "delete-topic": ("topic_id",), "alter-config": ("name", "value"),
            "create-acl": ("principal", "operation", "permission"),
        }[event.f]
        what = (event.f, key, *(str(value.get(name)) for name in names))
        if what not in self._ever and not self._was_unset(event.f, key, value):
            described = ", ".join(f"{name} {value.get(name)}" for name in names)
            self.violate(
                ACKNOWLEDGED,
                f"At {seconds(event.time_us)} process {event.process}'s {event.f} of {key} ({described}) was answered "
                f"ok, but no committed record does that. What is acknowledged must be committed before.", event)

    def _was_unset(self, f: str, topic: str, value: dict[str, Any]) -> bool:
        """Whether a setting of the topic was deleted that it did not have at some time: that writes no record."""
        if f != "alter-config" or value.get("value") is not None or topic not in self._names.values():
            return False
        return topic not in self._configs or self._configs[topic].ever_lacked(value["name"])


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [MetadataReads(header)]
