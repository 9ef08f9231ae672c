"""Keeps processes for somebody who may die: a program of its own.

It makes a folder and writes its name, as a line of JSON. Then it takes one order a line on its standard input, and
answers each with a line:

    ["start", LOG, WORD...]   start a process that writes to the file LOG: its process id
    ["ended", PID]            its exit code, or null while it runs

When the standard input ends, because whoever started it has closed it or is dead, it kills what it has started, paused
or not, and removes the folder.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress


class Keeper:
    """The processes that were started, by their ids."""

    def __init__(self) -> None:
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, log: str, *command: str) -> int:
        """Start a process."""
        with open(log, "ab") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self._processes[process.pid] = process
        return process.pid

    def ended(self, pid: int) -> int | None:
        """How a process has ended, if it has."""
        return self._processes[pid].poll()

    def kill_all(self) -> None:
        """Kill whatever still runs."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()


def main() -> None:
    """See above."""
    folder, keeper = tempfile.mkdtemp(prefix="fencepost-kafka-"), Keeper()
    try:
        with suppress(BrokenPipeError):
            print(json.dumps(folder), flush=True)
            for line in sys.stdin:
                order, *arguments = json.loads(line)
                print(json.dumps(getattr(keeper, order)(*arguments)), flush=True)
    finally:
        keeper.kill_all()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
