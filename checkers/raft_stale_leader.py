"""StaleLeaderBoundedTime: a leader that no majority fetches from gives up, also while faults go on.

A running, unpaused leader that for 1.5 fetch time-outs has not heard from enough voters to make a majority with itself
resigns (CheckQuorum). With four voters or more it may take 3, for the check counts in windows that begin anew whenever
enough voters have fetched. Example: a firewall drops everything towards leader 1, whose own requests still arrive; 2 s
later it leads on, and brokers that reach it take it for a live controller (KAFKA-15489).

Fetches are seen through `raft-fetch`, which says of each voter at most one each half fetch time-out; so half a fetch
time-out is added, and a quarter for the time that messages, timers and fsyncs take. A pause, and a fault that stalls
the disk, begin the time anew when they end. A node whose wall clock is moved is exempt for the rest of its process, for
Raft's timers run on that clock, and so is one whose clock is yet to be put right. A sole voter has nobody to hear from.
"""

from typing import Any

from fencepost.checkers.verdict import NOT_APPLICABLE, Checker, Findings, Result, seconds
from fencepost.histories.event import FAULT, Event

RULE = "StaleLeaderBoundedTime"

#: Faults that hold up a node's fsyncs, on which its Raft thread waits, and faults that move its wall clock.
DISK_FAULTS = frozenset({"stalled-disk", "slow-fsync"})
CLOCK_FAULTS = frozenset({"clock-skew", "clock-jump", "clock-drift"})
#: The fetch time-out where the header does not say: Kafka's default.
DEFAULT_FETCH_TIMEOUT_US = 2_000_000
FOREVER_US = 1 << 62


class Leadership:
    """A leader that runs. contacts: voter -> when it was last heard of; `since_us`: when the time began anew."""

    __slots__ = ("contacts", "epoch", "event", "exempt_until_us", "last_event", "reported", "since_us")

    def __init__(self, epoch: int, event: Event) -> None:
        self.epoch = epoch
        self.event = event.index
        self.last_event = event.index
        self.since_us = event.time_us
        self.contacts: dict[int, int] = {}
        self.exempt_until_us = 0
        self.reported = False


class StaleLeader(Findings):
    """Checks the rule in constant time per event."""

    name = "raft-stale-leader"
    needs = frozenset({"raft-state", "raft-fetch"})
    consumes = frozenset({
        "raft-state", "raft-fetch", "node-started", "node-stopped", "node-paused", "node-resumed", "heal", "quiet-end",
        *DISK_FAULTS, *CLOCK_FAULTS,
    })

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        voters = tuple(header.get("voters") or header.get("controllers") or ())
        timing = header.get("timing") or {}
        fetch_timeout_us = timing.get("controller_quorum_fetch_timeout_us", DEFAULT_FETCH_TIMEOUT_US)
        self._voters = len(voters)
        #: How many other voters make a majority with the leader.
        self._wanted = self._voters // 2
        self._promised_us = fetch_timeout_us * (3 if self._voters <= 3 else 6) // 2
        self._limit_us = self._promised_us + fetch_timeout_us * 3 // 4
        self._leaders: dict[int, Leadership] = {}
        #: Node -> until when its clock moves; processes that have run meanwhile are exempt to their end.
        self._clock_moved: dict[int, int] = {}
        self._stalled_until_us: dict[int, int] = {}
        self._last: Event | None = None

    def feed(self, event: Event) -> None:
        """Take the next event."""
        self._last = event
        if event.type == FAULT:
            self._on_fault(event)
            return
        node = event.node
        if node is None:
            return
        leader = self._leaders.get(node)
        if leader is not None:
            self._judge(event, node, leader)
        if event.f == "raft-state":
            self._on_state(event, node)
        elif event.f == "raft-fetch":
            if leader is not None and leader.epoch == (event.epochs or {}).get("leader_epoch"):
                leader.contacts[event.value["replica"]] = event.time_us
                leader.last_event = event.index
        elif event.f == "node-resumed" or event.f == "node-paused":
            if leader is not None:
                # While it is paused it owes nothing, and afterwards its time-out counts from the resumption.
                leader.since_us = event.time_us
                leader.contacts.clear()
                stalled_until_us = self._stalled_until_us.get(node, 0)
                leader.exempt_until_us = stalled_until_us if event.f == "node-resumed" else FOREVER_US
        else:
            self._leaders.pop(node, None)
            if self._clock_moved.get(node, 0) <= event.time_us:
                self._clock_moved.pop(node, None)

    def _on_state(self, event: Event, node: int) -> None:
        epoch = (event.epochs or {})["leader_epoch"]
        if event.value["state"] != "leader" or self._voters <= 1 or node in self._clock_moved:
            self._leaders.pop(node, None)
            return
        self._leaders[node] = leader = Leadership(epoch, event)
        leader.exempt_until_us = self._stalled_until_us.get(node, 0)

    def _on_fault(self, event: Event) -> None:
        if event.f == "heal":
            self._end_stalls(event.time_us)
        if event.error is not None or event.f not in DISK_FAULTS | CLOCK_FAULTS:
            return
        value = event.value or {}
        nodes = value.get("nodes") or ([] if event.node is None else [event.node])
        for node in nodes:
            leader = self._leaders.get(node)
            if leader is not None:
                self._judge(event, node, leader)
            if event.f in CLOCK_FAULTS:
                until_us = event.time_us + value.get("duration_us", 0)
                self._clock_moved[node] = max(until_us, self._clock_moved.get(node, 0))
                self._leaders.pop(node, None)
                continue
            # The last fsync may begin just before the end.
            until_us = event.time_us + value.get("duration_us", 0) + value.get("delay_us", 0)
            self._stalled_until_us[node] = max(until_us, self._stalled_until_us.get(node, 0))
            if leader is not None:
                leader.exempt_until_us = max(leader.exempt_until_us, until_us)

    def _end_stalls(self, now_us: int) -> None:
        """Disks are as they were; what was held up is done."""
        for node, until_us in self._stalled_until_us.items():
            self._stalled_until_us[node] = min(until_us, now_us)
        for leader in self._leaders.values():
            if leader.exempt_until_us < FOREVER_US:
                leader.exempt_until_us = min(leader.exempt_until_us, now_us)

    def _judge(self, event: Event, node: int, leader: Leadership) -> None:
        """Whether the leader was still in time when this event happened."""
        contact_us = leader.since_us
        if len(leader.contacts) >= self._wanted:
            newest = sorted(leader.contacts.values(), reverse=True)
            contact_us = max(contact_us, newest[self._wanted - 1])
        contact_us = max(contact_us, leader.exempt_until_us)
        if leader.reported or event.time_us - contact_us <= self._limit_us:
            return
        leader.reported = True
        self.violate(
            RULE,
            f"Node {node} has led epoch {leader.epoch} of the metadata quorum without a majority since "
            f"{seconds(contact_us)}: until {seconds(event.time_us)} fewer than {self._wanted} of the other "
            f"{self._voters - 1} voters have fetched from it, while it ran and was not paused. It must resign within "
            f"{seconds(self._promised_us)}, and had {seconds(self._limit_us)}.",
            event, (leader.event, leader.last_event), node=node)

    def finish(self) -> Result:
        """Judge those that lead to the end."""
        if self._voters <= 1 and not self.counts:
            return self.result(NOT_APPLICABLE)
        if self._last is not None:
            for node, leader in self._leaders.items():
                self._judge(self._last, node, leader)
        return super().finish()


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [StaleLeader(header)]
