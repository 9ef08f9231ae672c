"""A learner (here always a follower): it finds its leader, takes over its history, then logs and applies what the
leader says (Learner, Follower).

The order is Zab's: promise the leader's epoch durably, be brought to the leader's history, make that durable, then
acknowledge the leader, and serve once a quorum has. ZOOKEEPER-4785's mend (3.8.5) is in: the acknowledgement follows
the sync of everything received, and the current epoch is written in between.
"""

from collections import deque
from typing import TYPE_CHECKING, Any

from fencepost.model.kernel.connection import Connection
from fencepost.model.protocol.zab import (
    QUORUM_CHANNEL,
    SNAP,
    TRUNC,
    Ack,
    AckEpoch,
    Commit,
    FollowerInfo,
    Forward,
    LeaderInfo,
    NewLeader,
    Ping,
    PingReply,
    Proposal,
    Revalidate,
    Revalidated,
    SyncAnswer,
    SyncBegin,
    UpToDate,
)
from fencepost.model.protocol.zookeeper import Identity, Operation
from fencepost.model.zookeeper.data_tree import Snapshot
from fencepost.model.zookeeper.transactions import Transaction

if TYPE_CHECKING:
    from fencepost.model.zookeeper.peer import QuorumPeer

#: Attempts to reach the leader, and how many pauses between two of them make a tick (100 ms of a tick of 2 s).
_CONNECT_ATTEMPTS = 5
_PAUSES_PER_TICK = 20


