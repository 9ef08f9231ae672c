"""Every model by a good and a bad history, its hints over all of a small state space, and its reading of calls."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from linearizability_cases import brute_force

from fencepost.checkers.linearizability import Inconsistent, Model, Operation, linearizable, models
from fencepost.checkers.linearizability.models import MODELS, make_model
from fencepost.histories.errors import HistoryError, InputError
from fencepost.histories.operations import HistoryOp
from fencepost.histories.pairing import pair

#: One step: (f, argument, result), or (f, argument) for one that crashed.
Step = tuple[Any, ...]

#: Model -> first content, steps that are in order one after the other, and steps whose last must be refused and why.
EXAMPLES: dict[str, tuple[Any, list[Step], list[Step], str]] = {
    "register": (
        0, [("read", None, 0), ("write", 1, None), ("read", None, 1), ("read", None, None)],
        [("write", 1, None), ("read", None, 0)], "read 0 but the register holds 1"),
    "cas-register": (
        0, [("cas", (0, 2), True), ("read", None, 2), ("cas", (5, 6)), ("read", None, 2)],
        [("cas", (0, 2), True), ("cas", (0, 3), True)], "cas from 0 but the register holds 2"),
    "etcd": (
        None, [("read", None, None), ("cas", (1, 2), False), ("write", 1, None), ("cas", (1, 2), True)],
        [("write", 1, None), ("cas", (1, 2), False)], "cas failed though the register holds 1"),
    "versioned-register": (
        "init", [("read", None, (0, "init")), ("write", "a", 1), ("cas", (1, "b"), 2), ("cas", (1, "c"), False),
                 ("write", "d"), ("sync-read", None, (3, "d"))],
        [("write", "a", 1), ("read", None, (0, "init"))], "read version 0 but the register is at version 1"),
    "kv": (
        {"x": "0"}, [("append", ("x", "1"), None), ("get", "x", "01"), ("put", ("x", "2"), None), ("get", "x", "2"),
                     ("delete", "x", None), ("get", "x", ""), ("get", "x", None)],
        [("put", ("x", "2"), None), ("get", "x", "02")], "got '02' but 'x' holds '2'"),
    "multi-register": (
        {"x": 0, "y": 0}, [("txn", (("write", "x", 1), ("read", "y", 0)), None), ("txn", (("r", "x", 1),), None),
                           ("txn", (("w", "y", 2), ("r", "y", 2), ("r", "x", None)), None)],
        [("txn", (("write", "x", 1),), None), ("txn", (("read", "y", 0), ("read", "x", 0)), None)],
        "read 0 from 'x', which holds 1"),
    "mutex": (
        None, [("acquire", None, None), ("release", None, None), ("acquire", None, None)],
        [("acquire", None, None), ("acquire", None, None)], "acquired though it is held"),
    "reentrant-lock": (
        None, [("acquire", "p", None), ("acquire", "p", None), ("release", "p", None), ("release", "p", None),
               ("acquire", "q", None)],
        [("acquire", "p", None), ("acquire", "p", None), ("release", "p", None), ("acquire", "q", None)],
        "'q' acquired it though 'p' holds it, once"),
    "semaphore": (
        2, [("acquire", 1, None), ("acquire", 1, None), ("release", 1, None), ("acquire", 1, None)],
        [("acquire", 2, None), ("acquire", 1, None)], "acquired 1 though 0 permits are left"),
    "counter": (
        5, [("add", 2, None), ("read", None, 7), ("add-and-get", -1, 6), ("get-and-add", 1, 6), ("read", None, 7)],
        [("add", 2, None), ("read", None, 6)], "read 6 but the counter is at 7"),
    "set": (
        [2], [("add", 1, None), ("contains", 1, True), ("read", None, (1, 2)), ("remove", 2, True),
              ("remove", 2, False), ("add", 1, False), ("contains", 2, False)],
        [("add", 1, None), ("read", None, (2,))], "read (2,) but the set holds (1, 2)"),
    "fifo-queue": (
        [3], [("enqueue", 2, None), ("dequeue", None, 3), ("dequeue", None, 2), ("dequeue", None, None)],
        [("enqueue", 2, None), ("dequeue", None, 2)], "dequeue gave 2 but the head is 3"),
    "priority-queue": (
        [3], [("enqueue", 2, None), ("dequeue", None, 2), ("dequeue", None, 3), ("dequeue", None, None)],
        [("enqueue", 2, None), ("dequeue", None, 3)], "dequeue gave 3 but the smallest is 2"),
    "stack": (
        [3], [("push", 2, None), ("pop", None, 2), ("pop", None, 3), ("pop", None, None)],
        [("push", 2, None), ("pop", None, None)], "pop gave nothing but the top is 2"),
    "log": (
        ["z"], [("append", "a", 1), ("append", "b", None), ("read", 2, "b"), ("read", 3, None), ("read", 0, "z")],
        [("append", "a", 1), ("read", 1, None)], "found nothing at offset 1, where the log has 'a'"),
    "znode": (
        None, [("create", ("a", None), None), ("create", ("b", None), "NodeExists"), ("set", (0, "b"), 1),
               ("get", None, ("b", 1)), ("set", (0, "c"), "BadVersion"), ("delete", 1, None), ("get", None, "NoNode"),
               ("create", ("e", 7), None), ("close", 8, None), ("get", None, ("e", 0)), ("close", 7, None),
               ("delete", -1, "NoNode")],
        [("create", ("a", 7), None), ("delete", 1, None)],
        "delete succeeded but the znode holds 'a' at version 0, owned by session 7"),
    "consumer-offset": (
        None, [("fetch", None, None), ("join", None, 1), ("join", None, 1), ("commit", (1, 10), None),
               ("fetch", None, 10), ("join", None, 2), ("commit", (1, 11), False), ("commit", (-1, 4), None),
               ("join", None), ("commit", (2, 12), False), ("commit", (4, 12), None), ("fetch", None, 12)],
        [("join", None, 1), ("join", None, 2), ("commit", (1, 10), None)],
        "a commit of generation 1 was accepted though the group is in generation 2"),
    "leader-lock": (
        None, [("acquire", None, 1), ("check", 1, True), ("acquire", None, 3), ("check", 1, False), ("check", 3, True),
               ("acquire", None), ("check", 3, False), ("acquire", None, 5), ("release", 5, None), ("check", 5, False)],
        [("acquire", None, 1), ("acquire", None, 2), ("check", 1, True)],
        "token 1 was accepted though the newest is 2"),
    "at-least-once-log": (
        None, [("append", "a", None), ("append", "b", None), ("read", 1, "a"), ("read", 2, "b")],
        [("append", "a", None), ("read", 1, None), ("read", 1, "a")],
        "found 'a' at offset 1, where the log has nothing"),
}


def one_after_another(steps: list[Step]) -> list[Operation]:
    """Crashed ones are followed by all that comes after them."""
    return [Operation(10 * place, 10 * place + 5 if len(step) == 3 else None, *step, process=place)
            for place, step in enumerate(steps)]


def test_every_model_has_examples() -> None:
    assert list(EXAMPLES) == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_good_history_is_valid_and_a_bad_one_is_refused_in_the_models_own_words(name: str) -> None:
    initial, good, bad, why = EXAMPLES[name]
    model = make_model(name, initial)
    assert model.name == name
    assert linearizable(one_after_another(good), model).verdict == "valid"
    assert linearizable(one_after_another(bad[:-1]), model).verdict == "valid"
    analysis = linearizable(one_after_another(bad), model)
    assert analysis.verdict == "invalid"
    assert why in analysis.words()


@pytest.mark.parametrize("name", MODELS)
def test_a_models_refusals_are_in_words_and_name_an_unknown_operation(name: str) -> None:
    model = make_model(name, EXAMPLES[name][0])
    told = [Operation(0, 1, "boil", ("x", "y"), None)]
    assert f"an operation 'boil', which {name} does not have" in linearizable(told, model).words()


def test_a_token_that_a_crashed_acquire_drew_may_show_later_but_only_as_one_number() -> None:
    def verdict(*steps: Step) -> str:
        return linearizable(one_after_another(list(steps)), make_model("leader-lock")).verdict

    crashed = ("acquire", None)
    taken = (("acquire", None, 1), crashed, ("check", 1, False))  # the crashed one must have taken effect
    assert verdict(crashed, ("check", 2, True), ("check", 2, True), ("acquire", None, 3)) == "valid"
    assert verdict(crashed, ("check", 2, True), ("check", 3, True)) == "invalid"
    assert verdict(*taken, ("check", 2, False), ("check", 3, True)) == "valid"
    assert verdict(*taken, ("check", 2, False), ("check", 2, True)) == "invalid"
    assert verdict(*taken, ("check", 2, False), ("acquire", None, 3)) == "invalid"
    assert verdict(*taken, ("check", 2, False), ("acquire", None, 4)) == "valid"
    assert verdict(crashed, ("release", 4, None), ("acquire", None, 5)) == "valid"
    assert verdict(crashed, ("release", 4, None), ("release", 5, None)) == "invalid"
    assert verdict(crashed, crashed, ("check", 1, True), ("check", 2, True), ("acquire", None, 3)) == "valid"


def test_nothing_is_appended_to_a_number() -> None:
    steps = [("get", "x", 0), ("append", ("x", "a"))]
    assert linearizable(one_after_another(steps), make_model("kv", {"x": 0})).verdict == "valid"
    analysis = linearizable(one_after_another([*steps, ("append", ("x", "b"), None)]), make_model("kv", {"x": 0}))
    assert (analysis.verdict, analysis.deaths[0][1].reasons) == ("invalid", ("appended to 'x', which holds 0",))


# --- hints, over every state that the examples' operations reach ------------------------------------------------------

MOST_STATES = 400


def universe(name: str) -> list[Operation]:
    """The operations of both examples, each also crashed and, where it answers, with the others' answers."""
    _, good, bad, _ = EXAMPLES[name]
    steps = [*good, *bad]
    answers = {f: dict.fromkeys(step[2] for step in steps if step[0] == f and len(step) == 3)
               for f in dict.fromkeys(step[0] for step in steps)}
    operations: dict[Operation, None] = {}
    for f, argument, *_ in steps:
        operations[Operation(0, None, f, argument)] = None
        for result in answers[f]:
            operations[Operation(0, 1, f, argument, result)] = None
    return list(operations)


