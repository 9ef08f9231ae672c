"""What process faults do to a cluster, each against the same run without it."""

import pytest
from struck_cluster import (
    ACTIVE_CONTROLLER,
    BEGIN_US,
    HEAL_US,
    LEADER,
    LENGTH_US,
    MODES,
    ORDERS,
    PARTITIONS,
    SESSION_US,
    Story,
    story,
    struck_spec,
)

from fencepost.harness.run import run

#: A fail-over is over in this time after a session has run out: a tick of ZooKeeper, some elections' worth of Raft.
_SOON_US = 250_000
_REMAINING = ("kill", "power-loss", "pause", "isolate")


def moved_at_us(told: Story, partition: str, former: int | None) -> int | None:
    """When somebody else began to lead the partition."""
    times = [event.time_us for event in told.seen("leader-start", partition) if event.node != former]
    return times[0] if times else None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["kill", "power-loss", "pause", "shutdown"])
def test_without_the_active_controller_another_one_claims(kind: str, mode: str) -> None:
    told = story(mode, {"kind": kind, "target": ACTIVE_CONTROLLER})
    assert not story(mode).seen("controller-claimed")
    (claim,) = told.seen("controller-claimed")
    assert claim.node != told.struck
    after_us = claim.time_us - BEGIN_US
    if kind == "shutdown":
        # It resigns, or closes its session: nobody waits for a time-out.
        assert after_us < told.config.controller_quorum_fetch_timeout_us // 2
    elif mode == "zk":
        assert SESSION_US // 2 < after_us < SESSION_US + _SOON_US
    else:
        fetch_us = told.config.controller_quorum_fetch_timeout_us
        assert fetch_us // 2 < after_us < fetch_us + _SOON_US


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["kill", "power-loss", "pause"])
def test_who_falls_silent_is_fenced_and_another_replica_leads(kind: str, mode: str) -> None:
    told = story(mode, {"kind": kind, "target": LEADER})
    assert {broker for _, broker in told.fenced()} == {told.struck}
    assert not story(mode).fenced()
    moved_us = moved_at_us(told, ORDERS, told.struck)
    assert moved_at_us(story(mode), ORDERS, told.struck) is None
    assert moved_us is not None
    assert SESSION_US // 2 < moved_us - BEGIN_US < SESSION_US + _SOON_US


@pytest.mark.parametrize("mode", MODES)
def test_whoever_wakes_after_a_pause_was_fenced_and_follows(mode: str) -> None:
    told = story(mode, {"kind": "pause", "target": LEADER})
    followed = told.seen("follower-start", ORDERS, told.struck)
    assert not story(mode).seen("follower-start", ORDERS, told.struck)
    assert followed
    assert followed[0].time_us >= HEAL_US


@pytest.mark.parametrize("mode", MODES)
def test_a_shutdown_moves_the_leadership_before_the_process_ends(mode: str) -> None:
    def order(kind: str) -> tuple[int, int]:
        told = story(mode, {"kind": kind, "target": LEADER})
        (stopped,) = told.seen("node-stopped")
        moved_us = moved_at_us(told, ORDERS, told.struck)
        assert (stopped.node, stopped.value["how"]) == (told.struck, kind)
        assert moved_us is not None
        return moved_us, stopped.time_us

    moved_us, stopped_us = order("shutdown")
    assert moved_us < stopped_us
    moved_us, stopped_us = order("kill")
    assert moved_us > stopped_us


@pytest.mark.parametrize("mode", MODES)
def test_a_power_loss_takes_what_was_not_synced_and_a_kill_does_not(mode: str) -> None:
    ends = {}
    for kind in ("kill", "power-loss"):
        told = story(mode, {"kind": kind, "target": LEADER})
        written = max(
            event.value["base_offset"] + len(event.value["records"]) for event in told.events
            if event.f == "log-append" and event.key == ORDERS and event.node == told.struck
            and event.time_us <= BEGIN_US)
        (opened,) = told.seen("log-opened", ORDERS, told.struck)
        lost = [event for event in told.seen("disk-lost", node=told.struck)
                if str(event.key).startswith(f"{ORDERS}/")]
        ends[kind] = written, opened.value["end_offset"], [event.value["from_offset"] for event in lost]
    written, found, lost_from = ends["kill"]
    assert (found, lost_from) == (written, [])
    written, found, lost_from = ends["power-loss"]
    assert found < written
    assert lost_from == [found]


