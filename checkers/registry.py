"""Which checkers judge a history, and how they are run together.

Each checker module has `build(header) -> list[Checker]`. Checkers are fed in the order of the list, so that several of
one module may share what the first of them (a ledger, say) has learnt from the same event.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from fencepost.checkers import (
    authorisation,
    client_metadata,
    client_offsets,
    data_plane,
    epoch_fencing,
    metadata_consistency,
    metadata_reads,
    offset_owners,
    raft_elections,
    raft_log_rules,
    raft_snapshots,
    raft_stability,
    raft_stale_leader,
    recovery,
    single_controller,
    zk_registration,
    zk_write_fencing,
    zookeeper_log,
    zookeeper_sessions,
)
from fencepost.checkers.verdict import UNKNOWN, Checker, Result
from fencepost.histories.event import Event

#: The builders of all checkers, in the order in which their checkers are fed.
BUILDERS: tuple[Callable[[dict[str, Any]], list[Checker]], ...] = (
    raft_elections.build,
    raft_log_rules.build,
    raft_snapshots.build,
    raft_stale_leader.build,
    raft_stability.build,
    single_controller.build,
    zk_write_fencing.build,
    epoch_fencing.build,
    metadata_consistency.build,
    metadata_reads.build,
    authorisation.build,
    data_plane.build,
    client_offsets.build,
    offset_owners.build,
    client_metadata.build,
    recovery.build,
    zk_registration.build,
    zookeeper_log.build,
    zookeeper_sessions.build,
)


def build_checkers(header: dict[str, Any]) -> list[Checker]:
    """New checkers for a history with this header."""
    return [checker for build in BUILDERS for checker in build(header)]


class CheckerSet:
    """Feeds several checkers and collects their results; one that raises ends as `unknown`, the others go on."""

    def __init__(self, checkers: list[Checker]) -> None:
        self.checkers = checkers
        self._failures: dict[int, str] = {}
        self._by_name: dict[str, list[tuple[int, Checker]]] = {}

    def feed(self, event: Event) -> None:
        """Pass the next event to every checker that wants it."""
        wanting = self._by_name.get(event.f)
        if wanting is None:
            wanting = self._by_name[event.f] = self._wanting(event.f)
        for position, checker in wanting:
            try:
                checker.feed(event)
            except Exception as error:  # a broken checker must not hide what the others find
                self._fail(position, f"it failed at event {event.index} ({event.f}): {type(error).__name__}: {error}")

    def violated(self, rules: Collection[str] = ()) -> bool:
        """Whether any checker has found a violation so far (of one of these rules, if any are given)."""
        return any(
            not rules or violation.rule in rules for checker in self.checkers for violation in checker.violations)

    def finish(self) -> list[Result]:
        """The result of each checker, in their order."""
        return [self._finish(position, checker) for position, checker in enumerate(self.checkers)]

    def _finish(self, position: int, checker: Checker) -> Result:
        failure = self._failures.get(position)
        if failure is None:
            try:
                return checker.finish()
            except Exception as error:  # as above
                failure = f"it failed at the end: {type(error).__name__}: {error}"
        return Result(checker.name, UNKNOWN, list(checker.violations), [], [f"checker {checker.name}: {failure}"])

    def _wanting(self, name: str) -> list[tuple[int, Checker]]:
        return [
            (position, checker) for position, checker in enumerate(self.checkers)
            if position not in self._failures and (checker.consumes is None or name in checker.consumes)]

    def _fail(self, position: int, failure: str) -> None:
        self._failures[position] = failure
        for name, wanting in self._by_name.items():
            self._by_name[name] = [entry for entry in wanting if entry[0] != position]


def run_checkers(header: dict[str, Any], events: Iterable[Event]) -> list[Result]:
    """Judge a whole history: the result of every checker."""
    checkers = CheckerSet(build_checkers(header))
    for event in events:
        checkers.feed(event)
    return checkers.finish()
