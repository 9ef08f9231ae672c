"""Rules about snapshots of the metadata.

*SnapshotAtLogStart.* A log that does not begin at 0 has a snapshot that reaches at least up to its start, and a
snapshot's name (end offset, epoch) is a place in the log: not above the high watermark, and with the epoch of the
record before it. Example: the log is deleted up to offset 90 while the earliest snapshot ends at 80: what lies between
is nowhere (KAFKA-14238).

*LeaderNeverLoadSnapshot.* An active controller has everything and never loads a snapshot.

*SnapshotEquivalence.* The image in a snapshot that ends at offset o is the image that the records below o give.
Example: a snapshot is named by its last offset instead of the offset after it; whoever loads it applies that record
twice, or misses one (KAFKA-14618).

Images are compared by their digests. Between two writes of real records the image stands still, so a snapshot is
compared with the nearest image at or below its offset, at the end of the history and unless records were written in
between that nobody was seen to apply.
"""

from bisect import bisect_left, bisect_right
from typing import Any

from fencepost.checkers.quorum_log import Batch, VoterLog
from fencepost.checkers.verdict import Checker, Findings, Result, seconds
from fencepost.histories.event import Event

AT_LOG_START = "SnapshotAtLogStart"
NEVER_LOAD = "LeaderNeverLoadSnapshot"
EQUIVALENCE = "SnapshotEquivalence"


