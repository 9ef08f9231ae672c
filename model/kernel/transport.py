"""What lies between the two ends of a connection: TCP, as far as it orders, delays, and gives up.

Each direction is ordered. A cut of a direction holds back what arrives; when the cut heals in time the data arrives
late, in order, otherwise the connection breaks and the data is gone. A message that would be under way for longer than
a connection lasts breaks it too. Nothing that is on its way is delivered beyond the connection's life, and a dead host
sends nothing again.

What an item is, and what happens where it arrives, is the business of `connection`.
"""

from typing import TYPE_CHECKING, Any

from fencepost.model.kernel.links import Links
from fencepost.model.kernel.scheduler import Timer, cancel

if TYPE_CHECKING:
    from fencepost.model.kernel.node import Node

TO_SERVER, TO_CLIENT = 0, 1

#: (correlation or kind, message)
Item = tuple[int, Any]


class Transport:
    """One TCP connection between two incarnations of nodes.

    alive: whether anything can still arrive.
    routes: the directed links that it goes over, by direction.
    server_incarnation: -1 until something reaches a server that did not run when the client began.
    """

    __slots__ = (
        "_break_timer", "_held", "_last_arrival_us", "alive", "client", "client_incarnation", "links", "routes",
        "server", "server_incarnation",
    )

    def __init__(self, links: Links, client: "Node", server: "Node") -> None:
        self.links = links
        self.client = client
        self.client_incarnation = client.incarnation
        self.server = server
        self.server_incarnation = server.incarnation if server.running else -1
        self.routes = (client.node_id, server.node_id), (server.node_id, client.node_id)
        self.alive = True
        self._last_arrival_us = [0, 0]
        self._held: tuple[list[Item], list[Item]] = ([], [])
        self._break_timer: Timer | None = None

    def deliver(self, direction: int, item: Item) -> None:
        """An item has arrived: from here on no cut can stop it."""
        raise NotImplementedError

    def break_off(self) -> None:
        """Both ends give the connection up: what is on its way is gone."""
        raise NotImplementedError

    def transmit(self, direction: int, item: Item) -> None:
        """Put an item on its way."""
        links, last_us = self.links, self._last_arrival_us
        arrival_us = last_us[direction] = links.arrival_us(self.routes[direction], last_us[direction])
        scheduler = links.scheduler
        delay_us = arrival_us - scheduler.now_us
        if links.loss and delay_us > links.physics.connection_break_us:
            scheduler.schedule(links.physics.connection_break_us, self._give_up)
        scheduler.schedule(delay_us, self._arrive, direction, item)

    def _give_up(self) -> None:
        """A message was lost so often that the sender's host gives the connection up before it arrives."""
        if self.alive:
            self.break_off()

    def _arrive(self, direction: int, item: Item) -> None:
        if not self.alive:
            return
        held, cuts = self._held[direction], self.links.cuts
        if cuts and self.routes[direction] in cuts:
            held.append(item)
            self._hold_back(direction)
        elif held:
            held.append(item)  # behind what was held back and is about to arrive
        else:
            self.deliver(direction, item)

    def _hold_back(self, direction: int) -> None:
        """Data waits for a cut to end; the connection breaks if that takes too long."""
        links, link = self.links, self.routes[direction]
        links.wait(link, self, direction)
        if self._break_timer is None:
            break_us = links.physics.connection_break_us
            delay_us = break_us + links.stream(link).below(break_us)
            self._break_timer = links.scheduler.schedule(delay_us, self.break_off)

    def resend(self, direction: int) -> None:
        """The cut is over: what was held back is sent again, and arrives before all that was sent later."""
        if not self._held[1 - direction]:
            cancel(self._break_timer)
            self._break_timer = None
        if self.alive:
            links, last_us = self.links, self._last_arrival_us
            arrival_us = last_us[direction] = links.arrival_us(self.routes[direction], last_us[direction])
            links.scheduler.schedule(arrival_us - links.scheduler.now_us, self._arrive_late, direction)

    def _arrive_late(self, direction: int) -> None:
        held = self._held[direction]
        if not held or not self.alive:
            return
        if direction == TO_CLIENT and self.server_incarnation != self.server.incarnation:
            return  # a dead host retransmits nothing, and what came behind the gap never gets through
        if self.routes[direction] in self.links.cuts:
            self._hold_back(direction)
            return
        items = list(held)
        held.clear()
        for item in items:
            if self.alive:
                self.deliver(direction, item)

    def sever(self) -> None:
        """Nothing arrives over the connection any more."""
        self.alive = False
        cancel(self._break_timer)
        self._break_timer = None
        self._held[0].clear()
        self._held[1].clear()
