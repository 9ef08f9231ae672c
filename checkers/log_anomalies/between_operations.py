"""What one process sees and does from one operation to the next: poll-skip, nonmonotonic-poll, nonmonotonic-send.

A consumer goes on where it stopped: its next poll of a log begins right behind the last record that an `ok` operation
of the process polled from it. Operations that failed, or of which nobody knows (`info`), do not move that position
(their offsets were not committed), but must themselves begin there. `assign` and `subscribe` (unless they failed)
forget the positions of all logs that they do not name; one that seeks to the beginning forgets them all. While a
process is subscribed, the group may move its partitions at any time, so that what its polls skip or repeat is reported
and allowed.
"""

from collections.abc import Iterator

from fencepost.checkers.anomaly_report import Anomaly
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.log_anomalies.operations import SUBSCRIBE, LogOperation, Record, shown
from fencepost.checkers.log_anomalies.view import KnownLog, LogView
from fencepost.histories.event import FAIL, OK

_MOVED = "a group may move its subscribers' partitions between their operations"


def poll_skips(view: LogView) -> Iterator[Anomaly]:
    """poll-skip: a process's poll left out records between its previous poll's last record and its first one.

        process 0   send  x [0, 1], [1, 2], [2, 3]    ok
        process 1   poll  x [[0, 1]]                  ok
        process 1   poll  x [[2, 3]]                  ok     <- skipped 2 at offset 1

    Gaps in the offsets are no skip: only records that the history shows count. An assignment that drops the log, or
    seeks to the beginning, makes a new start; a subscribed process may skip. `info`: an operation that failed or of
    which nobody knows must begin where the process stopped, and the next one must begin there again.
    """
    for key, log, earlier, later, allowed in _successive_polls(view):
        last, first = earlier.polls[key][-1], later.polls[key][0]
        if log.distance(last, first) > 1:
            skipped = log.between(last, first)
            yield Anomaly(
                "poll-skip",
                f"{earlier.words()} polled log {key} up to {last.words()}, and the next poll of the process, "
                f"{later.words()}, went on with {first.words()}: it skipped {shown(skipped)}",
                (earlier.number, later.number),
                {"key": key, "values": [plain_value(last.value), plain_value(first.value)],
                 "skipped": [plain_value(record.value) for record in skipped]}, allowed)


def nonmonotonic_polls(view: LogView) -> Iterator[Anomaly]:
    """nonmonotonic-poll: a process's poll began at or before the last record of its previous one.

        process 0   send  x [0, 1], [1, 2], [2, 3]    ok
        process 1   poll  x [[0, 1], [1, 2]]          ok
        process 1   poll  x [[1, 2], [2, 3]]          ok     <- 2 once more

    An assignment that drops the log makes a new start; a subscribed process may go back. `info`: as for poll-skip.
    """
    for key, log, earlier, later, allowed in _successive_polls(view):
        last, first = earlier.polls[key][-1], later.polls[key][0]
        if log.distance(last, first) < 1:
            yield Anomaly(
                "nonmonotonic-poll",
                f"{earlier.words()} polled log {key} up to {last.words()}, and the next poll of the process, "
                f"{later.words()}, went back to {first.words()}",
                (earlier.number, later.number),
                {"key": key, "values": [plain_value(last.value), plain_value(first.value)]}, allowed)


def nonmonotonic_sends(view: LogView) -> Iterator[Anomaly]:
    """nonmonotonic-send: what a process sent in one operation lies before what it had sent in an earlier one.

        process 0   send  x [3, 1], [4, 2]    ok
        process 0   send  x [1, 3], [2, 4]    ok       <- 3 before 2

    A producer's sends keep their order, even where others' lie between them. `info`: sends of which nobody knows take
    part; their place is known once anybody polled them. Assignments forget as they do for polls.
    """
    for process_operations in _by_process(view).values():
        last_operation: dict[str, LogOperation] = {}
        for operation in process_operations:
            if operation.assigned is not None:
                last_operation = _kept(last_operation, operation)
            elif operation.type != FAIL:
                for key, records in operation.sends.items():
                    earlier = last_operation.get(key)
                    if earlier is not None and key in view.logs:
                        last, first = earlier.sends[key][-1], records[0]
                        if view.logs[key].distance(last, first) < 1:
                            yield _nonmonotonic_send(key, earlier, operation, last, first)
                    last_operation[key] = operation


def _nonmonotonic_send(key: str, earlier: LogOperation, later: LogOperation, last: Record, first: Record) -> Anomaly:
    return Anomaly(
        "nonmonotonic-send",
        f"{later.words()} sent {first.words()} to log {key}, which lies before {last.words()}, sent by the same "
        f"process in {earlier.words()}",
        (earlier.number, later.number), {"key": key, "values": [plain_value(last.value), plain_value(first.value)]})


def _successive_polls(view: LogView) -> Iterator[tuple[str, KnownLog, LogOperation, LogOperation, str | None]]:
    """(key, its log, the operation whose polls went before, the one that goes on, why it is allowed to jump)."""
    for process_operations in _by_process(view).values():
        last_operation: dict[str, LogOperation] = {}
        allowed = None
        for operation in process_operations:
            if operation.assigned is not None:
                last_operation = _kept(last_operation, operation)
                allowed = _MOVED if operation.f == SUBSCRIBE else None
                continue
            for key, records in operation.polls.items():
                if records:
                    if key in last_operation and key in view.logs:
                        yield key, view.logs[key], last_operation[key], operation, allowed
                    if operation.type == OK:
                        last_operation[key] = operation


def _kept(last_operation: dict[str, LogOperation], assignment: LogOperation) -> dict[str, LogOperation]:
    if assignment.rewinds or assignment.assigned is None:
        return {}
    return {key: operation for key, operation in last_operation.items() if key in assignment.assigned}


def _by_process(view: LogView) -> dict[object, list[LogOperation]]:
    by_process: dict[object, list[LogOperation]] = {}
    for operation in view.operations:
        by_process.setdefault(operation.process, []).append(operation)
    return by_process
