"""Processes by name, which can be paused, killed and started again, and always end with the test."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from real_kafka import START_S

KEEPER = Path(__file__).with_name("keeper.py")
_LAST_LINES = 20


class Processes:
    """Use it as a context: at its end every process is gone, and so is `folder`, where they have their files.

    paused: the names of those that are.
    """

    def __init__(self) -> None:
        self._pids: dict[str, int] = {}
        self.paused: list[str] = []

    def __enter__(self) -> Self:
        self._keeper = subprocess.Popen(
            [sys.executable, str(KEEPER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True)
        self.folder = Path(self._answer())
        return self

    def __exit__(self, *_: object) -> None:
        self._keeper.communicate()

    def start(self, name: str, command: list[str]) -> None:
        """Start a process of that name; the former one has ended."""
        self._pids[name] = self._order("start", str(self.log(name)), *command)

    def pause(self, name: str) -> None:
        """SIGSTOP."""
        os.kill(self._pids[name], signal.SIGSTOP)
        self.paused.append(name)

    def resume(self, name: str) -> None:
        """SIGCONT."""
        os.kill(self._pids[name], signal.SIGCONT)
        self.paused.remove(name)

    def kill(self, name: str) -> None:
        """SIGKILL; returns when the process is gone."""
        os.kill(self._pids[name], signal.SIGKILL)
        self.await_end(name)

    def terminate(self, name: str) -> None:
        """SIGTERM."""
        os.kill(self._pids[name], signal.SIGTERM)

    def pids(self) -> tuple[int, ...]:
        """The ids of all processes that were started and not killed."""
        return tuple(self._pids.values())

    def runs(self, name: str) -> bool:
        """Whether the process has been started and has not ended; a paused one runs."""
        return name in self._pids and self._order("ended", self._pids[name]) is None

    def await_end(self, name: str) -> int:
        """The exit code, once there is one. Raises RuntimeError, with what the process said last, after `START_S`."""
        deadline_s = time.monotonic() + START_S
        while (code := self._order("ended", self._pids[name])) is None:
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"{name} still runs after {START_S} s; it said:\n{self.said(name)}")
            time.sleep(0.01)
        del self._pids[name]
        return int(code)

    def log(self, name: str) -> Path:
        """What all processes of that name have said."""
        return self.folder / f"{name}.log"

    def said(self, name: str) -> str:
        """The last lines of that."""
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-_LAST_LINES:])

    def _order(self, *order: Any) -> Any:
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(json.dumps(order) + "\n")
        self._keeper.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._keeper.stdout is not None
        return json.loads(self._keeper.stdout.readline())
