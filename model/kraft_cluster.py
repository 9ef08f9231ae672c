"""Kafka in KRaft mode with its clients."""

from fencepost.histories.recorder import Recorder
from fencepost.histories.vocabulary import OBSERVATIONS
from fencepost.model.cluster import SimulatedCluster
from fencepost.model.composition import Composer
from fencepost.model.config import ClientConfig, KafkaConfig
from fencepost.model.kafka_node import KafkaNode
from fencepost.model.kernel.simulation import Physics
from fencepost.model.shape import Shape


class KRaftCluster(SimulatedCluster):
    """Controllers that form a quorum, and brokers; or nodes that are both."""

    ABSENT_OBSERVATIONS = (
        *(name for name in OBSERVATIONS if name.startswith("zk-")),
        "controller-ready", "control-request", "broker-list", "broker-registered", "partition-owned",
    )

    def __init__(
        self, seed: int, shape: Shape, config: KafkaConfig, client_config: ClientConfig, physics: Physics,
        composer: Composer, recorder: Recorder,
    ) -> None:
        super().__init__(seed, shape, config, client_config, physics, recorder)
        self.controllers = shape.controller_ids()
        self.nodes: dict[int, KafkaNode] = {
            node_id: KafkaNode(
                node_id, self.simulation, self.network, config, composer, self.controllers,
                node_id in self.controllers, node_id in self.brokers,
            )
            for node_id in sorted({*self.controllers, *self.brokers})
        }
        self.servers.update(self.nodes)

    def roles(self) -> dict[str, list[int]]:
        """`active-controller` and `raft-leader`: who believes to be it."""
        running = [node for node in self.nodes.values() if node.running]
        return {
            "active-controller": [n.node_id for n in running if n.controller is not None and n.controller.is_active],
            "raft-leader": [n.node_id for n in running if n.raft is not None and n.raft.is_leader],
        }
