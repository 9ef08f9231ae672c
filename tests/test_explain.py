"""Words for people: durations, node names, and what led to a violation."""

import pytest

from fencepost.harness.coverage import coverage
from fencepost.harness.explain import Explainer, coverage_words, fenced_orders, never_reached
from fencepost.harness.words import NodeNames, clock, count, duration, joined, read_duration, seconds
from fencepost.histories.errors import InputError
from fencepost.histories.recorder import Recorder

HEADER = {"controllers": [101, 102, 103], "brokers": [1, 2, 3], "clients": [1001, 1002]}


@pytest.mark.parametrize(("text", "time_us"), [
    ("30s", 30_000_000), ("500ms", 500_000), ("2m", 120_000_000), ("1h", 3_600_000_000), ("7us", 7),
    ("12.5s", 12_500_000), ("12", 12_000_000), (" 1.000001s ", 1_000_001), ("0s", 0),
])
def test_durations(text, time_us):
    assert read_duration(text) == time_us


@pytest.mark.parametrize("text", ["", "s", "-1s", "1e3s", "1.5.5s", "30 sec", "1.0000001s", "9" * 20, "\u0663s"])
def test_what_is_no_duration(text):
    with pytest.raises(InputError, match="is no duration; allowed is a number with a unit"):
        read_duration(text)


def test_words():
    assert seconds(12_404_000) == "12.404 s"
    assert duration(30_000_000) == "30 s"
    assert duration(1_500) == "0.0015 s"
    assert clock(61.4) == "1:01"
    assert count(1, "record") == "1 record"
    assert count(1904, "ISR change") == "1,904 ISR changes"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert joined([]) == "none"


def test_node_names():
    names = NodeNames({"controllers": [1, 101], "brokers": [1, 2], "clients": [1001]})
    assert [names(node) for node in (1, 2, 101, 1001, 9)] == [
        "node 1", "broker 2", "controller 101", "client 0", "node 9"]
    assert NodeNames({"brokers": [1], "zookeepers": [201]})(201) == "ZooKeeper server 201"


def history() -> Recorder:
    """A controller is paused, another claims; broker 2 loses its tail; broker 3, which nobody asks about, is killed."""
    recorder = Recorder()
    recorder.fault(1_000_000, "kill", 3, {"fault": 0, "nodes": [3], "duration_us": 10_000})
    recorder.observe(1_010_000, "node-started", 3, None, None, None, {"incarnation": 3})
    recorder.fault(3_020_000, "pause", 101, {"fault": 1, "nodes": [101], "duration_us": 9_370_000})
    recorder.fault(3_500_000, "isolate", None, {"fault": 2, "nodes": []}, "no node fits the target")
    recorder.observe(4_000_000, "controller-claimed", 102, None, {"next_offset": 9}, None, {"controller_epoch": 4})
    recorder.fault(5_000_000, "power-loss", 2, {"fault": 3, "nodes": [2], "duration_us": 1_000_000})
    recorder.observe(5_000_000, "disk-lost", 2, "orders-0/x", {"from_offset": 57, "end_offset": 58}, None, None)
    recorder.observe(6_000_000, "node-started", 2, None, None, None, {"incarnation": 3})
    recorder.observe(6_100_000, "leader-start", 2, "orders-0", {"isr": [2], "epoch_start_offset": 57}, None,
                     {"leader_epoch": 5})
    recorder.observe(6_200_000, "leader-start", 2, "orders-1", {"isr": [2]}, None, {"leader_epoch": 9})
    recorder.observe(12_390_000, "node-resumed", 101, None, None, None, None)
    recorder.observe(12_404_000, "request-accepted", 2, None, None, None, {"controller_epoch": 3})
    recorder.fault(20_000_000, "isolate", 2, {"fault": 4, "nodes": [2], "duration_us": 50_000_000})
    recorder.fault(30_000_000, "heal", None, {"quiet_us": 1})
    return recorder


