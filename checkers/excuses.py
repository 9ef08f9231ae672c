"""What excuses the loss of a committed record: only what the cluster was observed to do.

A new leader began its epoch without a committed record. Why that may be, in the order in which it is asked:

*Unclean election.* The leader was in neither the ISR nor among the eligible replicas, and the record is at or above its
log's end (or under an older epoch's leftover, which is no part of the log that counts). An administrator who asked for
the election is an excuse; a setting that allowed it is the finding; an election that nobody wanted is a violation.
Example: the ISR is {1}, broker 1 is dead, `kafka-leader-election --election-type unclean` makes replica 2 leader, which
never had "p1-7": excused. With unclean.leader.election.enable=true and nobody asking: a finding that names it.

*Last replica standing.* Eligible leader replicas are off and min.insync.replicas is at least 2; the leader lost this
very record in an observed disk fault while it was a legitimate ISR member, and it was the only ISR member when its next
incarnation registered. It does not cover a replica that lost the record while it was outside the ISR (KIP-903), nor
one that stayed in the ISR beside others (KAFKA-18106). With min.insync.replicas=1 the setting is the finding.

*Last-known leader.* With eligible leader replicas on: the ISR was empty before the election, and so were the eligible
replicas, or they were emptied in the same batch because they had registered anew; the leader elected is the last-known
one and lost the record in a disk fault.

*Unseen bounce.* With ZooKeeper no controller could know of the disk fault, or a proposal older than the fault brought
the replica back into the ISR: see `bounces`.

*Quorum without disks.* So many voters lost synced metadata that what the quorum had committed could be forgotten, and
the committed metadata did contradict itself afterwards.

A deletion is judged at the end of a history: see `committed_records`.
"""

from typing import NamedTuple

from fencepost.checkers.metadata_view import NO_LEADER, Election, MetadataView, Removal
from fencepost.checkers.partition_ledger import LeaderStart, PartitionLedger
from fencepost.checkers.replica_logs import DiskFault, Entry
from fencepost.checkers.verdict import seconds
from fencepost.histories.event import FAIL, INFO, INVOKE, OK, Event

EXCUSED, SETTING, BROKEN = "excused", "setting", "broken"
LAST_REPLICA, LAST_KNOWN_LEADER = "last-replica-standing", "last-known-leader"
UNSEEN_BOUNCE = "unseen-bounce"


class Ruling(NamedTuple):
    """kind: EXCUSED, SETTING (a setting permits the loss, which is the finding) or BROKEN. words: why."""

    kind: str
    reason: str
    words: str
    events: tuple[int, ...] = ()


class Request:
    """An administrator's operation: when it was asked, and how it was answered (None while it is open)."""

    __slots__ = ("answered", "asked", "asked_us", "outcome", "topic_id")

    def __init__(self, event: Event) -> None:
        self.asked = event.index
        self.asked_us = event.time_us
        self.answered: int | None = None
        self.outcome: str | None = None
        self.topic_id: str | None = None


