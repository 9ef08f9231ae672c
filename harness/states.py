"""Which states of the protocol a run reached, as seen in its history: what a guided search looks for.

A state is a short text. It says nothing of ids, times or offsets, so that two runs which did the same to different
nodes have reached the same:

- `produce fail NOT_LEADER_OR_FOLLOWER`: what clients were answered, and which of the cluster's own requests were
  refused;
- `raft-state follower > candidate`: one state after another of a node; and after what on its partition, group or node
  an observation came, by the same node or another;
- `alter-partition behind in leader_epoch`: an epoch that is lower than one that was already seen of the same thing;
- `raft-state candidate 1 leader 2`: how many nodes believe to be what, while more than one or none believes to lead;
- `isr 1 without who tells of it`: what is left of an ISR;
- `pause at raft-vote-granted`: what a node had done last when a fault struck it;
- `isr-changed 2^5`: about how often something happened.
"""

from collections.abc import Iterable
from typing import Any

from fencepost.histories.event import FAULT, INVOKE, OBSERVE, Event

#: What happens all the time and says little by itself.
_COMMON = ("raft-high-watermark", "raft-append", "raft-fetch", "metadata-applied", "log-append", "high-watermark",
           "authorised", "produce-answered", "metadata-write")
_ROLES = ("leader", "candidate", "prospective")


class States:
    """Fed a history's events, knows the states reached, in the order in which they were first met."""

    def __init__(self) -> None:
        self.reached: dict[str, None] = {}
        self._counts: dict[str, int] = {}
        self._last_of_key: dict[str, tuple[str, int | None]] = {}
        self._last_of_node: dict[int, str] = {}
        self._state_of_node: dict[tuple[str, int], str] = {}
        self._highest_epoch: dict[str, int] = {}

    def feed(self, event: Event) -> None:
        """The next event."""
        if event.type == OBSERVE:
            self._observed(event)
        elif event.type == FAULT:
            if event.error is None and event.node is not None:
                self._reach(f"{event.f} at {self._last_of_node.get(event.node, 'the beginning')}")
        elif event.type != INVOKE:
            self._reach(f"{event.f} {event.type} {event.error or ''}".rstrip())

    def finish(self) -> tuple[str, ...]:
        """All the states."""
        for f, count in self._counts.items():
            self._reach(f"{f} 2^{count.bit_length()}")
        return tuple(self.reached)

    def _observed(self, event: Event) -> None:
        self._counts[event.f] = self._counts.get(event.f, 0) + 1
        if event.error is not None:
            self._reach(f"{event.f} {event.error}")
        if event.epochs is not None:
            self._ordered(event.f, event.key, event.epochs)
        if isinstance(event.value, dict):
            if event.node is not None and isinstance(event.value.get("state"), str):
                self._moved(event.f, event.node, event.value["state"])
            if event.f == "isr-changed":
                self._shaped(event.node, event.value)
        if event.f in _COMMON:
            return
        what = f"{event.f} {event.error}" if event.error else event.f
        if event.key is not None:
            before, by = self._last_of_key.get(event.key, ("nothing", event.node))
            self._reach(f"{before} > {what}{'' if by == event.node else ' elsewhere'}")
            self._last_of_key[event.key] = what, event.node
        if event.node is not None:
            if event.key is None:
                self._reach(f"{self._last_of_node.get(event.node, 'nothing')} > {what}")
            self._last_of_node[event.node] = what

    def _ordered(self, f: str, key: str | None, epochs: dict[str, int]) -> None:
        for name, epoch in epochs.items():
            if name.startswith(("previous", "current", "known")):
                continue
            of = f"{name}/{key}"
            highest = self._highest_epoch.get(of, epoch)
            if epoch < highest and f not in _COMMON:
                self._reach(f"{f} behind in {name}")
            self._highest_epoch[of] = max(highest, epoch)

    def _moved(self, f: str, node: int, state: str) -> None:
        before = self._state_of_node.get((f, node), "nothing")
        self._state_of_node[f, node] = state
        self._reach(f"{f} {before} > {state}")
        counts: dict[str, int] = {}
        for (kind, _), held in self._state_of_node.items():
            if kind == f and held in _ROLES:
                counts[held] = counts.get(held, 0) + 1
        if counts != {"leader": 1}:
            self._reach(f"{f} " + " ".join(f"{held} {count}" for held, count in sorted(counts.items())))

    def _shaped(self, leader: int | None, value: dict[str, Any]) -> None:
        isr, replicas = value.get("isr"), value.get("replicas")
        if isinstance(isr, list):
            of = f" of {len(replicas)}" if isinstance(replicas, list) else ""
            self._reach(f"isr {len(isr)}{of}{'' if leader in isr else ' without who tells of it'}")

    def _reach(self, state: str) -> None:
        self.reached.setdefault(state)


def states(events: Iterable[Event]) -> tuple[str, ...]:
    """The states that a run reached."""
    reached = States()
    for event in events:
        reached.feed(event)
    return reached.finish()
