"""The contracts weaker than linearizability: by examples, and sequential consistency by trying everything."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fencepost.checkers.anomaly_models import ANOMALY_MODELS
from fencepost.checkers.weaker import WEAKER
from fencepost.histories.errors import HistoryError, InputError
from fencepost.histories.pairing import FAIL, INFO, OK, Call

SESSIONS = ["sequential", "monotonic-reads", "read-your-writes", "monotonic-writes", "writes-follow-reads"]

#: What one process does, in its order: ("read", 1), ("write", 2), ("cas", (1, 2)), with ("write", 2, INFO) for others.
Script = list[tuple[Any, ...]]


def calls(scripts: dict[str, Script], key: Any = None) -> list[Call]:
    """Process by process, one operation after the other."""
    made = []
    for process, script in scripts.items():
        for f, value, *rest in script:
            kind = rest[0] if rest else OK
            argument, result = (None, value) if f == "read" else (value, value)
            index = len(made)
            made.append(Call(10 * index, None if kind == INFO else 10 * index + 5, kind, process, f, key, argument,
                             result, None, {}, {}, index, index + 1))
    return made


def broken(scripts: dict[str, Script]) -> list[str]:
    """The session contracts that the history breaks, starting from 0, where times of writes tell nothing."""
    return [name for name in SESSIONS if WEAKER[name].analyse(
        calls(scripts), initial=0, **{option: False for option in WEAKER[name].options if option == "write_times"}
    ).verdict == "invalid"]


@pytest.mark.parametrize(("scripts", "expected"), [
    ({"p": [("read", 0), ("write", 1), ("read", 1)], "q": [("read", 0), ("read", 0), ("read", 1)]}, []),
    ({"p": [("write", 1), ("write", 2)], "q": [("read", 1), ("read", 2), ("read", 1)]},
     ["sequential", "monotonic-reads", "monotonic-writes"]),
    ({"p": [("write", 1), ("read", 2)], "q": [("write", 2), ("read", 1)]}, ["sequential", "read-your-writes"]),
    ({"p": [("write", 1), ("read", 0)]}, ["sequential", "read-your-writes"]),
    ({"p": [("write", 1), ("write", 2)], "q": [("read", 2), ("read", 1)]}, ["sequential", "monotonic-writes"]),
    ({"p": [("read", 1), ("write", 2)], "q": [("read", 2), ("read", 1)], "r": [("write", 1)]},
     ["sequential", "writes-follow-reads"]),
    ({"p": [("read", 1), ("read", 2)], "q": [("read", 2), ("read", 1)], "r": [("write", 1)], "s": [("write", 2)]},
     ["sequential", "monotonic-reads"]),
    # A compare-and-set tells the order of its two values, and that nothing is between them.
    ({"p": [("write", 1), ("cas", (1, 2))], "q": [("read", 2), ("read", 1)]},
     ["sequential", "monotonic-reads", "monotonic-writes", "writes-follow-reads"]),
    ({"p": [("write", 1)], "q": [("cas", (1, 2))], "r": [("write", 3)], "s": [("read", 1), ("read", 3), ("read", 2)]},
     ["sequential"]),
    ({"p": [("cas", (0, 1))], "q": [("cas", (0, 2))]}, ["sequential"]),
    ({"p": [("cas", (1, 2))], "q": [("cas", (2, 1))]}, ["sequential", "writes-follow-reads"]),
    ({"p": [("read", 1), ("write", 1)]}, ["sequential"]),
    # A write that crashed counts if it was seen, and what failed does not.
    ({"p": [("write", 1, INFO)], "q": [("read", 1), ("read", 0)]}, ["sequential", "monotonic-reads"]),
    ({"p": [("read", 1), ("write", 2, FAIL), ("read", 0, FAIL)], "q": [("write", 1)]}, []),
])
def test_each_contract_is_broken_by_its_own_kind_of_history(scripts: dict[str, Script], expected: list[str]) -> None:
    assert broken(scripts) == expected


@pytest.mark.parametrize(("name", "script"), [
    ("monotonic-reads", [("read", 2), ("read", 1)]), ("read-your-writes", [("write", 3), ("read", 2)])])
def test_writes_that_follow_each_other_are_ordered_unless_told_otherwise(name: str, script: Script) -> None:
    history = calls({"p": [("write", 1)], "q": [("write", 2)], "r": script})
    analyse = WEAKER[name].analyse
    assert analyse(history, initial=0, write_times=False).verdict == "valid"
    report = analyse(history, initial=0)
    assert report.verdict == "invalid"
    assert f"had written {script[-1][1]} before process" in report.words()
    at_once = [call._replace(call=call.call % 10, ret=10 + (call.ret or 0)) if call.f == "write" else call
               for call in history]
    assert analyse(at_once, initial=0).verdict == "valid"
    unacknowledged = [call._replace(ret=None, type=INFO) if call.argument in (1, 2) else call for call in history]
    assert analyse(unacknowledged, initial=0).verdict == "valid"
    good: Script = [("read", 1), ("read", 2), ("write", 3), ("read", 3)]
    assert analyse(calls({"p": [("write", 1)], "q": [("write", 2)], "r": good}), initial=0).verdict == "valid"


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 6) | st.none()), max_size=7), st.data())
def test_what_times_tell_is_every_pair_of_writes_that_follow_each_other(
    intervals: list[tuple[int, int | None]], data: st.DataObject
) -> None:
    """Two readings of one session are refused exactly if the second value's write returned before the first's call."""
    values = len(intervals)
    writes = [Call(call, None if length is None else call + length, OK if length is not None else INFO, f"w{number}",
                   "write", None, number, None, None, {}, {}, number, number + 1)
              for number, (call, length) in enumerate(intervals, 1)]
    first, then = (data.draw(st.integers(0, values)) for _ in range(2))
    reads = [Call(100 + 10 * place, 105 + 10 * place, OK, "r", "read", None, None, value, None, {}, {}, 50 + place, 60)
             for place, value in enumerate((first, then))]
    before = first > 0 and (then == 0 or (
        writes[then - 1].ret is not None and writes[then - 1].ret < writes[first - 1].call))
    report = WEAKER["monotonic-reads"].analyse([*writes, *reads], initial=0)
    assert report.verdict == ("invalid" if before else "valid")


def test_a_circle_is_told_in_sentences() -> None:
    report = WEAKER["monotonic-writes"].analyse(
        calls({"p": [("write", 1), ("write", 2)], "q": [("read", 2), ("read", 1)]}, key="x"), initial=0)
    (anomaly,) = report.anomalies
    assert anomaly.kind == "monotonic-writes"
    assert anomaly.message == ("key 'x': process p wrote 1 and then wrote 2; process q read 2 and then read 1: "
                               "these cannot all be in one order")
    assert anomaly.operations == (0, 1, 2, 3)


def test_nil_is_a_value_like_others() -> None:
    reads: Script = [("read", 1), ("read", None)]
    verdicts = [WEAKER["monotonic-reads"].analyse(calls({"p": [("write", 1)], "q": script})).verdict
                for script in (reads, reads[::-1])]
    assert verdicts == ["invalid", "valid"]


def test_what_nobody_wrote_is_told_by_every_contract() -> None:
    for name in SESSIONS:
        report = WEAKER[name].analyse(calls({"p": [("read", 7)]}), initial=0)
        assert report.kinds == ["unwritten-read"]
        assert "process p read 7, which nobody wrote" in report.words()


def test_a_value_written_twice_leaves_its_key_undecided_and_not_the_others() -> None:
    twice = calls({"p": [("write", 1), ("write", 1)]}, key="x")
    report = WEAKER["sequential"].analyse(twice, initial=0)
    assert report.verdict == "unknown"
    assert "key 'x': undecided: 1 was written more than once" in report.words()
    bad = [call._replace(key="y") for call in calls({"p": [("write", 1), ("read", 0)]})]
    assert WEAKER["sequential"].analyse([*twice, *bad], initial=0).verdict == "invalid"


def versioned(*steps: tuple[str, str, Any, int]) -> list[Call]:
    """(process, f, value, version), in their order."""
    return [Call(10 * n, 10 * n + 5, OK, process, f, None, None if f == "read" else value, value, None, {},
                 {"version": version}, n, n + 1) for n, (process, f, value, version) in enumerate(steps)]


def test_versions_tell_the_order_even_of_equal_values() -> None:
    good = versioned(("p", "write", "a", 1), ("p", "write", "a", 2), ("q", "read", "a", 1), ("q", "read", "a", 2))
    for name in SESSIONS:
        assert WEAKER[name].analyse(good).verdict == "valid"
    stale = versioned(("p", "write", "a", 1), ("p", "write", "b", 5), ("q", "read", "b", 5), ("q", "read", "a", 1))
    report = WEAKER["monotonic-reads"].analyse(stale)
    assert report.verdict == "invalid"
    assert "process q read version 5 and then read version 1; version 1 came before version 5" in report.words()
    assert WEAKER["read-your-writes"].analyse(stale).verdict == "valid"


def test_a_history_of_something_else_is_refused() -> None:
    with pytest.raises(HistoryError, match="line 1: a register has no operation 'enqueue'"):
        WEAKER["sequential"].analyse(calls({"p": [("enqueue", 1)]}))


# --- sequential consistency by trying everything ----------------------------------------------------------------------


def some_interleaving(scripts: list[Script], state: Any) -> bool:
    """Whether some order that keeps each script's explains all reads; crashed operations may be left out."""
    if not any(scripts):
        return True
    for place, script in enumerate(scripts):
        if not script:
            continue
        f, value, *rest = script[0]
        left = [*scripts[:place], script[1:], *scripts[place + 1:]]
        if rest and some_interleaving(left, state):
            return True
        if f == "write":
            after = value
        elif f == "read":
            after = state if rest or value == state else None
        else:
            after = value[1] if value[0] == state else None
        if after is not None and some_interleaving(left, after):
            return True
    return False


