"""What every role of a Raft replica shares: its durable election state, the transitions between states, the listeners.

States and transitions are those of QuorumState as of 4.0. A durable transition writes and syncs the quorum-state file
before it takes effect in memory; Prospective and Resigned live in memory only. Work goes on in continuations, because
the Raft thread does nothing else while it syncs.

Roles are classes over this one (`election`, `follower`, `leader`); `replica` puts them together. Each guard is a method
that returns a decision.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from fencepost.model import errors
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.raft.listener import RaftListener
from fencepost.model.raft.listeners import ListenerProgress
from fencepost.model.raft.metadata_log import MetadataLog
from fencepost.model.raft.thread import Deadline, RaftThread

LEADER = "leader"
FOLLOWER = "follower"
CANDIDATE = "candidate"
PROSPECTIVE = "prospective"
UNATTACHED = "unattached"
RESIGNED = "resigned"

CHANNEL = "raft"

Then = Callable[..., None]


class ElectionState(NamedTuple):
    """The content of the quorum-state file."""

    leader_id: int | None = None
    leader_epoch: int = 0
    voted_id: int | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """A state to enter."""

    state: str
    epoch: int
    leader_id: int | None
    voted_id: int | None


class ReplicaCore:
    """State and transitions.

    voters: the ids of the voters, ascending. Static: Kafka's voter sets can change since 3.9 (KIP-853), which is left
        out, for every rule of the quorum is stated over one voter set.
    state, epoch, leader_id, voted_id: as in memory. A resigned replica still names itself as the leader of its epoch.
    high_watermark: everything below is committed, as far as this process knows; None after a start.
    """

    def __init__(self, node: Node, config: KafkaConfig, voters: tuple[int, ...]) -> None:
        self.node = node
        self.config = config
        self.voters = tuple(sorted(voters))
        self.node_id = node.node_id
        self.is_voter = node.node_id in self.voters
        self.other_voters = tuple(voter for voter in self.voters if voter != node.node_id)
        self.thread = RaftThread(node, self._poll)
        self.log = MetadataLog(node.disk)
        self._election_file = node.disk.cell("quorum-state", ElectionState())
        self.state = UNATTACHED
        self.leader_id: int | None = None
        self.voted_id: int | None = None
        self.epoch: int = max(self._election_file.value.leader_epoch, self.log.last_epoch)
        self.high_watermark: int | None = None
        self._timer = Deadline(self.thread, self._on_timer)
        self._random = node.simulation.streams(f"raft {node.node_id}")
        self._listeners: list[ListenerProgress] = []
        self._shutting_down = False
        #: As a follower: whether a fetch from the leader has succeeded since this state was entered.
        self._has_fetched = False
        #: Counts the states entered: what was asked in an earlier one is stale.
        self._term = 0

    def register(self, listener: RaftListener) -> None:
        """Tell this listener, too, what is committed and who leads; to be called before `start`."""
        self._listeners.append(ListenerProgress(listener))

    # --- hooks of the roles ---------------------------------------------------------------------------------------

    def _poll(self) -> None:
        """Runs after each piece of work of the Raft thread."""
        raise NotImplementedError

    def _on_timer(self) -> None:
        """The state's time-out has run out."""
        raise NotImplementedError

    def _leave_leadership(self) -> None:
        """The replica no longer leads; the new state is in effect."""
        raise NotImplementedError

    def _restart_fetching(self) -> None:
        """The state changed: fetch anew, if this state fetches at all."""
        raise NotImplementedError

    # --- start-up -------------------------------------------------------------------------------------------------

    def initial_role(self) -> Role:
        """The state to start in (QuorumState.initialize); the leader is looked at before the vote."""
        election: ElectionState = self._election_file.value
        epoch = election.leader_epoch
        if epoch < self.log.last_epoch:
            return Role(UNATTACHED, self.log.last_epoch, None, None)
        if self.is_former_leader(election):
            return Role(RESIGNED, epoch, self.node_id, election.voted_id)
        if election.leader_id is not None and election.leader_id != self.node_id:
            return Role(FOLLOWER, epoch, election.leader_id, election.voted_id)
        if election.voted_id == self.node_id:
            return Role(CANDIDATE, epoch, None, self.node_id)
        return Role(UNATTACHED, epoch, None, election.voted_id)

    def is_former_leader(self, election: ElectionState) -> bool:
        """Whether this replica led the epoch before it stopped: it must neither lead nor vote in it again."""
        return election.leader_id == self.node_id

    # --- transitions ----------------------------------------------------------------------------------------------

    def _enter_durably(self, role: Role, then: Then, *args: Any) -> None:
        """Write and sync the quorum state, take the state on, then go on."""
        self._election_file.write(ElectionState(role.leader_id, role.epoch, role.voted_id))
        self.thread.sync(self._election_file, self._enter, role, then, args)

    def _enter(self, role: Role, then: Then, args: tuple[Any, ...]) -> None:
        """Take the state on in memory, then go on."""
        was_leader = self.state == LEADER
        self._term += 1
        self._has_fetched = False
        self.state = role.state
        self.epoch = role.epoch
        self.leader_id = role.leader_id
        self.voted_id = role.voted_id
        self._timer.clear()
        self._restart_fetching()
        self._observe_state()
        if was_leader:
            self._leave_leadership()
        if role.state not in (LEADER, RESIGNED):
            for progress in self._listeners:
                progress.tell_leader(role.leader_id, role.epoch)
        then(*args)

    def _become_unattached(self, epoch: int, then: Then, *args: Any) -> None:
        """Know no leader. On a higher epoch Unattached and Candidate keep what is left of their time-out."""
        time_left_us = self._election_time_left_us() if epoch > self.epoch else None
        voted_id = self.voted_id if epoch == self.epoch else None
        self._enter_durably(Role(UNATTACHED, epoch, None, voted_id), self._became_unattached, time_left_us, then, args)

    def _became_unattached(self, time_left_us: int | None, then: Then, args: tuple[Any, ...]) -> None:
        if self.is_voter:
            self._timer.reset(self._random_election_timeout_us() if time_left_us is None else time_left_us)
        then(*args)

    def _become_follower(self, epoch: int, leader_id: int, then: Then, *args: Any) -> None:
        """Follow a leader; it must be another replica (`is_consistent_leader`)."""
        voted_id = self.voted_id if epoch == self.epoch else None
        self._enter_durably(Role(FOLLOWER, epoch, leader_id, voted_id), self._became_follower, then, args)

    def _became_follower(self, then: Then, args: tuple[Any, ...]) -> None:
        if self.is_voter:
            self._timer.reset(self.config.controller_quorum_fetch_timeout_us)
        then(*args)

    def _election_time_left_us(self) -> int | None:
        """What is left of an election time-out that outlives a change of the epoch, or None."""
        return self._timer.remaining_us() if self.state == UNATTACHED else None

    def _random_election_timeout_us(self) -> int:
        timeout_us = self.config.controller_quorum_election_timeout_us
        return timeout_us + self._random.below(timeout_us)

    # --- what every message says of the leader and the epoch ------------------------------------------------------

    def is_stale_epoch(self, epoch: int) -> bool:
        """Whether a message comes from an epoch that is over."""
        return epoch < self.epoch

    def is_consistent_leader(self, epoch: int, leader_id: int | None) -> bool:
        """Whether a message's leader fits what this replica knows: nobody else can know that it leads."""
        if leader_id == self.node_id:
            return epoch == self.epoch and self.leader_id == self.node_id
        return epoch != self.epoch or leader_id is None or self.leader_id is None or leader_id == self.leader_id

    def _maybe_transition(self, leader_id: int | None, epoch: int, then: Then, *args: Any) -> None:
        """Take over a higher epoch, or the leader of this one if it was unknown; then go on."""
        if not self.is_consistent_leader(epoch, leader_id):
            self._fail(f"replica {leader_id} is named as the leader of epoch {epoch}, against {self.leader_id}")
        elif epoch > self.epoch and leader_id is None:
            self._become_unattached(epoch, then, *args)
        elif leader_id is not None and (epoch > self.epoch or self.leader_id is None):
            self._become_follower(epoch, leader_id, then, *args)
        else:
            then(*args)

    def _take_response(
        self, error: str | None, leader_id: int | None, epoch: int, then: Then, *args: Any
    ) -> None:
        """Handle what a response says of leader and epoch; go on with `then` if it says anything else of use."""
        if self.is_stale_epoch(epoch) or error == errors.UNKNOWN_LEADER_EPOCH:
            return
        if epoch > self.epoch or error in (errors.FENCED_LEADER_EPOCH, errors.NOT_LEADER_OR_FOLLOWER):
            self._maybe_transition(leader_id, epoch, self._nothing)
        elif leader_id is not None and self.leader_id is None:
            if error is None:
                self._maybe_transition(leader_id, epoch, then, *args)
            else:
                self._maybe_transition(leader_id, epoch, self._nothing)
        elif error is None:
            then(*args)

    def _nothing(self) -> None:
        """Nothing is left to do."""

    def _fail(self, reason: str) -> None:
        """What cannot be has happened: Kafka's fault handler ends the process, and so does this."""
        self.node.observe("raft-fatal", value={"reason": reason}, leader_epoch=self.epoch)
        self.thread.stop()
        self.node.schedule(0, self.node.kill)

    # --- what is committed ----------------------------------------------------------------------------------------

    def _set_high_watermark(self, high_watermark: int) -> None:
        """Everything below is committed: note it and serve the listeners."""
        self.high_watermark = high_watermark
        if self.is_voter:
            value = {
                "high_watermark": high_watermark, "state": self.state, "synced_end_offset": self.log.synced_end_offset
            }
            self.node.observe("raft-high-watermark", value=value, leader_epoch=self.epoch)
        max_records = self.config.raft_max_fetch_records
        for progress in self._listeners:
            progress.advance(self.log, high_watermark, max_records)

    # --- evidence -------------------------------------------------------------------------------------------------

    def _observe_state(self) -> None:
        value = {"state": self.state, "leader": self.leader_id, "voted": self.voted_id, "voter": self.is_voter}
        self.node.observe("raft-state", value=value, leader_epoch=self.epoch)

    def _observe_append(self, base_offset: int, entries: list[list[Any]]) -> None:
        if self.is_voter:
            value = {"base_offset": base_offset, "end_offset": self.log.end_offset, "entries": entries}
            self.node.observe("raft-append", value=value, leader_epoch=self.epoch)

    def _observe_truncation(self, old_end_offset: int) -> None:
        if self.is_voter:
            value = {
                "end_offset": self.log.end_offset, "old_end_offset": old_end_offset,
                "high_watermark": self.high_watermark,
            }
            self.node.observe("raft-truncate", value=value, leader_epoch=self.epoch)

    def _observe_log_start(self) -> None:
        earliest = self.log.snapshots.earliest_id
        value = {
            "log_start_offset": self.log.start_offset,
            "earliest_snapshot_end_offset": None if earliest is None else earliest.end_offset,
        }
        self.node.observe("raft-log-start", value=value)
