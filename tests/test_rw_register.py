"""Elle's inference on registers: each anomaly by its example, Elle's own cases, and none in a serial store."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transaction_history import SerialStore, example, one_by_one, overlapping

from fencepost.checkers.anomaly_report import AnomalyReport
from fencepost.checkers.transactions import RW_REGISTER
from fencepost.checkers.transactions.observations import Observations
from fencepost.checkers.transactions.register_versions import VersionOrders
from fencepost.checkers.transactions.rw_register import analyse
from fencepost.checkers.transactions.transaction import transactions
from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import Call


def serializable(calls: list[Call], **assumptions: bool) -> AnomalyReport:
    return analyse(calls, consistency_models=["serializable"], **assumptions)


def steps(report: AnomalyReport, kind: str) -> list[tuple[str, Any]]:
    (case,) = [anomaly for anomaly in report.anomalies if anomaly.kind == kind]
    return sorted((step["kind"], step["key"]) for step in case.data["steps"])


@pytest.mark.parametrize("kind", list(RW_REGISTER.kinds))
def test_the_example_in_the_words_of_an_anomaly_shows_it(kind: str) -> None:
    words = RW_REGISTER.kinds[kind]
    assert words.startswith((f"{kind}:", f"{kind}, "))
    assert "`info`" in words
    calls = example(words, sequential=kind.endswith(("-process", "-realtime")))
    assert kind in analyse(calls, sequential_keys="sequential_keys" in words).kinds


class TestWithoutGraph:
    @pytest.mark.parametrize(("text", "broken"), [
        ("r y 2 w x 2 r x 2 w x 1 r x 1", False), ("r x 1 w x 2 r x 1", True), ("r x null r x 2", True)])
    def test_internal(self, text: str, broken: bool) -> None:
        assert ("internal" in serializable(overlapping(f"0: {text}")).kinds) == broken

    def test_g1a(self) -> None:
        assert serializable(overlapping("0: r x 2", "1 fail: w x 2")).kinds == ["G1a"]
        assert not serializable(overlapping("0: r x 2", "1 info: w x 2")).kinds

    def test_g1b(self) -> None:
        report = serializable(overlapping("0: r x 2", "1: w x 2 w x 1"))
        assert "G1b" in report.kinds
        assert report.weakest_impossible == ["read-committed"]
        assert not serializable(overlapping("0: w x 1 w x 2", "1: r x null r x 2")).counts.get("G1b")

    def test_lost_update_of_a_version_that_nobody_wrote(self) -> None:
        report = serializable(one_by_one("0: r x 0 w x 1", "1: r x 0 w x 2"))
        assert report.kinds == ["lost-update"]
        assert sorted(report.weakest_impossible) == ["cursor-stability", "update-atomic"]


class TestCycles:
    def test_g1c_needs_no_assumption(self) -> None:
        calls = overlapping("0: w x 1 r y 1", "1: w y 1 r x 1")
        assert steps(serializable(calls), "G1c") == [("wr", "x"), ("wr", "y")]
        assert analyse(calls, consistency_models=["read-uncommitted"]).verdict == "valid"
        assert analyse(calls, consistency_models=(), anomalies=["G2-item"]).verdict == "valid"

    def test_the_initial_state_comes_first(self) -> None:
        calls = overlapping("0: r x null r y 1", "1: w y 1 w x 2")
        assert steps(serializable(calls), "G-single") == [("rw", "x"), ("wr", "y")]

    def test_write_cycles_need_an_order_of_versions(self) -> None:
        lines = ["0: w x 1 w y 2", "1: w x 2 w y 1"]
        assert serializable(overlapping(*lines)).verdict == "unknown"
        calls = overlapping(*lines, "0: r x 2", "1: r y 2")
        assert "G0" not in serializable(calls).kinds
        assert "G0" in serializable(calls, sequential_keys=True).kinds

    def test_writes_follow_reads_where_that_is_assumed(self) -> None:
        calls = overlapping("0: r y 1 w x 1 w y 2", "1: r x 1 r y 1")
        assert serializable(calls).verdict == "valid"
        report = serializable(calls, wfr_keys=True)
        assert steps(report, "G-single") == [("rw", "y"), ("wr", "x")]
        assert "whose writer had read the former" in report.words()

    def test_write_skew_behind_linearizable_keys(self) -> None:
        calls = [*one_by_one("0: r x 1 r y 1"), *[
            call._replace(call=call.call + 10, ret=(call.ret or 0) + 10, index=call.index + 10)
            for call in overlapping("1: r x 1 w y 2", "2: r y 1 w x 2")]]
        assert serializable(calls).verdict == "unknown"
        assert steps(serializable(calls, linearizable_keys=True), "G2-item") == [("rw", "x"), ("rw", "y")]
        permitted = analyse(calls, consistency_models=["read-committed"], linearizable_keys=True)
        assert permitted.verdict == "valid"
        assert permitted.notes[0].startswith("2 values were read that nobody wrote, first 1 in x by operation 0 ")

    def test_a_value_read_that_came_later_and_was_overwritten(self) -> None:
        calls = one_by_one("0: w x 1", "0: r x 2", "0: r x 1")
        report = analyse(calls, linearizable_keys=True)
        (case,) = [anomaly for anomaly in report.anomalies if anomaly.kind == "cyclic-versions"]
        assert case.data == {"key": "x", "values": [1, 2], "sources": ["initial-state", "linearizable-keys"]}
        assert report.weakest_impossible == ["read-uncommitted"]
        assert "cyclic-versions" not in analyse(one_by_one("0: w x 1", "0: r x 2"), linearizable_keys=True).kinds

    def test_an_assumption_that_contradicts_is_not_used_for_its_key(self) -> None:
        calls = one_by_one("0: r x 1", "0: r x null", "0: r x 4 w x 3", "0: w x 4")
        report = analyse(calls, wfr_keys=True, linearizable_keys=True)
        cyclic = [anomaly.data["values"] for anomaly in report.anomalies if anomaly.kind == "cyclic-versions"]
        assert sorted(map(sorted, [[0 if value is None else value for value in values] for values in cyclic])) == [
            [0, 1], [3, 4]]
        assert report.kinds == ["G0-process", "cyclic-versions"]  # 4 was overwritten by 3 before it was written

    @pytest.mark.parametrize(("earlier", "later", "order"), [
        ("w x 1 w x 2", "w x 3 w x 4 r x 4", (2, 4)), ("w x 1 w x 2", "r x 3 w x 5", (2, 3)),
        ("r x 1", "w x 3 w x 4", (1, 4)), ("r x 1", "r x 3 w x 5", (1, 3)), ("r x 1 w x 2", "r x 3 w x 4", (2, 3))])
    @pytest.mark.parametrize("assumed", ["sequential-keys", "linearizable-keys"])
    def test_versions_that_others_can_see_are_ordered(
        self, earlier: str, later: str, order: tuple[int, int], assumed: str
    ) -> None:
        history = Observations(transactions(one_by_one(f"0: {earlier}", f"0: {later}"), "w"), tuple)
        known = VersionOrders(history, {assumed: True}).later["x"]
        assert [(one, other) for one, others in known.items() for other in others if one is not None] == [order]

    def test_a_process_that_is_in_doubt_orders_nothing_behind_it(self) -> None:
        calls = one_by_one("0 info: w x 1", "0: r x 2", "1: w x 2", "1: r x 1")
        assert not analyse(calls, consistency_models=["read-committed"], sequential_keys=True).kinds

    def test_versions_of_overlapping_transactions_are_not_ordered(self) -> None:
        calls = overlapping("0: r x null", "1: w x 4", "2: r y null", "0: r x 4")
        assert serializable(calls, linearizable_keys=True).verdict == "valid"

    def test_many_versions_behind_the_initial_state_are_linked_in_a_row(self) -> None:
        lines = [f"0: w x {value}" for value in range(1, 9)]
        calls = one_by_one(*lines, "1: r x null", "2: r x 8")
        report = analyse(calls, linearizable_keys=True)
        assert report.kinds == ["G-single-realtime", "cyclic-versions"]

    def test_a_crashed_write_that_was_read_takes_part(self) -> None:
        calls = overlapping("0 info: w x 1 w y 1", "1: r x 1 r y null")
        assert steps(serializable(calls), "G-single") == [("rw", "y"), ("wr", "x")]


class TestReport:
    def test_values_written_twice_leave_it_unknown(self) -> None:
        assert serializable(overlapping("0: w x 1", "1: w x 1 r x 1")).verdict == "unknown"

    def test_appends_are_refused(self) -> None:
        with pytest.raises(HistoryError, match="line 1, operation 0"):
            analyse(overlapping("0: append x 1"))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 150), st.booleans(), st.booleans(), st.booleans())
def test_a_serial_store_shows_no_anomaly_whatever_is_assumed(
    seed: int, operations: int, wfr: bool, sequential: bool, linearizable: bool
) -> None:
    calls = SerialStore(seed, lists=False).run(operations)
    report = analyse(calls, wfr_keys=wfr, sequential_keys=sequential, linearizable_keys=linearizable)
    assert not report.anomalies, report.words()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
@pytest.mark.parametrize("kind", list(RW_REGISTER.kinds))
def test_an_injected_anomaly_is_found_among_serial_transactions(kind: str, seed: int) -> None:
    calls = SerialStore(seed, lists=False).run(60)
    words = RW_REGISTER.kinds[kind]
    injected = example(words, sequential=kind.endswith(("-process", "-realtime")))
    ended = max((call.ret or call.call for call in calls), default=0) + 1
    moved = [
        call._replace(call=call.call + ended, ret=None if call.ret is None else call.ret + ended,
                      process=call.process + 10_000, index=call.index + ended) for call in injected]
    assumed = "sequential_keys" in words
    report = analyse([*calls, *moved], sequential_keys=assumed)
    assert report.counts == analyse(injected, sequential_keys=assumed).counts
    assert kind in report.kinds
