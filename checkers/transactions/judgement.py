"""From anomalies to a verdict: which of them the models asked for forbid, and which models are ruled out."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fencepost.checkers.anomaly_report import Anomaly, AnomalyReport, report
from fencepost.checkers.transactions.consistency import forbidden, impossible, weakest

#: The model that histories are judged by unless another is asked for.
DEFAULT_MODELS = ("strict-serializable",)


def judge(
    anomalies: Iterable[Anomaly], models: Sequence[str], also: Sequence[str], undecidable: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> AnomalyReport:
    """The report: anomalies that none of the models (nor `also`, which names anomalies) forbids are allowed."""
    bad = forbidden(models, also)
    permits = f"{' and '.join(models) or 'nothing that was asked for'} does not forbid it"
    found = [anomaly if anomaly.kind in bad else replace(anomaly, allowed=permits) for anomaly in anomalies]
    result = report(found, undecidable, notes)
    result.impossible_models = impossible(sorted(result.counts))
    result.weakest_impossible = weakest(result.impossible_models)
    return result


def variants_needed(models: Sequence[str], also: Sequence[str]) -> tuple[bool, bool]:
    """Whether the verdict may depend on the order of processes, and on real time."""
    bad = forbidden(models, also)
    real_time = any(kind.endswith("-realtime") for kind in bad)
    return real_time or any(kind.endswith("-process") for kind in bad), real_time
