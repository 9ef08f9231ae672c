"""A client: one process that works through a list of operations, one at a time, and writes down what happened.

Operations are plain data, `{"at_us": ..., "f": ..., ...}`. Each is invoked at its time, or when the one before is done,
and completes within a bounded time: `ok`, `fail`, or `info` when nobody knows. An `info` retires the process id, and
with it what the operation was in doubt about: the producer id or the membership in the group. A client that is killed
leaves its open operation in the same way. A paused client wakes up with its old beliefs: that is the zombie consumer.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fencepost.histories.event import INFO, INVOKE
from fencepost.histories.recorder import Recorder
from fencepost.model import errors
from fencepost.model.client.administrator import Administrator
from fencepost.model.client.classification import FINAL_READS, READS, is_definite, outcome, outcome_without_answer
from fencepost.model.client.consumer import Consumer
from fencepost.model.client.coordinators import Coordinators
from fencepost.model.client.log_reader import LogReader
from fencepost.model.client.metadata import Metadata
from fencepost.model.client.operation import Operation
from fencepost.model.client.producer import Producer
from fencepost.model.config import ClientConfig
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import cancel
from fencepost.model.kernel.simulation import Simulation
from fencepost.model.protocol.data import MetadataRequest, MetadataResponse

#: After so many answers in a row that do not name a partition the client believes them (in Kafka: max.block.ms).
ABSENCES = 20


class ClientNode(Node):
    """One client. `idle` once every operation has completed.

    index: the client's number; its first process id. clients: how many there are; a retired id is followed by the id
    plus this number.
    busy_until_us: until then the application is busy, heartbeats included, and begins no operation.
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
        self.busy_until_us = 0
        self._recorder = recorder
        self._clients = clients
        self._operations: Sequence[dict[str, Any]] = ()
        self._next = 0
        self._open: Operation | None = None
        self._produced = 0
        self._turn = 0

    def load(self, operations: Sequence[dict[str, Any]]) -> None:
        """The operations to work through, in the order of their times."""
        self._operations = operations

    def do(self, operation: dict[str, Any]) -> None:
        """One more operation, after those that there are: now, if nothing is open or still to come."""
        idle = self.idle
        self._operations = [*self._operations, operation]
        if idle and self.running:
            self._schedule_next()

    @property
    def idle(self) -> bool:
        """Whether everything is done."""
        return self._open is None and self._next >= len(self._operations)

    # --- life -----------------------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Know nothing of the cluster, and begin with the first operation that is not done."""
        self.metadata = Metadata(self.config.metadata_max_age_us)
        self.coordinators = Coordinators(self)
        self.producer = Producer(self)
        self.consumer = self.make_consumer()
        administrator = Administrator(self)
        self._runners: dict[str, Callable[[Operation], None]] = {
            "produce": self.producer.produce, "poll": self.consumer.poll, "subscribe": self.consumer.subscribe,
            "commit-offsets": self.consumer.commit, "fetch-offsets": self.consumer.fetch_offsets,
            "final-offsets": self.consumer.fetch_offsets, "final-read": LogReader(self).read_all,
            **dict.fromkeys(administrator.OPERATIONS, administrator.run),
        }
        self._schedule_next()

    def make_consumer(self) -> Consumer:
        """The consuming side."""
        return Consumer(self)

    def on_stop(self, how: str) -> None:
        """The process ends; nobody will hear of what it was doing."""
        if self._open is not None:
            self.abandon(self._open, errors.DISCONNECTED)

    # --- one operation after the other ----------------------------------------------------------------------------

    def _schedule_next(self) -> None:
        if self._next < len(self._operations):
            begin_us = max(self._operations[self._next]["at_us"], self.busy_until_us)
            self.schedule(max(0, begin_us - self.now_us), self.begin_next)

    def begin_next(self) -> None:
        """Begin the operation whose time has come."""
        operation = self._open = Operation(self._operations[self._next])
        self._next += 1
        self._runners[operation.f](operation)

    def skip(self) -> None:
        """The operation makes no sense now (nothing to commit, say): it was never invoked."""
        self._open = None
        self._schedule_next()

    def invoke(self, operation: Operation, key: str | None, value: dict[str, Any], timeout_us: int) -> None:
        """Write the invocation down; called once by the operation's runner, before its first request."""
        operation.key, operation.value = key, value
        self._recorder.client(self.now_us, INVOKE, operation.f, self.process, key, value)
        operation.timer = self.schedule(timeout_us, self.abandon, operation, errors.TIMED_OUT)

    def complete(
        self, operation: Operation, type_: str, value: dict[str, Any] | None = None, error: str | None = None,
        **epochs: int,
    ) -> None:
        """Write the completion down and go on; harmless if it has one."""
        if not operation.is_open:
            return
        operation.is_open = False
        self._open = None
        cancel(operation.timer)
        whole = operation.value if value is None else {**operation.value, **value}
        self._recorder.client(
            self.now_us, type_, operation.f, self.process, operation.key, whole, error, epochs if epochs else None)
        if type_ == INFO:
            self._retire(operation)
        self._schedule_next()

    def _retire(self, operation: Operation) -> None:
        """Nobody knows what became of the operation: another process goes on, which does not rely on it."""
        self.process += self._clients
        if operation.f == "produce":
            self.producer.forget()
        elif operation.f in ("commit-offsets", "subscribe"):
            self.consumer.forget()

    def new_records(self, count: int) -> list[str]:
        """Ids of records that nobody has written yet."""
        first = self._produced
        self._produced += count
        return [f"p{self.process}-{number}" for number in range(first, first + count)]

    # --- attempts, and what their answers mean --------------------------------------------------------------------

    def attempt(
        self, operation: Operation, destination: int, channel: str, request: Any, callback: Callable[..., None],
        *context: Any,
    ) -> None:
        """Send a request that may change something; `callback(response or None, operation, *context)` follows once."""
        operation.in_doubt += 1
        self.request(destination, channel, request, self.config.request_timeout_us, callback, operation, *context)

    def settle(self, operation: Operation, request: str, error: str) -> bool:
        """An attempt was answered with an error. Returns whether that says for certain that it wrote nothing."""
        definite = is_definite(request, error)
        if definite:
            operation.in_doubt -= 1
            operation.refusal = error
        return definite

    def refuse(self, operation: Operation, request: str, error: str) -> None:
        """Complete with the error that the last attempt was answered, which has been settled."""
        in_doubt = operation.in_doubt > 0 and operation.f not in READS
        self.complete(operation, outcome(request, error, in_doubt), None, error)

    def abandon(self, operation: Operation, error: str) -> None:
        """Complete without an answer: the time is over, or there is no use in trying on."""
        type_ = outcome_without_answer(operation.f, operation.in_doubt > 0)
        if not operation.in_doubt and operation.f not in READS:
            error = operation.refusal or errors.NEVER_SENT
        self.complete(operation, type_, None, error)

    # --- the cluster as this client knows it ----------------------------------------------------------------------

    def any_broker(self) -> int:
        """A broker to ask, by the client's own draw; for a final read the next one in turn, so that a broker that is
        away for good cannot be asked again and again. (Kafka's clients prefer nodes that they are connected to.)"""
        if self._open is not None and self._open.f in FINAL_READS:
            self._turn = (self._turn + 1) % len(self.bootstrap)
            return self.bootstrap[self._turn]
        return self.stream.choice(self.bootstrap)

    def ask_metadata(self, then: Callable[..., None], *args: Any) -> None:
        """Ask a broker for metadata and go on with `then(*args)`, answered or not."""
        timeout_us = self.config.request_timeout_us // 3
        self.request(self.any_broker(), "metadata", MetadataRequest(), timeout_us, self._on_metadata, then, args)

    def _on_metadata(self, response: MetadataResponse | None, then: Callable[..., None], args: tuple[Any, ...]) -> None:
        if response is not None:
            self.metadata.update(response, self.now_us)
        then(*args)

    def with_leader(
        self, operation: Operation, topic: str, partition: int, then: Callable[..., None], *args: Any
    ) -> None:
        """Go on with `then(leader, leader epoch, *args)` once it is known and while the operation is open."""
        if not operation.is_open:
            return
        leader, epoch = self.metadata.leader_of(topic, partition, self.now_us)
        if leader >= 0:
            operation.absences = 0
            then(leader, epoch, *args)
        elif operation.absences >= ABSENCES:
            operation.refusal = errors.UNKNOWN_TOPIC_OR_PARTITION
            self.abandon(operation, errors.UNKNOWN_TOPIC_OR_PARTITION)
        else:
            self.schedule(
                self.config.retry_backoff_us, self._look_for_leader, operation, topic, partition, then, args)

    def _look_for_leader(
        self, operation: Operation, topic: str, partition: int, then: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        if operation.is_open:
            self.ask_metadata(self._on_looked, operation, topic, partition, then, args)

    def _on_looked(
        self, operation: Operation, topic: str, partition: int, then: Callable[..., None], args: tuple[Any, ...]
    ) -> None:
        absent = partition >= (self.metadata.partitions_of(topic) or 0)
        operation.absences = operation.absences + 1 if absent else 0
        self.with_leader(operation, topic, partition, then, *args)
