"""Three-node clusters of real Kafka: isolated (controllers, and brokers beside them) and combined."""

import shutil
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from real_kafka import CLUSTER_ID, FORMAT, START_S, free_ports, java
from stories.kraft_stage import MODELLED
from stories.processes import Processes
from wire import Connection

from fencepost.model.shape import Shape

HEAP_MB = 160
_LISTENERS = {"listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
              "controller.listener.names": "CONTROLLER", "inter.broker.listener.name": "PLAINTEXT"}
#: Nothing to do with what is compared: small, and without what happens by itself.
SMALL = {
    "auto.create.topics.enable": "false", "log.cleaner.enable": "false", "num.network.threads": "1",
    "num.io.threads": "2", "log.index.size.max.bytes": "4096", "num.recovery.threads.per.data.dir": "1",
    "log.retention.ms": "-1",
}


class KRaftNodes:
    """The nodes of one cluster.

    controller_ports, broker_ports: node id -> where it listens.
    """

    def __init__(self, version: str, shape: Shape, properties: dict[str, str], processes: Processes) -> None:
        self.shape = shape
        self._version = version
        self._properties = properties
        self._processes = processes
        self.controllers, self.brokers = shape.controller_ids(), shape.broker_ids()
        ports = iter(free_ports(len(self.controllers) + len(self.brokers)))
        self.controller_ports = {node: next(ports) for node in self.controllers}
        self.broker_ports = {node: next(ports) for node in self.brokers}

    def start_all(self) -> None:
        """Format every node's storage, start all of them, and wait until they listen."""
        nodes = sorted({*self.controllers, *self.brokers})
        for node in nodes:
            self._write_settings(node)
        self._format(nodes)
        for node in nodes:
            self.act("start", node)
        for node, port in (*self.controller_ports.items(), *self.broker_ports.items()):
            await_listener(self._processes, str(node), port)

    def act(self, act: str, node: int) -> None:
        """pause, resume, kill or start a node."""
        if act == "start":
            self._processes.start(str(node), java(
                self._version, "kafka.Kafka", str(self._settings(node)), heap_mb=HEAP_MB))
        else:
            getattr(self._processes, act)(str(node))

    def answers(self, node: int) -> bool:
        """Whether there is a process that would answer."""
        return str(node) not in self._processes.paused and self._processes.runs(str(node))

    # --- storage ------------------------------------------------------------------------------------------------------

    def _settings(self, node: int) -> Path:
        return self._processes.folder / f"{node}.properties"

    def _data(self, node: int) -> Path:
        return self._processes.folder / f"{node}.data"

    def _write_settings(self, node: int) -> None:
        listeners, roles = [], []
        if node in self.broker_ports:
            roles.append("broker")
            listeners.append(f"PLAINTEXT://127.0.0.1:{self.broker_ports[node]}")
        if node in self.controller_ports:
            roles.append("controller")
            listeners.append(f"CONTROLLER://127.0.0.1:{self.controller_ports[node]}")
        settings = {
            **_LISTENERS, **SMALL, **MODELLED, **self._properties, "process.roles": ",".join(roles),
            "node.id": str(node), "listeners": ",".join(listeners), "log.dirs": str(self._data(node)),
            "controller.quorum.voters": ",".join(
                f"{voter}@127.0.0.1:{port}" for voter, port in self.controller_ports.items())}
        if node in self.broker_ports:
            settings["advertised.listeners"] = listeners[0]
        else:
            del settings["inter.broker.listener.name"]
        self._settings(node).write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def _format(self, nodes: list[int]) -> None:
        """Kafka formats one node's storage; the others' differs in the node's and the directory's ids."""
        first = nodes[0]
        self._processes.start("format", java(
            self._version, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._settings(first)),
            *FORMAT.get(self._version, ())))
        if self._processes.await_end("format"):
            raise RuntimeError(f"the storage cannot be formatted:\n{self._processes.said('format')}")
        for node in nodes[1:]:
            shutil.copytree(self._data(first), self._data(node))
            properties = self._data(node) / "meta.properties"
            lines = dict(line.split("=", 1) for line in properties.read_text().splitlines() if "=" in line)
            lines["node.id"] = str(node)
            lines["directory.id"] = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            properties.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))


def await_listener(processes: Processes, name: str, port: int) -> None:
    """Until a process listens. Raises RuntimeError, with what it said last, if it does not."""
    deadline_s = time.monotonic() + START_S
    while True:
        try:
            Connection(port).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline_s or not processes.runs(name):
                raise RuntimeError(f"{name} does not listen; it said:\n{processes.said(name)}") from None
            time.sleep(0.02)


@contextmanager
def kraft_nodes(version: str, shape: Shape, properties: dict[str, str]) -> Iterator[KRaftNodes]:
    """Start a cluster of that version, with these properties and `MODELLED`; it ends with the block."""
    with Processes() as processes:
        nodes = KRaftNodes(version, shape, properties, processes)
        nodes.start_all()
        yield nodes
