"""The consuming side of a client before Kafka 0.9: membership and offsets in ZooKeeper, records from the brokers.

What the application sees is the same as with `fencepost.model.client.consumer`, and so are its operations. A commit
writes the offsets of the partitions that the consumer believes to own, without asking whether it still does. The
instance ids of static members mean nothing here.
"""

from typing import TYPE_CHECKING, Any

from fencepost.histories.event import FAIL, INFO, OK
from fencepost.model import errors
from fencepost.model.client.consumer import Consumer, Round
from fencepost.model.client.log_reader import ADMINISTRATOR
from fencepost.model.client.operation import Operation
from fencepost.model.protocol import group as messages
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.protocol.group import TopicPartition, partition_name
from fencepost.model.zk_client.group_member import ZkGroupMember
from fencepost.model.zk_client.offset_znodes import OffsetZnodes
from fencepost.model.zk_client.stored_offsets import Fetched, StoredOffsets

if TYPE_CHECKING:
    from fencepost.model.zk_client.client_node import ZkClientNode

#: Between the two writes of a dual commit; the nemesis may strike here.
COMMIT_ANSWERED = "consumer.commit-answered"


class ZkConsumer(Consumer):
    """See `Consumer`."""

    _client: "ZkClientNode"
    member: ZkGroupMember | None

    def __init__(self, client: "ZkClientNode") -> None:
        super().__init__(client)

    def make_member(self, group: str, topics: tuple[str, ...], instance_id: str | None) -> ZkGroupMember:
        """See `Consumer`."""
        return ZkGroupMember(self._client, group, topics, instance_id)

    def finish(self, round_: Round) -> None:
        """What was fetched before a rebalance is not handed out after it: the queues were cleared."""
        if round_.held is not round_.member.positions:
            round_.positions, round_.records = {}, {}
        super().finish(round_)

    # --- committing ---------------------------------------------------------------------------------------------------

    def commit(self, operation: Operation) -> None:
        """Commit the positions in the partitions that this consumer believes to own."""
        client, member = self._client, self.member
        if member is None or member.group != operation.data["group"]:
            client.skip()
            return
        offsets = {place: offset for place, offset in member.positions.items() if offset > 0}
        if not offsets:
            client.skip()
            return
        names = {partition_name(place): offset for place, offset in offsets.items()}
        client.invoke(
            operation, member.group, {"offsets": names, "member": member.member_id},
            client.config.default_api_timeout_us)
        if client.consumer_config.dual_commit_enabled:
            request = messages.OffsetCommitRequest(
                member.group, member.generation, "", None,
                tuple((place, offset, -1) for place, offset in offsets.items()), client.principal)
            client.coordinators.find(member.group, self.send_commit, operation, member, request)
        else:
            self._write_znodes(operation, member, offsets, {}, None)

    def on_commit_accepted(
        self, response: messages.OffsetCommitResponse, operation: Operation, member: Any,
        request: messages.OffsetCommitRequest,
    ) -> None:
        """Dual commit: the broker has it; ZooKeeper comes next, in the consumer's own time."""
        facts: dict[str, Any] = {"record_offset": response.record_offset, "partition": response.partition}
        offsets = {place: offset for place, offset, _ in request.offsets}
        self._client.at_point(COMMIT_ANSWERED)
        self._client.schedule(
            0, self._write_znodes, operation, member, offsets, facts, response.coordinator_epoch)

    def _write_znodes(
        self, operation: Operation, member: ZkGroupMember, offsets: dict[TopicPartition, int], facts: dict[str, Any],
        coordinator_epoch: int | None,
    ) -> None:
        if not operation.is_open:
            return
        changed = {place: offset for place, offset in offsets.items() if member.committed.get(place) != offset}
        if changed:
            operation.in_doubt += 1
        member.write_offsets(changed, self._on_znodes_written, operation, member, changed, facts, coordinator_epoch)

    def _on_znodes_written(
        self, written: dict[TopicPartition, int], error: str | None, operation: Operation, member: ZkGroupMember,
        changed: dict[TopicPartition, int], facts: dict[str, Any], coordinator_epoch: int | None,
    ) -> None:
        if error is None:
            member.committed.update(changed)
        if not operation.is_open:
            return
        if error is not None:
            self._client.complete(operation, FAIL if error == zk.BADVERSION else INFO, None, error)
            return
        value = {**facts, "zxids": {partition_name(place): zxid for place, zxid in written.items()}}
        epochs = {} if coordinator_epoch is None else {"coordinator_epoch": coordinator_epoch}
        self._client.complete(operation, OK, value, None, **epochs)

    # --- reading committed offsets ------------------------------------------------------------------------------------

    def fetch_offsets(self, operation: Operation) -> None:
        """Read the group's committed offsets from where they are kept, again and again until that succeeds."""
        data, client = operation.data, self._client
        self.invoke_fetch(operation)
        offsets = StoredOffsets(client, OffsetZnodes(client.keeper, data["group"]), data["group"])
        self._fetch_offsets(operation, offsets)

    def _fetch_offsets(self, operation: Operation, offsets: StoredOffsets) -> None:
        data = operation.data
        if operation.is_open:
            places = [(topic, index) for topic, index in data["partitions"]]
            principal = ADMINISTRATOR if operation.f == "final-offsets" else self._client.principal
            offsets.fetch(
                places, data.get("require_stable", True), principal, self._on_fetched_offsets, operation, offsets)

    def _on_fetched_offsets(
        self, fetched: Fetched | None, error: str | None, operation: Operation, offsets: StoredOffsets
    ) -> None:
        client = self._client
        if fetched is not None:
            epochs = {} if fetched.coordinator_epoch is None else {"coordinator_epoch": fetched.coordinator_epoch}
            client.complete(operation, OK, _described(fetched), None, **epochs)
        elif error == errors.GROUP_AUTHORIZATION_FAILED:
            client.complete(operation, FAIL, None, error)
        else:
            client.schedule(client.config.retry_backoff_us, self._fetch_offsets, operation, offsets)


def _described(fetched: Fetched) -> dict[str, Any]:
    """What was fetched, as histories have it."""
    value: dict[str, Any] = {
        "offsets": {partition_name(place): offset for place, offset in fetched.offsets.items()},
        "zxids": {partition_name(place): reading[1] for place, reading in fetched.readings.items()}}
    if fetched.kafka is not None:
        value["stores"] = {
            "kafka": {partition_name(place): offset for place, offset in fetched.kafka.items()},
            "zookeeper": {partition_name(place): reading[0] for place, reading in fetched.readings.items()}}
    return value
