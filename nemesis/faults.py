"""Faults as data, and how they are read.

A fault is data: what (`kind`), when (`at_us`, or `at_point`: the n-th time that a named point of the model is passed),
for how long (`duration_us`, after which it is undone), and at whom (`target`, symbolic; see `targets`). All times are
whole microseconds.

`at_point` has the `point`'s name (see `points`), the `count` (1 where left out), `from_us` (passings before that time
do not count), `delay_us` (it strikes so long after the passing), and `by` (only passings at the node that the fault of
that name struck count). A `name` lets later faults refer to the node that this one strikes; no two faults have the same
one. `draws` is the number of the stream from which the fault's own choices are drawn, its place in the schedule if left
out.

A fault that `remains` has no duration: it outlasts the heal, to the end of the run. It strikes a server only if a
majority of its role is left; what is demanded of the quiet phase is demanded of all others.

What else a fault needs or may have is said by its kind, and nothing beyond that is accepted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from fencepost.nemesis.fields import AT, DRAWS, DURATION, FIELDS, FaultError
from fencepost.nemesis.kinds import KINDS
from fencepost.nemesis.targets import check_target

_COMMON = ("kind", "name", "at_us", "at_point", "duration_us", "target", "draws")
_TRIGGER = ("point", "count", "from_us", "delay_us", "by")


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

    def to_data(self) -> dict[str, Any]:
        """As a fault's data holds it."""
        data: dict[str, Any] = {"point": self.point, "count": self.count, "from_us": self.from_us}
        if self.delay_us:
            data["delay_us"] = self.delay_us
        if self.by is not None:
            data["by"] = self.by
        return data


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
    file: str | None = None
    partition: str | None = None
    topic: str | None = None
    setting: str | None = None
    election: str | None = None
    latency_us: int | None = None
    period_us: int | None = None
    loss_per_mille: int | None = None
    offset_us: int | None = None
    rate_ppm: int | None = None
    remains: bool | None = None
    draws: int | None = None

    @property
    def begin_us(self) -> int:
        """When it strikes, or from when on it waits for its point."""
        if self.at_us is not None:
            return self.at_us
        assert self.at_point is not None
        return self.at_point.from_us

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
            data["at_point"] = self.at_point.to_data()
        data["duration_us"] = self.duration_us
        if self.target:
            data["target"] = dict(self.target)
        for name in FIELDS:
            value = getattr(self, name)
            if value is not None:
                data[name] = dict(value) if isinstance(value, Mapping) else value
        if self.draws is not None:
            data["draws"] = self.draws
        return data


def kinds_of(mode: str) -> tuple[str, ...]:
    """The names of the kinds that a cluster of this mode knows."""
    return tuple(name for name, kind in KINDS.items() if mode in kind.modes)


def fault_from_data(data: Any, where: str) -> Fault:
    """Read a fault; raises FaultError with `where` (file and place) when a field is missing, wrong or not its."""
    if not isinstance(data, dict):
        raise FaultError(f"{where}: a fault is an object with a kind, a time and a duration_us, not {data!r:.60}")
    for name in data:
        if name not in (*_COMMON, *FIELDS):
            raise FaultError(f"{where}: unknown field {name!r}; known are {', '.join((*_COMMON, *FIELDS))}")
    if not isinstance(data.get("kind"), str) or data["kind"] not in KINDS:
        raise FaultError(f"{where}: unknown kind {data.get('kind')!r:.60}; known are {', '.join(KINDS)}")
    if ("at_us" in data) == ("at_point" in data):
        raise FaultError(f"{where}: needs exactly one of at_us and at_point")
    name = data.get("name")
    if name is not None and not (isinstance(name, str) and name):
        raise FaultError(f"{where}: name is a text that is not empty, not {name!r:.60}")
    if "remains" in data and data.get("duration_us", 0) != 0:
        raise FaultError(f"{where}: duration_us and remains contradict each other; leave one of them out")
    return Fault(
        data["kind"], DURATION.read(data.get("duration_us", 0 if "remains" in data else None), "duration_us", where),
        AT.read(data["at_us"], "at_us", where) if "at_us" in data else None,
        _trigger(data["at_point"], where) if "at_point" in data else None, _target(data, where), name=name,
        draws=DRAWS.read(data["draws"], "draws", where) if "draws" in data else None, **_own_fields(data, where))


