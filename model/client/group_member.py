"""One consumer's membership in its group (ConsumerCoordinator, the classic protocol).

A member joins when the consumer polls; one JoinGroup is under way at a time and goes on in the background when the poll
that began it has ended. Heartbeats go on between polls, follow the group to a new coordinator, and stop while the
application is busy. What the coordinator said last decides what the member believes: after ILLEGAL_GENERATION,
UNKNOWN_MEMBER_ID and FENCED_INSTANCE_ID it has no generation; until it hears such an answer it keeps the old one, and
commits under it, which is what a zombie does.

Left out: max.poll.interval.ms (no run is long enough for it to matter; the rebalance time-out is the session's),
cooperative assignment, and Kafka's extra round for a new member's id (KIP-394), which spares a group the members that
never heard of the id that they were given; here these leave by their session's time-out.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from fencepost.model import errors
from fencepost.model.client.classification import JOIN
from fencepost.model.client.operation import Operation
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.protocol import group as messages
from fencepost.model.protocol.group import TopicPartition

if TYPE_CHECKING:
    from fencepost.model.client.client_node import ClientNode

#: Answers that say that the member id is worth nothing any more.
_NOT_A_MEMBER = (errors.UNKNOWN_MEMBER_ID, errors.FENCED_INSTANCE_ID)
#: A member without a generation: it has not joined, or was told that its generation is over.
NO_GENERATION = -1


class GroupMember:
    """A member from its first join to its end.

    joined: it has its partitions and knows of no rebalance. generation: of the assignment that it holds.
    positions: where it reads on, by partition; known once the committed offset was asked for.
    """

    def __init__(
        self, client: "ClientNode", group: str, topics: tuple[str, ...], instance_id: str | None
    ) -> None:
        self._client = client
        self.group = group
        self.topics = topics
        self.instance_id = instance_id
        self.member_id = ""
        self.generation = NO_GENERATION
        self.joined = False
        self.assignment: tuple[TopicPartition, ...] = ()
        self.positions: dict[TopicPartition, int] = {}
        self._joining = False
        self._closed = False
        self._waiting: tuple[Operation, Callable[..., None]] | None = None
        self._heartbeat_timer: Timer | None = None

    def close(self, leave: bool) -> None:
        """The consumer ends: in order (a dynamic member says goodbye), or as by a crash."""
        self._closed = True
        self._waiting = None
        cancel(self._heartbeat_timer)
        if leave and self.member_id and self.instance_id is None:
            self._client.coordinators.find(self.group, self._send_leave)

    def _send_leave(self, coordinator: int | None) -> None:
        if coordinator is not None:
            self._client.request(
                coordinator, "group", messages.LeaveGroupRequest(self.group, self.member_id),
                self._client.config.request_timeout_us, self._on_left)

    def _on_left(self, response: messages.GroupResponse | None) -> None:
        """Heard or not, the member is gone."""

    def note_answer(self, coordinator: int, error: str | None) -> None:
        """What any answer of the coordinator (None: no error) says of its office and of this membership."""
        self._client.coordinators.note_answer(self.group, coordinator, error)
        if error in _NOT_A_MEMBER:
            self.member_id = ""
        if error in _NOT_A_MEMBER or error == errors.ILLEGAL_GENERATION:
            self.generation = NO_GENERATION
            self.joined = False
        elif error == errors.REBALANCE_IN_PROGRESS:
            self.joined = False

    # --- joining --------------------------------------------------------------------------------------------------

    def when_joined(self, operation: Operation, then: Callable[..., None]) -> None:
        """Go on with `then(operation, member)` once the member has its partitions, if the operation is open then."""
        if self.joined:
            then(operation, self)
            return
        self._waiting = (operation, then)
        if not self._joining:
            self._joining = True
            self._join()

    def _waiting_operation(self) -> Operation | None:
        """The operation that waits, if it still does."""
        if self._waiting is None or not self._waiting[0].is_open:
            return None
        return self._waiting[0]

    def _join(self) -> None:
        if self._closed:
            return
        if all(self._client.metadata.partitions_of(topic) is not None for topic in self.topics):
            self._client.coordinators.find(self.group, self._send_join)
        else:
            self._client.ask_metadata(self._find_coordinator_for_known_topics)

    def _find_coordinator_for_known_topics(self) -> None:
        if all(self._client.metadata.partitions_of(topic) is not None for topic in self.topics):
            self._client.coordinators.find(self.group, self._send_join)
        else:
            self._join_later()

    def _join_later(self) -> None:
        """Try again, if anybody waits for it."""
        if self._waiting_operation() is None:
            self._joining = False
        else:
            self._client.schedule(self._client.config.retry_backoff_us, self._join)

    def _send_join(self, coordinator: int | None) -> None:
        if self._closed:
            return
        if coordinator is None:
            self._join_later()
            return
        client, session_us = self._client, self._client.config.session_timeout_us
        cancel(self._heartbeat_timer)
        operation = self._waiting_operation()
        if operation is not None:
            operation.in_doubt += 1
        request = messages.JoinGroupRequest(
            self.group, self.member_id, self.instance_id, session_us, session_us, self.topics, client.principal)
        client.request(
            coordinator, "join", request, client.config.request_timeout_us + session_us, self._on_joined, coordinator,
            operation)

    def _on_joined(
        self, response: messages.JoinGroupResponse | None, coordinator: int, operation: Operation | None
    ) -> None:
        if self._closed:
            return
        error = errors.DISCONNECTED if response is None else response.error
        if response is None or error is not None:
            self._on_refused(coordinator, str(error), operation)
            return
        self.member_id = response.member_id
        request = messages.SyncGroupRequest(
            self.group, self.member_id, self.instance_id, response.generation,
            self._assign(response.members) if response.leader_id == response.member_id else ())
        self._client.request(
            coordinator, "join", request, self._client.config.request_timeout_us, self._on_synced, coordinator,
            response.generation, operation)

    def _on_refused(self, coordinator: int, error: str, operation: Operation | None) -> None:
        """JoinGroup or SyncGroup came to nothing: try again, unless it never will come to anything."""
        self.note_answer(coordinator, error)
        if operation is not None and operation.is_open and self._client.settle(operation, JOIN, error):
            self._client.refuse(operation, JOIN, error)
        self._join_later()

    def _on_synced(
        self, response: messages.SyncGroupResponse | None, coordinator: int, generation: int,
        operation: Operation | None,
    ) -> None:
        if self._closed:
            return
        error = errors.DISCONNECTED if response is None else response.error
        if response is None or error is not None:
            self._on_refused(coordinator, str(error), operation)
            return
        self.generation, self.assignment, self.positions = generation, response.assignment, {}
        self.joined, self._joining = True, False
        self._heartbeat_in(self._client.config.heartbeat_interval_us)
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting[0].is_open:
            waiting[1](waiting[0], self)

    def _assign(
        self, members: tuple[tuple[str, tuple[str, ...]], ...]
    ) -> tuple[tuple[str, tuple[TopicPartition, ...]], ...]:
        """Deal every partition to a member that subscribes to its topic, round robin in order of the ids."""
        subscribed = dict(sorted(members))
        dealt: dict[str, list[TopicPartition]] = {member_id: [] for member_id in subscribed}
        place = 0
        for topic in sorted({topic for topics in subscribed.values() for topic in topics}):
            takers = [member_id for member_id, topics in subscribed.items() if topic in topics]
            for partition in range(self._client.metadata.partitions_of(topic) or 0):
                dealt[takers[place % len(takers)]].append((topic, partition))
                place += 1
        return tuple((member_id, tuple(partitions)) for member_id, partitions in dealt.items())

    # --- heartbeats -----------------------------------------------------------------------------------------------

    def _heartbeat_in(self, delay_us: int) -> None:
        cancel(self._heartbeat_timer)
        self._heartbeat_timer = self._client.schedule(delay_us, self._heartbeat)

    def _heartbeat(self) -> None:
        busy_us = self._client.busy_until_us - self._client.now_us
        if self._closed or self._joining or self.generation == NO_GENERATION:
            return
        if busy_us > 0:
            self._heartbeat_in(busy_us)
        else:
            self._client.coordinators.find(self.group, self._send_heartbeat, self.generation)

    def _send_heartbeat(self, coordinator: int | None, generation: int) -> None:
        if self._closed or self._joining or generation != self.generation:
            return
        if coordinator is None:
            self._heartbeat_in(self._client.config.retry_backoff_us)
            return
        request = messages.GroupHeartbeatRequest(self.group, self.member_id, self.instance_id, generation)
        self._client.request(
            coordinator, "heartbeat", request, self._client.config.request_timeout_us // 3, self._on_heartbeat,
            coordinator, generation)

    def _on_heartbeat(self, response: messages.GroupResponse | None, coordinator: int, generation: int) -> None:
        if self._closed or self._joining or generation != self.generation:
            return
        error = errors.DISCONNECTED if response is None else response.error
        self.note_answer(coordinator, error)
        if self.generation != NO_GENERATION:
            quickly = error is not None and error != errors.REBALANCE_IN_PROGRESS
            self._heartbeat_in(
                self._client.config.retry_backoff_us if quickly else self._client.config.heartbeat_interval_us)
