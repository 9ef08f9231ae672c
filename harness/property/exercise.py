"""Carrying a plan out on a system: the calls of a round at once, each in a thread, or all in turns in one thread.

A *plan* is a list of rounds, and a round is a list of calls of different clients. Those of one round run at once, and
the next round begins when they have returned. So a plan says what is certain to come after what: a bug that needs no
race is found by every run of its plan, and shrinks to a few calls. How the calls of one round overlap, nobody but the
operating system decides; an `Interleaving` decides that, too.
"""

import inspect
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fencepost.harness.property.interleaving import Interleaving, Turns
from fencepost.harness.property.system import Call, Outcome, Recording, System, operation_of, outcome_of
from fencepost.histories.errors import InputError

#: After this long nobody waits for a call any longer.
DEFAULT_TIMEOUT_S = 10.0

Plan = Interleaving | Iterable[Iterable[Call | tuple[Any, ...]]]


def exercise(system: System, plan: Plan, timeout_s: float = DEFAULT_TIMEOUT_S) -> Recording:
    """Start the system, carry the plan out, stop the system, and return what was seen.

    plan: rounds of calls, or an Interleaving.
    timeout_s: of a round. The outcome of a call that takes longer is unknown; its thread is left behind, and its client
        does nothing more in this plan. In an Interleaving no time passes.
    Raises InputError for a round with two calls of one client, and whatever `invoke` raised by mistake.
    """
    carried = plan if isinstance(plan, Interleaving) else _rounds(plan)
    try:
        system.start()
        if isinstance(carried, Interleaving):
            return Turns(system, carried).run()
        return _carry_out(system, carried, timeout_s)
    finally:
        system.stop()


def _rounds(plan: Iterable[Iterable[Call | tuple[Any, ...]]]) -> list[list[Call]]:
    rounds = [[Call(*call) for call in calls] for calls in plan]
    for number, calls in enumerate(rounds):
        clients = [call.client for call in calls]
        for client in clients:
            if clients.count(client) > 1:
                raise InputError(f"round {number} of the plan has several calls of client {client}; a client does one "
                                 "thing at a time: put them into rounds of their own")
    return rounds


def _carry_out(system: System, rounds: list[list[Call]], timeout_s: float) -> Recording:
    recording, lost, begin_ns = Recording(), set[int](), time.monotonic_ns()
    for calls in rounds:
        _round(system, [call for call in calls if call.client not in lost], timeout_s, recording, lost)
    recording.operations = sorted(
        (operation._replace(call=operation.call - begin_ns, ret=operation.ret and operation.ret - begin_ns)
         for operation in recording.operations), key=lambda operation: operation.call)
    return recording


@dataclass(slots=True)
class _Attempt:
    """One call under way; it is over when `returned` is set, with an outcome or a mistake. Times in nanoseconds."""

    call: Call
    called: int = 0
    ended: int = 0
    outcome: Outcome | None = None
    mistake: BaseException | None = None
    returned: threading.Event = field(default_factory=threading.Event)

    def carry_out(self, system: System, together: threading.Barrier) -> None:
        """In the client's thread, when the others of the round are ready too."""
        together.wait()
        self.called = time.monotonic_ns()
        try:
            self.outcome = self._invoke(system)
        except BaseException as mistake:  # it is raised where the test sees it
            self.mistake = mistake
        self.ended = time.monotonic_ns()
        self.returned.set()

    def _invoke(self, system: System) -> Outcome:
        try:
            made = system.invoke(*self.call)
            gives_way = inspect.isgenerator(made) or inspect.iscoroutine(made)
            return Outcome(True, True, _driven(made) if gives_way else made)
        except Exception as error:
            return outcome_of(system, error)


def _driven(running: Any) -> Any:
    """What a generator or a coroutine returns that need not give way, for its thread may be interrupted anywhere."""
    while True:
        try:
            running.send(None)
        except StopIteration as end:
            return end.value


def _round(system: System, calls: list[Call], timeout_s: float, recording: Recording, lost: set[int]) -> None:
    attempts = [_Attempt(call) for call in calls]
    together = threading.Barrier(len(attempts) + 1)
    for attempt in attempts:
        threading.Thread(target=attempt.carry_out, args=(system, together), daemon=True).start()
    began, deadline = time.monotonic_ns(), time.monotonic() + timeout_s
    together.wait()
    for attempt in attempts:
        call = attempt.call
        if attempt.returned.wait(max(0.0, deadline - time.monotonic())):
            if attempt.mistake is not None:
                raise attempt.mistake
            outcome, called, ended = attempt.outcome, attempt.called, attempt.ended
        else:
            lost.add(call.client)
            outcome, called, ended = Outcome(False, True), attempt.called or began, 0
        assert outcome is not None
        if outcome.kept and call.f not in system.faults:
            recording.operations.append(operation_of(call, called, ended, outcome))
