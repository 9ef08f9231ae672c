"""What network faults do to a cluster, each against the same run without it."""

import pytest
from struck_cluster import (
    ACTIVE_CONTROLLER,
    BEGIN_US,
    FOLLOWER,
    HEAL_US,
    LAG_US,
    LEADER,
    MODES,
    ORDERS,
    PARTITIONS,
    SESSION_US,
    Story,
    story,
)

#: What a fail-over takes beyond the time-out that begins it, and what was under way when the fault struck.
_SOON_US, _UNDER_WAY_US = 250_000, 5_000
_LATENCY_US = 100_000
_KEEPERS = {"kraft": "controllers", "zk": "zookeepers"}
_QUORUM = {"kraft": {101, 102, 103}, "zk": {201, 202, 203}}
_QUORUM_LEADER = {"kraft": ACTIVE_CONTROLLER, "zk": {"role": "zookeeper-leader"}}
_BROKERS = {1, 2, 3}


def reached(told: Story, node: int | None) -> set[int]:
    """The servers that a node could talk to while the links were cut, itself among them."""
    return {other for other in told.servers if [node, other] not in told.fault.value["links"]}


def quorum_changes(told: Story, mode: str, state: str) -> list[int | None]:
    """Which of those that keep the metadata entered the state while the fault lasted."""
    f = {"kraft": "raft-state", "zk": "zk-state"}[mode]
    return [event.node for event in told.seen(f, state=state)
            if event.node in _QUORUM[mode] and event.time_us < HEAL_US]


def answered(told: Story, partition: str, leader: int | None) -> int:
    """How many writes a leader acknowledged while the fault lasted, but for those that were under way."""
    return sum(BEGIN_US + _UNDER_WAY_US < event.time_us < HEAL_US
               for event in told.seen("produce-answered", partition, leader))


# --- one node ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", MODES)
def test_an_isolated_active_controller_is_replaced_and_steps_down(mode: str) -> None:
    told = story(mode, {"kind": "isolate", "target": ACTIVE_CONTROLLER})
    assert not story(mode).seen("controller-claimed")
    (claim,) = told.seen("controller-claimed")
    assert claim.node != told.struck
    silence_us = SESSION_US if mode == "zk" else told.config.controller_quorum_fetch_timeout_us
    assert silence_us // 2 < claim.time_us - BEGIN_US < silence_us + _SOON_US
    # A Raft leader resigns without a majority's fetches; in ZooKeeper mode it hears of it by the ensemble.
    (renounced,) = told.seen("controller-renounced", node=told.struck)
    assert (renounced.time_us < HEAL_US) == (mode == "kraft")


def test_a_raft_leader_that_hears_nothing_resigns_by_itself_and_one_that_is_not_heard_is_told() -> None:
    resigned = {}
    for direction in ("in", "out"):
        told = story("kraft", {"kind": "one-way", "direction": direction, "target": ACTIVE_CONTROLLER})
        (claim,) = told.seen("controller-claimed")
        (renounced,) = told.seen("controller-renounced", node=told.struck)
        assert claim.node != told.struck
        assert renounced.time_us < HEAL_US
        resigned[direction] = bool(told.seen("raft-state", node=told.struck, state="resigned"))
    assert resigned == {"in": True, "out": False}
    assert not story("kraft").seen("controller-renounced")


@pytest.mark.parametrize("mode", MODES)
def test_a_leader_that_hears_nothing_gets_no_writes_and_one_that_is_not_heard_cannot_answer(mode: str) -> None:
    appended = {}
    for direction in ("in", "out"):
        told = story(mode, {"kind": "one-way", "direction": direction, "target": LEADER})
        appended[direction] = [
            event for event in told.seen("log-append", ORDERS, told.struck, role="leader") if event.time_us < HEAL_US]
        assert told.in_doubt()
        assert not [end for _, end in told.writes()
                    if end.type == "ok" and end.time_us < HEAL_US and end.epochs == {"leader_epoch": 0}]
    assert appended["in"] == []
    assert appended["out"]
    assert not story(mode).in_doubt()


@pytest.mark.parametrize("mode", MODES)
def test_a_broker_that_is_not_heard_loses_its_session_and_its_leadership(mode: str) -> None:
    told = story(mode, {"kind": "one-way", "direction": "out", "target": LEADER})
    assert [broker for _, broker in told.fenced()] == [told.struck]
    assert not story(mode).fenced()
    led = told.seen("leader-start", ORDERS)[0]
    assert led.node != told.struck
    assert SESSION_US // 2 < led.time_us - BEGIN_US < SESSION_US + _SOON_US


@pytest.mark.parametrize("mode", MODES)
def test_a_follower_that_hears_nothing_leaves_the_isr(mode: str) -> None:
    told = story(mode, {"kind": "one-way", "direction": "in", "target": FOLLOWER})
    assert told.struck in [replica for time_us, replica in told.out_of_isr(ORDERS) if time_us < HEAL_US]
    assert not story(mode).out_of_isr(ORDERS)


# --- one node and others ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", MODES)
def test_a_broker_without_who_keeps_the_metadata_is_fenced_and_leaves_the_isr(mode: str) -> None:
    told = story(mode, {"kind": "cut-roles", "others": _KEEPERS[mode], "target": LEADER})
    assert {broker for time_us, broker in told.fenced() if time_us < HEAL_US} == {told.struck}
    assert not story(mode).fenced()
    led = told.seen("leader-start", ORDERS)[0]
    assert led.node != told.struck
    assert told.struck not in led.value["isr"]
    assert SESSION_US // 2 < led.time_us - BEGIN_US < SESSION_US + _SOON_US


