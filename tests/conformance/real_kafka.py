"""Real Kafka nodes on loopback: the artifacts from Maven Central, in a cache outside the tree, and processes that
always end with the test."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
#: What is held against the model: the release it follows, and the one after it.
VERSIONS = ("4.0.0", "4.1.0")
#: The model's clean profile has no eligible leader replicas; they are the default from 4.1 on.
_FORMAT = {"4.1.0": ("--feature", "eligible.leader.replicas.version=0")}
_JVM = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_START_S = 60
#: Java ends when it likes, or when nobody holds the other end of its standard input any more: when the test has died.
_ENDS_WITH_US = 'exec 3<&0; "$@" <&- & java=$!; (read -r _ <&3; kill -9 $java) & wait $java'


def cache() -> Path:
    """Where the artifacts are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "fencepost"


def artifacts(version: str) -> Path:
    """The folder with the jars of that version, fetched if it is not there.

    Raises RuntimeError, in one line, where Java, Maven or the artifacts cannot be had.
    """
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            raise RuntimeError(f"{tool} is not installed, so no real Kafka can be started")
    folder = cache() / f"kafka-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _fetch(version, folder)
    return folder


def _fetch(version: str, folder: Path) -> None:
    command = ["mvn", "-q", "-B", "-f", str(POM), f"-Dkafka.version={version}", "-DincludeScope=runtime",
               f"-DoutputDirectory={folder}", "dependency:copy-dependencies"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        why = next((line for line in done.stdout.splitlines() if "ERROR" in line), "no reason given")
        raise RuntimeError(f"Kafka {version} cannot be fetched from Maven Central: {why}")
    (folder / "complete").touch()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def java(version: str, main: str, *arguments: str) -> list[str]:
    """The command line that runs a class of Kafka's."""
    return ["java", *_JVM, "-cp", f"{artifacts(version)}/*", main, *arguments]


@contextmanager
def node(version: str, folder: Path, properties: dict[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A formatted node that listens on `port`; killed at the end, whatever happens. The log is in the folder."""
    settings = folder / "server.properties"
    settings.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    subprocess.run(java(version, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(settings),
                        *_FORMAT.get(version, ())), check=True, capture_output=True)
    with (folder / "kafka.log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", _ENDS_WITH_US, "sh", *java(version, "kafka.Kafka", str(settings))],
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(port, process, folder / "kafka.log")
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


#: Any 16 bytes in Kafka's base 64 do.
CLUSTER_ID = "ZmVuY2Vwb3N0LXRlc3QhIQ"


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + _START_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise RuntimeError(f"Kafka ended with {process.returncode}; see {log}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"Kafka does not listen on port {port} after {_START_S} s; see {log}")
