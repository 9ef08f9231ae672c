"""A broker's life in ZooKeeper mode (KafkaServer.startup, controlledShutdown, shutdown).

STARTING: it makes sure of the znodes that everybody needs and registers in /brokers/ids. If another session holds its
znode - its own last one, as a rule, which has yet to run out - the process ends, and its supervisor starts it again.
RUNNING: registered; when its session expires it goes on as it is and registers anew in the next one, under a new broker
epoch. PENDING_CONTROLLED_SHUTDOWN: it asks the controller to move its leaderships away, some times over. SHUTTING_DOWN:
it closes its session and ends.
"""

from typing import Protocol

from fencepost.model.broker.controller_channel import RequestChannel
from fencepost.model.broker.lifecycle import PENDING_CONTROLLED_SHUTDOWN, RUNNING, SHUTTING_DOWN, STARTING
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.protocol.zk_controller import ControlledShutdownRequest, ControlledShutdownResponse
from fencepost.model.zk_controller.kafka_zk_client import KafkaZkClient
from fencepost.model.zk_controller.persistent_paths import create_persistent_paths
from fencepost.model.zk_controller.registration import BrokerRegistrar

#: How long a process lives on after its last message, so that the message leaves the host.
GOODBYE_US = 2_000


class ZkLifecycleOwner(Protocol):
    """What the life cycle tells its broker."""

    def on_first_registered(self) -> None:
        """The broker has registered: it may take part in the race, read what it needs and open its listener."""


class ZkBrokerLifecycle:
    """One process, from its start to its end. `shutdown_channel` leads to the controller."""

    def __init__(
        self, node: Node, config: KafkaConfig, client: KafkaZkClient, registrar: BrokerRegistrar, incarnation_id: str,
        shutdown_channel: RequestChannel, owner: ZkLifecycleOwner,
    ) -> None:
        self._node = node
        self._config = config
        self._client = client
        self._registrar = registrar
        self._channel = shutdown_channel
        self._owner = owner
        self._attempts = 0
        self.incarnation_id = incarnation_id
        self.state = STARTING

    def start(self) -> None:
        """Begin the first session."""
        self._observe_state()
        self._client.start()
        create_persistent_paths(self._client, self._on_paths)

    def _on_paths(self, error: str | None) -> None:
        if error is None:
            self._registrar.register(self._on_registered)
        else:
            self._node.shut_down()

    def _on_registered(self, error: str | None) -> None:
        if error is None:
            self._registrar.listeners.append(self._on_registered_again)
            self._owner.on_first_registered()
        else:
            self._node.shut_down()

    def _on_registered_again(self, broker_epoch: int) -> None:
        self._observe_state()

    @property
    def is_ending(self) -> bool:
        """Whether the process was asked to end."""
        return self.state in (PENDING_CONTROLLED_SHUTDOWN, SHUTTING_DOWN)

    def begin_running(self) -> None:
        """The listener is open."""
        if self.state == STARTING:
            self._enter(RUNNING)

    # --- the end ------------------------------------------------------------------------------------------------------

    def begin_controlled_shutdown(self) -> None:
        """Ask the controller first, as SIGTERM does; a broker that does not run yet just ends. Harmless if repeated."""
        if self.state == STARTING:
            self._end()
        elif self.state == RUNNING and self._config.controlled_shutdown_enable:
            self._enter(PENDING_CONTROLLED_SHUTDOWN)
            self._ask()
        elif self.state == RUNNING:
            self._end()

    def _ask(self) -> None:
        self._attempts += 1
        request = ControlledShutdownRequest(self._node.node_id, self._registrar.broker_epoch)
        self._channel.send(request, self._on_answer)

    def _on_answer(self, response: ControlledShutdownResponse | None) -> None:
        granted = response is not None and response.error is None and not response.remaining
        if granted or self._attempts > self._config.controlled_shutdown_max_retries:
            self._end()
        else:
            self._node.schedule(self._config.controlled_shutdown_retry_backoff_us, self._ask)

    def _end(self) -> None:
        self._enter(SHUTTING_DOWN)
        self._client.close()
        self._node.schedule(GOODBYE_US, self._node.shut_down)

    def _enter(self, state: str) -> None:
        self.state = state
        self._observe_state()

    def _observe_state(self) -> None:
        value = {"state": self.state, "incarnation_id": self.incarnation_id}
        self._node.observe("broker-state", value=value, broker_epoch=self._registrar.broker_epoch)
