"""A consumer group of the classic protocol, as its coordinator holds it: members, generation, state (GroupMetadata).

Empty -> PreparingRebalance -> CompletingRebalance -> Stable, back to PreparingRebalance when the membership changes,
and to Empty when the last member has gone. Dead: the coordinator has unloaded the group; timers that find it so do
nothing. Nothing here decides or answers anything: `GroupMembership` does.

Left out: protocols to choose from (all members share one, so it never forces a rebalance), group.max.size, and the
deletion and expiry of groups and offsets: no checked property speaks of them.
"""

from fencepost.model.broker.group_records import GroupValue, MemberValue
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.scheduler import Timer, cancel
from fencepost.model.protocol.group import TopicPartition

EMPTY = "Empty"
PREPARING_REBALANCE = "PreparingRebalance"
COMPLETING_REBALANCE = "CompletingRebalance"
STABLE = "Stable"
DEAD = "Dead"


class Member:
    """A member of a group.

    awaiting_join, awaiting_sync: where the answer to its parked JoinGroup or SyncGroup goes.
    deadline_us: when it is removed unless it is heard of; `timer`, if there is one, is due by then.
    """

    __slots__ = (
        "assignment", "awaiting_join", "awaiting_sync", "deadline_us", "instance_id", "member_id",
        "rebalance_timeout_us", "session_timeout_us", "timer", "topics",
    )

    def __init__(
        self, member_id: str, instance_id: str | None, session_timeout_us: int, rebalance_timeout_us: int,
        topics: tuple[str, ...], assignment: tuple[TopicPartition, ...] = (),
    ) -> None:
        self.member_id = member_id
        self.instance_id = instance_id
        self.session_timeout_us = session_timeout_us
        self.rebalance_timeout_us = rebalance_timeout_us
        self.topics = topics
        self.assignment = assignment
        self.awaiting_join: Reply | None = None
        self.awaiting_sync: Reply | None = None
        self.deadline_us = 0
        self.timer: Timer | None = None

    def persisted(self, assignment: tuple[TopicPartition, ...]) -> MemberValue:
        """The member with that assignment, as it is written to the log."""
        return MemberValue(
            self.member_id, self.instance_id, self.session_timeout_us, self.rebalance_timeout_us, self.topics,
            assignment)


class Group:
    """A group's volatile state.

    static_members: instance id -> the member id that holds it now.
    join_timer: ends the wait for members to rejoin; `initial_delay` says that it is an empty group's first wait, which
    new members may prolong by up to `initial_delay_left_us`.
    """

    __slots__ = (
        "generation", "group_id", "initial_delay", "initial_delay_left_us", "join_timer", "leader_id", "members",
        "new_member_added", "state", "static_members",
    )

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.state = EMPTY
        self.generation = 0
        self.leader_id: str | None = None
        self.members: dict[str, Member] = {}
        self.static_members: dict[str, str] = {}
        self.join_timer: Timer | None = None
        self.initial_delay = False
        self.initial_delay_left_us = 0
        self.new_member_added = False

    def add(self, member: Member) -> None:
        """Take a member in; the first one leads."""
        self.members[member.member_id] = member
        if member.instance_id is not None:
            self.static_members[member.instance_id] = member.member_id
        if self.leader_id is None:
            self.leader_id = member.member_id

    def remove(self, member: Member) -> None:
        """Forget a member; the longest-serving other one leads if it led."""
        del self.members[member.member_id]
        if member.instance_id is not None and self.static_members.get(member.instance_id) == member.member_id:
            del self.static_members[member.instance_id]
        cancel(member.timer)
        if self.leader_id == member.member_id:
            self.leader_id = next(iter(self.members), None)

    def replace_static_member(self, old: Member, new: Member) -> None:
        """Give an instance's place and leadership to a new member id; the old one is fenced from now on."""
        was_leader = self.leader_id == old.member_id
        self.remove(old)
        self.add(new)
        if was_leader:
            self.leader_id = new.member_id

    def have_all_joined(self) -> bool:
        """Whether nobody is waited for any more."""
        return all(member.awaiting_join is not None for member in self.members.values())

    def elect_joined_leader(self) -> bool:
        """Make a member that has rejoined the leader, the present one if possible; False if none has."""
        leader = None if self.leader_id is None else self.members.get(self.leader_id)
        if leader is not None and leader.awaiting_join is not None:
            return True
        for member in self.members.values():
            if member.awaiting_join is not None:
                self.leader_id = member.member_id
                return True
        return False

    def rebalance_timeout_us(self) -> int:
        """How long members may take to rejoin: the longest that any of them asked for."""
        return max((member.rebalance_timeout_us for member in self.members.values()), default=0)

    def persisted(self, assignment: dict[str, tuple[TopicPartition, ...]]) -> GroupValue:
        """The group with that assignment, as it is written to the log."""
        return GroupValue(self.generation, self.leader_id, tuple(
            member.persisted(assignment.get(member.member_id, ())) for member in self.members.values()))

    def restore(self, value: GroupValue) -> None:
        """Become what was persisted: stable, or empty when it has no members."""
        self.generation = value.generation
        self.leader_id = None
        self.members.clear()
        self.static_members.clear()
        for persisted in value.members:
            self.add(Member(*persisted))
        self.leader_id = value.leader_id
        self.state = STABLE if self.members else EMPTY
