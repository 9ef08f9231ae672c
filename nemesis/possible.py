"""Whether the faults of a schedule can be of a cluster of some mode and size: what they name must be there.

This holds for every schedule, drawn, shrunk or written. What is further asked of those written by hand is in
`hand_written`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fencepost.nemesis.faults import Fault
from fencepost.nemesis.fields import FaultError
from fencepost.nemesis.kinds import KINDS
from fencepost.nemesis.kinds.administration import MOST_BROKERS
from fencepost.nemesis.points import points_of

_MODE_WORDS = {"kraft": "KRaft", "zk": "ZooKeeper"}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a schedule is to be run on.

    mode: kraft or zk. The node ids are those at the start; ZooKeeper mode has no controllers, KRaft no ZooKeeper
    servers.
    """

    mode: str
    controllers: tuple[int, ...]
    brokers: tuple[int, ...]
    zookeepers: tuple[int, ...]
    clients: tuple[int, ...]

    def nodes_with(self, faults: Sequence[Fault]) -> dict[str, tuple[int, ...]]:
        """The ids of each kind of node that there may be once these faults have added brokers."""
        added = sum(fault.kind == "add-broker" for fault in faults)
        highest = max(self.brokers)
        more = range(highest + 1, highest + 1 + max(0, min(added, MOST_BROKERS - len(self.brokers))))
        groups = {"brokers": (*self.brokers, *more), "controllers": self.controllers, "zookeepers": self.zookeepers,
                  "clients": self.clients}
        return {name: ids for name, ids in groups.items() if ids}


def targets_of(fault: Fault) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The targets that a fault looks at, each with its field's name."""
    if KINDS[fault.kind].has_target:
        yield "target", fault.target
    if fault.other is not None and "other" in KINDS[fault.kind].needs:
        yield "other", fault.other


def check_possible(faults: Sequence[Fault], setting: Setting, where: str) -> None:
    """Raise FaultError, in one line, for a fault that no cluster of this setting could have."""
    nodes = setting.nodes_with(faults)
    for index, fault in enumerate(faults):
        wrong = _of_mode(fault, setting.mode) or _nodes(fault, nodes) or _place(fault)
        if wrong is not None:
            raise FaultError(f"{where}: fault {index}: {wrong}")


def _of_mode(fault: Fault, mode: str) -> str | None:
    """What there is in the other mode only, or nowhere."""
    kind = KINDS[fault.kind]
    if kind.modes and mode not in kind.modes:
        return f"kind is {kind.name}, which there is in {_modes(kind.modes)} mode only (--mode {kind.modes[0]})"
    if fault.at_point is not None and fault.at_point.point not in points_of(mode):
        return (f"at_point: point {fault.at_point.point!r:.60} is never passed in {_modes((mode,))} mode; known are "
                f"{', '.join(points_of(mode))}")
    if mode == "kraft":
        for name, target in targets_of(fault):
            if str(target["role"]).startswith("zookeeper"):
                return f"{name}: the role {target['role']} is there in ZooKeeper mode only (--mode zk)"
        if fault.others == "zookeepers" and "others" in (*kind.needs, *kind.may):
            return "others is zookeepers, which there are in ZooKeeper mode only; in KRaft mode there are controllers"
    return None


def _nodes(fault: Fault, nodes: Mapping[str, tuple[int, ...]]) -> str | None:
    """Node ids that nobody has."""
    for name, target in targets_of(fault):
        if target["role"] == "node" and not any(target["id"] in ids for ids in nodes.values()):
            there = ", ".join(f"{group} {_range(ids)}" for group, ids in nodes.items())
            return f"{name}: there is no node {target['id']}; there are {there}"
    return None


def _place(fault: Fault) -> str | None:
    """Who is nowhere: the node at a point without a point, the other end of a link that has one."""
    for name, target in targets_of(fault):
        if target["role"] == "here" and fault.at_point is None:
            return f"{name}: here is the node that passes the fault's point: allowed only with at_point"
    one_node = fault.target.get("role") in ("node", "here", "previous", "struck")
    if fault.kind == "link" and fault.other == fault.target and one_node:
        return "other is the target itself: a link has two ends"
    return None


def _modes(modes: Sequence[str]) -> str:
    return " or ".join(_MODE_WORDS[mode] for mode in modes)


def _range(ids: Sequence[int]) -> str:
    return str(ids[0]) if len(ids) == 1 else f"{ids[0]} to {ids[-1]}"
