"""A cluster with topics that were there before it started, brought to rest, watched and asked from outside."""

from collections.abc import Callable
from typing import Any

from fencepost.harness.compare import assumptions
from fencepost.histories.errors import FencepostError
from fencepost.histories.recorder import Recorder
from fencepost.model.broker.partition_core import LEADER
from fencepost.model.cluster import SimulatedCluster
from fencepost.model.composition import Composer
from fencepost.model.config import ClientConfig, OldConsumerConfig
from fencepost.model.kernel.node import Node
from fencepost.model.kraft_cluster import KRaftCluster
from fencepost.model.protocol.controller import AdminRequest
from fencepost.model.shape import Shape
from fencepost.model.standing.ensemble import plant_in_ensemble
from fencepost.model.standing.quorum import plant_in_quorum
from fencepost.model.standing.topics import striped_topics
from fencepost.model.zk_cluster import ZkCluster

MODES = ("zk", "kraft")
SECOND_US = 1_000_000
#: Nothing takes longer than this in virtual time, or it never ends.
PATIENCE_US = 7_200 * SECOND_US
#: Between everybody leading and following, and the measurement: longer than any of Kafka's sessions.
REST_US = 30 * SECOND_US
PROBE_ID = 2001

#: Called with (virtual time in microseconds, node id, key, value).
Listener = Callable[[int, int | None, str | None, Any], None]


class Watch(Recorder):
    """A recorder that keeps nothing, and passes on the observations that somebody listens to."""

    def __init__(self) -> None:
        super().__init__()
        self.listeners: dict[str, Listener] = {}

    def observe(
        self, time_us: int, f: str, node: int | None, key: str | None, value: Any, error: str | None,
        epochs: dict[str, int] | None,
    ) -> None:
        """See `Recorder.observe`."""
        listener = self.listeners.get(f)
        if listener is not None:
            listener(time_us, node, key, value)


class Probe(Node):
    """A host that administers the cluster. It sends one request at a time, again after each refusal.

    answered_us: when the present request was answered without an error; None before.
    """

    RETRY_US = 20_000

    def on_start(self) -> None:
        """Nothing to do before it is asked."""
        self.answered_us: int | None = None

    def administer(self, broker_id: int, operation: str, arguments: Callable[[int], dict[str, Any]]) -> None:
        """Have a broker do something until it is done; `arguments(attempt)` of each attempt, counted from 0."""
        self.answered_us = None
        self._ask(broker_id, operation, arguments, 0)

    def _ask(
        self, broker_id: int, operation: str, arguments: Callable[[int], dict[str, Any]], attempt: int,
    ) -> None:
        request = AdminRequest(operation, arguments(attempt))
        self.request(
            broker_id, "probe", request, PATIENCE_US, self._on_answer, broker_id, operation, arguments, attempt)

    def _on_answer(
        self, response: Any, broker_id: int, operation: str, arguments: Callable[[int], dict[str, Any]], attempt: int,
    ) -> None:
        if response is not None and response.error is None:
            self.answered_us = self.now_us
        else:
            self.schedule(self.RETRY_US, self._ask, broker_id, operation, arguments, attempt + 1)


class Scene:
    """One cluster of a mode with so many partitions. `watch` hears what happens, `probe` asks for things.

    reload_us: what the controller that took office at the start needed until it was ready; with KRaft it is at once.
    """

    def __init__(self, mode: str, partitions: int, seed: int) -> None:
        self.mode = mode
        self.partitions = partitions
        self.reload_us = 0
        self._claimed_us = 0
        self.watch = Watch()
        self.watch.listeners.update({"controller-claimed": self._on_claimed, "controller-ready": self._on_ready})
        self.cluster = _make_cluster(mode, partitions, seed, self.watch)
        self.probe = Probe(PROBE_ID, "probe", self.cluster.simulation, self.cluster.network)

    def come_to_rest(self) -> None:
        """Start everything and wait until every partition is led and nothing is left to be done."""
        self.cluster.start()
        self.probe.start()
        self.wait_for(self._is_led)
        self.run(REST_US)

    def _on_claimed(self, time_us: int, node: int | None, key: str | None, value: Any) -> None:
        self._claimed_us = time_us

    def _on_ready(self, time_us: int, node: int | None, key: str | None, value: Any) -> None:
        self.reload_us = time_us - self._claimed_us

    def _is_led(self) -> bool:
        return len(self.controllers()) == 1 and sum(map(len, map(self.led_by, self.cluster.brokers))) == self.partitions

    # --- time -----------------------------------------------------------------------------------------------------

    @property
    def now_us(self) -> int:
        """Virtual time."""
        return self.cluster.now_us

    def run(self, duration_us: int) -> None:
        """Let virtual time pass."""
        self.cluster.run_until(self.now_us + duration_us)

    def wait_for(self, done: Callable[[], bool]) -> None:
        """Let virtual time pass until something is so. Raises FencepostError when it never comes."""
        deadline_us = self.now_us + PATIENCE_US
        while not done():
            if self.now_us >= deadline_us:
                raise FencepostError(
                    f"compare: {self.mode} with {self.partitions} partitions did not come to rest in "
                    f"{PATIENCE_US // SECOND_US} virtual seconds; please report it")
            self.run(SECOND_US)

    # --- who is who -----------------------------------------------------------------------------------------------

    def controllers(self) -> list[int]:
        """Who believes to be the active controller."""
        return self.cluster.roles()["active-controller"]

    def led_by(self, broker_id: int) -> list[str]:
        """The partitions that a broker believes to lead."""
        broker = self.cluster.running_brokers().get(broker_id)
        partitions = {} if broker is None else broker.replica_manager.partitions
        return [name for name, partition in partitions.items() if partition.role == LEADER]

    def bystander(self) -> int:
        """A broker that is not in control (and with KRaft no controller at all), to be struck or to be asked."""
        taken = (*self.controllers(), *self.cluster.controllers)
        return next(broker_id for broker_id in reversed(self.cluster.brokers) if broker_id not in taken)


def _make_cluster(mode: str, partitions: int, seed: int, watch: Watch) -> SimulatedCluster:
    kafka, client, world = assumptions.kafka_config(), ClientConfig(), assumptions.world()
    topics = striped_topics(
        partitions, assumptions.PARTITIONS_PER_TOPIC, tuple(range(1, 1 + assumptions.BROKERS)),
        assumptions.REPLICATION_FACTOR)
    if mode == "zk":
        shape = Shape(brokers=assumptions.BROKERS, clients=0, zookeepers=assumptions.VOTERS)
        on_zookeeper = ZkCluster(
            seed, shape, kafka, client, assumptions.zookeeper_config(), OldConsumerConfig(), world, Composer(), watch)
        for server in on_zookeeper.ensemble.values():
            server.on_committed = None  # evidence for checkers, of which there are none here
        plant_in_ensemble(on_zookeeper, topics)
        return on_zookeeper
    shape = Shape(controllers=assumptions.VOTERS, brokers=assumptions.BROKERS, clients=0, combined=True)
    on_quorum = KRaftCluster(seed, shape, kafka, client, world, Composer(), watch)
    plant_in_quorum(on_quorum, topics)
    return on_quorum
