"""The workload: what clients do in a run, drawn from the seed as plain data.

By default 6 clients share 20 operations a second on 3 topics of 2 partitions. Client 0 creates the topics. Clients 0
to 2 consume in one group; in the other, 3 and 4 have static instance ids and 5 has none. Everybody produces, mostly
with acks=all, reads committed offsets and does a little administration.

What is rare in a calm load and decides about safety is drawn as an episode of several operations:

- *slow consumer*: polls, is busy past its session, and commits under the generation that it held: the zombie;
- *restart*: a consumer leaves or crashes and polls anew, while the others of its group commit;
- *take-over*: a second consumer comes with a static instance id, and the first one commits;
- *topic*: an extra topic comes, is written to, goes, and often comes again at once under its old name;
- *denial*: an ACL denies one client what it is doing, or is taken back.

After the heal the load goes on at half the rate without what moves replicas or takes rights away; denials are taken
back. Late in the quiet phase a producer that retries writes to each partition, and the final reads close the run.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fencepost.harness.timing import Phases
from fencepost.model.config import ClientConfig, KafkaConfig
from fencepost.model.shape import Shape

TOPICS = ("orders", "payments", "clicks")
PARTITIONS = 2
EXTRA_TOPICS = ("temporary-a", "temporary-b")
OPERATIONS_PER_SECOND = 20
#: The brokers have registered by then, in either profile.
_CREATE_AT = 3

GROUPS = ("billing", "reporting")
#: What ACLs are tried on; everybody is allowed first, for a resource with ACLs is closed to whom none allows.
_GUARDED = ("topic:clicks", "group:reporting")
_QUIET_MIX = (
    ("produce", 42), ("poll", 26), ("commit-offsets", 13), ("fetch-offsets", 6), ("describe-config", 2),
    ("describe-topics", 2),
)
_MIX = (
    *_QUIET_MIX, ("subscribe", 1), ("alter-config", 1), ("elect-leader", 1), ("reassign", 1), ("slow consumer", 1),
    ("restart", 1), ("take-over", 1), ("topic", 2), ("denial", 1),
)
_ACKS = ((-1, 8), (1, 1), (0, 1))

Operations = list[dict[str, Any]]


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
    draws: Draws, shape: Shape, config: KafkaConfig, client: ClientConfig, times: Phases,
    topic_config: Mapping[str, str],
) -> Operations:
    """The operations of all clients, in the order of their times."""
    drawing = _Drawing(draws, shape, config, client, times, topic_config)
    operations = drawing.preparations(times.faults_us * _CREATE_AT // 10)
    mean_us = 1_000_000 // OPERATIONS_PER_SECOND
    at_us, back = times.faults_us * 6 // 10, False
    while at_us < times.final_us - mean_us:
        quiet = at_us >= times.heal_us
        if quiet and not back:
            operations += drawing.denials_taken_back(at_us)
            back = True
        drawn = drawing.quiet_operation(at_us) if quiet else drawing.operations(at_us)
        operations += drawn
        at_us += sum(draws.between(1, 2 * mean_us) for _ in drawn) * (2 if quiet else 1)
    operations += late_writes(TOPICS, shape.clients, times)
    operations.sort(key=_time)
    return operations + final_reads(TOPICS, EXTRA_TOPICS, shape.clients, times)


def topic_creations(
    topics: Sequence[str], at_us: int, replication_factor: int, topic_config: Mapping[str, str]
) -> Operations:
    """Client 0 creates the topics, each again and again until it is known to exist."""
    return [
        {"at_us": at_us + place, "client": 0, "f": "create-topic", "key": topic, "partitions": PARTITIONS,
         "replication_factor": replication_factor, "configs": dict(topic_config), "retry": True}
        for place, topic in enumerate(topics)]


def late_writes(topics: Sequence[str], clients: int, times: Phases) -> Operations:
    """Late in the quiet phase, one write to every partition that a healthy cluster must acknowledge."""
    at_us = times.heal_us + (times.final_us - times.heal_us) * 3 // 4
    return [
        {"at_us": at_us, "client": place % clients, "f": "produce", "topic": topic, "partition": index, "count": 1,
         "acks": -1, "idempotent": True}
        for place, (topic, index) in enumerate(partitions_of(topics))]


def final_reads(topics: Sequence[str], extra_topics: Sequence[str], clients: int, times: Phases) -> Operations:
    """Every partition and every group's offsets once, spread over the clients; then the extra topics, if there."""
    groups = [{"f": "final-offsets", "group": group, "partitions": partitions_of(topics)} for group in GROUPS]
    reads: Operations = [
        *({"f": "final-read", "topic": topic, "partition": index} for topic, index in partitions_of(topics)), *groups,
        *({"f": "final-read", "topic": topic, "partition": index} for topic, index in partitions_of(extra_topics))]
    return [{"at_us": times.final_us, "client": place % clients, **read} for place, read in enumerate(reads)]


