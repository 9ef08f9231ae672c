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
from fencepost.model.zookeeper.transactions import (
    Body,
    CreateSessionTxn,
    CreateTxn,
    Transaction,
    epoch_of,
    zxid_of,
)

#: The session that owns synthesised ephemerals.
_SESSION_ID = 1


def synthesise(
    znodes: Iterable[tuple[str, Any]], ephemerals: Iterable[tuple[str, Any]] = (), session_timeout_us: int = 0,
) -> Snapshot:
    """A tree with these persistent znodes, (path, data), parents before children, created one by one in epoch 1.

    ephemerals: znodes of one session more, whose client is gone and which runs out when the ensemble has been up for
    `session_timeout_us`. Raises ValueError when a parent is missing or a path is given twice.
    """
    tree = DataTree()
    for path, data in znodes:
        _create(tree, path, data, 0)
    for number, (path, data) in enumerate(ephemerals):
        if number == 0:
            _apply(tree, _SESSION_ID, CreateSessionTxn(session_timeout_us))
        _create(tree, path, data, _SESSION_ID)
    return tree.snapshot()


def _create(tree: DataTree, path: str, data: Any, session_id: int) -> None:
    parent = tree.get(parent_of(path))
    if parent is None or tree.get(path) is not None:
        raise ValueError(f"{path}: {'its parent is missing' if parent is None else 'it is there already'}")
    _apply(tree, session_id, CreateTxn(path, data, OPEN_ACL, session_id != 0, parent.cversion + 1))


def _apply(tree: DataTree, session_id: int, body: Body) -> None:
    """Apply the next transaction of epoch 1; nobody compares its digest."""
    tree.apply(Transaction(max(tree.last_zxid, zxid_of(1, 0)) + 1, session_id, 0, body, ""))


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
