"""A client of the time before 0.9: a `ClientNode` that finds brokers in /brokers/ids and consumes by way of ZooKeeper.

It begins its first operation once it has found a broker. Afterwards it asks any of those that it found last, and finds
anew when the list changes. Each consumer has a session of its own, as each ZookeeperConsumerConnector had; the client's
other reads, of brokers and of offsets, share one.
"""

from typing import Any

from fencepost.histories.recorder import Recorder
from fencepost.model.client.client_node import ClientNode
from fencepost.model.client.consumer import Consumer
from fencepost.model.config import ClientConfig, OldConsumerConfig, ZooKeeperConfig
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.simulation import Simulation
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.zk_client.consumer import ZkConsumer
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient, Outcome
from fencepost.model.zk_controller.znodes import BROKER_IDS
from fencepost.model.zookeeper.client import ClientTimeouts, ZooKeeperClient

#: Requests of one session that are under way at once.
_MAX_IN_FLIGHT = 10


class ZkClientNode(ClientNode):
    """One client. servers: the ensemble. keeper: its own session, not its consumer's."""

    keeper: KafkaZkClient

    def __init__(
        self, node_id: int, name: str, simulation: Simulation, network: Network, index: int, config: ClientConfig,
        consumer_config: OldConsumerConfig, zookeeper: ZooKeeperConfig, servers: tuple[int, ...], recorder: Recorder,
        clients: int,
    ) -> None:
        super().__init__(node_id, name, simulation, network, index, config, (), recorder, clients)
        self.consumer_config = consumer_config
        self._timeouts = ClientTimeouts(consumer_config.zookeeper_session_timeout_us, zookeeper.client_spin_delay_us)
        self._servers = servers
        self._keepers = 0

    def on_start(self) -> None:
        """Look for brokers first."""
        self.bootstrap = ()
        self.keeper = self.make_keeper()
        self.keeper.session_listeners.append(_Rediscovery(self))
        self.keeper.child_handlers[BROKER_IDS] = self._on_brokers_change
        self.keeper.start()
        self.discover()
        super().on_start()

    def make_keeper(self) -> KafkaZkClient:
        """A new session layer, not yet started, with connections of its own."""
        self._keepers += 1
        return KafkaZkClient(self, _MAX_IN_FLIGHT, _Sessions(self, self._keepers))

    def make_session(self, listener: KafkaZkClient, keeper: int) -> ZooKeeperClient:
        """A new session of one session layer."""
        channel = f"{zk.CLIENT_CHANNEL} {keeper}"
        return ZooKeeperClient(self, self._timeouts, self._servers, "", listener, channel=channel)

    def make_consumer(self) -> Consumer:
        """See `ClientNode`."""
        return ZkConsumer(self)

    # --- brokers ------------------------------------------------------------------------------------------------------

    def discover(self) -> None:
        """Read which brokers are registered."""
        self.keeper.request_all([zk.GetChildrenOp(BROKER_IDS)], self._on_brokers)

    def _on_brokers_change(self, event: zk.WatchEvent) -> None:
        self.discover()

    def _on_brokers(self, outcomes: list[Outcome]) -> None:
        """When all are gone the last ones known are still worth a try; before the first broker there is no list."""
        result = outcomes[0].result
        if result.error == zk.NONODE:
            self.schedule(self.config.retry_backoff_us, self.discover)
        elif result.error is None and result.value:
            self.bootstrap = tuple(int(name) for name in result.value)

    def begin_next(self) -> None:
        """Nothing can be asked of anybody before a broker is known."""
        if self.bootstrap:
            super().begin_next()
        else:
            self.schedule(self.config.retry_backoff_us, self.begin_next)


class _Sessions:
    """Makes the sessions of one session layer, one after the other."""

    def __init__(self, client: ZkClientNode, keeper: int) -> None:
        self._client = client
        self._keeper = keeper

    def __call__(self, listener: KafkaZkClient) -> ZooKeeperClient:
        return self._client.make_session(listener, self._keeper)


class _Rediscovery:
    """In a new session the watch is to be set again."""

    def __init__(self, client: ZkClientNode) -> None:
        self._client = client

    def before_initializing_session(self, proceed: Any) -> None:
        """Nothing has to end first."""
        proceed()

    def after_initializing_session(self) -> None:
        """Read again."""
        self._client.discover()
