"""Liveness rules: each fires when the final state shows that the cluster did not recover, and not when it did."""

from typing import Any

import pytest
from written_history import WrittenHistory

SECOND = 1_000_000
QUIET_US = 10 * SECOND
REPLICAS = [11, 12, 13]


def recovered() -> dict[str, Any]:
    """A final state in which everything is well: voter 1 leads epoch 4, brokers run, metadata is at offset 20."""
    metadata = {"offset": 22, "digest": "twenty"}
    nodes: dict[str, Any] = {
        str(voter): {
            "raft": {"state": "leader" if voter == 1 else "follower", "epoch": 4, "leader": 1},
            "controller": {"active": voter == 1, "metadata": dict(metadata)},
        }
        for voter in (1, 2, 3)
    }
    for broker in REPLICAS:
        nodes[str(broker)] = {
            "broker": {"state": "RUNNING", "broker_epoch": broker, "metadata": dict(metadata), "partitions": {}}}
    return {"nodes": nodes}


def healed(
    isr: list[int] = REPLICAS, leader: int = 11, fenced: bool = False, outside: tuple[int, ...] = (), **header: Any,
) -> WrittenHistory:
    """Three brokers and one partition, voter 1 leads epoch 4; the faults end at 10 s but for those that hold nodes."""
    history = WrittenHistory(
        observations=["metadata-applied", "controller-claimed", "controller-renounced"], **header)
    history.observe("controller-claimed", 1, {"next_offset": 10, "epoch_start_offset": 9}, controller_epoch=4)
    records: list[tuple[int, str, dict[str, Any]]] = [
        (broker, "RegisterBrokerRecord", {
            "broker_id": broker, "incarnation_id": f"of {broker}", "broker_epoch": broker, "fenced": fenced,
            "in_controlled_shutdown": False})
        for broker in REPLICAS
    ]
    records.append((18, "TopicRecord", {"name": "orders", "topic_id": "t"}))
    records.append((19, "PartitionRecord", {
        "topic_id": "t", "partition": 0, "replicas": REPLICAS, "isr": isr, "adding_replicas": [],
        "removing_replicas": [], "leader": leader, "leader_epoch": 0, "partition_epoch": 0}))
    history.applied(1, 20, "twenty", *records)
    history.fault("heal", {"quiet_us": QUIET_US, **({"outside": outside} if outside else {})}, at_us=10 * SECOND)
    return history


def rules(history: WrittenHistory, state: dict[str, Any] | None = None) -> list[str]:
    """End the history in this state (everything is well by default); the names of the violated rules."""
    history.fault("quiet-end", recovered() if state is None else state, at_us=21 * SECOND)
    return history.rules()


def test_a_cluster_that_recovered():
    assert rules(healed()) == []


def test_nothing_is_demanded_without_a_heal_or_before_the_quiet_phase_ends():
    broken = {"nodes": {}}
    history = WrittenHistory()
    history.fault("quiet-end", broken, at_us=21 * SECOND)
    assert history.rules() == []
    history = healed()
    history.fault("quiet-end", broken, at_us=15 * SECOND)
    assert history.rules() == []
    (liveness,) = [result for result in history.results() if result.checker == "liveness"]
    assert liveness.verdict == "not-applicable"
    assert liveness.notes == ["liveness was not judged: the history ends before the quiet phase does"]


@pytest.mark.parametrize(
    ("node", "component", "changes", "rule"),
    [
        ("1", "raft", {"state": "resigned"}, "EventuallyLeaderElected"),
        ("2", "raft", {"state": "candidate", "epoch": 5, "leader": None}, "EventuallyLeaderElected"),
        ("3", "raft", {"state": "unattached", "leader": None}, "EventuallyLeaderElected"),
        ("2", "controller", {"metadata": {"offset": 19, "digest": "older"}}, "EventuallyMetadataConverges"),
        ("11", "broker", {"metadata": {"offset": 22, "digest": "another"}}, "EventuallyMetadataConverges"),
        ("12", "broker", {"state": "STARTING"}, "EventuallyUnfenced"),
        ("12", "broker", {"broker_epoch": 5}, "EventuallyUnfenced"),
    ],
)
def test_a_node_that_did_not_recover(node, component, changes, rule):
    state = recovered()
    state["nodes"][node][component].update(changes)
    assert rules(healed(), state) == [rule]


def test_a_process_that_does_not_run():
    state = recovered()
    del state["nodes"]["12"]["broker"]
    del state["nodes"]["3"]["raft"]
    assert rules(healed(), state) == ["EventuallyLeaderElected", "EventuallyUnfenced"]


def test_a_leader_whose_controller_renounced():
    history = healed()
    history.observe("controller-renounced", 1, {"reverted_to": 20}, controller_epoch=4, at_us=11 * SECOND)
    assert rules(history) == ["ControllerAvailability"]


