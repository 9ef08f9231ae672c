"""The reference search: just-in-time linearization over return events, in plain Python.

The events are walked in the order of time, with the frontier of all configurations: a state and, of the operations that
are pending, those already linearized (Lowe, "Testing for linearizability", 2017; Knossos' `linear`). At the return of r
every configuration must have linearized r: those that have not yet explore the sequences of pending operations that end
in r. Every linearization can be delayed into this form, so the search is complete. Masks are as wide as the
concurrency, for a slot is freed at its operation's return.

Prunings, each with its argument:

READ - a pure operation that fits the state is linearized at once: it changes nothing, so moving it earlier breaks no
order. Pure means pure in every state, not "left this one unchanged".

SYM - among pending operations of one class (same function, argument and result) only the one with the earliest deadline
is tried, crashed ones after all others: in any completion the two can be swapped.

DOM - of two configurations with the same state and the same returning operations linearized, the one that has used
fewer crashed operations (a subset) suffices: a crashed operation need never be linearized. One that leaves the state as
it is, is not tried.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fencepost.checkers.linearizability.operation import Inconsistent, Model, Operation

#: (state, mask of linearized operations that will return, mask of linearized crashed ones)
Configuration = tuple[int, int, int]

_REFUSED = -1


@dataclass(slots=True)
class Death:
    """Where no configuration survived: the operation that cannot be placed, and the frontier before its return."""

    operation: Operation
    states: list[Any]
    reasons: list[str]
    returned: int


@dataclass(slots=True)
class Outcome:
    """What the search found. `death` is None for a linearizable history. `explored` counts configurations."""

    death: Death | None
    explored: int


@dataclass(slots=True)
class _Pending:
    """A pending operation: its slot's bit, its class, and its return's place in the order (crashed: behind all)."""

    operation: Operation
    bit: int
    class_id: int
    deadline: int
    pure: bool


@dataclass(slots=True)
class Search:
    """One search over one part of a history. `spend(n)` is told of every n configurations and may raise Exhausted."""

    model: Model
    spend: Callable[[int], None] = lambda count: None
    explored: int = 0
    returned: int = 0
    _states: dict[Any, int] = field(default_factory=dict)
    _values: list[Any] = field(default_factory=list)
    _classes: dict[Any, int] = field(default_factory=dict)
    _samples: list[Operation] = field(default_factory=list)
    _transitions: list[dict[int, int]] = field(default_factory=list)
    _live: list[_Pending] = field(default_factory=list)
    _crashed: list[_Pending] = field(default_factory=list)

    def run(self, operations: Sequence[Operation]) -> Outcome:
        """Decide. Raises Exhausted when `spend` does."""
        events = _events(self.model, operations)
        frontier: set[Configuration] = {(self._intern(self.model.init()), 0, 0)}
        slots: list[int] = []
        width = 0
        by_operation: dict[int, _Pending] = {}
        for kind, place, operation in events:
            if kind == 0:
                if operation.crashed:
                    self._crashed.append(self._pending(operation, 1 << len(self._crashed), len(operations) + place))
                    continue
                bit = slots.pop() if slots else 1 << width
                width += bit == 1 << width
                deadline = 0 if operation.ret is None else operation.ret
                by_operation[place] = self._pending(operation, bit, deadline)
                self._live.append(by_operation[place])
                continue
            returning = by_operation.pop(place)
            survivors = self._step(frontier, returning)
            if not survivors:
                return Outcome(self._death(frontier, returning, self.returned), self.explored)
            frontier = survivors
            self._live.remove(returning)
            slots.append(returning.bit)
            self.returned += 1
        return Outcome(None, self.explored)

    # --- one return event -----------------------------------------------------------------------------------------

    def _step(self, frontier: set[Configuration], returning: _Pending) -> set[Configuration]:
        """Every configuration after the return; only the undominated ones."""
        survivors: dict[tuple[int, int], list[int]] = {}
        seen: set[Configuration] = set()
        stack: list[Configuration] = []
        for configuration in frontier:
            self._push(configuration, stack, seen)
        bit = returning.bit
        while stack:
            state, live, crashed = stack.pop()
            self.explored += 1
            self.spend(1)
            if live & bit:
                _keep(survivors, state, live ^ bit, crashed)
                continue
            for pending in self._candidates(live, crashed):
                after = self._next(state, pending.class_id)
                if after == _REFUSED:
                    continue
                if pending.operation.ret is not None:
                    self._push((after, live | pending.bit, crashed), stack, seen)
                elif after != state:
                    self._push((after, live, crashed | pending.bit), stack, seen)
        return {(state, live, crashed) for (state, live), masks in survivors.items() for crashed in masks}

    def _push(self, configuration: Configuration, stack: list[Configuration], seen: set[Configuration]) -> None:
        """READ: every pending pure operation that fits the state is linearized at once."""
        state, live, crashed = configuration
        for pending in self._live:
            if pending.pure and not live & pending.bit and self._next(state, pending.class_id) != _REFUSED:
                live |= pending.bit
        configuration = (state, live, crashed)
        if configuration not in seen:
            seen.add(configuration)
            stack.append(configuration)

    def _candidates(self, live: int, crashed: int) -> list[_Pending]:
        """SYM: of each class the pending operation with the earliest deadline, crashed ones last."""
        chosen: dict[int, _Pending] = {}
        for pending in self._live:
            if not pending.pure and not live & pending.bit:
                other = chosen.get(pending.class_id)
                if other is None or pending.deadline < other.deadline:
                    chosen[pending.class_id] = pending
        for pending in self._crashed:
            if not crashed & pending.bit and pending.class_id not in chosen:
                chosen[pending.class_id] = pending
        return list(chosen.values())

    # --- classes, states, transitions -----------------------------------------------------------------------------

    def _pending(self, operation: Operation, bit: int, deadline: int) -> _Pending:
        key = (operation.f, operation.argument, operation.result, operation.crashed)
        class_id = self._classes.get(key)
        if class_id is None:
            class_id = self._classes[key] = len(self._samples)
            self._samples.append(operation)
            self._transitions.append({})
        return _Pending(operation, bit, class_id, deadline, self.model.readonly(operation))

    def _intern(self, state: Any) -> int:
        number = self._states.get(state)
        if number is None:
            number = self._states[state] = len(self._values)
            self._values.append(state)
        return number

    def _next(self, state: int, class_id: int) -> int:
        known = self._transitions[class_id].get(state)
        if known is None:
            sample = self._samples[class_id]
            after = self.model.step(self._values[state], sample)
            known = _REFUSED if isinstance(after, Inconsistent) else self._intern(after)
            if known not in (_REFUSED, state) and self.model.readonly(sample):
                raise ValueError(
                    f"model {self.model.name} calls {sample.words()} readonly, but it turns "
                    f"{self._values[state]!r} into {self._values[known]!r}")
            self._transitions[class_id][state] = known
        return known

    def _death(self, frontier: set[Configuration], returning: _Pending, returned: int) -> Death:
        states = [self._values[state] for state in sorted({state for state, _, _ in frontier})]
        reasons = []
        for state in states:
            after = self.model.step(state, returning.operation)
            if isinstance(after, Inconsistent) and after.reason not in reasons:
                reasons.append(after.reason)
        return Death(returning.operation, states, reasons, returned)


def _events(model: Model, operations: Sequence[Operation]) -> list[tuple[int, int, Operation]]:
    """(0 call or 1 return, index, operation) in the order of time, calls before returns at one time. Crashed pure
    operations prove nothing and are left out."""
    events = []
    for place, operation in enumerate(operations):
        if operation.ret is None and model.readonly(operation):
            continue
        events.append((operation.call, 0, place, operation))
        if operation.ret is not None:
            events.append((operation.ret, 1, place, operation))
    events.sort(key=lambda event: event[:3])
    return [(kind, place, operation) for _, kind, place, operation in events]


def _keep(survivors: dict[tuple[int, int], list[int]], state: int, live: int, crashed: int) -> None:
    """DOM: keep the masks of used crashed operations that no other is a subset of."""
    masks = survivors.setdefault((state, live), [])
    if any(mask & crashed == mask for mask in masks):
        return
    masks[:] = [mask for mask in masks if mask & crashed != crashed]
    masks.append(crashed)
