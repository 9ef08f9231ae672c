"""Blocks: operations that must stand together in any order, and whether blocks can follow each other.

What concerns one value - its writing and its readings - stands together, and so do values that follow each other
directly: the chain is one block, whose inner order is known. Block A cannot come before block B if something in B
returned before something in A was called. So there is an order unless some block contradicts itself, or two blocks
exclude each other both ways (Gibbons and Korach, "Testing shared memories", SIAM J. Comput. 1997); then
    order blocks by the lesser, then the greater, of their earliest return and their latest call
is an order: a cycle of more than two blocks always holds one of two (take its block with the earliest return, and the
one before).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

from fencepost.checkers.linearizability.near_linear.order import out_of_order
from fencepost.checkers.linearizability.operation import Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend, paced


@dataclass(slots=True)
class Value:
    """One value: who wrote it (None: it was there from the start), who read it, who made another of it directly."""

    value: Any
    writer: Operation | None
    readings: list[Operation] = field(default_factory=list)
    replaced_by: Operation | None = None

    def operations(self) -> list[Operation]:
        """The writing and the readings."""
        return self.readings if self.writer is None else [self.writer, *self.readings]


@dataclass(slots=True)
class Block:
    """Values that follow each other directly, with the earliest return and the latest call in it."""

    values: list[Value]
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


def block_of(chain: Sequence[Value], initial: bool) -> Block:
    """The block of values that follow each other directly; `initial` if the first was there from the start."""
    block = Block(list(chain), initial=initial)
    for value in chain:
        for operation in value.operations():
            if block.latest is None or operation.call > block.latest.call:
                block.latest = operation
            if operation.ret is not None and (
                    block.earliest is None or block.earliest.ret is None or operation.ret < block.earliest.ret):
                block.earliest = operation
    return block


def inside(name: str, blocks: Iterable[Block]) -> PartOutcome | None:
    """Whether a block's own order contradicts real time."""
    for block in blocks:
        groups: list[list[Operation]] = []
        for link in block.values:
            groups += [[] if link.writer is None else [link.writer], link.readings]
        found = out_of_order(groups)
        if found is not None:
            earlier, later = found
            return _invalid(
                name, f"{earlier.words()} returned at {earlier.ret}, before {later.words()} was called at {later.call};"
                " but the former saw, or is, what came of the latter", earlier, later)
    return None


def between(name: str, blocks: Sequence[Block], spend: Spend) -> PartOutcome | None:
    """Whether two blocks exclude each other both ways, which shows between neighbours.

    Of two blocks that do, at least one is forward: something in it returned before something in it was called. Two
    forward ones overlap; any other that is excluded lies within a forward one.
    """
    reach: Block | None = None
    for block in paced(in_order(blocks, spend), spend):
        if reach is not None and block.first_return < reach.last_call and reach.first_return < block.last_call:
            return _excluding(name, reach, block)
        if block.first_return < block.last_call and (reach is None or block.last_call > reach.last_call):
            reach = block
    return None


def _excluding(name: str, one: Block, other: Block) -> PartOutcome:
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
    return _invalid(name, f"{first}; but {second}: each value was written once, so it cannot come back", *related)


def in_order(blocks: Sequence[Block], spend: Spend) -> list[Block]:
    """The blocks one after the other, as real time allows if no two exclude each other."""
    keys = [(not block.initial, min(block.first_return, block.last_call), max(block.first_return, block.last_call))
            for block in paced(blocks, spend)]
    return [blocks[place] for place in sorted(range(len(keys)), key=keys.__getitem__)]


def _invalid(name: str, reason: str, *operations: Operation) -> PartOutcome:
    return PartOutcome(name, False, operations, reason)
