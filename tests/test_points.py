"""The table of the model's named points: it has every point that the code passes, in the modes that run that code."""

import re
from pathlib import Path

import pytest

from fencepost import model
from fencepost.model.kernel.randomness import Stream
from fencepost.nemesis.points import PARTITION_POINTS, POINTS, QUORUM_POINTS, ZK_QUORUM_POINTS, points_of
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.storylines import STORYLINES
from fencepost.nemesis.zk_storylines import ZK_STORYLINES

_NAME = re.compile(r'"((?:raft|controller|broker|coordinator|zookeeper|consumer)\.[a-z]+(?:-[a-z]+)*)"')
#: The packages that one mode alone runs.
_MODE_OF = {"raft": "kraft", "controller": "kraft", "zookeeper": "zk", "zk_controller": "zk", "zk_client": "zk"}
#: A property of that form.
_NO_POINT = "broker.id"
SEEDS = range(60)


def passed() -> dict[str, set[str]]:
    """Every point that the model's code names, with the modes in which that code runs."""
    (top,) = map(Path, model.__path__)
    found: dict[str, set[str]] = {}
    for path in sorted(top.rglob("*.py")):
        mode = _MODE_OF.get(path.relative_to(top).parts[0])
        for name in _NAME.findall(path.read_text(encoding="utf-8")):
            if name != _NO_POINT:
                found.setdefault(name, set()).update((mode,) if mode else ("kraft", "zk"))
    return found


def test_the_table_has_every_point_of_the_model_in_its_modes_and_no_other() -> None:
    assert {name: set(point.modes) for name, point in POINTS.items()} == passed()


def test_no_call_names_its_point_in_a_way_that_the_table_is_not_compared_with() -> None:
    (top,) = map(Path, model.__path__)
    calls = [call for path in sorted(top.rglob("*.py"))
             for call in re.findall(r"\.at_point\((.*)\)\n", path.read_text(encoding="utf-8"))]
    others = [call for call in calls if not _NAME.search(call)]
    assert sorted(others) == ["COMMIT_ANSWERED", "point"]
    assert len(calls) > len(others)


@pytest.mark.parametrize(("mode", "other"), [("kraft", "zookeeper.proposed"), ("zk", "raft.appended")])
def test_what_is_drawn_may_be_waited_for_and_what_the_other_mode_alone_has_may_not(mode: str, other: str) -> None:
    names = points_of(mode)
    assert {*PARTITION_POINTS, *(ZK_QUORUM_POINTS if mode == "zk" else QUORUM_POINTS)} <= set(names)
    assert other in POINTS
    assert other not in names


@pytest.mark.parametrize(("mode", "quorum"), [("kraft", "controllers"), ("zk", "zookeepers")])
def test_storylines_wait_for_points_of_their_mode(mode: str, quorum: str) -> None:
    rhythm = Rhythm(2_000_000, 28_000_000, 200_000, 900_000, 3_000_000, 3_000_000, ("orders-0",), quorum)
    told = {
        fault.at_point.point for seed in SEEDS for story in (ZK_STORYLINES if mode == "zk" else STORYLINES)
        for fault in story(Stream(seed, "story"), rhythm, "orders-0", rhythm.begin_us) if fault.at_point is not None}
    assert told
    assert told <= {name for name in points_of(mode) if mode in POINTS[name].modes}
