"""The times of a run that follow from its configuration: the world's constants by profile, and the phases.

A run has a warm-up without faults, the time in which faults begin, the heal, the quiet phase within which liveness is
demanded, and the final reads.
"""

from dataclasses import dataclass, replace

from fencepost.model.effective_config import EffectiveConfig
from fencepost.model.kernel.simulation import Physics

_PHYSICS = {
    "kafka-defaults": Physics(),
    # What is a time-out of the operating system's shrinks with Kafka's; what is the speed of hardware stays.
    "campaign": Physics(retransmission_us=20_000, connection_break_us=1_000_000, dirty_expire_us=3_000_000),
}


def physics(profile: str, steady: bool = False) -> Physics:
    """The simulated world's constants under a profile; with `steady`, every latency is the least one."""
    return replace(_PHYSICS[profile], jitter=not steady)


def quiet_us(mode: str, effective: EffectiveConfig, world: Physics) -> int:
    """Within this time after the heal a healthy cluster has recovered: the one bound of every liveness rule.

    The worst chain of waits, each once: connections that the faults left half dead break or their requests time out;
    the quorum finds a leader (three elections may fail); brokers register and are unfenced; leaders move, replicas
    catch up and return to the ISRs (two checks); groups lose their dead members and rebalance; clients' requests time
    out once.
    """
    config, client = effective.kafka, effective.client
    connections_us = max(
        2 * world.connection_break_us, config.controller_socket_timeout_us, config.replica_socket_timeout_us)
    if mode == "zk":
        quorum_us, brokers_us = _ensemble_us(effective), _registrations_us(effective)
    else:
        quorum_us = 3 * (config.controller_quorum_fetch_timeout_us + 2 * config.controller_quorum_election_timeout_us
                         + config.controller_quorum_election_backoff_max_us)
        brokers_us = 2 * config.broker_session_timeout_us + 2 * config.broker_heartbeat_interval_us
    replicas_us = config.replica_lag_time_max_us * 3 // 2 + config.replica_fetch_backoff_us
    groups_us = client.session_timeout_us + config.group_initial_rebalance_delay_us + client.heartbeat_interval_us
    return connections_us + quorum_us + brokers_us + replicas_us + groups_us + client.request_timeout_us


def _ensemble_us(effective: EffectiveConfig) -> int:
    """ZooKeeper's servers find that their leader is gone, elect, synchronise, and clients try them in turn."""
    zookeeper = effective.zookeeper
    servers_us = zookeeper.tick_time_us * (zookeeper.sync_limit_ticks + zookeeper.init_limit_ticks)
    return 2 * (servers_us + zookeeper.max_notification_interval_us) + 3 * zookeeper.client_spin_delay_us


def _registrations_us(effective: EffectiveConfig) -> int:
    """Old sessions run out, restarted brokers register, a controller fails over, and perhaps once more."""
    return 3 * effective.zookeeper_session_timeout_us + effective.kafka.controlled_shutdown_retry_backoff_us


@dataclass(frozen=True, slots=True)
class Phases:
    """When a run's phases begin, in virtual microseconds since its start.

    faults: the first time at which a fault may begin. heal: every fault ends. final: clients begin the final reads.
    end: the run is over at the latest.
    """

    faults_us: int
    heal_us: int
    final_us: int
    end_us: int


def phases(mode: str, duration_us: int, effective: EffectiveConfig, world: Physics) -> Phases:
    """The phases of a run in which faults may strike until `duration_us`."""
    warm_up_us = min(duration_us // 10, 2 * effective.kafka.broker_session_timeout_us)
    final_us = duration_us + quiet_us(mode, effective, world)
    return Phases(warm_up_us, duration_us, final_us, final_us + 2 * effective.client.default_api_timeout_us)
