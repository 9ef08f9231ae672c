"""Strategies for the shape of a cluster, its configuration, and whole runs."""

from collections.abc import Sequence

from hypothesis import strategies as st

from fencepost.harness.property.defaults import DURATION, SHAPE, TOPICS
from fencepost.harness.property.fault_strategies import schedules
from fencepost.harness.property.operation_strategies import framed, workloads
from fencepost.harness.spec import RunSpec
from fencepost.harness.words import read_duration
from fencepost.model.shape import Shape

#: Kafka's name of a property, and the values that are worth trying, the campaign profile's own first.
_VALUES = {
    "replica.lag.time.max.ms": ("3000", "1000"),
    "broker.session.timeout.ms": ("900", "2000"),
    "offsets.topic.num.partitions": ("3", "1"),
    "metadata.log.max.record.bytes.between.snapshots": ("19200", "1920"),
    "controller.quorum.election.timeout.ms": ("100", "300"),
    "auto.leader.rebalance.enable": ("true", "false"),
    "group.initial.rebalance.delay.ms": ("300", "0"),
}


@st.composite
def shapes(
    draw: st.DrawFn, mode: str = "kraft", max_brokers: int = 3, max_quorum: int = 3, max_clients: int = 3
) -> Shape:
    """Clusters with up to so many brokers, controllers (or ZooKeeper servers: 1, 3, 5 or 7) and clients."""
    quorum = draw(st.sampled_from([size for size in (1, 3, 5, 7) if size <= max_quorum]))
    brokers, clients = draw(st.integers(1, max_brokers)), draw(st.integers(1, max_clients))
    if mode == "zk":
        return Shape(brokers=brokers, clients=clients, zookeepers=quorum)
    return Shape(quorum, brokers, clients, combined=brokers >= quorum and draw(st.booleans()))


@st.composite
def configurations(draw: st.DrawFn, brokers: int = SHAPE.brokers) -> dict[str, str]:
    """A few broker properties under Kafka's names, as for `RunSpec.properties`; those left out are the profile's.

    None of them allows Kafka to lose what was acknowledged. brokers: how many the cluster has.
    """
    chosen = draw(st.lists(st.sampled_from(sorted(_VALUES)), unique=True, max_size=3))
    properties = {name: draw(st.sampled_from(_VALUES[name])) for name in sorted(chosen)}
    if draw(st.booleans()):
        factor = draw(st.integers(1, brokers))
        properties["default.replication.factor"] = properties["offsets.topic.replication.factor"] = str(factor)
        properties["min.insync.replicas"] = str(draw(st.integers(1, factor)))
    return properties


@st.composite
def specs(
    draw: st.DrawFn, mode: str = "kraft", duration: str = DURATION, topics: Sequence[str] = TOPICS,
    bugs: Sequence[str] = (),
) -> RunSpec:
    """Whole runs of clusters of any small shape and configuration, for `fencepost.run`.

    duration: of the time in which faults may strike. bugs: the known bugs that are switched on.
    """
    shape = draw(shapes(mode))
    spec = RunSpec(
        seed=draw(st.integers(0, 1_000)), mode=mode, shape=shape, duration_us=read_duration(duration),
        properties=draw(configurations(shape.brokers)), bugs=tuple(bugs))
    schedule = [fault.to_data() for fault in draw(schedules(mode, duration, topics))]
    operations = framed(draw(workloads(shape.clients, shape.brokers, duration, topics)), spec)
    return RunSpec(
        spec.seed, mode, shape=shape, duration_us=spec.duration_us, properties=spec.properties, bugs=spec.bugs,
        faults=schedule, workload=operations)
