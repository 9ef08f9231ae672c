"""A history on disk: JSON Lines, one object a line.

The first line is the header (`{"header": {...}}`: what was configured, which observations are there), then come the
events in their order, then the end line (`{"end": {"events": n, "digest": "..."}}`). A history without its end line is
unfinished: its writer was killed or the file was cut. Reading says so and goes on; a line that cannot be read is
refused in one line that names it. `docs/reference/history-format.md` describes every field.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fencepost.histories.errors import HistoryError
from fencepost.histories.event import COMPLETIONS, FAULT, INVOKE, OBSERVE, Event
from fencepost.histories.recorder import digest, event_line

#: The version of the format, in the header's `format`.
FORMAT = 1

_TYPES = (INVOKE, *COMPLETIONS, FAULT, OBSERVE)
_FIELDS = frozenset(Event._fields)
#: field -> what JSON gives for it; `value` may be anything.
_FIELD_TYPES: dict[str, type] = {
    "index": int, "time_us": int, "type": str, "f": str, "process": int, "node": int, "key": str, "error": str,
    "epochs": dict,
}


@dataclass(slots=True)
class History:
    """What a file held. `notes` says what is odd about it (unfinished, changed since), in words."""

    header: dict[str, Any]
    events: list[Event]
    digest: str
    finished: bool
    notes: list[str] = field(default_factory=list)


def write_history(file: IO[str], header: dict[str, Any], events: Sequence[Event]) -> None:
    """Write a whole history to an open text file. Raises OSError as the file does."""
    file.write(_line({"header": {"format": FORMAT, **header}}))
    for event in events:
        file.write(event_line(event) + "\n")
    file.write(_line({"end": {"events": len(events), "digest": digest(events)}}))


def read_history(path: Path) -> History:
    """Read a history file. Raises HistoryError, in one line, when it cannot be understood."""
    try:
        with path.open(encoding="utf-8") as file:
            return _read(str(path), file)
    except UnicodeDecodeError as error:
        raise HistoryError(f"{path}: not a history: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read(name: str, lines: Iterable[str]) -> History:
    numbered = enumerate(lines, 1)
    header = read_header(name, numbered)
    events: list[Event] = []
    end: dict[str, Any] | None = None
    gaps: list[str] = []
    for number, line in numbered:
        if end is not None:
            raise HistoryError(f"{name} line {number}: there is something after the end line")
        data = read_object(name, number, line)
        if "end" in data:
            end = data["end"] if isinstance(data["end"], dict) else {}
            continue
        event = event_of(name, number, data)
        if events and event.index != events[-1].index + 1 and len(gaps) < 3:
            gaps.append(f"line {number}: event {event.index} follows event {events[-1].index}")
        events.append(event)
    history = History(header, events, digest(events), end is not None, gaps)
    if end is None:
        history.notes.append("unfinished: there is no end line, so its writer was killed or the file was cut")
    elif end.get("digest") != history.digest:
        history.notes.append("changed since it was written: the digest in the end line is another one")
    return history


def read_header(name: str, numbered: Iterator[tuple[int, str]]) -> dict[str, Any]:
    """The header, from a history's numbered lines; reads the first of them. Raises HistoryError."""
    for number, line in numbered:
        data = read_object(name, number, line)
        header = data.get("header")
        if not isinstance(header, dict):
            raise HistoryError(f"{name} line 1: a history begins with a line {{\"header\": {{...}}}}")
        if header.get("format") != FORMAT:
            raise HistoryError(
                f"{name} line 1: format {header.get('format')!r} is not known; this version reads format {FORMAT}")
        return header
    raise HistoryError(f"{name}: empty; a history begins with a line {{\"header\": {{...}}}}")


def read_object(name: str, number: int, line: str) -> dict[str, Any]:
    """The JSON object of one line. Raises HistoryError, in one line."""
    try:
        data = json.loads(line, parse_constant=_no_constant)
    except ValueError:
        how = "torn (its writer was killed or the disk was full)" if not line.endswith("\n") else "not JSON"
        raise HistoryError(f"{name} line {number}: {how}: {line.strip()[:60]!r}") from None
    except RecursionError:
        raise HistoryError(f"{name} line {number}: nested too deep") from None
    if not isinstance(data, dict):
        raise HistoryError(f"{name} line {number}: a JSON object is expected, not {line.strip()[:60]!r}")
    return data


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def event_of(name: str, number: int, data: dict[str, Any]) -> Event:
    """The event of one line; unknown fields, missing ones and wrong types are refused with a HistoryError."""
    for field_name, value in data.items():
        if field_name not in _FIELDS:
            raise HistoryError(
                f"{name} line {number}: unknown field {field_name!r}; an event has {', '.join(Event._fields)}")
        wanted = _FIELD_TYPES.get(field_name)
        if wanted is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise HistoryError(f"{name} line {number}: {field_name} is {value!r:.40}, not {_WORDS[wanted]}")
    for field_name in ("index", "time_us", "type", "f"):
        if field_name not in data:
            raise HistoryError(f"{name} line {number}: the event has no {field_name}")
    if any(not isinstance(epoch, int) for epoch in data.get("epochs", {}).values()):
        raise HistoryError(f"{name} line {number}: epochs holds something that is not a whole number")
    if data["type"] not in _TYPES:
        raise HistoryError(f"{name} line {number}: type {data['type']!r} is none of {', '.join(_TYPES)}")
    return Event(**data)


_WORDS = {int: "a whole number", str: "a text", dict: "an object"}


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, separators=(",", ":"), ensure_ascii=True, sort_keys=True) + "\n"
