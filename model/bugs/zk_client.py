"""Known flaws of consumers before 0.9. Each was a setting, and switching the bug on is giving that setting."""

from fencepost.model.bugs.registry import KnownBug

BUGS: tuple[KnownBug, ...] = (
    KnownBug(
        "ZK-OFFSETS", "zk",
        "Offsets in ZooKeeper are written unconditionally and without a generation: a zombie consumer overwrites its "
        "successor's newer offset. (offsets.storage=zookeeper, the default up to 0.8.2)",
        "0.8.2 ZookeeperConsumerConnector.commitOffsetToZooKeeper, ZkUtils.updatePersistentPath",
        ("CommittedOffsetMonotonePerOwner", "CommittedOffsetNeverOverwrittenByStaleGeneration"), (),
        consumer_config=(("offsets.storage", "zookeeper"),)),
    KnownBug(
        "DUAL-COMMIT", "zk",
        "Offsets are committed to Kafka and then to ZooKeeper, not in one: a crash between the two leaves ZooKeeper "
        "behind, and a consumer that reads only there reads again. (dual.commit.enabled=true)",
        "0.8.2 ZookeeperConsumerConnector.commitOffsets", ("OffsetStoresAgree",), (),
        ("CommittedOffsetMonotonePerOwner", "CommittedOffsetNeverOverwrittenByStaleGeneration"),
        consumer_config=(("dual.commit.enabled", "true"),)),
)