@pytest.mark.parametrize("mode", MODES)
def test_a_follower_without_a_link_to_its_leader_leaves_that_isr_alone(mode: str) -> None:
    told = story(mode, {"kind": "link", "draws": 3, "other": FOLLOWER, "target": LEADER})
    (cut_off,) = _BROKERS & {end for link in told.fault.value["links"] for end in link} - {told.struck}
    (bystander,) = _BROKERS - {told.struck, cut_off}
    led = {leader: partition for partition, leader in told.leaders_before().items()}
    out = told.out_of_isr(ORDERS)
    assert {replica for _, replica in out} == {cut_off}
    assert LAG_US // 2 < out[0][0] - BEGIN_US < 2 * LAG_US
    assert not told.out_of_isr(led[bystander])
    assert not told.fenced()
    assert not story(mode).out_of_isr(ORDERS)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("fields", "ways"), [({}, 2), ({"direction": "in"}, 1), ({"direction": "out"}, 1)])
def test_over_a_slow_link_each_answer_takes_the_latency_longer(mode: str, fields: dict[str, str], ways: int) -> None:
    told = story(mode, {
        "kind": "slow", "others": "clients", "latency_us": _LATENCY_US, "target": LEADER, **fields})
    longest_us = max(story(mode).answer_times_us())
    assert told.answer_times_us()
    assert all(ways * _LATENCY_US <= time_us <= ways * _LATENCY_US + 2 * longest_us
               for time_us in told.answer_times_us())
    other = next(partition for partition in PARTITIONS if partition != ORDERS)
    assert max(told.answer_times_us(other)) < _LATENCY_US


@pytest.mark.parametrize("mode", MODES)
def test_a_reset_leaves_a_write_in_doubt_that_took_effect_and_the_client_connects_anew(mode: str) -> None:
    # Between the leader's append and its answer.
    told = story(mode, {
        "kind": "reset", "others": "clients", "target": LEADER, "at_us": BEGIN_US + 500, "duration_us": 0})
    assert not story(mode).in_doubt()
    (doubtful,) = told.in_doubt()
    assert (doubtful.error, doubtful.time_us) == ("DISCONNECTED", told.fault.time_us)
    assert told.seen("log-append", ORDERS, told.struck)[0].value["records"] == doubtful.value["records"]
    assert len(told.answer_times_us()) == len(story(mode).answer_times_us()) - 1
    other = next(partition for partition in PARTITIONS if partition != ORDERS)
    assert not told.in_doubt(other)


# --- everybody --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", MODES)
def test_the_half_without_the_quorum_is_fenced_and_its_writes_stop(mode: str) -> None:
    told = story(mode, {"kind": "halves", "draws": 2})
    (inside,) = {frozenset(reached(told, node)) for node in _QUORUM[mode] if len(
        reached(told, node) & _QUORUM[mode]) == 2}
    cut_off = _BROKERS - inside
    assert 0 < len(cut_off) < len(_BROKERS)
    assert {broker for time_us, broker in told.fenced() if time_us < HEAL_US} == cut_off
    leaders = told.leaders_before()
    for partition in PARTITIONS:
        if leaders[partition] in cut_off:
            assert told.seen("leader-start", partition)[0].node in inside
            assert answered(story(mode), partition, leaders[partition]) > 0
            assert answered(told, partition, leaders[partition]) == 0


@pytest.mark.parametrize("mode", MODES)
def test_on_a_ring_one_leads_who_sees_a_majority_of_the_quorum(mode: str) -> None:
    told = story(mode, {"kind": "majorities-ring", "draws": 1})
    sights = [reached(told, node) for node in told.servers]
    assert len({frozenset(sight) for sight in sights}) == 6
    assert quorum_changes(story(mode), mode, {"kraft": "leader", "zk": "leading"}[mode]) == []
    (leader,) = quorum_changes(told, mode, {"kraft": "leader", "zk": "leading"}[mode])
    assert len(reached(told, leader) & _QUORUM[mode]) >= 2
    # Brokers talk to the Raft leader itself, or to any server of the ensemble that follows.
    serving = {leader, *(quorum_changes(told, mode, "following") if mode == "zk" else ())}
    cut_off = {broker for broker in _BROKERS if not reached(told, broker) & serving}
    assert cut_off
    assert cut_off <= {broker for time_us, broker in told.fenced() if time_us < HEAL_US}


@pytest.mark.parametrize("mode", MODES)
def test_over_a_bridge_one_leader_is_agreed_upon_but_the_halves_do_not_replicate(mode: str) -> None:
    told = story(mode, {"kind": "bridge", "draws": 2, "target": _QUORUM_LEADER[mode]})
    assert all(told.struck in reached(told, node) for node in told.servers)
    before_heal = [(time_us, broker) for time_us, broker in told.fenced() if time_us < HEAL_US]
    assert (before_heal, told.seen("controller-claimed")) == ([], [])
    assert quorum_changes(told, mode, {"kraft": "leader", "zk": "leading"}[mode]) == []
    # Without the bridge brokers are fenced.
    assert story(mode, {"kind": "halves", "draws": 2}).fenced()
    apart = [(partition, leader) for partition, leader in told.leaders_before().items()
             if not reached(told, leader) >= _BROKERS]
    assert apart
    for partition, leader in apart:
        assert {replica for _, replica in told.out_of_isr(partition)} == _BROKERS - reached(told, leader)
        assert not story(mode).out_of_isr(partition)
