"""Runs commands, one after the other, for somebody who may die: a program of its own.

    guardian.py FOLDER COMMAND...     each command as a JSON list of words

It ends with the first command that fails, or the last. When its standard input ends, because whoever started it has
closed it or is dead, it kills what it runs and removes the folder.
"""

import json
import shutil
import subprocess
import sys
import threading


class Guardian:
    """Runs one command at a time until it is told to stop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self.stopped = False

    def run(self, command: list[str]) -> int:
        """The command's exit code; 1 if it was not started any more."""
        with self._lock:
            if self.stopped:
                return 1
            self._running = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        return self._running.wait()

    def watch(self) -> None:
        """Wait for the end of the standard input, and stop."""
        sys.stdin.read()
        with self._lock:
            self.stopped = True
            if self._running is not None:
                self._running.kill()


def main(folder: str, *commands: str) -> int:
    """See above."""
    guardian, code = Guardian(), 0
    threading.Thread(target=guardian.watch, daemon=True).start()
    for command in commands:
        code = code or guardian.run(json.loads(command))
    if guardian.stopped:
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
