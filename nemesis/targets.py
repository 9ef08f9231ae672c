"""Symbolic targets: who is meant by "a follower of orders-0" at the moment when the fault strikes.

| role | who | further fields |
| --- | --- | --- |
| active-controller | who believes to be it (any one, if several do) | |
| standby-controller | a controller that does not | |
| controller, broker, client, zookeeper | any one of that kind | |
| zookeeper-leader, zookeeper-follower | who believes to lead the ensemble; a server that does not | |
| leader, follower | of a partition | partition |
| coordinator | the leader of a partition of __consumer_offsets | partition |
| node | the node with that id | id |
| here | the node that passed the point which triggered the fault | |
| previous | the node that the last fault with a single target struck | |
| struck | the node that the fault of that name struck | name |

Any target may have `but`: the name of a fault whose node is not meant. Where several nodes fit, one is drawn by the
fault's own stream, so that replay resolves it alike.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fencepost.nemesis.cluster import Cluster

ROLES = (
    "active-controller", "standby-controller", "controller", "broker", "client", "zookeeper", "zookeeper-leader",
    "zookeeper-follower", "leader", "follower", "coordinator", "node", "here", "previous", "struck",
)

#: The fields that a role needs besides.
ROLE_NEEDS = {
    "leader": "partition", "follower": "partition", "coordinator": "partition", "node": "id", "struck": "name"}


def check_target(data: Any) -> str | None:
    """What is wrong with a target as a schedule file has it, or None."""
    if not isinstance(data, dict):
        return f"a target is an object such as {{\"role\": \"broker\"}}, not {data!r:.60}"
    role = data.get("role")
    if role not in ROLES:
        return f"unknown role {role!r:.60}; known are {', '.join(ROLES)}"
    needed = ROLE_NEEDS.get(role)
    for name in data:
        if name not in ("role", "but", needed):
            return f"the role {role} takes no {name!r}"
    if needed is not None and needed not in data:
        return f"the role {role} needs {needed}"
    for name, kind, what in (
        ("partition", str, "a topic-partition, such as orders-0"), ("id", int, "a node id"),
        ("name", str, "the name of a fault"), ("but", str, "the name of a fault"),
    ):
        if name in data and (not isinstance(data[name], kind) or isinstance(data[name], bool)):
            return f"{name} is {what}, not {data[name]!r:.60}"
    if needed == "partition" and not is_partition(data["partition"]):
        return f"partition is a topic-partition, such as orders-0, not {data['partition']!r:.60}"
    if role == "coordinator" and data["partition"].rpartition("-")[0] != "__consumer_offsets":
        return (f"the role coordinator needs a partition of __consumer_offsets, such as __consumer_offsets-0, not "
                f"{data['partition']!r:.60}; who leads another one is its leader")
    return None


def is_topic(name: Any) -> bool:
    """Whether Kafka takes a topic's name."""
    fits = isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,249}", name) is not None
    return fits and name not in (".", "..")


def is_partition(name: Any) -> bool:
    """Whether it is the name of a topic-partition: topic-index."""
    return isinstance(name, str) and re.fullmatch(r"0|[1-9][0-9]{0,8}", name.rpartition("-")[2]) is not None and (
        is_topic(name.rpartition("-")[0]))


class Draws(Protocol):
    """The source of random choices (a named stream of the run)."""

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound)."""

    def between(self, low: int, high: int) -> int:
        """A uniform integer in [low, high]."""

    def chance(self, numerator: int, denominator: int) -> bool:
        """True with probability numerator/denominator."""

    def choice(self, items: Sequence[Any]) -> Any:
        """One item."""

    def weighted(self, items: Sequence[tuple[Any, int]]) -> Any:
        """One item by integer weights."""

    def shuffled(self, items: Sequence[Any]) -> list[Any]:
        """A shuffled copy."""


@dataclass(slots=True)
class Memory:
    """What targets refer back to.

    here: the node that passed the point which triggers the fault at hand.
    previous: the node struck last. struck: the nodes struck by faults with a name.
    """

    here: int | None = None
    previous: int | None = None
    struck: dict[str, int] = field(default_factory=dict)


def candidates(target: Mapping[str, Any], cluster: Cluster, memory: Memory) -> list[int]:
    """All nodes that fit the target now, in ascending order."""
    spared = memory.struck.get(str(target.get("but")))
    return [node for node in _fitting(target, cluster, memory) if node != spared]


def _fitting(target: Mapping[str, Any], cluster: Cluster, memory: Memory) -> list[int]:
    role = target.get("role")
    if role == "node":
        return [int(target["id"])]
    if role in ("here", "previous", "struck"):
        node = memory.struck.get(str(target.get("name"))) if role == "struck" else getattr(memory, role)
        return [] if node is None else [node]
    if role in ("active-controller", "standby-controller"):
        roles = cluster.roles()
        active = roles["active-controller"] or roles.get("raft-leader", [])
        if role == "active-controller":
            return active
        return [node for node in cluster.controllers or cluster.brokers if node not in active]
    if role == "zookeeper-leader":
        return cluster.roles().get(role, [])
    if role == "zookeeper-follower":
        leading = cluster.roles().get("zookeeper-leader", [])
        return [node for node in cluster.zookeepers if node not in leading]
    if role in ("leader", "coordinator"):
        return cluster.leaders_of(target["partition"])
    if role == "follower":
        leaders = cluster.leaders_of(target["partition"])
        return sorted(node for node in cluster.replicas_of(target["partition"]) if node not in leaders)
    by_kind = {
        "controller": cluster.controllers or cluster.brokers, "broker": cluster.brokers,
        "client": cluster.client_ids, "zookeeper": cluster.zookeepers}
    return sorted(by_kind.get(str(role), ()))


def resolve(target: Mapping[str, Any], cluster: Cluster, draws: Draws, memory: Memory) -> int | None:
    """One node that fits the target now, or None when there is none."""
    nodes = candidates(target, cluster, memory)
    return draws.choice(nodes) if nodes else None
