"""Known bugs of the controller, each over the guard that mends it in `fencepost.model.controller`."""

from fencepost.model import errors
from fencepost.model.bugs.registry import KnownBug
from fencepost.model.controller.cluster_control import ClusterControl
from fencepost.model.controller.replication_control import ReplicationControl
from fencepost.model.metadata.image import BrokerRegistration, PartitionRegistration
from fencepost.model.protocol.controller import AlterPartitionRequest, BrokerRegistrationRequest


class KeepsNewIncarnationInIsr(ClusterControl):
    """A broker that registers anew before it was fenced stays in every ISR, and leads what it led."""

    def must_leave_isrs(self, request: BrokerRegistrationRequest, existing: BrokerRegistration) -> bool:
        """Never, as below metadata.version 4.0-IV0."""
        return False


class IgnoresBrokerEpochsInIsr(ReplicationControl):
    """A member of a proposed ISR may be any incarnation of its broker."""

    def is_other_incarnation(self, broker_epoch: int, registration: BrokerRegistration) -> bool:
        """Never, as before NewIsrWithEpochs."""
        return False


class AcceptsFencedMembers(ReplicationControl):
    """A member of a proposed ISR may be fenced or in its controlled shutdown."""

    def is_fenced_or_shutting_down(self, registration: BrokerRegistration) -> bool:
        """Never, as before INELIGIBLE_REPLICA."""
        return False


class FencesWhoIsAhead(ReplicationControl):
    """A deposed controller tells a leader with newer epochs that it is the leader who is late."""

    def error_for_epochs_ahead(self, request: AlterPartitionRequest, partition: PartitionRegistration) -> str | None:
        """As if every difference of epochs meant that the sender's are old."""
        if request.leader_epoch > partition.leader_epoch:
            return errors.FENCED_LEADER_EPOCH
        if request.partition_epoch > partition.partition_epoch:
            return errors.INVALID_UPDATE_VERSION
        return None


class RaisesEpochOfSameIncarnation(ClusterControl):
    """A broker that repeats its registration gets a new broker epoch, and its own requests under way are stale."""

    def keeps_broker_epoch(self, request: BrokerRegistrationRequest, existing: BrokerRegistration) -> bool:
        """Never."""
        return False


BUGS: tuple[KnownBug, ...] = (
    KnownBug(
        "KAFKA-18106", "kraft",
        "A broker that loses power and registers again after its session ran out, but before it is fenced, stays in "
        "the ISR although its log has lost its tail; it can be elected.",
        "PR apache/kafka#18045; ReplicationControlManager.handleBrokerUncleanShutdown of 3.9",
        ("NoFencedBrokerInIsr", "UncleanReplicaExcluded", "LeaderCandidateCompleteness", "NoAckedRecordLost"),
        (KeepsNewIncarnationInIsr,),
    ),
    KnownBug(
        "KIP-903", "kraft",
        "The controller ignores the broker epochs in a proposed ISR: an AlterPartition sent before a replica lost its "
        "disk's tail takes the replica's next incarnation into the ISR.",
        "KIP-903 (KAFKA-14139, KAFKA-14617); commits 79b5f7f1ce2, 8c88cdb7186, d5e216d6183",
        ("UncleanReplicaExcluded", "LeaderCompleteness", "NoAckedRecordLost"),
        (IgnoresBrokerEpochsInIsr,),
    ),
    KnownBug(
        "KIP-841", "kraft",
        "The controller takes fenced and shutting-down brokers into an ISR when the leader's metadata lags, and may "
        "elect them after they have lost records.",
        "KIP-841 (KAFKA-13916); commits 151ca12a56c, f83d95d9a28",
        ("NoFencedBrokerInIsr", "LeaderCandidateCompleteness"),
        (AcceptsFencedMembers,),
    ),
    KnownBug(
        "KAFKA-14154", "kraft",
        "A deposed controller answers a leader with newer epochs FENCED_LEADER_EPOCH or INVALID_UPDATE_VERSION instead "
        "of NOT_CONTROLLER; the leader waits for metadata that never comes and its ISR is stuck.",
        "KAFKA-14154; commit 5990471b8ca",
        ("IsrEventuallyConverges",),
        (FencesWhoIsAhead,),
    ),
    KnownBug(
        "KAFKA-16952", "kraft",
        "A broker incarnation that repeats its registration after a lost answer gets a new broker epoch, which fences "
        "its own requests under way.",
        "KAFKA-16952; commit 2fd00ce5367",
        ("BrokerEpochOnlyOnRestart",),
        (RaisesEpochOfSameIncarnation,),
    ),
)
