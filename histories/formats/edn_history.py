"""Histories in EDN, as Jepsen, Knossos, Elle and Maelstrom write them, and writing them.

    {:index 4, :time 81065, :type :invoke, :process 3, :f :cas, :value [1 4]}
    #jepsen.history.Op{:index 5, :time 90110, :type :ok, :process 3, :f :cas, :value [1 4]}

One map an operation, each in a line of its own or over several, or one vector or list of them. `:type` is needed, all
else may be missing: without `:process` all of it is one process, without `:time` the order is all there is, without
`:f` it is a `txn`. Fields that have no name here (`:key` and `:error` have one) are kept as they are. Lines of the
process `:nemesis` are no operations of clients.
"""

from collections.abc import Iterable, Iterator
from typing import IO

from fencepost.histories.formats.edn import Keyword, read_forms, write_form
from fencepost.histories.formats.fields import fields_of, operation_of
from fencepost.histories.formats.source import Lines
from fencepost.histories.operations import NEMESIS, HistoryOp


def read_edn(lines: Lines) -> Iterator[HistoryOp]:
    """The operations. Raises HistoryError, in one line."""
    for position, (number, form) in enumerate(read_forms(lines)):
        yield operation_of(lines, number, position, form)


def write_edn(ops: Iterable[HistoryOp], file: IO[str]) -> None:
    """Write one map a line, which Jepsen's and Knossos' tools read. Raises TypeError for values that are not plain."""
    for op in ops:
        fields = {Keyword(name): value for name, value in fields_of(op).items()}
        for name in (Keyword("type"), Keyword("f")):
            fields[name] = Keyword(fields[name])
        if op.process == NEMESIS:
            fields[Keyword("process")] = Keyword(NEMESIS)
        file.write(write_form(fields) + "\n")

