"""Small histories, a judge that cannot be wrong (it tries everything), and models with all hints."""

import random
from collections.abc import Container, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from fencepost.checkers.linearizability import UNOBSERVED, Inconsistent, Model, Operation


def brute_force(operations: list[Operation], model: Model) -> bool:
    """Whether any order is allowed: Wing and Gong's search, without any pruning or memory."""
    return _completes(model.init(), operations, model)


def _completes(state: Any, left: list[Operation], model: Model) -> bool:
    if all(operation.crashed for operation in left):
        return True
    horizon = min(operation.ret for operation in left if operation.ret is not None)
    for place, operation in enumerate(left):
        if operation.call > horizon:
            continue
        after = model.step(state, operation)
        if not isinstance(after, Inconsistent) and _completes(after, left[:place] + left[place + 1:], model):
            return True
    return False


def check_order(order: tuple[Operation, ...], model: Model) -> None:
    """That an order is one that the object and real time allow."""
    state: Any = model.init()
    earliest_return: float = float("inf")
    for operation in reversed(order):
        assert operation.call <= earliest_return, f"{operation} is placed before one that returned before its call"
        if operation.ret is not None:
            earliest_return = min(earliest_return, operation.ret)
    for operation in order:
        state = model.step(state, operation)
        assert not isinstance(state, Inconsistent), f"{operation} is refused: {state.reason}"


@dataclass(frozen=True, slots=True)
class HintedRegister:
    """A compare-and-set register with every hint."""

    name: str = "hinted-register"

    def init(self) -> Hashable:
        return 0

    def step(self, state: Any, operation: Operation) -> Any:
        if operation.f == "write":
            return operation.argument
        if operation.f == "read":
            fits = operation.crashed or operation.result == state
            return state if fits else Inconsistent(f"read {operation.result!r} but the register holds {state!r}")
        expected, new = operation.argument
        if operation.result is False:
            return state if state != expected else Inconsistent(f"cas failed though the register holds {state!r}")
        if state == expected:
            return new
        return state if operation.crashed else Inconsistent(f"cas from {expected!r} but the register holds {state!r}")

    def readonly(self, operation: Operation) -> bool:
        return operation.f == "read" or operation.result is False

    def overwrites(self, operation: Operation) -> bool:
        return operation.f == "write"

    def observed(self, operation: Operation) -> Iterator[Hashable]:
        if operation.f == "read" and not operation.crashed:
            yield operation.result
        elif operation.f == "cas":
            yield operation.argument[0]

    def rename(self, operation: Operation, observed: Container[Hashable]) -> Operation:
        if operation.f == "write" and operation.argument not in observed:
            return operation._replace(argument=UNOBSERVED)
        if operation.f == "cas" and operation.argument[1] not in observed:
            return operation._replace(argument=(operation.argument[0], UNOBSERVED))
        return operation

    def partition(self, operation: Operation) -> Hashable:
        return None


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter with add(n), reset() (a blind overwrite), take() -> n (refused at 0) and read() -> n."""

    name: str = "counter-with-reset"

    def init(self) -> Hashable:
        return 0

    def step(self, state: Any, operation: Operation) -> Any:
        if operation.f == "add":
            return state + operation.argument
        if operation.f == "reset":
            return 0
        if operation.f == "take":
            fits = state > 0 and (operation.crashed or operation.result == state)
            return 0 if fits else Inconsistent(f"took {operation.result} of {state}")
        fits = operation.crashed or operation.result == state
        return state if fits else Inconsistent(f"read {operation.result} but it is {state}")

    def readonly(self, operation: Operation) -> bool:
        return operation.f == "read"

    def overwrites(self, operation: Operation) -> bool:
        return operation.f == "reset"

    def partition(self, operation: Operation) -> Hashable:
        return None


def random_register_history(draw: random.Random) -> list[Operation]:
    """Up to seven operations on a register, over few times and values, so that much overlaps and collides.

    The results are those of some order of the operations, except that about every other history has one that is not.
    """
    operations = []
    values = range(draw.choice((2, 3, 5)))
    held = 0
    count = draw.randint(1, 7)
    odd = draw.randrange(2 * count)
    for process in range(count):
        call, ret = _interval(draw, process)
        f = draw.choice(("read", "read", "write", "write", "cas"))
        argument: Any = None
        result: Any = None
        if f == "write":
            argument = held = draw.choice(values)
        elif f == "cas":
            expected = held if draw.random() < 0.7 else draw.choice(values)
            argument = (expected, draw.choice(values))
            result = None if ret is None else (expected == held) is not (process == odd)
            held = argument[1] if expected == held else held
        elif ret is not None:
            result = draw.choice(values) if process == odd else held
        operations.append(Operation(call, ret, f, argument, result, process))
    draw.shuffle(operations)
    return operations


def random_counter_history(draw: random.Random) -> list[Operation]:
    """Up to seven operations on a counter, made likewise."""
    operations = []
    held = 0
    count = draw.randint(1, 7)
    odd = draw.randrange(2 * count)
    for process in range(count):
        call, ret = _interval(draw, process)
        f = draw.choice(("read", "add", "add", "reset", "take"))
        argument = draw.randint(1, 2) if f == "add" else None
        result = None
        if ret is not None and f in ("read", "take"):
            result = draw.randint(0, 3) if process == odd else held
        held = {"read": held, "add": held + (argument or 0), "reset": 0, "take": 0}[f]
        operations.append(Operation(call, ret, f, argument, result, process))
    draw.shuffle(operations)
    return operations


def running_register(draw: random.Random, clients: int, count: int, values: int, crashed: float) -> list[Operation]:
    """What clients of one register that works would see; about every other history has one answer changed."""
    free = [(draw.randint(0, 20), client) for client in range(clients)]
    effects: list[tuple[int, int, str, Any, int]] = []
    for _ in range(count):
        free.sort()
        call, client = free.pop(0)
        effect = call + draw.randint(0, 20)
        f = draw.choice(("read", "read", "write", "cas"))
        argument = None if f == "read" else draw.randrange(values) if f == "write" else (
            draw.randrange(values), draw.randrange(values))
        effects.append((effect, call, f, argument, client))
        free.append((effect + draw.randint(0, 20), client))
    effects.sort(key=lambda effect: effect[0])
    held, operations = 0, []
    for effect, call, f, argument, client in effects:
        result = held if f == "read" else None if f == "write" else argument[0] == held
        if f == "write":
            held = argument
        elif f == "cas" and result:
            held = argument[1]
        if draw.random() < crashed:
            operations.append(Operation(call, None, f, argument, None, client))
        else:
            operations.append(Operation(call, effect + draw.randint(0, 20), f, argument, result, client))
    reads = [place for place, operation in enumerate(operations) if operation.f == "read" and not operation.crashed]
    if reads and draw.random() < 0.5:
        place = draw.choice(reads)
        operations[place] = operations[place]._replace(result=draw.randrange(values))
    return operations


def _interval(draw: random.Random, place: int) -> tuple[int, int | None]:
    call = max(0, 2 * place - draw.randint(0, 6))
    return call, None if draw.random() < 0.2 else max(2 * place, call) + draw.randint(0, 6)


#: (the model, how its histories are drawn)
CASES = ((HintedRegister(), random_register_history), (Counter(), random_counter_history))
