"""ZkWriteFencing (ZooKeeper mode): a controller's write succeeds only under the controller epoch that holds then.

Winning the race for /controller raises /controller_epoch in one transaction; every write of a controller is checked
against the version that /controller_epoch got by its own election. So whatever a controller of epoch e has written lies
before the transaction that began epoch e + 1, in the order of ZooKeeper's transactions.

Example: controller 1 claims epoch 3; somebody deletes /controller while 1 is paused; controller 2 claims epoch 4 in
transaction 900; controller 1 goes on, and its change of orders-0 becomes transaction 905 (KAFKA-6082).

A write whose transaction is not known (its answer was lost, or tells none) proves nothing. An election may be learnt of
after the writes that it should have fenced, so that each is held against the other.
"""

from typing import Any

from fencepost.checkers.verdict import Checker, Findings, seconds
from fencepost.histories.event import Event

RULE = "ZkWriteFencing"


class ZkWriteFencing(Findings):
    """Checks the rule; an event costs a look at the controller epochs so far."""

    name = "zk-write-fencing"
    needs = frozenset({"controller-claimed", "metadata-write"})
    consumes = frozenset({"controller-claimed", "metadata-write"})

    def __init__(self, header: dict[str, Any]) -> None:
        super().__init__(header)
        #: controller epoch -> (offset of its election, event)
        self._elections: dict[int, tuple[int, Event]] = {}
        #: controller epoch -> (highest offset that was written under it, event)
        self._last_writes: dict[int, tuple[int, Event]] = {}

    def feed(self, event: Event) -> None:
        """Take the next event."""
        epoch = (event.epochs or {})["controller_epoch"]
        if event.f == "controller-claimed":
            offset = event.value["epoch_start_offset"]
            self._elections[epoch] = (offset, event)
            for earlier in sorted(self._last_writes):
                written, write = self._last_writes[earlier]
                if earlier < epoch and written > offset:
                    self._report(earlier, epoch, write, event)
            return
        written = event.value["base_offset"]
        if written > self._last_writes.get(epoch, (-1, event))[0]:
            self._last_writes[epoch] = (written, event)
        for later in sorted(self._elections):
            offset, election = self._elections[later]
            if later > epoch and written > offset:
                self._report(epoch, later, event, election)
                return

    def _report(self, epoch: int, later: int, write: Event, election: Event) -> None:
        shown = max(write, election, key=lambda event: event.index)
        other = min(write, election, key=lambda event: event.index)
        self.violate(
            RULE,
            f"A write of controller {write.node} under controller epoch {epoch}, known at {seconds(write.time_us)}, "
            f"was committed after controller {election.node} had won epoch {later}. It must fail by the version of "
            f"/controller_epoch.", shown, (other.index,), write.node)


def build(header: dict[str, Any]) -> list[Checker]:
    """The checker for a history with this header; none in KRaft mode, where a deposed controller's appends vanish."""
    return [] if header.get("mode") == "kraft" else [ZkWriteFencing(header)]
