"""Strings that are put and appended to, in pieces that hardly repeat: each reading tells all that went before.

    append("a1"), append("b1"), get() -> "b1a1", get() -> "b1"        allowed if the last get overlaps append("a1")
    append("a1"), append("b1"), get() -> "b1a1", get() -> "a1"        refused: a1 came directly after two strings

A string that was read ends with one of the pieces, and what is left of it was there just before: so back to what was
put, or to what was there from the start. All that was read of one put is one chain, and nothing else stands between: a
block (see `blocks`). A piece that nobody read was appended at the end of some block, just before the next put or at the
very end.

Not decided: strings put twice, deletes, strings that could be read in several ways, pieces that were appended so often
that there are too many ways to say which append is which, and pieces that nobody read where they find no place in the
order of blocks that was constructed and there are several blocks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, permutations, product
from typing import Any

from fencepost.checkers.linearizability.near_linear.blocks import Value, between, block_of, in_order, inside
from fencepost.checkers.linearizability.near_linear.ladder import Ladder
from fencepost.checkers.linearizability.operation import Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend, paced

NAME = "appends"

#: So many ways to say which of several appends of one piece is which are tried.
_ASSIGNMENTS = 64


class _UndecidedError(Exception):
    """The history does not tell."""


class _RefutedError(Exception):
    """The history contradicts itself."""

    def __init__(self, reason: str, *operations: Operation) -> None:
        super().__init__(reason)
        self.outcome = PartOutcome(NAME, False, operations, reason)


@dataclass(slots=True)
class _Strings:
    """The strings that were there at some moment.

    initial: what was there from the start. puts, pieces: who put a string, who appended a piece.
    lengths: of the pieces. values: the strings that were read, or lead to one, by themselves.
    following: the string that came directly after another. ends: the strings that end with a piece, by piece.
    appended_first: of strings that were put and that are also a piece, the one that was appended to nothing, if any.
    either: those that are both, and were read.
    """

    initial: str
    puts: dict[str, Operation] = field(default_factory=dict)
    pieces: dict[str, list[Operation]] = field(default_factory=dict)
    lengths: dict[int, None] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    following: dict[str, str] = field(default_factory=dict)
    ends: dict[str, list[str]] = field(default_factory=dict)
    appended_first: str | None = None
    either: list[str] = field(default_factory=list)

    def take(self, operation: Operation) -> None:
        """A put or an append."""
        if operation.f not in ("put", "append"):
            raise _UndecidedError
        piece = operation.argument[1]
        if not isinstance(piece, str) or piece in ("", self.initial):
            raise _UndecidedError
        if operation.f == "append":
            self.pieces.setdefault(piece, []).append(operation)
            self.lengths[len(piece)] = None
        elif self.puts.setdefault(piece, operation) is not operation:
            raise _UndecidedError

    def read(self, reading: Operation, text: str) -> None:
        """Trace what was read back to a string that is known."""
        here = text
        while here not in self.values:
            ends = [here[-length:] for length in self.lengths if length <= len(here) and here[-length:] in self.pieces]
            both = here in self.puts and ends == [here]
            if both:
                self.either.append(here)
            elif (here in self.puts) + len(ends) > 1:
                raise _UndecidedError
            if here in self.puts and not (both and here == self.appended_first):
                self.values[here] = Value(here, self.puts[here])
                break
            if not ends:
                raise _RefutedError(f"{reading.words()}, but {here!r} was never there", reading)
            self.values[here] = Value(here, None)
            before = here[:-len(ends[0])]
            self._tie(before, ends[0], here)
            here = before
        self.values[text].readings.append(reading)

    def _tie(self, before: str, piece: str, after: str) -> None:
        other = self.following.setdefault(before, after)
        if other is not after:
            operations = self.pieces[piece][0], self.pieces[other[len(before):]][0]
            raise _RefutedError(f"{operations[0].words()} and {operations[1].words()} both came directly after "
                                f"{before!r}", *operations)
        ends = self.ends.setdefault(piece, [])
        ends.append(after)
        if len(ends) > len(self.pieces[piece]):
            operation = self.pieces[piece][0]
            raise _RefutedError(f"{operation.words()} came directly after {ends[0][:-len(piece)]!r} and after "
                                f"{before!r}", operation)


def decide(operations: Sequence[Operation], initial: Any, spend: Spend) -> PartOutcome | None:
    """Judge gets, puts and appends of one key, which starts with this string."""
    if not isinstance(initial, str):
        return None
    outcome, either = _decide(operations, initial, None, spend)
    if either and not initial and not (outcome is not None and outcome.valid):
        # What was read may be the one at one time and the other at another, so that nothing is refuted.
        others = (_decide(operations, initial, text, spend)[0] for text in either[:_ASSIGNMENTS])
        return next((other for other in others if other is not None and other.valid), None)
    return outcome


def _decide(
    operations: Iterable[Operation], initial: str, appended_first: str | None, spend: Spend,
) -> tuple[PartOutcome | None, list[str]]:
    strings = _Strings(initial, appended_first=appended_first)
    strings.values[initial] = Value(initial, None)
    readings = []
    try:
        for operation in paced(operations, spend):
            if operation.f != "get":
                strings.take(operation)
            elif operation.ret is not None:
                readings.append(operation)
        for reading in paced(readings, spend):
            text = "" if reading.result is None else reading.result
            if not isinstance(text, str):
                raise _UndecidedError
            strings.read(reading, text)
    except _UndecidedError:
        return None, []
    except _RefutedError as refuted:
        return refuted.outcome, strings.either
    return _any_assignment(strings, spend), strings.either


def _any_assignment(strings: _Strings, spend: Spend) -> PartOutcome | None:
    """Who appended which end of a string: known, but for pieces that were appended several times."""
    choices = []
    count = 1
    for piece, ends in strings.ends.items():
        appends = sorted(strings.pieces[piece], key=_called)
        choices.append([list(zip(ends, chosen, strict=False)) for chosen in islice(permutations(
            appends, len(ends)), _ASSIGNMENTS + 1)] if len(appends) > 1 else [list(zip(ends, appends, strict=True))])
        count *= len(choices[-1])
    refuted: PartOutcome | None = None
    undecided = count > _ASSIGNMENTS
    for assignment in islice(product(*choices), _ASSIGNMENTS):
        for text, append in chain.from_iterable(assignment):
            strings.values[text].writer = append
        outcome = _in_blocks(strings, spend)
        if outcome is None:
            undecided = True
        elif outcome.valid:
            return outcome
        refuted = refuted or outcome
    return None if undecided else refuted


def _in_blocks(strings: _Strings, spend: Spend) -> PartOutcome | None:
    blocks = []
    used: dict[Operation, int] = {}
    starts = {strings.initial: strings.values[strings.initial]}
    starts |= {text: strings.values.get(text) or Value(text, put) for text, put in strings.puts.items()
               if put.ret is not None or text in strings.values}
    for text, value in paced(starts.items(), spend):
        links = [value]
        while text in strings.following:
            text = strings.following[text]
            links.append(strings.values[text])
        for link in links:
            if link.writer is not None:
                used[link.writer] = used.get(link.writer, 0) + 1
        blocks.append(block_of(links, value.writer is None))
    found = inside(NAME, paced(blocks, spend)) or between(NAME, blocks, spend)
    if found is not None:
        return found
    # Each block is an even level, and the gap behind it an odd one.
    ladder = Ladder(0, 2 * len(blocks) - 1, spend)
    for place, block in enumerate(in_order(blocks, spend)):
        for link in paced(block.values, spend):
            for operation in link.operations():
                ladder.reached(2 * place, operation)
                ladder.below(2 * place + 1, operation)
    left_over = ladder.unplaceable((append, _gap) for append in _unread(strings, used))
    if left_over is None:
        return PartOutcome(NAME, True)
    if len(blocks) > 1:
        return None
    later = blocks[0].latest
    assert later is not None
    return PartOutcome(NAME, False, (left_over, later), (
        f"{left_over.words()} returned at {left_over.ret}, before {later.words()} was called at {later.call}; but "
        "nobody read what the former appended, so that it came after the latter"))


def _unread(strings: _Strings, used: dict[Operation, int]) -> Iterator[Operation]:
    """The appends that returned and that no reading shows."""
    for append in chain.from_iterable(strings.pieces.values()):
        if used.get(append, 0):
            used[append] -= 1
        elif append.ret is not None:
            yield append


def _called(operation: Operation) -> int:
    return operation.call


def _gap(level: int) -> int:
    return level | 1
