"""Rules about consumer offsets.

*CommittedOffsetReadable.* A fetch of offsets that was invoked after a commit was answered ok at coordinator epoch c,
and that is answered at an epoch of at least c, returns that commit or one later in the order of the commits' records in
__consumer_offsets (one whose outcome nobody knows included). Example: a commit of offset 7 of orders-0 is ok at epoch
4, its record at offset 31; a later fetch, answered at epoch 5, returns 5, whose record is at offset 22.
An older coordinator may be stale, but what it returns was committed at its epoch or before. Exempt are fetches without
requireStable until the high watermark covers what the coordinator loaded, and the disappearance of the offsets of a
topic that somebody deleted, or of a commit whose record's loss is itself excused.

Offsets in ZooKeeper (before Kafka 0.9) are judged by the same words: the zxid takes the place of the record's offset,
and that of the server's last transaction the place of the epoch at which a fetch is answered. A server may be behind,
but not behind itself. Example: the commit of offset 7 is transaction 0x100000031, and a server that has come to
0x100000040 answers 5. With dual commit each of the two stores is judged for itself.

*CommittedOffsetNeverOverwrittenByStaleGeneration.* A coordinator accepts no commit from a member or generation that it
had already replaced. What it had replaced is judged by the order in which it did things, never by the number alone: a
generation is persisted only when it is assigned, so that numbers recur after a fail-over. Example: member m1 of
generation 3 was removed at 5.0 s, generation 4 began without it, and at 6.0 s its commit under generation 3 is
accepted.

*AtMostOnceOwner.* In one generation a partition has one owner: no assignment gives it to two members, and the
coordinator accepts no commit for it from a member while it is assigned to another one.
"""

from bisect import insort
from typing import Any

from fencepost.checkers.ledger import Ledger
from fencepost.checkers.partition_ledger import PartitionLedger
from fencepost.checkers.replica_logs import Entry
from fencepost.checkers.verdict import Findings, seconds
from fencepost.histories.event import INVOKE, OBSERVE, OK, Event

READABLE = "CommittedOffsetReadable"
STALE = "CommittedOffsetNeverOverwrittenByStaleGeneration"
OWNER = "AtMostOnceOwner"

#: What a fetch returns where no offset is committed.
NONE_COMMITTED = -1
#: Where offsets are kept.
KAFKA, ZOOKEEPER = "kafka", "zookeeper"
_FETCHES = ("fetch-offsets", "final-offsets")


class _Commit:
    """An accepted commit of one partition's offset. position: (coordinator epoch, offset of its record), or (zxid, 0)
    in ZooKeeper."""

    __slots__ = ("accepted", "entry", "log", "offset", "ok", "position")

    def __init__(
        self, position: tuple[int, int], offset: int, accepted: Event, log: PartitionLedger | None, entry: Entry | None
    ) -> None:
        self.position = position
        self.offset = offset
        self.accepted = accepted
        self.log = log
        self.entry = entry
        self.ok: int | None = None


class _Coordination:
    """What one coordinator, in one coordinator epoch, has decided about a group."""

    __slots__ = ("assigned", "generation", "members", "removed")

    def __init__(self) -> None:
        self.generation: int | None = None
        self.members: dict[str, str | None] = {}
        self.removed: dict[str, Event] = {}
        #: topic-partition -> (member, generation)
        self.assigned: dict[str, tuple[str, int]] = {}


