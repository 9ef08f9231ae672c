"""Histories whose own values tell the order, for the checkers that need no search: honest ones, and ones bent a little.

An honest history takes moments one after the other, lets an operation take effect at each, and stretches its interval
around it. A bent one then changes a result, or moves an interval.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from fencepost.checkers.linearizability import Inconsistent, Model, Operation

#: (random, state, number of the operation) -> (f, argument, the results that could be told of it).
Propose = Callable[[Random, Any, int], tuple[str, Any, list[Any]]]

_SPACING = 4


def history(random: Random, model: Model, propose: Propose, most: int = 8) -> list[Operation]:
    """Up to `most` operations, in the order of their calls."""
    state: Any = model.init()
    wide = random.choice([1, _SPACING, 3 * _SPACING])
    operations = []
    for number in range(random.randint(3, most)):
        f, argument, results = propose(random, state, number)
        moment = _SPACING * number
        call = moment - random.randrange(wide)
        if random.random() < 0.15:
            operation = Operation(call, None, f, argument, None, number)
            if random.random() < 0.5:
                operations.append(operation)
                continue
        else:
            fitting = [result for result in results if not isinstance(
                model.step(state, Operation(0, 1, f, argument, result)), Inconsistent)]
            if not fitting:
                continue
            operation = Operation(call, moment + random.randrange(wide), f, argument,
                                  random.choice(fitting), number)
        operations.append(operation)
        after = model.step(state, operation)
        state = state if isinstance(after, Inconsistent) else after
    while operations and random.random() < 0.6:
        _bend(random, operations)
    operations.sort(key=lambda operation: operation.call)
    return operations


def _bend(random: Random, operations: list[Operation]) -> None:
    place = random.randrange(len(operations))
    operation = operations[place]
    if random.random() < 0.5:
        later = random.randrange(-6 * _SPACING, 6 * _SPACING)
        ret = None if operation.ret is None else operation.ret + later
        operations[place] = operation._replace(call=operation.call + later, ret=ret)
    elif operation.ret is not None:
        others = [other for other in operations if other.f == operation.f and other.ret is not None]
        operations[place] = operation._replace(result=random.choice(others).result)


def register(random: Random, state: Any, number: int) -> tuple[str, Any, list[Any]]:
    """Reads, writes of new values, compare-and-sets that succeed or not."""
    kind = random.random()
    if kind < 0.4:
        return "read", None, [state, state, state, None]
    if kind < 0.6:
        return "write", number + 10, [None]
    expected = state if random.random() < 0.7 else random.randrange(10, 17)
    return "cas", (expected, number + 10), [True, False]


def register_without_refusals(random: Random, state: Any, number: int) -> tuple[str, Any, list[Any]]:
    """The same without refused compare-and-sets."""
    f, argument, results = register(random, state, number)
    return f, argument, [True] if f == "cas" else results


def versioned(random: Random, state: Any, number: int) -> tuple[str, Any, list[Any]]:
    """Reads with either half or both, writes, compare-and-sets."""
    version, held = state
    value = held[0] if held else "init"
    kind = random.random()
    if kind < 0.4:
        return "read", None, [(version, value), (version, value), (version, None)]
    new = random.choice("abcdefgh") if random.random() < 0.3 else number
    if kind < 0.6:
        return "write", new, [version + 1]
    expected = version if random.random() < 0.6 else random.randrange(-1, 4)
    return "cas", (expected, new), [version + 1, False]


def log(random: Random, state: Any, number: int) -> tuple[str, Any, list[Any]]:
    """Appends with and without their offset, reads of what is there and of what is not."""
    if random.random() < 0.5:
        value = random.choice("ab") if random.random() < 0.1 else number
        return "append", value, [len(state), len(state), len(state), None]
    offset = random.randrange(0, len(state) + 2)
    return "read", offset, [state[offset] if offset < len(state) else None]


def queue(random: Random, state: Any, number: int) -> tuple[str, Any, list[Any]]:
    """Enqueues of new elements, dequeues."""
    if random.random() < 0.5:
        return "enqueue", number, [None]
    return "dequeue", None, [state[0] if state else None]


def strings(random: Random, state: Any, number: int) -> tuple[str, Any, list[Any]]:
    """Gets, puts and appends of pieces, some of them used before, on two keys."""
    key = random.choice("xxxy")
    kind = random.random()
    piece = number if random.random() < 0.8 else random.randrange(number + 1)
    if kind < 0.5:
        return "get", key, [dict(state).get(key, "")]
    return "put" if kind < 0.6 else "append", (key, f"{piece};" * (piece % 3 + 1)), [None]


def set_read_whole(random: Random, state: Any, number: int) -> tuple[str, Any, list[Any]]:
    """Adds of new elements, readings of all."""
    if random.random() < 0.6:
        return "add", number, [None]
    return "read", None, [state]


def set_looked_into(random: Random, state: Any, number: int) -> tuple[str, Any, list[Any]]:
    """Adds and removes of few elements, and lookings."""
    f = random.choice(["add", "remove", "contains", "contains"])
    element = random.randrange(0, 4)
    return f, element, [True, False] if f == "contains" else [None, True]
