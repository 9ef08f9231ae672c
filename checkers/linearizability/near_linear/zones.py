"""Registers whose every value was written once, with compare-and-set: zones.

What concerns one value stands together, and a compare-and-set that succeeded ties the value that it expected to the one
that it set, for nothing can stand between: see `blocks`.

    write(1) over [0, 2], cas((1, 2)) over [1, 5], read() -> 1 over [3, 4]       allowed: the cas is after the reading
    write(1) over [0, 2], cas((1, 2)) over [1, 5], read() -> 1 over [6, 7]       refused

Crashed writes whose value nobody saw may be left out. Values written twice are not decided, nor are refused
compare-and-sets that find no place in the order that was constructed, for another order may have one.
"""

from collections.abc import Iterable
from typing import Any

from fencepost.checkers.linearizability.near_linear.blocks import Block, Value, between, block_of, in_order, inside
from fencepost.checkers.linearizability.near_linear.ladder import Ladder, avoiding
from fencepost.checkers.linearizability.operation import Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend, paced

NAME = "zones"


def decide(
    operations: Iterable[Operation], initial: Any, nil_proves_nothing: bool, spend: Spend,
) -> PartOutcome | None:
    """Judge reads, writes and compare-and-sets of a register that starts with this value."""
    values: dict[Any, Value] = {initial: Value(initial, None)}
    readings: list[Operation] = []
    swaps: list[Operation] = []
    refused: list[Operation] = []
    for operation in paced(operations, spend):
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
        values[written] = Value(written, operation)
    found = _attribute(values, paced(readings, spend), paced(swaps, spend))
    if found is not None:
        return found
    blocks = _blocks(values, initial, spend)
    return _circular(values, blocks) or inside(NAME, paced(blocks, spend)) or between(NAME, blocks, spend) or (
        _with_refusals(blocks, refused, spend))


def _attribute(
    values: dict[Any, Value], readings: Iterable[Operation], swaps: Iterable[Operation],
) -> PartOutcome | None:
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


def _replace(values: dict[Any, Value], swap: Operation) -> PartOutcome | None:
    expected = swap.argument[0]
    seen = values.get(expected)
    if seen is None:
        return _invalid(f"{swap.words()} took effect, but nobody wrote {expected!r}", swap)
    if seen.replaced_by is not None:
        return _invalid(f"{seen.replaced_by.words()} and {swap.words()} both replaced {expected!r}, which was written "
                        "once", seen.replaced_by, swap)
    seen.replaced_by = swap
    return None


def _seen(value: Value) -> bool:
    return bool(value.readings) or value.replaced_by is not None


def _blocks(values: dict[Any, Value], initial: Any, spend: Spend) -> list[Block]:
    """The chains, each from a plain write or the first value on."""
    blocks = []
    for value in paced(values.values(), spend):
        writer = value.writer
        if writer is not None and (writer.f == "cas" or (writer.ret is None and not _seen(value))):
            continue
        chain = [value]
        while chain[-1].replaced_by is not None:
            chain.append(values[chain[-1].replaced_by.argument[1]])
        blocks.append(block_of(chain, value.value == initial))
    return blocks


def _circular(values: dict[Any, Value], blocks: list[Block]) -> PartOutcome | None:
    """Whether compare-and-sets expected each other's values, so that none can have been the first."""
    tied = {link.value for block in blocks for link in block.values}
    loose = [value.replaced_by for value in values.values() if value.replaced_by and value.value not in tied]
    if not loose:
        return None
    return _invalid("each of these expected a value that only another of them can have set: "
                    + ", ".join(swap.words() for swap in loose[:8]), *loose)


def _with_refusals(blocks: list[Block], refused: list[Operation], spend: Spend) -> PartOutcome | None:
    """Whether the refused compare-and-sets find places in the order of blocks; None if they do not."""
    links = [link for block in in_order(blocks, spend) for link in block.values]
    levels = {link.value: level for level, link in enumerate(links)}
    ladder = Ladder(0, len(links) - 1, spend)
    for level, link in enumerate(paced(links, spend)):
        if link.writer is not None:
            ladder.below(level, link.writer)
            ladder.reached(level, link.writer)
        for reading in link.readings:
            ladder.reached(level, reading)
            if level + 1 < len(links):
                ladder.below(level + 1, reading)
    choosy = [(operation, avoiding(levels[operation.argument[0]]))
              for operation in refused if operation.argument[0] in levels]
    return PartOutcome(NAME, True) if ladder.unplaceable(choosy) is None else None


def _invalid(reason: str, *operations: Operation) -> PartOutcome:
    return PartOutcome(NAME, False, operations, reason)
