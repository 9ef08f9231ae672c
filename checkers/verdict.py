"""What a checker is and what it says: violations, excused losses, a verdict.

A checker is fed the events of a history in their order, one at a time, and knows nothing else than the history's
header. It names a rule of the protocol for each finding, says in words what happened, and gives the indexes of the
events that show it. `unknown` means that the history does not hold what the checker needs (or that the checker itself
failed), `not-applicable` that the rule does not concern such a run; neither is ever reported as `valid`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from fencepost.histories.event import Event

VALID, INVALID, UNKNOWN, NOT_APPLICABLE = "valid", "invalid", "unknown", "not-applicable"

#: Findings of one rule that are kept with their explanation; the rest is only counted.
KEPT_PER_RULE = 20


@dataclass(frozen=True, slots=True)
class Violation:
    """One violation of one rule.

    rule: the invariant's name, such as "ElectionSafety".
    message: in words, which node did what at which time under which epoch, and why that breaks the rule.
    events: the indexes of the events that show it, the decisive one last.
    time_us: when it became visible, in virtual microseconds.
    node: the node that broke the rule, where there is one.
    key: the topic-partition, group, topic or resource it is about.
    """

    rule: str
    message: str
    events: tuple[int, ...]
    time_us: int
    node: int | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Excuse:
    """A loss that the contracts excuse: nothing of it is owed, but it is listed.

    reason: short, such as "last-replica-standing" or "quorum-lost-its-disks".
    """

    rule: str
    reason: str
    message: str
    events: tuple[int, ...]


@dataclass(slots=True)
class Result:
    """What one checker says about one history. `counts` holds every violation of a rule, also those not kept."""

    checker: str
    verdict: str
    violations: list[Violation] = field(default_factory=list)
    excused: list[Excuse] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


class Checker(Protocol):
    """What a harness needs of a checker. `violations` is live, so that a run can stop at the first."""

    @property
    def name(self) -> str:
        """Under which name it reports."""

    @property
    def consumes(self) -> frozenset[str] | None:
        """The names (`f`) of the events it wants; None for all."""

    @property
    def violations(self) -> list[Violation]:
        """What it has kept so far."""

    def feed(self, event: Event) -> None:
        """Take the next event of the history."""

    def finish(self) -> Result:
        """Say what was found; called once, after the last event."""


class Findings:
    """Base of the checkers: keeps what they find. Each is constructed with the header of the history."""

    name = ""
    consumes: frozenset[str] | None = None
    #: Observations without which nothing can be said.
    needs: frozenset[str] = frozenset()

    def __init__(self, header: dict[str, Any]) -> None:
        self.header = header
        self.violations: list[Violation] = []
        self.excused: list[Excuse] = []
        self.notes: list[str] = []
        self.counts: dict[str, int] = {}
        self._excuse_counts: dict[str, int] = {}

    def violate(
        self, rule: str, message: str, event: Event, others: Iterable[int] = (), node: int | None = None,
        key: str | None = None,
    ) -> None:
        """Record a violation of `rule` that `event` shows; `others` are the indexes of earlier events that matter."""
        count = self.counts.get(rule, 0)
        self.counts[rule] = count + 1
        if count < KEPT_PER_RULE:
            self.violations.append(Violation(
                rule, message, evidence(event, others), event.time_us,
                event.node if node is None else node, event.key if key is None else key))

    def excuse(self, rule: str, reason: str, message: str, event: Event, others: Iterable[int] = ()) -> None:
        """Record a loss that the contracts excuse."""
        count = self._excuse_counts.get(rule, 0)
        self._excuse_counts[rule] = count + 1
        if count < KEPT_PER_RULE:
            self.excused.append(Excuse(rule, reason, message, evidence(event, others)))

    @property
    def is_applicable(self) -> bool:
        """Whether the header promises the observations that this checker needs (one without a list promises all)."""
        offered = self.header.get("observations")
        return offered is None or self.needs.issubset(offered)

    def finish(self) -> Result:
        """The result: `invalid` if anything was violated, else `valid`, or `not-applicable` without its inputs."""
        if self.counts:
            return self.result(INVALID)
        return self.result(VALID if self.is_applicable else NOT_APPLICABLE)

    def result(self, verdict: str) -> Result:
        """A result with this verdict and everything found so far."""
        return Result(self.name, verdict, self.violations, self.excused, self.notes, self.counts)


def evidence(event: Event, others: Iterable[int]) -> tuple[int, ...]:
    """The indexes of the events that show a finding: the earlier ones in order, then the decisive one."""
    return (*sorted({index for index in others if index != event.index}), event.index)


def seconds(time_us: int) -> str:
    """A virtual time in words: "12.345678 s"."""
    return f"{time_us // 1_000_000}.{time_us % 1_000_000:06d} s"


def merge(verdicts: Iterable[str]) -> str:
    """One verdict of several: invalid over unknown over valid. `not-applicable` stays out; nothing else is unknown."""
    found = set(verdicts)
    for verdict in (INVALID, UNKNOWN, VALID):
        if verdict in found:
            return verdict
    return UNKNOWN
