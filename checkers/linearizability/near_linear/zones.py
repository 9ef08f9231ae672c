"""Registers whose every value was written once, with compare-and-set: zones.

Gibbons and Korach, "Testing shared memories" (SIAM J. Comput. 1997). What concerns one value - its write and its
readings - must stand together in the order: a block. Here a compare-and-set that succeeded ties the block of the value
it expected to the block of the value it set, for nothing can stand between: a chain of them is one block, whose inner
order is known. Block A cannot come before block B if something in B returned before something in A was called. So the
history is linearizable unless some block contradicts itself, or two blocks exclude each other both ways; then
    order blocks by the lesser, then the greater, of their earliest return and their latest call
is an order (a cycle of more than two blocks always holds one of two: take its block with the earliest return and the
one before).

    write(1) over [0, 2], cas((1, 2)) over [1, 5], read() -> 1 over [3, 4]       allowed: the cas is after the reading
    write(1) over [0, 2], cas((1, 2)) over [1, 5], read() -> 1 over [6, 7]       refused

Crashed writes whose value nobody saw may be left out. Values written twice are not decided, nor are refused
compare-and-sets that find no place in the order that was constructed, for another order may have one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from fencepost.checkers.linearizability.near_linear.ladder import Ladder
from fencepost.checkers.linearizability.near_linear.order import out_of_order
from fencepost.checkers.linearizability.operation import Operation, PartOutcome

NAME = "zones"


@dataclass(slots=True)
class _Value:
    """One value: who wrote it (None: it was there from the start), who read it, and the cas that replaced it."""

    value: Any
    writer: Operation | None
    readings: list[Operation] = field(default_factory=list)
    replaced_by: Operation | None = None


@dataclass(slots=True)
class _Block:
    """Values that compare-and-sets tie together, with the earliest return and the latest call in it."""

    values: list[_Value]
    earliest: Operation | None = None
    latest: Operation | None = None
    initial: bool = False

    @property
    def first_return(self) -> float:
        """Nothing of another block that is called later can come before."""
        if self.initial:
            return -inf
        return inf if self.earliest is None or self.earliest.ret is None else self.earliest.ret

    @property
    def last_call(self) -> float:
        """Nothing of another block that returned earlier can come after."""
        return -inf if self.latest is None else self.latest.call


def decide(operations: Iterable[Operation], initial: Any, nil_proves_nothing: bool) -> PartOutcome | None:
    """Judge reads, writes and compare-and-sets of a register that starts with this value."""
    values: dict[Any, _Value] = {initial: _Value(initial, None)}
    readings: list[Operation] = []
    swaps: list[Operation] = []
    refused: list[Operation] = []
    for operation in operations:
        if operation.f == "read":
            if operation.ret is not None and not (nil_proves_nothing and operation.result is None):
                readings.append(operation)
            continue
        if operation.f == "write":
            written = operation.argument
        elif operation.f != "cas":
            return None
        elif operation.result is False:
            refused.append(operation)
            continue
        else:
            written = operation.argument[1]
            swaps.append(operation)
        if written in values:
            return None
        values[written] = _Value(written, operation)
    found = _attribute(values, readings, swaps)
    if found is not None:
        return found
    blocks = _blocks(values, initial)
    return _circular(values, blocks) or _inside(blocks) or _between(blocks) or _with_refusals(blocks, refused)


def _attribute(values: dict[Any, _Value], readings: list[Operation], swaps: list[Operation]) -> PartOutcome | None:
    """Tie readings and compare-and-sets to the values that they saw."""
    for reading in readings:
        seen = values.get(reading.result)
        if seen is None:
            return _invalid(f"{reading.words()}, but nobody wrote {reading.result!r}", reading)
        seen.readings.append(reading)
    crashed = []
    for swap in swaps:
        if swap.ret is None:
            crashed.append(swap)
            continue
        found = _replace(values, swap)
        if found is not None:
            return found
    # A crashed one took effect if its value was seen; what saw it may be another crashed one, so from the back.
    waiting = [swap for swap in crashed if _seen(values[swap.argument[1]])]
    happened = dict.fromkeys(swap.argument[1] for swap in waiting)
    while waiting:
        swap = waiting.pop()
        found = _replace(values, swap)
        if found is not None:
            return found
        before = values[swap.argument[0]].writer
        if before is not None and before.f == "cas" and before.ret is None and before.argument[1] not in happened:
            happened[before.argument[1]] = None
            waiting.append(before)
    return None


def _replace(values: dict[Any, _Value], swap: Operation) -> PartOutcome | None:
    expected = swap.argument[0]
    seen = values.get(expected)
    if seen is None:
        return _invalid(f"{swap.words()} took effect, but nobody wrote {expected!r}", swap)
    if seen.replaced_by is not None:
        return _invalid(f"{seen.replaced_by.words()} and {swap.words()} both replaced {expected!r}, which was written "
                        "once", seen.replaced_by, swap)
    seen.replaced_by = swap
    return None


def _seen(value: _Value) -> bool:
    return bool(value.readings) or value.replaced_by is not None


def _blocks(values: dict[Any, _Value], initial: Any) -> list[_Block]:
    """The chains, each from a plain write or the first value on."""
    blocks = []
    for value in values.values():
        writer = value.writer
        if writer is not None and (writer.f == "cas" or (writer.ret is None and not _seen(value))):
            continue
        block = _Block([value], initial=value.value == initial)
        while value.replaced_by is not None:
            value = values[value.replaced_by.argument[1]]  # on to the next of the chain
            block.values.append(value)
        for link in block.values:
            for operation in (*([link.writer] if link.writer is not None else ()), *link.readings):
                if block.latest is None or operation.call > block.latest.call:
                    block.latest = operation
                if operation.ret is not None and (
                        block.earliest is None or block.earliest.ret is None or operation.ret < block.earliest.ret):
                    block.earliest = operation
        blocks.append(block)
    return blocks


def _circular(values: dict[Any, _Value], blocks: list[_Block]) -> PartOutcome | None:
    """Whether compare-and-sets expected each other's values, so that none can have been the first."""
    tied = {link.value for block in blocks for link in block.values}
    loose = [value.replaced_by for value in values.values() if value.replaced_by and value.value not in tied]
    if not loose:
        return None
    return _invalid("each of these expected a value that only another of them can have set: "
                    + ", ".join(swap.words() for swap in loose[:8]), *loose)


