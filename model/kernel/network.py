"""The network: directed links that can be cut, and ordered connections over them.

Connections behave as TCP. Within one, each direction is ordered. A cut of a direction holds what is on its way; when
the
cut heals in time the data arrives late, in order, otherwise the connection breaks and the data is gone. A lost packet
is a delay (the retransmission time-out, doubled each time), and losses without end break the connection. Nothing is
delivered beyond a connection's life, except what had already reached the receiver's socket: a paused process finds that
when it resumes, and so does a stuck thread of one that runs (`hold`), which may by then have handled what the sender
sent again. Senders that resend do so over a new connection. A process that dies resets its connections; a host that
loses power just falls silent.

Left out: the handshake (the first message carries it) and TLS. A cut that is shorter than a message's latency and does
not cover its arrival leaves it alone.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fencepost.model.kernel.randomness import Stream
from fencepost.model.kernel.scheduler import Timer, cancel

if TYPE_CHECKING:
    from fencepost.model.kernel.node import Node
    from fencepost.model.kernel.simulation import Simulation

TO_SERVER, TO_CLIENT = 0, 1

#: In place of a correlation: a message that answers nothing, the server's end of the stream, and the client's.
_MESSAGE, _END, _CLOSED = -1, -2, -3


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
            connection.network.transmit(connection, TO_CLIENT, (self.correlation, response))

    def push(self, message: Any) -> None:
        """Send a message of the server's own over the stream that the request came by, in order with all others."""
        connection = self.connection
        if connection.alive:
            connection.network.transmit(connection, TO_CLIENT, (_MESSAGE, message))

    def hang_up(self) -> None:
        """End the stream behind what was pushed; the client is told when it has read that."""
        connection = self.connection
        if connection.alive:
            connection.network.transmit(connection, TO_CLIENT, (_END, None))


class Connection:
    """One TCP connection from a client node to a server node.

    It carries requests and their answers, or, once opened by `Network.open`, a stream of messages both ways.
    """

    __slots__ = (
        "alive", "break_timer", "channel", "client", "client_incarnation", "correlation", "held", "last_arrival_us",
        "links", "network", "pending", "server", "server_incarnation", "stream", "stuck",
    )

    def __init__(self, network: "Network", client: "Node", server: "Node", channel: str) -> None:
        self.network = network
        self.client = client
        self.client_incarnation = client.incarnation
        self.server = server
        self.server_incarnation = server.incarnation if server.running else -1
        self.channel = channel
        #: (source, destination) by direction
        self.links = (client.node_id, server.node_id), (server.node_id, client.node_id)
        self.alive = True
        self.correlation = 0
        #: correlation -> (callback, context, time-out timer)
        self.pending: dict[int, tuple[Callable[..., None], tuple[Any, ...], Timer]] = {}
        self.last_arrival_us = [0, 0]
        self.held: tuple[list[Any], list[Any]] = ([], [])
        #: What waits in the receiver's socket because nobody reads it, by direction; None where it is read.
        self.stuck: list[list[Any] | None] = [None, None]
        self.break_timer: Timer | None = None
        #: (told of each message, told once of the end) of a stream that the client has not closed
        self.stream: tuple[Callable[[Any], None], Callable[[], None]] | None = None

    def send(self, message: Any) -> None:
        """Send a message of the client's over the stream."""
        if self.alive:
            self.network.transmit(self, TO_SERVER, (_MESSAGE, message))

    def close(self) -> None:
        """The client closes the stream; it is told nothing any more, the server hears of it if it can."""
        self.stream = None
        if self.alive:
            self.network.close(self)
            self.network.tell_server(self)

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
            self.network.close(self)
            self.fail_pending()
        elif self.stream is not None:
            self.stream[0](message)

    def time_out(self, correlation: int) -> None:
        """Runs at the client: a request had no answer in time, so the client closes the connection."""
        if correlation in self.pending:
            self.network.close(self)
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


