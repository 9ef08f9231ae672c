"""The README's table ZooKeeper against KRaft, from what `fencepost compare --json` prints.

    fencepost compare --partitions 10,1000,10000,100000 --json | python tests/support/compare_table.py
"""

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from fencepost.harness.compare.scene import MODES
from fencepost.harness.compare.tables import MODE_NAMES, duration_text

#: (measurement, figure, its words in the README)
_LINES = (
    ("failover", "first_change", "the active controller is killed, until metadata can be changed again"),
    ("failover", "last_writable", "the active controller is killed, until all that it led can be written again"),
    ("broker-crash", "recovered", "a broker is killed, until all that it led can be written again"),
    ("controlled-shutdown", "ended", "a broker is shut down in order"),
    ("topic-create", "create", "a topic of ten partitions is created"),
    ("topic-create", "delete", "a topic of ten partitions is deleted"),
)

#: (measurement, mode, partitions) -> figures
Measured = dict[tuple[str, str, int], dict[str, int]]


def measured_of(data: dict[str, Any]) -> Measured:
    """The figures of one JSON object."""
    return {(each["what"], each["mode"], each["partitions"]): each["figures_us"] for each in data["measured"]}


def rows(measured: Measured, partitions: Sequence[int]) -> Iterator[list[str]]:
    """The table's rows: words, mode, a figure for each number of partitions."""
    for what, figure, words in _LINES:
        for mode in MODES:
            figures = [duration_text(measured[(what, mode, count)][figure]) for count in partitions]
            yield [words if mode == MODES[0] else "", MODE_NAMES[mode], *figures]


def main() -> None:
    """Print the table in Markdown."""
    data = json.load(sys.stdin)
    partitions = data["partitions"]
    print(" | ".join(["| partitions", "", *(f"{count:,}" for count in partitions)]) + " |")
    print("|" + " --- |" * (2 + len(partitions)))
    for row in rows(measured_of(data), partitions):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
