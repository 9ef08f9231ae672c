"""What one operation sees and does: int-poll-skip, int-nonmonotonic-poll, int-send-skip, int-nonmonotonic-send.

Each looks at the records of one operation and one log, two by two in their order; where a record lies is known as
`fencepost.checkers.log_anomalies.view` says.
"""

from collections.abc import Iterator
from itertools import pairwise

from fencepost.checkers.anomaly_report import Anomaly
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.log_anomalies.operations import LogOperation, Record, shown
from fencepost.checkers.log_anomalies.view import LogView

_INTERLEAVED = "Kafka never isolates sends: those of concurrent producers interleave"


def internal_poll_skips(view: LogView) -> Iterator[Anomaly]:
    """int-poll-skip: two successive records that one operation polled have known records between them.

        process 0   send  x [1, 1], [2, 2], [3, 3]    ok
        process 1   poll  x [[1, 1], [3, 3]]          ok     <- skipped 2

    Logs of which the operation's rebalance log says that their assignment changed are left out. `info`: what an
    operation was shown counts whatever became of it.
    """
    for operation, key, earlier, later in _polled_pairs(view):
        if view.logs[key].distance(earlier, later) > 1:
            yield _skip("int-poll-skip", "polled", view, operation, key, earlier, later, None)


def internal_nonmonotonic_polls(view: LogView) -> Iterator[Anomaly]:
    """int-nonmonotonic-poll: of two successive records that one operation polled, the second does not lie behind.

        process 0   send  x [1, 1], [2, 2], [3, 3]    ok
        process 1   poll  x [[3, 3], [1, 1]]          ok     <- 1 after 3

    Rebalances and `info`: as for int-poll-skip.
    """
    for operation, key, earlier, later in _polled_pairs(view):
        if view.logs[key].distance(earlier, later) < 1:
            yield _backwards("int-nonmonotonic-poll", "polled", operation, key, earlier, later)


def internal_send_skips(view: LogView) -> Iterator[Anomaly]:
    """int-send-skip: between two successive records that one operation sent to a log, another's lie.

        process 0   send  x [1, 1], [3, 3]            ok     <- 2 lies between
        process 1   send  x [2, 2]                    ok

    Always allowed: a transaction makes its sends visible together, not adjacent. `info`: sends of which nobody knows
    are looked at too; their place is known once anybody polled them.
    """
    for operation, key, earlier, later in _sent_pairs(view):
        if view.logs[key].distance(earlier, later) > 1:
            yield _skip("int-send-skip", "sent", view, operation, key, earlier, later, _INTERLEAVED)


def internal_nonmonotonic_sends(view: LogView) -> Iterator[Anomaly]:
    """int-nonmonotonic-send: of two successive records that one operation sent, the second does not lie behind.

        process 0   send  x [3, 1], [1, 2]            ok     <- 2 was sent after 1 and lies before it

    `info`: as for int-send-skip.
    """
    for operation, key, earlier, later in _sent_pairs(view):
        if view.logs[key].distance(earlier, later) < 1:
            yield _backwards("int-nonmonotonic-send", "sent", operation, key, earlier, later)


def _polled_pairs(view: LogView) -> Iterator[tuple[LogOperation, str, Record, Record]]:
    for operation in view.operations:
        for key, records in operation.polls.items():
            if key in view.logs and key not in operation.rebalanced:
                for earlier, later in pairwise(records):
                    yield operation, key, earlier, later


def _sent_pairs(view: LogView) -> Iterator[tuple[LogOperation, str, Record, Record]]:
    for operation in view.operations:
        for key, records in operation.sends.items():
            if key in view.logs:
                for earlier, later in pairwise(records):
                    yield operation, key, earlier, later


def _skip(
    kind: str, did: str, view: LogView, operation: LogOperation, key: str, earlier: Record, later: Record,
    allowed: str | None,
) -> Anomaly:
    skipped = view.logs[key].between(earlier, later)
    return Anomaly(
        kind,
        f"{operation.words()} {did} {earlier.words()} and then {later.words()} of log {key}, between which lies "
        f"{shown(skipped)}",
        (operation.number,),
        {"key": key, "values": [plain_value(earlier.value), plain_value(later.value)],
         "skipped": [plain_value(record.value) for record in skipped]}, allowed)


def _backwards(kind: str, did: str, operation: LogOperation, key: str, earlier: Record, later: Record) -> Anomaly:
    return Anomaly(
        kind, f"{operation.words()} {did} {earlier.words()} of log {key} and then {later.words()}, which does not lie "
        "behind it", (operation.number,),
        {"key": key, "values": [plain_value(earlier.value), plain_value(later.value)]})
