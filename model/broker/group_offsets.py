"""Committed offsets: commits validated, appended and answered; fetches (OffsetMetadataManager, the classic protocol).

A commit is appended with acks=all and answered when it is committed. It shows to fetches with requireStable from the
append on: these wait until the high watermark covers what they saw. Other fetches read what is committed. An error
after the append says nothing about the commit's fate: the record is in the log, and so is the offset in memory.

Left out: transactional commits, metadata strings, the expiry and the deletion of offsets.
"""

from fencepost.model import errors
from fencepost.model.broker.group_loader import GroupLoader
from fencepost.model.broker.group_partition import GroupPartition, KeyValue, WaitingFetch, Write
from fencepost.model.broker.group_records import OFFSETS_TOPIC, OffsetKey, OffsetValue
from fencepost.model.broker.group_state import COMPLETING_REBALANCE, DEAD, EMPTY, Group, Member
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.scheduler import cancel
from fencepost.model.protocol.group import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
    partition_name,
)


class GroupOffsets(GroupLoader):
    """The offsets of the groups in the loaded partitions."""

    # --- commits --------------------------------------------------------------------------------------------------

    def handle_offset_commit(self, request: OffsetCommitRequest, reply: Reply) -> None:
        """OffsetCommit (8). Refusals of the group are decided before anything is written."""
        if self.names_unknown_topic(request):
            reply.send(OffsetCommitResponse(errors.UNKNOWN_TOPIC_OR_PARTITION))
            return
        home, error = self.home_of(request.group)
        if home is None:
            reply.send(OffsetCommitResponse(error))
            return
        group = home.groups.get(request.group)
        if group is None and request.generation >= 0:
            self._refuse_commit(home, None, request, reply, errors.ILLEGAL_GENERATION)
            return
        group = home.group(request.group)
        error = self.commit_error(group, request)
        if error is not None:
            self._refuse_commit(home, group, request, reply, error)
            return
        member = group.members.get(request.member_id)
        if member is not None:
            self.on_heard_of(home, group, member)
        self._append_commit(home, group, request, reply)

    def commit_error(self, group: Group, request: OffsetCommitRequest) -> str | None:
        """Why the group refuses a commit: its state, the instance, the member, the generation, in this order
        (ClassicGroup.validateOffsetCommit). While members rejoin, the generation that ends may still commit."""
        if group.state == DEAD:
            return errors.COORDINATOR_NOT_AVAILABLE
        if request.generation < 0 and group.state == EMPTY:
            return None
        if self.is_fenced_instance(group, request.instance_id, request.member_id):
            return errors.FENCED_INSTANCE_ID
        if self.is_unknown_member(group, request.instance_id, request.member_id):
            return errors.UNKNOWN_MEMBER_ID
        if self.is_illegal_generation(group, request.generation):
            return errors.ILLEGAL_GENERATION
        return errors.REBALANCE_IN_PROGRESS if group.state == COMPLETING_REBALANCE else None

    def names_unknown_topic(self, request: OffsetCommitRequest) -> bool:
        """Whether a commit is for a topic that this broker's image does not have (KafkaApis)."""
        return any(partition[0] not in self._image.topics for partition, _, _ in request.offsets)

    def is_fenced_instance(self, group: Group, instance_id: str | None, member_id: str) -> bool:
        """Whether a commit's static instance id belongs to another member by now (KIP-345)."""
        return instance_id is not None and group.static_members.get(instance_id, member_id) != member_id

    def is_unknown_member(self, group: Group, instance_id: str | None, member_id: str) -> bool:
        """Whether a commit comes from somebody who is not, or no longer, a member."""
        return member_id not in group.members or (instance_id is not None and instance_id not in group.static_members)

    def is_illegal_generation(self, group: Group, generation: int) -> bool:
        """Whether a commit was made in another generation."""
        return generation != group.generation

    def on_heard_of(self, home: GroupPartition, group: Group, member: Member) -> None:
        """A member is alive."""

    def _refuse_commit(
        self, home: GroupPartition, group: Group | None, request: OffsetCommitRequest, reply: Reply, error: str
    ) -> None:
        self._node.observe(
            "offset-commit-refused", key=request.group, error=error,
            value={"member": request.member_id, "instance": request.instance_id}, generation=request.generation,
            current_generation=-1 if group is None else group.generation, coordinator_epoch=home.epoch)
        reply.send(OffsetCommitResponse(error, home.epoch))

    def _append_commit(
        self, home: GroupPartition, group: Group, request: OffsetCommitRequest, reply: Reply
    ) -> None:
        records: list[KeyValue] = [
            (OffsetKey(request.group, partition), OffsetValue(
                offset, leader_epoch, request.member_id, request.generation, self._node.wall_us))
            for partition, offset, leader_epoch in request.offsets]
        if not records:
            reply.send(OffsetCommitResponse(None, home.epoch))
            return
        write = self.append(home, records)
        if not write.refused:
            self._take_offsets(home, write, records)
            self._observe_commit(home, group, request, write)
            self._node.at_point("coordinator.commit-appended")
        write.then(self._answer_commit, home, home.epoch, write, reply)

    @staticmethod
    def _take_offsets(home: GroupPartition, write: Write, records: list[KeyValue]) -> None:
        for place, (key, value) in enumerate(records):
            assert isinstance(key, OffsetKey)
            home.take_offset(write.base_offset + place, key, value if isinstance(value, OffsetValue) else None)
        home.settle(home.high_watermark)

    def _observe_commit(self, home: GroupPartition, group: Group, request: OffsetCommitRequest, write: Write) -> None:
        instance = request.instance_id
        value = {
            "member": request.member_id, "instance": instance,
            "current_member_of_instance": None if instance is None else group.static_members.get(instance),
            "offsets": {partition_name(partition): offset for partition, offset, _ in request.offsets},
            "record_offsets": {
                partition_name(entry[0]): write.base_offset + place for place, entry in enumerate(request.offsets)},
            "partition": f"{OFFSETS_TOPIC}-{home.index}",
        }
        self._node.observe(
            "offset-commit-accepted", key=request.group, value=value, generation=request.generation,
            current_generation=group.generation, coordinator_epoch=home.epoch)

    @staticmethod
    def _answer_commit(error: str | None, home: GroupPartition, epoch: int, write: Write, reply: Reply) -> None:
        if error is None:
            reply.send(OffsetCommitResponse(None, epoch, write.end_offset - 1, f"{OFFSETS_TOPIC}-{home.index}"))
        else:
            reply.send(OffsetCommitResponse(error, epoch))

    # --- fetches --------------------------------------------------------------------------------------------------

    def handle_offset_fetch(self, request: OffsetFetchRequest, reply: Reply) -> None:
        """OffsetFetch (9). An unknown offset is -1 and no error."""
        home, error = self.home_of(request.group)
        if home is None:
            reply.send(OffsetFetchResponse(error))
            return
        offsets = home.latest if request.require_stable else home.stable
        response = OffsetFetchResponse(None, tuple(
            (partition, offsets.get((request.group, partition), -1)) for partition in request.partitions), home.epoch)
        if request.require_stable and self.is_unstable(home):
            timeout_us = self._config.offsets_commit_timeout_us
            timer = self._node.schedule(timeout_us, self._expire_fetch, home, reply)
            home.fetches.append(WaitingFetch(home.end_offset, reply, response, timer))
        else:
            reply.send(response)

    def is_unstable(self, home: GroupPartition) -> bool:
        """Whether something that was written or loaded is not committed yet."""
        return home.high_watermark < home.end_offset

    @staticmethod
    def _expire_fetch(home: GroupPartition, reply: Reply) -> None:
        for fetch in home.fetches:
            if fetch.reply is reply:
                home.fetches.remove(fetch)
                reply.send(OffsetFetchResponse(errors.COORDINATOR_NOT_AVAILABLE, (), home.epoch))
                return

    def on_unloaded(self, home: GroupPartition) -> None:
        """See `GroupLoader`."""
        fetches, home.fetches = home.fetches, []
        for fetch in fetches:
            cancel(fetch.timer)
            fetch.reply.send(OffsetFetchResponse(errors.NOT_COORDINATOR, (), home.epoch))

    # --- deletion of topics -----------------------------------------------------------------------------------------

    def on_topic_deleted(self, topic: str) -> None:
        """Write tombstones for every offset of a deleted topic, where groups are served; nobody waits for them."""
        for home in list(self._homes.values()):
            tombstones: list[KeyValue] = [
                (OffsetKey(group, partition), None) for group, partition in home.latest if partition[0] == topic]
            if home.loaded and tombstones:
                write = self.append(home, tombstones)
                if not write.refused:
                    self._take_offsets(home, write, tombstones)
