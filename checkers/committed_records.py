"""Rules about committed records: no later leader is without one, and no acknowledged one is gone in the end.

*LeaderCompleteness.* A leader begins its epoch with every committed record of earlier epochs. Example: "p1-7" at offset
9 is below the high watermark of leader 1 of epoch 3, ISR {1, 2}. Broker 2 begins epoch 4 with a log that ends at 9.

*NoCommittedRecordLostGlobally.* When a leader begins without a committed record, some replica still holds it.

*NoAckedRecordLost.* A record whose produce with acks=all was answered ok is, at the end, in the newest leader's log at
its offset, and a final read that reaches that offset shows it there. A final read that stops short proves nothing, for
a new leader's high watermark may trail; the leader's log decides then.

What excuses a loss is decided in `excuses`. A setting that permits it is the finding, and is named. Records of a topic
that was removed are owed only if nobody asked for the deletion: an operation not answered `fail` that named the topic
while this topic id bore the name.
"""

from collections.abc import Iterable
from typing import Any

from fencepost.checkers.excuses import EXCUSED, SETTING
from fencepost.checkers.ledger import Ledger, Loss
from fencepost.checkers.metadata_view import identity
from fencepost.checkers.partition_ledger import Acknowledgement, PartitionLedger
from fencepost.checkers.verdict import Findings, Result, seconds
from fencepost.histories.event import OK, Event

COMPLETENESS = "LeaderCompleteness"
NOWHERE = "NoCommittedRecordLostGlobally"
ACKED = "NoAckedRecordLost"


class CommittedRecords(Findings):
    """Checks the rules above. It is the first to feed the ledger, and reports the losses that the ledger judged."""

    name = "committed-records"
    needs = frozenset({"log-append", "log-truncate", "leader-start", "high-watermark", "metadata-applied"})
    consumes = Ledger.CONSUMES | {"final-read"}

    def __init__(self, header: dict[str, Any], ledger: Ledger) -> None:
        super().__init__(header)
        self._ledger = ledger
        self._last: Event | None = None
        self._reported: dict[tuple[str, int, str], None] = {}

    def feed(self, event: Event) -> None:
        """Take the next event of the history."""
        self._ledger.take(event)
        self._last = event
        if self._ledger.losses:
            for loss in self._ledger.drain():
                self._report(loss)
        if event.f == "final-read" and event.type == OK:
            self._final_read(event)

    def finish(self) -> Result:
        """Judge what is left: acknowledged records that the newest leaders do not hold, and deleted topics."""
        if self._last is not None and self.is_applicable:
            self._ledger.settle_all(self._last)
            for loss in self._ledger.drain():
                self._report(loss)
            for partition in self._ledger.partitions.values():
                self._finish_partition(partition, self._last)
        return super().finish()

    # --- losses that the ledger judged ----------------------------------------------------------------------------

    def _report(self, loss: Loss) -> None:
        start, partition, ruling = loss.start, loss.partition, loss.ruling
        words = (
            f"broker {start.node} began to lead {partition.key} in epoch {start.epoch} at "
            f"{seconds(start.event.time_us)} without {_some(map(repr, loss.entries))}, "
            f"committed under earlier epochs: {ruling.words}")
        others = (start.event.index, *loss.committed_by, *ruling.events)
        if ruling.kind == EXCUSED:
            self.excuse(COMPLETENESS, ruling.reason, words, loss.event, others)
            return
        setting = f"The setting {ruling.reason} permits this loss. " if ruling.kind == SETTING else ""
        self.violate(COMPLETENESS, setting + words, loss.event, others, start.node, partition.key)
        if loss.nowhere:
            self.violate(NOWHERE, f"{setting}{words}; no replica holds {_some(map(repr, loss.nowhere))} any more",
                         loss.event, others, start.node, partition.key)

    # --- the end --------------------------------------------------------------------------------------------------

    def _final_read(self, event: Event) -> None:
        value = event.value
        partition = self._ledger.partitions.get(identity(event.key or "", value.get("topic_id") or ""))
        if partition is None or not value.get("records"):
            return
        shown = dict(value["records"])
        end, start = max(shown), value.get("log_start_offset") or 0
        for acknowledged in partition.acknowledged.values():
            offset = acknowledged.offset
            if start <= offset <= end and shown.get(offset) != acknowledged.record:
                seen = f"{shown[offset]} is there" if offset in shown else "there is nothing at that offset"
                self._lost(partition, acknowledged, event, f"the final read of {event.key} reached offset {end}, but "
                           f"{seen}")

    def _finish_partition(self, partition: PartitionLedger, event: Event) -> None:
        removal = self._ledger.view.removed.get(partition.topic_id)
        if removal is not None:
            created = self._ledger.view.created.get(partition.topic_id, 0)
            asked = self._ledger.requests.deletion(partition.topic, partition.topic_id, created, removal)
            if asked is None and partition.acknowledged:
                first = next(iter(partition.acknowledged.values()))
                self.violate(ACKED, f"topic {partition.topic} ({partition.topic_id}) was removed at "
                             f"{seconds(removal.time_us)} with {len(partition.acknowledged)} acknowledged records of "
                             f"{partition.key}, although nobody asked for its deletion", event,
                             (first.event.index, removal.event), None, partition.key)
            return
        newest = partition.newest
        for acknowledged in partition.acknowledged.values() if newest is not None else ():
            assert newest is not None
            entry = acknowledged.entry
            if entry is None:
                log = partition.replica(newest.node).entries
                offset = acknowledged.offset
                if offset >= len(log) or log[offset].record != acknowledged.record:
                    self._lost(partition, acknowledged, event, "the log of the leader that answered did not hold it")
            elif newest.follows(entry) and not newest.holds(entry):
                self._lost(partition, acknowledged, event, f"broker {newest.node}, the newest leader, began epoch "
                           f"{newest.epoch} at {seconds(newest.event.time_us)} without it", newest.event.index)

    def _lost(
        self, partition: PartitionLedger, acknowledged: Acknowledgement, event: Event, words: str, *others: int
    ) -> None:
        """An acknowledged record is gone: an excused loss is listed already, any other is a violation."""
        key = (partition.name, acknowledged.offset, acknowledged.record)
        if key in self._reported:
            return
        self._reported[key] = None
        loss = None if acknowledged.entry is None else partition.forgiveness(acknowledged.entry)
        if loss is not None and loss.excused:
            return
        why = f" ({loss.words})" if loss is not None and loss.words else ""
        lost_by = () if loss is None else (loss.start.event.index,)
        self.violate(
            ACKED, f"{acknowledged.record}, acknowledged with acks=all at offset {acknowledged.offset} of "
            f"{partition.key} in epoch {acknowledged.epoch} at {seconds(acknowledged.event.time_us)}, is gone: "
            f"{words}{why}", event, (acknowledged.event.index, *lost_by, *others), None, partition.key)


def _some(things: Iterable[str]) -> str:
    """The first few of several things, in words."""
    listed = list(things)
    if len(listed) <= 3:
        return ", ".join(listed)
    return f"{', '.join(listed[:3])} and {len(listed) - 3} more"
