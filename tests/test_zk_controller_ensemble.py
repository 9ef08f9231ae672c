"""The ZooKeeper-mode controller on a real (modelled) ensemble: sessions that expire by themselves, servers that die."""

from typing import Any

import pytest
from zk_brokers import CONFIG, ZkBrokerNode
from zookeeper_ensemble import MS, SECOND, Ensemble

from fencepost.checkers.epoch_fencing import EpochFencing
from fencepost.checkers.metadata_consistency import MetadataConsistency
from fencepost.checkers.single_controller import SingleController
from fencepost.checkers.zk_write_fencing import ZkWriteFencing
from fencepost.histories.vocabulary import OBSERVATIONS
from fencepost.model.kernel.randomness import Stream
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.cluster_metadata import ClusterMetadata
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient
from fencepost.model.zk_controller.persistent_paths import create_chroot
from fencepost.model.zookeeper.client import ClientTimeouts, ZooKeeperClient
from fencepost.model.zookeeper.peer import QuorumPeer
from fencepost.model.zookeeper.transactions import Transaction

FIRST_BROKER = 11


class EnsembleBroker(ZkBrokerNode):
    """A broker whose sessions are with the ensemble's servers."""

    ensemble: Ensemble
    chroot = ""

    def _make_session(self, listener: Any) -> Any:
        timeouts = ClientTimeouts(self.ensemble.session_timeout_us, self.ensemble.config.client_spin_delay_us)
        self.session = ZooKeeperClient(self, timeouts, tuple(self.ensemble.servers), self.chroot, listener)
        return self.session

    def on_stop(self, how: str) -> None:
        pass


class ReportingPeer(QuorumPeer):
    """A server that reports what its transactions do to Kafka's metadata."""

    def apply(self, transaction: Transaction) -> None:
        """Follow the tree, wherever it has been meanwhile."""
        metadata = self.__dict__.setdefault("metadata", ClusterMetadata(self.node))
        if metadata.last_zxid != self.tree.last_zxid:
            nodes = self.tree.snapshot().nodes
            metadata.resync(
                [(path, node.data, node.version, node.czxid, node.mzxid) for path, node in nodes.items()],
                self.tree.last_zxid)
        super().apply(transaction)
        metadata.apply(transaction)


class Cluster:
    """Three servers and three brokers, 11 to 13, under a chroot."""

    def __init__(self, chroot: str = "", seed: int = 1) -> None:
        self.ensemble = Ensemble(seed=seed, patches=() if chroot else (ReportingPeer,))
        self.ensemble.settle()
        self.host = self.ensemble.client(chroot=chroot)
        if chroot:
            self.ensure(chroot)
        self.brokers: dict[int, EnsembleBroker] = {}
        self.add_brokers(chroot)

    def ensure(self, chroot: str) -> None:
        """As the first broker does."""
        node = self.ensemble.client()
        timeouts = node.timeouts
        client = KafkaZkClient(node, 10, lambda listener: ZooKeeperClient(node, timeouts, node.servers, "", listener))
        client.start()
        answers: list[str | None] = []
        create_chroot(client, chroot, answers.append)
        self.ensemble.run_until(lambda: answers)
        assert answers == [None]

    def add_brokers(self, chroot: str) -> None:
        first = max(self.ensemble.network.nodes.keys() & set(range(11, 90)), default=FIRST_BROKER - 1) + 1
        for broker_id in range(first, first + 3):
            node = EnsembleBroker(
                broker_id, f"broker {broker_id}", self.ensemble.simulation, self.ensemble.network)
            node.config, node.ensemble, node.chroot = CONFIG, self.ensemble, chroot
            self.brokers[broker_id] = node
            node.start()
            self.ensemble.run(300 * MS)

    @property
    def active(self) -> list[int]:
        return [i for i, node in self.brokers.items() if node.running and node.controller.is_active]

    def state(self, topic: str = "orders") -> znodes.PartitionStateZnode:
        found: znodes.PartitionStateZnode = self.ensemble.ask(
            self.host, "get_data", znodes.state_path(topic, 0)).value
        return found

    def create_topic(self, *replicas: int, topic: str = "orders") -> None:
        znode = znodes.TopicZnode(f"{topic}@1", ((0, replicas),))
        assert self.ensemble.ask(self.host, "create", znodes.topic_path(topic), znode).error is None
        self.ensemble.run(SECOND)

    def check(self) -> None:
        offered = [name for name in OBSERVATIONS if not name.startswith("raft-")]
        header = {"mode": "zk", "observations": offered}
        for checker in (
            SingleController(header), ZkWriteFencing(header), MetadataConsistency(header), EpochFencing(header),
        ):
            for event in self.ensemble.recorder.events:
                if event.f in checker.consumes:
                    checker.feed(event)
            assert [violation.message for violation in checker.violations] == []
        assert self.ensemble.violations() == []


def test_a_cluster_starts_and_creates_a_topic():
    cluster = Cluster()
    assert cluster.active == [11]
    cluster.create_topic(12, 13, 11)
    assert cluster.state().isr == (12, 13, 11)
    cluster.check()


def test_a_paused_controller_is_replaced_and_resigns_when_it_is_back():
    cluster = Cluster()
    cluster.create_topic(11, 12, 13)
    cluster.brokers[11].pause()
    cluster.ensemble.run(5 * SECOND)
    assert cluster.active[-1] != 11
    assert cluster.state().leader == 12
    cluster.brokers[11].resume()
    cluster.ensemble.run(5 * SECOND)
    assert 11 not in cluster.active
    assert cluster.brokers[11].registrar.broker_epoch > 0
    assert cluster.ensemble.ask(cluster.host, "exists", znodes.broker_path(11)).error is None
    cluster.check()


