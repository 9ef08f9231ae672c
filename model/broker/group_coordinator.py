"""The group coordinator: which groups this broker serves, their committed offsets, and the requests about them
(GroupCoordinator and GroupMetadataManager of 3.9, with KAFKA-16030's rule).

A broker that becomes the leader of a partition of __consumer_offsets reads it from its log start to its log end and
serves its groups only when it has reached the end; a load that stops early leaves the partition unserved. Elections and
resignations are handled on a background thread and may be overtaken: an older epoch never undoes a newer one.

A commit is validated against the group, appended with acks=all, and takes effect in memory when it is committed.

Left out: transactional commits, offset expiry, deletion of groups.
"""

from typing import Any

from fencepost.model import errors
from fencepost.model.broker.group_membership import GroupMembership
from fencepost.model.broker.group_state import (
    COMPLETING_REBALANCE,
    DEAD,
    EMPTY,
    CommittedOffset,
    Group,
    GroupPartition,
    group_partition,
    partition_name,
    records_of,
    restored,
)
from fencepost.model.broker.replica_manager import ReplicaManager
from fencepost.model.config import BYTES_PER_RECORD, KafkaConfig
from fencepost.model.kernel.network import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.protocol import group as messages
from fencepost.model.protocol.data import Record
from fencepost.model.protocol.group import TopicPartition

OFFSETS_TOPIC = "__consumer_offsets"

#: What a commit is answered for an error of its append (A.5.1: none of them says that nothing was written).
_APPEND_ERRORS = {errors.NOT_LEADER_OR_FOLLOWER: errors.NOT_COORDINATOR}


