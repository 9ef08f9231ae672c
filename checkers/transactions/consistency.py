"""Consistency models: which is stronger than which, and which anomalies each of them forbids.

Sources: Adya, *Weak Consistency* (1999), for the levels PL-1 to PL-3, PL-SS and snapshot isolation; Cerone, Bernardi
and Gotsman (CONCUR 2015) for read atomic, causal, prefix and parallel snapshot isolation; Bailis et al. (VLDB 2014) for
monotonic atomic view and cursor stability; Daudjee and Salem (2004, 2006) for the strong and strong session models; and
Elle's rendering of them all. "Repeatable read" is Adya's PL-2.99. Strong models respect real time, strong session
models the order of each process.
"""

from collections.abc import Iterable

import networkx as nx

from fencepost.histories.errors import InputError

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


def _anomaly_graph() -> nx.DiGraph:
    graph: nx.DiGraph = nx.DiGraph()
    graph.add_edges_from([(case, general) for case, generals in _SPECIAL_CASE_OF.items() for general in generals])
    for cycle in CYCLES:
        graph.add_edges_from([(cycle, cycle + PROCESS), (cycle + PROCESS, cycle + REALTIME)])
        for general in _SPECIAL_CASE_OF.get(cycle, ()):
            graph.add_edges_from([(cycle + PROCESS, general + PROCESS), (cycle + REALTIME, general + REALTIME)])
    graph.add_nodes_from([anomaly for anomalies in _FORBIDS.values() for anomaly in anomalies])
    return graph


_MODELS: nx.DiGraph = nx.DiGraph([(model, weaker) for model, below in _WEAKER.items() for weaker in below])
_ANOMALIES = _anomaly_graph()
#: Every model, each before those that it implies.
MODELS: tuple[str, ...] = tuple(nx.lexicographical_topological_sort(_MODELS))


def canonical(model: str) -> str:
    """The model's name here. Raises InputError for an unknown one."""
    name = model.lower().replace("_", "-").replace(" ", "-")
    name = _ALIASES.get(name, name)
    if name not in _MODELS:
        raise InputError(f"{model!r} is no consistency model; known are {', '.join(MODELS)}")
    return name


def implied(anomaly: str) -> set[str]:
    """The anomaly and those of which it is a special case."""
    return {anomaly, *nx.descendants(_ANOMALIES, anomaly)}


def forbidden(models: Iterable[str], anomalies: Iterable[str] = ()) -> set[str]:
    """The anomalies that cannot occur where all of these models hold; more of them may be named.

    Raises InputError for an unknown model or anomaly.
    """
    general = set(anomalies)
    for anomaly in sorted(general):
        if anomaly not in _ANOMALIES:
            raise InputError(f"{anomaly!r} is no anomaly; known are {', '.join(sorted(_ANOMALIES))}")
    for model in models:
        name = canonical(model)
        for weaker in sorted({name, *nx.descendants(_MODELS, name)}):
            general.update(_FORBIDS.get(weaker, ()))
    return general.union(*[nx.ancestors(_ANOMALIES, anomaly) for anomaly in sorted(general)])


def impossible(anomalies: Iterable[str]) -> list[str]:
    """The models that these anomalies rule out, each before the models that imply it."""
    shown = {general for anomaly in anomalies for general in implied(anomaly)}
    direct = [model for model in MODELS if shown.intersection(_FORBIDS.get(model, ()))]
    ruled_out = set(direct).union(*[nx.ancestors(_MODELS, model) for model in direct])
    return [model for model in reversed(MODELS) if model in ruled_out]


def weakest(models: Iterable[str]) -> list[str]:
    """Those of the models that imply no other of them."""
    all_ = set(models)
    return [model for model in MODELS if model in all_ and not all_.intersection(nx.descendants(_MODELS, model))]