def _inside(blocks: list[_Block]) -> PartOutcome | None:
    """Whether a block's own order contradicts real time."""
    for block in blocks:
        groups: list[list[Operation]] = []
        for link in block.values:
            groups += [[] if link.writer is None else [link.writer], link.readings]
        found = out_of_order(groups)
        if found is not None:
            earlier, later = found
            return _invalid(
                f"{earlier.words()} returned at {earlier.ret}, before {later.words()} was called at {later.call}; but "
                "the former saw, or is, what came of the latter", earlier, later)
    return None


def _between(blocks: list[_Block]) -> PartOutcome | None:
    """Whether two blocks exclude each other both ways, which shows between neighbours.

    Of two blocks that do, at least one is forward: something in it returned before something in it was called. Two
    forward ones overlap; any other that is excluded lies within a forward one.
    """
    ordered = sorted(blocks, key=lambda block: (min(block.first_return, block.last_call),
                                                max(block.first_return, block.last_call)))
    reach: _Block | None = None
    for block in ordered:
        if reach is not None and block.first_return < reach.last_call and reach.first_return < block.last_call:
            return _excluding(reach, block)
        if block.first_return < block.last_call and (reach is None or block.last_call > reach.last_call):
            reach = block
    return None


def _excluding(one: _Block, other: _Block) -> PartOutcome:
    assert one.latest is not None
    assert other.latest is not None
    assert other.earliest is not None
    second = f"{other.earliest.words()} returned at {other.earliest.ret}, before {one.latest.words()} was called at " \
             f"{one.latest.call}, so that the former's value came first"
    if one.initial:
        first = f"{one.values[0].value!r} was there from the start"
        related = [other.earliest, one.latest]
    else:
        assert one.earliest is not None
        first = f"{one.earliest.words()} returned at {one.earliest.ret}, before {other.latest.words()} was called at " \
                f"{other.latest.call}, so that the former's value came first"
        related = [one.earliest, other.earliest, other.latest, one.latest]
    related = list(dict.fromkeys(sorted(related, key=lambda operation: operation.call)))
    return _invalid(f"{first}; but {second}: each value was written once, so it cannot come back", *related)


def _with_refusals(blocks: list[_Block], refused: list[Operation]) -> PartOutcome | None:
    """Whether the refused compare-and-sets find places in the order of blocks; None if they do not."""
    ordered = sorted(blocks, key=lambda block: (not block.initial, min(block.first_return, block.last_call),
                                                max(block.first_return, block.last_call)))
    links = [link for block in ordered for link in block.values]
    levels = {link.value: level for level, link in enumerate(links)}
    ladder = Ladder(0, len(links) - 1)
    for level, link in enumerate(links):
        if link.writer is not None:
            ladder.below(level, link.writer)
            ladder.reached(level, link.writer)
        for reading in link.readings:
            ladder.reached(level, reading)
            if level + 1 < len(links):
                ladder.below(level + 1, reading)
    avoiding = [(operation, levels[operation.argument[0]]) for operation in refused if operation.argument[0] in levels]
    return PartOutcome(NAME, True) if not avoiding or ladder.unplaceable(avoiding) is None else None


def _invalid(reason: str, *operations: Operation) -> PartOutcome:
    return PartOutcome(NAME, False, operations, reason)
