"""Properties under Kafka's own names: which the model uses, which Kafka knows besides, and which nobody knows.

A name is *modelled* (a field of `fencepost.model.config` has it, or it says what a node is), *known* to Kafka (listed
in `kafka_property_names.tsv`, or such a name under a listener's prefix) and then accepted and listed as not modelled,
or *unknown* and then refused with the nearest known name. A bad value is refused in one line that names the property,
its value and what is allowed. How values go together is the work of `fencepost.model.effective_config`.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import Any

from fencepost.model.config import ClientConfig, KafkaConfig, OldConsumerConfig
from fencepost.model.properties_file import Property, PropertyError

#: Say what a node is; a simulated cluster takes its shape from them, and they must fit together.
NODE_PROPERTIES = (
    "process.roles", "node.id", "broker.id", "controller.quorum.voters", "controller.quorum.bootstrap.servers",
    "controller.listener.names", "listeners",
)
#: The properties of topics that the model uses.
TOPIC_PROPERTIES = ("min.insync.replicas", "unclean.leader.election.enable")

#: The scope of the names that the consumer before 0.9 had.
OLD_CONSUMER = "old consumer"

STANDARD_AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"

#: Names that a plug-in's own properties begin with, by Kafka's defaults.
_PLUGIN_PREFIXES = ("rsm.config.", "rlmm.config.", "config.providers.")
_LISTENER_PREFIX = "listener.name."
#: What Kafka counts with 64 bits; everything else that is a number has 32.
_LONGS = (
    "replica.lag.time.max.ms", "metadata.log.max.record.bytes.between.snapshots",
    "metadata.log.max.snapshot.interval.ms", "leader.imbalance.check.interval.seconds",
    "unclean.leader.election.interval.ms", "metadata.max.age.ms", "retry.backoff.ms",
)
_PROTOCOL_VERSION = re.compile(r"(\d{1,2})\.(\d{1,2})(?:\.\d{1,2})*(?:-IV(\d{1,2}))?", re.ASCII)
_LAST_INTERNAL_VERSION = 99
_INTEGER_ENDINGS = (".ms", ".bytes", ".minutes", ".hours")
_FLAG_ENDINGS = (".enable",)


@dataclass(slots=True)
class GivenProperties:
    """What a user gave, sorted by what the model does with it.

    modelled: name -> value, what the model uses.
    node: name -> property, what says which node the file is for.
    not_modelled: names that Kafka knows and the model does not use, in their order.
    origins: name -> where it was given.
    """

    modelled: dict[str, str] = field(default_factory=dict)
    node: dict[str, str] = field(default_factory=dict)
    not_modelled: list[str] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)


@cache
def modelled_fields() -> dict[str, "Field[Any]"]:
    """Property name -> the field of KafkaConfig or ClientConfig that holds it."""
    return {item.metadata["property"]: item for config in (KafkaConfig, ClientConfig) for item in fields(config)}


@cache
def _server_fields() -> dict[str, "Field[Any]"]:
    return {item.metadata["property"]: item for item in fields(KafkaConfig)}


@cache
def old_consumer_fields() -> dict[str, "Field[Any]"]:
    """Property name -> the field of OldConsumerConfig that holds it. Brokers have one of these names, too."""
    return {item.metadata["property"]: item for item in fields(OldConsumerConfig)}


@cache
def known_names(scope: str) -> frozenset[str]:
    """The names that Kafka knows in a scope: broker, topic, producer, consumer, old consumer or admin."""
    text = files("fencepost.model").joinpath("kafka_property_names.tsv").read_text(encoding="ascii")
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return frozenset(name for row_scope, name in rows if row_scope == scope)


def read_server_properties(properties: Iterable[Property]) -> GivenProperties:
    """Sort a broker's or controller's properties. Raises PropertyError for unknown names and bad values."""
    given = GivenProperties()
    for item in properties:
        given.origins[item.name] = item.origin
        if item.name in _server_fields():
            check_value(item)
            given.modelled[item.name] = item.value
        elif item.name in NODE_PROPERTIES:
            given.node[item.name] = item.value
        elif is_known_to_brokers(item.name):
            _check_unmodelled_value(item)
            if item.name not in given.not_modelled:
                given.not_modelled.append(item.name)
        else:
            raise PropertyError(_unknown(item, "broker"))
    return given


def read_topic_properties(properties: Iterable[Property]) -> GivenProperties:
    """Sort a topic's properties. Raises PropertyError for unknown names and bad values."""
    given = GivenProperties()
    for item in properties:
        given.origins[item.name] = item.origin
        if item.name in TOPIC_PROPERTIES:
            check_value(item)
            given.modelled[item.name] = item.value
        elif item.name in known_names("topic"):
            _check_unmodelled_value(item)
            if item.name not in given.not_modelled:
                given.not_modelled.append(item.name)
        else:
            raise PropertyError(_unknown(item, "topic"))
    return given


