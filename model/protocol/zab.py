"""Messages between ZooKeeper servers: fast leader election, and Zab between a leader and its learners.

Election messages go one by one. A learner opens a stream to the leader and speaks first; the names are those of
org.apache.zookeeper.server.quorum.Leader's packet types.
"""

from dataclasses import dataclass
from typing import NamedTuple

from fencepost.model.protocol.zookeeper import Identity, Operation
from fencepost.model.zookeeper.data_tree import Snapshot
from fencepost.model.zookeeper.transactions import Transaction

ELECTION_CHANNEL = "zookeeper-election"
QUORUM_CHANNEL = "zookeeper-quorum"

# The states of a server as its peers know them.
LOOKING, FOLLOWING, LEADING = "looking", "following", "leading"

# How a learner is brought to the leader's history.
DIFF, TRUNC, SNAP = "DIFF", "TRUNC", "SNAP"


class Vote(NamedTuple):
    """Whom a server would have lead: by the epoch, the last zxid and the id of the candidate, in this order."""

    peer_epoch: int
    zxid: int
    leader: int


@dataclass(slots=True)
class Notification:
    """A server's vote in a round of its election clock, and its state."""

    sender: int
    vote: Vote
    round: int
    state: str


@dataclass(slots=True)
class FollowerInfo:
    """The first message of a learner."""

    server: int
    accepted_epoch: int


@dataclass(slots=True)
class LeaderInfo:
    """The epoch that the leader proposes."""

    epoch: int


@dataclass(slots=True)
class AckEpoch:
    """The learner has accepted the epoch. current_epoch None: it had before, so that this is no acknowledgement."""

    current_epoch: int | None
    last_zxid: int


@dataclass(slots=True)
class SyncBegin:
    """How the learner comes to the leader's committed history: cut the log after `zxid` (TRUNC) or take the snapshot
    (SNAP) first; then the transactions follow, all of them committed."""

    kind: str
    zxid: int
    snapshot: Snapshot | None
    transactions: tuple[Transaction, ...]


@dataclass(slots=True)
class NewLeader:
    """The learner has everything: once it is durable, it may acknowledge the leader."""

    zxid: int


@dataclass(slots=True)
class UpToDate:
    """A quorum has acknowledged the leader: serve clients."""


@dataclass(slots=True)
class Proposal:
    """A transaction to be logged and acknowledged."""

    transaction: Transaction


@dataclass(slots=True)
class Ack:
    """The transaction (or the new leader) is durable here."""

    zxid: int


@dataclass(slots=True)
class Commit:
    """A quorum has the transaction: apply it."""

    zxid: int


@dataclass(slots=True)
class Ping:
    """The leader lives."""


@dataclass(slots=True)
class PingReply:
    """The learner lives; the sessions that it has heard of since the last one, (id, time-out in microseconds)."""

    touched: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Forward:
    """A learner's client wants to write, or to sync."""

    session_id: int
    cxid: int
    operation: Operation
    identities: tuple[Identity, ...]


@dataclass(slots=True)
class SyncAnswer:
    """The learner has been sent everything that was committed when its client's sync arrived."""

    session_id: int
    cxid: int


@dataclass(slots=True)
class Revalidate:
    """A client wants to go on with its session at this learner."""

    session_id: int
    timeout_us: int


@dataclass(slots=True)
class Revalidated:
    """Whether the session lives."""

    session_id: int
    valid: bool
