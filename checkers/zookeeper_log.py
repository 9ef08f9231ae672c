"""Rules about ZooKeeper's replicated log: one leader an epoch, one history, nothing committed is lost.

*ZkOneLeaderPerEpoch.* At most one server is established as the leader of an epoch, and all who follow in it follow that
one. Example: servers 1 and 3 both lead epoch 5.

*ZkMonotonicEpoch.* A server's accepted and current epochs never fall, restarts included. Example: server 2 had accepted
epoch 5, loses power and is back at 4.

*ZkLogMatching.* A zxid names one transaction, with the same one before it, in every log. Example: server 1 logged
0x500000003 behind 0x500000002, and server 3 logged a different transaction under the same zxid.

*ZkTotalOrder.* Each server applies transactions in the order of their zxids, and after the same zxid every tree is the
same. Example: servers 1 and 2 have applied zxid 0x500000003 and their trees differ.

*ZkCommittedTxnDurable.* What any server has applied, and what an established leader had in its log, is in the log (or
the snapshot) of every leader established later. Example: a learner acknowledges the leader of epoch 5 before its
history is on disk (ZOOKEEPER-3911, ZOOKEEPER-4785); both lose power, and the leader of epoch 6 has never had it.

*ZkNoIllegalState.* No server meets what cannot be, such as an order to cut its log below its snapshot.

Excused is only what a wiped disk (`disk-lost` with `wiped`) makes a server forget, and only where fewer others than a
majority needs to learn of it (n - majority + 1) still had it then: the end of the lost log, or the accepted epoch.
"""

from typing import Any

from fencepost.checkers.verdict import Checker, Findings, seconds
from fencepost.histories.event import Event

ONE_LEADER = "ZkOneLeaderPerEpoch"
MONOTONIC_EPOCH = "ZkMonotonicEpoch"
LOG_MATCHING = "ZkLogMatching"
TOTAL_ORDER = "ZkTotalOrder"
DURABLE = "ZkCommittedTxnDurable"
NO_ILLEGAL_STATE = "ZkNoIllegalState"

LOG_FILE = "zookeeper-log"
_EPOCH_FILES = ("zookeeper-accepted-epoch", "zookeeper-current-epoch")
WIPED = "wiped-disk"


class _Log:
    """What one server's log holds: entries of (zxid, digest), above `base_zxid`, the first at `start`."""

    __slots__ = ("base_zxid", "entries", "start")

    def __init__(self) -> None:
        self.base_zxid = 0
        self.start = 0
        self.entries: list[tuple[int, str]] = []

    def cut(self, end_offset: int) -> None:
        """Drop what is at or above an offset."""
        del self.entries[max(0, end_offset - self.start):]

    def begin(self, start: int, base_zxid: int) -> None:
        """Drop what is below an offset."""
        del self.entries[: max(0, start - self.start)]
        self.start = start
        self.base_zxid = base_zxid

    def last_zxid(self) -> int:
        """The last entry's, or what the snapshot ends with."""
        return self.entries[-1][0] if self.entries else self.base_zxid


