"""The vocabulary of faults.

A fault is data: what (`kind`), when (`at_us`, or `at_point`: the n-th time that a named point of the model is passed),
for how long (`duration_us`, after which it is undone), and at whom (`target`, symbolic; see `targets`).

| kind | what happens | which real event it stands for |
| --- | --- | --- |
| isolate | all links of the target are cut, both ways | a host's network interface or its switch port fails |
| one-way | links towards the target (`direction` in) or from it (out) are cut | an asymmetric route, a firewall rule |
| cut-roles | links between target and `others` (a kind of node) are cut | a rack's uplink fails |
| link | the links between `target` and `other` are cut, both ways | one bad cable |
| slow | links between target and `others` take `latency_us` longer, both ways or in one `direction` | a full uplink |
| halves | the Kafka nodes fall into two halves, drawn | a switch between racks fails |
| majorities-ring | every node sees a majority, no two see the same | a network with broken routing |
| bridge | two halves that only the target can talk to both of | the same, with one well-connected host |
| pause | the process handles nothing, then goes on | a long GC pause, a suspended virtual machine |
| kill | the process dies and is started again | a crash, the OOM killer |
| power-loss | the host loses power and comes back | a power cut: what was not synced is lost |
| shutdown | the process is asked to end, and started again | a rolling restart |
| expire-session | the broker's ZooKeeper session ends at once | an operator, a clock that jumps |
| slow-controller | each event of the broker's controller takes `delay_us` longer | a controller that cannot keep up |
| delete-controller | /controller is deleted while its owner's session lives | an operator forces an election |

The last three exist in ZooKeeper mode only, and are skipped elsewhere. A delete-controller is done to the ensemble,
once: it needs no target.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

KINDS = (
    "isolate", "one-way", "cut-roles", "link", "slow", "halves", "majorities-ring", "bridge",
    "pause", "kill", "power-loss", "shutdown",
)
#: Kinds that only ZooKeeper mode knows.
ZOOKEEPER_KINDS = ("expire-session", "slow-controller", "delete-controller")
#: Kinds that strike the network; the others strike processes.
NETWORK_KINDS = KINDS[:8]
#: Kinds that strike all Kafka nodes, or what they share, and so need no target.
GLOBAL_KINDS = ("halves", "majorities-ring", "delete-controller")

_FIELDS = (
    "kind", "name", "at_us", "at_point", "duration_us", "target", "other", "others", "direction", "delay_us",
    "latency_us", "draws",
)
_OTHERS = ("controllers", "brokers", "clients", "zookeepers")


class FaultError(ValueError):
    """A fault in a schedule cannot be read; the message says which field and what is allowed."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """`delay_us` after the `count`-th passing of `point` (counted from 1, from `from_us` on).

    by: only the node counts that the fault of that name struck; None: every node.
    """

    point: str
    count: int
    from_us: int = 0
    delay_us: int = 0
    by: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Fault:
    """One fault of a schedule. Times are virtual microseconds since the start of the run.

    Exactly one of `at_us` and `at_point` is set. A later fault may target the node that the one of that `name` struck.
    draws: the number of the stream from which the fault's choices are drawn; None: its place in the schedule.
    """

    kind: str
    duration_us: int
    at_us: int | None = None
    at_point: Trigger | None = None
    target: Mapping[str, Any] = field(default_factory=dict)
    other: Mapping[str, Any] | None = None
    others: str | None = None
    direction: str | None = None
    name: str | None = None
    delay_us: int | None = None
    latency_us: int | None = None
    draws: int | None = None

    def __repr__(self) -> str:
        """As one would write it: without what was not given."""
        given = [f"{item.name}={value!r}" for item in fields(self)[2:]
            if (value := getattr(self, item.name)) not in (None, {})]
        return f"Fault({', '.join([repr(self.kind), repr(self.duration_us), *given])})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For Hypothesis and IPython, which would show every field."""
        printer.text(repr(self))

    def to_data(self) -> dict[str, Any]:
        """The fault as a spec or a schedule file stores it."""
        data: dict[str, Any] = {"kind": self.kind}
        if self.name is not None:
            data["name"] = self.name
        if self.at_us is not None:
            data["at_us"] = self.at_us
        if self.at_point is not None:
            data["at_point"] = {
                "point": self.at_point.point, "count": self.at_point.count, "from_us": self.at_point.from_us}
            if self.at_point.delay_us:
                data["at_point"]["delay_us"] = self.at_point.delay_us
            if self.at_point.by is not None:
                data["at_point"]["by"] = self.at_point.by
        data["duration_us"] = self.duration_us
        if self.target:
            data["target"] = dict(self.target)
        if self.other is not None:
            data["other"] = dict(self.other)
        if self.others is not None:
            data["others"] = self.others
        if self.direction is not None:
            data["direction"] = self.direction
        if self.delay_us is not None:
            data["delay_us"] = self.delay_us
        if self.latency_us is not None:
            data["latency_us"] = self.latency_us
        if self.draws is not None:
            data["draws"] = self.draws
        return data


