"""Snapshots of the metadata on disk: files named `<end offset>-<epoch>.checkpoint` (KIP-630).

A snapshot is written to a `.part` file and gets its name once that is durable; a `.part` left behind is deleted.
"""

from dataclasses import dataclass, field
from typing import Any

from fencepost.model.kernel.disk import Cell, Disk
from fencepost.model.protocol.raft import SnapshotId

DIRECTORY = "__cluster_metadata-0/"
SUFFIX = ".checkpoint"
PART = ".part"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot's content: the image's entries below `snapshot_id.end_offset`."""

    snapshot_id: SnapshotId
    entries: tuple[Any, ...] = field(repr=False)


class SnapshotStore:
    """The durable snapshots of one replica, the earliest first."""

    __slots__ = ("_disk", "_snapshots")

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._snapshots: dict[SnapshotId, Snapshot] = {}
        for name in sorted(disk.files):
            if name.startswith(DIRECTORY) and name.endswith(PART):
                disk.delete(name)
            elif name.startswith(DIRECTORY) and name.endswith(SUFFIX):
                snapshot: Snapshot = disk.cell(name, None).value
                self._snapshots[snapshot.snapshot_id] = snapshot

    @property
    def earliest_id(self) -> SnapshotId | None:
        """The earliest snapshot, if there is one."""
        return min(self._snapshots, default=None)

    @property
    def latest_id(self) -> SnapshotId | None:
        """The latest snapshot, if there is one."""
        return max(self._snapshots, default=None)

    def __contains__(self, snapshot_id: SnapshotId) -> bool:
        return snapshot_id in self._snapshots

    def get(self, snapshot_id: SnapshotId) -> Snapshot | None:
        """The snapshot of that id, if it is here."""
        return self._snapshots.get(snapshot_id)

    def write(self, snapshot: Snapshot) -> Cell[Any]:
        """Write the `.part` file; once it is synced, `add` or `discard` follows."""
        cell = self._disk.cell(file_name(snapshot.snapshot_id) + PART, None)
        cell.write(snapshot)
        return cell

    def add(self, snapshot: Snapshot) -> None:
        """The snapshot is durable: give it its name, so that it can be served and loaded."""
        self.discard(snapshot)
        self._disk.cell(file_name(snapshot.snapshot_id), snapshot)
        self._snapshots[snapshot.snapshot_id] = snapshot

    def discard(self, snapshot: Snapshot) -> None:
        """Delete the `.part` file."""
        self._disk.delete(file_name(snapshot.snapshot_id) + PART)

    def previous_id(self, snapshot_id: SnapshotId) -> SnapshotId | None:
        """The latest snapshot before this one."""
        return max((other for other in self._snapshots if other < snapshot_id), default=None)

    def delete_before(self, snapshot_id: SnapshotId) -> None:
        """Delete every earlier snapshot."""
        for other in [other for other in self._snapshots if other < snapshot_id]:
            del self._snapshots[other]
            self._disk.delete(file_name(other))


def file_name(snapshot_id: SnapshotId) -> str:
    """The name of a snapshot's file."""
    return f"{DIRECTORY}{snapshot_id.end_offset:020d}-{snapshot_id.epoch:010d}{SUFFIX}"