class ZooKeeperLog(Findings):
    """Checks the rules above; memory grows with the transactions of the history."""

    name = "zookeeper-log"
    needs = frozenset({"zk-state", "zk-append", "zk-apply"})
    consumes = frozenset({
        "zk-state", "zk-append", "zk-truncate", "zk-snapshot", "zk-apply", "zk-fatal", "node-started", "disk-lost"})

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        self._logs: dict[int, _Log] = {}
        #: epoch -> (leader, event)
        self._leaders: dict[int, tuple[int, int]] = {}
        self._newest_epoch = 0
        #: node -> ((current epoch, accepted epoch), event)
        self._epochs: dict[int, tuple[tuple[int, int], int]] = {}
        #: zxid -> (digest, the zxid before it or None where unknown, event)
        self._logged: dict[int, tuple[str, int | None, int]] = {}
        #: zxid -> (digest of the tree, node, event)
        self._applied: dict[int, tuple[str, int, int]] = {}
        self._last_applied: dict[int, tuple[int, int]] = {}
        #: zxid -> (event that showed it, in words)
        self._committed: dict[int, tuple[int, str]] = {}
        self._wiped: dict[int, int] = {}

    @property
    def is_applicable(self) -> bool:
        """Only where there is an ensemble."""
        return bool(self.header.get("zookeepers")) and super().is_applicable

    def feed(self, event: Event) -> None:
        """Take the next event."""
        if event.node is None:
            return
        if event.f == "zk-apply":
            self._on_apply(event, event.node)
        elif event.f == "zk-append":
            self._on_append(event, event.node)
        elif event.f == "zk-state":
            self._on_state(event, event.node)
        elif event.f == "zk-truncate":
            self._log(event.node).cut(event.value["end_offset"])
        elif event.f == "zk-snapshot":
            self._on_snapshot(event, event.node)
        elif event.f == "node-started":
            self._last_applied.pop(event.node, None)
        elif event.f == "disk-lost":
            self._on_disk_lost(event, event.node)
        else:
            self.violate(
                NO_ILLEGAL_STATE, f"At {seconds(event.time_us)} server {event.node} ended: {event.value['reason']}.",
                event)

    def _log(self, node: int) -> _Log:
        return self._logs.setdefault(node, _Log())

    # --- epochs -------------------------------------------------------------------------------------------------------

    def _on_state(self, event: Event, node: int) -> None:
        epochs = event.epochs or {}
        now = (epochs["current_epoch"], epochs["accepted_epoch"])
        before = self._epochs.get(node)
        if before is not None and (now[0] < before[0][0] or now[1] < before[0][1]):
            self.violate(
                MONOTONIC_EPOCH,
                f"At {seconds(event.time_us)} server {node} is in epoch {now[0]} and has accepted {now[1]}, after it "
                f"was in {before[0][0]} and had accepted {before[0][1]} (event {before[1]}). Both are durable before "
                f"they are acted on.", event, (before[1],))
        self._epochs[node] = (now, event.index)
        if event.value["state"] != "looking":
            self._on_established(event, node, event.value["leader"], now[0])

    def _on_established(self, event: Event, node: int, leader: int, epoch: int) -> None:
        first = self._leaders.setdefault(epoch, (leader, event.index))
        if first[0] != leader:
            message = (
                f"At {seconds(event.time_us)} server {node} takes {leader} for the leader of epoch {epoch}, which "
                f"{first[0]} leads (event {first[1]}). An epoch has at most one leader.")
            self._judge(ONE_LEADER, message, event, (first[1],))
        elif event.value["state"] == "leading":
            self._on_leading(event, node, epoch)

    # --- the log ------------------------------------------------------------------------------------------------------

    def _on_append(self, event: Event, node: int) -> None:
        log = self._log(node)
        log.cut(event.value["base_offset"])
        for zxid, digest, kind, _, _ in event.value["entries"]:
            before = log.last_zxid() if log.entries or not log.base_zxid else None
            self._match(event, node, zxid, digest, kind, before)
            log.entries.append((zxid, digest))

    def _match(self, event: Event, node: int, zxid: int, digest: str, kind: str, before: int | None) -> None:
        known = self._logged.get(zxid)
        if known is None:
            self._logged[zxid] = (digest, before, event.index)
            return
        if known[0] != digest:
            message = (
                f"At {seconds(event.time_us)} server {node} logged a transaction ({kind}) as zxid {zxid:#x}, which is "
                f"another one elsewhere (event {known[2]}). A zxid names one transaction.")
            self._judge(LOG_MATCHING, message, event, (known[2],))
        elif before is not None and known[1] is not None and before != known[1]:
            message = (
                f"At {seconds(event.time_us)} server {node} logged zxid {zxid:#x} behind {before:#x}, while elsewhere "
                f"{known[1]:#x} comes before it (event {known[2]}). All logs hold one history.")
            self._judge(LOG_MATCHING, message, event, (known[2],))
        elif known[1] is None:
            self._logged[zxid] = (digest, before, event.index)

    def _on_snapshot(self, event: Event, node: int) -> None:
        log = self._log(node)
        if event.value["source"] != "taken":
            log.entries.clear()
        log.begin(event.value["log_start_offset"], event.value["base_zxid"])

    def _on_disk_lost(self, event: Event, node: int) -> None:
        if event.key == LOG_FILE:
            if event.value.get("wiped"):
                self._note_forgotten(event, node, self._others_with_end_of(node))
            if event.value.get("wiped") and not event.value["from_offset"]:
                self._logs[node] = _Log()
            else:
                self._log(node).cut(event.value["from_offset"])
        elif event.key in _EPOCH_FILES and event.value.get("wiped"):
            known = self._epochs.pop(node, None)
            if known is not None:
                others = [epochs for epochs, _ in self._epochs.values() if epochs[1] >= known[0][1]]
                self._note_forgotten(event, node, len(others))

    def _note_forgotten(self, event: Event, node: int, others: int) -> None:
        """So many others still know what this server's disk has lost."""
        servers = len(self.header["zookeepers"])
        if others < servers - servers // 2:
            self._wiped[node] = event.index

    def _others_with_end_of(self, node: int) -> int:
        """How many others hold the last transaction of a server's log, and so the whole."""
        last_zxid = self._log(node).last_zxid()
        return sum(
            last_zxid <= log.base_zxid or any(zxid == last_zxid for zxid, _ in reversed(log.entries))
            for other, log in self._logs.items() if other != node)

    # --- applying -----------------------------------------------------------------------------------------------------

    def _on_apply(self, event: Event, node: int) -> None:
        zxid, digest = event.value["zxid"], event.value["digest"]
        last = self._last_applied.get(node)
        if last is not None and zxid <= last[0]:
            self.violate(
                TOTAL_ORDER,
                f"At {seconds(event.time_us)} server {node} applied zxid {zxid:#x} after {last[0]:#x} (event "
                f"{last[1]}). Transactions are applied in the order of their zxids.", event, (last[1],))
        self._last_applied[node] = (zxid, event.index)
        known = self._applied.setdefault(zxid, (digest, node, event.index))
        if known[0] != digest:
            self.violate(
                TOTAL_ORDER,
                f"At {seconds(event.time_us)} the tree of server {node} after zxid {zxid:#x} is not that of server "
                f"{known[1]} (event {known[2]}). Equal transactions give equal trees.", event, (known[2],))
        if zxid not in self._committed:
            self._commit(event, node, zxid)

    def _commit(self, event: Event, node: int, zxid: int) -> None:
        if zxid >> 32 < self._newest_epoch and zxid > self._log(self._leaders[self._newest_epoch][0]).base_zxid:
            leader, index = self._leaders[self._newest_epoch]
            message = (
                f"At {seconds(event.time_us)} server {node} applied zxid {zxid:#x}, which server {leader} did not have "
                f"when it became leader of epoch {self._newest_epoch} (event {index}). What a quorum has acknowledged "
                f"is in every later leader's log.")
            self._judge(DURABLE, message, event, (index,))
        self._committed[zxid] = (event.index, f"server {node} had applied it")

    def _on_leading(self, event: Event, node: int, epoch: int) -> None:
        log = self._log(node)
        held = dict(log.entries)
        for zxid, (index, words) in self._committed.items():
            if zxid > log.base_zxid and zxid not in held and zxid >> 32 < epoch:
                message = (
                    f"At {seconds(event.time_us)} server {node} became leader of epoch {epoch} with a log that ends "
                    f"at zxid {log.last_zxid():#x} and lacks {zxid:#x}: {words} (event {index}). What is committed is "
                    f"in every later leader's log.")
                self._judge(DURABLE, message, event, (index,))
                break
        for zxid in held:
            if zxid not in self._committed:
                self._committed[zxid] = (event.index, f"server {node} had it when a quorum made it leader of {epoch}")
        self._newest_epoch = max(self._newest_epoch, epoch)

    def _judge(self, rule: str, message: str, event: Event, others: tuple[int, ...]) -> None:
        """A violation, unless a wiped disk made too many forget: then nobody can be held to what it knew."""
        if self._wiped:
            self.excuse(rule, WIPED, message, event, (*others, *self._wiped.values()))
        else:
            self.violate(rule, message, event, others)


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header."""
    return [ZooKeeperLog(header)]
