"""What the analyses of lists and of registers share: from a graph of data dependencies to the report."""

from collections.abc import Iterable, Sequence

from fencepost.checkers.anomaly_report import Anomaly, AnomalyReport
from fencepost.checkers.transactions.cycles import find_cycles
from fencepost.checkers.transactions.explanation import Wording, explain
from fencepost.checkers.transactions.graph import DependencyGraph
from fencepost.checkers.transactions.judgement import judge, variants_needed
from fencepost.checkers.transactions.observations import Observations


def analyse_transactions(
    history: Observations, graph: DependencyGraph, found: Iterable[Anomaly], wording: Wording, models: Sequence[str],
    also: Sequence[str],
) -> AnomalyReport:
    """The report on a history: the anomalies found without the graph, then the cycles in it.

    graph: with its data edges; those of processes and of real time are added here, as the models need them.
    """
    processes, real_time = variants_needed(models, also)
    if history.repeated:
        return judge((), models, also, history.repeated[:1])
    if processes:
        graph.link_processes()
    if real_time:
        graph.link_real_time()
    anomalies = [*found, *(explain(graph, cycle, wording) for cycle in find_cycles(graph))]
    undecidable = [] if graph.edges else ["no transaction is known to depend on another: there is nothing to judge"]
    return judge(anomalies, models, also, undecidable)
