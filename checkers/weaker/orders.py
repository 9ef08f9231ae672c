"""What must come before what, and a cycle where that cannot be, told in sentences."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from fencepost.checkers.linearizability.pace import Spend, paced, unhurried
from fencepost.histories.pairing import Call


class Because(NamedTuple):
    """Why one value comes before another.

    words: a sentence. calls: the operations that it is about. decisive: whether it is the contract that demands it;
    what is known anyway is not.
    """

    words: str
    calls: tuple[Call, ...]
    decisive: bool


class Step(NamedTuple):
    """One step of a cycle: `before` comes before `after`."""

    before: Hashable
    after: Hashable
    because: Because


@dataclass(slots=True)
class Order:
    """A growing set of demands. Between two values the first decisive reason is kept, else the first.

    spend: the budget is asked by it on the way through all of them.
    """

    spend: Spend = unhurried
    _reasons: dict[tuple[Hashable, Hashable], Because] = field(default_factory=dict)

    def add(self, before: Hashable, after: Hashable, because: Because) -> None:
        """Demand that `before` comes before `after`; that a value comes before itself is no demand."""
        if before == after:
            return
        known = self._reasons.get((before, after))
        if known is None or (because.decisive and not known.decisive):
            self._reasons[before, after] = because

    def cycles(self) -> list[list[Step]]:
        """For each tangle of values the shortest cycle through one of its decisive demands, that demand first."""
        import networkx  # here, and not for everybody who imports the checkers: it takes a tenth of a second

        # The nodes are values in tuples, for networkx has no node None, and nil is a value.
        graph = networkx.DiGraph()
        graph.add_edges_from(((before,), (after,)) for before, after in paced(self._reasons, self.spend))
        tangled: dict[Hashable, int] = {}
        for number, members in enumerate(paced(networkx.strongly_connected_components(graph), self.spend)):
            if len(members) > 1:
                tangled.update(dict.fromkeys(members, number))
        found: dict[int, list[Step]] = {}
        for (before, after), because in paced(self._reasons.items(), self.spend):
            number = tangled.get((before,), -1)
            if not because.decisive or number < 0 or tangled.get((after,)) != number or number in found:
                continue
            back = [value for value, in networkx.shortest_path(graph, (after,), (before,))]
            found[number] = [Step(before, after, because), *self._steps(back)]
        return list(found.values())

    def _steps(self, path: Iterable[Hashable]) -> list[Step]:
        return [Step(before, after, self._reasons[before, after]) for before, after in pairwise(path)]
