"""A client: one process that works through a list of operations, one at a time, and writes down what happened.

Operations are plain data, `{"at_us": ..., "f": ..., ...}`. Each is invoked at its time, or when the one before is done,
and completes within a bounded time: `ok`, `fail`, or `info` when nobody knows; an `info` retires the process id, and
with it the consumer's membership and the producer id. A paused client wakes up with its old beliefs: that is the zombie
consumer.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fencepost.histories.event import FAIL, INFO, INVOKE
from fencepost.histories.recorder import Recorder
from fencepost.model.client.administrator import Administrator
from fencepost.model.client.consumer import Consumer
from fencepost.model.client.producer import Producer
from fencepost.model.config import ClientConfig
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Simulation
from fencepost.model.protocol.data import MetadataRequest, MetadataResponse


class ClientNode(Node):
    """One client. `idle` once every operation has completed.

    index: the client's number and its first process id.
    clients: how many there are; a retired process id is followed by id + clients.
    """

    def __init__(
        self, node_id: int, name: str, simulation: Simulation, network: Network, index: int, config: ClientConfig,
        bootstrap: tuple[int, ...], recorder: Recorder, clients: int,
    ) -> None:
        super().__init__(node_id, name, simulation, network)
        self.index = index
        self.config = config
        self.bootstrap = bootstrap
        self.process = index
        self.principal = f"User:client{index}"
        self.stream = simulation.streams(f"client {index}")
        self.topics: dict[str, Any] = {}
        self.metadata_offset = -1
        self._recorder = recorder
        self._clients = clients
        self._operations: Sequence[dict[str, Any]] = ()
        self._next = 0
        self._open: dict[str, Any] | None = None
        self._open_value: dict[str, Any] = {}
        self.producer = Producer(self)
        self.consumer = Consumer(self)
        self.administrator = Administrator(self)
        self._runners: dict[str, Callable[[dict[str, Any]], None]] = {
            "produce": self.producer.produce, "poll": self.consumer.poll, "subscribe": self.consumer.subscribe,
            "commit-offsets": self.consumer.commit, "fetch-offsets": self.consumer.fetch_offsets,
            "final-offsets": self.consumer.fetch_offsets, "final-read": self.consumer.read_all,
            **dict.fromkeys(self.administrator.OPERATIONS, self.administrator.run),
        }

    def load(self, operations: Sequence[dict[str, Any]]) -> None:
        """The operations to work through, in the order of their times."""
        self._operations = operations

    @property
    def idle(self) -> bool:
        """Whether everything is done."""
        return self._open is None and self._next >= len(self._operations)

    def on_start(self) -> None:
        """Begin with the first operation that is not done."""
        self._schedule_next()

    # --- one operation after the other ----------------------------------------------------------------------------

    def _schedule_next(self) -> None:
        if self._next < len(self._operations):
            operation = self._operations[self._next]
            self.schedule(max(0, operation["at_us"] - self.now_us), self._begin)

    def _begin(self) -> None:
        operation = self._operations[self._next]
        self._next += 1
        self._open = operation
        self._runners[operation["f"]](operation)

    def invoke(self, operation: dict[str, Any], key: str | None, value: dict[str, Any]) -> None:
        """Write the invocation down; called once by the operation's runner, before its first request."""
        self._open_value = value
        self._recorder.client(self.now_us, INVOKE, operation["f"], self.process, key, value)
        self.schedule(self.config.default_api_timeout_us, self._give_up, operation, key)

    def skip(self) -> None:
        """The operation makes no sense now (nothing to commit, say): it was never invoked."""
        self._open = None
        self._schedule_next()

    def is_open(self, operation: dict[str, Any]) -> bool:
        """Whether the operation has not completed yet; answers to a completed one are ignored."""
        return self._open is operation

    def complete(
        self, operation: dict[str, Any], key: str | None, type_: str, value: dict[str, Any] | None = None,
        error: str | None = None, **epochs: int,
    ) -> None:
        """Write the completion down and go on."""
        if not self.is_open(operation):
            return
        self._open = None
        whole = self._open_value if value is None else {**self._open_value, **value}
        self._recorder.client(
            self.now_us, type_, operation["f"], self.process, key, whole, error, epochs if epochs else None)
        if type_ == INFO:
            self.process += self._clients
            self.producer.forget()
            self.consumer.forget()
        self._schedule_next()

    def _give_up(self, operation: dict[str, Any], key: str | None) -> None:
        """The operation's time is over. One that only reads has failed; nobody knows about another."""
        if self.is_open(operation):
            reads = operation["f"] in ("poll", "subscribe", "fetch-offsets", "final-offsets", "final-read") or (
                operation["f"].startswith("describe"))
            self.complete(operation, key, FAIL if reads else INFO, None, "TIMED_OUT")

    # --- the cluster as this client knows it ----------------------------------------------------------------------

    def any_broker(self) -> int:
        """A broker to ask, by the client's own draw."""
        return self.stream.choice(self.bootstrap)

    def leader_of(self, topic: str, partition: int) -> tuple[int, int]:
        """(leader, leader epoch) as last heard; (-1, -1) when unknown."""
        known = self.topics.get(topic)
        if known is None or partition >= len(known[1]):
            return -1, -1
        return known[1][partition].leader, known[1][partition].leader_epoch

    def refresh(self, operation: dict[str, Any], then: Callable[..., None], *args: Any) -> None:
        """Ask a broker for metadata after the retry back-off, then go on with `then(*args)` if it is still open."""
        self.schedule(self.config.retry_backoff_us, self._ask_metadata, operation, then, args)

    def _ask_metadata(self, operation: dict[str, Any], then: Callable[..., None], args: tuple[Any, ...]) -> None:
        if self.is_open(operation):
            timeout_us = self.config.request_timeout_us // 3
            self.request(
                self.any_broker(), "metadata", MetadataRequest(), timeout_us, self._on_metadata, operation, then, args)

    def _on_metadata(
        self, response: MetadataResponse | None, operation: dict[str, Any], then: Callable[..., None],
        args: tuple[Any, ...],
    ) -> None:
        if response is not None and response.offset >= self.metadata_offset:
            self.metadata_offset = response.offset
            self.topics = response.topics
        if self.is_open(operation):
            then(*args)


