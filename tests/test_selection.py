"""Which kinds of fault schedules are drawn from: the core stays as it is, others have what they are asked for."""

import json
from typing import Any

import pytest
from command_line import Command, in_process

from fencepost.model.kernel.randomness import Stream
from fencepost.nemesis.drawing import core_kinds, draw_faults
from fencepost.nemesis.faults import Fault, fault_from_data, kinds_of, schedule_from_data
from fencepost.nemesis.fields import FaultError
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.selection import draw_schedule, selected_kinds

SEEDS = range(300)
RHYTHMS = {
    mode: Rhythm(2_000_000, 28_000_000, 200_000, 900_000, 3_000_000, 3_000_000, ("orders-0", "__consumer_offsets-0"),
                 quorum)
    for mode, quorum in (("kraft", "controllers"), ("zk", "zookeepers"))}


def drawn(mode: str, selection: str) -> list[list[Fault]]:
    return [draw_schedule(lambda name, seed=seed: Stream(seed, name), RHYTHMS[mode], selection) for seed in SEEDS]


@pytest.fixture
def fencepost(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return in_process(monkeypatch, capsys)


@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_the_core_is_what_it_always_was(mode: str) -> None:
    for seed, faults in zip(SEEDS, drawn(mode, "core"), strict=True):
        alone = draw_faults(Stream(seed, "schedule"), RHYTHMS[mode])
        assert [fault.to_data() for fault in faults] == [
            {**fault.to_data(), "draws": place} for place, fault in enumerate(alone)]


@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_all_leaves_half_of_the_seeds_alone_and_adds_to_the_others(mode: str) -> None:
    core, wide = drawn(mode, "core"), drawn(mode, "all")
    alike = sum(one == other for one, other in zip(core, wide, strict=True))
    assert len(SEEDS) * 3 // 10 < alike < len(SEEDS) // 2
    for one, other in zip(core, wide, strict=True):
        added = [fault for fault in other if fault not in one]
        assert [fault for fault in other if fault in one] == one
        assert not {fault.kind for fault in added if not fault.remains} & set(core_kinds(mode))
        assert sorted(fault.draws or 0 for fault in other) == list(range(len(other)))


@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_in_some_seeds_a_server_or_one_of_each_role_stays_away(mode: str) -> None:
    remaining = [[fault for fault in faults if fault.remains] for faults in drawn(mode, "all")]
    assert len(SEEDS) // 10 < sum(map(bool, remaining)) < len(SEEDS) * 3 // 10
    roles = {tuple(fault.target["role"] for fault in sorted(faults, key=lambda fault: fault.target["role"]))
             for faults in remaining if faults}
    quorum = "zookeeper" if mode == "zk" else "controller"
    assert roles == {("broker",), (quorum,), ("broker", quorum)}
    assert {fault.kind for faults in remaining for fault in faults} == {"isolate", "kill", "pause", "power-loss"}
    assert not any(fault.remains for faults in drawn(mode, "core") for fault in faults)


@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_all_reaches_every_kind_and_leaves_each_off_in_many_seeds(mode: str) -> None:
    added = [faults for faults in drawn(mode, "all") if any(fault.kind not in core_kinds(mode) for fault in faults)]
    for kind in set(kinds_of(mode)) - set(core_kinds(mode)):
        using = sum(any(fault.kind == kind for fault in faults) for faults in added)
        assert 0 < using < len(added) * 3 // 4, f"{kind} is in {using} of {len(added)} schedules"


@pytest.mark.parametrize("mode", ["kraft", "zk"])
@pytest.mark.parametrize("selection", ["all", "flap,clock-jump", "kill", "link, slow ,one-way"])
def test_what_is_drawn_can_be_written_and_read(mode: str, selection: str) -> None:
    for faults in drawn(mode, selection):
        data = json.loads(json.dumps([fault.to_data() for fault in faults]))
        assert schedule_from_data(data, "here") == faults
        assert {fault.kind for fault in faults} <= set(selected_kinds(selection, mode))
        assert not any(fault.others == ("controllers" if mode == "zk" else "zookeepers") for fault in faults)


@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_every_kind_can_be_asked_for_alone(mode: str) -> None:
    for kind in kinds_of(mode):
        faults = [fault for faults in drawn(mode, kind)[:20] for fault in faults]
        assert {fault.kind for fault in faults} == {kind}
        assert all(fault_from_data(fault.to_data(), "here") == fault for fault in faults)


@pytest.mark.parametrize(("selection", "mode"), [("earthquake", "kraft"), ("kill,", "zk"), ("expire-session", "kraft")])
def test_a_kind_that_the_mode_does_not_know_is_refused(selection: str, mode: str) -> None:
    with pytest.raises(FaultError, match=f"is no kind of fault of mode {mode}"):
        selected_kinds(selection, mode)


@pytest.mark.parametrize("arguments", [("--faults", "earthquake"), ("--faults", "core", "--schedule", "faults.json")])
def test_the_command_refuses_it_in_one_line(fencepost: Command, arguments: tuple[str, ...]) -> None:
    code, _, errors = fencepost("run", "--seed", 1, *arguments)
    assert code == 254
    assert "--faults" in errors
    assert errors.count("\n") == 1


def test_a_run_of_chosen_kinds_stores_its_schedule_and_replays(fencepost: Command, tmp_path: Any) -> None:
    code, output, _ = fencepost(
        "run", "--seed", 1, "--faults", "flap", "--duration", "4s", "--store", tmp_path, "--json")
    assert code == 0
    struck = json.loads(output)["coverage"]["faults"]
    assert list(struck) == ["flap"]
    assert fencepost("replay", tmp_path / "kraft-1")[0] == 0
