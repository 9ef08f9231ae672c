"""Liveness: once the faults have ended, the cluster recovers within the quiet phase.

Judged at `quiet-end`, the run's last moment, which comes at least `quiet_us` after `heal`. Faults may remain: then this
is about the core, the nodes that they do not hold, and what cannot be without the others is excused
(`fencepost.checkers.outside`).

- *EventuallyLeaderElected*: all voters agree on the epoch of the quorum and on its leader, which leads.
- *ControllerAvailability*: that leader's controller is active in that epoch. Example: an exception makes the controller
  renounce, its replica leads on, and nobody controls the cluster (KAFKA-13104).
- *EventuallyMetadataConverges*: every controller and broker has applied what was committed, and has that image.
- *EventuallyUnfenced*: every broker runs, under the broker epoch that is registered, unfenced.
- *IsrEventuallyConverges*: every partition has a leader, and its replicas of the core are its ISR. Example: a leader
  gives up an ISR change after a refusal by a deposed controller, and never asks again (KAFKA-14154).
- *EventuallyWriteAcked*: of the acks=all produces in the second half of the quiet phase and later, each partition has
  one that succeeded.
- *CommitEventuallyReadable* and *EventuallyReadable*: the final reads of groups' offsets and of partitions succeed.

A request that is refused for a reason that time does not mend (authorisation, a deleted topic) counts as answered. A
client that is told once that it asked the wrong broker, or over a connection that is dead, has learnt better, which
proves nothing; told again, it counts. Nor does what is still open at the end, before its client's time-out, or what
began before the topic was there.
Without a heal no liveness is demanded; a history that stops before `quiet-end` says nothing.
"""

from bisect import bisect_right
from typing import Any

from fencepost.checkers.metadata_view import Changes, MetadataView, PartitionState
from fencepost.checkers.outside import OUTSIDE, Outside
from fencepost.checkers.verdict import NOT_APPLICABLE, Findings, Result, seconds
from fencepost.histories.event import COMPLETIONS, INVOKE, OK, Event

LEADER_ELECTED = "EventuallyLeaderElected"
CONTROLLER = "ControllerAvailability"
METADATA = "EventuallyMetadataConverges"
UNFENCED = "EventuallyUnfenced"
ISR = "IsrEventuallyConverges"
WRITE = "EventuallyWriteAcked"
COMMIT = "CommitEventuallyReadable"
READ = "EventuallyReadable"

#: What was applied this shortly before the end need not be everywhere yet.
GRACE_US = 1_000_000
#: Refusals that have nothing to do with recovery.
FINAL_ERRORS = (
    "AUTHORIZATION_FAILED", "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_ID", "INVALID_TOPIC_EXCEPTION",
    "INVALID_REQUEST", "INVALID_PRODUCER_EPOCH", "OUT_OF_ORDER_SEQUENCE_NUMBER", "INVALID_GROUP_ID",
)
#: What a client hears that knows an old leader, or whose connection died with a host that lost its power: it then asks
#: who leads, and connects anew.
STALE = ("NOT_LEADER_OR_FOLLOWER", "FENCED_LEADER_EPOCH", "NOT_COORDINATOR", "DISCONNECTED")
_RULE_OF_OPERATION = {"produce": WRITE, "final-offsets": COMMIT, "final-read": READ}
_WORDS = {
    "produce": "acks=all produce to", "final-offsets": "final read of the offsets of", "final-read": "final read of",
}


class Attempts:
    """The late operations of one name on one key.

    answered: one succeeded. open: process -> when its one began that has no answer. failed: when those began that have
    an answer that proves something. told: which client has learnt which of the `STALE`. error, event: the last failure.
    """

    __slots__ = ("answered", "error", "event", "failed", "open", "told")

    def __init__(self) -> None:
        self.answered = False
        self.open: dict[int, int] = {}
        self.failed: list[int] = []
        self.told: dict[tuple[int, str], bool] = {}
        self.error: str | None = None
        self.event = 0

    def complete(self, event: Event, client: int) -> None:
        """Take a completion."""
        assert event.process is not None
        began_us = self.open.pop(event.process)
        error = event.error or ""
        if event.type == OK or error.endswith(FINAL_ERRORS):
            self.answered = True
        elif error in STALE and (client, error) not in self.told:
            self.told[client, error] = True
        else:
            self.failed.append(began_us)
            self.error, self.event = error, event.index

    def proving(self, created_us: int, until_us: int) -> tuple[int, int]:
        """How many failed, and how many hang since `until_us` or earlier, of those that began since the creation."""
        failed = sum(began_us >= created_us for began_us in self.failed)
        return failed, sum(created_us <= began_us <= until_us for began_us in self.open.values())


