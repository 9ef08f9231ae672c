"""Kafka in KRaft mode with its clients."""

from fencepost.histories.recorder import Recorder
from fencepost.histories.vocabulary import OBSERVATIONS
from fencepost.model.cluster import SimulatedCluster
from fencepost.model.composition import Composer
from fencepost.model.config import ClientConfig, KafkaConfig
from fencepost.model.kafka_node import KafkaNode
from fencepost.model.kernel.simulation import Physics
from fencepost.model.raft.metadata_log import LOG_FILE
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
        self._composer = composer
        self.nodes: dict[int, KafkaNode] = {
            node_id: KafkaNode(
                node_id, self.simulation, self.network, config, composer, self.controllers,
                node_id in self.controllers, node_id in self.brokers,
            )
            for node_id in sorted({*self.controllers, *self.brokers})
        }
        self.servers.update(self.nodes)

    def make_broker(self, node_id: int) -> KafkaNode:
        """See `SimulatedCluster`."""
        self.nodes[node_id] = KafkaNode(
            node_id, self.simulation, self.network, self.config, self._composer, self.controllers, False, True)
        return self.nodes[node_id]

    def roles(self) -> dict[str, list[int]]:
        """`active-controller` and `raft-leader`: who believes to be it."""
        running = [node for node in self.nodes.values() if node.running]
        return {
            "active-controller": [n.node_id for n in running if n.controller is not None and n.controller.is_active],
            "raft-leader": [n.node_id for n in running if n.raft is not None and n.raft.is_leader],
        }

    def last_copy_on(self, node_id: int, log: str | None) -> str | None:
        """See `DiskFaults`. A controller's metadata, and its vote, are held by all others if each of them follows in
        the leader's epoch and has synced all that this one ever wrote."""
        if node_id in self.controllers and log in (None, LOG_FILE):
            leading = [self.nodes[other].raft for other in self.controllers if other != node_id]
            leader = next((raft for raft in leading if raft is not None and raft.is_leader), None)
            own = self.nodes[node_id].disk.log(LOG_FILE)
            if leader is None or any(
                raft is None or raft.epoch != leader.epoch or raft.leader_id != leader.node_id
                or raft.log.synced_end_offset < own.end_offset for raft in leading
            ):
                return f"node {node_id} leads the quorum or may have the last copy of its metadata"
        return super().last_copy_on(node_id, log)
