"""Rules about writes of the metadata as clients saw them.

*MetadataWritesLinearizable.* The metadata is one object that clients write: the topics that they create and delete and
the settings that they alter take effect one after the other, each between its request and its answer. A write that
began after another one was answered ok is committed behind it, and a name is borne by one topic at a time. Example:
`create-topic` of "orders" is answered ok at 5.0 s; an `alter-config` that begins at 6.0 s is committed at an offset
before it.

With ZooKeeper several deletions of one topic may be answered ok: each has found the topic, and waited until it was
gone.

Writes are placed where their committed records lie. A write whose outcome its client does not know is resolved by the
cluster's own log: it took effect if a record of the log is its work, else it did not; a note counts both. Where two
writes that may have done the same cannot be told apart, their records are left out. A deletion that no client can have
asked for (an operator's, or, with ZooKeeper, one by name that a new controller finishes when the topic was created
anew meanwhile) only makes its name free. Reads are judged by `metadata_reads`: a broker answers them from its own
image, which may be old. A history whose quorum contradicts itself (it lost its disks) is not judged.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from fencepost.checkers.linearizability import Death
from fencepost.checkers.linearizability.check import linearizable
from fencepost.checkers.linearizability.models import Log, SequentialModel
from fencepost.checkers.linearizability.operation import Inconsistent, Operation
from fencepost.checkers.metadata_view import MetadataView
from fencepost.checkers.verdict import Checker, Findings, Result
from fencepost.histories.event import FAIL, INFO, INVOKE, OBSERVE, OK, Event

RULE = "MetadataWritesLinearizable"

_LOG = Log()


@dataclass(frozen=True, slots=True)
class TopicName(SequentialModel):
    """Who bears a name: create(topic id) needs it free, delete(topic id) needs that topic to bear it."""

    name: str = "topic-name"

    def step(self, state: Any, operation: Operation) -> Any:
        """See `Model`."""
        if operation.f == "create":
            return operation.argument if state is None else Inconsistent(
                f"created as {operation.argument} while {state} bears the name")
        return None if state == operation.argument else Inconsistent(
            f"deleted as {operation.argument} while {state or 'nobody'} bears the name")


_NAME = TopicName()


class _Write:
    """A client's write and how it ended: `completion` None while it is open."""

    __slots__ = ("completion", "invocation")

    def __init__(self, invocation: Event) -> None:
        self.invocation = invocation
        self.completion: Event | None = None

    @property
    def answer(self) -> Event | None:
        """The completion that says that it took effect."""
        return self.completion if self.completion is not None and self.completion.type == OK else None

    @property
    def is_unknown(self) -> bool:
        """Whether its client does not know what became of it."""
        return self.completion is None or self.completion.type == INFO


class _Record(NamedTuple):
    """A committed record that may be a client's work, and the event that first showed it to be committed."""

    f: str
    key: str
    told: tuple[str, ...]
    committed: Event

    @property
    def words(self) -> str:
        """The record in words."""
        return f"{self.f} of {self.key} ({', '.join(self.told)})"


