"""Elections: asking for votes and giving them (KIP-595, KIP-996).

A voter whose time-out runs out becomes Prospective and asks, in its epoch, who would vote for it; only with a majority
does it become Candidate, in the next epoch. A vote is durable before it is answered. A Resigned replica refuses votes
for the rest of its epoch and moves on to Unattached in the next.

With PreVote off (`fencepost.raft.prevote`), the time-out leads to Candidate at once, as in 3.9.
"""

from typing import Any

from fencepost.model import errors
from fencepost.model.kernel.connection import Reply
from fencepost.model.protocol.raft import EndQuorumEpochRequest, QuorumEpochResponse, VoteRequest, VoteResponse
from fencepost.model.raft.core import (
    CANDIDATE,
    CHANNEL,
    FOLLOWER,
    LEADER,
    PROSPECTIVE,
    RESIGNED,
    UNATTACHED,
    ElectionState,
    ReplicaCore,
    Role,
    Then,
)


class VoteCount:
    """The answers to one election's requests, the own vote included."""

    __slots__ = ("_majority", "_voters", "answers")

    def __init__(self, voters: tuple[int, ...], self_id: int) -> None:
        self._voters = voters
        self._majority = len(voters) // 2 + 1
        self.answers = {self_id: True}

    @property
    def granting(self) -> tuple[int, ...]:
        """Who voted with yes, ascending."""
        return tuple(voter for voter in self._voters if self.answers.get(voter, False))

    @property
    def is_won(self) -> bool:
        """A majority granted its vote."""
        return len(self.granting) >= self._majority

    @property
    def is_lost(self) -> bool:
        """So many refused that no majority is left."""
        refusals = sum(1 for granted in self.answers.values() if not granted)
        return len(self._voters) - refusals < self._majority


