"""From a profile and what the user gave to the configuration of a run, refusing what contradicts itself.

The profile's own values give way where the cluster is too small for them (three replicas on one broker); what the user
gave never does: where it cannot hold, it is refused in one line.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from types import MappingProxyType
from typing import Any

from fencepost.model.config import ClientConfig, KafkaConfig, OldConsumerConfig, ZooKeeperConfig
from fencepost.model.properties import (
    GivenProperties,
    check_old_consumer_value,
    check_value,
    modelled_fields,
    old_consumer_fields,
    whole_number,
)
from fencepost.model.properties_file import Property, PropertyError
from fencepost.model.zookeeper_properties import check_zookeeper_value, zookeeper_fields

PROFILES = ("campaign", "kafka-defaults")
#: No property of the ensemble's.
NOTHING_GIVEN: Mapping[str, str] = MappingProxyType({})

_REPLICATION = "default.replication.factor"
_OFFSETS_REPLICATION = "offsets.topic.replication.factor"
_MIN_ISR = "min.insync.replicas"
_FENCING = "fencepost.offsets.zookeeper.fencing"
_NOTIFICATIONS = ("fastleader.minNotificationInterval", "fastleader.maxNotificationInterval")

#: (name, relation, name): the first value must be less than, or at most, the second.
_ORDERED = (
    ("broker.heartbeat.interval.ms", "less than", "broker.session.timeout.ms"),
    ("replica.fetch.wait.max.ms", "at most", "replica.lag.time.max.ms"),
    ("replica.fetch.wait.max.ms", "at most", "replica.socket.timeout.ms"),
    ("fencepost.raft.max.fetch.wait.ms", "less than", "controller.quorum.fetch.timeout.ms"),
    ("group.min.session.timeout.ms", "at most", "group.max.session.timeout.ms"),
    ("heartbeat.interval.ms", "less than", "session.timeout.ms"),
    ("group.min.session.timeout.ms", "at most", "session.timeout.ms"),
    ("session.timeout.ms", "at most", "group.max.session.timeout.ms"),
    ("request.timeout.ms", "at most", "delivery.timeout.ms"),
    (_MIN_ISR, "at most", _REPLICATION),
    (_MIN_ISR, "at most", _OFFSETS_REPLICATION),
)


@dataclass(frozen=True, slots=True)
class EffectiveConfig:
    """What a run uses: the model's configuration, and the same by Kafka's names and in Kafka's units.

    zookeeper_properties: the ensemble's, by ZooKeeper's names. consumer: as before 0.9, in ZooKeeper mode.
    """

    kafka: KafkaConfig
    client: ClientConfig
    zookeeper: ZooKeeperConfig
    consumer: OldConsumerConfig
    properties: dict[str, str]
    consumer_properties: dict[str, str]
    zookeeper_properties: dict[str, str]

    @property
    def zookeeper_session_timeout_us(self) -> int:
        """What the ensemble grants a broker that asks for zookeeper.session.timeout.ms."""
        return self.zookeeper.session_timeout_us(self.kafka.zookeeper_session_timeout_us)


def effective_config(
    profile: str, given: Mapping[str, str], brokers: int, consumer: Mapping[str, str] = NOTHING_GIVEN,
    zookeeper: Mapping[str, str] = NOTHING_GIVEN,
) -> EffectiveConfig:
    """The configuration of a run.

    profile: one of PROFILES. given: modelled properties by Kafka's names. brokers: how many there are.
    consumer: modelled properties of the consumer before 0.9.
    zookeeper: modelled properties of the ensemble, by ZooKeeper's names.
    Raises PropertyError when values contradict each other or the number of brokers.
    """
    values: dict[str, Any] = {}
    for name, item in modelled_fields().items():
        values[name] = item.metadata["campaign"] if profile == "campaign" else item.default
    for name, text in given.items():
        values[name] = check_value(Property(name, text, "given"))
    _fit_to_brokers(values, given, brokers)
    for low, relation, high in _ORDERED:
        fits = values[low] < values[high] if relation == "less than" else values[low] <= values[high]
        if not fits:
            raise _contradiction(low, relation, high, values, given, profile)
    old, ensemble = _old_consumer(profile, consumer), _ensemble_values(profile, zookeeper)
    return EffectiveConfig(
        KafkaConfig(**_of(KafkaConfig, values)), ClientConfig(**_of(ClientConfig, values)),
        ZooKeeperConfig(**_of(ZooKeeperConfig, ensemble)), OldConsumerConfig(**_of(OldConsumerConfig, old)),
        {name: property_text(name, value) for name, value in values.items()},
        {name: field_text(item, old[name]) for name, item in old_consumer_fields().items()},
        {name: field_text(item, ensemble[name]) for name, item in zookeeper_fields().items()},
    )


def property_text(name: str, value: Any) -> str:
    """A value of the model as Kafka writes it."""
    return field_text(modelled_fields()[name], value)


def field_text(item: "Field[Any]", value: Any) -> str:
    """A value of a configuration's field as properties files write it."""
    metadata = item.metadata
    if metadata["unit"] == "flag":
        return "true" if value else "false"
    if metadata["unit"] == "text":
        return str(value)
    return f"{value / metadata['scale']:.12g}" if value % metadata["scale"] else str(value // metadata["scale"])


def _fit_to_brokers(values: dict[str, Any], given: Mapping[str, str], brokers: int) -> None:
    """Let the profile's replication give way to the number of brokers; refuse the user's own that cannot hold."""
    for name in (_REPLICATION, _OFFSETS_REPLICATION, _MIN_ISR):
        if name not in given:
            values[name] = min(values[name], brokers)
        elif values[name] > brokers:
            raise PropertyError(f"{name}={given[name]}: allowed is a whole number from 1 to {brokers}, for there are "
                                f"{brokers} brokers (--brokers)")
    if _MIN_ISR not in given:
        values[_MIN_ISR] = min(values[_MIN_ISR], values[_REPLICATION], values[_OFFSETS_REPLICATION])
        return
    for name in (_REPLICATION, _OFFSETS_REPLICATION):
        if name not in given:
            values[name] = min(brokers, max(values[name], values[_MIN_ISR]))


def _contradiction(
    low: str, relation: str, high: str, values: Mapping[str, Any], given: Mapping[str, str], profile: str
) -> PropertyError:
    """Names first what the user gave; where the other side is the profile's, says so."""
    if low in given or high not in given:
        first, other, relation = low, high, relation
    else:
        first, other, relation = high, low, {"less than": "more than", "at most": "at least"}[relation]
    whose = "" if other in given else f", the {profile} profile's: give both"
    return PropertyError(
        f"{first}={property_text(first, values[first])}: allowed is a value {relation} {other} "
        f"({property_text(other, values[other])}{whose})")


def _old_consumer(profile: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Property -> value. Refuses what that consumer, or this model, does not do together."""
    values: dict[str, Any] = {
        name: item.metadata["campaign"] if profile == "campaign" else item.default
        for name, item in old_consumer_fields().items()}
    for name, text in given.items():
        values[name] = check_old_consumer_value(Property(name, text, "given"))
    in_zookeeper, dual = values["offsets.storage"] == "zookeeper", values["dual.commit.enabled"]
    if in_zookeeper and dual:
        raise PropertyError("dual.commit.enabled=true: allowed only with offsets.storage=kafka")
    if values[_FENCING] and not in_zookeeper:
        raise PropertyError(f"{_FENCING}=true: allowed only with offsets.storage=zookeeper")
    for name in given:
        if not in_zookeeper and not dual and values[name] != old_consumer_fields()[name].default:
            raise PropertyError(f"{name}={given[name]}: allowed only with offsets.storage=zookeeper or "
                                "dual.commit.enabled=true, for today's consumer has no such property")
    return values


def _ensemble_values(profile: str, given: Mapping[str, str]) -> dict[str, Any]:
    """By ZooKeeper's names; refuses, as it does, sessions whose shortest time-out is above the longest."""
    values: dict[str, Any] = {
        name: item.metadata["campaign"] if profile == "campaign" else item.default
        for name, item in zookeeper_fields().items()}
    for name, text in given.items():
        values[name] = check_zookeeper_value(Property(name, text, "given"))
    config = ZooKeeperConfig(**_of(ZooKeeperConfig, values))
    shortest_us, longest_us = config.session_bounds_us
    if shortest_us > longest_us:
        first, other = ("min", "at most max") if "minSessionTimeout" in given else ("max", "at least min")
        bounds = {"min": shortest_us // 1000, "max": longest_us // 1000}
        raise PropertyError(
            f"{first}SessionTimeout={bounds[first]}: allowed is a value {other}SessionTimeout ({bounds[other[-3:]]}; "
            f"where they are not given they are 2 and 20 times tickTime)")
    low, high = _NOTIFICATIONS
    if values[low] > values[high]:
        first, second = (low, high) if low in given else (high, low)
        relation = "at most" if first == low else "at least"
        raise PropertyError(
            f"{first}={field_text(zookeeper_fields()[first], values[first])}: allowed is a value {relation} {second} "
            f"({field_text(zookeeper_fields()[second], values[second])})")
    return values


def _of(config: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    return {item.name: values[item.metadata["property"]] for item in fields(config)}


@dataclass(frozen=True, slots=True)
class NodeShape:
    """What a server.properties file says about the cluster: whether nodes are combined, and how many voters there are.

    None where the file does not say.
    """

    combined: bool | None = None
    controllers: int | None = None


def node_shape(given: GivenProperties) -> NodeShape:
    """Read what a file says about its node, as Kafka does. Raises PropertyError when that contradicts itself."""
    roles = _roles(given)
    node_id = _node_id(given)
    voters = _voters(given)
    if roles and node_id is None:
        raise _bad(given, "process.roles", "only together with a node.id")
    if roles and not voters and not given.node.get("controller.quorum.bootstrap.servers"):
        raise _bad(given, "process.roles",
                   "only together with controller.quorum.voters (such as 1@localhost:9093) or "
                   "controller.quorum.bootstrap.servers")
    if voters and "controller" in roles and node_id not in voters:
        raise _bad(given, "node.id", f"one of controller.quorum.voters ({_list(voters)}) for a controller")
    if voters and roles == ["broker"] and node_id in voters:
        raise _bad(given, "node.id", f"none of controller.quorum.voters ({_list(voters)}) for a broker")
    _check_listeners(given, roles)
    return NodeShape(len(roles) == 2 if roles else None, len(voters) if voters else None)


def _roles(given: GivenProperties) -> list[str]:
    text = given.node.get("process.roles", "")
    roles = [role.strip() for role in text.split(",")] if text else []
    if any(role not in ("broker", "controller") for role in roles) or len(set(roles)) < len(roles):
        raise _bad(given, "process.roles", "broker, controller or broker,controller")
    return roles


def _node_id(given: GivenProperties) -> int | None:
    for name, lowest in (("node.id", 0), ("broker.id", -1)):
        text = given.node.get(name)
        number = whole_number(text) if text is not None else lowest
        if number is None or not lowest <= number < 2**31:
            raise _bad(given, name, f"a whole number from {lowest} to {2**31 - 1}")
    node, broker = given.node.get("node.id"), given.node.get("broker.id")
    if node is not None and broker is not None and int(node) != int(broker):
        raise _bad(given, "broker.id", f"the value of node.id ({node}), or no broker.id")
    text = node if node is not None else broker
    return None if text is None else int(text)


def _voters(given: GivenProperties) -> list[int]:
    text = given.node.get("controller.quorum.voters", "")
    voters: list[int] = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        identity, _, address = entry.partition("@")
        voter = whole_number(identity)
        if voter is None or voter < 0 or voter in voters or whole_number(address.rpartition(":")[2]) is None:
            raise _bad(given, "controller.quorum.voters", "a list of id@host:port, each id once")
        voters.append(voter)
    return voters


def _check_listeners(given: GivenProperties, roles: list[str]) -> None:
    """Where a node of this role may listen (KafkaConfig's own demands)."""
    if not roles:
        return
    names = [name.strip() for name in given.node.get("controller.listener.names", "").split(",") if name.strip()]
    if not names:
        raise _bad(given, "process.roles",
                   "only together with controller.listener.names, such as CONTROLLER")
    text = given.node.get("listeners")
    if text is None:
        return
    listeners = [entry.partition("://")[0].strip() for entry in text.split(",")]
    listens = any(name in listeners for name in names)
    which = f"controller.listener.names ({', '.join(names)})"
    if "controller" in roles and not listens:
        raise _bad(given, "listeners", f"a list with one of {which} for a controller")
    if roles == ["broker"] and listens:
        raise _bad(given, "listeners", f"a list without {which} for a broker")


def _bad(given: GivenProperties, name: str, allowed: str) -> PropertyError:
    origin = given.origins.get(name, "given")
    return PropertyError(f"{origin}: {name}={given.node.get(name, '')}: allowed is {allowed}")


def _list(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers))
