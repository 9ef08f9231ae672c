"""Rules about what producers and consumers were told of a partition's log, judged as one object.

*PartitionLogLinearizable.* What clients saw of one partition can be explained by one append-only log with offsets: a
record that was acknowledged with acks=all lies at the offset that the answer gave, what a poll returned lies where it
was returned, and a record whose produce began after another one's was acknowledged (or shown) lies behind it. Example:
"p1-7" is acknowledged at offset 9; a produce of "p2-4" begins afterwards and is acknowledged at offset 8.

*int-poll-skip*, *int-nonmonotonic-poll*. One poll returns a partition's records in the order of their offsets and
leaves out none that is known to lie between them. Example: a poll returns offsets 3 and 5 of orders-0 while "p1-2" lies
at 4. From one poll to the next a group may move its partitions, so that nothing is demanded there.

*duplicate.* A record that an idempotent producer sent lies at one offset only.

What proves nothing: an empty poll, a poll that fails, a produce with acks=0 or acks=1 that was answered ok. A produce
whose outcome nobody knows is resolved by the cluster's own log: a record below the high watermark of the newest elected
leader was appended, wherever its answer went; a note says how many were. Records whose loss was judged (see `excuses`)
are no longer expected, and partitions of a deleted topic are judged up to what they held. A partition of ZooKeeper mode
that is forked (see `PartitionLedger`) is no one log any more, and not judged.
"""

from typing import Any

from fencepost.checkers.ledger import ACKS_ALL, Ledger
from fencepost.checkers.linearizability import Death
from fencepost.checkers.linearizability.check import linearizable
from fencepost.checkers.linearizability.models import Log
from fencepost.checkers.linearizability.operation import Operation
from fencepost.checkers.log_anomalies import analyse
from fencepost.checkers.partition_ledger import PartitionLedger
from fencepost.checkers.replica_logs import Entry
from fencepost.checkers.verdict import Findings, Result, seconds
from fencepost.histories.event import INVOKE, OK, Event
from fencepost.histories.pairing import Call

LINEARIZABLE = "PartitionLogLinearizable"
#: The anomalies of single polls and of idempotent producers, which Kafka rules out whatever the group does.
_POLLING, DUPLICATE = ("int-poll-skip", "int-nonmonotonic-poll"), "duplicate"
_LOG = Log()


class _Produce:
    """A produce and how it ended: `completion` None while it is open."""

    __slots__ = ("completion", "invocation")

    def __init__(self, invocation: Event) -> None:
        self.invocation = invocation
        self.completion: Event | None = None

    @property
    def acknowledged(self) -> Event | None:
        """The answer, where it promises that the records stay."""
        completion = self.completion
        if completion is None or completion.type != OK or self.invocation.value["acks"] != ACKS_ALL:
            return None
        return completion


