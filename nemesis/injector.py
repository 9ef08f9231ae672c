"""The injector: brings a schedule's faults upon a cluster, writes down what it did, and takes it back.

A fault that finds no target, or a process that is already down, is recorded as skipped. Everything is undone at its end
or at `heal`, whichever comes first.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fencepost.nemesis.cluster import Cluster
from fencepost.nemesis.faults import GLOBAL_KINDS, NETWORK_KINDS, Fault
from fencepost.nemesis.targets import Draws, Memory, resolve

Link = tuple[int, int]


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
        #: What is still to be undone: index of the fault -> (its links) or (the node to bring back).
        self._links: dict[int, list[Link]] = {}
        self._down: dict[int, int] = {}
        self._paused: dict[int, int] = {}
        self._slow: dict[int, int] = {}

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
        """End every fault; liveness is demanded within `quiet_us`."""
        self._healed = True
        self._cluster.on_point(None)
        for index in [*self._links, *self._paused, *self._down, *self._slow]:
            self._undo(index)
        self._cluster.heal_network()
        for node in (*_servers(self._cluster), *self._cluster.client_ids):
            self._cluster.resume(node)
            self._cluster.start_node(node)
        self._cluster.recorder.fault(self._cluster.now_us, "heal", None, {"quiet_us": quiet_us})

    # --- striking -------------------------------------------------------------------------------------------------

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
        draws = self._draws(index if fault.draws is None else fault.draws)
        self._memory.here = here
        node = None
        if fault.kind == "delete-controller":
            self._delete_controller(index, fault)
            return
        if fault.kind not in GLOBAL_KINDS:
            node = resolve(fault.target, self._cluster, draws, self._memory)
            if node is None:
                self._skip(index, "no node fits the target")
                return
        if fault.kind in NETWORK_KINDS:
            self._cut(index, fault, node, draws)
        else:
            assert node is not None
            self._strike(index, fault, node)

    def _strike(self, index: int, fault: Fault, node: int) -> None:
        cluster = self._cluster
        if not cluster.is_running(node):
            self._skip(index, f"node {node} is down already")
            return
        if fault.kind == "expire-session" and not cluster.expire_session(node):
            self._skip(index, f"node {node} has no session that somebody could end")
            return
        if fault.kind == "slow-controller" and not cluster.slow_controller(node, fault.delay_us or 0):
            self._skip(index, f"node {node} has no controller with a queue")
            return
        self._remember(fault, node)
        self._record(index, fault, [node])
        if fault.kind == "expire-session":
            return
        if fault.kind == "pause":
            self._paused[index] = node
            cluster.pause(node)
        elif fault.kind == "slow-controller":
            self._slow[index] = node
        else:
            self._down[index] = node
            {"kill": cluster.kill, "power-loss": cluster.power_off, "shutdown": cluster.shut_down}[fault.kind](node)
        cluster.schedule(fault.duration_us, self._undo, index)

    def _delete_controller(self, index: int, fault: Fault) -> None:
        """Whose office it was is written down, too."""
        active = self._cluster.roles()["active-controller"]
        if self._cluster.delete_controller():
            self._record(index, fault, active)
        else:
            self._skip(index, "there is no /controller that somebody could delete")

    def _remember(self, fault: Fault, node: int) -> None:
        self._memory.previous = node
        if fault.name is not None:
            self._memory.struck[fault.name] = node

    def _cut(self, index: int, fault: Fault, node: int | None, draws: Draws) -> None:
        links = self._links_of(fault, node, draws)
        if not links:
            self._skip(index, "no link fits the target")
            return
        if node is not None:
            self._remember(fault, node)
        nodes = [node] if node is not None else sorted({end for link in links for end in link})
        self._record(index, fault, nodes, links)
        self._links[index] = links
        for source, destination in links:
            if fault.latency_us is None:
                self._cluster.cut(source, destination)
            else:
                self._cluster.slow_down(source, destination, fault.latency_us)
        self._cluster.schedule(fault.duration_us, self._undo, index)

    def _links_of(self, fault: Fault, node: int | None, draws: Draws) -> list[Link]:
        cluster = self._cluster
        servers = _servers(cluster)
        if fault.kind == "halves":
            return _halves(draws.shuffled(servers))
        if fault.kind == "majorities-ring":
            return _majorities_ring(draws.shuffled(servers))
        assert node is not None
        if fault.kind == "bridge":
            rest = draws.shuffled([other for other in servers if other != node])
            return _halves(rest)
        if fault.kind == "link":
            other = resolve(fault.other or {}, cluster, draws, self._memory)
            return [] if other is None or other == node else [(node, other), (other, node)]
        if fault.kind in ("cut-roles", "slow"):
            by_role = {
                "controllers": cluster.controllers or cluster.brokers, "brokers": cluster.brokers,
                "clients": cluster.client_ids, "zookeepers": cluster.zookeepers}
            others = by_role[str(fault.others)]
            return _around(node, others, fault.direction != "out", fault.direction != "in")
        everyone = [*servers, *cluster.client_ids]
        inward = fault.kind == "isolate" or fault.direction == "in"
        outward = fault.kind == "isolate" or fault.direction == "out"
        return _around(node, everyone, inward, outward)

    # --- undoing --------------------------------------------------------------------------------------------------

    def _undo(self, index: int) -> None:
        latency_us = self._faults[index].latency_us
        for source, destination in self._links.pop(index, ()):
            if latency_us is None:
                self._cluster.uncut(source, destination)
            else:
                self._cluster.slow_down(source, destination, -latency_us)
        paused = self._paused.pop(index, None)
        if paused is not None and paused not in self._paused.values():
            self._cluster.resume(paused)
        slow = self._slow.pop(index, None)
        if slow is not None and slow not in self._slow.values():
            self._cluster.slow_controller(slow, 0)
        down = self._down.pop(index, None)
        if down is not None and down not in self._down.values():
            if self._cluster.is_running(down):
                # A shutdown that was never granted: the supervisor loses patience.
                self._cluster.kill(down)
            self._cluster.start_node(down)

    # --- writing down ---------------------------------------------------------------------------------------------

    def _record(self, index: int, fault: Fault, nodes: list[int], links: list[Link] | None = None) -> None:
        value: dict[str, Any] = {
            "fault": index, "nodes": nodes, "duration_us": fault.duration_us, "target": dict(fault.target)}
        if fault.at_point is not None:
            value["point"] = fault.at_point.point
        if links is not None:
            value["links"] = [list(link) for link in links]
        for name in ("latency_us", "delay_us"):
            if getattr(fault, name) is not None:
                value[name] = getattr(fault, name)
        self._cluster.recorder.fault(
            self._cluster.now_us, fault.kind, nodes[0] if len(nodes) == 1 else None, value)

    def _skip(self, index: int, why: str) -> None:
        fault = self._faults[index]
        self._cluster.recorder.fault(self._cluster.now_us, fault.kind, None, {"fault": index, "nodes": []}, why)


def _servers(cluster: Cluster) -> list[int]:
    """Every node that is no client's."""
    return sorted({*cluster.controllers, *cluster.brokers, *cluster.zookeepers})


def _around(node: int, others: Sequence[int], inward: bool, outward: bool) -> list[Link]:
    links: list[Link] = []
    for other in others:
        if other != node:
            if inward:
                links.append((other, node))
            if outward:
                links.append((node, other))
    return links


def _halves(nodes: Sequence[int]) -> list[Link]:
    middle = len(nodes) // 2
    return [link for one in nodes[:middle] for two in nodes[middle:] for link in ((one, two), (two, one))]


def _majorities_ring(nodes: Sequence[int]) -> list[Link]:
    """Each node keeps its links to the nearest ones on a ring, so many that with itself they are a majority."""
    count = len(nodes)
    reach = max(1, count // 4)
    return [
        (nodes[one], nodes[two])
        for one in range(count) for two in range(count)
        if one != two and min((one - two) % count, (two - one) % count) > reach
    ]
