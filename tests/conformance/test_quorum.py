"""The model's voter against Kafka's own: the same requests of other voters, the same votes, leaders, epochs and logs.

Node 1 is real, voters 2 and 3 are played by the test: they ask for votes, lead, resign, fetch and vote, so that the
real one is unattached, has voted, follows, asks for votes and leads as the steps will have it. No time-out runs out.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("kio", reason="kio is not installed, so nothing can be asked of a real Kafka")

import release_39
from model_quorum import PATIENT, ModelQuorum
from quorum_drawing import sequences
from quorum_steps import ELECTED, AskVote, Begin, End, FetchLog, QuorumStep
from real_quorum import RealQuorum, real_quorum
from sequences import drawn, jars_or_skip, newest_and_oldest

from fencepost.model.bugs.catalogue import all_bugs
from fencepost.model.protocol.raft import VoteRequest
from fencepost.model.raft.replica import RaftReplica


@pytest.fixture(scope="module", params=newest_and_oldest())
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def real(version: str) -> Iterator[RealQuorum]:
    jars_or_skip(version)
    with real_quorum(version) as quorum:
        yield quorum


def has_pre_vote(version: str) -> bool:
    """KIP-996 came with 4.0."""
    return version != release_39.VERSION


def model(version: str, patches: tuple[type, ...] = ()) -> ModelQuorum:
    return ModelQuorum(replace(PATIENT, raft_prevote=has_pre_vote(version)), patches)


def difference(real: RealQuorum, model: ModelQuorum, steps: tuple[QuorumStep, ...]) -> str | None:
    """The first step after which the two differ, in words."""
    real.start_afresh()
    for step in steps:
        ours, standing = model.ask(step), model.standing()
        theirs = real.ask(step)
        found = real.standing(standing)
        if (theirs, found) != (ours, standing):
            return f"{step}\n  Kafka     {theirs}\n            {found}\n  the model {ours}\n            {standing}"
    return None


@drawn(12)
@given(data=st.data())
def test_the_model_answers_as_kafka_does(real: RealQuorum, version: str, data: st.DataObject) -> None:
    found = difference(real, model(version), data.draw(sequences(has_pre_vote(version))))
    assert found is None, found


class VotesTwice(RaftReplica):
    """A vote is forgotten as soon as it is given."""

    def may_grant_vote(self, request: VoteRequest) -> bool:
        """To everybody whose log is long enough."""
        return self.is_up_to_date(request)


class VotesForTheBackward(RaftReplica):
    """A candidate's log may lack what is committed."""

    def is_up_to_date(self, request: VoteRequest) -> bool:
        """Always."""
        return True


#: A guard that is missing, and a sequence that shows it.
MISSING_GUARDS: dict[str, tuple[tuple[type, ...], tuple[QuorumStep, ...]]] = {
    "KAFKA-12619": (all_bugs()["KAFKA-12619"].patches, (*ELECTED[:2], FetchLog(2, offset=-1))),
    "KIP-996": (all_bugs()["KIP-996"].patches, (Begin(), End(pre_votes=()))),
    "one vote an epoch": ((VotesTwice,), (AskVote(2), AskVote(3, epoch=0))),
    "no vote for who lacks records": ((VotesForTheBackward,), (AskVote(2, end=-1),)),
}


@pytest.mark.parametrize("guard", MISSING_GUARDS)
def test_a_missing_guard_is_found(real: RealQuorum, version: str, guard: str) -> None:
    patches, steps = MISSING_GUARDS[guard]
    if guard == "KIP-996" and not has_pre_vote(version):
        pytest.skip("3.9 has no PreVote")
    assert difference(real, model(version), steps) is None
    clean, broken = model(version), model(version, patches)
    answers = [[(side.ask(step), side.standing()) for step in steps] for side in (clean, broken)]
    assert answers[0] != answers[1]


def test_another_clusters_voter_is_refused(real: RealQuorum) -> None:
    """The model has no cluster ids: no network of its connects two clusters."""
    real.start_afresh()
    before = real.standing()
    assert real.ask_of_other_cluster(AskVote()).error == "INCONSISTENT_CLUSTER_ID"
    assert real.standing() == before
