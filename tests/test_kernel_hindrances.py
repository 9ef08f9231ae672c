"""The kernel under hindrances: sockets that nobody reads, connections that are reset, lasting loss, slow nodes."""

from collections.abc import Callable

from kernel_nodes import EchoNode, Ping, kinds, two_nodes

from fencepost.model.kernel.connection import Connection


class Listener(EchoNode):
    """An echo node that also keeps when a stream to it ended."""

    def on_stream_end(self, connection: Connection) -> None:
        self.seen.append(("end", None, self.now_us))


def streams() -> tuple[Callable[[int], None], EchoNode, Listener, Connection]:
    """Run until a time; the client's end, the server's, and the stream between them."""
    simulation, network, one, _ = two_nodes()
    server = Listener(3, "three", simulation, network)
    server.start()
    stream = network.open(one, 3, "stream", lambda message: None, lambda: None)
    return simulation.scheduler.run_until, one, server, stream


def test_what_is_held_comes_in_one_burst() -> None:
    simulation, network, one, two = two_nodes()
    one.ping(2, 0)
    simulation.scheduler.run_until(10_000)
    network.hold(1, 2)
    for number in (1, 2, 3):
        one.ping(2, number)
    simulation.scheduler.run_until(50_000)
    assert kinds(two) == [("ping", 0)]
    network.release(1, 2)
    assert two.seen[1:] == [("ping", number, 50_000) for number in (1, 2, 3)]


def test_what_is_held_comes_after_what_was_sent_again_over_a_new_connection() -> None:
    simulation, network, one, two = two_nodes()
    one.ping(2, 0)
    simulation.scheduler.run_until(10_000)
    network.hold(1, 2)
    one.ping(2, 1, timeout_us=5_000)
    simulation.scheduler.run_until(20_000)
    assert kinds(one)[-1] == ("lost", 1)
    one.ping(2, 2)
    simulation.scheduler.run_until(30_000)
    network.release(1, 2)
    simulation.scheduler.run_until(40_000)
    assert kinds(two) == [("ping", 0), ("ping", 2), ("ping", 1)]
    assert ("answer", 1) not in kinds(one), "its connection is gone"


def test_answers_may_be_held() -> None:
    simulation, network, one, two = two_nodes()
    one.ping(2, 0)
    simulation.scheduler.run_until(10_000)
    network.hold(2, 1)
    one.ping(2, 1)
    simulation.scheduler.run_until(30_000)
    assert (kinds(two)[-1], kinds(one)) == (("ping", 1), [("answer", 0)])
    network.heal()
    assert kinds(one)[-1] == ("answer", 1)


def test_holds_of_one_link_add_up() -> None:
    simulation, network, one, two = two_nodes()
    one.ping(2, 0)
    simulation.scheduler.run_until(10_000)
    network.hold(1, 2)
    network.hold(1, 2)
    one.ping(2, 1)
    network.release(1, 2)
    simulation.scheduler.run_until(20_000)
    assert kinds(two) == [("ping", 0)]
    network.release(1, 2)
    assert kinds(two) == [("ping", 0), ("ping", 1)]


def test_a_process_that_died_does_not_find_what_was_held_for_it() -> None:
    simulation, network, one, two = two_nodes()
    one.ping(2, 0)
    simulation.scheduler.run_until(10_000)
    network.hold(1, 2)
    one.ping(2, 1)
    simulation.scheduler.run_until(20_000)
    two.kill()
    two.start()
    network.release(1, 2)
    simulation.scheduler.run_until(30_000)
    assert kinds(two) == []


def test_a_stream_ends_behind_what_is_held() -> None:
    run_until, one, server, stream = streams()
    stream.send(Ping(0))
    run_until(10_000)
    one.network.hold(1, 3)
    stream.send(Ping(1))
    run_until(20_000)
    stream.close()
    run_until(30_000)
    assert kinds(server) == [("ping", 0)]
    one.network.release(1, 3)
    run_until(40_000)
    assert kinds(server) == [("ping", 0), ("ping", 1), ("end", None)]


def test_a_stream_ends_behind_what_waits_at_a_slow_node() -> None:
    run_until, _, server, stream = streams()
    server.slow_down(50_000)
    stream.send(Ping(0))
    run_until(10_000)
    stream.close()
    run_until(200_000)
    assert kinds(server) == [("ping", 0), ("end", None)]


def test_a_reset_loses_what_is_under_way_and_tells_both_ends() -> None:
    simulation, network, one, two = two_nodes()
    one.ping(2, 0)
    simulation.scheduler.run_until(10_000)
    one.ping(2, 1)
    network.reset(2, 1)
    simulation.scheduler.run_until(20_000)
    assert kinds(two) == [("ping", 0)]
    assert kinds(one) == [("answer", 0), ("lost", 1)]
    one.ping(2, 2)
    simulation.scheduler.run_until(30_000)
    assert kinds(one)[-1] == ("answer", 2), "over a new connection"


def test_loss_without_end_breaks_the_connection() -> None:
    simulation, network, one, two = two_nodes(retransmission_us=10_000, connection_break_us=50_000)
    network.links.lose(1, 2, 1000)
    one.ping(2, 1, timeout_us=1 << 40)
    simulation.scheduler.run_until(49_000)
    assert one.seen == []
    simulation.scheduler.run_until(51_000)
    assert kinds(one) == [("lost", 1)]
    network.links.lose(1, 2, -1000)
    assert network.links.loss == {}
    one.ping(2, 2)
    simulation.scheduler.run_until(1 << 30)
    assert kinds(two) == [("ping", 2)], "nothing is delivered beyond a connection's life"


def test_a_slow_node_takes_its_time_for_each_message_in_order() -> None:
    simulation, _, one, two = two_nodes()
    two.slow_down(20_000)
    for number in (1, 2, 3):
        one.ping(2, number)
    two.schedule(10_000, two.on_timer, 0)
    simulation.scheduler.run_until(1_000_000)
    assert kinds(two) == [("timer", 0), ("ping", 1), ("ping", 2), ("ping", 3)]
    times = [time_us for kind, _, time_us in two.seen if kind == "ping"]
    assert times[0] > 20_000
    assert (times[1] - times[0], times[2] - times[1]) == (20_000, 20_000)


def test_a_slow_client_takes_its_time_for_answers() -> None:
    simulation, _, one, _ = two_nodes()
    one.slow_down(20_000)
    one.ping(2, 1)
    simulation.scheduler.run_until(15_000)
    assert one.seen == []
    simulation.scheduler.run_until(50_000)
    assert kinds(one) == [("answer", 1)]


def test_a_node_that_is_quick_again_has_soon_handled_what_waits() -> None:
    simulation, _, one, two = two_nodes()
    two.slow_down(100_000)
    for number in range(10):
        one.ping(2, number)
    simulation.scheduler.run_until(50_000)
    two.slow_down(-100_000)
    one.ping(2, 10)
    simulation.scheduler.run_until(150_000)
    assert kinds(two) == [("ping", number) for number in range(11)]
    assert two.waiting is None


def test_a_slow_process_that_dies_forgets_what_waited() -> None:
    simulation, _, one, two = two_nodes()
    two.slow_down(20_000)
    one.ping(2, 1)
    simulation.scheduler.run_until(10_000)
    two.kill()
    two.start()
    one.ping(2, 2)
    simulation.scheduler.run_until(100_000)
    assert kinds(two) == [("ping", 2)], "and its host is as slow as before"
    assert two.seen[0][2] > 30_000
