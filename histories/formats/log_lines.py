r"""Jepsen's log lines: process, type, f, value and perhaps an error, between tabs or blanks.

    INFO  jepsen.util - 3	:invoke	:cas	[1 4]
    INFO  jepsen.util - 3	:info	:cas	:timed-out

The lines of Porcupine's test data look like this, those of a `jepsen.log` have a time and a thread before them, those
of a `history.txt` nothing. Lines of other loggers are passed over; a line of jepsen.util that is no operation is not.
A keyword in place of a failed or indeterminate operation's value is its error.
"""

import re
from collections.abc import Iterator

from fencepost.histories.event import FAIL, INFO
from fencepost.histories.formats.edn import read_piece
from fencepost.histories.formats.source import Lines
from fencepost.histories.operations import HistoryOp

_LOGGER = "jepsen.util"
#: How a line of history.txt begins.
_BARE = re.compile(r"(?:[0-9]+|:nemesis)\t+:")
_OPERATION = re.compile(r"(?:^|[^\S\n])([0-9]+|:nemesis)[ \t]+:(invoke|ok|fail|info)[ \t]+:(\S+)[ \t]+(\S[^\n]*)")


def is_operation(line: str) -> bool:
    """Whether the line has an operation in it."""
    return _OPERATION.search(line) is not None and line.lstrip()[:1] not in "{[(#"


def read_log_lines(lines: Lines) -> Iterator[HistoryOp]:
    """The operations of a log. Raises HistoryError, in one line."""
    position = 0
    for line in lines:
        found = _OPERATION.search(line)
        if found is None:
            if _LOGGER in line or (line.strip() and not line.endswith("\n")) or _BARE.match(line):
                raise lines.torn_or(line, "not an operation (process, :type, :f and value)")
            continue
        process, type_, f, rest = found.groups()
        forms = read_piece(rest, lines)
        if not forms:
            raise lines.torn_or(line, "an operation without a value")
        value, error = forms[0], forms[1] if len(forms) > 1 else None
        if type_ in (FAIL, INFO) and rest.startswith(":"):
            value, error = None, value
        yield HistoryOp(position, None, type_, int(process) if process.isdigit() else process.lstrip(":"), f, None,
                        value, error, {}, lines.number)
        position += 1
