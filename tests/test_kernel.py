"""The kernel: order of events, TCP-like connections under cuts, what a pause, a kill and a power cut leave behind."""

import pytest
from kernel_nodes import kinds, stall_disk, two_nodes

from fencepost.histories.recorder import Recorder
from fencepost.model.kernel.randomness import Stream, Streams
from fencepost.model.kernel.scheduler import Scheduler, cancel
from fencepost.model.kernel.simulation import Physics, Simulation


def test_callbacks_run_in_the_order_of_time_and_then_of_scheduling() -> None:
    scheduler, seen = Scheduler(), []
    scheduler.schedule(20, seen.append, "late")
    scheduler.schedule(10, seen.append, "first")
    scheduler.schedule(10, seen.append, "second")
    cancel(scheduler.schedule(15, seen.append, "cancelled"))
    scheduler.run_until(15)
    assert seen == ["first", "second"]
    assert scheduler.now_us == 15
    scheduler.run_until(100)
    assert seen[-1] == "late"


def test_streams_are_independent_of_each_other_and_of_the_order_of_use() -> None:
    one, two = Streams(7), Streams(7)
    two("disk").bits(64)
    assert one("link").bits(64) == two("link").bits(64)
    assert Stream(7, "a").bits(64) != Stream(7, "b").bits(64)
    assert Stream(7, "a").bits(64) != Stream(8, "a").bits(64)


def test_known_draws_never_change() -> None:
    """Every Python must draw the same; these values were drawn once and are part of the format of a seed."""
    stream = Stream(1, "golden")
    assert [stream.below(1000) for _ in range(5)] == [536, 79, 433, 602, 770]


def test_below_refuses_an_empty_range() -> None:
    with pytest.raises(ValueError, match="positive"):
        Stream(1, "x").below(0)


def test_a_request_is_answered_over_an_ordered_connection() -> None:
    simulation, _, one, two = two_nodes()
    for number in range(20):
        one.ping(2, number)
    simulation.scheduler.run_until(100_000)
    assert [number for kind, number in kinds(two)] == list(range(20))
    assert kinds(one) == [("answer", number) for number in range(20)]


def test_a_short_cut_delays_and_a_long_one_breaks() -> None:
    simulation, network, one, two = two_nodes(connection_break_us=50_000)
    network.links.cut(1, 2)
    one.ping(2, 1)
    simulation.scheduler.run_until(20_000)
    assert kinds(two) == []
    network.links.uncut(1, 2)
    simulation.scheduler.run_until(40_000)
    assert kinds(two) == [("ping", 1)]
    network.links.cut(1, 2)
    one.ping(2, 2)
    simulation.scheduler.run_until(400_000)
    network.links.uncut(1, 2)
    simulation.scheduler.run_until(800_000)
    assert kinds(two) == [("ping", 1)], "nothing is delivered beyond a connection's life"
    assert kinds(one)[-1] == ("lost", 2)


def test_a_one_way_cut_lets_requests_pass_and_holds_answers() -> None:
    simulation, network, one, two = two_nodes()
    network.links.cut(2, 1)
    one.ping(2, 1, timeout_us=30_000)
    simulation.scheduler.run_until(100_000)
    assert kinds(two) == [("ping", 1)]
    assert kinds(one) == [("lost", 1)]


def test_cuts_of_one_link_add_up() -> None:
    simulation, network, one, two = two_nodes()
    network.links.cut(1, 2)
    network.links.cut(1, 2)
    network.links.uncut(1, 2)
    one.ping(2, 1)
    simulation.scheduler.run_until(10_000)
    assert kinds(two) == []
    network.heal()
    simulation.scheduler.run_until(20_000)
    assert kinds(two) == [("ping", 1)]


def test_a_lost_packet_is_a_delay() -> None:
    simulation, network, one, two = two_nodes(retransmission_us=10_000, connection_break_us=1 << 40)
    network.links.loss[(1, 2)] = 1000
    one.ping(2, 1, timeout_us=1 << 40)
    simulation.scheduler.run_until(9_000)
    assert kinds(two) == []
    simulation.scheduler.run_until(1 << 30)
    assert kinds(two) == [("ping", 1)]


def test_a_paused_process_handles_nothing_and_finds_everything_when_it_resumes() -> None:
    orders = set()
    for seed in range(12):
        simulation, _, one, two = two_nodes(seed)
        two.pause()
        two.schedule(500, two.on_timer, 0)
        one.ping(2, 1, timeout_us=100_000)
        simulation.scheduler.run_until(50_000)
        assert two.seen == []
        two.resume()
        simulation.scheduler.run_until(60_000)
        assert {("timer", 0), ("ping", 1)} == set(kinds(two))
        assert all(time_us == 50_000 for _, _, time_us in two.seen)
        orders.add(tuple(kind for kind, _ in kinds(two)))
    assert orders == {("timer", "ping"), ("ping", "timer")}, "either the old beliefs or the news come first"


def test_what_reached_the_socket_arrives_though_the_connection_died() -> None:
    simulation, _, one, two = two_nodes()
    two.pause()
    one.ping(2, 1, timeout_us=5_000)
    simulation.scheduler.run_until(20_000)
    assert kinds(one) == [("lost", 1)]
    two.resume()
    simulation.scheduler.run_until(30_000)
    assert kinds(two) == [("ping", 1)]
    assert kinds(one) == [("lost", 1)], "the answer finds no connection"