class Network:
    """All links and connections. `cut` and `uncut` are the only partition primitives; links are directed.

    loss: (source, destination) -> chance in 1,000 that a message's packet is lost once.
    extra_latency_us: (source, destination) -> what a slow link adds.
    """

    def __init__(self, simulation: "Simulation") -> None:
        self._simulation = simulation
        self._scheduler = simulation.scheduler
        self._latency_us = simulation.physics.link_latency_us
        self._jitter_bits = max(1, self._latency_us.bit_length() - 1) if simulation.physics.jitter else 0
        self.nodes: dict[int, Node] = {}
        self.loss: dict[tuple[int, int], int] = {}
        self.extra_latency_us: dict[tuple[int, int], int] = {}
        self._cuts: dict[tuple[int, int], int] = {}
        self._streams: dict[tuple[int, int], Stream] = {}
        self._connections: dict[tuple[int, int, str], Connection] = {}
        #: Connections that hold data back, by directed link, in the order in which they began to.
        self._holding: dict[tuple[int, int], dict[Connection, int]] = {}
        #: By directed link: how many holds there are, and the connections whose sockets nobody reads.
        self._holds: dict[tuple[int, int], int] = {}
        self._stuck: dict[tuple[int, int], list[tuple[Connection, int]]] = {}

    def add(self, node: "Node") -> None:
        """Make a node reachable."""
        self.nodes[node.node_id] = node

    # --- links ----------------------------------------------------------------------------------------------------

    def cut(self, source: int, destination: int) -> None:
        """Let nothing pass from source to destination; cuts of one link add up."""
        link = (source, destination)
        self._cuts[link] = self._cuts.get(link, 0) + 1

    def uncut(self, source: int, destination: int) -> None:
        """Take back one cut; after the last, what live connections held back arrives late, in order."""
        link = (source, destination)
        count = self._cuts.get(link, 0)
        if count > 1:
            self._cuts[link] = count - 1
        elif count == 1:
            del self._cuts[link]
            for connection, direction in self._holding.pop(link, {}).items():
                self._release(connection, direction)

    def slow_down(self, source: int, destination: int, latency_us: int) -> None:
        """Add to what a directed link takes; slow-downs add up, and a negative one takes one back."""
        link = (source, destination)
        extra_us = self.extra_latency_us.pop(link, 0) + latency_us
        if extra_us > 0:
            self.extra_latency_us[link] = extra_us

    def lose(self, source: int, destination: int, per_mille: int) -> None:
        """Let so many more in 1,000 messages of a directed link be lost once; a negative number takes that back."""
        link = (source, destination)
        loss = self.loss.pop(link, 0) + per_mille
        if loss > 0:
            self.loss[link] = loss

    def hold(self, source: int, destination: int) -> None:
        """Let what arrives from source over the connections that are open now lie in the destination's sockets.

        New connections are read. Holds of one link add up.
        """
        link = (source, destination)
        self._holds[link] = self._holds.get(link, 0) + 1
        stuck = self._stuck.setdefault(link, [])
        for connection in self._connections.values():
            for direction in (TO_SERVER, TO_CLIENT):
                if connection.alive and connection.links[direction] == link and connection.stuck[direction] is None:
                    connection.stuck[direction] = []
                    stuck.append((connection, direction))

    def release(self, source: int, destination: int) -> None:
        """Take back one hold; after the last, all that lies there is handled at once, also what the sender has given
        up meanwhile."""
        link = (source, destination)
        self._holds[link] -= 1
        if self._holds[link]:
            return
        del self._holds[link]
        for connection, direction in self._stuck.pop(link):
            items, connection.stuck[direction] = connection.stuck[direction], None
            for item in items or ():
                self._deliver(connection, direction, item)

    def reset(self, one: int, other: int) -> None:
        """Break every connection between two nodes: what is on its way is gone."""
        for connection in list(self._connections.values()):
            if connection.alive and connection.links[TO_SERVER] in ((one, other), (other, one)):
                self._break(connection)

    def heal(self, isolated: Sequence[int] = ()) -> None:
        """Take back every cut, loss, delay and hold, but for the cuts around isolated nodes."""
        for link in sorted(self._holds):
            self._holds[link] = 1
            self.release(*link)
        self.loss.clear()
        self.extra_latency_us.clear()
        for link in sorted(self._cuts):
            if link[0] not in isolated and link[1] not in isolated:
                self._cuts[link] = 1
                self.uncut(*link)

    def is_cut(self, source: int, destination: int) -> bool:
        """Whether the directed link is cut."""
        return (source, destination) in self._cuts

    # --- requests -------------------------------------------------------------------------------------------------

    def request(
        self, client: "Node", destination: int, channel: str, request: Any, timeout_us: int,
        callback: Callable[..., None] | None, context: tuple[Any, ...],
    ) -> None:
        """Send a request over the client's connection to `destination` for `channel`, made when there is none."""
        key = (client.node_id, destination, channel)
        connection = self._connections.get(key)
        if connection is None or not connection.alive or connection.client_incarnation != client.incarnation:
            connection = self._connections[key] = Connection(self, client, self.nodes[destination], channel)
        if callback is None:
            self.transmit(connection, TO_SERVER, (_MESSAGE, request))
            return
        correlation = connection.correlation = connection.correlation + 1
        timer = client.schedule(timeout_us, connection.time_out, correlation)
        connection.pending[correlation] = (callback, context, timer)
        self.transmit(connection, TO_SERVER, (correlation, request))

    def open(
        self, client: "Node", destination: int, channel: str, on_message: Callable[[Any], None],
        on_end: Callable[[], None],
    ) -> Connection:
        """Open a stream: the server's handlers get what is sent, and answer with `Reply.push`.

        `on_end` is called once when the connection is lost or the server has hung up. A stream that the client had
        open for the same channel is closed.
        """
        key = (client.node_id, destination, channel)
        former = self._connections.get(key)
        if former is not None:
            former.close()
        connection = self._connections[key] = Connection(self, client, self.nodes[destination], channel)
        connection.stream = (on_message, on_end)
        return connection

    def disconnect(self, client: "Node", destination: int, channel: str) -> None:
        """The client closes its connection for `channel`; callbacks of open requests get None at once."""
        connection = self._connections.get((client.node_id, destination, channel))
        if connection is not None and connection.alive:
            self.close(connection)
            connection.fail_pending()

    def transmit(self, connection: Connection, direction: int, item: tuple[int, Any]) -> None:
        """Put a message on its way."""
        delay_us = self._delay_us(connection, direction)
        if self.loss and delay_us > self._simulation.physics.connection_break_us:
            self._scheduler.schedule(self._simulation.physics.connection_break_us, self._give_up, connection)
        self._scheduler.schedule(delay_us, self._arrive, connection, direction, item)

    def _delay_us(self, connection: Connection, direction: int) -> int:
        """Draw how long a message sent now is on its way: it arrives after all those sent before it."""
        link = connection.links[direction]
        stream = self._streams.get(link) or self._stream(link)
        latency_us = self._latency_us + stream.bits(self._jitter_bits)
        if self.extra_latency_us:
            latency_us += self.extra_latency_us.get(link, 0)
        if self.loss:
            chance = self.loss.get(link, 0)
            retransmission_us = self._simulation.physics.retransmission_us
            while chance and stream.below(1000) < chance and retransmission_us < 1 << 26:
                latency_us += retransmission_us
                retransmission_us *= 2
        now_us, last_us = self._scheduler.now_us, connection.last_arrival_us[direction]
        arrival_us = connection.last_arrival_us[direction] = max(now_us + latency_us, last_us)
        return arrival_us - now_us

    def _stream(self, link: tuple[int, int]) -> Stream:
        stream = self._streams[link] = self._simulation.streams(f"link {link[0]}>{link[1]}")
        return stream

    def _arrive(self, connection: Connection, direction: int, item: tuple[int, Any]) -> None:
        if not connection.alive:
            return
        held = connection.held[direction]
        if self._cuts and connection.links[direction] in self._cuts:
            held.append(item)
            self._hold(connection, direction)
        elif held:
            held.append(item)  # behind what was held back and is about to arrive
        else:
            self._deliver(connection, direction, item)

    def _deliver(self, connection: Connection, direction: int, item: tuple[int, Any]) -> None:
        stuck = connection.stuck[direction] if self._stuck else None
        if stuck is not None:
            stuck.append(item)
            return
        client = connection.client
        if direction == TO_SERVER:
            self._arrive_at_server(connection, connection.server, item)
        elif client.incarnation == connection.client_incarnation:
            if client.waiting is not None:
                client.take_in(connection.deliver_response, *item)
            elif client.paused:
                client.schedule(0, connection.deliver_response, *item)
            else:
                connection.deliver_response(*item)

    def _arrive_at_server(self, connection: Connection, server: "Node", item: tuple[int, Any]) -> None:
        if not server.running:
            if server.powered:
                self.refuse(connection)
            return
        if connection.server_incarnation != server.incarnation:
            if connection.server_incarnation >= 0:
                self.refuse(connection)
                return
            connection.server_incarnation = server.incarnation
        if item[0] == _CLOSED:
            server.schedule(0, server.end_stream, connection)
            return
        reply = Reply(connection, item[0])
        if server.waiting is not None:
            server.take_in(server.deliver, item[1], reply)
        elif server.paused:
            server.schedule(0, server.deliver, item[1], reply)
        else:
            server.deliver(item[1], reply)

    def _hold(self, connection: Connection, direction: int) -> None:
        """Data waits for a cut to end; the connection breaks if that takes too long."""
        link = connection.links[direction]
        self._holding.setdefault(link, {})[connection] = direction
        if connection.break_timer is None:
            break_us = self._simulation.physics.connection_break_us
            delay_us = break_us + self._stream(link).below(break_us)
            connection.break_timer = self._scheduler.schedule(delay_us, self._break, connection)

    def _release(self, connection: Connection, direction: int) -> None:
        """The cut is over: what was held back is sent again, and arrives before all that was sent later."""
        if not connection.held[1 - direction]:
            cancel(connection.break_timer)
            connection.break_timer = None
        if connection.alive:
            self._scheduler.schedule(self._delay_us(connection, direction), self._arrive_late, connection, direction)

    def _arrive_late(self, connection: Connection, direction: int) -> None:
        held = connection.held[direction]
        if not held or not connection.alive:
            return
        if direction == TO_CLIENT and connection.server_incarnation != connection.server.incarnation:
            return  # a dead host retransmits nothing, and what came behind the gap never gets through
        if connection.links[direction] in self._cuts:
            self._hold(connection, direction)
            return
        items = list(held)
        held.clear()
        for item in items:
            if connection.alive:
                self._deliver(connection, direction, item)

    # --- the ends of connections ----------------------------------------------------------------------------------

    def _break(self, connection: Connection) -> None:
        """Both ends give the connection up after a long cut."""
        self.close(connection)
        self._tell_client(connection)
        if connection.stream is not None:
            self._end_stream(connection, 0)

    def _give_up(self, connection: Connection) -> None:
        """A message was lost so often that the sender's host gives the connection up before it arrives."""
        if connection.alive:
            self._break(connection)

    def refuse(self, connection: Connection) -> None:
        """The server's host resets the connection; the client hears of it unless the way back is cut."""
        self.close(connection)
        if (connection.server.node_id, connection.client.node_id) not in self._cuts:
            self._scheduler.schedule(self._latency_us, self._tell_client, connection)

    def _tell_client(self, connection: Connection) -> None:
        if connection.client.incarnation == connection.client_incarnation:
            connection.client.schedule(0, connection.fail_pending)

    def tell_server(self, connection: Connection) -> None:
        """The client's host ended a stream; the server hears of it unless the way there is cut."""
        server = connection.server
        link = (connection.client.node_id, server.node_id)
        if server.running and connection.server_incarnation == server.incarnation and link not in self._cuts:
            self._end_stream(connection, self._latency_us)

    def _end_stream(self, connection: Connection, delay_us: int) -> None:
        """The server hears that the stream is over, when it has read what lies in its socket."""
        stuck = connection.stuck[TO_SERVER]
        if stuck is not None:
            stuck.append((_CLOSED, None))
        else:
            connection.server.schedule(delay_us, connection.server.end_stream, connection)

    def close(self, connection: Connection) -> None:
        """Nothing is delivered over the connection any more."""
        connection.alive = False
        cancel(connection.break_timer)
        connection.break_timer = None
        connection.held[0].clear()
        connection.held[1].clear()

    def node_stopped(self, node: "Node", reset: bool) -> None:
        """A process ended: its connections are dead; with `reset`, its clients are told."""
        for connection in list(self._connections.values()):
            if connection.client is node:
                if connection.stream is not None and connection.alive and reset:
                    self.tell_server(connection)
                self.close(connection)
                connection.pending.clear()
                connection.stream = None
            elif connection.server is node and connection.alive and reset:
                self.refuse(connection)
