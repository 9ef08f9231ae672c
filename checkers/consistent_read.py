"""ConsistentRead: what a consumer was shown at an offset stays there.

A record returned by a poll (or a final read) was served below a high watermark, so every leader of a later epoch holds
it at that offset, and nobody is ever shown another record there. Example: a poll returns "p1-7" at offset 9 of orders-0
from a deposed leader; later another poll returns "p2-4" at offset 9 of the same topic id.

An empty poll proves nothing. Records whose loss has been judged (`excuses`) are no longer expected.
"""

from typing import Any

from fencepost.checkers.ledger import Ledger
from fencepost.checkers.partition_ledger import LeaderStart, PartitionLedger
from fencepost.checkers.replica_logs import Entry
from fencepost.checkers.verdict import Findings, seconds
from fencepost.histories.event import OK, Event

RULE = "ConsistentRead"


class ConsistentRead(Findings):
    """Checks the rule at every read, and at every start of a leader for what was read from deposed ones."""

    name = "consistent-read"
    needs = frozenset({"log-append", "leader-start", "metadata-applied"})
    consumes = frozenset({"poll", "final-read", "leader-start"})

    def __init__(self, header: dict[str, Any], ledger: Ledger) -> None:
        super().__init__(header)
        self._ledger = ledger
        #: partition -> offset -> (what was shown, event)
        self._shown: dict[str, dict[int, tuple[Entry, Event]]] = {}
        #: partition -> what was shown before it was committed
        self._loose: dict[str, list[tuple[Entry, Event]]] = {}

    def feed(self, event: Event) -> None:
        """Take the next event of the history."""
        self._ledger.take(event)
        if event.f == "leader-start":
            self._leader_start(event)
        elif event.type == OK and event.f == "poll":
            for key, records in ((event.value or {}).get("records") or {}).items():
                self._read(key, None, records, event)
        elif event.type == OK and event.f == "final-read":
            self._read(event.key or "", event.value.get("topic_id"), event.value.get("records") or (), event)

    def _read(self, key: str, topic_id: str | None, records: Any, event: Event) -> None:
        for offset, record in records:
            places = [
                (partition, entry) for partition, entry in self._ledger.written(key, record)
                if entry.offset == offset and topic_id in (None, partition.topic_id)]
            if not places:
                if self.is_applicable:
                    self.violate(RULE, f"client process {event.process} was shown {record} at offset {offset} of "
                                 f"{key}, where no replica ever wrote it", event, key=key)
                continue
            self._note(*self._likeliest(places), event)

    def _likeliest(self, places: list[tuple[PartitionLedger, Entry]]) -> tuple[PartitionLedger, Entry]:
        """The same record may have been written at one offset in several pasts: take the one that counts."""
        for partition, entry in places:
            if partition.is_committed(entry):
                return partition, entry
        for partition, entry in places:
            if partition.newest is not None and partition.newest.holds(entry):
                return partition, entry
        return places[-1]

    def _note(self, partition: PartitionLedger, entry: Entry, event: Event) -> None:
        shown = self._shown.setdefault(partition.name, {})
        before = shown.get(entry.offset)
        if before is not None and before[0].record != entry.record:
            owed = self._ledger.is_owed(partition, entry, event)
            if owed and self._ledger.is_owed(partition, before[0], event):
                self.violate(
                    RULE, f"client process {event.process} was shown {entry.record} at offset {entry.offset} of "
                    f"{partition.key} at {seconds(event.time_us)}; at {seconds(before[1].time_us)} it was "
                    f"{before[0].record}", event, (before[1].index,), key=partition.key)
            if not owed:
                return
        if before is None or before[0] is not entry:
            shown[entry.offset] = (entry, event)
            if not partition.is_committed(entry):
                self._loose.setdefault(partition.name, []).append((entry, event))
                self._check(partition, partition.newest, entry, event, event)

    def _leader_start(self, event: Event) -> None:
        partition = self._ledger.of(event)
        loose = self._loose.get(partition.name)
        newest = partition.newest
        if not loose or newest is None or newest.event is not event:
            return
        remaining = [(entry, read) for entry, read in loose if not partition.is_committed(entry)]
        self._loose[partition.name] = remaining
        for entry, read in remaining:
            self._check(partition, newest, entry, read, event)

    def _check(
        self, partition: PartitionLedger, start: LeaderStart | None, entry: Entry, read: Event, event: Event
    ) -> None:
        if start is None or not start.follows(entry):
            return
        held = start.entries[entry.offset].record if entry.offset < len(start.entries) else None
        if held == entry.record or not self._ledger.is_owed(partition, entry, event):
            return
        what = "whose log ends before it" if held is None else f"which holds {held} there"
        self.violate(
            RULE, f"client process {read.process} was shown {entry.record} at offset {entry.offset} of {partition.key} "
            f"at {seconds(read.time_us)}, of epoch {entry.epoch}, but broker {start.node} leads epoch {start.epoch} "
            f"since {seconds(start.event.time_us)}, {what}", event, (read.index, start.event.index), start.node,
            partition.key)
