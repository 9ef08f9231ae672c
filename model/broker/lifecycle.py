"""A broker's life in KRaft mode (BrokerLifecycleManager, KIP-631).

STARTING: registers its incarnation and heartbeats until the controller says that it has caught up with its own
registration. RECOVERY: it publishes metadata to its components and asks to be unfenced. RUNNING: unfenced once; a later
fencing does not stop it, for safety comes from epochs and ISRs. PENDING_CONTROLLED_SHUTDOWN: asks to shut down until
the
controller agrees. SHUTTING_DOWN: the process is about to end.

A running broker never registers again, not even on STALE_BROKER_EPOCH (as in 3.9; a restart does). A broker whose
first registration does not succeed in initial.broker.registration.timeout.ms exits in Kafka and is restarted by its
supervisor; the model lets it try on, which is the same but for a new incarnation id.
"""

from collections.abc import Callable
from typing import Protocol

from fencepost.model.broker.controller_channel import ControllerChannel
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.protocol.controller import (
    BrokerHeartbeatRequest,
    BrokerHeartbeatResponse,
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
)
from fencepost.model.raft.replica import RaftReplica

STARTING = "STARTING"
RECOVERY = "RECOVERY"
RUNNING = "RUNNING"
PENDING_CONTROLLED_SHUTDOWN = "PENDING_CONTROLLED_SHUTDOWN"
SHUTTING_DOWN = "SHUTTING_DOWN"

#: The pauses between heartbeats while starting and after the first controlled-shutdown answer.
STARTING_HEARTBEAT_US = 10_000
SHUTDOWN_HEARTBEAT_US = 50_000


class LifecycleOwner(Protocol):
    """What the life cycle tells its broker."""

    def on_registered(self, broker_epoch: int) -> None:
        """The controller gave this incarnation its broker epoch."""

    def on_caught_up(self) -> None:
        """The broker has applied its own registration: it may publish metadata and open its listeners."""

    def on_may_shut_down(self) -> None:
        """The controlled shutdown is granted."""


class BrokerLifecycle:
    """Registration and heartbeats of one broker incarnation."""

    def __init__(
        self, node: Node, config: KafkaConfig, raft: RaftReplica, owner: LifecycleOwner,
        metadata_offset: Callable[[], int],
    ) -> None:
        self._node = node
        self._config = config
        self._owner = owner
        self._metadata_offset = metadata_offset
        self._channel = ControllerChannel(node, config, raft, "heartbeat", config.broker_session_timeout_us // 2)
        self._failures = 0
        self._timer: Timer | None = None
        self._in_flight = False
        self._clean_shutdown = node.disk.cell("clean-shutdown", -1)
        stream = node.simulation.streams(f"incarnation {node.node_id}")
        self.incarnation_id = f"{node.node_id}-{stream.bits(32):08x}"
        self.broker_epoch = -1
        self.state = STARTING
        self.fenced = True

    def start(self) -> None:
        """Begin to register."""
        self._observe_state()
        self._previous_broker_epoch = self._clean_shutdown.value
        self._clean_shutdown.write(-1)
        self._register()

    def begin_controlled_shutdown(self) -> None:
        """Ask the controller to move the leaderships away; harmless before the broker is unfenced or when repeated."""
        if self.state in (RUNNING, RECOVERY):
            self._enter(PENDING_CONTROLLED_SHUTDOWN)
            self._schedule(0)

    def write_clean_shutdown(self) -> None:
        """Leave the clean-shutdown file, which names the broker epoch that ended cleanly."""
        self._clean_shutdown.write(self.broker_epoch)

    # --- registration ---------------------------------------------------------------------------------------------

    def _register(self) -> None:
        request = BrokerRegistrationRequest(self._node.node_id, self.incarnation_id, self._previous_broker_epoch)
        self._channel.send(request, self._on_registration)

    def _on_registration(self, response: BrokerRegistrationResponse | None) -> None:
        if response is None or response.error is not None:
            self._node.schedule(self._next_backoff_us(), self._register)
            return
        self._failures = 0
        self.broker_epoch = response.broker_epoch
        self._observe_state()
        self._owner.on_registered(response.broker_epoch)
        self._heartbeat()

    # --- heartbeats -----------------------------------------------------------------------------------------------

    def _heartbeat(self) -> None:
        self._timer = None
        if self._in_flight:
            return
        self._in_flight = True
        request = BrokerHeartbeatRequest(
            self._node.node_id, self.broker_epoch, self._metadata_offset(),
            want_fence=self.state == STARTING, want_shut_down=self.state == PENDING_CONTROLLED_SHUTDOWN,
        )
        self._channel.send(request, self._on_heartbeat)

    def _on_heartbeat(self, response: BrokerHeartbeatResponse | None) -> None:
        self._in_flight = False
        if response is None or response.error is not None:
            self._schedule(self._next_backoff_us())
            return
        self._failures = 0
        self.fenced = response.is_fenced
        if self.state == STARTING and response.is_caught_up:
            self._enter(RECOVERY)
            self._owner.on_caught_up()
            self._schedule(0)
        elif self.state == RECOVERY and not response.is_fenced:
            self._enter(RUNNING)
            self._schedule(self._config.broker_heartbeat_interval_us)
        elif self.state == PENDING_CONTROLLED_SHUTDOWN and response.should_shut_down:
            self._enter(SHUTTING_DOWN)
            self._owner.on_may_shut_down()
        else:
            self._schedule(self._interval_us())

    def _interval_us(self) -> int:
        interval_us = self._config.broker_heartbeat_interval_us
        if self.state == STARTING:
            return min(STARTING_HEARTBEAT_US, interval_us)
        if self.state == PENDING_CONTROLLED_SHUTDOWN:
            return min(SHUTDOWN_HEARTBEAT_US, interval_us)
        return interval_us

    def _next_backoff_us(self) -> int:
        """Exponential, from 100 ms (scaled with the session time-out) up to the session time-out."""
        self._failures += 1
        longest_us = self._config.broker_session_timeout_us
        return min(longest_us // 90 << min(self._failures, 16), longest_us)

    def _schedule(self, delay_us: int) -> None:
        cancel(self._timer)
        self._timer = self._node.schedule(delay_us, self._heartbeat)

    def _enter(self, state: str) -> None:
        self.state = state
        self._observe_state()

    def _observe_state(self) -> None:
        value = {"state": self.state, "incarnation_id": self.incarnation_id}
        self._node.observe("broker-state", value=value, broker_epoch=self.broker_epoch)
