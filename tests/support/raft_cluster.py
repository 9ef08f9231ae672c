"""A cluster of nodes that hold nothing but a Raft replica, and what must hold of its history whatever happens."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from fencepost.histories.event import Event
from fencepost.histories.recorder import Recorder
from fencepost.model.composition import Composer
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.simulation import Physics, Simulation
from fencepost.model.protocol.raft import Batch, LeaderChange, SnapshotId
from fencepost.model.raft.replica import NotLeaderError, RaftReplica

MS = 1_000
SECOND = 1_000_000

Patches = Sequence[type]


def campaign_config(**changes: Any) -> KafkaConfig:
    """The campaign profile's configuration, with changes."""
    campaign = KafkaConfig(**{each.name: each.metadata["campaign"] for each in fields(KafkaConfig)})
    return replace(campaign, **changes)


class StateMachine:
    """A listener that keeps the committed values by offset and takes a snapshot every `snapshot_every` records."""

    def __init__(self, raft: RaftReplica, snapshot_every: int) -> None:
        self.raft = raft
        self.snapshot_every = snapshot_every
        self.values: dict[int, Any] = {}
        self.next_offset = 0
        self.snapshot_end = 0
        self.loaded: list[SnapshotId] = []
        self.leader_changes: list[tuple[int | None, int]] = []
        self.log: list[str] = []

    def handle_commit(self, batches: tuple[Batch, ...]) -> None:
        for batch in batches:
            assert batch.base_offset == self.next_offset
            for record in batch.records:
                if not isinstance(record, LeaderChange):
                    self.values[self.next_offset] = record
                self.next_offset += 1
        self.log.append(f"commit {self.next_offset}")
        if self.snapshot_every and self.next_offset - self.snapshot_end >= self.snapshot_every:
            self.snapshot_end = self.next_offset
            self.raft.freeze_snapshot(
                SnapshotId(self.next_offset, batches[-1].epoch), tuple(self.values.items()), f"{hash_of(self.values)}"
            )

    def handle_load_snapshot(self, snapshot_id: SnapshotId, entries: tuple[Any, ...]) -> None:
        self.values = dict(entries)
        self.next_offset = self.snapshot_end = snapshot_id.end_offset
        self.loaded.append(snapshot_id)
        self.log.append(f"snapshot {self.next_offset}")

    def handle_leader_change(self, leader_id: int | None, epoch: int) -> None:
        self.leader_changes.append((leader_id, epoch))
        self.log.append(f"leader {leader_id} {epoch}")


def hash_of(values: dict[int, Any]) -> int:
    """Equal for equal values."""
    return sum((offset + 1) * len(str(value)) for offset, value in values.items())


class RaftNode(Node):
    """A process that is a Raft replica and its state machine."""

    raft: RaftReplica
    machine: StateMachine

    def __init__(self, node_id: int, cluster: "RaftCluster") -> None:
        super().__init__(node_id, f"raft {node_id}", cluster.simulation, cluster.network)
        self.cluster = cluster

    def on_start(self) -> None:
        cluster = self.cluster
        self.raft = cluster.composer(RaftReplica)(self, cluster.config, cluster.voters)
        self.machine = StateMachine(self.raft, cluster.snapshot_every)
        self.raft.register(self.machine)
        self.raft.start()


class Probe(Node):
    """A node without a replica, from which tests send requests."""

    def on_start(self) -> None:
        pass


