"""The configuration that the model uses, under Kafka's own property names.

Each field's metadata holds the property's name, the unit of Kafka's value, Kafka's default, the campaign profile's
value
and the lower bound. Fields are in the model's units: times in microseconds. Properties that begin with `fencepost.`
are constants of
Kafka's code that it gives no name to, or a behaviour that differs between versions.

The campaign profile keeps Kafka's ratios and makes time-outs about a tenth, so that 30 virtual seconds hold many
fail-overs. Reading real files is `fencepost.model.properties`' work.
"""

from dataclasses import dataclass, field
from typing import Any

#: What Kafka counts in bytes and the model in records: one record's size.
BYTES_PER_RECORD = 64


def _ms(name: str, default: int | float, campaign: int | float | None = None, low: int = 0) -> Any:
    """A property in milliseconds, kept in microseconds."""
    return _property(name, "ms", default, campaign, low, 1000)


def _us(name: str) -> Any:
    """What a piece of work takes, in microseconds: nothing, unless a user says otherwise."""
    return _property(name, "us", 0, None, 0, 1)


def _seconds(name: str, default: int, campaign: int | float | None = None, low: int = 0) -> Any:
    return _property(name, "s", default, campaign, low, 1_000_000)


def _number(name: str, default: int, campaign: int | None = None, low: int = 0) -> Any:
    return _property(name, "number", default, campaign, low, 1)


def _flag(name: str, default: bool, campaign: bool | None = None) -> Any:
    return _property(name, "flag", default, campaign, None, None)


def _text(name: str, default: str, campaign: str | None = None) -> Any:
    return _property(name, "text", default, campaign, None, None)


