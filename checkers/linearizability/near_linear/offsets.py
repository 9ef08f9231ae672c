"""Append-only logs with offsets: the offset of each append is its place in the order.

    append("a") -> 0 over [0, 10], read(0) -> None over [5, 20], read(0) -> "a" over [8, 9]      allowed
    append("a") -> 0 over [0, 10], read(0) -> None over [11, 20]                                 refused

A read that found something tells that the log was longer than its offset, one that found nothing that it was not.
Appends that crashed, and appends whose offset nobody told but whose value was read, fill the offsets that nobody is
known to have written. Not decided: an append that returned without its offset and whose value nobody read, and what
depends on which of several appends of one value is at an offset.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from fencepost.checkers.linearizability.near_linear.ladder import Contradiction, Ladder, Spare, fill
from fencepost.checkers.linearizability.operation import Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend, paced

NAME = "offsets"


def decide(operations: Iterable[Operation], initial: tuple[Any, ...], spend: Spend) -> PartOutcome | None:
    """Judge appends and reads of a log that starts with these values."""
    appends: dict[int, Operation] = {}
    found: list[Operation] = []
    nothing: list[Operation] = []
    spares: list[Spare] = []
    for operation in paced(operations, spend):
        if operation.f == "append":
            if operation.result is None:
                spares.append(Spare(operation, operation.argument))
                continue
            other = appends.setdefault(operation.result, operation)
            if other is not operation:
                return _invalid(f"{other.words()} and {operation.words()} have the same offset", other, operation)
            if operation.result < len(initial):
                return _invalid(f"{operation.words()} is at an offset that the log had from the start", operation)
        elif operation.f != "read":
            return None
        elif operation.ret is not None:
            (nothing if operation.result is None else found).append(operation)
    ends = [*appends.items(), *((read.argument, read) for read in found)]
    highest, witness = max(ends, key=_offset, default=(-1, None))
    length = max(len(initial), highest + 1)
    called = len(appends) + len(spares)
    if witness is not None and length - len(initial) > called:
        return _invalid(f"{witness.words()} is at offset {highest}, but only {called} appends were called on a log of "
                        f"{len(initial)}", witness)
    return _values(appends, paced(found, spend), initial) or _placed(
        appends, found, nothing, spares, len(initial), length, spend)


def _offset(end: tuple[int, Operation | None]) -> int:
    return end[0]


def _values(appends: dict[int, Operation], found: Iterable[Operation], initial: tuple[Any, ...]) -> PartOutcome | None:
    """Whether two operations disagree about the value at an offset."""
    said: dict[int, Operation] = {}
    for read in found:
        offset = read.argument
        if offset < len(initial):
            if initial[offset] != read.result:
                return _invalid(f"{read.words()}, but the log starts with {initial[offset]!r} there", read)
            continue
        append = appends.get(offset)
        if append is not None and append.argument != read.result:
            return _invalid(f"{read.words()}, but {append.words()} is there", append, read)
        other = said.setdefault(offset, read)
        if other.result != read.result:
            return _invalid(f"{other.words()} and {read.words()} disagree about offset {offset}", other, read)
    return None


def _placed(
    appends: dict[int, Operation], found: list[Operation], nothing: list[Operation], spares: list[Spare], first: int,
    length: int, spend: Spend,
) -> PartOutcome | None:
    """Whether the offsets of the log, from `first` to `length`, could be written in their order."""
    holes = [offset for offset in range(first, length) if offset not in appends]
    filled = fill(holes, {read.argument: read.result for read in found}, spares)
    if filled.unfilled is not None:
        return _unwritten(filled.unfilled, appends, found) if filled.exact else None
    if any(append.ret is not None for append in filled.left):
        return None
    ladder = Ladder(first, length, spend)
    for offset, append in paced(chain(appends.items(), filled.makers.items()), spend):
        ladder.below(offset + 1, append)
        ladder.reached(offset + 1, append)
    for read in paced(found, spend):
        if read.argument >= first:
            ladder.reached(read.argument + 1, read)
    for read in paced(nothing, spend):
        if read.argument < first:
            return _invalid(f"{read.words()} -> None, but the log had that offset from the start", read)
        if read.argument < length:
            ladder.below(read.argument + 1, read)
    contradiction = ladder.contradiction()
    if contradiction is None:
        return PartOutcome(NAME, True)
    return _too_late(contradiction) if filled.exact else None


def _too_late(contradiction: Contradiction) -> PartOutcome:
    reached, below = contradiction.reached, contradiction.below
    return _invalid(
        f"{below.words()} was called at {below.call}, after {reached.words()} had returned at {reached.ret}; but the "
        f"latter shows that offset {contradiction.high - 1} had been written, and the former that offset "
        f"{contradiction.low - 1} had not", reached, below)


def _unwritten(offset: int, appends: dict[int, Operation], found: list[Operation]) -> PartOutcome:
    read = next((read for read in found if read.argument == offset), None)
    if read is not None:
        return _invalid(f"{read.words()}, but nobody can have appended that there", read)
    beyond = min([*appends.items(), *((read.argument, read) for read in found)],
                 key=lambda end: (end[0] < offset, end[0]))[1]
    return _invalid(f"{beyond.words()} is beyond offset {offset}, which nobody can have written", beyond)


def _invalid(reason: str, *operations: Operation) -> PartOutcome:
    return PartOutcome(NAME, False, operations, reason)
