"""An ensemble that starts with znodes already there, as if an earlier epoch had created them."""

from collections.abc import Iterable
from typing import Any

from fencepost.model.kernel.disk import Cell, Disk
from fencepost.model.protocol.zookeeper import OPEN_ACL
from fencepost.model.zookeeper.data_tree import DataTree, Snapshot
from fencepost.model.zookeeper.paths import parent_of
from fencepost.model.zookeeper.storage import (
    ACCEPTED_EPOCH_FILE,
    CURRENT_EPOCH_FILE,
    LOG_BASE_FILE,
    SNAPSHOT_FILE,
)
from fencepost.model.zookeeper.transactions import CreateTxn, epoch_of, transaction, zxid_of


def synthesise(znodes: Iterable[tuple[str, Any]]) -> Snapshot:
    """A tree with these persistent znodes, (path, data), parents before children, created one by one in epoch 1.

    Raises ValueError when a parent is missing or a path is given twice.
    """
    tree = DataTree()
    for counter, (path, data) in enumerate(znodes, start=1):
        parent = tree.get(parent_of(path))
        if parent is None or tree.get(path) is not None:
            raise ValueError(f"{path}: {'its parent is missing' if parent is None else 'it is there already'}")
        body = CreateTxn(path, data, OPEN_ACL, False, parent.cversion + 1)
        tree.apply(transaction(zxid_of(1, counter), 0, 0, body))
    return tree.snapshot()


def plant(disk: Disk, snapshot: Snapshot) -> None:
    """Put a snapshot, durable, on the empty disk of a server that has not started yet; all must get the same."""
    epoch = epoch_of(snapshot.zxid)
    for name, content in (
        (SNAPSHOT_FILE, snapshot), (LOG_BASE_FILE, snapshot.zxid), (ACCEPTED_EPOCH_FILE, epoch),
        (CURRENT_EPOCH_FILE, epoch),
    ):
        cell: Cell[Any] = disk.cell(name, content)
        cell.write(content)
        cell.synced(cell.written())
