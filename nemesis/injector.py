"""Injects a schedule: fires each fault when it is due, and has it taken back at its end or at `heal`, whichever comes
first.

What a fault does is its kind's business (`fencepost.nemesis.kinds`). A fault that finds no target, or a process that is
already down, is recorded as skipped.

A fault that remains outlasts the heal: its node stays outside, and liveness is demanded of the core, which is everybody
else. The core always has a majority of the controllers, the brokers and the ZooKeeper servers.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fencepost.nemesis.cluster import Cluster
from fencepost.nemesis.faults import Fault
from fencepost.nemesis.kinds import KINDS, Strike
from fencepost.nemesis.kinds.kind import servers
from fencepost.nemesis.targets import Draws, Memory, resolve


class Injector:
    """Runs one schedule. `draws(index)` gives the stream of the fault with that index."""

    def __init__(self, cluster: Cluster, faults: Sequence[Fault], draws: Callable[[int], Draws]) -> None:
        self._cluster = cluster
        self._faults = list(faults)
        self._draws = draws
        self._healed = False
        self._memory = Memory()
        self._passed: dict[str, int] = {}
        self._waiting: dict[str, list[int]] = {}
        #: What is still to be undone, by the index of the fault.
        self._active: dict[int, Strike] = {}
        #: (what, node) -> how many faults keep the node so.
        self._holds: dict[tuple[str, int], int] = {}

    def start(self) -> None:
        """Schedule everything."""
        for index, fault in enumerate(self._faults):
            if fault.at_us is not None:
                self._cluster.schedule(max(0, fault.at_us - self._cluster.now_us), self._inject, index, None)
            elif fault.at_point is not None:
                self._waiting.setdefault(fault.at_point.point, []).append(index)
        if self._waiting:
            self._cluster.on_point(self._on_point)

    def heal(self, quiet_us: int) -> None:
        """End every fault but those that remain; liveness is demanded of the core within `quiet_us`."""
        self._healed = True
        self._cluster.on_point(None)
        for index in sorted(self._active, key=lambda index: KINDS[self._faults[index].kind].heal_rank):
            if not self._faults[index].remains:
                self._undo(index)
        self._cluster.heal_network([strike.target for strike in self._active.values() if strike.links])
        outside = self._outside()
        for node in (*servers(self._cluster), *self._cluster.client_ids):
            if node not in outside:
                self._cluster.resume(node)
                self._cluster.start_node(node)
        for strike in self._active.values():
            KINDS[strike.fault.kind].hold_on(strike)
        value: dict[str, Any] = {"quiet_us": quiet_us, **({"outside": outside} if outside else {})}
        self._cluster.recorder.fault(self._cluster.now_us, "heal", None, value)

    def _outside(self) -> list[int]:
        """The nodes that a fault at work will not let go."""
        return sorted({strike.target for strike in self._active.values() if strike.fault.remains})

    def _must_stay(self, node: int) -> str | None:
        """Why a node cannot be left outside, or None."""
        if node not in servers(self._cluster):
            return "only servers can be left outside of the core"
        outside = {*self._outside(), node}
        for name in ("controllers", "brokers", "zookeepers"):
            group = getattr(self._cluster, name)
            if node in group and 2 * len(outside.intersection(group)) >= len(group):
                return f"a majority of the {name} is to be left"
        return None

    def _on_point(self, point: str, node: int) -> None:
        waiting = self._waiting.get(point)
        if not waiting:
            return
        for index in list(waiting):
            trigger = self._faults[index].at_point
            assert trigger is not None
            if self._cluster.now_us < trigger.from_us:
                continue
            if trigger.by is not None and self._memory.struck.get(trigger.by) != node:
                continue
            key = f"{point}/{index}"
            self._passed[key] = self._passed.get(key, 0) + 1
            if self._passed[key] >= trigger.count:
                waiting.remove(index)
                # Not here and now: the point lies in the middle of a handler, which must not be torn.
                self._cluster.schedule(trigger.delay_us, self._inject, index, node)

    def _inject(self, index: int, here: int | None) -> None:
        if self._healed:
            return
        fault = self._faults[index]
        kind = KINDS[fault.kind]
        draws = self._draws(index if fault.draws is None else fault.draws)
        self._memory.here = here
        strike = Strike(self._cluster, index, fault, draws, self._memory, self._holds)
        if kind.has_target:
            strike.node = resolve(fault.target, self._cluster, draws, self._memory)
            if strike.node is None:
                strike.skip("no node fits the target")
                return
        why = self._must_stay(strike.target) if fault.remains else None
        if why is not None:
            strike.skip(why)
            return
        kind.strike(strike)
        if strike.struck and kind.lasts:
            self._active[index] = strike
            if not fault.remains:
                self._cluster.schedule(fault.duration_us, self._undo, index)

    def _undo(self, index: int) -> None:
        strike = self._active.pop(index, None)
        if strike is not None:
            strike.over = True
            KINDS[strike.fault.kind].undo(strike)
