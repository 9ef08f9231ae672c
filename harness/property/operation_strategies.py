"""Strategies for workloads: what the clients of a small cluster do, as the plain data that a spec stores.

Each operation shrinks to an earlier one of a lower client, and a workload to fewer operations. `framed` puts around a
workload what a run needs to be judged: topics that exist, late writes that must succeed, and the final reads.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st

from fencepost.harness.property.defaults import BEGIN_US, DURATION, SHAPE, TOPICS, partition_names
from fencepost.harness.spec import RunSpec, config_of
from fencepost.harness.timing import phases, physics
from fencepost.harness.words import read_duration
from fencepost.harness.workload import (
    GROUPS,
    PARTITIONS,
    Operations,
    final_reads,
    late_writes,
    membership,
    partitions_of,
    topic_creations,
)

_AT_US = 10_000
#: A burst has at most so many operations, so far from each other.
_BURST, _BURST_GAP_US = 20, 20_000
#: (acks, idempotent) of writes that wait for the ISR.
_DURABLE = ((-1, False), (-1, True))
#: Operations that a client may be drawn to do, the plainest first.
FUNCTIONS = (
    "produce", "poll", "commit-offsets", "fetch-offsets", "subscribe", "describe-topics", "describe-config",
    "alter-config", "elect-leader", "reassign",
)
#: In the proportions of most applications: mostly writing.
USUAL = (*("produce",) * 15, *("poll",) * 4, *("commit-offsets",) * 3, *FUNCTIONS)


class ClientOperation(dict[str, Any]):
    """One operation of a workload: a dict as `spec.json` holds it, which Hypothesis shows in one line."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


@st.composite
def operations(
    draw: st.DrawFn, clients: int = SHAPE.clients, brokers: int = SHAPE.brokers, duration: str = DURATION,
    topics: Sequence[str] = TOPICS, functions: Sequence[str] = USUAL,
) -> ClientOperation:
    """One operation of one client.

    clients, brokers: how many there are. duration: of the time in which faults may strike, such as "4s".
    topics: their names. functions: what clients may do; one that is named twice is drawn twice as often.
    """
    steps = max(1, (read_duration(duration) - BEGIN_US) // _AT_US)
    at_us = BEGIN_US + _AT_US * draw(st.integers(0, steps - 1))
    return draw(operation_at(at_us, clients, brokers, topics, functions))


@st.composite
def operation_at(
    draw: st.DrawFn, at_us: int, clients: int, brokers: int, topics: Sequence[str], functions: Sequence[str]
) -> ClientOperation:
    """One operation at that time. It takes two draws, whatever it is: see `fault_strategies.fault_at`."""
    f, fields = draw(st.sampled_from(_templates(tuple(functions), brokers, tuple(topics))))
    client = draw(st.integers(0, clients - 1))
    if f in ("poll", "commit-offsets", "subscribe"):
        fields = {**membership(client), **fields}
    return ClientOperation(at_us=at_us, client=client, f=f, **fields)


@st.composite
def workloads(
    draw: st.DrawFn, clients: int = SHAPE.clients, brokers: int = SHAPE.brokers, duration: str = DURATION,
    topics: Sequence[str] = TOPICS, functions: Sequence[str] = USUAL, max_size: int = 10,
) -> list[ClientOperation]:
    """Workloads: up to `max_size` bursts of the same operation, all in the order of their times.

    See `operations` for the other arguments.
    """
    one = operations(clients, brokers, duration, topics, functions)
    parts = draw(st.lists(bursts(one), max_size=max_size))
    return sorted([operation for part in parts for operation in part], key=_time)


@st.composite
def bursts(draw: st.DrawFn, operation: st.SearchStrategy[ClientOperation]) -> list[ClientOperation]:
    """The same operation one or more times, in quick succession; writes go to the partitions in turn."""
    first, size = draw(operation), draw(st.integers(1, _BURST))
    burst = []
    for place in range(size):
        one = ClientOperation({**first, "at_us": first["at_us"] + place * _BURST_GAP_US})
        if first["f"] == "produce":
            one["partition"] = (first["partition"] + place) % PARTITIONS
        burst.append(one)
    return burst


def framed(workload: Iterable[dict[str, Any]], spec: RunSpec) -> Operations:
    """The workload with its frame: its topics are created first, written to late in the quiet phase, and read.

    spec: the run's; its own workload does not matter.
    """
    given = [dict(operation) for operation in workload]
    topics = tuple(dict.fromkeys([*TOPICS, *(topic for operation in given for topic in _topics(operation))]))
    warm_up_us = phases(spec.mode, spec.duration_us, config_of(spec), physics(spec.profile, spec.steady)).faults_us
    return framed_from(warm_up_us * 3 // 10, given, topics, spec)


def framed_from(
    created_us: int, workload: Sequence[dict[str, Any]], topics: Sequence[str], spec: RunSpec
) -> Operations:
    """As `framed`, for these topics, which are created at that time."""
    config = config_of(spec)
    times = phases(spec.mode, spec.duration_us, config, physics(spec.profile, spec.steady))
    factor = min(config.kafka.default_replication_factor, spec.shape.brokers)
    before = topic_creations(topics, created_us, factor, spec.topic_config)
    between = sorted([*before, *workload, *late_writes(topics, spec.shape.clients, times)], key=_time)
    return between + final_reads(topics, (), spec.shape.clients, times)


def _topics(operation: dict[str, Any]) -> list[str]:
    """The topics that an operation takes for granted."""
    if operation.get("f") == "produce":
        return [str(operation.get("topic"))]
    return [str(topic) for topic in operation.get("topics", ())]


@cache
def _templates(functions: tuple[str, ...], brokers: int, topics: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    """For each function, as often as it is named, what such an operation may be besides its time and client."""
    variants = _variants(brokers, topics)
    longest = max(len(variants[f]) for f in functions)
    # Each function has equally many, whatever the number of its variants.
    return [(f, variants[f][place % len(variants[f])]) for place in range(longest) for f in functions]


def _variants(brokers: int, topics: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    names = partition_names(topics)
    writes = [
        {"topic": topic, "partition": index, "count": count, "acks": acks, "idempotent": idempotent}
        for acks, idempotent in (*_DURABLE * 4, (1, False), (0, False)) for count in (1, 3) for topic in topics
        for index in range(PARTITIONS)]
    replicas = [
        [(first + place) % brokers + 1 for place in range(size)]
        for size in range(1, min(3, brokers) + 1) for first in range(brokers)]
    consumer = [{"topics": list(topics)}]
    return {
        "produce": writes, "poll": consumer, "commit-offsets": consumer, "subscribe": consumer,
        "fetch-offsets": [
            {"group": group, "partitions": partitions_of(topics), "require_stable": stable}
            for stable in (True, False) for group in GROUPS],
        "describe-topics": [{}], "describe-config": [{"key": topic} for topic in topics],
        "alter-config": [
            {"key": topic, "name": "retention.ms", "value": str(days * 86_400_000)} for days in (1, 2, 3)
            for topic in topics],
        "elect-leader": [{"key": name, "election_type": "preferred"} for name in names],
        "reassign": [{"key": name, "replicas": order} for order in replicas for name in names],
    }


def _time(operation: dict[str, Any]) -> int:
    return int(operation["at_us"])
