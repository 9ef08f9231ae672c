"""What a schedule that somebody wrote must not say: faults that could never strike, and faults that contradict others.

Drawn schedules may have such faults, and so may what shrinking leaves of them, or somebody who takes some out: they are
skipped, and the history says so. A drawn fault is known by its `draws`. Who writes a fault means it, and is told at
once. Refused is only what can be known before the run: whom a role stands for, and when a point is passed, shows at run
time.
"""

from collections.abc import Mapping, Sequence

from fencepost.nemesis.faults import Fault
from fencepost.nemesis.fields import FaultError
from fencepost.nemesis.kinds import KINDS
from fencepost.nemesis.kinds.administration import CREATED_PARTITIONS, MembershipKind
from fencepost.nemesis.kinds.process import ProcessKind
from fencepost.nemesis.kinds.zookeeper import SlowController
from fencepost.nemesis.possible import Setting, targets_of

#: Kinds after which the process is down for certain, until they end; a shutdown takes its time, and others may be
#: skipped to save data.
_DOWN = ("kill", "power-loss", "torn-tail", "log-directory-gone")
#: Logs besides those of topics, by mode.
_METADATA_LOGS = {"kraft": "__cluster_metadata-0", "zk": "zookeeper-log"}


def check_hand_written(
    faults: Sequence[Fault], setting: Setting, partitions: Mapping[str, int], end_us: int, where: str
) -> None:
    """Raise FaultError, in one line, for a fault that could never strike, or that contradicts another one.

    partitions: how many partitions each topic has that there may be. end_us: until then faults may begin.
    """
    created = {str(fault.topic): CREATED_PARTITIONS for fault in faults if fault.kind == "create-topic"}
    known = {**partitions, **created}
    for index, fault in enumerate(faults):
        if fault.draws is not None:
            continue
        wrong = (_late(fault, end_us) or _nobody_yet(index, faults) or _unfit(fault, setting)
                 or _unknown_log(fault, known, setting.mode) or _is_down(index, faults))
        if wrong is not None:
            raise FaultError(f"{where}: fault {index}: {wrong}")


def _earliest_us(fault: Fault) -> int:
    """Before that it does not strike."""
    return fault.begin_us + (0 if fault.at_point is None else fault.at_point.delay_us)


def _late(fault: Fault, end_us: int) -> str | None:
    if _earliest_us(fault) <= end_us:
        return None
    name = "at_us" if fault.at_point is None else "at_point: from_us"
    return (f"{name}: it would begin at {_seconds(_earliest_us(fault))}, but everything heals at {_seconds(end_us)}; "
            "let it begin earlier, or the run last longer (--duration)")


def _nobody_yet(index: int, faults: Sequence[Fault]) -> str | None:
    """Whom `previous`, `struck` and `by` mean has not been struck when the fault is due."""
    fault = faults[index]
    places = {other.name: place for place, other in enumerate(faults) if other.name is not None}
    for name, target in targets_of(fault):
        if target["role"] == "previous" and not any(
                _may_precede(place, index, faults) for place in range(len(faults))):
            return f"{name}: previous is the node that the last fault struck, but no fault with a target comes before"
        if target["role"] == "struck" and not _may_precede(places[target["name"]], index, faults):
            return f"{name}: struck is {target['name']!r}, but {_why_not(places[target['name']], index, faults)}"
    by = None if fault.at_point is None else fault.at_point.by
    if by is not None and (places[by] == index or not KINDS[faults[places[by]].kind].has_target):
        return f"at_point: by is {by!r}, but {_why_not(places[by], index, faults)}"
    return None


def _may_precede(place: int, index: int, faults: Sequence[Fault]) -> bool:
    """Whether the fault at `place` may have struck a single node before the one at `index` is due."""
    one, other = faults[place], faults[index]
    if place == index or not KINDS[one.kind].has_target:
        return False
    return other.at_us is None or (_earliest_us(one), place) < (other.at_us, index)


