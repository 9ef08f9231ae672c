"""Transactions that read and write registers: Elle's rw-register.

Written values are unique for each key, so that every read names its writer. The order of versions is known in part only
(`fencepost.checkers.transactions.register_versions`): without an assumption about the database, cycles of writes and
many anti-dependencies cannot be seen. Source: Kingsbury and Alvaro, *Elle* (VLDB 2020), and elle.rw-register.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fencepost.checkers.anomaly_report import Anomaly, AnomalyReport
from fencepost.checkers.linearizability.budget import Budget, Unlimited
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.transactions.analysis import Prepared, analyse_transactions, metered
from fencepost.checkers.transactions.graph import RW, WR, WW, DependencyGraph, Evidence
from fencepost.checkers.transactions.judgement import DEFAULT_MODELS
from fencepost.checkers.transactions.observations import (
    Observations,
    aborted_reads,
    intermediate_reads,
    lost_updates,
)
from fencepost.checkers.transactions.register_versions import VersionOrders, cyclic_versions
from fencepost.checkers.transactions.transaction import READ, shown, transactions
from fencepost.histories.event import OK
from fencepost.histories.pairing import Call


def analyse(
    calls: Iterable[Call], *, consistency_models: Sequence[str] = DEFAULT_MODELS, anomalies: Sequence[str] = (),
    wfr_keys: bool = False, sequential_keys: bool = False, linearizable_keys: bool = False,
    budget: Budget | None = None,
) -> AnomalyReport:
    """The anomalies of a history of transactions on registers.

    consistency_models: what the history should satisfy; anomalies that none of them forbids are allowed.
    anomalies: names of anomalies that count beside those.
    wfr_keys, sequential_keys, linearizable_keys: what the database promises of each single key, and may therefore be
        used to order its versions. An assumption that it does not promise gives false alarms.
    budget: how much work it may cost; None for any.
    The verdict is `unknown` if nothing can be inferred (no transaction depends on another, or a value was written to
    one key twice) or the budget ran out. Raises HistoryError for a micro-operation that is neither a write nor a read,
    and InputError for an unknown model or anomaly.
    """
    meter = budget or Unlimited()
    assumptions = {
        "wfr-keys": wfr_keys, "sequential-keys": sequential_keys, "linearizable-keys": linearizable_keys}

    def prepare() -> Prepared:
        history = Observations(transactions(metered(calls, meter), "w"), _seen)
        orders = VersionOrders(history, assumptions)
        return Prepared(history, _graph(orders, meter), (
            cyclic_versions(orders), aborted_reads(history), intermediate_reads(history),
            internal_inconsistencies(history), future_reads(history), lost_updates(history)))

    return analyse_transactions(prepare, wording, consistency_models, anomalies, meter)


def _seen(value: Any) -> tuple[Any, ...]:
    return () if value is None else (value,)


def _graph(orders: VersionOrders, budget: Budget) -> DependencyGraph:
    """The graph with the wr edges, and the ww and rw edges as far as the order of versions is known."""
    graph = DependencyGraph(orders.history.possible, budget.spend)
    readers: dict[Any, dict[Any, list[int]]] = {}
    writers: dict[Any, dict[Any, int]] = {}
    for node, touched in enumerate(orders.touched):
        for key, touch in touched.items():
            if touch.reads:
                readers.setdefault(key, {}).setdefault(touch.first_read, []).append(node)
            if touch.writes:
                writers.setdefault(key, {})[touch.last_written] = node
    for key, by_value in readers.items():
        for value, nodes in by_value.items():
            writer = writers.get(key, {}).get(value)
            if writer is not None and value is not None:
                for node in nodes:
                    graph.link(writer, node, WR, Evidence(key, value))
    for key, later in metered(orders.later.items(), budget):
        _link_versions(graph, key, later, writers.get(key, {}), readers.get(key, {}))
    return graph


def _link_versions(
    graph: DependencyGraph, key: Any, later: dict[Any, dict[Any, str]], writers: dict[Any, int],
    readers: dict[Any, list[int]],
) -> None:
    """The ww and rw edges of one key.

    A version that follows another written one needs no edges from the readers of the initial state: these lead to the
    first of such a row, and ww edges go on from there.
    """
    follows_written = {
        following for version in later if version is not None and version in writers for following in later[version]}
    for version, following_versions in later.items():
        for following, because in following_versions.items():
            node = writers.get(following)
            if node is None or (version is None and following in follows_written):
                continue
            evidence = Evidence(key, version, following, because)
            if version is not None and version in writers:
                graph.link(writers[version], node, WW, evidence)
            for reader in readers.get(version, ()):
                graph.link(reader, node, RW, evidence)


def wording(kind: int, evidence: Evidence, before: str, after: str) -> str:
    """What an edge means for registers."""
    key, value, following, because = evidence
    later = because or "a later version"
    if kind == WW:
        return f"{before} wrote {key} = {shown(value)} and {after} wrote {shown(following)}, {later}"
    if kind == WR:
        return f"{after} read {key} = {shown(value)}, which {before} had written"
    return f"{before} read {key} = {shown(value)}, which {after} overwrote with {shown(following)}, {later}"


def internal_inconsistencies(history: Observations) -> Iterator[Anomaly]:
    """internal: a read is not of what the same transaction wrote or read last.

        process 0   w x 1                     ok
        process 1   r x 1, w x 2, r x 1       ok       <- where is 2?

    `info`: only `ok` transactions are looked at.
    """
    for transaction in history.possible:
        if transaction.type == OK:
            state: dict[Any, Any] = {}
            for f, key, value in transaction.operations:
                if f == READ and state.get(key, value) != value:
                    yield Anomaly(
                        "internal", f"{transaction.words()} read {key} = {shown(value)}, but had read or written "
                        f"{shown(state[key])} just before",
                        (transaction.number,),
                        {"key": plain_value(key), "value": plain_value(value), "expected": plain_value(state[key])})
                    break
                state[key] = value


def future_reads(history: Observations) -> Iterator[Anomaly]:
    """future-read: a transaction read a value that it wrote only afterwards.

        process 0   r x 1, w x 1              ok       <- 1 was read before it was written

    `info`: only `ok` transactions are looked at.
    """
    for transaction in history.possible:
        if transaction.type == OK:
            read: dict[Any, set[Any]] = {}
            for f, key, value in transaction.operations:
                if f == READ:
                    read.setdefault(key, set()).add(value)
                elif value in read.get(key, ()):
                    yield Anomaly(
                        "future-read", f"{transaction.words()} read {key} = {shown(value)} before it wrote it",
                        (transaction.number,), {"key": plain_value(key), "value": plain_value(value)})
                    break