def reachable(model: Model, operations: list[Operation]) -> list[Any]:
    states = {model.init(): None}
    waiting = [model.init()]
    while waiting and len(states) < MOST_STATES:
        state = waiting.pop(0)
        for operation in operations:
            after = model.step(state, operation)
            if not isinstance(after, Inconsistent) and after not in states:
                states[after] = None
                waiting.append(after)
    return list(states)


def lies(model: Any, operations: list[Operation]) -> list[str]:
    """The hints that do not hold in every reachable state."""
    found = []
    states = reachable(model, operations)
    for operation in operations:
        after = [model.step(state, operation) for state in states]
        changed = [state for state, next_one in zip(states, after, strict=True)
                   if not isinstance(next_one, Inconsistent) and next_one != state]
        if model.readonly(operation) and changed:
            found.append(f"{operation.words()} is not readonly: it changes {changed[0]!r}")
        if model.overwrites(operation) and (len(set(after)) > 1 or isinstance(after[0], Inconsistent)):
            found.append(f"{operation.words()} does not overwrite")
    return found


@pytest.mark.parametrize("name", MODELS)
def test_hints_hold_in_every_state(name: str) -> None:
    for initial in (EXAMPLES[name][0], None):
        model = make_model(name, initial)
        assert lies(model, universe(name)) == []


