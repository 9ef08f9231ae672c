"""Rules about committed offsets as the clients of one coordinator saw them.

*CommittedOffsetLinearizable.* While one broker coordinates a group, in one coordinator epoch, what it answers about one
partition can be explained by one register: a fetch returns the latest commit. Example: at coordinator epoch 4 a commit
of offset 7 of orders-0 is answered ok; a fetch that begins afterwards is answered 5 at the same epoch.

*CommitGenerationLinearizable.* In the same epoch a commit is answered ok only if its generation was current at some
moment between its request and its answer. It need not be current any more when the offset becomes visible, for a commit
is checked when it arrives and waits for its replicas. Example: generation 4 begins at 5.0 s; a commit of generation 3
begins at 6.0 s and is answered ok.

Between coordinators only what `committed_offsets` demands holds: an older one may answer late and be stale. What a
coordinator loaded is not known before it is first asked, so the first answer of an epoch tells it.

A commit whose outcome the client does not know is resolved by the coordinator's own word (`offset-commit-accepted`):
one that it never accepted is left out, one that it accepted may or may not have become visible; a note counts both.
Offsets in ZooKeeper have no coordinator and are not judged here.

The offsets of a topic that somebody asked to delete may vanish, and a fetch that does not ask for stable offsets may be
answered an older one until the high watermark covers what was loaded. An epoch in which the group's partition was
loaded more than once is not judged.
"""

from dataclasses import dataclass
from typing import Any

from fencepost.checkers.committed_offsets import KAFKA, NONE_COMMITTED, ZOOKEEPER
from fencepost.checkers.linearizability import Death
from fencepost.checkers.linearizability.check import linearizable
from fencepost.checkers.linearizability.models import ConsumerOffset
from fencepost.checkers.linearizability.operation import Operation
from fencepost.checkers.verdict import Checker, Findings, Result
from fencepost.histories.event import FAIL, INFO, INVOKE, OBSERVE, OK, Event

OFFSETS, GENERATIONS = "CommittedOffsetLinearizable", "CommitGenerationLinearizable"

_FETCHES = ("fetch-offsets", "final-offsets")
_NOT_YET_SEEN = "what was loaded"


@dataclass(frozen=True, slots=True)
class CoordinatedOffset(ConsumerOffset):
    """A `ConsumerOffset` whose first generation and offset nobody knows; the first answers tell them.

    A deletion of the partition's topic (`forget`) takes the offset away.
    """

    name: str = "coordinated-offset"

    def init(self) -> Any:
        """Some generation, some offset."""
        return 0, True, _NOT_YET_SEEN

    def step(self, state: Any, operation: Operation) -> Any:
        """See `Model`."""
        generation, replaced, offset = state
        if operation.f == "forget":
            return generation, replaced, NONE_COMMITTED
        if operation.f == "fetch" and offset == _NOT_YET_SEEN:
            return generation, replaced, operation.result
        return ConsumerOffset.step(self, state, operation)

    def readonly(self, operation: Operation) -> bool:
        """Nothing: the first fetch tells what was loaded."""
        return False


_MODEL = CoordinatedOffset()


class _Accepted:
    """A commit that a coordinator accepted, and the client's operation if that was answered ok."""

    __slots__ = ("call", "observed", "ret")

    def __init__(self, observed: Event) -> None:
        self.observed = observed
        self.call = observed
        self.ret: Event | None = None