def _property(name: str, unit: str, default: Any, campaign: Any, low: int | None, scale: int | None) -> Any:
    value = int(default * scale) if scale else default
    chosen = default if campaign is None else campaign
    metadata = {
        "property": name, "unit": unit, "scale": scale, "low": low,
        "campaign": int(chosen * scale) if scale else chosen,
    }
    return field(default=value, metadata=metadata)


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """A broker's or controller's configuration (protocol defaults of 3.9 and 4.0)."""

    # The Raft quorum
    controller_quorum_election_timeout_us: int = _ms("controller.quorum.election.timeout.ms", 1000, 100, low=1)
    controller_quorum_fetch_timeout_us: int = _ms("controller.quorum.fetch.timeout.ms", 2000, 200, low=1)
    controller_quorum_election_backoff_max_us: int = _ms("controller.quorum.election.backoff.max.ms", 1000, 100)
    controller_quorum_append_linger_us: int = _ms("controller.quorum.append.linger.ms", 25, 2.5)
    controller_quorum_request_timeout_us: int = _ms("controller.quorum.request.timeout.ms", 2000, 200, low=1)
    controller_quorum_retry_backoff_us: int = _ms("controller.quorum.retry.backoff.ms", 20, 2)
    raft_max_fetch_wait_us: int = _ms("fencepost.raft.max.fetch.wait.ms", 500, 50, low=1)
    raft_election_backoff_base_us: int = _ms("fencepost.raft.election.backoff.base.ms", 100, 10, low=1)
    raft_max_fetch_records: int = _number("fencepost.raft.max.fetch.records", 131_072, 1, low=1)
    raft_prevote: bool = _flag("fencepost.raft.prevote", True)
    metadata_max_idle_interval_us: int = _ms("metadata.max.idle.interval.ms", 500, 50)
    metadata_log_max_record_bytes_between_snapshots: int = _number(
        "metadata.log.max.record.bytes.between.snapshots", 20 * 1024 * 1024, 300 * BYTES_PER_RECORD, low=1)
    metadata_log_max_snapshot_interval_us: int = _ms("metadata.log.max.snapshot.interval.ms", 3_600_000, 360_000)
    # Brokers and the controller
    broker_heartbeat_interval_us: int = _ms("broker.heartbeat.interval.ms", 2000, 200, low=1)
    broker_session_timeout_us: int = _ms("broker.session.timeout.ms", 9000, 900, low=1)
    initial_broker_registration_timeout_us: int = _ms("initial.broker.registration.timeout.ms", 60_000, 6000)
    controller_channel_retry_backoff_us: int = _ms("fencepost.controller.channel.retry.backoff.ms", 100, 10, low=1)
    controller_socket_timeout_us: int = _ms("controller.socket.timeout.ms", 30_000, 3000, low=1)
    controlled_shutdown_enable: bool = _flag("controlled.shutdown.enable", True)
    auto_leader_rebalance_enable: bool = _flag("auto.leader.rebalance.enable", True)
    leader_imbalance_check_interval_us: int = _seconds("leader.imbalance.check.interval.seconds", 300, 5, low=1)
    leader_imbalance_per_broker_percentage: int = _number("leader.imbalance.per.broker.percentage", 10)
    unclean_leader_election_enable: bool = _flag("unclean.leader.election.enable", False)
    unclean_leader_election_interval_us: int = _ms("unclean.leader.election.interval.ms", 300_000, 3000)
    eligible_leader_replicas_enable: bool = _flag("eligible.leader.replicas.enable", False)
    max_records_per_batch: int = _number("fencepost.controller.max.records.per.batch", 10_000, low=1)
    num_partitions: int = _number("num.partitions", 1, low=1)
    default_replication_factor: int = _number("default.replication.factor", 1, 3, low=1)
    min_insync_replicas: int = _number("min.insync.replicas", 1, 2, low=1)
    # ZooKeeper mode
    zookeeper_session_timeout_us: int = _ms("zookeeper.session.timeout.ms", 18_000, 1800, low=1)
    zookeeper_max_in_flight_requests: int = _number("zookeeper.max.in.flight.requests", 10, low=1)
    isr_change_check_interval_us: int = _ms("fencepost.isr.change.check.interval.ms", 2500, 250, low=1)
    isr_change_linger_us: int = _ms("fencepost.isr.change.linger.ms", 5000, 500)
    isr_change_max_delay_us: int = _ms("fencepost.isr.change.max.delay.ms", 60_000, 6000)
    inter_broker_protocol_version: str = _text("inter.broker.protocol.version", "3.9")
    controlled_shutdown_max_retries: int = _number("controlled.shutdown.max.retries", 3, low=1)
    controlled_shutdown_retry_backoff_us: int = _ms("controlled.shutdown.retry.backoff.ms", 5000, 500)
    # Replication
    replica_lag_time_max_us: int = _ms("replica.lag.time.max.ms", 30_000, 3000)
    replica_fetch_wait_max_us: int = _ms("replica.fetch.wait.max.ms", 500, 50)
    replica_fetch_backoff_us: int = _ms("replica.fetch.backoff.ms", 1000, 100)
    replica_socket_timeout_us: int = _ms("replica.socket.timeout.ms", 30_000, 3000)
    replica_fetch_max_bytes: int = _number("replica.fetch.max.bytes", 1_048_576)
    replica_high_watermark_checkpoint_interval_us: int = _ms("replica.high.watermark.checkpoint.interval.ms", 5000, 500)
    # Consumer groups
    offsets_topic_num_partitions: int = _number("offsets.topic.num.partitions", 50, 3, low=1)
    offsets_topic_replication_factor: int = _number("offsets.topic.replication.factor", 3, low=1)
    offsets_commit_timeout_us: int = _ms("offsets.commit.timeout.ms", 5000, 500, low=1)
    offsets_load_buffer_size: int = _number("offsets.load.buffer.size", 5_242_880, 16 * BYTES_PER_RECORD, low=1)
    group_min_session_timeout_us: int = _ms("group.min.session.timeout.ms", 6000, 600)
    group_max_session_timeout_us: int = _ms("group.max.session.timeout.ms", 1_800_000, 180_000)
    group_initial_rebalance_delay_us: int = _ms("group.initial.rebalance.delay.ms", 3000, 300)
    # Authorisation
    authorizer_class_name: str = _text(
        "authorizer.class.name", "", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")
    allow_everyone_if_no_acl_found: bool = _flag("allow.everyone.if.no.acl.found", False, True)
    super_users: str = _text("super.users", "User:admin")
    # What work takes a process, beside the time that messages and disks take: a partition's metadata that is decided,
    # told or taken over; a replica that begins to lead or follow; a znode that the controller has read or written
    partition_metadata_work_us: int = _us("fencepost.work.partition.metadata.us")
    replica_role_work_us: int = _us("fencepost.work.replica.role.us")
    controller_znode_work_us: int = _us("fencepost.work.controller.znode.us")


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """The producers', consumers' and administration clients' configuration."""

    request_timeout_us: int = _ms("request.timeout.ms", 30_000, 3000, low=1)
    retry_backoff_us: int = _ms("retry.backoff.ms", 100, 10)
    metadata_max_age_us: int = _ms("metadata.max.age.ms", 300_000, 30_000, low=1)
    delivery_timeout_us: int = _ms("delivery.timeout.ms", 120_000, 6000, low=1)
    default_api_timeout_us: int = _ms("default.api.timeout.ms", 60_000, 6000, low=1)
    session_timeout_us: int = _ms("session.timeout.ms", 45_000, 3000, low=1)
    heartbeat_interval_us: int = _ms("heartbeat.interval.ms", 3000, 300, low=1)
    max_poll_interval_us: int = _ms("max.poll.interval.ms", 300_000, 30_000, low=1)
    fetch_max_wait_us: int = _ms("fetch.max.wait.ms", 500, 50)
    max_poll_records: int = _number("max.poll.records", 500, 50, low=1)


@dataclass(frozen=True, slots=True)
class OldConsumerConfig:
    """The configuration of the consumer before 0.9 (kafka.consumer.ConsumerConfig of 0.8.2), and whether it is used.

    offsets_storage: "kafka" or "zookeeper". "kafka" without dual commit is today's consumer, whose group a coordinator
    keeps; the others keep their group in ZooKeeper. (Then the default was "zookeeper", and dual commit was on with
    "kafka".) offset_fencing: what that consumer lacked: a claim that fences former owners, and conditional writes.
    """

    offsets_storage: str = _text("offsets.storage", "kafka")
    dual_commit_enabled: bool = _flag("dual.commit.enabled", False)
    zookeeper_session_timeout_us: int = _ms("zookeeper.session.timeout.ms", 6000, 600, low=1)
    rebalance_max_retries: int = _number("rebalance.max.retries", 4, low=1)
    rebalance_backoff_us: int = _ms("rebalance.backoff.ms", 2000, 200)
    offset_fencing: bool = _flag("fencepost.offsets.zookeeper.fencing", False)

    @property
    def is_used(self) -> bool:
        """Whether clients consume as before 0.9."""
        return self.offsets_storage == "zookeeper" or self.dual_commit_enabled


@dataclass(frozen=True, slots=True)
class ZooKeeperConfig:
    """A ZooKeeper server's configuration (zoo.cfg, defaults of 3.8), and what its clients' library fixes.

    Session time-outs that clients ask for are forced into 2 to 20 ticks, or what is set instead of either (-1: nothing
    is). A client that has tried every server waits
    for `client_spin_delay_us` before the next round, and up to as long before any attempt but its first.
    `read_work_us` is what a read takes the server that answers it, and `child_work_us` what each name in a list of
    children adds; `write_work_us` is what a write takes the leader.
    """

    tick_time_us: int = _ms("tickTime", 2000, 200, low=2)
    init_limit_ticks: int = _number("initLimit", 10, low=1)
    sync_limit_ticks: int = _number("syncLimit", 5, low=1)
    min_session_timeout_us: int = _ms("minSessionTimeout", -1, low=-1)
    max_session_timeout_us: int = _ms("maxSessionTimeout", -1, low=-1)
    snap_count: int = _number("snapCount", 100_000, 200, low=2)
    min_notification_interval_us: int = _ms("fastleader.minNotificationInterval", 200, 20, low=1)
    max_notification_interval_us: int = _ms("fastleader.maxNotificationInterval", 60_000, 1000, low=1)
    client_spin_delay_us: int = _ms("fencepost.zookeeper.client.spin.delay.ms", 1000, 100)

    def session_timeout_us(self, asked_us: int) -> int:
        """The time-out that a client gets which asks for one, in microseconds."""
        shortest_us, longest_us = self.session_bounds_us
        return max(shortest_us, min(longest_us, asked_us))

    @property
    def session_bounds_us(self) -> tuple[int, int]:
        """The shortest and the longest time-out that a client gets."""
        return (
            2 * self.tick_time_us if self.min_session_timeout_us < 0 else self.min_session_timeout_us,
            20 * self.tick_time_us if self.max_session_timeout_us < 0 else self.max_session_timeout_us)
    read_work_us: int = _us("fencepost.work.zookeeper.read.us")
    child_work_us: int = _us("fencepost.work.zookeeper.child.us")
    write_work_us: int = _us("fencepost.work.zookeeper.write.us")