def drawn(seed: int) -> dict[str, Script]:
    """Some processes on an honest register, each of which may look at a state of before."""
    random = Random(seed)
    state, past, number = 0, [0], 1
    scripts: dict[str, Script] = {name: [] for name in "pqr"[:random.randint(1, 3)]}
    lies = random.random() < 0.5
    for _ in range(random.randint(2, 8)):
        script = scripts[random.choice(list(scripts))]
        rest = (INFO,) if random.random() < 0.1 else ()
        kind = random.random()
        if kind < 0.55:
            script.append(("read", random.choice(past[-3:]) if lies else state, *rest))
            continue
        expected = random.choice(past) if lies and random.random() < 0.2 else state
        script.append(("write", number, *rest) if kind < 0.8 else ("cas", (expected, number), *rest))
        if not rest or random.random() < 0.5:
            state = number
            past.append(state)
        number += 1
    return scripts


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32))
def test_sequential_consistency_is_what_trying_everything_says(seed: int) -> None:
    scripts = drawn(seed)
    report = WEAKER["sequential"].analyse(calls(scripts), initial=0)
    assert report.verdict == ("valid" if some_interleaving(list(scripts.values()), 0) else "invalid"), report.words()


def test_the_histories_drawn_are_of_both_kinds() -> None:
    verdicts = Counter(WEAKER["sequential"].analyse(calls(drawn(seed)), initial=0).verdict for seed in range(200))
    assert min(verdicts["valid"], verdicts["invalid"]) > 20


