"""Cycles of dependencies against brute force, and the lattice of consistency models."""

import itertools
from collections.abc import Iterator
from random import Random
from typing import Any

import networkx as nx
import pytest
from client_history import ClientHistory
from hypothesis import given, settings
from hypothesis import strategies as st
from transaction_history import one_by_one

from fencepost.checkers.linearizability.budget import Unlimited
from fencepost.checkers.transactions.consistency import (
    CYCLES,
    canonical,
    forbidden,
    implied,
    impossible,
    models,
    weakest,
)
from fencepost.checkers.transactions.cycles import Cycle, find_cycles
from fencepost.checkers.transactions.graph import (
    PROCESS,
    REALTIME,
    RW,
    WR,
    WW,
    DependencyGraph,
    Evidence,
    real_time_order,
)
from fencepost.checkers.transactions.list_append import analyse
from fencepost.checkers.transactions.search import Effort, returning, shortest_cycle, shortest_path
from fencepost.checkers.transactions.shortening import order_between
from fencepost.checkers.transactions.transaction import Transaction
from fencepost.histories.pairing import Call

DATA = (WW, WR, RW)
ORDERS = (PROCESS, REALTIME)
MILDNESS = (
    (WW, WR, RW), (WW, PROCESS), (WW, WR, PROCESS, RW), (WW, PROCESS, REALTIME), (WW, WR, PROCESS, REALTIME, RW))


@st.composite
def graphs(draw: st.DrawFn) -> DependencyGraph:
    size = draw(st.integers(2, 6))
    graph = DependencyGraph([Transaction(node, node, "ok", 0, 1, []) for node in range(size)])
    pairs = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))
    for before, after in draw(st.lists(pairs, max_size=12)):
        graph.link(before, after, draw(st.sampled_from(DATA)), Evidence("x", 1))
    for before, after in draw(st.lists(pairs, max_size=4)):
        graph.link(min(before, after), max(before, after), draw(st.sampled_from(ORDERS)))
    return graph


def kind_of(edges: tuple[int, ...]) -> str:
    jumps = [place for place, kind in enumerate(edges) if kind == RW]
    if len(jumps) > 1:
        base = "G2-item" if any(edges[(place + 1) % len(edges)] == RW for place in jumps) else "G-nonadjacent"
    else:
        base = "G-single" if jumps else "G1c" if WR in edges else "G0"
    return base + ("-realtime" if REALTIME in edges else "-process" if PROCESS in edges else "")


def all_cycles(graph: DependencyGraph) -> Iterator[tuple[list[int], str]]:
    """Every simple cycle, as each of the ways to read its edges; each edge is taken for the mildest kind it has."""
    whole: Any = nx.DiGraph([(before, after) for before, out in graph.edges.items() for after in out])
    for nodes in nx.simple_cycles(whole):
        kinds = [graph.edges[before][after] for before, after in zip(nodes, [*nodes[1:], nodes[0]], strict=True)]
        for mildness in MILDNESS:
            if all(any(has & kind for kind in mildness) for has in kinds):
                yield nodes, kind_of(tuple(next(kind for kind in mildness if has & kind) for has in kinds))


def is_found(kind: str, found: set[str]) -> bool:
    """Whether the kind or one that is a special case of it was found, or the exception that `cycles` names holds."""
    if kind in found or any(kind in implied(other) for other in found):
        return True
    return kind.startswith("G-nonadjacent") and any(other.startswith(("G0", "G1c")) for other in found)


@settings(max_examples=600, deadline=None)
@given(graphs())
def test_every_kind_of_cycle_is_found_in_its_component_or_implied(graph: DependencyGraph) -> None:
    cycles = list(find_cycles(graph, Unlimited()))
    brute = list(all_cycles(graph))
    for component in graph.components():
        found = {cycle.kind for cycle in cycles if cycle.nodes[0] in component}
        for nodes, kind in brute:
            if nodes[0] in component:
                assert is_found(kind, found), (kind, nodes, found)
    for cycle in cycles:
        assert_is_real(graph, cycle)


