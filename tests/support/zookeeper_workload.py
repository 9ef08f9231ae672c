"""Clients that write, read, watch and hold ephemerals on an ensemble while servers fail, all drawn from a seed."""

from dataclasses import dataclass, field
from typing import Any

from zookeeper_ensemble import MS, SECOND, ClientHost, Ensemble

from fencepost.checkers.linearizability import Inconsistent, Operation
from fencepost.model.kernel.randomness import Stream
from fencepost.model.protocol.zookeeper import CheckOp, CreateOp, ZkResult

KEYS = ("/r/a", "/r/b")


@dataclass(frozen=True, slots=True)
class VersionedRegister:
    """A znode's data: every write gives the next version; a conditional one names the version that it expects."""

    name: str = "versioned-register"

    def init(self) -> Any:
        return 0

    def step(self, state: Any, operation: Operation) -> Any:
        expected = operation.argument[1]
        if operation.result == "BADVERSION":
            return Inconsistent(f"refused though the version is {state}") if expected in (-1, state) else state
        if expected not in (-1, state):
            return state if operation.crashed else Inconsistent(f"accepted though the version is {state}")
        if operation.crashed or operation.result == state + 1:
            return state + 1
        return Inconsistent(f"gave version {operation.result} after {state}")

    def readonly(self, operation: Operation) -> bool:
        return operation.result == "BADVERSION"

    def partition(self, operation: Operation) -> Any:
        return operation.argument[0]


@dataclass(slots=True)
class Worker:
    """One client's loop: one operation at a time, a new session when the old one has expired."""

    host: ClientHost
    stream: Stream
    writes: list[Operation]
    version: dict[str, int] = field(default_factory=dict)
    stopped: bool = False
    answered: int = 0

    def next(self) -> None:
        if self.stopped:
            return
        host, stream = self.host, self.stream
        if host.client.state in ("expired", "closed"):
            host.begin()
        key = stream.choice(KEYS)
        draw = stream.below(10)
        if draw < 4:
            expected = self.version.get(key, 0) if stream.bits(1) else -1
            host.client.set_data(
                key, f"{host.node_id}", expected, self._written, key, expected, host.now_us)
        elif draw < 6:
            host.client.get_data(key, self._read, key, watch=bool(stream.bits(1)))
        elif draw == 6:
            host.client.get_children("/r", self._done, watch=True)
        elif draw == 7:
            host.client.create("/r/e-", "", self._done, ephemeral=True, sequential=True)
        elif draw == 8:
            host.client.multi(
                (CheckOp(key, self.version.get(key, 0)), CreateOp(f"/r/lock-{stream.bits(1)}", "", True)), self._done)
        else:
            host.client.sync(key, self._done)

    def _written(self, result: ZkResult, key: str, expected: int, call_us: int) -> None:
        if result.error is None:
            self.version[key] = result.stat.version
        outcome = result.error or result.stat.version
        returned = None if outcome in ("CONNECTIONLOSS", "SESSIONEXPIRED") else self.host.now_us
        self.writes.append(Operation(
            call_us, returned, "write", (key, expected), None if returned is None else outcome, self.host.node_id))
        self._done(result)

    def _read(self, result: ZkResult, key: str) -> None:
        if result.error is None:
            self.version[key] = result.stat.version
        self._done(result)

    def _done(self, result: ZkResult) -> None:
        self.answered += result.error is None
        self.host.schedule(self.stream.below(40 * MS), self.next)


class Faults:
    """Strikes servers at random and undoes it a little later."""

    def __init__(self, ensemble: Ensemble, seed_name: str = "faults") -> None:
        self.ensemble = ensemble
        self.stream = ensemble.simulation.streams(seed_name)
        self.undo: list[Any] = []
        self.kinds: list[str] = []

    def strike(self) -> None:
        kind = self.stream.choice(("kill", "power", "pause", "isolate", "one-way", "client", "power-all", "leader"))
        self.kinds.append(kind)
        servers = list(self.ensemble.servers.values())
        node = self.stream.choice(servers)
        leader = self.ensemble.leader()
        if leader is not None and self.stream.bits(1):
            node = leader
        if kind == "kill":
            node.kill()
        elif kind == "power":
            node.power_off()
        elif kind == "pause":
            node.pause()
        elif kind == "power-all":
            for each in servers:
                each.power_off()
        elif kind == "leader":
            self.ensemble.strike_at(
                self.stream.choice(("zookeeper.leading", "zookeeper.proposed", "zookeeper.committed",
                                    "zookeeper.new-leader-acknowledged", "zookeeper.proposal-acknowledged")),
                None, node.power_off)
        else:
            self._cut(kind, node.node_id)

    def _cut(self, kind: str, node_id: int) -> None:
        network = self.ensemble.network
        peers = [host.node_id for host in self.ensemble.hosts] if kind == "client" else list(self.ensemble.servers)
        for peer in peers:
            if peer != node_id:
                network.links.cut(node_id, peer)
                if kind != "one-way":
                    network.links.cut(peer, node_id)

    def heal(self) -> None:
        self.ensemble.simulation.points = None
        self.ensemble.network.heal()
        for node in self.ensemble.servers.values():
            node.resume()
            node.start()

    def run(self, duration_us: int) -> None:
        """Alternate strikes and heals, healed at the end."""
        end_us = self.ensemble.now_us + duration_us
        while self.ensemble.now_us < end_us:
            for _ in range(1 + self.stream.below(2)):
                self.strike()
                self.ensemble.run(self.stream.below(700 * MS))
            self.heal()
            self.ensemble.run(self.stream.below(900 * MS))


@dataclass(slots=True)
class Outcome:
    """What a run left behind."""

    ensemble: Ensemble
    writes: list[Operation]
    workers: list[Worker]


def run_with_faults(seed: int, servers: int = 3, clients: int = 3, duration_us: int = 8 * SECOND, **options: Any
                    ) -> Outcome:
    """A run under faults, healed and quiet at its end; everybody has had the time to come back."""
    ensemble = Ensemble(servers, seed, **{"snap_count": 20, **options})
    ensemble.settle()
    setter = ensemble.client()
    for path in ("/r", *KEYS):
        assert ensemble.ask(setter, "create", path, "").error is None
    writes: list[Operation] = []
    workers = [
        Worker(ensemble.client(), ensemble.simulation.streams(f"worker {index}"), writes) for index in range(clients)]
    for worker in workers:
        worker.next()
    Faults(ensemble).run(duration_us)
    ensemble.run(4 * SECOND)
    for worker in workers:
        worker.stopped = True
    ensemble.run(3 * SECOND)
    return Outcome(ensemble, writes, workers)
