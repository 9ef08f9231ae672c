"""Histories written by hand, and what the checkers of the control plane say of them."""

from typing import Any

from fencepost.checkers import (
    authorisation,
    epoch_fencing,
    metadata_consistency,
    metadata_reads,
    raft_elections,
    raft_log_rules,
    raft_snapshots,
    raft_stability,
    raft_stale_leader,
    recovery,
    single_controller,
    zk_write_fencing,
)
from fencepost.checkers.registry import CheckerSet
from fencepost.checkers.verdict import Result, Violation
from fencepost.histories.event import Event
from fencepost.histories.recorder import Recorder

FETCH_TIMEOUT_US = 200_000
#: Those that look at replicas of partitions are left out: these histories do not show any.
MODULES = (
    raft_elections, raft_log_rules, raft_snapshots, raft_stale_leader, raft_stability, single_controller,
    zk_write_fencing, epoch_fencing, metadata_consistency, metadata_reads, authorisation, recovery,
)


class WrittenHistory:
    """Events in order; each is 1 ms after the one before unless `at_us` says when. `voters` are 1..n."""

    def __init__(self, voters: int = 3, **header: Any) -> None:
        self.recorder = Recorder()
        self.now_us = 0
        ids = list(range(1, voters + 1))
        self.header = {
            "mode": "kraft", "controllers": ids, "voters": ids, "brokers": [11, 12, 13],
            "timing": {"controller_quorum_fetch_timeout_us": FETCH_TIMEOUT_US}, "excuses": True, **header,
        }

    def observe(
        self, f: str, node: int, value: Any = None, key: str | None = None, error: str | None = None,
        at_us: int | None = None, **epochs: int,
    ) -> Event:
        """Add an observation."""
        self.recorder.observe(self._tick(at_us), f, node, key, value, error, epochs or None)
        return self.recorder.events[-1]

    def fault(self, f: str, value: Any, at_us: int | None = None, node: int | None = None) -> Event:
        """Add what the nemesis did."""
        self.recorder.fault(self._tick(at_us), f, node, value)
        return self.recorder.events[-1]

    def client(
        self, type_: str, f: str, key: str | None, value: Any, process: int = 0, error: str | None = None,
        at_us: int | None = None,
    ) -> Event:
        """Add a client's invocation or completion."""
        self.recorder.client(self._tick(at_us), type_, f, process, key, value, error)
        return self.recorder.events[-1]

    def _tick(self, at_us: int | None) -> int:
        self.now_us = self.now_us + 1_000 if at_us is None else at_us
        return self.now_us

    # --- the quorum -------------------------------------------------------------------------------------------------

    def state(self, node: int, state: str, epoch: int, leader: int | None = None, at_us: int | None = None) -> Event:
        """A voter enters a state; a leader names itself."""
        value = {"state": state, "leader": node if state == "leader" else leader, "voted": None, "voter": True}
        return self.observe("raft-state", node, value, at_us=at_us, leader_epoch=epoch)

    def vote(self, node: int, candidate: int, epoch: int) -> Event:
        """A voter grants a candidate its vote."""
        return self.observe("raft-vote-granted", node, {"candidate": candidate}, leader_epoch=epoch)

    def append(self, node: int, epoch: int, *batches: tuple[int, int, str]) -> Event:
        """A voter in `epoch` writes batches of one record each, (offset, epoch, digest)."""
        entries = [[offset, batch_epoch, digest, 1] for offset, batch_epoch, digest in batches]
        value = {"base_offset": entries[0][0], "end_offset": entries[-1][0] + 1, "entries": entries}
        return self.observe("raft-append", node, value, leader_epoch=epoch)

    def high_watermark(self, node: int, end: int, epoch: int, state: str, synced: int | None = None) -> Event:
        """A voter's high watermark changes; it has synced everything unless `synced` says how far."""
        value = {"high_watermark": end, "state": state, "synced_end_offset": 1_000 if synced is None else synced}
        return self.observe("raft-high-watermark", node, value, leader_epoch=epoch)

    def lose_power(self, node: int, file: str, **lost: Any) -> None:
        """A host loses power and what was not synced of a file, and starts again."""
        self.observe("node-stopped", node, {"how": "power-loss"})
        self.observe("disk-lost", node, lost, key=file)
        self.start(node)

    def start(self, node: int) -> None:
        """A process starts."""
        self.observe("node-started", node, incarnation=1)

    # --- the controllers ----------------------------------------------------------------------------------------------

    def applied(
        self, node: int, end: int, digest: str, *records: tuple[int, str, dict[str, Any]], role: str = "controller",
        epoch: int = 1,
    ) -> Event:
        """A node applied committed metadata."""
        value: dict[str, Any] = {"end_offset": end, "digest": digest, "role": role}
        if role == "controller":
            value["records"] = [list(record) for record in records]
        return self.observe("metadata-applied", node, value, leader_epoch=epoch)

    def commit(self, end: int) -> None:
        """Voters 1 and 2 hold one batch up to `end`, and 1 commits it (for tests that do not look at the logs)."""
        for voter in (1, 2):
            value = {"base_offset": 0, "end_offset": end, "entries": [[0, 1, "all", end]]}
            self.observe("raft-append", voter, value, leader_epoch=1)
        self.high_watermark(1, end, 1, "leader")

    # --- judging ------------------------------------------------------------------------------------------------------

    def results(self) -> list[Result]:
        """What each checker says."""
        checkers = CheckerSet([checker for module in MODULES for checker in module.build(self.header)])
        for event in self.recorder.events:
            checkers.feed(event)
        results = checkers.finish()
        failed = [note for result in results for note in result.notes if result.verdict == "unknown"]
        assert not failed, failed
        return results

    def violations(self, rule: str | None = None) -> list[Violation]:
        """The violations, of one rule or of all."""
        found = [violation for result in self.results() for violation in result.violations]
        return [violation for violation in found if rule is None or violation.rule == rule]

    def rules(self) -> list[str]:
        """The names of the violated rules, sorted."""
        return sorted({violation.rule for violation in self.violations()})

    def excuses(self) -> list[str]:
        """The reasons of what was excused, sorted."""
        return sorted({excuse.reason for result in self.results() for excuse in result.excused})