class _Drawing:
    def __init__(
        self, draws: Draws, shape: Shape, config: KafkaConfig, client: ClientConfig, times: Phases,
        topic_config: Mapping[str, str],
    ) -> None:
        self._draws = draws
        self._shape = shape
        self._session_us = client.session_timeout_us
        self._times = times
        self._factor = min(config.default_replication_factor, shape.brokers)
        self._topic_config = dict(topic_config)
        # Some seeds send single records, some whole batches, some with idempotence, some without.
        self._idempotent = draws.choice((0, 1, 2))
        self._largest_batch = draws.choice((1, 1, 3))
        self._settings = 0
        #: extra topics that exist, if all went well, with their number of partitions
        self._extra: dict[str, int] = {}
        self._denials: Operations = []

    # --- the beginning, and the heal ------------------------------------------------------------------------------

    def preparations(self, at_us: int) -> Operations:
        """The run's topics, then the ACLs that open what will have denials; repeated until they are known to exist."""
        return topic_creations(TOPICS, at_us, self._factor, self._topic_config) + [
            {"at_us": at_us + len(TOPICS) + place, "client": 0, "f": "create-acl", "key": key, "principal": "User:*",
             "operation": "ALL", "permission": "ALLOW", "retry": True}
            for place, key in enumerate(_GUARDED)]

    def denials_taken_back(self, at_us: int) -> Operations:
        """No denial outlives the heal."""
        denials, self._denials = self._denials, []
        return [{**denial, "at_us": at_us, "f": "delete-acl", "client": 0, "retry": True} for denial in denials]

    # --- single operations ----------------------------------------------------------------------------------------

    def quiet_operation(self, at_us: int) -> Operations:
        """One operation of the quiet phase."""
        return [self._single(self._draws.weighted(_QUIET_MIX), self._any_client(), at_us)]

    def operations(self, at_us: int) -> Operations:
        """One operation, or an episode of several."""
        f, client = self._draws.weighted(_MIX), self._any_client()
        if f == "slow consumer":
            return self._slow_consumer(client, at_us)
        if f == "restart":
            return self._restart(client, at_us)
        if f == "take-over":
            return self._take_over(client, at_us)
        if f == "topic":
            return self._topic(client, at_us)
        if f == "denial":
            return self._denial(client, at_us)
        return [self._single(f, client, at_us)]

    def _any_client(self) -> int:
        return self._draws.below(self._shape.clients)

    def _single(self, f: str, client: int, at_us: int) -> dict[str, Any]:
        draws = self._draws
        operation = {"at_us": at_us, "client": client, "f": f}
        if f == "produce":
            return {**operation, **self._produce(draws.choice(TOPICS), draws.below(PARTITIONS))}
        if f in ("poll", "commit-offsets", "subscribe"):
            return {**operation, **membership(client)}
        if f == "fetch-offsets":
            return {**operation, "group": draws.choice(GROUPS), "partitions": partitions_of(TOPICS),
                    "require_stable": draws.chance(5, 6)}
        if f == "describe-config":
            return {**operation, "key": draws.choice(TOPICS)}
        if f == "alter-config":
            self._settings += 1
            return {**operation, "key": draws.choice(TOPICS), "name": "retention.ms",
                    "value": str(86_400_000 + self._settings)}
        partition = f"{draws.choice(TOPICS)}-{draws.below(PARTITIONS)}"
        if f == "elect-leader":
            return {**operation, "key": partition, "election_type": "preferred"}
        if f == "reassign":
            return {**operation, "key": partition, "replicas": draws.sample(self._shape.broker_ids(), self._factor)}
        return operation

    def _produce(self, topic: str, partition: int) -> dict[str, Any]:
        draws = self._draws
        acks = draws.weighted(_ACKS)
        return {
            "topic": topic, "partition": partition, "count": draws.between(1, self._largest_batch), "acks": acks,
            "idempotent": acks == -1 and draws.below(2) < self._idempotent}

    # --- episodes -------------------------------------------------------------------------------------------------

    def _slow_consumer(self, client: int, at_us: int) -> Operations:
        busy_us = self._session_us * self._draws.between(11, 18) // 10
        poll = self._single("poll", client, at_us)
        if at_us + busy_us < self._times.heal_us:
            poll["busy_us"] = busy_us
        return [poll, self._single("commit-offsets", client, at_us + 1)]

    def _restart(self, client: int, at_us: int) -> Operations:
        poll = {**self._single("poll", client, at_us), "restart": self._draws.choice(("leave", "crash"))}
        others = [other for other in self._members_of(poll["group"]) if other != client]
        return [poll, *(
            self._single("commit-offsets", other, at_us + self._draws.between(1, self._session_us // 5))
            for other in others)]

    def _take_over(self, client: int, at_us: int) -> Operations:
        owners = [other for other in range(self._shape.clients) if membership(other)["instance"] and other != client]
        if not owners:
            return [self._single("poll", client, at_us)]
        owner = self._draws.choice(owners)
        poll = {"at_us": at_us, "client": client, "f": "poll", **membership(owner)}
        commit_us = at_us + self._draws.between(1, self._session_us // 5)
        return [poll, self._single("commit-offsets", owner, commit_us),
                {**poll, "at_us": commit_us, "f": "commit-offsets"}]

    def _members_of(self, group: str) -> list[int]:
        return [client for client in range(self._shape.clients) if membership(client)["group"] == group]

    def _topic(self, client: int, at_us: int) -> Operations:
        draws = self._draws
        topic = draws.choice(EXTRA_TOPICS)
        operations: Operations = []
        if self._extra.pop(topic, 0):
            operations.append({"at_us": at_us, "client": client, "f": "delete-topic", "key": topic})
            if draws.chance(1, 3):
                return operations
            at_us += draws.between(1, 200_000)
        partitions = self._extra[topic] = draws.between(1, PARTITIONS)
        operations.append({
            "at_us": at_us, "client": self._any_client(), "f": "create-topic", "key": topic, "partitions": partitions,
            "replication_factor": self._factor, "configs": {}})
        for _ in range(draws.between(1, 3)):
            at_us += draws.between(20_000, 400_000)
            if at_us < self._times.heal_us:
                operations.append({
                    "at_us": at_us, "client": self._any_client(), "f": "produce",
                    **self._produce(topic, draws.below(partitions))})
        return operations

    def _denial(self, client: int, at_us: int) -> Operations:
        draws = self._draws
        if self._denials and draws.chance(2, 3):
            denial = self._denials.pop(draws.below(len(self._denials)))
            return [{**denial, "at_us": at_us, "f": "delete-acl", "client": self._any_client()}]
        key = draws.weighted(tuple(zip(_GUARDED, (3, 1), strict=True)))
        principal = draws.choice(self._members_of(GROUPS[1]) or [client]) if key == _GUARDED[1] else client
        denial = {
            "at_us": at_us, "client": self._any_client(), "f": "create-acl", "key": key,
            "principal": f"User:client{principal}", "operation": draws.choice(("READ", "WRITE", "ALL")),
            "permission": "DENY"}
        self._denials.append(denial)
        denied = self._single("commit-offsets" if key == _GUARDED[1] else "produce", principal, at_us)
        if key == _GUARDED[0]:
            denied["topic"] = "clicks"
        return [denial, {**denied, "at_us": at_us + draws.between(1, 20_000)}]


def _time(operation: dict[str, Any]) -> int:
    return int(operation["at_us"])


def partitions_of(topics: Sequence[str]) -> list[list[Any]]:
    """Their partitions, as [topic, index]."""
    return [[topic, index] for topic in topics for index in range(PARTITIONS)]


def membership(client: int) -> dict[str, Any]:
    """The group that a client consumes in."""
    if client % 6 < 3:
        return {"group": GROUPS[0], "topics": list(TOPICS), "instance": None}
    if client % 6 < 5:
        return {"group": GROUPS[1], "topics": list(TOPICS), "instance": f"instance-{client}"}
    return {"group": GROUPS[1], "topics": list(TOPICS), "instance": None}
