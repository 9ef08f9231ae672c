"""The store: one directory a run.

| file | content |
| --- | --- |
| `spec.json` | the run's spec; seed, schedule and workload written out as data |
| `history.jsonl` | the history (see `fencepost.histories.history`) |
| `results.json` | verdict, digest, violations, excused losses |
| `replay.txt` | the line that runs it again |

A run is written into a directory whose name begins with `.unfinished-` and renamed when everything in it is on disk. A
killed writer therefore leaves either a whole run or one that says by its name that it is none.
"""

import itertools
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from fencepost.histories.errors import HistoryError, InputError, StoreError
from fencepost.histories.event import Event
from fencepost.histories.history import write_history

SPEC, HISTORY, RESULTS, REPLAY = "spec.json", "history.jsonl", "results.json", "replay.txt"
UNFINISHED = ".unfinished-"


class RunWriter:
    """Writes one run; used with `with`, and kept only if `finish` was called.

    store: the directory that holds the runs; made when it is missing.
    name: the run's, such as `kraft-7`; where a different run has that name, `kraft-7-2` and so on is taken.
    Raises StoreError, in one line, when something cannot be written.
    """

    def __init__(self, store: Path, name: str, spec: dict[str, Any]) -> None:
        self._store = store
        self._spec_text = _pretty(spec)
        self._name = name
        self._temporary = store / f"{UNFINISHED}{name}-{os.getpid()}"
        self.directory = self._temporary
        try:
            store.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary.mkdir()
        except OSError as error:
            raise _store_error(store, error) from None
        self._write(SPEC, self._spec_text)

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)

    def history(self, header: dict[str, Any], events: Sequence[Event]) -> None:
        """Write the history; before the checkers judge it."""
        try:
            with (self._temporary / HISTORY).open("w", encoding="ascii") as file:
                write_history(file, header, events)
                _to_disk(file.fileno(), file.flush)
        except OSError as error:
            raise _store_error(self._store, error) from None

    def finish(self, results: dict[str, Any], command: str) -> Path:
        """Write verdict and replay line and make the run visible; returns its directory.

        command: the part of the replay line before the run's directory.
        """
        try:
            directory = self._free_name()
            self._write(RESULTS, _pretty(results))
            self._write(REPLAY, f"{command} {directory}\n")
            if directory.exists():
                # The same spec ran before: the new run takes its place.
                old = self._store / f"{UNFINISHED}old-{directory.name}-{os.getpid()}"
                directory.rename(old)
                shutil.rmtree(old, ignore_errors=True)
            self._temporary.rename(directory)
        except OSError as error:
            raise _store_error(self._store, error) from None
        self.directory = directory
        return directory

    def _free_name(self) -> Path:
        for number in itertools.count(1):
            directory = self._store / (self._name if number == 1 else f"{self._name}-{number}")
            if not directory.exists():
                return directory
            spec = directory / SPEC
            if spec.is_file() and spec.read_text(encoding="utf-8") == self._spec_text:
                return directory
        raise AssertionError("unreachable: the count has no end")

    def _write(self, name: str, text: str) -> None:
        try:
            with (self._temporary / name).open("w", encoding="utf-8") as file:
                file.write(text)
                _to_disk(file.fileno(), file.flush)
        except OSError as error:
            raise _store_error(self._store, error) from None


def run_file(run_directory: Path, name: str) -> Path:
    """A file of a stored run. Raises InputError, in one line, when this is no whole run."""
    if not run_directory.is_dir():
        raise InputError(f"{run_directory}: no such run directory; `fencepost run` prints where it stores a run")
    if run_directory.name.startswith(UNFINISHED):
        raise InputError(f"{run_directory}: an unfinished run (its writer was killed); run it again")
    path = run_directory / name
    if not path.is_file():
        raise InputError(f"{run_directory}: not a run directory: it has no {name}")
    return path


def history_file(path: Path) -> Path:
    """The history that a path means: the file itself, or that of a run directory. Raises InputError."""
    if not path.exists():
        raise InputError(f"{path}: no such run directory or history")
    return run_file(path, HISTORY) if path.is_dir() else path


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises InputError, in one line, naming the file and the place."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=lambda pairs: _object(pairs, path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8 text") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deep") from None
    except json.JSONDecodeError as error:
        raise HistoryError(f"{path} line {error.lineno} column {error.colno}: not JSON: {error.msg}") from None


def _object(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    """A JSON object, each of whose fields is given once."""
    read = dict(pairs)
    if len(read) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path}: an object has the field {twice!r:.60} twice; give it once")
    return read


def _store_error(store: Path, error: OSError) -> StoreError:
    return StoreError(
        f"{store}: the run cannot be stored: {error.strerror or error}; give another directory by --store")


def _to_disk(descriptor: int, flush: Any) -> None:
    flush()
    os.fsync(descriptor)


def _pretty(data: Any) -> str:
    return json.dumps(data, indent=2, sort_keys=False, ensure_ascii=True) + "\n"