def read_old_consumer_properties(properties: Iterable[Property]) -> GivenProperties:
    """Sort the properties of a consumer before 0.9. Raises PropertyError for unknown names and bad values."""
    given = GivenProperties()
    for item in properties:
        given.origins[item.name] = item.origin
        if item.name in old_consumer_fields():
            check_old_consumer_value(item)
            given.modelled[item.name] = item.value
        elif item.name in known_names(OLD_CONSUMER):
            _check_unmodelled_value(item)
            if item.name not in given.not_modelled:
                given.not_modelled.append(item.name)
        else:
            raise PropertyError(_unknown(item, OLD_CONSUMER))
    return given


def is_known_to_brokers(name: str) -> bool:
    """Whether Kafka knows a server property of that name, listeners' prefixes included."""
    known = known_names("broker")
    if name in known or name.startswith(_PLUGIN_PREFIXES):
        return True
    if not name.startswith(_LISTENER_PREFIX):
        return False
    # listener.name.<listener>[.<mechanism>].<property>: any tail of it may be the property.
    tail = name[len(_LISTENER_PREFIX):].partition(".")[2]
    while tail:
        if tail in known:
            return True
        tail = tail.partition(".")[2]
    return False


def check_value(item: Property) -> int | bool | str:
    """The value in the model's units (microseconds for times). Raises PropertyError when it is not allowed."""
    return _checked(item, modelled_fields()[item.name])


def check_old_consumer_value(item: Property) -> int | bool | str:
    """As `check_value`, for a property of the consumer before 0.9."""
    if item.name == "offsets.storage" and item.value not in ("kafka", "zookeeper"):
        raise refused(item, "kafka or zookeeper")
    return _checked(item, old_consumer_fields()[item.name])


def _checked(item: Property, holder: "Field[Any]") -> int | bool | str:
    metadata = holder.metadata
    unit = metadata["unit"]
    if unit == "flag":
        return check_flag(item)
    if unit == "text":
        return _check_text(item)
    return check_number(item, metadata, 2**63 - 1 if item.name in _LONGS else 2**31 - 1)


def check_flag(item: Property) -> bool:
    """Whether it is set. Raises PropertyError when it is neither true nor false."""
    if item.value.lower() not in ("true", "false"):
        raise refused(item, "true or false")
    return item.value.lower() == "true"


def check_number(item: Property, metadata: Mapping[str, Any], highest: int) -> int:
    """The number in the model's units, by its field's metadata. Raises PropertyError for none, or one out of range."""
    unit_words = {"ms": " (milliseconds)", "s": " (seconds)"}.get(metadata["unit"], "")
    number = whole_number(item.value)
    if number is None or not metadata["low"] <= number <= highest:
        raise refused(item, f"a whole number from {metadata['low']} to {highest}{unit_words}")
    return number * int(metadata["scale"])


def _check_text(item: Property) -> str:
    if item.name == "authorizer.class.name" and item.value not in ("", STANDARD_AUTHORIZER):
        raise refused(item, f"{STANDARD_AUTHORIZER}, or nothing for no authorisation")
    if item.name == "super.users":
        for principal in filter(None, item.value.split(";")):
            kind, _, name = principal.partition(":")
            if not kind.strip() or not name.strip():
                raise refused(item, "a list of principals such as User:admin;User:ops")
    if item.name == "inter.broker.protocol.version" and protocol_version(item.value) is None:
        raise refused(item, "a version such as 3.9, 2.6 or 2.7-IV1")
    return item.value


def protocol_version(text: str) -> tuple[int, int, int] | None:
    """(major, minor, IV) of a version such as "2.7-IV1" or "0.10.2"; without an IV it is the last; None for others."""
    match = _PROTOCOL_VERSION.fullmatch(text)
    if match is None:
        return None
    major, minor, internal = match.groups()
    return int(major), int(minor), _LAST_INTERNAL_VERSION if internal is None else int(internal)


def _check_unmodelled_value(item: Property) -> None:
    """Names say what Kafka demands of most values; what cannot be told from the name passes."""
    if item.value.startswith("${"):
        return
    if item.name.endswith(_FLAG_ENDINGS) and item.value.lower() not in ("true", "false"):
        raise refused(item, "true or false")
    if item.name.endswith(_INTEGER_ENDINGS) and whole_number(item.value) is None:
        raise refused(item, "a whole number")


def whole_number(text: str) -> int | None:
    """The number that a text is, or None when it is none or has 20 digits and more."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None


def refused(item: Property, allowed: str) -> PropertyError:
    """The error that names the property, its value and what is allowed."""
    return PropertyError(f"{item.origin}: {item.name}={item.value}: allowed is {allowed}")


def _unknown(item: Property, scope: str) -> str:
    modelled = {"broker": _server_fields(), OLD_CONSUMER: old_consumer_fields()}.get(scope, {})
    known = sorted(known_names(scope) | modelled.keys())
    nearest = difflib.get_close_matches(item.name, known, n=1, cutoff=0.0)
    elsewhere = [other for other in ("broker", "topic", "producer", "consumer", OLD_CONSUMER, "admin")
                 if other != scope and item.name in known_names(other)]
    hint = f"; it is a property of {' and '.join(f'{other}s' for other in elsewhere)}" if elsewhere else ""
    return (f"{item.origin}: {item.name}={item.value}: Kafka knows no {scope} property of that name{hint}; "
            f"the nearest is {nearest[0]}")
