"""Consuming: membership, positions, and commits under what the consumer believes, however old."""

from typing import Any

from scripted_brokers import REFUSED, Scene

from fencepost.histories.event import Event
from fencepost.model import errors
from fencepost.model.client.client_node import ClientNode
from fencepost.model.config import ClientConfig
from fencepost.model.protocol import group
from fencepost.model.protocol.data import FetchRequest, FetchResponse, Record

SECOND = 1_000_000


def consume(f: str, at_us: int = 0, **fields: Any) -> dict[str, Any]:
    return {"at_us": at_us, "f": f, "group": "billing", "topics": ["orders"], "instance": None, **fields}


def told(events: list[Event]) -> list[tuple[str, str, str | None]]:
    return [(event.type, event.f, event.error) for event in events if event.type != "invoke"]


def test_a_poll_joins_reads_and_a_commit_names_what_was_read() -> None:
    scene = Scene([consume("poll"), consume("commit-offsets", SECOND)])
    poll, commit = [event for event in scene.run_until(2 * SECOND) if event.type == "ok"]
    assert poll.value == {"group": "billing", "records": {"orders-0": [[0, "p1-0"], [1, "p1-1"]]}}
    assert scene.broker.assignment == (("orders", 0), ("orders", 1))
    assert (commit.key, commit.epochs) == ("billing", {"coordinator_epoch": 5})
    assert commit.value == {
        "offsets": {"orders-0": 2}, "member": "m1", "generation": 1, "record_offset": 40,
        "partition": "__consumer_offsets-1"}
    assert [fetch.current_leader_epoch for fetch in scene.broker.of(FetchRequest)] == [3, 3]


def test_a_new_member_reads_on_from_the_committed_offset() -> None:
    scene = Scene([consume("poll")])
    scene.broker.committed[("orders", 0)] = 1
    assert scene.run_until(SECOND)[-1].value["records"] == {"orders-0": [[1, "p1-1"]]}


def test_a_position_out_of_range_begins_again_at_the_log_start() -> None:
    scene = Scene([consume("poll"), consume("poll", SECOND)])
    scene.broker.leaders = {"orders": ("orders@1", [(1, 3)])}
    scene.broker.committed[("orders", 0)] = 9
    scene.broker.answers[FetchRequest] = [FetchResponse(errors.OFFSET_OUT_OF_RANGE, 2, 1)]
    first, second = [event for event in scene.run_until(3 * SECOND) if event.type == "ok"]
    assert first.value["records"] == {}
    assert second.value["records"] == {"orders-0": [[1, "p1-1"]]}


def test_records_that_a_poll_did_not_return_are_read_again() -> None:
    scene = Scene([consume("poll"), consume("commit-offsets", 20 * SECOND), consume("poll", 21 * SECOND)])
    scene.broker.logs[("orders", 1)] = (Record(0, 3, None, "p1-2"),)
    scene.broker.silent_on = ("orders", 1)
    assert told(scene.run_until(15 * SECOND)) == [("fail", "poll", errors.TIMED_OUT)]
    scene.broker.silent_on = None
    events = scene.run_until(30 * SECOND)
    assert [event.f for event in events if event.type == "invoke"] == ["poll", "poll"], "nothing to commit yet"
    assert sorted(events[-1].value["records"]) == ["orders-0", "orders-1"]


def test_a_commit_with_nothing_to_commit_is_never_invoked() -> None:
    scene = Scene([consume("commit-offsets")])
    assert scene.run_until(SECOND) == []
    assert scene.client.idle


def test_a_commit_is_sent_once_and_its_doubt_makes_a_new_member() -> None:
    scene = Scene([consume("poll"), consume("commit-offsets", SECOND), consume("commit-offsets", 2 * SECOND),
                   consume("poll", 3 * SECOND)])
    scene.broker.answers[group.OffsetCommitRequest] = [
        group.OffsetCommitResponse(errors.COORDINATOR_NOT_AVAILABLE)]
    events = scene.run_until(5 * SECOND)
    assert told(events) == [
        ("ok", "poll", None), ("info", "commit-offsets", errors.COORDINATOR_NOT_AVAILABLE), ("ok", "poll", None)]
    assert events[-1].process == 8
    assert len(scene.broker.of(group.OffsetCommitRequest)) == 1
    assert [request.member_id for request in scene.broker.of(group.JoinGroupRequest)] == ["", ""]


