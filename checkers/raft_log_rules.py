"""Rules about the log of the metadata quorum: what is committed stays, at the same place, on a majority.

*LogMatching.* A batch is known by its base offset and epoch: whoever holds it holds the same content, has the same
batch before it, and epochs never fall along a log. Violated, for example, when a leader loses an unsynced batch that a
follower already has, resumes the same epoch, and writes another batch at that offset (KAFKA-10527).

*MajorityReachedHighWatermark.* What a leader calls committed is held by a majority, itself counted only as far as it
has synced; and no power cut leaves fewer, for only what is synced may be acknowledged. Example: voter 2 fetches past
its synced end, leader 1 counts it and commits offset 7, voter 2 loses power and offset 7: one of three holds it
(KAFKA-10533).

*LeaderCompleteness.* Whoever becomes leader of epoch e holds everything that leaders of earlier epochs committed.
Example: leader 1 commits offset 7 in epoch 3; voter 2, without offset 7, wins epoch 4.

*ConsistentCommittedData.* Below their high watermarks all voters hold the same batches. Example: leader 1 shows a batch
of an earlier epoch as committed before a batch of its own is (Raft 5.4.2, KAFKA-12619); leader 3 replaces it.

*MonotonicHighWatermark.* A process' high watermark never falls, and a leader's lies above those of leaders of earlier
epochs. It is forgotten at a restart, so it is followed per incarnation.

*NoTruncationBelowHighWatermark.* No process cuts its log below what it knows to be committed (KAFKA-12460).

A loss is excused only as `quorum_log.QuorumLedger` says. Not checked: observers' logs, which nobody counts; what they
make of them is seen by `metadata_consistency`.
"""

from typing import Any

from fencepost.checkers.quorum_log import METADATA_LOG, Batch, Commit, QuorumLedger
from fencepost.checkers.verdict import Checker, Findings, seconds
from fencepost.histories.event import Event

LOG_MATCHING = "LogMatching"
MAJORITY = "MajorityReachedHighWatermark"
COMPLETENESS = "LeaderCompleteness"
CONSISTENT = "ConsistentCommittedData"
MONOTONIC = "MonotonicHighWatermark"
NO_TRUNCATION = "NoTruncationBelowHighWatermark"

#: base offset and epoch
Identity = tuple[int, int]


