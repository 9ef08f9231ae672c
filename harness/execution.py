"""One run in the making: the cluster, its clients and its nemesis, built from a spec and driven through the phases.

The phases are scheduled in virtual time like everything else, so a run can be driven to any moment and looked at there.
"""

from dataclasses import replace
from typing import Any

from fencepost.harness.spec import RunSpec, config_of
from fencepost.harness.timing import Phases, phases, physics
from fencepost.harness.workload import PARTITIONS, TOPICS, draw_workload
from fencepost.histories.recorder import Recorder
from fencepost.model.bugs.catalogue import composer_with
from fencepost.model.cluster import SimulatedCluster
from fencepost.model.effective_config import EffectiveConfig
from fencepost.model.kernel.randomness import Stream
from fencepost.model.kraft_cluster import KRaftCluster
from fencepost.model.zk_cluster import ZkCluster
from fencepost.nemesis.faults import fault_from_data
from fencepost.nemesis.injector import Injector
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.selection import draw_schedule

#: How often the end of the run is looked for once the final reads have begun.
_END_CHECK_US = 50_000


def complete(spec: RunSpec, config: EffectiveConfig, times: Phases) -> RunSpec:
    """The spec with its schedule and workload drawn from the seed, where it had none."""
    faults = spec.faults
    if faults is None:
        drawn = draw_schedule(lambda name: Stream(spec.seed, name), rhythm_of(spec, config, times), spec.draw_from)
        faults = [fault.to_data() for fault in drawn]
    workload = spec.workload
    if workload is None:
        workload = draw_workload(
            Stream(spec.seed, "workload"), spec.shape, config.kafka, config.client, times, spec.topic_config)
    return replace(spec, faults=faults, workload=workload)


def rhythm_of(spec: RunSpec, config: EffectiveConfig, times: Phases) -> Rhythm:
    """The time-outs that a schedule for this spec plays against."""
    kafka = config.kafka
    offsets = [f"__consumer_offsets-{index}" for index in range(min(3, kafka.offsets_topic_num_partitions))]
    topics = [f"{topic}-{index}" for topic in TOPICS for index in range(PARTITIONS)]
    return Rhythm(
        begin_us=times.faults_us, end_us=times.heal_us,
        fetch_timeout_us=kafka.controller_quorum_fetch_timeout_us,
        session_timeout_us=(
            config.zookeeper_session_timeout_us if spec.mode == "zk" else kafka.broker_session_timeout_us),
        replica_lag_us=kafka.replica_lag_time_max_us, client_session_us=config.client.session_timeout_us,
        partitions=(*topics, *offsets), quorum="zookeepers" if spec.mode == "zk" else "controllers",
    )


def make_cluster(spec: RunSpec, config: EffectiveConfig, recorder: Recorder) -> SimulatedCluster:
    """The cluster of the spec's mode, with its bugs."""
    composer, world = composer_with(spec.bugs, spec.mode), physics(spec.profile, spec.steady)
    if spec.mode == "zk":
        return ZkCluster(
            spec.seed, spec.shape, config.kafka, config.client, config.zookeeper, config.consumer, world,
            composer, recorder)
    return KRaftCluster(spec.seed, spec.shape, config.kafka, config.client, world, composer, recorder)


def branches_of(mode: str) -> list[str]:
    """The branches of the protocol that a run in that mode can take: what its cluster can tell of itself."""
    return (ZkCluster if mode == "zk" else KRaftCluster).observations()


class Execution:
    """A run that can be driven. `spec` is the complete one; `header` is what checkers are told."""

    def __init__(self, spec: RunSpec) -> None:
        config = config_of(spec)
        world = physics(spec.profile, spec.steady)
        self.phases = phases(spec.mode, spec.duration_us, config, world)
        self.spec = complete(spec, config, self.phases)
        self.recorder = Recorder()
        self.cluster = make_cluster(spec, config, self.recorder)
        self.header = self._header(config)
        self.finished = False
        self._load_clients()
        faults = [fault_from_data(fault, f"fault {index}") for index, fault in enumerate(self.spec.faults or ())]
        self._injector = Injector(self.cluster, faults, self._fault_stream)
        self.cluster.start()
        self._injector.start()
        self.cluster.schedule(self.phases.heal_us, self._injector.heal, self.phases.final_us - self.phases.heal_us)

    def run_until(self, time_us: int) -> None:
        """Drive the run to a moment, at most to its end."""
        if self.finished:
            return
        cluster = self.cluster
        cluster.run_until(min(time_us, self.phases.final_us))
        while cluster.now_us < time_us and not self._stopped() and not self.finished:
            if cluster.now_us >= self.phases.end_us or all(client.idle for client in cluster.clients):
                self.finished = True
                self.recorder.fault(cluster.now_us, "quiet-end", None, cluster.describe())
            else:
                cluster.run_until(min(cluster.now_us + _END_CHECK_US, self.phases.end_us))

    def run_to_end(self) -> None:
        """Drive the run to its end."""
        self.run_until(self.phases.end_us + 1)

    def stop(self) -> None:
        """End the run after the event of the kernel that is under way."""
        self.cluster.simulation.scheduler.stopped = True

    def _stopped(self) -> bool:
        return self.cluster.simulation.scheduler.stopped

    def _fault_stream(self, index: int) -> Stream:
        """The draws of one fault: its own stream, so that the others do not feel its absence."""
        return self.cluster.simulation.streams(f"fault {index}")

    def _load_clients(self) -> None:
        by_client: dict[int, list[dict[str, Any]]] = {}
        for operation in self.spec.workload or ():
            by_client.setdefault(operation["client"], []).append(operation)
        for index, client in enumerate(self.cluster.clients):
            client.load(by_client.get(index, []))

    def _header(self, config: EffectiveConfig) -> dict[str, Any]:
        spec = self.spec
        return {
            "mode": spec.mode, "seed": spec.seed, "profile": spec.profile, **self.cluster.header(),
            "properties": config.properties, "topic_config": spec.topic_config,
            "consumer_config": config.consumer_properties, "excuses": spec.excuses,
            "api_timeout_us": config.client.default_api_timeout_us,
            **({"zookeeper_properties": config.zookeeper_properties} if spec.mode == "zk" else {}),
        }
