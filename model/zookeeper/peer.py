"""One server of the ensemble: it looks for a leader, then leads or follows, and again (QuorumPeer).

The tree lives through changes of role. A server without a leader applies everything it has logged, committed or not, so
that its vote says what its disk holds; a leader that lacks some of it has it cut off again.

A mend of our own: whatever a killed server finds in its log is synced before it votes with it. ZooKeeper takes what it
reads for durable, though only the page cache may hold it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fencepost.model.composition import Composer
from fencepost.model.config import ZooKeeperConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.protocol.zab import Ack, AckEpoch, FollowerInfo, Forward, PingReply, Revalidate, Vote
from fencepost.model.zookeeper.data_tree import DataTree
from fencepost.model.zookeeper.election import FastLeaderElection
from fencepost.model.zookeeper.leader import Leader
from fencepost.model.zookeeper.learner import Learner
from fencepost.model.zookeeper.service import ClientService
from fencepost.model.zookeeper.storage import Storage
from fencepost.model.zookeeper.transactions import CloseSessionTxn, CreateSessionTxn, Transaction

if TYPE_CHECKING:
    from fencepost.model.kernel.connection import Connection


class QuorumPeer:
    """The components of one running server, and its role.

    leader, learner: the role, or both None while it looks for a leader.
    """

    def __init__(self, node: Node, config: ZooKeeperConfig, ensemble: tuple[int, ...], composer: Composer) -> None:
        self.node = node
        self.config = config
        self.ensemble = ensemble
        self.composer = composer
        self.storage = composer(Storage)(node)
        self.tree: DataTree = self.storage.recover()
        self.service = composer(ClientService)(node, config, self.tree)
        self.election = composer(FastLeaderElection)(node, config, ensemble, self._elected)
        self.leader: Leader | None = None
        self.learner: Learner | None = None
        #: Told of every transaction that this server knows to be committed, in order, the first time or again.
        self.on_committed: Callable[[Node, Transaction], None] | None = None
        self._random = node.simulation.streams(f"zookeeper {node.node_id}")
        self._looks = 0
        self._applied = 0
        self._snapshot_after = self._draw_snapshot_distance()
        node.handlers[FollowerInfo] = self._on_follower_info
        for message_type in (AckEpoch, Ack, Forward, PingReply, Revalidate):
            node.handlers[message_type] = self._on_learner_message

    # --- roles --------------------------------------------------------------------------------------------------------

    def look_for_leader(self) -> None:
        """Give up the role, let the clients go, and vote once everything logged is durable."""
        for role in (self.leader, self.learner):
            if role is not None:
                role.stop()
        self.leader = self.learner = None
        self.service.stop()
        self._looks += 1
        self.storage.flush(self._vote, self._looks)

    def _vote(self, looks: int) -> None:
        if looks != self._looks:
            return
        self.storage.catch_up(self.tree)
        self._observe_state("looking", None)
        self.election.look(Vote(self.storage.current_epoch, self.tree.last_zxid, self.node.node_id))

    def _elected(self, leader_id: int) -> None:
        if leader_id == self.node.node_id:
            self.leader = self.composer(Leader)(self)
            self.leader.start()
        else:
            self.learner = self.composer(Learner)(self, leader_id)
            self.learner.start()

    def begin_serving(self, role: Leader | Learner, epoch: int) -> None:
        """The epoch is established: clients may come."""
        self.election.settle(epoch)
        self._observe_state("leading" if isinstance(role, Leader) else "following", self.election.vote.leader)
        if isinstance(role, Leader) and self.on_committed is not None:
            for each in self.storage.transactions():
                self.on_committed(self.node, each)
        self.service.serve(role, self.tree)
        self.node.at_point("zookeeper.leading" if isinstance(role, Leader) else "zookeeper.following")

    def _observe_state(self, state: str, leader: int | None) -> None:
        value = {"state": state, "leader": leader, "last_zxid": self.storage.last_zxid}
        self.node.observe(
            "zk-state", value=value, current_epoch=self.storage.current_epoch,
            accepted_epoch=self.storage.accepted_epoch)

    def fail(self, reason: str) -> None:
        """What cannot be has happened: ZooKeeper ends the process, and so does this."""
        self.node.observe("zk-fatal", value={"reason": reason}, current_epoch=self.storage.current_epoch)
        self.node.schedule(0, self.node.kill)

    def recover_tree(self) -> None:
        """The log was cut: make the tree what the disk holds."""
        self.tree = self.storage.recover()

    # --- messages -----------------------------------------------------------------------------------------------------

    def _on_follower_info(self, info: FollowerInfo, reply: Reply) -> None:
        if self.leader is None:
            reply.connection.refuse()
        else:
            self.leader.on_follower_info(info, reply)

    def _on_learner_message(self, message: Any, reply: Reply) -> None:
        if self.leader is None:
            reply.connection.refuse()
        else:
            self.leader.on_learner_message(message, reply)

    def on_stream_end(self, connection: "Connection") -> None:
        """A client's or a learner's connection is gone."""
        self.service.on_end(connection)
        if self.leader is not None:
            self.leader.on_end(connection)

    # --- transactions -------------------------------------------------------------------------------------------------

    def apply(self, transaction: Transaction) -> None:
        """Apply a committed transaction, tell watches and clients, and take a snapshot now and then."""
        applied = self.tree.apply(transaction)
        self.node.observe(
            "zk-apply", value={"zxid": transaction.zxid, "digest": self.tree.digest},
            current_epoch=self.storage.current_epoch)
        self._observe_session(transaction)
        if self.on_committed is not None:
            self.on_committed(self.node, transaction)
        self.service.on_applied(transaction, applied)
        self._applied += 1
        if self._applied >= self._snapshot_after:
            self._applied = 0
            self._snapshot_after = self._draw_snapshot_distance()
            self.storage.save(self.tree.snapshot())

    def _observe_session(self, transaction: Transaction) -> None:
        session_id, body = transaction.session_id, transaction.body
        if isinstance(body, CreateSessionTxn):
            value = {"session": session_id, "what": "created", "zxid": transaction.zxid, "timeout_us": body.timeout_us}
        elif isinstance(body, CloseSessionTxn):
            if self.leader is not None:
                self.leader.session_ended(session_id)
            value = {
                "session": session_id, "what": "closed", "zxid": transaction.zxid, "removed": list(body.paths),
                "left": list(self.tree.ephemerals(session_id))}
        else:
            return
        self.node.observe("zk-session", value=value)

    def _draw_snapshot_distance(self) -> int:
        """Between half of snapCount and all of it, so that not all servers take their snapshots at once; later
        where the tree is large, for the simulation pays for each copy."""
        half = max(1, self.config.snap_count // 2, self.tree.size // 10)
        return half + self._random.below(half)

    def describe(self) -> dict[str, Any]:
        """The server's state as plain data."""
        role = self.leader or self.learner
        return {
            "state": self.election.state, "current_epoch": self.storage.current_epoch,
            "accepted_epoch": self.storage.accepted_epoch, "last_zxid": self.storage.last_zxid,
            "clients": self.service.clients, "tree": self.tree.describe(),
            "role": None if role is None else role.describe(),
        }
