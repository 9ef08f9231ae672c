"""Anomalies of transactions, inferred from what clients saw of lists (`list_append`) or of registers (`rw_register`).

The method is Elle's (Kingsbury and Alvaro, VLDB 2020): what was read shows in which order versions followed each other,
that shows which transactions depend on which, and a circle of dependencies is an anomaly in Adya's sense. Each anomaly
forbids some consistency models, and so the history is known not to satisfy them. What is reported did happen; a history
without anomalies may still have some that no read shows.
"""

from inspect import getdoc

from fencepost.checkers.anomaly_report import AnomalyModel
from fencepost.checkers.transactions import list_append, list_order, observations
from fencepost.checkers.transactions.cycle_kinds import cycle_kinds

_OPTIONS = {
    "consistency_models": "the models that the history should satisfy; strict-serializable unless others are named",
    "anomalies": "names of further anomalies that count",
}
_SHARED = {
    "G1a": observations.aborted_reads,
    "G1b": observations.intermediate_reads,
    "lost-update": observations.lost_updates,
}

LIST_APPEND = AnomalyModel(
    "transactions of appends to lists and reads of them, with Elle's anomalies",
    list_append.analyse, _OPTIONS,
    {
        **{name: getdoc(detect) or "" for name, detect in {
            "duplicate-elements": list_order.duplicate_elements,
            "incompatible-order": list_order.incompatible_orders,
            "dirty-update": list_order.dirty_updates,
            **_SHARED,
            "internal": list_append.internal_inconsistencies,
            "future-read": list_append.future_reads,
        }.items()},
        **cycle_kinds(),
    })
