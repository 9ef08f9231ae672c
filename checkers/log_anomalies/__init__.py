"""Anomalies of append-only logs with offsets, such as Kafka's partitions, in send/poll histories.

They are those of Jepsen's Kafka workload, by its names (see `jepsen.tests.kafka` of jepsen-io/jepsen, and the report on
Redpanda 21.10.1); each has a function of its own here, whose docstring defines it by a small history. A history's
operations are described in `fencepost.checkers.log_anomalies.operations`, and what may be inferred from which of them,
`info` ones above all, in `fencepost.checkers.log_anomalies.view`.

What Kafka's contract permits is reported and does not decide the verdict: sends of different producers interleave
(int-send-skip), a group may move its subscribers' partitions (poll-skip and nonmonotonic-poll of a subscribed process),
and at read_uncommitted consumers see what is not committed (G1a, G1c, precommitted-read).
"""

from collections.abc import Callable, Iterable, Iterator
from inspect import getdoc

from fencepost.checkers.anomaly_report import Anomaly, AnomalyModel, AnomalyReport, report
from fencepost.checkers.linearizability.budget import Budget, Exhausted, Unlimited
from fencepost.checkers.log_anomalies.between_operations import nonmonotonic_polls, nonmonotonic_sends, poll_skips
from fencepost.checkers.log_anomalies.committed_reads import aborted_reads, precommitted_reads
from fencepost.checkers.log_anomalies.cycles import CYCLE_WORDS, dependency_cycles
from fencepost.checkers.log_anomalies.losses import lost_writes, unseen
from fencepost.checkers.log_anomalies.offsets import duplicates, inconsistent_offsets
from fencepost.checkers.log_anomalies.operations import log_operations, shown
from fencepost.checkers.log_anomalies.view import Contract, LogView
from fencepost.checkers.log_anomalies.within_operations import (
    internal_nonmonotonic_polls,
    internal_nonmonotonic_sends,
    internal_poll_skips,
    internal_send_skips,
)
from fencepost.checkers.transactions.analysis import metered
from fencepost.histories.pairing import Call

#: The anomalies that `analyse` can report beside cycles, by their names, with what finds each.
DETECTORS: dict[str, Callable[[LogView], Iterator[Anomaly]]] = {
    "lost-write": lost_writes,
    "unseen": unseen,
    "inconsistent-offsets": inconsistent_offsets,
    "duplicate": duplicates,
    "G1a": aborted_reads,
    "precommitted-read": precommitted_reads,
    "poll-skip": poll_skips,
    "nonmonotonic-poll": nonmonotonic_polls,
    "nonmonotonic-send": nonmonotonic_sends,
    "int-poll-skip": internal_poll_skips,
    "int-nonmonotonic-poll": internal_nonmonotonic_polls,
    "int-send-skip": internal_send_skips,
    "int-nonmonotonic-send": internal_nonmonotonic_sends,
}


def analyse(
    calls: Iterable[Call], *, read_uncommitted: bool = False, final_polls: bool = True,
    write_dependencies: bool = False, budget: Budget | None = None,
) -> AnomalyReport:
    """The anomalies of a send/poll history.

    read_uncommitted: whether consumers ran at that isolation level, where G1a, G1c and precommitted-read are allowed.
    final_polls: whether the history ends with polls that meant to catch up with every log; else unseen is allowed.
    write_dependencies: whether to look for cycles through the order of sends too; all such cycles are allowed.
    budget: how much work it may cost; None for any.
    The verdict is `unknown` if the history sends and polls nothing, or polls what nobody sent, or the budget ran out
    (and it shows no anomaly). Raises HistoryError for a micro-operation that is neither a send nor a poll.
    """
    meter = budget or Unlimited()
    uncommitted = "consumers read uncommitted records" if read_uncommitted else None
    contract = Contract(
        uncommitted, None if final_polls else "the history does not end with polls of every log",
        uncommitted or ("sends are never isolated" if write_dependencies else None))
    found: list[Anomaly] = []
    try:
        view = LogView(log_operations(metered(calls, meter)), contract)
        for detect in DETECTORS.values():
            for anomaly in metered(detect(view), meter):
                found.append(anomaly)
            meter.spend(1)
        for anomaly in dependency_cycles(view, write_dependencies, meter):
            found.append(anomaly)
    except Exhausted as exhausted:
        return report(found, [f"not everything was looked at within {exhausted}"])
    return report(found, _undecidable(view))


def _undecidable(view: LogView) -> list[str]:
    reasons = []
    if not view.writers and not any(operation.polls for operation in view.operations):
        reasons.append("the history sends nothing and polls nothing: there is nothing to judge")
    if view.unsent:
        key, record, operation = view.unsent[0]
        reasons.append(
            f"{len(view.unsent)} polled records were sent by nobody, first {shown([record])} of log {key} by "
            f"{operation.words()}: either the history lacks its senders, or the log holds what nobody wrote")
    return reasons


MODEL = AnomalyModel(
    "logs with offsets, such as Kafka's partitions: send, poll, txn, assign, subscribe, with Jepsen's anomalies",
    analyse,
    {
        "read_uncommitted": "consumers ran at read_uncommitted: G1a, G1c and precommitted-read are allowed",
        "final_polls": "the history ends with polls that caught up with every log; if not, unseen is allowed",
        "write_dependencies": "look for cycles through the order of sends too, all of which are allowed",
    },
    {**{name: getdoc(detect) or "" for name, detect in DETECTORS.items()}, **CYCLE_WORDS})
