"""ZooKeeper's client against servers that answer by a script."""

from zookeeper_tree import scripted

from fencepost.model.protocol.zookeeper import SetWatchesOp, Stat, ZkResult

MS = 1_000
STAT = Stat(1, 1, 1, 0, 0, 0, 0, 0, 0)


def connected(servers: int = 1, **options):
    simulation, nodes, host = scripted(servers)
    client = host.begin(tuple(node.node_id for node in nodes), **options)
    simulation.scheduler.run_until(10 * MS)
    assert host.seen == ["connected"]
    host.seen.clear()
    return simulation.scheduler, nodes, host, client


def test_requests_are_pipelined_and_answered_in_order():
    scheduler, (server,), host, client = connected()
    client.get_data("/a", host.on_result, "first")
    client.set_data("/a", "x", -1, host.on_result, "second")
    scheduler.run_until(20 * MS)
    assert len(server.requests) == 2
    server.answer(5, ZkResult(value="x", stat=STAT))
    server.answer(6, ZkResult("BADVERSION"))
    scheduler.run_until(30 * MS)
    assert host.seen == [("first", None), ("second", "BADVERSION")]


def test_what_is_asked_before_the_session_begins_is_sent_afterwards():
    simulation, (server,), host = scripted()
    client = host.begin((1,))
    client.get_data("/a", host.on_result, "early")
    simulation.scheduler.run_until(10 * MS)
    assert [request.operation.path for request in server.requests] == ["/a"]


def test_a_lost_connection_fails_what_is_open_and_the_session_goes_on_elsewhere():
    scheduler, nodes, host, client = connected(servers=2)
    first = next(node for node in nodes if node.connects)
    other = next(node for node in nodes if node is not first)
    client.get_data("/a", host.on_result, "seen")
    scheduler.run_until(20 * MS)
    first.answer(5, ZkResult(value="x", stat=STAT))
    client.set_data("/a", "x", -1, host.on_result, "open")
    scheduler.run_until(30 * MS)
    first.kill()
    scheduler.run_until(500 * MS)
    assert host.seen == [("seen", None), ("open", "CONNECTIONLOSS"), "disconnected", "connected"]
    assert (other.connects[-1].session_id, other.connects[-1].last_zxid_seen) == (client.session_id, 5)


def test_a_silent_server_is_left_after_two_thirds_of_the_time_out():
    scheduler, nodes, host, _ = connected(servers=2)
    first = next(node for node in nodes if node.connects)
    first.network.links.cut(first.node_id, host.node_id)
    scheduler.run_until(300 * MS)
    assert host.seen == []
    scheduler.run_until(450 * MS)
    assert host.seen == ["disconnected"]


def test_expiry_is_learnt_from_a_server_only():
    scheduler, (server,), host, client = connected()
    host.network.links.cut(1, host.node_id)
    host.network.links.cut(host.node_id, 1)
    scheduler.run_until(20_000 * MS)
    assert host.seen == ["disconnected"]
    server.session_id = 0
    host.network.heal()
    client.get_data("/a", host.on_result, "asked")
    scheduler.run_until(40_000 * MS)
    assert host.seen[-2:] == ["expired", ("asked", "SESSIONEXPIRED")]
    client.get_data("/a", host.on_result, "late")
    scheduler.run_until(40_001 * MS)
    assert host.seen[-1] == ("late", "SESSIONEXPIRED")


def test_watches_are_spent_once_and_only_where_they_are_held():
    scheduler, (server,), host, client = connected()
    client.get_data("/a", host.on_result, "data", watch=True)
    client.exists("/b", host.on_result, "exists", watch=True)
    client.get_data("/c", host.on_result, "absent", watch=True)
    scheduler.run_until(20 * MS)
    server.answer(5, ZkResult(value="x", stat=STAT))
    server.answer(5, ZkResult("NONODE"))
    server.answer(5, ZkResult("NONODE"))
    for kind, path in (("changed", "/a"), ("changed", "/a"), ("created", "/b"), ("created", "/c"), ("child", "/a")):
        server.tell(kind, path)
    scheduler.run_until(30 * MS)
    assert host.seen[3:] == [("changed", "/a"), ("created", "/b")]


