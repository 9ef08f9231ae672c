"""The peers' own histories, which lie beside the project; where they are not there, the tests that need them skip."""

import csv
from pathlib import Path
from typing import NamedTuple

import pytest

#: Beside the project's root.
HISTORIES = Path(__file__).resolve().parents[3] / "shared" / "histories"

needs_histories = pytest.mark.skipif(not HISTORIES.is_dir(), reason="the peers' histories are not here")


class Expected(NamedTuple):
    """A line of EXPECTED.tsv: the file, the model in that table's words, and `yes` or `no`."""

    path: str
    model: str
    linearizable: str


def expected() -> list[Expected]:
    """The table of what the peers' own test suites state; empty where it is not there."""
    table = HISTORIES / "EXPECTED.tsv"
    if not table.is_file():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        return [Expected(*row[:3]) for row in list(csv.reader(file, delimiter="\t"))[1:]]


#: The table's words for a model -> the arguments that say the same to `fencepost check`.
MODEL_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "etcd cas-register, initial nil": ("--model", "etcd"),
    'kv get/put/append, initial "" (partitioned per key)': ("--model", "kv"),
    'kv get/put/append, initial "" (whole map)': ("--model", "kv", "--whole"),
    "cas-register 0": ("--model", "cas-register", "--initial", "0"),
    "multi-register {x 0, y 0}": ("--model", "multi-register", "--initial", '{"x": 0, "y": 0}'),
    "mutex": ("--model", "mutex"),
    "list-append, snapshot-isolation+repeatable-read": (
        "--model", "list-append", "--option", "consistency_models=snapshot-isolation,repeatable-read"),
}
