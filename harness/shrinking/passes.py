"""The passes: each tries to make one thing about a failing run smaller or simpler. They repeat until none helps."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, takewhile
from typing import Any

from fencepost.harness.shrinking.minimise import minimise
from fencepost.harness.shrinking.shrinker import Shrinker
from fencepost.nemesis.fields import FIELDS
from fencepost.nemesis.kinds import KINDS

Record = dict[str, Any]

_SECOND_US = 1_000_000
#: With so many seeds a spec is tried, once one does not help any more.
_SEEDS_TRIED = 3
#: In so many parts a run is looked at to see whether it may begin later.
_PARTS = 8
#: A gap that is left between two things that begin, and how many of the longest gaps are tried.
_SHORT_GAP_US, _GAPS_TRIED = 300_000, 3
#: Fields of a fault without which it may strike in a simpler way.
_EXTRAS = ("delay_us", "direction", "name")
#: Fields that say how much of something there is; one digit says it.
_QUANTITIES = tuple(name for name, field in FIELDS.items() if isinstance(field.examples[0], int))


def shrink(shrinker: Shrinker) -> None:
    """Run all passes until none makes the failure smaller, or the budget is used up."""
    for shrinker.seeds in (1, _SEEDS_TRIED):
        before = None
        while before != shrinker.spec and shrinker.seconds_left:
            before = shrinker.spec
            for one in (drop_what_came_too_late, drop_the_beginning, make_steady, drop_faults, drop_operations,
                        close_gaps, drop_nodes, simplify_faults, simplify_operations):
                one(shrinker)


def drop_what_came_too_late(shrinker: Shrinker) -> None:
    """Faults that struck nobody before the violation, operations that began after it, and the time after it."""
    best = shrinker.best
    spec = best.spec
    faults = [fault for place, fault in enumerate(spec.faults or ()) if place in best.struck]
    workload = [operation for operation in spec.workload or () if operation["at_us"] <= best.end_us]
    shrinker.accepts(faults=faults, workload=workload)
    ends_us = [record.get("at_us", 0) + record.get("duration_us", 0) for record in [*faults, *workload]]
    until_us = best.end_us if best.told_early else max(ends_us, default=0)
    whole_seconds_us = max(_SECOND_US, -(-until_us // _SECOND_US) * _SECOND_US)
    if whole_seconds_us < spec.duration_us:
        shrinker.accepts(duration_us=whole_seconds_us)


def drop_the_beginning(shrinker: Shrinker) -> None:
    """All that came between the first topics' creation and some time, and that time."""
    first = takewhile(lambda operation: operation["f"].startswith("create-"), shrinker.spec.workload or ())
    from_us = max((operation["at_us"] for operation in first), default=0) + 1
    for parts in range(_PARTS - 1, 0, -1):
        by_us = (shrinker.best.end_us - from_us) * parts // _PARTS
        if by_us > 0 and shrinker.accepts(
                faults=_without(shrinker.spec.faults, from_us, by_us),
                workload=_without(shrinker.spec.workload, from_us, by_us)):
            return


def _without(records: list[Record] | None, from_us: int, by_us: int) -> list[Record]:
    """Nothing that begins in some stretch of time; what comes behind it earlier."""
    kept: list[Record] = []
    for record in records or ():
        if "at_us" not in record:
            point = record["at_point"]
            kept.append({**record, "at_point": {**point, "from_us": max(0, point["from_us"] - by_us)}})
        elif record["at_us"] < from_us:
            kept.append(record)
        elif record["at_us"] >= from_us + by_us:
            kept.append({**record, "at_us": record["at_us"] - by_us})
    return kept


def make_steady(shrinker: Shrinker) -> None:
    """No latency is drawn."""
    if not shrinker.spec.steady:
        shrinker.accepts(steady=True)


def drop_faults(shrinker: Shrinker) -> None:
    """As many as can go."""
    minimise(
        shrinker.spec.faults or (),
        lambda lists: shrinker.first_accepted({"faults": faults} for faults in lists))


def drop_operations(shrinker: Shrinker) -> None:
    """All of one kind, of one topic, of one client, then as many as can go."""
    for field in ("f", "topic", "client"):
        for value in sorted({operation[field] for operation in shrinker.spec.workload or () if field in operation}):
            rest = [operation for operation in shrinker.spec.workload or () if operation.get(field) != value]
            shrinker.accepts(workload=rest)
    minimise(
        shrinker.spec.workload or (),
        lambda lists: shrinker.first_accepted({"workload": workload} for workload in lists))