def test_what_led_to_a_violation():
    events = history().events
    accepted = next(event.index for event in events if event.f == "request-accepted")
    lines = Explainer(HEADER, events).because(12_404_000, 101, "orders-0", [accepted])
    assert lines == [
        "controller 101 was paused (a GC pause) from 3.020 s to 12.390 s",
        "broker 2 was without power from 5.000 s to 6.000 s",
        "broker 2 lost 1 unsynced record of orders-0, from offset 57 on, with its power at 5.000 s",
        "broker 2 became the leader of orders-0 in leader epoch 5 at 6.100 s, with the ISR [2], from offset 57",
    ]


def test_a_violation_of_a_controller_names_the_claims():
    lines = Explainer(HEADER, history().events).because(12_404_000, 102, None, [])
    assert "controller 102 became the active controller in epoch 4 at 4.000 s" in lines


def test_without_faults_there_is_nothing_to_say():
    assert Explainer(HEADER, history().events).because(500_000, 2, "orders-0", []) == []


def test_a_fault_ends_with_the_heal():
    lines = Explainer(HEADER, history().events).because(25_000_000, 2, "payments-0", [])
    assert "broker 2 was cut off from everyone from 20.000 s to 30.000 s" in lines


@pytest.mark.parametrize(("kind", "value", "words"), [
    ("expire-session", {}, "the ZooKeeper session of broker 2 was ended at 1.000 s"),
    ("delete-controller", {}, "somebody deleted /controller, the office of broker 2, at 1.000 s"),
    ("slow-controller", {"delay_us": 70_000},
     "the controller of broker 2 took 70 ms longer for each event from 1.000 s to 2.000 s"),
])
def test_faults_of_zookeeper_mode_in_words(kind, value, words):
    recorder = Recorder()
    recorder.fault(1_000_000, kind, 2, {"fault": 0, "nodes": [2], "duration_us": 1_000_000, **value})
    recorder.fault(9_000_000, "heal", None, {"quiet_us": 1})
    assert Explainer(HEADER, recorder.events).because(3_000_000, 2, None, ()) == [words]


def test_coverage_counts_what_was_reached():
    recorder = history()
    recorder.client(1, "invoke", "produce", 0, "orders-0", {})
    recorder.client(2, "info", "produce", 0, "orders-0", {}, "REQUEST_TIMED_OUT")
    recorder.observe(3, "isr-changed", 1, "orders-0", {}, None, None)
    reached = coverage(recorder.events).to_data()
    observed = reached.pop("observations")
    assert (observed["leader-start"], observed["isr-changed"]) == (2, 1)
    assert reached == {
        "faults": {"isolate": 1, "kill": 1, "pause": 1, "power-loss": 1}, "faults_skipped": 1,
        "skips": {"isolate: no node fits the target": 1},
        "controller_fail_overs": 0, "isr_changes": 1, "leader_changes": 2, "operations": {"produce info": 1},
        "errors": {"REQUEST_TIMED_OUT": 1}}


def test_coverage_in_words():
    reached = {"faults": {"pause": 3}, "controller_fail_overs": 1, "leader_changes": 2, "isr_changes": 1904,
               "errors": {"A": 1}, "observations": {"x": 2}}
    assert coverage_words(reached, ("pause", "kill"), ("A", "B"), ("x", "y")) == [
        "1 of 2 fault kinds, 1 controller fail-over, 2 leader changes, 1,904 ISR changes, 1 of 2 branches of the "
        "protocol, 1 of 2 error codes",
        "never struck: kill", "never taken: y", "never met: B"]


@pytest.mark.parametrize(("codes", "told"), [
    ("ABCDEFGH", "never met: A, B, C, D, E, F, G, H"),
    ("ABCDEFGHIJ", "never met: A, B, C, D, E, F, G, H and 2 more (--json has all)"),
])
def test_of_many_codes_that_were_never_met_it_is_told_where_all_are(codes, told):
    reached = {"faults": {}, "controller_fail_overs": 0, "leader_changes": 0, "isr_changes": 0, "errors": {},
               "observations": {}}
    assert coverage_words(reached, (), codes, ())[-1] == told
    assert never_reached(reached, ("kill",), codes, ("x",)) == {
        "faults": ["kill"], "branches": ["x"], "errors": list(codes)}


