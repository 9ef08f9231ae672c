"""Contracts that ask less than linearizability, each with a counterexample: `sessions` and `staleness` say which.

    WEAKER["monotonic-reads"].analyse(calls, initial=0).verdict
"""

from fencepost.checkers.anomaly_report import AnomalyModel
from fencepost.checkers.weaker import sessions, staleness

#: By the names under which the command line knows them.
WEAKER: dict[str, AnomalyModel] = {**sessions.MODELS, staleness.NAME: staleness.MODEL}
