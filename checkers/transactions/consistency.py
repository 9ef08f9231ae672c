"""Consistency models: which is stronger than which, and which anomalies each of them forbids.

Sources: Adya, *Weak Consistency* (1999), for the levels PL-1 to PL-3, PL-SS and snapshot isolation; Cerone, Bernardi
and Gotsman (CONCUR 2015) for read atomic, causal, prefix and parallel snapshot isolation; Bailis et al. (VLDB 2014) for
monotonic atomic view and cursor stability; Daudjee and Salem (2004, 2006) for the strong and strong session models; and
Elle's rendering of them all. "Repeatable read" is Adya's PL-2.99. Strong models respect real time, strong session
models the order of each process.
"""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from fencepost.histories.errors import InputError

if TYPE_CHECKING:
    import networkx as nx

#: model -> the models that hold wherever it does, the direct ones.
_WEAKER = {
    "strict-serializable": ("strong-session-serializable", "strong-snapshot-isolation"),
    "strong-session-serializable": ("serializable", "strong-session-snapshot-isolation"),
    "serializable": ("repeatable-read", "snapshot-isolation", "update-serializable", "view-serializable"),
    "strong-snapshot-isolation": ("strong-session-snapshot-isolation", "strong-read-committed"),
    "strong-session-snapshot-isolation": ("snapshot-isolation", "strong-session-read-committed"),
    "strong-read-committed": ("strong-session-read-committed", "strong-read-uncommitted"),
    "strong-session-read-committed": ("read-committed", "strong-session-read-uncommitted"),
    "strong-read-uncommitted": ("strong-session-read-uncommitted",),
    "strong-session-read-uncommitted": ("read-uncommitted",),
    "update-serializable": ("forward-consistent-view",),
    "snapshot-isolation": (
        "forward-consistent-view", "monotonic-snapshot-read", "parallel-snapshot-isolation", "prefix"),
    "parallel-snapshot-isolation": ("causal-cerone", "update-atomic"),
    "prefix": ("causal-cerone",),
    "causal-cerone": ("read-atomic",),
    "update-atomic": ("read-atomic",),
    "read-atomic": ("monotonic-atomic-view",),
    "repeatable-read": ("cursor-stability", "monotonic-atomic-view"),
    "forward-consistent-view": ("consistent-view",),
    "consistent-view": ("cursor-stability", "monotonic-view"),
    "cursor-stability": ("read-committed",),
    "monotonic-view": ("read-committed",),
    "monotonic-atomic-view": ("read-committed",),
    "monotonic-snapshot-read": ("read-committed",),
    "read-committed": ("read-uncommitted",),
}

_ALIASES = {
    "pl-1": "read-uncommitted", "pl-2": "read-committed", "pl-2l": "monotonic-view", "pl-cs": "cursor-stability",
    "pl-2+": "consistent-view", "pl-fcv": "forward-consistent-view", "pl-msr": "monotonic-snapshot-read",
    "pl-si": "snapshot-isolation", "pl-2.99": "repeatable-read", "pl-3u": "update-serializable",
    "pl-3": "serializable", "conflict-serializable": "serializable", "pl-ss": "strict-serializable",
    "strong-serializable": "strict-serializable", "strict-serialisable": "strict-serializable",
    "serialisable": "serializable",
}

#: model -> the anomalies that it forbids beyond those of weaker models and those that imply them.
_FORBIDS = {
    "read-uncommitted": ("G0", "duplicate-elements", "cyclic-versions"),
    "read-committed": ("G1a", "G1b", "G1c"),
    "cursor-stability": ("lost-update",),
    "update-atomic": ("lost-update",),
    "read-atomic": ("internal", "future-read"),
    "consistent-view": ("G-single",),
    "snapshot-isolation": ("G-nonadjacent",),
    "repeatable-read": ("G2-item", "lost-update"),
    "strong-session-read-uncommitted": ("G0-process",),
    "strong-session-read-committed": ("G1c-process",),
    "strong-session-snapshot-isolation": ("G-nonadjacent-process",),
    "strong-session-serializable": ("G2-item-process",),
    "strong-read-uncommitted": ("G0-realtime",),
    "strong-read-committed": ("G1c-realtime",),
    "strong-snapshot-isolation": ("G-nonadjacent-realtime",),
    "strict-serializable": ("G2-item-realtime",),
}

