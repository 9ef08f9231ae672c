"""A server's properties under ZooKeeper's own names (zoo.cfg, or zookeeper.properties as Kafka ships it).

A name is *modelled* (a field of `ZooKeeperConfig` has it), *known* to ZooKeeper (listed in
`zookeeper_property_names.tsv`: what QuorumPeerConfig parses, and the Java system properties that a file may set without
their prefix `zookeeper.`) and then accepted and listed as not modelled, or *unknown* and then refused with the nearest
known name; ZooKeeper itself would take any. `server.<id>` lines say how many servers vote; observers are not modelled,
and not counted.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import Field, dataclass, field, fields
from functools import cache
from importlib.resources import files
from typing import Any

from fencepost.model.config import ZooKeeperConfig
from fencepost.model.properties import check_flag, check_number, refused, whole_number
from fencepost.model.properties_file import Property, PropertyError

_FLAGS = (
    "localSessionsEnabled", "localSessionsUpgradingEnabled", "quorumListenOnAllIPs", "syncEnabled", "standaloneEnabled",
    "reconfigEnabled", "sslQuorum", "portUnification", "sslQuorumReloadCertFiles", "multiAddress.enabled",
    "multiAddress.reachabilityCheckEnabled", "quorum.auth.enableSasl", "quorum.auth.serverRequireSasl",
    "quorum.auth.learnerRequireSasl", "jvm.pause.monitor", "admin.enableServer",
)
_NUMBERS = (
    "clientPort", "secureClientPort", "observerMasterPort", "clientPortListenBacklog", "maxClientCnxns",
    "connectToLearnerMasterLimit", "autopurge.snapRetainCount", "autopurge.purgeInterval", "quorum.cnxn.threads.size",
    "admin.serverPort",
)
#: Where ZooKeeper itself, or this model, allows one value only: the election algorithm, and servers that vote.
_ONLY = {"electionAlg": "3", "peerType": "participant"}
_SERVER = re.compile(r"server\.(\d{1,9})", re.ASCII)
_QUORUM_NAMES = re.compile(r"(group|weight|authProvider|metricsProvider)\..+", re.ASCII)


@dataclass(slots=True)
class GivenZooKeeper:
    """What a user gave for the ensemble.

    modelled: name -> value, what the model uses. not_modelled: other names that ZooKeeper knows, in their order.
    servers: how many servers vote, or None where the file names none. source: what errors call the file.
    """

    modelled: dict[str, str] = field(default_factory=dict)
    not_modelled: list[str] = field(default_factory=list)
    servers: int | None = None
    source: str = ""


@cache
def zookeeper_fields() -> dict[str, "Field[Any]"]:
    """Property name -> the field of ZooKeeperConfig that holds it."""
    return {item.metadata["property"]: item for item in fields(ZooKeeperConfig)}


@cache
def known_zookeeper_names() -> frozenset[str]:
    """The names that ZooKeeper knows, apart from `server.<id>` and its like."""
    text = files("fencepost.model").joinpath("zookeeper_property_names.tsv").read_text(encoding="ascii")
    return frozenset(text.splitlines()[1:])


def read_zookeeper_properties(properties: Iterable[Property], source: str = "given") -> GivenZooKeeper:
    """Sort a ZooKeeper server's properties. Raises PropertyError for unknown names and bad values."""
    given = GivenZooKeeper(source=source)
    voters: dict[int, None] = {}
    for item in properties:
        server = _SERVER.fullmatch(item.name)
        if item.name in zookeeper_fields():
            check_zookeeper_value(item)
            given.modelled[item.name] = item.value
        elif server is not None and not item.value.endswith(":observer"):
            _check_server(item)
            voters[int(server[1])] = None
        elif server is not None or _QUORUM_NAMES.fullmatch(item.name) or item.name in known_zookeeper_names():
            _check_unmodelled_value(item)
            if item.name not in given.not_modelled:
                given.not_modelled.append(item.name)
        else:
            known = sorted(known_zookeeper_names() | zookeeper_fields().keys())
            nearest = difflib.get_close_matches(item.name, known, n=1, cutoff=0.0)
            raise PropertyError(f"{item.origin}: {item.name}={item.value}: ZooKeeper knows no property of that name; "
                                f"the nearest is {nearest[0]}")
    given.servers = len(voters) or None
    return given


def check_zookeeper_value(item: Property) -> int:
    """The value in the model's units. Raises PropertyError when it is not allowed."""
    return check_number(item, zookeeper_fields()[item.name].metadata, 2**31 - 1)


def _check_server(item: Property) -> None:
    """host:port:electionPort, perhaps with a role and a client port behind."""
    parts = item.value.partition(";")[0].split(":")
    if len(parts) < 3 or not parts[0] or any(whole_number(part) is None for part in parts[1:3]):
        raise refused(item, "host:port:electionPort, such as zk1:2888:3888")


def _check_unmodelled_value(item: Property) -> None:
    if item.name in _FLAGS:
        check_flag(item)
    if item.name in _NUMBERS and whole_number(item.value) is None:
        raise refused(item, "a whole number")
    only = _ONLY.get(item.name)
    if only is not None and item.value.lower() != only:
        raise refused(item, only)
