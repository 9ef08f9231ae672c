"""How a group goes from one generation to the next, and how it loses members (GroupCoordinator of 3.9).

An empty group's first members wait together for group.initial.rebalance.delay.ms, prolonged while more arrive. Any
other rebalance ends when all members have rejoined, or at the longest of their rebalance time-outs: dynamic members
that have not rejoined by then are removed, static ones stay until their session ends, and if none has rejoined it waits
on. A generation is persisted only when its leader has assigned the partitions, so numbers recur after a fail-over.

Left out: the longer session of a member that has not been in a generation yet (a member that waits for its JoinGroup or
SyncGroup is alive), and the time-out of members that never synchronise (they still end with their session).
"""

from typing import Protocol

from fencepost.model import errors
from fencepost.model.broker.group_partition import GroupPartition, KeyValue, Write
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
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import cancel
from fencepost.model.protocol.group import JoinGroupResponse, SyncGroupResponse


class GroupLog(Protocol):
    """Where a group's metadata is written."""

    def append(self, home: GroupPartition, records: list[KeyValue]) -> Write:
        """Append with acks=all in the coordinator's epoch."""


class GroupRebalance:
    """Works on groups whose partition is served."""

    def __init__(self, node: Node, config: KafkaConfig, log: GroupLog) -> None:
        self._node = node
        self._config = config
        self._log = log

    # --- sessions -------------------------------------------------------------------------------------------------

    def begin_session(self, home: GroupPartition, group: Group, member: Member) -> None:
        """The member was heard of: it is removed after its session time-out unless it is heard of again."""
        member.deadline_us = self._node.now_us + member.session_timeout_us
        if member.timer is None:
            member.timer = self._node.schedule(member.session_timeout_us, self._check_session, home, group, member)

    def _check_session(self, home: GroupPartition, group: Group, member: Member) -> None:
        member.timer = None
        if group.state == DEAD or group.members.get(member.member_id) is not member:
            return
        if self.is_awaited(member):
            member.deadline_us = self._node.now_us + member.session_timeout_us
        left_us = member.deadline_us - self._node.now_us
        if left_us > 0:
            member.timer = self._node.schedule(left_us, self._check_session, home, group, member)
        else:
            self.remove_member(home, group, member, "session-timeout")

    def is_awaited(self, member: Member) -> bool:
        """Whether the member has a request here that is not answered: then it is alive without heartbeats."""
        return member.awaiting_join is not None or member.awaiting_sync is not None

    def remove_member(self, home: GroupPartition, group: Group, member: Member, why: str) -> None:
        """It left or its session ended; the others rebalance."""
        self.answer_join(member, JoinGroupResponse(errors.UNKNOWN_MEMBER_ID))
        self.answer_sync(member, SyncGroupResponse(errors.UNKNOWN_MEMBER_ID))
        group.remove(member)
        self.observe_removal(home, group, member, why)
        if group.state == PREPARING_REBALANCE:
            self.complete_join_if_all_joined(home, group)
        else:
            self.prepare_rebalance(home, group)

    def observe_removal(self, home: GroupPartition, group: Group, member: Member, why: str) -> None:
        """Leave evidence that the member may not commit any more."""
        value = {"member": member.member_id, "instance": member.instance_id, "why": why}
        self._node.observe(
            "group-member-removed", key=group.group_id, value=value, generation=group.generation,
            coordinator_epoch=home.epoch)

    # --- answering ------------------------------------------------------------------------------------------------

    @staticmethod
    def answer_join(member: Member, response: JoinGroupResponse) -> None:
        """Answer the member's JoinGroup, if it waits for one."""
        reply, member.awaiting_join = member.awaiting_join, None
        if reply is not None:
            reply.send(response)

    @staticmethod
    def answer_sync(member: Member, response: SyncGroupResponse) -> None:
        """Answer the member's SyncGroup, if it waits for one."""
        reply, member.awaiting_sync = member.awaiting_sync, None
        if reply is not None:
            reply.send(response)

    # --- from one generation to the next --------------------------------------------------------------------------

    def prepare_rebalance(self, home: GroupPartition, group: Group) -> None:
        """Ask everybody to rejoin, unless that has been asked already."""
        if group.state in (PREPARING_REBALANCE, DEAD):
            return
        if group.state == COMPLETING_REBALANCE:
            self.reset_assignment(group, errors.REBALANCE_IN_PROGRESS)
        group.initial_delay = group.state == EMPTY
        group.state = PREPARING_REBALANCE
        if group.initial_delay:
            delay_us = self._config.group_initial_rebalance_delay_us
            group.initial_delay_left_us = max(0, group.rebalance_timeout_us() - delay_us)
            group.new_member_added = False
            group.join_timer = self._node.schedule(delay_us, self._initial_delay_over, home, group)
        else:
            self._wait_for_members(home, group)
            self.complete_join_if_all_joined(home, group)

    @staticmethod
    def reset_assignment(group: Group, error: str) -> None:
        """The assignment of this generation will not come: whoever waits for it is told."""
        for member in group.members.values():
            member.assignment = ()
            GroupRebalance.answer_sync(member, SyncGroupResponse(error))

    def _wait_for_members(self, home: GroupPartition, group: Group) -> None:
        group.join_timer = self._node.schedule(group.rebalance_timeout_us(), self._complete_join, home, group)

    def _initial_delay_over(self, home: GroupPartition, group: Group) -> None:
        if group.state == DEAD:
            return
        if group.new_member_added and group.initial_delay_left_us > 0:
            group.new_member_added = False
            delay_us = min(self._config.group_initial_rebalance_delay_us, group.initial_delay_left_us)
            group.initial_delay_left_us -= delay_us
            group.join_timer = self._node.schedule(delay_us, self._initial_delay_over, home, group)
        else:
            self._complete_join(home, group)

    def complete_join_if_all_joined(self, home: GroupPartition, group: Group) -> None:
        """End the wait early, except an empty group's first."""
        if group.state == PREPARING_REBALANCE and not group.initial_delay and group.have_all_joined():
            self._complete_join(home, group)

    def _complete_join(self, home: GroupPartition, group: Group) -> None:
        if group.state == DEAD:
            return
        cancel(group.join_timer)
        group.join_timer = None
        group.initial_delay = False
        replaced = [
            member for member in group.members.values() if member.awaiting_join is None and member.instance_id is None]
        for member in replaced:
            group.remove(member)
        if group.members and not group.elect_joined_leader():
            self._observe_expelled(home, group, replaced)
            self._wait_for_members(home, group)
            return
        group.generation += 1
        if group.members:
            self._begin_generation(home, group, [member.member_id for member in replaced])
        else:
            self._observe_expelled(home, group, replaced)
            group.state = EMPTY
            # The record may be refused or lost: the members that it forgets would expire again after a fail-over.
            self._log.append(home, [(GroupKey(group.group_id), group.persisted({}))])
        self._node.at_point("coordinator.rebalanced")

    def _observe_expelled(self, home: GroupPartition, group: Group, members: list[Member]) -> None:
        for member in members:
            self.observe_removal(home, group, member, "session-timeout")

    def _begin_generation(self, home: GroupPartition, group: Group, replaced: list[str]) -> None:
        group.state = COMPLETING_REBALANCE
        value = {
            "members": {member.member_id: member.instance_id for member in group.members.values()},
            "leader": group.leader_id, "replaced": replaced,
        }
        self._node.observe(
            "group-generation", key=group.group_id, value=value, generation=group.generation,
            coordinator_epoch=home.epoch)
        for member in group.members.values():
            self.answer_join(member, self.join_response(home, group, member))
            self.begin_session(home, group, member)

    @staticmethod
    def join_response(home: GroupPartition, group: Group, member: Member) -> JoinGroupResponse:
        """The present generation, with everybody's topics for the leader."""
        everybody: tuple[tuple[str, tuple[str, ...]], ...] = ()
        if member.member_id == group.leader_id:
            everybody = tuple((each.member_id, each.topics) for each in group.members.values())
        return JoinGroupResponse(
            None, group.generation, member.member_id, group.leader_id or "", everybody, home.epoch)

    # --- the assignment -------------------------------------------------------------------------------------------

    def store_assignment(self, home: GroupPartition, group: Group, value: GroupValue) -> None:
        """Persist what the leader assigned; the group is stable when that is committed."""
        write = self._log.append(home, [(GroupKey(group.group_id), value)])
        write.then(self._on_assignment_stored, home, group, value)

    def _on_assignment_stored(
        self, error: str | None, home: GroupPartition, group: Group, value: GroupValue
    ) -> None:
        if group.state != COMPLETING_REBALANCE or group.generation != value.generation:
            return
        if error is not None:
            self.reset_assignment(group, error)
            self.prepare_rebalance(home, group)
            return
        group.state = STABLE
        for persisted in value.members:
            member = group.members.get(persisted.member_id)
            if member is not None:
                member.assignment = persisted.assignment
        names = {
            member.member_id: [f"{topic}-{index}" for topic, index in member.assignment]
            for member in group.members.values()}
        self._node.observe(
            "group-assignment", key=group.group_id, value={"assignment": names}, generation=group.generation,
            coordinator_epoch=home.epoch)
        for member in group.members.values():
            if member.awaiting_sync is not None:
                self.begin_session(home, group, member)
            self.answer_sync(member, SyncGroupResponse(None, member.assignment))

    # --- loading and unloading ------------------------------------------------------------------------------------

    def on_loaded(self, home: GroupPartition) -> None:
        """The groups are served from now on: their members' sessions begin."""
        for group in home.groups.values():
            for member in group.members.values():
                self.begin_session(home, group, member)

    def on_unloaded(self, home: GroupPartition) -> None:
        """The groups are not served any more: their members look for the coordinator."""
        for group in home.groups.values():
            group.state = DEAD
            cancel(group.join_timer)
            for member in group.members.values():
                self.answer_join(member, JoinGroupResponse(errors.NOT_COORDINATOR))
                self.answer_sync(member, SyncGroupResponse(errors.NOT_COORDINATOR))