@pytest.mark.parametrize(("kind", "nodes", "links", "words"), [
    ("link", [1], [[1, 2], [2, 1]], "broker 1 was cut off from broker 2"),
    ("cut-roles", [1], [[101, 1], [1, 101], [102, 1], [1, 102]],
     "broker 1 was cut off from controller 101 and controller 102"),
    ("slow", [1], [[101, 1], [1, 101]], "everything between broker 1 and controller 101 took 2.5 ms longer"),
    ("slow", [1], [[101, 1], [102, 1]],
     "everything from controller 101 and controller 102 to broker 1 took 2.5 ms longer"),
    ("slow", [1], [[1, 101]], "everything from broker 1 to controller 101 took 2.5 ms longer"),
    ("one-way", [1], [[2, 1], [3, 1]], "nothing reached broker 1"),
    ("one-way", [1], [[1, 2], [1, 3]], "nothing that broker 1 sent arrived"),
    ("bridge", [1], [[2, 3], [3, 2]], "the Kafka nodes were split into halves that only broker 1 talked to"),
    ("halves", [1, 2, 3], [[1, 2], [2, 1]], "the Kafka nodes were split into halves"),
    ("majorities-ring", [1, 2, 3], [[1, 2]], "every node saw its neighbours on a ring only"),
    ("meteor", [1], [], "meteor struck broker 1"),
])
def test_partitions_in_words(kind, nodes, links, words):
    recorder = Recorder()
    recorder.fault(1_000_000, kind, None, {"nodes": nodes, "links": links, "duration_us": 500_000, "latency_us": 2_500})
    recorder.fault(9_000_000, "heal", None, {"quiet_us": 1})
    lines = Explainer(HEADER, recorder.events).because(2_000_000, 1, None, [])
    assert lines == [f"{words} from 1.000 s to 1.500 s"]


def test_refused_orders_of_controllers_in_words():
    recorder = Recorder()
    for request, error, epochs in (
        ("UpdateMetadata", "STALE_CONTROLLER_EPOCH", {"controller_epoch": 2, "broker_epoch": 50}),
        ("StopReplica", "STALE_BROKER_EPOCH", {"controller_epoch": 3, "broker_epoch": 50}),
        ("Fetch", "FENCED_LEADER_EPOCH", {"leader_epoch": 1}),
    ):
        recorder.observe(1_000_000, "request-fenced", 2, None, {"request": request, "from": 1}, error, epochs)
    assert fenced_orders(HEADER, recorder.events) == [
        "broker 2 refused broker 1's UpdateMetadata under controller epoch 2 at 1.000 s (STALE_CONTROLLER_EPOCH)",
        "broker 2 refused broker 1's StopReplica under broker epoch 50 at 1.000 s (STALE_BROKER_EPOCH)"]


def test_a_session_that_ran_out_led_to_it():
    recorder = Recorder()
    recorder.observe(500_000, "broker-registered", 1, None, {"session": 7, "owner": 7}, None, {"broker_epoch": 5})
    recorder.observe(600_000, "broker-registered", 3, None, {"session": 8, "owner": 8}, None, {"broker_epoch": 6})
    for session in (7, 8):
        recorder.observe(1_000_000, "zk-session-expired", 201, None, {"session": session}, None, None)
    assert Explainer(HEADER, recorder.events).because(2_000_000, 1, None, ()) == [
        "the ZooKeeper session of broker 1 ran out at 1.000 s"]


def test_a_log_that_was_cut_led_to_it():
    recorder = Recorder()
    for place, end_offset in enumerate((40, 30, 20)):
        recorder.observe(1_000_000 + place, "log-truncate", 3, "orders-0", {
            "topic_id": "x", "old_end_offset": end_offset + 9, "end_offset": end_offset, "high_watermark": end_offset,
        }, None, {"leader_epoch": 2})
    explainer = Explainer(HEADER, recorder.events)
    assert explainer.because(2_000_000, 1, "orders-0", []) == [
        "broker 3 cut its log of orders-0 from 39 to 30 at 1.000 s",
        "broker 3 cut its log of orders-0 from 29 to 20 at 1.000 s"]
    assert explainer.because(2_000_000, 1, "orders-1", []) == []


