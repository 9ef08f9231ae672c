"""Schedules that a cluster could not have, or that nobody can mean, are refused in one line; all others are not."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Command, in_process

from fencepost.harness.execution import complete, rhythm_of
from fencepost.harness.schedule_file import is_spec, read_schedule
from fencepost.harness.spec import RunSpec, check_faults, check_spec, config_of
from fencepost.harness.timing import phases, physics
from fencepost.histories.errors import InputError
from fencepost.model.kernel.randomness import Stream
from fencepost.model.shape import Shape
from fencepost.nemesis.faults import fault_from_data, without_dangling
from fencepost.nemesis.mutation import mutated

_KILL = {"kind": "kill", "at": "3s", "duration": "1s", "target": "broker"}
_AT_POINT = {"kind": "kill", "duration": "1s", "target": "here", "at_point": {"point": "broker.appended"}}
_CONFIG = {"kind": "alter-config", "at": "3s", "duration": "1s", "topic": "orders"}
SEEDS = range(25)


def kill(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**_KILL, **changes}.items() if value is not None}


def check(schedule: Any, mode: str = "kraft", hand_written: bool = True, shape: Shape | None = None) -> None:
    faults = read_schedule(schedule, "faults.json")
    check_faults(faults, "faults.json")
    check_spec(RunSpec(0, mode, shape=shape or Shape(), faults=faults), "faults.json", hand_written)


#: (mode, schedule, what the line says)
IMPOSSIBLE = [
    ("kraft", [kill(target="node 99")], "fault 0: target: there is no node 99; there are brokers 1 to 3, controllers "),
    ("kraft", [kill(target={"role": "node", "id": -1})], "fault 0: target: there is no node -1"),
    ("kraft", [kill(target="node 4")], "fault 0: target: there is no node 4"),
    ("zk", [kill(target="node 101")], "fault 0: target: there is no node 101; .* zookeepers 201 to 203"),
    ("kraft", [kill(kind="link", target="node 1", other="node 9")], "fault 0: other: there is no node 9"),
    ("kraft", [kill(kind=["kill"])], r"fault 0: unknown kind \['kill'\]"),
    ("kraft", [kill(kind="expire-session")], "fault 0: kind is expire-session, .* ZooKeeper mode only"),
    ("zk", [kill(kind="unregister-broker")], "fault 0: kind is unregister-broker, .* KRaft mode only"),
    ("kraft", [kill(target="zookeeper")], "fault 0: target: the role zookeeper is there in ZooKeeper mode only"),
    ("kraft", [kill(kind="cut-roles", others="zookeepers")], "fault 0: others is zookeepers, .* ZooKeeper mode only"),
    ("kraft", [{**_AT_POINT, "at_point": {"point": "broker.nosuch"}}], "fault 0: at_point: point 'broker.nosuch' is "),
    ("kraft", [{**_AT_POINT, "at_point": {"point": "zookeeper.proposed"}}], "is never passed in KRaft mode; known are"),
    ("zk", [{**_AT_POINT, "at_point": {"point": "raft.appended"}}], "is never passed in ZooKeeper mode; known are"),
    ("kraft", [kill(target="here")], "fault 0: target: here is .* allowed only with at_point"),
    ("kraft", [kill(kind="link", target="node 1", other="node 1")], "fault 0: other is the target itself"),
    ("kraft", [kill(target="leader orders")], "fault 0: target: partition is a topic-partition"),
    ("kraft", [kill(target="coordinator orders-0")], "fault 0: target: .* needs a partition of __consumer_offsets"),
    ("kraft", [{**_CONFIG, "setting": "nosuch=3"}], "fault 0: setting: nosuch=3: Kafka knows no topic property"),
    ("kraft", [{**_CONFIG, "setting": "min.insync.replicas=abc"}], "setting: min.insync.replicas=abc: allowed"),
    ("kraft", [{"kind": "create-topic", "at": "3s", "duration": "1s", "topic": "a b/c"}], "is the name of a topic"),
    ("kraft", [kill(name="")], "fault 0: name is a text that is not empty"),
    ("kraft", [kill(duration="5")], "fault 0: duration: '5' has no unit; allowed is .* such as 5s or "),
    ("kraft", None, "a schedule is a list of faults, not null"),
]

#: The same, of what is asked of those who write a schedule only.
POINTLESS = [
    ("kraft", [kill(target="leader nosuch-0")], "fault 0: target: partition is 'nosuch-0', which there is not; there "),
    ("kraft", [kill(target="follower orders-99")], "partition is 'orders-99', .* there are orders-0 to orders-1"),
    ("kraft", [{"kind": "delete-topic", "at": "3s", "duration": "0s", "topic": "nix"}], "fault 0: topic is 'nix'"),
    ("kraft", [kill(kind="corrupted-record", file="nix-0")], "fault 0: file is 'nix-0', .*, or __cluster_metadata-0"),
    ("zk", [kill(kind="corrupted-record", file="__cluster_metadata-0")], "file is .*, or zookeeper-log"),
    ("kraft", [kill(kind="wiped-disk", target="client")], "fault 0: target: clients keep nothing on a disk"),
    ("kraft", [kill(kind="slow-fsync", delay="5ms", target="node 1001")], "target: clients keep nothing on a disk"),
    ("kraft", [kill(kind="remove-broker", target="controller")], "a remove-broker strikes brokers, not controllers"),
    ("kraft", [kill(kind="remove-broker", target="node 101")], "a remove-broker strikes brokers, not controllers"),
    ("zk", [kill(kind="slow-controller", delay="5ms", target="zookeeper")], "strikes brokers, not zookeepers"),
    ("kraft", [kill(target="client", remains=True, duration=None)], "only servers can be left outside"),
    ("kraft", [kill(target="previous")], "fault 0: target: previous is .* no fault with a target comes before"),
    ("kraft", [kill(kind="halves", target=None), kill(at="4s", target="previous")], "fault 1: target: previous is"),
    ("kraft", [kill(target="struck a", name="a")], "fault 0: target: struck is 'a', but that is the fault itself"),
    ("kraft", [kill(target="struck a"), kill(name="a", at="5s")], "fault 0: .* fault 1 of that name strikes later"),
    ("kraft", [kill(kind="halves", target=None, name="a"), kill(target="struck a")], "a halves, has no target"),
    ("kraft", [{**_AT_POINT, "name": "a", "at_point": {"point": "broker.appended", "by": "a"}}], "by is 'a', but that"),
    ("kraft", [kill(at="31s")], "fault 0: at_us: it would begin at 31 s, but everything heals at 30 s"),
    ("kraft", [{**_AT_POINT, "at_point": {"point": "broker.appended", "from": "31s"}}], "at_point: from_us: it would"),
    ("kraft", [kill(target="node 1"), kill(target="node 1", at="3.5s")],
     "fault 1: kill of node 1 at 3.5 s contradicts fault 0, kill at 3 s, which keeps it down until 4 s"),
    ("kraft", [kill(target="node 1", kind="pause", at="3.2s"), kill(target="node 1", kind="power-loss")],
     "fault 0: pause of node 1 at 3.2 s contradicts fault 1, power-loss at 3 s"),
    ("kraft", [kill(target="node 1", remains=True, duration=None), kill(target="node 1", kind="shutdown", at="20s")],
     "fault 1: shutdown .* contradicts fault 0, .* down for good"),
    ("kraft", [kill(target="node 1"), kill(target="node 1", kind="remove-broker", at="3s")], "contradicts fault 0"),
]

#: (mode, schedule): near to those above, and fine.
FINE = [
    ("kraft", [kill(target="node 3")]), ("kraft", [kill(target="node 103")]), ("kraft", [kill(target="node 1006")]),
    ("zk", [kill(target="node 203")]),
    ("kraft", [{"kind": "add-broker", "at": "2s", "duration": "1s", "partition": "orders-0"}, kill(target="node 4")]),
    ("zk", [kill(kind="expire-session")]), ("zk", [kill(target="zookeeper")]), ("zk", [kill(target="controller")]),
    ("zk", [kill(kind="cut-roles", others="controllers")]), ("zk", [kill(kind="cut-roles", others="zookeepers")]),
    ("kraft", [kill(kind="add-controller", target=None)]),
    ("kraft", [_AT_POINT]), ("zk", [{**_AT_POINT, "at_point": {"point": "zookeeper.proposed"}}]),
    ("kraft", [kill(kind="link", target="node 1", other="node 2")]),
    ("kraft", [kill(kind="link", target="broker", other="broker")]),
    ("kraft", [kill(target="leader temporary-a-1")]), ("kraft", [kill(target="coordinator __consumer_offsets-0")]),
    ("kraft", [{"kind": "create-topic", "at": "3s", "duration": "0s", "topic": "mine"}, kill(target="leader mine-1")]),
    ("kraft", [{**_CONFIG, "setting": "retention.ms=5000"}]),
    ("kraft", [kill(kind="corrupted-record", file="__cluster_metadata-0")]),
    ("kraft", [kill(target="client")]), ("kraft", [kill(kind="wiped-disk", target="broker")]),
    ("kraft", [kill(kind="remove-broker", target="leader orders-0")]),
    ("zk", [kill(kind="remove-broker", target="active-controller")]),
    ("kraft", [kill(), kill(target="previous", at="4s")]), ("kraft", [_AT_POINT, kill(target="previous", at="4s")]),
    ("kraft", [kill(name="a"), kill(target="struck a", at="5s")]),
    ("kraft", [{**_AT_POINT, "target": "struck a"}, kill(name="a", at="5s")]),
    ("kraft", [kill(name="a", at="5s"), {**_AT_POINT, "at_point": {"point": "broker.appended", "by": "a"}}]),
    ("kraft", [kill(at="30s")]),
    ("kraft", [kill(target="node 1"), kill(target="node 1", at="4.1s")]),
    ("kraft", [kill(target="node 1"), kill(target="node 2", at="3.5s")]),
    ("kraft", [kill(target="broker"), kill(target="broker", at="3.5s")]),
    ("kraft", [kill(target="node 1", kind="pause"), kill(target="node 1", kind="pause", at="3.5s")]),
    ("kraft", [kill(target="node 1"), kill(target="node 1", kind="isolate", at="3.5s")]),
    ("kraft", [kill(target="node 1", kind="shutdown"), kill(target="node 1", at="3.2s")]),
    ("kraft", [kill(duration="5ms")]), ("kraft", []),
]


@pytest.mark.parametrize(("mode", "schedule", "message"), IMPOSSIBLE)
def test_what_no_cluster_could_have_is_refused_in_every_schedule(mode: str, schedule: Any, message: str) -> None:
    for hand_written in (True, False):
        with pytest.raises(InputError, match=message) as caught:
            check(schedule, mode, hand_written)
        assert str(caught.value).startswith("faults.json: ")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("mode", "schedule", "message"), POINTLESS)
def test_what_could_never_strike_or_contradicts_another_is_refused_where_somebody_wrote_it(
    mode: str, schedule: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check(schedule, mode)
    assert str(caught.value).startswith("faults.json: fault ")
    assert "\n" not in str(caught.value)
    check(schedule, mode, hand_written=False)
    check([{**fault, "draws": place} for place, fault in enumerate(schedule)], mode)


@pytest.mark.parametrize(("mode", "schedule"), FINE)
def test_what_may_strike_is_not_refused(mode: str, schedule: Any) -> None:
    check(schedule, mode)


def test_combined_nodes_are_brokers_and_controllers() -> None:
    check([kill(kind="remove-broker", target="controller"), kill(target="node 1")], shape=Shape(combined=True))
    with pytest.raises(InputError, match="there is no node 101; there are brokers 1 to 3, controllers 1 to 3"):
        check([kill(target="node 101")], shape=Shape(combined=True))


@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_no_drawn_changed_or_thinned_out_schedule_is_refused(mode: str) -> None:
    drawn = [_drawn(mode, seed) for seed in SEEDS]
    config = config_of(drawn[0])
    rhythm = rhythm_of(drawn[0], config, phases(mode, drawn[0].duration_us, config, physics("campaign")))
    for seed, (spec, other) in enumerate(zip(drawn, drawn[1:] + drawn[:1], strict=True)):
        check_spec(spec, "drawn")
        faults, others = ([fault_from_data(fault, "drawn") for fault in one.faults or ()] for one in (spec, other))
        near = mutated(faults, others, rhythm, Stream(seed, "guide"), "all")
        kept = [without_dangling(faults[first::step]) for first in (0, 1) for step in (1, 2, 3)]
        for changed in (near, *kept):
            check_spec(RunSpec(seed, mode, faults=[fault.to_data() for fault in changed]), "changed")


def _drawn(mode: str, seed: int) -> RunSpec:
    spec = RunSpec(seed, mode)
    config = config_of(spec)
    return complete(spec, config, phases(mode, spec.duration_us, config, physics("campaign")))


@pytest.fixture
def fencepost(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return in_process(monkeypatch, capsys)


@pytest.mark.parametrize("text", [
    json.dumps([kill(target="node 99")]), json.dumps([kill(at="31s")]), "null",
    '[{"kind": "kill", "at": "1s", "at": "2s", "duration": "1s", "target": "broker"}]'])
@pytest.mark.parametrize("command", [("run", "--seed", "1"), ("campaign", "--seeds", "2")])
def test_bad_schedules_end_a_command_with_one_line(
    fencepost: Command, tmp_path: Path, text: str, command: tuple[str, ...]
) -> None:
    path = tmp_path / "faults.json"
    path.write_text(text)
    code, _, error = fencepost(*command, "--schedule", path, "--store", tmp_path / "store")
    assert code == 254
    assert error.count("\n") == 1
    assert "faults.json" in error


def test_the_spec_of_a_stored_run_is_no_schedule_that_somebody_wrote() -> None:
    spec = _drawn("kraft", 0).to_data()
    assert is_spec(spec)
    assert not is_spec(spec["faults"])
    assert not is_spec({"faults": spec["faults"]})