class RaftCluster:
    """Voters 1..n and observers n+1..., driven by the test."""

    def __init__(
        self, voters: int = 3, observers: int = 0, seed: int = 1, patches: Patches = (), snapshot_every: int = 0,
        started: bool = True, **changes: Any,
    ) -> None:
        self.recorder = Recorder()
        self.simulation = Simulation(seed, Physics(), self.recorder)
        self.network = Network(self.simulation)
        self.composer = Composer(patches)
        self.config = campaign_config(**changes)
        self.snapshot_every = snapshot_every
        self.voters = tuple(range(1, voters + 1))
        self.nodes = {node_id: RaftNode(node_id, self) for node_id in range(1, voters + observers + 1)}
        self.probe = Probe(1000, "probe", self.simulation, self.network)
        self.probe.start()
        if started:
            for node in self.nodes.values():
                node.start()

    @property
    def now_us(self) -> int:
        return self.simulation.scheduler.now_us

    def run(self, duration_us: int) -> None:
        self.simulation.scheduler.run_until(self.now_us + duration_us)

    def run_until(self, condition: Any, limit_us: int = 5 * SECOND, step_us: int = 200) -> None:
        """Run in small steps until `condition()` holds; fails after `limit_us`."""
        end_us = self.now_us + limit_us
        while not condition():
            assert self.now_us < end_us, "the condition did not come about"
            self.run(step_us)

    def leaders(self) -> list[RaftNode]:
        """The running leaders, the newest epoch's first."""
        leading = [node for node in self.nodes.values() if node.running and node.raft.is_leader]
        return sorted(leading, key=lambda node: -node.raft.epoch)

    def elect(self, other_than: RaftNode | None = None) -> RaftNode:
        """Run until a leader (other than the given one) has committed its first record; the leader."""
        found: list[RaftNode] = []
        self.run_until(lambda: found.extend(
            node for node in self.leaders() if node is not other_than and self.is_active(node)
        ) or found)
        return found[0]

    def is_active(self, node: RaftNode) -> bool:
        return node.raft.is_leader and (node.node_id, node.raft.epoch) in node.machine.leader_changes

    def append(self, node: RaftNode, value: Any) -> int | None:
        """Append a value at a node; None when it does not lead."""
        try:
            return node.raft.append(node.raft.epoch, (value,))
        except NotLeaderError:
            return None

    def commit(self, node: RaftNode, value: Any) -> int:
        """Append and run until it is committed at the leader; its offset."""
        offset = self.append(node, value)
        assert offset is not None
        self.run_until(lambda: offset in node.machine.values)
        return offset

    def expire(self, node: RaftNode) -> None:
        """The time-out of the node's state runs out now."""
        node.raft._timer.reset(0)

    def cut_both(self, one: int, other: int) -> None:
        self.network.links.cut(one, other)
        self.network.links.cut(other, one)

    def uncut_both(self, one: int, other: int) -> None:
        self.network.links.uncut(one, other)
        self.network.links.uncut(other, one)

    def isolate(self, node_id: int) -> None:
        for other in self.nodes:
            if other != node_id:
                self.cut_both(node_id, other)

    def request(self, destination: int, request: Any) -> Any:
        """Send a request from outside and run until it is answered; the response, or None on a disconnect."""
        answers: list[Any] = []
        self.probe.request(destination, "raft", request, SECOND, answers.append)
        self.run_until(lambda: answers)
        return answers[0]

    def strike_at(self, point: str, node_id: int | None, fault: Any, *args: Any) -> None:
        """Call `fault(*args)` right after the next passage of `point` (at a node)."""

        def points(name: str, at_node: int) -> None:
            if name == point and node_id in (None, at_node):
                self.simulation.points = None
                self.simulation.scheduler.schedule(0, fault, *args)

        self.simulation.points = points

    def events(self, f: str) -> list[Event]:
        return [event for event in self.recorder.events if event.f == f]


# --- what must hold ---------------------------------------------------------------------------------------------------


def violations(cluster: RaftCluster) -> list[str]:
    """Every broken rule of the quorum, by its name, in words."""
    return [
        *_two_leaders(cluster), *_double_votes(cluster), *_epochs_that_fall(cluster), *_unlike_records(cluster),
        *_unlike_commits(cluster), *_watermarks_that_fall(cluster), *_incomplete_leaders(cluster),
    ]


def rules_broken(cluster: RaftCluster) -> list[str]:
    """The names of the broken rules."""
    return sorted({violation.split(":")[0] for violation in violations(cluster)})


def _two_leaders(cluster: RaftCluster) -> list[str]:
    leaders: dict[int, int] = {}
    found = []
    for event in cluster.events("raft-state"):
        if event.value["state"] == "leader":
            first = leaders.setdefault(event.epochs["leader_epoch"], event.node)
            if first != event.node:
                found.append(f"ElectionSafety: {first} and {event.node} lead epoch {event.epochs['leader_epoch']}")
    return found


