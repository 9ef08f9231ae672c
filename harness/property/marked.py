"""From the arguments of `@pytest.mark.fencepost` to specs, one for each seed."""

from collections.abc import Iterable, Mapping
from typing import Any

from fencepost.harness.property.defaults import DURATION, SHAPE
from fencepost.harness.spec import MODES, RunSpec, check_spec
from fencepost.harness.words import read_duration
from fencepost.histories.errors import FencepostError, InputError
from fencepost.model.bugs.catalogue import composer_with
from fencepost.model.effective_config import PROFILES
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

    Raises InputError, in one line that begins with `where`, for an argument that is not known or that cannot be.
    """
    for name in options:
        if name not in OPTIONS:
            raise InputError(f"{where}: there is no {name}; it takes {', '.join(OPTIONS)}")
    given = {**OPTIONS, **options}
    seeds = [only_seed] if only_seed is not None else _seeds(given["seeds"], where)
    _check(given, where)
    try:
        return [_spec(given, seed, where) for seed in seeds]
    except FencepostError as error:
        words = str(error)
        raise InputError(words if words.startswith(where) else f"{where}: {words}") from None


def _check(given: Mapping[str, Any], where: str) -> None:
    """Refuse what is of a wrong kind."""
    for name, names in (("mode", MODES), ("profile", tuple(PROFILES))):
        if given[name] not in names:
            raise InputError(f"{where}: {name}={given[name]!r}: allowed is {' or '.join(names)}")
    for name in ("brokers", "controllers", "zookeepers", "clients"):
        if type(given[name]) is not int:
            raise InputError(f"{where}: {name}={given[name]!r}: allowed is a whole number from 1")
    for name in ("properties", "topic_config"):
        if not isinstance(given[name], Mapping):
            raise InputError(f"{where}: {name}={given[name]!r}: allowed is a dict of Kafka's names and their values")
    if not all(isinstance(bug, str) for bug in _bugs(given)):
        raise InputError(f"{where}: bug={given['bug']!r}: allowed is the id of a known bug, or several")


def _bugs(given: Mapping[str, Any]) -> tuple[Any, ...]:
    bug = given["bug"]
    return () if bug is None else tuple(bug) if isinstance(bug, list | tuple) else (bug,)


def _spec(given: Mapping[str, Any], seed: int, where: str) -> RunSpec:
    mode, bugs = given["mode"], _bugs(given)
    shape = Shape(given["controllers"], given["brokers"], given["clients"], zookeepers=given["zookeepers"])
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
    found = list(range(seeds)) if type(seeds) is int else list(seeds) if isinstance(seeds, Iterable) else []
    if not found or not all(type(seed) is int and seed >= 0 for seed in found):
        raise InputError(f"{where}: seeds={seeds!r}: allowed is how many, or which: whole numbers from 0")
    return found


def _named(properties: Mapping[str, Any], where: str) -> list[Property]:
    return [Property(name, str(value), where) for name, value in properties.items()]
