"""Small nodes for tests of the kernel."""

from dataclasses import dataclass
from typing import Any

from fencepost.histories.recorder import Recorder
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics, Simulation


@dataclass(slots=True)
class Ping:
    number: int


class EchoNode(Node):
    """Answers every Ping with its number and keeps what it saw: ("ping" | "answer" | "timer", number or None, time)."""

    def on_start(self) -> None:
        self.seen: list[tuple[str, Any, int]] = []
        self.handlers[Ping] = self._handle

    def _handle(self, request: Ping, reply: Reply) -> None:
        self.seen.append(("ping", request.number, self.now_us))
        reply.send(request.number)

    def ping(self, destination: int, number: int, timeout_us: int = 1_000_000) -> None:
        self.request(destination, "test", Ping(number), timeout_us, self.on_answer, number)

    def on_answer(self, response: Any, number: int) -> None:
        self.seen.append(("answer" if response is not None else "lost", number, self.now_us))

    def on_timer(self, number: int) -> None:
        self.seen.append(("timer", number, self.now_us))


def two_nodes(seed: int = 1, **physics: int) -> tuple[Simulation, Network, EchoNode, EchoNode]:
    """A started pair of echo nodes, 1 and 2."""
    simulation = Simulation(seed, Physics(**physics), Recorder())
    network = Network(simulation)
    one, two = EchoNode(1, "one", simulation, network), EchoNode(2, "two", simulation, network)
    one.start()
    two.start()
    return simulation, network, one, two


def stall_disk(node: Node, duration_us: int) -> None:
    """No fsync of the node that is called from now on is done before `duration_us` have passed."""
    node.disk.stall()
    node.scheduler.schedule(duration_us, node.disk.end_stall)


def kinds(node: EchoNode) -> list[tuple[str, Any]]:
    return [(kind, number) for kind, number, _ in node.seen]