def _double_votes(cluster: RaftCluster) -> list[str]:
    votes: dict[tuple[int, int], int] = {}
    found = []
    for event in cluster.events("raft-vote-granted"):
        voter = (event.node, event.epochs["leader_epoch"])
        if votes.setdefault(voter, event.value["candidate"]) != event.value["candidate"]:
            found.append(f"VoteOncePerEpoch: {voter} votes for {votes[voter]} and {event.value['candidate']}")
    return found


def _epochs_that_fall(cluster: RaftCluster) -> list[str]:
    epochs: dict[int, int] = {}
    found = []
    for event in cluster.events("raft-state"):
        epoch = event.epochs["leader_epoch"]
        if epoch < epochs.get(event.node, 0):
            found.append(f"MonotonicEpoch: node {event.node} falls from {epochs[event.node]} to {epoch}")
        epochs[event.node] = epoch
    return found


def _unlike_records(cluster: RaftCluster) -> list[str]:
    """One batch for each (offset, epoch), ever."""
    batches: dict[tuple[int, int], tuple[str, int]] = {}
    found = []
    for event in cluster.events("raft-append"):
        for offset, epoch, digest, records in event.value["entries"]:
            if batches.setdefault((offset, epoch), (digest, records)) != (digest, records):
                found.append(f"LogMatching: two batches at {offset} of epoch {epoch}")
    return found


def _logs(cluster: RaftCluster) -> Any:
    """Replays the history: yields (event, logs so far, committed so far), logs being node -> {offset: digest}."""
    logs: dict[int, dict[int, str]] = {node_id: {} for node_id in cluster.voters}
    committed: dict[int, str] = {}
    for event in cluster.recorder.events:
        log = logs.get(event.node) if event.node is not None else None
        if log is None:
            continue
        if event.f == "raft-append":
            for offset, _, digest, records in event.value["entries"]:
                log.update((offset + index, f"{digest}/{index}") for index in range(records))
        elif event.f == "raft-truncate":
            _cut(log, event.value["end_offset"])
        elif event.f == "raft-log-start":
            start = event.value["log_start_offset"]
            for offset in [offset for offset in log if offset < start]:
                del log[offset]
            log.update((offset, committed[offset]) for offset in committed if offset < start)  # a snapshot has them
        elif event.f == "disk-lost" and event.key == "__cluster_metadata-0":
            _cut(log, event.value["from_offset"])
        elif event.f in ("raft-high-watermark", "raft-state"):
            yield event, log, committed


def _cut(log: dict[int, str], end_offset: int) -> None:
    for offset in [offset for offset in log if offset >= end_offset]:
        del log[offset]


def _unlike_commits(cluster: RaftCluster) -> list[str]:
    found = []
    for event, log, committed in _logs(cluster):
        if event.f != "raft-high-watermark":
            continue
        for offset in [offset for offset in log if offset < event.value["high_watermark"]]:
            if committed.setdefault(offset, log[offset]) != log[offset]:
                found.append(f"ConsistentCommittedData: offset {offset} differs at node {event.node}")
    return found


def _incomplete_leaders(cluster: RaftCluster) -> list[str]:
    """A new leader of the highest epoch holds everything committed (in its log, or below its snapshot)."""
    found = []
    highest = 0
    for event, log, committed in _logs(cluster):
        if event.f == "raft-high-watermark":
            committed.update((offset, log[offset]) for offset in log if offset < event.value["high_watermark"])
        elif event.value["state"] == "leader" and event.epochs["leader_epoch"] > highest:
            highest = event.epochs["leader_epoch"]
            lacking = [offset for offset in committed if log.get(offset) != committed[offset]]
            if lacking:
                found.append(f"LeaderCompleteness: leader {event.node} of epoch {highest} lacks {lacking}")
    return found


def _watermarks_that_fall(cluster: RaftCluster) -> list[str]:
    """Along increasing leader epochs, the leaders' high watermarks never fall."""
    highest = (0, 0)
    found = []
    for event in cluster.events("raft-high-watermark"):
        epoch, high_watermark = event.epochs["leader_epoch"], event.value["high_watermark"]
        if event.value["state"] != "leader" or epoch < highest[0]:
            continue
        if high_watermark < highest[1]:
            found.append(f"MonotonicHighWatermark: {highest[1]} falls to {high_watermark} in epoch {epoch}")
        highest = (epoch, max(high_watermark, highest[1]))
    return found
