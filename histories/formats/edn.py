r"""EDN, the notation of Jepsen's, Knossos' and Maelstrom's histories (https://github.com/edn-format/edn).

A reader of our own, for three reasons: it streams (the one library on PyPI, `edn_format`, wants the whole text), knows
the line at which each form begins, and takes every tagged literal as the data behind the tag, where the library refuses
a tag that was not registered. It is also several times faster. Nothing is ever evaluated.

| EDN | here |
| --- | --- |
| `nil`, `true`, `12`, `12N`, `0x1f`, `1.5M`, `##Inf` | None, bool, int, int, int, float, float |
| `"text"`, `\a`, `:keyword`, `symbol` | str; a keyword without its colon, a namespace stays (`:a/b` is "a/b") |
| `[1 2]`, `(1 2)` | list |
| `#{2 1}` | sorted list, for the order of a set means nothing |
| `{:a 1}` | dict; a key that is a collection becomes a tuple |
| `#tag form`, `#_ form`, `; text` | the form; nothing; nothing |

Writing turns a str into a text, unless it is a keyword by its place (`Keyword`), and a tuple into a list.
"""

import re
from collections.abc import Iterator
from typing import Any

from fencepost.histories.formats.source import Lines

#: Collections may be nested so deep; a history's values are nested a handful of levels.
MAX_DEPTH = 200
#: A text over several lines may be so long, in characters: a quotation mark that was lost must not swallow the file.
MAX_TEXT = 100_000
_MAX_ATOMS = 10_000

_TOKEN = re.compile(
    r"""[\s,]*(
        ;[^\n]*                                # a comment
        | "(?:[^"\\]|\\.)*(?:"|$)              # a text; one without its end goes on in the next line
        | \\.[^\s,"()\[\]{};]*                 # a character
        | \#[_{] | [()\[\]{}]
        | [^\s,"()\[\]{};\\]+                  # a number, keyword, symbol, or tag
        | [^\s,]                               # a stray character
    )""", re.VERBOSE | re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9]+N?")
_HEXADECIMAL = re.compile(r"[+-]?0[xX][0-9a-fA-F]+")
_FLOAT = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?M?")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_WRITTEN = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_CHARACTERS = {"newline": "\n", "return": "\r", "space": " ", "tab": "\t", "formfeed": "\f", "backspace": "\b"}
_NAMED: dict[str, Any] = {
    "nil": None, "true": True, "false": False, "##Inf": float("inf"), "##-Inf": float("-inf"), "##NaN": float("nan")}
_CLOSES = {"[": "]", "(": ")", "{": "}", "#{": "}"}
_NOTHING = object()


class Keyword(str):
    """A text that is written as a keyword."""

    __slots__ = ()


class _Frame:
    """A collection, or a `#_`, that is being read."""

    __slots__ = ("items", "line", "opened", "streamed")

    def __init__(self, opened: str, line: int, streamed: bool) -> None:
        self.opened = opened
        self.line = line
        self.streamed = streamed
        self.items: list[Any] = []


def read_forms(lines: Lines) -> Iterator[tuple[int, Any]]:
    """The forms of a text, each with the line at which it begins.

    A text that is one vector or list gives that one's elements, as they are read. Raises HistoryError, in one line.
    """
    reader = _Reader(lines, streamed=True)
    for line in lines:
        yield from reader.feed(line)
    reader.finish()


def read_piece(text: str, lines: Lines) -> list[Any]:
    """The forms in a piece of the line that was read last. Raises HistoryError, in one line."""
    reader = _Reader(lines, streamed=False)
    forms = [form for _, form in reader.feed(text)]
    reader.finish()
    return forms


