"""Real Kafka nodes on loopback: the artifacts from Maven Central, in a cache outside the tree, and processes that
always end with the test."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
#: What is held against the model: the release it follows, and the one after it.
VERSIONS = ("4.0.0", "4.1.0")
#: The model's clean profile has no eligible leader replicas; they are the default from 4.1 on.
FORMAT = {"4.1.0": ("--feature", "eligible.leader.replicas.version=0")}
_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
#: Longer than anything takes on a machine that is busy with something else.
START_S = 180.0
_LAST_LINES = 20
#: Java ends when it likes, or when nobody holds the other end of the guardian's standard input any more: when the test
#: is done with it or has died, however it died. Then the folder goes, too.
GUARDIAN = Path(__file__).with_name("guardian.py")


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


def java(version: str, main: str, *arguments: str, heap_mb: int = 256) -> list[str]:
    """The command line that runs a class of Kafka's."""
    return ["java", "-Xms64m", f"-Xmx{heap_mb}m", *_JVM, "-cp", f"{artifacts(version)}/*", main, *arguments]


@contextmanager
def node(
    version: str, properties: dict[str, str], port: int, formatting: tuple[str, ...] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A formatted node that listens on `port`, in a folder of its own under the system's for temporary files.

    formatting: what the storage is formatted with instead of what is usual for the version.
    Process and folder are gone at the end, whatever happens. Raises RuntimeError, with what Kafka said last, if it does
    not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="fencepost-kafka-"))
    settings, log = folder / "server.properties", folder / "kafka.log"
    settings.write_text("".join(f"{name}={value}\n" for name, value in {
        **properties, "log.dirs": str(folder / "data")}.items()))
    commands = (
        java(version, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(settings),
             *(FORMAT.get(version, ()) if formatting is None else formatting)),
        java(version, "kafka.Kafka", str(settings)))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(GUARDIAN), str(folder), *map(json.dumps, commands)], stdin=subprocess.PIPE,
            stdout=output, stderr=output, start_new_session=True)
    try:
        _wait_for(port, process, log)
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


#: Any 16 bytes in Kafka's base 64 do.
CLUSTER_ID = "ZmVuY2Vwb3N0LXRlc3QhIQ"


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline_s:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    said = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    why = "still runs" if process.returncode is None else f"ended with {process.returncode}"
    raise RuntimeError("\n".join([f"Kafka does not listen on port {port} and {why}; it said:", *said]))
