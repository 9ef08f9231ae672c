"""Sets, in two cases.

Elements that are only added, and read all together: each reading must hold all that smaller ones hold, which gives the
order of the readings; an element was added before the first of them that holds it and after the last that does not.
    add(1), add(2), read() -> (2,) and read() -> (1, 2)        allowed while the adds overlap the first reading
    add(1), add(2), read() -> (2,) and read() -> (1,)          refused: neither reading can be the earlier one

Elements that are looked for one by one, each added at most once and removed at most once: they have nothing to do with
each other, and each goes from absent to present to absent.

Not decided: what is added twice, or removed and also read with all others.
"""

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

from fencepost.checkers.linearizability.near_linear.order import out_of_order
from fencepost.checkers.linearizability.operation import Operation, PartOutcome
from fencepost.checkers.linearizability.pace import Spend, paced

NAME = "set elements"


def decide(operations: Iterable[Operation], initial: tuple[Any, ...], spend: Spend) -> PartOutcome | None:
    """Judge adds, removes, lookings and readings of a set that starts with these elements."""
    adds: dict[Any, Operation | None] = dict.fromkeys(initial)
    removes: dict[Any, Operation] = {}
    lookings: dict[Any, list[Operation]] = {}
    readings: list[Operation] = []
    for operation in paced(operations, spend):
        if operation.f == "add":
            if operation.argument in adds or operation.result is False:
                return None
            adds[operation.argument] = operation
        elif operation.f == "remove":
            if operation.result is False or removes.setdefault(operation.argument, operation) is not operation:
                return None
        elif operation.f not in ("contains", "read"):
            return None
        elif operation.ret is not None:
            if operation.f == "read":
                readings.append(operation)
            else:
                lookings.setdefault(operation.argument, []).append(operation)
    if not readings:
        return _one_by_one(adds, removes, lookings, spend)
    return None if removes or lookings else _all_together(adds, readings, spend)


# --- added only, read all together -----------------------------------------------------------------------------------


def _all_together(
    adds: dict[Any, Operation | None], readings: list[Operation], spend: Spend,
) -> PartOutcome | None:
    readings.sort(key=lambda reading: (len(reading.result), reading.call))
    groups: list[list[Operation]] = []
    seen = {element: None for element, add in adds.items() if add is None}
    before: Operation | None = None
    for reading in readings:
        spend(0)
        held = dict.fromkeys(reading.result)
        if len(held) != len(reading.result):
            return _invalid(f"{reading.words()} holds an element twice", reading)
        missing = next((element for element in seen if element not in held), None)
        if missing is not None:
            return _missing(missing, before, reading)
        new = [element for element in reading.result if element not in seen]
        unknown = next((element for element in new if element not in adds), None)
        if unknown is not None:
            return _invalid(f"{reading.words()} holds {unknown!r}, which nobody added", reading)
        if new or not groups:
            groups += [[add for element in new if (add := adds[element]) is not None], []]
            seen = held
        groups[-1].append(reading)
        before = reading
    groups.append([add for element, add in adds.items() if element not in seen and add is not None
                   and add.ret is not None])
    found = out_of_order(paced(groups, spend))
    return PartOutcome(NAME, True) if found is None else _out_of_time(*found)


def _missing(element: Any, before: Operation | None, reading: Operation) -> PartOutcome:
    if before is None:
        return _invalid(f"{reading.words()} lacks {element!r}, which was there from the start", reading)
    return _invalid(f"{before.words()} holds {element!r}, which {reading.words()} lacks though it holds as much: "
                    "neither can be the earlier one", before, reading)


def _out_of_time(earlier: Operation, later: Operation) -> PartOutcome:
    if earlier.f == "add":
        why = f"the latter lacks {earlier.argument!r}" if later.f == "read" else \
            "there is a reading of what the latter added without what the former added"
    else:
        why = f"the former holds {later.argument!r}" if later.f == "add" else "the latter lacks what the former holds"
    return _invalid(f"{earlier.words()} returned at {earlier.ret}, before {later.words()} was called at {later.call}; "
                    f"but {why}", earlier, later)


# --- one by one ------------------------------------------------------------------------------------------------------


def _one_by_one(
    adds: dict[Any, Operation | None], removes: dict[Any, Operation], lookings: dict[Any, list[Operation]],
    spend: Spend,
) -> PartOutcome | None:
    for element in paced(dict.fromkeys([*adds, *removes, *lookings]), spend):
        add, remove = adds.get(element), removes.get(element)
        present = [looking for looking in lookings.get(element, ()) if looking.result is True]
        absent = [looking for looking in lookings.get(element, ()) if looking.result is not True]
        there = element in adds and add is None
        if not any(_possible(there, kept, gone, present, absent) for kept, gone in _choices(add, remove)):
            related = [*present, *absent, *(operation for operation in (add, remove) if operation is not None)]
            related.sort(key=lambda operation: operation.call)
            return _invalid(f"no order of the operations on {element!r} allows what was seen of it: "
                            + ", ".join(f"{operation.words()} from {operation.call} to {operation.ret}"
                                        for operation in related[:8]), *related)
    return PartOutcome(NAME, True)


def _choices(add: Operation | None, remove: Operation | None) -> list[tuple[Operation | None, Operation | None]]:
    """Which of the two to have in the story: a crashed one may not have happened."""
    kept = [add] if add is None or add.ret is not None else [add, None]
    gone = [remove] if remove is None or remove.ret is not None else [remove, None]
    return [(one, other) for one in kept for other in gone]


def _possible(
    there: bool, add: Operation | None, remove: Operation | None, present: Sequence[Operation],
    absent: Sequence[Operation],
) -> bool:
    """Whether there are moments for add and remove that explain the lookings."""
    if (remove is not None and remove.ret is not None and remove.result is None and not there
            and _possible(there, add, None, present, [*absent, remove])):
        # It came first and removed nothing.
        return True
    if not there and add is None:
        return remove is None and not present
    first_call = -inf if add is None else add.call
    first_return = -inf if add is None else min(_return(add), *(map(_return, present)), inf)
    if remove is None:
        last_call = max((absence.call for absence in absent), default=-inf)
        return first_call <= first_return and last_call <= first_return if add is not None else not absent
    added_by = min(first_return, _return(remove)) if add is not None else -inf
    removed_from = max([remove.call, first_call, *(looking.call for looking in present)])
    if first_call > added_by or removed_from > _return(remove):
        return False
    if removed_from <= added_by:
        return True
    return all(absence.call <= added_by or _return(absence) >= removed_from for absence in absent)


def _return(operation: Operation) -> float:
    return inf if operation.ret is None else operation.ret


def _invalid(reason: str, *operations: Operation) -> PartOutcome:
    return PartOutcome(NAME, False, operations, reason)
