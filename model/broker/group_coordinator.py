"""The group coordinator: the groups whose partition of __consumer_offsets this broker leads, and the requests about
them. What it owns and loads: `GroupLoader`; offsets: `GroupOffsets`; members and generations: `GroupMembership`.

Requests come from the broker's server, authorised. Before a group is looked at, its partition must be served here.
"""

from typing import Any

from fencepost.model import errors
from fencepost.model.broker.coordinator_log import CoordinatorLog
from fencepost.model.broker.group_membership import GroupMembership
from fencepost.model.broker.group_offsets import GroupOffsets
from fencepost.model.broker.group_partition import GroupPartition
from fencepost.model.broker.group_records import OFFSETS_TOPIC
from fencepost.model.broker.group_state import Group, Member
from fencepost.model.config import KafkaConfig
from fencepost.model.kernel.connection import Reply
from fencepost.model.kernel.node import Node
from fencepost.model.metadata.image import MetadataImage
from fencepost.model.protocol.group import (
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    GroupHeartbeatRequest,
    GroupResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    SyncGroupRequest,
    SyncGroupResponse,
    partition_name,
)


class GroupCoordinator(GroupOffsets):
    """All groups that one broker coordinates. `image` is the broker's live image."""

    def __init__(
        self, node: Node, config: KafkaConfig, log: CoordinatorLog, image: MetadataImage
    ) -> None:
        super().__init__(node, config, log, image)
        self.membership = GroupMembership(node, config, self)

    def describe(self) -> dict[str, Any]:
        """The groups that are served here, as plain data."""
        return {
            group.group_id: {
                "state": group.state, "generation": group.generation, "members": list(group.members),
                "coordinator_epoch": home.epoch,
                "offsets": {
                    partition_name(partition): offset
                    for (group_id, partition), offset in home.latest.items() if group_id == group.group_id},
            }
            for home in self._homes.values() if home.loaded for group in home.groups.values()
        }

    def handle_find_coordinator(self, request: FindCoordinatorRequest, reply: Reply) -> None:
        """FindCoordinator (10): who leads the group's partition, by this broker's image."""
        topic_id = self._image.topics.get(OFFSETS_TOPIC, "")
        state = self._image.partitions.get((topic_id, self.partition_of(request.group)))
        if state is None or state.leader < 0:
            reply.send(FindCoordinatorResponse(errors.COORDINATOR_NOT_AVAILABLE))
        else:
            reply.send(FindCoordinatorResponse(None, state.leader))

    def handle_join_group(self, request: JoinGroupRequest, reply: Reply) -> None:
        """JoinGroup (11)."""
        home, error = self.home_of(request.group)
        if home is None:
            reply.send(JoinGroupResponse(error))
        else:
            self.membership.join(home, request, reply)

    def handle_sync_group(self, request: SyncGroupRequest, reply: Reply) -> None:
        """SyncGroup (14). While the group loads the member is sent back to joining."""
        home, error = self.home_of(request.group)
        if home is None:
            loading = error == errors.COORDINATOR_LOAD_IN_PROGRESS
            reply.send(SyncGroupResponse(errors.REBALANCE_IN_PROGRESS if loading else error))
        else:
            self.membership.sync(home, request, reply)

    def handle_heartbeat(self, request: GroupHeartbeatRequest, reply: Reply) -> None:
        """Heartbeat (12). While the group loads every member is taken to be alive."""
        home, error = self.home_of(request.group)
        if home is None:
            reply.send(GroupResponse(None if error == errors.COORDINATOR_LOAD_IN_PROGRESS else error))
        else:
            self.membership.heartbeat(home, request, reply)

    def handle_leave_group(self, request: LeaveGroupRequest, reply: Reply) -> None:
        """LeaveGroup (13)."""
        home, error = self.home_of(request.group)
        if home is None:
            reply.send(GroupResponse(error))
        else:
            self.membership.leave(home, request, reply)

    def on_loaded(self, home: GroupPartition) -> None:
        """See `GroupLoader`."""
        self.membership.on_loaded(home)

    def on_unloaded(self, home: GroupPartition) -> None:
        """See `GroupLoader`."""
        self.membership.on_unloaded(home)
        super().on_unloaded(home)

    def on_heard_of(self, home: GroupPartition, group: Group, member: Member) -> None:
        """See `GroupOffsets`."""
        self.membership.begin_session(home, group, member)