def disk_line(f, value, **fields):
    """What an explanation says of one event about the disk of broker 2."""
    recorder = Recorder()
    if f == "disk-lost":
        recorder.observe(5_000_000, f, 2, fields.get("key", "orders-0/x"), value, None, None)
    else:
        recorder.fault(5_000_000, f, 2, {"fault": 0, "nodes": [2], "duration_us": 1_000_000, **value})
    (line,) = Explainer(HEADER, [*recorder.events, *history().events[-1:]]).because(
        9_000_000, 2, fields.get("about", "orders-0"), ())
    return line


@pytest.mark.parametrize(("kind", "value", "words"), [
    ("slow-fsync", {"delay_us": 20_000}, "every fsync of broker 2 took 20 ms longer from 5.000 s to 6.000 s"),
    ("stalled-disk", {}, "no fsync of broker 2 returned from 5.000 s to 6.000 s"),
    ("full-disk", {}, "the disk of broker 2 was full from 5.000 s to 6.000 s"),
    ("io-error", {}, "every write to the disk of broker 2 failed from 5.000 s to 6.000 s"),
    ("log-directory-gone", {}, "the log directory of broker 2 was gone from 5.000 s to 6.000 s"),
    ("torn-tail", {}, "broker 2 lost power in the middle of a write and was away from 5.000 s to 6.000 s"),
    ("wiped-disk", {}, "broker 2 was replaced, by a host with an empty disk, and was away from 5.000 s to 6.000 s"),
    ("corrupted-record", {"log": "orders-0/x"},
     "a bit was flipped in a record of orders-0/x on the disk of broker 2 from 5.000 s to 6.000 s"),
])
def test_disk_faults_in_words(kind, value, words):
    assert disk_line(kind, value) == words


@pytest.mark.parametrize(("value", "words"), [
    ({}, "broker 2 lost 2 unsynced records of orders-0, from offset 7 on, with its power at 5.000 s"),
    ({"failure": "full"},
     "broker 2 lost 2 unsynced records of orders-0, from offset 7 on, for its disk was full at 5.000 s"),
    ({"torn": True},
     "broker 2 lost 2 records of orders-0, from offset 7 on, which it was just writing, with its power at 5.000 s"),
    ({"wiped": True}, "broker 2 lost 2 records of orders-0, from offset 7 on, with its disk at 5.000 s"),
    ({"damaged": True, "wiped": True},
     "broker 2 cut 2 records of orders-0, from offset 7 on, for a checksum did not fit at 5.000 s"),
])
def test_what_a_disk_lost_in_words(value, words):
    assert disk_line("disk-lost", {"from_offset": 7, "end_offset": 9, **value}) == words


@pytest.mark.parametrize(("value", "words"), [
    ({"wiped": True}, "broker 2 lost quorum-state with its disk at 5.000 s"),
    ({"lost": "1", "kept": "0"}, "broker 2 lost what it had not synced of quorum-state with its power at 5.000 s")])
def test_what_a_disk_lost_of_small_files_in_words(value, words):
    assert disk_line("disk-lost", value, key="quorum-state", about=None) == words


@pytest.mark.parametrize(("kind", "fields", "words"), [
    ("reassign-partition", {"partition": "orders-0"}, "operators asked for other replicas of orders-0 at 5.000 s"),
    ("alter-config", {"topic": "orders", "setting": "a=b"},
     "operators set a=b for the topic orders from 5.000 s to 6.000 s"),
    ("delete-topic", {"topic": "clicks"}, None), ("elect-leader", {"partition": "orders-1", "election": "x"}, None),
])
def test_what_operators_asked_for_is_told_where_it_concerns_the_partition(kind, fields, words):
    recorder = Recorder()
    recorder.fault(4_000_000, "kill", 2, {"fault": 0, "nodes": [2], "duration_us": 1})
    recorder.fault(5_000_000, kind, None, {"fault": 1, "nodes": [], "duration_us": 1_000_000, **fields})
    recorder.fault(9_000_000, "heal", None, {"quiet_us": 1})
    lines = Explainer(HEADER, recorder.events).because(8_000_000, 2, "orders-0", ())
    assert lines[1:] == ([] if words is None else [words])
