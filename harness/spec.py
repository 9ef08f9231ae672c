"""The run's spec: everything that a run is a function of, as plain data.

A spec without faults or workload has them drawn from its seed; `fencepost.harness.run` then writes them out, so that a
stored spec can be edited (a fault taken out, say) without anything else changing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fencepost.harness.workload import EXTRA_TOPICS, PARTITIONS, TOPICS
from fencepost.histories.errors import InputError
from fencepost.histories.vocabulary import OPERATIONS
from fencepost.model.bugs.catalogue import consumer_config_with
from fencepost.model.effective_config import PROFILES, EffectiveConfig, effective_config
from fencepost.model.properties import (
    read_old_consumer_properties,
    read_server_properties,
    read_topic_properties,
)
from fencepost.model.properties_file import Property
from fencepost.model.shape import Shape
from fencepost.model.zookeeper_properties import read_zookeeper_properties
from fencepost.nemesis.faults import Fault, schedule_from_data
from fencepost.nemesis.fields import FaultError
from fencepost.nemesis.hand_written import check_hand_written
from fencepost.nemesis.possible import Setting, check_possible
from fencepost.nemesis.selection import ALL

VERSION = 1
MODES = ("kraft", "zk")
#: Kafka's own advice is three or five voters; the model is tried with up to seven.
MAX_CONTROLLERS, MAX_BROKERS, MAX_CLIENTS = 7, 100, 1000
MAX_ZOOKEEPERS = 7
DEFAULT_DURATION_US = 30_000_000


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run. Times are virtual microseconds.

    properties, topic_config: what the user set, under Kafka's names; the profile gives the rest.
    consumer_config: the same for consumers as they were before 0.9, in ZooKeeper mode.
    zookeeper_properties: the same for the ensemble of ZooKeeper mode, under ZooKeeper's names.
    bugs: ids of the known bugs that are switched on.
    workload, faults: lists as stored in `spec.json`, or None to draw them from the seed.
    excuses: False turns losses that Kafka as configured can have into violations (`--no-excuses`).
    steady: no latency is drawn, each is the least one; shrinking makes a run so where it can.
    draw_from: the kinds of fault that a schedule is drawn from (`core`, `all`, or names with commas between). It is not
    stored: the schedule is.
    """

    seed: int
    mode: str = "kraft"
    profile: str = "campaign"
    shape: Shape = field(default_factory=Shape)
    duration_us: int = DEFAULT_DURATION_US
    properties: dict[str, str] = field(default_factory=dict)
    topic_config: dict[str, str] = field(default_factory=dict)
    consumer_config: dict[str, str] = field(default_factory=dict)
    bugs: tuple[str, ...] = ()
    excuses: bool = True
    workload: list[dict[str, Any]] | None = None
    faults: list[dict[str, Any]] | None = None
    steady: bool = False
    zookeeper_properties: dict[str, str] = field(default_factory=dict)
    draw_from: str = ALL

    def to_data(self) -> dict[str, Any]:
        """The spec as `spec.json` holds it."""
        ensemble = {"zookeeper_properties": self.zookeeper_properties} if self.mode == "zk" else {}
        return {
            "version": VERSION, "mode": self.mode, "seed": self.seed, "profile": self.profile,
            "shape": self._shape_data(), "duration_us": self.duration_us, "properties": self.properties, **ensemble,
            "topic_config": self.topic_config, "consumer_config": self.consumer_config, "bugs": list(self.bugs),
            "excuses": self.excuses, "steady": self.steady, "faults": self.faults, "workload": self.workload,
        }

    def _shape_data(self) -> dict[str, Any]:
        shape = self.shape
        if self.mode == "zk":
            return {"zookeepers": shape.zookeepers, "brokers": shape.brokers, "clients": shape.clients}
        return {
            "controllers": shape.controllers, "brokers": shape.brokers, "combined": shape.combined,
            "clients": shape.clients}

    @property
    def name(self) -> str:
        """The run's name in the store."""
        return "-".join([self.mode, *self.bugs, str(self.seed)])


