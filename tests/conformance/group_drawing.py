"""Sequences of steps about one group, drawn by Hypothesis so that there often is a generation."""

from typing import Any

from group_steps import NOBODY, OWN, STRANGER, Beat, Commit, FetchOffset, GroupStep, Join, Leave, Sync
from hypothesis import strategies as st
from steps import NONE

#: "a" alone in a stable generation; "b" joins it; two static members.
ALONE: tuple[GroupStep, ...] = (Join("a"), Sync("a"))
TWO: tuple[GroupStep, ...] = (*ALONE, Join("b"), Join("a", OWN), Sync("b"), Sync("a"))
STATIC: tuple[GroupStep, ...] = (
    Join("c", instance="i"), Join("d", instance="j"), Join("c", OWN, "i"), Sync("d", instance="j"),
    Sync("c", instance="i"))


def _some(kind: Any, *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(*fields).map(lambda values: kind(*values))


_members = st.sampled_from("aabbcd")
_identities = st.sampled_from((OWN, OWN, OWN, OWN, "a", "b", "c", NOBODY, STRANGER))
_generations = st.sampled_from((0, 0, 0, 0, -1, 1, NONE))
_instances = st.sampled_from((None, None, None, "i", "j", "k"))
_topics = st.sampled_from((("orders",), ("orders",), ("orders", "clicks")))

_steps = st.one_of(
    _some(Join, _members, st.just(NOBODY), _instances, _topics),
    _some(Join, _members, _identities, _instances, _topics),
    _some(Sync, _members, st.just(OWN)), _some(Sync, _members, _identities, _generations, _instances),
    _some(Beat, _members, st.just(OWN)), _some(Beat, _members, _identities, _generations, _instances),
    _some(Leave, _members, _identities, _instances),
    _some(Commit, _members, st.just(OWN), _generations),
    _some(Commit, _members, _identities, _generations, _instances, st.integers(0, 9),
          st.sampled_from(("orders", "orders", "orders", "nowhere"))),
    _some(FetchOffset, st.booleans()),
)

SEQUENCES = st.lists(
    _steps.map(lambda step: (step,)) | st.sampled_from((ALONE, TWO, STATIC)), min_size=1, max_size=20,
).map(lambda chunks: tuple(step for chunk in chunks for step in chunk)[:24])