class ClientMetadata(Findings):
    """Checks the rule at the end of the history."""

    name = "client-metadata"
    needs = frozenset({"metadata-applied"})
    consumes = frozenset({"create-topic", "delete-topic", "alter-config", "metadata-applied"})

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self._open: dict[int, _Write] = {}
        #: (f, key) -> the writes
        self._writes: dict[tuple[str, str], list[_Write]] = {}
        self._records: list[_Record] = []
        self._names: dict[str, str] = {}
        self._view = MetadataView(header)
        self._last: Event | None = None
        self._with_zookeeper = header.get("mode") == "zk"

    def feed(self, event: Event) -> None:
        """Take the next event of the history."""
        self._last = event
        if event.type == OBSERVE:
            self._applied(event)
        elif event.process is None:
            return
        elif event.type == INVOKE:
            write = self._open[event.process] = _Write(event)
            self._writes.setdefault((event.f, event.key or ""), []).append(write)
        elif event.process in self._open:
            self._open.pop(event.process).completion = event

    def _applied(self, event: Event) -> None:
        begin = self._view.next_offset
        if self._view.apply(event) is None:
            return
        for offset, kind, fields in event.value["records"]:
            if offset < begin:
                continue
            if kind == "TopicRecord":
                self._names[fields["topic_id"]] = fields["name"]
                self._records.append(_Record("create-topic", fields["name"], (fields["topic_id"],), event))
            elif kind == "RemoveTopicRecord":
                name = self._names.get(fields["topic_id"], "")
                self._records.append(_Record("delete-topic", name, (fields["topic_id"],), event))
            elif kind == "ConfigRecord" and fields["resource_type"] == "topic":
                told = (fields["name"], str(fields["value"]))
                self._records.append(_Record("alter-config", fields["resource_name"], told, event))

    def finish(self) -> Result:
        """Place every record that is a client's work, and judge the whole and each name."""
        if self._last is not None and self.is_applicable and self._view.contradicted is None:
            placed: list[Operation] = []
            names: dict[str, list[Operation]] = {}
            resolved = 0
            born: dict[str, int] = {}
            for record in self._records:
                found = self._interval(record)
                if found is None:
                    if record.f == "delete-topic" and record.told[0] in born:
                        # Whoever did it: the name was free from then on.
                        names[record.key].append(Operation(
                            born[record.told[0]], record.committed.time_us, "delete", record.told[0]))
                    continue
                call, ret, was_resolved = found
                resolved += was_resolved
                placed.append(Operation(call.time_us, ret.time_us, "append", record.words, len(placed), call.process))
                if record.f != "alter-config":
                    born.setdefault(record.told[0], call.time_us)
                    f = record.f.partition("-")[0]
                    names.setdefault(record.key, []).append(
                        Operation(call.time_us, ret.time_us, f, record.told[0], None, call.process))
            self._judge(placed, names, self._last)
            self._tell(resolved)
        return super().finish()

    def _interval(self, record: _Record) -> tuple[Event, Event, bool] | None:
        """Between which events the record was written: its write's, or those of all that may have been it."""
        writes = [write for write in self._writes.get((record.f, record.key), ()) if _may_be(write, record)]
        answered = [write for write in writes if write.answer is not None]
        if record.f == "delete-topic" and self._with_zookeeper:
            answered = answered[:1]
        if len(answered) == 1 and answered[0].answer is not None:
            return answered[0].invocation, answered[0].answer, False
        # What nobody's write can have been is somebody else's work: an operator's, or, with ZooKeeper, a new
        # controller's that finishes a deletion by its name, of a topic that was created anew meanwhile.
        begun = [write for write in writes if write.invocation.index < record.committed.index]
        if answered or not begun:
            return None
        return begun[0].invocation, record.committed, True

    def _judge(self, placed: list[Operation], names: dict[str, list[Operation]], end: Event) -> None:
        for _, death in linearizable(placed, _LOG).deaths:
            self._report(death, "the order in which they were committed", end)
        for name, operations in names.items():
            for _, death in linearizable(operations, _NAME).deaths:
                self._report(death, f"who bore the name {name}", end)

    def _report(self, death: Death, what: str, end: Event) -> None:
        operation = death.operation
        words = operation.argument if operation.f == "append" else f"{operation.f} of {operation.argument}"
        events = [
            event.index for writes in self._writes.values() for write in writes
            for event in (write.invocation, write.completion)
            if event is not None and write.invocation.time_us == operation.call
            and write.invocation.process == operation.process]
        reasons = "; ".join(death.reasons) or "no order of the writes allows it"
        self.violate(
            RULE, f"the clients' writes of the metadata do not explain {what}: {words} by process {operation.process} "
            f"cannot be placed: {reasons}", end, events)

    def _tell(self, resolved: int) -> None:
        unknown = sum(write.is_unknown for writes in self._writes.values() for write in writes)
        if unknown:
            self.notes.append(
                f"{unknown} writes of which their clients know nothing were resolved by the cluster's own log: "
                f"{resolved} records are their work")


def _may_be(write: _Write, record: _Record) -> bool:
    """Whether the record may be that write's work."""
    if write.completion is not None and write.completion.type == FAIL:
        return False
    if record.f == "alter-config":
        value = write.invocation.value
        return (value["name"], str(value["value"])) == record.told
    return write.answer is None or write.answer.value["topic_id"] == record.told[0]


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker of clients' writes of the metadata."""
    return [ClientMetadata(header)]
