"""Clusters whose topics were there before their first start: nothing is elected anew, nothing is lost, work goes on."""

from collections import Counter

import pytest
from live_cluster import SECOND, Hand

from fencepost.harness.timing import physics
from fencepost.histories.recorder import Recorder
from fencepost.model.composition import Composer
from fencepost.model.effective_config import effective_config
from fencepost.model.kraft_cluster import KRaftCluster
from fencepost.model.protocol.controller import AdminRequest
from fencepost.model.protocol.data import ProduceRequest
from fencepost.model.shape import Shape
from fencepost.model.standing.ensemble import plant_in_ensemble
from fencepost.model.standing.quorum import plant_in_quorum
from fencepost.model.standing.topics import striped_topics
from fencepost.model.zk_cluster import ZkCluster

TOPICS = striped_topics(14, 4, (1, 2, 3), 2)


def started(mode, recorder):
    config = effective_config("campaign", {}, 3)
    if mode == "zk":
        cluster = ZkCluster(
            1, Shape(clients=0), config.kafka, config.client, config.zookeeper, config.consumer, physics("campaign"),
            Composer(), recorder)
        plant_in_ensemble(cluster, TOPICS)
    else:
        cluster = KRaftCluster(
            1, Shape(clients=0), config.kafka, config.client, physics("campaign"), Composer(), recorder)
        plant_in_quorum(cluster, TOPICS)
    cluster.start()
    cluster.run_until(4 * SECOND)
    return cluster


def ask(cluster, broker, request):
    hand = Hand(2000, "hand", cluster.simulation, cluster.network)
    hand.start()
    hand.request(broker, "hand", request, 5 * SECOND, hand.on_answer)
    cluster.run_until(cluster.now_us + 5 * SECOND)
    return hand.answer[0]


def replicas(cluster, name):
    return {
        node: broker.replica_manager.partitions[name] for node, broker in cluster.running_brokers().items()
        if name in broker.replica_manager.partitions}


@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_every_partition_is_led_as_it_was(mode):
    recorder = Recorder()
    cluster = started(mode, recorder)
    for topic in TOPICS:
        for index, (leader, follower) in enumerate(topic.replicas):
            hosted = replicas(cluster, f"{topic.name}-{index}")
            assert sorted(hosted) == sorted((leader, follower))
            assert hosted[leader].role == "leader"
            assert hosted[leader].isr == (leader, follower)
            assert {(each.leader_epoch, each.high_watermark, each.log.end_offset) for each in hosted.values()} == {
                (0, 1, 1)}
    changed = [event for event in recorder.events if event.f == "metadata-write" and any(
        name.startswith("Partition") for name, _ in event.value["records"])]
    assert changed == [], "nobody decided anything about the topics"


@pytest.mark.parametrize("mode", ["kraft", "zk"])
def test_writes_and_new_topics_go_on_from_there(mode):
    cluster = started(mode, Recorder())
    (leader, follower) = TOPICS[0].replicas[0]
    response = ask(cluster, leader, ProduceRequest(TOPICS[0].name, 0, ("a",), -1, SECOND))
    assert (response.error, response.base_offset) == (None, 1)
    values = [record.value for record in replicas(cluster, f"{TOPICS[0].name}-0")[follower].log.records()]
    assert values[1:] == ["a"]
    again = {"name": TOPICS[0].name, "partitions": 1, "replication_factor": 2, "configs": {}}
    assert ask(cluster, 1, AdminRequest("create-topic", again)).error == "TOPIC_ALREADY_EXISTS"
    assert ask(cluster, 1, AdminRequest("create-topic", {**again, "name": "new"})).error is None
    assert ask(cluster, 1, AdminRequest("delete-topic", {"name": TOPICS[0].name})).error is None
    assert replicas(cluster, f"{TOPICS[0].name}-0") == {}


def test_replicas_go_round_the_brokers():
    topics = striped_topics(300, 7, (1, 2, 3, 4, 5), 3)
    assert sum(len(topic.replicas) for topic in topics) == 300
    assert {len(topic.replicas) for topic in topics[:-1]} == {7}
    assert len({(topic.name, topic.topic_id) for topic in topics}) == len(topics)
    placed = [partition for topic in topics for partition in topic.replicas]
    assert all(len(set(partition)) == 3 for partition in placed)
    assert Counter(partition[0] for partition in placed) == dict.fromkeys((1, 2, 3, 4, 5), 60)
    assert set(Counter(partition[:2] for partition in placed).values()) == {15}, "leaders and followers mix"


def test_a_lone_broker_has_every_replica():
    assert striped_topics(2, 10, (1,), 2)[0].replicas == ((1,), (1,))
