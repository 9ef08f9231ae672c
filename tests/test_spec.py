"""The run's spec: what is written comes back, and everything else is refused in one line."""

import json

import pytest

from fencepost.harness.spec import RunSpec, spec_from_data
from fencepost.histories.errors import InputError
from fencepost.model.shape import Shape

PAUSE = {"kind": "pause", "at_us": 3_000_000, "duration_us": 9_000_000, "target": {"role": "active-controller"}}


def full_spec() -> RunSpec:
    return RunSpec(
        seed=7, profile="kafka-defaults", shape=Shape(5, 7, 2, True), duration_us=5_000_000,
        properties={"replica.lag.time.max.ms": "20000"}, topic_config={"min.insync.replicas": "1"},
        bugs=("KAFKA-7395",), excuses=False, workload=[{"at_us": 1, "client": 0, "f": "poll"}], faults=[PAUSE])


@pytest.mark.parametrize("spec", [
    RunSpec(seed=3), full_spec(), RunSpec(seed=4, mode="zk", shape=Shape(brokers=1, clients=2, zookeepers=5)),
    RunSpec(seed=5, mode="zk", consumer_config={"offsets.storage": "zookeeper", "rebalance.max.retries": "9"})])
def test_a_spec_comes_back(spec):
    assert spec_from_data(json.loads(json.dumps(spec.to_data())), "spec.json") == spec


def test_only_the_seed_is_needed():
    assert spec_from_data({"seed": 3}, "spec.json") == RunSpec(seed=3)


def test_names_in_the_store():
    assert RunSpec(seed=7).name == "kraft-7"
    assert full_spec().name == "kraft-KAFKA-7395-7"


@pytest.mark.parametrize(("change", "words"), [
    ({"seed": None}, "seed is None: allowed is a whole number from 0"),
    ({"seed": -1}, "seed is -1: allowed is a whole number from 0"),
    ({"seed": True}, "seed is True: allowed is a whole number from 0"),
    ({"mode": "paxos"}, "mode is 'paxos': allowed is kraft"),
    ({"mode": []}, "mode is []: allowed is kraft"),
    ({"profile": "x"}, "profile is 'x': allowed is campaign or kafka-defaults"),
    ({"version": 2}, "version 2 is not known; this is version 1"),
    ({"duration_us": 0}, "duration_us is 0: allowed is a whole number from 1"),
    ({"shape": 3}, "shape is 3: allowed is an object"),
    ({"shape": {"controllers": 8}}, "controllers=8: allowed is a whole number from 1 to 7"),
    ({"shape": {"brokers": 101}}, "brokers=101: allowed is a whole number from 1 to 100"),
    ({"shape": {"zookeepers": 3}}, "shape has an unknown field 'zookeepers'"),
    ({"shape": {"combined": True, "controllers": 5, "brokers": 3}}, "brokers=3: with combined nodes"),
    ({"properties": {"a": 1}}, "properties is {'a': 1}: allowed is an object of texts"),
    ({"properties": {"num.partition": "1"}}, "the nearest is num.partitions"),
    ({"properties": {"broker.session.timeout.ms": "100"}}, "allowed is a value more than broker.heartbeat.interval.ms"),
    ({"topic_config": {"min.insync.replicas": "4"}}, "min.insync.replicas=4: allowed for a topic is at most"),
    ({"consumer_config": {"offsets.storage": "kafka"}}, "offsets.storage=kafka: allowed only with ZooKeeper"),
    ({"mode": "zk", "consumer_config": {"rebalance.backoff.ms": "soon"}}, "allowed is a whole number from 0"),
    ({"mode": "zk", "consumer_config": {"offsets.storage": "zookeeper", "dual.commit.enabled": "true"}},
     "dual.commit.enabled=true: allowed only with offsets.storage=kafka"),
    ({"mode": "zk", "consumer_config": {"fencepost.offsets.zookeeper.fencing": "true", "dual.commit.enabled": "true"}},
     "fencepost.offsets.zookeeper.fencing=true: allowed only with offsets.storage=zookeeper"),
    ({"mode": "zk", "consumer_config": {"heartbeat.interval.ms": "1"}}, "it is a property of consumers"),
    ({"bugs": "KAFKA-7395"}, "bugs is 'KAFKA-7395': allowed is a list of texts"),
    ({"excuses": 1}, "excuses is 1: allowed is true or false"),
    ({"faults": {}}, "faults is {}: allowed is a list or null"),
    ({"faults": [{"kind": "meteor"}]}, "fault 0: unknown kind 'meteor'"),
    ({"faults": [{**PAUSE, "duration_us": -1}]}, "fault 0: duration_us is a whole number of microseconds"),
    ({"fault": []}, "a spec has an unknown field 'fault'"),
    ({"workload": [{"f": "dance"}]}, "operation 0: f is one of produce"),
    ({"workload": [{"f": "poll", "client": 6, "at_us": 1}]}, "operation 0: client is 6: allowed is a whole number"),
    ({"workload": [{"f": "poll", "client": 0}]}, "operation 0: at_us is a whole number of microseconds"),
])
def test_bad_specs_are_refused_in_one_line(change, words):
    with pytest.raises(InputError) as caught:
        spec_from_data({"seed": 3, **change}, "spec.json")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [None, [], "spec", 3])
def test_what_is_no_object_is_no_spec(data):
    with pytest.raises(InputError, match=r"spec\.json: a spec is a JSON object"):
        spec_from_data(data, "spec.json")
