"""The controller's channels to the brokers (ControllerChannelManager, RequestSendThread).

One queue for each registered broker, first in, first out, with one request in flight: it is sent again, unchanged, over
a new connection until it is answered, or until the broker is removed (its death or bounce, or the controller's
resignation), which drops the queue. An answer with STALE_CONTROLLER_EPOCH or STALE_BROKER_EPOCH is an answer.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.node import Node

CHANNEL = "controller-to-broker"


class BrokerChannel:
    """The queue to one broker."""

    __slots__ = ("broker_id", "in_flight", "open", "queue")

    def __init__(self, broker_id: int) -> None:
        self.broker_id = broker_id
        self.queue: deque[Any] = deque()
        self.in_flight = False
        self.open = True


class ControllerChannelManager:
    """All channels; `on_response(broker id, request, response)` is called for every answer."""

    def __init__(self, node: Node, config: KafkaConfig, on_response: Callable[[int, Any, Any], None]) -> None:
        self._node = node
        self._timeout_us = config.controller_socket_timeout_us
        self._backoff_us = config.controller_channel_retry_backoff_us
        self._on_response = on_response
        self._channels: dict[int, BrokerChannel] = {}

    def add_broker(self, broker_id: int) -> None:
        """Open a channel; harmless when there is one."""
        if broker_id not in self._channels:
            self._channels[broker_id] = BrokerChannel(broker_id)

    def remove_broker(self, broker_id: int) -> None:
        """Drop the channel with everything in its queue."""
        channel = self._channels.pop(broker_id, None)
        if channel is not None:
            channel.open = False
            channel.queue.clear()
            self._node.network.disconnect(self._node, broker_id, CHANNEL)

    def shut_down(self) -> None:
        """Drop every channel."""
        for broker_id in list(self._channels):
            self.remove_broker(broker_id)

    def send(self, broker_id: int, request: Any) -> None:
        """Queue a request; one to a broker without a channel is dropped."""
        channel = self._channels.get(broker_id)
        if channel is not None:
            channel.queue.append(request)
            if not channel.in_flight:
                self._send_next(channel)

    def queued(self, broker_id: int) -> int:
        """Requests that are not answered yet."""
        channel = self._channels.get(broker_id)
        return 0 if channel is None else len(channel.queue)

    def _send_next(self, channel: BrokerChannel) -> None:
        if not channel.open or not channel.queue:
            channel.in_flight = False
            return
        channel.in_flight = True
        request = channel.queue[0]
        self._node.observe(
            "control-request", value={"request": type(request).__name__.removesuffix("Request"),
                                      "to": channel.broker_id},
            controller_epoch=request.controller_epoch, broker_epoch=request.broker_epoch)
        self._node.request(channel.broker_id, CHANNEL, request, self._timeout_us, self._on_answer, channel)

    def _on_answer(self, response: Any, channel: BrokerChannel) -> None:
        if not channel.open:
            return
        if response is None:
            self._node.schedule(self._backoff_us, self._send_next, channel)
            return
        request = channel.queue.popleft()
        self._on_response(channel.broker_id, request, response)
        self._send_next(channel)
