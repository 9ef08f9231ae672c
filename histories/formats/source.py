"""Where a history comes from: a file, a run directory, standard input, or an open stream; gzipped or not.

`Lines` gives its text line by line with their numbers, keeps one line in memory, and lets a recogniser look at the
first lines before they are read for good.
"""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from fencepost.histories.errors import HistoryError, InputError
from fencepost.histories.store import history_file

#: What a caller may give: a path, "-" for standard input, or a binary stream.
Source = Path | str | IO[bytes]

_GZIP_MAGIC = b"\x1f\x8b"
_BUFFER_BYTES = 65_536


class Lines:
    """The numbered lines of a text, read once. `number` is that of the line read last, from 1."""

    def __init__(self, file: IO[bytes], name: str, owned: IO[bytes] | None = None) -> None:
        self.name = name
        self.number = 0
        self._file = file
        self._owned = owned
        self._ahead: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.pop(0) if self._ahead else self._read(self.number + 1)
        if not line:
            raise StopIteration
        self.number += 1
        return line

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._owned is not None:
            self._owned.close()

    def look_ahead(self, most: int) -> Iterator[str]:
        """Up to `most` of the lines that come next, without reading them for good."""
        for place in range(most):
            if place == len(self._ahead):
                line = self._read(self.number + place + 1)
                if not line:
                    return
                self._ahead.append(line)
            yield self._ahead[place]

    def refusal(self, what: str, number: int | None = None) -> HistoryError:
        """The error that names this text and a line of it, by default the one read last."""
        return HistoryError(f"{self.name} line {self.number if number is None else number}: {what}")

    def torn_or(self, line: str, what: str, number: int | None = None) -> HistoryError:
        """As `refusal`; a line that does not end was torn."""
        how = what if line.endswith("\n") else "torn (its writer was killed or the disk was full)"
        return self.refusal(f"{how}: {line.strip()[:60]!r}", number)

    def _read(self, number: int) -> str:
        try:
            return self._file.readline().decode("utf-8-sig" if number == 1 else "utf-8")  # some editors sign a file
        except UnicodeDecodeError as error:
            raise self.refusal(f"not UTF-8 text ({error.reason} at byte {error.start} of the line)", number) from None
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise self.refusal("the gzipped data is torn here (its writer was killed or the disk was full)",
                               number) from None
        except OSError as error:
            raise HistoryError(f"{self.name}: cannot be read: {error.strerror or error}") from None


def open_lines(source: Source, name: str | None = None) -> Lines:
    """The lines of a source; gzip is known by its first bytes. Raises InputError, in one line."""
    if isinstance(source, (str, Path)):
        if str(source) == "-":
            return Lines(_unzipped(sys.stdin.buffer), name or "standard input")
        path = _file(Path(source))
        try:
            file = path.open("rb")
            return Lines(_unzipped(file), name or str(path), file)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    return Lines(_unzipped(source), name or getattr(source, "name", None) or "history")


def _file(path: Path) -> Path:
    """The history that a path means: itself, or that of a run directory of ours or of Jepsen's."""
    jepsen = path / "history.edn"
    return jepsen if jepsen.is_file() else history_file(path)


def _unzipped(file: IO[bytes]) -> IO[bytes]:
    """The stream, or what is zipped in it. A stream that cannot be looked into is taken as it is."""
    peek = getattr(file, "peek", None)
    if peek is None:
        start = file.read(2) if file.seekable() else b""
        if start:
            file.seek(-len(start), 1)
    else:
        start = peek(2)[:2]
    if start != _GZIP_MAGIC:
        return file
    # Its own buffer is Python's, and lines are short.
    return io.BufferedReader(gzip.GzipFile(fileobj=file), _BUFFER_BYTES)