def test_metadata_that_was_applied_just_now_need_not_be_everywhere():
    history = healed()
    history.observe(
        "metadata-applied", 1, {"end_offset": 30, "digest": "thirty", "role": "controller", "records": []},
        at_us=21 * SECOND - 1_000, leader_epoch=1)
    assert rules(history) == []


def test_a_fenced_broker():
    assert rules(healed(fenced=True)) == ["EventuallyUnfenced"]


@pytest.mark.parametrize(("isr", "leader"), [([11, 12], 11), (REPLICAS, -1)])
def test_an_isr_that_did_not_recover(isr, leader):
    history = healed(isr, leader)
    assert rules(history) == ["IsrEventuallyConverges"]
    (violation,) = history.violations()
    assert violation.key == "orders-0"


def test_a_deleted_topic_needs_no_isr():
    history = healed([11], 11)
    history.applied(1, 21, "without", (20, "RemoveTopicRecord", {"topic_id": "t"}))
    state = recovered()
    for node in state["nodes"].values():
        for role in ("controller", "broker"):
            if role in node:
                node[role]["metadata"]["digest"] = "without"
    assert rules(history, state) == []


# --- faults that remain -----------------------------------------------------------------------------------------------


def reasons(history: WrittenHistory) -> list[tuple[str, str]]:
    """What was excused, and why."""
    return sorted((excuse.rule, excuse.reason) for result in history.results() for excuse in result.excused)


def without(*nodes: int) -> dict[str, Any]:
    """A final state in which these nodes are in no good state."""
    state = recovered()
    for node in nodes:
        state["nodes"][str(node)] = {"roles": []}
    return state


def test_of_nodes_outside_of_the_core_nothing_is_demanded():
    assert rules(healed([11, 12], outside=(3, 13)), without(3, 13)) == []
    assert rules(healed([11, 12]), without(3, 13)) == ["EventuallyLeaderElected", "EventuallyUnfenced"]


@pytest.mark.parametrize(("isr", "leader"), [(REPLICAS, 11), ([13, 11], 13), ([11], 11)])
def test_the_core_must_do_without_them(isr, leader):
    assert rules(healed(isr, leader, outside=(13,)), without(13)) == ["IsrEventuallyConverges"]


def test_what_only_they_could_lead_has_no_leader():
    history = healed([13], -1, outside=(13,))
    history.client("invoke", "final-read", "orders-0", {}, at_us=20 * SECOND)
    history.client("info", "final-read", "orders-0", {}, error="TIMED_OUT", at_us=20 * SECOND + 1)
    assert rules(history, without(13)) == []
    assert reasons(history) == [
        ("EventuallyReadable", "outside-the-core"), ("IsrEventuallyConverges", "outside-the-core")]
    history = healed([12], -1, outside=(13,))
    assert rules(history, without(13)) == ["IsrEventuallyConverges"]
    assert reasons(history) == []


@pytest.mark.parametrize(("minimum", "expected"), [("2", ["EventuallyWriteAcked"]), ("3", [])])
def test_too_few_for_a_write(minimum, expected):
    history = healed([11, 12], outside=(13,), properties={"min.insync.replicas": minimum})
    produce(history, "fail", "NOT_ENOUGH_REPLICAS", 16 * SECOND)
    assert rules(history, without(13)) == expected
    history = healed([11, 12], outside=(13,), properties={"min.insync.replicas": minimum})
    history.client("invoke", "final-read", "orders-0", {}, at_us=16 * SECOND)
    history.client("info", "final-read", "orders-0", {}, error="TIMED_OUT", at_us=20 * SECOND)
    assert rules(history, without(13)) == [rule.replace("WriteAcked", "Readable") for rule in expected]
    assert bool(reasons(history)) != bool(expected)


def test_a_groups_offsets_are_where_they_were_written():
    def read_offsets(written: bool) -> list[str]:
        history = healed([13], -1, outside=(13,))
        history.applied(1, 22, "twenty", (20, "TopicRecord", {"name": "__consumer_offsets", "topic_id": "o"}), (
            21, "PartitionRecord", {
                "topic_id": "o", "partition": 2, "replicas": [13], "isr": [13], "adding_replicas": [],
                "removing_replicas": [], "leader": -1, "leader_epoch": 0, "partition_epoch": 0}))
        if written:
            history.observe("produce-answered", 13, {"records": ["billing/orders-0=7(m g1)"], "acks": -1},
                            key="__consumer_offsets-2", at_us=11 * SECOND, leader_epoch=0)
        history.client("invoke", "final-offsets", "billing", {}, at_us=20 * SECOND)
        history.client("info", "final-offsets", "billing", {}, error="TIMED_OUT", at_us=20 * SECOND + 1)
        return rules(history, without(13))
    assert read_offsets(True) == []
    assert read_offsets(False) == ["CommitEventuallyReadable"]


