"""Known bugs of ZooKeeper mode's controller, each over the guard that mends it in `fencepost.model.zk_controller`."""

from fencepost.model.bugs.registry import KnownBug
from fencepost.model.protocol import zookeeper as zk
from fencepost.model.zk_controller import znodes
from fencepost.model.zk_controller.broker_events import BrokerEvents
from fencepost.model.zk_controller.controller import ZkController
from fencepost.model.zk_controller.controller_zk import ControllerZk
from fencepost.model.zk_controller.kafka_zk_client import Outcome
from fencepost.model.zk_controller.registration import ADOPT, BrokerRegistrar
from fencepost.model.zk_controller.replica_states import ReplicaStateMachine
from fencepost.model.zk_controller.request_batch import ControllerBrokerRequestBatch


class AdoptsWatchedEpoch(ZkController):
    """The controller epoch in memory follows /controller_epoch instead of being that of the own election."""

    def register_handlers(self) -> None:
        """Watch /controller_epoch as well."""
        super().register_handlers()
        self._client.change_handlers[znodes.CONTROLLER_EPOCH] = self._on_epoch_changed
        self._client.request_all([zk.GetDataOp(znodes.CONTROLLER_EPOCH)], self._adopt)

    def _on_epoch_changed(self, event: zk.WatchEvent) -> None:
        self._client.request_all([zk.GetDataOp(znodes.CONTROLLER_EPOCH)], self._adopt)

    def _adopt(self, outcomes: list[Outcome]) -> None:
        if self.is_active and outcomes[0].result.error is None:
            self.parts.context.epoch = int(outcomes[0].result.value)


class WritesWithoutEpochCheck(ControllerZk):
    """Writes go out bare."""

    def must_check_controller_epoch(self) -> bool:
        """Never, as before 2.1."""
        return False


class SendsNoBrokerEpoch(ControllerBrokerRequestBatch):
    """Requests do not say for which incarnation of the broker they are meant."""

    def broker_epoch(self, broker_id: int) -> int:
        """Unknown, which every broker accepts."""
        return -1


class ComparesBrokerIdsOnly(BrokerEvents):
    """A broker that is back before its death was seen has never been away."""

    def has_bounced(self, broker_epoch: int, known_epoch: int) -> bool:
        """Never."""
        return False


class AdoptsForeignRegistration(BrokerRegistrar):
    """A broker takes the znode of any session for its own."""

    def judge_existing(self, owner: int) -> str:
        """Whoever owns it."""
        return ADOPT


class ChangesIsrSilently(ReplicaStateMachine):
    """A replica is taken out of the ISR without a new leader epoch."""

    def must_raise_leader_epoch(self) -> bool:
        """Never."""
        return False


class WatchesOnlyOnce(ZkController):
    """Handlers are registered at the first fail-over of the process only."""

    def must_register_handlers(self) -> bool:
        """Not again after a resignation."""
        return self.fail_overs <= 1


class MistakesOwnUpdate(ControllerZk):
    """A BADVERSION is always somebody else's doing."""

    def must_recognise_own_update(self) -> bool:
        """Never, as in 3.9."""
        return False


class MistakesOwnCreation(ControllerZk):
    """A NODEEXISTS is always somebody else's doing."""

    def must_recognise_own_creation(self) -> bool:
        """Never, as in 3.9."""
        return False


BUGS: tuple[KnownBug, ...] = (
    KnownBug(
        "KAFKA-1096", "zk",
        "A deposed controller adopts its successor's epoch from a watch, so that brokers cannot fence what it still "
        "sends.",
        "commit 62f208704fe", ("SingleControllerPerEpoch", "StrongIsr"), (AdoptsWatchedEpoch,)),
    KnownBug(
        "KAFKA-6082", "zk",
        "A deposed controller keeps writing partitions and topics to ZooKeeper, for its writes are not conditional on "
        "the controller epoch.",
        "commit 297fb396a00; KafkaZkClient.wrapRequestWithControllerEpochCheck",
        ("ZkWriteFencing", "EventuallyMetadataConverges"), (WritesWithoutEpochCheck,)),
    KnownBug(
        "KIP-380-A", "zk",
        "A request that was meant for a broker's previous incarnation is obeyed by the next one: it leads, or stops, a "
        "replica whose log has lost its tail.",
        "KAFKA-7235; commit 2155c6d54b0; KafkaApis.isBrokerEpochStale",
        ("EpochFencing", "IsrEventuallyConverges"), (SendsNoBrokerEpoch,)),
    KnownBug(
        "KIP-380-B", "zk",
        "A broker that bounces before the controller looks is taken for one that was never away: it stays in the ISR "
        "with a lost tail, and is told nothing.",
        "KAFKA-7235; KafkaController.processBrokerChange",
        ("NoAckedRecordLost", "IsrEventuallyConverges", "EventuallyMetadataConverges"), (ComparesBrokerIdsOnly,)),
    KnownBug(
        "KAFKA-7165", "zk",
        "A broker that registers again takes its old session's znode for its own, and vanishes when that session "
        "expires.",
        "commits eb3335ef592, 1daf6ac5106, f3f8fa5c8c1; CheckedEphemeral",
        ("LiveBrokerEventuallyRegistered", "RegisteredImpliesOwnedByLiveSession"), (AdoptsForeignRegistration,)),
    KnownBug(
        "KAFKA-2729", "zk",
        "The controller changes a partition's ISR without raising the leader epoch: the leader ignores the news, and "
        "every change it wants fails on the version that it has cached.",
        "Partition.scala of 1.0, lines 598-607", ("IsrEventuallyConverges", "EventuallyWriteAcked"),
        (ChangesIsrSilently,)),
    KnownBug(
        "KAFKA-928", "zk",
        "A controller that is elected again in the same process misses new topics and brokers, for it does not watch "
        "them again.",
        "commit 658427638f1", ("EventuallyMetadataConverges", "IsrEventuallyConverges"), (WatchesOnlyOnce,)),
    KnownBug(
        "ZK-LOST-ALTER-PARTITION", "zk",
        "An AlterPartition whose answer from ZooKeeper got lost is tried again, meets the version that it wrote itself "
        "and fails; the leader's change stays pending until the next leader epoch.",
        "KafkaZkClient.retryRequestsUntilConnected and updateLeaderAndIsr of 3.9, by reading",
        ("IsrEventuallyConverges",), (MistakesOwnUpdate,)),
    KnownBug(
        "ZK-LOST-NEW-PARTITION", "zk",
        "A new partition whose state's creation was answered into a lost connection meets NODEEXISTS, and has no "
        "leader until the next fail-over.",
        "PartitionStateMachine.initializeLeaderAndIsrForPartitions of 3.9, by reading",
        ("IsrEventuallyConverges",), (MistakesOwnCreation,)),
)
