"""Controllers on real Raft replicas, under random crashes, pauses, power cuts and partitions."""

from dataclasses import replace
from typing import Any

import pytest
from raft_cluster import campaign_config

from fencepost.histories.recorder import Recorder, digest
from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig
from fencepost.model.controller.quorum_controller import QuorumController
from fencepost.model.errors import NOT_CONTROLLER
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics, Simulation
from fencepost.model.protocol.controller import (
    AdminRequest,
    BrokerHeartbeatRequest,
    BrokerRegistrationRequest,
    EnvelopeRequest,
)
from fencepost.model.raft.replica import RaftReplica

VOTERS = (101, 102, 103)
SECOND_US = 1_000_000
CONFIG = replace(campaign_config(), metadata_log_max_record_bytes_between_snapshots=40 * 64)


class QuorumNode(Node):
    """A controller process."""

    def __init__(self, node_id: int, simulation: Simulation, network: Network, config: KafkaConfig) -> None:
        super().__init__(node_id, f"controller {node_id}", simulation, network)
        self.config = config
        self.controller: QuorumController | None = None

    def on_start(self) -> None:
        composer = Composer()
        raft = RaftReplica(self, self.config, VOTERS)
        self.controller = QuorumController(self, self.config, raft, composer)
        raft.start()
        self.controller.start()

    def on_stop(self, how: str) -> None:
        self.controller = None


class Broker(Node):
    """Registers, heartbeats, and asks for topics and configurations, of whichever controller answers."""

    def __init__(self, node_id: int, simulation: Simulation, network: Network) -> None:
        super().__init__(node_id, f"broker {node_id}", simulation, network)
        self.stream = simulation.streams(f"broker {node_id}")

    def on_start(self) -> None:
        self.incarnation_id = f"{self.node_id}-{self.incarnation}"
        self.broker_epoch = -1
        self.target = VOTERS[0]
        self.schedule(0, self.act)

    def act(self) -> None:
        self.request(self.target, "controller", self.next_request(), 200_000, self.on_answer)
        self.schedule(50_000 + self.stream.below(50_000), self.act)

    def next_request(self) -> Any:
        if self.broker_epoch < 0:
            return BrokerRegistrationRequest(self.node_id, self.incarnation_id)
        if self.stream.chance(2, 3):
            return BrokerHeartbeatRequest(self.node_id, self.broker_epoch, 1 << 40, False, False)
        topic = self.stream.choice(("orders", "payments", "clicks"))
        choices: tuple[tuple[str, dict[str, Any]], ...] = (
            ("create-topic", {"name": topic, "partitions": 2, "replication_factor": 2}),
            ("delete-topic", {"name": topic}),
            ("alter-config", {"resource_type": "topic", "resource_name": topic, "key": "retention.ms",
                              "value": str(self.stream.below(1000))}),
        )
        operation, arguments = self.stream.choice(choices)
        return EnvelopeRequest(self.node_id, AdminRequest(operation, arguments))

    def on_answer(self, response: Any) -> None:
        if response is None or response.error == NOT_CONTROLLER:
            self.target = self.stream.choice(VOTERS)
        elif response.error is None:
            self.broker_epoch = getattr(response, "broker_epoch", self.broker_epoch)


def run(seed: int, seconds: int) -> tuple[Recorder, list[QuorumNode]]:
    recorder = Recorder()
    simulation = Simulation(seed, Physics(), recorder)
    network = Network(simulation)
    controllers = [QuorumNode(voter, simulation, network, CONFIG) for voter in VOTERS]
    nodes: list[Node] = [*controllers, *(Broker(broker_id, simulation, network) for broker_id in (1, 2, 3))]
    for node in nodes:
        node.start()
    stream = simulation.streams("faults")
    for second in range(seconds):
        simulation.scheduler.run_until(second * SECOND_US + stream.below(SECOND_US))
        victim = stream.choice(nodes)
        fault = stream.choice(("kill", "power", "pause", "cut", "none"))
        if fault == "kill":
            victim.kill()
        elif fault == "power":
            victim.power_off()
        elif fault == "pause":
            victim.pause()
        elif fault == "cut":
            for other in VOTERS:
                network.links.cut(victim.node_id, other)
        simulation.scheduler.run_until((second + 1) * SECOND_US)
        network.heal()
        victim.resume()
        victim.start()
    simulation.scheduler.run_until((seconds + 3) * SECOND_US)
    return recorder, controllers


@pytest.mark.parametrize("seed", range(6))
def test_every_controller_has_the_same_image_at_the_same_offset(seed: int) -> None:
    recorder, controllers = run(seed, 10)
    digests: dict[int, str] = {}
    claims: dict[int, int | None] = {}
    for event in recorder.events:
        if event.f == "metadata-applied":
            assert digests.setdefault(event.value["end_offset"], event.value["digest"]) == event.value["digest"]
        if event.f == "controller-claimed":
            assert event.epochs is not None
            assert event.value["next_offset"] > event.value["epoch_start_offset"]
            assert claims.setdefault(event.epochs["controller_epoch"], event.node) == event.node
    assert len(digests) > 20
    assert claims
    assert any(event.f == "raft-snapshot-created" for event in recorder.events)
    states = [node.controller.describe() for node in controllers if node.controller is not None]
    assert len(states) == len(VOTERS)
    assert sum(state["active"] for state in states) == 1
    active = next(node.controller for node in controllers if node.controller is not None and node.controller.is_active)
    assert [broker.fenced for broker in active.image.brokers.values()] == [False, False, False]


def test_the_same_seed_gives_the_same_history() -> None:
    assert digest(run(1, 4)[0].events) == digest(run(1, 4)[0].events)
