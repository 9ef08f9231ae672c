"""A broker that answers clients as a test tells it to, and a client that talks to it."""

from collections.abc import Callable
from typing import Any

from fencepost.histories.event import Event
from fencepost.histories.recorder import Recorder
from fencepost.model.client.client_node import ClientNode
from fencepost.model.config import ClientConfig
from fencepost.model.kernel.network import Network, Reply
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics, Simulation
from fencepost.model.protocol.data import (
    InitProducerIdRequest,
    InitProducerIdResponse,
    MetadataRequest,
    MetadataResponse,
    PartitionMetadata,
    ProduceRequest,
    ProduceResponse,
)

CLIENTS = 6


class ScriptedBroker(Node):
    """Broker 1 leads orders-0. `answers` are given to produces in turn; None leaves one unanswered."""

    def on_start(self) -> None:
        self.produces: list[ProduceRequest] = []
        self.answers: list[ProduceResponse | None] = []
        self.producer_ids = 0
        self.handlers[MetadataRequest] = self._metadata
        self.handlers[ProduceRequest] = self._produce
        self.handlers[InitProducerIdRequest] = self._producer_id

    def _metadata(self, request: MetadataRequest, reply: Reply) -> None:
        topics = {"orders": ("orders@1", (PartitionMetadata(1, 3, (1,)),))}
        reply.send(MetadataResponse(None, (1,), 101, topics, 10))

    def _produce(self, request: ProduceRequest, reply: Reply) -> None:
        self.produces.append(request)
        answer = self.answers.pop(0) if self.answers else ProduceResponse(None, 7, 3)
        if answer is not None:
            reply.send(answer)

    def _producer_id(self, request: InitProducerIdRequest, reply: Reply) -> None:
        self.producer_ids += 1
        reply.send(InitProducerIdResponse(None, 1000 + self.producer_ids, 0))


def client_and_broker(
    operations: list[dict[str, Any]], config: ClientConfig | None = None
) -> tuple[ClientNode, ScriptedBroker, Callable[[int], list[Event]]]:
    """A started client 2 with its operations, its broker, and a function that runs on and gives the history so far."""
    recorder = Recorder()
    simulation = Simulation(1, Physics(), recorder)
    network = Network(simulation)
    broker = ScriptedBroker(1, "broker 1", simulation, network)
    client = ClientNode(
        1003, "client 2", simulation, network, 2, config or ClientConfig(), (1,), recorder, CLIENTS)
    client.load(operations)
    broker.start()
    client.start()

    def run_until(end_us: int) -> list[Event]:
        simulation.scheduler.run_until(end_us)
        return [event for event in recorder.events if event.process is not None]

    return client, broker, run_until
