"""Rules about the elections of the metadata quorum.

*ElectionSafety.* At most one voter becomes leader of an epoch. Example: voters 1 and 3 both become leader of epoch 5.

*SingleLeader.* Whoever names a leader of an epoch names the same one. Example: observer 11 follows 1 in epoch 5 while
voter 2 follows 3 in epoch 5.

*VoteOncePerEpoch.* A voter votes for at most one candidate in an epoch, restarts and power cuts included. Example:
voter 2 grants candidate 1 its vote of epoch 5, loses power before the vote is durable, and grants candidate 3 its vote
of epoch 5 (VOTE-NOT-FSYNCED); or a former leader of epoch 5, which voted for itself, votes in it again (KAFKA-10661).

*MonotonicEpoch.* A replica's epoch never falls, restarts included. Example: voter 2 is in epoch 5, loses power and is
back in epoch 4.

*NoIllegalState.* No replica meets what cannot be, such as a leader's request to cut its log below what is committed;
nor does a controller, such as a committed record that does not fit the metadata before it.

Excused is only what a wiped disk (`disk-lost` with `wiped`) makes a voter forget: its own epoch and vote; a second
leader only if fewer than n - majority + 1 voters still remember their vote for the first.
"""

from typing import Any

from fencepost.checkers.quorum_log import METADATA_LOG, QUORUM_STATE
from fencepost.checkers.verdict import Checker, Findings, seconds
from fencepost.histories.event import Event

ELECTION_SAFETY = "ElectionSafety"
SINGLE_LEADER = "SingleLeader"
VOTE_ONCE = "VoteOncePerEpoch"
MONOTONIC_EPOCH = "MonotonicEpoch"
NO_ILLEGAL_STATE = "NoIllegalState"

WIPED = "wiped-disk"

_WHO = {"raft-fatal": "Raft replica", "controller-fatal": "controller"}


