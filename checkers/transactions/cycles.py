"""Cycles of dependencies, by the anomaly that each is.

Transactions that depend on each other in a circle have no serial order. How bad that is depends on the edges it takes:
G0 of ww edges alone, G1c of ww and wr, G-single of these and one rw, G-nonadjacent of several rw no two of which meet,
G2-item of rw that do. With process edges in it the cycle is a variant `-process`, with realtime edges `-realtime`.

Each strongly connected component is searched for every kind, the worst first, and a kind that one already found is a
special case of is left out. What is found is the shortest such cycle of the component, within a limit on the work.
Whether there is one is decided whatever the limit, with one exception: in a component that has a G0 or G1c, a
G-nonadjacent may stay unfound. Nothing is lost by it that the worse one does not rule out as well.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fencepost.checkers.linearizability.budget import Budget
from fencepost.checkers.transactions.consistency import CYCLES, implied
from fencepost.checkers.transactions.consistency import PROCESS as PROCESS_VARIANT
from fencepost.checkers.transactions.consistency import REALTIME as REALTIME_VARIANT
from fencepost.checkers.transactions.graph import (
    PROCESS,
    REALTIME,
    RW,
    WR,
    WW,
    DependencyGraph,
    Node,
    strong_components,
)
from fencepost.checkers.transactions.search import Adjacency, Effort, returning, shortest_cycle, shortest_path
from fencepost.checkers.transactions.shortening import order_between, shortened

#: Edges that may be walked to shorten the cycle of one kind in one component.
_EFFORT = 500_000
#: Variant -> the orders beside data that its cycles may use.
_VARIANTS = {"": 0, PROCESS_VARIANT: PROCESS, REALTIME_VARIANT: PROCESS | REALTIME}
#: Variant -> the edges without which it cannot be.
_NEEDS = {PROCESS_VARIANT: PROCESS, REALTIME_VARIANT: REALTIME}


class Cycle(NamedTuple):
    """A cycle: each node depends on the one before it, the first on the last.

    edges: the kind of the edge from each node to the next.
    """

    kind: str
    nodes: list[int]
    edges: list[int]


def find_cycles(graph: DependencyGraph, budget: Budget) -> Iterator[Cycle]:
    """A short cycle of each kind in each component, but of kinds that others of the component imply.

    Raises Exhausted, after the cycles found so far, when the budget runs out.
    """
    for component in graph.components():
        members = set(component)
        edges = {
            before: {after: kinds for after, kinds in graph.edges.get(before, {}).items() if after in members}
            for before in component}
        yield from _Component(edges, graph.transactions, budget).cycles()


class _Component:
    """One strongly connected component of the transactions' graph. `edges` is before -> after -> kinds."""

    def __init__(self, edges: dict[int, dict[int, int]], transactions: Sequence[Node], budget: Budget) -> None:
        self.edges = edges
        self._transactions = transactions
        self._budget = budget
        self.found: set[str] = set()
        self.variant, self.order = "", 0
        self.kinds = 0
        for out in edges.values():
            for kinds in out.values():
                self.kinds |= kinds

    def cycles(self) -> Iterator[Cycle]:
        searches = dict(zip(CYCLES, (
            self._write_cycles, self._information_cycles, self._single, self._nonadjacent, self._any_cycle),
            strict=True))
        for self.variant, self.order in _VARIANTS.items():
            if self.order and not self.kinds & _NEEDS[self.variant]:
                continue
            for base, search in searches.items():
                self._budget.spend(1)
                if base + self.variant not in self.found:
                    for nodes in search():
                        cycle = self._classify(nodes, WR if base != "G0" else 0)
                        self.found |= implied(cycle.kind)
                        yield _from_the_first(cycle.kind, *shortened(*cycle, self._transactions))

    def _write_cycles(self) -> Iterator[list[int]]:
        return self._plain_cycles(WW | self.order)

    def _information_cycles(self) -> Iterator[list[int]]:
        return self._plain_cycles(WW | WR | self.order)

    def _plain_cycles(self, kinds: int) -> Iterator[list[int]]:
        adjacency = self._adjacency(kinds)
        effort = Effort(_EFFORT)
        for component in strong_components(adjacency, self._budget.spend):
            yield shortest_cycle(_within(adjacency, component), component, effort)

    def _single(self) -> Iterator[list[int]]:
        """An rw edge whose way back takes none; one whose way back is time alone is the simplest to tell."""
        adjacency = self._adjacency(WW | WR | self.order)
        edges = list(returning(adjacency, self._anti_dependencies()))
        simplest = next((edge for edge in edges if self._is_ordered(*reversed(edge))), None)
        best = _shortest_return(adjacency, edges if simplest is None else [simplest])
        if best:
            yield best

    def _nonadjacent(self) -> Iterator[list[int]]:
        """Cycles of the graph in which each transaction is doubled: reached by an rw edge (odd) or otherwise (even)."""
        doubled: Adjacency = {}
        for before, out in self._adjacency(WW | WR | self.order).items():
            doubled[2 * before] = doubled[2 * before + 1] = [2 * after for after in out]
        jumps = [(2 * before, 2 * after + 1) for before, after in self._anti_dependencies()]
        for before, after in jumps:
            doubled[before] = [*doubled.get(before, ()), after]
        group = self._groups(doubled)
        effort = Effort(_EFFORT)
        best: list[int] = []
        for before, after in jumps:
            if before in group and group[before] == group.get(after):
                path = shortest_path(doubled, after, before, effort, len(best) if best else None)
                best = _without_repeats(path) or best if path else best
                if effort.edges < 0:
                    break
        if best:
            yield [node // 2 for node in best]

    def _any_cycle(self) -> Iterator[list[int]]:
        adjacency = self._adjacency(WW | WR | RW | self.order)
        group = self._groups(adjacency)
        on_cycles = [
            (before, after) for before, after in self._anti_dependencies()
            if before in group and group[before] == group.get(after)]
        best = _shortest_return(adjacency, on_cycles)
        if best:
            yield best

    def _groups(self, adjacency: Adjacency) -> dict[int, int]:
        """By node, the number of the strongly connected component that it is in, for those that are in one."""
        components = strong_components(adjacency, self._budget.spend)
        return {node: place for place, nodes in enumerate(components) for node in nodes}

    def _adjacency(self, kinds: int) -> Adjacency:
        return {
            before: [after for after, has in out.items() if has & kinds] for before, out in self.edges.items()}

    def _anti_dependencies(self) -> list[tuple[int, int]]:
        """The edges that are rw and nothing milder in this variant."""
        milder = WW | WR | self.order
        return [
            (before, after) for before, out in self.edges.items() for after, has in out.items()
            if has & RW and not has & milder]

    def _is_ordered(self, before: int, after: int) -> bool:
        return order_between(self._transactions[before], self._transactions[after], self.order) != 0

    def _classify(self, nodes: list[int], reading: int) -> Cycle:
        """The cycle of these nodes, each edge taken for the mildest kind that it has. `reading`: WR if that may be."""
        mildness = (WW, reading, PROCESS & self.order, REALTIME & self.order, RW)
        edges = []
        for place, before in enumerate(nodes):
            has = self.edges[before][nodes[(place + 1) % len(nodes)]]
            edges.append(next(kind for kind in mildness if has & kind))
        jumps = [place for place, kind in enumerate(edges) if kind == RW]
        if len(jumps) > 1:
            meet = any(edges[(place + 1) % len(edges)] == RW for place in jumps)
            base = "G2-item" if meet else "G-nonadjacent"
        else:
            base = "G-single" if jumps else "G1c" if WR in edges else "G0"
        variant = REALTIME_VARIANT if REALTIME in edges else PROCESS_VARIANT if PROCESS in edges else ""
        return Cycle(base + variant, nodes, edges)


def _from_the_first(kind: str, nodes: list[int], edges: list[int]) -> Cycle:
    """The cycle told from the transaction that was invoked first."""
    start = nodes.index(min(nodes))
    return Cycle(kind, nodes[start:] + nodes[:start], edges[start:] + edges[:start])


def _within(adjacency: Adjacency, component: list[int]) -> Adjacency:
    members = set(component)
    return {before: [after for after in adjacency[before] if after in members] for before in component}


def _shortest_return(adjacency: Adjacency, edges: Iterator[tuple[int, int]] | list[tuple[int, int]]) -> list[int]:
    """The shortest cycle of one of the edges and a path back, as far as the effort goes; empty if there is no edge."""
    effort = Effort(_EFFORT)
    best: list[int] = []
    for before, after in edges:
        best = shortest_path(adjacency, after, before, effort, len(best) if best else None) or best
        if best and (len(best) == 2 or effort.edges < 0):
            break
    return best


def _without_repeats(path: list[int]) -> list[int]:
    """A cycle of the doubled graph that passes no transaction twice, made of a part of this one; empty if none is left.

    Where a transaction is passed both by an rw edge and otherwise, the part that leaves it after the rw edge and comes
    back otherwise is a cycle of its own. It will not do if it holds no rw edge.
    """
    places: dict[int, int] = {}
    for place, node in enumerate(path):
        earlier = places.setdefault(node // 2, place)
        if earlier != place:
            part = path[earlier:place] if path[earlier] % 2 else path[place:] + path[:earlier]
            part = [part[0] - 1, *part[1:]]
            return _without_repeats(part) if any(node % 2 for node in part) else []
    return path