def test_a_commit_whose_coordinator_nobody_knows_was_never_sent() -> None:
    scene = Scene([consume("poll"), consume("commit-offsets", SECOND)])
    scene.run_until(SECOND // 2)
    scene.broker.answers[group.FindCoordinatorRequest] = [
        group.FindCoordinatorResponse(errors.COORDINATOR_NOT_AVAILABLE)] * 20_000
    scene.broker.answers[group.GroupHeartbeatRequest] = [group.GroupResponse(errors.NOT_COORDINATOR)]
    scene.client.coordinators.note_answer("billing", 1, errors.NOT_COORDINATOR)
    events = scene.run_until(2 * SECOND + scene.client.config.default_api_timeout_us)
    assert told(events)[-1] == ("fail", "commit-offsets", errors.NEVER_SENT)
    assert events[-1].process == 2


# --- what a member believes -------------------------------------------------------------------------------------------


def test_a_busy_consumer_sends_no_heartbeat_and_commits_under_its_old_generation() -> None:
    busy_us = 20 * SECOND
    scene = Scene([consume("poll", busy_us=busy_us), consume("commit-offsets", 1)])
    scene.run_until(busy_us - SECOND)
    assert scene.broker.of(group.GroupHeartbeatRequest) == []
    scene.broker.answers[group.GroupHeartbeatRequest] = [group.GroupResponse(errors.UNKNOWN_MEMBER_ID)]
    scene.broker.answers[group.OffsetCommitRequest] = [group.OffsetCommitResponse(errors.ILLEGAL_GENERATION)]
    events = scene.run_until(busy_us + SECOND)
    commit = scene.broker.of(group.OffsetCommitRequest)[0]
    assert (commit.member_id, commit.generation) == ("m1", 1)
    assert told(events)[-1] == ("fail", "commit-offsets", errors.ILLEGAL_GENERATION)


def test_a_paused_client_commits_under_its_old_generation_when_it_resumes() -> None:
    scene = Scene([consume("poll"), consume("commit-offsets", 2 * SECOND)])
    scene.run_until(SECOND)
    scene.client.pause()
    scene.run_until(100 * SECOND)
    scene.client.resume()
    scene.run_until(101 * SECOND)
    assert [request.generation for request in scene.broker.of(group.OffsetCommitRequest)] == [1]


def test_heartbeats_tell_of_a_rebalance_and_the_next_poll_joins_again_as_the_same_member() -> None:
    interval_us = ClientConfig().heartbeat_interval_us
    scene = Scene([
        consume("poll"), consume("commit-offsets", interval_us + SECOND), consume("poll", interval_us + SECOND)])
    scene.run_until(SECOND)
    scene.broker.answers[group.GroupHeartbeatRequest] = [group.GroupResponse(errors.REBALANCE_IN_PROGRESS)]
    scene.run_until(interval_us + 3 * SECOND)
    assert [request.generation for request in scene.broker.of(group.OffsetCommitRequest)] == [1], "as it still believes"
    assert [request.member_id for request in scene.broker.of(group.JoinGroupRequest)] == ["", "m1"]


def test_heartbeats_follow_the_group_to_its_new_coordinator_without_joining_again() -> None:
    interval_us = ClientConfig().heartbeat_interval_us
    scene = Scene([consume("poll")], brokers=2)
    for broker in scene.brokers:
        broker.coordinator = 1
    scene.run_until(SECOND)
    for broker in scene.brokers:
        broker.coordinator = 2
    scene.brokers[0].answers[group.GroupHeartbeatRequest] = [group.GroupResponse(errors.NOT_COORDINATOR)]
    scene.run_until(3 * interval_us)
    heartbeats = scene.brokers[1].of(group.GroupHeartbeatRequest)
    assert len(heartbeats) >= 1
    assert {(request.member_id, request.generation) for request in heartbeats} == {("m1", 1)}
    assert sum(len(broker.of(group.JoinGroupRequest)) for broker in scene.brokers) == 1


def test_a_member_that_was_removed_comes_back_as_another_one() -> None:
    interval_us = ClientConfig().heartbeat_interval_us
    scene = Scene([
        consume("poll"), consume("commit-offsets", interval_us + SECOND), consume("poll", interval_us + SECOND)])
    scene.run_until(SECOND)
    scene.broker.answers[group.GroupHeartbeatRequest] = [group.GroupResponse(errors.UNKNOWN_MEMBER_ID)]
    scene.run_until(interval_us + 3 * SECOND)
    assert scene.broker.of(group.OffsetCommitRequest) == [], "it knows that it has no generation"
    assert [request.member_id for request in scene.broker.of(group.JoinGroupRequest)] == ["", ""]


def test_a_join_goes_on_in_the_background_and_the_next_poll_waits_for_it() -> None:
    scene = Scene([consume("poll"), consume("poll", 20 * SECOND)])
    scene.broker.answers[group.JoinGroupRequest] = [None]
    events = scene.run_until(21 * SECOND)
    assert told(events) == [("fail", "poll", errors.TIMED_OUT)]
    assert len(scene.broker.of(group.JoinGroupRequest)) == 1


def test_a_static_member_that_is_fenced_fails_its_poll_and_takes_over_at_the_next() -> None:
    scene = Scene([consume("poll", instance="i1"), consume("poll", SECOND, instance="i1")])
    scene.broker.answers[group.JoinGroupRequest] = [group.JoinGroupResponse(errors.FENCED_INSTANCE_ID)]
    events = scene.run_until(3 * SECOND)
    assert told(events) == [("fail", "poll", errors.FENCED_INSTANCE_ID), ("ok", "poll", None)]
    assert [request.instance_id for request in scene.broker.of(group.JoinGroupRequest)] == ["i1", "i1"]


def test_a_restarted_consumer_leaves_in_order_or_not_at_all() -> None:
    scene = Scene([
        consume("poll"), consume("poll", SECOND, restart="leave"), consume("poll", 2 * SECOND, restart="crash")])
    scene.run_until(3 * SECOND)
    assert [request.member_id for request in scene.broker.of(group.LeaveGroupRequest)] == ["m1"]
    assert [request.member_id for request in scene.broker.of(group.JoinGroupRequest)] == ["", "", ""]


def test_a_static_member_never_says_goodbye() -> None:
    scene = Scene([consume("poll", instance="i1"), consume("poll", SECOND, restart="leave", instance="i1")])
    scene.run_until(2 * SECOND)
    assert scene.broker.of(group.LeaveGroupRequest) == []


# --- other operations -------------------------------------------------------------------------------------------------


def test_subscribe_tells_the_assignment() -> None:
    ok = Scene([consume("subscribe")]).run_until(SECOND)[-1]
    assert (ok.type, ok.key, ok.epochs) == ("ok", "billing", {"generation": 1})
    assert ok.value == {"topics": ["orders"], "assignment": ["orders-0", "orders-1"], "member": "m1"}


def test_a_subscription_without_an_answer_is_in_doubt_and_a_refused_one_is_not() -> None:
    doubtful = Scene([consume("subscribe")])
    doubtful.broker.answers[group.SyncGroupRequest] = [None] * 9
    assert told(doubtful.run_until(100 * SECOND)) == [("info", "subscribe", errors.TIMED_OUT)]
    refused = Scene([consume("subscribe")])
    refused.broker.answers[group.JoinGroupRequest] = [group.JoinGroupResponse(errors.GROUP_AUTHORIZATION_FAILED)]
    assert told(refused.run_until(SECOND)) == [("fail", "subscribe", errors.GROUP_AUTHORIZATION_FAILED)]


def test_partitions_are_dealt_to_those_who_subscribe_to_their_topic() -> None:
    scene = Scene([consume("poll", topics=["clicks", "orders"])])
    scene.broker.answers[group.JoinGroupRequest] = [group.JoinGroupResponse(
        None, 1, "m1", "m1", (("m2", ("orders",)), ("m1", ("clicks", "orders"))))]
    scene.run_until(SECOND)
    assert dict(scene.broker.of(group.SyncGroupRequest)[0].assignments) == {
        "m1": (("clicks", 0), ("clicks", 1), ("orders", 0)), "m2": (("orders", 1),)}


def fetch_offsets(f: str = "fetch-offsets", **fields: Any) -> dict[str, Any]:
    return {"f": f, "group": "billing", "partitions": [["orders", 0], ["orders", 1]], **fields}


def test_committed_offsets_are_asked_for_until_the_coordinator_answers() -> None:
    scene = Scene([fetch_offsets(require_stable=False)])
    scene.broker.committed[("orders", 1)] = 4
    scene.broker.answers[group.OffsetFetchRequest] = [
        group.OffsetFetchResponse(errors.COORDINATOR_LOAD_IN_PROGRESS), REFUSED,
        group.OffsetFetchResponse(errors.UNSTABLE_OFFSET_COMMIT)]
    invoke, ok = scene.run_until(SECOND)
    assert invoke.value == {"partitions": ["orders-0", "orders-1"], "require_stable": False}
    assert (ok.value["offsets"], ok.epochs) == ({"orders-0": -1, "orders-1": 4}, {"coordinator_epoch": 5})
    assert len(scene.broker.of(group.OffsetFetchRequest)) == 4


def test_the_final_offsets_are_read_as_an_administrator() -> None:
    scene = Scene([fetch_offsets(), fetch_offsets("final-offsets")])
    scene.run_until(SECOND)
    assert [r.principal for r in scene.broker.of(group.OffsetFetchRequest)] == ["User:client2", "User:admin"]


def test_reads_that_nobody_answers_fail_in_time() -> None:
    scene = Scene([fetch_offsets()])
    scene.broker.answers[group.OffsetFetchRequest] = [None] * 99
    limit_us = scene.client.config.default_api_timeout_us
    assert told(scene.run_until(limit_us)) == [("fail", "fetch-offsets", errors.TIMED_OUT)]


def test_clients_of_one_seed_behave_alike() -> None:
    operations = [consume("poll"), consume("commit-offsets", SECOND)]
    first, second = Scene(operations, brokers=2), Scene(operations, brokers=2)
    assert isinstance(first.client, ClientNode)
    assert first.run_until(5 * SECOND) == second.run_until(5 * SECOND)
