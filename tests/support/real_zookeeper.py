"""A real ZooKeeper ensemble on this machine, without root: one JVM a server, on free ports, in a temporary directory.

ZooKeeper's libraries are looked for where `.ci/run` puts them, and where Debian does. The processes die with the one
that started them, and nothing is left behind.
"""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

_LIBRARIES = (
    "zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-simple", "metrics-core", "commons-io", "netty-handler",
    "netty-common", "netty-buffer", "netty-transport", "snappy-java",
)
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fencepost" / "zookeeper"
_PLACES = (_CACHE / "usr/share/java", Path("/usr/share/java"))

_CONFIG = """\
tickTime=500
initLimit=10
syncLimit=4
standaloneEnabled=false
reconfigEnabled=false
admin.enableServer=false
4lw.commands.whitelist=*
maxClientCnxns=0
dataDir={directory}
clientPort={port}
clientPortAddress=127.0.0.1
"""


def why_not() -> str | None:
    """Why real ZooKeeper cannot run here, in one line; None if it can."""
    if importlib.util.find_spec("kazoo") is None:
        return "real ZooKeeper cannot be asked: kazoo is not installed (it comes with the extra `dev`)"
    if shutil.which("java") is None:
        return "real ZooKeeper cannot run: there is no java"
    if _class_path() is None:
        return "real ZooKeeper cannot run: its jars are neither in /usr/share/java nor fetched by .ci/fetch-zookeeper"
    return None


def _class_path() -> str | None:
    for place in _PLACES:
        jars = [place / f"{name}.jar" for name in _LIBRARIES]
        if all(jar.is_file() for jar in jars):
            return ":".join(map(str, jars))
    return None


class RealEnsemble:
    """Servers 1..n. Use it as a context: at its end every process is gone, and so is the directory."""

    def __init__(self, servers: int) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="fencepost-zookeeper-"))
        self._processes: list[subprocess.Popen[bytes]] = []
        ports = _free_ports(3 * servers)
        self.client_ports = ports[:servers]
        quorum = "".join(
            f"server.{index + 1}=127.0.0.1:{ports[servers + index]}:{ports[2 * servers + index]}\n"
            for index in range(servers))
        self._quorum = quorum

    @property
    def hosts(self) -> str:
        """As clients want it."""
        return ",".join(f"127.0.0.1:{port}" for port in self.client_ports)

    def __enter__(self) -> "RealEnsemble":
        try:
            for index, port in enumerate(self.client_ports):
                self._start(index + 1, port)
            self._wait()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill every server and remove what they wrote."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self, server: int, port: int) -> None:
        directory = self._directory / str(server)
        directory.mkdir()
        (directory / "myid").write_text(f"{server}\n")
        config = self._directory / f"{server}.cfg"
        config.write_text(_CONFIG.format(directory=directory, port=port) + self._quorum)
        class_path = _class_path()
        assert class_path is not None
        command = [
            "java", "-Xmx96m", "-Xms32m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            "-Djava.net.preferIPv4Stack=true", "-Dzookeeper.cnxTimeout=500", "-cp", class_path,
            "org.apache.zookeeper.server.quorum.QuorumPeerMain", str(config)]
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        with (self._directory / f"{server}.log").open("wb") as log:
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def _wait(self, limit_s: float = 60) -> None:
        """Until every server leads or follows."""
        end_s = time.monotonic() + limit_s
        while not all(_serves(port) for port in self.client_ports):
            logs = "".join(path.read_text(errors="replace")[-2000:] for path in self._directory.glob("*.log"))
            assert all(process.poll() is None for process in self._processes), f"a server ended:\n{logs}"
            assert time.monotonic() < end_s, f"the ensemble did not come up:\n{logs}"
            time.sleep(0.05)


def _serves(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"srvr")
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
    except OSError:
        return False
    return b"Mode: " in answer


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
