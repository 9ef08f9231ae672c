"""Versioned registers: the version after each operation is its place in the order.

    write("a") -> 1 over [0, 10], cas((1, "b")) -> 2 over [5, 30], read() -> (1, "a") over [20, 40]        allowed
    the same, with the cas over [5, 15]: the reading was called after version 2 had been made               refused

Writes that crashed fill the versions that nobody is known to have made: one whose value was read is known by it, the
rest go by the earliest call to the lowest version. A refused cas must find a moment at another version than it
expected.
Not decided: writes and readings whose version nobody told, and what depends on which of several crashed writes of one
value took effect.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from fencepost.checkers.linearizability.near_linear.ladder import Contradiction, Filled, Ladder, Spare, avoiding, fill
from fencepost.checkers.linearizability.operation import Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend, paced

NAME = "versions"

_ANY = -1


@dataclass(slots=True)
class _Sorted:
    """The operations by what they tell."""

    first: int
    makers: dict[int, Operation] = field(default_factory=dict)
    readings: list[tuple[int, Operation]] = field(default_factory=list)
    values: dict[int, tuple[Any, Operation | None]] = field(default_factory=dict)
    spares: list[Spare] = field(default_factory=list)
    refused: list[tuple[Operation, int]] = field(default_factory=list)

    def take(self, operation: Operation) -> PartOutcome | Literal[True] | None:
        """True if it was understood, None if it tells too little, an outcome if it contradicts what was taken."""
        if operation.f in ("read", "sync-read"):
            return True if operation.ret is None else self._reading(operation)
        if operation.f == "write":
            expected, value = _ANY, operation.argument
        elif operation.f == "cas":
            expected, value = operation.argument
        else:
            return None
        if operation.ret is None:
            self.spares.append(Spare(operation, value, None if expected == _ANY else expected + 1))
            return True
        if operation.result is False:
            self.refused.append((operation, expected))
            return True if expected != _ANY else _invalid(
                f"{operation.words()} was refused, but it expected no version", operation)
        version = operation.result if expected == _ANY or operation.result is not None else expected + 1
        if version is None:
            return None
        if expected not in (_ANY, version - 1):
            return _invalid(f"{operation.words()} expected version {expected}, so that it cannot have made version "
                            f"{version}", operation)
        return self._made(version, value, operation)

    def _reading(self, operation: Operation) -> PartOutcome | Literal[True] | None:
        version, value = operation.result
        if version is None:
            return None
        if version < self.first:
            return _invalid(f"{operation.words()} is below the first version, {self.first}", operation)
        self.readings.append((version, operation))
        return True if value is None else self._holds(version, value, operation)

    def _made(self, version: int, value: Any, operation: Operation) -> PartOutcome | Literal[True]:
        other = self.makers.get(version)
        if other is not None:
            return _invalid(f"{other.words()} and {operation.words()} both made version {version}", other, operation)
        if version <= self.first:
            return _invalid(f"{operation.words()} made version {version}, but the first is {self.first}", operation)
        self.makers[version] = operation
        return self._holds(version, value, operation)

    def _holds(self, version: int, value: Any, operation: Operation) -> PartOutcome | Literal[True]:
        held, by = self.values.setdefault(version, (value, operation))
        if held == value:
            return True
        says = f"version {version} holds {held!r}" if by is None else by.words()
        related = (operation,) if by is None else (by, operation)
        return _invalid(f"{operation.words()} contradicts {says}: a version has one value", *related)


def decide(operations: Iterable[Operation], first: int, value: tuple[Any, ...], spend: Spend) -> PartOutcome | None:
    """Judge reads, writes and compare-and-sets of a register that starts at version `first` with `value`, if given."""
    known = _Sorted(first)
    if value:
        known.values[first] = (value[0], None)
    for operation in paced(operations, spend):
        taken = known.take(operation)
        if taken is not True:
            return taken
    top, highest = max([(first, None), *known.makers.items(), *known.readings], key=_version)
    changes = len(known.makers) + len(known.spares)
    if highest is not None and top - first > changes:
        return _invalid(f"{highest.words()} tells of version {top}, but only {changes} changes were called since "
                        f"version {first}", highest)
    holes = [version for version in range(first + 1, top + 1) if version not in known.makers]
    filled = fill(holes, {version: held for version, (held, _) in known.values.items()}, known.spares)
    if filled.unfilled is not None:
        return _unmade(known, filled.unfilled) if filled.exact else None
    known.makers.update(filled.makers)
    return _in_real_time(known, top, filled, spend)


def _version(item: tuple[int, Operation | None]) -> int:
    return item[0]


def _in_real_time(known: _Sorted, top: int, filled: Filled, spend: Spend) -> PartOutcome | None:
    ladder = Ladder(known.first, top, spend)
    for version, maker in paced(known.makers.items(), spend):
        ladder.below(version, maker)
        ladder.reached(version, maker)
    for version, reading in paced(known.readings, spend):
        ladder.reached(version, reading)
        if version < top:
            ladder.below(version + 1, reading)
    found = ladder.contradiction()
    if found is not None:
        return _too_late(found) if filled.exact else None
    refused = ladder.unplaceable((operation, avoiding(expected)) for operation, expected in known.refused)
    if refused is None:
        return PartOutcome(NAME, True)
    if not filled.exact or filled.left:
        return None
    return _invalid(f"{refused.words()} was refused, but the register was at version {refused.argument[0]} from its "
                    f"call at {refused.call} to its return at {refused.ret}", refused)


def _too_late(found: Contradiction) -> PartOutcome:
    reached, below = found.reached, found.below
    return _invalid(
        f"{below.words()} was called at {below.call}, after {reached.words()} had returned at {reached.ret}; but the "
        f"latter shows that version {found.high} had been reached, and the former that version {found.low} had not",
        reached, below)


def _unmade(known: _Sorted, version: int) -> PartOutcome:
    _, by = known.values.get(version, (None, None))
    if by is not None:
        return _invalid(f"{by.words()}, but nobody can have made version {version} so", by)
    _, beyond = min((item for item in [*known.makers.items(), *known.readings] if item[0] >= version), key=_version)
    return _invalid(f"{beyond.words()} is not below version {version}, which nobody can have made", beyond)


def _invalid(reason: str, *operations: Operation) -> PartOutcome:
    return PartOutcome(NAME, False, operations, reason)
