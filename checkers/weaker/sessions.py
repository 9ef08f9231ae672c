"""Session guarantees and sequential consistency, key by key.

Terry et al., "Session guarantees for weakly consistent replicated data" (PDIS 1994), with a process as a session:

monotonic-reads: what a session reads is never older than what it read before.
    p: read() -> 1, read() -> 2, read() -> 1          1 must come before 2, and 2 before 1
    p: write(1), write(2);  q: read() -> 2, read() -> 1
read-your-writes: what a session reads is not older than its own last write.
    p: write(1), write(2), read() -> 1
    p: write(1), read() -> 2;  q: write(2), read() -> 1
monotonic-writes: a session's writes come in their order.
    p: write(1), write(2);  q: read() -> 2, read() -> 1
writes-follow-reads: what a session writes comes after what it read before.
    p: read() -> 1, write(2);  q: read() -> 2, read() -> 1
sequential (Lamport 1979): one order of all operations explains all that was read, and has each session's operations in
    the session's order. Per key: the orders of different keys need not fit together.

The order of the values is known where there are versions or compare-and-sets. For monotonic reads and read your writes
it is also taken from the times of writes: one that returned before another was called comes first, as it does wherever
reads may lag but writes go through one leader. `write_times=no` drops that, for stores where the later write may lose.
Each contract demands that some values come before others; it is broken exactly if these demands, with what is known
anyway, go round in a circle. Monotonic writes and writes follow reads concern what readers see: what a session read one
after the other counts as known for them, and a circle of such readings alone is not held against them.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from fencepost.checkers.anomaly_report import Anomaly, AnomalyModel, AnomalyReport, report
from fencepost.checkers.linearizability.budget import Budget, Exhausted, Unlimited
from fencepost.checkers.linearizability.counterexample import plain_value
from fencepost.checkers.linearizability.pace import Spend, paced
from fencepost.checkers.weaker.orders import Because, Order, Step
from fencepost.checkers.weaker.registers import READ, WRITE, Register, Sighting, registers
from fencepost.histories.pairing import Call

#: Pairs of sightings of one session: the first one's value must not come after the second one's.
Demands = Callable[[Sequence[Sighting]], Iterator[tuple[Sighting, Sighting]]]

#: By value the first one of its chain, and its place in that (see `_chains`).
_Chains = dict[Hashable, tuple[Hashable, int]]

SEQUENTIAL, UNWRITTEN = "sequential", "unwritten-read"

_UNWRITTEN_WORDS = "A read returned a value that nobody wrote: `read() -> 3` without any `write(3)`. No contract " \
                   "allows it."


def _reads_then_reads(session: Sequence[Sighting]) -> Iterator[tuple[Sighting, Sighting]]:
    return pairwise([sighting for sighting in session if sighting.kind == READ])


def _writes_then_writes(session: Sequence[Sighting]) -> Iterator[tuple[Sighting, Sighting]]:
    return pairwise([sighting for sighting in session if sighting.kind == WRITE])


def _writes_then_reads(session: Sequence[Sighting]) -> Iterator[tuple[Sighting, Sighting]]:
    return _last_then(session, WRITE, READ)


def _reads_then_writes(session: Sequence[Sighting]) -> Iterator[tuple[Sighting, Sighting]]:
    return _last_then(session, READ, WRITE)


def _last_then(session: Sequence[Sighting], first: str, then: str) -> Iterator[tuple[Sighting, Sighting]]:
    last: Sighting | None = None
    for sighting in session:
        if sighting.kind == then and last is not None:
            yield last, sighting
        if sighting.kind == first:
            last = sighting


def _judge_by_write_times(name: str, demands: Demands) -> Callable[..., AnomalyReport]:
    with_times, without = _judge(name, demands, write_times=True), _judge(name, demands)

    def analyse(
        calls: Iterable[Call], initial: Any = None, write_times: bool = True, budget: Budget | None = None
    ) -> AnomalyReport:
        return (with_times if write_times else without)(calls, initial, budget)

    return analyse


def _judge(
    name: str, demands: Demands, evidence: Demands | None = None, write_times: bool = False
) -> Callable[..., AnomalyReport]:
    def analyse(calls: Iterable[Call], initial: Any = None, budget: Budget | None = None) -> AnomalyReport:
        anomalies: list[Anomaly] = []
        undecidable: list[str] = []
        spend = (budget or Unlimited()).spend
        judged = 0
        try:
            for register in registers(calls, initial, spend):
                if register.undecidable:
                    undecidable.append(f"{_where(register)}undecided: {register.undecidable}, so that a reading of it "
                                       "does not tell which write it saw")
                    continue
                chains = _chains(register) if name == SEQUENTIAL else {}
                for anomaly in _anomalies(register, chains):
                    anomalies.append(anomaly)
                for cycle in _order(register, chains, spend).cycles():
                    anomalies.append(_circle(name, register, cycle))
                judged += 1
        except Exhausted as exhausted:
            undecidable.append(f"undecided within {exhausted}: {judged} keys are judged")
        return report(anomalies, undecidable)

    def _anomalies(register: Register, chains: _Chains) -> Iterator[Anomaly]:
        for sighting in register.unwritten:
            yield _unwritten(register, sighting)
        if name == SEQUENTIAL:
            yield from _compare_and_sets(register)
            yield from _inside_sessions(register, chains)

    def _order(register: Register, chains: _Chains, spend: Spend) -> Order:
        order = _demanded(register, demands, evidence, chains, spend)
        if write_times:
            _add_write_times(order, register)
        return order

    return analyse


def _demanded(
    register: Register, demands: Demands, evidence: Demands | None, chains: _Chains, spend: Spend
) -> Order:
    """What must come before what: values, or where there are chains, the chains by their first value."""

    def node(value: Hashable) -> Hashable:
        return chains[value][0] if value in chains else value

    order = Order(spend)
    for session in register.sessions.values():
        for found, decisive in ((demands, True), (evidence, False)):
            for first, then in paced(found(session), spend) if found is not None else ():
                order.add(node(first.value), node(then.value), Because(
                    _one_after_another(register, first, then), (first.call, then.call), decisive))
    for before, after, because in paced(_known(register), spend):
        order.add(node(before), node(after), because)
    return order


def _known(register: Register) -> Iterator[tuple[Hashable, Hashable, Because]]:
    """What is known of the order of the values, whatever the contract."""
    if register.versioned:
        for before, after in pairwise(register.values):
            yield before, after, Because("", (), False)
        return
    for value in register.values:
        yield register.first, value, Because(f"{register.words(register.first)} was there before "
                                             f"{register.words(value)}", (), False)
    for before, after, call in register.replaced:
        yield before, after, Because(f"process {call.process} set {register.words(after)} where it found "
                                     f"{register.words(before)}", (call,), False)


def _add_write_times(order: Order, register: Register) -> None:
    """A write that returned before another was called comes before it; those that others stand between are left out."""
    if register.versioned:
        return
    begins = sorted(register.writers.items(), key=lambda written: written[1].call)
    returned: list[tuple[int, Hashable, Call]] = sorted(
        ((call.ret, value, call) for value, call in begins if call.ret is not None), key=lambda entry: entry[0])
    latest: list[tuple[Hashable, Call]] = []
    place = 0
    for value, call in paced(begins, order.spend):
        while place < len(returned) and returned[place][0] < call.call:
            _, earlier, writer = returned[place]
            latest = [(one, by) for one, by in latest if by.ret is not None and by.ret >= writer.call]
            latest.append((earlier, writer))
            place += 1
        for earlier, writer in latest:
            order.add(earlier, value, Because(
                f"process {writer.process} had written {register.words(earlier)} before process {call.process} began "
                f"to write {register.words(value)}", (writer, call), False))


# --- what only sequential consistency asks ----------------------------------------------------------------------------


def _chains(register: Register) -> _Chains:
    """Values that compare-and-sets tie together, with nothing between: (the first of the chain, the place in it)."""
    if register.versioned:
        return {}
    following = {before: after for before, after, _ in register.replaced}
    tied = dict.fromkeys(following.values())
    chains: _Chains = {}
    for start in following:
        if start in tied:
            continue
        value: Hashable = start
        chains[value] = (start, 0)
        while value in following and following[value] not in chains:
            before, value = value, following[value]
            chains[value] = (start, chains[before][1] + 1)
    return chains


def _compare_and_sets(register: Register) -> Iterator[Anomaly]:
    """Two that replaced the same value, or some that expected each other's values."""
    replaced: dict[Hashable, Call] = {}
    following: dict[Hashable, Hashable] = {}
    for before, after, call in register.replaced:
        other = replaced.setdefault(before, call)
        if other is not call:
            yield _broken(SEQUENTIAL, register, f"processes {other.process} and {call.process} both replaced "
                          f"{register.words(before)}, which was written once", [other, call])
        following[before] = after
    seen: dict[Hashable, Hashable] = {}
    for start in following:
        value = start
        while value in following and value not in seen:
            seen[value] = start
            value = following[value]
        if seen.get(value) == start and value in following:
            circle = [value]
            while following[circle[-1]] != value:
                circle.append(following[circle[-1]])
            yield _broken(SEQUENTIAL, register, "each of " + ", ".join(map(register.words, circle)) + " was set where "
                          "another was found, so that none can have been the first", [replaced[one] for one in circle])