def assert_is_real(graph: DependencyGraph, cycle: Cycle) -> None:
    assert len(set(cycle.nodes)) == len(cycle.nodes) == len(cycle.edges) > 1
    for place, kind in enumerate(cycle.edges):
        assert graph.edges[cycle.nodes[place]][cycle.nodes[(place + 1) % len(cycle.nodes)]] & kind
    assert cycle.kind == kind_of(tuple(cycle.edges))


@settings(max_examples=300, deadline=None)
@given(graphs())
def test_without_worse_cycles_the_nonadjacent_ones_are_found_too(graph: DependencyGraph) -> None:
    cycles = list(find_cycles(graph, Unlimited()))
    kinds = {kind for _, kind in all_cycles(graph)}
    if not any(kind.startswith(("G0", "G1c", "G-single")) for kind in kinds):
        assert {cycle.kind for cycle in cycles if "nonadjacent" in cycle.kind} or not any("nonadj" in k for k in kinds)


@settings(max_examples=300, deadline=None)
@given(graphs())
def test_what_is_found_is_the_shortest(graph: DependencyGraph) -> None:
    adjacency = {before: list(out) for before, out in graph.edges.items()}
    for component in graph.components():
        lengths = [len(nodes) for nodes, _ in all_cycles(graph) if nodes[0] in component]
        within = {node: [after for after in adjacency[node] if after in component] for node in component}
        assert len(shortest_cycle(within, component, Effort(10**6))) == min(lengths)


@settings(max_examples=300, deadline=None)
@given(graphs(), st.data())
def test_edges_that_can_return(graph: DependencyGraph, data: st.DataObject) -> None:
    adjacency = {before: list(out) for before, out in graph.edges.items()}
    nodes = st.integers(0, len(graph.transactions) - 1)
    edges = data.draw(st.lists(st.tuples(nodes, nodes), max_size=5))
    able = [edge for edge in sorted(edges) if edge[0] == edge[1]
            or shortest_path(adjacency, edge[1], edge[0], Effort(0)) is not None]
    assert list(returning(adjacency, edges)) == able


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.sampled_from(["ok", "info"])), max_size=7))
def test_the_paths_of_real_time_are_real_time(intervals: list[tuple[int, int, str]]) -> None:
    transactions = {
        node: Transaction(node, node, type_, call, call + length if type_ == "ok" else None, [])
        for node, (call, length, type_) in enumerate(intervals)}
    order: Any = nx.DiGraph(real_time_order(transactions))
    order.add_nodes_from(transactions)
    for before, after in itertools.permutations(transactions, 2):
        ended, began = transactions[before].ret, transactions[after].call
        assert nx.has_path(order, before, after) == (ended is not None and ended < began)


def test_a_g_nonadjacent_is_found_beside_a_shorter_g2_item() -> None:
    graph = DependencyGraph([Transaction(node, node, "ok", 0, 1, []) for node in range(4)])
    for before, after, kind in ((0, 1, RW), (1, 2, WR), (2, 3, RW), (3, 0, WR), (1, 0, RW)):
        graph.link(before, after, kind, Evidence("x", 1))
    assert [(cycle.kind, cycle.nodes) for cycle in find_cycles(graph, Unlimited())] == [("G-nonadjacent", [0, 1, 2, 3])]


def test_what_begins_at_the_moment_of_a_completion_is_not_after_it() -> None:
    first, second = Transaction(0, 0, "ok", 0, 5, []), Transaction(1, 1, "ok", 5, 6, [])
    assert order_between(first, second, REALTIME) == 0
    assert order_between(first, second._replace(call=6), REALTIME) == REALTIME
    assert order_between(first, second._replace(process=0), PROCESS | REALTIME) == PROCESS
    assert order_between(first._replace(type="info", ret=None), second._replace(process=0), PROCESS | REALTIME) == 0


def test_processes_are_linked_through_what_completed() -> None:
    types = ["ok", "info", "ok", "ok"]
    graph = DependencyGraph([Transaction(node, 0, type_, node, node, []) for node, type_ in enumerate(types)])
    graph.link_processes()
    assert graph.edges == {0: {1: PROCESS, 2: PROCESS}, 2: {3: PROCESS}}


