"""Known bugs of ZooKeeper's ensemble, each over the guard that mends it in `fencepost.model.zookeeper`."""

from fencepost.model.bugs.registry import KnownBug
from fencepost.model.zookeeper.learner import Learner


class AcknowledgesBeforePersisting(Learner):
    """A learner acknowledges its leader first and logs the leader's history once it is told to serve."""

    def must_persist_before_acknowledging_new_leader(self) -> bool:
        """Never: what was received is in memory."""
        return False


BUGS: tuple[KnownBug, ...] = (
    KnownBug(
        "ZOOKEEPER-3911", "zk",
        "A learner acknowledges NEWLEADER before the transactions of its DIFF are on disk: the ensemble takes them for "
        "committed, and they are gone when leader and learner die.",
        "ZooKeeper commits b978dfb94, 315abde35 (ZOOKEEPER-4785)",
        ("ZkCommittedTxnDurable", "ZkLogMatching"), (AcknowledgesBeforePersisting,),
    ),
)
