"""Elle's inference on lists: each anomaly by its example, Elle's own cases, and none in a serial store."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transaction_history import SerialStore, SteppingStore, example, micro_operations, one_by_one, overlapping

from fencepost.checkers.anomaly_report import Anomaly
from fencepost.checkers.linearizability.budget import WorkBudget
from fencepost.checkers.transactions import LIST_APPEND
from fencepost.checkers.transactions.list_append import analyse
from fencepost.histories.errors import HistoryError, InputError
from fencepost.histories.pairing import Call

STRICT = ("strict-serializable",)


def kinds(calls: list[Call], *models: str) -> list[str]:
    return analyse(calls, consistency_models=models or ("serializable",)).kinds


def not_(calls: list[Call], *models: str) -> set[str]:
    return set(analyse(calls, consistency_models=models or ("serializable",)).weakest_impossible)


def only(calls: list[Call], kind: str, *models: str) -> Anomaly:
    found = analyse(calls, consistency_models=models or ("serializable",)).anomalies
    (case,) = [anomaly for anomaly in found if anomaly.kind == kind]
    return case


def steps(case: Anomaly) -> list[tuple[str, Any]]:
    return [(step["kind"], step["key"]) for step in case.data["steps"]]


@pytest.mark.parametrize("kind", list(LIST_APPEND.kinds))
def test_the_example_in_the_words_of_an_anomaly_shows_it(kind: str) -> None:
    words = LIST_APPEND.kinds[kind]
    assert words.startswith((f"{kind}:", f"{kind}, "))
    assert "`info`" in words
    calls = example(words, sequential=kind.endswith(("-process", "-realtime")))
    assert kind in analyse(calls).kinds


class TestWithoutGraph:
    def test_g1a_only_for_what_failed(self) -> None:
        calls = overlapping("0: r x [1] append x 2", "1: r x [1, 2] r y [3]", "2 fail: append x 1")
        cases = [anomaly for anomaly in analyse(calls).anomalies if anomaly.kind == "G1a"]
        assert [case.data["value"] for case in cases] == [1, 1]
        assert "G1a" not in kinds(overlapping("0: r x [1]", "2 info: append x 1"))

    def test_read_uncommitted_does_not_mind_aborted_reads(self) -> None:
        report = analyse(overlapping("0 fail: append x 1", "1: r x [1]"), consistency_models=["read-uncommitted"])
        assert report.counts == {"G1a": 1}
        assert report.verdict == "unknown"  # nothing else can be inferred from it either
        assert report.weakest_impossible == ["read-committed"]

    def test_g1b_only_for_others_intermediate_versions(self) -> None:
        calls = overlapping("0: r x [1]", "1: r x [1, 2] r y []", "2: append x 1 append x 2", "3: r x [1, 2, 3]")
        assert only(calls, "G1b").data == {"key": "x", "value": 1}
        assert "G1b" not in kinds(overlapping("0: append x 1 r x [1] append x 2"))

    @pytest.mark.parametrize("text", [
        "r x [1, 2] append x 3 r x [1, 2]", "r x [1, 2] append x 3 r x [0, 2, 3]",
        "r x [1, 2] append x 3 r x [1, 2, 3, 4]", "r x [1, 2] append x 3 r x [1]", "append x 3 r x [1, 2, 3, 4]",
        "append x 3 r x []", "r x null r x [2]", "append x 6 r x null"])
    def test_internal(self, text: str) -> None:
        assert "internal" in kinds(overlapping(f"0: {text}"))

    @pytest.mark.parametrize("text", [
        "r y [5, 6] append x 3 r x [1, 2, 3] append x 4 r x [1, 2, 3, 4]", "append x 1 append x 2 r x [0, 1, 2]",
        "r x [] append x 1 r x [1]"])
    def test_internally_consistent(self, text: str) -> None:
        assert "internal" not in kinds(overlapping(f"0: {text}"))

    @pytest.mark.parametrize("text", ["r x [0, 1, 2] append x 1", "append x 1 r x [0, 1] append x 0 append x 3"])
    def test_future_read(self, text: str) -> None:
        assert "future-read" in kinds(overlapping(f"0: {text}"))
        assert not_(overlapping(f"0: {text}")) == {"read-committed"}

    def test_internal_rules_out_read_atomic(self) -> None:
        calls = overlapping("0: r x [1] append x 2 r x [1]", "1: append x 1")
        assert kinds(calls) == ["internal"]
        assert not_(calls) == {"read-atomic"}

    def test_dirty_update(self) -> None:
        assert not analyse(overlapping("0 fail: append x 1")).anomalies
        direct = overlapping("0 fail: append x 1", "1: append x 2", "2: r x [1, 2]")
        assert only(direct, "dirty-update").operations == (0, 1, 2)
        indirect = overlapping("0 fail: append x 1", "1 info: append x 2", "2: append x 3", "3: r x [1, 2, 3]")
        assert only(indirect, "dirty-update").operations == (0, 2, 3)
        in_doubt = overlapping("0 fail: append x 1", "1 info: append x 2", "3: r x [1, 2]")
        assert "dirty-update" not in kinds(in_doubt)

    def test_what_a_transaction_read_of_its_own_is_no_lost_update(self) -> None:
        calls = overlapping("0: append x 1 r x [1] append x 2", "1: r x [1] append x 3")
        assert "lost-update" not in kinds(calls)

    def test_lost_update(self) -> None:
        calls = one_by_one("0: append x 0", "1: r x [0] append x 1", "2: r x [0] append x 2")
        assert only(calls, "lost-update").operations == (2, 4)
        assert kinds(calls) == ["G2-item", "lost-update"]
        assert not_(calls) == {"update-atomic", "cursor-stability"}
        once = overlapping("0: r x [] append x 1 append x 2", "1: r x [1, 2]")
        assert analyse(once).verdict == "valid"

    def test_contradictory_orders(self) -> None:
        calls = overlapping("0: append x 1 r y [1]", "1: append x 2", "2: append x 3 append y 1", "3: r x [1, 3]",
                            "4: r x [1, 2, 3]")
        assert only(calls, "incompatible-order").data == {"key": "x", "values": [[1, 3], [1, 2, 3]]}
        assert sorted(steps(only(calls, "G1c"))) == [("wr", "y"), ("ww", "x"), ("ww", "x")]

    def test_duplicate_elements(self) -> None:
        calls = overlapping("0: append x 1 r y [1]", "1: append x 2 append y 1", "2: r x [1, 2, 1]")
        assert only(calls, "duplicate-elements").data["elements"] == [1]
        assert not_(calls) == {"read-uncommitted"}


class TestCycles:
    def test_g0(self) -> None:
        calls = overlapping("0: append x 1 append y 1", "1: append x 2 append y 2", "2: r x [1, 2] r y [2, 1]")
        assert steps(only(calls, "G0", "read-uncommitted")) == [("ww", "x"), ("ww", "y")]
        assert not_(calls) == {"read-uncommitted"}
        asked = analyse(calls, consistency_models=(), anomalies=["G1c"])
        assert "G0" in asked.kinds  # G0 is a G1c
        assert "G0" not in analyse(calls, consistency_models=(), anomalies=["G2-item"]).kinds

    def test_g1c(self) -> None:
        calls = overlapping("0: append x 1 r y [1]", "1: append x 2 append y 1", "2: r x [1, 2] r y [1]")
        assert sorted(steps(only(calls, "G1c"))) == [("wr", "y"), ("ww", "x")]
        assert kinds(calls) == ["G1c"]
        assert kinds(calls, "read-uncommitted") == []
        assert not_(calls) == {"read-committed"}

    def test_g_single(self) -> None:
        calls = overlapping("0: append x 1 append y 1", "1: append x 2 r y []", "2: r x [1, 2]")
        assert sorted(steps(only(calls, "G-single"))) == [("rw", "y"), ("ww", "x")]
        assert kinds(calls, "read-committed") == []
        assert not_(calls) == {"consistent-view", "repeatable-read"}
        assert kinds(calls, "repeatable-read") == ["G-single"]

    def test_g2_item(self) -> None:
        calls = overlapping("0: append x 1 r y []", "1: append y 1 r x []")
        assert sorted(steps(only(calls, "G2-item"))) == [("rw", "x"), ("rw", "y")]
        assert kinds(calls, "read-committed") == kinds(calls, "snapshot-isolation") == []
        assert not_(calls) == {"repeatable-read"}

    def test_g_nonadjacent(self) -> None:
        calls = overlapping("0: append x 1 append t 1", "1: r x [1] r y []", "2: append y 1 append z 2",
                            "3: r z [2] r t []")
        assert kinds(calls, "repeatable-read") == kinds(calls, "snapshot-isolation") == ["G-nonadjacent"]
        assert not_(calls) == {"repeatable-read", "snapshot-isolation"}

    def test_two_of_three_anti_dependencies_that_meet_are_no_g_nonadjacent(self) -> None:
        calls = overlapping("0: r p [] r e [1]", "1: append p 1 r q []", "2: append q 1 append c 1",
                            "3: r c [1] r s []", "4: append s 1 append e 1")
        assert kinds(calls, "snapshot-isolation") == []
        assert kinds(calls) == ["G2-item"]

    def test_stale_read_in_real_time(self) -> None:
        calls = one_by_one("0: append x 1", "1: append x 2", "2: r x [1]", "3: r x [1, 2]")
        assert analyse(calls, consistency_models=["serializable"]).verdict == "valid"
        assert steps(only(calls, "G-single-realtime", *STRICT)) == [("realtime", None), ("rw", "x")]
        assert not_(calls, *STRICT) == {"strong-snapshot-isolation"}

    def test_stale_read_within_a_process(self) -> None:
        calls = one_by_one("0: append x 1", "1: append x 2", "1: r x [1]", "2: r x [1, 2]")
        model = "strong-session-snapshot-isolation"
        assert analyse(calls, consistency_models=["serializable"]).verdict == "valid"
        assert steps(only(calls, "G-single-process", model)) == [("process", None), ("rw", "x")]
        assert not_(calls, model) == {model}

    def test_nonadjacent_with_a_process(self) -> None:
        calls = one_by_one("0: r x [] r z [1]", "1: append x 1", "1: r z []", "2: append z 1")
        model = "strong-session-snapshot-isolation"
        assert kinds(calls) == []
        assert kinds(calls, model) == ["G-nonadjacent-process"]
        assert not_(calls, model) == {model}

    def test_reading_what_the_process_does_only_later(self) -> None:
        calls = one_by_one("1: r x [1] append y 1", "2: r y [1]", "2: append x 1")
        assert kinds(calls, "strong-session-snapshot-isolation") == ["G1c-process"]
        assert not_(calls, "strong-session-snapshot-isolation") == {"strong-session-read-committed"}

    def test_unobserved_appends_come_after_observed_ones(self) -> None:
        calls = overlapping("0: append x 1 append y 1", "1: append x 2 append y 2", "2: append x 3 append y 3",
                            "3: r x [1, 2]", "4: r y [2]")
        assert kinds(calls) == ["G-single", "G0"]

    def test_what_a_crashed_read_would_have_returned_is_unknown(self) -> None:
        calls = overlapping("0 info: append x 2 r y null", "1: append x 1 append y 1", "2: r x [1, 2] r y [1]")
        assert analyse(calls, consistency_models=["serializable"]).verdict == "valid"

    def test_what_a_transaction_in_doubt_read_proves_nothing(self) -> None:
        lines = ["1: append x 1 append y 1", "2: r x [1] r y [1]"]
        assert kinds(overlapping("0: r x [1] r y []", *lines)) == ["G-single"]
        assert kinds(overlapping("0 info: r x [1] r y []", *lines)) == []

    def test_a_crashed_transaction_may_take_effect_late(self) -> None:
        calls = one_by_one("0 info: append x 1", "1: r x []", "2: r x [1]")
        assert analyse(calls).verdict == "valid"

    def test_a_serializable_history_of_adya(self) -> None:
        calls = overlapping("0: append z 1 append x 1 append y 1", "1: r x [1] append y 2", "2: r y [1, 2] append z 3",
                            "3: r z [1, 3]")
        assert analyse(calls, consistency_models=["serializable"]).verdict == "valid"

    def test_what_closes_at_the_moment_at_which_another_opens_overlaps_it(self) -> None:
        stale = [call._replace(call=call.call, ret=call.ret) for call in one_by_one("0: append x 1", "1: r x []")]
        assert kinds(stale, *STRICT) == ["G-single-realtime"]
        assert stale[0].ret is not None
        assert kinds([stale[0], stale[1]._replace(call=stale[0].ret)], *STRICT) == []

    def test_a_cycle_is_told_in_sentences(self) -> None:
        calls = overlapping("0: append x 1 append y 1", "1: append x 2 r y []", "2: r x [1, 2]")
        words = only(calls, "G-single").words()
        assert "append 1 to x, append 1 to y" in words
        assert "appended 2 to x after T1 had appended 1" in words
        assert "read y = [], which T1 overwrote by appending 1" in words
        assert words.endswith("a contradiction.")


class TestBudget:
    def test_what_is_found_before_the_budget_runs_out_is_reported(self) -> None:
        calls = overlapping("0: append x 1 r x [] r y null", "1: append y 1 r x null")
        assert analyse(calls, budget=WorkBudget(0)).verdict == "unknown"
        report = analyse(calls, budget=WorkBudget(6 * len(calls)))
        assert report.kinds == ["internal"]
        assert "not everything was looked at within the limit of" in report.words()
        assert analyse(calls).kinds == ["G2-item", "internal"]


class TestReport:
    def test_nothing_to_judge(self) -> None:
        assert analyse([]).verdict == "unknown"
        assert "nothing to judge" in analyse(overlapping("0: r x []", "1: append y 1")).words()

    def test_what_nobody_wrote_is_noted(self) -> None:
        calls = overlapping("0: append x 1 append y 1", "1: r x [1,9] r x [1,9]", "2: r x [1,8]", "3: r y [1]")
        assert analyse(calls[:1] + calls[3:]).notes == []
        (note,) = analyse(calls).notes
        assert note.startswith("2 values were read that nobody wrote, first 9 in x by operation 1 (process 1, ok): ")
        (note,) = analyse([*calls[:1], calls[2], calls[3]]).notes
        assert note.startswith("one value was read that nobody wrote, first 8 in x by operation 2 (process 2, ok): ")

    def test_values_appended_twice_leave_it_unknown(self) -> None:
        report = analyse(overlapping("0: append x 1 r y null", "1: append y 2 append x 1"))
        assert report.verdict == "unknown"
        assert "1 was written to x by operation 0" in report.words()

    @pytest.mark.parametrize("value", [[["w", "x", 1]], [["append", "x"]], [["r", "x", 3]], [3], "text", None])
    def test_other_values_are_refused_with_their_line(self, value: Any) -> None:
        (call,) = overlapping("0: append x 1")
        with pytest.raises(HistoryError, match="line 1, operation 0"):
            analyse([call._replace(result=value)])

    def test_unknown_models_and_anomalies_are_refused(self) -> None:
        with pytest.raises(InputError, match="known are strict-serializable"):
            analyse([], consistency_models=["eventual"])
        with pytest.raises(InputError, match="G-single"):
            analyse([], anomalies=["G7"])

    def test_what_a_model_permits_is_reported_as_allowed(self) -> None:
        calls = overlapping("0: append x 1 r y []", "1: append y 1 r x []")
        report = analyse(calls, consistency_models=["snapshot-isolation"])
        assert report.verdict == "valid"
        assert report.counts == {"G2-item": 1}
        assert "allowed: snapshot-isolation does not forbid it" in report.words()
        assert report.to_json()["weakest_impossible"] == ["repeatable-read"]

    def test_one_example_of_the_paper(self) -> None:
        calls = one_by_one(
            "0: append a 1 append a 3 append a 4 append c 2 append c 3 append c 4 append c 5 append d 1 append d 2",
            "0: append c 8 r a [1, 3, 4]", "0: append d 4 r c [2, 3, 4, 5, 8] r d [1, 2, 4] r a [1, 3, 4]",
            "0: append b 10 r a [1, 3, 4] r c [2, 3, 4, 5] append d 3")
        assert sorted(steps(only(calls, "G-single"))) == [("rw", "c"), ("wr", "c"), ("ww", "d")]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 150))
def test_a_serial_store_shows_no_anomaly(seed: int, operations: int) -> None:
    report = analyse(SerialStore(seed, lists=True).run(operations))
    assert not report.anomalies, report.words()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 200))
def test_snapshot_isolation_is_not_taken_for_less(seed: int, steps: int) -> None:
    report = analyse(SteppingStore(seed, snapshot=True).run(steps), consistency_models=["strong-snapshot-isolation"])
    assert not report.kinds, report.words()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 200))
def test_read_committed_is_not_taken_for_less(seed: int, steps: int) -> None:
    report = analyse(SteppingStore(seed, snapshot=False).run(steps), consistency_models=["strong-read-committed"])
    assert not report.kinds, report.words()


def test_neither_is_taken_for_serializable() -> None:
    snapshots = {kind for seed in range(40) for kind in kinds(SteppingStore(seed, snapshot=True).run(200))}
    assert snapshots == {"G2-item"}
    committed = {kind for seed in range(10) for kind in kinds(SteppingStore(seed, snapshot=False).run(200))}
    assert committed >= {"G-single", "lost-update", "internal"}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
@pytest.mark.parametrize("kind", list(LIST_APPEND.kinds))
def test_an_injected_anomaly_is_found_among_serial_transactions(kind: str, seed: int) -> None:
    calls = SerialStore(seed, lists=True).run(60)
    injected = example(LIST_APPEND.kinds[kind], sequential=kind.endswith(("-process", "-realtime")))
    ended = max((call.ret or call.call for call in calls), default=0) + 1
    moved = [
        call._replace(call=call.call + ended, ret=None if call.ret is None else call.ret + ended,
                      process=call.process + 10_000, index=call.index + ended) for call in injected]
    report = analyse([*calls, *moved])
    assert report.counts == analyse(injected).counts
    assert kind in report.kinds


def test_the_notation_of_these_tests() -> None:
    assert micro_operations("append x 1, r y [1, 2], r z null") == [
        ["append", "x", 1], ["r", "y", [1, 2]], ["r", "z", None]]
