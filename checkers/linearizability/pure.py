"""The engine in plain Python: always there, and what the compiled one is held against."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial

from fencepost.checkers.linearizability.breadth_first import BreadthFirst
from fencepost.checkers.linearizability.depth_first import DepthFirst
from fencepost.checkers.linearizability.foresighted import Foresighted
from fencepost.checkers.linearizability.operation import Model, Operation
from fencepost.checkers.linearizability.portfolio import CROWD, Entrant
from fencepost.checkers.linearizability.possible_states import PossibleStates
from fencepost.checkers.linearizability.preparation import Part, prepare
from fencepost.checkers.linearizability.prunings import Prunings

#: The first beam is so wide, the second so much wider.
BEAMS = (16, 512)
#: See `SearchablePart`.
ENTRANTS = (
    Entrant(Foresighted, 1, crowd=CROWD), Entrant(DepthFirst, 1), Entrant(PossibleStates, 4, only_refutes=True),
    Entrant(BreadthFirst, 4), *(Entrant(partial(BreadthFirst, beam=width), 1) for width in BEAMS))


class PurePart:
    """One part of a history for the portfolio."""

    slice_work = 200
    entrants = ENTRANTS

    def __init__(self, part: Part) -> None:
        self.searchable = part
        self.key: Hashable = part.key
        self.size = len(part.operations)
        self.width = part.width

    @property
    def operations(self) -> Sequence[Operation]:
        """Its operations."""
        return self.searchable.operations

    @property
    def view(self) -> Sequence[Operation]:
        """Its operations."""
        return self.searchable.operations

    @property
    def renamed(self) -> bool:
        """Whether VALUE renamed anything."""
        return self.searchable.transitions.renamed


def parts(
    operations: Iterable[Operation], model: Model, per_key: bool, prunings: Prunings, spend: Callable[[int], None],
) -> list[PurePart]:
    """The history's parts, ready to be searched. Raises ValueError and what `spend` raises."""
    return [PurePart(part) for part in prepare(operations, model, per_key, prunings, spend)]
