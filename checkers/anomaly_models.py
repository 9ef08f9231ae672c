"""The kinds of histories whose anomalies can be looked for, by the names under which the command line knows them."""

from fencepost.checkers import log_anomalies, transactions
from fencepost.checkers.anomaly_report import AnomalyModel
from fencepost.checkers.weaker import WEAKER

#: name -> what it is and does; `ANOMALY_MODELS[name].analyse(calls, **options)` gives an `AnomalyReport`.
ANOMALY_MODELS: dict[str, AnomalyModel] = {
    "kafka": log_anomalies.MODEL,
    "list-append": transactions.LIST_APPEND,
    "rw-register": transactions.RW_REGISTER,
    **WEAKER,
}
