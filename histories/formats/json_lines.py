"""Jepsen's fields in JSON Lines: `{"index": 0, "time": 81065, "type": "invoke", "process": 3, "f": "read", ...}`.

`key` and `error` have fields of their own; every other name (`version`, `expected_version`, ...) goes into `extra`.
One JSON array with the same objects is read as well.
"""

import json
from collections.abc import Iterable, Iterator
from typing import IO

from fencepost.histories.formats.fields import fields_of, operation_of
from fencepost.histories.formats.json_values import read_values
from fencepost.histories.formats.source import Lines
from fencepost.histories.operations import HistoryOp


def read_json_lines(lines: Lines) -> Iterator[HistoryOp]:
    """The operations. Raises HistoryError, in one line."""
    for position, (number, data) in enumerate(read_values(lines)):
        yield operation_of(lines, number, position, data)


def write_json_lines(ops: Iterable[HistoryOp], file: IO[str]) -> None:
    """Write one object a line. JSON has only texts as names: a map's other keys become texts."""
    for op in ops:
        file.write(json.dumps(fields_of(op), separators=(",", ":")) + "\n")
