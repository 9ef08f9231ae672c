"""Kafka in ZooKeeper mode with its ensemble and its clients."""

from typing import Any

from fencepost.histories.recorder import Recorder
from fencepost.histories.vocabulary import OBSERVATIONS
from fencepost.model.client.client_node import ClientNode
from fencepost.model.cluster import SimulatedCluster
from fencepost.model.composition import Composer
from fencepost.model.config import ClientConfig, KafkaConfig, OldConsumerConfig, ZooKeeperConfig
from fencepost.model.ensemble_metadata import EnsembleMetadata
from fencepost.model.ensemble_offsets import EnsembleOffsets
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics
from fencepost.model.shape import Shape
from fencepost.model.zk_client.client_node import ZkClientNode
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_kafka_node import ZkKafkaNode
from fencepost.model.zookeeper.server import ZooKeeperServer
from fencepost.model.zookeeper.storage import LOG_FILE
from fencepost.model.zookeeper.transactions import Transaction


class ZkCluster(SimulatedCluster):
    """Brokers, each with a controller of which one is active, and a ZooKeeper ensemble."""

    ABSENT_OBSERVATIONS = (
        *(name for name in OBSERVATIONS if name.startswith("raft-")), "broker-registration", "broker-heartbeat",
    )

    def __init__(
        self, seed: int, shape: Shape, config: KafkaConfig, client_config: ClientConfig, zookeeper: ZooKeeperConfig,
        consumer_config: OldConsumerConfig, physics: Physics, composer: Composer, recorder: Recorder,
    ) -> None:
        self._zookeeper = zookeeper
        self._consumer_config = consumer_config
        super().__init__(seed, shape, config, client_config, physics, recorder)
        self.zookeepers = shape.zookeeper_ids()
        self._composer = composer
        self.ensemble: dict[int, ZooKeeperServer] = {
            node_id: ZooKeeperServer(node_id, self.simulation, self.network, zookeeper, composer, self.zookeepers)
            for node_id in self.zookeepers
        }
        self._metadata = EnsembleMetadata(self.ensemble[self.zookeepers[0]])
        self._offsets = EnsembleOffsets()
        for server in self.ensemble.values():
            server.on_committed = self._on_committed
        self.nodes: dict[int, ZkKafkaNode] = {
            node_id: ZkKafkaNode(
                node_id, self.simulation, self.network, config, zookeeper, composer, self.zookeepers)
            for node_id in self.brokers
        }
        self.servers.update(self.ensemble)
        self.servers.update(self.nodes)

    def _on_committed(self, node: Node, transaction: Transaction) -> None:
        """A server knows that this is committed."""
        self._metadata.on_committed(node, transaction)
        self._offsets.on_committed(node, transaction)

    def make_client(self, index: int, node_id: int, client_config: ClientConfig) -> ClientNode:
        """See `SimulatedCluster`."""
        if not self._consumer_config.is_used:
            return super().make_client(index, node_id, client_config)
        return ZkClientNode(
            node_id, f"client {index}", self.simulation, self.network, index, client_config, self._consumer_config,
            self._zookeeper, self.shape.zookeeper_ids(), self.recorder, self.shape.clients)

    def make_broker(self, node_id: int) -> ZkKafkaNode:
        """See `SimulatedCluster`."""
        self.nodes[node_id] = ZkKafkaNode(
            node_id, self.simulation, self.network, self.config, self._zookeeper, self._composer, self.zookeepers)
        return self.nodes[node_id]

    def roles(self) -> dict[str, list[int]]:
        """`active-controller` and `zookeeper-leader`: who believes to be it."""
        return {
            "active-controller": [
                node.node_id for node in self.nodes.values()
                if node.controller is not None and node.controller.is_active],
            "zookeeper-leader": [server.node_id for server in self.ensemble.values() if server.is_leading],
        }

    def expire_session(self, node_id: int) -> bool:
        """Have the ensemble end the broker's session now; whether there was a session and a leader to end it."""
        broker = self.nodes[node_id].broker if node_id in self.nodes else None
        if broker is None:
            return False
        return any(server.expire_session(broker.client.session_id) for server in self.ensemble.values())

    def delete_controller(self) -> bool:
        """What an operator does who forces an election (`zookeeper-shell ... delete /controller`); whether there was a
        /controller and a leader to delete it."""
        return any(server.delete(znodes.CONTROLLER) for server in self.ensemble.values())

    def slow_controller(self, node_id: int, delay_us: int) -> bool:
        """Make the broker's controller take so much longer for each event (0: as before); whether it runs."""
        controller = self.nodes[node_id].controller if node_id in self.nodes else None
        if controller is None:
            return False
        controller.slow_down(delay_us)
        return True

    def last_copy_on(self, node_id: int, log: str | None) -> str | None:
        """See `DiskFaults`. A server's transactions are held by all others if each of them leads or follows in one
        epoch and has synced all that this one ever wrote."""
        if node_id in self.ensemble and log in (None, LOG_FILE):
            own = self.ensemble[node_id].disk.log(LOG_FILE)
            last_zxid = own.entries[-1].zxid if own.entries else 0
            others = [server for server in self.ensemble.values() if server.node_id != node_id]
            epochs = {server.established_epoch: None for server in others}
            if len(epochs) != 1 or None in epochs or not any(server.is_leading for server in others) or any(
                server.peer is None or server.peer.storage.synced_zxid < last_zxid for server in others
            ):
                return f"server {node_id} leads the ensemble or may have the last copy of its transactions"
        return super().last_copy_on(node_id, log)

    def header(self) -> dict[str, Any]:
        """What checkers need to know about the run."""
        return {**super().header(), "zookeepers": list(self.zookeepers)}
