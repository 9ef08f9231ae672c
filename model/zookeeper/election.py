"""Fast leader election: servers without a leader exchange votes until a quorum agrees (FastLeaderElection).

Each looks for a leader in rounds of an election clock that only lives in memory. A server that meets a better vote
makes it its own. Once a quorum has the same vote, the server waits a moment for a better one and then takes its role.
Servers that have a leader answer with their vote, so that one that comes late joins them if a quorum of them agree and
the leader itself says that it leads.
"""

from collections.abc import Callable

from fencepost.model.config import ZooKeeperConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.protocol.zab import ELECTION_CHANNEL, FOLLOWING, LEADING, LOOKING, Notification, Vote

#: What a server has said: its vote, its round, its state.
Heard = tuple[Vote, int, str]


class FastLeaderElection:
    """One server's part in elections. `elected(leader id)` is called once for each `look`.

    vote: this server's own, or that for the leader it has. state: looking, following or leading.
    """

    def __init__(
        self, node: Node, config: ZooKeeperConfig, ensemble: tuple[int, ...], elected: Callable[[int], None],
    ) -> None:
        self.state = LOOKING
        self.vote = Vote(0, 0, node.node_id)
        self._node = node
        self._config = config
        self._others = tuple(server for server in ensemble if server != node.node_id)
        self._majority = len(ensemble) // 2 + 1
        self._elected = elected
        self._round = 0
        self._initial = self.vote
        #: server -> what it said: of those in this round, and of those that have a leader
        self._heard: dict[int, Heard] = {}
        self._settled: dict[int, Heard] = {}
        self._interval_us = 0
        self._resend_timer: Timer | None = None
        self._final_timer: Timer | None = None
        node.handlers[Notification] = self.on_notification

    def look(self, vote: Vote) -> None:
        """Look for a leader in a new round, beginning with a vote for this server."""
        self.state = LOOKING
        self._round += 1
        self._initial = vote
        self._heard.clear()
        self._settled.clear()
        self._interval_us = self._config.min_notification_interval_us
        self._propose(vote)
        self._arm_resend()

    def settle(self, peer_epoch: int) -> None:
        """The leader of this server's vote is established in an epoch (QuorumPeer.updateElectionVote)."""
        self.vote = self.vote._replace(peer_epoch=peer_epoch)

    # --- guards -------------------------------------------------------------------------------------------------------

    def is_better_vote(self, vote: Vote, than: Vote) -> bool:
        """Whether a vote is for a more recent history: epoch, then last zxid, then server id."""
        return vote > than

    def is_quorum(self, servers: int) -> bool:
        """Whether so many servers are a majority of the ensemble."""
        return servers >= self._majority

    # --- telling ------------------------------------------------------------------------------------------------------

    def _propose(self, vote: Vote) -> None:
        """Make a vote this server's own and tell everybody."""
        self.vote = vote
        self._heard[self._node.node_id] = (vote, self._round, LOOKING)
        cancel(self._final_timer)
        self._final_timer = None
        for server in self._others:
            self._tell(server)
        self._count()

    def _tell(self, server: int) -> None:
        notification = Notification(self._node.node_id, self.vote, self._round, self.state)
        self._node.send(server, ELECTION_CHANNEL, notification)

    def _arm_resend(self) -> None:
        cancel(self._resend_timer)
        self._resend_timer = self._node.schedule(self._interval_us, self._resend)

    def _resend(self) -> None:
        if self.state != LOOKING:
            return
        for server in self._others:
            self._tell(server)
        self._interval_us = min(2 * self._interval_us, self._config.max_notification_interval_us)
        self._arm_resend()

    # --- hearing ------------------------------------------------------------------------------------------------------

    def on_notification(self, notification: Notification, reply: Reply) -> None:
        """Take another server's vote, or tell it of this server's leader."""
        if self.state != LOOKING:
            if notification.state == LOOKING:
                self._tell(notification.sender)
            return
        if notification.state == LOOKING:
            self._on_looking(notification)
        else:
            self._on_settled(notification)

    def _on_looking(self, notification: Notification) -> None:
        if notification.round < self._round:
            self._tell(notification.sender)
            return
        if notification.round > self._round:
            self._round = notification.round
            self._heard.clear()
            better = self.is_better_vote(notification.vote, self._initial)
            self._propose(notification.vote if better else self._initial)
        elif self.is_better_vote(notification.vote, self.vote):
            self._propose(notification.vote)
        if self.state == LOOKING:
            self._heard[notification.sender] = (notification.vote, notification.round, LOOKING)
            self._count()

    def _count(self) -> None:
        """Once a quorum has this server's vote, wait a moment for a better one."""
        votes = sum(1 for vote, _, _ in self._heard.values() if vote == self.vote)
        if self.is_quorum(votes) and self._final_timer is None:
            delay_us = self._config.min_notification_interval_us
            self._final_timer = self._node.schedule(delay_us, self._finish, self.vote)

    def _on_settled(self, notification: Notification) -> None:
        """Join a leader whom a quorum follows and who says itself that it leads (checkLeader)."""
        sender, vote, said_round = notification.sender, notification.vote, notification.round
        heard: Heard = (vote, said_round, notification.state)
        if said_round == self._round:
            self._heard[sender] = heard
            if self._agree(self._heard, vote) and self._leads(self._heard, vote, said_round):
                self._finish(vote)
                return
        self._settled[sender] = heard
        if self._agree(self._settled, vote) and self._leads(self._settled, vote, said_round):
            self._round = said_round
            self._finish(vote)

    def _agree(self, heard: dict[int, Heard], vote: Vote) -> bool:
        """Whether a quorum is settled on this leader and epoch."""
        settled = (vote.peer_epoch, vote.leader)
        agreeing = sum(
            1 for other, _, state in heard.values()
            if (other == vote if state == LOOKING else (other.peer_epoch, other.leader) == settled))
        return self.is_quorum(agreeing)

    def _leads(self, heard: dict[int, Heard], vote: Vote, said_round: int) -> bool:
        if vote.leader == self._node.node_id:
            return said_round == self._round
        said = heard.get(vote.leader)
        return said is not None and said[2] == LEADING

    def _finish(self, vote: Vote) -> None:
        if self.state != LOOKING:
            return
        cancel(self._final_timer)
        cancel(self._resend_timer)
        self._final_timer = None
        self.vote = vote
        self.state = LEADING if vote.leader == self._node.node_id else FOLLOWING
        self._elected(vote.leader)
