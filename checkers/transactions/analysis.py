"""What the analyses of lists and of registers share: from a history to the report, within a budget."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

from fencepost.checkers.anomaly_report import Anomaly, AnomalyReport
from fencepost.checkers.linearizability.budget import Budget, Exhausted
from fencepost.checkers.transactions.cycles import find_cycles
from fencepost.checkers.transactions.explanation import Wording, explain
from fencepost.checkers.transactions.graph import DependencyGraph
from fencepost.checkers.transactions.judgement import judge, variants_needed
from fencepost.checkers.transactions.observations import Observations

_Item = TypeVar("_Item")


class Prepared(NamedTuple):
    """A history that was read: its graph with the data edges, and the anomalies that need no graph, by their kinds."""

    history: Observations
    graph: DependencyGraph
    found: Sequence[Iterable[Anomaly]]


def metered(items: Iterable[_Item], budget: Budget) -> Iterator[_Item]:
    """The items, with the budget told of each."""
    for item in items:
        budget.spend(1)
        yield item


def analyse_transactions(
    prepare: Callable[[], Prepared], wording: Wording, models: Sequence[str], also: Sequence[str], budget: Budget
) -> AnomalyReport:
    """The report on a history: the anomalies found without the graph, then the cycles in it.

    The edges of processes and of real time are added here, as the models need them. If the budget runs out, the report
    holds what was found until then.
    """
    processes, real_time = variants_needed(models, also)
    anomalies: list[Anomaly] = []
    undecidable: list[str] = []
    notes: list[str] = []
    try:
        history, graph, found = prepare()
        if history.repeated:
            return judge((), models, also, history.repeated[:1])
        if processes:
            graph.link_processes()
        if real_time:
            graph.link_real_time()
        cycles = (explain(graph, cycle, wording) for cycle in find_cycles(graph, budget))
        for anomaly in chain(chain.from_iterable(metered(found, budget)), cycles):
            anomalies.append(anomaly)
        notes = history.unwritten()
        if not graph.edges:
            undecidable.append("no transaction is known to depend on another: there is nothing to judge")
    except Exhausted as exhausted:
        undecidable.append(f"not everything was looked at within {exhausted}")
    return judge(anomalies, models, also, undecidable, notes)