def _why_not(place: int, index: int, faults: Sequence[Fault]) -> str:
    if place == index:
        return "that is the fault itself"
    if not KINDS[faults[place].kind].has_target:
        return f"fault {place} of that name, a {faults[place].kind}, has no target"
    return f"fault {place} of that name strikes later"


def _unfit(fault: Fault, setting: Setting) -> str | None:
    """Nodes that such a fault cannot be done to."""
    kind = KINDS[fault.kind]
    if not kind.has_target:
        return None
    groups = _groups_of(fault, setting)
    if groups and kind.plane == "disk" and groups <= {"clients"}:
        return f"target: clients keep nothing on a disk: a {kind.name} strikes servers"
    if groups and fault.remains and groups <= {"clients"}:
        return "target: only servers can be left outside of the core (remains), not clients"
    if groups and isinstance(kind, MembershipKind | SlowController) and "brokers" not in groups:
        return f"target: a {kind.name} strikes brokers, not {' or '.join(sorted(groups))}"
    return None


def _groups_of(fault: Fault, setting: Setting) -> set[str]:
    """The kinds of node that the target is one of, where that is known before the run."""
    role = str(fault.target["role"])
    by_node = {
        name for name in ("controllers", "brokers", "zookeepers", "clients")
        if fault.target.get("id") in getattr(setting, name)}
    if role == "node":
        return by_node
    if role.startswith("zookeeper"):
        return {"zookeepers"}
    if role in ("controller", "active-controller", "standby-controller"):
        # Combined nodes, and brokers in ZooKeeper mode, are both.
        apart = setting.controllers and not {*setting.controllers} & {*setting.brokers}
        return {"controllers"} if apart else {"controllers", "brokers"}
    return {"client": {"clients"}, "broker": {"brokers"}}.get(role, set())


def _unknown_log(fault: Fault, partitions: Mapping[str, int], mode: str) -> str | None:
    """Topics, partitions and files that nobody has."""
    named = [(f"{name}: partition", target["partition"]) for name, target in targets_of(fault) if "partition" in target]
    if fault.partition is not None:
        named.append(("partition", fault.partition))
    if fault.file is not None and fault.file != _METADATA_LOGS[mode]:
        named.append(("file", fault.file))
    for name, partition in named:
        topic, _, number = partition.rpartition("-")
        if int(number if number.isdecimal() else -1) not in range(partitions.get(topic, 0)):
            besides = f", or {_METADATA_LOGS[mode]}" if name == "file" else ""
            return f"{name} is {partition!r:.60}, which there is not; {_topics(partitions)}{besides}"
    if fault.topic is not None and fault.kind != "create-topic" and fault.topic not in partitions:
        return f"topic is {fault.topic!r:.60}, which there is not; {_topics(partitions)}"
    return None


def _topics(partitions: Mapping[str, int]) -> str:
    return "there are " + ", ".join(
        f"{topic}-0" + (f" to {topic}-{count - 1}" if count > 1 else "") for topic, count in partitions.items())


def _is_down(index: int, faults: Sequence[Fault]) -> str | None:
    """A process is to be struck that another fault keeps down."""
    fault = faults[index]
    if fault.at_us is None or not isinstance(KINDS[fault.kind], ProcessKind) or fault.target["role"] != "node":
        return None
    for place, other in enumerate(faults):
        if other.kind not in _DOWN or other.at_us is None or other.target != fault.target or place == index:
            continue
        ends_us = None if other.remains else other.at_us + other.duration_us
        begun = (other.at_us, place) < (fault.at_us, index)
        if begun and (ends_us is None or fault.at_us < ends_us or fault.at_us == other.at_us):
            until = "for good" if ends_us is None else f"until {_seconds(ends_us)}"
            return (f"{fault.kind} of node {fault.target['id']} at {_seconds(fault.at_us)} contradicts fault {place}, "
                    f"{other.kind} at {_seconds(other.at_us)}, which keeps it down {until}")
    return None


def _seconds(time_us: int) -> str:
    whole, rest = divmod(time_us, 1_000_000)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".") + " s"
