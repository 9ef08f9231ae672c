"""A system of the user's own: the adaptor, what a plan for its clients is, and what is recorded of them.

    class Store(System):
        def start(self): self.store = ReplicatedStore()
        def stop(self): self.store.close()
        def invoke(self, client, f, argument): return getattr(self.store, f)(argument)

    exercise(Store(), [[Call(0, "put", ("x", "1"))], [Call(0, "put", ("x", "2")), Call(1, "get", "x")]])

What a call that raises means: `Refused` - it certainly had no effect, and is left out of the history; `Unclear`, or
what `System.unclear` declares - nobody knows, and the history has it as one of unknown outcome; anything else is a
mistake, of the adaptor or of the system, and is raised.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fencepost.checkers.linearizability import Analysis, Model, Operation, linearizable
from fencepost.checkers.linearizability.models import make_model
from fencepost.checkers.verdict import VALID
from fencepost.harness.property.untraced import untraced

#: So many operations are shown.
_SHOWN = 60


class Refused(Exception):
    """Raised by `invoke`: the call was refused and certainly had no effect."""


class Unclear(Exception):
    """Raised by `invoke`: nobody knows whether the call took effect."""


class NotLinearizable(AssertionError):
    """What a system answered cannot be explained; the message has the counterexample and what the clients saw."""


class System:
    """The adaptor: a system that clients drive. Override `invoke`, and what else is needed.

    unclear: exceptions that leave it open whether the call took effect. A broken connection and a time-out do.
    faults: functions that are done to the system and are no operations of it (to stop a replica, to replicate); they
        are invoked like any other and are not judged.
    """

    unclear: tuple[type[Exception], ...] = (OSError,)
    faults: Sequence[str] = ()

    def start(self) -> None:
        """Bring the system up, empty. Called before each plan."""

    def stop(self) -> None:
        """Take it down. Called after each plan, also when something was raised or `start` itself failed."""

    def invoke(self, client: int, f: str, argument: Any) -> Any:
        """Do one operation for a client and return its result, which must be hashable.

        It may be a generator function: each `yield` is then a place where other clients may go on (see
        `Interleaving`). Otherwise, in a plan of rounds, it is called from a thread for each call of a round.
        """
        raise NotImplementedError


class Call(NamedTuple):
    """One call of a plan: a client's number, the function, and its argument (hashable)."""

    client: int
    f: str
    argument: Any = None

    def __repr__(self) -> str:
        """As one would write it."""
        argument = "" if self.argument is None else f", {self.argument!r}"
        return f"Call({self.client}, {self.f!r}{argument})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For Hypothesis and IPython."""
        printer.text(repr(self))


@dataclass(slots=True)
class Recording:
    """What the clients saw.

    operations: in the order of their calls. unit: of their times, which count from the beginning of the plan.
    """

    operations: list[Operation] = field(default_factory=list)
    unit: str = "ns"

    def check(self, model: str | Model, initial: Any = None) -> Analysis:
        """Judge the operations by a model, or by one of Fencepost's by its name (`fencepost check --models`).

        initial: the object's first content, for a model that is named. Raises InputError for a name that none has.
        """
        with untraced():
            return linearizable(self.operations, make_model(model, initial) if isinstance(model, str) else model)

    def assert_linearizable(self, model: str | Model, initial: Any = None) -> "Recording":
        """Raise NotLinearizable, with the counterexample, unless the verdict is `valid`. See `check`."""
        __tracebackhide__ = True
        analysis = self.check(model, initial)
        if analysis.verdict != VALID:
            raise NotLinearizable(f"{analysis.explain()}\nwhat the clients saw:\n{self.words()}")
        return self

    def words(self) -> str:
        """The operations, one a line."""
        lines = [self._line(operation) for operation in self.operations[:_SHOWN]]
        more = len(self.operations) - len(lines)
        return "\n".join([*lines, *([f"  ... and {more} more"] if more else [])])

    def _line(self, operation: Operation) -> str:
        end = "outcome unknown" if operation.ret is None else f"to {operation.ret} {self.unit}"
        return f"  client {operation.process}  {operation.call} {end}  {operation.words()}"


class Outcome(NamedTuple):
    """How a call ended. known: whether anybody knows what it did. kept: whether the history has it."""

    known: bool
    kept: bool
    result: Any = None


def outcome_of(system: System, error: Exception) -> Outcome:
    """What it means that a call raised this. Raises it again if that is a mistake."""
    if isinstance(error, Refused):
        return Outcome(True, False)
    if isinstance(error, (Unclear, *system.unclear)):
        return Outcome(False, True)
    raise error


def operation_of(call: Call, called: int, returned: int, outcome: Outcome) -> Operation:
    """What the history has of a call."""
    return Operation(
        called, returned if outcome.known else None, call.f, call.argument, outcome.result, call.client)
