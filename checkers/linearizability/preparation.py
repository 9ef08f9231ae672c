"""From a list of operations to what the searches walk: parts, classes, slots and events in the order of time.

Each operation that returns gets a slot from its call to its return, reused afterwards, so that the mask of a
configuration is as wide as the concurrency. Crashed operations of one class get neighbouring bits in the order of their
calls; as they are used in that order (SYM), used ones fill their class's bits from the lowest. Crashed pure operations
prove nothing and are left out.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from fencepost.checkers.linearizability.models.base import SequentialModel
from fencepost.checkers.linearizability.operation import Model, Operation
from fencepost.checkers.linearizability.pace import Spend, paced
from fencepost.checkers.linearizability.prunings import Prunings
from fencepost.checkers.linearizability.transitions import Transitions


class Pending(NamedTuple):
    """An operation as the searches see it while it is pending.

    deadline: the place of its return among the part's events. bit: its slot. class_id: see Transitions. group: what it
    is alike to under SYM. blind: whether it is a blind overwrite. operation: its index in the part's operations.
    """

    deadline: int
    bit: int
    class_id: int
    group: int
    blind: bool
    operation: int


class CrashedClass(NamedTuple):
    """Crashed operations that are alike: the lowest of their bits, their indexes by call, and what they are."""

    shift: int
    members: list[int]
    class_id: int
    group: int
    blind: bool


@dataclass(slots=True)
class Part:
    """One part of the history, ready to be searched.

    operations: its operations as they were given. pendings: those that return, by index (crashed ones have None).
    events: index of an operation for its call, -1 - index for its return. returns: how many of the latter. width: how
    many that return are pending at a time.
    crashed: the classes of crashed operations; crashed_class: by operation, which of them.
    """

    key: Hashable
    operations: list[Operation]
    transitions: Transitions
    prunings: Prunings
    pendings: list[Pending | None] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    returns: int = 0
    width: int = 0
    crashed: list[CrashedClass] = field(default_factory=list)
    crashed_class: dict[int, int] = field(default_factory=dict)

    def is_overwrite(self, index: int) -> bool:
        """Whether the operation is a blind overwrite."""
        pending = self.pendings[index]
        return self.crashed[self.crashed_class[index]].blind if pending is None else pending.blind


def prepare(
    operations: Iterable[Operation], model: Model, per_key: bool, prunings: Prunings, spend: Spend,
) -> list[Part]:
    """The parts, in the order in which they first appear. Raises ValueError for an operation that returns before it is
    called, and what `spend` raises."""
    transitions = Transitions(model)
    members: dict[Hashable, list[Operation]] = {}
    keys: dict[Hashable, Hashable] = {}
    by_key = per_key and getattr(type(model), "partition", None) is SequentialModel.partition
    for place, operation in enumerate(paced(operations, spend)):
        call, ret, f, argument, result, _, key = operation
        if ret is not None and ret < call:
            raise ValueError(f"operation {place}, {operation.words()}, returns at {ret} before it is called at {call}")
        if by_key:
            members.setdefault(key, []).append(operation)
        elif per_key:
            alike = (f, argument, result, ret is None, key)
            if alike not in keys:
                keys[alike] = model.partition(operation)
            members.setdefault(keys[alike], []).append(operation)
        else:
            members.setdefault(None, []).append(operation)
    return [_prepare_part(Part(key, own, transitions, prunings), spend) for key, own in members.items()]


def _prepare_part(part: Part, spend: Spend) -> Part:
    spend(0)
    classes = _classes(part, spend)
    ordered = _events(part, classes, spend)
    transitions = part.transitions
    free: list[int] = []
    width = 0
    part.pendings = [None] * len(part.operations)
    crashed: dict[int, list[int]] = {}
    deadlines = {-1 - event: place for place, event in enumerate(ordered) if event < 0}
    for event in paced(ordered, spend):
        if event < 0:
            pending = part.pendings[-1 - event]
            assert pending is not None
            free.append(pending.bit)
            continue
        class_id = classes[event]
        if event not in deadlines:
            crashed.setdefault(class_id if part.prunings.sym else -1 - event, []).append(event)
            continue
        bit = free.pop() if free else 1 << width
        width += bit == 1 << width
        target = transitions.target[class_id]
        part.pendings[event] = tuple.__new__(Pending, (  # at half the cost of Pending(...)
            deadlines[event], bit, class_id, _group(class_id, target), target is not None, event))
    part.events, part.width = ordered, width
    part.returns = len(deadlines)
    shift = 0
    for number, indexes in enumerate(crashed.values()):
        class_id = classes[indexes[0]]
        target = transitions.target[class_id]
        part.crashed.append(CrashedClass(shift, indexes, class_id, _group(class_id, target), target is not None))
        part.crashed_class.update(dict.fromkeys(indexes, number))
        shift += len(indexes)
    return part


def _group(class_id: int, target: int | None) -> int:
    """Blind overwrites that leave the same state are alike; anything else is alike to its class."""
    return class_id if target is None else -1 - target


def _classes(part: Part, spend: Spend) -> list[int]:
    """Each operation's class, after VALUE has renamed what nobody observes."""
    transitions = part.transitions
    raw = [transitions.class_of(operation) for operation in paced(part.operations, spend)]
    if not part.prunings.value or not any(operation.ret is None for operation in part.operations):
        return raw
    found = renamed(transitions, {class_id: transitions.samples[class_id] for class_id in raw})
    if found is None:
        return raw
    part.transitions, classes = found
    return [classes[class_id] for class_id in raw]


def renamed(
    transitions: Transitions, samples: dict[int, Operation],
) -> tuple[Transitions, dict[int, int]] | None:
    """VALUE for a part with these operations by class: transitions of its own, and its classes by those before.

    None when there is nothing to rename. What nobody observes here may be observed in another part, so nothing is
    shared with it.
    """
    model = transitions.model
    rename, observed = getattr(model, "rename", None), getattr(model, "observed", None)
    if rename is None or observed is None:
        return None
    seen = frozenset(
        value for class_id, sample in samples.items() if not (sample.crashed and transitions.pure[class_id])
        for value in observed(sample))
    others = {class_id: rename(sample, seen) for class_id, sample in samples.items()}
    if others == samples:
        return None
    own = Transitions(model)
    return own, {class_id: own.class_of(others[class_id], sample) for class_id, sample in samples.items()}


def _events(part: Part, classes: list[int], spend: Spend) -> list[int]:
    """Calls and returns in the order of time; at one time calls come first, then the order of the operations."""
    count = len(part.operations)
    keys = []
    for index, (call, ret, *_) in enumerate(paced(part.operations, spend)):
        if ret is not None:
            keys.append((2 * ret + 1) * count + index)
        elif part.transitions.pure[classes[index]]:
            continue
        keys.append(2 * call * count + index)
    keys.sort()
    return [key % count if key // count % 2 == 0 else -1 - key % count for key in keys]
