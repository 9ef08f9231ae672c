"""The broker's way to the active controller (NodeToControllerChannelManager).

The active controller is whoever the broker's own Raft observer believes to lead the quorum, and with ZooKeeper whoever
last updated the broker's metadata. A request is sent once: the
answer, NOT_CONTROLLER included, goes to the caller, and None stands for a disconnect, a time-out or an unknown leader.

Left out: Kafka's channel resends a request by itself after NOT_CONTROLLER and after a disconnect. Here the callers
resend
(heartbeats, AlterPartition), or give the uncertainty on to the client (administration), which is what a client sees in
Kafka when the channel's own time-out ends the resending.
"""

from collections.abc import Callable
from typing import Any, Protocol

from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node


class RequestChannel(Protocol):
    """Where a component sends what somebody in control is to decide."""

    def send(self, request: Any, callback: Callable[..., None], *context: Any) -> None:
        """Send the request; `callback(response or None, *context)` follows once."""


class ControllerLocator(Protocol):
    """Knows the active controller."""

    @property
    def leader_id(self) -> int | None:
        """Its node id, None while nobody is known."""


class ControllerChannel:
    """One ordered connection to the active controller, for one purpose (`name`), as each of Kafka's channels has."""

    __slots__ = ("_backoff_us", "_locator", "_name", "_node", "timeout_us")

    def __init__(
        self, node: Node, config: KafkaConfig, locator: ControllerLocator, name: str, timeout_us: int
    ) -> None:
        self._node = node
        self._locator = locator
        self._name = name
        self._backoff_us = config.controller_channel_retry_backoff_us
        self.timeout_us = timeout_us

    def send(self, request: Any, callback: Callable[..., None], *context: Any) -> None:
        """Send the request; `callback(response or None, *context)` follows once."""
        leader_id = self._locator.leader_id
        if leader_id is None:
            self._node.schedule(self._backoff_us, callback, None, *context)
        else:
            self._node.request(leader_id, self._name, request, self.timeout_us, callback, *context)
