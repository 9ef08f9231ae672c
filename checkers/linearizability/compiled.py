"""The compiled engine: the same searches in C (native/), behind the same interface as pure.py.

It is optional: without a compiler the package installs without it, and `is_there` is False. `FENCEPOST_PURE=1` in the
environment makes `auto` leave it aside.
"""

import importlib
import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial
from typing import Any

from fencepost.checkers.linearizability.models.base import SequentialModel
from fencepost.checkers.linearizability.operation import Model, Operation
from fencepost.checkers.linearizability.portfolio import CROWD, Entrant
from fencepost.checkers.linearizability.prunings import Prunings
from fencepost.checkers.linearizability.searching import Dying, Progress, Standing

#: The kinds of search, as in native/search.h.
_BREADTH_FIRST, _DEPTH_FIRST, _POSSIBLE_STATES, _FORESIGHTED = range(4)

#: Raised with every change of what the extension takes or gives; an older build that lies about is left aside.
_INTERFACE = 6

_search: Any
try:
    _search = importlib.import_module("fencepost.checkers.linearizability._search")
except ImportError:
    _search = None
if getattr(_search, "INTERFACE", None) != _INTERFACE:
    _search = None

#: The first beam is so wide, the second so much wider.
BEAMS = (32, 1024)


def is_there() -> bool:
    """Whether the extension was built."""
    return _search is not None


def is_wanted() -> bool:
    """Whether `auto` should take it."""
    return _search is not None and os.environ.get("FENCEPOST_PURE", "") in ("", "0")


class CompiledSearch:
    """A search in C, as `Search`."""

    __slots__ = ("_search",)

    def __init__(self, part: Any, *, kind: int, beam: int = 0) -> None:
        self._search: Any = part.search(kind, beam)

    @property
    def explored(self) -> int:
        """See `Search`."""
        return self._search.explored  # type: ignore[no-any-return]

    @property
    def placed(self) -> int:
        """See `Search`."""
        return self._search.placed  # type: ignore[no-any-return]

    @property
    def memory_bytes(self) -> int:
        """See `Search`."""
        return self._search.memory_bytes  # type: ignore[no-any-return]

    def advance(self, work: int) -> Progress:
        """See `Search`."""
        return Progress(self._search.advance(work))

    def death(self) -> Dying:
        """See `Search`."""
        operation, returned, pending, standings, more = self._search.death()
        return Dying(operation, returned, pending, [Standing(*standing) for standing in standings], more)


#: See `SearchablePart`.
ENTRANTS = (
    Entrant(partial(CompiledSearch, kind=_FORESIGHTED), 1, crowd=CROWD),
    Entrant(partial(CompiledSearch, kind=_DEPTH_FIRST), 1),
    Entrant(partial(CompiledSearch, kind=_POSSIBLE_STATES), 4, only_refutes=True),
    Entrant(partial(CompiledSearch, kind=_BREADTH_FIRST), 4),
    *(Entrant(partial(CompiledSearch, kind=_BREADTH_FIRST, beam=width), 1) for width in BEAMS))


class CompiledPart:
    """One part of a history for the portfolio."""

    __slots__ = ("searchable",)

    slice_work = 2000
    entrants = ENTRANTS

    def __init__(self, part: Any) -> None:
        self.searchable: Any = part

    @property
    def key(self) -> Hashable:
        """Its name."""
        return self.searchable.key  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """How many operations it has."""
        return self.searchable.size  # type: ignore[no-any-return]

    @property
    def width(self) -> int:
        """How many operations that return are pending at a time."""
        return self.searchable.width  # type: ignore[no-any-return]

    @property
    def operations(self) -> Sequence[Operation]:
        """Its operations."""
        return self.searchable.operations  # type: ignore[no-any-return]

    @property
    def view(self) -> Sequence[Operation]:
        """Its operations, each made when it is asked for."""
        return self.searchable  # type: ignore[no-any-return]

    @property
    def renamed(self) -> bool:
        """Whether VALUE renamed anything."""
        return self.searchable.renamed  # type: ignore[no-any-return]


def parts(
    operations: Iterable[Operation], model: Model, per_key: bool, prunings: Prunings, spend: Callable[[int], None],
) -> list[CompiledPart]:
    """The history's parts, ready to be searched. Raises ValueError, and what `spend` raises."""
    bits = sum(1 << place for place, is_on in enumerate(prunings) if is_on)
    by_key = getattr(type(model), "partition", None) is SequentialModel.partition
    return [CompiledPart(part) for part in _search.parts(operations, model, per_key, by_key, bits, spend)]
