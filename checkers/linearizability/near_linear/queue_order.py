"""FIFO queues whose elements are told apart: four patterns are all that can be wrong.

Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs" (CONCUR 2013): a history in which every
element is enqueued once is linearizable unless
    an element is dequeued that nobody enqueued, or before it was enqueued, or twice;
    a was enqueued before b, and b was dequeued though a never was, or before a was;
    a dequeue found the queue empty though at every moment of its interval some element was certainly in it.

Crashed enqueues whose element was dequeued took effect, the others need not have. A crashed dequeue may have taken an
element that no other took; what is wrong only because nobody took an element is then not decided. Elements enqueued
twice are not decided either.
"""

from bisect import bisect_left
from collections.abc import Iterable
from math import inf
from typing import Any, NamedTuple

from fencepost.checkers.linearizability.operation import Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend, paced

NAME = "queue order"


class _Element(NamedTuple):
    """enqueued: None for one that was there from the start. dequeued: None if nobody is known to have taken it."""

    enqueued: Operation | None
    dequeued: Operation | None
    #: The enqueue's interval; those of the first elements are before all time, one after the other.
    call: float
    ret: float

    @property
    def taken(self) -> float:
        """The moment before which it cannot have been taken."""
        return inf if self.dequeued is None else self.dequeued.call


def decide(operations: Iterable[Operation], initial: tuple[Any, ...], spend: Spend) -> PartOutcome | None:
    """Judge enqueues and dequeues of a queue that starts with these elements, the oldest first."""
    enqueued: dict[Any, Operation | None] = dict.fromkeys(initial)
    if len(enqueued) != len(initial):
        return None
    dequeued: dict[Any, Operation] = {}
    empty: list[Operation] = []
    crashed = False
    twice: PartOutcome | None = None
    for operation in paced(operations, spend):
        if operation.f == "enqueue":
            if operation.argument in enqueued or operation.argument is None:
                return None
            enqueued[operation.argument] = operation
        elif operation.f != "dequeue":
            return None
        elif operation.ret is None:
            crashed = True
        elif operation.result is None:
            empty.append(operation)
        else:
            other = dequeued.setdefault(operation.result, operation)
            if other is not operation and twice is None:
                twice = _invalid(f"{other.words()} and {operation.words()} took the same element, which was enqueued "
                                 "once", other, operation)
    if twice is not None:
        return twice
    return _element_by_element(enqueued, dequeued, spend) or _in_order(
        enqueued, dequeued, empty, crashed, len(initial), spend)


def _element_by_element(
    enqueued: dict[Any, Operation | None], dequeued: dict[Any, Operation], spend: Spend,
) -> PartOutcome | None:
    for element, dequeue in paced(dequeued.items(), spend):
        if element not in enqueued:
            return _invalid(f"{dequeue.words()}, but nobody enqueued {element!r}", dequeue)
        enqueue = enqueued[element]
        if enqueue is not None and dequeue.ret is not None and dequeue.ret < enqueue.call:
            return _invalid(f"{dequeue.words()} returned at {dequeue.ret}, before {enqueue.words()} was called at "
                            f"{enqueue.call}", dequeue, enqueue)
    return None


def _in_order(
    enqueued: dict[Any, Operation | None], dequeued: dict[Any, Operation], empty: list[Operation], crashed: bool,
    first: int, spend: Spend,
) -> PartOutcome | None:
    elements = []
    for place, (element, enqueue) in enumerate(paced(enqueued.items(), spend)):
        dequeue = dequeued.get(element)
        if enqueue is None:
            # Before all other time, one after the other.
            elements.append((_Element(None, dequeue, -inf, -inf), place - first))
        elif enqueue.ret is not None:
            elements.append((_Element(enqueue, dequeue, enqueue.call, enqueue.ret), 0))
        elif dequeue is not None:
            elements.append((_Element(enqueue, dequeue, enqueue.call, inf), 0))
    overtaken = _overtaken(elements, spend)
    if overtaken is not None:
        older, newer = overtaken
        return None if crashed and older.dequeued is None else _overtaking(older, newer)
    never_empty = _never_empty([element for element, _ in elements], empty)
    if never_empty is None:
        return PartOutcome(NAME, True)
    return None if crashed else _invalid(
        f"{never_empty.words()} found the queue empty, but from its call at {never_empty.call} to its return at "
        f"{never_empty.ret} some element was always in it", never_empty)


def _overtaken(elements: list[tuple[_Element, int]], spend: Spend) -> tuple[_Element, _Element] | None:
    """(older, newer): the newer was enqueued after the older and surely taken before it; one whose older element was
    taken at all, where there is one."""
    by_ret = sorted(elements, key=lambda item: (item[0].ret, item[1]))
    by_call = sorted(elements, key=lambda item: (item[0].call, item[1]))
    for takers in (True, False):
        last: _Element | None = None
        place = 0
        for newer, order in paced(by_call, spend):
            if newer.dequeued is None or newer.dequeued.ret is None:
                continue
            while place < len(by_ret) and (by_ret[place][0].ret, by_ret[place][1]) < (newer.call, order):
                older = by_ret[place][0]
                if (not takers or older.dequeued is not None) and (last is None or older.taken > last.taken):
                    last = older
                place += 1
            if last is not None and newer.dequeued.ret < last.taken:
                return last, newer
    return None


def _overtaking(older: _Element, newer: _Element) -> PartOutcome:
    assert newer.dequeued is not None
    first = "the oldest element was there from the start" if older.enqueued is None else \
        f"{older.enqueued.words()} returned at {older.ret}, before " + (
            "" if newer.enqueued is None else f"{newer.enqueued.words()} was called at {newer.call}")
    then = "was never dequeued" if older.dequeued is None else f"was dequeued no earlier than {older.dequeued.call}"
    operations = [operation for operation in (older.enqueued, newer.enqueued, older.dequeued, newer.dequeued)
                  if operation is not None]
    operations.sort(key=lambda operation: operation.call)
    return _invalid(f"{first}; but the former {then}, and {newer.dequeued.words()} returned at {newer.dequeued.ret}",
                    *operations)


def _never_empty(elements: list[_Element], empty: list[Operation]) -> Operation | None:
    """The first dequeue that found nothing and whose whole interval is covered by elements that were surely there."""
    starts: list[float] = []
    ends: list[float] = []
    for start, end in sorted((element.ret, element.taken) for element in elements if element.ret < element.taken):
        if starts and start < ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    for dequeue in empty:
        place = bisect_left(starts, dequeue.call) - 1
        if place >= 0 and dequeue.ret is not None and dequeue.ret < ends[place]:
            return dequeue
    return None


def _invalid(reason: str, *operations: Operation) -> PartOutcome:
    return PartOutcome(NAME, False, operations, reason)