def close_gaps(shrinker: Shrinker) -> None:
    """Time in which nothing begins, the longest first: what follows comes earlier."""
    while shrinker.seconds_left:
        records = [*(shrinker.spec.faults or ()), *(shrinker.spec.workload or ())]
        times = sorted({0, *(record["at_us"] for record in records if "at_us" in record)})
        gaps = [(later - earlier, later) for earlier, later in pairwise(times)]
        if not any(_close(shrinker, gap_us, after_us) for gap_us, after_us in sorted(gaps, reverse=True)[:_GAPS_TRIED]):
            return


def _close(shrinker: Shrinker, gap_us: int, from_us: int) -> bool:
    """Whether everything from a time on may come earlier, by the gap before it or by half of it."""
    def earlier(records: list[Record] | None, by_us: int) -> list[Record]:
        return [{**record, "at_us": record["at_us"] - by_us} if record.get("at_us", 0) >= from_us else record
                for record in records or ()]
    return any(
        shrinker.accepts(
            faults=earlier(shrinker.spec.faults, by_us), workload=earlier(shrinker.spec.workload, by_us))
        for by_us in (gap_us - _SHORT_GAP_US, gap_us // 2) if gap_us > 2 * _SHORT_GAP_US)


def drop_nodes(shrinker: Shrinker) -> None:
    """Clients that do nothing, then brokers, controllers and ZooKeeper servers, one at a time."""
    used = sorted({operation["client"] for operation in shrinker.spec.workload or ()})
    if len(used) < shrinker.spec.shape.clients:
        workload = [{**operation, "client": used.index(operation["client"])}
                    for operation in shrinker.spec.workload or ()]
        shape = replace(shrinker.spec.shape, clients=max(1, len(used)))
        shrinker.accepts(shape=shape, workload=workload)
    for name in ("brokers", "zookeepers" if shrinker.spec.mode == "zk" else "controllers"):
        while getattr(shrinker.spec.shape, name) > 1:
            shape = replace(shrinker.spec.shape, **{name: getattr(shrinker.spec.shape, name) - 1})
            if not shrinker.accepts(shape=shape):
                break


def simplify_faults(shrinker: Shrinker) -> None:
    """A milder kind, no extras, no waiting for the n-th time, round and short durations, round times."""
    for place in range(len(shrinker.spec.faults or ())):
        def change(changed: Record, place: int = place) -> bool:
            faults = list(shrinker.spec.faults or ())
            faults[place] = changed
            return shrinker.accepts(faults=faults)
        _simplify_fault(lambda place=place: (shrinker.spec.faults or [])[place], change)  # type: ignore[misc]


def _simplify_fault(current: Callable[[], Record], change: Callable[[Record], bool]) -> None:
    while (milder := KINDS[current()["kind"]].milder) is not None:
        if not change(_as_kind(current(), milder)):
            break
    if "remains" in current():
        change({**{key: value for key, value in current().items() if key != "remains"}, "duration_us": _SECOND_US})
    for name in _EXTRAS:
        if name in current():
            change({key: value for key, value in current().items() if key != name})
    trigger = current().get("at_point")
    if trigger is not None and trigger != {"point": trigger["point"], "count": 1, "from_us": 0}:
        change({**current(), "at_point": {"point": trigger["point"], "count": 1, "from_us": 0}})
    while current()["duration_us"] > 1000:
        if not change({**current(), "duration_us": _rounded(current()["duration_us"] // 2)}):
            break
    for name in ("duration_us", "at_us"):
        if current().get(name, 0) != _rounded(current().get(name, 0)):
            change({**current(), name: _rounded(current()[name])})
    for name in _QUANTITIES:
        if name in current() and current()[name] != _to_one_digit(current()[name]):
            change({**current(), name: _to_one_digit(current()[name])})


def _as_kind(fault: Record, kind: str) -> Record:
    """The fault as one of another kind, with those of its fields that this one takes."""
    takes = (*KINDS[kind].needs, *KINDS[kind].may, *KINDS[kind].ignores)
    return {name: value for name, value in {**fault, "kind": kind}.items() if name not in FIELDS or name in takes}


def simplify_operations(shrinker: Shrinker) -> None:
    """Single records, and round times."""
    for place in range(len(shrinker.spec.workload or ())):
        for name, simpler in (("count", lambda _: 1), ("at_us", _rounded)):
            workload = list(shrinker.spec.workload or ())
            operation = workload[place]
            if name in operation and operation[name] != simpler(operation[name]):
                workload[place] = {**operation, name: simpler(operation[name])}
                shrinker.accepts(workload=workload)


def _to_one_digit(number: int) -> int:
    """1234 -> 1000, -25 -> -20."""
    step = int("1".ljust(len(str(abs(number))), "0"))
    return abs(number) // step * step * (1 if number > 0 else -1)


def _rounded(time_us: int) -> int:
    """To a tenth of a second, or what is shorter to one digit."""
    step = 100_000
    while step > 1 and time_us < step:
        step //= 10
    return time_us // step * step
