"""Known bugs of ZooKeeper mode's brokers, each over a guard of what a controller tells them."""

from fencepost.model.broker.partition import Partition
from fencepost.model.bugs.registry import KnownBug
from fencepost.model.metadata.image import PartitionRegistration
from fencepost.model.zk_broker.control_requests import ControlRequests


class ObeysZombieLeaderAndIsr(ControlRequests):
    """LeaderAndIsr of any controller is obeyed."""

    def is_stale_leader_and_isr(self, controller_epoch: int) -> bool:
        """Never."""
        return False


class ObeysZombieUpdateMetadata(ControlRequests):
    """UpdateMetadata of any controller is obeyed."""

    def is_stale_update_metadata(self, controller_epoch: int) -> bool:
        """Never."""
        return False


class ObeysZombieStopReplica(ControlRequests):
    """StopReplica of any controller is obeyed."""

    def is_stale_stop_replica(self, controller_epoch: int) -> bool:
        """Never."""
        return False


class ObeysWhatWasMeantForPredecessor(ControlRequests):
    """Requests are obeyed whichever incarnation of the broker they were meant for."""

    def is_stale_broker_epoch(self, broker_epoch: int) -> bool:
        """Never."""
        return False


class TakesAnyLeaderEpoch(ControlRequests):
    """A role is taken whatever its leader epoch; the controller epoch is all that counts."""

    def is_stale_leader_epoch(self, leader_epoch: int, local_epoch: int) -> bool:
        """Never."""
        return False


class GoesBackInEpochs(Partition):
    """A partition takes the epochs that it is told."""

    def become_leader(self, state: PartitionRegistration) -> None:
        """Whatever the own epochs are."""
        self._forget_epochs(state)
        super().become_leader(state)

    def become_follower(self, state: PartitionRegistration) -> bool:
        """Whatever the own epochs are."""
        self._forget_epochs(state)
        return super().become_follower(state)

    def _forget_epochs(self, state: PartitionRegistration) -> None:
        if state.leader_epoch <= self.leader_epoch:
            self.leader_epoch, self.partition_epoch = state.leader_epoch - 1, state.partition_epoch - 1


_ZOMBIE = "ReplicaManager.becomeLeaderOrFollower, maybeUpdateMetadataCache, stopReplicas of 3.9"

BUGS: tuple[KnownBug, ...] = (
    KnownBug(
        "ZOMBIE-CTRL", "zk",
        "A broker obeys whatever a controller sends that has been replaced.",
        _ZOMBIE, ("EpochFencing",),
        (ObeysZombieLeaderAndIsr, ObeysZombieUpdateMetadata, ObeysZombieStopReplica)),
    KnownBug(
        "ZOMBIE-CTRL-LEADER-AND-ISR", "zk",
        "A broker obeys the LeaderAndIsr of a controller that has been replaced; the leader epochs mask most of it.",
        _ZOMBIE, ("EpochFencing",), (ObeysZombieLeaderAndIsr,)),
    KnownBug(
        "ZOMBIE-CTRL-UPDATE-METADATA", "zk",
        "A broker takes over the metadata of a controller that has been replaced.",
        _ZOMBIE, ("EpochFencing", "EventuallyMetadataConverges"), (ObeysZombieUpdateMetadata,)),
    KnownBug(
        "ZOMBIE-CTRL-STOP-REPLICA", "zk",
        "A broker deletes replicas on the word of a controller that has been replaced, also those of a topic that was "
        "created anew under the same name.",
        _ZOMBIE, ("EpochFencing", "NoAckedRecordLost"), (ObeysZombieStopReplica,)),
    KnownBug(
        "KIP-380-A-BROKER", "zk",
        "A broker obeys what was meant for its previous incarnation: it leads a replica whose log has lost its tail.",
        "KAFKA-7235; commit 2155c6d54b0; KafkaApis.isBrokerEpochStale", ("EpochFencing",),
        (ObeysWhatWasMeantForPredecessor,)),
    KnownBug(
        "KAFKA-1188", "zk",
        "After a fail-over the new controller repeats what it has read earlier; a broker that has gone on to a newer "
        "leader epoch goes back.",
        "commit 3d830c9ef1a",
        ("LeaderEpochMonotone", "AtMostOneLeaderPerLeaderEpoch", "StrongIsr"), (TakesAnyLeaderEpoch, GoesBackInEpochs),
        also=("ReplicationQuorumSuperset",)),
)