class Requests:
    """What administrators asked for: unclean elections by partition, deletions by topic."""

    def __init__(self) -> None:
        self._open: dict[int, Request] = {}
        self._elections: dict[str, list[Request]] = {}
        self._deletions: dict[str, list[Request]] = {}

    def take(self, event: Event) -> None:
        """An invocation or a completion of `elect-leader` or `delete-topic`."""
        if event.process is None:
            return
        if event.type != INVOKE:
            request = self._open.pop(event.process, None)
            if request is not None:
                request.answered, request.outcome = event.index, event.type
                request.topic_id = (event.value or {}).get("topic_id") if isinstance(event.value, dict) else None
            return
        if event.f == "elect-leader" and str((event.value or {}).get("election_type", "")).lower() != "unclean":
            return
        request = self._open[event.process] = Request(event)
        asked = self._elections if event.f == "elect-leader" else self._deletions
        asked.setdefault(event.key or "", []).append(request)

    def unclean_election(self, key: str, election: Election) -> tuple[Request | None, Request | None]:
        """Who asked for an unclean election: (surely, possibly)."""
        possibly = None
        for request in self._elections.get(key, ()):
            if request.asked > election.event or request.outcome == FAIL:
                continue
            if request.outcome == OK and request.answered is not None and request.answered < election.event:
                continue
            if request.outcome != INFO:
                return request, None
            possibly = request
        return None, possibly

    def deletion(self, topic: str, topic_id: str, created: int, removal: Removal) -> Request | None:
        """A deletion, not answered `fail`, that named the topic while this id bore the name."""
        for request in self._deletions.get(topic, ()):
            if request.outcome == FAIL or request.asked > removal.event:
                continue
            if request.topic_id is not None and request.topic_id != topic_id:
                continue
            if request.outcome == OK and request.answered is not None and request.answered < created:
                continue
            return request
        return None

    def is_deletion_asked(self, topic: str, topic_id: str, created: int) -> bool:
        """Whether somebody has asked, not answered `fail`, for the topic's deletion while this id bore the name."""
        return any(
            request.topic_id in (None, topic_id)
            and not (request.outcome == OK and request.answered is not None and request.answered < created)
            for request in self.deletions(topic))

    def deletions(self, topic: str) -> list[Request]:
        """Every deletion of that name that was not answered `fail`."""
        return [request for request in self._deletions.get(topic, ()) if request.outcome != FAIL]


