"""SingleControllerPerEpoch: for each controller epoch at most one node acts as the controller.

In KRaft mode the controller epoch is the epoch of the metadata quorum, in ZooKeeper mode what /controller_epoch holds.
Acting is: claiming the epoch, writing metadata under it, and (with ZooKeeper) sending requests to brokers under it. Who
claims an epoch has won it, in this very process: a replica that led an epoch before a restart has lost what it knew and
must not act in it again (KAFKA-15345, KAFKA-17333). And who claims has first replayed everything up to the beginning of
its epoch: *ControllerStateIsPrefix*, for what it decides follows from its state.

Example: node 101 writes a TopicRecord under epoch 4; node 102, claimed under epoch 4, writes one as well.
"""

from typing import Any

from fencepost.checkers.verdict import Checker, Findings, seconds
from fencepost.histories.event import Event

RULE = "SingleControllerPerEpoch"
PREFIX = "ControllerStateIsPrefix"

_DEEDS = {
    "controller-claimed": "claimed", "metadata-write": "wrote metadata under",
    "control-request": "sent a request to a broker under",
}


class SingleController(Findings):
    """Checks the rule in constant time per event."""

    name = "single-controller"
    needs = frozenset({"controller-claimed"})
    consumes = frozenset({
        "controller-claimed", "metadata-write", "control-request", "raft-state", "node-started"})

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        offered = header.get("observations")
        self._sees_elections = header.get("mode") != "zk" and (offered is None or "raft-state" in offered)
        #: controller epoch -> (node, event) of the first that acted under it
        self._actors: dict[int, tuple[int, int]] = {}
        #: node -> the epochs that it won in this incarnation (a claim may be late), and the events
        self._won: dict[int, dict[int, int]] = {}

    def feed(self, event: Event) -> None:
        """Take the next event."""
        node = event.node
        if node is None:
            return
        epochs = event.epochs or {}
        if event.f == "node-started":
            self._won.pop(node, None)
        elif event.f == "raft-state":
            if event.value["state"] == "leader":
                self._won.setdefault(node, {})[epochs["leader_epoch"]] = event.index
        else:
            epoch = epochs["controller_epoch"]
            self._act(event, node, epoch)
            if event.f == "controller-claimed":
                self._check_claim(event, node, epoch)

    def _act(self, event: Event, node: int, epoch: int) -> None:
        first, index = self._actors.setdefault(epoch, (node, event.index))
        if first != node:
            did = _DEEDS[event.f]
            self.violate(
                RULE,
                f"At {seconds(event.time_us)} node {node} {did} controller epoch {epoch}, under which node {first} had "
                f"acted (event {index}). An epoch has one controller.", event, (index,))

    def _check_claim(self, event: Event, node: int, epoch: int) -> None:
        won = self._won.get(node, {})
        index = won.get(epoch, event.index)
        if self._sees_elections and epoch not in won:
            last = f"last won epoch {max(won)} (event {won[max(won)]})" if won else "has won none"
            self.violate(
                RULE,
                f"At {seconds(event.time_us)} the controller of node {node} became active in epoch {epoch}, but its "
                f"replica {last} since the process started. Only the leader of the quorum's epoch may act.",
                event, (index,))
        next_offset, epoch_start = event.value["next_offset"], event.value["epoch_start_offset"]
        if next_offset <= epoch_start:
            self.violate(
                PREFIX,
                f"At {seconds(event.time_us)} the controller of node {node} became active in epoch {epoch} with its "
                f"state at offset {next_offset}, although its epoch begins at offset {epoch_start}. It decides from a "
                f"state that lacks what was committed before.", event, (index,))


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [SingleController(header)]
