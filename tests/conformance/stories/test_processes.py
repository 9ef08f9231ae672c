"""No process and no folder is left behind, however the test that started them ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from stories.processes import Processes

#: Whoever is started in the background may have been told to ignore Ctrl-C.
_TEST = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from stories.processes import Processes
with Processes() as processes:
    for name in ("runs", "paused"):
        processes.start(name, [sys.executable, "-c", "import time; time.sleep(600)"])
    processes.pause("paused")
    print(*processes.pids(), flush=True)
    time.sleep(600)
"""
_PATIENCE_S = 60.0


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, what
        time.sleep(0.01)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind(tmp_path: Path, how: signal.Signals) -> None:
    test = subprocess.Popen(
        [sys.executable, "-c", _TEST], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)})
    with test:
        assert test.stdout is not None
        pids = [int(pid) for pid in test.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(_is_there, pids))
        assert list(tmp_path.iterdir())
        test.send_signal(how)
    _until(lambda: not any(map(_is_there, pids)), "a process is still there")
    _until(lambda: not list(tmp_path.iterdir()), "the folder is still there")


def test_a_process_is_killed_and_started_again() -> None:
    with Processes() as processes:
        processes.start("name", [sys.executable, "-c", "import time; print('once', flush=True); time.sleep(600)"])
        _until(lambda: processes.said("name") == "once", "it said nothing")
        processes.kill("name")
        assert not processes.runs("name")
        processes.start("name", [sys.executable, "-c", "print('twice')"])
        assert processes.await_end("name") == 0
        assert processes.said("name") == "once\ntwice"
