"""Anomalies of transactions, inferred from what clients saw of lists (`list_append`) or of registers (`rw_register`).

The method is Elle's (Kingsbury and Alvaro, VLDB 2020): what was read shows in which order versions followed each other,
that shows which transactions depend on which, and a circle of dependencies is an anomaly in Adya's sense. Each anomaly
forbids some consistency models, and so the history is known not to satisfy them. What is reported did happen; a history
without anomalies may still have some that no read shows.
"""

from collections.abc import Callable, Iterator, Mapping
from inspect import getdoc
from typing import Any

from fencepost.checkers.anomaly_report import Anomaly, AnomalyModel
from fencepost.checkers.transactions import list_append, list_order, observations, register_versions, rw_register
from fencepost.checkers.transactions.cycle_kinds import cycle_kinds, for_registers, register_write_cycles

_OPTIONS = {
    "consistency_models": "the models that the history should satisfy; strict-serializable unless others are named",
    "anomalies": "names of further anomalies that count",
}
_SHARED: dict[str, Callable[[Any], Iterator[Anomaly]]] = {
    "G1a": observations.aborted_reads,
    "G1b": observations.intermediate_reads,
    "lost-update": observations.lost_updates,
}


def _words(detectors: Mapping[str, Callable[[Any], Iterator[Anomaly]]]) -> dict[str, str]:
    return {name: getdoc(detect) or "" for name, detect in detectors.items()}


LIST_APPEND = AnomalyModel(
    "transactions of appends to lists and reads of them, with Elle's anomalies",
    list_append.analyse, _OPTIONS,
    {
        **_words({
            "duplicate-elements": list_order.duplicate_elements,
            "incompatible-order": list_order.incompatible_orders,
            "dirty-update": list_order.dirty_updates,
            **_SHARED,
            "internal": list_append.internal_inconsistencies,
            "future-read": list_append.future_reads,
        }),
        **cycle_kinds(),
    })

RW_REGISTER = AnomalyModel(
    "transactions of writes to registers and reads of them, with Elle's anomalies",
    rw_register.analyse,
    {
        **_OPTIONS,
        "wfr_keys": "a transaction that read a version of a key and wrote another wrote the later one",
        "sequential_keys": "each process sees the versions of a key in their order",
        "linearizable_keys": "each key is linearizable: versions follow each other in real time",
    },
    {
        **_words({"cyclic-versions": register_versions.cyclic_versions}),
        **{name: for_registers(words) for name, words in _words(_SHARED).items()},
        **_words({"internal": rw_register.internal_inconsistencies, "future-read": rw_register.future_reads}),
        **{name: for_registers(words) for name, words in cycle_kinds().items()},
        **register_write_cycles(),
    })