def test_the_search_for_lies_finds_them() -> None:
    class Wrong(models.Register):
        def readonly(self, operation: Operation) -> bool:
            return operation.f in ("read", "cas")

        def overwrites(self, operation: Operation) -> bool:
            return operation.f in ("write", "cas")

    found = lies(Wrong("cas-register", 0, True), universe("cas-register"))
    assert any("is not readonly" in lie for lie in found)
    assert any("does not overwrite" in lie for lie in found)


def test_what_makes_the_search_fast_is_hinted() -> None:
    hinted = []
    for name in MODELS:
        model: Any = make_model(name)
        hinted += [(name, operation.f) for operation in universe(name)
                   if model.readonly(operation) or model.overwrites(operation)]
    for expected in (("register", "read"), ("register", "write"), ("etcd", "cas"), ("kv", "get"), ("kv", "put"),
                     ("kv", "delete"), ("counter", "read"), ("set", "contains"), ("log", "read"), ("znode", "get"),
                     ("versioned-register", "cas"), ("multi-register", "txn")):
        assert expected in hinted


@pytest.mark.parametrize("name", MODELS)
def test_with_all_its_hints_a_model_is_judged_as_by_trying_everything(name: str) -> None:
    model = make_model(name, EXAMPLES[name][0])
    operations = universe(name)
    verdicts: Counter[str] = Counter()
    for seed in range(250):
        history = at_random(Random(seed), operations)
        verdict = linearizable(history, model, specialised=False).verdict
        assert verdict == ("valid" if brute_force(history, model) else "invalid")
        verdicts[verdict] += 1
    assert verdicts["valid"] > 10
    assert verdicts["invalid"] > 10


