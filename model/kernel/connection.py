"""The two ends of a connection: requests and their answers, streams, and the sockets that they are read from.

What has reached a socket outlives the connection: a paused process finds it when it resumes, a slow one in its turn,
and so does a stuck thread of a process that runs (`Network.hold`), which may by then have handled what the sender sent
again. A process that has died finds nothing. Senders that resend do so over a new connection. A process that dies
resets its connections; a host that loses power just falls silent.

Left out: the handshake (the first message carries it) and TLS.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fencepost.model.kernel.links import Links
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.kernel.transport import TO_CLIENT, TO_SERVER, Item, Transport

if TYPE_CHECKING:
    from fencepost.model.kernel.node import Node

#: In place of a correlation: a message that answers nothing, the server's end of the stream, and the client's.
MESSAGE, _END, _CLOSED = -1, -2, -3


class Reply:
    """Where the answer to one request goes; at most one answer is sent."""

    __slots__ = ("connection", "correlation")

    def __init__(self, connection: "Connection", correlation: int) -> None:
        self.connection = connection
        self.correlation = correlation

    @property
    def peer(self) -> int:
        """The node id of the requester."""
        return self.connection.client.node_id

    def send(self, response: Any) -> None:
        """Answer; the response must not be changed afterwards."""
        connection = self.connection
        if connection.alive and self.correlation >= 0:
            connection.transmit(TO_CLIENT, (self.correlation, response))

    def push(self, message: Any) -> None:
        """Send a message of the server's own over the stream that the request came by, in order with all others."""
        connection = self.connection
        if connection.alive:
            connection.transmit(TO_CLIENT, (MESSAGE, message))

    def hang_up(self) -> None:
        """End the stream behind what was pushed; the client is told when it has read that."""
        connection = self.connection
        if connection.alive:
            connection.transmit(TO_CLIENT, (_END, None))


class Connection(Transport):
    """One connection from a client node to a server node.

    It carries requests and their answers, or, once opened by `Network.open`, a stream of messages both ways.
    """

    __slots__ = ("correlation", "pending", "stream", "stuck")

    def __init__(self, links: Links, client: "Node", server: "Node") -> None:
        super().__init__(links, client, server)
        self.correlation = 0
        #: correlation -> (callback, context, time-out timer)
        self.pending: dict[int, tuple[Callable[..., None], tuple[Any, ...], Timer]] = {}
        #: (told of each message, told once of the end) of a stream that the client has not closed
        self.stream: tuple[Callable[[Any], None], Callable[[], None]] | None = None
        #: What waits in the receiver's socket because nobody reads it, by direction; None where it is read.
        self.stuck: list[list[Item] | None] = [None, None]

    # --- the sockets ----------------------------------------------------------------------------------------------

    def deliver(self, direction: int, item: Item) -> None:
        """Put an item into the receiver's socket, and hand it over if that is read."""
        stuck = self.stuck[direction]
        if stuck is not None:
            stuck.append(item)
            return
        client = self.client
        if direction == TO_SERVER:
            self._arrive_at_server(self.server, item)
        elif client.incarnation == self.client_incarnation:
            if client.waiting is not None:
                client.take_in(self.deliver_response, *item)
            elif client.paused:
                client.schedule(0, self.deliver_response, *item)
            else:
                self.deliver_response(*item)

    def _arrive_at_server(self, server: "Node", item: Item) -> None:
        if not server.running:
            if server.powered:
                self.refuse()
            return
        if self.server_incarnation != server.incarnation:
            if self.server_incarnation >= 0:
                self.refuse()
                return
            self.server_incarnation = server.incarnation
        if item[0] == _CLOSED:
            server.schedule(0, server.end_stream, self)
            return
        reply = Reply(self, item[0])
        if server.waiting is not None:
            server.take_in(server.deliver, item[1], reply)
        elif server.paused:
            server.schedule(0, server.deliver, item[1], reply)
        else:
            server.deliver(item[1], reply)

    # --- the client's end -----------------------------------------------------------------------------------------

    def send(self, message: Any) -> None:
        """Send a message of the client's over the stream."""
        if self.alive:
            self.transmit(TO_SERVER, (MESSAGE, message))

    def close(self) -> None:
        """The client closes the stream; it is told nothing any more, the server hears of it if it can."""
        self.stream = None
        if self.alive:
            self.sever()
            self.tell_server()

    def deliver_response(self, correlation: int, response: Any) -> None:
        """Runs at the client, once the response is in its socket."""
        if correlation < 0:
            self._deliver_message(correlation, response)
            return
        entry = self.pending.pop(correlation, None)
        if entry is not None:
            callback, context, timer = entry
            cancel(timer)
            callback(response, *context)

    def _deliver_message(self, kind: int, message: Any) -> None:
        if kind == _END:
            self.sever()
            self.fail_pending()
        elif self.stream is not None:
            self.stream[0](message)

    def time_out(self, correlation: int) -> None:
        """Runs at the client: a request had no answer in time, so the client closes the connection."""
        if correlation in self.pending:
            self.sever()
            self.fail_pending()

    def fail_pending(self) -> None:
        """Runs at the client: the connection is gone, and with it every answer."""
        pending, self.pending = self.pending, {}
        for callback, context, timer in pending.values():
            cancel(timer)
            callback(None, *context)
        stream, self.stream = self.stream, None
        if stream is not None:
            stream[1]()

    # --- how it ends ----------------------------------------------------------------------------------------------

    def break_off(self) -> None:
        """Both ends give the connection up: what is on its way is gone."""
        self.sever()
        self._tell_client()
        if self.stream is not None:
            self._end_stream(0)

    def refuse(self) -> None:
        """The server's host resets the connection; the client hears of it unless the way back is cut."""
        self.sever()
        if self.routes[TO_CLIENT] not in self.links.cuts:
            self.links.scheduler.schedule(self.links.latency_us, self._tell_client)

    def _tell_client(self) -> None:
        if self.client.incarnation == self.client_incarnation:
            self.client.schedule(0, self.fail_pending)

    def tell_server(self) -> None:
        """The client's host ended a stream; the server hears of it unless the way there is cut."""
        server = self.server
        if (
            server.running and self.server_incarnation == server.incarnation
            and self.routes[TO_SERVER] not in self.links.cuts
        ):
            self._end_stream(self.links.latency_us)

    def _end_stream(self, delay_us: int) -> None:
        """The server hears that the stream is over, when it has read what lies in its socket."""
        stuck = self.stuck[TO_SERVER]
        if stuck is not None:
            stuck.append((_CLOSED, None))
        else:
            self.server.schedule(delay_us, self.server.end_stream, self)
