"""The leader: it begins an epoch with a quorum of learners, brings each to its own history, and orders all writes
(Leader, LearnerHandler, ProposalRequestProcessor).

Its own log counts as one server's, no more: a write is committed once a quorum has synced it. What it had logged before
its epoch, committed or not, becomes committed when a quorum has acknowledged it as the new leader. It steps down when a
quorum of learners has been silent for too long.
"""

from typing import TYPE_CHECKING, Any

from fencepost.model.kernel.connection import Connection, Reply
from fencepost.model.kernel.labour import Labour
from fencepost.model.protocol.zab import (
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
    UpToDate,
)
from fencepost.model.protocol.zookeeper import CloseSessionOp, CreateSessionOp, Identity, Operation, SyncOp
from fencepost.model.zookeeper.preparation import Preparation
from fencepost.model.zookeeper.sessions import OWN_CLIENTS, SessionTracker
from fencepost.model.zookeeper.synchronisation import plan_synchronisation
from fencepost.model.zookeeper.transactions import Transaction, transaction, zxid_of

if TYPE_CHECKING:
    from fencepost.model.zookeeper.peer import QuorumPeer

# The phases of a leader (QuorumPeer.ZabState).
DISCOVERY, SYNCHRONISATION, BROADCAST = "discovery", "synchronisation", "broadcast"

#: ZooKeeper's shell asks for a session of 30 s, of ticks of 2 s.
_SHELL_SESSION_TICKS = 15


class LearnerHandler:
    """One learner's connection at the leader. `owner` tells it from earlier connections of the same server.

    forwarding: it is sent every new proposal. acknowledged: it has acknowledged the new leader. active: it serves.
    """

    __slots__ = ("acknowledged", "active", "epoch_acknowledged", "forwarding", "heard_us", "owner", "reply", "server")

    def __init__(self, server: int, owner: int, reply: Reply, now_us: int) -> None:
        self.server = server
        self.owner = owner
        self.reply = reply
        self.heard_us = now_us
        self.epoch_acknowledged: AckEpoch | None = None
        self.forwarding = self.acknowledged = self.active = False


class _Outstanding:
    """A proposal that is not committed yet."""

    __slots__ = ("acknowledged", "syncs", "transaction")

    def __init__(self, proposed: Transaction) -> None:
        self.transaction = proposed
        self.acknowledged: dict[int, None] = {}
        #: Syncs to be answered behind its commit: (handler, session, cxid)
        self.syncs: list[tuple[LearnerHandler, int, int]] = []


