"""Strategies for faults and schedules.

A drawn fault shrinks to an earlier, shorter and milder one (a cut link is milder than a killed process, a moment in
time plainer than a point of the protocol), and a schedule to one of fewer faults.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

from hypothesis import strategies as st

from fencepost.harness.execution import rhythm_of
from fencepost.harness.property.defaults import BEGIN_US, DURATION, SHAPE, TOPICS, partition_names
from fencepost.harness.property.draws import HypothesisDraws
from fencepost.harness.spec import RunSpec, config_of
from fencepost.harness.timing import phases, physics
from fencepost.harness.words import read_duration
from fencepost.nemesis.drawing import in_order
from fencepost.nemesis.faults import Fault, Trigger, kinds_of, without_dangling
from fencepost.nemesis.fields import FIELDS
from fencepost.nemesis.kinds import KINDS
from fencepost.nemesis.points import PARTITION_POINTS, QUORUM_POINTS, ZK_QUORUM_POINTS
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.storylines import STORYLINES
from fencepost.nemesis.zk_storylines import ZK_STORYLINES

#: Times are drawn on these grids.
_AT_US, _DURATION_US = 10_000, 50_000
_OFFSETS_PARTITION = "__consumer_offsets-0"
#: Whom faults strike besides the replicas of a partition.
_ROLES = ("broker", "broker", "active-controller", "standby-controller", "client")
#: Of a point, which passing is meant.
_COUNTS = (1, 2, 3, 5, 8)
#: One of so many faults of a story is left out; shrinking leaves out what the failure does not need.
_KEPT = 15


def targets(mode: str = "kraft", topics: Sequence[str] = TOPICS) -> st.SearchStrategy[dict[str, Any]]:
    """Whom a fault strikes, by the role that it has at that moment."""
    partitions = (*partition_names(tuple(topics)), _OFFSETS_PARTITION)
    in_mode = ("zookeeper", "zookeeper-leader", "zookeeper-follower") if mode == "zk" else ("controller",)
    return st.sampled_from((
        *({"role": role, "partition": name} for role in ("leader", "leader", "follower") for name in partitions),
        *({"role": role} for role in (*_ROLES, *in_mode))))


def triggers(mode: str = "kraft", from_us: int = BEGIN_US) -> st.SearchStrategy[Trigger]:
    """A moment of the protocol: the n-th time that a named point of the model is passed from a time on."""
    return st.sampled_from([Trigger(point, count, from_us) for count in _COUNTS for point in _points(mode)])


def faults(
    mode: str = "kraft", duration: str = DURATION, topics: Sequence[str] = TOPICS, kinds: Sequence[str] | None = None
) -> st.SearchStrategy[Fault]:
    """One fault of the mode's vocabulary.

    duration: of the time in which faults may strike, such as "4s": that of the run.
    topics: those whose replicas may be aimed at.
    kinds: which kinds may be drawn; None: all.
    """
    duration_us = read_duration(duration)
    times = _grid(BEGIN_US, duration_us - _AT_US, _AT_US)
    return fault_at(times, mode, duration_us, topics, kinds)


@st.composite
def fault_at(
    draw: st.DrawFn, times: st.SearchStrategy[int], mode: str, duration_us: int, topics: Sequence[str],
    kinds: Sequence[str] | None,
) -> Fault:
    """One fault at one of these times, or at a moment of the protocol after it.

    Every fault takes the same few draws, for Hypothesis takes only short stretches of draws out of an example at once.
    """
    kind, fields, point = draw(st.sampled_from(_variants(mode, tuple(kinds or kinds_of(mode)), _points(mode))))
    at_us, target = draw(times), draw(targets(mode, topics))
    length_us = draw(_grid(_DURATION_US, max(_DURATION_US, duration_us // 2), _DURATION_US))
    if KINDS[kind].has_target:
        fields = {"target": target, **fields}
    if point is None:
        return Fault(kind, length_us, at_us, **fields)
    return Fault(kind, length_us, None, Trigger(point[0], point[1], at_us), **fields)


def later(fault: Fault, by_us: int) -> Fault:
    """The same fault, so much later."""
    if fault.at_point is not None:
        return replace(fault, at_point=replace(fault.at_point, from_us=fault.at_point.from_us + by_us))
    return replace(fault, at_us=fault.begin_us + by_us)


@cache
def _variants(
    mode: str, kinds: tuple[str, ...], points: tuple[str, ...]
) -> list[tuple[str, dict[str, Any], tuple[str, int] | None]]:
    """Every kind with what it needs besides a target; then the same at the points, one in four at the node itself."""
    fields = {kind: _own_fields(kind, mode) for kind in KINDS if KINDS[kind].needs}
    longest = max(len(variants) for variants in fields.values())
    # Every kind has equally many, and three faults in four have no point.
    plain = [
        (kind, variants[place % len(variants)], None) for place in range(longest) for kind in kinds
        for variants in [fields.get(kind, [{}])]]
    at_points = [
        (kind, {"target": {"role": "here"}} if place % 4 == 0 and KINDS[kind].has_target else {}, point)
        for kind in kinds if kind not in fields
        for place, point in enumerate((name, count) for count in _COUNTS for name in points)]
    often = 1 + 3 * len(at_points) // len(plain)
    return [*(variant for _ in range(often) for variant in plain), *at_points]


def _own_fields(kind: str, mode: str) -> list[dict[str, Any]]:
    """Every combination of examples of the fields that a kind needs, the mildest first."""
    quorum = "zookeepers" if mode == "zk" else "controllers"
    needs = KINDS[kind].needs
    values = [[quorum if value == "controllers" else value for value in FIELDS[name].examples] for name in needs]
    return [dict(zip(needs, reversed(chosen), strict=True)) for chosen in product(*reversed(values))]


def _points(mode: str) -> tuple[str, ...]:
    return (*PARTITION_POINTS, *(ZK_QUORUM_POINTS if mode == "zk" else QUORUM_POINTS))


@st.composite
def stories(
    draw: st.DrawFn, mode: str = "kraft", duration: str = DURATION, topics: Sequence[str] = TOPICS
) -> list[Fault]:
    """A few faults that follow each other as the nemesis' storylines tell it."""
    duration_us = read_duration(duration)
    partition = draw(st.sampled_from([*partition_names(tuple(topics)), _OFFSETS_PARTITION]))
    story = draw(st.sampled_from(ZK_STORYLINES if mode == "zk" else STORYLINES))
    at_us = draw(_grid(BEGIN_US, max(BEGIN_US, duration_us // 2), _AT_US))
    told = story(HypothesisDraws(draw), _rhythm(mode, duration_us), partition, at_us)
    return without_dangling(fault for fault in told if draw(st.integers(0, _KEPT)))


@st.composite
def schedules(
    draw: st.DrawFn, mode: str = "kraft", duration: str = DURATION, topics: Sequence[str] = TOPICS,
    kinds: Sequence[str] | None = None, max_size: int = 6,
) -> list[Fault]:
    """Schedules: up to `max_size` single faults and stories of faults together, in the order of their times.

    See `faults` for the other arguments; with `kinds` no stories are told, for they choose their own.
    """
    single = faults(mode, duration, topics, kinds).map(_alone)
    parts = draw(st.lists(single if kinds else single | stories(mode, duration, topics), max_size=max_size))
    return in_order(without_dangling(fault for part in parts for fault in part))


def _alone(fault: Fault) -> list[Fault]:
    return [fault]


def _grid(low: int, high: int, step: int) -> st.SearchStrategy[int]:
    return st.integers(0, max(0, high - low) // step).map(lambda steps: low + steps * step)


def _rhythm(mode: str, duration_us: int) -> Rhythm:
    spec = RunSpec(seed=0, mode=mode, shape=SHAPE, duration_us=duration_us)
    config = config_of(spec)
    return rhythm_of(spec, config, phases(mode, duration_us, config, physics(spec.profile)))
