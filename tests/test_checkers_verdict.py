"""Verdicts: what is kept and counted, how checkers run together, what becomes of one that fails."""

import pytest

from fencepost.checkers.registry import CheckerSet, build_checkers
from fencepost.checkers.verdict import INVALID, KEPT_PER_RULE, NOT_APPLICABLE, UNKNOWN, VALID, Findings, merge, seconds
from fencepost.histories.event import OBSERVE, Event
from fencepost.histories.vocabulary import FAULT_EVENTS, OBSERVATIONS, OPERATIONS


def event(index: int, f: str = "seen") -> Event:
    return Event(index, index * 1_000, OBSERVE, f, node=1)


class Complains(Findings):
    """Finds each event to be a violation; fails at the event with index `fails_at`."""

    name = "complains"
    consumes = frozenset({"seen"})

    def __init__(self, header=None, fails_at=-1):
        super().__init__(header or {})
        self.fails_at = fails_at
        self.fed = 0

    def feed(self, event):
        if event.index == self.fails_at:
            raise KeyError("leader_epoch")
        self.fed += 1
        self.violate("Rule", "wrong", event, (0,))


def test_a_few_violations_are_kept_and_all_are_counted():
    checker = Complains()
    for index in range(50):
        checker.feed(event(index))
    result = checker.finish()
    assert result.verdict == INVALID
    assert len(result.violations) == KEPT_PER_RULE
    assert result.counts == {"Rule": 50}
    assert result.violations[3].events == (0, 3)
    assert result.violations[0].events == (0,)


def test_excuses_are_kept_but_do_not_count():
    checker = Complains()
    checker.excuse("Rule", "wiped-disk", "gone", event(7), (3, 5))
    result = checker.finish()
    assert result.verdict == VALID
    assert result.excused[0].events == (3, 5, 7)


def test_a_checker_without_its_observations_is_not_applicable():
    class Needs(Complains):
        needs = frozenset({"seen", "heard"})

    assert Needs({"observations": ["seen"]}).finish().verdict == NOT_APPLICABLE
    assert Needs({"observations": ["seen", "heard"]}).finish().verdict == VALID
    assert Needs({}).finish().verdict == VALID


def test_a_checker_that_fails_is_unknown_and_the_others_go_on():
    broken, sound = Complains(fails_at=1), Complains()
    checkers = CheckerSet([broken, sound])
    for index in range(3):
        checkers.feed(event(index))
    first, second = checkers.finish()
    assert first.verdict == UNKNOWN
    assert "it failed at event 1 (seen): KeyError: 'leader_epoch'" in first.notes[0]
    assert broken.fed == 1
    assert second.counts == {"Rule": 3}


def test_a_checker_that_fails_at_the_end_is_unknown():
    class FailsAtTheEnd(Complains):
        def finish(self):
            raise ValueError("no end")

    (result,) = CheckerSet([FailsAtTheEnd()]).finish()
    assert result.verdict == UNKNOWN


def test_only_what_a_checker_wants_is_fed():
    checker = Complains()
    checkers = CheckerSet([checker])
    checkers.feed(event(0, "unseen"))
    assert not checkers.violated()
    checkers.feed(event(1))
    assert checkers.violated()
    assert checker.fed == 1


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([VALID, INVALID, UNKNOWN], INVALID), ([VALID, UNKNOWN], UNKNOWN), ([VALID, NOT_APPLICABLE], VALID),
        ([NOT_APPLICABLE], UNKNOWN), ([], UNKNOWN),
    ],
)
def test_merging(verdicts, expected):
    assert merge(verdicts) == expected


def test_seconds():
    assert seconds(12_345_678) == "12.345678 s"
    assert seconds(1) == "0.000001 s"


def test_checkers_want_only_what_the_vocabulary_has():
    known = {*OBSERVATIONS, *OPERATIONS, *FAULT_EVENTS}
    faults_to_come = {"stalled-disk", "slow-fsync", "clock-skew", "clock-jump", "clock-drift"}
    for checker in build_checkers({"mode": "kraft", "voters": [1], "brokers": [1]}):
        assert checker.consumes is not None
        assert checker.consumes <= known | faults_to_come, checker.name


def test_names_of_checkers_are_unique():
    names = [checker.name for checker in build_checkers({"mode": "kraft", "voters": [1], "brokers": [1]})]
    assert len(names) == len(set(names))
