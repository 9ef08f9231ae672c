"""Polls of what was not committed: G1a (aborted read) and precommitted-read.

A transactional producer's records become visible when its transaction commits, and to nobody before, itself included.
"""

from collections.abc import Iterator

from fencepost.checkers.anomaly_report import Anomaly
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.log_anomalies.operations import LogOperation
from fencepost.checkers.log_anomalies.view import LogView
from fencepost.histories.event import FAIL, OK


def aborted_reads(view: LogView) -> Iterator[Anomaly]:
    """G1a, aborted read: an `ok` operation polled a value whose send is known to have failed.

        process 0   send  x 2                 fail
        process 1   poll  x [[0, 2]]          ok       <- 2 was never sent

    `info`: a send of which nobody knows may have committed, so polling it is no anomaly but proof that it did.
    """
    for operation in view.operations:
        if operation.type == OK:
            for key, records in operation.polls.items():
                for record in records:
                    writer = view.writers.get(key, {}).get(record.value)
                    if writer is not None and writer.type == FAIL:
                        yield Anomaly(
                            "G1a",
                            f"{operation.words()} polled {record.words()} of log {key}, but its send, "
                            f"{writer.words()}, failed and must never be seen",
                            (writer.number, operation.number),
                            {"key": key, "value": plain_value(record.value), "offset": record.offset},
                            view.contract.uncommitted_reads)


def precommitted_reads(view: LogView) -> Iterator[Anomaly]:
    """precommitted-read: a transaction polled what it had itself sent, before it can have committed.

        process 0   txn   send x [0, 1], poll x [[0, 1]]      ok    <- 1 was visible to its own transaction

    `info`: whatever became of the transaction, its poll came before its end, so every kind of completion counts.
    """
    for operation in view.operations:
        for key, records in operation.polls.items():
            own = {record.value for record in operation.sends.get(key, [])}
            for record in records:
                if record.value in own:
                    yield _precommitted(operation, key, record.value, view.contract.uncommitted_reads)
                    break


def _precommitted(operation: LogOperation, key: str, value: object, allowed: str | None) -> Anomaly:
    return Anomaly(
        "precommitted-read",
        f"{operation.words()} polled {value!r} from log {key}, which the same operation sent: a consumer sees a record "
        "only once its transaction has committed",
        (operation.number,), {"key": key, "value": plain_value(value)}, allowed)
