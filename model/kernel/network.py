"""The network: the nodes, the links between them, and which connections there are.

A client has one connection to each (destination, channel), made when it is first used and made anew when it is lost.
What becomes of a message is told where it happens: `links` has cuts, losses and latencies, `transport` what TCP makes
of them, `connection` requests, streams and the sockets at both ends. Here is what strikes nodes' connections as a
whole: sockets that nobody reads, resets, the end of a process, and the heal.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from fencepost.model.kernel.connection import MESSAGE, Connection
from fencepost.model.kernel.links import Link, Links
from fencepost.model.kernel.transport import TO_CLIENT, TO_SERVER

if TYPE_CHECKING:
    from fencepost.model.kernel.node import Node
    from fencepost.model.kernel.simulation import Simulation


class Network:
    """All nodes of one run and their connections."""

    def __init__(self, simulation: "Simulation") -> None:
        self.nodes: dict[int, Node] = {}
        self.links = Links(simulation)
        #: (client's node id, destination, channel) -> the newest such connection
        self._connections: dict[tuple[int, int, str], Connection] = {}
        #: By directed link: how many holds there are, and the connections whose sockets nobody reads.
        self._holds: dict[Link, int] = {}
        self._stuck: dict[Link, list[tuple[Connection, int]]] = {}

    def add(self, node: "Node") -> None:
        """Make a node reachable."""
        self.nodes[node.node_id] = node

    # --- requests and streams -------------------------------------------------------------------------------------

    def request(
        self, client: "Node", destination: int, channel: str, request: Any, timeout_us: int,
        callback: Callable[..., None] | None, context: tuple[Any, ...],
    ) -> None:
        """Send a request over the client's connection to `destination` for `channel`, made when there is none."""
        key = (client.node_id, destination, channel)
        connection = self._connections.get(key)
        if connection is None or not connection.alive or connection.client_incarnation != client.incarnation:
            connection = self._connections[key] = Connection(self.links, client, self.nodes[destination])
        if callback is None:
            connection.transmit(TO_SERVER, (MESSAGE, request))
            return
        correlation = connection.correlation = connection.correlation + 1
        timer = client.schedule(timeout_us, connection.time_out, correlation)
        connection.pending[correlation] = (callback, context, timer)
        connection.transmit(TO_SERVER, (correlation, request))

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
        connection = self._connections[key] = Connection(self.links, client, self.nodes[destination])
        connection.stream = (on_message, on_end)
        return connection

    def disconnect(self, client: "Node", destination: int, channel: str) -> None:
        """The client closes its connection for `channel`; callbacks of open requests get None at once."""
        connection = self._connections.get((client.node_id, destination, channel))
        if connection is not None and connection.alive:
            connection.sever()
            connection.fail_pending()

    # --- what strikes connections ---------------------------------------------------------------------------------

    def hold(self, source: int, destination: int) -> None:
        """Let what arrives from source over the connections that are open now lie in the destination's sockets.

        New connections are read. Holds of one link add up.
        """
        link = (source, destination)
        self._holds[link] = self._holds.get(link, 0) + 1
        stuck = self._stuck.setdefault(link, [])
        for connection in self._connections.values():
            for direction in (TO_SERVER, TO_CLIENT):
                if connection.alive and connection.routes[direction] == link and connection.stuck[direction] is None:
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
                connection.deliver(direction, item)

    def reset(self, one: int, other: int) -> None:
        """Break every connection between two nodes: what is on its way is gone."""
        for connection in list(self._connections.values()):
            if connection.alive and connection.routes[TO_SERVER] in ((one, other), (other, one)):
                connection.break_off()

    def node_stopped(self, node: "Node", reset: bool) -> None:
        """A process ended: its connections are dead; with `reset`, its clients are told."""
        for connection in list(self._connections.values()):
            if connection.client is node:
                if connection.stream is not None and connection.alive and reset:
                    connection.tell_server()
                connection.sever()
                connection.pending.clear()
                connection.stream = None
            elif connection.server is node and connection.alive and reset:
                connection.refuse()

    def heal(self, isolated: Sequence[int] = ()) -> None:
        """Take back every cut, loss, delay and hold, but for the cuts around isolated nodes."""
        for link in sorted(self._holds):
            self._holds[link] = 1
            self.release(*link)
        self.links.heal(isolated)