class RaftSnapshots(Findings):
    """Checks the rules above; work per event is constant but for a search in the sorted offsets."""

    name = "raft-snapshots"
    needs = frozenset({"raft-snapshot-created"})
    consumes = frozenset({
        "raft-snapshot-created", "raft-snapshot-loaded", "raft-log-start", "raft-append", "raft-truncate", "disk-lost",
        "raft-high-watermark", "metadata-applied", "metadata-write", "controller-claimed", "controller-renounced",
        "node-started", "node-stopped",
    })

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self._voters = frozenset(header.get("voters") or header.get("controllers") or ())
        self._logs: dict[int, VoterLog] = {}
        self._high_watermarks: dict[int, int] = {}
        #: node -> event of the claim of the controller that is active there
        self._active: dict[int, int] = {}
        #: node -> ends of the snapshots that it loaded in this incarnation before it claimed
        self._loaded: dict[int, dict[int, bool]] = {}
        #: end offset -> (digest, event) of images: by applying, and by snapshots
        self._images: dict[int, tuple[str, int]] = {}
        self._snapshots: dict[int, tuple[str, Event]] = {}
        #: ends of the batches with real records that active controllers wrote, committed or not
        self._written: list[int] = []
        self._handlers = {
            "raft-snapshot-created": self._on_created, "raft-snapshot-loaded": self._on_loaded,
            "raft-log-start": self._on_log_start, "raft-append": self._on_append, "raft-truncate": self._on_truncate,
            "disk-lost": self._on_disk_lost, "raft-high-watermark": self._on_high_watermark,
            "metadata-applied": self._on_applied, "metadata-write": self._on_written,
            "controller-claimed": self._on_claimed, "controller-renounced": self._on_renounced,
            "node-started": self._on_process, "node-stopped": self._on_process,
        }

    def feed(self, event: Event) -> None:
        """Take the next event."""
        if event.node is not None:
            self._handlers[event.f](event, event.node)

    def finish(self) -> Result:
        """Compare the snapshots with the nearest images."""
        self._compare_with_images()
        return super().finish()

    # --- the log and who is active ----------------------------------------------------------------------------------

    def _log(self, node: int) -> VoterLog:
        log = self._logs.get(node)
        if log is None:
            log = self._logs[node] = VoterLog()
        return log

    def _on_append(self, event: Event, node: int) -> None:
        log = self._log(node)
        for base, epoch, digest, records in event.value["entries"]:
            log.append(Batch(base, base + records, epoch, digest, event.index))

    def _on_truncate(self, event: Event, node: int) -> None:
        self._log(node).truncate(event.value["end_offset"])

    def _on_disk_lost(self, event: Event, node: int) -> None:
        if event.key == "__cluster_metadata-0":
            self._log(node).truncate(event.value["from_offset"])

    def _on_high_watermark(self, event: Event, node: int) -> None:
        self._high_watermarks[node] = event.value["high_watermark"]

    def _on_claimed(self, event: Event, node: int) -> None:
        self._active[node] = event.index

    def _on_renounced(self, event: Event, node: int) -> None:
        self._active.pop(node, None)

    def _on_process(self, event: Event, node: int) -> None:
        self._active.pop(node, None)
        self._high_watermarks.pop(node, None)
        self._loaded.pop(node, None)

    # --- SnapshotAtLogStart -----------------------------------------------------------------------------------------

    def _on_log_start(self, event: Event, node: int) -> None:
        start, earliest = event.value["log_start_offset"], event.value["earliest_snapshot_end_offset"]
        self._log(node).delete_before(start)
        if start > 0 and (earliest is None or earliest < start):
            has = "has no snapshot" if earliest is None else f"has an earliest snapshot that ends at {earliest}"
            self.violate(
                AT_LOG_START,
                f"At {seconds(event.time_us)} the metadata log of node {node} begins at offset {start}, but the node "
                f"{has}. What lies before the log must be in a snapshot.", event)

    def _on_created(self, event: Event, node: int) -> None:
        end, epoch = event.value["end_offset"], event.value["epoch"]
        if node in self._voters:
            self._check_name(event, node, end, epoch)
        self._note_snapshot(event, end, event.value["digest"])

    def _check_name(self, event: Event, node: int, end: int, epoch: int) -> None:
        high_watermark = self._high_watermarks.get(node)
        if high_watermark is None or end > high_watermark:
            known = "unknown" if high_watermark is None else str(high_watermark)
            self.violate(
                AT_LOG_START,
                f"At {seconds(event.time_us)} node {node} wrote a snapshot that ends at offset {end}, while its high "
                f"watermark was {known}. A snapshot holds only what is committed.", event)
        batch = self._log(node).ending_at_or_after(end)
        if batch is not None and batch.epoch != epoch:
            self.violate(
                AT_LOG_START,
                f"At {seconds(event.time_us)} node {node} wrote a snapshot named ({end}, epoch {epoch}), but the "
                f"record before offset {end} is of epoch {batch.epoch}. A snapshot's name must be a place in the log.",
                event, (batch.event,))

    # --- LeaderNeverLoadSnapshot ------------------------------------------------------------------------------------

    def _on_loaded(self, event: Event, node: int) -> None:
        end = event.value["end_offset"]
        claim = self._active.get(node)
        before = self._loaded.setdefault(node, {})
        if claim is None:
            before[end] = True
        elif event.value["state"] == "leader" and event.value.get("role") != "broker" and end not in before:
            # On a node with both roles the broker loads the same snapshot that the controller loaded at the start.
            self.violate(
                NEVER_LOAD,
                f"At {seconds(event.time_us)} node {node} loaded the snapshot that ends at offset {end} while its "
                f"controller was active (claimed at event {claim}) and its replica led the quorum. The active "
                f"controller already holds all that is committed.", event, (claim,))
        self._note_snapshot(event, end, event.value["digest"])

    # --- SnapshotEquivalence ----------------------------------------------------------------------------------------

    def _note_snapshot(self, event: Event, end: int, digest: str) -> None:
        first = self._snapshots.setdefault(end, (digest, event))
        if first[0] != digest:
            self.violate(
                EQUIVALENCE,
                f"At {seconds(event.time_us)} node {event.node} has a snapshot that ends at offset {end} with the "
                f"image {digest}; node {first[1].node} had one of the same offset with the image {first[0]} (event "
                f"{first[1].index}). Equal offsets must give equal images.", event, (first[1].index,))

    def _on_applied(self, event: Event, node: int) -> None:
        self._images.setdefault(event.value["end_offset"], (event.value["digest"], event.index))

    def _on_written(self, event: Event, node: int) -> None:
        self._written.append(event.value["end_offset"])

    def _compare_with_images(self) -> None:
        ends = sorted(self._images)
        written = sorted(self._written)
        for end, (digest, event) in self._snapshots.items():
            position = bisect_right(ends, end) - 1
            if position < 0:
                continue
            nearest = ends[position]
            if bisect_right(written, end) > bisect_left(written, nearest + 1):
                continue  # records in between that nobody was seen to apply
            image, index = self._images[nearest]
            if image != digest:
                self.violate(
                    EQUIVALENCE,
                    f"At {seconds(event.time_us)} node {event.node} has a snapshot that ends at offset {end} with the "
                    f"image {digest}. The records below offset {end} give the image {image}, which was reached at "
                    f"offset {nearest} (event {index}). A snapshot and the log up to its offset must be the same.",
                    event, (index,))


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [RaftSnapshots(header)]