class Excuses:
    """Judges losses by the rules above."""

    def __init__(self, view: MetadataView, requests: Requests, voters: int, honoured: bool) -> None:
        self._view = view
        self._requests = requests
        self._voters = voters
        self._honoured = honoured
        self._wiped: dict[int, int] = {}

    def note_wiped_voter(self, node: int, event: Event) -> None:
        """A voter's disk lost metadata that had been synced."""
        self._wiped[node] = event.index

    @property
    def quorum_forgot(self) -> bool:
        """Whether the quorum could forget committed metadata, and did."""
        majority = self._voters // 2 + 1
        return self._view.contradicted is not None and len(self._wiped) >= majority

    def unclean_election(self, partition: PartitionLedger, after: int, epoch: int) -> Election | None:
        """The last election from outside the ISR of an epoch above `after`, up to `epoch`.

        Its winner may die before it begins to lead; who leads next then still comes from its ISR.
        """
        for each in range(epoch, after, -1):
            election = self._view.elections.get((partition.name, each))
            if election is not None and _is_unclean(election):
                return election
        return None

    def judge(self, partition: PartitionLedger, start: LeaderStart, entry: Entry) -> Ruling:
        """Why the leader of `start` may have begun without the committed entry."""
        if self.quorum_forgot:
            return Ruling(EXCUSED, "quorum-lost-its-disks", "too few voters still held the metadata durably",
                          tuple(self._wiped[node] for node in sorted(self._wiped)))
        if partition.forked and partition.min_isr >= 2:
            return self._unless_switched_off(
                UNSEEN_BOUNCE, "a leader had lost its tail in a fault of its disk and led on in its epoch, for no "
                "controller could know: the replicas' logs have differed since, and nobody finds out", ())
        held = (known.epoch for known in partition.starts if known.epoch < start.epoch and known.holds(entry))
        election = self.unclean_election(partition, max(entry.epoch, max(held, default=-1)), start.epoch)
        if election is not None:
            return self._unclean(partition, start, entry, election)
        fault = _fault(partition, start.node, entry)
        if fault is not None:
            return self._lost_by_disk(partition, fault)
        return Ruling(BROKEN, "", "no unclean election was held and the leader lost it in no fault of its disk")

    def _unclean(self, partition: PartitionLedger, start: LeaderStart, entry: Entry, election: Election) -> Ruling:
        surely, possibly = self._requests.unclean_election(partition.key, election)
        held = start.entries[entry.offset] if entry.offset < len(start.entries) else None
        before = election.before
        assert before is not None
        if held is not None and held.epoch >= entry.epoch:
            return Ruling(BROKEN, "", f"the election was unclean, but the leader holds {held} in its place",
                          (election.event,))
        if surely is not None:
            return Ruling(EXCUSED, "unclean-election-asked-for",
                          f"an administrator asked for an unclean election at {seconds(surely.asked_us)}",
                          (surely.asked, election.event))
        if self._is_last_known_leader(partition, start, entry, election):
            words = ("the ISR and the eligible leader replicas were empty, and the last-known leader lost it in a "
                     "fault of its disk")
            return self._unless_switched_off(LAST_KNOWN_LEADER, words, (election.event,))
        if self._view.is_on(partition.topic, "unclean.leader.election.enable"):
            return Ruling(SETTING, "unclean.leader.election.enable=true", "unclean.leader.election.enable=true let a "
                          f"replica outside the ISR {list(before.isr)} win the election", (election.event,))
        if possibly is not None:
            return Ruling(EXCUSED, "unclean-election-asked-for", "an administrator asked for an unclean election at "
                          f"{seconds(possibly.asked_us)} and never learnt the answer", (possibly.asked, election.event))
        return Ruling(BROKEN, "", f"the leader was elected from outside the ISR {list(before.isr)}, although nobody "
                      "asked for an unclean election and no setting allowed one", (election.event,))

    def _is_last_known_leader(
        self, partition: PartitionLedger, start: LeaderStart, entry: Entry, election: Election
    ) -> bool:
        before = election.before
        if before is None or before.isr or start.node not in before.last_known_elr:
            return False
        returning = self._view.registered.get(election.event, ())
        return (all(node in returning for node in before.eligible_leader_replicas) and self._elr(partition)
                and _fault(partition, start.node, entry) is not None)

    def _lost_by_disk(self, partition: PartitionLedger, fault: DiskFault) -> Ruling:
        lost = f"broker {fault.node} lost it in the disk fault at {seconds(fault.time_us)}"
        events = (fault.event,)
        if fault.unseen is not None and partition.min_isr < 2:
            return Ruling(SETTING, *self._weak_minimum(partition, lost), events)
        if fault.unseen is not None:
            return self._unless_switched_off(UNSEEN_BOUNCE, f"{lost}, and {fault.unseen}", events)
        if not fault.legitimate:
            return Ruling(BROKEN, "", f"{lost} while it was outside the ISR, and was let in without it", events)
        if not fault.was_last_replica:
            isr = "unknown" if fault.isr_at_registration is None else str(list(fault.isr_at_registration))
            return Ruling(BROKEN, "", f"{lost}, and when its next incarnation registered the ISR was {isr}: it was not "
                          "the only member, so others had to lead", events)
        if self._elr(partition):
            return Ruling(BROKEN, "", f"{lost}, and with eligible leader replicas on a broker that came back uncleanly "
                          "is no candidate", events)
        if partition.min_isr < 2:
            return Ruling(SETTING, *self._weak_minimum(partition, lost), events)
        words = f"{lost}, as the last member of the ISR (eligible leader replicas are off)"
        return self._unless_switched_off(LAST_REPLICA, words, events)

    def _unless_switched_off(self, reason: str, words: str, events: tuple[int, ...]) -> Ruling:
        """What Kafka as configured can lose is an excuse, or a violation where excuses are switched off."""
        if not self._honoured:
            return Ruling(BROKEN, reason, f"{words}; excuses are switched off", events)
        return Ruling(EXCUSED, reason, words, events)

    def _weak_minimum(self, partition: PartitionLedger, lost: str) -> tuple[str, str]:
        configured = self._view.setting(partition.topic, "min.insync.replicas", "1")
        name = "a replication factor of 1" if configured.isdigit() and int(configured) > 1 else "min.insync.replicas=1"
        return name, f"{lost}, and {name} let the record count as committed on that replica alone"

    def _elr(self, partition: PartitionLedger) -> bool:
        return self._view.is_on(partition.topic, "eligible.leader.replicas.enable")


def _is_unclean(election: Election) -> bool:
    before = election.before
    return before is not None and election.leader != NO_LEADER and not before.may_elect(election.leader)


def _fault(partition: PartitionLedger, node: int, entry: Entry) -> DiskFault | None:
    """The leader's last disk fault that took the entry."""
    log = partition.replicas.get(node)
    for fault in reversed(log.faults if log is not None else ()):
        if fault.lost(entry):
            return fault
    return None