class RaftLogRules(Findings):
    """Checks the rules above; work per event is that of the batches it names."""

    name = "raft-log"
    needs = frozenset({"raft-append", "raft-high-watermark"})
    consumes = frozenset({
        "raft-append", "raft-truncate", "raft-high-watermark", "raft-log-start", "raft-state", "disk-lost",
        "node-started", "raft-snapshot-created",
    })

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self._ledger = QuorumLedger(header)
        #: identity -> (content, batch before it or None if not known)
        self._known: dict[Identity, tuple[Batch, Identity | None]] = {}
        #: base offset -> the committed batch there, and the voter that first called it committed
        self._committed: dict[int, tuple[Batch, int]] = {}
        #: voter -> below this offset its log was compared with what is committed
        self._compared: dict[int, int] = {}
        #: voter -> its high watermark in this incarnation and the event that told it
        self._high_watermarks: dict[int, tuple[int, int]] = {}
        #: leader epoch -> its first and its last report of what is committed
        self._reports: dict[int, tuple[Commit, Commit]] = {}
        self._furthest: Commit | None = None
        self._newest_report = -1
        #: leader epoch -> (node, the end of what it held when it was elected, event)
        self._elected: dict[int, tuple[int, int, int]] = {}
        self._newest_elected = -1
        self._handlers = {
            "raft-append": self._on_append, "raft-truncate": self._on_truncate, "disk-lost": self._on_disk_lost,
            "raft-high-watermark": self._on_high_watermark, "raft-log-start": self._on_log_start,
            "raft-state": self._on_state, "node-started": self._on_started,
            "raft-snapshot-created": self._on_snapshot,
        }

    def feed(self, event: Event) -> None:
        """Take the next event."""
        self._handlers[event.f](event)

    def _on_started(self, event: Event) -> None:
        if event.node is not None:
            self._high_watermarks.pop(event.node, None)

    # --- writing ----------------------------------------------------------------------------------------------------

    def _on_append(self, event: Event) -> None:
        assert event.node is not None
        log = self._ledger.log(event.node)
        for base, epoch, digest, records in event.value["entries"]:
            batch = Batch(base, base + records, epoch, digest, event.index)
            if base < log.end:
                self._cut(event, base)
            before = log.append(batch)
            self._match(event, batch, before)

    def _match(self, event: Event, batch: Batch, before: Batch | None) -> None:
        """LogMatching, by induction over the batches."""
        identity = (batch.base, batch.epoch)
        before_identity = None if before is None else (before.base, before.epoch)
        if before is not None and before.epoch > batch.epoch:
            self._log_violation(event, batch, (before.event,), f"follows a batch of the later epoch {before.epoch}")
        known = self._known.get(identity)
        if known is None:
            self._known[identity] = (batch, before_identity)
            return
        other, other_before = known
        if (batch.digest, batch.end) != (other.digest, other.end):
            self._log_violation(
                event, batch, (other.event,),
                f"has another content ({batch.digest}, to offset {batch.end}) than the batch of the same offset and "
                f"epoch that was written at event {other.event} ({other.digest}, to offset {other.end})")
        elif before_identity is not None and other_before is None:
            self._known[identity] = (other, before_identity)
        elif before_identity is not None and before_identity != other_before and other_before is not None:
            self._log_violation(
                event, batch, (other.event,),
                f"follows the batch at offset {before_identity[0]} of epoch {before_identity[1]}; where it was written "
                f"before, at event {other.event}, it follows the one at offset {other_before[0]} of epoch "
                f"{other_before[1]}")

    def _log_violation(self, event: Event, batch: Batch, others: tuple[int, ...], what: str) -> None:
        self.violate(
            LOG_MATCHING,
            f"At {seconds(event.time_us)} voter {event.node} wrote a metadata batch at offset {batch.base} of epoch "
            f"{batch.epoch}, which {what}. Two logs with the same offset and epoch must agree up to there.",
            event, others)

    # --- cutting and losing -----------------------------------------------------------------------------------------

    def _cut(self, event: Event, end: int) -> None:
        assert event.node is not None
        log = self._ledger.log(event.node)
        dropped = log.truncate(end)
        self._compared[event.node] = min(self._compared.get(event.node, 0), log.end)
        self._note_loss(event, dropped, wiped=False)

    def _note_loss(self, event: Event, dropped: list[Batch], wiped: bool) -> bool:
        """Remember which committed batches a voter no longer has in its log; whether there are any."""
        lost = [batch for batch in dropped if self._is_committed(batch)]
        if lost and event.node is not None:
            self._ledger.note_loss(event.node, lost[0].base, lost[-1].end, wiped, event)
        return bool(lost)

    def _is_committed(self, batch: Batch) -> bool:
        known = self._committed.get(batch.base)
        return known is not None and (known[0].epoch, known[0].digest) == (batch.epoch, batch.digest)

    def _on_truncate(self, event: Event) -> None:
        end, high_watermark = event.value["end_offset"], event.value.get("high_watermark")
        if high_watermark is not None and end < high_watermark:
            told = self._high_watermarks.get(event.node or 0)
            self.violate(
                NO_TRUNCATION,
                f"At {seconds(event.time_us)} voter {event.node} cut its metadata log from offset "
                f"{event.value['old_end_offset']} to {end}, although it knew everything below {high_watermark} to be "
                f"committed. What is committed must never be cut.",
                event, () if told is None else (told[1],))
        self._cut(event, end)

    def _on_log_start(self, event: Event) -> None:
        if event.node is not None:
            self._ledger.log(event.node).delete_before(event.value["log_start_offset"])

    def _on_snapshot(self, event: Event) -> None:
        """A snapshot is durable before it is used, and stands for the log if that loses its tail."""
        if event.node is not None and event.node in self._ledger.logs:
            log = self._ledger.log(event.node)
            log.snapshot_end = max(log.snapshot_end, event.value["end_offset"])

    def _on_disk_lost(self, event: Event) -> None:
        if event.key != METADATA_LOG or event.node is None or event.node not in self._ledger.logs:
            return
        log = self._ledger.log(event.node)
        wiped = bool(event.value.get("wiped"))
        from_offset = event.value["from_offset"]
        dropped = log.truncate(from_offset)
        if wiped:
            log.snapshot_end = 0
            if from_offset < log.start:
                dropped = [batch for base, (batch, _) in self._committed.items() if base < log.start] + dropped
                log.restart(from_offset)
        self._compared[event.node] = min(self._compared.get(event.node, 0), log.end)
        if self._note_loss(event, dropped, wiped) and not wiped and self._furthest is not None:
            self._check_still_held(event, log.end, self._furthest)

    def _check_still_held(self, event: Event, from_offset: int, furthest: Commit) -> None:
        """A power cut took a committed batch from one voter: a majority must still hold it."""
        batch = furthest.last
        if batch is None:
            return
        self._require_majority(
            event, batch, self._ledger.holders(batch), (furthest.event, batch.event),
            f"At {seconds(event.time_us)} voter {event.node} lost power, and with it the unsynced offsets from "
            f"{from_offset} of its metadata log. Leader {furthest.node} of epoch {furthest.epoch} had committed "
            f"everything below {furthest.end}")

    # --- what is committed ------------------------------------------------------------------------------------------

    def _on_high_watermark(self, event: Event) -> None:
        assert event.node is not None
        node, end = event.node, event.value["high_watermark"]
        told = self._high_watermarks.get(node)
        if told is not None and end < told[0]:
            self.violate(
                MONOTONIC,
                f"At {seconds(event.time_us)} the high watermark of voter {node} fell from {told[0]} to {end}. What a "
                f"process once knew to be committed cannot become uncommitted.",
                event, (told[1],))
        self._high_watermarks[node] = (end, event.index)
        if event.value["state"] == "leader":
            self._on_leader_high_watermark(event, node, end)
        self._compare_committed(event, node, end)

    def _on_leader_high_watermark(self, event: Event, node: int, end: int) -> None:
        epoch = _epoch(event)
        log = self._ledger.log(node)
        last = log.ending_at_or_after(end)
        commit = Commit(end, epoch, last, event.index, node)
        reports = self._reports.get(epoch)
        if reports is None or epoch < self._newest_report:
            self._check_order_of_epochs(event, commit)
        self._newest_report = max(self._newest_report, epoch)
        if last is not None:
            self._check_majority(event, commit, last)
        elif end > log.reach:
            self.violate(
                MAJORITY,
                f"At {seconds(event.time_us)} leader {node} of epoch {epoch} moved its high watermark to {end}, beyond "
                f"the end of its own metadata log at {log.end}.", event)
        self._check_later_leaders(event, commit)
        self._reports[epoch] = (commit if reports is None else reports[0], commit)
        if self._furthest is None or end > self._furthest.end:
            self._furthest = commit

    def _check_order_of_epochs(self, event: Event, commit: Commit) -> None:
        for epoch, (first, last) in self._reports.items():
            if epoch < commit.epoch and last.end > commit.end:
                earlier, later = last, commit
            elif epoch > commit.epoch and first.end < commit.end:
                earlier, later = commit, first
            else:
                continue
            self.violate(
                MONOTONIC,
                f"At {seconds(event.time_us)} leader {later.node} of epoch {later.epoch} has a high watermark of "
                f"{later.end} (event {later.event}), below the {earlier.end} of leader {earlier.node} of the earlier "
                f"epoch {earlier.epoch} (event {earlier.event}). Later leaders must have committed at least as much.",
                event, (earlier.event, later.event))

    def _check_majority(self, event: Event, commit: Commit, last: Batch) -> None:
        holders = self._ledger.holders(last)
        synced = event.value.get("synced_end_offset")
        unsynced = synced is not None and synced < commit.end and commit.node in holders
        if unsynced:
            holders.remove(commit.node)
        self._require_majority(
            event, last, holders, (last.event,),
            f"At {seconds(event.time_us)} leader {commit.node} of epoch {commit.epoch} moved its high watermark to "
            f"{commit.end}" + (f", with its own log synced only to {synced}" if unsynced else ""))

    def _require_majority(
        self, event: Event, batch: Batch, holders: list[int], others: tuple[int, ...], what: str,
    ) -> None:
        ledger = self._ledger
        if len(holders) >= ledger.majority:
            return
        message = (
            f"{what}; the batch that ends at offset {batch.end} is then held by {_nodes(holders)}, which is no "
            f"majority of the {len(ledger.voters)} voters.")
        self._judge(MAJORITY, message, event, batch, others)

    def _compare_committed(self, event: Event, node: int, end: int) -> None:
        """ConsistentCommittedData for what this voter newly calls committed."""
        log = self._ledger.log(node)
        committed = self._committed
        for batch in log.after(self._compared.get(node, 0)):
            if batch.end > end:
                break
            known = committed.get(batch.base)
            if known is None:
                committed[batch.base] = (batch, node)
            elif (known[0].epoch, known[0].digest, known[0].end) != (batch.epoch, batch.digest, batch.end):
                other, other_node = known
                message = (
                    f"At {seconds(event.time_us)} voter {node} calls its metadata below offset {end} committed. At "
                    f"offset {batch.base} it has a batch of epoch {batch.epoch} ({batch.digest}), where voter "
                    f"{other_node} had called another one committed, of epoch {other.epoch} ({other.digest}). "
                    f"Committed metadata must be the same everywhere.")
                self._judge(CONSISTENT, message, event, other, (other.event, batch.event))
        self._compared[node] = max(self._compared.get(node, 0), min(end, log.end))

    # --- new leaders ------------------------------------------------------------------------------------------------

    def _on_state(self, event: Event) -> None:
        if event.value["state"] != "leader" or not event.value.get("voter", True) or event.node is None:
            return
        epoch, log = _epoch(event), self._ledger.log(event.node)
        self._elected[epoch] = (event.node, log.reach, event.index)
        self._newest_elected = max(self._newest_elected, epoch)
        owed = max(
            (last for other, (_, last) in self._reports.items() if other < epoch), key=lambda last: last.end,
            default=None)
        if owed is not None and owed.last is not None and not log.holds(owed.last):
            self._incomplete(event, event.node, epoch, log.end, owed, owed.last)

    def _check_later_leaders(self, event: Event, commit: Commit) -> None:
        """A leader that was deposed without knowing it may still count what it was sent before."""
        if commit.last is None or commit.epoch >= self._newest_elected:
            return
        for epoch in sorted(self._elected):
            node, end, index = self._elected[epoch]
            if epoch > commit.epoch and end < commit.end:
                self._incomplete(event, node, epoch, end, commit, commit.last, index)

    def _incomplete(
        self, event: Event, node: int, epoch: int, end: int, owed: Commit, batch: Batch, elected: int | None = None,
    ) -> None:
        message = (
            f"At {seconds(event.time_us)} it shows that voter {node} became leader of epoch {epoch} with a metadata "
            f"log that ends at offset {end} and lacks the batch at offset {batch.base} of epoch {batch.epoch}, which "
            f"leader {owed.node} of epoch {owed.epoch} had committed (high watermark {owed.end}, event {owed.event}). "
            f"A leader must hold everything that was committed before its epoch.")
        others = [batch.event, owed.event, *([] if elected is None else [elected])]
        others += [loss.event for loss in self._ledger.losses if loss.node == node]
        self._judge(COMPLETENESS, message, event, batch, tuple(others), node)

    # --- excuses ----------------------------------------------------------------------------------------------------

    def _judge(
        self, rule: str, message: str, event: Event, batch: Batch, others: tuple[int, ...], node: int | None = None,
    ) -> None:
        """A violation, unless so many disks were wiped that no majority needs to know the batch."""
        losses = self._ledger.excusing_losses(batch)
        if losses:
            wiped = _nodes(sorted({loss.node for loss in losses}))
            self.excuse(
                rule, "quorum-lost-its-disks",
                f"{message} Excused: the disks of {wiped} were wiped, and too few voters still held it.",
                event, (*others, *(loss.event for loss in losses)))
        else:
            self.violate(rule, message, event, others, node)


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [RaftLogRules(header)]


def _epoch(event: Event) -> int:
    return (event.epochs or {})["leader_epoch"]


def _nodes(nodes: list[int]) -> str:
    if not nodes:
        return "no voter"
    return ("voter " if len(nodes) == 1 else "voters ") + ", ".join(map(str, nodes))
