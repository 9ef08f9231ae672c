"""A pair of real brokers in ZooKeeper mode, and a real ZooKeeper of the version that comes with them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from real_kafka import free_ports, java
from stories.processes import Processes
from stories.real_nodes import HEAP_MB, SMALL, await_listener
from stories.zk_proxy import ZkProxy
from stories.zk_stage import ENSEMBLE, MODELLED

VERSION = "3.9.1"
BROKERS = (1, 2)
_ZOOKEEPER = "zookeeper"


class ZkNodes:
    """The brokers and their ZooKeeper.

    broker_ports: broker -> where it listens. zookeeper_port, zookeeper_data: the server's port and folder.
    proxies: broker -> what stands between it and ZooKeeper.
    """

    def __init__(self, processes: Processes, stack: ExitStack) -> None:
        self._processes = processes
        self.zookeeper_port, *ports = free_ports(1 + len(BROKERS))
        self.broker_ports = dict(zip(BROKERS, ports, strict=True))
        self.proxies = {broker: stack.enter_context(ZkProxy(self.zookeeper_port)) for broker in BROKERS}
        self.zookeeper_data = processes.folder / "zookeeper.data"

    def start_all(self) -> None:
        """Start ZooKeeper, then the brokers, and wait until they listen."""
        settings = self._processes.folder / "zoo.cfg"
        _write(settings, {
            **ENSEMBLE, "dataDir": str(self.zookeeper_data), "clientPort": str(self.zookeeper_port),
            "clientPortAddress": "127.0.0.1", "admin.enableServer": "false", "maxClientCnxns": "0"})
        self._processes.start(_ZOOKEEPER, java(
            VERSION, "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(settings), heap_mb=HEAP_MB))
        await_listener(self._processes, _ZOOKEEPER, self.zookeeper_port)
        for broker in BROKERS:
            self.act("start", broker)
        for broker, port in self.broker_ports.items():
            await_listener(self._processes, str(broker), port)

    def act(self, act: str, broker: int) -> None:
        """pause, resume, kill or start a broker."""
        if act != "start":
            getattr(self._processes, act)(str(broker))
            return
        settings = self._processes.folder / f"{broker}.properties"
        listener = f"PLAINTEXT://127.0.0.1:{self.broker_ports[broker]}"
        _write(settings, {
            **SMALL, **MODELLED, "broker.id": str(broker), "listeners": listener, "advertised.listeners": listener,
            "log.dirs": str(self._processes.folder / f"{broker}.data"),
            "zookeeper.connect": f"127.0.0.1:{self.proxies[broker].port}"})
        self._processes.start(str(broker), java(VERSION, "kafka.Kafka", str(settings), heap_mb=HEAP_MB))

    def answers(self, broker: int) -> bool:
        """Whether there is a process that would answer."""
        return str(broker) not in self._processes.paused and self._processes.runs(str(broker))


def _write(file: Path, settings: dict[str, str]) -> None:
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


@contextmanager
def zk_nodes() -> Iterator[ZkNodes]:
    """Start ZooKeeper and the brokers; they end with the block."""
    with ExitStack() as stack:
        nodes = ZkNodes(stack.enter_context(Processes()), stack)
        nodes.start_all()
        yield nodes