# --- staleness ----------------------------------------------------------------------------------------------------

OLD = [("write", 1), ("write", 2), ("read", 1)]


def test_a_reading_may_be_so_old_and_no_older() -> None:
    # write(2) returned at 15, the read was called at 20.
    history = calls({"p": OLD})
    stale = WEAKER["bounded-staleness"].analyse
    assert stale(history, initial=0, staleness=5).verdict == "valid"
    report = stale(history, initial=0, staleness=4)
    assert report.verdict == "invalid"
    assert report.anomalies[0].operations == (2,)
    assert "read() -> 1 by process p, returned at 25, is older than 4: read 1 but the reg" in report.words()


def test_without_a_bound_the_oldest_reading_is_measured() -> None:
    report = WEAKER["bounded-staleness"].analyse(calls({"p": OLD}), initial=0)
    assert report.verdict == "valid"
    assert report.notes == ["no reading is older than 5, in the unit of the history's times"]


def test_no_age_explains_a_value_that_nobody_wrote() -> None:
    report = WEAKER["bounded-staleness"].analyse(calls({"p": [("read", 7)]}), initial=0)
    assert report.verdict == "invalid"
    assert "is explained by no age" in report.words()


def test_a_negative_bound_is_refused() -> None:
    with pytest.raises(InputError, match="staleness=-1: a reading cannot be younger than now"):
        WEAKER["bounded-staleness"].analyse([], staleness=-1)


def test_the_command_line_knows_them_all() -> None:
    assert [name for name in WEAKER if ANOMALY_MODELS.get(name) is not WEAKER[name]] == []
