"""What sessions saw of one register: the common ground of the contracts that are weaker than linearizability.

A history of reads, writes and compare-and-sets is told key by key, session by session (a process is a session), as
sightings of values in the order of the session. A value is named by its version where the history has versions; else by
itself, which takes that it was written once. A compare-and-set that succeeded is a reading of what it expected and a
writing of what it set, which is the next value. What failed is left out; what crashed counts if its value was seen.

Known of the order of values, whatever the contract: the first value comes before all others, versions come in their
order, and a compare-and-set's new value comes right after the expected one.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fencepost.checkers.linearizability.models.reading import hashable
from fencepost.checkers.linearizability.pace import Spend, paced
from fencepost.histories.errors import HistoryError
from fencepost.histories.pairing import FAIL, OK, Call

READ, WRITE = "read", "wrote"

_READS = ("read", "sync-read")


class Sighting(NamedTuple):
    """A session read or wrote a value. value: what names it, see above. call: with which operation."""

    process: Any
    kind: str
    value: Hashable
    call: Call


@dataclass(slots=True)
class Register:
    """One key's history.

    sessions: their sightings in their order, by process. first: what names the first value.
    values: what names each value, in the order of versions where there are any, else as they were written.
    versioned: whether versions name the values.
    replaced: pairs of values, the second of which was set by a compare-and-set right after the first, with the call.
    writers: who wrote each value. unwritten: readings of what nobody wrote.
    undecidable: why nothing can be inferred, in words; empty if something can.
    """

    key: Any
    first: Hashable
    versioned: bool
    sessions: dict[Any, list[Sighting]] = field(default_factory=dict)
    values: dict[Hashable, None] = field(default_factory=dict)
    replaced: list[tuple[Hashable, Hashable, Call]] = field(default_factory=list)
    writers: dict[Hashable, Call] = field(default_factory=dict)
    unwritten: list[Sighting] = field(default_factory=list)
    undecidable: str = ""

    def words(self, value: Hashable) -> str:
        """A value as the counterexamples name it."""
        if self.versioned:
            return f"version {value}"
        return f"{value!r}" + (" (the first value)" if value == self.first else "")


def registers(calls: Iterable[Call], initial: Any, spend: Spend) -> Iterator[Register]:
    """The registers, in the order in which they first appear. Raises HistoryError for what is no register's history,
    and what `spend` raises."""
    members: dict[Any, list[Call]] = {}
    for call in paced(calls, spend):
        if call.f not in (*_READS, "write", "cas"):
            raise HistoryError(f"line {call.line}: a register has no operation {call.f!r} (it has read, sync-read, "
                               "write, cas): choose another --model, or keep some functions with --only")
        if call.type != FAIL:
            members.setdefault(hashable(call.key), []).append(call)
    for key, own in members.items():
        yield _register(key, own, hashable(initial), spend)


def _register(key: Any, calls: list[Call], initial: Any, spend: Spend) -> Register:
    versioned = any(call.type == OK and "version" in call.extra_ok for call in calls)
    register = Register(key, 0 if versioned else initial, versioned)
    told = [_versioned(call) if versioned else _unversioned(call, initial) for call in paced(calls, spend)]
    writers: dict[Hashable, Call] = {}
    for call, (_, written) in zip(calls, told, strict=True):
        if written is None:
            continue
        other = writers.setdefault(written[0], call)
        if other is not call or (not versioned and written[0] == register.first):
            register.undecidable = f"{register.words(written[0])} was written more than once"
            return register
    happened = _happened(calls, told)
    for call, (read, written) in paced(zip(calls, told, strict=True), spend):
        if call.type != OK and (written is None or written[0] not in happened):
            continue
        session = register.sessions.setdefault(hashable(call.process), [])
        if read is not None:
            session.append(Sighting(call.process, READ, read[0], call))
        if written is not None:
            session.append(Sighting(call.process, WRITE, written[0], call))
            if read is not None:
                register.replaced.append((read[0], written[0], call))
    _name_values(register, writers)
    return register


def _happened(calls: list[Call], told: "list[_Told]") -> dict[Hashable, None]:
    """The values that somebody saw: what crashed took effect if it set one of these, and saw what it expected."""
    seen: dict[Hashable, None] = {}
    expected: dict[Hashable, Hashable] = {}
    for call, (read, written) in zip(calls, told, strict=True):
        if call.type == OK and read is not None:
            seen[read[0]] = None
        elif read is not None and written is not None:
            expected[written[0]] = read[0]
    waiting = list(seen)
    while waiting:
        value = waiting.pop()
        if value in expected and expected[value] not in seen:
            seen[expected[value]] = None
            waiting.append(expected[value])
    return seen


def _name_values(register: Register, writers: dict[Hashable, Call]) -> None:
    register.writers = writers
    seen = {sighting.value: None for session in register.sessions.values() for sighting in session}
    values: list[Any] = [register.first, *writers, *seen]
    register.values = dict.fromkeys(sorted(values) if register.versioned else values)
    if not register.versioned:
        register.unwritten = [
            sighting for session in register.sessions.values() for sighting in session
            if sighting.value not in writers and sighting.value != register.first]


#: What a call read and what it wrote, each as a tuple of one or None.
_Told = tuple[tuple[Hashable] | None, tuple[Hashable] | None]


def _versioned(call: Call) -> _Told:
    version = call.extra_ok.get("version") if call.type == OK else None
    if call.f in _READS:
        return (None if version is None else (version,)), None
    # A crashed write is known by the readings of its version, and has no place of its own.
    if version is None:
        return None, None
    return ((version - 1,) if call.f == "cas" else None), (version,)


def _unversioned(call: Call, first: Hashable) -> _Told:
    if call.f in _READS:
        # As in Knossos, nil says nothing, unless it is what the register starts with.
        told = call.type == OK and (call.result is not None or first is None)
        return ((hashable(call.result),) if told else None), None
    if call.f == "write":
        return None, (hashable(call.argument),)
    if not isinstance(call.argument, list | tuple) or len(call.argument) != 2:
        raise HistoryError(f"line {call.line}: the value of cas should be [expected, new], but is {call.argument!r}")
    expected, new = hashable(call.argument)
    return (expected,), (new,)