def test_watches_are_armed_again_on_a_new_connection_before_anything_else():
    scheduler, (server,), host, client = connected()
    client.get_data("/a", host.on_result, "data", watch=True)
    client.exists("/b", host.on_result, "exists", watch=True)
    client.get_children("/c", host.on_result, "children", watch=True)
    scheduler.run_until(20 * MS)
    for zxid, error in ((5, None), (6, "NONODE"), (7, None)):
        server.answer(zxid, ZkResult(error))
    scheduler.run_until(30 * MS)
    server.reply.hang_up()
    scheduler.run_until(31 * MS)
    client.get_data("/d", host.on_result, "next")
    scheduler.run_until(400 * MS)
    assert server.requests[0].operation == SetWatchesOp(7, ("/a",), ("/b",), ("/c",))
    assert len(server.connects) == 2


def test_events_and_answers_keep_their_order():
    scheduler, (server,), host, client = connected()
    client.get_data("/a", host.on_result, "armed", watch=True)
    client.get_data("/a", host.on_result, "new", watch=True)
    scheduler.run_until(20 * MS)
    server.answer(5, ZkResult(value="x", stat=STAT))
    server.tell("changed", "/a")
    server.answer(6, ZkResult(value="y", stat=STAT))
    scheduler.run_until(30 * MS)
    assert host.seen == [("armed", None), ("changed", "/a"), ("new", None)]


def test_a_chroot_is_invisible():
    scheduler, (server,), host, client = connected(chroot="/one")
    paths = []
    client.create("/a", "x", lambda result: paths.append(result.path))
    client.get_children("/", host.on_result, "children", watch=True)
    scheduler.run_until(20 * MS)
    assert [request.operation.path for request in server.requests] == ["/one/a", "/one"]
    server.answer(5, ZkResult(path="/one/a", stat=STAT))
    server.answer(5, ZkResult(value=("a",), stat=STAT))
    server.tell("child", "/one")
    scheduler.run_until(30 * MS)
    assert paths == ["/a"]
    assert host.seen == [("children", None), ("child", "/")]


def test_a_client_that_closes_tells_the_server_and_goes():
    scheduler, (server,), host, client = connected()
    client.close()
    scheduler.run_until(20 * MS)
    server.answer(5, ZkResult())
    scheduler.run_until(30 * MS)
    assert client.state == "closed"
    assert host.seen == []
    assert server.ended == 1


def test_a_client_that_crashes_tells_nobody():
    scheduler, (server,), host, client = connected()
    client.get_data("/a", host.on_result, "open")
    client.abandon()
    client.get_data("/a", host.on_result, "late")
    scheduler.run_until(20 * MS)
    assert (client.state, host.seen) == ("closed", [("open", "SESSIONEXPIRED"), ("late", "SESSIONEXPIRED")])
    assert not any(type(request.operation).__name__ == "CloseSessionOp" for request in server.requests)
    assert server.ended == 1


def test_the_last_zxid_is_that_of_the_last_answer():
    scheduler, (server,), host, client = connected()
    client.get_data("/a", lambda result: host.seen.append(client.last_zxid))
    scheduler.run_until(20 * MS)
    server.tell("changed", "/a")
    server.answer(5, ZkResult(value="x", stat=STAT))
    scheduler.run_until(30 * MS)
    assert host.seen == [5]


def test_two_clients_of_one_process_have_a_connection_each():
    scheduler, (server,), host, client = connected()
    other = host.begin((1,), channel="zookeeper 2")
    scheduler.run_until(20 * MS)
    assert (client.state, other.state) == ("connected", "connected")
    assert (len(server.connects), server.ended) == (2, 0)
