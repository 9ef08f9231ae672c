"""Rules about consumer offsets in ZooKeeper, where a partition's owner is whoever holds its ephemeral znode.

*CommittedOffsetNeverOverwrittenByStaleGeneration.* While one consumer owns a partition nobody else commits an offset of
it. There are no generations: the ownership is the generation. Example: consumer c1 is paused past its session, c2 owns
orders-0 from 5.0 s on, and at 6.0 s c1, awake again, commits what it had read of orders-0. Who commits is told by the
client's operation, for a session does not say; a write of which none tells is not judged.

*CommittedOffsetMonotonePerOwner.* While one consumer owns a partition the committed offset goes back by its own hand
only. (It may have to, when its log was cut.) Example: c2 owns orders-0 and has committed 100; then c1 commits 50.

*OffsetStoresAgree.* With dual commit, when a group's stable offsets are read while no commit of the group is under way,
Kafka and ZooKeeper hold the same. Example: offset 9 of orders-0 is committed to Kafka, the consumer crashes before it
writes to ZooKeeper, and whoever reads before the next commit finds 9 and 7.

Kafka up to 0.8.2 promised none of this with offsets.storage=zookeeper or dual.commit.enabled=true: a violation is what
such a setting costs.
"""

from typing import Any

from fencepost.checkers.committed_offsets import KAFKA, STALE, ZOOKEEPER
from fencepost.checkers.verdict import Checker, Findings, seconds
from fencepost.histories.event import INVOKE, OBSERVE, OK, Event

_READS = ("fetch-offsets", "final-offsets")
MONOTONE, AGREE = "CommittedOffsetMonotonePerOwner", "OffsetStoresAgree"


class _Place:
    """One group's offset of one partition in ZooKeeper. owner, committed: events of the claim and of the
    last commit."""

    __slots__ = ("committed", "owner")

    def __init__(self) -> None:
        self.owner: Event | None = None
        self.committed: Event | None = None


class OffsetOwners(Findings):
    """Checks the rules above: constant time per event."""

    name = "offset-owners"
    needs = frozenset({"partition-owned", "offset-commit-accepted"})
    consumes = frozenset({"partition-owned", "offset-commit-accepted", "commit-offsets", *_READS})

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self._clients: list[int] = list(header.get("clients") or ())
        dual = (header.get("consumer_config") or {}).get("dual.commit.enabled") == "true"
        self._setting = "dual.commit.enabled=true" if dual else "offsets.storage=zookeeper"
        self._places: dict[tuple[str, str], _Place] = {}
        #: process -> its open commit or read
        self._open: dict[int, Event] = {}
        #: reads during which a commit of the group was open, by process
        self._disturbed: dict[int, None] = {}

    def feed(self, event: Event) -> None:
        """Take the next event of the history."""
        if event.type != OBSERVE:
            self._operation(event)
        elif event.f == "partition-owned":
            place = self._place(event.key, event.value["partition"])
            place.owner = None if event.value["owner"] is None else event
        elif event.value.get("store") == ZOOKEEPER:
            for partition, offset in event.value["offsets"].items():
                self._committed(self._place(event.key, partition), partition, offset, event)

    def _place(self, group: str | None, partition: str) -> _Place:
        return self._places.setdefault((group or "", partition), _Place())

    # --- owners -------------------------------------------------------------------------------------------------------

    def _committed(self, place: _Place, partition: str, offset: int, event: Event) -> None:
        before, place.committed = place.committed, event
        owner = place.owner
        if owner is None or owner.value["session"] == event.value["session"]:
            return
        invocation = self._author(event.key, partition, offset)
        if invocation is None or invocation.value.get("member") == owner.value["owner"]:
            # Nobody's open commit, or a later session of the owner itself, whose last one is not quite over.
            return
        words = (
            f"consumer {invocation.value['member']} committed offset {offset} of {partition} in group {event.key} at "
            f"{seconds(event.time_us)}, though {owner.value['owner']} has owned it since {seconds(owner.time_us)}")
        why = f"; {self._setting} looks at no owner"
        others = [owner.index, invocation.index]
        node = None if invocation.process is None else self._node_of(invocation.process)
        self.violate(STALE, f"{words}{why}", event, others, node, partition)
        last = None if before is None else before.value["offsets"][partition]
        if before is not None and last is not None and last > offset and before.index > owner.index:
            self.violate(
                MONOTONE, f"{words} and {last} was committed at {seconds(before.time_us)}: the next one reads from "
                f"{offset} on again{why}", event, [*others, before.index], node, partition)

    def _author(self, group: str | None, partition: str, offset: int) -> Event | None:
        """The open commit that a write in ZooKeeper must come from, if just one can be meant."""
        found = [
            invocation for invocation in self._open.values() if invocation.key == group
            and invocation.value.get("offsets", {}).get(partition) == offset]
        return found[0] if len(found) == 1 else None

    def _node_of(self, process: int) -> int | None:
        return self._clients[process % len(self._clients)] if self._clients else None

    # --- operations ---------------------------------------------------------------------------------------------------

    def _operation(self, event: Event) -> None:
        assert event.process is not None
        if event.type == INVOKE:
            self._open[event.process] = event
            self._note_disturbances(event)
            return
        invocation = self._open.pop(event.process, None)
        disturbed = event.process in self._disturbed
        self._disturbed.pop(event.process, None)
        stores = (event.value or {}).get("stores")
        stable = invocation is not None and invocation.value.get("require_stable", True)
        if stores and event.type == OK and stable and not disturbed:
            self._compare(stores, event)

    def _note_disturbances(self, event: Event) -> None:
        """A read that runs beside a commit of its group proves nothing."""
        commits = event.f == "commit-offsets"
        beside = [
            other for other in self._open.values()
            if other.key == event.key and (other.f == "commit-offsets") != commits]
        reads = beside if commits else [event] if beside else []
        self._disturbed.update((read.process, None) for read in reads if read.process is not None)

    def _compare(self, stores: dict[str, dict[str, int]], event: Event) -> None:
        zxids = event.value["zxids"]
        for partition, offset in stores[KAFKA].items():
            last = self._place(event.key, partition).committed
            found = stores[ZOOKEEPER][partition]
            if found == offset or (last is not None and last.value["zxid"] > zxids[partition]):
                continue
            self.violate(
                AGREE, f"at {seconds(event.time_us)}, while no commit is under way, Kafka has offset {offset} of "
                f"{partition} committed for group {event.key}, and ZooKeeper {found}: dual.commit.enabled=true writes "
                "one after the other, and one of the two was lost or came too late", event,
                () if last is None else (last.index,), key=partition)


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker of owners and offsets in ZooKeeper."""
    return [OffsetOwners(header)]