def at_random(random: Random, operations: list[Operation]) -> list[Operation]:
    """Up to six of the operations, at times that overlap."""
    history = []
    for process in range(random.randint(2, 6)):
        call = random.randrange(12)
        operation = random.choice(operations)
        ret = None if operation.ret is None else call + random.randrange(8)
        history.append(operation._replace(call=call, ret=ret, process=process))
    return history


# --- reading calls ----------------------------------------------------------------------------------------------------

def lines(*steps: tuple[Any, ...]) -> list[HistoryOp]:
    """(type, f, value) or with {key: ..., error: ..., other fields} behind it, all by process 0, from line 1."""
    ops = []
    for place, (kind, f, value, *rest) in enumerate(steps):
        extra = dict(rest[0]) if rest else {}
        ops.append(HistoryOp(place, place, kind, 0, f, extra.pop("key", None), value, extra.pop("error", None), extra,
                             place + 1))
    return ops


def read(name: str, *steps: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """(f, argument, result, crashed) of each operation."""
    return [(operation.f, operation.argument, operation.result, operation.crashed)
            for operation in MODELS[name].read(pair(lines(*steps)))]


def test_knossos_leaves_failures_out_and_porcupine_takes_a_failed_cas_as_evidence() -> None:
    failed = (("invoke", "cas", [1, 2]), ("fail", "cas", [1, 2]))
    assert read("cas-register", *failed) == []
    assert read("etcd", *failed) == [("cas", (1, 2), False, False)]
    timed_out = (("invoke", "cas", [1, 2]), ("fail", "cas", [1, 2], {"error": "timed-out"}))
    assert read("etcd", *timed_out) == []
    for error in ("did-not-succeed", ["precondition-failed", "expected 1, had 3"], "CAS_MISMATCH"):
        assert read("etcd", ("invoke", "cas", [1, 2]), ("fail", "cas", [1, 2], {"error": error})) == [
            ("cas", (1, 2), False, False)]
    assert read("etcd", ("invoke", "cas", [1, 2]), ("info", "cas", "timed-out")) == [("cas", (1, 2), None, True)]


def test_nil_is_anything_to_knossos_and_a_value_to_porcupine() -> None:
    history = [Operation(0, 1, "write", 1), Operation(2, 3, "read", None, None)]
    assert linearizable(history, make_model("cas-register")).verdict == "valid"
    assert linearizable(history, make_model("etcd")).verdict == "invalid"


def test_versions_are_fields_and_only_a_bad_version_refuses() -> None:
    cas = ("invoke", "cas", "b", {"expected_version": 3})
    assert read("versioned-register", cas, ("ok", "cas", "b", {"version": 4})) == [("cas", (3, "b"), 4, False)]
    assert read("versioned-register", cas, ("fail", "cas", "b", {"error": "BadVersion"})) == [
        ("cas", (3, "b"), False, False)]
    assert read("versioned-register", cas, ("fail", "cas", "b", {"error": "ConnectionLoss"})) == []
    assert read("versioned-register", cas, ("info", "cas", "b", {"error": "ConnectionLoss"})) == [
        ("cas", (3, "b"), None, True)]
    assert read("versioned-register", ("invoke", "sync-read", None), ("ok", "sync-read", "b", {"version": 4})) == [
        ("sync-read", None, (4, "b"), False)]


def test_keys_are_kept_apart() -> None:
    steps = (("invoke", "write", 1, {"key": "x"}), ("ok", "write", 1, {"key": "x"}),
             ("invoke", "read", None, {"key": "y"}), ("ok", "read", 1, {"key": "y"}))
    analysis = linearizable(MODELS["register"].read(pair(lines(*steps))), make_model("register", 0))
    assert [part for part, *_ in analysis.deaths] == ["y"]
    assert read("kv", ("invoke", "put", ["x", "1"]), ("ok", "put", ["x", "1"]), ("invoke", "get", ["x", None]),
                ("ok", "get", ["x", "1"]), ("invoke", "get", None, {"key": "x"}), ("ok", "get", "1", {"key": "x"})
                ) == [("put", ("x", "1"), None, False), ("get", "x", "1", False), ("get", "x", "1", False)]


def test_answers_that_refuse_are_evidence_where_the_model_says_so() -> None:
    assert read("znode", ("invoke", "create", "a", {"ephemeral": True, "session": 7}),
                ("fail", "create", "a", {"error": "NODE_EXISTS"})) == [("create", ("a", 7), "NodeExists", False)]
    assert read("znode", ("invoke", "get", None), ("fail", "get", None, {"error": "no-node"})) == [
        ("get", None, "NoNode", False)]
    assert read("znode", ("invoke", "delete", None, {"expected_version": 2}),
                ("fail", "delete", None, {"error": "ConnectionLoss"})) == []
    assert read("consumer-offset", ("invoke", "commit", [1, 5]),
                ("fail", "commit", None, {"error": "ILLEGAL_GENERATION"})) == [("commit", (1, 5), False, False)]
    assert read("consumer-offset", ("invoke", "commit", [1, 5]),
                ("fail", "commit", None, {"error": "NOT_COORDINATOR"})) == []


def test_every_model_reads_its_own_operations() -> None:
    assert read("set", ("invoke", "add", 1), ("ok", "add", 1), ("invoke", "read", None), ("ok", "read", [2, 1])) == [
        ("add", 1, None, False), ("read", None, (1, 2), False)]
    assert read("mutex", ("invoke", "acquire", None), ("ok", "acquire", None)) == [("acquire", None, None, False)]
    assert read("reentrant-lock", ("invoke", "acquire", None), ("ok", "acquire", None)) == [
        ("acquire", 0, None, False)]
    assert read("semaphore", ("invoke", "acquire", None), ("ok", "acquire", None)) == [("acquire", 1, None, False)]
    assert read("counter", ("invoke", "add", 2), ("ok", "add", 2), ("invoke", "read", None), ("ok", "read", 2)) == [
        ("add", 2, None, False), ("read", None, 2, False)]
    assert read("fifo-queue", ("invoke", "enqueue", 2), ("ok", "enqueue", 2), ("invoke", "dequeue", None),
                ("info", "dequeue", None)) == [("enqueue", 2, None, False), ("dequeue", None, None, True)]
    assert read("log", ("invoke", "append", "a"), ("ok", "append", 0), ("invoke", "read", 0), ("ok", "read", "a")) == [
        ("append", "a", 0, False), ("read", 0, "a", False)]
    assert read("multi-register", ("invoke", "txn", [["read", "x", None]]), ("ok", "txn", [["read", "x", 1]])) == [
        ("txn", (("read", "x", 1),), None, False)]
    assert read("leader-lock", ("invoke", "acquire", None), ("ok", "acquire", 3), ("invoke", "check", 3),
                ("ok", "check", True)) == [("acquire", None, 3, False), ("check", 3, True, False)]


@pytest.mark.parametrize(("name", "steps", "says"), [
    ("register", [("invoke", "cas", [1, 2])], r"line 1: register has no operation 'cas' \(it has read, write\)"),
    ("cas-register", [("invoke", "cas", 1)], r"line 1: the value of cas should be \[expected, new\], but is 1"),
    ("versioned-register", [("invoke", "cas", 1, {"expected_version": "x"})], "line 1: expected_version should be"),
    ("kv", [("invoke", "append", ["x", 1])], "line 1: append should add a string, but adds 1"),
    ("kv", [("invoke", "put", ["x", 5]), ("ok", "put", ["x", 5]), ("invoke", "append", ["y", "a"])],
     "line 1: put should set a string where there are appends, but sets 5"),
    ("multi-register", [("invoke", "txn", [["cas", "x", 1]])], r"line 1: a step of txn should be \[read or write"),
    ("semaphore", [("invoke", "acquire", 0)], "line 1: acquire should be of at least 1 permit"),
    ("counter", [("invoke", "add", "x")], "line 1: add should add a whole number, but adds 'x'"),
    ("set", [("invoke", "read", None), ("ok", "read", 3)], "line 1: read should give the set's elements, but gives 3"),
    ("log", [("invoke", "read", None)], "line 1: read should have an offset of at least 0, but has None"),
    ("leader-lock", [("invoke", "acquire", None), ("ok", "acquire", "x")], "line 1: acquire should give a token"),
    ("leader-lock", [("invoke", "release", None)], "line 1: release should name a token, a whole number, but has None"),
    ("leader-lock", [("invoke", "check", 1), ("ok", "check", 1)], "line 1: check should give true or false"),
])
def test_calls_that_make_no_sense_are_refused_with_their_line(name: str, steps: list[Any], says: str) -> None:
    with pytest.raises(HistoryError, match=says):
        read(name, *steps)


@pytest.mark.parametrize(("name", "initial", "whole", "says"), [
    ("cas-registr", None, False, "there is no model 'cas-registr': did you mean 'cas-register'?"),
    ("x", None, False, "there is no model 'x': there are register, cas-register"),
    ("mutex", 1, False, "mutex always starts empty"),
    ("counter", "x", False, "counter starts with a whole number, not with 'x'"),
    ("semaphore", 0, False, "semaphore starts with a whole number of at least 1, not with 0"),
    ("set", 1, False, "set starts with a list of its elements, not with 1"),
    ("kv", 1, False, "kv starts with a map"),
    ("multi-register", 1, False, "multi-register starts with a map"),
    ("register", None, True, "register cannot be judged as a whole"),
])
def test_a_model_that_cannot_be_made_is_refused_in_one_line(name: str, initial: Any, whole: bool, says: str) -> None:
    with pytest.raises(InputError) as refusal:
        make_model(name, initial, whole)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_map_judged_as_a_whole_has_one_part() -> None:
    history = [Operation(0, 1, "put", ("x", "1")), Operation(2, 3, "get", "y", "1")]
    assert [part for part, *_ in linearizable(history, make_model("kv", whole=True)).deaths] == [None]
    assert [part for part, *_ in linearizable(history, make_model("kv")).deaths] == ["y"]
    assert [part for part, *_ in linearizable(history, make_model("kv"), per_key=False).deaths] == [None]
