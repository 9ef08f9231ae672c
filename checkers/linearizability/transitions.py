"""Classes of operations, states as small integers, and the model's answers remembered.

Operations alike in f, argument, result and whether they crashed are one class. The model is asked once a class and
state; on each of these answers the hints of the class are checked, so that a wrong one is told and not believed.
"""

from collections.abc import Hashable
from typing import Any

from fencepost.checkers.linearizability.operation import Inconsistent, Model, Operation

REFUSED = -1


class Transitions:
    """One model's classes, states and transitions, shared by the parts of a history.

    samples, pure, target: by class: an operation of it, whether it is read-only, and the state that it leaves if it is
        a blind overwrite (else None).
    renamed: whether VALUE renamed any of the classes.
    sums: by class, what it adds and where, for one that does nothing else (see `adds` in operation.py).
    originals: by class, the operation before VALUE renamed it, else None.
    states, values: the number of each state, and the state of each number; real: one that the original operations lead
        to, by which the renaming is checked.
    memo: by class, the state after for each state before; `REFUSED` where the model refuses.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.samples: list[Operation] = []
        self.pure: list[bool] = []
        self.target: list[int | None] = []
        self.memo: list[dict[int, int]] = []
        self.originals: list[Operation | None] = []
        self.sums: list[tuple[int, int | None] | None] = []
        self._classes: dict[Hashable, int] = {}
        self.states: dict[Any, int] = {}
        self.values: list[Any] = []
        self.real: list[Any] = []
        self.renamed = False
        self._overwrites = getattr(model, "overwrites", None)
        self._adds = getattr(model, "adds", None)
        initial = model.init()
        self.initial = self._state(initial, initial)

    def class_of(self, operation: Operation, original: Operation | None = None) -> int:
        """The operation's class. `original`: the operation before VALUE renamed it, for the check of that hint."""
        key = (operation.f, operation.argument, operation.result, operation.ret is None)
        class_id = self._classes.get(key)
        if class_id is None:
            class_id = self._classes[key] = len(self.samples)
            self.samples.append(operation)
            self.memo.append({})
            self.pure.append(self.model.readonly(operation))
            self.target.append(None)
            self.originals.append(None if original == operation else original)
            self.sums.append(self._adds(operation) if self._adds is not None and original is None else None)
            self.renamed = self.renamed or self.originals[-1] is not None
            if self._overwrites is not None and self._overwrites(operation):
                self.target[class_id] = self.ask(self.initial, class_id)
                if self.target[class_id] == REFUSED:
                    raise self._wrong("overwriting", operation, self.initial, "it is refused")
        return class_id

    def value(self, state: int) -> Any:
        """The model's own state behind a number."""
        return self.values[state]

    def ask(self, state: int, class_id: int) -> int:
        """The state after an operation of the class, asked of the model for the first time. Raises ValueError when the
        answer shows a hint to be wrong."""
        sample = self.samples[class_id]
        after = self.model.step(self.values[state], sample)
        original = self.originals[class_id]
        real = after if original is None and self.real[state] is self.values[state] else self.model.step(
            self.real[state], original or sample)
        refused = isinstance(after, Inconsistent)
        if refused is not isinstance(real, Inconsistent):
            raise self._wrong("to be renamed", original or sample, state, "renamed, it is answered otherwise")
        number = REFUSED if refused else self._state(after, real)
        if self.pure[class_id] and number not in (REFUSED, state):
            raise self._wrong("readonly", sample, state, f"it turns this into {after!r}")
        target = self.target[class_id]
        if target is not None and number != target:
            words = "it is refused" if refused else f"it turns this into {after!r}, not {self.values[target]!r}"
            raise self._wrong("overwriting", sample, state, words)
        if self.sums[class_id] is not None:
            self._check_sum(self.sums[class_id], state, after, sample)
        self.memo[class_id][state] = number
        return number

    def _check_sum(self, hint: Any, state: int, after: Any, sample: Operation) -> None:
        amount, before = hint
        refused = isinstance(after, Inconsistent)
        expected = before is not None and before != self.values[state]
        if refused is not expected or not (refused or after == self.values[state] + amount):
            words = "it is refused" if refused else f"it turns this into {after!r}"
            raise self._wrong(f"an addition of {amount}", sample, state, words)

    def _state(self, value: Any, real: Any) -> int:
        number = self.states.get(value)
        if number is None:
            number = self.states[value] = len(self.values)
            self.values.append(value)
            self.real.append(real)
        return number

    def _wrong(self, hint: str, operation: Operation, state: int, words: str) -> ValueError:
        return ValueError(
            f"model {self.model.name} calls {operation.words()} {hint}, but in state {self.values[state]!r} {words}")