def test_a_timer_cancelled_while_it_waits_in_the_backlog_does_not_run() -> None:
    simulation, _, _, two = two_nodes()
    two.pause()
    timer = two.schedule(10, two.on_timer, 1)
    simulation.scheduler.run_until(100)
    cancel(timer)
    two.resume()
    simulation.scheduler.run_until(200)
    assert two.seen == []


def test_peers_hear_of_a_killed_process_but_not_of_a_dark_host() -> None:
    for stop, told in (("kill", True), ("power_off", False)):
        simulation, _, one, two = two_nodes()
        two.pause()
        one.ping(2, 1, timeout_us=500_000)
        simulation.scheduler.run_until(10_000)
        getattr(two, stop)()
        simulation.scheduler.run_until(20_000)
        assert (kinds(one) == [("lost", 1)]) is told


def test_timers_die_with_their_incarnation() -> None:
    simulation, _, one, _ = two_nodes()
    one.schedule(1_000, one.on_timer, 1)
    one.kill()
    one.start()
    simulation.scheduler.run_until(5_000)
    assert one.seen == []


def test_a_request_without_a_handler_is_refused() -> None:
    simulation, _, one, two = two_nodes()
    two.handlers.clear()
    one.ping(2, 1)
    simulation.scheduler.run_until(10_000)
    assert kinds(one) == [("lost", 1)]


def test_a_kill_keeps_the_page_cache_and_a_power_cut_does_not() -> None:
    for stop, kept in (("kill", 3), ("power_off", 1)):
        simulation, _, one, _ = two_nodes(seed=3)
        log = one.disk.log("orders-0")
        log.append(0, "synced")
        one.disk.fsync(log, one.schedule, one.on_timer, 0)
        simulation.scheduler.run_until(10_000)
        log.append(10_000, "a")
        log.append(10_000, "b")
        getattr(one, stop)()
        assert len(log.entries) == kept
    lost = [event for event in simulation.recorder.events if event.f == "disk-lost"]
    assert [(event.key, event.value) for event in lost] == [("orders-0", {"from_offset": 1, "end_offset": 3})]


def test_an_fsync_covers_only_what_was_written_when_it_began() -> None:
    simulation, _, one, _ = two_nodes()
    log = one.disk.log("x")
    log.append(0, "before")
    one.disk.fsync(log, one.schedule, one.on_timer, 0)
    log.append(0, "after")
    simulation.scheduler.run_until(10_000)
    assert log.synced_end_offset == 1


def test_a_truncation_voids_an_fsync_under_way() -> None:
    simulation, _, one, _ = two_nodes()
    log = one.disk.log("x")
    log.append(0, "old")
    one.disk.fsync(log, one.schedule, one.on_timer, 0)
    log.truncate_to(0)
    log.append(0, "new")
    simulation.scheduler.run_until(10_000)
    assert log.synced_end_offset == 0


def test_old_pages_are_written_back_without_an_fsync() -> None:
    simulation = Simulation(1, Physics(dirty_expire_us=1_000), Recorder())
    log = simulation.disk(1).log("x")
    for number in range(10):
        simulation.scheduler.run_until(number * 500)
        log.append(simulation.scheduler.now_us, number)
    simulation.disk(1).power_loss()
    assert 6 <= len(log.entries) <= 10


def test_a_cell_falls_back_to_what_was_synced() -> None:
    simulation, _, one, _ = two_nodes()
    cell = one.disk.cell("quorum-state", 0)
    cell.write(1)
    one.disk.fsync(cell, one.schedule, one.on_timer, 0)
    simulation.scheduler.run_until(10_000)
    cell.write(2)
    one.power_off()
    assert cell.value == 1


def test_a_stalled_disk_delays_an_fsync() -> None:
    simulation, _, one, _ = two_nodes()
    stall_disk(one, 70_000)
    one.disk.fsync(one.disk.log("x"), one.schedule, one.on_timer, 0)
    simulation.scheduler.run_until(69_000)
    assert one.seen == []
    simulation.scheduler.run_until(80_000)
    assert kinds(one) == [("timer", 0)]


def test_power_loss_of_a_killed_process_still_costs_its_page_cache() -> None:
    _, _, one, _ = two_nodes(seed=5)
    log = one.disk.log("x")
    log.append(0, "a")
    one.kill()
    one.power_off()
    assert len(log.entries) == 0


def test_what_a_cut_held_back_arrives_before_what_was_sent_while_it_healed():
    for seed in range(20):
        simulation, network, one, two = two_nodes(seed)
        one.ping(2, 0)
        simulation.scheduler.run_until(5_000)
        network.links.cut(1, 2)
        for number in range(1, 8):
            one.ping(2, number)
            simulation.scheduler.run_until(simulation.scheduler.now_us + 100)
        network.links.uncut(1, 2)
        one.ping(2, 8)
        simulation.scheduler.run_until(50_000)
        assert [number for kind, number in kinds(two) if kind == "ping"] == list(range(9))


def test_nothing_arrives_behind_what_a_dead_host_cannot_send_again():
    arrived = set()
    for seed in range(40):
        simulation, network, one, two = two_nodes(seed)
        one.ping(2, 0)
        simulation.scheduler.run_until(5_000)
        network.links.cut(2, 1)
        for number in range(1, 5):
            one.ping(2, number)
            simulation.scheduler.run_until(simulation.scheduler.now_us + 400)
        network.links.uncut(2, 1)
        two.power_off()
        simulation.scheduler.run_until(100_000)
        answers = [number for kind, number in kinds(one) if kind == "answer"]
        assert answers == list(range(len(answers)))
        arrived.add(len(answers))
    assert 1 in arrived