# --- operations -------------------------------------------------------------------------------------------------------


def produce(
    history: WrittenHistory, type_: str, error: str | None, at_us: int, acks: int = -1, process: int = 0,
) -> None:
    value = {"records": ["p0-1"], "acks": acks, "idempotent": False}
    history.client("invoke", "produce", "orders-0", value, process, at_us=at_us)
    history.client(type_, "produce", "orders-0", value, process, error=error, at_us=at_us + 1_000)


@pytest.mark.parametrize(
    ("type_", "error", "at_us", "acks", "expected"),
    [
        ("info", "REQUEST_TIMED_OUT", 16 * SECOND, -1, ["EventuallyWriteAcked"]),
        ("fail", "NOT_ENOUGH_REPLICAS", 16 * SECOND, -1, ["EventuallyWriteAcked"]),
        ("fail", "TOPIC_AUTHORIZATION_FAILED", 16 * SECOND, -1, []),
        ("info", "REQUEST_TIMED_OUT", 12 * SECOND, -1, []),
        ("info", "REQUEST_TIMED_OUT", 16 * SECOND, 1, []),
    ],
)
def test_a_write_that_failed(type_, error, at_us, acks, expected):
    history = healed()
    produce(history, type_, error, at_us, acks)
    assert rules(history) == expected


@pytest.mark.parametrize("error", ["NOT_LEADER_OR_FOLLOWER", "DISCONNECTED"])
@pytest.mark.parametrize(("processes", "expected"), [((0, 1), []), ((0, 6), ["EventuallyWriteAcked"])])
def test_a_client_may_learn_once_where_the_leader_is_or_that_its_connection_is_dead(error, processes, expected):
    history = healed(clients=[1001, 1002, 1003, 1004, 1005, 1006])
    for process in processes:
        produce(history, "info", error, 16 * SECOND, process=process)
    assert rules(history) == expected


def test_a_client_may_learn_both():
    history = healed()
    for error in ("DISCONNECTED", "NOT_LEADER_OR_FOLLOWER"):
        produce(history, "info", error, 16 * SECOND)
    assert rules(history) == []


def test_what_began_before_the_topic_was_there_proves_nothing():
    history = healed()
    history.client("invoke", "produce", "clicks-0", {"records": ["p0-1"], "acks": -1}, at_us=16 * SECOND)
    history.applied(1, 22, "twenty", (20, "TopicRecord", {"name": "clicks", "topic_id": "c"}), (21, "PartitionRecord", {
        "topic_id": "c", "partition": 0, "replicas": REPLICAS, "isr": REPLICAS, "adding_replicas": [],
        "removing_replicas": [], "leader": 11, "leader_epoch": 0, "partition_epoch": 0}))
    history.client("fail", "produce", "clicks-0", {"records": ["p0-1"], "acks": -1}, error="NEVER_SENT",
                   at_us=18 * SECOND)
    assert rules(history) == []


@pytest.mark.parametrize(("at_us", "expected"), [(19 * SECOND, ["EventuallyReadable"]), (20 * SECOND, [])])
def test_what_hangs_proves_something_after_the_time_out(at_us, expected):
    history = healed(api_timeout_us=SECOND * 3 // 2)
    history.client("invoke", "final-read", "orders-0", {}, at_us=at_us)
    assert rules(history) == expected


def test_a_write_that_succeeded_in_the_end():
    history = healed()
    produce(history, "info", "REQUEST_TIMED_OUT", 16 * SECOND)
    produce(history, "ok", None, 18 * SECOND)
    assert rules(history) == []


@pytest.mark.parametrize(
    ("f", "key", "rule"),
    [("final-offsets", "billing", "CommitEventuallyReadable"), ("final-read", "orders-0", "EventuallyReadable")],
)
def test_final_reads(f, key, rule):
    history = healed()
    history.client("invoke", f, key, {}, at_us=20 * SECOND)
    assert rules(history) == [rule]
    history = healed()
    history.client("invoke", f, key, {}, at_us=20 * SECOND)
    history.client("info", f, key, {}, error="COORDINATOR_NOT_AVAILABLE", at_us=20 * SECOND + 1)
    assert rules(history) == [rule]
    history = healed()
    history.client("invoke", f, key, {}, at_us=20 * SECOND)
    history.client("ok", f, key, {"offsets": {}, "records": []}, at_us=20 * SECOND + 1)
    history.fault("quiet-end", recovered(), at_us=21 * SECOND)
    assert rule not in [violation.rule for violation in history.violations()]


def test_a_partition_that_was_deleted_meanwhile_need_not_be_readable():
    history = healed()
    history.client("invoke", "final-read", "clicks-0", {}, at_us=20 * SECOND)
    history.client("info", "final-read", "clicks-0", {}, error="REQUEST_TIMED_OUT", at_us=20 * SECOND + 1)
    assert rules(history) == []
