"""Java's properties format, as Kafka's own files are written in it.

Comments begin with `#` or `!`; a name ends at the first `=`, `:` or blank; a backslash at the end joins the next line,
whose leading blanks are dropped; `\\t \\n \\r \\f \\uXXXX` are escapes and every other escaped character is itself. A
name that is given twice has its last value, as in Java.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fencepost.histories.errors import InputError

_BLANKS = " \t\f"
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class PropertyError(InputError):
    """A property is refused; the message names it, its value and what is allowed."""


@dataclass(frozen=True, slots=True)
class Property:
    """One property as given; `origin` says where ("server.properties line 12")."""

    name: str
    value: str
    origin: str


def read_properties_file(path: Path) -> list[Property]:
    """The properties of a file, in order. Raises PropertyError when it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PropertyError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # What Java itself assumes.
        text = content.decode("latin-1")
    return parse_properties(text, str(path))


def parse_properties(text: str, source: str) -> list[Property]:
    """The properties of a text, in order; `source` names it in origins and errors."""
    properties = []
    for number, line in _logical_lines(text):
        origin = f"{source} line {number}"
        name, value = _split(line)
        properties.append(Property(_unescape(name, origin), _unescape(value, origin).strip(), origin))
    return properties


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines joined over their continuations, without comments and blank ones, with the number of the first."""
    joined: list[str] = []
    first = 0
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        rest = line.lstrip(_BLANKS)
        if not joined:
            if not rest or rest[0] in "#!":
                continue
            first = number
        if _continues(rest):
            joined.append(rest[:-1])
        else:
            yield first, "".join([*joined, rest])
            joined = []
    if any(joined):
        yield first, "".join(joined)


def _continues(line: str) -> bool:
    """Whether the line ends with an odd number of backslashes."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _split(line: str) -> tuple[str, str]:
    """Name and value, still escaped."""
    end = 0
    while end < len(line) and line[end] not in "=:" + _BLANKS:
        end += 2 if line[end] == "\\" else 1
    rest = line[end:].lstrip(_BLANKS)
    if rest and rest[0] in "=:":
        rest = rest[1:].lstrip(_BLANKS)
    return line[:end], rest


def _unescape(text: str, origin: str) -> str:
    if "\\" not in text:
        return text
    parts: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if character != "\\" or position == len(text):
            parts.append(character)
            continue
        escaped = text[position]
        position += 1
        if escaped == "u":
            digits = text[position:position + 4]
            if len(digits) < 4 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
                raise PropertyError(f"{origin}: \\u needs four hexadecimal digits, not {digits!r}")
            parts.append(chr(int(digits, 16)))
            position += 4
        else:
            parts.append(_ESCAPES.get(escaped, escaped))
    return "".join(parts)
