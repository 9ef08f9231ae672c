"""Writing small histories of clients, one operation after the other or overlapping, as calls for the checkers."""

from typing import Any

from fencepost.histories.operations import HistoryOp
from fencepost.histories.pairing import Call, pair


class ClientHistory:
    """Lines of a history in the order of time; each process has at most one operation open."""

    def __init__(self) -> None:
        self.lines: list[HistoryOp] = []

    def invoke(self, process: Any, f: str, value: Any, **extra: Any) -> "ClientHistory":
        """Begin an operation."""
        return self._add("invoke", process, f, value, extra)

    def complete(self, type_: str, process: Any, f: str, value: Any, **extra: Any) -> "ClientHistory":
        """End the process's open operation as `ok`, `fail` or `info`."""
        return self._add(type_, process, f, value, extra)

    def run(self, process: Any, f: str, argument: Any, result: Any, type_: str = "ok", **extra: Any) -> "ClientHistory":
        """A whole operation that nothing overlaps."""
        return self.invoke(process, f, argument).complete(type_, process, f, result, **extra)

    def calls(self) -> list[Call]:
        """The calls of the history."""
        return pair(self.lines)

    def _add(self, type_: str, process: Any, f: str, value: Any, extra: dict[str, Any]) -> "ClientHistory":
        position = len(self.lines)
        self.lines.append(HistoryOp(position, None, type_, process, f, None, value, None, extra, position + 1))
        return self