def fault_from_data(data: Any, where: str) -> Fault:
    """Read a fault; raises FaultError with `where` (file and place) when a field is missing or wrong."""
    if not isinstance(data, dict):
        raise FaultError(f"{where}: a fault is an object with a kind, a time and a duration_us, not {data!r:.60}")
    for name in data:
        if name not in _FIELDS:
            raise FaultError(f"{where}: unknown field {name!r}; known are {', '.join(_FIELDS)}")
    kind = data.get("kind")
    if kind not in (*KINDS, *ZOOKEEPER_KINDS):
        raise FaultError(f"{where}: unknown kind {kind!r}; known are {', '.join((*KINDS, *ZOOKEEPER_KINDS))}")
    if ("at_us" in data) == ("at_point" in data):
        raise FaultError(f"{where}: needs exactly one of at_us and at_point")
    at_us = _whole_number(data["at_us"], "at_us", where) if "at_us" in data else None
    at_point = _trigger(data["at_point"], where) if "at_point" in data else None
    if kind not in GLOBAL_KINDS and not isinstance(data.get("target"), dict):
        raise FaultError(f"{where}: a {kind} needs a target, such as {{\"role\": \"active-controller\"}}")
    if kind == "link" and not isinstance(data.get("other"), dict):
        raise FaultError(f"{where}: a link needs `other`, the target at its other end")
    if kind in ("cut-roles", "slow") and data.get("others") not in _OTHERS:
        raise FaultError(f"{where}: {kind} needs others: {', '.join(_OTHERS[:-1])} or {_OTHERS[-1]}")
    if kind == "one-way" and data.get("direction") not in ("in", "out"):
        raise FaultError(f"{where}: one-way needs direction: in or out")
    if kind == "slow" and data.get("direction") not in (None, "in", "out"):
        raise FaultError(f"{where}: the direction of a slow is in or out, or it is left out")
    return Fault(
        kind, _whole_number(data.get("duration_us"), "duration_us", where), at_us, at_point, data.get("target") or {},
        data.get("other"), data.get("others"), data.get("direction"), data.get("name"),
        _whole_number(data["delay_us"], "delay_us", where) if "delay_us" in data else None,
        _whole_number(data.get("latency_us"), "latency_us", where) if kind == "slow" else None,
        _whole_number(data["draws"], "draws", where, "number") if "draws" in data else None,
    )


def _trigger(data: Any, where: str) -> Trigger:
    if not isinstance(data, dict) or not isinstance(data.get("point"), str):
        raise FaultError(f"{where}: at_point needs a point (a name) and a count")
    return Trigger(
        data["point"], max(1, _whole_number(data.get("count", 1), "count", where)),
        _whole_number(data.get("from_us", 0), "from_us", where),
        _whole_number(data.get("delay_us", 0), "delay_us", where), data.get("by"),
    )


def _whole_number(value: Any, name: str, where: str, what: str = "number of microseconds") -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise FaultError(f"{where}: {name} is a whole {what}, not {value!r}")
    return value
