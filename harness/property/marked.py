"""From the arguments of `@pytest.mark.fencepost` to specs, one for each seed."""

from collections.abc import Iterable, Mapping
from typing import Any

from fencepost.harness.property.defaults import DURATION, SHAPE
from fencepost.harness.spec import RunSpec, check_spec
from fencepost.harness.words import read_duration
from fencepost.histories.errors import InputError
from fencepost.model.bugs.catalogue import composer_with
from fencepost.model.properties import read_server_properties, read_topic_properties
from fencepost.model.properties_file import Property
from fencepost.model.shape import Shape

#: The arguments that the marker takes, and the attributes that a ClusterMachine has.
OPTIONS: Mapping[str, Any] = {
    "mode": "kraft", "seeds": 1, "brokers": SHAPE.brokers, "controllers": SHAPE.controllers,
    "zookeepers": SHAPE.zookeepers, "clients": SHAPE.clients, "duration": DURATION, "bug": None, "properties": {},
    "topic_config": {}, "profile": "campaign",
}


def specs_of(options: Mapping[str, Any], only_seed: int | None, where: str) -> list[RunSpec]:
    """The specs that the options ask for. only_seed: instead of the seeds in the options.

    Raises InputError (or one of its kind), in one line, for an argument that is not known or that cannot be.
    """
    for name in options:
        if name not in OPTIONS:
            raise InputError(f"{where}: there is no {name}; it takes {', '.join(OPTIONS)}")
    given = {**OPTIONS, **options}
    seeds = [only_seed] if only_seed is not None else _seeds(given["seeds"], where)
    return [_spec(given, seed, where) for seed in seeds]


def _spec(given: Mapping[str, Any], seed: int, where: str) -> RunSpec:
    mode = given["mode"]
    if mode not in ("kraft", "zk"):
        raise InputError(f"{where}: mode={mode!r}: allowed is kraft or zk")
    for name in ("brokers", "controllers", "zookeepers", "clients"):
        if not isinstance(given[name], int):
            raise InputError(f"{where}: {name}={given[name]!r}: allowed is a whole number from 1")
    shape = Shape(given["controllers"], given["brokers"], given["clients"], zookeepers=given["zookeepers"])
    bug = given["bug"]
    bugs = () if bug is None else (bug,) if isinstance(bug, str) else tuple(bug)
    duration_us = read_duration(str(given["duration"]))
    if duration_us < 2_000_000:
        raise InputError(f"{where}: duration={given['duration']!r}: allowed is at least 2s, half of it to start")
    properties = read_server_properties(_named(given["properties"], where))
    topic_config = read_topic_properties(_named(given["topic_config"], where))
    spec = RunSpec(
        seed, mode, given["profile"], shape, duration_us, properties.modelled, topic_config.modelled, bugs=bugs)
    check_spec(spec, where)
    composer_with(bugs, mode)
    return spec


def _seeds(seeds: int | Iterable[int], where: str) -> list[int]:
    found = list(range(seeds)) if isinstance(seeds, int) else list(seeds) if isinstance(seeds, Iterable) else []
    if not found or not all(isinstance(seed, int) and seed >= 0 for seed in found):
        raise InputError(f"{where}: seeds={seeds!r}: allowed is how many, or which: whole numbers from 0")
    return found


def _named(properties: Mapping[str, Any], where: str) -> list[Property]:
    return [Property(name, str(value), where) for name, value in properties.items()]
