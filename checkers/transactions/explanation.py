"""A cycle as an anomaly: which transactions, and for each edge a sentence that says why it is there."""

from collections.abc import Callable
from typing import Any

from fencepost.checkers.anomaly_report import Anomaly
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.transactions.cycles import Cycle
from fencepost.checkers.transactions.graph import EDGE_NAMES, PROCESS, REALTIME, DependencyGraph, Evidence

#: (ww, wr or rw, the evidence, name of the transaction before, name of the one after) -> the sentence.
Wording = Callable[[int, Evidence, str, str], str]


def explain(graph: DependencyGraph, cycle: Cycle, wording: Wording) -> Anomaly:
    """The cycle in sentences. `wording` says what the data edges mean for the object in question."""
    transactions = [graph.transactions[node] for node in cycle.nodes]
    names = [f"T{place + 1}" for place in range(len(transactions))]
    lines = [
        f"{name} is {transaction.words()}: {transaction.content()}"
        for name, transaction in zip(names, transactions, strict=True)]
    steps: list[dict[str, Any]] = []
    for place, kind in enumerate(cycle.edges):
        following = (place + 1) % len(names)
        before, after = names[place], names[following]
        evidence = graph.evidence.get((cycle.nodes[place], cycle.nodes[following], kind), Evidence(None, None))
        if kind == PROCESS:
            why = f"process {transactions[place].process} ran it before {after}"
        elif kind == REALTIME:
            why = f"it completed before {after} was invoked"
        else:
            why = wording(kind, evidence, before, after)
        end = "." if following else ": a contradiction."
        lines.append(f"{before} came before {after}, for {why}{end}")
        steps.append({
            "kind": EDGE_NAMES[kind], "from": transactions[place].number, "to": transactions[following].number,
            "key": plain_value(evidence.key), "value": plain_value(evidence.value),
            "following": plain_value(evidence.following)})
    return Anomaly(
        cycle.kind, "\n  ".join([f"{len(names)} transactions depend on each other in a circle", *lines]),
        tuple([transaction.number for transaction in transactions]), {"steps": steps})
