"""What a comparison assumes: the cluster, the world's latencies, and what pieces of work take.

Time-outs are Kafka's and ZooKeeper's defaults. Latencies are those of every run (`Physics`). What work takes is set
here and nowhere else: ZooKeeper's from measurements that others published, Kafka's own are guesses of the order of
magnitude, the same for both modes wherever both do that work.
"""

from dataclasses import dataclass

from fencepost.model.config import KafkaConfig, ZooKeeperConfig
from fencepost.model.kernel.simulation import Physics

PARTITIONS_PER_TOPIC = 10
BROKERS, VOTERS, REPLICATION_FACTOR = 5, 3, 2


@dataclass(frozen=True, slots=True)
class Assumption:
    """A value and where it comes from, in words."""

    name: str
    value: str
    source: str


def kafka_config() -> KafkaConfig:
    """Kafka's defaults. An idle fetch waits for longer than by default: it brings nothing in either mode, and only
    the simulation pays for it."""
    return KafkaConfig(
        default_replication_factor=REPLICATION_FACTOR, replica_fetch_wait_max_us=20_000_000,
        partition_metadata_work_us=5, replica_role_work_us=50, controller_znode_work_us=20)


def zookeeper_config() -> ZooKeeperConfig:
    """ZooKeeper's defaults."""
    return ZooKeeperConfig(read_work_us=20, child_work_us=1, write_work_us=48)


def world() -> Physics:
    """The latencies of networks and disks."""
    return Physics()


def listed() -> list[Assumption]:
    """All of it, in the order in which it is told."""
    kafka, zookeeper, physics = kafka_config(), zookeeper_config(), world()
    guess = "a guess; the same in both modes"
    return [
        Assumption(
            "cluster", f"{BROKERS} brokers, of which with KRaft {VOTERS} are controllers too; with ZooKeeper {VOTERS} "
            f"servers besides; {PARTITIONS_PER_TOPIC} partitions a topic, replication factor {REPLICATION_FACTOR}",
            "brokers and replication as in Confluent's test of Kafka 1.1.0"),
        Assumption(
            "time-outs", f"ZooKeeper session {_ms(kafka.zookeeper_session_timeout_us)} ms, tick "
            f"{_ms(zookeeper.tick_time_us)} ms, {kafka.zookeeper_max_in_flight_requests} requests in flight; quorum "
            f"fetch {_ms(kafka.controller_quorum_fetch_timeout_us)} ms, broker session "
            f"{_ms(kafka.broker_session_timeout_us)} ms", "defaults of Kafka 3.9 and 4.0 and ZooKeeper 3.8"),
        Assumption(
            "network", f"{_drawn(physics.link_latency_us)} one way", "one data centre; as in every run"),
        Assumption("fsync", _drawn(physics.fsync_latency_us), "a solid-state disk; as in every run"),
        Assumption(
            "ZooKeeper read", f"{zookeeper.read_work_us} us of the server that answers",
            "50,000 reads a second on one server (RAMCloud's measurements of ZooKeeper 3.3)"),
        Assumption(
            "list of children", f"{zookeeper.child_work_us} us more for each name",
            "a guess: writing, sending and reading some 30 bytes"),
        Assumption(
            "ZooKeeper write", f"{zookeeper.write_work_us} us of the leader",
            "21,000 writes a second on three servers (Hunt et al., USENIX ATC 2010)"),
        Assumption(
            "znode", f"{kafka.controller_znode_work_us} us of the controller for each that it has read or written",
            "a guess: decoding JSON, keeping the result"),
        Assumption(
            "partition's metadata", f"{kafka.partition_metadata_work_us} us for each record or partition of a request "
            "that a process decides or takes in", guess),
        Assumption("role", f"{kafka.replica_role_work_us} us for each replica that begins to lead or to follow", guess),
    ]


def _ms(time_us: int) -> str:
    return f"{time_us // 1000:,}"


def _drawn(least_us: int) -> str:
    """A latency of which as much again is drawn on top."""
    return f"{least_us:,} to {2 * least_us:,} us"
