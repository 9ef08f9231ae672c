"""What makes the model do as a release of Kafka does, where it is on the safe side or follows another one."""

from release_39 import PATCHES, VERSION

from fencepost.model.broker.partition import Partition
from fencepost.model.broker.partition_core import FollowerState


class RemembersFollowers(Partition):
    """What all releases do; the model forgets, which is the safe side."""

    def follower_at_epoch_start(self, replica: int, caught_up_us: int, was_leader: bool) -> FollowerState:
        """Who led already keeps what it knew (Replica.resetReplicaState)."""
        state, known = super().follower_at_epoch_start(replica, caught_up_us, was_leader), self.followers.get(replica)
        if was_leader and known is not None:
            state.end_offset, state.broker_epoch = known.end_offset, known.broker_epoch
            state.last_fetch_us, state.last_fetch_leader_end_offset = caught_up_us, self.log.end_offset
        return state


def patches_of(version: str) -> tuple[type, ...]:
    """What makes the model do as that version of Kafka does."""
    return (RemembersFollowers, *PATCHES) if version == VERSION else (RemembersFollowers,)