#: anomaly -> anomalies of which it is a special case. Those of cycles repeat for their process and realtime variants.
_SPECIAL_CASE_OF = {
    "G0": ("G1c",), "G-single": ("G-nonadjacent",), "G-nonadjacent": ("G2-item",), "future-read": ("G1c",),
    "incompatible-order": ("G1a",), "dirty-update": ("G1a",), "lost-update": ("G2-item",),
}
CYCLES = ("G0", "G1c", "G-single", "G-nonadjacent", "G2-item")
PROCESS, REALTIME = "-process", "-realtime"


@cache
def _anomalies() -> "nx.DiGraph":
    """Edges from each anomaly to those of which it is a special case."""
    import networkx as nx  # here, as in `graph`

    graph = nx.DiGraph()
    graph.add_edges_from([(case, general) for case, generals in _SPECIAL_CASE_OF.items() for general in generals])
    for cycle in CYCLES:
        graph.add_edges_from([(cycle, cycle + PROCESS), (cycle + PROCESS, cycle + REALTIME)])
        for general in _SPECIAL_CASE_OF.get(cycle, ()):
            graph.add_edges_from([(cycle + PROCESS, general + PROCESS), (cycle + REALTIME, general + REALTIME)])
    graph.add_nodes_from([anomaly for anomalies in _FORBIDS.values() for anomaly in anomalies])
    return graph


@cache
def _models() -> "nx.DiGraph":
    """Edges from each model to those that it implies."""
    import networkx as nx  # here, as in `graph`

    return nx.DiGraph([(model, weaker) for model, below in _WEAKER.items() for weaker in below])


@cache
def models() -> tuple[str, ...]:
    """Every model, each before those that it implies."""
    import networkx as nx  # here, as in `graph`

    return tuple(nx.lexicographical_topological_sort(_models()))


def canonical(model: str) -> str:
    """The model's name here. Raises InputError for an unknown one."""
    name = model.lower().replace("_", "-").replace(" ", "-")
    name = _ALIASES.get(name, name)
    if name not in _models():
        raise InputError(f"{model!r} is no consistency model; known are {', '.join(models())}")
    return name


def implied(anomaly: str) -> set[str]:
    """The anomaly and those of which it is a special case."""
    return _with_descendants(_anomalies(), anomaly)


def forbidden(consistency_models: Iterable[str], anomalies: Iterable[str] = ()) -> set[str]:
    """The anomalies that cannot occur where all of these models hold; more of them may be named.

    Raises InputError for an unknown model or anomaly.
    """
    general = set(anomalies)
    for anomaly in sorted(general):
        if anomaly not in _anomalies():
            raise InputError(f"{anomaly!r} is no anomaly; known are {', '.join(sorted(_anomalies()))}")
    for model in consistency_models:
        for weaker in sorted(_with_descendants(_models(), canonical(model))):
            general.update(_FORBIDS.get(weaker, ()))
    return general.union(*[_with_ancestors(_anomalies(), anomaly) for anomaly in sorted(general)])


def impossible(anomalies: Iterable[str]) -> list[str]:
    """The models that these anomalies rule out, each before the models that imply it."""
    shown = set[str]().union(*[implied(anomaly) for anomaly in anomalies])
    direct = [model for model in models() if shown.intersection(_FORBIDS.get(model, ()))]
    ruled_out = set[str]().union(*[_with_ancestors(_models(), model) for model in direct])
    return [model for model in reversed(models()) if model in ruled_out]


def weakest(consistency_models: Iterable[str]) -> list[str]:
    """Those of the models that imply no other of them."""
    named = set(consistency_models)
    return [
        model for model in models()
        if model in named and named.intersection(_with_descendants(_models(), model)) == {model}]


def _with_descendants(graph: "nx.DiGraph", node: str) -> set[str]:
    import networkx as nx  # here, as in `graph`

    found: set[str] = nx.descendants(graph, node)
    return found | {node}


def _with_ancestors(graph: "nx.DiGraph", node: str) -> set[str]:
    import networkx as nx  # here, as in `graph`

    found: set[str] = nx.ancestors(graph, node)
    return found | {node}