def _inside_sessions(register: Register, chains: _Chains) -> Iterator[Anomaly]:
    """A value read before the session itself wrote it, or the values of a chain in the wrong order."""
    for session in register.sessions.values():
        read: dict[Hashable, Sighting] = {}
        for sighting in session:
            if sighting.kind == READ:
                read.setdefault(sighting.value, sighting)
            elif sighting.value in read:
                before = read[sighting.value]
                yield _broken(SEQUENTIAL, register, f"{_one_after_another(register, before, sighting)}, but the "
                              "writing must come first", [before.call, sighting.call])
        for first, then in pairwise(session):
            (start, place), (other, later) = (chains.get(one.value, (one.value, 0)) for one in (first, then))
            if start == other and later < place:
                yield _broken(SEQUENTIAL, register, f"{_one_after_another(register, first, then)}, but "
                              f"compare-and-sets made {register.words(first.value)} of {register.words(then.value)}",
                              [first.call, then.call])


# --- in words ---------------------------------------------------------------------------------------------------------


def _one_after_another(register: Register, first: Sighting, then: Sighting) -> str:
    return (f"process {first.process} {first.kind} {register.words(first.value)} and then {then.kind} "
            f"{register.words(then.value)}")


def _circle(name: str, register: Register, cycle: list[Step]) -> Anomaly:
    sentences: list[str] = []
    place = 0
    while place < len(cycle):
        step = cycle[place]
        if step.because.words:
            sentences.append(step.because.words)
        else:
            # Versions: all the steps between two of them in one.
            while place + 1 < len(cycle) and not cycle[place + 1].because.words:
                place += 1
            sentences.append(f"{register.words(step.before)} came before {register.words(cycle[place].after)}")
        place += 1
    calls = [call for step in cycle for call in step.because.calls]
    return _broken(name, register, "; ".join(sentences) + ": these cannot all be in one order", calls)


