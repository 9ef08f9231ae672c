"""What is asked of node 1, a voter of __cluster_metadata, by voters 2 and 3 and others: in terms that mean the same to
the model and to a real one.

Epochs are told relative to the node's current epoch, last epochs relative to its log's last one, offsets relative to
its log's end. Only one other voter claims to lead an epoch: a step that would have it otherwise names the next epoch
(`leader_and_epoch`), because a message of a second leader, or one that names a voter as the leader that it is not, ends
a process, Kafka's and the model's.
"""

from typing import NamedTuple

NODE = 1


class AskVote(NamedTuple):
    """Vote. version: of the request; 0 names no receiver, 2 has PreVote. to_right_voter: node 1 is the one named."""

    candidate: int = 2
    epoch: int = 1
    last_epoch: int = 0
    end: int = 0
    pre_vote: bool = False
    version: int = 1
    to_right_voter: bool = True


class Begin(NamedTuple):
    """BeginQuorumEpoch by `leader`."""

    leader: int = 2
    epoch: int = 1
    to_right_voter: bool = True


class End(NamedTuple):
    """EndQuorumEpoch by `leader`, with its preferred successors: who is the first stands for election at once.

    votes: the voters that will vote for node 1; pre_votes: those that would. The first to say so in an epoch counts,
        because a real voter may still be asking when the next step is done.
    """

    leader: int = 2
    epoch: int = 0
    successors: tuple[int, ...] = (1, 3)
    votes: tuple[int, ...] = (2, 3)
    pre_votes: tuple[int, ...] = (2, 3)


class FetchLog(NamedTuple):
    """Fetch of the metadata log by a voter or an observer (-1: one without an id)."""

    replica: int = 2
    epoch: int = 0
    offset: int = 0
    last_epoch: int = 0


class Serve(NamedTuple):
    """The leader answers the fetch of node 1 that waits there: there is nothing new. Nothing happens if none waits."""


QuorumStep = AskVote | Begin | End | FetchLog | Serve


class Promises:
    """The votes that a voter will give to node 1: by the epoch in which it was made to stand."""

    def __init__(self) -> None:
        self._by_epoch: dict[int, tuple[bool, bool]] = {}

    def make(self, number: int, step: End, epoch: int) -> None:
        """Voter `number` will keep to what the step says, unless it has promised something else."""
        self._by_epoch.setdefault(epoch, (number in step.votes, number in step.pre_votes))

    def is_kept_by_granting(self, candidate_epoch: int, pre_vote: bool) -> bool:
        """Whether the voter grants its vote; who has promised nothing does."""
        votes, pre_votes = self._by_epoch.get(candidate_epoch - (not pre_vote), (True, True))
        return pre_votes if pre_vote else votes


class QuorumStanding(NamedTuple):
    """How node 1 sees the quorum. end and high_watermark: while it leads; relative to those after the preparation."""

    leader: int
    epoch: int
    end: int | None = None
    high_watermark: int | None = None


class QuorumAnswer(NamedTuple):
    """The answer to a step, if it has one. error: Kafka's name, or None."""

    error: str | None = None
    facts: tuple[tuple[str, object], ...] = ()


class LogView(NamedTuple):
    """What a side knows of node 1 while it asks: all as they are."""

    leader: int
    epoch: int
    last_epoch: int
    end: int


#: Node 1 leads twice, and what it wrote as the leader is committed: its log has two epochs, and none between them.
ELECTED: tuple[QuorumStep, ...] = (Begin(2, 1), End(2), FetchLog(2), FetchLog(3))
PREPARATION: tuple[QuorumStep, ...] = (*ELECTED, *ELECTED)


def leader_and_epoch(step: Begin | End, view: LogView) -> tuple[int, int]:
    """Who says so, and of which epoch: of the current one only its leader does, if it is another voter."""
    epoch = view.epoch + step.epoch
    if step.epoch == 0 and view.leader in (2, 3):
        return view.leader, epoch
    return step.leader, epoch + (step.epoch == 0 and view.leader == NODE)
