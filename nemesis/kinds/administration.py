"""Administration under fault: what operators do to a cluster while it is struck.

They do it by a client of their own (`Cluster.administer`), so that the history has an operation of it, with its answer;
the fault says only that it was asked for. Whether it takes effect is decided by the cluster.

Controllers are neither added nor removed: the model's quorum has a fixed set of voters (`kraft.version` 0; KIP-853 is
not modelled). Such a fault is skipped, and the history says why.
"""

from collections.abc import Mapping
from typing import Any

from fencepost.nemesis.kinds.kind import Kind, Strike, kind
from fencepost.nemesis.kinds.process import DOWN, ProcessKind, start_again
from fencepost.nemesis.rhythm import Rhythm
from fencepost.nemesis.targets import Draws

#: The topics that drawn schedules create and delete.
_TOPICS = ("passing-a", "passing-b")
#: How many partitions a topic gets that a fault creates.
CREATED_PARTITIONS = 2
#: A cluster that grows has no more.
MOST_BROKERS = 6
_OFFSETS_TOPIC = "__consumer_offsets"
#: How often it is looked whether a broker has ended.
_LOOK_US = 50_000


class AdministrationKind(Kind):
    """Asks the cluster for something, once."""

    plane = "administration"
    has_target = False
    ignores = ("target",)
    lasts = False

    def strike(self, strike: Strike) -> None:
        """Ask."""
        operation = self.operation(strike)
        if isinstance(operation, str):
            strike.skip(operation)
            return
        strike.record([])
        strike.cluster.administer(operation)

    def operation(self, strike: Strike) -> dict[str, Any] | str:
        """What is asked for, or why nothing is."""
        raise NotImplementedError


@kind
class ReassignPartition(AdministrationKind):
    """The `partition` is given other replicas: as many as it has, drawn, in a drawn order.

    Stands for: an operator, or Cruise Control, moves load (kafka-reassign-partitions).
    """

    name = "reassign-partition"
    needs = ("partition",)
    told = "operators asked for other replicas of {partition}"

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {"partition": draws.choice(rhythm.partitions)}

    def operation(self, strike: Strike) -> dict[str, Any] | str:
        """See `AdministrationKind`."""
        cluster, partition = strike.cluster, str(strike.fault.partition)
        count = len(cluster.replicas_of(partition))
        if not count:
            return f"no running broker knows {partition}"
        replicas = strike.draws.shuffled(sorted(cluster.brokers))[:count]
        return {"f": "reassign", "key": partition, "replicas": replicas}


@kind
class ElectLeader(AdministrationKind):
    """A leader of the `partition` is elected as an administrator may ask for it: the `preferred` one, or if nobody
    leads, `unclean`, any replica that lives. What an unclean election loses is excused, for it was asked for.

    Stands for: kafka-leader-election; the last way out when the in-sync replicas are gone.
    """

    name = "elect-leader"
    needs = ("partition", "election")
    told = "operators asked for an election ({election}) of the leader of {partition}"

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {"partition": draws.choice(rhythm.partitions),
                "election": draws.weighted((("preferred", 2), ("unclean", 1)))}

    def operation(self, strike: Strike) -> dict[str, Any] | str:
        """See `AdministrationKind`."""
        return {"f": "elect-leader", "key": strike.fault.partition, "election_type": strike.fault.election}


@kind
class CreateTopic(AdministrationKind):
    """The `topic` is created, of two partitions.

    Stands for: a deployment, an application that creates what it needs.
    """

    name = "create-topic"
    needs = ("topic",)
    told = "operators asked for the topic {topic}"

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {"topic": draws.choice(_TOPICS)}

    def operation(self, strike: Strike) -> dict[str, Any] | str:
        """See `AdministrationKind`."""
        return {"f": "create-topic", "key": strike.fault.topic, "partitions": CREATED_PARTITIONS,
                "replication_factor": min(3, len(strike.cluster.brokers)), "configs": {}}


@kind
class DeleteTopic(AdministrationKind):
    """The `topic` is deleted; `__consumer_offsets` is refused. Kafka does let an administrator delete that one, but
    then every group's offsets are gone by order, and no rule about them could tell a loss from what was asked for.

    Stands for: a deployment that cleans up, an operator's slip.
    """

    name = "delete-topic"
    needs = ("topic",)
    told = "operators asked for the deletion of the topic {topic}"

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {"topic": draws.choice(_TOPICS)}

    def operation(self, strike: Strike) -> dict[str, Any] | str:
        """See `AdministrationKind`."""
        return {"f": "delete-topic", "key": strike.fault.topic}

    def refusal(self, fields: Mapping[str, Any]) -> str | None:
        """See `Kind`."""
        if fields["topic"] != _OFFSETS_TOPIC:
            return None
        return f"topic is {_OFFSETS_TOPIC}: a delete-topic takes any other, for all committed offsets would go with it"