def _unwritten(register: Register, sighting: Sighting) -> Anomaly:
    return _broken(UNWRITTEN, register, f"process {sighting.process} read {register.words(sighting.value)}, which "
                   "nobody wrote", [sighting.call])


def _broken(kind: str, register: Register, message: str, calls: Sequence[Call]) -> Anomaly:
    indexes = tuple(dict.fromkeys(call.index for call in calls))
    return Anomaly(kind, _where(register) + message, indexes, {"key": plain_value(register.key)})


def _where(register: Register) -> str:
    return "" if register.key is None else f"key {register.key!r}: "


# --- by name ----------------------------------------------------------------------------------------------------------

_ASKS = "It takes reads, writes and compare-and-sets of registers with versions, or with values written only once; a " \
        "key where a value was written twice is undecided. An operation that crashed counts if its value was seen."


_WRITE_TIMES = {
    "write_times": "a write that returned before another was called comes before it; so it is taken unless told `no`"}


def _model(
    name: str, summary: str, example: str, analyse: Callable[..., AnomalyReport], options: Mapping[str, str] = {}
) -> AnomalyModel:
    return AnomalyModel(
        f"{summary}, key by key", analyse, {"initial": "the first value of every key", **options},
        {name: f"{example} {_ASKS}", UNWRITTEN: _UNWRITTEN_WORDS})


#: By name, as the command line knows them.
MODELS: dict[str, AnomalyModel] = {
    SEQUENTIAL: _model(
        SEQUENTIAL, "registers that are sequentially consistent: one order explains all, each process in its own order",
        "The operations of a key have no order that explains what was read and has each process's operations in the "
        "process's order: `p: read() -> 1, read() -> 2` and `q: read() -> 2, read() -> 1`.",
        _judge(SEQUENTIAL, pairwise)),
    "monotonic-reads": _model(
        "monotonic-reads", "registers where no process reads an older value than it read before",
        "A process read an older value than before: `p: read() -> 1, read() -> 2, read() -> 1`, or `p: write(1), "
        "write(2)` and then `q: read() -> 2, read() -> 1`.",
        _judge_by_write_times("monotonic-reads", _reads_then_reads), _WRITE_TIMES),
    "read-your-writes": _model(
        "read-your-writes", "registers where no process reads an older value than it wrote itself",
        "A process read a value older than its own last write: `p: write(1), write(2), read() -> 1`, or `p: write(1), "
        "read() -> 2` and `q: write(2), read() -> 1`.",
        _judge_by_write_times("read-your-writes", _writes_then_reads), _WRITE_TIMES),
    "monotonic-writes": _model(
        "monotonic-writes", "registers where the writes of a process are seen in its order",
        "Readers saw the writes of a process in another order: `p: write(1), write(2)` and `q: read() -> 2, "
        "read() -> 1`.",
        _judge("monotonic-writes", _writes_then_writes, _reads_then_reads)),
    "writes-follow-reads": _model(
        "writes-follow-reads", "registers where what a process writes is seen after what it had read",
        "Readers saw a write before what its writer had read: `p: read() -> 1, write(2)` and `q: read() -> 2, "
        "read() -> 1`.",
        _judge("writes-follow-reads", _reads_then_writes, _reads_then_reads)),
}
