"""Searching a directed graph for short paths and cycles, with a limit on the work spent on making them shorter.

Whether there is a path or a cycle is always decided; the limit (in edges walked) only ends the search for a shorter
one.
"""

from collections.abc import Iterable, Iterator, Sequence

#: A directed graph: node -> the nodes that its edges lead to.
Adjacency = dict[int, list[int]]

#: Targets whose reachability is computed together, one bit each.
_TARGETS_AT_ONCE = 4096


class Effort:
    """Edges that may still be walked."""

    def __init__(self, edges: int) -> None:
        self.edges = edges


def shortest_path(
    adjacency: Adjacency, source: int, target: int, effort: Effort, shorter_than: int | None = None
) -> list[int] | None:
    """The nodes of a shortest path, both ends included; None if there is none of fewer than so many nodes.

    A path from a node to itself is a cycle: its last node is the first one again.
    """
    came_from: dict[int, int] = {}
    layer, length = [source], 1
    while layer and (shorter_than is None or length + 1 < shorter_than):
        following: list[int] = []
        for node in layer:
            out = adjacency.get(node, ())
            effort.edges -= len(out)
            for successor in out:
                if successor not in came_from:
                    came_from[successor] = node
                    if successor == target:
                        return _walk_back(came_from, source, target)
                    following.append(successor)
        layer = following
        length += 1
    return None


def _walk_back(came_from: dict[int, int], source: int, target: int) -> list[int]:
    path = [target]
    while len(path) == 1 or path[-1] != source:
        path.append(came_from[path[-1]])
    return path[::-1]


def shortest_cycle(adjacency: Adjacency, component: Sequence[int], effort: Effort) -> list[int]:
    """The nodes of a short cycle within a strongly connected component, each once."""
    best: list[int] | None = None
    for start in component:
        found = shortest_path(adjacency, start, start, effort, None if best is None else len(best))
        best = found or best
        if best is not None and (len(best) == 3 or effort.edges < 0):
            break
    assert best is not None, "a strongly connected component of several nodes has a cycle"
    return best[:-1]


def returning(adjacency: Adjacency, edges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Those of the edges from whose end a path of the graph leads back to their beginning (or is it)."""
    wanted = sorted(edges)
    if not wanted:
        return
    import networkx as nx  # here, as in `graph`

    graph = nx.DiGraph()
    graph.add_nodes_from([node for edge in wanted for node in edge])
    graph.add_edges_from([(before, after) for before, out in adjacency.items() for after in out])
    condensed = nx.condensation(graph)
    group: dict[int, int] = condensed.graph["mapping"]
    upwards = list(reversed(list(nx.topological_sort(condensed))))
    targets = sorted({before for before, _ in wanted})
    for begin in range(0, len(targets), _TARGETS_AT_ONCE):
        bit = {target: 1 << place for place, target in enumerate(targets[begin:begin + _TARGETS_AT_ONCE])}
        reached = dict.fromkeys(upwards, 0)
        for target, mask in bit.items():
            reached[group[target]] |= mask
        for node in upwards:
            for successor in condensed[node]:
                reached[node] |= reached[successor]
        for before, after in wanted:
            if reached[group[after]] & bit.get(before, 0):
                yield before, after
