"""`fencepost convert`: a history of any format that is read, written as EDN or JSON Lines for other tools."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from fencepost.harness.cli.options import path_type
from fencepost.histories.errors import InputError, StoreError

WRITTEN = ("edn", "jsonl")


@click.command()
@click.argument("history", metavar="RUN_DIR|HISTORY|-", type=path_type())
@click.option("--to", type=click.Choice(WRITTEN), required=True, help="The format to write.")
@click.option("--format", "format_", metavar="NAME", help="The history's format.  [default: recognised]")
@click.option("--output", "-o", type=path_type(), help="Where to write, a file that is not there yet.  "
              "[default: standard output]")
def convert(history: Path, to: str, format_: str | None, output: Path | None) -> int:
    """Write a history as EDN or JSON Lines.

    \b
    fencepost convert store/kraft-7 --to edn -o kraft-7.edn      what clients saw of a run, for Knossos or Elle
    zcat history.edn.gz | fencepost convert - --to jsonl

    Whatever `fencepost check` reads is read, line by line; of a run of Fencepost's only the clients' operations.
    """
    from fencepost.histories.formats import read_operations, write_edn, write_json_lines

    write = {"edn": write_edn, "jsonl": write_json_lines}[to]
    operations = read_operations(history, format_)
    if output is None:
        write(operations, sys.stdout)
    else:
        with _whole(output) as file:
            write(operations, file)
    return 0


@contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    """A new file that is there once all of it is written. Raises InputError and StoreError, in one line."""
    if path.exists():
        raise InputError(f"--output {path}: there is such a file; give a name that is free")
    unfinished = path.with_name(f".unfinished-{path.name}")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            yield file
        os.replace(unfinished, path)
    except OSError as error:
        raise StoreError(f"--output {path}: it cannot be written: {error.strerror or error}") from None
    finally:
        unfinished.unlink(missing_ok=True)
