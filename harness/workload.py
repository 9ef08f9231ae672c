"""The workload: what clients do in a run, drawn from the seed as plain data.

By default 6 clients share 20 operations a second on 3 topics of 2 partitions. Client 0 creates the topics. Clients 0 to
2 consume in one group, 3 to 5 in another, some of them with static instance ids; all produce. Everybody does a little
administration: extra topics that come and go, configurations, ACLs against single clients, preferred elections,
reassignments. After the heal the load goes on at half the rate, and the final reads close the run.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fencepost.harness.timing import Phases
from fencepost.model.config import KafkaConfig
from fencepost.model.shape import Shape

TOPICS = ("orders", "payments", "clicks")
PARTITIONS = 2
EXTRA_TOPICS = ("temporary-a", "temporary-b")
OPERATIONS_PER_SECOND = 20
#: The brokers have registered by then, in either profile.
_CREATE_AT = 3

_GROUPS = ("billing", "reporting")
_MIX = (
    ("produce", 44), ("poll", 26), ("commit-offsets", 14), ("fetch-offsets", 5), ("describe-config", 2),
    ("describe-topics", 2), ("alter-config", 2), ("create-topic", 1), ("delete-topic", 1), ("create-acl", 1),
    ("delete-acl", 3), ("elect-leader", 1), ("reassign", 1),
)
_ACKS = ((-1, 8), (1, 1), (0, 1))


class Draws(Protocol):
    """The source of random choices."""

    def below(self, bound: int) -> int:
        """A uniform integer in [0, bound)."""

    def between(self, low: int, high: int) -> int:
        """A uniform integer in [low, high]."""

    def chance(self, numerator: int, denominator: int) -> bool:
        """True with probability numerator/denominator."""

    def choice(self, items: Sequence[Any]) -> Any:
        """One item."""

    def weighted(self, items: Sequence[tuple[Any, int]]) -> Any:
        """One item by integer weights."""

    def sample(self, items: Sequence[Any], count: int) -> list[Any]:
        """`count` different items."""


def draw_workload(
    draws: Draws, shape: Shape, config: KafkaConfig, times: Phases, topic_config: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The operations of all clients, in the order of their times."""
    drawing = _Drawing(draws, shape, config, topic_config)
    create_us = times.faults_us * _CREATE_AT // 10
    operations = [drawing.creation(topic, create_us + place) for place, topic in enumerate(TOPICS)]
    mean_us = 1_000_000 // OPERATIONS_PER_SECOND
    at_us = times.faults_us * 6 // 10
    while at_us < times.final_us - mean_us:
        operations.append(drawing.operation(at_us, quiet=at_us >= times.heal_us))
        at_us += draws.between(1, 2 * mean_us) * (2 if at_us >= times.heal_us else 1)
    return operations + drawing.final_reads(times.final_us)


class _Drawing:
    def __init__(self, draws: Draws, shape: Shape, config: KafkaConfig, topic_config: Mapping[str, str]) -> None:
        self._draws = draws
        self._shape = shape
        self._factor = min(config.default_replication_factor, shape.brokers)
        self._topic_config = dict(topic_config)
        # Some seeds send single records, some whole batches, some with idempotence, some without.
        self._idempotent = draws.choice((0, 1, 2))
        self._largest_batch = draws.choice((1, 1, 3))
        self._settings = 0

    def creation(self, topic: str, at_us: int) -> dict[str, Any]:
        """The creation of one of the run's topics, repeated until it is known to exist."""
        return {
            "at_us": at_us, "client": 0, "f": "create-topic", "key": topic, "partitions": PARTITIONS,
            "replication_factor": self._factor, "configs": self._topic_config, "retry": True}

    def operation(self, at_us: int, quiet: bool) -> dict[str, Any]:
        """One operation; in the quiet phase nothing moves replicas or takes rights away."""
        draws = self._draws
        f = draws.weighted(_MIX[:6] if quiet else _MIX)
        client = draws.below(self._shape.clients)
        operation = {"at_us": at_us, "client": client, "f": f}
        if f == "produce":
            return {**operation, **self._produce()}
        if f in ("poll", "commit-offsets"):
            return {**operation, **_membership(client)}
        if f == "fetch-offsets":
            return {**operation, "group": draws.choice(_GROUPS), "partitions": _all_partitions()}
        return {**operation, **self._administration(f)}

    def _produce(self) -> dict[str, Any]:
        draws = self._draws
        return {
            "topic": draws.choice(TOPICS), "partition": draws.below(PARTITIONS),
            "count": draws.between(1, self._largest_batch), "acks": (acks := draws.weighted(_ACKS)),
            "idempotent": acks == -1 and draws.below(2) < self._idempotent}

    def _administration(self, f: str) -> dict[str, Any]:
        draws = self._draws
        if f == "create-topic":
            return {"key": draws.choice(EXTRA_TOPICS), "partitions": draws.between(1, 2),
                    "replication_factor": self._factor, "configs": {}}
        if f == "delete-topic":
            return {"key": draws.choice(EXTRA_TOPICS)}
        if f == "describe-config":
            return {"key": draws.choice(TOPICS)}
        if f == "alter-config":
            self._settings += 1
            return {"key": draws.choice(TOPICS), "name": "retention.ms", "value": str(86_400_000 + self._settings)}
        if f in ("create-acl", "delete-acl"):
            return {
                "key": draws.weighted((("topic:clicks", 3), ("group:reporting", 1))),
                "principal": f"User:client{draws.below(self._shape.clients)}",
                "operation": draws.choice(("READ", "WRITE")), "permission": "DENY"}
        partition = f"{draws.choice(TOPICS)}-{draws.below(PARTITIONS)}"
        if f == "elect-leader":
            return {"key": partition, "election_type": "preferred"}
        if f == "reassign":
            return {"key": partition, "replicas": draws.sample(self._shape.broker_ids(), self._factor)}
        return {}

    def final_reads(self, at_us: int) -> list[dict[str, Any]]:
        """Every partition and every group's offsets once, spread over the clients."""
        reads: list[dict[str, Any]] = [
            {"f": "final-read", "topic": topic, "partition": index} for topic, index in _all_partitions()]
        reads += [{"f": "final-offsets", "group": group, "partitions": _all_partitions()} for group in _GROUPS]
        return [{"at_us": at_us, "client": place % self._shape.clients, **read} for place, read in enumerate(reads)]


def _all_partitions() -> list[list[Any]]:
    return [[topic, index] for topic in TOPICS for index in range(PARTITIONS)]


def _membership(client: int) -> dict[str, Any]:
    """The group that a client consumes in."""
    if client % 6 < 3:
        return {"group": _GROUPS[0], "topics": list(TOPICS), "instance": None}
    if client % 6 < 5:
        return {"group": _GROUPS[1], "topics": list(TOPICS), "instance": f"instance-{client}"}
    return {"group": _GROUPS[1], "topics": list(TOPICS), "instance": None}