def schedule_from_data(data: Sequence[Any], where: str) -> list[Fault]:
    """Read a schedule; raises FaultError, also where faults contradict each other or refer to one that is not there."""
    faults = [fault_from_data(fault, f"{where}: fault {index}") for index, fault in enumerate(data)]
    names: dict[str, int] = {}
    for index, fault in enumerate(faults):
        if fault.name is not None and names.setdefault(fault.name, index) != index:
            raise FaultError(f"{where}: fault {index}: name {fault.name!r} is fault {names[fault.name]}'s already; "
                             "each name is given once")
    for index, fault in enumerate(faults):
        for field_name, name in references(fault):
            if name not in names:
                raise FaultError(f"{where}: fault {index}: {field_name} is {name!r:.60}, but no fault has that name"
                                 + (f"; there are {', '.join(names)}" if names else ""))
    return faults


def references(fault: Fault) -> list[tuple[str, str]]:
    """The names of other faults that a fault refers to, each with the field that does."""
    found = [("by", fault.at_point.by)] if fault.at_point is not None and fault.at_point.by is not None else []
    for target in (fault.target, fault.other or {}):
        found += [(name, target[name]) for name in ("name", "but") if name in target]
    return found


def without_dangling(faults: Iterable[Fault]) -> list[Fault]:
    """The faults of a schedule from which some were taken, so that it can be read again: who would strike nobody is
    gone, too, nobody is spared or waited for who is not there, and of two with one name the later has lost it."""
    kept = list(faults)
    for place, fault in enumerate(kept):
        if fault.name is not None and any(earlier.name == fault.name for earlier in kept[:place]):
            kept[place] = replace(fault, name=None)
    before = None
    while before != kept:
        before = kept
        names = tuple(fault.name for fault in kept)
        kept = [_settled(fault, names) for fault in kept
                if all(target.get("name") in (None, *names) for target in (fault.target, fault.other or {}))]
    return kept


def _settled(fault: Fault, names: tuple[str | None, ...]) -> Fault:
    """The fault without `but` and `by` that refer to nobody."""
    def spares(target: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in target.items() if name != "but" or value in names}

    trigger = fault.at_point
    if trigger is not None and trigger.by not in (None, *names):
        trigger = replace(trigger, by=None)
    other = None if fault.other is None else spares(fault.other)
    return replace(fault, target=spares(fault.target), other=other, at_point=trigger)


def _target(data: dict[str, Any], where: str) -> dict[str, Any]:
    kind = KINDS[data["kind"]]
    if "target" not in data:
        if kind.has_target:
            raise FaultError(f"{where}: a {kind.name} needs a target, such as {{\"role\": \"active-controller\"}}")
        return {}
    if not kind.has_target and "target" not in kind.ignores:
        raise FaultError(f"{where}: a {kind.name} takes no target")
    wrong = check_target(data["target"])
    if wrong is not None:
        raise FaultError(f"{where}: target: {wrong}")
    return dict(data["target"])


def _own_fields(data: dict[str, Any], where: str) -> dict[str, Any]:
    """The fields that the kind brings along."""
    kind = KINDS[data["kind"]]
    for name in kind.needs:
        if name not in data:
            raise FaultError(f"{where}: {kind.name} needs {name}: {FIELDS[name].allowed}")
    own: dict[str, Any] = {}
    for name in data:
        if name in _COMMON:
            continue
        if name not in (*kind.needs, *kind.may, *kind.ignores):
            takes = ", ".join((*kind.needs, *kind.may))
            raise FaultError(f"{where}: {kind.name} takes no {name}" + (f"; it takes {takes}" if takes else ""))
        own[name] = FIELDS[name].read(data[name], name, where)
    refusal = kind.refusal(own)
    if refusal is not None:
        raise FaultError(f"{where}: {refusal}")
    if own.get("other") is not None:
        own["other"] = dict(own["other"])
    return own


def _trigger(data: Any, where: str) -> Trigger:
    if not isinstance(data, dict) or not isinstance(data.get("point"), str):
        raise FaultError(f"{where}: at_point needs a point (a name) and a count")
    for name in data:
        if name not in _TRIGGER:
            raise FaultError(f"{where}: at_point: unknown field {name!r}; known are {', '.join(_TRIGGER)}")
    by = data.get("by")
    if by is not None and not isinstance(by, str):
        raise FaultError(f"{where}: at_point: by is the name of a fault, not {by!r:.60}")
    count = data.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise FaultError(f"{where}: at_point: count is a whole number from 1, not {count!r:.60}")
    return Trigger(data["point"], count, AT.read(data.get("from_us", 0), "from_us", where),
                   AT.read(data.get("delay_us", 0), "delay_us", where), by)
