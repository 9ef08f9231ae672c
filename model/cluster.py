"""The simulated cluster: what a run drives and the nemesis strikes, whichever way its metadata is kept."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Protocol

from fencepost.histories.recorder import Recorder
from fencepost.histories.vocabulary import OBSERVATIONS
from fencepost.model.broker.door import BrokerDoor
from fencepost.model.client.client_node import ClientNode
from fencepost.model.config import ClientConfig, KafkaConfig
from fencepost.model.disk_faults import DiskFaults
from fencepost.model.kernel.network import Network
from fencepost.model.kernel.node import Node
from fencepost.model.kernel.scheduler import Timer
from fencepost.model.kernel.simulation import Physics, Simulation
from fencepost.model.shape import Shape

#: The first process id of the operators that the nemesis sends.
OPERATORS_PROCESS = 1_000_000


class ServerNode(Protocol):
    """What every server's node has besides being a `Node`."""

    def begin_controlled_shutdown(self) -> None:
        """What SIGTERM does."""

    def describe(self) -> dict[str, Any]:
        """The node's state as plain data."""


class SimulatedCluster(DiskFaults):
    """A cluster with its clients, in one simulation; a subclass for each mode makes the servers.

    Matches `fencepost.nemesis.cluster.Cluster`.
    controllers, brokers, zookeepers, client_ids: node ids by role; none where the mode has no such role.
    servers: every node but the clients', by id.
    """

    controllers: tuple[int, ...] = ()
    zookeepers: tuple[int, ...] = ()
    #: Observations that this mode never makes.
    ABSENT_OBSERVATIONS: tuple[str, ...] = ()

    def __init__(
        self, seed: int, shape: Shape, config: KafkaConfig, client_config: ClientConfig, physics: Physics,
        recorder: Recorder,
    ) -> None:
        self.shape = shape
        self.config = config
        self.simulation = Simulation(seed, physics, recorder)
        self.network = Network(self.simulation)
        self.recorder = recorder
        self.brokers = shape.broker_ids()
        self.client_ids = shape.client_ids()
        self.servers: dict[int, Any] = {}
        self._operators: ClientNode | None = None
        self.clients: list[ClientNode] = [
            self.make_client(index, node_id, client_config) for index, node_id in enumerate(self.client_ids)]

    def make_client(self, index: int, node_id: int, client_config: ClientConfig) -> ClientNode:
        """A client; its index is its first process id."""
        return ClientNode(
            node_id, f"client {index}", self.simulation, self.network, index, client_config, self.brokers,
            self.recorder, self.shape.clients)

    # --- time -----------------------------------------------------------------------------------------------------

    @property
    def now_us(self) -> int:
        """Virtual microseconds since the start."""
        return self.simulation.scheduler.now_us

    def start(self) -> None:
        """Start every process."""
        for node in (*self.servers.values(), *self.clients):
            node.start()

    def run_until(self, end_us: int) -> None:
        """Run everything due up to `end_us`."""
        self.simulation.scheduler.run_until(end_us)

    def schedule(self, delay_us: int, callback: Callable[..., None], *args: Any) -> Timer:
        """Run a callback of the harness or the nemesis in virtual time."""
        return self.simulation.scheduler.schedule(delay_us, callback, *args)

    def on_point(self, hook: Callable[[str, int], None] | None) -> None:
        """Call `hook(point, node id)` whenever a named point of the model is passed."""
        self.simulation.points = hook

    # --- faults ---------------------------------------------------------------------------------------------------

    def node(self, node_id: int) -> Node:
        """Any node by its id, clients included."""
        return self.network.nodes[node_id]

    def is_running(self, node_id: int) -> bool:
        """Whether the process runs; a paused one does."""
        return self.node(node_id).running

    def start_node(self, node_id: int) -> None:
        """Start a stopped process; harmless when it runs."""
        self.node(node_id).start()

    def kill(self, node_id: int) -> None:
        """The process dies, its page cache survives."""
        self.node(node_id).kill()

    def power_off(self, node_id: int) -> None:
        """The host loses power."""
        self.node(node_id).power_off()

    def pause(self, node_id: int) -> None:
        """The process stops handling anything."""
        self.node(node_id).pause()

    def resume(self, node_id: int) -> None:
        """The process goes on."""
        self.node(node_id).resume()

    def shut_down(self, node_id: int) -> None:
        """Ask the process to end in order (SIGTERM)."""
        node = self.servers.get(node_id)
        if node is None:
            self.node(node_id).shut_down()
        else:
            node.begin_controlled_shutdown()

    def cut(self, source: int, destination: int) -> None:
        """Cut one directed link."""
        self.network.links.cut(source, destination)

    def uncut(self, source: int, destination: int) -> None:
        """Take one cut of a directed link back."""
        self.network.links.uncut(source, destination)

    def expire_session(self, node_id: int) -> bool:
        """End the node's ZooKeeper session now; whether it had one and somebody could."""
        return False

    def delete_controller(self) -> bool:
        """Delete /controller; whether there was one and somebody could."""
        return False

    def slow_controller(self, node_id: int, delay_us: int) -> bool:
        """Make each event of the node's ZooKeeper-mode controller take so much longer; whether it has one."""
        return False

    def slow_down(self, source: int, destination: int, latency_us: int) -> None:
        """Add to the latency of one directed link; take it back with a negative number."""
        self.network.links.slow_down(source, destination, latency_us)

    def lose(self, source: int, destination: int, per_mille: int) -> None:
        """Let so many more in 1,000 messages of one directed link be lost; take it back with a negative number."""
        self.network.links.lose(source, destination, per_mille)

    def hold(self, source: int, destination: int) -> None:
        """Let what arrives over the connections that are open now lie in the destination's sockets."""
        self.network.hold(source, destination)

    def release(self, source: int, destination: int) -> None:
        """Take one hold of a directed link back: what lies there is handled at once."""
        self.network.release(source, destination)

    def reset_connections(self, one: int, other: int) -> None:
        """Break every connection between two nodes."""
        self.network.reset(one, other)

    def slow_node(self, node_id: int, delay_us: int) -> None:
        """Let the node take so much longer for each message; take it back with a negative number."""
        self.node(node_id).slow_down(delay_us)

    def move_clock(self, node_id: int, by_us: int) -> None:
        """Put the wall clock of the node's host forward or (a negative number) back."""
        self.node(node_id).wall_offset_us += by_us

    def heal_network(self, isolated: Sequence[int] = ()) -> None:
        """Take back every cut, loss, delay and hold, but for the cuts around isolated nodes."""
        self.network.heal(isolated)

    def add_broker(self) -> int:
        """Start a broker that was not there before, on an empty disk, and return its id. Clients hear of it by the
        metadata."""
        node_id = max(self.brokers) + 1
        self.servers[node_id] = self.make_broker(node_id)
        self.brokers = (*self.brokers, node_id)
        self.node(node_id).start()
        return node_id

    def make_broker(self, node_id: int) -> Node:
        """One more server that is a broker only."""
        raise NotImplementedError

    def administer(self, operation: dict[str, Any]) -> None:
        """Have the operators do something now, by a client of their own, which faults do not strike; they wait for
        their last operation."""
        if self._operators is None:
            node_id = max(self.network.nodes) + 1
            self._operators = ClientNode(
                node_id, "operators", self.simulation, self.network, OPERATORS_PROCESS, self.clients[0].config,
                self.brokers, self.recorder, 1)
            self._operators.start()
        self._operators.do({**operation, "at_us": self.now_us})

    # --- who is who -----------------------------------------------------------------------------------------------

    def roles(self) -> dict[str, list[int]]:
        """Who believes to be the active controller, and to lead the quorum or the ensemble; there may be several."""
        raise NotImplementedError

    def partitions(self) -> list[str]:
        """Every topic-partition that some running broker has in its image, sorted."""
        names: dict[str, None] = {}
        for broker in self.running_brokers().values():
            for topic_id, index in broker.image.partitions:
                names[f"{broker.image.topic_names[topic_id]}-{index}"] = None
        return sorted(names)

    def leaders_of(self, partition: str) -> list[int]:
        """The brokers that believe themselves to lead the partition."""
        return [
            node_id for node_id, broker in self.running_brokers().items()
            if broker.replica_manager.is_leader(partition)
        ]

    def replicas_of(self, partition: str) -> list[int]:
        """The partition's replicas, by the image of the first running broker that knows it."""
        topic, _, index = partition.rpartition("-")
        for broker in self.running_brokers().values():
            image = broker.image
            state = image.partitions.get((image.topics.get(topic, ""), int(index)))
            if state is not None:
                return list(state.replicas)
        return []

    def running_brokers(self) -> dict[int, BrokerDoor]:
        """The brokers whose processes run, by node id."""
        found: dict[int, BrokerDoor] = {}
        for node_id in self.brokers:
            broker = self.servers[node_id].broker
            if broker is not None:
                found[node_id] = broker
        return found

    # --- evidence -------------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """The state of every server as plain data."""
        return {"nodes": {str(node_id): node.describe() for node_id, node in self.servers.items()}}

    @classmethod
    def observations(cls) -> list[str]:
        """What such a cluster may tell of itself (see `fencepost.histories.vocabulary`)."""
        return sorted(name for name in OBSERVATIONS if name not in cls.ABSENT_OBSERVATIONS)

    def header(self) -> dict[str, Any]:
        """What checkers need to know about the run."""
        config = self.config
        return {
            "controllers": list(self.controllers),
            "brokers": list(self.brokers),
            "voters": list(self.controllers),
            "clients": list(self.client_ids),
            "timing": {
                field.name: getattr(config, field.name) for field in fields(config) if field.name.endswith("_us")
            },
            "observations": self.observations(),
        }