class ElectionRole(ReplicaCore):
    """Prospective, Candidate and Resigned, and the voter's side."""

    _votes: VoteCount
    _retries = 0
    _backing_off = False
    _candidate_due_us = 0
    _successors: tuple[int, ...] = ()

    def _become_leader(self) -> None:
        raise NotImplementedError

    # --- the state's time-out -------------------------------------------------------------------------------------

    def must_ask_for_pre_votes(self) -> bool:
        """Whether a replica must learn that it can win before it raises the epoch (KIP-996)."""
        return self.config.raft_prevote

    def _on_timer(self) -> None:
        if self._shutting_down:
            return
        if self.state == RESIGNED:
            self._become_unattached(self.epoch + 1, self._nothing)
        elif self.state == PROSPECTIVE:
            self._lose_pre_vote()
        elif self.state == CANDIDATE and not self._backing_off and not self.must_ask_for_pre_votes():
            self._back_off()
        elif self.state != LEADER:
            self._start_election()

    def _start_election(self) -> None:
        if self.must_ask_for_pre_votes():
            self._become_prospective()
        else:
            self._become_candidate()

    def _election_time_left_us(self) -> int | None:
        if self.state == CANDIDATE:
            return max(0, self._candidate_due_us - self.node.wall_us)
        return super()._election_time_left_us()

    # --- asking for votes -----------------------------------------------------------------------------------------

    def _become_prospective(self) -> None:
        retries = self._retries + 1 if self.state == CANDIDATE else 1
        role = Role(PROSPECTIVE, self.epoch, self.leader_id, self.voted_id)
        self._enter(role, self._ask_for_votes, (retries,))

    def _become_candidate(self) -> None:
        """Raise the epoch and vote for itself, durably."""
        retries = self._retries
        if self.state != PROSPECTIVE:
            retries = self._retries + 1 if self.state == CANDIDATE else 1
        role = Role(CANDIDATE, self.epoch + 1, None, self.node_id)
        self._enter_durably(role, self._became_candidate, retries)

    def _became_candidate(self, retries: int) -> None:
        self.node.observe("raft-vote-granted", value={"candidate": self.node_id}, leader_epoch=self.epoch)
        self.node.at_point("raft.became-candidate")
        self._ask_for_votes(retries)

    def _ask_for_votes(self, retries: int) -> None:
        """Ask every voter, as Prospective or Candidate."""
        self._retries = retries
        self._backing_off = False
        self._votes = VoteCount(self.voters, self.node_id)
        timeout_us = self._random_election_timeout_us()
        self._candidate_due_us = self.node.wall_us + timeout_us
        self._timer.reset(timeout_us)
        for voter in self.other_voters:
            self._ask_for_vote(voter, self._term)
        self._count_votes()

    def _ask_for_vote(self, voter: int, term: int) -> None:
        if term != self._term or voter in self._votes.answers:
            return
        pre_vote = self.state == PROSPECTIVE
        request = VoteRequest(self.epoch, self.node_id, voter, self.log.last_epoch, self.log.end_offset, pre_vote)
        timeout_us = self.config.controller_quorum_request_timeout_us
        self.node.request(voter, CHANNEL, request, timeout_us, self._on_vote_response, voter, term)

    def _on_vote_response(self, response: VoteResponse | None, voter: int, term: int) -> None:
        self.thread.run(self._take_vote_response, response, voter, term)

    def _take_vote_response(self, response: VoteResponse | None, voter: int, term: int) -> None:
        if response is None:
            self.thread.schedule(
                self.config.controller_quorum_retry_backoff_us, self._ask_for_vote, voter, term
            )
        else:
            self._take_response(
                response.error, response.leader_id, response.leader_epoch, self._note_vote, response, voter, term
            )

    def _note_vote(self, response: VoteResponse, voter: int, term: int) -> None:
        if term == self._term:
            self._votes.answers[voter] = response.vote_granted
            self._count_votes()

    def _count_votes(self) -> None:
        if self._votes.is_won:
            if self.state == PROSPECTIVE:
                self._become_candidate()
            else:
                self._become_leader()
        elif self._votes.is_lost:
            if self.state == PROSPECTIVE:
                self._lose_pre_vote()
            elif not self._backing_off:
                self._back_off()

    def _lose_pre_vote(self) -> None:
        """Go back to the leader, if it is known; the vote is kept."""
        if self.leader_id is not None:
            self._become_follower(self.epoch, self.leader_id, self._nothing)
        else:
            self._become_unattached(self.epoch, self._nothing)

    def _back_off(self) -> None:
        """Binary exponential back-off before the next election."""
        self._backing_off = True
        base_us = self.config.raft_election_backoff_base_us
        backoff_us = base_us * self._random.below(2 << min(20, max(0, self._retries - 1)))
        self._timer.reset(min(backoff_us, self.config.controller_quorum_election_backoff_max_us))

    # --- giving votes ---------------------------------------------------------------------------------------------

    def _handle_vote(self, request: VoteRequest, reply: Reply) -> None:
        self.thread.run(self._take_vote_request, request, reply)

    def _take_vote_request(self, request: VoteRequest, reply: Reply) -> None:
        error = self._vote_request_error(request)
        if error is not None:
            self._answer_vote(reply, error, False)
        elif request.candidate_epoch > self.epoch:
            self._become_unattached(request.candidate_epoch, self._decide_vote, request, reply)
        else:
            self._decide_vote(request, reply)

    def _vote_request_error(self, request: VoteRequest) -> str | None:
        if request.last_epoch > request.candidate_epoch:
            return errors.INVALID_REQUEST
        if request.last_epoch == request.candidate_epoch and not request.pre_vote:
            return errors.INVALID_REQUEST
        return errors.FENCED_LEADER_EPOCH if self.is_stale_epoch(request.candidate_epoch) else None

    def _decide_vote(self, request: VoteRequest, reply: Reply) -> None:
        if request.voter_id != self.node_id:
            self._answer_vote(reply, errors.INVALID_VOTER_KEY, False)
        elif request.pre_vote:
            self._answer_vote(reply, None, self.may_grant_pre_vote(request))
        elif not self.may_grant_vote(request):
            self._answer_vote(reply, None, False)
        elif self.voted_id is None:
            self._cast_vote(request, reply)
        else:
            self._answer_vote(reply, None, True)
            self._observe_vote(request.candidate_id)

    def is_up_to_date(self, request: VoteRequest) -> bool:
        """Whether the asker's log is at least as good as this one."""
        return (request.last_epoch, request.last_end_offset) >= (self.log.last_epoch, self.log.end_offset)

    def may_grant_pre_vote(self, request: VoteRequest) -> bool:
        """A leader, and a follower that has fetched from its leader, see no need for an election."""
        if self.state == LEADER or (self.state == FOLLOWER and self._has_fetched):
            return False
        return self.is_up_to_date(request)

    def may_grant_vote(self, request: VoteRequest) -> bool:
        """One vote an epoch, none where a leader is known, and none to a log that is behind."""
        if self.state not in (UNATTACHED, PROSPECTIVE):
            return False
        if self.voted_id is not None:
            return self.voted_id == request.candidate_id
        return self.leader_id is None and self.is_up_to_date(request)

    def must_sync_vote(self) -> bool:
        """Whether a vote must be durable before it is answered."""
        return True

    def _cast_vote(self, request: VoteRequest, reply: Reply) -> None:
        self._election_file.write(ElectionState(None, self.epoch, request.candidate_id))
        if self.must_sync_vote():
            self.thread.sync(self._election_file, self._voted, request.candidate_id, reply)
        else:
            self._voted(request.candidate_id, reply)

    def _voted(self, candidate_id: int, reply: Reply) -> None:
        role = Role(self.state, self.epoch, None, candidate_id)
        self._enter(role, self._answer_cast_vote, (candidate_id, reply))

    def _answer_cast_vote(self, candidate_id: int, reply: Reply) -> None:
        """A vote draws a fresh time-out; a Prospective begins to ask anew."""
        self._answer_vote(reply, None, True)
        self._observe_vote(candidate_id)
        self.node.at_point("raft.vote-granted")
        if self.state == PROSPECTIVE:
            self._ask_for_votes(self._retries)
        else:
            self._timer.reset(self._random_election_timeout_us())

    def _observe_vote(self, candidate_id: int) -> None:
        self.node.observe("raft-vote-granted", value={"candidate": candidate_id}, leader_epoch=self.epoch)

    def _answer_vote(self, reply: Reply, error: str | None, granted: bool) -> None:
        reply.send(VoteResponse(error, self.leader_id, self.epoch, granted))

    # --- resigning ------------------------------------------------------------------------------------------------

    def _become_resigned(self, successors: tuple[int, ...]) -> None:
        """Give the leadership up; listeners are not told before the next epoch."""
        self._enter(Role(RESIGNED, self.epoch, self.node_id, self.voted_id), self._became_resigned, (successors,))

    def _became_resigned(self, successors: tuple[int, ...]) -> None:
        self._timer.reset(self._random_election_timeout_us())
        self._successors = successors
        for voter in self.other_voters:
            self._send_end_quorum_epoch(voter, self._term)

    def _send_end_quorum_epoch(self, voter: int, term: int) -> None:
        if term == self._term:
            request = EndQuorumEpochRequest(self.node_id, self.epoch, self._successors)
            timeout_us = self.config.controller_quorum_request_timeout_us
            self.node.request(voter, CHANNEL, request, timeout_us, self._on_end_quorum_response, voter, term)

    def _on_end_quorum_response(self, response: QuorumEpochResponse | None, voter: int, term: int) -> None:
        if response is None:
            self.thread.schedule(
                self.config.controller_quorum_retry_backoff_us, self._send_end_quorum_epoch, voter, term
            )
        else:
            self._on_quorum_response(response)

    def _on_quorum_response(self, response: QuorumEpochResponse | None) -> None:
        if response is not None:
            self.thread.run(
                self._take_response, response.error, response.leader_id, response.leader_epoch, self._nothing
            )

    # --- being told of an epoch's begin and end -------------------------------------------------------------------

    def _take_quorum_request(self, leader_id: int, epoch: int, reply: Reply, then: Then, *args: Any) -> None:
        """What Begin- and EndQuorumEpoch have in common."""
        if self.is_stale_epoch(epoch):
            reply.send(QuorumEpochResponse(errors.FENCED_LEADER_EPOCH, self.leader_id, self.epoch))
        else:
            self._maybe_transition(leader_id, epoch, then, *args)

    def _begin_quorum_epoch(self, voter_id: int, reply: Reply) -> None:
        error = None if voter_id == self.node_id else errors.INVALID_VOTER_KEY
        reply.send(QuorumEpochResponse(error, self.leader_id, self.epoch))

    def _end_quorum_epoch(self, request: EndQuorumEpochRequest, reply: Reply) -> None:
        """The leader goes: the preferred successor stands for election at once, the others a little later."""
        if self.state == FOLLOWER and self.leader_id == request.leader_id and self.is_voter:
            self._timer.reset(self._successor_backoff_us(request.preferred_successors))
        reply.send(QuorumEpochResponse(None, self.leader_id, self.epoch))

    def _successor_backoff_us(self, successors: tuple[int, ...]) -> int:
        """0 for the first, doubling up to the maximum for the last; an empty list puts everybody first."""
        longest_us = self.config.controller_quorum_election_backoff_max_us
        if not successors:
            return 0
        if self.node_id not in successors:
            return longest_us
        position = successors.index(self.node_id)
        return 0 if position == 0 else min(longest_us, longest_us >> (len(successors) - 1) << position)
