"""An ensemble on the bare kernel, clients that work on it, and faults drawn from a seed."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from fencepost.checkers import registry, zookeeper_log, zookeeper_sessions
from fencepost.checkers.verdict import Violation
from fencepost.histories.event import Event
from fencepost.histories.recorder import Recorder
from fencepost.model.composition import Composer
from fencepost.model.config import ZooKeeperConfig
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics, Simulation
from fencepost.model.protocol.zookeeper import Identity, WatchEvent, ZkResult
from fencepost.model.zookeeper.client import ClientTimeouts, ZooKeeperClient
from fencepost.model.zookeeper.data_tree import Snapshot
from fencepost.model.zookeeper.server import ZooKeeperServer
from fencepost.model.zookeeper.synthesis import plant

MS = 1_000
SECOND = 1_000_000

CHECKERS = (zookeeper_log, zookeeper_sessions)


def campaign_config(**changes: Any) -> ZooKeeperConfig:
    """The campaign profile's configuration, with changes."""
    campaign = ZooKeeperConfig(**{each.name: each.metadata["campaign"] for each in fields(ZooKeeperConfig)})
    return replace(campaign, **changes)


class ClientHost(Node):
    """A process with one client at a time; `seen` is everything it is told, in order."""

    client: ZooKeeperClient

    def __init__(self, node_id: int, ensemble: "Ensemble", servers: tuple[int, ...], chroot: str,
                 identities: tuple[Identity, ...]) -> None:
        super().__init__(node_id, f"client {node_id}", ensemble.simulation, ensemble.network)
        self.servers = servers
        self.chroot = chroot
        self.identities = identities
        self.timeouts = ClientTimeouts(ensemble.session_timeout_us, ensemble.config.client_spin_delay_us)
        self.seen: list[Any] = []

    def on_start(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin a new session."""
        self.client = ZooKeeperClient(self, self.timeouts, self.servers, self.chroot, self, self.identities)
        self.client.connect()

    def on_session_state(self, state: str) -> None:
        self.seen.append(state)

    def on_watch(self, event: WatchEvent) -> None:
        self.seen.append(tuple(event))


class Ensemble:
    """Servers 1..n and clients from 101 on, driven by the test."""

    def __init__(
        self, servers: int = 3, seed: int = 1, patches: Sequence[type] = (), session_timeout_us: int = 1000 * MS,
        physics: Physics | None = None, snapshot: Snapshot | None = None, **changes: Any,
    ) -> None:
        self.recorder = Recorder()
        physics = physics or Physics(retransmission_us=20_000, connection_break_us=SECOND, dirty_expire_us=3 * SECOND)
        self.simulation = Simulation(seed, physics, self.recorder)
        self.network = Network(self.simulation)
        self.config = campaign_config(**changes)
        self.session_timeout_us = session_timeout_us
        ids = tuple(range(1, servers + 1))
        composer = Composer(patches)
        self.servers = {
            node_id: ZooKeeperServer(node_id, self.simulation, self.network, self.config, composer, ids)
            for node_id in ids}
        self.hosts: list[ClientHost] = []
        for node in self.servers.values():
            if snapshot is not None:
                plant(node.disk, snapshot)
            node.start()

    @property
    def now_us(self) -> int:
        return self.simulation.scheduler.now_us

    def run(self, duration_us: int) -> None:
        self.simulation.scheduler.run_until(self.now_us + duration_us)

    def run_until(self, condition: Any, limit_us: int = 10 * SECOND, step_us: int = 200) -> None:
        """Run in small steps until `condition()` holds; fails after `limit_us`."""
        end_us = self.now_us + limit_us
        while not condition():
            assert self.now_us < end_us, "the condition did not come about"
            self.run(step_us)

    def leader(self) -> ZooKeeperServer | None:
        """The leader of the newest epoch, if a quorum of running servers lets one serve."""
        leading = [node for node in self.servers.values() if node.running and node.is_leading]
        return max(leading, key=lambda node: node.peer.leader.epoch, default=None)

    def elect(self, other_than: ZooKeeperServer | None = None) -> ZooKeeperServer:
        self.run_until(lambda: self.leader() not in (None, other_than))
        found = self.leader()
        assert found is not None
        return found

    def settle(self) -> ZooKeeperServer:
        """Run until there is a leader and every running server serves."""
        self.run_until(lambda: self.leader() and all(
            node.peer.service.upstream is not None for node in self.servers.values() if node.running))
        found = self.leader()
        assert found is not None
        return found

    def followers(self) -> list[ZooKeeperServer]:
        leader = self.leader()
        return [node for node in self.servers.values() if node is not leader]

    def client(
        self, servers: tuple[int, ...] | None = None, chroot: str = "", identities: tuple[Identity, ...] = (),
        connected: bool = True,
    ) -> ClientHost:
        """A new host with a client of these servers, connected unless told otherwise."""
        node_id = 101 + len(self.hosts)
        host = ClientHost(node_id, self, servers or tuple(self.servers), chroot, identities)
        self.hosts.append(host)
        host.start()
        if connected:
            self.run_until(lambda: host.client.state == "connected")
        return host

    def ask(self, host: ClientHost, operation: str, *arguments: Any, **options: Any) -> ZkResult:
        """Do one operation and run until it is answered."""
        answers: list[ZkResult] = []
        getattr(host.client, operation)(*arguments, answers.append, **options)
        self.run_until(lambda: answers)
        return answers[0]

    def cut_both(self, one: int, other: int) -> None:
        self.network.links.cut(one, other)
        self.network.links.cut(other, one)

    def isolate(self, node_id: int) -> None:
        """From the other servers; clients still reach it."""
        for other in self.servers:
            if other != node_id:
                self.cut_both(node_id, other)

    def strike_at(self, point: str, node_id: int | None, fault: Any, *args: Any) -> None:
        """Call `fault(*args)` right after the next passage of `point` (at a node)."""

        def points(name: str, at_node: int) -> None:
            if name == point and node_id in (None, at_node):
                self.simulation.points = None
                self.simulation.scheduler.schedule(0, fault, *args)

        self.simulation.points = points

    def events(self, f: str) -> list[Event]:
        return [event for event in self.recorder.events if event.f == f]

    def violations(self) -> list[Violation]:
        """What the checkers say of the history."""
        header = {"mode": "zk", "zookeepers": list(self.servers)}
        checkers = registry.CheckerSet([each for module in CHECKERS for each in module.build(header)])
        for event in self.recorder.events:
            checkers.feed(event)
        results = checkers.finish()
        assert {result.verdict for result in results} <= {"valid", "invalid"}, results
        return [violation for result in results for violation in result.violations]

    def digests(self) -> list[tuple[int, str]]:
        """Each running server's last zxid and tree."""
        return [
            (node.peer.tree.last_zxid, node.peer.tree.digest) for node in self.servers.values() if node.running]
