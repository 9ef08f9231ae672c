"""A system that is a process of its own, in any language, and talks in lines of JSON over standard input and output.

A request is `{"id": 1, "client": 0, "f": "put", "argument": ["x", "1"]}`. Its answer has the same id and one of

    {"id": 1, "result": null}         it was done, and this is its result
    {"id": 1, "refused": "why"}       it certainly had no effect
    {"id": 1, "unclear": "why"}       nobody knows

Answers come in any order: the process should begin a request before it has answered the one before, or its clients will
never be concurrent. What it was asked when it ends is unclear. It ends when its standard input does.
"""

import itertools
import json
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any

from fencepost.checkers.linearizability.models.reading import hashable
from fencepost.harness.property.system import Refused, System, Unclear

#: So long a process may take to end by itself.
_PATIENCE_S = 5.0

Answer = dict[str, Any]


class ProcessSystem(System):
    """Set `command`, such as [sys.executable, "server.py"]; `start` runs it afresh for each plan.

    process: the one that runs, to be signalled or killed by a fault. Its standard error is the test's own.
    """

    command: Sequence[str] = ()
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Run the command. Raises OSError if there is no such program."""
        self.process = None
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: dict[int, SimpleQueue[Answer | None]] = {}
        self._over = False
        self._nonsense: str | None = None
        self.process = subprocess.Popen(
            list(self.command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """Close its input and wait until it has ended; after five seconds it is killed."""
        process = self.process
        if process is None:
            return
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already
            process.stdin.close()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reader.join()

    def invoke(self, client: int, f: str, argument: Any) -> Any:
        """Send one request and wait for its answer; lists in a result become tuples.

        Raises ValueError when the process writes what is no answer.
        """
        answer = self._ask({"client": client, "f": f, "argument": argument})
        if "refused" in answer:
            raise Refused(answer["refused"])
        if "unclear" in answer:
            raise Unclear(answer["unclear"])
        return hashable(answer["result"])

    def _ask(self, request: dict[str, Any]) -> Answer:
        assert self.process is not None
        assert self.process.stdin is not None
        answers: SimpleQueue[Answer | None] = SimpleQueue()
        with self._lock:
            if not self._over:
                number = next(self._ids)
                self._waiting[number] = answers
                self.process.stdin.write(json.dumps({"id": number, **request}) + "\n")
                self.process.stdin.flush()
            else:
                answers.put(None)
        answer = answers.get()
        if answer is not None:
            return answer
        if self._nonsense is not None:
            raise ValueError(f"{self.command[0]} wrote {self._nonsense}, which is no answer to a request")
        raise Unclear(f"{self.command[0]} has ended")

    def _read(self, lines: IO[str]) -> None:
        """Give each answer to whoever waits for it; in the end, wake all others."""
        with lines:
            for line in lines:
                answer = _answer(line)
                with self._lock:
                    waiting = None if answer is None else self._waiting.pop(answer["id"], None)
                if waiting is None:
                    self._nonsense = repr(line)
                    break
                waiting.put(answer)
        with self._lock:
            self._over = True
            for waiting in self._waiting.values():
                waiting.put(None)


def _answer(line: str) -> Answer | None:
    """The answer that a line holds, or None."""
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    named = isinstance(answer, dict) and isinstance(answer.get("id"), int)
    return answer if named and any(name in answer for name in ("result", "refused", "unclear")) else None
