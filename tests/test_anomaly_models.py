"""The registry of anomaly models, and the page that lists what they can report."""

import re

from fencepost.checkers.anomaly_models import ANOMALY_MODELS
from fencepost.checkers.anomaly_report import Anomaly, hashable, plain, report
from fencepost.harness import reference


def test_the_page_lists_exactly_the_anomalies_that_can_be_reported() -> None:
    page = reference.anomalies()
    for name, model in ANOMALY_MODELS.items():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert re.findall(r"^### (.+)$", section, re.M) == list(model.kinds)


def test_a_report_counts_what_is_not_allowed() -> None:
    bad, permitted = Anomaly("G0", "a cycle", (1, 2)), Anomaly("G1a", "a read", (3,), {}, "nobody minds")
    assert report([bad, permitted]).verdict == "invalid"
    assert report([bad, permitted]).kinds == ["G0"]
    assert report([permitted]).verdict == "valid"
    assert report([permitted], ["nothing to go by"]).verdict == "unknown"
    assert report([bad], ["nothing to go by"]).verdict == "invalid"
    assert "allowed: nobody minds" in report([permitted]).words()


def test_words_show_the_first_cases_of_each_kind() -> None:
    many = report([Anomaly("G0", f"cycle {number}", (number,)) for number in range(8)])
    assert "cycle 4" in many.words()
    assert "cycle 5" not in many.words()
    assert "G0: 3 more" in many.words()
    assert len(many.to_json()["anomalies"]) == 8


def test_values_become_keys_and_plain_data_again() -> None:
    value = hashable([1, ["a", None], {"k": [2]}])
    assert value == (1, ("a", None), (("k", (2,)),))
    assert plain(value) == [1, ["a", None], [["k", [2]]]]