def test_a_broker_that_dies_is_found_by_the_end_of_its_session():
    cluster = Cluster()
    cluster.create_topic(12, 13)
    cluster.brokers[12].power_off()
    cluster.ensemble.run(5 * SECOND)
    assert (cluster.state().leader, cluster.state().isr) == (13, (13,))
    cluster.check()


def test_a_lost_server_moves_sessions_and_loses_nobody():
    cluster = Cluster()
    epochs = [node.registrar.broker_epoch for node in cluster.brokers.values()]
    leader = cluster.ensemble.leader()
    assert leader is not None
    leader.kill()
    cluster.ensemble.elect(other_than=leader)
    cluster.ensemble.run(5 * SECOND)
    cluster.create_topic(12, 13)
    assert cluster.state().leader == 12
    assert [node.registrar.broker_epoch for node in cluster.brokers.values()] == epochs
    cluster.check()


@pytest.mark.parametrize("seed", range(4))
def test_brokers_cut_off_from_the_ensemble_come_back(seed):
    cluster = Cluster(seed=seed)
    cluster.create_topic(11, 12, 13)
    for server in cluster.ensemble.servers:
        cluster.ensemble.cut_both(11, server)
    cluster.ensemble.run(6 * SECOND)
    assert len([broker for broker in cluster.active if broker != 11]) == 1
    cluster.ensemble.network.heal()
    cluster.ensemble.run(6 * SECOND)
    assert len(cluster.active) == 1
    assert cluster.ensemble.ask(cluster.host, "exists", znodes.broker_path(11)).error is None
    cluster.check()


def test_two_clusters_on_one_ensemble_do_not_meet():
    cluster = Cluster("/blue/kafka")
    cluster.create_topic(11, 12, 13)
    other = Cluster.__new__(Cluster)
    other.ensemble, other.brokers = cluster.ensemble, {}
    other.ensure("/green")
    other.host = cluster.ensemble.client(chroot="/green")
    other.add_brokers("/green")
    assert (cluster.active, other.active) == ([11], [14])
    assert cluster.ensemble.ask(other.host, "get_children", znodes.TOPICS).value == ()
    assert cluster.ensemble.ask(cluster.host, "get_children", znodes.BROKER_IDS).value == ("11", "12", "13")


class Chaos:
    """Faults of servers, brokers and links drawn from a seed, and a quiet end."""

    def __init__(self, seed: int) -> None:
        self.cluster = Cluster(seed=seed)
        self.stream = Stream(seed, "chaos")
        self.topics = 0

    def run(self, steps: int) -> None:
        ensemble, brokers = self.cluster.ensemble, list(self.cluster.brokers.values())
        servers = list(ensemble.servers.values())
        for _ in range(steps):
            action = self.stream.below(9)
            node = self.stream.choice(servers if action == 0 else brokers)
            if action <= 1:
                (node.kill if node.running else node.start)()
            elif action == 2:
                (node.power_off if node.running else node.start)()
            elif action == 3:
                (node.resume if node.paused else node.pause)()
            elif action == 4:
                for server in ensemble.servers:
                    ensemble.cut_both(node.node_id, server)
            elif action == 5:
                ensemble.cut_both(node.node_id, self.stream.choice(brokers + servers).node_id)
            elif action == 6:
                ensemble.network.heal()
            else:
                self.change_topics(delete=action == 8 and self.stream.chance(1, 3))
            ensemble.run(self.stream.choice([1, 20, 300, 2_000]) * MS)
        ensemble.network.heal()
        for node in (*servers, *brokers):
            node.resume()
        for _ in range(4):
            for node in (*servers, *brokers):
                node.start()
            ensemble.run(6 * SECOND)

    def change_topics(self, delete: bool) -> None:
        """Ask for it and do not wait."""
        client = self.cluster.host.client
        if delete:
            client.create(znodes.delete_topic_path(f"t{self.topics}"), None, _ignore)
        else:
            self.topics += 1
            replicas = tuple(self.stream.sample(list(self.cluster.brokers), 3))
            data = znodes.TopicZnode(f"t{self.topics}@1", ((0, replicas),))
            client.create(znodes.topic_path(f"t{self.topics}"), data, _ignore)

    def check(self) -> None:
        cluster = self.cluster
        self.cluster.host = cluster.ensemble.client()
        [active] = cluster.active
        context = cluster.brokers[active].controller.parts.context
        assert sorted(context.live_brokers) == sorted(cluster.brokers)
        topics = cluster.ensemble.ask(cluster.host, "get_children", znodes.TOPICS).value
        assert tuple(sorted(context.topics)) == topics
        assert cluster.ensemble.ask(cluster.host, "get_children", znodes.DELETE_TOPICS).value == ()
        for topic in topics:
            state = cluster.state(topic)
            assert state.leader in state.isr
            told = cluster.brokers[state.leader].roles(topic)
            assert told[-1].leader_epoch == state.leader_epoch
        cluster.check()


def _ignore(result: Any) -> None:
    """What became of it shows in the tree."""


@pytest.mark.parametrize("seed", range(8))
def test_after_any_faults_the_controller_and_the_ensemble_agree(seed):
    chaos = Chaos(seed)
    chaos.run(40)
    chaos.check()
