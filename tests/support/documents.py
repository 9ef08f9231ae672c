"""Running the examples of the documents, so that they stay true.

An example is an indented or fenced line that begins with `fencepost ` (or `$ fencepost `). `shown` is what a document
prints below a `$` line, to the next empty line; white space does not matter, for documents wrap long lines.
"""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Example(NamedTuple):
    """A command line of a document, in words, and the output that the document shows, if any."""

    arguments: list[str]
    shown: str


def examples(page: Path) -> list[Example]:
    """The examples of a page, in order."""
    found: list[Example] = []
    lines = page.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        match = re.match(r"(?: {4})?(\$ )?fencepost (.*)", line)
        if match is None or not (line.startswith("    ") or _fenced(lines, number)):
            continue
        shown = []
        if match[1]:
            for following in lines[number + 1:]:
                if not following.strip() or following.startswith("```"):
                    break
                shown.append(following)
        found.append(Example(shlex.split(match[2], comments=True), words("\n".join(shown))))
    return found


def words(text: str) -> str:
    """The text with single spaces only."""
    return " ".join(text.split())


def _fenced(lines: list[str], number: int) -> bool:
    return sum(line.startswith("```") for line in lines[:number]) % 2 == 1


def python_files(page: Path) -> list[str]:
    """The fenced Python of a page that is a file by itself: what begins with its imports."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if block.startswith(("import ", "from "))]