class ClientLogs(Findings):
    """Checks the rules above, at the end of the history and partition by partition."""

    name = "client-logs"
    needs = frozenset({"log-append", "leader-start", "high-watermark", "metadata-applied"})
    consumes = frozenset({"produce", "poll", "final-read"})

    def __init__(self, header: dict[str, Any], ledger: Ledger) -> None:
        super().__init__(header)
        self._ledger = ledger
        self._open: dict[int, Event] = {}
        self._producing: dict[int, _Produce] = {}
        #: record -> its produce; a client never sends a record id twice
        self._produces: dict[str, _Produce] = {}
        #: (invocation, completion) of every read that returned something
        self._reads: list[tuple[Event, Event]] = []
        self._places: dict[tuple[str, int, str], PartitionLedger | None] = {}
        self._last: Event | None = None

    def feed(self, event: Event) -> None:
        """Take the next event of the history."""
        self._ledger.take(event)
        self._last = event
        process = event.process
        if process is None:
            return
        if event.f == "produce":
            self._produce(process, event)
        elif event.type == INVOKE:
            self._open[process] = event
        else:
            invocation = self._open.pop(process, None)
            if invocation is not None and event.type == OK and (event.value or {}).get("records"):
                self._reads.append((invocation, event))

    def _produce(self, process: int, event: Event) -> None:
        if event.type == INVOKE:
            produce = self._producing[process] = _Produce(event)
            for record in event.value["records"]:
                self._produces[record] = produce
        elif process in self._producing:
            self._producing.pop(process).completion = event

    def finish(self) -> Result:
        """Judge every partition that clients saw something of."""
        if self._last is not None and self.is_applicable:
            shown = self._shown()
            resolved = 0
            for partition in self._ledger.partitions.values():
                resolved += self._judge_log(partition, shown.get(partition.name, {}), self._last)
            if resolved:
                self.notes.append(
                    f"{resolved} records of produces that promised nothing (info, acks=0, acks=1) were resolved by the "
                    "cluster's own log: they were appended")
            self._judge_anomalies()
        return super().finish()

    # --- one log --------------------------------------------------------------------------------------------------

    def _shown(self) -> dict[str, dict[tuple[int, str], tuple[Event, Event]]]:
        """By partition, offset and record: the read that was the first to have returned it."""
        shown: dict[str, dict[tuple[int, str], tuple[Event, Event]]] = {}
        for invocation, completion in self._reads:
            for key, records in _records(completion).items():
                for offset, record in records:
                    partition = self._place(key, offset, record)
                    if partition is not None:
                        shown.setdefault(partition.name, {}).setdefault((offset, record), (invocation, completion))
        return shown

    def _place(self, key: str, offset: int, record: str) -> PartitionLedger | None:
        """The incarnation of the partition in which a read's record lay, where it is still owed."""
        if (key, offset, record) not in self._places:
            self._places[key, offset, record] = self._find(key, offset, record)
        return self._places[key, offset, record]

    def _find(self, key: str, offset: int, record: str) -> PartitionLedger | None:
        """A retry may have written the record there in several epochs, or again in a topic that was created anew: where
        it is committed. Where it is not, it may still be owed; if one entry is lost for good, so is the read."""
        places: dict[PartitionLedger, list[Entry]] = {}
        for partition, entry in self._ledger.written(key, record):
            if entry.offset == offset and not partition.forked:
                places.setdefault(partition, []).append(entry)
        committed = [place for place, entries in places.items() if any(map(place.is_committed, entries))]
        owed = [place for place, entries in places.items() if all(map(place.is_owed, entries))]
        return next(iter((*committed, *owed)), None)

    def _judge_log(
        self, partition: PartitionLedger, shown: dict[tuple[int, str], tuple[Event, Event]], end: Event
    ) -> int:
        """Judge one partition; returns how many appends the cluster's log resolved."""
        committed = partition.committed
        if partition.forked or not committed or committed[0].record not in self._produces:
            return 0
        operations, resolved = [], 0
        for entry in committed:
            produce = self._produces.get(entry.record)
            if produce is None:
                return 0
            answer = produce.acknowledged
            if answer is None or _told_offset(answer, entry.record) != entry.offset:
                resolved += 1
                operations.append(_append(produce, entry.record, entry.offset, end))
            else:
                operations.append(_append(produce, entry.record, entry.offset, answer))
        operations += self._contradictions(partition)
        operations += [
            Operation(invocation.time_us, completion.time_us, "read", offset, record, completion.process)
            for (offset, record), (invocation, completion) in shown.items() if offset < len(committed)]
        analysis = linearizable(operations, _LOG)
        for _, death in analysis.deaths:
            self._report(partition, death, operations, shown, end)
        return resolved

    def _contradictions(self, partition: PartitionLedger) -> list[Operation]:
        """What was acknowledged where another record is committed, and is still owed."""
        operations = []
        for acknowledged in partition.acknowledged.values():
            offset, produce = acknowledged.offset, self._produces.get(acknowledged.record)
            if produce is None or produce.acknowledged is None or offset >= len(partition.committed):
                continue
            entry = acknowledged.entry
            owed = entry is None or (not partition.is_committed(entry) and partition.is_owed(entry))
            if owed and partition.committed[offset].record != acknowledged.record:
                operations.append(_append(produce, acknowledged.record, offset, produce.acknowledged))
        return operations

    def _report(
        self, partition: PartitionLedger, death: Death, operations: list[Operation],
        shown: dict[tuple[int, str], tuple[Event, Event]], end: Event,
    ) -> None:
        operation = death.operation
        late = _too_late(operation, operations)
        indexes = [index for member in (*death.related, *late, operation) for index in self._events(member, shown)]
        reasons = "; ".join(death.reasons) or "no order of the operations allows it"
        because = "".join(
            f"; {found.argument!r}, whose produce by process {found.process} began only at {seconds(found.call)}, "
            f"lies before it at offset {found.result}" for found in late)
        self.violate(
            LINEARIZABLE, f"no log explains what clients saw of {partition.key}: {operation.words()} by process "
            f"{operation.process}, answered at {seconds(operation.ret or end.time_us)}, cannot be placed: "
            f"{reasons}{because}", end, indexes, key=partition.key)

    def _events(self, operation: Operation, shown: dict[tuple[int, str], tuple[Event, Event]]) -> list[int]:
        if operation.f == "append":
            produce = self._produces[operation.argument]
            found: list[Event | None] = [produce.invocation, produce.completion]
        else:
            found = list(shown.get((operation.argument, operation.result), ()))
        return [event.index for event in found if event is not None]

    # --- anomalies ------------------------------------------------------------------------------------------------

    def _judge_anomalies(self) -> None:
        calls, events = self._calls()
        for anomaly in analyse(calls, final_polls=False).anomalies:
            counts = anomaly.kind in _POLLING or (
                anomaly.kind == DUPLICATE and self._is_idempotent(anomaly.data["value"]))
            if counts and anomaly.allowed is None:
                evidence = [events[index] for index in anomaly.operations]
                key = str(anomaly.data["key"]).partition("/")[0]
                self.violate(anomaly.kind, anomaly.message, evidence[-1], [event.index for event in evidence], key=key)

    def _is_idempotent(self, record: str) -> bool:
        return record in self._produces and bool(self._produces[record].invocation.value["idempotent"])

    def _calls(self) -> tuple[list[Call], dict[int, Event]]:
        """Produces and reads as sends and polls of incarnations of partitions, and each one's completion."""
        calls, events = [], {}
        for invocation, completion in self._reads:
            polled: dict[str, list[list[Any]]] = {}
            for key, records in _records(completion).items():
                for offset, record in records:
                    partition = self._place(key, offset, record)
                    if partition is not None:
                        polled.setdefault(partition.name, []).append([offset, record])
            calls.append(_call(invocation, completion, "poll", [["poll", polled]]))
            events[invocation.index] = completion
        return calls, events


def _too_late(operation: Operation, operations: list[Operation]) -> list[Operation]:
    """The first append at an offset before this operation's that began when this one had been answered."""
    offset = operation.result if operation.f == "append" else operation.argument
    late = [other for other in operations if other.f == "append" and other.result < offset
            and operation.ret is not None and operation.ret < other.call]
    return late[:1]


def _call(invocation: Event, completion: Event, f: str, value: Any) -> Call:
    return Call(invocation.time_us, completion.time_us, OK, completion.process, f, None, value, value, None, {}, {},
                invocation.index, 0, completion.index)


def _records(read: Event) -> dict[str, list[tuple[int, str]]]:
    """By partition, the (offset, record) pairs that a poll or a final read returned."""
    records = read.value["records"]
    return records if isinstance(records, dict) else {read.key or "": records}


def _told_offset(answer: Event, record: str) -> int:
    """The offset that an acknowledgement gave for a record."""
    value = answer.value
    return int(value["base_offset"]) + list(value["records"]).index(record)


def _append(produce: _Produce, record: str, offset: int, until: Event) -> Operation:
    invocation = produce.invocation
    return Operation(invocation.time_us, until.time_us, "append", record, offset, invocation.process)
