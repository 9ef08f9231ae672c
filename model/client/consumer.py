"""The consuming side of a client (KafkaConsumer with the classic group protocol).

A consumer joins its group when it polls and is not (or no longer) a member, reads on from the committed offsets, else
from the beginning, and commits its positions as they are, under the member id and generation that it believes in. A
commit is sent once. A poll waits a bounded time, as an application's does, and moves the positions only by what it
returned.

Left out: checking positions by OffsetsForLeaderEpoch (KIP-320): a position beyond a truncation shows as
OFFSET_OUT_OF_RANGE, which starts again at the log's beginning (auto.offset.reset=earliest), or goes unnoticed. Only
records that were returned are evidence of anything. Fetching from followers (KIP-392) and automatic commits.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from fencepost.histories.event import FAIL, OK
from fencepost.model import errors
from fencepost.model.client.classification import COMMIT
from fencepost.model.client.group_member import NO_GENERATION, GroupMember
from fencepost.model.client.log_reader import ADMINISTRATOR
from fencepost.model.client.operation import Operation
from fencepost.model.protocol import group as messages
from fencepost.model.protocol.data import FetchRequest, FetchResponse
from fencepost.model.protocol.group import TopicPartition, partition_name

if TYPE_CHECKING:
    from fencepost.model.client.client_node import ClientNode


class Membership(Protocol):
    """What a consumer needs of its membership in its group. generation: `NO_GENERATION` where it has none."""

    group: str
    instance_id: str | None
    member_id: str
    generation: int
    assignment: tuple[TopicPartition, ...]
    positions: dict[TopicPartition, int]

    def close(self, leave: bool) -> None:
        """The consumer ends: in order, or as by a crash."""

    def when_joined(self, operation: Operation, then: Callable[..., None]) -> None:
        """Go on with `then(operation, member)` once the member has its partitions, if the operation is open then."""

    def note_answer(self, coordinator: int, error: str | None) -> None:
        """What an answer of the coordinator says of its office and of this membership."""


class Round:
    """The fetches of one poll. left: how many are not answered. positions, records: what the answers came to.

    held: the member's positions when it began.
    """

    __slots__ = ("held", "left", "member", "operation", "positions", "records")

    def __init__(self, operation: Operation, member: Membership, left: int) -> None:
        self.operation = operation
        self.member = member
        self.held = member.positions
        self.left = left
        self.positions: dict[TopicPartition, int] = {}
        self.records: dict[str, list[list[object]]] = {}


class Consumer:
    """Operations `poll`, `subscribe` and `commit-offsets` {group, topics, instance}, `fetch-offsets` and
    `final-offsets` {group, partitions, require_stable}.

    A poll may say `restart`: "leave" or "crash" (the consumer ends in that way before, and a new one polls), and
    `busy_us` (afterwards the application is busy for so long).
    """

    def __init__(self, client: "ClientNode") -> None:
        self._client = client
        self.member: Membership | None = None

    def make_member(self, group: str, topics: tuple[str, ...], instance_id: str | None) -> Membership:
        """A new membership, which joins when it is waited for."""
        return GroupMember(self._client, group, topics, instance_id)

    def forget(self) -> None:
        """Be a new consumer; the old one has crashed, for all that the group can tell."""
        if self.member is not None:
            self.member.close(leave=False)
        self.member = None

    def _member_for(self, operation: Operation) -> Membership:
        data, member = operation.data, self.member
        restart, wanted = data.get("restart"), (data["group"], data.get("instance"))
        if member is not None and (restart or (member.group, member.instance_id) != wanted):
            member.close(leave=restart != "crash")
            member = None
        if member is None:
            member = self.make_member(wanted[0], tuple(data["topics"]), wanted[1])
        self.member = member
        return member

    # --- membership -----------------------------------------------------------------------------------------------

    def subscribe(self, operation: Operation) -> None:
        """Join the group and learn the own partitions."""
        client = self._client
        value = {"topics": list(operation.data["topics"])}
        client.invoke(operation, operation.data["group"], value, client.config.default_api_timeout_us)
        self._member_for(operation).when_joined(operation, self._on_subscribed)

    def _on_subscribed(self, operation: Operation, member: Membership) -> None:
        names = [partition_name(place) for place in member.assignment]
        epochs = {} if member.generation == NO_GENERATION else {"generation": member.generation}
        self._client.complete(operation, OK, {"assignment": names, "member": member.member_id}, None, **epochs)

    # --- reading --------------------------------------------------------------------------------------------------

    def poll(self, operation: Operation) -> None:
        """Read on, one fetch for each assigned partition."""
        client = self._client
        client.invoke(operation, None, {"group": operation.data["group"]}, client.config.request_timeout_us // 3)
        self._member_for(operation).when_joined(operation, self._find_positions)

    def _find_positions(self, operation: Operation, member: Membership) -> None:
        if not operation.is_open:
            return
        missing = tuple(place for place in member.assignment if place not in member.positions)
        if missing:
            self._client.coordinators.find(member.group, self._ask_positions, operation, member, missing)
        else:
            self._fetch(operation, member, may_ask=True)

    def _ask_positions(
        self, coordinator: int | None, operation: Operation, member: Membership, missing: tuple[TopicPartition, ...]
    ) -> None:
        client = self._client
        if coordinator is None:
            client.schedule(client.config.retry_backoff_us, self._find_positions, operation, member)
            return
        request = messages.OffsetFetchRequest(member.group, missing, True, client.principal)
        client.request(
            coordinator, "group", request, client.config.request_timeout_us // 3, self._on_positions, coordinator,
            operation, member)

    def _on_positions(
        self, response: messages.OffsetFetchResponse | None, coordinator: int, operation: Operation, member: Membership
    ) -> None:
        client = self._client
        error = errors.DISCONNECTED if response is None else response.error
        member.note_answer(coordinator, error)
        if response is not None and error is None:
            for place, offset in response.offsets:
                member.positions[place] = max(0, offset)
            self._fetch(operation, member, may_ask=True)
        elif error == errors.GROUP_AUTHORIZATION_FAILED:
            client.complete(operation, FAIL, None, error)
        else:
            client.schedule(client.config.retry_backoff_us, self._find_positions, operation, member)

    def _fetch(self, operation: Operation, member: Membership, may_ask: bool) -> None:
        """Fetch from every leader that is known; those that are not known even after asking wait for the next poll."""
        client = self._client
        if not operation.is_open:
            return
        leaders = [(place, *client.metadata.leader_of(*place, client.now_us)) for place in member.assignment]
        known = [(place, leader, epoch) for place, leader, epoch in leaders if leader >= 0]
        if may_ask and len(known) < len(leaders):
            client.ask_metadata(self._fetch, operation, member, False)
            return
        round_ = Round(operation, member, len(known))
        if not known:
            self.finish(round_)
        for place, leader, epoch in known:
            position = member.positions.get(place, 0)
            request = FetchRequest(
                place[0], place[1], None, -1, -1, epoch, position, -1, 0, client.config.fetch_max_wait_us,
                client.config.max_poll_records, client.principal)
            client.request(
                leader, f"fetch {partition_name(place)}", request, client.config.request_timeout_us // 3,
                self._on_fetched, round_, place)

    def _on_fetched(self, response: FetchResponse | None, round_: Round, place: TopicPartition) -> None:
        round_.left -= 1
        error = errors.DISCONNECTED if response is None else response.error
        if response is None or (error is not None and error != errors.OFFSET_OUT_OF_RANGE):
            if error not in (errors.TOPIC_AUTHORIZATION_FAILED, errors.OFFSET_NOT_AVAILABLE):
                self._client.metadata.forget_leader(*place)
        elif error is not None:
            round_.positions[place] = response.log_start_offset
        elif response.records:
            round_.records[partition_name(place)] = [[record.offset, record.value] for record in response.records]
            round_.positions[place] = response.records[-1].offset + 1
        if not round_.left:
            self.finish(round_)

    def finish(self, round_: Round) -> None:
        """Every fetch is answered."""
        client, operation = self._client, round_.operation
        if not operation.is_open:
            return
        round_.member.positions.update(round_.positions)
        client.busy_until_us = client.now_us + operation.data.get("busy_us", 0)
        client.complete(operation, OK, {"records": round_.records})

    # --- committed offsets ----------------------------------------------------------------------------------------

    def commit(self, operation: Operation) -> None:
        """Commit the own positions, as the member and in the generation that this consumer believes to be."""
        client, member = self._client, self.member
        if member is None or member.group != operation.data["group"] or member.generation == NO_GENERATION:
            client.skip()
            return
        offsets = {place: offset for place, offset in member.positions.items() if offset > 0}
        if not offsets:
            client.skip()
            return
        value = {
            "offsets": {partition_name(place): offset for place, offset in offsets.items()},
            "member": member.member_id, "generation": member.generation,
        }
        request = messages.OffsetCommitRequest(
            member.group, member.generation, member.member_id, member.instance_id,
            tuple((place, offset, -1) for place, offset in offsets.items()), client.principal)
        client.invoke(operation, member.group, value, client.config.default_api_timeout_us)
        client.coordinators.find(member.group, self.send_commit, operation, member, request)

    def send_commit(
        self, coordinator: int | None, operation: Operation, member: Membership, request: messages.OffsetCommitRequest
    ) -> None:
        """Send it, once a coordinator is known."""
        client = self._client
        if not operation.is_open:
            return
        if coordinator is None:
            client.schedule(
                client.config.retry_backoff_us, client.coordinators.find, member.group, self.send_commit, operation,
                member, request)
        else:
            client.attempt(operation, coordinator, "group", request, self._on_committed, coordinator, member, request)

    def _on_committed(
        self, response: messages.OffsetCommitResponse | None, operation: Operation, coordinator: int,
        member: Membership, request: messages.OffsetCommitRequest,
    ) -> None:
        client = self._client
        error = errors.DISCONNECTED if response is None else response.error
        member.note_answer(coordinator, error)
        if not operation.is_open:
            return
        if response is not None and error is None:
            self.on_commit_accepted(response, operation, member, request)
        else:
            client.settle(operation, COMMIT, str(error))
            client.refuse(operation, COMMIT, str(error))

    def on_commit_accepted(
        self, response: messages.OffsetCommitResponse, operation: Operation, member: Membership,
        request: messages.OffsetCommitRequest,
    ) -> None:
        """The coordinator has committed it."""
        partition = {} if response.partition is None else {"partition": response.partition}
        self._client.complete(
            operation, OK, {"record_offset": response.record_offset, **partition},
            coordinator_epoch=response.coordinator_epoch)

    def fetch_offsets(self, operation: Operation) -> None:
        """Read the group's committed offsets, asking until the coordinator answers."""
        self.invoke_fetch(operation)
        self._client.coordinators.find(operation.data["group"], self._ask_offsets, operation)

    def invoke_fetch(self, operation: Operation) -> None:
        """Write the invocation of `fetch_offsets` down."""
        data, client = operation.data, self._client
        value = {
            "partitions": [partition_name((topic, index)) for topic, index in data["partitions"]],
            "require_stable": data.get("require_stable", True),
        }
        client.invoke(operation, data["group"], value, client.config.default_api_timeout_us)

    def _ask_offsets(self, coordinator: int | None, operation: Operation) -> None:
        data, client = operation.data, self._client
        if not operation.is_open:
            return
        if coordinator is None:
            self._ask_offsets_later(operation)
            return
        principal = ADMINISTRATOR if operation.f == "final-offsets" else client.principal
        request = messages.OffsetFetchRequest(
            data["group"], tuple((topic, index) for topic, index in data["partitions"]),
            data.get("require_stable", True), principal)
        client.request(
            coordinator, "group", request, client.config.request_timeout_us // 3, self._on_offsets, coordinator,
            operation)

    def _ask_offsets_later(self, operation: Operation) -> None:
        client = self._client
        client.schedule(
            client.config.retry_backoff_us, client.coordinators.find, operation.data["group"], self._ask_offsets,
            operation)

    def _on_offsets(
        self, response: messages.OffsetFetchResponse | None, coordinator: int, operation: Operation
    ) -> None:
        client = self._client
        error = errors.DISCONNECTED if response is None else response.error
        client.coordinators.note_answer(operation.data["group"], coordinator, error)
        if response is not None and error is None:
            offsets = {partition_name(place): offset for place, offset in response.offsets}
            client.complete(operation, OK, {"offsets": offsets}, coordinator_epoch=response.coordinator_epoch)
        elif error == errors.GROUP_AUTHORIZATION_FAILED:
            client.complete(operation, FAIL, None, error)
        else:
            self._ask_offsets_later(operation)