class Liveness(Findings):
    """Checks the rules above: constant time per event, and once through the final state."""

    name = "liveness"
    consumes = frozenset({
        "heal", "quiet-end", "metadata-applied", "controller-claimed", "controller-renounced", "node-started",
        "node-stopped", "produce", "final-offsets", "final-read", "produce-answered", "delete-topic",
    })

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self._voters: tuple[int, ...] = tuple(header.get("voters") or header.get("controllers") or ())
        self._api_timeout_us = int(header.get("api_timeout_us", 0))
        #: A client's process ids differ by this many.
        self._clients = max(1, len(header.get("clients") or ()))
        self._brokers: tuple[int, ...] = tuple(header.get("brokers") or ())
        self._view = MetadataView(header)
        self._images = AppliedImages()
        #: broker or partition -> event of its last committed change
        self._changed: dict[int | str, int] = {}
        #: partition -> when it was first seen
        self._created_us: dict[str, int] = {}
        #: node -> (epoch that its controller claimed and did not renounce, event); the last that it ever claimed
        self._active: dict[int, tuple[int, int]] = {}
        self._claims: dict[int, tuple[int, int]] = {}
        self._heal: Event | None = None
        self._outside = Outside()
        self._late_us = 0
        self._ended = False
        #: process -> its open late operation; (operation, key) -> attempts
        self._open: dict[int, Attempts] = {}
        self._attempts: dict[tuple[str, str], Attempts] = {}

    def feed(self, event: Event) -> None:
        """Take the next event."""
        if event.process is not None:
            self._on_operation(event)
        elif event.f == "metadata-applied":
            self._on_applied(event)
        elif event.f == "heal":
            self._heal = event
            self._outside.note_heal(event)
            self._late_us = event.time_us + int((event.value or {}).get("quiet_us", 0)) // 2
        elif event.f == "quiet-end":
            self._on_end(event)
        elif event.f == "produce-answered":
            self._outside.note_append(event)
        elif event.node is None:
            return
        elif event.f == "controller-claimed":
            claim = ((event.epochs or {})["controller_epoch"], event.index)
            self._claims[event.node] = self._active[event.node] = claim
        else:
            self._active.pop(event.node, None)

    def _on_applied(self, event: Event) -> None:
        self._images.note(event)
        changes = self._view.apply(event)
        if changes is not None:
            self.note_changes(event, changes)

    def note_changes(self, event: Event, changes: Changes) -> None:
        """Remember what has changed last, and what there was not before."""
        for change in changes.partitions:
            self._created_us.setdefault(change.partition, event.time_us)
        self._changed.update((change.partition, event.index) for change in changes.partitions)
        self._changed.update((change.broker, event.index) for change in changes.brokers)

    def finish(self) -> Result:
        """What was found; nothing is demanded of a history without a heal or without its end."""
        if not self._ended:
            why = "there was no heal" if self._heal is None else "the history ends before the quiet phase does"
            self.notes.append(f"liveness was not judged: {why}")
            return self.result(NOT_APPLICABLE)
        return super().finish()

    # --- operations -------------------------------------------------------------------------------------------------

    def _on_operation(self, event: Event) -> None:
        process = event.process
        assert process is not None
        if event.f == "delete-topic":
            self._outside.note_deletion(event)
        elif event.type == INVOKE:
            if self._heal is None or event.time_us < self._late_us or event.key is None:
                return
            if event.f == "produce" and event.value.get("acks") != -1:
                return
            attempts = self._attempts.setdefault((event.f, event.key), Attempts())
            attempts.open[process] = event.time_us
            attempts.event = event.index
            self._open[process] = attempts
        elif event.type in COMPLETIONS:
            completed = self._open.pop(process, None)
            if completed is not None:
                completed.complete(event, process % self._clients)

    def _check_operations(self, event: Event) -> None:
        existing = {identity.partition("/")[0]: identity for identity in self._view.partitions}
        for (operation, key), attempts in sorted(self._attempts.items()):
            identity = existing.get((self._outside.partition_of(key) or "") if operation == "final-offsets" else key)
            failed, hanging = attempts.proving(
                self._created_us.get(identity or "", 0), event.time_us - self._api_timeout_us)
            if attempts.answered or not failed + hanging or (operation != "final-offsets" and identity is None):
                continue
            last = "is still open" if hanging else f"ended with {attempts.error}"
            what = f"None of {failed + hanging} late attempts at the {_WORDS[operation]} {key} succeeded"
            why = None if identity is None else self._why_not(identity)
            if why is not None:
                self.excuse(_RULE_OF_OPERATION[operation], OUTSIDE, f"{what}: {why}", event, (attempts.event,))
                continue
            self.violate(
                _RULE_OF_OPERATION[operation],
                f"{what}, although {self._healed}; the last one {last}.", event, (attempts.event,), key=key)

    def _why_not(self, identity: str) -> str | None:
        """Why an operation on a partition cannot succeed without the nodes outside of the core, or None."""
        state = self._view.partitions[identity]
        why = self._why_without_leader(identity, state)
        # A new leader can name the log's end only once its high watermark moves, which takes as many as a write.
        return why or self._outside.why_too_few(state, topic_of(identity), self._view)

    def _why_without_leader(self, identity: str, state: PartitionState) -> str | None:
        """Why nobody can lead a partition without the nodes outside of the core, or None."""
        return self._outside.why_without_leader(state)

    # --- the end ----------------------------------------------------------------------------------------------------

    @property
    def _healed(self) -> str:
        """That, and when, the faults had ended."""
        when = "the start" if self._heal is None else seconds(self._heal.time_us)
        if self._outside.nodes:
            return f"all faults but those that hold {sorted(self._outside.nodes)} had ended at {when}"
        return f"all faults had ended at {when}"

    def _on_end(self, event: Event) -> None:
        heal = self._heal
        if heal is None or event.time_us < heal.time_us + int((heal.value or {}).get("quiet_us", 0)):
            return
        self._ended = True
        nodes = event.value["nodes"]
        states: dict[int, dict[str, Any]] = {node: nodes[str(node)] for node in self._outside.within(map(int, nodes))}
        self._voters = tuple(self._outside.within(self._voters))
        self._brokers = tuple(self._outside.within(self._brokers))
        # Brokers may have been added since the header was written.
        self._brokers += tuple(
            node for node, state in sorted(states.items())
            if "broker" in state.get("roles", ()) and node not in self._brokers)
        self._check_quorum(event, states)
        self._check_metadata(event, states)
        self._check_brokers(event, states)
        self._check_isrs(event, states)
        self._check_operations(event)

    def _check_quorum(self, event: Event, states: dict[int, dict[str, Any]]) -> None:
        rafts = {voter: states.get(voter, {}).get("raft") or {} for voter in self._voters}
        if not rafts:
            return
        epoch = max((raft.get("epoch", -1) for raft in rafts.values()), default=-1)
        leaders = [voter for voter, raft in rafts.items() if raft.get("state") == "leader" and raft["epoch"] == epoch]
        leader = leaders[0] if len(leaders) == 1 else None
        astray = [
            f"{voter} ({raft.get('state', 'not running')}, epoch {raft.get('epoch')}, leader {raft.get('leader')})"
            for voter, raft in rafts.items()
            if leader is None or raft.get("epoch") != epoch or raft.get("leader") != leader]
        if astray:
            known = "no voter leads" if leader is None else f"voter {leader} leads"
            self._late(LEADER_ELECTED, f"in the highest epoch of the metadata quorum, {epoch}, {known}, and these do "
                       f"not follow: {', '.join(astray)}", event)
        if leader is not None and self._active.get(leader, (-1, 0))[0] != epoch:
            self._late(CONTROLLER, f"voter {leader} leads the metadata quorum in epoch {epoch}, but its controller is "
                       f"not active in that epoch, so nobody controls the cluster", event, leader)

    def _check_metadata(self, event: Event, states: dict[int, dict[str, Any]]) -> None:
        owed = self._images.end_at(event.time_us - GRACE_US)
        for node, state in sorted(states.items()):
            for role in ("controller", "broker"):
                metadata = (state.get(role) or {}).get("metadata")
                if metadata is None:
                    continue
                offset, digest = metadata["offset"], metadata["digest"]
                expected = self._images.at(offset)
                if offset < owed:
                    self._late(METADATA, f"the {role} of node {node} has applied the metadata up to offset {offset} "
                               f"only; offset {owed} was applied elsewhere long before", event, node)
                elif expected is not None and expected[0] != digest:
                    self._late(METADATA, f"the {role} of node {node} has the metadata image {digest} at offset "
                               f"{offset}, where the committed records give {expected[0]} (event {expected[1]})",
                               event, node, (expected[1],))

    def _check_brokers(self, event: Event, states: dict[int, dict[str, Any]]) -> None:
        for broker in self._brokers:
            state = states.get(broker, {}).get("broker")
            registered = self._view.brokers.get(broker)
            index = self._changed.get(broker, event.index)
            if state is None:
                self._late(UNFENCED, f"broker {broker} does not run", event, broker)
            elif state["state"] != "RUNNING":
                self._late(UNFENCED, f"broker {broker} is still in state {state['state']}", event, broker, (index,))
            elif registered is None or registered.fenced:
                self._late(UNFENCED, f"broker {broker} is fenced in the committed metadata", event, broker, (index,))
            elif state["broker_epoch"] != registered.broker_epoch:
                self._late(UNFENCED, f"broker {broker} acts under broker epoch {state['broker_epoch']}, but "
                           f"{registered.broker_epoch} is registered", event, broker, (index,))

    def _check_isrs(self, event: Event, states: dict[int, dict[str, Any]]) -> None:
        running = [broker for broker in self._brokers if states.get(broker, {}).get("broker") is not None]
        for identity, partition in sorted(self._view.partitions.items()):
            name, isr = identity.partition("/")[0], list(partition.isr)
            others = (self._changed.get(identity, event.index),)
            missing = [replica for replica in partition.replicas if replica in running and replica not in isr]
            lost = sorted(self._outside.nodes.intersection((*isr, partition.leader)))
            why = self._why_without_leader(identity, partition)
            if why is not None and (partition.leader < 0 or partition.leader in lost):
                self.excuse(ISR, OUTSIDE, f"partition {name} has no leader: {why}", event, others)
            elif partition.leader < 0:
                self._late(ISR, f"partition {name} has no leader (ISR {isr})", event, None, others, name)
            elif lost:
                self._late(ISR, f"partition {name} still has {lost} for its leader ({partition.leader}) or in its ISR "
                           f"{isr}", event, None, others, name)
            elif missing:
                self._late(ISR, f"the ISR of partition {name} is {isr}, without the running replicas {missing}", event,
                           None, others, name)

    def _late(
        self, rule: str, what: str, event: Event, node: int | None = None, others: tuple[int, ...] = (),
        key: str | None = None,
    ) -> None:
        self.violate(
            rule, f"At {seconds(event.time_us)}, at the end of the quiet phase, when {self._healed}, {what}.",
            event, others, node, key)


def topic_of(identity: str) -> str:
    """orders-0/orders@1f -> orders"""
    return identity.partition("/")[0].rpartition("-")[0]


class AppliedImages:
    """How far the metadata was applied, when, and to which image."""

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._images: list[tuple[str, int]] = []
        self._times: list[int] = []

    def note(self, event: Event) -> None:
        """Take a `metadata-applied`; only the first at each offset counts."""
        end = event.value["end_offset"]
        if not self._ends or end > self._ends[-1]:
            self._ends.append(end)
            self._images.append((event.value["digest"], event.index))
            self._times.append(event.time_us)

    def at(self, offset: int) -> tuple[str, int] | None:
        """The image's digest at an offset and the event that showed it."""
        position = bisect_right(self._ends, offset)
        return self._images[position - 1] if position else None

    def end_at(self, time_us: int) -> int:
        """How far somebody had applied the metadata at that time."""
        position = bisect_right(self._times, time_us)
        return self._ends[position - 1] if position else 0
