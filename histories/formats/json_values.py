"""JSON objects from a text: one a line, or the elements of one array that spans the whole text."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from fencepost.histories.formats.source import Lines


def read_values(lines: Lines) -> Iterator[tuple[int, Any]]:
    """Each value with its line. Lines are read one by one; an array is held as a whole. Raises HistoryError."""
    for line in lines:
        if line[0] == "{":  # nearly every line, and there are many
            try:
                value, end = _SCAN(line, 0)
            except (ValueError, StopIteration, RecursionError):
                end = _NOWHERE
            if line[end:] in ("\n", ""):
                yield lines.number, value
                continue
        if not line.strip():
            continue
        if line.lstrip().startswith("["):
            yield from _array(lines, line)
            return
        yield lines.number, parse(lines, line, lines.number)


def parse(lines: Lines, text: str, number: int) -> Any:
    """The JSON value of one line. Raises HistoryError, in one line."""
    try:
        return _DECODER.decode(text)
    except ValueError:
        raise lines.torn_or(text, "not JSON", number) from None
    except RecursionError:
        raise lines.refusal("nested too deep", number) from None


def _array(lines: Lines, first: str) -> Iterator[tuple[int, Any]]:
    begun = lines.number
    text = first + "".join(lines)
    place, number, counted = text.index("[") + 1, begun, 0
    while True:
        place = _after_blanks(text, place)
        number += text.count("\n", counted, place)
        counted = place
        if text[place:place + 1] == "]":
            break
        try:
            value, place = _DECODER.raw_decode(text, place)
        except ValueError:
            if place >= len(text):
                raise lines.refusal("torn: the array has no end (its writer was killed or the disk was full)",
                                    number) from None
            raise lines.refusal(f"not JSON, or torn: {text[place:place + 60].strip()!r}", number) from None
        except RecursionError:
            raise lines.refusal("nested too deep", number) from None
        yield number, value
        place = _after_blanks(text, place)
        if text[place:place + 1] == ",":
            place += 1
        elif text[place:place + 1] != "]":
            number += text.count("\n", counted, place)
            counted = place
            raise lines.refusal("torn: the array goes on without a comma or an end", number)
    if text[place + 1:].strip():
        raise lines.refusal("something follows the end of the array", number)


def _after_blanks(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


#: Made once: to make one costs as much as to read a line with it.
_DECODER = json.JSONDecoder(parse_constant=_no_constant)
_SCAN: Callable[[str, int], tuple[Any, int]] = vars(_DECODER)["scan_once"]
#: Where no line ends.
_NOWHERE = 0
