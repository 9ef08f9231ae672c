"""The consuming side of a client (KafkaConsumer with the classic group protocol).

A consumer joins its group when it polls and is not (or no longer) a member, reads on from the committed offsets, else
from the beginning, and commits its positions. Heartbeats go on between operations, as from Kafka's heartbeat thread. A
commit is sent once, with the generation that the consumer believes to be in.
"""

from typing import TYPE_CHECKING, Any

from fencepost.histories.event import FAIL, OK
from fencepost.model import errors
from fencepost.model.client.classification import outcome
from fencepost.model.client.log_reader import ADMINISTRATOR, LogReader
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.protocol import group as messages
from fencepost.model.protocol.data import FetchRequest, FetchResponse
from fencepost.model.protocol.group import TopicPartition

if TYPE_CHECKING:
    from fencepost.model.client.client_node import ClientNode

#: Answers that say that the membership is over; for the others joining again with the same member id will do.
_MEMBERSHIP_OVER = (errors.UNKNOWN_MEMBER_ID, errors.FENCED_INSTANCE_ID)
_COORDINATOR_MOVED = (errors.NOT_COORDINATOR, errors.COORDINATOR_NOT_AVAILABLE, errors.DISCONNECTED)


class Consumer:
    """Operations `subscribe`, `poll`, `commit-offsets` {group, topics, instance}, `fetch-offsets` and `final-offsets`
    {group, partitions}, `final-read` {topic, partition}."""

    def __init__(self, client: "ClientNode") -> None:
        self._client = client
        self._coordinators: dict[str, int] = {}
        self._heartbeat_timer: Timer | None = None
        self._reader = LogReader(client)
        self.forget()

    def forget(self) -> None:
        """Be a new consumer."""
        self.group: str | None = None
        self.member_id = ""
        self.instance_id: str | None = None
        self.generation = -1
        self.joined = False
        self.assignment: tuple[TopicPartition, ...] = ()
        self.positions: dict[TopicPartition, int] = {}
        cancel(self._heartbeat_timer)
        self._heartbeat_timer = None

    def read_all(self, operation: dict[str, Any]) -> None:
        """`final-read`."""
        self._reader.read_all(operation)

    # --- the coordinator ------------------------------------------------------------------------------------------

    def _with_coordinator(self, operation: dict[str, Any], group: str, then: Any, *args: Any) -> None:
        """Go on with `then(coordinator id, *args)` once it is known."""
        client = self._client
        if not client.is_open(operation):
            return
        coordinator = self._coordinators.get(group)
        if coordinator is not None:
            then(coordinator, *args)
            return
        client.request(
            client.any_broker(), "group", messages.FindCoordinatorRequest(group, client.principal),
            client.config.request_timeout_us // 3, self._on_coordinator, operation, group, then, args)

    def _on_coordinator(
        self, response: messages.FindCoordinatorResponse | None, operation: dict[str, Any], group: str, then: Any,
        args: tuple[Any, ...],
    ) -> None:
        if response is not None and response.error is None:
            self._coordinators[group] = response.coordinator_id
            self._with_coordinator(operation, group, then, *args)
        else:
            self._client.schedule(
                self._client.config.retry_backoff_us, self._with_coordinator, operation, group, then, *args)

    def _note_error(self, group: str, error: str) -> None:
        """What an error says of the coordinator and of the own membership."""
        if error in _COORDINATOR_MOVED:
            self._coordinators.pop(group, None)
        if error in _MEMBERSHIP_OVER:
            self.member_id = ""
        if error in _MEMBERSHIP_OVER or error in (errors.ILLEGAL_GENERATION, errors.REBALANCE_IN_PROGRESS):
            self.joined = False

    # --- membership -----------------------------------------------------------------------------------------------

    def subscribe(self, operation: dict[str, Any]) -> None:
        """Join the group and learn the own partitions."""
        self._client.invoke(operation, operation["group"], {"topics": list(operation["topics"])})
        self._ensure_joined(operation, self._on_subscribed)

    def _on_subscribed(self, operation: dict[str, Any]) -> None:
        names = [f"{topic}-{index}" for topic, index in self.assignment]
        self._client.complete(
            operation, operation["group"], OK, {"assignment": names, "member": self.member_id},
            generation=self.generation)

    def _ensure_joined(self, operation: dict[str, Any], then: Any) -> None:
        if self.group != operation["group"]:
            self.forget()
            self.group, self.instance_id = operation["group"], operation.get("instance")
        if self.joined:
            then(operation)
        else:
            self._with_coordinator(operation, operation["group"], self._join, operation, then)

    def _join(self, coordinator: int, operation: dict[str, Any], then: Any) -> None:
        client = self._client
        rebalance_us = client.config.max_poll_interval_us
        request = messages.JoinGroupRequest(
            operation["group"], self.member_id, self.instance_id, client.config.session_timeout_us, rebalance_us,
            tuple(operation["topics"]), client.principal)
        client.request(
            coordinator, "group", request, client.config.request_timeout_us + rebalance_us, self._on_joined, operation,
            then)

    def _on_joined(
        self, response: messages.JoinGroupResponse | None, operation: dict[str, Any], then: Any
    ) -> None:
        client = self._client
        error = errors.DISCONNECTED if response is None else response.error
        if error is not None or response is None:
            self._note_error(operation["group"], str(error))
            if error in (errors.GROUP_AUTHORIZATION_FAILED, errors.INVALID_SESSION_TIMEOUT):
                client.complete(operation, operation["group"], FAIL, None, error)
            elif client.is_open(operation):
                client.schedule(client.config.retry_backoff_us, self._rejoin, operation, then)
            return
        self.member_id, self.generation = response.member_id, response.generation
        assignments = self._assign(response.members) if response.leader_id == response.member_id else ()
        request = messages.SyncGroupRequest(
            operation["group"], self.member_id, self.instance_id, self.generation, assignments)
        coordinator = self._coordinators.get(operation["group"])
        if coordinator is not None:
            client.request(
                coordinator, "group", request, client.config.request_timeout_us, self._on_synced, operation, then)
        else:
            client.schedule(client.config.retry_backoff_us, self._rejoin, operation, then)

    def _rejoin(self, operation: dict[str, Any], then: Any) -> None:
        if self._client.is_open(operation):
            self._with_coordinator(operation, operation["group"], self._join, operation, then)

    def _assign(
        self, members: tuple[tuple[str, tuple[str, ...]], ...]
    ) -> tuple[tuple[str, tuple[TopicPartition, ...]], ...]:
        """Deal the partitions of the subscribed topics out, round robin over the members in order of their ids."""
        names = sorted(member_id for member_id, _ in members)
        topics = sorted({topic for _, subscribed in members for topic in subscribed})
        partitions = [
            (topic, index) for topic in topics
            for index in range(len(self._client.topics[topic][1]) if topic in self._client.topics else 2)]
        dealt: dict[str, list[TopicPartition]] = {name: [] for name in names}
        for place, partition in enumerate(partitions):
            dealt[names[place % len(names)]].append(partition)
        return tuple((name, tuple(mine)) for name, mine in dealt.items())

    def _on_synced(self, response: messages.SyncGroupResponse | None, operation: dict[str, Any], then: Any) -> None:
        client = self._client
        error = errors.DISCONNECTED if response is None else response.error
        if error is not None or response is None:
            self._note_error(operation["group"], str(error))
            if client.is_open(operation):
                client.schedule(client.config.retry_backoff_us, self._rejoin, operation, then)
            return
        self.joined = True
        self.assignment = response.assignment
        self.positions = {}
        self._heartbeat_later()
        if client.is_open(operation):
            then(operation)

    def _heartbeat_later(self) -> None:
        cancel(self._heartbeat_timer)
        self._heartbeat_timer = self._client.schedule(self._client.config.heartbeat_interval_us, self._heartbeat)

    def _heartbeat(self) -> None:
        coordinator = None if self.group is None else self._coordinators.get(self.group)
        if not self.joined or coordinator is None or self.group is None:
            return
        request = messages.GroupHeartbeatRequest(self.group, self.member_id, self.instance_id, self.generation)
        self._client.request(
            coordinator, "heartbeat", request, self._client.config.session_timeout_us, self._on_heartbeat,
            self.group, self.member_id, self.generation)

    def _on_heartbeat(
        self, response: messages.GroupResponse | None, group: str, member_id: str, generation: int
    ) -> None:
        if (group, member_id, generation) != (self.group, self.member_id, self.generation):
            return
        error = errors.DISCONNECTED if response is None else response.error
        if error is not None:
            self._note_error(group, error)
            if error in _COORDINATOR_MOVED:
                self.joined = False
        if self.joined:
            self._heartbeat_later()

    # --- reading --------------------------------------------------------------------------------------------------

    def poll(self, operation: dict[str, Any]) -> None:
        """Read on, one fetch for each assigned partition."""
        self._client.invoke(operation, None, {"group": operation["group"]})
        self._ensure_joined(operation, self._find_positions)

    def _find_positions(self, operation: dict[str, Any]) -> None:
        missing = tuple(place for place in self.assignment if place not in self.positions)
        if missing:
            self._with_coordinator(operation, operation["group"], self._ask_offsets, operation, missing)
        else:
            self._fetch_all(operation)

    def _ask_offsets(self, coordinator: int, operation: dict[str, Any], missing: tuple[TopicPartition, ...]) -> None:
        request = messages.OffsetFetchRequest(operation["group"], missing, True, self._client.principal)
        self._client.request(
            coordinator, "group", request, self._client.config.request_timeout_us // 3, self._on_positions, operation)

    def _on_positions(self, response: messages.OffsetFetchResponse | None, operation: dict[str, Any]) -> None:
        client = self._client
        if not client.is_open(operation):
            return
        error = errors.DISCONNECTED if response is None else response.error
        if error is not None or response is None:
            self._note_error(operation["group"], str(error))
            client.schedule(client.config.retry_backoff_us, self._ensure_joined, operation, self._find_positions)
            return
        for place, offset in response.offsets:
            self.positions[place] = max(0, offset)
        self._fetch_all(operation)

    def _fetch_all(self, operation: dict[str, Any], refreshed: bool = False) -> None:
        client = self._client
        if not client.is_open(operation):
            return
        known = [(place, *client.leader_of(*place)) for place in self.assignment]
        if any(leader < 0 for _, leader, _ in known) and not refreshed:
            client.refresh(operation, self._fetch_all, operation, True)
            return
        asked = [entry for entry in known if entry[1] >= 0]
        answers: dict[str, list[list[Any]]] = {}
        waiting = [len(asked)]
        if not asked:
            client.complete(operation, None, OK, {"records": {}})
        for place, leader, epoch in asked:
            request = FetchRequest(
                place[0], place[1], None, -1, -1, epoch, self.positions.get(place, 0), -1, 0,
                client.config.fetch_max_wait_us, client.config.max_poll_records, client.principal)
            client.request(
                leader, f"fetch {place[0]}-{place[1]}", request, client.config.request_timeout_us // 3,
                self._on_fetched, operation, place, answers, waiting)

    def _on_fetched(
        self, response: FetchResponse | None, operation: dict[str, Any], place: TopicPartition,
        answers: dict[str, list[list[Any]]], waiting: list[int],
    ) -> None:
        client = self._client
        waiting[0] -= 1
        if not client.is_open(operation):
            return
        error = errors.DISCONNECTED if response is None else response.error
        if error == errors.OFFSET_OUT_OF_RANGE:
            self.positions.pop(place, None)
        elif error is not None:
            client.topics.pop(place[0], None)
        elif response is not None and response.records and place in self.positions:
            answers[f"{place[0]}-{place[1]}"] = [[record.offset, record.value] for record in response.records]
            self.positions[place] = response.records[-1].offset + 1
        if not waiting[0]:
            client.complete(operation, None, OK, {"records": answers})

    # --- committed offsets ----------------------------------------------------------------------------------------

    def commit(self, operation: dict[str, Any]) -> None:
        """Commit the own positions, as the member and in the generation that this consumer believes to be."""
        offsets = {place: offset for place, offset in self.positions.items() if offset > 0}
        if not offsets or self.group != operation["group"] or not self.member_id:
            self._client.skip()
            return
        value = {
            "offsets": {f"{topic}-{index}": offset for (topic, index), offset in offsets.items()},
            "member": self.member_id, "generation": self.generation,
        }
        request = messages.OffsetCommitRequest(
            operation["group"], self.generation, self.member_id, self.instance_id,
            tuple((place, offset, -1) for place, offset in offsets.items()), self._client.principal)
        self._client.invoke(operation, operation["group"], value)
        self._with_coordinator(operation, operation["group"], self._send_commit, operation, request)

    def _send_commit(self, coordinator: int, operation: dict[str, Any], request: messages.OffsetCommitRequest) -> None:
        self._client.request(
            coordinator, "group", request, self._client.config.request_timeout_us, self._on_committed, operation)

    def _on_committed(self, response: messages.OffsetCommitResponse | None, operation: dict[str, Any]) -> None:
        client, group = self._client, operation["group"]
        error = errors.DISCONNECTED if response is None else response.error
        if error is None and response is not None:
            value = {"record_offset": response.record_offset}
            client.complete(operation, group, OK, value, coordinator_epoch=response.coordinator_epoch)
        else:
            self._note_error(group, str(error))
            client.complete(operation, group, outcome("commit-offsets", error, False), None, error)

    def fetch_offsets(self, operation: dict[str, Any]) -> None:
        """Read the group's committed offsets, asking until the coordinator answers."""
        names = [f"{topic}-{index}" for topic, index in operation["partitions"]]
        self._client.invoke(operation, operation["group"], {"partitions": names, "require_stable": True})
        self._with_coordinator(operation, operation["group"], self._send_fetch_offsets, operation)

    def _send_fetch_offsets(self, coordinator: int, operation: dict[str, Any]) -> None:
        places = tuple((topic, index) for topic, index in operation["partitions"])
        principal = ADMINISTRATOR if operation["f"] == "final-offsets" else self._client.principal
        request = messages.OffsetFetchRequest(operation["group"], places, True, principal)
        self._client.request(
            coordinator, "group", request, self._client.config.request_timeout_us // 3, self._on_offsets, operation)

    def _on_offsets(self, response: messages.OffsetFetchResponse | None, operation: dict[str, Any]) -> None:
        client, group = self._client, operation["group"]
        error = errors.DISCONNECTED if response is None else response.error
        if error is None and response is not None:
            offsets = {f"{topic}-{index}": offset for (topic, index), offset in response.offsets}
            client.complete(operation, group, OK, {"offsets": offsets}, coordinator_epoch=response.coordinator_epoch)
        elif error == errors.GROUP_AUTHORIZATION_FAILED:
            client.complete(operation, group, FAIL, None, error)
        else:
            self._note_error(group, str(error))
            client.schedule(
                client.config.retry_backoff_us, self._with_coordinator, operation, group, self._send_fetch_offsets,
                operation)
