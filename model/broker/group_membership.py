"""Membership: joining, synchronising, heartbeats, leaving, expiry (GroupCoordinator, the classic protocol).

A join phase ends when every known member has joined again, or at the longest rebalance time-out of its members; who has
not joined by then is removed. Generations are persisted only when the leader has assigned the partitions, so numbers
recur after a fail-over.

Left out: the round trip that gives a dynamic member its id (MEMBER_ID_REQUIRED), protocol names, and the short cut by
which a static member that returns keeps the generation: it rebalances.
"""

from collections.abc import Callable

from fencepost.model import errors
from fencepost.model.broker.group_state import (
    COMPLETING_REBALANCE,
    EMPTY,
    PREPARING_REBALANCE,
    STABLE,
    Group,
    GroupPartition,
    Member,
    partition_name,
)
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.network import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import cancel
from fencepost.model.protocol.group import (
    GroupHeartbeatRequest,
    GroupResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    SyncGroupRequest,
    SyncGroupResponse,
)


class GroupMembership:
    """Works on groups whose partition the coordinator owns. `persist(home, group, callback, *context)` writes a group's
    metadata record and calls back with an error or None."""

    def __init__(self, node: Node, config: KafkaConfig, persist: Callable[..., None]) -> None:
        self._node = node
        self._config = config
        self._persist = persist
        self._stream = node.simulation.streams(f"group members {node.node_id}")

    # --- joining --------------------------------------------------------------------------------------------------

    def join(self, home: GroupPartition, group: Group, request: JoinGroupRequest, reply: Reply) -> None:
        """A member joins, or joins again."""
        holder = None if request.instance_id is None else group.member_of_instance(request.instance_id)
        if request.member_id == "":
            if holder is not None:
                self._remove(home, group, holder, "replaced")
            member_id = f"{request.instance_id or 'member'}-{self._stream.bits(32):08x}"
        else:
            member_id = request.member_id
            if holder is not None and holder != member_id:
                reply.send(JoinGroupResponse(errors.FENCED_INSTANCE_ID))
                return
            if member_id not in group.members:
                reply.send(JoinGroupResponse(errors.UNKNOWN_MEMBER_ID))
                return
        member = Member(
            member_id, request.instance_id, request.topics, request.session_timeout_us, request.rebalance_timeout_us,
            self._node.now_us, joining=reply)
        group.members[member_id] = member
        self._watch(home, group, member)
        self._prepare_rebalance(home, group)
        if group.rebalance_timer is None or group.state != PREPARING_REBALANCE:
            return
        if all(other.joining is not None for other in group.members.values()) and group.generation > 0:
            self._complete_join(home, group)

    def _prepare_rebalance(self, home: GroupPartition, group: Group) -> None:
        if group.state == PREPARING_REBALANCE:
            return
        first = group.state == EMPTY
        for member in group.members.values():
            if member.syncing is not None:
                member.syncing.send(SyncGroupResponse(errors.REBALANCE_IN_PROGRESS))
                member.syncing = None
        group.state = PREPARING_REBALANCE
        longest_us = max((member.rebalance_timeout_us for member in group.members.values()), default=0)
        delay_us = self._config.group_initial_rebalance_delay_us if first and group.generation == 0 else longest_us
        cancel(group.rebalance_timer)
        group.rebalance_timer = self._node.schedule(delay_us, self._complete_join, home, group)

    def _complete_join(self, home: GroupPartition, group: Group) -> None:
        cancel(group.rebalance_timer)
        group.rebalance_timer = None
        if not self._is_alive(home, group):
            return
        for member in [member for member in group.members.values() if member.joining is None]:
            self._remove(home, group, member.member_id, "session-timeout")
        group.generation += 1
        group.assignment = {}
        if not group.members:
            group.state = EMPTY
            group.leader_id = ""
            self._persist(home, group, self._ignore)
            return
        if group.leader_id not in group.members:
            group.leader_id = next(iter(group.members))
        group.state = COMPLETING_REBALANCE
        value = {
            "members": {member.member_id: member.instance_id for member in group.members.values()},
            "leader": group.leader_id,
        }
        self._node.observe(
            "group-generation", key=group.group_id, value=value, generation=group.generation,
            coordinator_epoch=home.epoch)
        everyone = tuple((member.member_id, member.topics) for member in group.members.values())
        for member in group.members.values():
            assert member.joining is not None
            known = everyone if member.member_id == group.leader_id else ()
            member.joining.send(JoinGroupResponse(
                None, group.generation, member.member_id, group.leader_id, known, home.epoch))
            member.joining = None
            member.heard_us = self._node.now_us
        self._node.at_point("coordinator.rebalanced")

    @staticmethod
    def _ignore(error: str | None) -> None:
        """An empty group's record may be lost: nobody relies on it."""

    # --- synchronising --------------------------------------------------------------------------------------------

    def sync(self, home: GroupPartition, group: Group, request: SyncGroupRequest, reply: Reply) -> None:
        """A member asks for its partitions; the leader brings everybody's."""
        error = self.member_error(group, request.member_id, request.instance_id, request.generation)
        if error is None and group.state == PREPARING_REBALANCE:
            error = errors.REBALANCE_IN_PROGRESS
        if error is not None:
            reply.send(SyncGroupResponse(error))
            return
        member = group.members[request.member_id]
        member.heard_us = self._node.now_us
        if group.state == STABLE:
            reply.send(SyncGroupResponse(None, group.assignment.get(member.member_id, ())))
            return
        member.syncing = reply
        if request.member_id == group.leader_id:
            group.assignment = dict(request.assignments)
            self._persist(home, group, self._on_persisted, home, group, group.generation)

    def _on_persisted(self, error: str | None, home: GroupPartition, group: Group, generation: int) -> None:
        if not self._is_alive(home, group) or group.generation != generation or group.state != COMPLETING_REBALANCE:
            return
        if error is not None:
            group.assignment = {}
            self._answer_syncs(group, error)
            self._prepare_rebalance(home, group)
            return
        group.state = STABLE
        value = {"assignment": {
            member_id: [partition_name(each) for each in partitions]
            for member_id, partitions in group.assignment.items()}}
        self._node.observe(
            "group-assignment", key=group.group_id, value=value, generation=generation, coordinator_epoch=home.epoch)
        self._answer_syncs(group, None)

    @staticmethod
    def _answer_syncs(group: Group, error: str | None) -> None:
        for member in group.members.values():
            if member.syncing is not None:
                assignment = () if error is not None else group.assignment.get(member.member_id, ())
                member.syncing.send(SyncGroupResponse(error, assignment))
                member.syncing = None

    # --- staying and leaving --------------------------------------------------------------------------------------

    def heartbeat(self, group: Group, request: GroupHeartbeatRequest, reply: Reply) -> None:
        """A member is alive; it is told when it must join again."""
        error = self.member_error(group, request.member_id, request.instance_id, request.generation)
        if error is None:
            group.members[request.member_id].heard_us = self._node.now_us
            if group.state == PREPARING_REBALANCE:
                error = errors.REBALANCE_IN_PROGRESS
        reply.send(GroupResponse(error))

    def leave(self, home: GroupPartition, group: Group, request: LeaveGroupRequest, reply: Reply) -> None:
        """A member goes; the others rebalance."""
        if request.member_id not in group.members:
            reply.send(GroupResponse(errors.UNKNOWN_MEMBER_ID))
            return
        self._remove(home, group, request.member_id, "left")
        self._prepare_rebalance(home, group)
        reply.send(GroupResponse(None))

    def member_error(self, group: Group, member_id: str, instance_id: str | None, generation: int) -> str | None:
        """Why a member's request is refused: instance, member, generation, in this order."""
        if self.is_fenced_instance(group, instance_id, member_id):
            return errors.FENCED_INSTANCE_ID
        if member_id not in group.members:
            return errors.UNKNOWN_MEMBER_ID
        return errors.ILLEGAL_GENERATION if generation != group.generation else None

    def is_fenced_instance(self, group: Group, instance_id: str | None, member_id: str) -> bool:
        """Whether a static instance id belongs to another member by now (KIP-345)."""
        return instance_id is not None and group.member_of_instance(instance_id) not in (None, member_id)

    def restore(self, home: GroupPartition, group: Group) -> None:
        """A group was loaded: its members' sessions begin."""
        for member in group.members.values():
            self._watch(home, group, member)

    def _watch(self, home: GroupPartition, group: Group, member: Member) -> None:
        due_us = max(0, member.heard_us + member.session_timeout_us - self._node.now_us)
        self._node.schedule(due_us, self._check_session, home, group, member)

    def _check_session(self, home: GroupPartition, group: Group, member: Member) -> None:
        if not self._is_alive(home, group) or group.members.get(member.member_id) is not member:
            return
        waits = member.joining is not None
        if waits:
            member.heard_us = self._node.now_us
        if self._node.now_us - member.heard_us < member.session_timeout_us:
            self._watch(home, group, member)
            return
        self._remove(home, group, member.member_id, "session-timeout")
        self._prepare_rebalance(home, group)
        if group.members and all(other.joining is not None for other in group.members.values()):
            self._complete_join(home, group)

    def _remove(self, home: GroupPartition, group: Group, member_id: str, why: str) -> None:
        member = group.members.pop(member_id)
        value = {"member": member_id, "instance": member.instance_id, "why": why}
        self._node.observe(
            "group-member-removed", key=group.group_id, value=value, generation=group.generation,
            coordinator_epoch=home.epoch)
        error = errors.FENCED_INSTANCE_ID if why == "replaced" else errors.UNKNOWN_MEMBER_ID
        if member.joining is not None:
            member.joining.send(JoinGroupResponse(error))
        if member.syncing is not None:
            member.syncing.send(SyncGroupResponse(error))

    @staticmethod
    def _is_alive(home: GroupPartition, group: Group) -> bool:
        """Whether the group is still coordinated here, in this very incarnation."""
        return home.groups.get(group.group_id) is group
