"""Which format a text is in, from its first lines."""

import re
from itertools import islice

from fencepost.histories.formats.log_lines import is_operation
from fencepost.histories.formats.source import Lines

EDN, JSON_LINES, INTERVALS, LOG, RUN = "edn", "jsonl", "intervals", "log", "fencepost"
#: How many lines are looked at; a log may begin with lines of other loggers.
_LOOKED_AT = 200

_JSON = re.compile(r'[\[\s]*\{\s*"')
_HEADER = re.compile(r'\s*\{\s*"header"\s*:')
_JEPSEN_TYPE = re.compile(r'"type"\s*:\s*"(?:invoke|ok|fail|info)"')
_INTERVAL = re.compile(r'"(?:call|kind)"\s*:|"type"\s*:\s*"(?:call|return)"', re.IGNORECASE)


def recognise(lines: Lines) -> str:
    """The format's name. Raises HistoryError, in one line, for what is none of them."""
    ahead = [line for line in lines.look_ahead(_LOOKED_AT) if line.strip()]
    if not ahead:
        raise lines.refusal("empty: there is no operation in it", 1)
    if any(map(is_operation, ahead)):
        return LOG
    start = "".join(islice((line for line in ahead if not line.lstrip().startswith(";")), 50)).lstrip()
    if _HEADER.match(start):
        return RUN
    if _JSON.match(start):
        is_jepsen = _JEPSEN_TYPE.search(start) or not _INTERVAL.search(start)
        return JSON_LINES if is_jepsen else INTERVALS
    if not start or start[0] in "{[(#":
        return EDN
    raise lines.refusal(f"no format that is known: {ahead[0].strip()[:60]!r}; --format says which it is", 1)
