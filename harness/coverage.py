"""What a run reached: fault kinds, branches of the protocol, error codes. Counted from its history alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fencepost.harness.skips import reason_class
from fencepost.histories.event import FAULT, INVOKE, OBSERVE, Event

#: Events of the nemesis that are no fault.
_MARKS = ("heal", "quiet-end")


@dataclass(slots=True)
class Coverage:
    """Counts over one run or, added up, over many. Keys are in the order in which they were first met.

    observations: by what was observed, each a branch of the protocol (see `fencepost.histories.vocabulary`).
    skips: faults that did not strike, by kind and why, such as "kill: the node is down already".
    """

    faults: dict[str, int] = field(default_factory=dict)
    skips: dict[str, int] = field(default_factory=dict)
    fail_overs: int = 0
    isr_changes: int = 0
    leader_changes: int = 0
    operations: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    observations: dict[str, int] = field(default_factory=dict)

    def add(self, other: "Coverage") -> None:
        """Add another run's counts."""
        for mine, theirs in (
            (self.faults, other.faults), (self.operations, other.operations), (self.errors, other.errors),
            (self.observations, other.observations), (self.skips, other.skips),
        ):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        self.fail_overs += other.fail_overs
        self.isr_changes += other.isr_changes
        self.leader_changes += other.leader_changes

    def to_data(self) -> dict[str, Any]:
        """As plain data, names sorted."""
        return {
            "faults": dict(sorted(self.faults.items())), "faults_skipped": sum(self.skips.values()),
            "skips": dict(sorted(self.skips.items())),
            "controller_fail_overs": self.fail_overs, "isr_changes": self.isr_changes,
            "leader_changes": self.leader_changes, "operations": dict(sorted(self.operations.items())),
            "errors": dict(sorted(self.errors.items())), "observations": dict(sorted(self.observations.items())),
        }


def coverage(events: Iterable[Event]) -> Coverage:
    """Count one run's events."""
    reached = Coverage()
    claims = 0
    for event in events:
        if event.type == FAULT:
            if event.f in _MARKS:
                continue
            if event.error is not None:
                name = f"{event.f}: {reason_class(event.error)}"
                reached.skips[name] = reached.skips.get(name, 0) + 1
                continue
            reached.faults[event.f] = reached.faults.get(event.f, 0) + 1
            continue
        if event.error is not None:
            reached.errors[event.error] = reached.errors.get(event.error, 0) + 1
        if event.type == OBSERVE:
            reached.observations[event.f] = reached.observations.get(event.f, 0) + 1
        if event.f == "controller-claimed":
            claims += 1
        elif event.f == "isr-changed":
            reached.isr_changes += 1
        elif event.f == "leader-start":
            reached.leader_changes += 1
        elif event.process is not None and event.type != INVOKE:
            outcome = f"{event.f} {event.type}"
            reached.operations[outcome] = reached.operations.get(outcome, 0) + 1
    reached.fail_overs = max(0, claims - 1)
    return reached
