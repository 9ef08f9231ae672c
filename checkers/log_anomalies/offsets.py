"""One record an offset, one offset a record: inconsistent-offsets and duplicate."""

from collections.abc import Iterator

from fencepost.checkers.anomaly_report import Anomaly
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.log_anomalies.view import LogView


def inconsistent_offsets(view: LogView) -> Iterator[Anomaly]:
    """inconsistent-offsets: two values were seen at one offset of one log.

        process 0   send  x [0, 1]            ok
        process 1   send  x [0, 2]            ok       <- offset 0 was already 1's

    `info`: a send with an offset counts here only if an `ok` poll returned something that its operation sent.
    """
    for key, log in view.logs.items():
        for offset, values in zip(log.offsets, log.values, strict=True):
            if len(values) > 1:
                told = "; ".join([f"{value!r} by {witness.words()}" for value, witness in values.items()])
                yield Anomaly(
                    "inconsistent-offsets", f"offset {offset} of log {key} was seen to hold {told}",
                    tuple([witness.number for witness in values.values()]),
                    {"key": key, "offset": offset, "values": plain_value(tuple(values))})


def duplicates(view: LogView) -> Iterator[Anomaly]:
    """duplicate: one value lies at several offsets of its log, though it was sent once.

        process 0   send  x [1, 7]            ok
        process 1   poll  x [[3, 7]]          ok       <- 7 lies at offset 1 and at offset 3

    To poll one offset twice is no duplicate but a nonmonotonic-poll. `info`: polls of any operation count, and sends
    that must have taken effect; the offset that a failed send was told does not.
    """
    for key, log in view.logs.items():
        for value, positions in log.positions.items():
            if len(positions) > 1:
                offsets = [log.offsets[position] for position in positions]
                witnesses = [log.values[position][value] for position in positions]
                yield Anomaly(
                    "duplicate",
                    f"{value!r} lies at {len(offsets)} offsets of log {key}: " + "; ".join([
                        f"{offset} by {witness.words()}" for offset, witness in zip(offsets, witnesses, strict=True)]),
                    tuple([witness.number for witness in witnesses]),
                    {"key": key, "value": plain_value(value), "offsets": offsets})
