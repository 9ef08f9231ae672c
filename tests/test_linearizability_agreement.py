"""All engines, searches and combinations of prunings agree with brute force and with each other.

Bounded here; `make soak` sets FENCEPOST_SOAK_EXAMPLES to let it run for long.
"""

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from linearizability_cases import Counter, HintedRegister, brute_force, check_order, running_register

from fencepost.checkers.linearizability import (
    Model,
    Operation,
    Unlimited,
    WorkBudget,
    compiled,
    linearizable,
    models,
    pure,
)
from fencepost.checkers.linearizability.portfolio import SearchablePart
from fencepost.checkers.linearizability.postmortem import examine
from fencepost.checkers.linearizability.prunings import Prunings
from fencepost.checkers.linearizability.searching import Progress

EXAMPLES = int(os.environ.get("FENCEPOST_SOAK_EXAMPLES", "150"))
ENGINES = {"pure": pure.parts, **({"compiled": compiled.parts} if compiled.is_there() else {})}



def bounded(examples: int) -> settings:
    """So many examples, however slow."""
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


_VALUE = st.integers(0, 3)
_READ = st.tuples(st.just("read"), st.none(), _VALUE)
_CAS = st.tuples(st.just("cas"), st.tuples(_VALUE, _VALUE), st.booleans())
_WRITE = st.tuples(st.just("write"), _VALUE, st.none())
_KEY = st.sampled_from("ab")
#: By model, what its operations may be: (f, argument, result), the result unknown for a crashed one.
KINDS: list[tuple[Model, st.SearchStrategy[tuple[str, Any, Any]]]] = [
    (HintedRegister(), st.one_of(_READ, _WRITE, _CAS)),
    (models.Register("etcd", 0, cas=True, nil_reads="literal"), st.one_of(_READ, _WRITE, _CAS)),
    (Counter(), st.one_of(
        st.tuples(st.just("add"), st.integers(1, 2), st.none()), st.tuples(st.just("reset"), st.none(), st.none()),
        st.tuples(st.sampled_from(["read", "take"]), st.none(), _VALUE))),
    (models.Counter(), st.one_of(
        st.tuples(st.just("add"), st.integers(-1, 2), st.none()), st.tuples(st.just("read"), st.none(), _VALUE),
        st.tuples(st.sampled_from(["add-and-get", "get-and-add"]), st.integers(0, 2), _VALUE))),
    (models.FifoQueue(), st.one_of(
        st.tuples(st.just("enqueue"), _VALUE, st.none()),
        st.tuples(st.just("dequeue"), st.none(), st.one_of(st.none(), _VALUE)))),
    (models.Mutex(), st.tuples(st.sampled_from(["acquire", "release"]), st.none(), st.none())),
    (models.KeyValue(whole=True), st.one_of(
        st.tuples(st.sampled_from(["put", "append"]), st.tuples(_KEY, st.sampled_from("xy")), st.none()),
        st.tuples(st.just("get"), _KEY, st.sampled_from(["", "x", "y", "xy", "yx"])))),
    (models.Log(), st.one_of(
        st.tuples(st.just("append"), _VALUE, st.integers(0, 2)),
        st.tuples(st.just("read"), st.integers(0, 2), st.one_of(st.none(), _VALUE)))),
]


@st.composite
def small_histories(draw: st.DrawFn) -> tuple[Model, list[Operation]]:
    model, kinds = draw(st.sampled_from(KINDS))
    operations = []
    for process in range(draw(st.integers(1, 7))):
        call = draw(st.integers(0, 10))
        ret = draw(st.one_of(st.none(), st.integers(call, 14)))
        f, argument, result = draw(kinds)
        operations.append(Operation(call, ret, f, argument, None if ret is None else result, process))
    return model, operations


prunings = st.builds(Prunings, *[st.booleans()] * 5)


def outcomes(part: SearchablePart, work: int) -> Iterator[tuple[Progress, Any]]:
    """What each search of a part says, with its death; those that cannot say within the work are left out."""
    for entrant in part.entrants:
        search = entrant.begin(part.searchable)
        progress, left = Progress.RUNNING, work
        while progress is Progress.RUNNING and left > 0:
            progress, left = search.advance(7), left - 7
        if progress is Progress.ACCEPTED:
            yield progress, None
        elif progress is Progress.REJECTED or progress is Progress.REFUTED:
            yield progress, search.death()


@bounded(EXAMPLES)
@given(small_histories(), prunings)
def test_small_histories(history: tuple[Model, list[Operation]], chosen: Prunings) -> None:
    model, operations = history
    expected = Progress.ACCEPTED if brute_force(operations, model) else Progress.REJECTED
    deaths = set()
    refuted: list[int] = []
    for parts in ENGINES.values():
        for switches in (Prunings(), chosen):
            (part,) = parts(operations, model, True, switches, Unlimited().spend)
            for progress, dying in outcomes(part, 10**6):
                if progress is Progress.REFUTED:
                    assert expected is Progress.REJECTED
                    refuted.append(dying.returned)
                    continue
                assert progress is expected
                if dying is not None:
                    deaths.add((dying.operation, dying.returned))
                    death = examine(dying, operations, model, part.renamed)
                    for order in death.partial_linearizations():
                        check_order(order, model)
    assert len(deaths) == (expected is Progress.REJECTED)
    assert all(returned >= place for returned in refuted for _, place in deaths), "a refutation may come late"
    verdict = "valid" if expected is Progress.ACCEPTED else "invalid"
    assert linearizable(operations, model).verdict == verdict, "with near-linear checkers"


@pytest.mark.skipif(len(ENGINES) < 2, reason="the compiled engine is not built")
@bounded(EXAMPLES // 4)
@given(st.integers(0, 2**32), st.integers(2, 40), st.integers(10, 80), st.sampled_from([2, 4, 30]),
       st.sampled_from([0.0, 0.05, 0.2]))
def test_longer_histories(seed: int, clients: int, count: int, values: int, crashed: float) -> None:
    operations = running_register(random.Random(seed), clients, count, values, crashed)
    model = HintedRegister()
    found = set()
    refuted = False
    for parts in ENGINES.values():
        (part,) = parts(operations, model, True, Prunings(), Unlimited().spend)
        for progress, dying in outcomes(part, 1_000):
            if progress is Progress.REFUTED:
                refuted = True
            else:
                found.add((progress, None if dying is None else (dying.operation, dying.returned)))
    assert len(found) <= 1, "those that decide agree"
    assert not (refuted and any(progress is Progress.ACCEPTED for progress, _ in found))
    verdicts = {linearizable(operations, model, engine=engine, budget=WorkBudget(4_000)).verdict
                for engine in ("pure", "compiled")}
    assert verdicts <= {"valid", "unknown"} or verdicts <= {"invalid", "unknown"}
