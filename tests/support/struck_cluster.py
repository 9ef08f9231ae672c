"""A small cluster under steady writes, struck by the faults of a test, and what its history shows of them."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from fencepost.harness.execution import Execution
from fencepost.harness.spec import RunSpec
from fencepost.histories.event import FAULT, INFO, INVOKE, OBSERVE, OK, Event
from fencepost.model.shape import Shape

MODES = ("kraft", "zk")
#: When a fault strikes unless it says otherwise, how long it lasts, and up to when the cluster is looked at.
BEGIN_US, LENGTH_US, END_US = 1_000_000, 2_000_000, 3_500_000
HEAL_US = BEGIN_US + LENGTH_US
#: Short, so that a few virtual seconds hold a fail-over: the replica lag, and the session of a broker in either mode.
LAG_US, SESSION_US = 500_000, 600_000
_PROPERTIES = {
    "replica.lag.time.max.ms": str(LAG_US // 1000), "broker.session.timeout.ms": str(SESSION_US // 1000),
    "zookeeper.session.timeout.ms": str(SESSION_US // 1000)}
_CREATE_US, _EACH_US = 400_000, 20_000
PARTITIONS = ("orders-0", "orders-1", "orders-2")
ACTIVE_CONTROLLER = {"role": "active-controller"}
#: Who leads it is not the active controller of ZooKeeper mode, too.
ORDERS = "orders-1"
LEADER = {"role": "leader", "partition": ORDERS}
FOLLOWER = {"role": "follower", "partition": ORDERS}


def writes() -> list[dict[str, Any]]:
    """`orders` has a partition for each client, which writes a record to it every 20 ms, acks=all."""
    create = {
        "at_us": _CREATE_US, "client": 0, "f": "create-topic", "key": "orders", "partitions": len(PARTITIONS),
        "replication_factor": 3, "configs": {}, "retry": True}
    return [create, *(
        {"at_us": at_us, "client": client, "f": "produce", "topic": "orders", "partition": client, "count": 1,
         "acks": -1, "idempotent": False}
        for at_us in range(2 * _CREATE_US, END_US, _EACH_US) for client in range(len(PARTITIONS)))]


def struck_spec(mode: str, *faults: dict[str, Any]) -> RunSpec:
    """Each broker leads one of the partitions, and each fault strikes at BEGIN_US for LENGTH_US unless it says
    otherwise."""
    whole = [{"at_us": BEGIN_US, **({} if "remains" in fault else {"duration_us": LENGTH_US}), **fault}
             for fault in faults]
    return RunSpec(
        3, mode, shape=Shape(3, 3, len(PARTITIONS)), duration_us=END_US, properties=_PROPERTIES, faults=whole,
        workload=writes())


class Story:
    """The history of a cluster up to END_US. Every method looks at what there is from BEGIN_US on."""

    def __init__(self, spec: RunSpec) -> None:
        execution = Execution(spec)
        execution.run_until(END_US - 1)
        self.config = execution.cluster.config
        self.servers = tuple(execution.cluster.servers)
        self.events = list(execution.recorder.events)

    @property
    def fault(self) -> Event:
        """The one fault, as it struck."""
        (fault,) = [event for event in self.events if event.type == FAULT]
        return fault

    @property
    def struck(self) -> int | None:
        """The node that the fault struck."""
        return self.fault.node

    def seen(self, f: str, key: str | None = None, node: int | None = None, **facts: Any) -> list[Event]:
        """The observations of that name about that key, at that node, with those facts."""
        return [
            event for event in self.events
            if event.f == f and event.type == OBSERVE and event.time_us >= BEGIN_US
            and key in (None, event.key) and node in (None, event.node)
            and all(event.value.get(name) == fact for name, fact in facts.items())]

    def leaders_before(self) -> dict[str | None, int | None]:
        """Who led each partition of `orders` when the fault struck."""
        return {
            event.key: event.node for event in self.events
            if event.f == "leader-start" and event.key in PARTITIONS and event.time_us < BEGIN_US}

    def fenced(self) -> list[tuple[int, int]]:
        """When the controller fenced which broker (KRaft mode), or found that its session was over."""
        found = [
            (event.time_us, fields["broker_id"])
            for event in self.seen("metadata-write") for kind, fields in event.value["records"]
            if kind == "BrokerRegistrationChangeRecord" and fields["fenced"]]
        return found + [(event.time_us, broker) for event in self.seen("broker-list") for broker in event.value["dead"]]

    def out_of_isr(self, partition: str | None) -> list[tuple[int, int]]:
        """When which replica was found to be out of the partition's ISR, by its leader."""
        return [
            (event.time_us, replica) for event in self.seen("isr-changed", partition)
            for replica in (1, 2, 3) if replica not in event.value["maximal_isr"]]

    def writes(self, partition: str = ORDERS) -> Iterator[tuple[Event, Event]]:
        """Each write to the partition that was begun while the fault lasted, with its end."""
        begun: dict[int | None, Event] = {}
        for event in self.events:
            if event.f == "produce" and event.key == partition:
                if event.type == INVOKE:
                    begun[event.process] = event
                elif BEGIN_US <= begun[event.process].time_us < HEAL_US:
                    yield begun[event.process], event

    def answer_times_us(self, partition: str = ORDERS) -> list[int]:
        """How long each of those writes took that were acknowledged."""
        return [end.time_us - begin.time_us for begin, end in self.writes(partition) if end.type == OK]

    def in_doubt(self, partition: str = ORDERS) -> list[Event]:
        """Those writes of which nobody knows whether they took effect."""
        return [end for _, end in self.writes(partition) if end.type == INFO]


@cache
def _told(mode: str, faults: str) -> Story:
    return Story(struck_spec(mode, *json.loads(faults)))


def story(mode: str, *faults: dict[str, Any]) -> Story:
    """The run with these faults, or with none; the same is run only once."""
    return _told(mode, json.dumps(faults))