def lagging_store(draw: Random, transactions: int) -> list[Call]:
    """Lists of which every other read shows what they were some time ago."""
    history = ClientHistory()
    appended: dict[str, list[int]] = {"x": [], "y": []}
    for value in range(transactions):
        key = draw.choice("xy")
        shown = len(appended[key]) - draw.randint(0, 6)
        operation = ["r", key, appended[key][:max(shown, 0)]] if draw.random() < 0.5 else ["append", key, value]
        if operation[0] == "append":
            appended[key].append(value)
        history.run(draw.randrange(4), "txn", [operation], [operation])
    return history.calls()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_steps_in_time_are_true_and_never_follow_each_other(seed: int) -> None:
    calls = lagging_store(Random(seed), 60)
    by_number = {call.index: call for call in calls}
    for anomaly in analyse(calls).anomalies:
        steps = anomaly.data.get("steps", [])
        for place, step in enumerate(steps):
            before, after = by_number[step["from"]], by_number[step["to"]]
            if step["kind"] in ("process", "realtime"):
                assert before.ret is not None
                assert before.ret < after.call
                assert step["kind"] == "realtime" or before.process == after.process
                assert steps[place - 1]["kind"] not in ("process", "realtime")


def test_a_stale_read_is_told_with_two_transactions_however_much_lies_between() -> None:
    between = [f"{2 + place % 3}: append y {place}, r z []" for place in range(40)]
    report = analyse(one_by_one("0: append x 1", *between, "1: r x []", "1: r x [1]"))
    (case,) = [anomaly for anomaly in report.anomalies if anomaly.kind == "G-single-realtime"]
    assert len(case.operations) == 2


class TestModels:
    @pytest.mark.parametrize(("anomaly", "expected"), [
        ("G0", ["read-uncommitted"]), ("duplicate-elements", ["read-uncommitted"]),
        ("cyclic-versions", ["read-uncommitted"]), ("G1a", ["read-committed"]), ("G1b", ["read-committed"]),
        ("G1c", ["read-committed"]), ("incompatible-order", ["read-committed"]), ("dirty-update", ["read-committed"]),
        ("future-read", ["read-committed"]), ("internal", ["read-atomic"]),
        ("lost-update", ["cursor-stability", "update-atomic"]), ("G-single", ["consistent-view", "repeatable-read"]),
        ("G-nonadjacent", ["repeatable-read", "snapshot-isolation"]), ("G2-item", ["repeatable-read"]),
        ("G0-process", ["strong-session-read-uncommitted"]), ("G1c-process", ["strong-session-read-committed"]),
        ("G-single-process", ["strong-session-snapshot-isolation"]),
        ("G2-item-process", ["strong-session-serializable"]), ("G0-realtime", ["strong-read-uncommitted"]),
        ("G1c-realtime", ["strong-read-committed"]), ("G-single-realtime", ["strong-snapshot-isolation"]),
        ("G2-item-realtime", ["strict-serializable"])])
    def test_the_weakest_models_that_an_anomaly_rules_out(self, anomaly: str, expected: list[str]) -> None:
        assert sorted(weakest(impossible([anomaly]))) == expected

    def test_strict_serializability_forbids_every_cycle_and_is_ruled_out_by_every_anomaly(self) -> None:
        bad = forbidden(["strict-serializable"])
        assert {base + variant for base in CYCLES for variant in ("", "-process", "-realtime")} <= bad
        assert all("strict-serializable" in impossible([anomaly]) for anomaly in sorted(bad))

    def test_each_model_forbids_what_weaker_ones_forbid(self) -> None:
        assert forbidden(["read-uncommitted"]) < forbidden(["read-committed"]) < forbidden(["snapshot-isolation"])
        assert forbidden(["snapshot-isolation"]) < forbidden(["serializable"]) < forbidden(["strict-serializable"])
        assert "G2-item" not in forbidden(["snapshot-isolation"])

    def test_names(self) -> None:
        assert canonical("PL-2.99") == canonical("repeatable_read") == "repeatable-read"
        assert all(canonical(model) == model for model in models())
