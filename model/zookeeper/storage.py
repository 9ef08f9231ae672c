"""What a ZooKeeper server keeps on disk: the transaction log, a snapshot, and the two epochs.

A transaction counts as logged once it is synced; syncs cover everything written before them (SyncRequestProcessor's
group commit). The epochs are small files replaced as a whole. A snapshot holds committed transactions only and is of
one instant (real ones are fuzzy: the log that follows makes up for it). The log is kept from the snapshot before the
newest on, so that learners that lag can be sent what they lack.
"""

from collections.abc import Callable
from typing import Any

from fencepost.model.kernel.disk import Cell, LogFile
from fencepost.model.kernel.node import Node
from fencepost.model.zookeeper.data_tree import DataTree, Snapshot
from fencepost.model.zookeeper.transactions import Transaction, epoch_of, kind_of

LOG_FILE = "zookeeper-log"
SNAPSHOT_FILE = "zookeeper-snapshot"
ACCEPTED_EPOCH_FILE = "zookeeper-accepted-epoch"
CURRENT_EPOCH_FILE = "zookeeper-current-epoch"
LOG_BASE_FILE = "zookeeper-log-base"

Then = Callable[..., None]


class Storage:
    """One server's disk. Callbacks follow after the sync; a server that stops meanwhile never sees them."""

    def __init__(self, node: Node) -> None:
        self._node = node
        disk = node.disk
        self._log: LogFile[Transaction] = disk.log(LOG_FILE)
        self._snapshot: Cell[Snapshot | None] = disk.cell(SNAPSHOT_FILE, None)
        self._accepted: Cell[int] = disk.cell(ACCEPTED_EPOCH_FILE, 0)
        self._current: Cell[int] = disk.cell(CURRENT_EPOCH_FILE, 0)
        #: The zxid up to which the log no longer holds transactions.
        self._base: Cell[int] = disk.cell(LOG_BASE_FILE, 0)
        self._waiting: list[tuple[Then, tuple[Any, ...]]] = []
        self._syncing = False
        self._saving = False
        self._installing = False

    # --- epochs -------------------------------------------------------------------------------------------------------

    @property
    def accepted_epoch(self) -> int:
        """The newest epoch that this server has promised to a leader."""
        return max(self._accepted.value, self.current_epoch)

    @property
    def current_epoch(self) -> int:
        """The newest epoch whose leader this server has acknowledged.

        A crash between the log and the epoch leaves transactions of an epoch that the file does not name yet: they
        prove that this server has the history of that epoch's leader (QuorumPeer.loadDataBase looks at the temporary
        file instead).
        """
        return max(self._current.value, epoch_of(self.last_zxid))

    def accept_epoch(self, epoch: int, then: Then, *args: Any) -> None:
        """Promise an epoch durably."""
        self._accepted.write(epoch)
        self._node.disk.fsync(self._accepted, self._node.schedule, then, *args)

    def enter_epoch(self, epoch: int, then: Then, *args: Any) -> None:
        """Acknowledge an epoch's leader durably."""
        self._current.write(epoch)
        self._node.disk.fsync(self._current, self._node.schedule, then, *args)

    # --- the log ------------------------------------------------------------------------------------------------------

    @property
    def last_zxid(self) -> int:
        """The last transaction's, or the snapshot's."""
        return self._log.entries[-1].zxid if self._log.entries else self.base_zxid

    @property
    def synced_zxid(self) -> int:
        """The last transaction that is durable."""
        durable = self._log.synced_end_offset - self._log.start_offset
        return self._log.entries[durable - 1].zxid if 0 < durable <= len(self._log.entries) else self.base_zxid

    @property
    def base_zxid(self) -> int:
        """Transactions up to this one are only in the snapshot."""
        return self._base.value

    def transactions(self) -> list[Transaction]:
        """What the log holds, in order; not to be changed."""
        return self._log.entries

    def append(self, transactions: tuple[Transaction, ...], then: Then, *args: Any) -> None:
        """Log transactions and go on once they are durable."""
        if transactions:
            base_offset = self._log.end_offset
            for each in transactions:
                self._log.append(self._node.now_us, each)
            entries = [
                [each.zxid, each.digest, kind_of(each.body), each.session_id, each.cxid]
                for each in transactions]
            self._node.observe("zk-append", value={"base_offset": base_offset, "entries": entries})
        self.flush(then, *args)

    def flush(self, then: Then, *args: Any) -> None:
        """Go on once everything that is in the log is durable."""
        self._waiting.append((then, args))
        self._sync_if_idle()

    def _sync_if_idle(self) -> None:
        if self._waiting and not self._syncing and not self._installing:
            self._sync()

    def _sync(self) -> None:
        self._syncing = True
        waiting, self._waiting = self._waiting, []
        self._node.disk.fsync(self._log, self._node.schedule, self._synced, waiting)

    def _synced(self, waiting: list[tuple[Then, tuple[Any, ...]]]) -> None:
        self._syncing = False
        for then, args in waiting:
            then(*args)
        self._sync_if_idle()

    def can_truncate_to(self, zxid: int) -> bool:
        """Whether the log reaches back to `zxid` and no snapshot beyond it would bring back what is cut off."""
        snapshot = self._snapshot.value
        return self.base_zxid <= zxid and (snapshot is None or snapshot.zxid <= zxid)

    def truncate(self, zxid: int) -> None:
        """Cut off every transaction above `zxid`."""
        old_end_offset = self._log.end_offset
        entries = self._log.entries
        keep = len(entries)
        while keep and entries[keep - 1].zxid > zxid:
            keep -= 1
        self._log.truncate_to(self._log.start_offset + keep)
        self._node.observe(
            "zk-truncate", value={"end_offset": self._log.end_offset, "old_end_offset": old_end_offset, "zxid": zxid})

    # --- snapshots ----------------------------------------------------------------------------------------------------

    def recover(self) -> DataTree:
        """The tree after every transaction on disk."""
        tree = DataTree()
        snapshot = self._snapshot.value
        if snapshot is not None:
            tree.restore(snapshot)
            if self.last_zxid < snapshot.zxid:
                # The power failed after the snapshot was durable and before the end of the log was.
                self._begin_log_after(snapshot, "recovered")
        self.catch_up(tree)
        return tree

    def catch_up(self, tree: DataTree) -> None:
        """Apply what is logged and not yet applied, committed or not (ZKDatabase.fastForwardDataBase)."""
        missing: list[Transaction] = []
        for each in reversed(self._log.entries):
            if each.zxid <= tree.last_zxid:
                break
            missing.append(each)
        for each in reversed(missing):
            tree.apply(each)

    def save(self, snapshot: Snapshot) -> None:
        """Write a snapshot of committed transactions; afterwards the log up to the one before it goes."""
        if self._saving:
            return
        self._saving = True
        former = self._snapshot.value
        self._snapshot.write(snapshot)
        self._node.disk.fsync(
            self._snapshot, self._node.schedule, self._saved, snapshot, 0 if former is None else former.zxid)

    def _saved(self, snapshot: Snapshot, former_zxid: int) -> None:
        self._saving = False
        log = self._log
        drop = 0
        while drop < len(log.entries) and log.entries[drop].zxid <= former_zxid:
            drop += 1
        if drop:
            self._move_base(log.entries[drop - 1].zxid)
            log.delete_before(log.start_offset + drop)
        self._observe_snapshot(snapshot, "taken")

    def install(self, snapshot: Snapshot, then: Then, *args: Any) -> None:
        """Keep a snapshot that the leader sent; the log begins anew after it, and then this goes on. Until then nothing
        is logged."""
        self._installing = True
        self._snapshot.write(snapshot)
        self._node.disk.fsync(self._snapshot, self._node.schedule, self._installed, snapshot, then, args)

    def _installed(self, snapshot: Snapshot, then: Then, args: tuple[Any, ...]) -> None:
        self._installing = False
        self._begin_log_after(snapshot, "received")
        then(*args)
        self._sync_if_idle()

    def _begin_log_after(self, snapshot: Snapshot, source: str) -> None:
        self._log.reset(self._log.end_offset)
        self._move_base(snapshot.zxid)
        self._observe_snapshot(snapshot, source)

    def _move_base(self, zxid: int) -> None:
        """In one step with the log's own beginning: in truth both are which files there are."""
        self._base.write(zxid)
        self._base.synced(self._base.written())

    def _observe_snapshot(self, snapshot: Snapshot, source: str) -> None:
        value = {
            "zxid": snapshot.zxid, "digest": f"{snapshot.digest:016x}", "source": source,
            "log_start_offset": self._log.start_offset, "base_zxid": self.base_zxid}
        self._node.observe("zk-snapshot", value=value)
