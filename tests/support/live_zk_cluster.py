"""A small healthy cluster of ZooKeeper mode in the campaign profile, and a hand that sends its brokers requests."""

from typing import Any

from live_cluster import HAND_ID, MS, SECOND, Hand

from fencepost.harness.timing import physics
from fencepost.histories.event import Event
from fencepost.histories.recorder import Recorder
from fencepost.model.bugs.catalogue import composer_with
from fencepost.model.effective_config import effective_config
from fencepost.model.protocol.controller import AdminRequest
from fencepost.model.protocol.data import ProduceRequest
from fencepost.model.protocol.zk_controller import PartitionState
from fencepost.model.shape import Shape
from fencepost.model.zk_broker.server import ZkBrokerServer
from fencepost.model.zk_cluster import ZkCluster


class LiveZkCluster:
    """Brokers that have registered, and one of them the controller. `ask` sends a request and runs until its answer."""

    def __init__(self, bugs: tuple[str, ...] = (), brokers: int = 3, zookeepers: int = 3, **properties: str) -> None:
        named = {name.replace("_", "."): value for name, value in properties.items()}
        config = effective_config("campaign", named, brokers)
        self.recorder = Recorder()
        self.cluster = ZkCluster(
            1, Shape(brokers=brokers, clients=1, zookeepers=zookeepers), config.kafka, config.client, config.zookeeper,
            config.consumer, physics("campaign"), composer_with(bugs, "zk"), self.recorder)
        self.hand = Hand(HAND_ID, "hand", self.cluster.simulation, self.cluster.network)
        self.cluster.start()
        self.hand.start()
        self.run(2 * SECOND)

    def run(self, duration_us: int) -> None:
        self.cluster.run_until(self.cluster.now_us + duration_us)

    def broker(self, broker_id: int) -> ZkBrokerServer:
        broker = self.cluster.nodes[broker_id].broker
        assert broker is not None
        return broker

    @property
    def controller_id(self) -> int:
        """The one broker that believes to be the controller."""
        (found,) = self.cluster.roles()["active-controller"]
        return found

    @property
    def others(self) -> list[int]:
        """The brokers that are not the controller."""
        return [broker_id for broker_id in self.cluster.brokers if broker_id != self.controller_id]

    def ask(self, broker: int, request: Any, within_us: int = 5 * SECOND) -> Any:
        self.hand.answer = []
        self.hand.request(broker, "hand", request, within_us, self.hand.on_answer)
        deadline_us = self.cluster.now_us + within_us
        while not self.hand.answer and self.cluster.now_us < deadline_us:
            self.run(MS)
        return self.hand.answer[0]

    def administer(self, operation: str, broker: int = 1, **arguments: Any) -> Any:
        return self.ask(broker, AdminRequest(operation, arguments))

    def create_topic(self, name: str = "orders", partitions: int = 1, **configs: str) -> str:
        factor = len(self.cluster.brokers)
        response = self.administer(
            "create-topic", name=name, partitions=partitions, replication_factor=factor,
            configs={key.replace("_", "."): value for key, value in configs.items()})
        assert response.error is None
        return str(response.result["topic_id"])

    def produce(self, value: str, topic: str = "orders") -> Any:
        (leader,) = self.cluster.leaders_of(f"{topic}-0")
        request = ProduceRequest(topic, 0, (value,), -1, SECOND)
        return self.ask(leader, request)

    def state(self, topic: str = "orders", **changes: Any) -> PartitionState:
        """What a controller would tell of the topic's partition 0, with changes."""
        cache = self.broker(1).image
        topic_id = cache.topics[topic]
        known = cache.partitions[(topic_id, 0)]
        return PartitionState(
            topic, topic_id, 0, 1, known.leader, known.leader_epoch, known.isr, known.partition_epoch,
            known.replicas)._replace(**changes)

    def observed(self, f: str, node: int | None = None, **value: Any) -> list[Event]:
        """The observations of that name (and node, and with these values)."""
        return [
            event for event in self.recorder.events if event.f == f and node in (None, event.node)
            and all((event.value or {}).get(name) == wanted for name, wanted in value.items())]