class GroupCoordinator:
    """All groups that one broker coordinates."""

    def __init__(
        self, node: Node, config: KafkaConfig, replica_manager: ReplicaManager, image: MetadataImage
    ) -> None:
        self._node = node
        self._config = config
        self._replica_manager = replica_manager
        self._image = image
        self._homes: dict[int, GroupPartition] = {}
        #: The newest coordinator epoch known of each partition.
        self._epochs: dict[int, int] = {}
        self._stream = node.simulation.streams(f"group queue {node.node_id}")
        self._load_step = max(1, config.offsets_load_buffer_size // BYTES_PER_RECORD)
        self.membership = GroupMembership(node, config, self._persist)

    def describe(self) -> dict[str, Any]:
        """The groups as plain data."""
        return {
            group.group_id: {
                "state": group.state, "generation": group.generation, "members": list(group.members),
                "coordinator_epoch": home.epoch,
                "offsets": {
                    partition_name(key[1]): committed.offset
                    for key, committed in home.offsets.items() if key[0] == group.group_id},
            }
            for home in self._homes.values() for group in home.groups.values()
        }

    # --- elections and resignations -------------------------------------------------------------------------------

    def on_become_leader(self, topic: str, partition: int, leader_epoch: int) -> None:
        """See `PartitionListener`."""
        if topic == OFFSETS_TOPIC:
            self._queue(self._elected, partition, leader_epoch)

    def on_resign(self, topic: str, partition: int, leader_epoch: int | None) -> None:
        """See `PartitionListener`."""
        if topic == OFFSETS_TOPIC:
            self._queue(self._resigned, partition, leader_epoch)

    def _queue(self, work: Any, *args: Any) -> None:
        latency_us = self._node.simulation.physics.queue_latency_us
        self._node.schedule(latency_us + self._stream.below(8 * latency_us), work, *args)

    def is_older_epoch(self, partition: int, epoch: int) -> bool:
        """Whether an election or resignation was overtaken by a newer one (KAFKA-10614)."""
        return epoch < self._epochs.get(partition, -1)

    def _elected(self, partition: int, epoch: int) -> None:
        if self.is_older_epoch(partition, epoch):
            return
        self._epochs[partition] = epoch
        home = self._homes.get(partition)
        if home is not None:
            home.epoch = epoch
            return
        home = self._homes[partition] = GroupPartition(partition, epoch)
        self._node.observe("coordinator-loading", key=f"{OFFSETS_TOPIC}-{partition}", coordinator_epoch=epoch)
        self._node.at_point("coordinator.loading")
        self._load(home)

    def _resigned(self, partition: int, epoch: int | None) -> None:
        if epoch is not None:
            if self.is_older_epoch(partition, epoch):
                return
            self._epochs[partition] = epoch
        home = self._homes.pop(partition, None)
        if home is not None:
            self._unload(home)

    def _unload(self, home: GroupPartition) -> None:
        for group in home.groups.values():
            group.state = DEAD
            for member in group.members.values():
                if member.joining is not None:
                    member.joining.send(messages.JoinGroupResponse(errors.NOT_COORDINATOR))
                if member.syncing is not None:
                    member.syncing.send(messages.SyncGroupResponse(errors.NOT_COORDINATOR))
        home.groups = {}
        self._node.observe(
            "coordinator-unloaded", key=f"{OFFSETS_TOPIC}-{home.index}", coordinator_epoch=home.epoch)

    # --- loading --------------------------------------------------------------------------------------------------

    def is_loaded(self, position: int, end_offset: int, error: str | None) -> bool:
        """Whether everything was read: up to the log end as it is now, and without an error (KAFKA-16030)."""
        return error is None and position >= end_offset

    def _load(self, home: GroupPartition) -> None:
        if self._homes.get(home.index) is not home:
            return
        error, records, end_offset = self._replica_manager.read_log(
            OFFSETS_TOPIC, home.index, home.position, self._load_step)
        for record in records:
            self._apply(home, record)
        if records:
            home.position = records[-1].offset + 1
        if self.is_loaded(home.position, end_offset, error):
            home.loaded = True
            value = {"loaded_to": home.position, "log_end_offset": end_offset}
            self._node.observe(
                "coordinator-loaded", key=f"{OFFSETS_TOPIC}-{home.index}", value=value, coordinator_epoch=home.epoch)
            for group in home.groups.values():
                self.membership.restore(home, group)
            self._node.at_point("coordinator.loaded")
        elif error is None:
            self._queue(self._load, home)

    def _apply(self, home: GroupPartition, record: Record) -> None:
        key: Any = record.key
        if key[0] == "offset":
            place = (key[1], (key[2], key[3]))
            if record.value is None:
                home.offsets.pop(place, None)
            else:
                home.offsets[place] = CommittedOffset(record.value, record.offset)  # type: ignore[arg-type]
                home.groups.setdefault(key[1], Group(key[1], home.index))
        elif record.value is not None:
            home.groups[key[1]] = restored(key[1], home.index, record.value, self._node.now_us)

    # --- which group lives where ----------------------------------------------------------------------------------

    def _partition_of(self, group_id: str) -> int:
        topic_id = self._image.topics.get(OFFSETS_TOPIC, "")
        count = self._image.partition_counts.get(topic_id, 0) or self._config.offsets_topic_num_partitions
        return group_partition(group_id, count)

    def _home_of(self, group_id: str) -> tuple[GroupPartition | None, str | None]:
        """The loaded partition of a group, or the error to answer."""
        home = self._homes.get(self._partition_of(group_id))
        if home is None:
            return None, errors.NOT_COORDINATOR
        return (home, None) if home.loaded else (None, errors.COORDINATOR_LOAD_IN_PROGRESS)

    def handle_find_coordinator(self, request: messages.FindCoordinatorRequest, reply: Reply) -> None:
        """Who leads the group's partition, by this broker's image."""
        topic_id = self._image.topics.get(OFFSETS_TOPIC, "")
        state = self._image.partitions.get((topic_id, self._partition_of(request.group)))
        if state is None or state.leader < 0:
            reply.send(messages.FindCoordinatorResponse(errors.COORDINATOR_NOT_AVAILABLE))
        else:
            reply.send(messages.FindCoordinatorResponse(None, state.leader))

    # --- membership -----------------------------------------------------------------------------------------------

    def handle_join_group(self, request: messages.JoinGroupRequest, reply: Reply) -> None:
        """JoinGroup."""
        home, error = self._home_of(request.group)
        if home is None:
            reply.send(messages.JoinGroupResponse(error))
            return
        low_us, high_us = self._config.group_min_session_timeout_us, self._config.group_max_session_timeout_us
        if not low_us <= request.session_timeout_us <= high_us:
            reply.send(messages.JoinGroupResponse(errors.INVALID_SESSION_TIMEOUT))
            return
        group = home.groups.get(request.group)
        if group is None:
            if request.member_id:
                reply.send(messages.JoinGroupResponse(errors.UNKNOWN_MEMBER_ID))
                return
            group = home.groups[request.group] = Group(request.group, home.index)
        self.membership.join(home, group, request, reply)

    def handle_sync_group(self, request: messages.SyncGroupRequest, reply: Reply) -> None:
        """SyncGroup."""
        home, error = self._home_of(request.group)
        group = None if home is None else home.groups.get(request.group)
        if home is None or group is None:
            reply.send(messages.SyncGroupResponse(error or errors.UNKNOWN_MEMBER_ID))
        else:
            self.membership.sync(home, group, request, reply)

    def handle_heartbeat(self, request: messages.GroupHeartbeatRequest, reply: Reply) -> None:
        """Heartbeat."""
        home, error = self._home_of(request.group)
        group = None if home is None else home.groups.get(request.group)
        if group is None:
            reply.send(messages.GroupResponse(error or errors.UNKNOWN_MEMBER_ID))
        else:
            self.membership.heartbeat(group, request, reply)

    def handle_leave_group(self, request: messages.LeaveGroupRequest, reply: Reply) -> None:
        """LeaveGroup."""
        home, error = self._home_of(request.group)
        group = None if home is None else home.groups.get(request.group)
        if home is None or group is None:
            reply.send(messages.GroupResponse(error or errors.UNKNOWN_MEMBER_ID))
        else:
            self.membership.leave(home, group, request, reply)

    def _persist(self, home: GroupPartition, group: Group, callback: Any, *context: Any) -> None:
        self._replica_manager.append_records(
            OFFSETS_TOPIC, home.index, [records_of(group)], None, self._config.offsets_commit_timeout_us,
            self._on_group_record, callback, context)

    @staticmethod
    def _on_group_record(error: str | None, base_offset: int, callback: Any, context: tuple[Any, ...]) -> None:
        callback(None if error is None else _APPEND_ERRORS.get(error, errors.COORDINATOR_NOT_AVAILABLE), *context)

    # --- commits --------------------------------------------------------------------------------------------------

    def handle_offset_commit(self, request: messages.OffsetCommitRequest, reply: Reply) -> None:
        """OffsetCommit."""
        home, error = self._home_of(request.group)
        if home is None:
            reply.send(messages.OffsetCommitResponse(error))
            return
        group = home.groups.get(request.group)
        if group is None and request.generation < 0:
            group = home.groups[request.group] = Group(request.group, home.index)
        if group is None:
            reply.send(messages.OffsetCommitResponse(errors.ILLEGAL_GENERATION, home.epoch))
            return
        error = self._commit_error(group, request)
        if error is not None:
            self._node.observe(
                "offset-commit-refused", key=group.group_id, error=error,
                value={"member": request.member_id, "instance": request.instance_id},
                generation=request.generation, current_generation=group.generation, coordinator_epoch=home.epoch)
            reply.send(messages.OffsetCommitResponse(error, home.epoch))
            return
        member = group.members.get(request.member_id)
        if member is not None:
            member.heard_us = self._node.now_us
        self._append_commit(home, group, request, reply)

    def _commit_error(self, group: Group, request: messages.OffsetCommitRequest) -> str | None:
        """GroupCoordinator.validateOffsetCommit: the state, the instance, the member, the generation, in this order."""
        if group.state == DEAD:
            return errors.COORDINATOR_NOT_AVAILABLE
        if request.generation < 0 and group.state == EMPTY:
            return None
        if self.membership.is_fenced_instance(group, request.instance_id, request.member_id) and (
            self.must_hold_instance()
        ):
            return errors.FENCED_INSTANCE_ID
        if self.is_unknown_member(group, request.member_id):
            return errors.UNKNOWN_MEMBER_ID
        if self.is_illegal_generation(group, request.generation):
            return errors.ILLEGAL_GENERATION
        return errors.REBALANCE_IN_PROGRESS if group.state == COMPLETING_REBALANCE else None

    def must_hold_instance(self) -> bool:
        """Whether only the present holder of a static instance id may commit (KIP-345)."""
        return True

    def is_unknown_member(self, group: Group, member_id: str) -> bool:
        """Whether a commit comes from somebody who is not (or no longer) a member."""
        return member_id not in group.members

    def is_illegal_generation(self, group: Group, generation: int) -> bool:
        """Whether a commit was made in another generation."""
        return generation != group.generation

    def _append_commit(
        self, home: GroupPartition, group: Group, request: messages.OffsetCommitRequest, reply: Reply
    ) -> None:
        records: list[tuple[object, object]] = [
            (("offset", request.group, place[0], place[1]), offset) for place, offset, _ in request.offsets]
        places = [(request.group, place) for place, _, _ in request.offsets]
        for place in places:
            home.pending[place] = home.pending.get(place, 0) + 1
        before = self._replica_manager.read_log(OFFSETS_TOPIC, home.index, 0, 0)[2]
        holder = None if request.instance_id is None else group.member_of_instance(request.instance_id)
        generation = group.generation
        self._replica_manager.append_records(
            OFFSETS_TOPIC, home.index, records, None, self._config.offsets_commit_timeout_us, self._on_commit, home,
            request, reply)
        after = self._replica_manager.read_log(OFFSETS_TOPIC, home.index, 0, 0)[2]
        if after == before + len(records):
            value = {
                "member": request.member_id, "instance": request.instance_id, "current_member_of_instance": holder,
                "offsets": {partition_name(place): offset for place, offset, _ in request.offsets},
                "record_offsets": {
                    partition_name(place): before + position
                    for position, (place, _, _) in enumerate(request.offsets)},
                "partition": f"{OFFSETS_TOPIC}-{home.index}",
            }
            self._node.observe(
                "offset-commit-accepted", key=request.group, value=value, generation=request.generation,
                current_generation=generation, coordinator_epoch=home.epoch)
            self._node.at_point("coordinator.commit-appended")

    def _on_commit(
        self, error: str | None, base_offset: int, home: GroupPartition, request: messages.OffsetCommitRequest,
        reply: Reply,
    ) -> None:
        for position, (place, offset, _) in enumerate(request.offsets):
            key = (request.group, place)
            home.pending[key] -= 1
            if not home.pending[key]:
                del home.pending[key]
            if error is None:
                self._take_commit(home, key, CommittedOffset(offset, base_offset + position))
        if error is None:
            reply.send(messages.OffsetCommitResponse(None, home.epoch, base_offset + len(request.offsets) - 1))
        else:
            answer = _APPEND_ERRORS.get(error, errors.COORDINATOR_NOT_AVAILABLE)
            reply.send(messages.OffsetCommitResponse(answer, home.epoch))

    @staticmethod
    def _take_commit(home: GroupPartition, key: tuple[str, TopicPartition], committed: CommittedOffset) -> None:
        """In memory the commit with the later record wins."""
        known = home.offsets.get(key)
        if known is None or known.record_offset < committed.record_offset:
            home.offsets[key] = committed

    def handle_offset_fetch(self, request: messages.OffsetFetchRequest, reply: Reply) -> None:
        """OffsetFetch; with requireStable a commit under way answers UNSTABLE_OFFSET_COMMIT."""
        home, error = self._home_of(request.group)
        if home is None:
            reply.send(messages.OffsetFetchResponse(error))
            return
        if request.require_stable and any((request.group, place) in home.pending for place in request.partitions):
            reply.send(messages.OffsetFetchResponse(errors.UNSTABLE_OFFSET_COMMIT, (), home.epoch))
            return
        offsets = []
        for place in request.partitions:
            committed = home.offsets.get((request.group, place))
            offsets.append((place, -1 if committed is None else committed.offset))
        reply.send(messages.OffsetFetchResponse(None, tuple(offsets), home.epoch))

    def on_topic_deleted(self, topic: str) -> None:
        """Forget the offsets of a deleted topic, in memory and, by tombstones, in the log."""
        for home in self._homes.values():
            gone = [key for key in home.offsets if key[1][0] == topic]
            for key in gone:
                del home.offsets[key]
            if gone and home.loaded:
                records: list[tuple[object, object]] = [(("offset", key[0], *key[1]), None) for key in gone]
                self._replica_manager.append_records(
                    OFFSETS_TOPIC, home.index, records, None, self._config.offsets_commit_timeout_us,
                    self._ignore_append)

    @staticmethod
    def _ignore_append(error: str | None, base_offset: int) -> None:
        """Tombstones that are lost leave offsets of a topic that nobody can read."""