class CommittedOffsets(Findings):
    """Checks the rules above. A fetch costs the commits since the last acknowledged one."""

    name = "committed-offsets"
    needs = frozenset({"offset-commit-accepted", "coordinator-loaded"})
    consumes = frozenset({
        "offset-commit-accepted", "coordinator-loaded", "high-watermark", "group-generation", "group-assignment",
        "group-member-removed", "node-started", "commit-offsets", "fetch-offsets", "final-offsets",
    })

    def __init__(self, header: dict[str, Any], ledger: Ledger) -> None:
        super().__init__(header)
        self._ledger = ledger
        #: (store, group, topic-partition) -> the accepted commits in the order of their records
        self._commits: dict[tuple[str, str, str], list[_Commit]] = {}
        #: (group, topic-partition, zxid) -> the commit in ZooKeeper
        self._transactions: dict[tuple[str, str, int], _Commit] = {}
        #: (group, record offset) -> the commits with a record there, each with all of its records
        self._records: dict[tuple[str, int], list[list[_Commit]]] = {}
        self._invoked: dict[int, Event] = {}
        self._groups: dict[tuple[str, int | None, int], _Coordination] = {}
        self._partition_of: dict[str, str] = {}
        #: (__consumer_offsets-k, coordinator epoch) -> the end of what was loaded
        self._loaded: dict[tuple[str, int], int] = {}
        #: the same -> the event by which that end lay below the coordinator's high watermark
        self._stable: dict[tuple[str, int], int] = {}
        self._handlers = {
            "offset-commit-accepted": self._accepted, "coordinator-loaded": self._coordinator_loaded,
            "high-watermark": self._high_watermark, "group-generation": self._generation,
            "group-assignment": self._assignment, "group-member-removed": self._member_removed,
            "node-started": self._started,
        }

    def feed(self, event: Event) -> None:
        """Take the next event of the history."""
        self._ledger.take(event)
        if event.type == OBSERVE:
            handler = self._handlers.get(event.f)
            if handler is not None:
                handler(event)
        elif event.process is not None:
            self._operation(event, event.process)

    # --- commits --------------------------------------------------------------------------------------------------

    def _accepted(self, event: Event) -> None:
        value, epochs, group = event.value, event.epochs or {}, event.key or ""
        if value.get("store") == ZOOKEEPER:
            for partition, offset in value["offsets"].items():
                commit = _Commit((value["zxid"], 0), offset, event, None, None)
                insort(self._commits.setdefault((ZOOKEEPER, group, partition), []), commit, key=_position)
                self._transactions[group, partition, value["zxid"]] = commit
            return
        epoch, key = epochs.get("coordinator_epoch", -1), value.get("partition", "")
        self._partition_of[group] = key
        log = self._ledger.named.get(key)
        together: list[_Commit] = []
        for partition, record_offset in (value.get("record_offsets") or {}).items():
            entry = _entry_at(log, event.node, record_offset)
            commit = _Commit((epoch, record_offset), value["offsets"][partition], event, log, entry)
            insort(self._commits.setdefault((KAFKA, group, partition), []), commit, key=_position)
            together.append(commit)
            self._records.setdefault((group, record_offset), []).append(together)
        self._check_membership(event, value, epochs)

    def _operation(self, event: Event, process: int) -> None:
        if event.type == INVOKE:
            self._invoked[process] = event
            return
        invocation = self._invoked.pop(process, None)
        if invocation is None or event.type != OK:
            return
        if event.f == "commit-offsets":
            self._committed(invocation, event)
        elif event.f in _FETCHES:
            self._fetched(invocation, event)

    def _committed(self, invocation: Event, event: Event) -> None:
        """A commit was answered ok: the last one accepted with these offsets and a record where the answer says."""
        for partition, zxid in ((event.value or {}).get("zxids") or {}).items():
            written = self._transactions.get((event.key or "", partition, zxid))
            if written is not None:
                written.ok = event.index
        record_offset = (event.value or {}).get("record_offset", -1)
        for together in reversed(self._records.get((event.key or "", record_offset), ())):
            if together[0].accepted.value["offsets"] == invocation.value.get("offsets"):
                for commit in together:
                    commit.ok = event.index if commit.ok is None else commit.ok
                return

    # --- fetches --------------------------------------------------------------------------------------------------

    def _fetched(self, invocation: Event, event: Event) -> None:
        group, value = event.key or "", event.value or {}
        stores = value.get("stores") or {}
        zxids = value.get("zxids")
        if zxids is not None:
            for partition, offset in stores.get(ZOOKEEPER, value["offsets"]).items():
                self._check_fetch((ZOOKEEPER, group, partition), offset, zxids[partition], invocation, event)
        epoch = (event.epochs or {}).get("coordinator_epoch")
        stable = (invocation.value or {}).get("require_stable", True)
        if (zxids is not None and not stores) or (not stable and not self._has_settled(group, epoch, invocation)):
            return
        for partition, offset in stores.get(KAFKA, value.get("offsets") or {}).items():
            self._check_fetch(
                (KAFKA, group, partition), NONE_COMMITTED if offset is None else offset, epoch, invocation, event)

    def _has_settled(self, group: str, epoch: int | None, invocation: Event) -> bool:
        """Whether what the coordinator loaded lay below its high watermark when it was asked."""
        settled = self._stable.get((self._partition_of.get(group, ""), -1 if epoch is None else epoch))
        return settled is not None and settled < invocation.index

    def _check_fetch(
        self, place: tuple[str, str, str], offset: int, epoch: int | None, invocation: Event, event: Event
    ) -> None:
        """place: (store, group, topic-partition). epoch: the coordinator's, or the zxid that the server had come to."""
        known = self._commits.get(place, [])
        possible: list[_Commit] = []
        owed: _Commit | None = None
        for commit in reversed(known):
            if epoch is not None and commit.position[0] > epoch:
                continue
            if commit.offset == offset:
                return
            possible.append(commit)
            if commit.ok is not None and commit.ok < invocation.index and self._is_owed(commit, event):
                owed = commit
                break
        if offset == NONE_COMMITTED and (owed is None or self._was_deleted(place[2])):
            return
        if not self.is_applicable:
            return
        self._report_fetch(place, offset, epoch, owed, possible, event)

    def _report_fetch(
        self, place: tuple[str, str, str], offset: int, epoch: int | None, owed: _Commit | None,
        possible: list[_Commit], event: Event,
    ) -> None:
        store, group, partition = place
        got = "no offset" if offset == NONE_COMMITTED else f"offset {offset}"
        where = "" if epoch is None else f" by the coordinator of epoch {epoch}"
        if store == ZOOKEEPER:
            where = f" by a ZooKeeper server that had come to {epoch or 0:#x}"
        words = (f"group {group} asked for its offset of {partition} and was given {got} at "
                 f"{seconds(event.time_us)}{where}")
        if owed is None:
            self.violate(
                READABLE, f"{words}, which no commit that {'it' if store == ZOOKEEPER else 'this coordinator'} could "
                "know of had set", event, key=group)
            return
        later = [commit.offset for commit in possible if commit is not owed]
        others = f" (or one of the later {sorted(later)})" if later else ""
        loss = None if owed.log is None or owed.entry is None else owed.log.forgiveness(owed.entry)
        why = f" (its record is lost: {loss.words})" if loss is not None and loss.words else ""
        how = (f"with transaction {owed.position[0]:#x}" if store == ZOOKEEPER else
               f"in coordinator epoch {owed.position[0]}, with its record at offset {owed.position[1]},")
        self.violate(
            READABLE, f"{words}, although {owed.offset}{others} is owed: its commit was accepted at "
            f"{seconds(owed.accepted.time_us)} {how} and answered ok before the fetch was sent{why}", event,
            (owed.accepted.index, owed.ok if owed.ok is not None else owed.accepted.index), key=group)

    def _is_owed(self, commit: _Commit, event: Event) -> bool:
        """Whether the loss of the commit's record is not excused."""
        if commit.log is None or commit.entry is None:
            return True
        loss = commit.log.forgiveness(commit.entry)
        if loss is not None:
            return not loss.excused
        return not self._ledger.is_excused(commit.log, commit.entry, event)

    def _was_deleted(self, partition: str) -> bool:
        return bool(self._ledger.requests.deletions(partition.rpartition("-")[0]))

    # --- coordinators ---------------------------------------------------------------------------------------------

    def _coordinator_loaded(self, event: Event) -> None:
        epoch = (event.epochs or {}).get("coordinator_epoch", -1)
        loaded_to = event.value.get("loaded_to", 0)
        self._loaded[(event.key or "", epoch)] = loaded_to
        log = self._ledger.named.get(event.key or "")
        leader = None if log is None else log.leaders.get(event.node or -1)
        # With ZooKeeper a coordinator that is back before anybody noticed loads again, and serves, in its old epoch.
        self._stable.pop((event.key or "", epoch), None)
        if leader is not None and leader.epoch == epoch and leader.high_watermark >= loaded_to:
            self._stable[(event.key or "", epoch)] = event.index

    def _high_watermark(self, event: Event) -> None:
        if event.value.get("role") != "leader":
            return
        key = (event.key or "", (event.epochs or {}).get("leader_epoch", -1))
        loaded_to = self._loaded.get(key)
        if loaded_to is not None and key not in self._stable and event.value["high_watermark"] >= loaded_to:
            self._stable[key] = event.index

    # --- groups ---------------------------------------------------------------------------------------------------

    def _group(self, event: Event) -> _Coordination:
        """Keyed by who decides: a new coordinator begins with what was persisted, not with what the old one knew."""
        key = (event.key or "", event.node, (event.epochs or {}).get("coordinator_epoch", -1))
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Coordination()
        return group

    def _started(self, event: Event) -> None:
        """A process that is back knows nothing of what it had decided; with ZooKeeper it may coordinate in its old
        epoch, if nobody noticed that it was away."""
        self._groups = {key: group for key, group in self._groups.items() if key[1] != event.node}

    def _generation(self, event: Event) -> None:
        group, value = self._group(event), event.value
        group.generation = (event.epochs or {}).get("generation")
        members = dict(value.get("members") or {})
        for member in [*group.members, *(value.get("replaced") or ())]:
            if member not in members:
                group.removed.setdefault(member, event)
        for member in members:
            group.removed.pop(member, None)
        group.members = members
        group.assigned = {}

    def _member_removed(self, event: Event) -> None:
        group, member = self._group(event), event.value["member"]
        group.removed.setdefault(member, event)
        group.members.pop(member, None)
        if event.value.get("why") == "replaced":
            # Static membership: the instance's new member takes over what the old one owned.
            group.assigned = {key: owner for key, owner in group.assigned.items() if owner[0] != member}

    def _assignment(self, event: Event) -> None:
        group, generation = self._group(event), (event.epochs or {}).get("generation", -1)
        owners: dict[str, str] = {}
        for member, partitions in sorted((event.value.get("assignment") or {}).items()):
            for partition in partitions:
                other = owners.setdefault(partition, member)
                if other != member:
                    self.violate(
                        OWNER, f"generation {generation} of group {event.key} gives {partition} to both {other} and "
                        f"{member} at {seconds(event.time_us)}", event)
        group.assigned = {partition: (member, generation) for partition, member in owners.items()}

    def _check_membership(self, event: Event, value: dict[str, Any], epochs: dict[str, int]) -> None:
        group, member = self._group(event), value.get("member")
        generation = epochs.get("generation", -1)
        current = epochs.get("current_generation")
        if generation < 0:
            return
        words = (f"the coordinator of group {event.key}, broker {event.node} in coordinator epoch "
                 f"{epochs.get('coordinator_epoch')}, accepted a commit of member {member} in generation "
                 f"{generation} at {seconds(event.time_us)}")
        of_instance = value.get("current_member_of_instance")
        removed = group.removed.get(member or "")
        if removed is not None:
            self.violate(STALE, f"{words}, but it had removed that member at {seconds(removed.time_us)}", event,
                         (removed.index,))
        elif of_instance is not None and of_instance != member:
            self.violate(STALE, f"{words}, but instance {value.get('instance')} is now member {of_instance}", event)
        elif current is not None and generation != current:
            self.violate(STALE, f"{words}, but the group's generation was {current}", event)
        for partition in value.get("offsets") or {}:
            owner = group.assigned.get(partition)
            if owner is not None and owner[1] == generation and owner[0] != member:
                self.violate(OWNER, f"{words} for {partition}, which is assigned to member {owner[0]} in that "
                             "generation", event)


def _position(commit: _Commit) -> tuple[int, int]:
    return commit.position


def _entry_at(log: PartitionLedger | None, node: int | None, offset: int) -> Entry | None:
    """The entry at an offset of a replica's log."""
    replica = None if log is None or node is None else log.replicas.get(node)
    return replica.entries[offset] if replica is not None and offset < replica.end else None