class ClientOffsets(Findings):
    """Checks the rule at the end of the history, register by register."""

    name = "client-offsets"
    needs = frozenset({"offset-commit-accepted", "coordinator-loaded", "group-generation"})
    consumes = frozenset({
        "offset-commit-accepted", "coordinator-loaded", "group-generation", "commit-offsets", "delete-topic",
        *_FETCHES})

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self._in_zookeeper = (header.get("consumer_config") or {}).get("offsets.storage") == ZOOKEEPER
        self._open: dict[int, Event] = {}
        #: (group, coordinator epoch) -> what was accepted there, by the offset of its last record
        self._accepted: dict[tuple[str, int], dict[int, _Accepted]] = {}
        self._joins: dict[tuple[str, int], list[Event]] = {}
        self._fetched: dict[tuple[str, int], list[tuple[Event, Event]]] = {}
        self._deletions: dict[str, list[Event]] = {}
        self._loads: dict[tuple[str, int], int] = {}
        self._partition_of: dict[str, str] = {}
        self._unknown = 0
        self._last: Event | None = None

    def feed(self, event: Event) -> None:
        """Take the next event of the history."""
        self._last = event
        if event.type == OBSERVE:
            self._observe(event, (event.epochs or {}).get("coordinator_epoch", -1))
        elif event.process is None:
            return
        elif event.type == INVOKE:
            self._open[event.process] = event
            if event.f == "delete-topic":
                self._deletions.setdefault(event.key or "", []).append(event)
        else:
            invocation = self._open.pop(event.process, None)
            if invocation is not None:
                self._completed(invocation, event)

    def _observe(self, event: Event, epoch: int) -> None:
        key = event.key or ""
        if event.f == "offset-commit-accepted" and event.value.get("store") == ZOOKEEPER:
            return
        if event.f == "coordinator-loaded":
            self._loads[key, epoch] = self._loads.get((key, epoch), 0) + 1
        elif event.f == "group-generation":
            self._joins.setdefault((key, epoch), []).append(event)
        else:
            records = event.value.get("record_offsets") or {}
            self._partition_of[key] = event.value.get("partition", "")
            if records:
                self._accepted.setdefault((key, epoch), {})[max(records.values())] = _Accepted(event)

    def _completed(self, invocation: Event, event: Event) -> None:
        where = event.key or "", (event.epochs or {}).get("coordinator_epoch", -1)
        if event.f == "delete-topic":
            if event.type == FAIL:
                self._deletions[event.key or ""].remove(invocation)
        elif event.f == "commit-offsets":
            accepted = self._accepted.get(where, {}).get((event.value or {}).get("record_offset", -1))
            if event.type == OK and accepted is not None:
                accepted.call, accepted.ret = invocation, event
            self._unknown += event.type == INFO and not self._in_zookeeper
        elif event.type == OK and _is_coordinators(event.value):
            self._fetched.setdefault(where, []).append((invocation, event))

    def finish(self) -> Result:
        """Judge every register that somebody read."""
        if self._last is not None and self.is_applicable:
            resolved = sum(
                accepted.ret is None for commits in self._accepted.values() for accepted in commits.values())
            for (group, epoch), fetches in self._fetched.items():
                if self._is_loaded_once(group, epoch):
                    self._judge(group, epoch, fetches, self._last)
            for (group, epoch), joins in self._joins.items():
                if self._is_loaded_once(group, epoch):
                    self._judge_generations(group, epoch, joins, self._last)
            if self._unknown:
                self.notes.append(
                    f"{self._unknown} commits of which their clients know nothing were resolved by the coordinators' "
                    f"own word: {resolved} were accepted and may have become visible, the others were not")
        return super().finish()

    def _is_loaded_once(self, group: str, epoch: int) -> bool:
        return self._loads.get((self._partition_of.get(group, ""), epoch), 0) <= 1

    def _judge(self, group: str, epoch: int, fetches: list[tuple[Event, Event]], end: Event) -> None:
        commits = list(self._accepted.get((group, epoch), {}).values())
        fetches = _settled(fetches, commits)
        for partition in dict.fromkeys(name for _, event in fetches for name in _offsets(event)):
            operations = [*_commits(commits, partition), *_fetches(fetches, partition)]
            operations += [
                Operation(event.time_us, None, "forget", None, None, event.process)
                for event in self._deletions.get(partition.rpartition("-")[0], ())]
            for _, death in linearizable(operations, _MODEL).deaths:
                self._report(OFFSETS, group, epoch, f"answered about {partition}", death, end)

    def _judge_generations(self, group: str, epoch: int, joins: list[Event], end: Event) -> None:
        operations = [
            Operation(event.time_us, event.time_us, "join", None, (event.epochs or {})["generation"], event.node)
            for event in joins]
        for accepted in self._accepted.get((group, epoch), {}).values():
            until = accepted.observed if accepted.ret is None else accepted.ret
            operations.append(Operation(
                accepted.call.time_us, until.time_us, "commit", (_generation(accepted.observed), NONE_COMMITTED), None,
                accepted.call.process))
        for _, death in linearizable(operations, _MODEL).deaths:
            self._report(GENERATIONS, group, epoch, "accepted", death, end)

    def _report(self, rule: str, group: str, epoch: int, what: str, death: Death, end: Event) -> None:
        operation = death.operation
        events = [event for fetch in self._fetched.get((group, epoch), ()) for event in fetch]
        events += [
            event for accepted in self._accepted.get((group, epoch), {}).values()
            for event in (accepted.call, accepted.observed, accepted.ret) if event is not None]
        shown = [event.index for event in events if event.process == operation.process
                 and event.time_us in (operation.call, operation.ret)]
        reasons = "; ".join(death.reasons) or "no order of the operations allows it"
        self.violate(
            rule, f"what the coordinator of {group} {what} at coordinator epoch {epoch} is no register: "
            f"{operation.words()} by process {operation.process} cannot be placed: {reasons}", end, shown, key=group)


def _settled(fetches: list[tuple[Event, Event]], commits: list[_Accepted]) -> list[tuple[Event, Event]]:
    """Without the fetches that did not ask for stable offsets, as long as nothing shows that the high watermark covers
    what the coordinator loaded: until then they may be answered older ones than were loaded."""
    shown = [completion.index for invocation, completion in fetches if _is_stable(invocation)]
    shown += [commit.ret.index for commit in commits if commit.ret is not None]
    first = min(shown, default=None)
    return [
        (invocation, completion) for invocation, completion in fetches
        if _is_stable(invocation) or (first is not None and first < invocation.index)]


def _is_stable(fetch: Event) -> bool:
    return bool((fetch.value or {}).get("require_stable", True))


def _generation(accepted: Event) -> int:
    return int((accepted.epochs or {}).get("generation", -1))


def _commits(commits: list[_Accepted], partition: str) -> list[Operation]:
    return [
        Operation(accepted.call.time_us, None if accepted.ret is None else accepted.ret.time_us, "commit",
                  (None, accepted.observed.value["offsets"][partition]), None, accepted.call.process)
        for accepted in commits if partition in accepted.observed.value["offsets"]]


def _fetches(fetches: list[tuple[Event, Event]], partition: str) -> list[Operation]:
    return [
        Operation(invocation.time_us, completion.time_us, "fetch", None, _offsets(completion)[partition],
                  completion.process)
        for invocation, completion in fetches if partition in _offsets(completion)]


def _is_coordinators(answer: dict[str, Any]) -> bool:
    """Whether a coordinator answered the fetch, alone or together with ZooKeeper."""
    return "zxids" not in answer or "stores" in answer


def _offsets(fetch: Event) -> dict[str, int]:
    """What the coordinator answered; with dual commit that is one of two."""
    offsets: dict[str, int] = (fetch.value.get("stores") or {}).get(KAFKA, fetch.value["offsets"])
    return offsets


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker of what clients saw of committed offsets."""
    return [ClientOffsets(header)]
