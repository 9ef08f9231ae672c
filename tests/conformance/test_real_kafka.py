"""Nothing of a real Kafka is left behind, however the test that started it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("kio", reason="kio is not installed, so nothing can be asked of a real Kafka")

from real_kafka import START_S, VERSIONS
from sequences import jars_or_skip

#: Whoever is started in the background may have been told to ignore Ctrl-C.
_TEST = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from real_controller import real_controller
with real_controller({version!r}):
    print("it answers", flush=True)
    time.sleep(600)
"""


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.02)


def _command_lines() -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(process.read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc to look for processes in")
@pytest.mark.parametrize(("when", "how"), [
    ("it answers", signal.SIGINT), ("it answers", signal.SIGKILL), ("it is formatted", signal.SIGTERM)])
def test_nothing_is_left_behind(tmp_path: Path, when: str, how: signal.Signals) -> None:
    version = VERSIONS[0]
    jars_or_skip(version)

    def java_runs() -> bool:
        return any(str(tmp_path) in line and line.startswith("java") for line in _command_lines())

    test = subprocess.Popen(
        [sys.executable, "-c", _TEST.format(version=version)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)})
    with test:
        assert test.stdout is not None
        if when == "it answers":
            assert test.stdout.readline() == b"it answers\n"
        _until(java_runs, "Java was never there")
        assert list(tmp_path.glob("fencepost-kafka-*"))
        test.send_signal(how)
    _until(lambda: not java_runs(), "Java is still there")
    _until(lambda: not list(tmp_path.iterdir()), "the folder is still there")