@kind
class AlterConfig(AdministrationKind):
    """A setting of the `topic` is changed (`setting`: `name=value`), and at the end its own value is deleted again.

    Stands for: kafka-configs, under load.
    """

    name = "alter-config"
    needs = ("topic", "setting")
    lasts = True
    told = "operators set {setting} for the topic {topic}"

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """More replicas than may be there, or something that decides nothing."""
        names = sorted({partition.rpartition("-")[0] for partition in rhythm.partitions})
        setting = draws.choice(("min.insync.replicas=3", f"retention.ms={draws.between(1, 1_000) * 1_000_000}"))
        return {"topic": draws.choice([name for name in names if not name.startswith("__")]), "setting": setting}

    def operation(self, strike: Strike) -> dict[str, Any] | str:
        """See `AdministrationKind`."""
        name, _, value = str(strike.fault.setting).partition("=")
        return {"f": "alter-config", "key": strike.fault.topic, "name": name, "value": value}

    def undo(self, strike: Strike) -> None:
        """What the topic's own value was before is not known; it has none, as a rule."""
        name = str(strike.fault.setting).partition("=")[0]
        strike.cluster.administer(
            {"f": "alter-config", "key": strike.fault.topic, "name": name, "value": None, "retry": True})


@kind
class AddBroker(Kind):
    """A broker that was not there before is started, with an empty disk; at the end the `partition` gets it as its
    first replica, for its last one. It stays, and later faults may strike it. A cluster grows to 6 brokers at most.

    Stands for: a cluster that is scaled out.
    """

    name = "add-broker"
    plane = "administration"
    needs = ("partition",)
    has_target = False
    ignores = ("target",)
    told = "{struck} was added to the cluster, to get a replica of {partition},"

    def drawn(self, draws: Draws, rhythm: Rhythm) -> dict[str, Any]:
        """See `Kind`."""
        return {"partition": draws.choice(rhythm.partitions)}

    def strike(self, strike: Strike) -> None:
        """Start it."""
        if len(strike.cluster.brokers) >= MOST_BROKERS:
            strike.skip(f"there are {MOST_BROKERS} brokers already")
            return
        node = strike.cluster.add_broker()
        strike.record([node])
        strike.state = node

    def undo(self, strike: Strike) -> None:
        """It has registered by now, as a rule; else the operation says so."""
        partition = str(strike.fault.partition)
        former = strike.cluster.replicas_of(partition)
        if former:
            replicas = [strike.state, *(broker for broker in former if broker != strike.state)][:len(former)]
            strike.cluster.administer({"f": "reassign", "key": partition, "replicas": replicas})


class MembershipKind(ProcessKind):
    """Takes a broker out of the cluster, and lets it in again at the end: it registers anew."""

    plane = "administration"

    def prevented(self, strike: Strike) -> str | None:
        """Only brokers are members."""
        return None if strike.target in strike.cluster.brokers else f"node {strike.target} is no broker"

    @staticmethod
    def unregister(strike: Strike) -> None:
        """Have the controller forget the broker; without controllers there is nothing to forget but its session."""
        if strike.cluster.controllers:
            strike.cluster.administer({"f": "unregister-broker", "key": str(strike.target)})


@kind
class RemoveBroker(MembershipKind):
    """A broker is asked to end (a controlled shutdown) and is unregistered once it is down (KRaft mode); at the end it
    is added again: started, with its disk, under its id. Its replicas stay assigned to it.

    Stands for: a cluster that shrinks and grows, a broker that moves to another host with its volume.
    """

    name = "remove-broker"
    milder = "shutdown"
    told = "{struck} was taken out of the cluster"

    def begin(self, strike: Strike) -> None:
        """Ask it to end."""
        strike.hold(DOWN, strike.target)
        strike.cluster.shut_down(strike.target)
        strike.after(_LOOK_US, self._look)

    def _look(self, strike: Strike) -> None:
        if strike.cluster.is_running(strike.target):
            strike.after(_LOOK_US, self._look)
        else:
            self.unregister(strike)

    def undo(self, strike: Strike) -> None:
        """Add it."""
        start_again(strike, strike.target)


@kind
class UnregisterBroker(MembershipKind):
    """A broker is unregistered while it runs: it leads nothing any more, is out of the ISRs, and never finds back by
    itself; at the end its process is killed and started, and registers anew.

    Stands for: an operator who unregisters the wrong broker (kafka-cluster unregister).
    """

    name = "unregister-broker"
    modes = ("kraft",)
    told = "operators unregistered {struck}"

    def prevented(self, strike: Strike) -> str | None:
        """There is no such request in ZooKeeper mode."""
        if not strike.cluster.controllers:
            return "brokers are unregistered in KRaft mode only"
        return super().prevented(strike)

    def begin(self, strike: Strike) -> None:
        """Ask for it."""
        self.unregister(strike)

    def undo(self, strike: Strike) -> None:
        """A process that runs is started anew."""
        if strike.cluster.is_running(strike.target):
            strike.cluster.kill(strike.target)
            strike.cluster.start_node(strike.target)


class VotersKind(Kind):
    """Changes the set of voters, which no mode of the model knows."""

    plane = "administration"
    ignores = ("target",)
    has_target = False
    lasts = False
    modes = ()

    def strike(self, strike: Strike) -> None:
        """Say why not."""
        strike.skip("the quorum's voters are fixed: KIP-853 is not modelled")


@kind
class AddController(VotersKind):
    """A voter is added to the quorum. Always skipped: KIP-853 is not modelled.

    Stands for: a quorum that grows.
    """

    name = "add-controller"


@kind
class RemoveController(VotersKind):
    """A voter is removed from the quorum. Always skipped: KIP-853 is not modelled.

    Stands for: a quorum that shrinks, or replaces a voter whose disk is gone.
    """

    name = "remove-controller"
