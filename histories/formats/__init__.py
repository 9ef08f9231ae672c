"""Histories that others wrote, read as one: whatever the file looks like, out come `HistoryOp`s.

| format | what it is |
| --- | --- |
| `edn` | Jepsen's, Knossos', Elle's and Maelstrom's EDN: a map an operation, or one vector of them |
| `jsonl` | the same fields in JSON Lines, or in one JSON array |
| `intervals` | Porcupine's operations (`call`, `return`, `input`, `output`) or events in JSON |
| `log` | Jepsen's log lines: process, type, f and value between tabs |
| `fencepost` | our own run directories and `history.jsonl`, of which only the clients' operations are read |

The format is recognised from the first lines, gzip from the first bytes. Files are read line by line, so that memory
does not grow with them; only a JSON array is held as a whole.

    >>> import io
    >>> [op] = read_operations(io.BytesIO(b'{:process 0, :type :invoke, :f :write, :value 3}'))
    >>> op.type, op.f, op.value
    ('invoke', 'write', 3)
"""

from collections.abc import Callable, Iterator

from fencepost.histories.errors import InputError
from fencepost.histories.formats.edn_history import read_edn, write_edn
from fencepost.histories.formats.intervals import read_intervals
from fencepost.histories.formats.json_lines import read_json_lines, write_json_lines
from fencepost.histories.formats.log_lines import read_log_lines
from fencepost.histories.formats.recognise import EDN, INTERVALS, JSON_LINES, LOG, RUN, recognise
from fencepost.histories.formats.run_history import read_run_history
from fencepost.histories.formats.source import Lines, Source, open_lines
from fencepost.histories.operations import HistoryOp

__all__ = ["FORMATS", "RUN", "format_of", "read_operations", "write_edn", "write_json_lines"]

#: name -> its reader
FORMATS: dict[str, Callable[[Lines], Iterator[HistoryOp]]] = {
    EDN: read_edn, JSON_LINES: read_json_lines, INTERVALS: read_intervals, LOG: read_log_lines, RUN: read_run_history,
}


def read_operations(source: Source, format: str | None = None, name: str | None = None) -> Iterator[HistoryOp]:  # noqa: A002
    """The operations of a history, in the order in which they are written.

    source: a path (of a file, gzipped or not, or of a run directory), "-" for standard input, or a binary stream.
    format: one of `FORMATS`; recognised if it is None.
    name: what messages call the source.
    Raises, from the first operation on, InputError for what cannot be opened and HistoryError (one line, with file and
    line) for what cannot be understood.
    """
    if format is not None and format not in FORMATS:
        raise InputError(f"format {format!r} is not known; allowed is {', '.join(FORMATS)}")
    lines = open_lines(source, name)
    try:
        yield from FORMATS[format or recognise(lines)](lines)
    finally:
        lines.close()


def format_of(source: Source) -> str | None:
    """The format of a history, None where there is nothing in it. Raises as `read_operations` does."""
    lines = open_lines(source)
    try:
        return recognise(lines) if any(True for _ in lines.look_ahead(1)) else None
    finally:
        lines.close()