class _Reader:
    """Puts forms together from tokens. It has a stack of its own, so that no nesting can exhaust Python's."""

    def __init__(self, lines: Lines, streamed: bool) -> None:
        self._lines = lines
        self._stack: list[_Frame] = []
        self._atoms: dict[str, Any] = dict(_NAMED)
        self._first, self._ended = streamed, False
        #: The line of a tag whose form is still to come, else 0.
        self._tag = 0
        #: The beginning of a text that goes on in the next line, and its line.
        self._text, self._text_line = "", 0

    def feed(self, text: str) -> Iterator[tuple[int, Any]]:
        """Take one more piece of text; gives the forms that it completes."""
        atoms, stack = self._atoms, self._stack
        for token in _TOKEN.findall(self._text + text if self._text else text):
            line = self._lines.number
            value = atoms.get(token, _NOTHING)
            if value is _NOTHING:
                if token in ("]", ")", "}"):
                    value, line = self._close(token)
                else:
                    value, line = self._begin(token, line)
                if value is _NOTHING:
                    continue
            if self._ended:
                raise self._lines.refusal(f"something follows the end of the history: {token[:40]!r}")
            self._first, self._tag = False, 0
            if not stack or stack[-1].streamed:
                yield line, value
            elif stack[-1].opened == "#_":
                stack.pop()
            else:
                stack[-1].items.append(value)

    def finish(self) -> None:
        """The text ends here. Raises HistoryError if anything is still open."""
        if self._text:
            raise self._lines.refusal("torn: this text has no end", self._text_line)
        if self._stack:
            frame = self._stack[-1]
            raise self._lines.refusal(
                f"torn: the history ends within this {frame.opened!r} (its writer was killed or the disk was full)",
                frame.line)
        if self._tag:
            raise self._lines.refusal("torn: a tag without its form", self._tag)

    def _begin(self, token: str, line: int) -> tuple[Any, int]:
        """What a token that closes nothing means: a value, or the beginning of something."""
        first = token[0]
        if first == ";":
            return _NOTHING, line
        if token in _CLOSES or token == "#_":
            if self._ended:
                raise self._lines.refusal(f"something follows the end of the history: {token!r}")
            if len(self._stack) >= MAX_DEPTH:
                raise self._lines.refusal(f"nested too deep: {MAX_DEPTH} levels are allowed")
            self._stack.append(_Frame(token, line, self._first and token in ("[", "(")))
            self._first, self._tag = False, 0
            return _NOTHING, line
        if first == '"':
            return self._texted(token, line)
        if first == "#" and not token.startswith("##"):
            self._tag = line
            return _NOTHING, line
        value = _atom(token)
        if value is _NOTHING:
            raise self._lines.refusal(f"not EDN: {token[:40]!r}")
        if len(self._atoms) < _MAX_ATOMS and len(token) <= 40:
            self._atoms[token] = value
        return value, line

    def _texted(self, token: str, line: int) -> tuple[Any, int]:
        """A text, or the beginning of one that goes on in the next line."""
        begun, self._text = self._text_line if self._text else line, ""
        if len(token) == 1 or token[-1] != '"' or _is_escaped(token):
            if len(token) > MAX_TEXT:
                raise self._lines.refusal(f"this text has no end within {MAX_TEXT} characters", begun)
            self._text, self._text_line = token, begun
            return _NOTHING, begun
        content = token[1:-1]
        return (_ESCAPE.sub(_unescaped, content) if "\\" in content else content), begun

    def _close(self, token: str) -> tuple[Any, int]:
        """The collection that ends here."""
        frame = self._stack.pop() if self._stack else None
        if frame is None or _CLOSES.get(frame.opened) != token or self._tag:
            against = f"; line {frame.line} opened {frame.opened!r}" if frame is not None else ""
            raise self._lines.refusal(f"{token!r} closes nothing{against}")
        if frame.streamed:
            self._ended = True
            return _NOTHING, frame.line
        items = frame.items
        if frame.opened == "{":
            if len(items) % 2:
                raise self._lines.refusal("a map with a key that has no value", frame.line)
            made = dict(zip(map(_hashable, items[::2]), items[1::2], strict=True))
            if 2 * len(made) < len(items):
                raise self._lines.refusal("a map with one key twice", frame.line)
            return made, frame.line
        return (_sorted(items) if frame.opened == "#{" else items), frame.line


def _atom(token: str) -> Any:
    """A number, keyword, character or symbol; `_NOTHING` for what is none."""
    first = token[0]
    if first == ":":
        return token[1:] if len(token) > 1 else _NOTHING
    if first == "\\":
        return _character(token[1:])
    if first.isdigit() or (first in "+-" and token[1:2].isdigit()):
        try:
            if _INTEGER.fullmatch(token):
                return int(token.rstrip("N"))
            if _HEXADECIMAL.fullmatch(token):  # in Clojure's #object[... 0x1f2 ...]
                return int(token, 16)
            return float(token.rstrip("M")) if _FLOAT.fullmatch(token) else _ratio(token)
        except ValueError:  # Python limits the digits that it converts
            return _NOTHING
    return token if first.isalpha() or first in "+-*/!_?$%&=<>.'" else _NOTHING


def _ratio(token: str) -> Any:
    """Clojure's ratios stay texts; a number with letters in it is torn or mistyped."""
    return token if re.fullmatch(r"[+-]?[0-9]+/[0-9]+", token) else _NOTHING


def _character(name: str) -> Any:
    if len(name) == 1:
        return name
    if re.fullmatch(r"u[0-9a-fA-F]{4}", name):
        return chr(int(name[1:], 16))
    return _CHARACTERS.get(name, _NOTHING)


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    return chr(int(escape[1:], 16)) if len(escape) == 5 else _ESCAPED.get(escape, escape)


def _is_escaped(token: str) -> bool:
    """Whether the quotation mark at its end belongs to the text."""
    before = token[1:-1]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _hashable(value: Any) -> Any:
    """A map's key: collections become tuples."""
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return tuple((key, _hashable(item)) for key, item in value.items())
    return value


def _sorted(items: list[Any]) -> list[Any]:
    """A set's elements in one order, whatever they are."""
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=repr)


# --- writing ----------------------------------------------------------------------------------------------------------


def write_form(value: Any) -> str:
    """The value in EDN, in one line. Raises TypeError for what EDN has no notation for here."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Keyword):
        return f":{value}"
    if isinstance(value, str):
        return '"' + "".join(_WRITTEN.get(character, character) for character in value) + '"'
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _write_float(value)
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(map(write_form, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write_form(key)} {write_form(item)}" for key, item in value.items()) + "}"
    raise TypeError(f"EDN has no notation for {type(value).__name__}")


def _write_float(value: float) -> str:
    if value != value:
        return "##NaN"
    if value in (float("inf"), float("-inf")):
        return "##Inf" if value > 0 else "##-Inf"
    return repr(value)
