"""Transactions that append to lists and read them: Elle's list-append.

Reads show the order of versions (`fencepost.checkers.transactions.list_order`), so that nearly every dependency can be
inferred. What is read beyond an anomaly that breaks this order (incompatible-order, duplicate-elements) is taken by the
longest read. Source: Kingsbury and Alvaro, *Elle* (VLDB 2020), and elle.list-append of jepsen-io/elle.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fencepost.checkers.anomaly_report import Anomaly, AnomalyReport
from fencepost.checkers.linearizability.budget import Budget, Unlimited
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.transactions.analysis import Prepared, analyse_transactions, metered
from fencepost.checkers.transactions.graph import RW, WR, WW, DependencyGraph, Evidence
from fencepost.checkers.transactions.judgement import DEFAULT_MODELS
from fencepost.checkers.transactions.list_order import (
    ListOrder,
    dirty_updates,
    duplicate_elements,
    incompatible_orders,
)
from fencepost.checkers.transactions.observations import (
    Observations,
    aborted_reads,
    intermediate_reads,
    lost_updates,
)
from fencepost.checkers.transactions.transaction import READ, MicroOperation, Transaction, shown, transactions
from fencepost.histories.event import OK
from fencepost.histories.pairing import Call


def analyse(
    calls: Iterable[Call], *, consistency_models: Sequence[str] = DEFAULT_MODELS, anomalies: Sequence[str] = (),
    budget: Budget | None = None,
) -> AnomalyReport:
    """The anomalies of a history of transactions on lists.

    consistency_models: what the history should satisfy; anomalies that none of them forbids are allowed.
    anomalies: names of anomalies that count beside those.
    budget: how much work it may cost; None for any.
    The verdict is `unknown` if nothing can be inferred (no transaction depends on another, or a value was appended to
    one key twice) or the budget ran out. Raises HistoryError for a micro-operation that is neither an append nor a
    read, and InputError for an unknown model or anomaly.
    """
    meter = budget or Unlimited()

    def prepare() -> Prepared:
        history = Observations(transactions(metered(calls, meter), "append"), tuple)
        order = ListOrder(history)
        return Prepared(history, _graph(order, meter), (
            duplicate_elements(order), incompatible_orders(order), dirty_updates(order), aborted_reads(history),
            intermediate_reads(history), internal_inconsistencies(history), future_reads(history),
            lost_updates(history)))

    return analyse_transactions(prepare, wording, consistency_models, anomalies, meter)


def _graph(order: ListOrder, budget: Budget) -> DependencyGraph:
    """The graph with the ww, wr and rw edges."""
    possible = order.history.possible
    graph = DependencyGraph(possible, budget.spend)
    readers: dict[Any, dict[Any, list[int]]] = {}
    for node, transaction in enumerate(metered(possible, budget)):
        for f, key, value in transaction.operations:
            if f == READ:
                readers.setdefault(key, {}).setdefault(value[-1:], []).append(node)
    for node, transaction in enumerate(metered(possible, budget)):
        for f, key, value in transaction.operations:
            writers = order.history.writers.get(key, {})
            if f == READ:
                writer = writers.get(value[-1]) if value else None
                if writer is not None:
                    graph.link(writer, node, WR, Evidence(key, value[-1]))
                continue
            preceding = order.preceding(key, value)
            if preceding and preceding[0] in writers:
                graph.link(writers[preceding[0]], node, WW, Evidence(key, preceding[0], value))
            for reader in readers.get(key, {}).get(preceding, ()):
                graph.link(reader, node, RW, Evidence(key, preceding, value))
    return graph


def wording(kind: int, evidence: Evidence, before: str, after: str) -> str:
    """What an edge means for lists."""
    key, value, following, _ = evidence
    if kind == WW:
        return f"{after} appended {following!r} to {key} after {before} had appended {value!r}"
    if kind == WR:
        return f"{after} read {key} with {value!r}, which {before} had appended, at its end"
    read = f"[..., {value[0]!r}]" if value else "[]"
    return f"{before} read {key} = {read}, which {after} overwrote by appending {following!r}"


def internal_inconsistencies(history: Observations) -> Iterator[Anomaly]:
    """internal: a read contradicts what the same transaction read or wrote before.

        process 0   append x 1                                  ok
        process 1   r x [1], append x 2, r x [1]                ok       <- where is 2?

    What it read first may be anything; after an append, a read ends with the appended elements. `info`: only `ok`
    transactions are looked at.
    """
    for transaction in history.possible:
        if transaction.type == OK:
            wrong = _contradiction(transaction)
            if wrong is not None:
                (_, key, value), expected = wrong
                yield Anomaly(
                    "internal", f"{transaction.words()} read {key} = {shown(value)}, but after what it had read and "
                    f"appended before, it should have read {expected}",
                    (transaction.number,), {"key": plain_value(key), "value": plain_value(value), "expected": expected})


def _contradiction(transaction: Transaction) -> tuple[MicroOperation, str] | None:
    """The first read that contradicts, and what it should have been, in words."""
    whole: dict[Any, tuple[Any, ...]] = {}
    appended: dict[Any, tuple[Any, ...]] = {}
    for operation in transaction.operations:
        f, key, value = operation
        end = appended.get(key, ())
        if f != READ:
            appended[key] = (*end, value)
        else:
            if key in whole and whole[key] + end != value:
                return operation, shown(whole[key] + end)
            if value[len(value) - len(end):] != end or len(value) < len(end):
                return operation, f"[..., {shown(end)[1:]}"
            whole[key] = value
            appended.pop(key, None)
    return None


def future_reads(history: Observations) -> Iterator[Anomaly]:
    """future-read: a transaction read an element that it appended only afterwards.

        process 0   r x [1], append x 1       ok       <- 1 was read before it was written

    `info`: only `ok` transactions are looked at.
    """
    for transaction in history.possible:
        if transaction.type == OK:
            read: dict[Any, set[Any]] = {}
            for f, key, value in transaction.operations:
                if f == READ:
                    read.setdefault(key, set()).update(value)
                elif value in read.get(key, ()):
                    yield Anomaly(
                        "future-read", f"{transaction.words()} read {value!r} in {key} before it appended it",
                        (transaction.number,), {"key": plain_value(key), "value": plain_value(value)})
                    break
