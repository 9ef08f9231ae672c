"""LeaderStability: nobody raises the quorum's epoch over the heads of voters that are content with their leader.

With PreVote (KIP-996) a voter asks whether it could win before it becomes a candidate in a new epoch. A leader, and a
follower that has fetched from its leader in this epoch, say no. So as long as so many voters have been content since
before it asked that the others are no majority, it cannot become a candidate. Example: voter 3 is cut off for some
seconds, raises its epoch from 4 to 9 meanwhile, and so deposes the healthy leader 1 when the link is back.

A follower is known to have fetched when it appends, or moves its high watermark, as a follower. A voter that has to
take over a higher epoch from somebody's question is no longer content, so that the quorum's own way of dealing with
epochs that ran ahead is not an offence; nor is a candidate that a restart takes back to its epoch. Without PreVote
(`fencepost.raft.prevote`=false, Kafka 3.9) nothing is promised.
"""

from typing import Any

from fencepost.checkers.verdict import NOT_APPLICABLE, Checker, Findings, Result, seconds
from fencepost.histories.event import Event

RULE = "LeaderStability"


class LeaderStability(Findings):
    """Checks the rule; constant time per event, one look at each voter per candidacy."""

    name = "raft-stability"
    needs = frozenset({"raft-state", "raft-append", "raft-high-watermark"})
    consumes = frozenset({"raft-state", "raft-append", "raft-high-watermark", "node-started"})

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self._voters: tuple[int, ...] = tuple(header.get("voters") or header.get("controllers") or ())
        properties = header.get("properties") or {}
        self._promised = str(properties.get("fencepost.raft.prevote", "true")).lower() != "false"
        #: voter -> its state's name, its epoch, and the event that told it
        self._states: dict[int, tuple[str, int, Event]] = {}
        #: voter -> the event since which it is content with the leader of its epoch
        self._content: dict[int, Event] = {}

    def feed(self, event: Event) -> None:
        """Take the next event."""
        node = event.node
        if node is None or node not in self._voters:
            return
        if event.f == "raft-state":
            self._on_state(event, node)
        elif event.f == "node-started":
            self._content.pop(node, None)
        elif node not in self._content and self._states.get(node, ("", 0))[0] == "follower":
            self._content[node] = event

    def _on_state(self, event: Event, node: int) -> None:
        state, epoch = event.value["state"], (event.epochs or {})["leader_epoch"]
        before = self._states.get(node)
        self._states[node] = (state, epoch, event)
        self._content.pop(node, None)
        if state == "leader":
            self._content[node] = event
        elif state == "candidate" and self._promised and before is not None and epoch > before[1]:
            self._check(event, node, epoch, before[2] if before[0] == "prospective" else event)

    def _check(self, event: Event, node: int, epoch: int, asked: Event) -> None:
        content = {voter: since for voter, since in self._content.items() if since.index < asked.index}
        others = len(self._voters) - len(content)
        if others > len(self._voters) // 2:
            return
        self.violate(
            RULE,
            f"At {seconds(event.time_us)} voter {node} became a candidate in epoch {epoch}, although voters "
            f"{', '.join(map(str, sorted(content)))} had been content with their leader since before it could ask "
            f"(at {seconds(asked.time_us)}); without them there is no majority that could have encouraged it. This "
            f"deposes a leader that works.", event, (asked.index, *(since.index for since in content.values())))

    def finish(self) -> Result:
        """What was found; nothing is promised without PreVote."""
        return super().finish() if self._promised else self.result(NOT_APPLICABLE)


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [LeaderStability(header)]
