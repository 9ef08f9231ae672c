"""A small healthy cluster in the campaign profile, and a hand that sends it requests."""

from typing import Any

from fencepost.harness.timing import physics
from fencepost.histories.event import Event
from fencepost.histories.recorder import Recorder
from fencepost.model.bugs.catalogue import composer_with
from fencepost.model.effective_config import effective_config
from fencepost.model.kernel.node import Node
from fencepost.model.kraft_cluster import KRaftCluster
from fencepost.model.protocol.controller import AdminRequest
from fencepost.model.protocol.data import ProduceRequest
from fencepost.model.shape import Shape

MS = 1_000
SECOND = 1_000_000
HAND_ID = 2000


class Hand(Node):
    """Sends one request at a time; `answer` is [] until something came back (None for a disconnect)."""

    def on_start(self) -> None:
        self.answer: list[Any] = []

    def on_answer(self, response: Any) -> None:
        self.answer.append(response)


class LiveCluster:
    """One to three brokers, already unfenced. `ask` sends a request and runs until it is answered."""

    def __init__(self, bugs: tuple[str, ...] = (), seed: int = 1, **properties: str) -> None:
        named = {name.replace("_", "."): value for name, value in properties.items()}
        config = effective_config("campaign", named, 3)
        self.recorder = Recorder()
        self.cluster = KRaftCluster(
            seed, Shape(clients=1), config.kafka, config.client, physics("campaign"), composer_with(bugs, "kraft"),
            self.recorder)
        self.hand = Hand(HAND_ID, "hand", self.cluster.simulation, self.cluster.network)
        self.cluster.start()
        self.hand.start()
        self.run(SECOND)

    def run(self, duration_us: int) -> None:
        self.cluster.run_until(self.cluster.now_us + duration_us)

    def ask(self, broker: int, request: Any, within_us: int = 5 * SECOND) -> Any:
        self.hand.answer = []
        self.hand.request(broker, "hand", request, within_us, self.hand.on_answer)
        deadline_us = self.cluster.now_us + within_us
        while not self.hand.answer and self.cluster.now_us < deadline_us:
            self.run(MS)
        return self.hand.answer[0]

    def create_topic(self, name: str = "orders", partitions: int = 1) -> None:
        arguments = {"name": name, "partitions": partitions, "replication_factor": 3, "configs": {}}
        response = self.ask(1, AdminRequest("create-topic", arguments))
        assert response.error is None
        self.run(200 * MS)

    def leader(self, partition: str = "orders-0") -> int:
        (leader,) = self.cluster.leaders_of(partition)
        return leader

    def produce(self, *values: str, acks: int = -1, **fields: Any) -> Any:
        request = ProduceRequest("orders", 0, values, acks, SECOND, **fields)
        return self.ask(self.leader(), request)

    def replica(self, broker: int, partition: str = "orders-0") -> Any:
        server = self.cluster.nodes[broker].broker
        assert server is not None
        return server.replica_manager.partitions[partition]

    def values(self, broker: int) -> list[object]:
        return [record.value for record in self.replica(broker).log.records()]

    def events(self, f: str) -> list[Event]:
        return [event for event in self.recorder.events if event.f == f]
