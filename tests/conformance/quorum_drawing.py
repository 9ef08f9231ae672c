"""Sequences of steps for a voter, drawn by Hypothesis: it leads, and a majority has what it has written."""

from typing import Any

from hypothesis import strategies as st
from quorum_steps import ELECTED, AskVote, Begin, End, FetchLog, QuorumStep, Serve

#: Who is there; 4 is no voter.
_voters, _anybody = st.sampled_from((2, 3)), st.sampled_from((2, 2, 3, 3, 4, -1))
_relative = st.sampled_from((0, 0, 0, -1, 1))
_new = st.sampled_from((0, 0, 1, 1, 1, 2, -1))
_last_epochs = st.sampled_from((0, 0, 0, 0, -1, -2, 1, 2))
_ends = st.sampled_from((0, 0, 0, -1, -2, 1))
_right = st.sampled_from((True, True, True, True, False))
_successors = st.sampled_from(((1, 3), (1, 3), (1, 2, 3), (3, 1), (3,), ()))
_majorities = st.sampled_from(((2, 3), (2,), (3,)))


def _some(kind: Any, *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(*fields).map(lambda values: kind(*values))


def sequences(pre_vote: bool) -> st.SearchStrategy[tuple[QuorumStep, ...]]:
    """Sequences for a release that has PreVote, or one that has not."""
    votes = _some(AskVote, st.sampled_from((2, 2, 3, 4)), _new, _last_epochs, _ends, st.just(False),
                  st.sampled_from((0, 1, 2) if pre_vote else (0, 1)), _right)
    steps = [
        votes, votes, _some(Begin, _voters, _new, _right),
        _some(End, _voters, _relative, _successors, _majorities,
              st.sampled_from(((2, 3), (2,), ()) if pre_vote else ((),))),
        _some(FetchLog, _anybody, _relative, _ends, _last_epochs), _some(FetchLog, _voters), st.just(Serve()),
    ]
    if pre_vote:
        steps.append(_some(AskVote, st.sampled_from((2, 3, 4)), _new, _last_epochs, _ends, st.just(True), st.just(2),
                           _right))
    return st.lists(
        st.one_of(steps).map(lambda step: (step,)) | st.sampled_from((ELECTED[:2], ELECTED)), min_size=1, max_size=20,
    ).map(lambda chunks: tuple(step for chunk in chunks for step in chunk)[:24])