class Leader:
    """Leads one epoch, or fails to begin it within initLimit ticks. Its state is dropped with it."""

    def __init__(self, peer: "QuorumPeer") -> None:
        self.peer = peer
        self.phase = DISCOVERY
        self.epoch = 0
        self.sessions: SessionTracker | None = None
        self._active = True
        self._handlers: dict[Connection, LearnerHandler] = {}
        self._owners = OWN_CLIENTS
        self._proposed_epoch = peer.storage.accepted_epoch + 1
        self._connecting: dict[int, None] = {peer.node.node_id: None}
        self._epoch_acknowledged: dict[int, None] = {}
        self._current_epoch = peer.storage.current_epoch
        self._epoch_accepted = self._epoch_entered = False
        self._counter = 0
        self._outstanding: dict[int, _Outstanding] = {}
        self._preparation: Preparation | None = None
        self._phase_began_us = peer.node.now_us
        self._ticks = 0
        self._labour = Labour(peer.node)

    def start(self) -> None:
        """Wait for learners."""
        self._maybe_begin_epoch()
        self.peer.node.schedule(self.peer.config.tick_time_us // 2, self._tick)

    def stop(self) -> None:
        """Lead no more: learners are let go."""
        self._active = False
        if self.sessions is not None:
            self.sessions.stop()
        for handler in self._handlers.values():
            handler.reply.hang_up()
        self._handlers.clear()

    # --- guards -------------------------------------------------------------------------------------------------------

    def is_quorum(self, servers: int) -> bool:
        """Whether so many servers are a majority of the ensemble."""
        return servers >= len(self.peer.ensemble) // 2 + 1

    def is_ahead_of_leader(self, acknowledgement: AckEpoch) -> bool:
        """Whether a learner's history is more recent than this server's: it must not be cut back."""
        if acknowledgement.current_epoch is None:
            return False
        theirs = (acknowledgement.current_epoch, acknowledgement.last_zxid)
        return theirs > (self._current_epoch, self.peer.tree.last_zxid)

    def may_commit(self, outstanding: _Outstanding) -> bool:
        """Whether a quorum has the proposal on disk."""
        return self.is_quorum(len(outstanding.acknowledged))

    def must_step_down(self) -> bool:
        """Whether too few learners have been heard of within syncLimit ticks."""
        return not self.is_quorum(1 + sum(1 for handler in self._handlers.values() if handler.active))

    # --- discovery ----------------------------------------------------------------------------------------------------

    def on_follower_info(self, info: FollowerInfo, reply: Reply) -> None:
        """A learner has come. What it acknowledged over an earlier connection counts no more: it may have to cut its
        log before it is sent that again. (A mend of our own; ZooKeeper goes on counting it.)"""
        for connection, handler in list(self._handlers.items()):
            if handler.server == info.server:
                self._let_go(connection)
        for outstanding in self._outstanding.values():
            outstanding.acknowledged.pop(info.server, None)
        self._owners += 1
        handler = LearnerHandler(info.server, self._owners, reply, self.peer.node.now_us)
        self._handlers[reply.connection] = handler
        if self._epoch_accepted:
            reply.push(LeaderInfo(self.epoch))
        elif not self.epoch:
            self._proposed_epoch = max(self._proposed_epoch, info.accepted_epoch + 1)
            self._connecting[info.server] = None
            self._maybe_begin_epoch()

    def _maybe_begin_epoch(self) -> None:
        """A quorum is there: the epoch is above all that any of them has accepted."""
        if not self.epoch and self.is_quorum(len(self._connecting)):
            self.epoch = self._proposed_epoch
            self.peer.storage.accept_epoch(self.epoch, self._propose_epoch)

    def _propose_epoch(self) -> None:
        if not self._active:
            return
        self._epoch_accepted = True
        self._phase_began_us = self.peer.node.now_us
        for handler in self._handlers.values():
            handler.reply.push(LeaderInfo(self.epoch))
        self._acknowledge_epoch(self.peer.node.node_id)

    def _on_ack_epoch(self, acknowledgement: AckEpoch, handler: LearnerHandler) -> None:
        if self.phase == DISCOVERY and self.is_ahead_of_leader(acknowledgement):
            self._let_go(handler.reply.connection)
            return
        handler.epoch_acknowledged = acknowledgement
        if self.phase != DISCOVERY:
            self._synchronise(handler, acknowledgement.last_zxid)
        elif acknowledgement.current_epoch is not None:
            self._acknowledge_epoch(handler.server)

    def _acknowledge_epoch(self, server: int) -> None:
        self._epoch_acknowledged[server] = None
        own = self.peer.node.node_id in self._epoch_acknowledged
        if self.phase == DISCOVERY and own and self.is_quorum(len(self._epoch_acknowledged)):
            self.phase = SYNCHRONISATION
            self._phase_began_us = self.peer.node.now_us
            self.peer.storage.enter_epoch(self.epoch, self._entered)
            for handler in list(self._handlers.values()):
                if handler.epoch_acknowledged is not None:
                    self._synchronise(handler, handler.epoch_acknowledged.last_zxid)

    # --- synchronisation ----------------------------------------------------------------------------------------------

    def _synchronise(self, handler: LearnerHandler, last_zxid: int) -> None:
        """Bring a learner to this history, and send it what comes from now on."""
        handler.reply.push(plan_synchronisation(self.peer.storage, self.peer.tree, last_zxid))
        for outstanding in self._outstanding.values():
            handler.reply.push(Proposal(outstanding.transaction))
        handler.forwarding = True
        handler.reply.push(NewLeader(zxid_of(self.epoch, 0)))

    def _entered(self) -> None:
        if self._active:
            self._epoch_entered = True
            self._maybe_activate()

    def _maybe_activate(self) -> None:
        """A quorum has acknowledged the new leader: its history is committed, and writes may begin."""
        acknowledged = sum(1 for handler in self._handlers.values() if handler.acknowledged)
        if self.phase != SYNCHRONISATION or not self._epoch_entered or not self.is_quorum(1 + acknowledged):
            return
        self.phase = BROADCAST
        peer = self.peer
        peer.tree.last_zxid = zxid_of(self.epoch, 0)
        self._preparation = peer.composer(Preparation)(peer.tree)
        sessions = self.sessions = peer.composer(SessionTracker)(
            peer.node, peer.config.tick_time_us, self._close_session)
        for session_id, timeout_us in peer.tree.sessions.items():
            sessions.track(session_id, timeout_us)
        peer.begin_serving(self, self.epoch)
        for handler in self._handlers.values():
            self._maybe_let_serve(handler)

    def _maybe_let_serve(self, handler: LearnerHandler) -> None:
        if self.phase == BROADCAST and handler.acknowledged and not handler.active:
            handler.active = True
            handler.reply.push(UpToDate())

    # --- broadcast ----------------------------------------------------------------------------------------------------

    def _propose(
        self, session_id: int, cxid: int, operation: Any, identities: tuple[Identity, ...], owner: int
    ) -> None:
        """Order a write, in its turn."""
        work_us = self.peer.config.write_work_us
        self._labour.spend(work_us, self._propose_now, session_id, cxid, operation, identities, owner)

    def _propose_now(
        self, session_id: int, cxid: int, operation: Any, identities: tuple[Identity, ...], owner: int
    ) -> None:
        """Check a write, log it here and at every learner."""
        if not self._active:
            return
        assert self.sessions is not None
        assert self._preparation is not None
        error = None
        if isinstance(operation, CreateSessionOp):
            self.sessions.track(session_id, operation.timeout_us)
            self.sessions.set_owner(session_id, owner)
        elif isinstance(operation, CloseSessionOp):
            self.sessions.set_closing(session_id)
        else:
            error = self.sessions.session_error(session_id, owner)
        self._counter += 1
        zxid = zxid_of(self.epoch, self._counter)
        body = self._preparation.prepare(zxid, session_id, operation, identities, error)
        proposed = transaction(zxid, session_id, cxid, body)
        self._outstanding[zxid] = _Outstanding(proposed)
        for handler in self._handlers.values():
            if handler.forwarding:
                handler.reply.push(Proposal(proposed))
        self.peer.storage.append((proposed,), self._acknowledge, zxid, self.peer.node.node_id)
        self.peer.node.at_point("zookeeper.proposed")

    def _acknowledge(self, zxid: int, server: int) -> None:
        outstanding = self._outstanding.get(zxid)
        if outstanding is None or not self._active:
            return
        outstanding.acknowledged[server] = None
        while self._outstanding:
            first = next(iter(self._outstanding.values()))
            if not self.may_commit(first):
                return
            self._commit(first)

    def _commit(self, outstanding: _Outstanding) -> None:
        zxid = outstanding.transaction.zxid
        del self._outstanding[zxid]
        for handler in self._handlers.values():
            if handler.forwarding:
                handler.reply.push(Commit(zxid))
        self.peer.apply(outstanding.transaction)
        assert self._preparation is not None
        self._preparation.applied(zxid)
        for handler, session_id, cxid in outstanding.syncs:
            handler.reply.push(SyncAnswer(session_id, cxid))
        self.peer.node.at_point("zookeeper.committed")

    def _close_session(self, session_id: int) -> None:
        """A session has expired: end it by a transaction."""
        self._propose(session_id, 0, CloseSessionOp(), (), OWN_CLIENTS)

    def write_once(self, session_id: int, operation: Operation) -> None:
        """All that a shell does that is started for one command: a session, the write, the session's end."""
        timeout_us = _SHELL_SESSION_TICKS * self.peer.config.tick_time_us
        for cxid, each in enumerate((CreateSessionOp(timeout_us), operation, CloseSessionOp())):
            self._propose(session_id, cxid, each, (), OWN_CLIENTS)

    def session_ended(self, session_id: int) -> None:
        """The end of a session is applied."""
        if self.sessions is not None:
            self.sessions.remove(session_id)

    # --- learners -----------------------------------------------------------------------------------------------------

    def on_learner_message(self, message: Any, reply: Reply) -> None:
        """Whatever a learner says after its first message."""
        handler = self._handlers.get(reply.connection)
        if handler is None:
            reply.connection.refuse()
            return
        handler.heard_us = self.peer.node.now_us
        if isinstance(message, Ack):
            self._on_ack(message.zxid, handler)
        elif isinstance(message, Forward):
            self._on_forward(message, handler)
        elif isinstance(message, PingReply):
            for session_id, timeout_us in message.touched:
                if self.sessions is not None:
                    self.sessions.touch(session_id, timeout_us)
        elif isinstance(message, Revalidate):
            valid = self._revalidate(message.session_id, message.timeout_us, handler.owner)
            reply.push(Revalidated(message.session_id, valid))
        elif isinstance(message, AckEpoch):
            self._on_ack_epoch(message, handler)

    def _on_ack(self, zxid: int, handler: LearnerHandler) -> None:
        if zxid == zxid_of(self.epoch, 0):
            handler.acknowledged = True
            self._maybe_activate()
            self._maybe_let_serve(handler)
        else:
            self._acknowledge(zxid, handler.server)

    def _on_forward(self, forward: Forward, handler: LearnerHandler) -> None:
        if not isinstance(forward.operation, SyncOp):
            self._propose(forward.session_id, forward.cxid, forward.operation, forward.identities, handler.owner)
        elif self._outstanding:
            last = self._outstanding[next(reversed(self._outstanding))]
            last.syncs.append((handler, forward.session_id, forward.cxid))
        else:
            handler.reply.push(SyncAnswer(forward.session_id, forward.cxid))

    def _revalidate(self, session_id: int, timeout_us: int, owner: int) -> bool:
        """Whether a session lives; if so it belongs to this owner from now on."""
        assert self.sessions is not None
        valid = self.sessions.touch(session_id, timeout_us)
        if valid:
            self.sessions.set_owner(session_id, owner)
        return valid

    def on_end(self, connection: Connection) -> None:
        """A learner's connection is gone."""
        self._handlers.pop(connection, None)

    def _let_go(self, connection: Connection) -> None:
        self._handlers.pop(connection).reply.hang_up()

    def _tick(self) -> None:
        """Every half tick: let silent learners go, ping the others, and on every second see whether to go on."""
        if not self._active:
            return
        self._ticks += 1
        config, now_us = self.peer.config, self.peer.node.now_us
        for connection, handler in list(self._handlers.items()):
            ticks = config.sync_limit_ticks if handler.active else config.init_limit_ticks
            if now_us - handler.heard_us > ticks * config.tick_time_us:
                self._let_go(connection)
            elif handler.forwarding:
                handler.reply.push(Ping())
        if self.phase != BROADCAST:
            if now_us - self._phase_began_us >= config.init_limit_ticks * config.tick_time_us:
                self.peer.look_for_leader()
                return
        elif self._ticks % 2 == 0 and self.must_step_down():
            self.peer.look_for_leader()
            return
        self.peer.node.schedule(config.tick_time_us // 2, self._tick)

    # --- for this server's own clients --------------------------------------------------------------------------------

    @property
    def answers_sync_itself(self) -> bool:
        """The leader believes itself up to date, rightly or not."""
        return True

    def submit(self, session_id: int, cxid: int, operation: Operation, identities: tuple[Identity, ...]) -> None:
        """Propose a write of a client of this server."""
        self._propose(session_id, cxid, operation, identities, OWN_CLIENTS)

    def revalidate(self, session_id: int, timeout_us: int) -> None:
        """Look at a session oneself."""
        valid = self._revalidate(session_id, timeout_us, OWN_CLIENTS)
        self.peer.service.on_revalidated(session_id, valid)

    def touch(self, session_id: int, timeout_us: int) -> None:
        """A session's client has been heard of here."""
        if self.sessions is not None:
            self.sessions.touch(session_id, timeout_us)

    def read_error(self, session_id: int) -> str | None:
        """The leader looks at the session of every read, too."""
        assert self.sessions is not None
        return self.sessions.session_error(session_id, OWN_CLIENTS)

    def describe(self) -> dict[str, Any]:
        """Its state as plain data."""
        learners = sorted(handler.server for handler in self._handlers.values() if handler.active)
        return {"phase": self.phase, "epoch": self.epoch, "learners": learners, "outstanding": len(self._outstanding)}
