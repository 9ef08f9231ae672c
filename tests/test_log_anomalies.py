"""Anomalies of logs: each by a small history that shows it and one that does not, and none in a correct log."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_history import LogHistory, SimulatedLogs, polled, sent

from fencepost.checkers import log_anomalies
from fencepost.checkers.anomaly_report import Anomaly, AnomalyReport
from fencepost.checkers.linearizability.budget import WorkBudget
from fencepost.checkers.log_anomalies import analyse
from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import Call


def found(history: LogHistory, kind: str, **options: Any) -> list[Anomaly]:
    return [anomaly for anomaly in analyse(history.calls(), **options).anomalies if anomaly.kind == kind]


def facts(history: LogHistory, kind: str, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(anomaly.data[name] for name in names) for anomaly in found(history, kind)]


class TestCommittedReads:
    def test_a_failed_send_was_polled(self) -> None:
        history = LogHistory().send(0, type_="fail", x=[2], y=[3]).poll(1, {"x": [(0, 2)]})
        assert facts(history, "G1a", "key", "value") == [("x", 2)]
        assert found(history, "G1a")[0].operations == (0, 2)

    @pytest.mark.parametrize("type_", ["ok", "info"])
    def test_a_send_that_may_have_committed_may_be_polled(self, type_: str) -> None:
        assert not found(LogHistory().send(0, type_=type_, x=[2]).poll(1, {"x": [(0, 2)]}), "G1a")

    def test_what_a_failed_operation_polled_is_no_aborted_read(self) -> None:
        history = LogHistory().send(0, type_="fail", x=[2]).poll(1, {"x": [(0, 2)]}, type_="fail")
        assert not found(history, "G1a")

    @pytest.mark.parametrize("type_", ["ok", "fail", "info"])
    def test_a_transaction_polled_its_own_send(self, type_: str) -> None:
        history = LogHistory().txn(0, [sent({"x": [(0, "a")]}), [polled({"x": [(0, "a")]})]], type_)
        assert facts(history, "precommitted-read", "key", "value") == [("x", "a")]

    def test_a_later_operation_may_poll_it(self) -> None:
        assert analyse(LogHistory().send(0, x=[(0, "a")]).poll(0, {"x": [(0, "a")]}).calls()).verdict == "valid"

    def test_uncommitted_reads_are_allowed_where_consumers_asked_for_them(self) -> None:
        history = LogHistory().txn(0, [sent({"x": [(0, "a")]}), [polled({"x": [(0, "a")]})]])
        history.send(1, type_="fail", x=[(1, "b")]).poll(2, {"x": [(0, "a"), (1, "b")]})
        assert analyse(history.calls()).kinds == ["G1a", "precommitted-read"]
        report = analyse(history.calls(), read_uncommitted=True)
        assert report.verdict == "valid"
        assert report.counts == {"G1a": 1, "precommitted-read": 1}


class TestOffsets:
    def test_an_info_send_that_nobody_can_prove_conflicts_with_nothing(self) -> None:
        history = LogHistory().send(0, type_="info", x=[(0, 1)], y=[1]).send(1, x=[(0, 2)])
        assert not found(history, "inconsistent-offsets")
        history.poll(2, {"y": [(5, 1)]})  # ... but now the first must have committed, all of it
        assert facts(history, "inconsistent-offsets", "key", "offset", "values") == [("x", 0, [1, 2])]

    def test_two_acknowledged_sends_at_one_offset(self) -> None:
        history = LogHistory().send(379, type_="ok", e=[(537, 641)]).send(363, e=[(537, 645)])
        assert facts(history, "inconsistent-offsets", "offset", "values") == [(537, [641, 645])]

    def test_a_polled_value_other_than_the_sent_one(self) -> None:
        history = LogHistory().poll(0, {"x": [(0, "a"), (1, "b")]})
        history.send(1, type_="info", x=[(1, "c"), (3, "b"), (4, "d")])
        assert facts(history, "inconsistent-offsets", "offset", "values") == [(1, ["b", "c"])]
        assert facts(history, "duplicate", "value", "offsets") == [("b", [1, 3])]

    def test_one_value_at_two_offsets(self) -> None:
        history = LogHistory().send(0, x=[(1, "a")]).send(1, type_="info", x=["b"])
        history.poll(2, {"x": [(2, "b"), (3, "a")]})
        assert facts(history, "duplicate", "value", "offsets") == [("a", [1, 3])]

    def test_every_value_of_a_contested_offset_is_seen_as_a_duplicate(self) -> None:
        history = LogHistory()
        for value in range(10):
            history.send(0, x=[(0, value)]).poll(1, {"x": [(1, value)]})
        assert facts(history, "duplicate", "value") == [(value,) for value in range(10)]
        assert facts(history, "inconsistent-offsets", "offset") == [(0,), (1,)]

    def test_an_aborted_poll_shows_duplicates_and_an_aborted_send_none(self) -> None:
        history = LogHistory().send(0, x=[(1, 0)]).send(0, type_="fail", x=[(2, 1)])
        history.poll(1, {"x": [(11, 0), (12, 1)]}, type_="fail")
        assert facts(history, "duplicate", "value", "offsets") == [(0, [1, 11])]

    def test_polling_an_offset_twice_is_no_duplicate(self) -> None:
        history = LogHistory().send(0, x=[(1, 0)]).poll(1, {"x": [(1, 0)]}).poll(2, {"x": [(1, 0)]})
        assert analyse(history.calls()).verdict == "valid"


class TestLosses:
    def test_records_before_a_polled_one_are_owed(self) -> None:
        history = LogHistory().send(0, x=[(0, "a")]).send(0, x=[(1, "b"), (3, "d")]).send(1, type_="info", x=["c"])
        history.poll(0, {"x": [(2, "c")]})
        assert facts(history, "lost-write", "value", "furthest_offset") == [("a", 2), ("b", 2)]
        assert facts(history, "unseen", "count") == [(3,)]

    def test_a_record_whose_offset_another_took_is_owed_too(self) -> None:
        history = LogHistory().send(0, x=[(0, "a")]).send(0, x=[(0, "b"), (2, "c")])
        history.poll(0, {"x": [(0, "b"), (2, "c")]})
        assert facts(history, "lost-write", "value") == [("a",)]

    def test_a_crashed_transaction_is_owed_whole_once_part_of_it_was_polled(self) -> None:
        history = LogHistory().send(0, type_="info", x=["a"], y=[(0, "b")]).send(1, type_="info", y=["c"])
        history.poll(3, {"y": [(1, "c")]})
        assert not found(history, "lost-write")
        history.poll(2, {"x": [(0, "a")]})
        assert facts(history, "lost-write", "key", "value") == [("y", "b")]

    def test_a_value_that_may_lie_further_on_is_given_the_benefit_of_the_doubt(self) -> None:
        history = LogHistory().send(0, x=[(0, "a"), (1, "b")]).poll(1, {"x": [(1, "b")]})
        assert facts(history, "lost-write", "value") == [("a",)]
        history.poll(2, {"x": [(5, "a")]}, type_="fail")
        assert not found(history, "lost-write")

    def test_a_send_in_doubt_that_only_an_aborted_poll_saw_is_not_owed(self) -> None:
        history = LogHistory().send(0, type_="info", x=["a"]).send(1, x=[(1, "b")])
        history.poll(2, {"x": [(0, "a")]}, type_="fail").poll(3, {"x": [(1, "b")]})
        assert analyse(history.calls()).verdict == "valid"

    def test_the_end_of_a_log_is_unseen_and_not_lost(self) -> None:
        history = LogHistory().send(0, x=[(0, "a"), (1, "b")]).poll(0, {"x": [(0, "a")]})
        assert not found(history, "lost-write")
        assert facts(history, "unseen", "key", "values") == [("x", ["b"])]
        assert analyse(history.calls(), final_polls=False).verdict == "valid"
        history.poll(0, {"x": [(1, "b")]})
        assert analyse(history.calls()).verdict == "valid"

    def test_polls_of_operations_in_doubt_settle_nothing(self) -> None:
        history = LogHistory().send(0, x=[(0, "a")]).poll(1, {"x": [(0, "a")]}, type_="info")
        assert facts(history, "unseen", "count") == [(1,)]


def skipping(between: list[tuple[str, tuple[str, ...]]]) -> LogHistory:
    """Process 0 polls offsets 1 and 2, then 4, then 7; 3 and 6 are known to hold something, 5 is not."""
    history = LogHistory().poll(0, {"x": [(1, "a"), (2, "b")]}).poll(1, {"x": [(3, "c")]})
    for f, keys in between[:1]:
        history.assign(0, *keys, f=f)
    history.poll(0, {"x": [(4, "d")]})
    for f, keys in between[1:]:
        history.assign(0, *keys, f=f)
    history.send(2, x=[(6, "f")]).poll(0, {"x": [(7, "g")]})
    return history.send(3, type_="info", x=["a", "b", "c", "d", "g"])


def five_sent() -> LogHistory:
    return LogHistory().send(0, x=[(at, at) for at in range(6)]).txn(1, [[polled({"x": [(0, 0)]})]])


class TestBetweenOperations:
    def test_skips_of_one_process(self) -> None:
        assert facts(skipping([]), "poll-skip", "skipped") == [(["c"],), (["f"],)]

    def test_an_assignment_without_the_key_forgets(self) -> None:
        assert not found(skipping([("subscribe", ("y",)), ("assign", ("y",))]), "poll-skip")

    def test_one_that_keeps_the_key_remembers_and_a_subscription_allows(self) -> None:
        cases = found(skipping([("subscribe", ("x", "y")), ("assign", ("x", "y"))]), "poll-skip")
        assert [case.data["skipped"] for case in cases] == [["c"], ["f"]]
        assert cases[0].allowed is not None
        assert cases[1].allowed is None

    def test_one_that_seeks_to_the_beginning_forgets(self) -> None:
        history = LogHistory().send(0, x=[(0, "a"), (1, "b")]).poll(1, {"x": [(0, "a"), (1, "b")]})
        history.assign(1, "x", **{"seek-to-beginning?": True}).poll(1, {"x": [(0, "a"), (1, "b")]})
        assert analyse(history.calls()).verdict == "valid"

    def test_transactions_that_abort_begin_again_where_they_began(self) -> None:
        history = five_sent()
        for type_ in ("fail", "info", "ok"):
            history.txn(1, [[polled({"x": [(1, 1), (2, 2)]})]], type_)
        assert not found(history, "poll-skip")
        assert not found(history, "nonmonotonic-poll")

    @pytest.mark.parametrize("last", ["ok", "info"])
    def test_one_that_goes_on_behind_an_aborted_one_has_skipped(self, last: str) -> None:
        history = five_sent().txn(1, [[polled({"x": [(1, 1), (2, 2)]})]], "fail")
        history.txn(1, [[polled({"x": [(3, 3), (4, 4)]})]], "fail").txn(1, [[polled({"x": [(5, 5)]})]], last)
        assert facts(history, "poll-skip", "skipped") == [([1, 2],), ([1, 2, 3, 4],)]

    def test_an_empty_poll_moves_nothing(self) -> None:
        history = five_sent().poll(1, {"x": []}).poll(1, {"x": [(2, 2)]})
        assert facts(history, "poll-skip", "skipped") == [([1],)]

    @pytest.mark.parametrize("f", ["assign", "subscribe"])
    def test_going_back(self, f: str) -> None:
        def history(*keys: str) -> LogHistory:
            made = LogHistory().send(0, x=["a", "b", "c", "d"]).poll(0, {"x": [(1, "a"), (2, "b"), (3, "c")]})
            if keys:
                made.assign(0, *keys, f=f)
            return made.poll(0, {"x": [(2, "b"), (3, "c"), (4, "d")]})

        assert facts(history(), "nonmonotonic-poll", "values") == [(["c", "b"],)]
        assert not found(history("y"), "nonmonotonic-poll")
        assert facts(history("x", "y"), "nonmonotonic-poll", "values") == [(["c", "b"],)]

    @pytest.mark.parametrize(("f", "type_"), [("subscribe", "ok"), ("assign", "info")])
    def test_sends_that_land_before_earlier_ones(self, f: str, type_: str) -> None:
        def history(*keys: str) -> LogHistory:
            made = LogHistory().send(0, x=[(3, "c"), (4, "d")])
            if keys:
                made.assign(0, *keys, f=f, type_=type_)
            return made.send(0, x=[(1, "a"), (2, "b")])

        assert facts(history(), "nonmonotonic-send", "values") == [(["d", "a"],)]
        assert not found(history("y"), "nonmonotonic-send")
        assert facts(history("x", "y"), "nonmonotonic-send", "values") == [(["d", "a"],)]

    def test_sends_in_doubt_keep_their_order_too(self) -> None:
        history = LogHistory().send(0, type_="info", x=["c"]).send(0, x=[(1, "a")])
        assert not found(history, "nonmonotonic-send")
        assert found(history.poll(1, {"x": [(1, "a"), (3, "c")]}), "nonmonotonic-send")

    def test_a_failed_assignment_changes_nothing(self) -> None:
        history = LogHistory().send(0, x=[(3, "c"), (4, "d")]).assign(0, "y", type_="fail").send(0, x=[(1, "a")])
        assert found(history, "nonmonotonic-send")

    def test_two_processes_owe_each_other_no_order(self) -> None:
        history = LogHistory().send(0, x=[(3, "c")]).send(1, x=[(1, "a")]).poll(2, {"x": [(1, "a"), (3, "c")]})
        assert analyse(history.poll(3, {"x": [(1, "a")]}).calls()).verdict == "valid"


class TestWithinOperations:
    def test_a_poll_or_two_of_one_operation_skipped(self) -> None:
        history = LogHistory().send(1, type_="info", x=["a", "b", "d"]).poll(0, {"x": [(1, "a"), (4, "d")]})
        history.assign(0, "y").poll(0, {"x": [(1, "a")]}, {"x": [(4, "d")]})
        assert not found(history, "int-poll-skip")
        history.poll(2, {"x": [(2, "b")]})
        assert facts(history, "int-poll-skip", "values", "skipped") == [(["a", "d"], ["b"]), (["a", "d"], ["b"])]

    def test_a_poll_or_two_of_one_operation_went_back(self) -> None:
        history = LogHistory().send(0, type_="info", x=["a", "b", "c"]).poll(0, {"x": [(3, "c"), (1, "a")]})
        history.poll(1, {"x": [(2, "b"), (3, "c")]}, {"x": [(3, "c")]})
        assert facts(history, "int-nonmonotonic-poll", "values") == [(["c", "a"],), (["c", "c"],)]

    def test_a_rebalance_during_the_operation_excuses_it(self) -> None:
        records = {"x": [(3, "c"), (1, "a")], "y": [(3, "c"), (1, "a")]}
        history = LogHistory().send(0, x=[(1, "a"), (3, "c")], y=[(1, "a"), (3, "c")])
        history.poll(1, records, **{"rebalance-log": [{"keys": ["x"]}]})
        assert facts(history, "int-nonmonotonic-poll", "key") == [("y",)]

    def test_sends_with_anothers_between_are_reported_and_allowed(self) -> None:
        history = LogHistory().send(0, x=[(1, "a"), "c"]).send(1, type_="info", x=["b"])
        history.poll(2, {"x": [(1, "a"), (2, "b"), (3, "c")]})
        assert facts(history, "int-send-skip", "values", "skipped") == [(["a", "c"], ["b"])]
        assert analyse(history.calls()).verdict == "valid"

    def test_sends_of_one_operation_that_changed_places(self) -> None:
        history = LogHistory().send(0, x=[(3, "c"), (1, "a")]).send(0, type_="info", y=["d", "b"])
        history.send(1, type_="info", y=["c"]).poll(0, {"y": [(2, "b"), (3, "c"), (4, "d")]})
        cases = facts(history, "int-nonmonotonic-send", "key", "values")
        assert cases == [("x", ["c", "a"]), ("y", ["d", "b"])]

    def test_a_duplicate_makes_no_order_suspect(self) -> None:
        history = LogHistory().send(0, x=["a", "b"]).poll(1, {"x": [(1, "a"), (2, "b"), (3, "a")]})
        assert analyse(history.calls()).kinds == ["duplicate"]


class TestCycles:
    def test_transactions_that_saw_each_other(self) -> None:
        history = LogHistory().txn(0, [sent({"x": [(0, "a")]}), [polled({"y": [(0, "b")]})]])
        history.txn(1, [sent({"y": [(0, "b")]}), [polled({"x": [(0, "a")]})]])
        assert found(history, "G1c")[0].operations == (0, 2)
        assert "T2 polled 'a' from log x, which T1 had sent" in analyse(history.calls()).words()
        assert analyse(history.calls(), read_uncommitted=True).verdict == "valid"

    def test_order_of_sends_is_looked_at_on_request(self) -> None:
        history = LogHistory().txn(0, [sent({"x": [(0, "a")], "y": [(1, "a")]})])
        history.txn(1, [sent({"x": [(1, "b")], "y": [(0, "b")]})])
        assert not found(history, "G0")
        (case,) = found(history, "G0", write_dependencies=True)
        assert case.allowed is not None

    def test_a_send_and_a_poll_around_each_other(self) -> None:
        history = LogHistory().txn(0, [sent({"x": [(0, "a")], "y": [(2, "c")]})])
        history.txn(1, [[polled({"x": [(0, "a")]})], sent({"y": [(1, "b")]})])
        assert not found(history, "G1c")
        (case,) = found(history, "G1c", write_dependencies=True)
        assert [step["kind"] for step in case.data["steps"]] == ["wr", "ww"]

    def test_a_contested_offset_orders_nothing(self) -> None:
        history = LogHistory().send(0, x=[(0, "a"), (2, "c")]).send(1, x=[(0, "b"), (1, "d")])
        assert "G0" not in analyse(history.calls(), write_dependencies=True).counts


class TestBudget:
    def test_what_is_found_before_the_budget_runs_out_is_reported(self) -> None:
        calls = injected("lost-write", LogHistory()).calls()
        assert analyse(calls, budget=WorkBudget(0)).verdict == "unknown"
        report = analyse(calls, budget=WorkBudget(len(calls) + 1))
        assert report.kinds == ["lost-write"]
        assert "not everything was looked at within the limit of" in report.words()


class TestReport:
    def test_a_history_without_sends_and_polls_proves_nothing(self) -> None:
        report = analyse(LogHistory().assign(0, "x").calls())
        assert report.verdict == "unknown"
        assert "nothing to judge" in report.words()

    def test_records_from_nowhere_leave_it_unknown(self) -> None:
        report = analyse(LogHistory().poll(0, {"x": [(0, "a")]}).calls())
        assert report.verdict == "unknown"
        assert "sent by nobody" in report.words()

    def test_other_micro_operations_are_refused_with_their_line(self) -> None:
        history = LogHistory()
        history.run(0, "txn", [["append", "x", 1]], [["append", "x", 1]])
        with pytest.raises(HistoryError, match="line 1, operation 0"):
            analyse(history.calls())

    def test_numbers_as_keys_are_those_of_json_objects(self) -> None:
        history = LogHistory()
        history.run(0, "send", [["send", 7, "a"]], [["send", 7, [0, "a"]]])
        history.run(1, "poll", [["poll"]], [["poll", {"7": [[0, "a"]]}]])
        assert analyse(history.calls()).verdict == "valid"

    def test_words_and_data_agree(self) -> None:
        report = analyse(injected("lost-write", LogHistory()).calls())
        data = report.to_json()
        assert data["verdict"] == "invalid"
        assert {anomaly["kind"] for anomaly in data["anomalies"]} == set(data["counts"])
        assert all(kind in report.words() for kind in report.kinds)


def injected(kind: str, history: LogHistory) -> LogHistory:
    """The history, followed by the example of the anomaly in logs that nobody else uses."""
    examples: dict[str, Any] = {
        "G1a": lambda: history.send(90, type_="fail", u=["p"]).poll(91, {"u": [(0, "p")]}),
        "precommitted-read": lambda: history.txn(90, [sent({"u": [(0, "p")]}), [polled({"u": [(0, "p")]})]]),
        "inconsistent-offsets": lambda: history.send(90, u=[(0, "p")]).send(91, u=[(0, "q")]),
        "duplicate": lambda: history.send(90, u=[(1, "p")]).poll(91, {"u": [(3, "p")]}),
        "lost-write": lambda: history.send(90, u=[(0, "p")]).send(90, u=[(1, "q")]).poll(91, {"u": [(1, "q")]}),
        "unseen": lambda: history.send(90, u=[(0, "p")]).poll(91, {"u": []}),
        "poll-skip": lambda: three(history).poll(91, {"u": [(0, "p")]}).poll(91, {"u": [(2, "r")]}),
        "nonmonotonic-poll": lambda: (
            three(history).poll(91, {"u": [(0, "p"), (1, "q")]}).poll(91, {"u": [(1, "q"), (2, "r")]})),
        "nonmonotonic-send": lambda: history.send(90, u=[(3, "p"), (4, "q")]).send(90, u=[(1, "r")]),
        "int-poll-skip": lambda: three(history).poll(91, {"u": [(0, "p"), (2, "r")]}),
        "int-nonmonotonic-poll": lambda: three(history).poll(91, {"u": [(2, "r"), (0, "p")]}),
        "int-send-skip": lambda: history.send(90, u=[(1, "p"), (3, "q")]).send(91, u=[(2, "r")]),
        "int-nonmonotonic-send": lambda: history.send(90, u=[(3, "p"), (1, "q")]),
    }
    made = examples[kind]()
    assert isinstance(made, LogHistory)
    return made


def three(history: LogHistory) -> LogHistory:
    return history.send(90, u=[(0, "p"), (1, "q"), (2, "r")]).poll(92, {"u": [(0, "p"), (1, "q"), (2, "r")]})


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60))
def test_a_correct_log_shows_no_anomaly(seed: int, operations: int) -> None:
    report = analyse(SimulatedLogs(seed).run(operations).calls())
    assert not report.anomalies, report.words()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
@pytest.mark.parametrize("kind", list(log_anomalies.DETECTORS))
def test_an_injected_anomaly_is_found_among_correct_operations(kind: str, seed: int) -> None:
    report = analyse(injected(kind, SimulatedLogs(seed).run(30)).calls())
    assert kind in report.counts
    kept: AnomalyReport = analyse(injected(kind, LogHistory()).calls())
    assert report.counts == kept.counts


@pytest.mark.parametrize("kind", list(log_anomalies.MODEL.kinds))
def test_the_example_in_the_words_of_an_anomaly_shows_it(kind: str) -> None:
    words = log_anomalies.MODEL.kinds[kind]
    assert words.startswith((f"{kind}:", f"{kind}, "))
    assert "`info`" in words
    history = LogHistory()
    for process, f, parts, type_ in re.findall(r"^ *process (\d)   (\w+) +(.*?)   +(ok|fail|info)\b", words, re.M):
        history.txn(int(process), [_part(part, f) for part in re.split(r", (?=send|poll)", parts)], type_, f)
    assert kind in analyse(history.calls(), write_dependencies="write_dependencies.)" in words).counts


def _part(part: str, f: str) -> list[Any]:
    """`x [0, 1], [1, 2]` or `send x [0, 1]`, as micro-operations."""
    f, key, records = part.split(" ", 2) if part.startswith(("send", "poll")) else (f, *part.split(" ", 1))
    if f == "poll":
        return [["poll", {key: json.loads(records)}]]
    return [["send", key, record] for record in json.loads(f"[{records}]")]


def test_calls_in_doubt_without_a_completion_are_read_from_their_invocation() -> None:
    calls: list[Call] = LogHistory().poll(1, {"x": [(0, "a")]}).calls()
    open_send = LogHistory().invoke(0, "send", [["send", "x", "a"]]).calls()
    assert analyse([*open_send, *calls]).verdict == "valid"