class RaftElections(Findings):
    """Checks the rules above in constant time per event."""

    name = "raft-elections"
    needs = frozenset({"raft-state"})
    consumes = frozenset({"raft-state", "raft-vote-granted", "raft-fatal", "controller-fatal", "disk-lost"})

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self._voters: tuple[int, ...] = tuple(header.get("voters") or header.get("controllers") or ())
        #: epoch -> (leader, event) of the first that entered the state, and of the first that was named
        self._leaders: dict[int, tuple[int, int]] = {}
        self._named: dict[int, tuple[int, int]] = {}
        #: (voter, epoch) -> (candidate, event)
        self._votes: dict[tuple[int, int], tuple[int, int]] = {}
        #: node -> (epoch, event)
        self._epochs: dict[int, tuple[int, int]] = {}
        #: node -> (the highest epoch whose vote it was made to forget, event)
        self._wiped: dict[int, tuple[int, int]] = {}

    def feed(self, event: Event) -> None:
        """Take the next event."""
        if event.node is None:
            return
        if event.f == "raft-state":
            self._on_state(event, event.node)
        elif event.f == "raft-vote-granted":
            self._on_vote(event, event.node)
        elif event.f in ("raft-fatal", "controller-fatal"):
            self._on_fatal(event, event.node)
        elif event.key in (QUORUM_STATE, METADATA_LOG) and event.value.get("wiped"):
            self._on_wiped(event, event.node)

    # --- epochs and leaders -----------------------------------------------------------------------------------------

    def _on_state(self, event: Event, node: int) -> None:
        epoch = (event.epochs or {})["leader_epoch"]
        known = self._epochs.get(node)
        if known is not None and epoch < known[0]:
            self.violate(
                MONOTONIC_EPOCH,
                f"At {seconds(event.time_us)} node {node} entered state {event.value['state']} in epoch {epoch}, after "
                f"it had been in epoch {known[0]} (event {known[1]}). An epoch is durable before it is acted on.",
                event, (known[1],))
        self._epochs[node] = (epoch, event.index)
        if event.value["state"] == "leader":
            self._on_leader(event, node, epoch)
        leader = event.value.get("leader")
        if leader is not None:
            self._on_named(event, node, leader, epoch)

    def _on_leader(self, event: Event, node: int, epoch: int) -> None:
        first = self._leaders.setdefault(epoch, (node, event.index))
        if first[0] == node:
            return
        message = (
            f"At {seconds(event.time_us)} voter {node} became leader of epoch {epoch}, which voter {first[0]} leads "
            f"already (event {first[1]}). An epoch has at most one leader.")
        self._judge_second_leader(ELECTION_SAFETY, message, event, epoch, first)

    def _on_named(self, event: Event, node: int, leader: int, epoch: int) -> None:
        first = self._named.setdefault(epoch, (leader, event.index))
        if first[0] == leader:
            return
        message = (
            f"At {seconds(event.time_us)} node {node} takes {leader} for the leader of epoch {epoch}, which was known "
            f"to be {first[0]} (event {first[1]}). All must agree on an epoch's leader.")
        self._judge_second_leader(SINGLE_LEADER, message, event, epoch, first)

    def _judge_second_leader(self, rule: str, message: str, event: Event, epoch: int, first: tuple[int, int]) -> None:
        leader, index = first
        votes = [voter for voter in self._voters if self._votes.get((voter, epoch), (None, 0))[0] == leader]
        forgot = [voter for voter in votes if self._has_forgotten(voter, epoch)]
        majority = len(self._voters) // 2 + 1
        if forgot and len(votes) - len(forgot) < len(self._voters) - majority + 1:
            wipes = [self._wiped[voter][1] for voter in forgot]
            self.excuse(
                rule, WIPED, f"{message} Excused: the disks of {forgot}, which had voted for {leader}, were wiped, and "
                f"too few voters still knew of their vote.", event, (index, *wipes))
        else:
            granted = [self._votes[(voter, epoch)][1] for voter in self._voters if (voter, epoch) in self._votes]
            self.violate(rule, message, event, (index, *granted))

    # --- votes ------------------------------------------------------------------------------------------------------

    def _on_vote(self, event: Event, node: int) -> None:
        epoch = (event.epochs or {})["leader_epoch"]
        candidate = event.value["candidate"]
        first = self._votes.setdefault((node, epoch), (candidate, event.index))
        if first[0] == candidate:
            return
        message = (
            f"At {seconds(event.time_us)} voter {node} granted candidate {candidate} its vote of epoch {epoch}, which "
            f"it had given to candidate {first[0]} (event {first[1]}). A vote is durable before it is given, and given "
            f"once an epoch.")
        if self._has_forgotten(node, epoch):
            self.excuse(VOTE_ONCE, WIPED, f"{message} Excused: its disk was wiped in between.", event,
                        (first[1], self._wiped[node][1]))
        else:
            self.violate(VOTE_ONCE, message, event, (first[1],))

    def _has_forgotten(self, voter: int, epoch: int) -> bool:
        return voter in self._wiped and epoch <= self._wiped[voter][0]

    def _on_wiped(self, event: Event, node: int) -> None:
        epoch, _ = self._epochs.pop(node, (-1, 0))
        self._wiped[node] = (max(epoch, self._wiped.get(node, (-1, 0))[0]), event.index)

    # --- what cannot be ---------------------------------------------------------------------------------------------

    def _on_fatal(self, event: Event, node: int) -> None:
        message = (
            f"At {seconds(event.time_us)} the {_WHO[event.f]} of node {node} stopped its process: "
            f"{event.value['reason']}. A correct quorum never gets there.")
        if self._wiped:
            self.excuse(NO_ILLEGAL_STATE, WIPED, f"{message} Excused: a disk of the quorum was wiped before.", event,
                        [index for _, index in self._wiped.values()])
        else:
            self.violate(NO_ILLEGAL_STATE, message, event)


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [RaftElections(header)]
