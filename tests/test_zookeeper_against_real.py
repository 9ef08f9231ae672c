"""The model of ZooKeeper beside real ZooKeeper: the same operations get the same answers, error for error.

Two sessions work below one root. Versions, the order and the count of transactions, the owners of ephemerals, sequence
numbers, what watches tell and in which order must be alike. Every operation comes after a sync, so that both are asked
about the same state.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from real_zookeeper import RealEnsemble, why_not

from fencepost.model.protocol.zookeeper import (
    ALL,
    CREATOR_ALL_ACL,
    OPEN_ACL,
    READ,
    READ_ACL,
    Acl,
    CheckOp,
    CreateOp,
    DeleteOp,
    SetDataOp,
)

_reason = why_not()
pytestmark = pytest.mark.skipif(_reason is not None, reason=_reason or "")

#: Below the root; `/s` may be closed to others, and `exists` of 3.8.0 would not mind.
OPEN_PATHS = ("/a", "/b", "/a/a", "/a/b", "/b/x")
PATHS = (*OPEN_PATHS, "/s", "/s/x")
ACLS = (
    OPEN_ACL, OPEN_ACL, CREATOR_ALL_ACL, READ_ACL, (Acl(ALL, "digest", "nohash"),),
    (Acl(ALL, "auth", ""), Acl(READ, "world", "anyone")),
)

paths = st.sampled_from(PATHS)
open_paths = st.sampled_from(OPEN_PATHS)
data = st.sampled_from(["", "x", "yy"])
versions = st.sampled_from([-1, -1, -1, 0, 0, 1, 2])
flags = st.booleans()


@st.composite
def creations(draw: st.DrawFn) -> CreateOp:
    path = draw(paths)
    acl = draw(st.sampled_from(ACLS)) if path.startswith("/s") else OPEN_ACL
    return CreateOp(path, draw(data), draw(flags), draw(st.sampled_from([False, False, True])), acl)


parts = st.one_of(
    creations(), creations(), st.builds(DeleteOp, paths, versions), st.builds(SetDataOp, paths, data, versions),
    st.builds(CheckOp, paths, versions))
steps = st.tuples(st.sampled_from([0, 1]), st.one_of(
    creations(), creations(), creations(),
    st.builds(DeleteOp, paths, versions),
    st.builds(SetDataOp, paths, data, versions),
    st.tuples(st.just("get_data"), paths, flags),
    st.tuples(st.just("exists"), open_paths, flags),
    st.tuples(st.just("get_children"), paths, flags),
    st.tuples(st.just("get_acl"), paths),
    st.tuples(st.just("set_acl"), st.sampled_from(["/s", "/s/x"]), st.sampled_from(ACLS), versions),
    st.lists(parts, min_size=1, max_size=4).map(tuple),
    st.sampled_from([(), ("end",)]),
))


def call(twin: Any, root: str, index: int, step: Any) -> Any:
    """Do a step with one of the twins."""
    if isinstance(step, CreateOp):
        return twin.do(
            index, "create", root + step.path, step.data, ephemeral=step.ephemeral, sequential=step.sequential,
            acl=step.acl)
    if isinstance(step, DeleteOp):
        return twin.do(index, "delete", root + step.path, step.version)
    if isinstance(step, SetDataOp):
        return twin.do(index, "set_data", root + step.path, step.data, step.version)
    if not step:
        return twin.do(index, "get_children", root, watch=True)
    if step == ("end",):
        return twin.end_session(index)
    if not isinstance(step[0], str):
        return twin.do(index, "multi", tuple(part._replace(path=root + part.path) for part in step))
    name, path, *rest = step
    if name in ("get_data", "exists", "get_children"):
        return twin.do(index, name, root + path, watch=rest[0])
    return twin.do(index, name, root + path, *rest)


def normal(outcome: Any, root: str) -> Any:
    """An outcome with paths below the root, and without what only one of the two gives."""
    if isinstance(outcome, str):
        return outcome.removeprefix(root)
    if isinstance(outcome, tuple):
        return tuple(normal(each, root) for each in outcome)
    return outcome


@pytest.fixture(scope="module")
def real():
    from zookeeper_twins import RealTwin

    with RealEnsemble(3) as ensemble:
        twin = RealTwin(ensemble.hosts)
        try:
            yield twin
        finally:
            twin.close()


@pytest.fixture(scope="module")
def roots():
    return (f"/t{number}" for number in range(1_000_000))


#: Something to work on: each is created at the start, or not.
BEGINNINGS = (
    (0, CreateOp("/a", "")), (1, CreateOp("/b", "", ephemeral=True)), (0, CreateOp("/a/a", "")),
    (0, CreateOp("/s", "", acl=CREATOR_ALL_ACL)), (1, CreateOp("/a/b", "", ephemeral=True)),
)
scripts = st.builds(
    lambda present, rest: [step for step, wanted in zip(BEGINNINGS, present, strict=True) if wanted] + rest,
    st.tuples(*[st.sampled_from([True, True, False])] * len(BEGINNINGS)), st.lists(steps, min_size=8, max_size=30))


#: What must always be tried: deleted and created again between a watch and its event; ephemerals whose session ends;
#: a failed multi; access control lists.
ALWAYS = (
    [(0, CreateOp("/a", "x")), (1, ("get_data", "/a", True)), (1, ("get_children", "/a", True)), (0, DeleteOp("/a")),
     (0, CreateOp("/a", "y")), (1, ("get_data", "/a", False))],
    [(0, CreateOp("/a", "")), (0, CreateOp("/a/a", "", ephemeral=True)), (0, CreateOp("/a/b", "", ephemeral=True)),
     (1, ("get_children", "/a", True)), (1, ("exists", "/a/a", True)), (0, ("end",)),
     (1, ("get_children", "/a", False))],
    [(0, CreateOp("/a", "")), (0, (CreateOp("/b", ""), SetDataOp("/a", "x"), CheckOp("/a", 7), DeleteOp("/b"))),
     (1, ("exists", "/b", True)), (0, (CreateOp("/b", ""), SetDataOp("/a", "x", 0), DeleteOp("/b"))),
     (1, ("get_data", "/a", False))],
    [(0, CreateOp("/s", "", acl=CREATOR_ALL_ACL)), (1, ("get_data", "/s", True)), (1, SetDataOp("/s", "x")),
     (1, CreateOp("/s/x", "")), (1, ("get_acl", "/s")), (0, ("set_acl", "/s", READ_ACL, 0)),
     (1, ("get_acl", "/s")), (1, ("get_data", "/s", True)), (0, ("set_acl", "/s", OPEN_ACL, 0)),
     (0, ("set_acl", "/s", OPEN_ACL, 1)), (0, ("set_acl", "/s", OPEN_ACL, -1))],
)


@example(ALWAYS[0])
@example(ALWAYS[1])
@example(ALWAYS[2])
@example(ALWAYS[3])
@settings(
    max_examples=80, deadline=None, derandomize=True, database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large])
@given(scripts)
def test_the_model_answers_as_zookeeper_does(real, roots, script):
    from zookeeper_twins import ModelTwin

    root = next(roots)
    model = ModelTwin(root)
    real.begin(root)
    for number, (index, step) in enumerate(script):
        expected = normal(call(real, root, index, step), root)
        found = normal(call(model, root, index, step), root)
        if not isinstance(step, CreateOp | DeleteOp | SetDataOp) and step and not isinstance(step[0], str):
            # A multi of kazoo creates without asking for the stat.
            found = tuple((error, path, None if path else stat) for error, path, stat in found)
        assert found == expected, f"step {number}: {step} of session {index}"
        expected_events = real.events()
        found_events = [[(kind, path.removeprefix(root)) for kind, path in told] for told in model.events()]
        if step == ("end",):  # the ephemerals of a session go in no given order
            expected_events, found_events = [[sorted(told) for told in each] for each in (
                expected_events, found_events)]
        assert found_events == expected_events, f"events of step {number}: {step} of session {index}"
    assert model.ensemble.violations() == []
