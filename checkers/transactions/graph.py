"""The dependency graph of transactions: who must come before whom, and why.

An edge from T1 to T2 says that T1 comes before T2 in every order that explains the history. Its kinds (Adya's):

- ww: T2 wrote the version of a key that follows one that T1 wrote;
- wr: T2 read a version that T1 wrote;
- rw: T1 read a version, and T2 wrote the one that follows it (an anti-dependency);
- process: one process ran T1 before T2;
- realtime: T1 completed before T2 was invoked.

Process and realtime edges are the fewest whose paths give the whole order. `info`: a transaction of which nobody knows
comes after what had completed before it was invoked, and before nothing: it may still take effect. Its writes take part
like any other's, for nothing can come after them unless somebody saw them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from fencepost.checkers.linearizability.pace import Spend, paced, unhurried
from fencepost.histories.event import OK

WW, WR, RW, PROCESS, REALTIME = 1, 2, 4, 8, 16
#: What each kind of edge is called.
EDGE_NAMES = {WW: "ww", WR: "wr", RW: "rw", PROCESS: "process", REALTIME: "realtime"}


class Node(Protocol):
    """What the graph needs of a transaction (see `Transaction`)."""

    @property
    def number(self) -> int:
        """The index of its invocation in the history."""

    @property
    def process(self) -> Any:
        """Who ran it."""

    @property
    def type(self) -> str:
        """`ok`, `fail` or `info`."""

    @property
    def call(self) -> int:
        """When it was invoked."""

    @property
    def ret(self) -> int | None:
        """When it completed; None if nobody knows whether it took effect."""

    def words(self) -> str:
        """Which one it is, in words."""

    def content(self) -> str:
        """What it did, in words."""


class Evidence(NamedTuple):
    """Why an edge is there.

    key, value, following: the key, its version (written or read by the first), and the version that follows that.
    because: why the one is taken to follow the other, in words, where the versions do not show it.
    """

    key: Any
    value: Any
    following: Any = None
    because: str = ""


class DependencyGraph:
    """Transactions by their place in `transactions`, and for each edge the kinds that it has, as bits.

    edges: before -> after -> kinds.
    evidence: of each (before, after, ww or wr or rw), the first that was found.
    Whatever goes through all of it asks the budget by `spend` on its way, and raises what that raises.
    """

    def __init__(self, transactions: Sequence[Node], spend: Spend = unhurried) -> None:
        self._spend = spend
        self.transactions = transactions
        self.edges: dict[int, dict[int, int]] = {}
        self.evidence: dict[tuple[int, int, int], Evidence] = {}

    def link(self, before: int, after: int, kind: int, evidence: Evidence | None = None) -> None:
        """Add an edge, or a kind to it. A transaction is never linked to itself."""
        if before != after:
            out = self.edges.setdefault(before, {})
            kinds = out.get(after, 0)
            if not kinds & kind:
                out[after] = kinds | kind
                if evidence is not None:
                    self.evidence[before, after, kind] = evidence

    def link_processes(self) -> None:
        """Add the process edges."""
        last: dict[Any, int] = {}
        for node, transaction in enumerate(paced(self.transactions, self._spend)):
            if transaction.process in last:
                self.link(last[transaction.process], node, PROCESS)
            if transaction.type == OK:
                last[transaction.process] = node

    def link_real_time(self) -> None:
        """Add the realtime edges."""
        for before, after in paced(real_time_order(dict(enumerate(self.transactions)), self._spend), self._spend):
            self.link(before, after, REALTIME)

    def components(self) -> list[list[int]]:
        """The strongly connected components of more than one transaction: where the cycles are."""
        return strong_components(self.edges, self._spend)


def strong_components(edges: Mapping[int, Iterable[int]], spend: Spend = unhurried) -> list[list[int]]:
    """The strongly connected components of more than one node, in a fixed order."""
    import networkx as nx  # here, and not for everybody who imports the checkers: it takes a tenth of a second

    graph = nx.DiGraph()
    graph.add_edges_from((before, after) for before, out in paced(edges.items(), spend) for after in out)
    components = paced(nx.strongly_connected_components(graph), spend)
    return sorted([sorted(found) for found in components if len(found) > 1])


def real_time_order(transactions: Mapping[int, Node], spend: Spend = unhurried) -> list[tuple[int, int]]:
    """(before, after) of nodes, the fewest whose paths give: before completed ere after was invoked.

    Intervals are closed: what is invoked at the time at which another completes overlaps it.
    """
    moments = []
    for node, transaction in paced(transactions.items(), spend):
        moments.append((transaction.call, 0, node))
        if transaction.ret is not None:
            moments.append((transaction.ret, 1, node))
    moments.sort()
    order: list[tuple[int, int]] = []
    frontier: dict[int, None] = {}
    before: dict[int, list[int]] = {}
    for _, returns, node in paced(moments, spend):
        if returns:
            for covered in before.pop(node, ()):
                frontier.pop(covered, None)
            frontier[node] = None
        else:
            before[node] = list(frontier)
            order += [(earlier, node) for earlier in frontier]
    return order