def spec_from_data(data: Any, where: str) -> RunSpec:
    """Read a spec. Raises InputError, in one line, for anything missing, unknown or out of range."""
    reader = _Reader(data, where, "a spec")
    if reader.take("version", _whole(1), VERSION) != VERSION:
        raise InputError(f"{where}: version {data['version']} is not known; this is version {VERSION}")
    mode = reader.take("mode", _one_of(MODES), "kraft")
    shape = _shape(reader.take("shape", _is(dict, "an object"), {}), mode, where)
    spec = RunSpec(
        seed=reader.take("seed", _whole(0)),
        mode=mode,
        profile=reader.take("profile", _one_of(PROFILES), "campaign"),
        shape=shape,
        duration_us=reader.take("duration_us", _whole(1), DEFAULT_DURATION_US),
        properties=reader.take("properties", _texts, {}),
        topic_config=reader.take("topic_config", _texts, {}),
        consumer_config=reader.take("consumer_config", _texts, {}),
        zookeeper_properties=reader.take("zookeeper_properties", _texts, {}) if mode == "zk" else {},
        bugs=tuple(reader.take("bugs", _list_of_texts, [])),
        excuses=reader.take("excuses", _is(bool, "true or false"), True),
        workload=reader.take("workload", _is((list, type(None)), "a list or null"), None),
        faults=reader.take("faults", _is((list, type(None)), "a list or null"), None),
        steady=reader.take("steady", _is(bool, "true or false"), False),
    )
    reader.finish()
    check_spec(spec, where)
    return spec


def check_spec(spec: RunSpec, where: str, hand_written: bool = False) -> None:
    """Refuse a spec that could not be run: InputError (or one of its kind) in one line.

    hand_written: somebody wrote the schedule; faults that could never strike are refused, too.
    """
    check_shape(spec.shape, where)
    read_server_properties(Property(name, value, where) for name, value in spec.properties.items())
    read_topic_properties(Property(name, value, where) for name, value in spec.topic_config.items())
    read_old_consumer_properties(Property(name, value, where) for name, value in spec.consumer_config.items())
    read_zookeeper_properties(Property(name, value, where) for name, value in spec.zookeeper_properties.items())
    config = config_of(spec)
    min_isr = spec.topic_config.get("min.insync.replicas")
    if min_isr is not None and int(min_isr) > config.kafka.default_replication_factor:
        raise InputError(f"{where}: min.insync.replicas={min_isr}: allowed for a topic is at most "
                         f"default.replication.factor ({config.kafka.default_replication_factor})")
    if spec.faults is not None:
        _check_schedule(spec, config, where, hand_written)
    if spec.workload is not None:
        check_workload(spec.workload, spec.shape.clients, where)


def config_of(spec: RunSpec) -> EffectiveConfig:
    """The whole configuration of a run. Raises InputError where what was given contradicts itself."""
    if spec.mode != "zk":
        for name, value in spec.consumer_config.items():
            raise InputError(f"{name}={value}: allowed only with ZooKeeper (--mode zk)")
    consumer = consumer_config_with(spec.bugs, spec.mode, spec.consumer_config)
    return effective_config(spec.profile, spec.properties, spec.shape.brokers, consumer, spec.zookeeper_properties)


def check_faults(faults: Any, where: str) -> list[Fault]:
    """Read a schedule; refuse one that cannot be read: InputError in one line that names the fault and the field."""
    if not isinstance(faults, list):
        raise InputError(f"{where}: a schedule is a list of faults, not {_json_word(faults)}")
    try:
        schedule = schedule_from_data(faults, where)
    except FaultError as error:
        raise InputError(str(error)) from None
    for index, fault in enumerate(schedule):
        if fault.setting is not None:
            name, _, value = fault.setting.partition("=")
            read_topic_properties([Property(name, value, f"{where}: fault {index}: setting")])
    return schedule


