"""The model's voter behind the steps: node 1 is a replica and nothing else, voters 2 and 3 are played by the test."""

from typing import Any

from model_broker import CLIENT, HOUR, REST_US
from quorum_steps import (
    NODE,
    PREPARATION,
    AskVote,
    Begin,
    End,
    FetchLog,
    LogView,
    Promises,
    QuorumAnswer,
    QuorumStanding,
    QuorumStep,
    Serve,
    leader_and_epoch,
)

from fencepost.histories.recorder import Recorder
from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics, Simulation
from fencepost.model.protocol import raft
from fencepost.model.raft.replica import RaftReplica

VOTERS = (NODE, 2, 3)
#: Nothing happens by the passing of time.
PATIENT = KafkaConfig(
    controller_quorum_election_timeout_us=HOUR, controller_quorum_fetch_timeout_us=HOUR,
    controller_quorum_election_backoff_max_us=HOUR, controller_quorum_request_timeout_us=HOUR,
    controller_quorum_append_linger_us=0)


class Voter(Node):
    """Node 1."""

    raft: RaftReplica
    config = PATIENT
    composer = Composer()

    def on_start(self) -> None:
        """Start the replica."""
        self.raft = self.composer(RaftReplica)(self, self.config, VOTERS)
        self.raft.start()


class Peer(Node):
    """Voter 2 or 3: gives the votes that it is told to give, and keeps the last fetch."""

    def on_start(self) -> None:
        """Answer what a voter asks."""
        self.promises = Promises()
        self.fetch: tuple[raft.RaftFetchRequest, Reply] | None = None
        self.handlers[raft.VoteRequest] = self._vote
        self.handlers[raft.BeginQuorumEpochRequest] = self._begin
        self.handlers[raft.RaftFetchRequest] = self._keep_fetch

    def _vote(self, request: raft.VoteRequest, reply: Reply) -> None:
        granted = self.promises.is_kept_by_granting(request.candidate_epoch, request.pre_vote)
        reply.send(raft.VoteResponse(None, None, request.candidate_epoch, granted))

    def _begin(self, request: raft.BeginQuorumEpochRequest, reply: Reply) -> None:
        reply.send(raft.QuorumEpochResponse(None, request.leader_id, request.leader_epoch))

    def _keep_fetch(self, request: raft.RaftFetchRequest, reply: Reply) -> None:
        self.fetch = request, reply


class ModelQuorum:
    """Does the steps."""

    def __init__(self, config: KafkaConfig = PATIENT, patches: tuple[type, ...] = ()) -> None:
        self._simulation = Simulation(1, Physics(), Recorder())
        network = Network(self._simulation)
        self._voter = Voter(NODE, "voter", self._simulation, network)
        self._voter.config, self._voter.composer = config, Composer(patches)
        self._peers = {number: Peer(number, f"voter {number}", self._simulation, network) for number in VOTERS[1:]}
        self._hand = Peer(CLIENT, "hand", self._simulation, network)
        for node in (self._voter, *self._peers.values(), self._hand):
            node.start()
        self._steps = 0
        self._base = QuorumStanding(-1, 0, 0, 0)
        for step in PREPARATION:
            self.ask(step)
        self._base = self.standing()

    def ask(self, step: QuorumStep) -> QuorumAnswer:
        """Do a step."""
        replica = self._voter.raft
        view = LogView(_id(replica.leader_id), replica.epoch, replica.log.last_epoch, replica.log.end_offset)
        answer: QuorumAnswer = getattr(self, f"_{type(step).__name__.lower()}")(step, view)
        return answer

    def standing(self) -> QuorumStanding:
        """See `QuorumStanding`."""
        replica = self._voter.raft
        leader, epoch = _id(replica.leader_id), replica.epoch - self._base.epoch
        if not replica.is_leader:
            return QuorumStanding(leader, epoch)
        end, high_watermark = self._base.end or 0, replica._leader.high_watermark
        return QuorumStanding(
            leader, epoch, replica.log.end_offset - end, None if high_watermark is None else high_watermark - end)

    def _send(self, request: Any) -> Any:
        answers: list[Any] = []
        self._steps += 1
        self._hand.request(NODE, f"step {self._steps}", request, HOUR, answers.append)
        self._rest()
        assert answers[0] is not None
        return answers[0]

    def _rest(self) -> None:
        scheduler = self._simulation.scheduler
        scheduler.run_until(scheduler.now_us + REST_US)

    def _relative(self, response: Any, *facts: tuple[str, object]) -> QuorumAnswer:
        if response.error:
            return QuorumAnswer(response.error)
        epoch = response.leader_epoch - self._base.epoch
        return QuorumAnswer(None, (("leader", _id(response.leader_id)), ("epoch", epoch), *facts))

    # --- steps ------------------------------------------------------------------------------------------------------

    def _askvote(self, step: AskVote, view: LogView) -> QuorumAnswer:
        receiver = NODE if step.to_right_voter or step.version == 0 else 3
        response = self._send(raft.VoteRequest(
            view.epoch + step.epoch, step.candidate, receiver, view.last_epoch + step.last_epoch, view.end + step.end,
            step.pre_vote))
        return self._relative(response, ("granted", response.vote_granted))

    def _begin(self, step: Begin, view: LogView) -> QuorumAnswer:
        leader, epoch = leader_and_epoch(step, view)
        receiver = NODE if step.to_right_voter else 3
        return self._relative(self._send(raft.BeginQuorumEpochRequest(leader, epoch, receiver)))

    def _end(self, step: End, view: LogView) -> QuorumAnswer:
        leader, epoch = leader_and_epoch(step, view)
        for number, peer in self._peers.items():
            peer.promises.make(number, step, epoch)
        return self._relative(self._send(raft.EndQuorumEpochRequest(leader, epoch, step.successors)))

    def _fetchlog(self, step: FetchLog, view: LogView) -> QuorumAnswer:
        base = self._base
        response = self._send(raft.RaftFetchRequest(
            step.replica, view.epoch + step.epoch, view.end + step.offset, view.last_epoch + step.last_epoch, 0))
        if response.error:
            return self._relative(response)
        end, diverging, high_watermark = base.end or 0, response.diverging, response.high_watermark
        return self._relative(
            response, ("high watermark", None if high_watermark is None else high_watermark - end),
            ("diverging", None if diverging is None else (diverging[0] - base.epoch, diverging[1] - end)),
            ("batches", tuple((batch.base_offset - end, batch.epoch - base.epoch) for batch in response.batches)))

    def _serve(self, _: Serve, view: LogView) -> QuorumAnswer:
        peer = self._peers.get(view.leader)
        if peer is not None and peer.fetch is not None and peer.fetch[0].current_leader_epoch == view.epoch:
            reply, peer.fetch = peer.fetch[1], None
            reply.send(raft.RaftFetchResponse(None, view.leader, view.epoch, self._voter.raft.high_watermark))
            self._rest()
        return QuorumAnswer()


def _id(leader_id: int | None) -> int:
    return -1 if leader_id is None else leader_id
