"""Shorter cycles by the order of time, which is transitive: one step in place of the many that lead the same way.

The graph holds the fewest edges of processes and of real time, so that its shortest way from an early transaction to a
late one may pass dozens of others. What a reader wants to know is that the one had completed when the other began.
"""

from collections.abc import Sequence

from fencepost.checkers.transactions.consistency import PROCESS as PROCESS_VARIANT
from fencepost.checkers.transactions.consistency import REALTIME as REALTIME_VARIANT
from fencepost.checkers.transactions.graph import PROCESS, REALTIME, RW, Node
from fencepost.histories.event import OK

_ORDERS = PROCESS | REALTIME


def order_between(before: Node, after: Node, orders: int) -> int:
    """PROCESS or REALTIME, of those among `orders`, if that puts the one before the other; 0 if none does."""
    if before.type == OK:
        if orders & PROCESS and before.process == after.process and before.number < after.number:
            return PROCESS
        if orders & REALTIME and before.ret is not None and before.ret < after.call:
            return REALTIME
    return 0


def shortened(
    kind: str, nodes: list[int], edges: list[int], transactions: Sequence[Node]
) -> tuple[list[int], list[int]]:
    """The nodes and edges of a cycle of this kind, with what lies between two rw edges cut short where time allows it.

    The kind remains: rw edges are kept, and if a cycle without the data edges that are left out were a worse one, that
    would have been found.
    """
    orders = _ORDERS if kind.endswith(REALTIME_VARIANT) else PROCESS if kind.endswith(PROCESS_VARIANT) else 0
    if not orders:
        return nodes, edges
    last = next((place for place, edge in enumerate(edges) if edge == RW), None)
    if last is None:
        last = next(place for place, edge in enumerate(edges) if not edge & _ORDERS)
    nodes, edges = nodes[last + 1:] + nodes[:last + 1], edges[last + 1:] + edges[:last + 1]
    kept_nodes, kept_edges = [], []
    place = 0
    while place < len(nodes):
        end = next(at for at in range(place, len(nodes)) if edges[at] == RW or at == len(nodes) - 1)
        step, edge = place + 1, edges[place]
        for further in range(end, place + 1, -1):
            order = order_between(transactions[nodes[place]], transactions[nodes[further]], orders)
            if order:
                step, edge = further, order
                break
        kept_nodes.append(nodes[place])
        kept_edges.append(edge)
        place = step
    return kept_nodes, kept_edges