def _json_word(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _check_schedule(spec: RunSpec, config: EffectiveConfig, where: str, hand_written: bool) -> None:
    """Refuse a schedule that the spec's cluster could not have."""
    faults, shape, ensemble = check_faults(spec.faults, where), spec.shape, spec.mode == "zk"
    setting = Setting(
        spec.mode, () if ensemble else shape.controller_ids(), shape.broker_ids(),
        shape.zookeeper_ids() if ensemble else (), shape.client_ids())
    try:
        check_possible(faults, setting, where)
        if hand_written:
            partitions = {
                **dict.fromkeys((*TOPICS, *EXTRA_TOPICS), PARTITIONS),
                "__consumer_offsets": config.kafka.offsets_topic_num_partitions}
            check_hand_written(faults, setting, partitions, spec.duration_us, where)
    except FaultError as error:
        raise InputError(str(error)) from None


def check_workload(workload: list[dict[str, Any]], clients: int, where: str) -> None:
    """Refuse operations that no client could run: InputError in one line that names the operation."""
    for index, operation in enumerate(workload):
        if not isinstance(operation, dict) or operation.get("f") not in OPERATIONS:
            raise InputError(f"{where}: operation {index}: f is one of {', '.join(OPERATIONS)}")
        if operation.get("client") not in range(clients):
            raise InputError(f"{where}: operation {index}: client is {operation.get('client')!r}: "
                             f"allowed is a whole number from 0 to {clients - 1}")
        if not isinstance(operation.get("at_us"), int) or operation["at_us"] < 0:
            raise InputError(f"{where}: operation {index}: at_us is a whole number of microseconds")


def check_shape(shape: Shape, where: str) -> None:
    """Refuse a number of nodes that the model does not hold: InputError in one line."""
    for name, value, highest in (
        ("controllers", shape.controllers, MAX_CONTROLLERS), ("brokers", shape.brokers, MAX_BROKERS),
        ("clients", shape.clients, MAX_CLIENTS), ("zookeepers", shape.zookeepers, MAX_ZOOKEEPERS),
    ):
        if not 1 <= value <= highest:
            raise InputError(f"{where}: {name}={value}: allowed is a whole number from 1 to {highest}")
    if shape.combined and shape.brokers < shape.controllers:
        raise InputError(f"{where}: brokers={shape.brokers}: with combined nodes allowed is at least the number of "
                         f"controllers ({shape.controllers}), for each of them is a broker too")


def _shape(data: dict[str, Any], mode: str, where: str) -> Shape:
    reader = _Reader(data, where, "shape")
    default = Shape()
    brokers = reader.take("brokers", _whole(1), default.brokers)
    clients = reader.take("clients", _whole(1), default.clients)
    if mode == "zk":
        zookeepers = reader.take("zookeepers", _whole(1), default.zookeepers)
        shape = Shape(brokers=brokers, clients=clients, zookeepers=zookeepers)
    else:
        controllers = reader.take("controllers", _whole(1), default.controllers)
        combined = reader.take("combined", _is(bool, "true or false"), default.combined)
        shape = Shape(controllers, brokers, clients, combined)
    reader.finish()
    return shape


#: Says what is wrong with a value, or None when it will do.
_Check = Callable[[Any], str | None]
_REQUIRED = object()


class _Reader:
    """Takes the fields of one JSON object and complains about those nobody took."""

    def __init__(self, data: Any, where: str, what: str) -> None:
        if not isinstance(data, dict):
            raise InputError(f"{where}: {what} is a JSON object, not {type(data).__name__}")
        self._rest = dict(data)
        self._known: list[str] = []
        self._where = where
        self._what = what

    def take(self, name: str, check: _Check, default: Any = _REQUIRED) -> Any:
        """The field's value, or its default."""
        self._known.append(name)
        if name not in self._rest:
            if default is _REQUIRED:
                raise InputError(f"{self._where}: {self._what} has no {name}")
            return default
        value = self._rest.pop(name)
        allowed = check(value)
        if allowed is not None:
            raise InputError(f"{self._where}: {name} is {value!r:.60}: allowed is {allowed}")
        return value

    def finish(self) -> None:
        """Nothing may be left."""
        for name in self._rest:
            raise InputError(
                f"{self._where}: {self._what} has an unknown field {name!r}; known are {', '.join(self._known)}")


def _whole(low: int) -> _Check:
    allowed = f"a whole number from {low}"
    return lambda value: None if isinstance(value, int) and not isinstance(value, bool) and value >= low else allowed


def _one_of(names: tuple[str, ...]) -> _Check:
    return lambda value: None if value in names else " or ".join(names)


def _is(kind: type | tuple[type, ...], allowed: str) -> _Check:
    return lambda value: None if isinstance(value, kind) else allowed


def _texts(value: Any) -> str | None:
    fine = isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
    return None if fine else "an object of texts"


def _list_of_texts(value: Any) -> str | None:
    return None if isinstance(value, list) and all(isinstance(text, str) for text in value) else "a list of texts"