@pytest.mark.parametrize("mode", MODES)
def test_a_stutter_makes_answers_late(mode: str) -> None:
    period_us = 400_000
    told = story(mode, {"kind": "stutter", "period_us": period_us, "target": LEADER})
    late_us = period_us // 16
    assert max(story(mode).answer_times_us()) < late_us
    # One write waits each time: the client has one under way.
    assert sum(time_us > late_us for time_us in told.answer_times_us()) == LENGTH_US // period_us
    assert max(told.answer_times_us()) < period_us


@pytest.mark.parametrize("mode", MODES)
def test_a_restart_loop_registers_anew_and_loses_its_leadership(mode: str) -> None:
    told = story(mode, {"kind": "restart-loop", "period_us": 500_000, "target": LEADER})

    def registered(of: Story) -> list[str]:
        if mode == "zk":
            return [event.value["incarnation_id"] for event in of.seen("broker-registered", node=told.struck)]
        return [event.value["incarnation_id"]
                for event in of.seen("broker-registration", broker=told.struck) if event.error is None]

    assert registered(story(mode)) == []
    assert len(registered(told)) == len(set(registered(told))) > 1
    assert moved_at_us(told, ORDERS, told.struck) is not None
    # A crash loop is too quick for its own session: it finds a former self registered, and is away for longer.
    assert len(told.seen("node-started", node=told.struck)) > len(registered(told))


@pytest.mark.parametrize("mode", MODES)
def test_a_rolling_restart_takes_one_broker_after_the_other_and_moves_its_leaderships_first(mode: str) -> None:
    told = story(mode, {"kind": "rolling-restart", "period_us": 650_000, "others": "brokers"})
    assert not story(mode).seen("node-stopped")
    down: list[int | None] = []
    gone: list[int | None] = []
    leaders = told.leaders_before()
    assert len(set(leaders.values())) == len(PARTITIONS)
    for event in told.events:
        if event.time_us < BEGIN_US:
            continue
        if event.f == "leader-start" and event.key in leaders:
            leaders[event.key] = event.node
        elif event.f == "node-stopped":
            assert down == []
            assert event.value["how"] == "shutdown"
            assert event.node not in leaders.values()
            down.append(event.node)
        elif event.f == "node-started":
            gone.append(down.pop())
            assert event.node == gone[-1]
    assert (down, len(gone), set(gone)) == ([], 3, {1, 2, 3})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", _REMAINING)
def test_who_remains_away_is_away_at_the_end_and_the_core_has_recovered(kind: str, mode: str) -> None:
    result = run(struck_spec(mode, {"kind": kind, "target": LEADER, "remains": True}))
    broken = [violation.message for one in result.results for violation in one.violations]
    assert (result.verdict, broken) == ("valid", [])
    (fault,) = [event for event in result.events if event.f == kind and event.type == "fault"]
    (heal,) = [event for event in result.events if event.f == "heal"]
    (end,) = [event for event in result.events if event.f == "quiet-end"]
    assert heal.value["outside"] == [fault.node]
    nodes = {int(node): state for node, state in end.value["nodes"].items()}
    away = [node for node, state in nodes.items() if not state["running"] or state["paused"]]
    assert away == ([] if kind == "isolate" else [fault.node])
    leaders = {event.key: event.node for event in result.events if event.f == "leader-start"}
    assert fault.node not in [leaders[partition] for partition in PARTITIONS]
    # Nothing of the others has reached it since, nor was it heard.
    assert not [event for event in result.events if event.node == fault.node and event.time_us > heal.time_us
                and event.f in ("log-append", "high-watermark", "metadata-applied", "node-resumed", "node-started")]
    last = [event for event in result.events if event.f == "produce" and event.key == ORDERS][-1]
    assert last.type == "ok"
