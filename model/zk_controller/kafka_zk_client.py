"""Kafka's layer over the ZooKeeper client (kafka.zookeeper.ZooKeeperClient, KafkaZkClient.retryRequestsUntilConnected).

Operations go out in batches, zookeeper.max.in.flight.requests at a time over all callers of the process. What is
answered CONNECTIONLOSS is sent again once the connection is back, blindly: an `Outcome` tells of it, so that a caller
may recognise its own first attempt in a NODEEXISTS or a BADVERSION. While the session is over every operation is
answered SESSIONEXPIRED at once, until all session listeners have let the new session begin.

Handlers are registered by path, locally; the next read of the path arms the watch. They stay over a new session, where
the watches are armed by the reads of whoever starts over.

Left out: the authentication that fails (nobody authenticates).
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from fencepost.model.kernel.node import Node
from fencepost.model.protocol import zookeeper as zk

CONNECTED, EXPIRED = "connected", "expired"

_NO_ANSWER = zk.ZkResult()

WatchHandler = Callable[[zk.WatchEvent], None]


class ZkSession(Protocol):
    """What is needed of `fencepost.model.zookeeper.client.ZooKeeperClient`: one session, answers in order."""

    @property
    def session_id(self) -> int:
        """The session's id; 0 before there is one."""

    @property
    def last_zxid(self) -> int:
        """How far the server had come that gave the last answer."""

    def abandon(self) -> None:
        """Be gone, and let the session expire."""

    def connect(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End the session: its ephemerals go."""

    def create(
        self, path: str, data: Any, callback: Callable[..., None], *context: Any, ephemeral: bool = False,
        sequential: bool = False, acl: zk.Acls = zk.OPEN_ACL,
    ) -> None:
        """See ZooKeeper's own documentation, as for the others."""

    def delete(self, path: str, version: int, callback: Callable[..., None], *context: Any) -> None:
        """Version -1 matches any."""

    def set_data(self, path: str, data: Any, version: int, callback: Callable[..., None], *context: Any) -> None:
        """Version -1 matches any."""

    def get_data(self, path: str, callback: Callable[..., None], *context: Any, watch: bool = False) -> None:
        """Data and stat."""

    def exists(self, path: str, callback: Callable[..., None], *context: Any, watch: bool = False) -> None:
        """The stat."""

    def get_children(self, path: str, callback: Callable[..., None], *context: Any, watch: bool = False) -> None:
        """The children's names."""

    def multi(self, operations: tuple[zk.MultiPart, ...], callback: Callable[..., None], *context: Any) -> None:
        """All or nothing."""


class SessionListener(Protocol):
    """Somebody who has to start over with a new session (StateChangeHandler)."""

    def before_initializing_session(self, proceed: Callable[[], None]) -> None:
        """The session is over; the new one is not begun before `proceed` is called, once."""

    def after_initializing_session(self) -> None:
        """The new session is begun; it connects by and by."""


class Outcome(NamedTuple):
    """An answered operation. resent: an earlier attempt was lost, and may have taken effect."""

    operation: zk.Operation
    result: zk.ZkResult
    resent: bool


class Batch:
    """Operations of one caller that are answered together."""

    __slots__ = ("callback", "context", "lost", "open", "operations", "resent", "results")

    def __init__(
        self, operations: Sequence[zk.Operation], callback: Callable[..., None], context: tuple[Any, ...]
    ) -> None:
        self.operations = operations
        self.results = [_NO_ANSWER] * len(operations)
        self.resent: dict[int, None] = {}
        self.lost: list[int] = []
        self.open = len(operations)
        self.callback = callback
        self.context = context


class KafkaZkClient:
    """One process's way to ZooKeeper. `make_session(listener)` gives a new, unconnected client.

    change_handlers, child_handlers: path -> who is told of changes of the znode, and of its list of children.
    session_listeners: told of expiry in their order.
    """

    def __init__(self, node: Node, max_in_flight: int, make_session: Callable[["KafkaZkClient"], ZkSession]) -> None:
        self._node = node
        self._max_in_flight = max_in_flight
        self._make_session = make_session
        self._session = make_session(self)
        self._state = ""
        self._waiting: deque[tuple[Batch, int]] = deque()
        self._in_flight = 0
        self.change_handlers: dict[str, WatchHandler] = {}
        self.child_handlers: dict[str, WatchHandler] = {}
        self.session_listeners: list[SessionListener] = []

    def start(self) -> None:
        """Begin the first session; operations wait until it is connected."""
        self._session.connect()

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def abandon(self) -> None:
        """Be gone as by a crash; what was asked is answered SESSIONEXPIRED."""
        self._session.abandon()

    @property
    def last_zxid(self) -> int:
        """How far the server had come that gave the last answer of the present session."""
        return self._session.last_zxid

    @property
    def session_id(self) -> int:
        """The present session's id, 0 before it has one."""
        return self._session.session_id

    @property
    def is_expired(self) -> bool:
        """The session is over and the next one has not begun."""
        return self._state == EXPIRED

    # --- operations -----------------------------------------------------------------------------------------------

    def request_all(
        self, operations: Sequence[zk.Operation], callback: Callable[..., None], *context: Any
    ) -> None:
        """Send the operations; `callback([an Outcome for each], *context)` follows once."""
        batch = Batch(operations, callback, context)
        self._waiting.extend((batch, index) for index in range(len(operations)))
        self._send_on()

    def _send_on(self) -> None:
        waiting = self._waiting
        while waiting and self._state == EXPIRED:
            batch, index = waiting.popleft()
            self._complete(batch, index, zk.ZkResult(zk.SESSIONEXPIRED))
        while waiting and self._state == CONNECTED and self._in_flight < self._max_in_flight:
            batch, index = waiting.popleft()
            self._in_flight += 1
            self._send(batch.operations[index], batch, index)

    def _send(self, operation: zk.Operation, batch: Batch, index: int) -> None:
        session, back = self._session, self._answered
        match operation:
            case zk.CreateOp(path, data, ephemeral, sequential, acl):
                session.create(
                    path, data, back, batch, index, session, ephemeral=ephemeral, sequential=sequential, acl=acl)
            case zk.DeleteOp(path, version):
                session.delete(path, version, back, batch, index, session)
            case zk.SetDataOp(path, data, version):
                session.set_data(path, data, version, back, batch, index, session)
            case zk.GetDataOp(path):
                session.get_data(path, back, batch, index, session, watch=path in self.change_handlers)
            case zk.ExistsOp(path):
                session.exists(path, back, batch, index, session, watch=path in self.change_handlers)
            case zk.GetChildrenOp(path):
                session.get_children(path, back, batch, index, session, watch=path in self.child_handlers)
            case zk.MultiOp(operations):
                session.multi(operations, back, batch, index, session)
            case _:
                raise TypeError(f"not an operation of Kafka's: {operation}")

    def _answered(self, result: zk.ZkResult, batch: Batch, index: int, session: ZkSession) -> None:
        if session is self._session:
            self._in_flight -= 1
        if result.error == zk.CONNECTIONLOSS:
            batch.lost.append(index)
        self._complete(batch, index, result)
        self._send_on()

    def _complete(self, batch: Batch, index: int, result: zk.ZkResult) -> None:
        """Note an answer; with the last one, send again what was lost, or give the batch back."""
        batch.results[index] = result
        batch.open -= 1
        if batch.open:
            return
        if batch.lost:
            lost, batch.lost = sorted(batch.lost), []
            batch.open = len(lost)
            batch.resent.update(dict.fromkeys(lost))
            self._waiting.extend((batch, place) for place in lost)
            if self._state == EXPIRED:
                self._send_on()
            return
        outcomes = [
            Outcome(operation, result, place in batch.resent)
            for place, (operation, result) in enumerate(zip(batch.operations, batch.results, strict=True))
        ]
        batch.callback(outcomes, *batch.context)

    # --- what the session tells -----------------------------------------------------------------------------------

    def on_session_state(self, state: str) -> None:
        """Told by the ZooKeeper client: connected, disconnected, expired."""
        self._state = state
        if state == EXPIRED:
            self._tell_of_expiry(0)
        self._send_on()

    def _tell_of_expiry(self, place: int) -> None:
        if place < len(self.session_listeners):
            listener = self.session_listeners[place]
            listener.before_initializing_session(_Once(self._tell_of_expiry, place + 1))
            return
        self._session = self._make_session(self)
        self._state, self._in_flight = "", 0
        self._session.connect()
        for listener in self.session_listeners:
            listener.after_initializing_session()

    def on_watch(self, event: zk.WatchEvent) -> None:
        """Told by the ZooKeeper client: a watch has fired."""
        handlers = self.child_handlers if event.type == zk.CHILD else self.change_handlers
        handler = handlers.get(event.path)
        if handler is not None:
            handler(event)


class _Once:
    """A callable with its argument, for a single call."""

    __slots__ = ("_argument", "_function")

    def __init__(self, function: Callable[[int], None], argument: int) -> None:
        self._function: Callable[[int], None] | None = function
        self._argument = argument

    def __call__(self) -> None:
        function, self._function = self._function, None
        if function is not None:
            function(self._argument)
