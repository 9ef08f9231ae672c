"""Cycles of dependencies between operations on logs: G0 and G1c, with their process and realtime variants.

An operation depends on the one whose record it polled (wr), and on the one whose record lies right before one of its
own (ww). The latter are looked at only on request: transactions' sends interleave, so that cycles with ww edges are
normal, and those of wr edges alone are not. Anti-dependencies are never drawn, for a poll owes nobody the end of the
log. Cycles are found as those of transactions are (`fencepost.checkers.transactions.cycles`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from fencepost.checkers.anomaly_report import Anomaly
from fencepost.checkers.linearizability.budget import Budget
from fencepost.checkers.log_anomalies.operations import LogOperation
from fencepost.checkers.log_anomalies.view import LogView
from fencepost.checkers.transactions.analysis import metered
from fencepost.checkers.transactions.cycles import find_cycles
from fencepost.checkers.transactions.explanation import explain
from fencepost.checkers.transactions.graph import WR, WW, DependencyGraph, Evidence
from fencepost.histories.event import FAIL

_INTERLEAVED = "Kafka never isolates sends: those of concurrent producers interleave"

#: What each kind is, for the reference.
CYCLE_WORDS = {
    "G0": """G0, write cycle: two operations' sends lie in different orders in two logs. (With write_dependencies.)

    process 0   txn   send x [0, 1], send y [1, 2]    ok
    process 1   txn   send x [1, 3], send y [0, 4]    ok       <- behind process 0's on x, before it on y

Always allowed: sends are not isolated. `info`: sends of which nobody knows count where somebody saw them.""",
    "G0-process": """G0-process: G0 in which process edges take part. (With write_dependencies.)

    process 0   send  x [1, 1]            ok
    process 0   send  x [0, 2]            ok       <- lies before what the process had sent before

Always allowed here; nonmonotonic-send reports it. `info`: as for G0.""",
    "G0-realtime": """G0-realtime: G0 in which realtime edges take part. (With write_dependencies.)

    process 0   send  x [1, 1]            ok
    process 1   send  x [0, 2]            ok       <- lies before what had been acknowledged before it was sent

Always allowed. `info`: no realtime edge leads on from an operation of which nobody knows.""",
    "G1c": """G1c, circular information flow: two transactions each polled what the other sent.

    process 0   txn   send x [0, 1], poll y [[0, 2]]    ok
    process 1   txn   send y [0, 2], poll x [[0, 1]]    ok       <- one of them saw what was not committed

Allowed with read_uncommitted, and with write_dependencies. `info`: polls count whatever became of the transaction,
unless it failed; sends of which nobody knows count where somebody polled them.""",
    "G1c-process": """G1c-process: G1c in which process edges take part: a process polled what it sent only afterwards.

    process 0   poll  x [[0, 1]]          ok
    process 0   send  x [0, 1]            ok       <- had been polled before

`info`: no process edge leads on from an operation of which nobody knows.""",
    "G1c-realtime": """G1c-realtime: G1c in which realtime edges take part: what was polled was sent only afterwards.

    process 0   poll  x [[0, 1]]          ok
    process 1   send  x [0, 1]            ok       <- had been polled before

`info`: no realtime edge leads on from an operation of which nobody knows.""",
}


def dependency_cycles(view: LogView, write_dependencies: bool, budget: Budget) -> Iterator[Anomaly]:
    """The cycles, in sentences. Raises Exhausted, after those found so far, when the budget runs out."""
    operations = [
        operation for operation in view.operations
        if operation.type != FAIL and (operation.sends or operation.polls)]
    graph = DependencyGraph(operations, budget.spend)
    place = {operation.number: node for node, operation in enumerate(operations)}
    _link_polls(view, graph, metered(operations, budget), place)
    if write_dependencies:
        _link_sends(view, graph, place)
    graph.link_processes()
    graph.link_real_time()
    for cycle in find_cycles(graph, budget):
        allowed = _INTERLEAVED if cycle.kind.startswith("G0") else view.contract.information_cycles
        yield replace(explain(graph, cycle, _wording), allowed=allowed)


def _link_polls(
    view: LogView, graph: DependencyGraph, operations: Iterable[LogOperation], place: dict[int, int]
) -> None:
    for node, operation in enumerate(operations):
        for key, records in operation.polls.items():
            for record in records:
                writer = view.writers.get(key, {}).get(record.value)
                if writer is not None and writer.type != FAIL:
                    graph.link(place[writer.number], node, WR, Evidence(key, record.value))


def _link_sends(view: LogView, graph: DependencyGraph, place: dict[int, int]) -> None:
    for key, log in view.logs.items():
        writers = view.writers.get(key, {})
        previous = None
        for values in log.values:
            value = next(iter(values))
            writer = writers.get(value) if len(values) == 1 and len(log.positions[value]) == 1 else None
            if writer is None or writer.type == FAIL:
                previous = None
                continue
            if previous is not None:
                graph.link(place[previous[0].number], place[writer.number], WW, Evidence(key, previous[1], value))
            previous = writer, value


def _wording(kind: int, evidence: Evidence, before: str, after: str) -> str:
    key, value, following, _ = evidence
    if kind == WW:
        return f"{before} sent {value!r} to log {key} right before {after}'s {following!r}"
    return f"{after} polled {value!r} from log {key}, which {before} had sent"