class Learner:
    """Follows one leader until either is lost. Its state is dropped with it; what lasts is in the storage."""

    def __init__(self, peer: "QuorumPeer", leader_id: int) -> None:
        self.peer = peer
        self.leader_id = leader_id
        self._active = True
        self._connection: Connection | None = None
        self._began_us = self._heard_us = peer.node.now_us
        self._attempts = 0
        self._registered = False
        self._serving = False
        self._epoch = 0
        self._snapshot: Snapshot | None = None
        #: Received and not yet written to the log; logged and not yet committed; commits that wait for UPTODATE.
        self._unlogged: list[Transaction] = []
        self._uncommitted: deque[Transaction] = deque()
        self._commits: list[int] = []
        self._touched: dict[int, int] = {}

    # --- the connection -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect to the leader."""
        self._connect()
        self.peer.node.schedule(self.peer.config.tick_time_us, self._watch_the_clock)

    def stop(self) -> None:
        """Follow no more."""
        self._active = False
        if self._connection is not None:
            self._connection.close()

    def _connect(self) -> None:
        if not self._active:
            return
        self._attempts += 1
        node = self.peer.node
        self._connection = node.network.open(node, self.leader_id, QUORUM_CHANNEL, self._on_message, self._on_end)
        self._send(FollowerInfo(node.node_id, self.peer.storage.accepted_epoch))

    def _on_end(self) -> None:
        """A leader that does not lead yet refuses; one that was lost means a new election."""
        self._connection = None
        if not self._active:
            return
        if self._registered or self._attempts >= _CONNECT_ATTEMPTS:
            self.peer.look_for_leader()
        else:
            self.peer.node.schedule(self.peer.config.tick_time_us // _PAUSES_PER_TICK, self._connect)

    def _watch_the_clock(self) -> None:
        if not self._active:
            return
        if self.has_lost_leader():
            self.peer.look_for_leader()
        else:
            self.peer.node.schedule(self.peer.config.tick_time_us // 2, self._watch_the_clock)

    def _send(self, message: Any) -> None:
        if self._connection is not None:
            self._connection.send(message)

    # --- guards -------------------------------------------------------------------------------------------------------

    def has_lost_leader(self) -> bool:
        """Whether the leader has been silent for initLimit (at first) or syncLimit ticks."""
        config = self.peer.config
        ticks = config.sync_limit_ticks if self._serving else config.init_limit_ticks
        since_us = self._heard_us if self._registered else self._began_us
        return self.peer.node.now_us - since_us >= ticks * config.tick_time_us

    def is_acceptable_epoch(self, epoch: int) -> bool:
        """A learner has promised never to follow a leader of an earlier epoch."""
        return epoch >= self.peer.storage.accepted_epoch

    def must_persist_before_acknowledging_new_leader(self) -> bool:
        """Whether the leader's history must be on disk before this learner counts for the leader's quorum."""
        return True

    # --- what the leader says -----------------------------------------------------------------------------------------

    def _on_message(self, message: Any) -> None:
        if not self._active:
            return
        self._heard_us = self.peer.node.now_us
        if isinstance(message, Proposal):
            self._on_proposal(message.transaction)
        elif isinstance(message, Commit):
            self._on_commit(message.zxid)
        elif isinstance(message, Ping):
            touched, self._touched = self._touched, {}
            self._send(PingReply(tuple(touched.items())))
        elif isinstance(message, SyncAnswer):
            self.peer.service.on_synced(message.session_id, message.cxid)
        elif isinstance(message, Revalidated):
            self.peer.service.on_revalidated(message.session_id, message.valid)
        elif isinstance(message, LeaderInfo):
            self._on_leader_info(message.epoch)
        elif isinstance(message, SyncBegin):
            self._on_sync_begin(message)
        elif isinstance(message, NewLeader):
            self._on_new_leader(message.zxid)
        elif isinstance(message, UpToDate):
            self._on_up_to_date()

    def _on_leader_info(self, epoch: int) -> None:
        self._registered = True
        storage = self.peer.storage
        if not self.is_acceptable_epoch(epoch):
            self.peer.look_for_leader()
        elif epoch == storage.accepted_epoch:
            self._epoch = epoch
            self._send(AckEpoch(None, self.peer.tree.last_zxid))
        else:
            self._epoch = epoch
            storage.accept_epoch(epoch, self._acknowledge_epoch, storage.current_epoch)

    def _acknowledge_epoch(self, current_epoch: int) -> None:
        if self._active:
            self._send(AckEpoch(current_epoch, self.peer.tree.last_zxid))

    def _on_sync_begin(self, begin: SyncBegin) -> None:
        if begin.kind == SNAP:
            assert begin.snapshot is not None
            self._snapshot = begin.snapshot
            self.peer.tree.restore(begin.snapshot)
        elif begin.kind == TRUNC:
            if not self.peer.storage.can_truncate_to(begin.zxid):
                self.peer.fail(f"the leader wants the log cut to zxid {begin.zxid:#x}, below the snapshot")
                return
            self.peer.storage.truncate(begin.zxid)
            self.peer.recover_tree()
        self._unlogged += begin.transactions
        self._commits += [each.zxid for each in begin.transactions]

    def _on_new_leader(self, zxid: int) -> None:
        """The history is complete: make it durable, enter the epoch, acknowledge."""
        if self._snapshot is not None:
            self.peer.storage.install(self._snapshot, self._persist_history, zxid)
        else:
            self._persist_history(zxid)

    def _persist_history(self, zxid: int) -> None:
        if not self._active:
            return
        if self.must_persist_before_acknowledging_new_leader():
            self.peer.storage.append(self._take_unlogged(), self._enter_epoch, zxid)
        else:
            self._enter_epoch(zxid)

    def _take_unlogged(self) -> tuple[Transaction, ...]:
        unlogged, self._unlogged = tuple(self._unlogged), []
        self._uncommitted += unlogged
        return unlogged

    def _enter_epoch(self, zxid: int) -> None:
        if self._active:
            self.peer.storage.enter_epoch(self._epoch, self._acknowledge_new_leader, zxid)

    def _acknowledge_new_leader(self, zxid: int) -> None:
        if self._active:
            self._send(Ack(zxid))
            self.peer.node.at_point("zookeeper.new-leader-acknowledged")

    def _on_up_to_date(self) -> None:
        """A quorum follows the leader: what was committed meanwhile is applied, and clients may come."""
        logged = [each.zxid for each in self._uncommitted]
        self._serving = True
        for each in self._take_unlogged():
            self._log(each)
        commits, self._commits = dict.fromkeys(self._commits), []
        for zxid in commits:
            self._on_commit(zxid)
        for zxid in logged:
            if zxid not in commits:
                self._send(Ack(zxid))
        self.peer.begin_serving(self, self._epoch)

    def _on_proposal(self, transaction: Transaction) -> None:
        if not self._serving:
            self._unlogged.append(transaction)
            return
        self._uncommitted.append(transaction)
        self._log(transaction)

    def _log(self, transaction: Transaction) -> None:
        self.peer.storage.append((transaction,), self._acknowledge, transaction.zxid)

    def _acknowledge(self, zxid: int) -> None:
        if self._active:
            self._send(Ack(zxid))
            self.peer.node.at_point("zookeeper.proposal-acknowledged")

    def _on_commit(self, zxid: int) -> None:
        if not self._serving:
            self._commits.append(zxid)
            return
        transaction = self._uncommitted.popleft()
        assert transaction.zxid == zxid, "commits come in the order of the proposals"
        self.peer.apply(transaction)

    # --- for this server's clients ------------------------------------------------------------------------------------

    @property
    def answers_sync_itself(self) -> bool:
        """Syncs go to the leader."""
        return False

    def submit(self, session_id: int, cxid: int, operation: Operation, identities: tuple[Identity, ...]) -> None:
        """Forward a write or a sync."""
        self._send(Forward(session_id, cxid, operation, identities))

    def revalidate(self, session_id: int, timeout_us: int) -> None:
        """Ask the leader about a session."""
        self._send(Revalidate(session_id, timeout_us))

    def touch(self, session_id: int, timeout_us: int) -> None:
        """To be told with the next answer to a ping."""
        self._touched[session_id] = timeout_us

    def read_error(self, session_id: int) -> str | None:
        """A follower cannot tell: it serves."""
        return None

    def describe(self) -> dict[str, Any]:
        """Its state as plain data."""
        return {"leader": self.leader_id, "epoch": self._epoch, "serving": self._serving}
