"""Followers' fetches: answered at once when there is news, else parked until there is some or their time is over
(ReplicaManager.fetchMessages, DelayedFetch).

Of each follower one fetch is parked at most: its next one takes the place of the last. A fetch names many partitions,
most of which are idle; the answer leaves out those without news, as incremental fetch sessions do (KIP-227). A high
watermark is news to a follower that was not told it over this connection, but worth no answer of its own. A role that
is taken or lost is told to all who wait for the partition.
"""

from typing import TYPE_CHECKING

from fencepost.model.broker.partition import Partition
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.protocol.data import FetchRequest, FetchResponse, FollowerFetchRequest, FollowerFetchResponse

if TYPE_CHECKING:
    from fencepost.model.broker.replica_manager import ReplicaManager

#: What a follower is told: its request's parts and their answers; parts without news are left out.
Answers = list[tuple[FetchRequest, FetchResponse]]


class ParkedFetch:
    """A fetch without news, waiting for some. `changes` is what `FollowerFetches.changes` was when nothing at all was
    to be told, or -1 if the answer will carry something even if nothing happens."""

    __slots__ = ("_names", "changes", "reply", "request", "timer")

    def __init__(self, request: FollowerFetchRequest, reply: Reply, timer: Timer, changes: int) -> None:
        self.request = request
        self.reply = reply
        self.timer = timer
        self.changes = changes
        self._names: frozenset[str] | None = None

    def waits_for(self, name: str) -> bool:
        """Whether the topic-partition is one of those fetched."""
        if self._names is None:
            self._names = frozenset(part.name for part in self.request.partitions)
        return name in self._names


class FollowerFetches:
    """Serves the followers of the partitions that the manager's broker leads.

    changes: counts what may matter to a fetch that waits: roles taken, records appended, high watermarks moved.
    """

    __slots__ = ("_manager", "_node", "_parked", "changes")

    def __init__(self, node: Node, manager: "ReplicaManager") -> None:
        self._node = node
        self._manager = manager
        #: follower's broker id -> its fetch that waits
        self._parked: dict[int, ParkedFetch] = {}
        self.changes = 0

    def handle(self, request: FollowerFetchRequest, reply: Reply) -> None:
        """Answer with what is new, or wait for it up to the request's time."""
        parked = self._parked.pop(request.replica_id, None)
        if parked is not None:
            cancel(parked.timer)
        answers, urgent = self._look_for_news(request, reply, True)
        if urgent or request.max_wait_us <= 0:
            self._answer(reply, answers)
        else:
            timer = self._node.schedule(request.max_wait_us, self._expire, request.replica_id)
            self._parked[request.replica_id] = ParkedFetch(request, reply, timer, -1 if answers else self.changes)

    def _look_for_news(self, request: FollowerFetchRequest, reply: Reply, count: bool) -> tuple[Answers, bool]:
        """What a follower is to be told now, and whether it is worth an answer before the fetch's time is over."""
        answers: Answers = []
        urgent = False
        partitions = self._manager.partitions
        for part in request.partitions:
            partition = partitions.get(part.name)
            if partition is None:
                error = self._manager.missing_error(part.topic, part.partition, part.topic_id)
                answers.append((part, FetchResponse(error)))
                urgent = True
                continue
            if partition.is_idle(part) and not self._is_news(partition, part, reply):
                if count:
                    partition.note_fetch(part)
                continue
            answer = partition.fetch(part, count)
            if answer.error is not None or answer.records or answer.diverging is not None:
                urgent = True
            elif not self._is_news(partition, part, reply):
                continue
            answers.append((part, answer))
        return answers, urgent

    def _answer(self, reply: Reply, answers: Answers) -> None:
        for part, answer in answers:
            partition = self._manager.partitions.get(part.name)
            if partition is not None and answer.error is None and part.replica_id in partition.followers:
                partition.followers[part.replica_id].told = (reply.connection, answer.high_watermark)
        reply.send(FollowerFetchResponse(tuple(answers)))

    @staticmethod
    def _is_news(partition: Partition, part: FetchRequest, reply: Reply) -> bool:
        """Whether the follower has not been told this high watermark over this connection."""
        follower = partition.followers.get(part.replica_id)
        return follower is None or follower.told is None or (
            follower.told[0] is not reply.connection or follower.told[1] != partition.high_watermark)

    def _expire(self, replica_id: int) -> None:
        parked = self._parked.pop(replica_id, None)
        if parked is None:
            return
        request, reply = parked.request, parked.reply
        answers: Answers = []
        if parked.changes != self.changes:
            answers, _ = self._look_for_news(request, reply, False)
        self._answer(reply, answers)

    def complete(self, partition: Partition) -> None:
        """Records were appended: followers that wait for them get them."""
        self.changes += 1
        for replica_id in partition.followers:
            parked = self._parked.get(replica_id)
            if parked is None:
                continue
            answers, urgent = self._look_for_news(parked.request, parked.reply, False)
            if urgent:
                self._answer(parked.reply, answers)
                cancel(parked.timer)
                del self._parked[replica_id]

    def wake(self, partition: Partition) -> None:
        """The role changed: every follower that waits for the partition learns it now."""
        for replica_id in list(self._parked):
            parked = self._parked[replica_id]
            if parked.waits_for(partition.name):
                cancel(parked.timer)
                self._expire(replica_id)
