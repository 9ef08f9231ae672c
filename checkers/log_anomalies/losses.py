"""Records that nobody got: lost-write and unseen."""

from collections.abc import Iterator

from fencepost.checkers.anomaly_report import Anomaly
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.log_anomalies.operations import Record, shown
from fencepost.checkers.log_anomalies.view import KnownLog, LogView
from fencepost.histories.event import OK

#: Values of an unseen anomaly that are kept with it; the rest is counted.
_KEPT_VALUES = 32


def lost_writes(view: LogView) -> Iterator[Anomaly]:
    """lost-write: a record that must have been committed was polled by nobody, though later ones of its log were.

        process 0   send  x [0, 1]            ok
        process 0   send  x [1, 2]            ok
        process 1   poll  x [[1, 2]]          ok       <- nobody ever polls 1

    The last records of a log may simply not have been polled yet, so only those up to the last polled position are
    owed. Where a value lies at several offsets, or several at one, the benefit of the doubt goes to the log: how far it
    was polled is measured at first positions, what is owed at last ones. `info`: a send of which nobody knows is owed
    only if an `ok` poll returned something that its operation sent; only `ok` polls count as polls.
    """
    for key, log in view.logs.items():
        polled = view.polled.get(key, {})
        reached, furthest = -1, None
        for value in polled:
            positions = log.positions.get(value)
            if positions and positions[0] > reached:
                reached, furthest = positions[0], value
        for value, positions in log.positions.items():
            writer = view.writers.get(key, {}).get(value)
            if positions[-1] <= reached and value not in polled and writer is not None and view.took_effect(writer):
                yield _lost(view, key, log, value, furthest)


def _lost(view: LogView, key: str, log: KnownLog, value: object, furthest: object) -> Anomaly:
    writer, reader = view.writers[key][value], view.polled[key][furthest]
    lost = Record(log.offsets[log.positions[value][0]], value)
    further = Record(log.offsets[log.positions[furthest][0]], furthest)
    certainty = "was acknowledged" if writer.type == OK else "must have committed, for others of its sends were polled"
    return Anomaly(
        "lost-write",
        f"{lost.words()} of log {key}, sent by {writer.words()}, {certainty}, but no poll ever returned it, though "
        f"{reader.words()} polled {further.words()}",
        (writer.number, reader.number),
        {"key": key, "value": plain_value(value), "offset": lost.offset, "furthest_offset": further.offset})


def unseen(view: LogView) -> Iterator[Anomaly]:
    """unseen: acknowledged records of a log were polled by nobody until the history's end.

        process 0   send  x [0, 1]            ok
        process 1   poll  x []                ok       <- and nothing else until the end

    A history that means to be judged by it ends with polls of every log from its beginning until they have caught up.
    `info`: only `ok` sends are owed, and only `ok` polls count.
    """
    missing: dict[str, dict[Record, int]] = {}
    for operation in view.operations:
        if operation.type == OK:
            for key, records in operation.sends.items():
                for record in records:
                    if record.value not in view.polled.get(key, {}):
                        missing.setdefault(key, {})[record] = operation.number
    for key, records_of_key in missing.items():
        records = list(records_of_key)
        yield Anomaly(
            "unseen",
            f"{len(records)} acknowledged record{'s' if len(records) > 1 else ''} of log {key} had been polled by "
            f"nobody when the history ended: {shown(records)}",
            tuple(dict.fromkeys(records_of_key.values())),
            {"key": key, "count": len(records),
             "values": [plain_value(record.value) for record in records[:_KEPT_VALUES]]},
            view.contract.unseen)
