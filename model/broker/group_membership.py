"""Requests about membership: JoinGroup, SyncGroup, Heartbeat, LeaveGroup (GroupCoordinator of 3.9, classic protocol).

A member that rejoins with nothing new while the group is stable, or has just completed a join, is told the present
generation. A static member that comes back without its member id takes its instance's place under a new one, and the
old id is fenced from then on; in a stable group that is written to the log and changes neither the generation nor the
assignment (KIP-345).

Left out: the round trip that gives a dynamic member its id before it joins (KIP-394): a JoinGroup whose answer is lost
leaves a member behind that ends with its session. Changed topics of a static member that comes back wait for the next
rebalance, as in Kafka.
"""

from fencepost.model import errors
from fencepost.model.broker.group_partition import GroupPartition
from fencepost.model.broker.group_rebalance import GroupLog, GroupRebalance
from fencepost.model.broker.group_records import GroupKey, GroupValue
from fencepost.model.broker.group_state import (
    COMPLETING_REBALANCE,
    DEAD,
    EMPTY,
    PREPARING_REBALANCE,
    STABLE,
    Group,
    Member,
)
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.protocol.group import (
    GroupHeartbeatRequest,
    GroupResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    SyncGroupRequest,
    SyncGroupResponse,
)


class GroupMembership(GroupRebalance):
    """Answers members' requests; `home` is the group's partition, which is served."""

    def __init__(self, node: Node, config: KafkaConfig, log: GroupLog) -> None:
        super().__init__(node, config, log)
        self._stream = node.simulation.streams(f"group members {node.node_id}")

    def member_error(self, group: Group, member_id: str, instance_id: str | None) -> str | None:
        """Why a request is not the group's member's: its instance first, then its member id."""
        if instance_id is not None:
            holder = group.static_members.get(instance_id)
            if holder is None:
                return errors.UNKNOWN_MEMBER_ID
            if holder != member_id:
                return errors.FENCED_INSTANCE_ID
        return None if member_id in group.members else errors.UNKNOWN_MEMBER_ID

    # --- JoinGroup ------------------------------------------------------------------------------------------------

    def join(self, home: GroupPartition, request: JoinGroupRequest, reply: Reply) -> None:
        """JoinGroup (11); the answer waits for the group's next generation, or tells the present one."""
        low_us, high_us = self._config.group_min_session_timeout_us, self._config.group_max_session_timeout_us
        group = home.groups.get(request.group)
        if not low_us <= request.session_timeout_us <= high_us:
            reply.send(JoinGroupResponse(errors.INVALID_SESSION_TIMEOUT))
        elif request.member_id == "":
            self._join_as_new(home, home.group(request.group), request, reply)
        elif group is None:
            reply.send(JoinGroupResponse(errors.UNKNOWN_MEMBER_ID))
        else:
            self._join_again(home, group, request, reply)

    def _join_as_new(self, home: GroupPartition, group: Group, request: JoinGroupRequest, reply: Reply) -> None:
        holder = None if request.instance_id is None else group.static_members.get(request.instance_id)
        member = Member(
            f"{request.instance_id or 'member'}-{self._stream.bits(48):012x}", request.instance_id,
            request.session_timeout_us, request.rebalance_timeout_us, request.topics)
        if holder is not None:
            self._replace(home, group, group.members[holder], member, reply)
            return
        if group.state == PREPARING_REBALANCE and group.initial_delay:
            group.new_member_added = True
        group.add(member)
        self._await_join(home, group, member, reply)

    def _join_again(self, home: GroupPartition, group: Group, request: JoinGroupRequest, reply: Reply) -> None:
        error = self.member_error(group, request.member_id, request.instance_id)
        if error is not None:
            reply.send(JoinGroupResponse(error))
            return
        member = group.members[request.member_id]
        if self.is_told_present_generation(group, member, request):
            self.begin_session(home, group, member)
            reply.send(self.join_response(home, group, member))
            return
        member.topics = request.topics
        member.session_timeout_us = request.session_timeout_us
        member.rebalance_timeout_us = request.rebalance_timeout_us
        self._await_join(home, group, member, reply)

    def is_told_present_generation(self, group: Group, member: Member, request: JoinGroupRequest) -> bool:
        """Whether a JoinGroup changes nothing: its first answer was lost, or a follower of a stable group asks again.

        A leader that rejoins a stable group wants to assign anew.
        """
        if member.topics != request.topics:
            return False
        if group.state == STABLE:
            return group.leader_id != member.member_id
        return group.state == COMPLETING_REBALANCE

    def _await_join(self, home: GroupPartition, group: Group, member: Member, reply: Reply) -> None:
        member.awaiting_join = reply
        self.begin_session(home, group, member)
        self.prepare_rebalance(home, group)
        self.complete_join_if_all_joined(home, group)

    def _replace(self, home: GroupPartition, group: Group, old: Member, new: Member, reply: Reply) -> None:
        """A static member is back under a new member id."""
        new.assignment = old.assignment
        leader_before = group.leader_id
        write = None
        if group.state == STABLE:
            write = self._log.append(home, [(GroupKey(group.group_id), self._with_replacement(group, old, new))])
            if write.refused:
                reply.send(JoinGroupResponse(write.error))
                return
        self.answer_join(old, JoinGroupResponse(errors.FENCED_INSTANCE_ID))
        self.answer_sync(old, SyncGroupResponse(errors.FENCED_INSTANCE_ID))
        group.replace_static_member(old, new)
        self.observe_removal(home, group, old, "replaced")
        if write is None:
            self._await_join(home, group, new, reply)
            return
        new.awaiting_join = reply
        self.begin_session(home, group, new)
        write.then(self._on_replacement_stored, home, group, new, leader_before or "")

    @staticmethod
    def _with_replacement(group: Group, old: Member, new: Member) -> GroupValue:
        members = tuple(
            (new if member is old else member).persisted(member.assignment) for member in group.members.values())
        return GroupValue(
            group.generation, new.member_id if group.leader_id == old.member_id else group.leader_id, members)

    def _on_replacement_stored(
        self, error: str | None, home: GroupPartition, group: Group, member: Member, leader_before: str
    ) -> None:
        """The leader's name is the old one on purpose: who is not told to lead does not assign anew."""
        if group.state != DEAD and group.members.get(member.member_id) is member:
            self.begin_session(home, group, member)
            self.answer_join(member, JoinGroupResponse(error) if error is not None else JoinGroupResponse(
                None, group.generation, member.member_id, leader_before, (), home.epoch))

    # --- SyncGroup ------------------------------------------------------------------------------------------------

    def sync(self, home: GroupPartition, request: SyncGroupRequest, reply: Reply) -> None:
        """SyncGroup (14); the leader brings everybody's partitions, the others wait for them."""
        group = home.groups.get(request.group)
        error = self._sync_error(group, request)
        if error is not None or group is None:
            reply.send(SyncGroupResponse(error))
            return
        member = group.members[request.member_id]
        self.begin_session(home, group, member)
        if group.state == STABLE:
            reply.send(SyncGroupResponse(None, member.assignment))
            return
        member.awaiting_sync = reply
        if member.member_id == group.leader_id:
            self.store_assignment(home, group, group.persisted(dict(request.assignments)))

    def _sync_error(self, group: Group | None, request: SyncGroupRequest) -> str | None:
        if group is None:
            return errors.UNKNOWN_MEMBER_ID
        if group.state == DEAD:
            return errors.COORDINATOR_NOT_AVAILABLE
        error = self.member_error(group, request.member_id, request.instance_id)
        if error is not None:
            return error
        if request.generation != group.generation:
            return errors.ILLEGAL_GENERATION
        return errors.REBALANCE_IN_PROGRESS if group.state == PREPARING_REBALANCE else None

    # --- Heartbeat and LeaveGroup ---------------------------------------------------------------------------------

    def heartbeat(self, home: GroupPartition, request: GroupHeartbeatRequest, reply: Reply) -> None:
        """Heartbeat (12): the member lives; it is told when it must rejoin."""
        group = home.groups.get(request.group)
        error: str | None = errors.UNKNOWN_MEMBER_ID
        if group is not None and group.state != EMPTY:
            error = self.member_error(group, request.member_id, request.instance_id)
            if error is None and request.generation != group.generation:
                error = errors.ILLEGAL_GENERATION
            if error is None:
                self.begin_session(home, group, group.members[request.member_id])
                error = errors.REBALANCE_IN_PROGRESS if group.state == PREPARING_REBALANCE else None
        reply.send(GroupResponse(error))

    def leave(self, home: GroupPartition, request: LeaveGroupRequest, reply: Reply) -> None:
        """LeaveGroup (13). An instance without a member id is whoever holds it now (an administrator's, KIP-345)."""
        group = home.groups.get(request.group)
        error: str | None = errors.UNKNOWN_MEMBER_ID
        if group is not None:
            member_id, instance_id = request.member_id, request.instance_id
            if member_id == "" and instance_id is not None:
                member_id = group.static_members.get(instance_id, "")
            error = self.member_error(group, member_id, instance_id)
            if error is None:
                self.remove_member(home, group, group.members[member_id], "left")
        reply.send(GroupResponse(error))
